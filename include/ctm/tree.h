/* ctm/tree.h: the calling-context tree of a snapshot, with the own and the total figures of each node.
 *
 * Model: a node is a traceback of the snapshot's tables (tables.h), and has its id: a parent has a smaller id than its
 * children, and node 0 is the root, whose total is the whole. The *own* figures of a node are those of the blocks whose
 * traceback it is; its *total* figures add those of all nodes below it. Two tracebacks with the
 * same frames are one node, the first of them, however many older frames were left out of each; the other one has no
 * figures and is nobody's child. Frames of different functions differ, also if their files and lines are the same.
 * The blocks with an empty traceback are the root's own.
 *
 * Figures are columns, an array for each, indexed by node. They are the numbers of ctm_snapshot_statistics: bytes and
 * blocks, of a sampled snapshot unbiased estimates of them, and 0 where the snapshot does not know them.
 *
 * The tree of a difference has the nodes of both snapshots; each figure is that of the newer one minus that of the
 * older one, so figures can be negative.
 *
 * A tree never changes and is counted. Any number of threads may read it; ref and unref are atomic.
 */
#ifndef CTM_TREE_H
#define CTM_TREE_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ctm_figure {
    CTM_SIZE = 0, /* bytes of live blocks */
    CTM_COUNT = 1,
    CTM_PEAK_SIZE = 2, /* live at the moment of the peak */
    CTM_PEAK_COUNT = 3,
    CTM_ALLOCATED_SIZE = 4, /* ever allocated */
    CTM_ALLOCATED_COUNT = 5,
    CTM_FIGURES = 6,
} ctm_figure;

typedef struct ctm_tree ctm_tree; /* opaque, immutable */

/* What a tree has. The arrays are borrowed, valid as long as the tree; row 0 of each is included in their lengths. */
typedef struct ctm_tree_view {
    uint32_t nodes;     /* rows of the columns by node */
    uint32_t frames;    /* rows of the columns by frame */
    uint32_t functions; /* rows of the columns by function */
    uint32_t strings;   /* strings of ctm_tree_tables */
    bool peak_known;  /* if not, the two figures of the peak are 0; of a difference: both know it */
    bool churn_known; /* the same for the two of blocks ever allocated */
    bool estimated;   /* the figures are estimates, because a snapshot is sampled */
    const int64_t *own[CTM_FIGURES], *total[CTM_FIGURES]; /* by node; indexed by ctm_figure */
    const uint32_t *parent, *frame;                       /* by node; of the root 0 */
    /* By node: its children as a list, in the order of their ids; 0: none. */
    const uint32_t *first_child, *next_sibling;
    const uint32_t *frame_function;                    /* by frame */
    const int32_t *frame_lineno;                       /* by frame */
    const uint32_t *function_filename, *function_name; /* by function: strings */
    const int32_t *function_first_lineno;              /* by function */
} ctm_tree_view;

/* The tree of a snapshot. The caller owns *out. CTM_ERR_NOMEM; CTM_ERR_LIMIT: a figure is not under INT64_MAX. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_tree(ctm_snapshot *snapshot, ctm_tree **out);
/* The tree of the difference of two snapshots, newer - older. It also has the tree of each (ctm_tree_newer). The caller
 * owns *out. The same errors. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_tree_diff(ctm_snapshot *newer, ctm_snapshot *older,
                                                        ctm_tree **out);
CTM_API ctm_tree *ctm_tree_ref(ctm_tree *tree); /* returns its argument */
CTM_API void ctm_tree_unref(ctm_tree *tree);    /* NULL is allowed */

CTM_API void ctm_tree_view_get(const ctm_tree *tree, ctm_tree_view *out);
/* The snapshot whose tables the ids index; borrowed. Of a difference, it may have no sites. */
CTM_API ctm_snapshot *ctm_tree_tables(const ctm_tree *tree);
/* Of a difference: the trees of the two snapshots, with the same nodes; borrowed. Of another tree NULL. */
CTM_API ctm_tree *ctm_tree_newer(const ctm_tree *tree);
CTM_API ctm_tree *ctm_tree_older(const ctm_tree *tree);

/* Which frames of a traceback have to be wanted. */
typedef enum { CTM_RECENT_FRAME, CTM_ANY_FRAME, CTM_EVERY_FRAME } ctm_tree_frames;

/* The tree with the same nodes and only some of the blocks: those whose most recent frame is wanted, those with a wanted
 * frame anywhere in their traceback, or those with no other frames. wanted_frame: by frame, view.frames of them; the first
 * one decides on the blocks with an empty traceback. The caller owns *out. CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_tree_select(const ctm_tree *tree, const uint8_t *wanted_frame,
                                                 ctm_tree_frames frames, ctm_tree **out);

/* --- groups of frames --- */

typedef struct ctm_tree_groups ctm_tree_groups; /* opaque, immutable */

/* Sums by groups of frames: group_of_frame[f] is that of frame f, under n_groups; there are view.frames of them. The
 * group's own figures are those of the blocks whose most recent frame is in the group; its total those of the blocks
 * with a frame of the group anywhere in their traceback. A block counts once in a total, however many of its frames are
 * in the group. An empty traceback counts as one frame, frame 0. The caller frees *out.
 * CTM_ERR_INVALID: n_frames is not view.frames, or a group is not under n_groups; CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_tree_group(const ctm_tree *tree,
                                                const uint32_t *group_of_frame, uint32_t n_frames,
                                                uint32_t n_groups, ctm_tree_groups **out);
CTM_API void ctm_tree_groups_free(ctm_tree_groups *groups); /* NULL is allowed */
CTM_API uint32_t ctm_tree_groups_length(const ctm_tree_groups *groups);
/* Columns indexed by group; borrowed. */
CTM_API const int64_t *ctm_tree_groups_own(const ctm_tree_groups *groups, ctm_figure figure);
CTM_API const int64_t *ctm_tree_groups_total(const ctm_tree_groups *groups, ctm_figure figure);

#ifdef __cplusplus
}
#endif
#endif
