/* args.c: binds arguments to parameters in the order, and with the messages, of CPython's own call of a function
 * written in Python: keywords first, then too many positional ones, then missing ones. */
#include "types/args.h"

static int find_parameter(const pyctm_params *params, PyObject *keyword)
{
    for (int i = 0; i < params->count; i++) {
        const char *name = params->names[i];
        if (PyUnicode_CompareWithASCIIString(keyword, name + (name[0] == '*')) == 0) {
            return i;
        }
    }
    return -1;
}

/* The number of parameters that may be positional: those before the keyword-only ones. */
static int positional(const pyctm_params *params)
{
    int count = 0;
    while (count < params->count && params->names[count][0] != '*') {
        count++;
    }
    return count;
}

static int bind_keyword(const pyctm_params *params, PyObject *keyword, PyObject *value,
                        PyObject **out)
{
    if (!PyUnicode_Check(keyword)) {
        PyErr_Format(PyExc_TypeError, "%s() keywords must be strings", params->qualname);
        return -1;
    }
    int i = find_parameter(params, keyword);
    bool is_self = params->method && PyUnicode_CompareWithASCIIString(keyword, "self") == 0;
    if (is_self || (i >= 0 && out[i] != NULL)) {
        PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'",
                     params->qualname, keyword);
        return -1;
    }
    if (i < 0) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                     params->qualname, keyword);
        return -1;
    }
    out[i] = value;
    return 0;
}

static int raise_too_many(const pyctm_params *params, Py_ssize_t nargs)
{
    int most = positional(params) + params->method, least = params->required + params->method;
    Py_ssize_t given = nargs + params->method;
    const char *verb = given == 1 ? "was" : "were";
    if (least == most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd %s given",
                     params->qualname, most, most == 1 ? "" : "s", given, verb);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes from %d to %d positional arguments but %zd %s given",
                     params->qualname, least, most, given, verb);
    }
    return -1;
}

static int raise_missing(const pyctm_params *params, PyObject *const *out, int missing)
{
    char text[200] = "";
    size_t used = 0;
    int seen = 0;
    for (int i = 0; i < params->required; i++) {
        if (out[i] != NULL) {
            continue;
        }
        const char *before = "";
        if (seen > 0) {
            before = missing == 2 ? " and " : seen == missing - 1 ? ", and " : ", ";
        }
        int n = snprintf(text + used, sizeof text - used, "%s'%s'", before, params->names[i]);
        if (n > 0 && used + (size_t)n < sizeof text) {
            used += (size_t)n;
        }
        seen++;
    }
    PyErr_Format(PyExc_TypeError, "%s() missing %d required positional argument%s: %s",
                 params->qualname, missing, missing == 1 ? "" : "s", text);
    return -1;
}

static int bind_finish(const pyctm_params *params, Py_ssize_t nargs, PyObject *const *out)
{
    if (nargs > positional(params)) {
        return raise_too_many(params, nargs);
    }
    int missing = 0;
    for (int i = 0; i < params->required; i++) {
        missing += out[i] == NULL;
    }
    return missing > 0 ? raise_missing(params, out, missing) : 0;
}

int pyctm_bind(const pyctm_params *params, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, PyObject **out)
{
    const int most = positional(params);
    for (int i = 0; i < params->count; i++) {
        out[i] = i < nargs && i < most ? args[i] : NULL;
    }
    Py_ssize_t nkw = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < nkw; i++) {
        if (bind_keyword(params, PyTuple_GET_ITEM(kwnames, i), args[nargs + i], out) < 0) {
            return -1;
        }
    }
    return bind_finish(params, nargs, out);
}

int pyctm_bind_tuple(const pyctm_params *params, PyObject *args, PyObject *kwargs, PyObject **out)
{
    Py_ssize_t nargs = PyTuple_GET_SIZE(args), position = 0;
    PyObject *keyword, *value;
    const int most = positional(params);
    for (int i = 0; i < params->count; i++) {
        out[i] = i < nargs && i < most ? PyTuple_GET_ITEM(args, i) : NULL;
    }
    while (kwargs != NULL && PyDict_Next(kwargs, &position, &keyword, &value)) {
        if (bind_keyword(params, keyword, value, out) < 0) {
            return -1;
        }
    }
    return bind_finish(params, nargs, out);
}
