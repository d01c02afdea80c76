/* frames_gil.h: which thread state is attached, without asking the interpreter each time (CPython 3.12 and newer).
 *
 * Its own answer is a thread-local variable, which in a shared libpython costs more than all else that an event does
 * before it counts. So each thread remembers the answer that it got when it held the GIL (who.c), and takes it again
 * while the main interpreter is the only one and its GIL says that this very state took it last.
 */
#include "capture.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"

/* HOOK: */
PyThreadState *ctm_frames_attached_to_main(void)
{
    PyInterpreterState *const main = ctm_the_capture.main_interpreter;
    PyThreadState *const remembered = ctm_hook_tls.attached;
    const bool is_same = remembered != NULL &&
                         __atomic_load_n(&_PyRuntime.interpreters.head, __ATOMIC_RELAXED) == main &&
                         __atomic_load_n((PyThreadState **)&main->ceval.gil->last_holder,
                                         __ATOMIC_RELAXED) == remembered;
    return is_same ? remembered : NULL;
}
