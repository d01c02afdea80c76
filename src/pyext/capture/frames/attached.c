/* attached.c: which thread state is attached to an interpreter, told in a hook.
 *
 * Model: in 3.11 the runtime has one current thread state, that of whoever holds the GIL, in a plain variable.
 *
 * From 3.12 on each thread knows its own, in a thread-local variable, which in a shared libpython costs more than all else
 * that an event does before it counts. So each thread remembers the answer that it got when it held the GIL
 * (event_owner.c), and takes it again while the main interpreter is the only one and its GIL says that this very state
 * took it last.
 */
#include "capture/frames/core_build.h"
#include "capture/frames/versions.h"

#include "capture/frames/frames.h"
#include "capture/state.h"

#if PYCTM_FAMILY != 0

#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"

#if PYCTM_HAS_OWN_GILS

/* HOOK: */
PyThreadState *pyctm_frames_attached(bool gil_held)
{
    (void)gil_held;
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

PyThreadState **pyctm_frames_main_holder(void)
{
    return (PyThreadState **)&PyInterpreterState_Main()->ceval.gil->last_holder;
}

/* HOOK: Nobody is remembered (NULL) until somebody holds it. */
PyThreadState *pyctm_frames_attached_to_main(const pyctm_capture *capture)
{
    PyThreadState *const remembered = pyctm_hook_tls.attached;
    const bool is_same = __atomic_load_n(capture->main_holder, __ATOMIC_RELAXED) == remembered &&
                         __atomic_load_n(&_PyRuntime.interpreters.head, __ATOMIC_RELAXED) ==
                             capture->main_interpreter;
    return is_same ? remembered : NULL;
}

#else

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

/* HOOK: */
PyThreadState *pyctm_frames_attached_to_main(const pyctm_capture *capture)
{
    PyThreadState *const current =
        (PyThreadState *)_Py_atomic_load_relaxed(&_PyRuntime.gilstate.tstate_current);
    const bool is_main = current != NULL && current->interp == capture->main_interpreter;
    return is_main ? current : NULL;
}

#endif
#endif
