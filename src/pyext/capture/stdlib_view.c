/* stdlib_view.c: see stdlib_view.h. */
#include "capture/stdlib_view.h"

#include "capture/capture.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

enum {
    START,
    STOP,
#if PY_VERSION_HEX < 0x030D0000
    CLEAR,
    IS_TRACING,
    MEMORY,
    TRACES,
    OBJECT,
#endif
    FUNCTIONS
};

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);

static PyCFunction the_originals[FUNCTIONS]; /* set once, before any replacement is reached; GIL */

static PyObject *call_original(int function, PyObject *module, PyObject *argument)
{
    return the_originals[function](module, argument);
}

static PyObject *start_original(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    return ((fast_function)(void (*)(void))the_originals[START])(module, args, n);
}

/* Does this thread hold the GIL that the capture belongs to? An interpreter with one of its own is left alone. */
static bool has_main_gil(void)
{
    return PyInterpreterState_Get() == pyctm_the_capture.main_interpreter ||
           PY_VERSION_HEX < 0x030C0000;
}

/* Does this module trace, and is what the program does to stdlib done to the interpreter that it traces? */
static bool is_concerned(void)
{
    return has_main_gil() && ctm_tracer_is_tracing(pyctm_the_capture.tracer);
}

/* stdlib was started or stopped, and has taken who tells of objects from free lists for itself, or given it up. */
static void follow_free_lists_again(PyObject *module)
{
    if (ctm_tracer_sample_interval(pyctm_the_capture.tracer) != 0) {
        return;
    }
    PyObject *type, *value, *traceback; /* an exception of the program's is kept */
    PyErr_Fetch(&type, &value, &traceback);
    if (pyctm_stdlib_flag_raise(module) < 0) {
        PyErr_Clear();
        pyctm_the_capture.free_lists =
            (pyctm_fact){false, "no memory to start the standard module again"};
    }
    pyctm_freelist_resume();
    PyErr_Restore(type, value, traceback);
}

/* --- what stands in the tables instead --- */

/* A bad argument leaves everything as it was: stdlib carries us as before. */
static PyObject *on_start(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (has_main_gil() && pyctm_stdlib_flag_yield(module) < 0) {
        return NULL;
    }
    PyObject *result = start_original(module, args, n);
    if (is_concerned()) {
        follow_free_lists_again(module);
    }
    return result;
}

/* Its hooks are off then, and with them any of ours that stood above, and it no longer tells of free lists. */
static PyObject *on_stop(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_NONE;
    }
    PyObject *result = call_original(STOP, module, ignored);
    if (is_concerned()) {
        pyctm_hooks_install(ctm_tracer_sample_interval(pyctm_the_capture.tracer) != 0);
        follow_free_lists_again(module);
    }
    return result;
}

#if PY_VERSION_HEX < 0x030D0000
static PyObject *on_clear(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_NONE;
    }
    return call_original(CLEAR, module, ignored);
}

static PyObject *on_is_tracing(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_FALSE;
    }
    return call_original(IS_TRACING, module, ignored);
}

static PyObject *on_memory(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        return Py_BuildValue("ii", 0, 0);
    }
    return call_original(MEMORY, module, ignored);
}

static PyObject *on_traces(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        return PyList_New(0);
    }
    return call_original(TRACES, module, ignored);
}

static PyObject *on_object(PyObject *module, PyObject *object)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_NONE;
    }
    return call_original(OBJECT, module, object);
}
#endif

static const struct {
    const char *name;
    int flags;
    PyCFunction replacement;
} the_view[FUNCTIONS] = {
    [START] = {"start", METH_FASTCALL, (PyCFunction)(void (*)(void))on_start},
    [STOP] = {"stop", METH_NOARGS, on_stop},
#if PY_VERSION_HEX < 0x030D0000
    [CLEAR] = {"clear_traces", METH_NOARGS, on_clear},
    [IS_TRACING] = {"is_tracing", METH_NOARGS, on_is_tracing},
    [MEMORY] = {"get_traced_memory", METH_NOARGS, on_memory},
    [TRACES] = {"_get_traces", METH_NOARGS, on_traces},
    [OBJECT] = {"_get_object_traceback", METH_O, on_object},
#endif
};

/* --- putting it there --- */

/* The function's entry in stdlib's table, borrowed for ever; NULL: something else has its name. */
static PyMethodDef *find(PyObject *module, int function)
{
    PyObject *found = PyObject_GetAttrString(module, the_view[function].name);
    PyMethodDef *definition = NULL;
    if (found == NULL) {
        PyErr_Clear();
    } else if (PyCFunction_CheckExact(found) && PyCFunction_GET_SELF(found) == module) {
        definition = ((PyCFunctionObject *)found)->m_ml;
    }
    Py_XDECREF(found);
    return definition != NULL && definition->ml_flags == the_view[function].flags ? definition
                                                                                  : NULL;
}

bool pyctm_stdlib_view_install(PyObject *stdlib_tracemalloc)
{
    PyMethodDef *definitions[FUNCTIONS];
    if (the_originals[START] != NULL) {
        return true;
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        definitions[i] = find(stdlib_tracemalloc, i);
        if (definitions[i] == NULL) {
            return false;
        }
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        the_originals[i] = definitions[i]->ml_meth;
        __atomic_store_n(&definitions[i]->ml_meth, the_view[i].replacement, __ATOMIC_RELEASE);
    }
    return true;
}

#if PY_VERSION_HEX < 0x030D0000
static int drop(PyObject *result)
{
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

int pyctm_stdlib_start(PyObject *stdlib_tracemalloc, int nframe)
{
    PyObject *argument = PyLong_FromLong(nframe);
    if (argument == NULL) {
        return -1;
    }
    const int result = drop(start_original(stdlib_tracemalloc, &argument, 1));
    Py_DECREF(argument);
    return result;
}

int pyctm_stdlib_stop(PyObject *stdlib_tracemalloc)
{
    return drop(call_original(STOP, stdlib_tracemalloc, NULL));
}

int pyctm_stdlib_clear(PyObject *stdlib_tracemalloc)
{
    return drop(call_original(CLEAR, stdlib_tracemalloc, NULL));
}
#endif
#endif
