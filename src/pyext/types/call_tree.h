/* call_tree.h: CallTree, the calling-context tree of a snapshot (ctm/tree.h), and what belongs to it: its groups
 * (call_tree_groups.c), its columns as memoryviews (tree_column.c), its strings (tree_strings.c), its
 * pprof profile (pprof_pieces.c).
 *
 * Model: all objects are immutable. A memoryview reads the core's own memory, without a copy, and keeps its owner alive.
 * Lock of all fields: GIL.
 *
 * Functions return new references; NULL or -1 with an exception on failure.
 */
#ifndef PYCTM_TYPES_CALL_TREE_H
#define PYCTM_TYPES_CALL_TREE_H

#include "types/snapshot_handle.h"

/* The columns of figures, in the order of ctm_figure: X(name, what it counts). The getters of own and total figures are
 * made from it; the closure is the figure, of a total plus CTM_FIGURES. */
/* clang-format off */
#define PYCTM_FIGURES(X)                                         \
    X(size, CTM_SIZE, "bytes of live blocks")                    \
    X(count, CTM_COUNT, "live blocks")                           \
    X(peak_size, CTM_PEAK_SIZE, "bytes live at the peak")        \
    X(peak_count, CTM_PEAK_COUNT, "blocks live at the peak")     \
    X(allocated_size, CTM_ALLOCATED_SIZE, "bytes ever allocated") \
    X(allocated_count, CTM_ALLOCATED_COUNT, "blocks ever allocated")
/* clang-format on */

typedef struct pyctm_call_tree {
    PyObject_HEAD
    ctm_tree *tree;                /* owned reference */
    ctm_tree_view view;            /* of the tree */
    pyctm_snapshot_handle *tables; /* owned reference: on the tree's tables */
} pyctm_call_tree;

/* A Snapshot's method call_tree. */
PyObject *pyctm_snapshot_call_tree(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames);
/* CallTree.group */
PyObject *pyctm_call_tree_group(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames);

/* CallTree._pprof_pieces: pprof_pieces.c */
PyObject *pyctm_call_tree_pprof_pieces(PyObject *self, PyObject *args);

/* A read-only memoryview of `rows` items of `format` at `data`, which are valid as long as `owner`. */
PyObject *pyctm_column_view(pyctm_state *state, PyObject *owner, const void *data, Py_ssize_t rows,
                            const char *format);
/* A copy, made with malloc, of a buffer with `rows` items of one of the `formats`, which all have one size. `name` is
 * the argument's, for messages. */
void *pyctm_column_copy(PyObject *buffer, const char *formats, Py_ssize_t rows, const char *name);

/* The sequence of the strings of `tables`. */
PyObject *pyctm_tree_strings_new(pyctm_state *state, pyctm_snapshot_handle *tables);

#endif
