/* tree_strings.c: TreeStrings, the strings of a call tree by their ids; each is made when it is asked for, once. */
#include "types/call_tree.h"
#include "types/instances.h"
#include "types/self_scope.h"

typedef struct strings_object {
    PyObject_HEAD
    pyctm_snapshot_handle *tables; /* owned */
} strings_object;

static pyctm_snapshot_handle *tables_of(PyObject *self)
{
    return ((strings_object *)self)->tables;
}

static Py_ssize_t strings_length(PyObject *self)
{
    return (Py_ssize_t)tables_of(self)->info.strings + 1;
}

/* A negative index has been added to the length by the caller. */
static PyObject *strings_item(PyObject *self, Py_ssize_t index)
{
    if (index < 0 || index >= strings_length(self)) {
        PyErr_SetString(PyExc_IndexError, "string id out of range");
        return NULL;
    }
    pyctm_state *state = pyctm_state_of(self);
    const int before = pyctm_state_self_scope_begin(state);
    PyObject *string = pyctm_handle_string(tables_of(self), (uint32_t)index);
    pyctm_state_self_scope_end(state, before);
    return string;
}

static int strings_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)tables_of(self));
    return 0;
}

static void strings_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF((PyObject *)tables_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot tree_strings_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The strings of a call tree, by id.")},
    {Py_tp_traverse, strings_traverse},
    {Py_tp_dealloc, strings_dealloc},
    {Py_tp_iter, PySeqIter_New},
    {Py_sq_length, strings_length},
    {Py_sq_item, strings_item},
    {0, NULL},
};

static PyType_Spec tree_strings_spec = {
    .name = "ctracemalloc._ctracemalloc.TreeStrings",
    .basicsize = sizeof(strings_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tree_strings_slots,
};

int pyctm_tree_strings_type_init(PyObject *module, pyctm_state *state)
{
    state->tree_strings_type = pyctm_type_new(module, &tree_strings_spec, NULL);
    return state->tree_strings_type != NULL ? 0 : -1;
}

PyObject *pyctm_tree_strings_new(pyctm_state *state, pyctm_snapshot_handle *tables)
{
    PyTypeObject *type = state->tree_strings_type;
    strings_object *self = (strings_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->tables = (pyctm_snapshot_handle *)Py_NewRef((PyObject *)tables);
    }
    return (PyObject *)self;
}
