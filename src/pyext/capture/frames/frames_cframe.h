/* frames_cframe.h: what CPython 3.11 and 3.12 have in common: the innermost frame hangs off the thread state's C
 * frame, and a frame holds its code object and the code unit before the next instruction. They publish no
 * layout to compare with. Included behind the family's own `is_complete`.
 */
/* HOOK: */
static inline PyCodeObject *frame_code(const _PyInterpreterFrame *frame)
{
    return frame->f_code;
}

/* HOOK: */
static inline const _Py_CODEUNIT *frame_instruction(const _PyInterpreterFrame *frame)
{
    return frame->prev_instr;
}

/* HOOK: */
static inline const _PyInterpreterFrame *innermost(PyThreadState *thread_state)
{
    return thread_state->cframe != NULL ? thread_state->cframe->current_frame : NULL;
}

#include "capture/frames/frames_walk.h"

const char *pyctm_frames_check_layout(void)
{
    return NULL;
}
