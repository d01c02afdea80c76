/* call_tree_groups.c: CallTreeGroups, the sums of a call tree by groups of frames. */
#include "types/args.h"
#include "types/call_tree.h"
#include "types/errors.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include <stdlib.h>

typedef struct groups_object {
    PyObject_HEAD
    ctm_tree_groups *groups; /* owned */
} groups_object;

static ctm_tree_groups *groups_of(PyObject *self)
{
    return ((groups_object *)self)->groups;
}

static Py_ssize_t groups_length(PyObject *self)
{
    return (Py_ssize_t)ctm_tree_groups_length(groups_of(self));
}

/* The closure: see PYCTM_FIGURES. */
static PyObject *groups_figure(PyObject *self, void *closure)
{
    const uintptr_t column = (uintptr_t)closure;
    const ctm_figure figure = (ctm_figure)(column % CTM_FIGURES);
    const int64_t *data = column < CTM_FIGURES ? ctm_tree_groups_own(groups_of(self), figure)
                                               : ctm_tree_groups_total(groups_of(self), figure);
    return pyctm_column_view(pyctm_state_of(self), self, data, groups_length(self), "q");
}

static int groups_traverse(PyObject *self, visitproc visit, void *arg)
{
    (void)visit;
    (void)arg;
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void groups_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    ctm_tree_groups_free(groups_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

/* clang-format off */
#define OWN(name, figure, what)                                         \
    {"own_" #name, groups_figure, NULL,                                 \
     PyDoc_STR("By group: " what " whose most recent frame is in it."), \
     (void *)(uintptr_t)(figure)},
#define TOTAL(name, figure, what)                                                         \
    {"total_" #name, groups_figure, NULL,                                                 \
     PyDoc_STR("By group: " what " with a frame of it in their traceback, each once."), \
     (void *)(uintptr_t)((figure) + CTM_FIGURES)},
/* clang-format on */
static PyGetSetDef groups_getset[] = {PYCTM_FIGURES(OWN) PYCTM_FIGURES(TOTAL){0}};
#undef OWN
#undef TOTAL

static PyType_Slot call_tree_groups_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Sums of a CallTree by groups of frames.")},
    {Py_tp_traverse, groups_traverse},
    {Py_tp_dealloc, groups_dealloc},
    {Py_tp_getset, groups_getset},
    {Py_sq_length, groups_length},
    {0, NULL},
};

static PyType_Spec call_tree_groups_spec = {
    .name = "ctracemalloc.CallTreeGroups",
    .basicsize = sizeof(groups_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = call_tree_groups_slots,
};

int pyctm_call_tree_groups_type_init(PyObject *module, pyctm_state *state)
{
    state->call_tree_groups_type = pyctm_type_new(module, &call_tree_groups_spec, NULL);
    return state->call_tree_groups_type != NULL ? 0 : -1;
}

/* --- CallTree.group --- */

static int parse_number(PyObject *value, uint32_t *out)
{
    const Py_ssize_t number = PyNumber_AsSsize_t(value, PyExc_ValueError);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < 0 || number > (Py_ssize_t)UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "number must be 0 to 2**32 - 1, not %zd", number);
        return -1;
    }
    *out = (uint32_t)number;
    return 0;
}

static int check_groups(const uint32_t *of, uint32_t frames, uint32_t number)
{
    for (uint32_t frame = 0; frame < frames; frame++) {
        if (of[frame] >= number) {
            PyErr_Format(PyExc_ValueError, "frame %u is in group %u, but there are %u groups",
                         (unsigned int)frame, (unsigned int)of[frame], (unsigned int)number);
            return -1;
        }
    }
    return 0;
}

/* Steals `groups`. */
static PyObject *groups_object_new(pyctm_state *state, ctm_tree_groups *groups)
{
    PyTypeObject *type = state->call_tree_groups_type;
    groups_object *self = (groups_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        ctm_tree_groups_free(groups);
        return NULL;
    }
    self->groups = groups;
    return (PyObject *)self;
}

static PyObject *group_by(pyctm_state *state, const pyctm_call_tree *tree, const uint32_t *of,
                          uint32_t number)
{
    ctm_tree_groups *groups = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_tree_group(tree->tree, of, tree->view.frames, number, &groups);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    const int before = pyctm_state_self_scope_begin(state);
    PyObject *result = groups_object_new(state, groups);
    pyctm_state_self_scope_end(state, before);
    return result;
}

PyObject *pyctm_call_tree_group(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames)
{
    static const pyctm_params params = {"CallTree.group", {"group_of_frame", "number"}, 2, 2, 1};
    const pyctm_call_tree *tree = (pyctm_call_tree *)self;
    const uint32_t frames = tree->view.frames;
    PyObject *given[2], *result = NULL;
    uint32_t number;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0 ||
        parse_number(given[1], &number) < 0) {
        return NULL;
    }
    uint32_t *of = pyctm_column_copy(given[0], "I", (Py_ssize_t)frames, params.names[0]);
    if (of != NULL && check_groups(of, frames, number) == 0) {
        result = group_by(pyctm_state_of(self), tree, of, number);
    }
    free(of);
    return result;
}
