/* stdlib_view.c: see stdlib_view.h. */
#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030D0000

#include "capture.h"
#include "stdlib_view.h"

enum { START, STOP, CLEAR, IS_TRACING, MEMORY, TRACES, OBJECT, FUNCTIONS };

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
    return PyInterpreterState_Get() == ctm_the_capture.main_interpreter ||
           PY_VERSION_HEX < 0x030C0000;
}

/* Keeps an exception of the program's. */
static void mount_again(PyObject *module)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (ctm_ride_mount(module) < 0) {
        PyErr_Clear();
        ctm_the_capture.free_lists =
            (ctm_fact){false, "no memory to start the standard module again"};
    }
    PyErr_Restore(type, value, traceback);
}

/* The program has stopped stdlib: its hooks, and with them any of ours above, are off, and it no longer tells of
 * free lists. */
static void resume(PyObject *module)
{
    if (ctm_tracer_is_tracing(ctm_the_capture.tracer) && has_main_gil()) {
        const bool sampling = ctm_tracer_sample_interval(ctm_the_capture.tracer) != 0;
        ctm_hooks_install(sampling);
        if (!sampling) {
            mount_again(module);
        }
    }
}

/* --- what stands in the tables instead --- */

static PyObject *on_start(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    const bool carried = ctm_ride_is_pretence();
    if (has_main_gil() && ctm_ride_step_aside(module) < 0) {
        return NULL;
    }
    PyObject *result = start_original(module, args, n);
    if (result == NULL && carried) {
        mount_again(module); /* a bad argument: it carries us as before */
    }
    return result;
}

static PyObject *on_stop(PyObject *module, PyObject *ignored)
{
    if (ctm_ride_is_pretence()) {
        Py_RETURN_NONE;
    }
    PyObject *result = call_original(STOP, module, ignored);
    resume(module);
    return result;
}

static PyObject *on_clear(PyObject *module, PyObject *ignored)
{
    if (ctm_ride_is_pretence()) {
        Py_RETURN_NONE;
    }
    return call_original(CLEAR, module, ignored);
}

static PyObject *on_is_tracing(PyObject *module, PyObject *ignored)
{
    if (ctm_ride_is_pretence()) {
        Py_RETURN_FALSE;
    }
    return call_original(IS_TRACING, module, ignored);
}

static PyObject *on_memory(PyObject *module, PyObject *ignored)
{
    if (ctm_ride_is_pretence()) {
        return Py_BuildValue("ii", 0, 0);
    }
    return call_original(MEMORY, module, ignored);
}

static PyObject *on_traces(PyObject *module, PyObject *ignored)
{
    if (ctm_ride_is_pretence()) {
        return PyList_New(0);
    }
    return call_original(TRACES, module, ignored);
}

static PyObject *on_object(PyObject *module, PyObject *object)
{
    if (ctm_ride_is_pretence()) {
        Py_RETURN_NONE;
    }
    return call_original(OBJECT, module, object);
}

static const struct {
    const char *name;
    int flags;
    PyCFunction replacement;
} the_view[FUNCTIONS] = {
    [START] = {"start", METH_FASTCALL, (PyCFunction)(void (*)(void))on_start},
    [STOP] = {"stop", METH_NOARGS, on_stop},
    [CLEAR] = {"clear_traces", METH_NOARGS, on_clear},
    [IS_TRACING] = {"is_tracing", METH_NOARGS, on_is_tracing},
    [MEMORY] = {"get_traced_memory", METH_NOARGS, on_memory},
    [TRACES] = {"_get_traces", METH_NOARGS, on_traces},
    [OBJECT] = {"_get_object_traceback", METH_O, on_object},
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

bool ctm_stdlib_view_install(PyObject *stdlib_tracemalloc)
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

static int drop(PyObject *result)
{
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

int ctm_stdlib_start(PyObject *stdlib_tracemalloc, int nframe)
{
    PyObject *argument = PyLong_FromLong(nframe);
    if (argument == NULL) {
        return -1;
    }
    const int result = drop(start_original(stdlib_tracemalloc, &argument, 1));
    Py_DECREF(argument);
    return result;
}

int ctm_stdlib_stop(PyObject *stdlib_tracemalloc)
{
    return drop(call_original(STOP, stdlib_tracemalloc, NULL));
}

int ctm_stdlib_clear(PyObject *stdlib_tracemalloc)
{
    return drop(call_original(CLEAR, stdlib_tracemalloc, NULL));
}
#else
typedef int ctm_stdlib_view_is_not_needed;
#endif
