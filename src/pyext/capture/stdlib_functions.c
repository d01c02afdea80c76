/* stdlib_functions.c: see stdlib_functions.h. */
#include "capture/stdlib_functions.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);

/* Set once, before any replacement is reached; GIL */
static PyCFunction the_originals[PYCTM_STDLIB_FUNCTIONS];

bool pyctm_stdlib_is_exchanged(void)
{
    return the_originals[PYCTM_STDLIB_START] != NULL;
}

PyObject *pyctm_stdlib_call(pyctm_stdlib_function function, PyObject *module, PyObject *argument)
{
    return the_originals[function](module, argument);
}

PyObject *pyctm_stdlib_call_start(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    return ((fast_function)(void (*)(void))the_originals[PYCTM_STDLIB_START])(module, args, n);
}

/* The function's entry in stdlib's table, borrowed for ever; NULL: something else has its name. */
static PyMethodDef *find(PyObject *module, const pyctm_stdlib_replacement *replacement)
{
    PyObject *found = PyObject_GetAttrString(module, replacement->name);
    PyMethodDef *definition = NULL;
    if (found == NULL) {
        PyErr_Clear();
    } else if (PyCFunction_CheckExact(found) && PyCFunction_GET_SELF(found) == module) {
        definition = ((PyCFunctionObject *)found)->m_ml;
    }
    Py_XDECREF(found);
    return definition != NULL && definition->ml_flags == replacement->flags ? definition : NULL;
}

bool pyctm_stdlib_exchange(PyObject *stdlib_tracemalloc,
                           const pyctm_stdlib_replacement replacements[PYCTM_STDLIB_FUNCTIONS])
{
    PyMethodDef *definitions[PYCTM_STDLIB_FUNCTIONS];
    if (pyctm_stdlib_is_exchanged()) {
        return true;
    }
    for (int i = 0; i < PYCTM_STDLIB_FUNCTIONS; i++) {
        definitions[i] = find(stdlib_tracemalloc, &replacements[i]);
        if (definitions[i] == NULL) {
            return false;
        }
    }
    for (int i = 0; i < PYCTM_STDLIB_FUNCTIONS; i++) {
        the_originals[i] = definitions[i]->ml_meth;
        __atomic_store_n(&definitions[i]->ml_meth, replacements[i].function, __ATOMIC_RELEASE);
    }
    return true;
}

#if !PYCTM_HAS_REF_TRACER
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
    const int result = drop(pyctm_stdlib_call_start(stdlib_tracemalloc, &argument, 1));
    Py_DECREF(argument);
    return result;
}

int pyctm_stdlib_stop(PyObject *stdlib_tracemalloc)
{
    return drop(pyctm_stdlib_call(PYCTM_STDLIB_STOP, stdlib_tracemalloc, NULL));
}

int pyctm_stdlib_clear(PyObject *stdlib_tracemalloc)
{
    return drop(pyctm_stdlib_call(PYCTM_STDLIB_CLEAR, stdlib_tracemalloc, NULL));
}
#endif
#endif
