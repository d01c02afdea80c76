/* frames_312.c: CPython 3.12. As 3.11, but C calls leave shim frames (owner CSTACK), whose
 * code must not be read, and each thread knows its own current thread state. */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000

#define Py_BUILD_CORE 1
#include "capture/frames/frames.h"
#define NEED_OPCODE_TABLES 1
#include "internal/pycore_frame.h"
#include "internal/pycore_opcode.h"

#include "capture/frames/frames_gil.h"

/* HOOK: */
PyThreadState *pyctm_frames_attached(bool gil_held)
{
    (void)gil_held;
    return _PyThreadState_UncheckedGet();
}

/* HOOK: The owner is tested before the code is touched. */
static inline bool is_complete(const _PyInterpreterFrame *frame)
{
    if (frame->owner == FRAME_OWNED_BY_CSTACK) {
        return false;
    }
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->prev_instr >= _PyCode_CODE(frame->f_code) + frame->f_code->_co_firsttraceable;
}

/* HOOK: A shim would stand between. */
static inline bool is_entered_from_c(const _PyInterpreterFrame *frame)
{
    (void)frame;
    return false;
}

/* HOOK: An attribute's getter may leave a slot below its result: not if the instruction can be LOAD_ATTR. */
static inline uintptr_t *sentinel_slot(_PyInterpreterFrame *frame, int owner_above)
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

#include "capture/frames/frames_cframe.h"
#endif
