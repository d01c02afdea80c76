/* attached.c: finds the thread state that is attached to an interpreter, in a hook.
 *
 * Model: the runtime of 3.11 has one current thread state, that of the GIL's holder, in a plain variable.
 *
 * From 3.12 on each thread has its own in a thread-local variable. Reading it in a shared libpython costs more than all
 * else that an event does before it counts. So each thread remembers the result that it got when it held the GIL
 * (event_owner.c), and uses it again while the main interpreter is the only one and its GIL was last taken by this same
 * thread state.
 */
#include "capture/frames/core_build.h"
#include "capture/frames/versions.h"

#include "capture/frames/assert.h"
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

/* HOOK: `attached` is NULL until this thread has held the GIL in a hook. */
PyThreadState *pyctm_frames_attached_to_main(const pyctm_capture *capture)
{
    PyThreadState *const remembered = pyctm_hook_tls.attached;
    const bool is_same = __atomic_load_n(capture->main_holder, __ATOMIC_RELAXED) == remembered &&
                         __atomic_load_n(&_PyRuntime.interpreters.head, __ATOMIC_RELAXED) ==
                             capture->main_interpreter;
    PYCTM_ASSERT(!is_same || remembered == NULL || remembered == pyctm_frames_attached(true));
    return is_same ? remembered : NULL;
}

#else

/* HOOK: The runtime's current thread state is this thread's only if this thread registered it; a raw allocation may run
 * while another thread holds the GIL. */
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
