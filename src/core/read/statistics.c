/* read/statistics.c: statistics of one snapshot, and the difference of two.
 *
 * Model: group, sum, order, sort. A difference is the same with two arrays of sums over common
 * tables (read/join.h); a plain statistic has no second array.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctm/statistics.h"
#include "read/group.h"
#include "read/join.h"
#include "store/memory.h"

struct ctm_statistics {
    ctm_snapshot *tables; /* owned reference */
    ctm_statistic *rows;  /* owned */
    size_t n;
};

/* A row with what it is sorted by, the most important first. */
struct ranked {
    uint64_t keys[4];
    uint64_t order;
    ctm_statistic row;
};

/* Largest first. */
static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    for (int i = 0; i < 4; i++) {
        if (a->keys[i] != b->keys[i]) return a->keys[i] > b->keys[i] ? -1 : 1;
    }
    return (a->order < b->order) - (a->order > b->order);
}

/* The sums of one question; arrays by group. */
struct sums {
    struct ctm_sum *newer;
    struct ctm_sum *older; /* NULL: not a difference */
    uint64_t *order;
    unsigned char *present;
    void *memory; /* owned; all the arrays */
    uint32_t last;
    bool estimated; /* a snapshot is a sample */
};

static ctm_status sums_new(uint32_t last, bool diff, struct sums *out)
{
    size_t groups = (size_t)last + 1, tables = diff ? 2 : 1;
    size_t size = groups * (tables * sizeof(struct ctm_sum) + sizeof(uint64_t) + 1);
    char *memory = ctm_mem_alloc(size);
    if (memory == NULL) return CTM_ERR_NOMEM;
    memset(memory, 0, size);
    out->memory = memory;
    out->last = last;
    out->newer = (struct ctm_sum *)(void *)memory;
    out->older = diff ? out->newer + groups : NULL;
    out->order = (uint64_t *)(void *)(out->newer + tables * groups);
    out->present = (unsigned char *)(out->order + groups);
    return CTM_OK;
}

static size_t mark_present(struct sums *sums)
{
    size_t n = 0;
    for (uint32_t group = 0; group <= sums->last; group++) {
        bool present =
            sums->newer[group].count > 0 || (sums->older != NULL && sums->older[group].count > 0);
        sums->present[group] = present;
        n += present;
    }
    return n;
}

static uint64_t magnitude(int64_t x)
{
    return x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
}

static void rank_row(const struct sums *sums, uint32_t group, struct ranked *out)
{
    const struct ctm_sum *sum = &sums->newer[group];
    memset(out, 0, sizeof *out);
    out->row.size = sum->size;
    out->row.count = sum->count;
    out->row.id = group;
    out->row.in_new = sum->count > 0;
    double variance = sum->variance;
    if (sums->older != NULL) {
        out->row.size_diff = (int64_t)sum->size - (int64_t)sums->older[group].size;
        out->row.count_diff = (int64_t)sum->count - (int64_t)sums->older[group].count;
        variance += sums->older[group].variance;
    }
    out->row.size_error = sqrt(variance);
    out->row.estimated = sums->estimated;
    /* Without a difference its keys are 0, and the order is that of statistics. */
    out->keys[0] = magnitude(out->row.size_diff);
    out->keys[1] = sum->size;
    out->keys[2] = magnitude(out->row.count_diff);
    out->keys[3] = sum->count;
    out->order = sums->order[group];
}

/* The sorted rows; *out is owned by the caller. */
static ctm_status sort_rows(const struct sums *sums, size_t n, ctm_statistic **out)
{
    struct ranked *ranked = ctm_mem_alloc(n * sizeof *ranked);
    ctm_statistic *rows = ctm_mem_alloc(n * sizeof *rows);
    if (ranked == NULL || rows == NULL) {
        ctm_mem_free(ranked);
        ctm_mem_free(rows);
        return CTM_ERR_NOMEM;
    }
    size_t next = 0;
    for (uint32_t group = 0; group <= sums->last; group++) {
        if (sums->present[group]) rank_row(sums, group, &ranked[next++]);
    }
    qsort(ranked, n, sizeof *ranked, compare_ranked);
    for (size_t i = 0; i < n; i++)
        rows[i] = ranked[i].row;
    ctm_mem_free(ranked);
    *out = rows;
    return CTM_OK;
}

static ctm_status statistics_make(const struct ctm_grouping *grouping, struct sums *sums,
                                  ctm_statistics **out)
{
    ctm_statistics *statistics = ctm_mem_alloc(sizeof *statistics);
    if (statistics == NULL) return CTM_ERR_NOMEM;
    statistics->n = mark_present(sums);
    ctm_status status = ctm_grouping_order(grouping, sums->present, sums->order);
    if (status == CTM_OK) status = sort_rows(sums, statistics->n, &statistics->rows);
    if (status != CTM_OK) {
        ctm_mem_free(statistics);
        return status;
    }
    statistics->tables = ctm_snapshot_ref(grouping->tables);
    *out = statistics;
    return CTM_OK;
}

/* One question: `newer`, and `older` if it is a difference, over the common tables. */
struct question {
    const struct ctm_join *join; /* borrowed */
    const ctm_snapshot *newer;   /* borrowed */
    const ctm_snapshot *older;   /* borrowed; NULL: not a difference */
    ctm_key key;
    bool cumulative;
};

static ctm_status sum_both(const struct question *question, const struct ctm_grouping *grouping,
                           struct sums *sums)
{
    ctm_status status = ctm_grouping_sum(grouping, question->cumulative, question->newer,
                                         question->join->first, sums->newer);
    if (status == CTM_OK && question->older != NULL)
        status = ctm_grouping_sum(grouping, question->cumulative, question->older,
                                  question->join->second, sums->older);
    return status;
}

static ctm_status answer(const struct question *question, ctm_statistics **out)
{
    struct ctm_grouping grouping;
    struct sums sums;
    ctm_status status = ctm_grouping_new(question->join->tables, question->key, &grouping);
    if (status != CTM_OK) return status;
    status = sums_new(grouping.last, question->older != NULL, &sums);
    if (status == CTM_OK) {
        sums.estimated = question->newer->info.sample_interval != 0 ||
                         (question->older != NULL && question->older->info.sample_interval != 0);
        status = sum_both(question, &grouping, &sums);
        if (status == CTM_OK) status = statistics_make(&grouping, &sums, out);
        ctm_mem_free(sums.memory);
    }
    ctm_grouping_free(&grouping);
    return status;
}

static bool question_valid(ctm_key key, bool cumulative)
{
    return key >= CTM_BY_TRACEBACK && key <= CTM_BY_FUNCTION &&
           !(cumulative && key == CTM_BY_TRACEBACK);
}

ctm_status ctm_snapshot_statistics(ctm_snapshot *snapshot, ctm_key key, bool cumulative,
                                   ctm_statistics **out)
{
    const struct ctm_join itself = {.tables = snapshot};
    const struct question question = {&itself, snapshot, NULL, key, cumulative};
    return question_valid(key, cumulative) ? answer(&question, out) : CTM_ERR_INVALID;
}

ctm_status ctm_snapshot_compare(ctm_snapshot *newer, ctm_snapshot *older, ctm_key key,
                                bool cumulative, ctm_statistics **out)
{
    struct ctm_join join;
    if (!question_valid(key, cumulative)) return CTM_ERR_INVALID;
    ctm_status status = ctm_join_new(newer, older, &join);
    if (status != CTM_OK) return status;
    const struct question question = {&join, newer, older, key, cumulative};
    status = answer(&question, out);
    ctm_join_free(&join);
    return status;
}

void ctm_statistics_free(ctm_statistics *statistics)
{
    if (statistics == NULL) return;
    ctm_snapshot_unref(statistics->tables);
    ctm_mem_free(statistics->rows);
    ctm_mem_free(statistics);
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
