/* functions.c: tracemalloc's module-level helpers. */
#include "types/args.h"
#include "types/group.h"
#include "types/idioms.h"
#include "types/snapshot_handle.h"

static PyObject *format_size(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    static const pyctm_params params = {"_format_size", {"size", "sign"}, 2, 2, 0};
    PyObject *given[2];
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    int sign = PyObject_IsTrue(given[1]);
    return sign < 0 ? NULL : pyctm_format_size(given[0], sign);
}

static PyObject *normalize_filename(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                    PyObject *kwnames)
{
    static const pyctm_params params = {"_normalize_filename", {"filename"}, 1, 1, 0};
    PyObject *filename;
    if (pyctm_bind(&params, args, nargs, kwnames, &filename) < 0) {
        return NULL;
    }
    return pyctm_normalize_filename(pyctm_state_of_module(module), filename);
}

static PyObject *compare_grouped_stats(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames)
{
    static const pyctm_params params = {
        "_compare_grouped_stats", {"old_group", "new_group"}, 2, 2, 0};
    PyObject *given[2];
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    return pyctm_group_compare(pyctm_state_of_module(module), given[0], given[1]);
}

static PyMethodDef functions[] = {
    {"_format_size", PYCTM_FASTCALL(format_size), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_format_size($module, size, sign)\n--\n\n")},
    {"_normalize_filename", PYCTM_FASTCALL(normalize_filename), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_normalize_filename($module, filename)\n--\n\n")},
    {"_compare_grouped_stats", PYCTM_FASTCALL(compare_grouped_stats), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_compare_grouped_stats($module, old_group, new_group)\n--\n\n")},
    {"_core_decode", pyctm_handle_decode, METH_O,
     PyDoc_STR("_core_decode($module, data, /)\n--\n\n"
               "Make the traces of a snapshot from the bytes that pickling them gave.")},
    {"_register", pyctm_register, METH_O,
     PyDoc_STR("_register($module, provide, /)\n--\n\n"
               "From now on the package's functions are asked of provide(name).")},
    {0},
};

int pyctm_functions_init(PyObject *module, pyctm_state *state)
{
    if (PyModule_AddFunctions(module, functions) < 0) {
        return -1;
    }
    state->handle_decode = pyctm_get_named(module, "_core_decode");
    return state->handle_decode != NULL ? 0 : -1;
}
