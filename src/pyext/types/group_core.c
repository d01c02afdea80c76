/* group_core.c: converts the core's rows of statistics to Statistic and StatisticDiff objects. */
#include "types/errors.h"
#include "types/group.h"
#include "types/self_scope.h"
#include "types/statistic.h"

static PyObject *statistic_of_row(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                                  const ctm_statistic *row)
{
    PyObject *result = NULL, *size = NULL, *count = NULL;
    PyObject *traceback = pyctm_traceback_of_row(state, handle, key, row->id);
    if (traceback != NULL) {
        size = PyLong_FromUnsignedLongLong(row->size);
    }
    if (size != NULL) {
        count = PyLong_FromUnsignedLongLong(row->count);
    }
    if (count != NULL) {
        result = pyctm_statistic_object_new(state, traceback, size, count);
    }
    if (result != NULL && pyctm_statistic_set_more(state, result, row) < 0) {
        Py_CLEAR(result);
    }
    Py_XDECREF(traceback);
    Py_XDECREF(size);
    Py_XDECREF(count);
    return result;
}

static PyObject *diff_of_row(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                             const ctm_statistic *row)
{
    PyObject *fields[5] = {
        pyctm_traceback_of_row(state, handle, key, row->id), PyLong_FromUnsignedLongLong(row->size),
        PyLong_FromLongLong(row->size_diff), PyLong_FromUnsignedLongLong(row->count),
        PyLong_FromLongLong(row->count_diff)};
    PyObject *result = NULL;
    if (fields[0] && fields[1] && fields[2] && fields[3] && fields[4]) {
        result = pyctm_statistic_diff_object_new(state, fields);
    }
    if (result != NULL && pyctm_statistic_diff_set_more(state, result, row) < 0) {
        Py_CLEAR(result);
    }
    for (int i = 0; i < 5; i++) {
        Py_XDECREF(fields[i]);
    }
    return result;
}

typedef PyObject *(*row_function)(pyctm_state *, pyctm_snapshot_handle *, ctm_key,
                                  const ctm_statistic *);

/* A list of make(row). The rows' ids are of `handle`'s tables. */
static PyObject *rows_to_list(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                              const ctm_statistics *statistics, row_function make)
{
    const ctm_statistic *rows = ctm_statistics_rows(statistics);
    size_t n = ctm_statistics_length(statistics);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = make(state, handle, key, &rows[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

/* A handle on the statistics' own tables; `handle` itself if they are the same. */
static pyctm_snapshot_handle *core_for(pyctm_state *state, pyctm_snapshot_handle *handle,
                                       const ctm_statistics *statistics)
{
    ctm_snapshot *snapshot = ctm_statistics_snapshot(statistics);
    if (snapshot == handle->snapshot) {
        return (pyctm_snapshot_handle *)Py_NewRef((PyObject *)handle);
    }
    return pyctm_handle_new(state, ctm_snapshot_ref(snapshot));
}

/* Converts the statistics to a list, and frees them. */
static PyObject *convert(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                         ctm_statistics *statistics, row_function make)
{
    PyObject *list = NULL;
    pyctm_snapshot_handle *tables = core_for(state, handle, statistics);
    if (tables != NULL) {
        list = rows_to_list(state, tables, key, statistics, make);
    }
    Py_XDECREF((PyObject *)tables);
    ctm_statistics_free(statistics);
    return list;
}

static PyObject *make_statistics_core(pyctm_state *state, pyctm_snapshot_handle *handle,
                                      const pyctm_question *question)
{
    ctm_statistics *statistics = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_statistics_sorted(handle->snapshot, question->key,
                                                question->cumulative, question->sort, &statistics);
    Py_END_ALLOW_THREADS
    if (status == CTM_ERR_NOT_FOUND) {
        return pyctm_sort_unknown(question->sort);
    }
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    return convert(state, handle, question->key, statistics, statistic_of_row);
}

PyObject *pyctm_statistics_core(pyctm_state *state, pyctm_snapshot_handle *handle,
                                const pyctm_question *question)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_statistics_core(state, handle, question);
    pyctm_state_self_scope_end(state, before);
    return result;
}

static PyObject *make_compare_core(pyctm_state *state, pyctm_snapshot_handle *newer,
                                   pyctm_snapshot_handle *older, const pyctm_question *question)
{
    ctm_statistics *statistics = NULL;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_compare_sorted(newer->snapshot, older->snapshot, question->key,
                                             question->cumulative, question->sort, &statistics);
    Py_END_ALLOW_THREADS
    if (status == CTM_ERR_NOT_FOUND) {
        return pyctm_sort_unknown(question->sort);
    }
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    return convert(state, newer, question->key, statistics, diff_of_row);
}

PyObject *pyctm_compare_core(pyctm_state *state, pyctm_snapshot_handle *newer,
                             pyctm_snapshot_handle *older, const pyctm_question *question)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_compare_core(state, newer, older, question);
    pyctm_state_self_scope_end(state, before);
    return result;
}

/* Adds a Statistic under its traceback; several functions with one name, file and line are one key. */
static int add_statistic(pyctm_state *state, PyObject *group, PyObject *statistic)
{
    PyObject *traceback = PyObject_GetAttr(statistic, state->text.traceback);
    if (traceback == NULL) {
        return -1;
    }
    int result = -1;
    PyObject *known = PyDict_GetItemWithError(group, traceback);
    if (known == NULL && !PyErr_Occurred()) {
        result = PyDict_SetItem(group, traceback, statistic);
    }
    if (known != NULL) {
        result = pyctm_statistic_add(state, known, statistic);
    }
    Py_DECREF(traceback);
    return result;
}

static PyObject *make_group_core(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                                 bool cumulative)
{
    const pyctm_question question = {key, cumulative, CTM_SORT_SIZE};
    PyObject *list = pyctm_statistics_core(state, handle, &question);
    PyObject *group = list != NULL ? PyDict_New() : NULL;
    Py_ssize_t n = list != NULL ? PyList_GET_SIZE(list) : 0;
    for (Py_ssize_t i = 0; group != NULL && i < n; i++) {
        if (add_statistic(state, group, PyList_GET_ITEM(list, i)) < 0) {
            Py_CLEAR(group);
        }
    }
    Py_XDECREF(list);
    return group;
}

PyObject *pyctm_group_core(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                           bool cumulative)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_group_core(state, handle, key, cumulative);
    pyctm_state_self_scope_end(state, before);
    return result;
}
