/* exempt.c: what the package allocates to show the program's memory makes no new peak (see capture/exempt.h), and is known by
 * its file, whatever Python code allocates it for the package. */
#include "api/module.h"

#include "capture/exempt.h"

#if !defined(Py_GIL_DISABLED)

const char pyctm_exempt_start_doc[] =
    "_exempt_start($module, /)\n--\n\n"
    "From now on what this thread allocates makes no new peak.\n\n"
    "False: that is so already, and _exempt_finish() is not to be called.";

PyObject *pyctm_module_exempt_start(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(pyctm_exempt_start(pyctm_capture_of(module)));
}

const char pyctm_exempt_finish_doc[] =
    "_exempt_finish($module, keep, /)\n--\n\n"
    "From now on it does, and what is left of it counts for the peak.\n\n"
    "keep: so many bytes do not count yet. Returns a pair for _exempt_release(),\n"
    "when they are freed.";

PyObject *pyctm_module_exempt_finish(PyObject *module, PyObject *keep)
{
    const long long bytes = PyLong_AsLongLong(keep);
    uint32_t round;
    if (bytes == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (bytes < 0 || !pyctm_hook_tls.is_exempt) {
        PyErr_SetString(PyExc_ValueError, bytes < 0 ? "keep must not be negative"
                                                    : "this thread has not started to be exempt");
        return NULL;
    }
    const int64_t kept = pyctm_exempt_finish(pyctm_capture_of(module), bytes, &round);
    return Py_BuildValue("(LI)", (long long)kept, round);
}

const char pyctm_exempt_release_doc[] =
    "_exempt_release($module, kept, round, /)\n--\n\n"
    "The pair that _exempt_finish() returned: these bytes count from now on.";

PyObject *pyctm_module_exempt_release(PyObject *module, PyObject *args)
{
    long long bytes;
    unsigned int round;
    if (!PyArg_ParseTuple(args, "LI", &bytes, &round)) {
        return NULL;
    }
    pyctm_exempt_release(pyctm_capture_of(module), bytes, round);
    Py_RETURN_NONE;
}

const char pyctm_own_start_doc[] =
    "_own_start($module, /)\n--\n\n"
    "From now on what this thread allocates is this package's own: the most recent frame\n"
    "of its tracebacks is one of the package's file, and it has no labels and is in no\n"
    "scope. False: that is so already, and _own_finish() is not to be called.";

PyObject *pyctm_module_own_start(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(pyctm_own_begin());
}

const char pyctm_own_finish_doc[] = "_own_finish($module, /)\n--\n\n"
                                    "The end of what _own_start() has begun.";

PyObject *pyctm_module_own_finish(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    pyctm_own_end();
    Py_RETURN_NONE;
}
#endif
