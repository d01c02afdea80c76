/* group.c: groups raw traces one by one, as Snapshot._group_by of tracemalloc.py does, whatever objects they consist
 * of.
 */
#include "types/group.h"
#include "types/idioms.h"
#include "types/statistic.h"

typedef struct grouping {
    pyctm_state *state;   /* borrowed: the module's */
    ctm_key key;          /* by which traces are grouped */
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
