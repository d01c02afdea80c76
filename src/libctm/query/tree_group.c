/* query/tree_group.c: sums of a tree by groups of frames; see ctm/tree.h.
 *
 * Model: the blocks of a group are those below its topmost nodes, which have no other node of the group above them. So
 * one walk of the tree, depth first, adds the total of each topmost node to its group. `entered` counts, by group, the
 * nodes between the root and the present node.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "query/tree.h"

/* Immutable once made. */
struct ctm_tree_groups {
    struct ctmi_figures figures; /* owned */
    uint32_t n;
};

/* All fields: local to one call. */
struct walk {
    const ctm_tree *tree;    /* borrowed */
    const uint32_t *of;      /* borrowed; by frame: its group */
    uint32_t *entered;       /* by group; owned */
    ctm_tree_groups *groups; /* borrowed */
};

static uint32_t group_of(const struct walk *walk, uint32_t node)
{
    return walk->of[walk->tree->shape->frame[node]];
}

/* Figures that are not known are 0 everywhere. */
static void add_figures(int64_t *const to[], uint32_t group, int64_t *const from[], uint32_t node)
{
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        to[figure][group] += from[figure][node];
    }
}

static void enter(struct walk *walk, uint32_t node)
{
    const struct ctmi_figures *from = &walk->tree->figures, *to = &walk->groups->figures;
    const uint32_t group = group_of(walk, node);
    add_figures(to->own, group, from->own, node);
    if (walk->entered[group]++ == 0) {
        add_figures(to->total, group, from->total, node);
    }
}

static void leave(struct walk *walk, uint32_t node)
{
    const uint32_t group = group_of(walk, node);
    CTMI_ASSERT(walk->entered[group] > 0);
    walk->entered[group]--;
}

/* Leaves `node` and the nodes above it up to one that has a next sibling; returns that, or 0: the walk is over. */
static uint32_t next_branch(struct walk *walk, uint32_t node)
{
    const struct ctmi_tree_shape *shape = walk->tree->shape;
    while (node != 0) {
        leave(walk, node);
        if (shape->next_sibling[node] != 0) {
            return shape->next_sibling[node];
        }
        node = shape->parent[node];
    }
    return 0;
}

static void walk_tree(struct walk *walk)
{
    const struct ctmi_figures *from = &walk->tree->figures, *to = &walk->groups->figures;
    /* The root has the blocks with an empty traceback; its frame is in no other traceback. */
    add_figures(to->own, walk->of[0], from->own, 0);
    add_figures(to->total, walk->of[0], from->own, 0);
    const uint32_t *first_child = walk->tree->shape->first_child;
    uint32_t node = first_child[0];
    while (node != 0) {
        enter(walk, node);
        const uint32_t child = first_child[node];
        node = child != 0 ? child : next_branch(walk, node);
    }
}

static ctm_status walk_groups(const ctm_tree *tree, const uint32_t *of, ctm_tree_groups *groups)
{
    const size_t size = groups->n * sizeof(uint32_t);
    struct walk walk = {.tree = tree, .of = of, .entered = ctmi_mem_alloc(size), .groups = groups};
    if (walk.entered == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(walk.entered, 0, size);
    walk_tree(&walk);
    ctmi_mem_free(walk.entered);
    return CTM_OK;
}

static bool groups_fit(const uint32_t *group_of_frame, uint32_t n_frames, uint32_t n_groups)
{
    for (uint32_t frame = 0; frame < n_frames; frame++) {
        if (group_of_frame[frame] >= n_groups) {
            return false;
        }
    }
    return true;
}

static ctm_status groups_new(uint32_t n, ctm_tree_groups **out)
{
    ctm_tree_groups *groups = ctmi_mem_alloc(sizeof *groups);
    if (groups == NULL) {
        return CTM_ERR_NOMEM;
    }
    groups->n = n;
    ctm_status status = ctmi_figures_new(n, &groups->figures);
    if (status == CTM_OK) {
        *out = groups;
    } else {
        ctmi_mem_free(groups);
    }
    return status;
}

ctm_status ctm_tree_group(const ctm_tree *tree, const uint32_t *group_of_frame, uint32_t n_frames,
                          uint32_t n_groups, ctm_tree_groups **out)
{
    ctm_tree_groups *groups;
    if (n_frames != tree->shape->frames || !groups_fit(group_of_frame, n_frames, n_groups)) {
        return CTM_ERR_INVALID;
    }
    ctm_status status = groups_new(n_groups, &groups);
    if (status != CTM_OK) {
        return status;
    }
    status = walk_groups(tree, group_of_frame, groups);
    if (status == CTM_OK) {
        *out = groups;
    } else {
        ctm_tree_groups_free(groups);
    }
    return status;
}

void ctm_tree_groups_free(ctm_tree_groups *groups)
{
    if (groups != NULL) {
        ctmi_figures_free(&groups->figures);
        ctmi_mem_free(groups);
    }
}

uint32_t ctm_tree_groups_length(const ctm_tree_groups *groups)
{
    return groups->n;
}

const int64_t *ctm_tree_groups_own(const ctm_tree_groups *groups, ctm_figure figure)
{
    return groups->figures.own[figure];
}

const int64_t *ctm_tree_groups_total(const ctm_tree_groups *groups, ctm_figure figure)
{
    return groups->figures.total[figure];
}
