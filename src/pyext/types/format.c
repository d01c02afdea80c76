/* format.c: formats sizes and file names as tracemalloc does. */
#include "types/idioms.h"
#include "types/statistic.h"

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

PyObject *pyctm_append_average(PyObject *text, PyObject *size, PyObject *count)
{
    int any = text != NULL ? PyObject_IsTrue(count) : -1;
    if (any < 0) {
        Py_CLEAR(text);
    }
    if (any <= 0) {
        return text;
    }
    PyObject *average = PyNumber_TrueDivide(size, count), *result = NULL;
    if (average != NULL) {
        Py_SETREF(average, pyctm_format_size(average, 0));
    }
    if (average != NULL) {
        result = PyUnicode_FromFormat("%U, average=%S", text, average);
    }
    Py_XDECREF(average);
    Py_DECREF(text);
    return result;
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
