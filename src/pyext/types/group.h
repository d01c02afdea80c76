/* group.h: statistics, comparison and filtering of a snapshot's traces. */
#ifndef PYCTM_TYPES_GROUP_H
#define PYCTM_TYPES_GROUP_H

#include "types/snapshot_handle.h"

/* The arguments of statistics or of a comparison. */
typedef struct pyctm_question {
    ctm_key key;
    bool cumulative;
    ctm_sort sort;
} pyctm_question;

/* Parses the key to group by. Raises stdlib's ValueErrors. */
int pyctm_key_parse(pyctm_state *state, PyObject *key_type, PyObject *cumulative, ctm_key *out_key,
                    bool *out_cumulative);

/* The {Traceback: Statistic} of Snapshot._group_by: of any iterable of raw traces, and of core-backed traces. */
PyObject *pyctm_group_traces(pyctm_state *state, PyObject *traces, ctm_key key, bool cumulative);
PyObject *pyctm_group_core(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                           bool cumulative);
/* Adds the numbers of `other` to `stat`, both Statistics. */
int pyctm_statistic_add(pyctm_state *state, PyObject *stat, PyObject *other);
/* tracemalloc._compare_grouped_stats */
PyObject *pyctm_group_compare(pyctm_state *state, PyObject *old_group, PyObject *new_group);

/* sort: NULL for the default. ValueError. */
int pyctm_sort_parse(PyObject *sort, ctm_sort *out);
/* Raises the ValueError that the snapshot has no numbers for this order; returns NULL. */
PyObject *pyctm_sort_unknown(ctm_sort sort);
/* list.sort(reverse=True, key=type._sort_key), and then by `sort`, in the core's order (ctm/statistics.h), if it is a
 * different order. Steals `list` and returns it, or NULL. */
PyObject *pyctm_sort_statistics(pyctm_state *state, PyObject *list, PyTypeObject *type,
                                ctm_sort sort);

/* Sorted lists of Statistic and of StatisticDiff, by the core. */
PyObject *pyctm_statistics_core(pyctm_state *state, pyctm_snapshot_handle *handle,
                                const pyctm_question *question);
PyObject *pyctm_compare_core(pyctm_state *state, pyctm_snapshot_handle *newer,
                             pyctm_snapshot_handle *older, const pyctm_question *question);

/* The traceback of row `row` of statistics by `key`, as a Traceback that reads `handle` on demand. */
PyObject *pyctm_traceback_of_row(pyctm_state *state, pyctm_snapshot_handle *handle, ctm_key key,
                                 uint32_t row);
/* Its frames, most recent first, and their names, a tuple or None. New references; -1: neither is set. */
int pyctm_row_frames(pyctm_snapshot_handle *handle, ctm_key key, uint32_t row,
                     PyObject **out_frames, PyObject **out_names);

#endif
