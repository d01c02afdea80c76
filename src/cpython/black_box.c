/* black_box.c: the black box of this process, for start() and the package's _black_box.py. All need the GIL, which is what being inside
 * shard 0 means here. */
#include "module.h"

#if !defined(Py_GIL_DISABLED)

const char ctm_box_end_doc[] =
    "_black_box_end($module, at_exit, /)\n--\n\nEnd the black box; tracing goes on.";

PyObject *ctm_module_box_end(PyObject *module, PyObject *at_exit)
{
    const int truth = PyObject_IsTrue(at_exit);
    if (truth < 0) {
        return NULL;
    }
    const ctm_status status =
        ctm_black_box_end(ctm_the_capture.tracer, truth ? CTM_BOX_EXIT : CTM_BOX_STOPPED);
    if (status != CTM_OK) {
        return ctm_status_raise(&ctm_module_state_of(module)->types, status, NULL, NULL);
    }
    Py_RETURN_NONE;
}

const char ctm_box_continue_doc[] =
    "_black_box_continue($module, path, /)\n--\n\n"
    "What is traced already goes into a black box, with all that comes.";

PyObject *ctm_module_box_continue(PyObject *Py_UNUSED(module), PyObject *path)
{
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes)) {
        return NULL;
    }
    const ctm_status status =
        ctm_black_box_continue(ctm_the_capture.tracer, PyBytes_AS_STRING(bytes));
    const int result = ctm_capture_raise_box(status, bytes);
    Py_DECREF(bytes);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char ctm_box_state_doc[] =
    "_black_box_state($module, /)\n--\n\n(Is there a black box?, what it lacks or None)";

PyObject *ctm_module_box_state(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    ctm_box_lack lack;
    const bool there = ctm_black_box_state(ctm_the_capture.tracer, &lack);
    return Py_BuildValue("(Oz)", there ? Py_True : Py_False,
                         lack != CTM_BOX_COMPLETE ? ctm_box_lack_text(lack) : NULL);
}
#endif
