/* call_tree.c: CallTree, and Snapshot.call_tree, which makes it; see call_tree.h. */
#include "types/call_tree.h"
#include "types/args.h"
#include "types/convert.h"
#include "types/errors.h"
#include "types/group.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include <stdlib.h>

static pyctm_call_tree *tree_of(PyObject *self)
{
    return (pyctm_call_tree *)self;
}

/* --- making trees --- */

/* tables: a handle on the tree's tables; NULL is a failure that is passed on. Steals `tree`. */
static PyObject *tree_object_new(pyctm_state *state, ctm_tree *tree, pyctm_snapshot_handle *tables)
{
    PyTypeObject *type = state->call_tree_type;
    PyObject *self = tables != NULL ? type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        ctm_tree_unref(tree);
        return NULL;
    }
    tree_of(self)->tree = tree;
    ctm_tree_view_get(tree, &tree_of(self)->view);
    tree_of(self)->tables = (pyctm_snapshot_handle *)Py_NewRef((PyObject *)tables);
    return self;
}

/* Steals `tree`. */
static PyObject *tree_with_tables(pyctm_state *state, ctm_tree *tree)
{
    const int before = pyctm_state_self_scope_begin(state);
    pyctm_snapshot_handle *tables =
        pyctm_handle_new(state, ctm_snapshot_ref(ctm_tree_tables(tree)));
    PyObject *self = tree_object_new(state, tree, tables);
    Py_XDECREF((PyObject *)tables);
    pyctm_state_self_scope_end(state, before);
    return self;
}

/* older: NULL: not a difference */
static PyObject *make_tree(pyctm_state *state, ctm_snapshot *snapshot, ctm_snapshot *older)
{
    ctm_tree *tree = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = older != NULL ? ctm_snapshot_tree_diff(snapshot, older, &tree)
                               : ctm_snapshot_tree(snapshot, &tree);
    Py_END_ALLOW_THREADS
    return status == CTM_OK ? tree_with_tables(state, tree)
                            : pyctm_status_raise(state, status, NULL, NULL);
}

static int check_older(pyctm_state *state, PyObject *older)
{
    const int fits = PyObject_IsInstance(older, (PyObject *)state->snapshot_type);
    if (fits == 0) {
        PyErr_Format(PyExc_TypeError, "older must be a Snapshot or None, not %.200s",
                     Py_TYPE(older)->tp_name);
    }
    return fits > 0 ? 0 : -1;
}

PyObject *pyctm_snapshot_call_tree(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames)
{
    static const pyctm_params params = {"Snapshot.call_tree", {"older"}, 1, 0, 1};
    pyctm_state *state = pyctm_state_of(self);
    ctm_snapshot *snapshot = NULL, *older = NULL;
    PyObject *given, *result = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, &given) < 0) {
        return NULL;
    }
    const bool is_diff = given != NULL && given != Py_None;
    if (is_diff &&
        (check_older(state, given) < 0 || pyctm_snapshot_tables(state, given, &older) < 0)) {
        return NULL;
    }
    if (pyctm_snapshot_tables(state, self, &snapshot) == 0) {
        result = make_tree(state, snapshot, older);
    }
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(older);
    return result;
}

/* --- columns --- */

struct column {
    size_t data; /* offsets in ctm_tree_view: of the column, and of its number of rows */
    size_t rows;
    const char *format;
};

enum {
    PARENT,
    FRAME,
    FIRST_CHILD,
    NEXT_SIBLING,
    FRAME_FUNCTION,
    FRAME_LINENO,
    FUNCTION_FILENAME,
    FUNCTION_NAME,
    FIRST_LINENO,
};

#define COLUMN(member, rows, format) \
    {offsetof(ctm_tree_view, member), offsetof(ctm_tree_view, rows), format}
static const struct column columns[] = {
    [PARENT] = COLUMN(parent, nodes, "I"),
    [FRAME] = COLUMN(frame, nodes, "I"),
    [FIRST_CHILD] = COLUMN(first_child, nodes, "I"),
    [NEXT_SIBLING] = COLUMN(next_sibling, nodes, "I"),
    [FRAME_FUNCTION] = COLUMN(frame_function, frames, "I"),
    [FRAME_LINENO] = COLUMN(frame_lineno, frames, "i"),
    [FUNCTION_FILENAME] = COLUMN(function_filename, functions, "I"),
    [FUNCTION_NAME] = COLUMN(function_name, functions, "I"),
    [FIRST_LINENO] = COLUMN(function_first_lineno, functions, "i"),
};
#undef COLUMN

/* The closure: the index in `columns`. */
static PyObject *tree_column(PyObject *self, void *closure)
{
    const struct column *column = &columns[(uintptr_t)closure];
    const char *view = (const char *)&tree_of(self)->view;
    const void *data;
    uint32_t rows;
    memcpy(&data, view + column->data, sizeof data);
    memcpy(&rows, view + column->rows, sizeof rows);
    return pyctm_column_view(pyctm_state_of(self), self, data, (Py_ssize_t)rows, column->format);
}

/* The closure: see PYCTM_FIGURES. */
static PyObject *tree_figure(PyObject *self, void *closure)
{
    const ctm_tree_view *view = &tree_of(self)->view;
    const uintptr_t column = (uintptr_t)closure;
    const int64_t *data =
        column < CTM_FIGURES ? view->own[column] : view->total[column - CTM_FIGURES];
    return pyctm_column_view(pyctm_state_of(self), self, data, (Py_ssize_t)view->nodes, "q");
}

/* --- the other attributes --- */

static PyObject *tree_strings(PyObject *self, void *Py_UNUSED(closure))
{
    return pyctm_tree_strings_new(pyctm_state_of(self), tree_of(self)->tables);
}

static PyObject *tree_peak_known(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(tree_of(self)->view.peak_known);
}

static PyObject *tree_churn_known(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(tree_of(self)->view.churn_known);
}

static PyObject *tree_estimated(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(tree_of(self)->view.estimated);
}

/* A tree with the same tables, or None. */
static PyObject *side_of(PyObject *self, ctm_tree *side)
{
    if (side == NULL) {
        Py_RETURN_NONE;
    }
    return tree_object_new(pyctm_state_of(self), ctm_tree_ref(side), tree_of(self)->tables);
}

static PyObject *tree_newer(PyObject *self, void *Py_UNUSED(closure))
{
    return side_of(self, ctm_tree_newer(tree_of(self)->tree));
}

static PyObject *tree_older(PyObject *self, void *Py_UNUSED(closure))
{
    return side_of(self, ctm_tree_older(tree_of(self)->tree));
}

static Py_ssize_t tree_length(PyObject *self)
{
    return (Py_ssize_t)tree_of(self)->view.nodes;
}

static PyObject *tree_repr(PyObject *self)
{
    const ctm_tree_view *view = &tree_of(self)->view;
    return PyUnicode_FromFormat("<CallTree nodes=%u size=%lld count=%lld>",
                                (unsigned int)view->nodes, (long long)view->total[CTM_SIZE][0],
                                (long long)view->total[CTM_COUNT][0]);
}

/* --- methods --- */

static PyObject *tree_traceback(PyObject *self, PyObject *argument)
{
    pyctm_call_tree *tree = tree_of(self);
    const Py_ssize_t node = PyNumber_AsSsize_t(argument, PyExc_IndexError);
    if (node == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (node < 0 || node >= tree_length(self)) {
        return PyErr_Format(PyExc_IndexError, "there is no node %zd in a tree of %u nodes", node,
                            (unsigned int)tree->view.nodes);
    }
    pyctm_state *state = pyctm_state_of(self);
    const int before = pyctm_state_self_scope_begin(state);
    PyObject *traceback =
        pyctm_traceback_of_row(state, tree->tables, CTM_BY_TRACEBACK, (uint32_t)node);
    pyctm_state_self_scope_end(state, before);
    return traceback;
}

static PyObject *select_frames(PyObject *self, const uint8_t *wanted, ctm_tree_frames frames)
{
    pyctm_state *state = pyctm_state_of(self);
    ctm_tree *selected = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_tree_select(tree_of(self)->tree, wanted, frames, &selected);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    const int before = pyctm_state_self_scope_begin(state);
    PyObject *result = tree_object_new(state, selected, tree_of(self)->tables);
    pyctm_state_self_scope_end(state, before);
    return result;
}

static PyObject *tree_select(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    static const pyctm_params params = {
        "CallTree.select", {"wanted_frames", "any_frame", "every_frame"}, 3, 1, 1};
    PyObject *given[3];
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    const int any_frame = given[1] != NULL ? PyObject_IsTrue(given[1]) : 0;
    const int every_frame = given[2] != NULL && any_frame >= 0 ? PyObject_IsTrue(given[2]) : 0;
    if (any_frame < 0 || every_frame < 0) {
        return NULL;
    }
    if (any_frame && every_frame) {
        PyErr_SetString(PyExc_ValueError, "any_frame and every_frame exclude each other");
        return NULL;
    }
    uint8_t *wanted =
        pyctm_column_copy(given[0], "B?", (Py_ssize_t)tree_of(self)->view.frames, params.names[0]);
    if (wanted == NULL) {
        return NULL;
    }
    PyObject *result = select_frames(self, wanted,
                                     any_frame     ? CTM_ANY_FRAME
                                     : every_frame ? CTM_EVERY_FRAME
                                                   : CTM_RECENT_FRAME);
    free(wanted);
    return result;
}

/* --- the type --- */

static int tree_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)tree_of(self)->tables);
    return 0;
}

static void tree_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF((PyObject *)tree_of(self)->tables);
    ctm_tree_unref(tree_of(self)->tree);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef tree_methods[] = {
    {"traceback", tree_traceback, METH_O,
     PyDoc_STR(
         "traceback($self, node, /)\n--\n\nThe traceback of a node, the oldest frame first.")},
    {"group", PYCTM_FASTCALL(pyctm_call_tree_group), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("group($self, group_of_frame, number)\n--\n\n"
               "Sums by groups of frames, as CallTreeGroups. group_of_frame: a buffer of format\n"
               "'I' that says the group of each frame, under number.")},
    {"select", PYCTM_FASTCALL(tree_select), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "select($self, wanted_frames, any_frame=False, every_frame=False)\n--\n\n"
         "The CallTree with the same nodes and only the blocks whose most recent frame is\n"
         "wanted, or any frame of whose traceback is, or every one. wanted_frames: a buffer of\n"
         "format 'B' that is not 0 for each wanted frame.")},
    {"_pprof_pieces", pyctm_call_tree_pprof_pieces, METH_VARARGS,
     PyDoc_STR(
         "_pprof_pieces($self, values, strings, mapping, no_name, /)\n--\n\n"
         "The samples of a pprof profile, and the locations, functions and strings that they\n"
         "need, as an iterator over bytes. values: a tuple with a column by node for each sample\n"
         "type. strings: how many the caller has written. mapping: the id of the caller's\n"
         "mapping. no_name: the caller's string for what has no name.")},
    {0},
};

/* clang-format off */
#define OWN(name, figure, what)                                    \
    {"own_" #name, tree_figure, NULL,                              \
     PyDoc_STR("By node: " what " whose traceback the node is."),  \
     (void *)(uintptr_t)(figure)},
#define TOTAL(name, figure, what)                                  \
    {"total_" #name, tree_figure, NULL,                            \
     PyDoc_STR("By node: " what " of the node and all below it."), \
     (void *)(uintptr_t)((figure) + CTM_FIGURES)},
#define COLUMN(name, index, doc) {#name, tree_column, NULL, PyDoc_STR(doc), (void *)(uintptr_t)(index)},
static PyGetSetDef tree_getset[] = {
    PYCTM_FIGURES(OWN)
    PYCTM_FIGURES(TOTAL)
    COLUMN(parent, PARENT, "By node: the node of the caller, a smaller number; of the root 0.")
    COLUMN(frame, FRAME, "By node: its frame; of the root 0.")
    COLUMN(first_child, FIRST_CHILD, "By node: the first of those that it calls; 0: none.")
    COLUMN(next_sibling, NEXT_SIBLING, "By node: the next one with the same parent, a greater number; 0: none.")
    COLUMN(frame_function, FRAME_FUNCTION, "By frame: its function.")
    COLUMN(frame_lineno, FRAME_LINENO, "By frame: its line; 0: not known.")
    COLUMN(function_filename, FUNCTION_FILENAME, "By function: its file, an index of strings.")
    COLUMN(function_name, FUNCTION_NAME, "By function: its name, an index of strings; 0: not known.")
    COLUMN(function_first_lineno, FIRST_LINENO, "By function: the line of its definition; 0: not known.")
    {"strings", tree_strings, NULL, PyDoc_STR("A sequence of the strings; the first one is empty."), NULL},
    {"peak_known", tree_peak_known, NULL,
     PyDoc_STR("Are the figures of the peak known? If not, they are 0."), NULL},
    {"churn_known", tree_churn_known, NULL,
     PyDoc_STR("Are the figures of blocks ever allocated known? If not, they are 0."), NULL},
    {"estimated", tree_estimated, NULL,
     PyDoc_STR("Are the figures estimates from a sample (start(sample_interval=...))?"), NULL},
    {"newer", tree_newer, NULL,
     PyDoc_STR("Of a difference: the CallTree of the newer snapshot, with the same nodes; else None."), NULL},
    {"older", tree_older, NULL,
     PyDoc_STR("Of a difference: the CallTree of the older snapshot, with the same nodes; else None."), NULL},
    {0},
};
/* clang-format on */
#undef OWN
#undef TOTAL
#undef COLUMN

static PyType_Slot call_tree_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The calling-context tree of a snapshot, or of the difference of "
                                  "two, as columns.\n\nSnapshot.call_tree() makes it.")},
    {Py_tp_traverse, tree_traverse},
    {Py_tp_dealloc, tree_dealloc},
    {Py_tp_repr, tree_repr},
    {Py_tp_methods, tree_methods},
    {Py_tp_getset, tree_getset},
    {Py_sq_length, tree_length},
    {0, NULL},
};

static PyType_Spec call_tree_spec = {
    .name = "ctracemalloc.CallTree",
    .basicsize = sizeof(pyctm_call_tree),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = call_tree_slots,
};

int pyctm_call_tree_type_init(PyObject *module, pyctm_state *state)
{
    state->call_tree_type = pyctm_type_new(module, &call_tree_spec, NULL);
    return state->call_tree_type != NULL ? 0 : -1;
}
