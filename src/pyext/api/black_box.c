/* black_box.c: the black box of this process, for start() and the package's blackbox/writing.py; and the annotations of
 * black box and recording: losses, and how the process ends. All need the GIL, and so are inside shard 0. */
#include "api/module.h"

#if !defined(Py_GIL_DISABLED)

const char pyctm_box_end_doc[] =
    "_black_box_end($module, at_exit, /)\n--\n\nEnd the black box; tracing goes on.";

PyObject *pyctm_module_box_end(PyObject *module, PyObject *at_exit)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    const int truth = PyObject_IsTrue(at_exit);
    if (truth < 0) {
        return NULL;
    }
    pyctm_capture_find_losses(capture);
    const ctm_status status =
        ctm_black_box_end(capture->tracer, truth ? CTM_BOX_EXIT : CTM_BOX_STOPPED);
    if (status != CTM_OK) {
        return pyctm_status_raise(&pyctm_module_state_of(module)->types, status, NULL, NULL);
    }
    Py_RETURN_NONE;
}

const char pyctm_box_continue_doc[] =
    "_black_box_continue($module, path, /)\n--\n\n"
    "What is traced already goes into a black box, with all that comes.";

PyObject *pyctm_module_box_continue(PyObject *module, PyObject *path)
{
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes)) {
        return NULL;
    }
    const ctm_status status =
        ctm_black_box_continue(pyctm_capture_of(module)->tracer, PyBytes_AS_STRING(bytes));
    const int result = pyctm_capture_raise_box(status, bytes);
    Py_DECREF(bytes);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char pyctm_add_loss_doc[] =
    "_add_loss($module, kind, detail, count, /)\n--\n\n"
    "Something is not in the numbers: snapshots, the black box and the recording of\n"
    "what is traced say so from now on. count 0: it is a state.";

PyObject *pyctm_module_add_loss(PyObject *module, PyObject *args)
{
    const char *kind, *detail;
    unsigned long long count;
    if (!PyArg_ParseTuple(args, "ssK:_add_loss", &kind, &detail, &count)) {
        return NULL;
    }
    ctm_tracer_loss(pyctm_capture_of(module)->tracer, kind, detail, count);
    Py_RETURN_NONE;
}

const char pyctm_set_end_doc[] =
    "_set_end($module, text, status, /)\n--\n\n"
    "How this process ends, for its black box and its recording: words, and the exit\n"
    "status or None. It counts when these end; the last call counts.";

PyObject *pyctm_module_set_end(PyObject *module, PyObject *args)
{
    PyObject *text, *status;
    int overflow = 0;
    if (!PyArg_ParseTuple(args, "UO:_set_end", &text, &status)) {
        return NULL;
    }
    const long long number =
        status != Py_None ? PyLong_AsLongLongAndOverflow(status, &overflow) : 0;
    PyObject *utf8 =
        PyErr_Occurred() ? NULL : PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (utf8 == NULL) {
        return NULL;
    }
    const int32_t exit_status = (int32_t)number;
    const bool known = status != Py_None && overflow == 0 && exit_status == number;
    ctm_tracer_set_end(pyctm_capture_of(module)->tracer, PyBytes_AS_STRING(utf8),
                       known ? &exit_status : NULL);
    Py_DECREF(utf8);
    Py_RETURN_NONE;
}

const char pyctm_box_state_doc[] =
    "_black_box_state($module, /)\n--\n\n(Is there a black box?, what it lacks or None)";

PyObject *pyctm_module_box_state(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    ctm_black_box_lack lack;
    const bool there = ctm_black_box_state(pyctm_capture_of(module)->tracer, &lack);
    return Py_BuildValue("(Oz)", there ? Py_True : Py_False,
                         lack != CTM_BOX_COMPLETE ? ctm_black_box_lack_text(lack) : NULL);
}
#endif
