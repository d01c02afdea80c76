/* fuzz_ask.h: asking a snapshot everything, and whether the answers agree with each other.
 *
 * Model: what was let through by the reader or made by a builder must be safe to use and consistent, however odd: sums of
 * groups are the snapshot's, a snapshot does not differ from itself, a filter and its opposite share all blocks. The only
 * errors allowed are those that a call documents.
 */
#ifndef CTM_TESTS_FUZZ_ASK_H
#define CTM_TESTS_FUZZ_ASK_H

#include "fuzz.h"

static inline void ask_rows(const ctm_statistics *statistics, bool difference)
{
    const ctm_statistic *rows = ctm_statistics_rows(statistics);
    for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
        const ctm_statistic *row = &rows[i];
        MUST(row->estimated || !row->churn_known || row->count <= row->allocated_count);
        MUST(!difference || (row->size_diff == 0 && row->count_diff == 0));
        MUST(!difference || (row->allocated_size_diff == 0 && row->peak_size_diff == 0));
    }
}

/* Of groups that do not overlap. */
static inline void ask_sums(const ctm_statistics *statistics, const ctm_snapshot_info *info)
{
    const ctm_statistic *rows = ctm_statistics_rows(statistics);
    uint64_t bytes = 0, blocks = 0;
    for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
        bytes += rows[i].size;
        blocks += rows[i].count;
    }
    MUST(info->sample_interval != 0 ||
         (bytes == info->current_bytes && blocks == info->live_blocks));
}

/* May a question of this kind end so? */
static inline bool ask_allowed(ctm_status status, ctm_sort sort, const ctm_snapshot_info *info)
{
    if (status == CTM_ERR_NOT_FOUND) {
        return (sort == CTM_SORT_PEAK && !info->peak_known) ||
               (sort == CTM_SORT_ALLOCATED && !info->churn_known);
    }
    return status == CTM_OK || status == CTM_ERR_LIMIT;
}

static inline void ask_groups(ctm_snapshot *snapshot, const ctm_snapshot_info *info, ctm_key key,
                              bool cumulative)
{
    for (ctm_sort sort = CTM_SORT_SIZE; sort <= CTM_SORT_ALLOCATED; sort++) {
        ctm_statistics *rows;
        ctm_status status = ctm_snapshot_statistics_sorted(snapshot, key, cumulative, sort, &rows);
        MUST(ask_allowed(status, sort, info));
        MUST(cumulative || status != CTM_ERR_LIMIT || info->sample_interval != 0);
        if (status == CTM_OK) {
            ask_rows(rows, false);
            if (!cumulative) {
                ask_sums(rows, info);
            }
            ctm_statistics_free(rows);
        }
        status = ctm_snapshot_compare_sorted(snapshot, snapshot, key, cumulative, sort, &rows);
        MUST(ask_allowed(status, sort, info));
        if (status != CTM_OK) {
            continue;
        }
        ask_rows(rows, true);
        ctm_statistics_free(rows);
    }
}

static inline uint64_t ask_filter(ctm_snapshot *snapshot, const ctm_filter *filter)
{
    ctm_snapshot *kept;
    ctm_snapshot_info info;
    MUST(ctm_snapshot_filter(snapshot, filter, 1, &kept) == CTM_OK);
    ctm_snapshot_info_get(kept, &info);
    ctm_snapshot_unref(kept);
    return info.live_blocks;
}

static inline void ask_filters(ctm_snapshot *snapshot, const ctm_snapshot_info *info)
{
    size_t length;
    const char *text = ctm_snapshot_string(snapshot, info->strings, &length);
    ctm_filter filters[] = {
        {.inclusive = true, .has_domain = true},
        {.inclusive = true, .by_filename = true, .pattern = "*a*", .pattern_length = 3},
        {.inclusive = true, .by_filename = true, .pattern = text, .pattern_length = length},
        {.inclusive = true,
         .by_filename = true,
         .has_lineno = true,
         .lineno = 1,
         .pattern = "*",
         .pattern_length = 1},
    };
    for (size_t i = 0; i < 2 * sizeof filters / sizeof filters[0]; i++) {
        ctm_filter filter = filters[i / 2];
        filter.all_frames = i % 2;
        uint64_t blocks = ask_filter(snapshot, &filter);
        filter.inclusive = false;
        MUST(blocks + ask_filter(snapshot, &filter) == info->live_blocks);
    }
}

/* Its statistics, all ways of making another of it, and its traces. */
static inline void ask_tables(ctm_snapshot *snapshot, const ctm_snapshot_info *info)
{
    bool same = false;
    for (ctm_key key = CTM_BY_TRACEBACK; key <= CTM_BY_FUNCTION; key++) {
        ask_groups(snapshot, info, key, false);
        if (key != CTM_BY_TRACEBACK) {
            ask_groups(snapshot, info, key, true);
        }
    }
    ask_filters(snapshot, info);
    MUST(ctm_snapshot_equal(snapshot, snapshot, &same) == CTM_OK && same);
    const uint32_t last =
        info->live_blocks > 0 ? ctm_snapshot_trace_site(snapshot, info->live_blocks - 1) : 0;
    MUST(last <= info->sites && (last > 0) == (info->live_blocks > 0));
    MUST(ctm_snapshot_trace_site(snapshot, info->live_blocks) == 0);
}

/* Only the live blocks of every second site. */
static inline void ask_select(const ctm_snapshot *snapshot, const ctm_snapshot_info *info)
{
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    uint64_t *counts = calloc((size_t)info->sites + 1, sizeof *counts), sum = 0;
    ctm_snapshot *kept;
    ctm_snapshot_info after;
    MUST(counts != NULL);
    for (uint32_t id = 1; id <= info->sites; id += 2) {
        sum += counts[id] = sites[id].allocated - sites[id].freed;
    }
    MUST(ctm_snapshot_select(snapshot, counts, &kept) == CTM_OK);
    ctm_snapshot_info_get(kept, &after);
    MUST(after.live_blocks == sum);
    fuzz_must_round_trip(kept, NULL, 0);
    ctm_snapshot_unref(kept);
    free(counts);
}

static inline void ask_peak(const ctm_snapshot *snapshot, const ctm_snapshot_info *info)
{
    ctm_snapshot *peak;
    ctm_snapshot_info at;
    const ctm_status status = ctm_snapshot_at_peak(snapshot, &peak);
    if (!info->peak_known) {
        MUST(status == CTM_ERR_NOT_FOUND);
        return;
    }
    MUST(status == CTM_OK || (status == CTM_ERR_LIMIT && info->sample_interval != 0));
    if (status != CTM_OK) {
        return;
    }
    ctm_snapshot_info_get(peak, &at);
    MUST(at.sites == info->sites);
    ask_tables(peak, &at);
    fuzz_must_round_trip(peak, NULL, 0);
    ctm_snapshot_unref(peak);
}

static inline void ask_snapshot(ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    ask_tables(snapshot, &info);
    ask_peak(snapshot, &info);
    ask_select(snapshot, &info);
}

#endif
