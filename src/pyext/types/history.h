/* history.h: the numbers of a Statistic and a StatisticDiff besides live blocks: what was ever allocated, what of it
 * was freed, and what was live at the peak.
 *
 * Model: one slot, `_history`, holds a tuple of the numbers that the core has counted: of a Statistic (allocated_count,
 * allocated_size, peak_count, peak_size), of a StatisticDiff these and their four differences. A number that is not
 * known is None. If none is known, the slot is not set, as in objects made by user code, which therefore have the repr
 * and pickle of the standard library's. What was freed is what was allocated minus what is live.
 *
 * In a row of statistics the slot is *pending* until it is first read, because of thousands of rows few are read: it
 * then holds the numbers as they are, in an object of a private type that only gc.get_referents() shows.
 */
#ifndef PYCTM_TYPES_HISTORY_H
#define PYCTM_TYPES_HISTORY_H

#include "types/types.h"

/* The value of the slot for a row of the core's statistics: a new pending object, or NULL without an exception if no
 * number is known. is_diff: of a StatisticDiff. */
PyObject *pyctm_history_new(pyctm_state *state, const ctm_statistic *row, bool is_diff);
/* Replaces a pending object in `slot`, one of `self`, by its tuple. */
int pyctm_history_settle(PyObject *self, PyObject **slot);
/* The sum of two; NULL (the slot is unset) if one is pending or malformed. May fail with an exception. */
PyObject *pyctm_history_join(PyObject *history, PyObject *other);
/* The attribute `_history`; the closure is the slot's offset in the object. */
PyObject *pyctm_history_get_slot(PyObject *self, void *offset);
int pyctm_history_set_slot(PyObject *self, PyObject *value, void *offset);
int pyctm_history_type_init(PyObject *module, pyctm_state *state);

/* How a property is computed: item `index` of the tuple, minus the attribute `minus` (NULL: nothing). */
typedef struct pyctm_history_field {
    int index;
    const char *minus;
} pyctm_history_field;

extern const pyctm_history_field pyctm_history_fields[12];
extern const char pyctm_history_doc[];
PyObject *pyctm_history_get(PyObject *self, void *closure);

#define PYCTM_HISTORY_PROPERTY(name, number, doc)                        \
    {name, pyctm_history_get, NULL, PyDoc_STR(doc "\nNone: not known."), \
     (void *)&pyctm_history_fields[number]}
#define PYCTM_HISTORY_SLOT(type)                                                    \
    {"_history", pyctm_history_get_slot, pyctm_history_set_slot, pyctm_history_doc, \
     (void *)offsetof(type, history)}
#define PYCTM_HISTORY_GETSET                                                                  \
    PYCTM_HISTORY_PROPERTY("allocated_count", 0,                                              \
                           "Number of blocks ever allocated, since start or clear_traces."),  \
        PYCTM_HISTORY_PROPERTY("allocated_size", 1, "Total size of these in bytes."),         \
        PYCTM_HISTORY_PROPERTY("peak_count", 2,                                               \
                               "Number of blocks that were live at the moment of the peak."), \
        PYCTM_HISTORY_PROPERTY("peak_size", 3, "Total size of these in bytes."),              \
        PYCTM_HISTORY_PROPERTY("freed_count", 4,                                              \
                               "Number of the allocated blocks that are freed."),             \
        PYCTM_HISTORY_PROPERTY("freed_size", 5, "Total size of these in bytes.")
#define PYCTM_HISTORY_DIFF_GETSET                                                                 \
    PYCTM_HISTORY_PROPERTY("allocated_count_diff", 6,                                             \
                           "Number of blocks allocated between the snapshots."),                  \
        PYCTM_HISTORY_PROPERTY("allocated_size_diff", 7, "Total size of these in bytes."),        \
        PYCTM_HISTORY_PROPERTY("peak_count_diff", 8, "Difference of peak_count, new minus old."), \
        PYCTM_HISTORY_PROPERTY("peak_size_diff", 9, "Difference of peak_size, new minus old."),   \
        PYCTM_HISTORY_PROPERTY("freed_count_diff", 10,                                            \
                               "Number of blocks freed between the snapshots."),                  \
        PYCTM_HISTORY_PROPERTY("freed_size_diff", 11, "Total size of these in bytes.")

#endif
