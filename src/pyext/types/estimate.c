/* estimate.c: the confidence interval of a number of a sampled snapshot. */
#include "types/estimate.h"

/* 95 % of a normal distribution are within so many standard errors. A sum of many independent draws is nearly normal;
 * with only a few recorded blocks the interval is an indication only. */
#define STANDARD_ERRORS 1.959963984540054

const char pyctm_estimated_doc[] =
    PyDoc_STR("Are the numbers estimates from a sample (start(sample_interval=...))?");
const char pyctm_error_doc[] = PyDoc_STR("Standard error in bytes; only of estimates.");

PyObject *pyctm_confidence_interval(PyObject *self, PyObject *name, PyObject *error, int is_signed)
{
    PyObject *value = PyObject_GetAttr(self, name), *result = NULL;
    if (value == NULL) {
        return NULL;
    }
    if (error == NULL) {
        result = PyTuple_Pack(2, value, value);
        Py_DECREF(value);
        return result;
    }
    const double middle = PyFloat_AsDouble(value);
    Py_DECREF(value);
    if (middle == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    const double most = STANDARD_ERRORS * PyFloat_AsDouble(error);
    if (PyErr_Occurred()) {
        return NULL;
    }
    const double low = is_signed || middle > most ? middle - most : 0.0;
    PyObject *ends[2] = {PyLong_FromDouble(low), PyLong_FromDouble(middle + most)};
    if (ends[0] != NULL && ends[1] != NULL) {
        result = PyTuple_Pack(2, ends[0], ends[1]);
    }
    Py_XDECREF(ends[0]);
    Py_XDECREF(ends[1]);
    return result;
}
