/* pprof_pieces.c: PprofPieces, an iterator over the pieces of a call tree's pprof profile (ctm/pprof.h).
 *
 * Model: made by CallTree._pprof_pieces. A piece is encoded without the GIL, so a program that shows its own profile goes on
 * meanwhile. The core reads the columns until the iterator is gone, so it holds their buffers. While one thread is in the
 * encoder, another one gets an error.
 */
#include "types/args.h"
#include "types/call_tree.h"
#include "types/errors.h"
#include "types/instances.h"

#include "ctm/pprof.h"

#define HELD CTM_PPROF_VALUES

/* GIL */
typedef struct pieces_object {
    PyObject_HEAD
    ctm_pprof *pprof; /* owned; used by the thread that has set `is_busy` */
    bool is_busy;
    uint32_t n_held;
    Py_buffer held[HELD]; /* owned: the columns */
} pieces_object;

static pieces_object *pieces_of(PyObject *self)
{
    return (pieces_object *)self;
}

static PyObject *pieces_next(PyObject *self)
{
    pieces_object *pieces = pieces_of(self);
    const unsigned char *bytes = NULL;
    size_t size = 0;
    ctm_status status;
    if (pieces->is_busy) {
        PyErr_SetString(PyExc_ValueError, "another thread has the next piece made");
        return NULL;
    }
    pieces->is_busy = true;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_pprof_next(pieces->pprof, &bytes, &size);
    Py_END_ALLOW_THREADS
    PyObject *piece = NULL;
    if (status != CTM_OK) {
        piece = pyctm_status_raise(pyctm_state_of(self), status, NULL, NULL);
    } else if (size != 0) {
        piece = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)size);
    }
    pieces->is_busy = false;
    return piece;
}

static int pieces_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    for (uint32_t i = 0; i < pieces_of(self)->n_held; i++) {
        Py_VISIT(pieces_of(self)->held[i].obj);
    }
    return 0;
}

static void pieces_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    ctm_pprof_free(pieces_of(self)->pprof);
    for (uint32_t i = 0; i < pieces_of(self)->n_held; i++) {
        PyBuffer_Release(&pieces_of(self)->held[i]);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot pprof_pieces_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The pieces of a pprof profile, as bytes.")},
    {Py_tp_traverse, pieces_traverse},
    {Py_tp_dealloc, pieces_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, pieces_next},
    {0, NULL},
};

static PyType_Spec pprof_pieces_spec = {
    .name = "ctracemalloc._ctracemalloc.PprofPieces",
    .basicsize = sizeof(pieces_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pprof_pieces_slots,
};

int pyctm_pprof_pieces_type_init(PyObject *module, pyctm_state *state)
{
    state->pprof_pieces_type = pyctm_type_new(module, &pprof_pieces_spec, NULL);
    return state->pprof_pieces_type != NULL ? 0 : -1;
}

/* Holds the buffer of a column by node. -1 with an exception. */
static int hold_column(pieces_object *pieces, PyObject *column, uint32_t nodes,
                       ctm_pprof_options *options)
{
    Py_buffer *held = &pieces->held[pieces->n_held];
    if (PyObject_GetBuffer(column, held, PyBUF_FORMAT | PyBUF_ND) < 0) {
        return -1;
    }
    pieces->n_held++;
    if (held->ndim != 1 || strcmp(held->format, "q") != 0 || held->shape[0] != (Py_ssize_t)nodes) {
        PyErr_Format(PyExc_ValueError, "values must be columns of %u figures by node",
                     (unsigned int)nodes);
        return -1;
    }
    options->values[options->n_values++] = held->buf;
    return 0;
}

PyObject *pyctm_call_tree_pprof_pieces(PyObject *self, PyObject *args)
{
    pyctm_state *state = pyctm_state_of(self);
    pyctm_call_tree *tree = (pyctm_call_tree *)self;
    ctm_pprof_options options = {.n_values = 0};
    PyObject *values;
    unsigned int strings, mapping, no_name;
    if (!PyArg_ParseTuple(args, "O!III", &PyTuple_Type, &values, &strings, &mapping, &no_name)) {
        return NULL;
    }
    options.strings = strings;
    options.mapping = mapping;
    options.no_name = no_name;
    if (PyTuple_GET_SIZE(values) > (Py_ssize_t)HELD) {
        return PyErr_Format(PyExc_ValueError, "a profile has at most %u values", HELD);
    }
    pieces_object *pieces =
        (pieces_object *)state->pprof_pieces_type->tp_alloc(state->pprof_pieces_type, 0);
    if (pieces == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++) {
        if (hold_column(pieces, PyTuple_GET_ITEM(values, i), tree->view.nodes, &options) < 0) {
            Py_DECREF((PyObject *)pieces);
            return NULL;
        }
    }
    const ctm_status status = ctm_pprof_new(tree->tree, &options, &pieces->pprof);
    if (status != CTM_OK) {
        Py_DECREF((PyObject *)pieces);
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    return (PyObject *)pieces;
}
