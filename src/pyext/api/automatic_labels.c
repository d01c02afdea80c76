/* automatic_labels.c: labels that blocks get without the program's doing: the thread's and the task's name. See
 * capture/thread_names.h; the package's automatic_labels.py says who is who.
 */
#include "api/module.h"

#include "capture/thread_names.h"

#include "ctm/losses.h"

#if !defined(Py_GIL_DISABLED)

/* Calls the package's function, which says which labels are meant. -1 with an exception. */
static int labels_of(pyctm_state *types, PyObject *names, uint32_t *out)
{
    PyObject *begin = pyctm_package_function(types, "automatic_labels");
    PyObject *number = begin != NULL ? PyObject_CallOneArg(begin, names) : NULL;
    const long automatic = number != NULL ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    Py_XDECREF(begin);
    *out = (uint32_t)automatic;
    return automatic == -1 && PyErr_Occurred() ? -1 : 0;
}

static int name_threads(pyctm_state *types)
{
    PyObject *function = pyctm_package_function(types, "name_threads");
    PyObject *result = function != NULL ? PyObject_CallNoArgs(function) : NULL;
    const int status = result != NULL ? 0 : -1;
    Py_XDECREF(result);
    Py_XDECREF(function);
    return status;
}

int pyctm_automatic_labels_start(PyObject *module, uint32_t before, PyObject *names)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    pyctm_state *types = &pyctm_module_state_of(module)->types;
    uint32_t automatic = 0;
    if (names != NULL && names != Py_None &&
        (labels_of(types, names, &automatic) < 0 || pyctm_labels_use(module) < 0)) {
        return -1;
    }
    if ((before | automatic) != atomic_load(&capture->labels.automatic)) {
        pyctm_labels_set_automatic(capture, before | automatic);
    }
    return (automatic & ~before & PYCTM_LABEL_THREAD) != 0 ? name_threads(types) : 0;
}

const char pyctm_thread_name_doc[] =
    "_thread_name($module, ident, name, /)\n--\n\n"
    "From now on what this thread allocates has the label \"thread\" with this name;\n"
    "None: it ends. Does nothing if threads are not labelled. Out of memory the\n"
    "thread has no name, which is a loss.";

PyObject *pyctm_module_thread_name(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    const char *text = NULL;
    if (n != 2) {
        return PyErr_Format(PyExc_TypeError, "2 arguments are expected, not %zd", n);
    }
    const unsigned long ident = PyLong_AsUnsignedLong(args[0]);
    if ((ident == (unsigned long)-1 && PyErr_Occurred()) ||
        (args[1] != Py_None && (text = PyUnicode_AsUTF8(args[1])) == NULL)) {
        return NULL;
    }
    if ((atomic_load(&capture->labels.automatic) & PYCTM_LABEL_THREAD) == 0) {
        Py_RETURN_NONE;
    }
    if (pyctm_thread_name_set(capture, ident, text) < 0) {
        (void)pyctm_thread_name_set(capture, ident, NULL);
        ctm_tracer_loss(capture->tracer, "labels", "a thread without its label: no memory", 1);
    }
    if (ident == (unsigned long)PyThreadState_Get()->thread_id) {
        pyctm_labels_changed_here(capture); /* others go on with the handles that they have */
    } else {
        pyctm_labels_changed(capture);
    }
    Py_RETURN_NONE;
}

const char pyctm_thread_names_forget_doc[] =
    "_thread_names_forget($module, /)\n--\n\n"
    "No thread has a name any more: after a fork, the others do not exist.";

PyObject *pyctm_module_thread_names_forget(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    pyctm_thread_names_forget(capture);
    pyctm_labels_changed(capture);
    pyctm_labels_changed_here(capture);
    Py_RETURN_NONE;
}

const char pyctm_own_thread_name_doc[] =
    "_own_thread_name($module, /)\n--\n\n"
    "The label \"thread\" of what this thread allocates, or None.";

PyObject *pyctm_module_own_thread_name(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    const char *text = pyctm_thread_name_own(pyctm_capture_of(module));
    return text != NULL ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

const char pyctm_labels_automatic_doc[] =
    "_labels_automatic($module, /)\n--\n\n"
    "Which labels blocks get without the program's doing: 1 thread, 2 task, or both.";

PyObject *pyctm_module_labels_automatic(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(atomic_load(&pyctm_capture_of(module)->labels.automatic));
}
#endif
