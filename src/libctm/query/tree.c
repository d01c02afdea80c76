/* query/tree.c: makes calling-context trees; see ctm/tree.h.
 *
 * Model: one pass over the sites adds up the own figures of each node. Children have greater ids than their parents, so
 * one pass from the greatest id down then adds each total to the parent's: when it reaches a node, all nodes below have
 * been added. It runs column by column, because the columns of a large tree do not fit into a cache together.
 *
 * The sum of all sites is checked to be under INT64_MAX. Figures of one snapshot are not negative, so each sum of some
 * of them fits as well, and so does the difference of two such sums.
 */
#include "query/tree.h"

#include <string.h>

#include "base/memory.h"
#include "query/group.h"
#include "snapshot/join.h"

/* --- the shape --- */

static void shape_unref(struct ctmi_tree_shape *shape)
{
    /* acq_rel: the last reads of other threads come before the free. */
    if (atomic_fetch_sub_explicit(&shape->references, 1, memory_order_acq_rel) == 1) {
        ctm_snapshot_unref(shape->tables);
        ctmi_mem_free(shape->memory);
        ctmi_mem_free(shape->node_of);
        ctmi_mem_free(shape);
    }
}

static struct ctmi_tree_shape *shape_ref(struct ctmi_tree_shape *shape)
{
    atomic_fetch_add_explicit(&shape->references, 1, memory_order_relaxed);
    return shape;
}

static uint32_t node_of(const struct ctmi_tree_shape *shape, uint32_t traceback)
{
    return shape->node_of != NULL ? shape->node_of[traceback] : traceback;
}

/* Whether frames were left out of a traceback, so that two of them can have the same frames. */
static bool has_cut_tracebacks(const ctm_snapshot *tables)
{
    for (uint32_t id = 1; id <= tables->info.tracebacks; id++) {
        const ctm_traceback *row = &tables->tracebacks[id];
        const int64_t above = row->parent != 0 ? tables->tracebacks[row->parent].total_nframe : 0;
        if (row->total_nframe != above + 1) {
            return true;
        }
    }
    return false;
}

/* Sets node_of. */
static ctm_status shape_merge(struct ctmi_tree_shape *shape)
{
    shape->node_of = NULL;
    if (!has_cut_tracebacks(shape->tables)) {
        return CTM_OK;
    }
    shape->node_of = ctmi_mem_alloc(shape->nodes * sizeof(uint32_t));
    return shape->node_of != NULL ? ctmi_same_frames_find(shape->tables, shape->node_of)
                                  : CTM_ERR_NOMEM;
}

/* From the last node to the first, so that each list is in the order of ids. */
static void link_children(struct ctmi_tree_shape *shape)
{
    memset(shape->first_child, 0, shape->nodes * sizeof(uint32_t));
    shape->next_sibling[0] = 0;
    for (uint32_t id = shape->nodes - 1; id > 0; id--) {
        uint32_t *first = &shape->first_child[shape->parent[id]];
        const bool is_node = node_of(shape, id) == id;
        shape->next_sibling[id] = is_node ? *first : 0;
        *first = is_node ? id : *first;
    }
}

static void shape_fill(struct ctmi_tree_shape *shape)
{
    const ctm_snapshot *tables = shape->tables;
    for (uint32_t id = 0; id < shape->nodes; id++) {
        shape->parent[id] = node_of(shape, tables->tracebacks[id].parent);
        shape->frame[id] = tables->tracebacks[id].frame;
    }
    link_children(shape);
    for (uint32_t id = 0; id < shape->frames; id++) {
        shape->frame_function[id] = tables->frames[id].function;
        shape->frame_lineno[id] = tables->frames[id].lineno;
    }
    for (uint32_t id = 0; id < shape->functions; id++) {
        shape->function_filename[id] = tables->functions[id].filename;
        shape->function_name[id] = tables->functions[id].name;
        shape->function_first_lineno[id] = tables->functions[id].first_lineno;
    }
}

/* Sets the columns of a shape that has its numbers of rows. */
static ctm_status shape_columns(struct ctmi_tree_shape *shape)
{
    const size_t nodes = shape->nodes, frames = shape->frames, functions = shape->functions;
    const size_t rows = 4 * nodes + 2 * frames + 3 * functions;
    uint32_t *column = shape->memory = ctmi_mem_alloc(rows * sizeof(uint32_t));
    if (column == NULL) {
        return CTM_ERR_NOMEM;
    }
    shape->parent = column;
    shape->frame = column += nodes;
    shape->first_child = column += nodes;
    shape->next_sibling = column += nodes;
    shape->frame_function = column += nodes;
    shape->frame_lineno = (int32_t *)(column += frames);
    shape->function_filename = column += frames;
    shape->function_name = column += functions;
    shape->function_first_lineno = (int32_t *)(column + functions);
    return CTM_OK;
}

static ctm_status shape_new(ctm_snapshot *tables, struct ctmi_tree_shape **out)
{
    struct ctmi_tree_shape *shape = ctmi_mem_alloc(sizeof *shape);
    if (shape == NULL) {
        return CTM_ERR_NOMEM;
    }
    atomic_init(&shape->references, 1);
    shape->nodes = tables->info.tracebacks + 1;
    shape->frames = tables->info.frames + 1;
    shape->functions = tables->info.functions + 1;
    if (shape_columns(shape) != CTM_OK) {
        ctmi_mem_free(shape);
        return CTM_ERR_NOMEM;
    }
    shape->tables = ctm_snapshot_ref(tables);
    const ctm_status status = shape_merge(shape);
    if (status != CTM_OK) {
        shape_unref(shape);
        return status;
    }
    shape_fill(shape);
    *out = shape;
    return CTM_OK;
}

/* --- life --- */

/* All figures are 0. */
static ctm_status tree_new(struct ctmi_tree_shape *shape, ctm_tree **out)
{
    ctm_tree *tree = ctmi_mem_alloc(sizeof *tree);
    if (tree == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(tree, 0, sizeof *tree);
    if (ctmi_figures_new(shape->nodes, &tree->figures) != CTM_OK) {
        ctmi_mem_free(tree);
        return CTM_ERR_NOMEM;
    }
    atomic_init(&tree->references, 1);
    tree->shape = shape_ref(shape);
    *out = tree;
    return CTM_OK;
}

ctm_tree *ctm_tree_ref(ctm_tree *tree)
{
    atomic_fetch_add_explicit(&tree->references, 1, memory_order_relaxed);
    return tree;
}

static void tree_free(ctm_tree *tree)
{
    ctmi_figures_free(&tree->figures);
    shape_unref(tree->shape);
    ctmi_mem_free(tree);
}

static bool last_reference(ctm_tree *tree)
{
    return tree != NULL &&
           atomic_fetch_sub_explicit(&tree->references, 1, memory_order_acq_rel) == 1;
}

void ctm_tree_unref(ctm_tree *tree)
{
    if (!last_reference(tree)) {
        return;
    }
    /* The sides of a difference have no sides themselves. */
    ctm_tree *const sides[] = {tree->newer, tree->older};
    for (int i = 0; i < 2; i++) {
        if (last_reference(sides[i])) {
            CTMI_ASSERT(sides[i]->newer == NULL && sides[i]->older == NULL);
            tree_free(sides[i]);
        }
    }
    tree_free(tree);
}

/* --- the figures of a snapshot --- */

/* Adds `amount`, which is at most INT64_MAX, to the node's own figure and to the sum of all nodes. False: that sum is
 * not under INT64_MAX. */
static bool add_own(ctm_tree *tree, ctm_figure figure, uint32_t node, uint64_t amount,
                    int64_t *sums)
{
    if (amount >= (uint64_t)(INT64_MAX - sums[figure])) {
        return false;
    }
    sums[figure] += (int64_t)amount;
    tree->figures.own[figure][node] += (int64_t)amount;
    return true;
}

static bool add_amount(ctm_tree *tree, ctm_figure size, uint32_t node,
                       const struct ctmi_amount *amount, int64_t *sums)
{
    return add_own(tree, size, node, amount->size, sums) &&
           add_own(tree, size + 1, node, amount->count, sums);
}

/* What the snapshot does not know stays 0. */
static bool add_site(ctm_tree *tree, uint32_t node, const struct ctmi_sum *sum, int64_t *sums)
{
    return add_amount(tree, CTM_SIZE, node, &sum->live, sums) &&
           (!tree->peak_known || add_amount(tree, CTM_PEAK_SIZE, node, &sum->at_peak, sums)) &&
           (!tree->churn_known ||
            add_amount(tree, CTM_ALLOCATED_SIZE, node, &sum->allocated, sums));
}

/* map: traceback of the snapshot -> node; NULL: the same id. */
static ctm_status sum_sites(ctm_tree *tree, const ctm_snapshot *snapshot, const uint32_t *map)
{
    int64_t sums[CTM_FIGURES] = {0};
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        struct ctmi_sum sum = {0};
        ctmi_sum_add_site(&sum, snapshot, id);
        const uint32_t traceback = map == NULL ? site->traceback : map[site->traceback];
        if (!add_site(tree, node_of(tree->shape, traceback), &sum, sums)) {
            return CTM_ERR_LIMIT;
        }
    }
    return CTM_OK;
}

static bool figure_known(const ctm_tree *tree, int figure)
{
    return figure < CTM_PEAK_SIZE ||
           (figure < CTM_ALLOCATED_SIZE ? tree->peak_known : tree->churn_known);
}

static void add_up_column(const struct ctmi_tree_shape *shape, const int64_t *own, int64_t *total)
{
    memcpy(total, own, shape->nodes * sizeof *total);
    for (uint32_t id = shape->nodes - 1; id > 0; id--) {
        CTMI_ASSERT(shape->parent[id] < id);
        total[shape->parent[id]] += total[id];
    }
}

/* Sets the totals of a tree that has its own figures. */
static void add_up(ctm_tree *tree)
{
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        if (figure_known(tree, figure)) {
            add_up_column(tree->shape, tree->figures.own[figure], tree->figures.total[figure]);
        }
    }
}

static ctm_status tree_of(const ctm_snapshot *snapshot, const uint32_t *map,
                          struct ctmi_tree_shape *shape, ctm_tree **out)
{
    ctm_tree *tree;
    ctm_status status = tree_new(shape, &tree);
    if (status != CTM_OK) {
        return status;
    }
    tree->peak_known = snapshot->info.peak_known;
    tree->churn_known = snapshot->info.churn_known;
    tree->estimated = snapshot->info.sample_interval != 0;
    status = sum_sites(tree, snapshot, map);
    if (status != CTM_OK) {
        ctm_tree_unref(tree);
        return status;
    }
    add_up(tree);
    CTMI_ASSERT(tree->estimated ||
                tree->figures.total[CTM_SIZE][0] == (int64_t)snapshot->info.current_bytes);
    CTMI_ASSERT(tree->estimated ||
                tree->figures.total[CTM_COUNT][0] == (int64_t)snapshot->info.live_blocks);
    *out = tree;
    return CTM_OK;
}

ctm_status ctm_snapshot_tree(ctm_snapshot *snapshot, ctm_tree **out)
{
    struct ctmi_tree_shape *shape;
    ctm_status status = shape_new(snapshot, &shape);
    if (status == CTM_OK) {
        status = tree_of(snapshot, NULL, shape, out);
        shape_unref(shape);
    }
    return status;
}

/* --- differences --- */

static void subtract(const struct ctmi_tree_shape *shape, const int64_t *newer,
                     const int64_t *older, int64_t *out)
{
    for (uint32_t id = 0; id < shape->nodes; id++) {
        out[id] = newer[id] - older[id];
    }
}

/* The difference of two trees of one shape. Takes the references to them only on success. */
static ctm_status difference_new(ctm_tree *newer, ctm_tree *older, ctm_tree **out)
{
    ctm_tree *tree;
    ctm_status status = tree_new(newer->shape, &tree);
    if (status != CTM_OK) {
        return status;
    }
    tree->peak_known = newer->peak_known && older->peak_known;
    tree->churn_known = newer->churn_known && older->churn_known;
    tree->estimated = newer->estimated || older->estimated;
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        if (!figure_known(tree, figure)) {
            continue;
        }
        subtract(tree->shape, newer->figures.own[figure], older->figures.own[figure],
                 tree->figures.own[figure]);
        subtract(tree->shape, newer->figures.total[figure], older->figures.total[figure],
                 tree->figures.total[figure]);
    }
    tree->newer = newer;
    tree->older = older;
    *out = tree;
    return CTM_OK;
}

static ctm_status difference_of(const ctm_snapshot *newer, const ctm_snapshot *older,
                                const struct ctmi_join *join, struct ctmi_tree_shape *shape,
                                ctm_tree **out)
{
    ctm_tree *one = NULL, *two = NULL;
    ctm_status status = tree_of(newer, join->first, shape, &one);
    if (status == CTM_OK) {
        status = tree_of(older, join->second, shape, &two);
    }
    if (status == CTM_OK) {
        status = difference_new(one, two, out);
    }
    if (status != CTM_OK) {
        ctm_tree_unref(one);
        ctm_tree_unref(two);
    }
    return status;
}

ctm_status ctm_snapshot_tree_diff(ctm_snapshot *newer, ctm_snapshot *older, ctm_tree **out)
{
    struct ctmi_join join;
    struct ctmi_tree_shape *shape;
    ctm_status status = ctmi_join_new(newer, older, &join);
    if (status != CTM_OK) {
        return status;
    }
    status = shape_new(join.tables, &shape);
    if (status == CTM_OK) {
        status = difference_of(newer, older, &join, shape, out);
        shape_unref(shape);
    }
    ctmi_join_free(&join);
    return status;
}

/* --- some of the blocks --- */

/* selected[n]: whether the blocks of node n are wanted. */
static void select_nodes(const struct ctmi_tree_shape *shape, const uint8_t *wanted_frame,
                         ctm_tree_frames frames, uint8_t *selected)
{
    selected[0] =
        frames == CTM_EVERY_FRAME; /* for now: the root's frame is not in the tracebacks below it */
    for (uint32_t id = 1; id < shape->nodes; id++) {
        const bool wanted = wanted_frame[shape->frame[id]] != 0;
        const bool caller = selected[shape->parent[id]] != 0;
        selected[id] = frames == CTM_ANY_FRAME     ? wanted || caller
                       : frames == CTM_EVERY_FRAME ? wanted && caller
                                                   : wanted;
    }
    selected[0] = wanted_frame[0] != 0;
}

static ctm_status select_figures(const ctm_tree *from, const uint8_t *selected, ctm_tree **out)
{
    ctm_tree *tree;
    ctm_status status = tree_new(from->shape, &tree);
    if (status != CTM_OK) {
        return status;
    }
    tree->peak_known = from->peak_known;
    tree->churn_known = from->churn_known;
    tree->estimated = from->estimated;
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        const int64_t *before = from->figures.own[figure];
        int64_t *own = tree->figures.own[figure];
        for (uint32_t id = 0; figure_known(tree, figure) && id < from->shape->nodes; id++) {
            own[id] = selected[id] ? before[id] : 0;
        }
    }
    add_up(tree);
    *out = tree;
    return CTM_OK;
}

static ctm_status select_difference(const ctm_tree *from, const uint8_t *selected, ctm_tree **out)
{
    ctm_tree *newer = NULL, *older = NULL;
    ctm_status status = select_figures(from->newer, selected, &newer);
    if (status == CTM_OK) {
        status = select_figures(from->older, selected, &older);
    }
    if (status == CTM_OK) {
        status = difference_new(newer, older, out);
    }
    if (status != CTM_OK) {
        ctm_tree_unref(newer);
        ctm_tree_unref(older);
    }
    return status;
}

ctm_status ctm_tree_select(const ctm_tree *tree, const uint8_t *wanted_frame,
                           ctm_tree_frames frames, ctm_tree **out)
{
    uint8_t *selected = ctmi_mem_alloc(tree->shape->nodes);
    if (selected == NULL) {
        return CTM_ERR_NOMEM;
    }
    select_nodes(tree->shape, wanted_frame, frames, selected);
    ctm_status status = tree->newer != NULL ? select_difference(tree, selected, out)
                                            : select_figures(tree, selected, out);
    ctmi_mem_free(selected);
    return status;
}
