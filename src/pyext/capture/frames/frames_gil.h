/* frames_gil.h: which thread state is attached, without asking the interpreter each time (CPython 3.12 and newer).
 *
 * Its own answer is a thread-local variable, which in a shared libpython costs more than all else that an event does
 * before it counts. So each thread remembers the answer that it got when it held the GIL (event_owner.c), and takes it again
 * while the main interpreter is the only one and its GIL says that this very state took it last.
 */
#include "capture/capture.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"

PyThreadState **pyctm_frames_main_holder(void)
{
    return (PyThreadState **)&PyInterpreterState_Main()->ceval.gil->last_holder;
}

/* HOOK: Nobody is remembered (NULL) until somebody holds it. */
PyThreadState *pyctm_frames_attached_to_main(void)
{
    PyThreadState *const remembered = pyctm_hook_tls.attached;
    const bool is_same =
        __atomic_load_n(pyctm_the_capture.main_holder, __ATOMIC_RELAXED) == remembered &&
        __atomic_load_n(&_PyRuntime.interpreters.head, __ATOMIC_RELAXED) ==
            pyctm_the_capture.main_interpreter;
    return is_same ? remembered : NULL;
}
