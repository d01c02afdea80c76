/* query/order.c: the order of groups that have equal sizes and counts.
 *
 * Model: it is slow to compare strings and tracebacks in a sort, so each group gets one number beforehand. File and
 * function names are sorted once and replaced by their ranks; a line is (rank, line number) in 64 bits.
 * Tracebacks form a tree: its preorder, with the children of a node sorted by line, is the order of the tuples of
 * frames from the oldest on. Only the rows that wanted groups need are sorted.
 *
 * UTF-8, lone surrogates included, sorts by bytes as by code points.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "query/group.h"

struct name {
    const char *text; /* borrowed */
    size_t length;    /* bytes */
    uint32_t id;      /* string */
};

static int compare_names(const void *left, const void *right)
{
    const struct name *a = left, *b = right;
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    if (order != 0) {
        return order;
    }
    return (a->length > b->length) - (a->length < b->length);
}

/* On entry ranks[id] is nonzero for each string to rank; on return it is the string's rank, from 1. */
static ctm_status rank_strings(const ctm_snapshot *tables, uint32_t *ranks)
{
    size_t n = 0, next = 0;
    for (uint32_t id = 0; id <= tables->info.strings; id++) {
        n += ranks[id] != 0;
    }
    struct name *names = ctmi_mem_alloc(n * sizeof *names);
    if (names == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (uint32_t id = 0; id <= tables->info.strings; id++) {
        if (ranks[id] == 0) {
            continue;
        }
        names[next].id = id;
        names[next].text = ctm_snapshot_string(tables, id, &names[next].length);
        next++;
    }
    CTMI_ASSERT(next == n);
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++) {
        ranks[names[i].id] = (uint32_t)i + 1;
    }
    ctmi_mem_free(names);
    return CTM_OK;
}

static uint64_t line_order(const ctm_snapshot *tables, const uint32_t *ranks, uint32_t frame)
{
    /* The bias makes negative lines sort below 0. */
    uint32_t line = (uint32_t)tables->frames[frame].lineno ^ 0x80000000u;
    return (uint64_t)ranks[ctmi_snapshot_frame_file(tables, frame)] << 32 | line;
}

static ctm_status order_files(const struct ctmi_grouping *grouping, const unsigned char *wanted,
                              uint32_t *ranks, uint64_t *order)
{
    for (uint32_t group = 0; group <= grouping->last; group++) {
        ranks[group] = wanted[group];
    }
    ctm_status status = rank_strings(grouping->tables, ranks);
    for (uint32_t group = 0; group <= grouping->last && status == CTM_OK; group++) {
        order[group] = ranks[group];
    }
    return status;
}

/* Group 0 is the empty traceback, which sorts before all lines. */
static ctm_status order_lines(const struct ctmi_grouping *grouping, const unsigned char *wanted,
                              uint32_t *ranks, uint64_t *order)
{
    const ctm_snapshot *tables = grouping->tables;
    for (uint32_t group = 1; group <= grouping->last; group++) {
        ranks[ctmi_snapshot_frame_file(tables, group)] |= wanted[group];
    }
    ctm_status status = rank_strings(tables, ranks);
    order[0] = 0;
    for (uint32_t group = 1; group <= grouping->last && status == CTM_OK; group++) {
        order[group] = line_order(tables, ranks, group);
    }
    return status;
}

/* A group with its sort key. */
struct item {
    uint64_t major, minor; /* the key, compared in this order */
    uint32_t id;
};

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->major != b->major) {
        return a->major < b->major ? -1 : 1;
    }
    return (a->minor > b->minor) - (a->minor < b->minor);
}

/* The wanted groups, without keys. The caller owns *out. */
static ctm_status collect_items(uint32_t last, const unsigned char *wanted, struct item **out,
                                size_t *out_n)
{
    size_t n = 0;
    for (uint32_t group = 1; group <= last; group++) {
        n += wanted[group];
    }
    struct item *items = ctmi_mem_alloc(n * sizeof *items);
    if (items == NULL) {
        return CTM_ERR_NOMEM;
    }
    *out = items;
    *out_n = n;
    for (uint32_t group = 1; group <= last; group++) {
        if (wanted[group]) {
            (items++)->id = group;
        }
    }
    CTMI_ASSERT(items == *out + n);
    return CTM_OK;
}

static ctm_status order_functions(const struct ctmi_grouping *grouping, const unsigned char *wanted,
                                  uint32_t *ranks, uint64_t *order)
{
    const ctm_function *rows = grouping->tables->functions;
    struct item *items;
    size_t n;
    ctm_status status = collect_items(grouping->last, wanted, &items, &n);
    if (status != CTM_OK) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        ranks[rows[items[i].id].filename] = ranks[rows[items[i].id].name] = 1;
    }
    status = rank_strings(grouping->tables, ranks);
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        const ctm_function *row = &rows[items[i].id];
        items[i].major = (uint64_t)ranks[row->filename] << 32 | ranks[row->name];
        items[i].minor = (uint32_t)row->first_lineno ^ 0x80000000u;
    }
    if (status == CTM_OK) {
        qsort(items, n, sizeof *items, compare_items);
    }
    order[0] = 0;
    for (size_t i = 0; i < n; i++) {
        order[items[i].id] = i + 1;
    }
    ctmi_mem_free(items);
    return status;
}

/* Adds the ancestors of the needed nodes to `needed`, which is by traceback. */
static void mark_ancestors(const struct ctmi_grouping *grouping, unsigned char *needed)
{
    for (uint32_t id = grouping->last; id > 0; id--) {
        if (needed[id]) {
            needed[grouping->of[grouping->tables->tracebacks[id].parent]] = 1;
        }
    }
}

/* Numbers the nodes in preorder. `items` is sorted by parent, then line. A node's number is its parent's, plus
 * one, plus the sizes of the subtrees of the siblings before it. Parents have smaller ids, so a parent is
 * numbered before its children. By node: sizes, 0 on entry, is the size of its subtree; next is the number of its
 * next child. */
static void number_nodes(const struct item *items, size_t n, uint32_t *sizes, uint32_t *next,
                         uint64_t *order)
{
    for (size_t i = n; i-- > 0;) {
        /* Sorted by parent, all children of a node come after the node itself. */
        sizes[items[i].id] += 1;
        sizes[items[i].major] += sizes[items[i].id];
    }
    order[0] = 0;
    next[0] = 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = items[i].id;
        order[id] = next[items[i].major];
        next[items[i].major] += sizes[id];
        next[id] = (uint32_t)order[id] + 1;
    }
    CTMI_ASSERT(next[0] == n + 1); /* each node has a number */
}

static ctm_status set_node_keys(const struct ctmi_grouping *grouping, uint32_t *ranks,
                                struct item *items, size_t n)
{
    const ctm_snapshot *tables = grouping->tables;
    for (size_t i = 0; i < n; i++) {
        ranks[ctmi_snapshot_frame_file(tables, tables->tracebacks[items[i].id].frame)] = 1;
    }
    ctm_status status = rank_strings(tables, ranks);
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        const ctm_traceback *row = &tables->tracebacks[items[i].id];
        items[i].major = grouping->of[row->parent];
        CTMI_ASSERT(items[i].major < items[i].id);
        items[i].minor = line_order(tables, ranks, row->frame);
    }
    return status;
}

/* A counting sort by parent, then a sort of the children of each parent by line. Most have few children, so
 * this is several times faster than one sort. `starts` has a row for each node. */
static void sort_nodes(const struct item *items, size_t n, uint32_t *starts, size_t rows,
                       struct item *sorted)
{
    uint32_t at = 0;
    memset(starts, 0, rows * sizeof *starts);
    for (size_t i = 0; i < n; i++) {
        starts[items[i].major]++;
    }
    for (size_t row = 0; row < rows; row++) {
        uint32_t children = starts[row];
        starts[row] = at;
        at += children;
    }
    CTMI_ASSERT(at == n);
    for (size_t i = 0; i < n; i++) {
        sorted[starts[items[i].major]++] = items[i];
    }
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end].major == sorted[i].major;) {
            end++;
        }
        if (end - i > 1) {
            qsort(sorted + i, end - i, sizeof *sorted, compare_items);
        }
    }
}

/* `needed` is by traceback; `scratch` has two rows for each traceback. */
static ctm_status order_nodes(const struct ctmi_grouping *grouping, const unsigned char *needed,
                              uint32_t *ranks, uint32_t *scratch, uint64_t *order)
{
    size_t rows = (size_t)grouping->last + 1, n;
    struct item *items;
    ctm_status status = collect_items(grouping->last, needed, &items, &n);
    if (status != CTM_OK) {
        return status;
    }
    struct item *sorted = ctmi_mem_alloc(n * sizeof *sorted);
    status = sorted == NULL ? CTM_ERR_NOMEM : set_node_keys(grouping, ranks, items, n);
    if (status == CTM_OK) {
        sort_nodes(items, n, scratch, rows, sorted);
        memset(scratch, 0, rows * sizeof *scratch);
        number_nodes(sorted, n, scratch, scratch + rows, order);
    }
    ctmi_mem_free(sorted);
    ctmi_mem_free(items);
    return status;
}

static ctm_status order_tracebacks(const struct ctmi_grouping *grouping,
                                   const unsigned char *wanted, uint32_t *ranks, uint64_t *order)
{
    size_t rows = (size_t)grouping->last + 1;
    uint32_t *scratch = ctmi_mem_alloc(rows * (2 * sizeof(uint32_t) + 1));
    if (scratch == NULL) {
        return CTM_ERR_NOMEM;
    }
    unsigned char *needed = (unsigned char *)(scratch + 2 * rows);
    memcpy(needed, wanted, rows);
    mark_ancestors(grouping, needed);
    ctm_status status = order_nodes(grouping, needed, ranks, scratch, order);
    ctmi_mem_free(scratch);
    return status;
}

ctm_status ctmi_grouping_order(const struct ctmi_grouping *grouping, const unsigned char *wanted,
                               uint64_t *order)
{
    size_t size = ((size_t)grouping->tables->info.strings + 1) * sizeof(uint32_t);
    uint32_t *ranks = ctmi_mem_alloc(size);
    ctm_status status = CTM_ERR_INVALID;
    if (ranks == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(ranks, 0, size);
    switch (grouping->key) {
    case CTM_BY_TRACEBACK: status = order_tracebacks(grouping, wanted, ranks, order); break;
    case CTM_BY_FILENAME: status = order_files(grouping, wanted, ranks, order); break;
    case CTM_BY_LINENO: status = order_lines(grouping, wanted, ranks, order); break;
    case CTM_BY_FUNCTION: status = order_functions(grouping, wanted, ranks, order); break;
    }
    ctmi_mem_free(ranks);
    return status;
}
