/* tree_column.c: columns as buffers: TreeColumn, which exports one, and copies of those that a caller gives.
 *
 * Model: a memoryview keeps only the object that exported its buffer alive. So each column is exported by a small object
 * that has a reference to the owner of the memory. What a caller gives is copied, because other threads may change it
 * while the core reads it without the GIL. */
#include "types/call_tree.h"
#include "types/instances.h"

#include <stdlib.h>
#include <string.h>

typedef struct column_object {
    PyObject_HEAD
    PyObject *owner;     /* owned: whose memory it is */
    const void *data;    /* borrowed from owner */
    Py_ssize_t rows;     /* items; the shape of the buffers */
    Py_ssize_t itemsize; /* bytes of an item; the stride of the buffers */
    const char *format;  /* static */
} column_object;

static int column_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    column_object *column = (column_object *)self;
    if ((flags & PyBUF_WRITABLE) != 0) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "the columns of a call tree are read-only");
        return -1;
    }
    *view = (Py_buffer){
        .buf = (void *)(uintptr_t)column->data, /* readonly says that it is const */
        .obj = Py_NewRef(self),
        .len = column->rows * column->itemsize,
        .itemsize = column->itemsize,
        .readonly = 1,
        .ndim = 1,
        .format = (flags & PyBUF_FORMAT) != 0 ? (char *)(uintptr_t)column->format : NULL,
        .shape = (flags & PyBUF_ND) != 0 ? &column->rows : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &column->itemsize : NULL,
    };
    return 0;
}

static int column_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((column_object *)self)->owner);
    return 0;
}

static void column_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(((column_object *)self)->owner);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot tree_column_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Exports a column of a call tree as a buffer.")},
    {Py_tp_traverse, column_traverse},
    {Py_tp_dealloc, column_dealloc},
    {Py_bf_getbuffer, column_getbuffer},
    {0, NULL},
};

static PyType_Spec tree_column_spec = {
    .name = "ctracemalloc._ctracemalloc.TreeColumn",
    .basicsize = sizeof(column_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tree_column_slots,
};

int pyctm_tree_column_type_init(PyObject *module, pyctm_state *state)
{
    state->tree_column_type = pyctm_type_new(module, &tree_column_spec, NULL);
    return state->tree_column_type != NULL ? 0 : -1;
}

PyObject *pyctm_column_view(pyctm_state *state, PyObject *owner, const void *data, Py_ssize_t rows,
                            const char *format)
{
    PyTypeObject *type = state->tree_column_type;
    column_object *column = (column_object *)type->tp_alloc(type, 0);
    if (column == NULL) {
        return NULL;
    }
    column->owner = Py_NewRef(owner);
    column->data = data;
    column->rows = rows;
    column->itemsize = format[0] == 'q' ? 8 : 4;
    column->format = format;
    PyObject *view = PyMemoryView_FromObject((PyObject *)column);
    Py_DECREF((PyObject *)column);
    return view;
}

/* --- what a caller gives --- */

/* Whether the format is one of the letters, maybe after a sign that it is this machine's. */
static bool is_format(const char *format, const char *letters)
{
    if (format == NULL) {
        format = "B"; /* as the buffer protocol says */
    }
    if (format[0] == '@' || format[0] == '=') {
        format++;
    }
    return format[0] != '\0' && format[1] == '\0' && strchr(letters, format[0]) != NULL;
}

static int check_buffer(const Py_buffer *view, const char *formats, Py_ssize_t rows,
                        const char *name)
{
    if (view->ndim != 1 || !is_format(view->format, formats)) {
        PyErr_Format(PyExc_TypeError,
                     "%s must be a buffer of one dimension and of format '%c', not of %d and of "
                     "format '%s'",
                     name, formats[0], view->ndim, view->format != NULL ? view->format : "B");
        return -1;
    }
    if (view->shape[0] != rows) {
        PyErr_Format(PyExc_ValueError, "%s has %zd items, but there are %zd frames", name,
                     view->shape[0], rows);
        return -1;
    }
    return 0;
}

void *pyctm_column_copy(PyObject *buffer, const char *formats, Py_ssize_t rows, const char *name)
{
    Py_buffer view;
    void *copy = NULL;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_ND | PyBUF_FORMAT) < 0) {
        return NULL;
    }
    if (check_buffer(&view, formats, rows, name) == 0) {
        copy = malloc((size_t)view.len);
        if (copy == NULL) {
            PyErr_NoMemory();
        } else {
            memcpy(copy, view.buf, (size_t)view.len);
        }
    }
    PyBuffer_Release(&view);
    return copy;
}
