/* package.c: how the extension calls the Python package, which it never imports: the package registers a function that
 * returns its functions and classes by name.
 */
#include "types/types.h"

PyObject *pyctm_register(PyObject *module, PyObject *provide)
{
    pyctm_state *state = pyctm_state_of_module(module);
    Py_XSETREF(state->provide, Py_NewRef(provide));
    Py_RETURN_NONE;
}

PyObject *pyctm_package_function(pyctm_state *state, const char *name)
{
    if (state->provide == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the package ctracemalloc has not been imported");
        return NULL;
    }
    PyObject *text = PyUnicode_InternFromString(name);
    PyObject *function = text != NULL ? PyObject_CallOneArg(state->provide, text) : NULL;
    Py_XDECREF(text);
    return function;
}
