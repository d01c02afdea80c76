/* family_312.h: the frames of CPython 3.12. As in 3.11, but C calls leave shim frames (owner CSTACK), whose code must
 * not be read.
 */
#ifndef PYCTM_CAPTURE_FRAMES_FAMILY_312_H
#define PYCTM_CAPTURE_FRAMES_FAMILY_312_H

#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 312

#include "capture/frames/family_cframe.h"
#include "internal/pycore_opcode.h"

/* HOOK: Tests the owner before it reads the code. */
static inline bool pyctm_frame_is_complete(const pyctm_interpreter_frame *frame)
{
    if (frame->owner == FRAME_OWNED_BY_CSTACK) {
        return false;
    }
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->prev_instr >= _PyCode_CODE(frame->f_code) + frame->f_code->_co_firsttraceable;
}

/* HOOK: There would be a shim in between. */
static inline bool pyctm_frame_is_entered_from_c(const pyctm_interpreter_frame *frame)
{
    (void)frame;
    return false;
}

/* HOOK: An attribute's getter may leave a slot below its result, so an instruction that may be LOAD_ATTR has none. */
static inline uintptr_t *pyctm_frame_sentinel_slot(pyctm_interpreter_frame *frame, int owner_above)
{
    const _Py_CODEUNIT *maybe = frame->prev_instr - INLINE_CACHE_ENTRIES_LOAD_ATTR;
    if (maybe >= _PyCode_CODE(frame->f_code)) {
        const int opcode = maybe->op.code;
        if (opcode >= MIN_INSTRUMENTED_OPCODE || _PyOpcode_Deopt[opcode] == LOAD_ATTR) {
            return NULL;
        }
    }
    return owner_above == FRAME_OWNED_BY_THREAD ? (uintptr_t *)&frame->localsplus[frame->stacktop]
                                                : NULL;
}

#endif
#endif
