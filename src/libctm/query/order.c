/* query/order.c: the order of groups among those of equal size and count.
 *
 * Model: comparing strings and tracebacks inside a sort is slow, so each group gets one number
 * beforehand. File and function names are sorted once among themselves and become ranks;
 * a line is (rank, number) in 64 bits. Tracebacks form a tree; visited parent first and
 * children by line, the visiting order is the order of tuples from the oldest frame. Only
 * what wanted groups need takes part.
 *
 * Bytes of UTF-8 (and of lone surrogates) sort as code points do.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "query/group.h"

struct name {
    const char *text; /* borrowed */
    size_t length;
    uint32_t id;
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

/* ranks[id] is nonzero on entry for each string wanted, and its rank from 1 on return. */
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

/* Group 0 is the empty traceback, which comes before any line. */
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

struct place {
    uint64_t major, minor; /* compared in this order */
    uint32_t id;
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->major != b->major) {
        return a->major < b->major ? -1 : 1;
    }
    return (a->minor > b->minor) - (a->minor < b->minor);
}

/* The wanted groups; *out is owned by the caller. */
static ctm_status collect_places(uint32_t last, const unsigned char *wanted, struct place **out,
                                 size_t *out_n)
{
    size_t n = 0;
    for (uint32_t group = 1; group <= last; group++) {
        n += wanted[group];
    }
    struct place *places = ctmi_mem_alloc(n * sizeof *places);
    if (places == NULL) {
        return CTM_ERR_NOMEM;
    }
    *out = places;
    *out_n = n;
    for (uint32_t group = 1; group <= last; group++) {
        if (wanted[group]) {
            (places++)->id = group;
        }
    }
    return CTM_OK;
}

static ctm_status order_functions(const struct ctmi_grouping *grouping, const unsigned char *wanted,
                                  uint32_t *ranks, uint64_t *order)
{
    const ctm_function *rows = grouping->tables->functions;
    struct place *places;
    size_t n;
    ctm_status status = collect_places(grouping->last, wanted, &places, &n);
    if (status != CTM_OK) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        ranks[rows[places[i].id].filename] = ranks[rows[places[i].id].name] = 1;
    }
    status = rank_strings(grouping->tables, ranks);
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        const ctm_function *row = &rows[places[i].id];
        places[i].major = (uint64_t)ranks[row->filename] << 32 | ranks[row->name];
        places[i].minor = (uint32_t)row->first_lineno ^ 0x80000000u;
    }
    if (status == CTM_OK) {
        qsort(places, n, sizeof *places, compare_places);
    }
    order[0] = 0;
    for (size_t i = 0; i < n; i++) {
        order[places[i].id] = i + 1;
    }
    ctmi_mem_free(places);
    return status;
}

/* The nodes from wanted groups up to the root; `needed` is by traceback. */
static void mark_ancestors(const struct ctmi_grouping *grouping, unsigned char *needed)
{
    for (uint32_t id = grouping->last; id > 0; id--) {
        if (needed[id]) {
            needed[grouping->of[grouping->tables->tracebacks[id].parent]] = 1;
        }
    }
}

/* `places` are nodes sorted by parent, then line. Numbers them parent first: a node's
 * number is its parent's, plus one, plus the sizes of the subtrees of its elder siblings.
 * Parents have smaller ids, so a parent's number is known before its children come up.
 * By node: sizes, 0 on entry, is that of its subtree; next, the number of its next child. */
static void number_nodes(const struct place *places, size_t n, uint32_t *sizes, uint32_t *next,
                         uint64_t *order)
{
    for (size_t i = n; i-- > 0;) {
        /* Sorted by parent, all children of a node stand behind the node itself. */
        sizes[places[i].id] += 1;
        sizes[places[i].major] += sizes[places[i].id];
    }
    order[0] = 0;
    next[0] = 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = places[i].id;
        order[id] = next[places[i].major];
        next[places[i].major] += sizes[id];
        next[id] = (uint32_t)order[id] + 1;
    }
}

static ctm_status place_nodes(const struct ctmi_grouping *grouping, uint32_t *ranks,
                              struct place *places, size_t n)
{
    const ctm_snapshot *tables = grouping->tables;
    for (size_t i = 0; i < n; i++) {
        ranks[ctmi_snapshot_frame_file(tables, tables->tracebacks[places[i].id].frame)] = 1;
    }
    ctm_status status = rank_strings(tables, ranks);
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        const ctm_traceback *row = &tables->tracebacks[places[i].id];
        places[i].major = grouping->of[row->parent];
        places[i].minor = line_order(tables, ranks, row->frame);
    }
    return status;
}

/* Sorts by parent by counting, then the children of each by line: most have few, so this is
 * several times faster than one sort. `starts` has a row for each node. */
static void sort_nodes(const struct place *places, size_t n, uint32_t *starts, size_t rows,
                       struct place *sorted)
{
    uint32_t at = 0;
    memset(starts, 0, rows * sizeof *starts);
    for (size_t i = 0; i < n; i++) {
        starts[places[i].major]++;
    }
    for (size_t row = 0; row < rows; row++) {
        uint32_t children = starts[row];
        starts[row] = at;
        at += children;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[starts[places[i].major]++] = places[i];
    }
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end].major == sorted[i].major;) {
            end++;
        }
        if (end - i > 1) {
            qsort(sorted + i, end - i, sizeof *sorted, compare_places);
        }
    }
}

/* `needed` by traceback; `scratch` has two rows for each traceback. */
static ctm_status order_nodes(const struct ctmi_grouping *grouping, const unsigned char *needed,
                              uint32_t *ranks, uint32_t *scratch, uint64_t *order)
{
    size_t rows = (size_t)grouping->last + 1, n;
    struct place *places;
    ctm_status status = collect_places(grouping->last, needed, &places, &n);
    if (status != CTM_OK) {
        return status;
    }
    struct place *sorted = ctmi_mem_alloc(n * sizeof *sorted);
    status = sorted == NULL ? CTM_ERR_NOMEM : place_nodes(grouping, ranks, places, n);
    if (status == CTM_OK) {
        sort_nodes(places, n, scratch, rows, sorted);
        memset(scratch, 0, rows * sizeof *scratch);
        number_nodes(sorted, n, scratch, scratch + rows, order);
    }
    ctmi_mem_free(sorted);
    ctmi_mem_free(places);
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
