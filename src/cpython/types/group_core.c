/* group_core.c: the core's rows of statistics as Statistic and StatisticDiff objects. */
#include "group.h"
#include "support.h"

/* Traceback(((filename, lineno),)) whose frame has a name (or None). Steals both. */
static PyObject *single_traceback(ctm_state *state, PyObject *frame, PyObject *name)
{
    PyObject *frames = NULL, *names = NULL, *result = NULL;
    if (frame != NULL && name != NULL) frames = PyTuple_Pack(1, frame);
    if (frames != NULL && name != Py_None) names = PyTuple_Pack(1, name);
    if (frames != NULL && (names != NULL || name == Py_None))
        result = ctm_traceback_object_new(state, frames, names, NULL);
    Py_XDECREF(frames);
    Py_XDECREF(names);
    Py_XDECREF(frame);
    Py_XDECREF(name);
    return result;
}

/* (filename, lineno) of a string id */
static PyObject *place(ctm_core_object *core, uint32_t filename, long lineno)
{
    PyObject *text = ctm_core_string(core, filename);
    return text != NULL ? Py_BuildValue("Nl", text, lineno) : NULL;
}

static PyObject *whole_traceback(ctm_state *state, ctm_core_object *core, uint32_t id)
{
    PyObject *result = NULL, *names = NULL, *frames = ctm_core_frames(core, id);
    if (frames != NULL) names = ctm_core_names(core, id);
    if (names != NULL) result = ctm_traceback_object_new(state, frames, names, NULL);
    Py_XDECREF(frames);
    Py_XDECREF(names);
    return result;
}

/* What the id of a row of statistics stands for, as a Traceback. */
static PyObject *row_traceback(ctm_state *state, ctm_core_object *core, ctm_key key, uint32_t id)
{
    const ctm_function *functions = ctm_snapshot_functions(core->snapshot);
    switch (key) {
    case CTM_BY_TRACEBACK: return whole_traceback(state, core, id);
    case CTM_BY_FILENAME: return single_traceback(state, place(core, id, 0), Py_NewRef(Py_None));
    case CTM_BY_LINENO: {
        uint32_t function = ctm_snapshot_frames(core->snapshot)[id].function;
        return single_traceback(state, ctm_core_frame(core, id),
                                ctm_core_function_name(core, function));
    }
    case CTM_BY_FUNCTION:
        return single_traceback(state,
                                place(core, functions[id].filename, functions[id].first_lineno),
                                ctm_core_function_name(core, id));
    }
    PyErr_SetString(PyExc_SystemError, "unknown key");
    return NULL;
}

static PyObject *statistic_of_row(ctm_state *state, ctm_core_object *core, ctm_key key,
                                  const ctm_statistic *row)
{
    PyObject *result = NULL, *size = NULL, *count = NULL;
    PyObject *traceback = row_traceback(state, core, key, row->id);
    if (traceback != NULL) size = PyLong_FromUnsignedLongLong(row->size);
    if (size != NULL) count = PyLong_FromUnsignedLongLong(row->count);
    if (count != NULL) result = ctm_statistic_object_new(state, traceback, size, count);
    if (result != NULL && row->estimated && ctm_statistic_set_error(result, row->size_error) < 0)
        Py_CLEAR(result);
    Py_XDECREF(traceback);
    Py_XDECREF(size);
    Py_XDECREF(count);
    return result;
}

static PyObject *diff_of_row(ctm_state *state, ctm_core_object *core, ctm_key key,
                             const ctm_statistic *row)
{
    PyObject *fields[5] = {
        row_traceback(state, core, key, row->id), PyLong_FromUnsignedLongLong(row->size),
        PyLong_FromLongLong(row->size_diff), PyLong_FromUnsignedLongLong(row->count),
        PyLong_FromLongLong(row->count_diff)};
    PyObject *result = NULL;
    if (fields[0] && fields[1] && fields[2] && fields[3] && fields[4])
        result = ctm_statistic_diff_object_new(state, fields);
    if (result != NULL && row->estimated &&
        ctm_statistic_diff_set_error(result, row->size_error) < 0)
        Py_CLEAR(result);
    for (int i = 0; i < 5; i++)
        Py_XDECREF(fields[i]);
    return result;
}

typedef PyObject *(*row_function)(ctm_state *, ctm_core_object *, ctm_key, const ctm_statistic *);

/* A list of make(row). `core`'s tables are those that the rows' ids index. */
static PyObject *rows_to_list(ctm_state *state, ctm_core_object *core, ctm_key key,
                              const ctm_statistics *statistics, row_function make)
{
    const ctm_statistic *rows = ctm_statistics_rows(statistics);
    size_t n = ctm_statistics_length(statistics);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = make(state, core, key, &rows[i]);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

/* A handle on the statistics' own tables; `core` itself if they are the same. */
static ctm_core_object *core_for(ctm_state *state, ctm_core_object *core,
                                 const ctm_statistics *statistics)
{
    ctm_snapshot *snapshot = ctm_statistics_snapshot(statistics);
    if (snapshot == core->snapshot) return (ctm_core_object *)Py_NewRef((PyObject *)core);
    return ctm_core_new(state, ctm_snapshot_ref(snapshot));
}

/* Frees the statistics. */
static PyObject *convert(ctm_state *state, ctm_core_object *core, ctm_key key,
                         ctm_statistics *statistics, row_function make)
{
    PyObject *list = NULL;
    ctm_core_object *tables = core_for(state, core, statistics);
    if (tables != NULL) list = rows_to_list(state, tables, key, statistics, make);
    Py_XDECREF((PyObject *)tables);
    ctm_statistics_free(statistics);
    return list;
}

static PyObject *make_statistics_core(ctm_state *state, ctm_core_object *core, ctm_key key,
                                      bool cumulative)
{
    ctm_statistics *statistics = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS status =
        ctm_snapshot_statistics(core->snapshot, key, cumulative, &statistics);
    Py_END_ALLOW_THREADS if (status != CTM_OK) return ctm_status_raise(state, status, NULL, NULL);
    return convert(state, core, key, statistics, statistic_of_row);
}

PyObject *ctm_statistics_core(ctm_state *state, ctm_core_object *core, ctm_key key, bool cumulative)
{
    int before = ctm_guard_begin(state);
    PyObject *result = make_statistics_core(state, core, key, cumulative);
    ctm_guard_end(state, before);
    return result;
}

static PyObject *make_compare_core(ctm_state *state, ctm_core_object *newer, ctm_core_object *older,
                                   ctm_key key, bool cumulative)
{
    ctm_statistics *statistics = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS status =
        ctm_snapshot_compare(newer->snapshot, older->snapshot, key, cumulative, &statistics);
    Py_END_ALLOW_THREADS if (status != CTM_OK) return ctm_status_raise(state, status, NULL, NULL);
    return convert(state, newer, key, statistics, diff_of_row);
}

PyObject *ctm_compare_core(ctm_state *state, ctm_core_object *newer, ctm_core_object *older,
                           ctm_key key, bool cumulative)
{
    int before = ctm_guard_begin(state);
    PyObject *result = make_compare_core(state, newer, older, key, cumulative);
    ctm_guard_end(state, before);
    return result;
}

/* Adds a Statistic under its traceback; functions of one name's place are one key. */
static int add_statistic(ctm_state *state, PyObject *group, PyObject *statistic)
{
    PyObject *traceback = PyObject_GetAttr(statistic, state->text.traceback);
    if (traceback == NULL) return -1;
    int result = -1;
    PyObject *known = PyDict_GetItemWithError(group, traceback);
    if (known == NULL && !PyErr_Occurred()) result = PyDict_SetItem(group, traceback, statistic);
    if (known != NULL) result = ctm_statistic_add(state, known, statistic);
    Py_DECREF(traceback);
    return result;
}

static PyObject *make_group_core(ctm_state *state, ctm_core_object *core, ctm_key key,
                                 bool cumulative)
{
    PyObject *list = ctm_statistics_core(state, core, key, cumulative);
    PyObject *group = list != NULL ? PyDict_New() : NULL;
    Py_ssize_t n = list != NULL ? PyList_GET_SIZE(list) : 0;
    for (Py_ssize_t i = 0; group != NULL && i < n; i++)
        if (add_statistic(state, group, PyList_GET_ITEM(list, i)) < 0) Py_CLEAR(group);
    Py_XDECREF(list);
    return group;
}

PyObject *ctm_group_core(ctm_state *state, ctm_core_object *core, ctm_key key, bool cumulative)
{
    int before = ctm_guard_begin(state);
    PyObject *result = make_group_core(state, core, key, cumulative);
    ctm_guard_end(state, before);
    return result;
}
