/* family_311.h: the frames of CPython 3.11. There are no shim frames. */
#ifndef PYCTM_CAPTURE_FRAMES_FAMILY_311_H
#define PYCTM_CAPTURE_FRAMES_FAMILY_311_H

#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 311

#include "capture/frames/family_cframe.h"

/* HOOK: */
static inline bool pyctm_frame_is_complete(const pyctm_interpreter_frame *frame)
{
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->prev_instr >= _PyCode_CODE(frame->f_code) + frame->f_code->_co_firsttraceable;
}

/* HOOK: 3.11 has no shim between a frame and one that C code called for it. */
static inline bool pyctm_frame_is_entered_from_c(const pyctm_interpreter_frame *frame)
{
    return frame->is_entry;
}

/* HOOK: In 3.11 every instruction that pushes a function's frame has removed its operands. */
static inline uintptr_t *pyctm_frame_sentinel_slot(pyctm_interpreter_frame *frame, int owner_above)
{
    return owner_above == FRAME_OWNED_BY_THREAD ? (uintptr_t *)&frame->localsplus[frame->stacktop]
                                                : NULL;
}

#endif
#endif
