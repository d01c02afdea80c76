/* frames_312.c: CPython 3.12. As 3.11, but C calls leave shim frames (owner CSTACK), whose
 * code must not be read, and each thread knows its own current thread state. */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000

#define Py_BUILD_CORE 1
#include "frames.h"
#include "internal/pycore_frame.h"

#include "frames_gil.h"

/* HOOK: */
PyThreadState *ctm_frames_attached(bool gil_held)
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

#include "frames_cframe.h"
#endif
