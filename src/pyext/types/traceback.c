/* traceback.c: Traceback, a sequence of Frames from the oldest to the most recent.
 *
 * Model: `_frames` is the tuple of stdlib's raw frames, oldest first. `_names`, if set, is a tuple of the frames'
 * function names, parallel to exactly that `_frames`: setting `_frames` deletes it.
 *
 * The traceback of a row of statistics is *pending* until it is first read: of thousands of rows, most are never read.
 * While it is pending, `names` is the snapshot's handle, and `total` is not an object but the row's id and kind with
 * the lowest bit set, which no pointer has. So the object still consists of three pointers, as pickling needs it
 * (types.h). */
#include "types/args.h"
#include "types/compare.h"
#include "types/group.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/self_scope.h"
#include "types/sequence.h"

#include <stddef.h>

typedef struct pyctm_traceback_object {
    PyObject_HEAD
    PyObject *frames; /* owned; NULL until set; any object if a user set it */
    PyObject *total;  /* owned; NULL until set; pending: see above */
    PyObject *names;  /* owned; NULL: not known; unpickling may put any object here */
} pyctm_traceback_object;

/* --- pending tracebacks --- */

static bool is_pending(const pyctm_traceback_object *traceback)
{
    return ((uintptr_t)traceback->total & 1) != 0;
}

PyObject *pyctm_traceback_of_row(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                                 uint32_t row)
{
    PyTypeObject *type = state->traceback_type;
    pyctm_traceback_object *self = (pyctm_traceback_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->names = Py_NewRef((PyObject *)handle);
    self->total = (PyObject *)((uintptr_t)row << 8 | (uintptr_t)key << 1 | 1);
    return (PyObject *)self;
}

/* Frames and names, oldest first, of a pending traceback. */
static int read_row(pyctm_state *state, const pyctm_traceback_object *traceback,
                    PyObject **out_frames, PyObject **out_names)
{
    const uintptr_t what = (uintptr_t)traceback->total;
    PyObject *frames = NULL, *names = NULL, *handle = Py_NewRef(traceback->names);
    int before = pyctm_state_self_scope_begin(state);
    int result = pyctm_row_frames((pyctm_snapshot_handle *)handle, (ctm_key)((what & 0xff) >> 1),
                                  (uint32_t)(what >> 8), &frames, &names);
    *out_frames = result == 0 ? pyctm_reversed_tuple(frames) : NULL;
    *out_names = *out_frames != NULL && names != Py_None ? pyctm_reversed_tuple(names) : NULL;
    if (*out_frames == NULL || (*out_names == NULL && names != Py_None)) {
        Py_CLEAR(*out_frames);
        result = -1;
    }
    pyctm_state_self_scope_end(state, before);
    Py_XDECREF(frames);
    Py_XDECREF(names);
    Py_DECREF(handle);
    return result;
}

/* Sets the frames and names that a pending traceback still lacks. */
static int settle(PyObject *self)
{
    pyctm_traceback_object *traceback = (pyctm_traceback_object *)self;
    PyObject *frames, *names;
    if (!is_pending(traceback)) {
        return 0;
    }
    if (read_row(pyctm_state_of(self), traceback, &frames, &names) < 0) {
        return -1;
    }
    /* The collector may have run Python code meanwhile, which read it. */
    if (is_pending(traceback)) {
        PyObject *handle = traceback->names;
        traceback->frames = frames;
        traceback->names = names;
        traceback->total = Py_NewRef(Py_None);
        Py_DECREF(handle);
    } else {
        Py_DECREF(frames);
        Py_XDECREF(names);
    }
    return 0;
}

/* --- memory --- */

static int traceback_traverse(PyObject *self, visitproc visit, void *arg)
{
    pyctm_traceback_object *traceback = (pyctm_traceback_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(traceback->frames);
    if (!is_pending(traceback)) {
        Py_VISIT(traceback->total);
    }
    Py_VISIT(traceback->names);
    return 0;
}

static int traceback_clear(PyObject *self)
{
    pyctm_traceback_object *traceback = (pyctm_traceback_object *)self;
    if (is_pending(traceback)) {
        traceback->total = NULL;
    }
    pyctm_slots_clear(self, 3);
    return 0;
}

static void traceback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, traceback_dealloc) traceback_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

static PyObject *make_traceback_object_new(pyctm_state *state, PyObject *frames, PyObject *names,
                                           PyObject *total)
{
    PyTypeObject *type = state->traceback_type;
    pyctm_traceback_object *self = (pyctm_traceback_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->frames = pyctm_reversed_tuple(frames);
    self->total = Py_NewRef(total != NULL ? total : Py_None);
    if (names != NULL && names != Py_None) {
        self->names = pyctm_reversed_tuple(names);
    }
    if (self->frames == NULL || PyErr_Occurred()) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

PyObject *pyctm_traceback_object_new(pyctm_state *state, PyObject *frames, PyObject *names,
                                     PyObject *total)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_traceback_object_new(state, frames, names, total);
    pyctm_state_self_scope_end(state, before);
    return result;
}

static int traceback_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"Traceback.__init__", {"frames", "total_nframe"}, 2, 1, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[2];
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    PyObject *frames = pyctm_reversed_tuple(given[0]);
    if (frames == NULL) {
        return -1;
    }
    int result = PyObject_SetAttr(self, state->text.frames, frames);
    Py_DECREF(frames);
    if (result < 0) {
        return -1;
    }
    PyObject *total = given[1] != NULL ? given[1] : Py_None;
    return PyObject_SetAttr(self, state->text.private_total, total);
}

/* --- attributes --- */

/* One of the three, as `closure` of its descriptor. */
struct slot {
    const char *name;
    size_t offset;
};
static const struct slot frames_slot = {"_frames", offsetof(pyctm_traceback_object, frames)};
static const struct slot total_slot = {"_total_nframe", offsetof(pyctm_traceback_object, total)};
static const struct slot names_slot = {"_names", offsetof(pyctm_traceback_object, names)};

/* The address of the slot's value; NULL with an exception. */
static PyObject **slot_value(PyObject *self, const struct slot *slot)
{
    if (settle(self) < 0) {
        return NULL;
    }
    return (PyObject **)(void *)((char *)self + slot->offset);
}

static PyObject *traceback_get_slot(PyObject *self, void *closure)
{
    const struct slot *slot = closure;
    PyObject **value = slot_value(self, slot);
    if (value == NULL) {
        return NULL;
    }
    return *value != NULL ? Py_NewRef(*value) : pyctm_slot_unset(self, slot->name);
}

static int traceback_set_slot(PyObject *self, PyObject *new, void *closure)
{
    const struct slot *slot = closure;
    PyObject **value = slot_value(self, slot);
    if (value == NULL) {
        return -1;
    }
    if (new == NULL && *value == NULL) {
        pyctm_slot_unset(self, slot->name);
        return -1;
    }
    if (slot == &frames_slot) {
        Py_CLEAR(((pyctm_traceback_object *)self)->names);
    }
    Py_XSETREF(*value, Py_XNewRef(new));
    return 0;
}

static PyObject *traceback_total_nframe(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr(self, pyctm_state_of(self)->text.private_total);
}

/* self._frames, new reference. */
static PyObject *frames_of(PyObject *self)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *frames = ((pyctm_traceback_object *)self)->frames;
    if (frames != NULL && Py_IS_TYPE(self, state->traceback_type)) {
        return Py_NewRef(frames);
    }
    return PyObject_GetAttr(self, state->text.frames);
}

/* The names of `frames`, which is the value of self._frames; borrowed, NULL if not known. */
static PyObject *names_of(PyObject *self, PyObject *frames)
{
    pyctm_traceback_object *traceback = (pyctm_traceback_object *)self;
    PyObject *names = traceback->names;
    if (names == NULL || frames != traceback->frames) {
        return NULL;
    }
    if (!PyTuple_CheckExact(names) || !PyTuple_CheckExact(frames)) {
        return NULL;
    }
    return PyTuple_GET_SIZE(names) == PyTuple_GET_SIZE(frames) ? names : NULL;
}

/* --- sequence --- */

static Py_ssize_t traceback_length(PyObject *self)
{
    PyObject *frames = frames_of(self);
    if (frames == NULL) {
        return -1;
    }
    Py_ssize_t length = PyObject_Size(frames);
    Py_DECREF(frames);
    return length;
}

/* tuple(Frame(raw) for raw in frames), names parallel or NULL. Steals both. */
static PyObject *frame_tuple(pyctm_state *state, PyObject *frames, PyObject *names)
{
    PyObject *result = NULL, *raws = frames != NULL ? PySequence_Tuple(frames) : NULL;
    Py_ssize_t n = raws != NULL ? PyTuple_GET_SIZE(raws) : 0;
    if (raws != NULL) {
        result = PyTuple_New(n);
    }
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *name = names != NULL ? PyTuple_GET_ITEM(names, i) : NULL;
        PyObject *frame = pyctm_frame_object_new(state, PyTuple_GET_ITEM(raws, i), name);
        if (frame == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, i, frame);
        }
    }
    Py_XDECREF(raws);
    Py_XDECREF(frames);
    Py_XDECREF(names);
    return result;
}

static PyObject *subscript_frames(pyctm_state *state, PyObject *frames, PyObject *names,
                                  PyObject *index)
{
    PyObject *item = PyObject_GetItem(frames, index), *name = NULL, *result = NULL;
    if (item == NULL) {
        return NULL;
    }
    if (names != NULL) {
        name = PyObject_GetItem(names, index);
    }
    if (PySlice_Check(index)) {
        if (names != NULL && name == NULL) {
            Py_CLEAR(item);
        }
        return frame_tuple(state, item, name);
    }
    if (names == NULL || name != NULL) {
        result = pyctm_frame_object_new(state, item, name);
    }
    Py_XDECREF(name);
    Py_DECREF(item);
    return result;
}

static PyObject *traceback_subscript(PyObject *self, PyObject *index)
{
    PyObject *frames = frames_of(self);
    if (frames == NULL) {
        return NULL;
    }
    PyObject *names = Py_XNewRef(names_of(self, frames));
    PyObject *result = subscript_frames(pyctm_state_of(self), frames, names, index);
    Py_XDECREF(names);
    Py_DECREF(frames);
    return result;
}

static PyObject *traceback_item(PyObject *self, Py_ssize_t index)
{
    PyObject *number = PyLong_FromSsize_t(index);
    if (number == NULL) {
        return NULL;
    }
    PyObject *result = traceback_subscript(self, number);
    Py_DECREF(number);
    return result;
}

static int traceback_contains(PyObject *self, PyObject *frame)
{
    int result = -1;
    PyObject *frames = NULL, *raw = PyObject_GetAttr(frame, pyctm_state_of(self)->text.frame);
    if (raw != NULL) {
        frames = frames_of(self);
    }
    if (frames != NULL) {
        result = PySequence_Contains(frames, raw);
    }
    Py_XDECREF(raw);
    Py_XDECREF(frames);
    return result;
}

/* --- comparison and text --- */

static PyObject *traceback_richcompare(PyObject *self, PyObject *other, int op)
{
    pyctm_state *state = pyctm_state_of(self);
    return pyctm_compare_ordered(self, other, op, state->traceback_type, state->text.frames,
                                 traceback_richcompare);
}

static Py_hash_t traceback_hash(PyObject *self)
{
    PyObject *frames = frames_of(self);
    if (frames == NULL) {
        return -1;
    }
    Py_hash_t hash = PyObject_Hash(frames);
    Py_DECREF(frames);
    return hash;
}

static PyObject *traceback_str(PyObject *self)
{
    PyObject *first = pyctm_item(self, 0);
    if (first == NULL) {
        return NULL;
    }
    PyObject *text = PyObject_Str(first);
    Py_DECREF(first);
    return text;
}

static PyObject *repr_with_total(PyObject *self, PyObject *frames)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *total = PyObject_GetAttr(self, state->text.private_total), *result = NULL;
    if (total == NULL) {
        return NULL;
    }
    if (total == Py_None) {
        Py_DECREF(total);
        return PyUnicode_FromFormat("<Traceback %R>", frames);
    }
    Py_SETREF(total, PyObject_GetAttr(self, state->text.total_nframe));
    PyObject *text = total != NULL ? PyObject_Format(total, NULL) : NULL;
    if (text != NULL) {
        result = PyUnicode_FromFormat("<Traceback %R total_nframe=%U>", frames, text);
    }
    Py_XDECREF(text);
    Py_XDECREF(total);
    return result;
}

static PyObject *traceback_repr(PyObject *self)
{
    PyObject *frames = PySequence_Tuple(self);
    if (frames == NULL) {
        return NULL;
    }
    PyObject *result = repr_with_total(self, frames);
    Py_DECREF(frames);
    return result;
}

/* --- format --- */

static int append_steal(PyObject *lines, PyObject *line)
{
    int result = line != NULL ? PyList_Append(lines, line) : -1;
    Py_XDECREF(line);
    return result;
}

/* linecache.getline(filename, lineno).strip() */
static PyObject *source_line(pyctm_state *state, PyObject *filename, PyObject *lineno)
{
    PyObject *line =
        pyctm_call_method(state->linecache, state->text.getline, filename, lineno, NULL);
    if (line == NULL) {
        return NULL;
    }
    Py_SETREF(line, pyctm_call_method(line, state->text.strip, NULL, NULL, NULL));
    return line;
}

static int format_frame(pyctm_state *state, PyObject *frame, PyObject *lines)
{
    int result = -1;
    PyObject *filename = PyObject_GetAttr(frame, state->text.filename), *source = NULL;
    PyObject *lineno = filename != NULL ? PyObject_GetAttr(frame, state->text.lineno) : NULL;
    if (lineno == NULL) {
        goto done;
    }
    if (append_steal(lines, PyUnicode_FromFormat("  File \"%S\", line %S", filename, lineno)) < 0) {
        goto done;
    }
    if ((source = source_line(state, filename, lineno)) == NULL) {
        goto done;
    }
    result = PyObject_IsTrue(source);
    if (result > 0) {
        result = append_steal(lines, PyUnicode_FromFormat("    %S", source));
    }
done:
    Py_XDECREF(filename);
    Py_XDECREF(lineno);
    Py_XDECREF(source);
    return result < 0 ? -1 : 0;
}

/* self[-limit:] if limit > 0, else self[:limit]. */
static PyObject *limited_frames(PyObject *self, PyObject *limit)
{
    PyObject *zero = PyLong_FromLong(0), *slice = NULL, *result = NULL;
    int positive = zero != NULL ? PyObject_RichCompareBool(limit, zero, Py_GT) : -1;
    if (positive > 0) {
        PyObject *start = PyNumber_Negative(limit);
        if (start != NULL) {
            slice = PySlice_New(start, NULL, NULL);
        }
        Py_XDECREF(start);
    }
    if (positive == 0) {
        slice = PySlice_New(NULL, limit, NULL);
    }
    if (slice != NULL) {
        result = PyObject_GetItem(self, slice);
    }
    Py_XDECREF(slice);
    Py_XDECREF(zero);
    return result;
}

static PyObject *chosen_frames(PyObject *self, PyObject *limit, PyObject *most_recent_first)
{
    bool limited = limit != NULL && limit != Py_None;
    PyObject *frames = limited ? limited_frames(self, limit) : Py_NewRef(self);
    if (frames == NULL) {
        return NULL;
    }
    int reverse = most_recent_first != NULL ? PyObject_IsTrue(most_recent_first) : 0;
    if (reverse < 0) {
        Py_CLEAR(frames);
    }
    if (frames != NULL && reverse > 0) {
        Py_SETREF(frames, PyObject_CallOneArg((PyObject *)&PyReversed_Type, frames));
    }
    return frames;
}

static PyObject *traceback_format(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                  PyObject *kwnames)
{
    static const pyctm_params params = {
        "Traceback.format", {"limit", "most_recent_first"}, 2, 0, 1};
    PyObject *given[2], *frame, *iterator = NULL, *lines = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    PyObject *frames = chosen_frames(self, given[0], given[1]);
    if (frames != NULL) {
        iterator = PyObject_GetIter(frames);
    }
    if (iterator != NULL) {
        lines = PyList_New(0);
    }
    while (lines != NULL && (frame = PyIter_Next(iterator)) != NULL) {
        if (format_frame(pyctm_state_of(self), frame, lines) < 0) {
            Py_CLEAR(lines);
        }
        Py_DECREF(frame);
    }
    if (PyErr_Occurred()) {
        Py_CLEAR(lines);
    }
    Py_XDECREF(frames);
    Py_XDECREF(iterator);
    return lines;
}

/* --- the type --- */

static PyMethodDef traceback_methods[] = {
    {"format", PYCTM_FASTCALL(traceback_format), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("format($self, limit=None, most_recent_first=False)\n--\n\n"
               "Format the traceback as a list of lines. limit > 0: the most recent frames\n"
               "only; limit < 0: the oldest.")},
    PYCTM_SEQUENCE_METHODS,
    {0},
};

static PyGetSetDef traceback_getset[] = {
    {"_frames", traceback_get_slot, traceback_set_slot, NULL, (void *)&frames_slot},
    {"_total_nframe", traceback_get_slot, traceback_set_slot, NULL, (void *)&total_slot},
    {"_names", traceback_get_slot, traceback_set_slot, NULL, (void *)&names_slot},
    {"total_nframe", traceback_total_nframe, pyctm_property_set,
     PyDoc_STR("Number of frames of the whole stack, or None if it is not known."), "total_nframe"},
    {0},
};

static PyType_Slot traceback_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Traceback(frames, total_nframe=None)\n--\n\n"
                                  "Sequence of Frame instances sorted from the oldest frame\n"
                                  "to the most recent frame.")},
    {Py_tp_init, traceback_init},
    {Py_tp_traverse, traceback_traverse},
    {Py_tp_clear, traceback_clear},
    {Py_tp_dealloc, traceback_dealloc},
    {Py_tp_methods, traceback_methods},
    {Py_tp_getset, traceback_getset},
    {Py_tp_richcompare, traceback_richcompare},
    {Py_tp_hash, traceback_hash},
    {Py_tp_str, traceback_str},
    {Py_tp_repr, traceback_repr},
    {Py_tp_iter, PySeqIter_New},
    {Py_mp_length, traceback_length},
    {Py_mp_subscript, traceback_subscript},
    {Py_sq_length, traceback_length},
    {Py_sq_item, traceback_item},
    {Py_sq_contains, traceback_contains},
    {0, NULL},
};

static PyType_Spec traceback_spec = {
    .name = "ctracemalloc.Traceback",
    .basicsize = sizeof(pyctm_traceback_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_SEQUENCE,
    .slots = traceback_slots,
};

int pyctm_traceback_type_init(PyObject *module, pyctm_state *state)
{
    static const char *const names[] = {"_frames", "_total_nframe", "_names", NULL};
    state->traceback_type = pyctm_type_new(module, &traceback_spec, NULL);
    if (state->traceback_type == NULL) {
        return -1;
    }
    return pyctm_type_set_slots(state->traceback_type, names);
}
