/* functions.c: tracemalloc's module-level helpers. */
#include "types/core_object.h"
#include "types/group.h"
#include "types/support.h"

/* size / 1024 while it is large, then "%.1f KiB" and so on, as tracemalloc._format_size. */
static int absolute_below(PyObject *size, long limit)
{
    PyObject *absolute = PyNumber_Absolute(size), *number = PyLong_FromLong(limit);
    int result =
        absolute != NULL && number != NULL ? PyObject_RichCompareBool(absolute, number, Py_LT) : -1;
    Py_XDECREF(absolute);
    Py_XDECREF(number);
    return result;
}

/* 1: format with one digit; 2: with none; 0: divide once more; -1: error. */
static int unit_fits(PyObject *size, int unit, int last)
{
    int below = unit > 0 ? absolute_below(size, 100) : 0;
    if (below != 0) {
        return below;
    }
    below = absolute_below(size, 10L * 1024);
    if (below < 0) {
        return -1;
    }
    return below || unit == last ? 2 : 0;
}

PyObject *pyctm_format_size(PyObject *size, int sign)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    static const char *const formats[2][2] = {{"%.1f %s", "%.0f %s"}, {"%+.1f %s", "%+.0f %s"}};
    PyObject *value = Py_NewRef(size), *kilo = PyLong_FromLong(1024), *result = NULL;
    for (int unit = 0; value != NULL && kilo != NULL; unit++) {
        int fits = unit_fits(value, unit, 4);
        if (fits > 0) {
            result =
                pyctm_format(formats[sign != 0][fits - 1], Py_BuildValue("Os", value, units[unit]));
        }
        if (fits != 0) {
            break;
        }
        Py_SETREF(value, PyNumber_TrueDivide(value, kilo));
    }
    Py_XDECREF(value);
    Py_XDECREF(kilo);
    return result;
}

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

/* filename[:-1] if filename.endswith('.pyc') */
static PyObject *without_c(pyctm_state *state, PyObject *filename)
{
    PyObject *ends = pyctm_call_method(filename, state->text.endswith, state->text.pyc, NULL, NULL);
    int truth = ends != NULL ? PyObject_IsTrue(ends) : -1;
    Py_XDECREF(ends);
    if (truth < 0) {
        return NULL;
    }
    return truth ? pyctm_slice_until(filename, -1) : Py_NewRef(filename);
}

PyObject *pyctm_normalize_filename(pyctm_state *state, PyObject *filename)
{
    PyObject *normal =
        pyctm_call_method(state->os_path, state->text.normcase, filename, NULL, NULL);
    if (normal == NULL) {
        return NULL;
    }
    PyObject *result = without_c(state, normal);
    Py_DECREF(normal);
    return result;
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
    {"_core_decode", pyctm_core_decode, METH_O,
     PyDoc_STR("_core_decode($module, data, /)\n--\n\n"
               "Make the traces of a snapshot from the bytes that pickling them gave.")},
    {0},
};

int pyctm_functions_init(PyObject *module, pyctm_state *state)
{
    if (PyModule_AddFunctions(module, functions) < 0) {
        return -1;
    }
    state->core_decode = pyctm_get_named(module, "_core_decode");
    return state->core_decode != NULL ? 0 : -1;
}
