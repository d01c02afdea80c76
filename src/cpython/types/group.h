/* group.h: statistics, comparison and filtering of a snapshot's traces. */
#ifndef CTM_TYPES_GROUP_H
#define CTM_TYPES_GROUP_H

#include "core_object.h"

/* What is asked of one or two snapshots. */
typedef struct ctm_question {
    ctm_key key;
    bool cumulative;
    ctm_sort sort;
} ctm_question;

/* What a snapshot is to be grouped by. Raises stdlib's ValueErrors. */
int ctm_key_parse(ctm_state *state, PyObject *key_type, PyObject *cumulative, ctm_key *out_key,
                  bool *out_cumulative);

/* The {Traceback: Statistic} of Snapshot._group_by: of any iterable of raw traces, and of
 * core-backed ones. */
PyObject *ctm_group_traces(ctm_state *state, PyObject *traces, ctm_key key, bool cumulative);
PyObject *ctm_group_core(ctm_state *state, ctm_core_object *core, ctm_key key, bool cumulative);
/* Adds what `other` counts to `stat`, both Statistics. */
int ctm_statistic_add(ctm_state *state, PyObject *stat, PyObject *other);
/* tracemalloc._compare_grouped_stats */
PyObject *ctm_group_compare(ctm_state *state, PyObject *old_group, PyObject *new_group);

/* sort: NULL for the default. ValueError. */
int ctm_sort_parse(PyObject *sort, ctm_sort *out);
/* Raises the ValueError that the snapshot does not know what it is to be sorted by; NULL. */
PyObject *ctm_sort_unknown(ctm_sort sort);
/* list.sort(reverse=True, key=type._sort_key), and then by `sort`, in the core's order (ctm/statistics.h), if it is
 * another; steals `list`, gives it back, or NULL. */
PyObject *ctm_sort_statistics(ctm_state *state, PyObject *list, PyTypeObject *type, ctm_sort sort);

/* Sorted lists of Statistic and of StatisticDiff, by the core. */
PyObject *ctm_statistics_core(ctm_state *state, ctm_core_object *core,
                              const ctm_question *question);
PyObject *ctm_compare_core(ctm_state *state, ctm_core_object *newer, ctm_core_object *older,
                           const ctm_question *question);

/* What row `row` of statistics by `key` stands for, as a Traceback that looks into `core` when asked. */
PyObject *ctm_traceback_of_row(ctm_state *state, ctm_core_object *core, ctm_key key, uint32_t row);
/* Its frames, most recent first, and their names, a tuple or None. New references; -1: none of them. */
int ctm_row_frames(ctm_core_object *core, ctm_key key, uint32_t row, PyObject **out_frames,
                   PyObject **out_names);

#endif
