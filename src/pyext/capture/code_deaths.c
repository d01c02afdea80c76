/* code_deaths.c: clears the caches that are keyed by the address of a code object or instruction when a code object
 * dies.
 *
 * 3.12 and newer call a code watcher for that; on 3.11 the type's deallocator is replaced by a function of this file. If no
 * code watcher can be added, nothing is cached. Neither gets a pointer to data of ours, so this file names the process's
 * capture.
 */
#include "capture/capture.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

static void on_death(const PyCodeObject *code)
{
    pyctm_code_cache_remove(&pyctm_the_capture.codes, code);
    pyctm_stack_forget(&pyctm_the_capture.stacks);
}

#if PYCTM_HAS_CODE_WATCHERS
static int on_code_event(PyCodeEvent event, PyCodeObject *code)
{
    if (event == PY_CODE_EVENT_DESTROY) {
        on_death(code);
    }
    return 0;
}

/* Code watchers belong to an interpreter: this one to the main one. It is added at each initialization. */
static bool listen(void)
{
    if (PyCode_AddWatcher(on_code_event) >= 0) {
        return true;
    }
    PyErr_Clear(); /* the interpreter has no free code watcher: nothing is cached */
    return false;
}
#else
static destructor the_code_dealloc; /* the type's own; GIL */

static void on_code_dealloc(PyObject *code)
{
    on_death((const PyCodeObject *)code);
    the_code_dealloc(code);
}

static bool listen(void)
{
    if (PyCode_Type.tp_dealloc != on_code_dealloc) {
        the_code_dealloc = PyCode_Type.tp_dealloc;
        PyCode_Type.tp_dealloc = on_code_dealloc;
    }
    return true;
}
#endif

void pyctm_code_deaths_listen(pyctm_capture *capture)
{
    pyctm_code_cache_empty(&capture->codes);
    capture->codes.deaths_are_known = listen();
}
#endif
