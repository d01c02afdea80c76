/* group.c: groups raw traces one by one, as Snapshot._group_by of tracemalloc.py does, whatever objects they consist
 * of.
 */
#include "types/group.h"
#include "types/support.h"

/* 1: key_type == text, 0: not, -1: error */
static int is_key(PyObject *key_type, PyObject *text)
{
    return PyObject_RichCompareBool(key_type, text, Py_EQ);
}

static int find_key(pyctm_state *state, PyObject *key_type, ctm_key *out)
{
    const struct {
        PyObject *text;
        ctm_key key;
    } keys[] = {
        {state->text.by_traceback, CTM_BY_TRACEBACK},
        {state->text.by_filename, CTM_BY_FILENAME},
        {state->text.by_lineno, CTM_BY_LINENO},
        {state->text.by_function, CTM_BY_FUNCTION},
    };
    for (int i = 0; i < 4; i++) {
        int same = is_key(key_type, keys[i].text);
        if (same < 0) {
            return -1;
        }
        *out = keys[i].key;
        if (same) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown key_type: %R", key_type);
    return -1;
}

int pyctm_key_parse(pyctm_state *state, PyObject *key_type, PyObject *cumulative, ctm_key *out_key,
                    bool *out_cumulative)
{
    if (find_key(state, key_type, out_key) < 0) {
        return -1;
    }
    int truth = PyObject_IsTrue(cumulative);
    if (truth < 0) {
        return -1;
    }
    *out_cumulative = truth != 0;
    if (!truth || *out_key != CTM_BY_TRACEBACK) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "cumulative mode cannot by used with key type %R", key_type);
    return -1;
}

/* --- one trace --- */

typedef struct grouping {
    pyctm_state *state;
    ctm_key key;
    PyObject *stats;      /* owned: {Traceback: Statistic} */
    PyObject *tracebacks; /* owned: {raw frames, or frame: Traceback} */
} grouping;

/* ((frame[0], 0),) */
static PyObject *file_frames(PyObject *frame)
{
    PyObject *filename = pyctm_item(frame, 0);
    return filename != NULL ? Py_BuildValue("((Ni))", filename, 0) : NULL;
}

/* The raw frames of the group of a whole traceback. */
static PyObject *frames_of_traceback(grouping *group, PyObject *raw)
{
    if (group->key == CTM_BY_TRACEBACK) {
        return Py_NewRef(raw);
    }
    if (group->key == CTM_BY_LINENO) {
        return pyctm_slice_until(raw, 1);
    }
    PyObject *frame = pyctm_item(raw, 0);
    if (frame == NULL) {
        return NULL;
    }
    PyObject *frames = file_frames(frame);
    Py_DECREF(frame);
    return frames;
}

/* The same of a single frame. */
static PyObject *frames_of_frame(grouping *group, PyObject *raw)
{
    return group->key == CTM_BY_LINENO ? PyTuple_Pack(1, raw) : file_frames(raw);
}

/* The Traceback of the group that `raw` belongs to; borrowed from group->tracebacks. */
static PyObject *traceback_for(grouping *group, PyObject *raw,
                               PyObject *(*frames_for)(grouping *, PyObject *))
{
    PyObject *traceback = PyDict_GetItemWithError(group->tracebacks, raw);
    if (traceback != NULL || PyErr_Occurred()) {
        return traceback;
    }
    PyObject *frames = frames_for(group, raw);
    if (frames != NULL) {
        traceback = pyctm_traceback_object_new(group->state, frames, NULL, NULL);
    }
    Py_XDECREF(frames);
    if (traceback == NULL) {
        return NULL;
    }
    int result = PyDict_SetItem(group->tracebacks, raw, traceback);
    Py_DECREF(traceback); /* the dict owns it */
    return result < 0 ? NULL : traceback;
}

/* stat.name += value */
static int add_in_place(PyObject *stat, PyObject *name, PyObject *value)
{
    PyObject *old = PyObject_GetAttr(stat, name);
    if (old == NULL) {
        return -1;
    }
    PyObject *sum = PyNumber_InPlaceAdd(old, value);
    int result = sum != NULL ? PyObject_SetAttr(stat, name, sum) : -1;
    Py_DECREF(old);
    Py_XDECREF(sum);
    return result;
}

int pyctm_statistic_add(pyctm_state *state, PyObject *stat, PyObject *other)
{
    if (pyctm_statistic_join_more(stat, other) < 0) {
        return -1;
    }
    PyObject *const names[2] = {state->text.size, state->text.count};
    for (int i = 0; i < 2; i++) {
        PyObject *value = PyObject_GetAttr(other, names[i]);
        int result = value != NULL ? add_in_place(stat, names[i], value) : -1;
        Py_XDECREF(value);
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

static int add_block(grouping *group, PyObject *traceback, PyObject *size)
{
    pyctm_state *state = group->state;
    PyObject *one = PyLong_FromLong(1);
    if (one == NULL) {
        return -1;
    }
    int result = -1;
    PyObject *stat = PyDict_GetItemWithError(group->stats, traceback);
    if (stat != NULL) {
        if (add_in_place(stat, state->text.size, size) == 0) {
            result = add_in_place(stat, state->text.count, one);
        }
    } else if (!PyErr_Occurred()) {
        stat = pyctm_statistic_object_new(state, traceback, size, one);
        if (stat != NULL) {
            result = PyDict_SetItem(group->stats, traceback, stat);
        }
        Py_XDECREF(stat);
    }
    Py_DECREF(one);
    return result;
}

static int add_whole(grouping *group, PyObject *frames, PyObject *size)
{
    PyObject *traceback = traceback_for(group, frames, frames_of_traceback);
    return traceback != NULL ? add_block(group, traceback, size) : -1;
}

static int add_each_frame(grouping *group, PyObject *frames, PyObject *size)
{
    PyObject *frame, *iterator = PyObject_GetIter(frames);
    if (iterator == NULL) {
        return -1;
    }
    int result = 0;
    while (result == 0 && (frame = PyIter_Next(iterator)) != NULL) {
        PyObject *traceback = traceback_for(group, frame, frames_of_frame);
        result = traceback != NULL ? add_block(group, traceback, size) : -1;
        Py_DECREF(frame);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

static int add_trace(grouping *group, PyObject *trace, bool cumulative)
{
    PyObject *parts[4];
    if (pyctm_unpack(trace, 4, parts) < 0) {
        return -1;
    }
    int result = cumulative ? add_each_frame(group, parts[2], parts[1])
                            : add_whole(group, parts[2], parts[1]);
    for (int i = 0; i < 4; i++) {
        Py_DECREF(parts[i]);
    }
    return result;
}

PyObject *pyctm_group_traces(pyctm_state *state, PyObject *traces, ctm_key key, bool cumulative)
{
    grouping group = {state, key, PyDict_New(), PyDict_New()};
    PyObject *trace, *iterator = NULL;
    if (group.stats != NULL && group.tracebacks != NULL) {
        iterator = PyObject_GetIter(traces);
    }
    int result = iterator != NULL ? 0 : -1;
    while (result == 0 && (trace = PyIter_Next(iterator)) != NULL) {
        result = add_trace(&group, trace, cumulative);
        Py_DECREF(trace);
    }
    if (result < 0 || PyErr_Occurred()) {
        Py_CLEAR(group.stats);
    }
    Py_XDECREF(group.tracebacks);
    Py_XDECREF(iterator);
    return group.stats;
}

/* --- comparing two groups --- */

/* StatisticDiff(traceback, stat.size, stat.size - old.size, …); old may be None. */
static PyObject *diff_of(pyctm_state *state, PyObject *traceback, PyObject *stat, PyObject *old)
{
    PyObject *const names[2] = {state->text.size, state->text.count};
    PyObject *fields[5] = {traceback, NULL, NULL, NULL, NULL}, *result = NULL;
    int failed = 0;
    for (int i = 0; !failed && i < 2; i++) {
        PyObject *value = PyObject_GetAttr(stat, names[i]), *before = NULL;
        fields[1 + 2 * i] = value;
        if (old == Py_None) {
            fields[2 + 2 * i] = Py_XNewRef(value);
        } else if (value != NULL && (before = PyObject_GetAttr(old, names[i])) != NULL) {
            fields[2 + 2 * i] = PyNumber_Subtract(value, before);
        }
        Py_XDECREF(before);
        failed = fields[2 + 2 * i] == NULL;
    }
    if (!failed) {
        result = pyctm_statistic_diff_object_new(state, fields);
    }
    for (int i = 1; i < 5; i++) {
        Py_XDECREF(fields[i]);
    }
    return result;
}

/* StatisticDiff(traceback, 0, -stat.size, 0, -stat.count) */
static PyObject *diff_of_gone(pyctm_state *state, PyObject *traceback, PyObject *stat)
{
    PyObject *result = NULL, *zero = PyLong_FromLong(0), *count = NULL;
    PyObject *size = zero != NULL ? PyObject_GetAttr(stat, state->text.size) : NULL;
    if (size != NULL) {
        Py_SETREF(size, PyNumber_Negative(size));
    }
    if (size != NULL) {
        count = PyObject_GetAttr(stat, state->text.count);
    }
    if (count != NULL) {
        Py_SETREF(count, PyNumber_Negative(count));
    }
    if (count != NULL) {
        PyObject *const fields[5] = {traceback, zero, size, zero, count};
        result = pyctm_statistic_diff_object_new(state, fields);
    }
    Py_XDECREF(zero);
    Py_XDECREF(size);
    Py_XDECREF(count);
    return result;
}

static PyObject *diff_of_item(pyctm_state *state, PyObject *old_group, PyObject *traceback,
                              PyObject *stat)
{
    if (old_group == NULL) {
        return diff_of_gone(state, traceback, stat);
    }
    PyObject *old = pyctm_call_method(old_group, state->text.pop, traceback, Py_None, NULL);
    if (old == NULL) {
        return NULL;
    }
    PyObject *diff = diff_of(state, traceback, stat, old);
    Py_DECREF(old);
    return diff;
}

/* Appends a diff for each item of `group`. If there is an old_group, removes the item with the same key from it. */
static int append_diffs(pyctm_state *state, PyObject *list, PyObject *group, PyObject *old_group)
{
    PyObject *item, *iterator = NULL, *pair[2];
    PyObject *items = pyctm_call_method(group, state->text.items, NULL, NULL, NULL);
    if (items != NULL) {
        iterator = PyObject_GetIter(items);
    }
    int result = iterator != NULL ? 0 : -1;
    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        PyObject *diff = NULL;
        if (pyctm_unpack(item, 2, pair) == 0) {
            diff = diff_of_item(state, old_group, pair[0], pair[1]);
            Py_DECREF(pair[0]);
            Py_DECREF(pair[1]);
        }
        result = diff != NULL ? PyList_Append(list, diff) : -1;
        Py_XDECREF(diff);
        Py_DECREF(item);
    }
    Py_XDECREF(items);
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

PyObject *pyctm_group_compare(pyctm_state *state, PyObject *old_group, PyObject *new_group)
{
    PyObject *list = PyList_New(0);
    if (list != NULL && (append_diffs(state, list, new_group, old_group) < 0 ||
                         append_diffs(state, list, old_group, NULL) < 0)) {
        Py_CLEAR(list);
    }
    return list;
}
