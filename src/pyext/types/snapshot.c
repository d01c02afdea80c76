/* snapshot.c: Snapshot.
 *
 * Model: `traces` and `traceback_limit` are in the instance dict and may be replaced by the user, so every method reads
 * them again. The core computes statistics if the traces are core-backed and `_group_by` is ours; otherwise they are
 * computed trace by trace, as in tracemalloc.py. */
#include "types/args.h"
#include "types/call_tree.h"
#include "types/errors.h"
#include "types/group.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/losses.h"
#include "types/snapshot_object.h"
#include "types/traces.h"

static int snapshot_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {
        "Snapshot.__init__", {"traces", "traceback_limit"}, 2, 2, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[2];
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    PyObject *traces = PyObject_CallOneArg((PyObject *)state->traces_type, given[0]);
    return pyctm_snapshot_set_contents(state, self, traces, given[1]);
}

/* --- grouping --- */

/* Groups `traces`, the value of self.traces._traces. */
static PyObject *group_backing(pyctm_state *state, PyObject *traces, ctm_key key, bool cumulative)
{
    PyObject *backing = PyObject_GetAttr(traces, state->text.private_traces);
    if (backing == NULL) {
        return NULL;
    }
    PyObject *group = pyctm_group_traces(state, backing, key, cumulative);
    Py_DECREF(backing);
    return group;
}

/* Traces without any frame have neither file nor line: the path through Python objects raises the right exception. */
static PyObject *group_core_or_list(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                                    bool cumulative)
{
    if (!handle->frameless) {
        return pyctm_group_core(state, handle, key, cumulative);
    }
    PyObject *list = pyctm_handle_list(handle);
    PyObject *group = list != NULL ? pyctm_group_traces(state, list, key, cumulative) : NULL;
    Py_XDECREF(list);
    return group;
}

static PyObject *snapshot_group_by(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames)
{
    static const pyctm_params params = {"Snapshot._group_by", {"key_type", "cumulative"}, 2, 2, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[2], *traces, *group = NULL;
    ctm_key key;
    bool cumulative;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    if (pyctm_key_parse(state, given[0], given[1], &key, &cumulative) < 0) {
        return NULL;
    }
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(state, self, &traces);
    if (handle != NULL) {
        group = group_core_or_list(state, handle, key, cumulative);
    } else if (traces != NULL) {
        group = group_backing(state, traces, key, cumulative);
    }
    Py_XDECREF((PyObject *)handle);
    Py_XDECREF(traces);
    return group;
}

/* The handle, if the snapshot's groups are exactly what the core computes; if not, NULL with or without an exception.
 * New reference. */
static pyctm_snapshot_handle *plain_core(pyctm_state *state, PyObject *self)
{
    if (!PyObject_TypeCheck(self, state->snapshot_type)) {
        return NULL;
    }
    if (pyctm_method_is(self, state->text.group_by, PYCTM_FASTCALL(snapshot_group_by)) <= 0) {
        return NULL;
    }
    PyObject *traces;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(state, self, &traces);
    Py_XDECREF(traces);
    if (handle != NULL && handle->frameless) {
        Py_CLEAR(handle);
    }
    return handle;
}

/* list(self._group_by(key_type, cumulative).values()) */
static PyObject *grouped_values(pyctm_state *state, PyObject *self, PyObject *const given[2])
{
    PyObject *list = NULL, *values = NULL;
    PyObject *group = pyctm_call_method(self, state->text.group_by, given[0], given[1], NULL);
    if (group != NULL) {
        values = pyctm_call_method(group, state->text.values, NULL, NULL, NULL);
    }
    if (values != NULL) {
        list = PySequence_List(values);
    }
    Py_XDECREF(values);
    Py_XDECREF(group);
    return list;
}

static PyObject *statistics_of_core(pyctm_state *state, pyctm_snapshot_handle *handle,
                                    PyObject *const given[2], ctm_sort sort)
{
    pyctm_question question = {.sort = sort};
    if (pyctm_key_parse(state, given[0], given[1], &question.key, &question.cumulative) < 0) {
        return NULL;
    }
    return pyctm_statistics_core(state, handle, &question);
}

static PyObject *statistics_of(pyctm_state *state, PyObject *self, PyObject *const given[2],
                               ctm_sort sort)
{
    pyctm_snapshot_handle *handle = plain_core(state, self);
    if (handle != NULL) {
        PyObject *list = statistics_of_core(state, handle, given, sort);
        Py_DECREF((PyObject *)handle);
        return list;
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    return pyctm_sort_statistics(state, grouped_values(state, self, given), state->statistic_type,
                                 sort);
}

static PyObject *snapshot_statistics(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    static const pyctm_params params = {
        "Snapshot.statistics", {"key_type", "cumulative", "*sort"}, 3, 1, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[3];
    ctm_sort sort;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    if (pyctm_sort_parse(given[2], &sort) < 0) {
        return NULL;
    }
    if (given[1] == NULL) {
        given[1] = Py_False;
    }
    PyObject *view = pyctm_label_view(state, self, &given[0], given[1]);
    PyObject *list = view != NULL ? statistics_of(state, view, given, sort) : NULL;
    Py_XDECREF(view);
    return list;
}

/* --- comparing --- */

static PyObject *compare_groups(pyctm_state *state, PyObject *self, PyObject *old_snapshot,
                                PyObject *const given[2], ctm_sort sort)
{
    PyObject *list = NULL, *old_group = NULL;
    PyObject *new_group = pyctm_call_method(self, state->text.group_by, given[0], given[1], NULL);
    if (new_group != NULL) {
        old_group = pyctm_call_method(old_snapshot, state->text.group_by, given[0], given[1], NULL);
    }
    if (old_group != NULL) {
        list = pyctm_group_compare(state, old_group, new_group);
    }
    Py_XDECREF(new_group);
    Py_XDECREF(old_group);
    return pyctm_sort_statistics(state, list, state->statistic_diff_type, sort);
}

static PyObject *compare_handles(pyctm_state *state, pyctm_snapshot_handle *newer,
                                 pyctm_snapshot_handle *older, PyObject *const given[2],
                                 ctm_sort sort)
{
    pyctm_question question = {.sort = sort};
    if (pyctm_key_parse(state, given[0], given[1], &question.key, &question.cumulative) < 0) {
        return NULL;
    }
    return pyctm_compare_core(state, newer, older, &question);
}

static PyObject *compare(pyctm_state *state, PyObject *newer, PyObject *older,
                         PyObject *const given[2], ctm_sort sort)
{
    PyObject *list = NULL;
    pyctm_snapshot_handle *one = plain_core(state, newer);
    pyctm_snapshot_handle *two = one != NULL ? plain_core(state, older) : NULL;
    if (two != NULL) {
        list = compare_handles(state, one, two, given, sort);
    } else if (!PyErr_Occurred()) {
        list = compare_groups(state, newer, older, given, sort);
    }
    Py_XDECREF((PyObject *)one);
    Py_XDECREF((PyObject *)two);
    return list;
}

static PyObject *snapshot_compare_to(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    static const pyctm_params params = {
        "Snapshot.compare_to", {"old_snapshot", "key_type", "cumulative", "*sort"}, 4, 2, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[4], *older = NULL, *list = NULL;
    ctm_sort sort;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    if (pyctm_sort_parse(given[3], &sort) < 0) {
        return NULL;
    }
    if (given[2] == NULL) {
        given[2] = Py_False;
    }
    PyObject *key_type = given[1], *newer = pyctm_label_view(state, self, &key_type, given[2]);
    if (newer != NULL && newer != self) {
        older = pyctm_label_view(state, given[0], &given[1], given[2]);
    } else if (newer != NULL) {
        older = Py_NewRef(given[0]);
    }
    if (older != NULL) {
        list = compare(state, newer, older, given + 1, sort);
    }
    Py_XDECREF(newer);
    Py_XDECREF(older);
    return list;
}

static PyObject *snapshot_repr_html(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *function = pyctm_package_function(pyctm_state_of(self), "snapshot_html");
    PyObject *html = function != NULL ? PyObject_CallOneArg(function, self) : NULL;
    Py_XDECREF(function);
    return html;
}

/* --- the type --- */

static PyMethodDef snapshot_methods[] = {
    {"dump", PYCTM_FASTCALL(pyctm_snapshot_dump), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("dump($self, filename, format=None, *, compression=None)\n--\n\n"
               "Write the snapshot into a file. format: None or 'ctm', this module's own;\n"
               "'stdlib', what the standard library's Snapshot.load reads. compression: None\n"
               "or 'zstd', which load recognizes by itself.")},
    {"filter_traces", PYCTM_FASTCALL(pyctm_snapshot_filter_traces), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("filter_traces($self, filters)\n--\n\n"
               "Create a new Snapshot instance with a filtered traces sequence, filters\n"
               "is a list of Filter or DomainFilter instances. If filters is an empty list,\n"
               "return a new Snapshot instance with a copy of the traces.")},
    {"_filter_trace", PYCTM_FASTCALL(pyctm_snapshot_filter_trace), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_filter_trace($self, include_filters, exclude_filters, trace)\n--\n\n"
               "Does the raw trace pass the filters?")},
    {"_group_by", PYCTM_FASTCALL(snapshot_group_by), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_group_by($self, key_type, cumulative)\n--\n\n"
               "Return a dict of Statistic instances by Traceback.")},
    {"statistics", PYCTM_FASTCALL(snapshot_statistics), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("statistics($self, key_type, cumulative=False, *, sort='size')\n--\n\n"
               "Group statistics by key_type: 'traceback', 'filename', 'lineno', 'function' or\n"
               "'label:NAME'. Return a list of Statistic instances, sorted by 'size', 'count',\n"
               "'peak' (size at the peak) or 'allocated' (size of all ever allocated). With\n"
               "these two also groups whose blocks are all freed are in it.")},
    {"compare_to", PYCTM_FASTCALL(snapshot_compare_to), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("compare_to($self, old_snapshot, key_type, cumulative=False, *, sort='size')\n"
               "--\n\n"
               "Compute the differences with an old snapshot old_snapshot. Return a list of\n"
               "StatisticDiff instances, grouped by key_type, sorted by the difference of\n"
               "'size', 'count', 'peak' or 'allocated'.")},
    {"call_tree", PYCTM_FASTCALL(pyctm_snapshot_call_tree), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("call_tree($self, older=None)\n--\n\n"
               "Return the CallTree of the snapshot, or of its difference to an older one.")},
    {"__arrow_c_stream__", PYCTM_FASTCALL(pyctm_snapshot_arrow_c_stream),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("__arrow_c_stream__($self, requested_schema=None)\n--\n\n"
               "Export the sites, a row each, as an Arrow stream (PyCapsule interface).")},
    {"_filenames", pyctm_snapshot_filenames, METH_NOARGS,
     PyDoc_STR("_filenames($self, /)\n--\n\n"
               "The file names of all frames, each once, also of outer frames.")},
    {"_repr_html_", snapshot_repr_html, METH_NOARGS,
     PyDoc_STR("_repr_html_($self, /)\n--\n\n"
               "What a notebook shows: facts, and the largest lines.")},
    {0},
};

static PyObject *snapshot_sample_interval(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *traces;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(pyctm_state_of(self), self, &traces);
    Py_XDECREF(traces);
    if (handle == NULL && PyErr_Occurred()) {
        return NULL;
    }
    const uint64_t interval = handle != NULL ? handle->info.sample_interval : 0;
    Py_XDECREF((PyObject *)handle);
    return interval != 0 ? PyLong_FromUnsignedLongLong(interval) : Py_NewRef(Py_None);
}

/* A new Snapshot of the peak of `handle`. */
static PyObject *peak_of_handle(pyctm_state *state, PyObject *self, pyctm_snapshot_handle *handle)
{
    ctm_snapshot *peak = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_at_peak(handle->snapshot, &peak);
    Py_END_ALLOW_THREADS
    if (status == CTM_ERR_NOT_FOUND) {
        Py_RETURN_NONE;
    }
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    PyObject *limit = PyObject_GetAttr(self, state->text.traceback_limit);
    if (limit == NULL) {
        ctm_snapshot_unref(peak);
        return NULL;
    }
    PyObject *result = pyctm_snapshot_object_new(state, peak, limit);
    Py_DECREF(limit);
    return result;
}

static PyObject *snapshot_at_peak(PyObject *self, void *Py_UNUSED(closure))
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *traces;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(state, self, &traces);
    if (handle == NULL && traces == NULL) {
        return NULL;
    }
    PyObject *peak = handle != NULL ? peak_of_handle(state, self, handle) : Py_NewRef(Py_None);
    Py_XDECREF((PyObject *)handle);
    Py_XDECREF(traces);
    return peak;
}

static PyGetSetDef snapshot_getset[] = {
    {"at_peak", snapshot_at_peak, NULL,
     PyDoc_STR("A Snapshot of the blocks that were live at the moment of the peak: when their\n"
               "total was greatest since start, clear_traces or reset_peak. None: not known\n"
               "(traces made by hand or by the standard library, old files).\n\n"
               "It is made at each access."),
     NULL},
    {"sample_interval", snapshot_sample_interval, NULL,
     PyDoc_STR("The bytes for each of which about one block was traced; None: every block was.\n\n"
               "Sizes and counts of statistics are then estimates; `traces` are the blocks of the\n"
               "sample, each with its own size."),
     NULL},
    {"losses", pyctm_snapshot_get_losses, NULL,
     PyDoc_STR("What is not in the numbers: a tuple of Loss(kind, detail, count); empty: nothing."),
     NULL},
    {"label_keys", pyctm_snapshot_label_keys, NULL,
     PyDoc_STR("The names of the labels that blocks have, sorted."), NULL},
    PYCTM_DICT_GETSET,
    {0},
};

static PyType_Slot snapshot_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Snapshot(traces, traceback_limit)\n--\n\n"
                                  "Snapshot of traces of memory blocks allocated by Python.")},
    {Py_tp_init, snapshot_init},
    {Py_tp_traverse, pyctm_dict_object_traverse},
    {Py_tp_clear, pyctm_dict_object_clear},
    {Py_tp_dealloc, pyctm_dict_object_dealloc},
    {Py_tp_methods, snapshot_methods},
    {Py_tp_members, pyctm_dict_object_members},
    {Py_tp_getset, snapshot_getset},
    {0, NULL},
};

static PyType_Spec snapshot_spec = {
    .name = "ctracemalloc.Snapshot",
    .basicsize = sizeof(pyctm_dict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = snapshot_slots,
};

/* A method descriptor with METH_STATIC would not get the module, so these are functions bound to the module, in a
 * staticmethod. */
static PyMethodDef static_methods[] = {
    {"load", PYCTM_FASTCALL(pyctm_snapshot_load), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("load($module, filename)\n--\n\nLoad a snapshot from a file.")},
    {"merge", PYCTM_FASTCALL(pyctm_snapshot_merge_files), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("merge($module, snapshots, *, labels=None)\n--\n\n"
               "Make one snapshot of many, given as paths or Snapshot instances. Each block\n"
               "keeps where it came from as labels: 'source', the path; 'pid' and 'command' if\n"
               "they are known; and those given: a mapping, or a function of the input that\n"
               "returns one. A label that is None is left out.")},
};

static int add_static(PyObject *module, PyTypeObject *type, PyMethodDef *definition)
{
    PyObject *method = NULL, *name = pyctm_get_named((PyObject *)type, "__module__");
    PyObject *function = name != NULL ? PyCFunction_NewEx(definition, module, name) : NULL;
    if (function != NULL) {
        method = PyStaticMethod_New(function);
    }
    int result =
        method != NULL ? PyObject_SetAttrString((PyObject *)type, definition->ml_name, method) : -1;
    Py_XDECREF(name);
    Py_XDECREF(function);
    Py_XDECREF(method);
    return result;
}

int pyctm_snapshot_type_init(PyObject *module, pyctm_state *state)
{
    state->snapshot_type = pyctm_type_new(module, &snapshot_spec, NULL);
    if (state->snapshot_type == NULL) {
        return -1;
    }
    for (size_t i = 0; i < sizeof static_methods / sizeof static_methods[0]; i++) {
        if (add_static(module, state->snapshot_type, &static_methods[i]) < 0) {
            return -1;
        }
    }
    return 0;
}
