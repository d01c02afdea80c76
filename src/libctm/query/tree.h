/* query/tree.h: the struct of a calling-context tree, and its columns.
 *
 * Model: a tree is a shape (the nodes, frames and functions as columns) and figures. The trees that have the same nodes
 * (a difference and its two sides, a tree and what was selected of it) share one shape.
 */
#ifndef CTMI_QUERY_TREE_H
#define CTMI_QUERY_TREE_H

#include <stdatomic.h>

#include "ctm/tree.h"

/* Columns of figures; `memory` is owned by whoever has the struct. */
struct ctmi_figures {
    int64_t *own[CTM_FIGURES], *total[CTM_FIGURES]; /* borrowed from memory */
    void *memory; /* mapped; pages that nobody writes cost nothing */
    size_t size;  /* bytes of it */
};

/* All figures are 0. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_figures_new(uint32_t rows, struct ctmi_figures *out);
void ctmi_figures_free(struct ctmi_figures *figures);

/* Immutable once made. */
struct ctmi_tree_shape {
    _Atomic uint32_t references;
    ctm_snapshot *tables;                 /* owned reference */
    uint32_t *parent, *frame;             /* by node; borrowed from memory, as are all others */
    uint32_t *first_child, *next_sibling; /* by node: see ctm_tree_view */
    uint32_t *frame_function;             /* by frame */
    int32_t *frame_lineno;                /* by frame */
    uint32_t *function_filename, *function_name; /* by function */
    int32_t *function_first_lineno;              /* by function */
    uint32_t *memory;                            /* owned */
    uint32_t *node_of;                 /* owned; by traceback; NULL: each is its own node */
    uint32_t nodes, frames, functions; /* rows, row 0 included */
};

/* Immutable once made. */
struct ctm_tree {
    _Atomic uint32_t references;
    struct ctmi_tree_shape *shape; /* owned reference */
    struct ctmi_figures figures;   /* owned */
    ctm_tree *newer, *older;       /* owned references; NULL: not a difference */
    bool peak_known, churn_known, estimated;
};

#endif
