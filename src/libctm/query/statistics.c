/* query/statistics.c: statistics of one snapshot, and the difference of two.
 *
 * Model: group the tracebacks, sum the sites of each group, number the groups in traceback order, sort. A difference
 * does the same with two arrays of sums over common tables (snapshot/join.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ctm/statistics.h"
#include "query/group.h"
#include "snapshot/join.h"

/* Constant once made. */
struct ctm_statistics {
    ctm_snapshot *tables; /* owned reference */
    ctm_statistic *rows;  /* owned */
    size_t n;
};

/* A group and its sort keys are an array of numbers: [GROUP] is the group id, then come the keys, the most
 * significant first, then the group's number in traceback order. All are sorted largest first. Most sorts need
 * FEW keys, the others MANY. */
enum { GROUP = 0, KEYS = 1, FEW = 4, MANY = 8 };

static int compare_keys(const uint64_t *a, const uint64_t *b, size_t n)
{
    for (size_t i = KEYS; i <= n; i++) {
        if (a[i] != b[i]) {
            return a[i] > b[i] ? -1 : 1;
        }
    }
    return 0;
}

static int compare_few(const void *left, const void *right)
{
    return compare_keys(left, right, FEW + 1);
}

static int compare_many(const void *left, const void *right)
{
    return compare_keys(left, right, MANY + 1);
}

static size_t keys_of(ctm_sort sort)
{
    return sort == CTM_SORT_PEAK || sort == CTM_SORT_ALLOCATED ? MANY : FEW;
}

/* A query: statistics of `newer`, or its difference to `older`, over the common tables. Local to one call. */
struct query {
    const struct ctmi_join *join; /* borrowed */
    const ctm_snapshot *newer;    /* borrowed */
    const ctm_snapshot *older;    /* borrowed; NULL: not a difference */
    ctm_key key;
    bool cumulative;
    ctm_sort sort;
};

/* The sums of a query. The arrays are by group, all in one block. Local to one call. */
struct sums {
    const struct query *query; /* borrowed */
    struct ctmi_sum *newer;
    struct ctmi_sum *older; /* NULL: not a difference */
    uint64_t *order;        /* number in traceback order */
    unsigned char *present; /* whether the group has a row */
    void *memory;           /* owned; all the arrays */
    uint32_t last;          /* the greatest group id */
};

static ctm_status sums_new(const struct query *query, uint32_t last, struct sums *out)
{
    size_t groups = (size_t)last + 1, tables = query->older != NULL ? 2 : 1;
    size_t size = groups * (tables * sizeof(struct ctmi_sum) + sizeof(uint64_t) + 1);
    char *memory = ctmi_mem_alloc(size);
    if (memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(memory, 0, size);
    out->query = query;
    out->memory = memory;
    out->last = last;
    out->newer = (struct ctmi_sum *)(void *)memory;
    out->older = query->older != NULL ? out->newer + groups : NULL;
    out->order = (uint64_t *)(void *)(out->newer + tables * groups);
    out->present = (unsigned char *)(out->order + groups);
    return CTM_OK;
}

/* --- which groups --- */

static const struct ctmi_amount *sorted_amount(const struct ctmi_sum *sum, ctm_sort sort)
{
    if (sort == CTM_SORT_PEAK) {
        return &sum->at_peak;
    }
    return sort == CTM_SORT_ALLOCATED ? &sum->allocated : &sum->live;
}

static bool sum_present(const struct ctmi_sum *sum, ctm_sort sort)
{
    return sum->live.count > 0 || sorted_amount(sum, sort)->count > 0;
}

static size_t mark_present(struct sums *sums)
{
    const ctm_sort sort = sums->query->sort;
    size_t n = 0;
    for (uint32_t group = 0; group <= sums->last; group++) {
        bool present = sum_present(&sums->newer[group], sort) ||
                       (sums->older != NULL && sum_present(&sums->older[group], sort));
        sums->present[group] = present;
        n += present;
    }
    return n;
}

/* --- order --- */

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Four keys of one amount. In plain statistics the keys of the difference are 0, so the others decide. */
static void add_keys(uint64_t keys[4], const struct ctmi_amount *newer,
                     const struct ctmi_amount *older, bool count_first)
{
    const int size = count_first ? 2 : 0, count = 2 - size;
    keys[size] = older != NULL ? distance(newer->size, older->size) : 0;
    keys[size + 1] = newer->size;
    keys[count] = older != NULL ? distance(newer->count, older->count) : 0;
    keys[count + 1] = newer->count;
}

static void rank_group(const struct sums *sums, uint32_t group, uint64_t *ranked)
{
    const ctm_sort sort = sums->query->sort;
    const struct ctmi_sum *newer = &sums->newer[group];
    const struct ctmi_sum *older = sums->older != NULL ? &sums->older[group] : NULL;
    const size_t keys = keys_of(sort);
    ranked[GROUP] = group;
    add_keys(ranked + KEYS, sorted_amount(newer, sort),
             older != NULL ? sorted_amount(older, sort) : NULL, sort == CTM_SORT_COUNT);
    if (keys == MANY) {
        add_keys(ranked + KEYS + FEW, &newer->live, older != NULL ? &older->live : NULL, false);
    }
    ranked[KEYS + keys] = sums->order[group];
}

/* The groups that have a row, with their keys, sorted. The caller owns *out. */
static ctm_status rank_groups(const struct sums *sums, size_t n, uint64_t **out)
{
    const size_t keys = keys_of(sums->query->sort), width = KEYS + keys + 1;
    uint64_t *ranked = ctmi_mem_alloc(n * width * sizeof *ranked), *next = ranked;
    if (ranked == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (uint32_t group = 0; group <= sums->last; group++) {
        if (!sums->present[group]) {
            continue;
        }
        rank_group(sums, group, next);
        next += width;
    }
    CTMI_ASSERT(next == ranked + n * width);
    qsort(ranked, n, width * sizeof *ranked, keys == MANY ? compare_many : compare_few);
    *out = ranked;
    return CTM_OK;
}

/* --- rows --- */

static int64_t difference(uint64_t newer, uint64_t older)
{
    return (int64_t)newer - (int64_t)older;
}

static void fill_diffs(ctm_statistic *row, const struct ctmi_sum *newer,
                       const struct ctmi_sum *older)
{
    row->size_diff = difference(newer->live.size, older->live.size);
    row->count_diff = difference(newer->live.count, older->live.count);
    row->allocated_size_diff = difference(newer->allocated.size, older->allocated.size);
    row->allocated_count_diff = difference(newer->allocated.count, older->allocated.count);
    row->peak_size_diff = difference(newer->at_peak.size, older->at_peak.size);
    row->peak_count_diff = difference(newer->at_peak.count, older->at_peak.count);
}

static bool is_estimated(const struct query *query)
{
    return query->newer->info.sample_interval != 0 ||
           (query->older != NULL && query->older->info.sample_interval != 0);
}

static bool peak_known(const struct query *query)
{
    return query->newer->info.peak_known && (query->older == NULL || query->older->info.peak_known);
}

static bool churn_known(const struct query *query)
{
    return query->newer->info.churn_known &&
           (query->older == NULL || query->older->info.churn_known);
}

static void forget_unknown(ctm_statistic *row)
{
    if (!row->churn_known) {
        row->allocated_size = row->allocated_count = 0;
        row->allocated_size_diff = row->allocated_count_diff = 0;
    }
    if (!row->peak_known) {
        row->peak_size = row->peak_count = 0;
        row->peak_size_diff = row->peak_count_diff = 0;
    }
}

/* On entry `row` has the fields that are the same in all rows. */
static void fill_row(const struct sums *sums, uint32_t group, ctm_statistic *row)
{
    const struct ctmi_sum *newer = &sums->newer[group];
    double variance = newer->variance;
    row->size = newer->live.size;
    row->count = newer->live.count;
    row->id = group;
    row->in_new = newer->live.count > 0;
    row->allocated_size = newer->allocated.size;
    row->allocated_count = newer->allocated.count;
    row->peak_size = newer->at_peak.size;
    row->peak_count = newer->at_peak.count;
    if (sums->older != NULL) {
        fill_diffs(row, newer, &sums->older[group]);
        variance += sums->older[group].variance;
    }
    row->size_error = sqrt(variance);
    forget_unknown(row);
}

/* The sorted rows. The caller owns *out. */
static ctm_status sort_rows(const struct sums *sums, size_t n, ctm_statistic **out)
{
    const ctm_statistic same = {
        .estimated = is_estimated(sums->query),
        .churn_known = churn_known(sums->query),
        .peak_known = peak_known(sums->query),
    };
    const size_t width = KEYS + keys_of(sums->query->sort) + 1;
    uint64_t *ranked;
    ctm_status status = rank_groups(sums, n, &ranked);
    if (status != CTM_OK) {
        return status;
    }
    ctm_statistic *rows = ctmi_mem_alloc(n * sizeof *rows);
    for (size_t i = 0; rows != NULL && i < n; i++) {
        rows[i] = same;
        fill_row(sums, (uint32_t)ranked[i * width + GROUP], &rows[i]);
    }
    ctmi_mem_free(ranked);
    if (rows == NULL) {
        return CTM_ERR_NOMEM;
    }
    *out = rows;
    return CTM_OK;
}

static ctm_status statistics_make(const struct ctmi_grouping *grouping, struct sums *sums,
                                  ctm_statistics **out)
{
    ctm_statistics *statistics = ctmi_mem_alloc(sizeof *statistics);
    if (statistics == NULL) {
        return CTM_ERR_NOMEM;
    }
    statistics->n = mark_present(sums);
    ctm_status status = ctmi_grouping_order(grouping, sums->present, sums->order);
    if (status == CTM_OK) {
        status = sort_rows(sums, statistics->n, &statistics->rows);
    }
    if (status != CTM_OK) {
        ctmi_mem_free(statistics);
        return status;
    }
    statistics->tables = ctm_snapshot_ref(grouping->tables);
    *out = statistics;
    return CTM_OK;
}

/* Each site is in one group, so the groups add up to the snapshot, unless they are estimates. */
static void assert_totals(const struct sums *sums, const ctm_snapshot *snapshot)
{
#ifdef CTM_ASSERTS
    uint64_t count = 0, size = 0;
    for (uint32_t group = 0; group <= sums->last; group++) {
        count += sums->newer[group].live.count;
        size += sums->newer[group].live.size;
    }
    CTMI_ASSERT(snapshot->info.sample_interval != 0 ||
                (count == snapshot->info.live_blocks && size == snapshot->info.current_bytes));
#else
    (void)sums;
    (void)snapshot;
#endif
}

static ctm_status sum_both(const struct query *query, const struct ctmi_grouping *grouping,
                           struct sums *sums)
{
    ctm_status status = ctmi_grouping_sum(grouping, query->cumulative, query->newer,
                                          query->join->first, sums->newer);
    if (status == CTM_OK && !query->cumulative) {
        assert_totals(sums, query->newer);
    }
    if (status == CTM_OK && query->older != NULL) {
        status = ctmi_grouping_sum(grouping, query->cumulative, query->older, query->join->second,
                                   sums->older);
    }
    return status;
}

static ctm_status run_query(const struct query *query, ctm_statistics **out)
{
    struct ctmi_grouping grouping;
    struct sums sums;
    ctm_status status = ctmi_grouping_new(query->join->tables, query->key, &grouping);
    if (status != CTM_OK) {
        return status;
    }
    status = sums_new(query, grouping.last, &sums);
    if (status == CTM_OK) {
        status = sum_both(query, &grouping, &sums);
        if (status == CTM_OK) {
            status = statistics_make(&grouping, &sums, out);
        }
        ctmi_mem_free(sums.memory);
    }
    ctmi_grouping_free(&grouping);
    return status;
}

static ctm_status query_check(const struct query *query)
{
    if (query->key < CTM_BY_TRACEBACK || query->key > CTM_BY_FUNCTION ||
        (query->cumulative && query->key == CTM_BY_TRACEBACK) || query->sort < CTM_SORT_SIZE ||
        query->sort > CTM_SORT_ALLOCATED) {
        return CTM_ERR_INVALID;
    }
    if ((query->sort == CTM_SORT_PEAK && !peak_known(query)) ||
        (query->sort == CTM_SORT_ALLOCATED && !churn_known(query))) {
        return CTM_ERR_NOT_FOUND;
    }
    return CTM_OK;
}

ctm_status ctm_snapshot_statistics_sorted(ctm_snapshot *snapshot, ctm_key key, bool cumulative,
                                          ctm_sort sort, ctm_statistics **out)
{
    const struct ctmi_join own = {.tables = snapshot};
    const struct query query = {&own, snapshot, NULL, key, cumulative, sort};
    ctm_status status = query_check(&query);
    return status == CTM_OK ? run_query(&query, out) : status;
}

ctm_status ctm_snapshot_compare_sorted(ctm_snapshot *newer, ctm_snapshot *older, ctm_key key,
                                       bool cumulative, ctm_sort sort, ctm_statistics **out)
{
    struct ctmi_join join;
    const struct query query = {&join, newer, older, key, cumulative, sort};
    ctm_status status = query_check(&query);
    if (status == CTM_OK) {
        status = ctmi_join_new(newer, older, &join);
    }
    if (status != CTM_OK) {
        return status;
    }
    status = run_query(&query, out);
    ctmi_join_free(&join);
    return status;
}

ctm_status ctm_snapshot_statistics(ctm_snapshot *snapshot, ctm_key key, bool cumulative,
                                   ctm_statistics **out)
{
    return ctm_snapshot_statistics_sorted(snapshot, key, cumulative, CTM_SORT_SIZE, out);
}

ctm_status ctm_snapshot_compare(ctm_snapshot *newer, ctm_snapshot *older, ctm_key key,
                                bool cumulative, ctm_statistics **out)
{
    return ctm_snapshot_compare_sorted(newer, older, key, cumulative, CTM_SORT_SIZE, out);
}

void ctm_statistics_free(ctm_statistics *statistics)
{
    if (statistics == NULL) {
        return;
    }
    ctm_snapshot_unref(statistics->tables);
    ctmi_mem_free(statistics->rows);
    ctmi_mem_free(statistics);
}

size_t ctm_statistics_length(const ctm_statistics *statistics)
{
    return statistics->n;
}

const ctm_statistic *ctm_statistics_rows(const ctm_statistics *statistics)
{
    return statistics->rows;
}

ctm_snapshot *ctm_statistics_snapshot(const ctm_statistics *statistics)
{
    return statistics->tables;
}
