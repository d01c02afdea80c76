/* test_select.c: the snapshot of the peak, blocks chosen one by one, and what of these is not known.
 *
 * Model: a random snapshot whose every site has its own mixture of live, freed and peak blocks; what is
 * expected of the new snapshot follows from its rows.
 */
#include "faults.h"
#include "query/rounding.h"
#include "sample.h"
#include "snapshot/snapshot.h"

#define RUNS 60

static ctm_site random_site(ctm_builder *builder, uint64_t *state)
{
    const struct sample_run run = sample_random_run(state);
    const uint64_t freed = check_random(state) % 4;
    const uint64_t at_peak = check_random(state) % (run.count + freed + 1);
    return (ctm_site){
        .block_size = run.size,
        .allocated = run.count + freed,
        .freed = freed,
        .at_peak = check_random(state) % 3 ? at_peak : 0,
        .domain = run.domain,
        .traceback = sample_traceback(builder, &run),
    };
}

static ctm_snapshot *random_snapshot(uint64_t *state, bool peak_known)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_builder_set_info(builder, 25, 123456, 789);
    ctm_builder_set_peak_known(builder, peak_known);
    for (int i = 0; i < RUNS; i++) {
        const ctm_site site = random_site(builder, state);
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

/* One site of `size` bytes a block. */
static ctm_snapshot *single_site(ctm_site site, bool peak_known)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_builder_set_peak_known(builder, peak_known);
    REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

static bool same_place(const ctm_site *a, const ctm_site *b)
{
    return a->block_size == b->block_size && a->domain == b->domain &&
           a->traceback == b->traceback && a->labels == b->labels;
}

static bool same_tables(const ctm_snapshot *a, const ctm_snapshot *b)
{
    const ctm_snapshot_info *info = &a->info;
    return info->strings == b->info.strings && info->tracebacks == b->info.tracebacks &&
           memcmp(a->tracebacks, b->tracebacks, (info->tracebacks + 1) * sizeof(ctm_traceback)) ==
               0 &&
           memcmp(a->frames, b->frames, (info->frames + 1) * sizeof(ctm_frame)) == 0 &&
           memcmp(a->functions, b->functions, (info->functions + 1) * sizeof(ctm_function)) == 0 &&
           memcmp(a->string_offsets, b->string_offsets, (info->strings + 2) * sizeof(uint64_t)) ==
               0 &&
           memcmp(a->lengths, b->lengths, (info->tracebacks + 1) * sizeof(uint32_t)) == 0;
}

static void check_peak_of(const ctm_snapshot *snapshot, const ctm_snapshot *peak)
{
    uint64_t bytes = 0, blocks = 0;
    if (!CHECK_EQ(peak->info.sites, snapshot->info.sites)) {
        return;
    }
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id], *row = &peak->sites[id];
        CHECK(same_place(site, row));
        CHECK_EQ(ctmi_site_live(row), site->at_peak);
        CHECK_EQ(row->at_peak, site->at_peak);
        CHECK_EQ(row->allocated, site->allocated);
        blocks += site->at_peak;
        bytes += site->at_peak * site->block_size;
    }
    CHECK_EQ(peak->info.live_blocks, blocks);
    CHECK_EQ(peak->info.current_bytes, bytes);
    CHECK_EQ(peak->info.peak_bytes, snapshot->info.peak_bytes);
    CHECK_EQ(peak->info.nframe, 25);
    CHECK(peak->info.peak_known && peak->info.churn_known);
    CHECK(same_tables(snapshot, peak));
    for (uint64_t i = 0; i < blocks; i += 7) {
        CHECK(ctm_snapshot_trace_site(peak, i) > 0);
    }
}

static void test_at_peak(void)
{
    uint64_t state = 5;
    for (int round = 0; round < 100; round++) {
        ctm_snapshot *snapshot = random_snapshot(&state, true), *peak, *again;
        bool equal = false;
        REQUIRE(ctm_snapshot_at_peak(snapshot, &peak) == CTM_OK);
        check_peak_of(snapshot, peak);
        REQUIRE(ctm_snapshot_at_peak(peak, &again) == CTM_OK);
        check_peak_of(peak, again);
        REQUIRE(ctm_snapshot_equal(peak, again, &equal) == CTM_OK);
        CHECK(equal);
        ctm_snapshot_unref(snapshot);
        ctm_snapshot_unref(peak);
        ctm_snapshot_unref(again);
    }
}

/* The peak of what a filter left is what the filter leaves of the peak. */
static void test_filter(void)
{
    static const ctm_filter filter = {
        .by_filename = true, .inclusive = true, .pattern = "*b.py", .pattern_length = 5};
    uint64_t state = 6;
    for (int round = 0; round < 50; round++) {
        ctm_snapshot *snapshot = random_snapshot(&state, true), *peak, *left, *one, *other;
        bool equal = false;
        REQUIRE(ctm_snapshot_at_peak(snapshot, &peak) == CTM_OK);
        REQUIRE(ctm_snapshot_filter(peak, &filter, 1, &one) == CTM_OK);
        REQUIRE(ctm_snapshot_filter(snapshot, &filter, 1, &left) == CTM_OK);
        REQUIRE(ctm_snapshot_at_peak(left, &other) == CTM_OK);
        REQUIRE(ctm_snapshot_equal(one, other, &equal) == CTM_OK);
        CHECK(equal);
        ctm_snapshot_unref(snapshot);
        ctm_snapshot_unref(peak);
        ctm_snapshot_unref(left);
        ctm_snapshot_unref(one);
        ctm_snapshot_unref(other);
    }
}

static void check_sorts(ctm_snapshot *snapshot, ctm_status by_peak, ctm_status by_allocated)
{
    static const ctm_sort sorts[] = {CTM_SORT_PEAK, CTM_SORT_ALLOCATED};
    const ctm_status expected[] = {by_peak, by_allocated};
    for (int i = 0; i < 2; i++) {
        ctm_statistics *one = NULL, *two = NULL;
        CHECK_EQ(ctm_snapshot_statistics_sorted(snapshot, CTM_BY_LINENO, false, sorts[i], &one),
                 expected[i]);
        CHECK_EQ(
            ctm_snapshot_compare_sorted(snapshot, snapshot, CTM_BY_LINENO, false, sorts[i], &two),
            expected[i]);
        CHECK((one != NULL) == (expected[i] == CTM_OK) && (two != NULL) == (one != NULL));
        ctm_statistics_free(one);
        ctm_statistics_free(two);
    }
}

static void test_unknown(void)
{
    const ctm_site freed = {.block_size = 8, .allocated = 5, .freed = 2};
    const ctm_site traces = {.block_size = 8, .allocated = 5};
    ctm_snapshot *none = NULL, *old = single_site(freed, false), *made = single_site(traces, false);
    ctm_snapshot *known = single_site(traces, true);
    ctm_statistics *statistics;
    CHECK_EQ(ctm_snapshot_at_peak(old, &none), CTM_ERR_NOT_FOUND);
    CHECK(none == NULL);
    CHECK(old->info.churn_known && !old->info.peak_known);
    CHECK(!made->info.churn_known && !made->info.peak_known);
    CHECK(known->info.churn_known && known->info.peak_known);
    check_sorts(old, CTM_ERR_NOT_FOUND, CTM_OK);
    check_sorts(made, CTM_ERR_NOT_FOUND, CTM_ERR_NOT_FOUND);
    check_sorts(known, CTM_OK, CTM_OK);
    REQUIRE(ctm_snapshot_compare(old, made, CTM_BY_LINENO, false, &statistics) == CTM_OK);
    const ctm_statistic *row = ctm_statistics_rows(statistics);
    CHECK_EQ(row->count, 3);
    CHECK_EQ(row->count_diff, -2);
    CHECK(!row->churn_known && !row->peak_known);
    CHECK_EQ(row->allocated_count, 0);
    CHECK_EQ(row->allocated_count_diff, 0);
    ctm_statistics_free(statistics);
    CHECK_EQ(ctm_snapshot_statistics_sorted(known, CTM_BY_LINENO, false, (ctm_sort)4, &statistics),
             CTM_ERR_INVALID);
    ctm_snapshot_unref(old);
    ctm_snapshot_unref(made);
    ctm_snapshot_unref(known);
}

static void test_select_counts(void)
{
    uint64_t state = 8, counts[RUNS + 1] = {0}, blocks = 0;
    ctm_snapshot *snapshot = random_snapshot(&state, true), *kept;
    uint32_t next = 1;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        counts[id] = check_random(&state) % (ctmi_site_live(&snapshot->sites[id]) + 1);
        blocks += counts[id];
    }
    REQUIRE(ctm_snapshot_select(snapshot, counts, &kept) == CTM_OK);
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        if (counts[id] == 0) {
            continue;
        }
        const ctm_site *row = &kept->sites[next++];
        CHECK(same_place(row, &snapshot->sites[id]));
        CHECK(row->allocated == counts[id] && row->freed == 0 && row->at_peak == 0);
    }
    CHECK_EQ(kept->info.sites, next - 1);
    CHECK_EQ(kept->info.live_blocks, blocks);
    CHECK_EQ(kept->info.nframe, 25);
    CHECK(!kept->info.peak_known && !kept->info.churn_known);
    CHECK(kept->info.peak_bytes == 0 && kept->info.tracer_bytes == 0);
    CHECK(same_tables(snapshot, kept));
    ctm_snapshot_unref(kept);
    kept = NULL;
    counts[1] = ctmi_site_live(&snapshot->sites[1]) + 1;
    CHECK_EQ(ctm_snapshot_select(snapshot, counts, &kept), CTM_ERR_INVALID);
    CHECK(kept == NULL);
    ctm_snapshot_unref(snapshot);
}

/* Counters that no program reaches, but a file may have. */
static void test_huge(void)
{
    const ctm_site site = {
        .block_size = UINT64_MAX / 2, .allocated = UINT64_MAX, .freed = UINT64_MAX};
    ctm_snapshot *snapshot = single_site(site, true);
    ctm_statistics *statistics;
    REQUIRE(ctm_snapshot_statistics_sorted(snapshot, CTM_BY_LINENO, false, CTM_SORT_ALLOCATED,
                                           &statistics) == CTM_OK);
    REQUIRE(ctm_statistics_length(statistics) == 1);
    const ctm_statistic *row = ctm_statistics_rows(statistics);
    CHECK_EQ(row->count, 0);
    CHECK_EQ(row->allocated_size, INT64_MAX);
    CHECK_EQ(row->allocated_count, INT64_MAX);
    CHECK_EQ(row->peak_count, 0);
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(snapshot);
}

/* Of a sample, what is not live any more is estimated as what is. */
static void test_sample(void)
{
    const ctm_site site = {.block_size = 100, .allocated = 70, .freed = 40, .at_peak = 50};
    ctm_snapshot *exact = single_site(site, true), *sample, *peak;
    ctm_statistics *statistics;
    REQUIRE(ctmi_snapshot_alloc_like(exact, 1, &sample) == CTM_OK);
    sample->sites[1] = exact->sites[1];
    sample->info.sample_interval = 1000;
    REQUIRE(ctmi_snapshot_seal(sample) == CTM_OK);
    const double weight = 1 / 0.09516258196404043; /* 1 / (1 - exp(-100 / 1000)) */
    const double first = ctmi_site_rounding(sample, &sample->sites[1]);
    REQUIRE(ctm_snapshot_statistics(sample, CTM_BY_LINENO, false, &statistics) == CTM_OK);
    const ctm_statistic *row = ctm_statistics_rows(statistics);
    CHECK_EQ(row->count, (uint64_t)(30 * weight + first));
    CHECK_EQ(row->allocated_count, (uint64_t)(70 * weight + first));
    CHECK_EQ(row->allocated_size, (uint64_t)(7000 * weight + first));
    CHECK_EQ(row->peak_count, (uint64_t)(50 * weight + first));
    CHECK_EQ(row->peak_size, (uint64_t)(5000 * weight + first));
    ctm_statistics_free(statistics);
    REQUIRE(ctm_snapshot_at_peak(sample, &peak) == CTM_OK);
    CHECK_EQ(peak->info.live_blocks, 50);
    CHECK_EQ(peak->info.sample_interval, 1000);
    REQUIRE(ctm_snapshot_statistics(peak, CTM_BY_LINENO, false, &statistics) == CTM_OK);
    CHECK_EQ(ctm_statistics_rows(statistics)->size, (uint64_t)(5000 * weight + first));
    CHECK(ctm_statistics_rows(statistics)->size_error > 0);
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(exact);
    ctm_snapshot_unref(sample);
    ctm_snapshot_unref(peak);
}

static ctm_status call(const ctm_snapshot *snapshot, int which, const uint64_t *counts,
                       ctm_snapshot **out)
{
    return which == 0 ? ctm_snapshot_at_peak(snapshot, out)
                      : ctm_snapshot_select(snapshot, counts, out);
}

static void test_no_memory(void)
{
    uint64_t state = 9, counts[RUNS + 1] = {0};
    ctm_snapshot *snapshot = random_snapshot(&state, true);
    for (int which = 0; which < 2; which++) {
        ctm_snapshot *selected = NULL;
        long refused = 0;
        for (;; refused++) {
            atomic_store(&fault_at, refused + 1);
            ctm_status status = call(snapshot, which, counts, &selected);
            bool reached = atomic_exchange(&fault_at, 0) == 0;
            CHECK_EQ(status, reached ? CTM_ERR_NOMEM : CTM_OK);
            CHECK((selected == NULL) == reached);
            if (!reached) {
                break;
            }
            REQUIRE(refused < 1000);
        }
        CHECK(refused > 0);
        ctm_snapshot_unref(selected);
    }
    ctm_snapshot_unref(snapshot);
}

TEST_LIST = {
    TEST(test_at_peak), TEST(test_filter), TEST(test_unknown),   TEST(test_select_counts),
    TEST(test_huge),    TEST(test_sample), TEST(test_no_memory), TEST_LIST_END,
};
