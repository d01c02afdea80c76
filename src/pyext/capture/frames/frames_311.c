/* frames_311.c: CPython 3.11. There are no shim frames; the innermost frame hangs off the
 * thread state's C frame; `prev_instr` is the code unit before the next instruction; the
 * runtime has one current thread state, that of whoever holds the GIL. */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000

#define Py_BUILD_CORE 1
#include "capture/capture.h"
#include "capture/frames/frames.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_runtime.h"

/* HOOK: The state that the runtime calls current is ours only if it is the one this thread
 * registered; a raw allocation may run while some other thread holds the GIL. */
PyThreadState *pyctm_frames_attached(bool gil_held)
{
    PyThreadState *current = _PyThreadState_UncheckedGet();
    if (gil_held || current == NULL) {
        return current;
    }
    return current == PyGILState_GetThisThreadState() ? current : NULL;
}

PyThreadState **pyctm_frames_main_holder(void)
{
    return NULL;
}

/* HOOK: The runtime keeps it in a plain variable. */
PyThreadState *pyctm_frames_attached_to_main(void)
{
    PyThreadState *const current =
        (PyThreadState *)_Py_atomic_load_relaxed(&_PyRuntime.gilstate.tstate_current);
    const bool is_main = current != NULL && current->interp == pyctm_the_capture.main_interpreter;
    return is_main ? current : NULL;
}

/* HOOK: */
static inline bool is_complete(const _PyInterpreterFrame *frame)
{
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->prev_instr >= _PyCode_CODE(frame->f_code) + frame->f_code->_co_firsttraceable;
}

/* HOOK: There is no shim between a frame and one that C code called on its behalf. */
static inline bool is_entered_from_c(const _PyInterpreterFrame *frame)
{
    return frame->is_entry;
}

/* HOOK: Whatever pushes a function's frame here has taken its operands. */
static inline uintptr_t *sentinel_slot(_PyInterpreterFrame *frame, int owner_above)
{
    return owner_above == FRAME_OWNED_BY_THREAD ? (uintptr_t *)&frame->localsplus[frame->stacktop]
                                                : NULL;
}

#include "capture/frames/frames_cframe.h"
#endif
