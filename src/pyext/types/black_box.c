/* black_box.c: BlackBoxHandle, through which the package's BlackBox (blackbox/reading.py) reads a file.
 *
 * Model: a handle on a ctm_black_box. Taking a snapshot may wait for a program that empties its tables, so it runs without
 * the GIL; meanwhile `busy` makes calls of other threads fail.
 */
#include "types/errors.h"
#include "types/instances.h"
#include "types/losses.h"

#include <errno.h>

typedef struct box_object {
    PyObject_HEAD
    ctm_black_box *box; /* owned; NULL: closed. GIL, or the thread that has set `busy` */
    bool busy;          /* GIL */
} box_object;

static ctm_black_box *box_of(PyObject *self)
{
    box_object *object = (box_object *)self;
    if (object->box == NULL || object->busy) {
        PyErr_SetString(PyExc_ValueError, object->busy ? "another thread is reading this black box"
                                                       : "the black box is closed");
        return NULL;
    }
    return object->box;
}

static const char *end_name(ctm_black_box_ending end)
{
    switch (end) {
    case CTM_BOX_STOPPED: return "stopped";
    case CTM_BOX_EXIT: return "exit";
    default: return NULL;
    }
}

static PyObject *box_info(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ctm_black_box *box = box_of(self);
    ctm_black_box_info info;
    if (box == NULL) {
        return NULL;
    }
    ctm_black_box_info_get(box, &info);
    PyObject *command =
        PyUnicode_DecodeUTF8(info.command, (Py_ssize_t)strlen(info.command), "replace");
    if (command == NULL) {
        return NULL;
    }
    return Py_BuildValue("(KKKIINzzO)", (unsigned long long)info.started_ns,
                         (unsigned long long)info.ended_ns,
                         (unsigned long long)info.sample_interval, info.nframe, info.pid, command,
                         end_name(info.end),
                         info.lack != CTM_BOX_COMPLETE ? ctm_black_box_lack_text(info.lack) : NULL,
                         info.running ? Py_True : Py_False);
}

static PyObject *box_losses(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ctm_black_box *box = box_of(self);
    ctm_black_box_info info;
    const ctm_loss *losses;
    if (box == NULL) {
        return NULL;
    }
    ctm_black_box_info_get(box, &info); /* the present state */
    const uint32_t n = ctm_black_box_losses(box, &losses);
    return pyctm_losses_tuple(pyctm_state_of(self), losses, n);
}

static PyObject *box_end(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ctm_black_box *box = box_of(self);
    ctm_black_box_info info;
    if (box == NULL) {
        return NULL;
    }
    ctm_black_box_info_get(box, &info);
    return pyctm_end_tuple(info.end_text, info.exit_status_known, info.exit_status);
}

static PyObject *snapshot_of(pyctm_state *state, ctm_black_box *box, ctm_snapshot *snapshot)
{
    ctm_black_box_info about;
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    PyObject *limit = PyLong_FromUnsignedLong(info.nframe);
    if (limit == NULL) {
        ctm_snapshot_unref(snapshot);
        return NULL;
    }
    PyObject *result = pyctm_snapshot_object_new(state, snapshot, limit);
    Py_DECREF(limit);
    ctm_black_box_info_get(box, &about);
    return pyctm_with_end(result, about.end_text, end_name(about.end));
}

static PyObject *raise_status(pyctm_state *state, ctm_status status, PyObject *path,
                              const ctm_file_error *error)
{
    if (status == CTM_ERR_IO && errno == EAGAIN) {
        PyErr_SetString(PyExc_BlockingIOError,
                        "the program empties its tables again and again: try later");
        return NULL;
    }
    return pyctm_status_raise(state, status, path, error);
}

static PyObject *box_snapshot(PyObject *self, PyObject *Py_UNUSED(unused))
{
    box_object *object = (box_object *)self;
    ctm_black_box *box = box_of(self);
    ctm_snapshot *snapshot = NULL;
    ctm_file_error error = {0, NULL};
    ctm_status status;
    if (box == NULL) {
        return NULL;
    }
    object->busy = true;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_black_box_snapshot(box, &snapshot, &error);
    Py_END_ALLOW_THREADS
    object->busy = false;
    pyctm_state *state = pyctm_state_of(self);
    return status == CTM_OK ? snapshot_of(state, box, snapshot)
                            : raise_status(state, status, NULL, &error);
}

static PyObject *box_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    box_object *object = (box_object *)self;
    if (object->box != NULL && box_of(self) == NULL) {
        return NULL;
    }
    ctm_black_box_close(object->box);
    object->box = NULL;
    Py_RETURN_NONE;
}

static void box_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ctm_black_box_close(((box_object *)self)->box);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef box_methods[] = {
    {"info", box_info, METH_NOARGS,
     PyDoc_STR("info($self)\n--\n\n(started, ended, sample interval, nframe, pid, command, end, "
               "lack, running)")},
    {"losses", box_losses, METH_NOARGS, PyDoc_STR("losses($self)\n--\n\n(Loss, ...)")},
    {"end", box_end, METH_NOARGS,
     PyDoc_STR("end($self)\n--\n\n(how the program ended or None, exit status or None)")},
    {"snapshot", box_snapshot, METH_NOARGS, PyDoc_STR("snapshot($self)\n--\n\n")},
    {"close", box_close, METH_NOARGS, PyDoc_STR("close($self)\n--\n\n")},
    {0},
};

static PyType_Slot box_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("An open black box.")},
    {Py_tp_dealloc, box_dealloc},
    {Py_tp_methods, box_methods},
    {0, NULL},
};

static PyType_Spec box_spec = {
    .name = "ctracemalloc._ctracemalloc.BlackBoxHandle",
    .basicsize = sizeof(box_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = box_slots,
};

static ctm_status open_box(const char *path, ctm_black_box **out, ctm_file_error *error)
{
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_black_box_open(path, out, error);
    Py_END_ALLOW_THREADS
    return status;
}

PyObject *pyctm_box_object_open(PyObject *module, PyObject *path)
{
    pyctm_state *state = pyctm_state_of_module(module);
    ctm_black_box *box = NULL;
    ctm_file_error error = {0, NULL};
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes)) {
        return NULL;
    }
    const ctm_status status = open_box(PyBytes_AS_STRING(bytes), &box, &error);
    Py_DECREF(bytes);
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, path, &error);
    }
    PyTypeObject *type = state->box_type;
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        ctm_black_box_close(box);
    } else {
        ((box_object *)self)->box = box;
    }
    return self;
}

PyObject *pyctm_box_load(pyctm_state *state, const char *path, PyObject *filename)
{
    ctm_black_box *box = NULL;
    ctm_snapshot *snapshot = NULL;
    ctm_file_error error = {0, NULL};
    ctm_status status = open_box(path, &box, &error);
    if (status == CTM_OK) {
        Py_BEGIN_ALLOW_THREADS
            status = ctm_black_box_snapshot(box, &snapshot, &error);
        Py_END_ALLOW_THREADS
    }
    const int number = errno;
    PyObject *result = status == CTM_OK ? snapshot_of(state, box, snapshot) : NULL;
    ctm_black_box_close(box);
    errno = number;
    return status == CTM_OK ? result : raise_status(state, status, filename, &error);
}

int pyctm_box_type_init(PyObject *module, pyctm_state *state)
{
    state->box_type = pyctm_type_new(module, &box_spec, NULL);
    return state->box_type != NULL ? 0 : -1;
}
