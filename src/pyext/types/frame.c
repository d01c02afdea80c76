/* frame.c: Frame, one line of a traceback.
 *
 * Model: `_frame` is stdlib's (filename, lineno); `_name` is the function's name, absent if it is not known. Equality,
 * order, hash and repr ignore the name. */
#include "types/args.h"
#include "types/compare.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include <stddef.h>

typedef struct pyctm_frame_object {
    PyObject_HEAD
    PyObject *raw;  /* owned; NULL until set */
    PyObject *name; /* owned; NULL: not known */
} pyctm_frame_object;

PYCTM_SLOT_OBJECT(frame, 2)

static PyObject *make_frame_object_new(pyctm_state *state, PyObject *raw, PyObject *name)
{
    PyTypeObject *type = state->frame_type;
    pyctm_frame_object *frame = (pyctm_frame_object *)type->tp_alloc(type, 0);
    if (frame == NULL) {
        return NULL;
    }
    frame->raw = Py_NewRef(raw);
    if (name != NULL && name != Py_None) {
        frame->name = Py_NewRef(name);
    }
    return (PyObject *)frame;
}

PyObject *pyctm_frame_object_new(pyctm_state *state, PyObject *raw, PyObject *name)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_frame_object_new(state, raw, name);
    pyctm_state_self_scope_end(state, before);
    return result;
}

static int frame_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"Frame.__init__", {"frame"}, 1, 1, 1};
    PyObject *raw;
    if (pyctm_bind_tuple(&params, args, kwargs, &raw) < 0) {
        return -1;
    }
    Py_CLEAR(((pyctm_frame_object *)self)->name);
    return PyObject_SetAttr(self, pyctm_state_of(self)->text.frame, raw);
}

static PyObject *frame_part(PyObject *self, Py_ssize_t index)
{
    PyObject *raw = PyObject_GetAttr(self, pyctm_state_of(self)->text.frame);
    if (raw == NULL) {
        return NULL;
    }
    PyObject *part = pyctm_item(raw, index);
    Py_DECREF(raw);
    return part;
}

static PyObject *frame_filename(PyObject *self, void *Py_UNUSED(closure))
{
    return frame_part(self, 0);
}

static PyObject *frame_lineno(PyObject *self, void *Py_UNUSED(closure))
{
    return frame_part(self, 1);
}

static PyObject *frame_name(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *name = ((pyctm_frame_object *)self)->name;
    return Py_NewRef(name != NULL ? name : Py_None);
}

static PyObject *frame_richcompare(PyObject *self, PyObject *other, int op)
{
    pyctm_state *state = pyctm_state_of(self);
    return pyctm_compare_ordered(self, other, op, state->frame_type, state->text.frame,
                                 frame_richcompare);
}

static Py_hash_t frame_hash(PyObject *self)
{
    PyObject *raw = PyObject_GetAttr(self, pyctm_state_of(self)->text.frame);
    if (raw == NULL) {
        return -1;
    }
    Py_hash_t hash = PyObject_Hash(raw);
    Py_DECREF(raw);
    return hash;
}

/* self.name as text, by PyObject_Str or PyObject_Repr */
static PyObject *attribute_text(PyObject *self, PyObject *name, reprfunc text)
{
    PyObject *value = PyObject_GetAttr(self, name);
    if (value == NULL) {
        return NULL;
    }
    PyObject *result = text(value);
    Py_DECREF(value);
    return result;
}

static PyObject *frame_text(PyObject *self, const char *format, reprfunc text)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *result = NULL, *lineno = NULL;
    PyObject *filename = attribute_text(self, state->text.filename, text);
    if (filename != NULL) {
        lineno = attribute_text(self, state->text.lineno, text);
    }
    if (lineno != NULL) {
        result = PyUnicode_FromFormat(format, filename, lineno);
    }
    Py_XDECREF(filename);
    Py_XDECREF(lineno);
    return result;
}

static PyObject *frame_str(PyObject *self)
{
    return frame_text(self, "%U:%U", PyObject_Str);
}

static PyObject *frame_repr(PyObject *self)
{
    return frame_text(self, "<Frame filename=%U lineno=%U>", PyObject_Repr);
}

static PyMemberDef frame_members[] = {
    {"_frame", Py_T_OBJECT_EX, offsetof(pyctm_frame_object, raw), 0, NULL},
    {"_name", Py_T_OBJECT_EX, offsetof(pyctm_frame_object, name), 0, NULL},
    {0},
};

static PyGetSetDef frame_getset[] = {
    {"filename", frame_filename, pyctm_property_set, PyDoc_STR("File name."), "filename"},
    {"lineno", frame_lineno, pyctm_property_set, PyDoc_STR("Line number."), "lineno"},
    {"name", frame_name, pyctm_property_set,
     PyDoc_STR("Qualified name of the function, or None if it is not known."), "name"},
    {0},
};

static PyType_Slot frame_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Frame(frame)\n--\n\nFrame of a traceback.")},
    {Py_tp_init, frame_init},
    {Py_tp_traverse, frame_traverse},
    {Py_tp_clear, frame_clear},
    {Py_tp_dealloc, frame_dealloc},
    {Py_tp_members, frame_members},
    {Py_tp_getset, frame_getset},
    {Py_tp_richcompare, frame_richcompare},
    {Py_tp_hash, frame_hash},
    {Py_tp_str, frame_str},
    {Py_tp_repr, frame_repr},
    {0, NULL},
};

static PyType_Spec frame_spec = {
    .name = "ctracemalloc.Frame",
    .basicsize = sizeof(pyctm_frame_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = frame_slots,
};

int pyctm_frame_type_init(PyObject *module, pyctm_state *state)
{
    static const char *const names[] = {"_frame", "_name", NULL};
    state->frame_type = pyctm_type_new(module, &frame_spec, NULL);
    if (state->frame_type == NULL) {
        return -1;
    }
    return pyctm_type_set_slots(state->frame_type, names);
}
