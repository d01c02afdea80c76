/* stdlib_view.c: see stdlib_view.h. stdlib's functions get no pointer to data of ours, so it names the capture. */
#include "capture/stdlib_view.h"

#include "capture/capture.h"
#include "capture/stdlib_functions.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

/* Whether this thread holds the GIL that guards the capture. An interpreter with its own GIL is not affected. */
static bool has_main_gil(void)
{
    return PyInterpreterState_Get() == pyctm_the_capture.main_interpreter || !PYCTM_HAS_OWN_GILS;
}

/* Whether this module traces, and the calling interpreter shares the GIL of the one that it traces. */
static bool is_affected(void)
{
    return has_main_gil() && ctm_tracer_is_tracing(pyctm_the_capture.tracer);
}

/* stdlib was started or stopped, and has replaced or removed the report of objects from free lists: sets it again. */
static void follow_free_lists_again(PyObject *module)
{
    if (ctm_tracer_sample_interval(pyctm_the_capture.tracer) != 0) {
        return;
    }
    PyObject *type, *value, *traceback; /* an exception of the program, which is restored below */
    PyErr_Fetch(&type, &value, &traceback);
    if (pyctm_stdlib_flag_raise(&pyctm_the_capture, module) < 0) {
        PyErr_Clear();
        pyctm_the_capture.free_lists =
            (pyctm_fact){false, "no memory to start the standard module again"};
    }
    pyctm_freelist_resume(&pyctm_the_capture);
    PyErr_Restore(type, value, traceback);
}

/* --- the replacements in the tables --- */

/* A bad argument changes nothing: stdlib traces for us as before. */
static PyObject *on_start(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (has_main_gil() && pyctm_stdlib_flag_yield(&pyctm_the_capture, module) < 0) {
        return NULL;
    }
    PyObject *result = pyctm_stdlib_call_start(module, args, n);
    if (is_affected()) {
        follow_free_lists_again(module);
    }
    return result;
}

/* Stopping removes stdlib's hooks and any of ours above them, and ends its report of free lists. */
static PyObject *on_stop(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_NONE;
    }
    PyObject *result = pyctm_stdlib_call(PYCTM_STDLIB_STOP, module, ignored);
    if (is_affected()) {
        pyctm_hooks_install(ctm_tracer_sample_interval(pyctm_the_capture.tracer) != 0);
        follow_free_lists_again(module);
    }
    return result;
}

#if !PYCTM_HAS_REF_TRACER
static PyObject *on_clear(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_NONE;
    }
    return pyctm_stdlib_call(PYCTM_STDLIB_CLEAR, module, ignored);
}

static PyObject *on_is_tracing(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_FALSE;
    }
    return pyctm_stdlib_call(PYCTM_STDLIB_IS_TRACING, module, ignored);
}

static PyObject *on_memory(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        return Py_BuildValue("ii", 0, 0);
    }
    return pyctm_stdlib_call(PYCTM_STDLIB_MEMORY, module, ignored);
}

static PyObject *on_traces(PyObject *module, PyObject *ignored)
{
    if (pyctm_stdlib_flag_is_ours()) {
        return PyList_New(0);
    }
    return pyctm_stdlib_call(PYCTM_STDLIB_TRACES, module, ignored);
}

static PyObject *on_object(PyObject *module, PyObject *object)
{
    if (pyctm_stdlib_flag_is_ours()) {
        Py_RETURN_NONE;
    }
    return pyctm_stdlib_call(PYCTM_STDLIB_OBJECT, module, object);
}
#endif

static const pyctm_stdlib_replacement the_view[PYCTM_STDLIB_FUNCTIONS] = {
    [PYCTM_STDLIB_START] = {"start", METH_FASTCALL, (PyCFunction)(void (*)(void))on_start},
    [PYCTM_STDLIB_STOP] = {"stop", METH_NOARGS, on_stop},
#if !PYCTM_HAS_REF_TRACER
    [PYCTM_STDLIB_CLEAR] = {"clear_traces", METH_NOARGS, on_clear},
    [PYCTM_STDLIB_IS_TRACING] = {"is_tracing", METH_NOARGS, on_is_tracing},
    [PYCTM_STDLIB_MEMORY] = {"get_traced_memory", METH_NOARGS, on_memory},
    [PYCTM_STDLIB_TRACES] = {"_get_traces", METH_NOARGS, on_traces},
    [PYCTM_STDLIB_OBJECT] = {"_get_object_traceback", METH_O, on_object},
#endif
};

bool pyctm_stdlib_view_install(PyObject *stdlib_tracemalloc)
{
    return pyctm_stdlib_exchange(stdlib_tracemalloc, the_view);
}
#endif
