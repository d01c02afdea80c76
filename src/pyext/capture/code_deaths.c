/* code_deaths.c: who remembers code objects and instructions by their address is told when a code object dies.
 *
 * Of that 3.12 and newer tell a listener; on 3.11 the type's deallocator is led through here. Where there is no place for a
 * listener nothing is remembered. Neither is given data of ours: so the process's capture is named here.
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

/* Listeners belong to an interpreter: this one is the main one, and a new one at each initialization. */
static bool listen(void)
{
    if (PyCode_AddWatcher(on_code_event) >= 0) {
        return true;
    }
    PyErr_Clear(); /* all places are taken: go on without remembering */
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
