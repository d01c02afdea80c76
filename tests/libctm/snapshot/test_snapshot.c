/* test_snapshot.c: builder, snapshot, equality. */
#include <pthread.h>

#include "sample.h"

static const struct sample_run fixed[] = {
    {0, 10, 3, 2, 2, {{"a.py", "f", 1, 2}, {"b.py", "g", 3, 4}}},
    {0, 20, 2, 1, 9, {{"a.py", "f", 1, 5}}},
    {7, 10, 1, 0, 0, {{NULL, NULL, 0, 0}}},
    {0, 10, 4, 2, 2, {{"a.py", "f", 1, 2}, {"b.py", "g", 3, 4}}},
};
#define FIXED (sizeof fixed / sizeof fixed[0])

static void test_rows(void)
{
    ctm_snapshot *snapshot = sample_snapshot(fixed, FIXED, false);
    ctm_snapshot_info info;
    size_t length;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.nframe, 25);
    CHECK_EQ(info.peak_bytes, 123456);
    CHECK_EQ(info.tracer_bytes, 789);
    CHECK_EQ(info.sites, 4);
    CHECK_EQ(info.live_blocks, 10);
    CHECK_EQ(info.current_bytes, 3 * 10 + 2 * 20 + 10 + 4 * 10);
    CHECK_EQ(info.strings, 4);
    CHECK_EQ(info.functions, 2);
    CHECK_EQ(info.frames, 3);
    CHECK_EQ(info.tracebacks, 3);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    const ctm_traceback *tracebacks = ctm_snapshot_tracebacks(snapshot);
    const ctm_frame *frames = ctm_snapshot_frames(snapshot);
    const ctm_function *functions = ctm_snapshot_functions(snapshot);
    CHECK_EQ(sites[1].traceback, sites[4].traceback);
    CHECK_EQ(sites[1].allocated, 6);
    CHECK_EQ(sites[1].freed, 3);
    CHECK_EQ(sites[3].traceback, 0);
    CHECK_EQ(sites[3].domain, 7);
    CHECK_EQ(ctm_snapshot_traceback_length(snapshot, sites[1].traceback), 2);
    CHECK_EQ(ctm_snapshot_traceback_length(snapshot, sites[2].traceback), 1);
    CHECK_EQ(ctm_snapshot_traceback_length(snapshot, 0), 0);
    CHECK_EQ(ctm_snapshot_traceback_length(snapshot, 999), 0);
    CHECK_EQ(tracebacks[sites[2].traceback].total_nframe, 9);
    const ctm_frame *newest = &frames[tracebacks[sites[1].traceback].frame];
    CHECK_EQ(newest->lineno, 2);
    CHECK_STR(ctm_snapshot_string(snapshot, functions[newest->function].filename, &length), "a.py");
    CHECK_EQ(length, 4);
    CHECK_STR(ctm_snapshot_string(snapshot, functions[newest->function].name, NULL), "f");
    CHECK_EQ(functions[newest->function].first_lineno, 1);
    CHECK_STR(ctm_snapshot_string(snapshot, 0, NULL), "");
    CHECK_STR(ctm_snapshot_string(snapshot, 999, NULL), "");
    ctm_snapshot_unref(snapshot);
}

static void test_trace_site(void)
{
    static const uint32_t expected[] = {1, 1, 1, 2, 2, 3, 4, 4, 4, 4};
    ctm_snapshot *snapshot = sample_snapshot(fixed, FIXED, false);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_EQ(ctm_snapshot_trace_site(snapshot, i), expected[i]);
    }
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 10), 0);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, UINT64_MAX), 0);
    ctm_snapshot_unref(snapshot);
}

/* Rows without live blocks must never be found. */
static void test_trace_site_skips_dead(void)
{
    struct sample_run runs[5] = {fixed[0], fixed[1], fixed[2], fixed[0], fixed[1]};
    runs[0].count = runs[2].count = runs[4].count = 0;
    runs[3].size = 11;
    ctm_snapshot *snapshot = sample_snapshot(runs, 5, false);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 0), 2);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 1), 2);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 2), 4);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 4), 4);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 5), 0);
    ctm_snapshot_unref(snapshot);
}

static void test_empty(void)
{
    ctm_snapshot *snapshot = sample_snapshot(NULL, 0, false);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, 0);
    CHECK_EQ(info.live_blocks, 0);
    CHECK_EQ(info.strings, 0);
    CHECK_EQ(ctm_snapshot_trace_site(snapshot, 0), 0);
    CHECK_STR(ctm_snapshot_string(snapshot, 0, NULL), "");
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(NULL);
    ctm_builder_free(NULL);
}

static void test_merge(void)
{
    ctm_snapshot_info info;
    ctm_snapshot *snapshot = sample_snapshot(fixed, FIXED, true);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, 3);
    CHECK_EQ(info.live_blocks, 10);
    CHECK_EQ(ctm_snapshot_sites(snapshot)[1].allocated, 3 + 3 + 4 + 3);
    CHECK_EQ(ctm_snapshot_sites(snapshot)[1].freed, 6);
    ctm_snapshot_unref(snapshot);
}

/* A merging call finds a row that a run made; a run grows only the last row. */
static void test_merge_and_runs(void)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    sample_add(builder, &fixed[0], false); /* row 1 */
    sample_add(builder, &fixed[0], false); /* row 1 */
    sample_add(builder, &fixed[1], false); /* row 2 */
    sample_add(builder, &fixed[0], false); /* row 3 */
    sample_add(builder, &fixed[0], true);  /* row 1 */
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, 3);
    CHECK_EQ(ctm_snapshot_sites(snapshot)[1].allocated, 18);
    CHECK_EQ(ctm_snapshot_sites(snapshot)[3].allocated, 6);
    ctm_snapshot_unref(snapshot);
    /* finish emptied it */
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites + info.strings + info.tracebacks + info.nframe, 0);
    ctm_snapshot_unref(snapshot);
    ctm_builder_free(builder);
}

static void test_invalid(void)
{
    ctm_builder *builder;
    uint32_t id = 77;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    CHECK_EQ(ctm_builder_function(builder, 5, 0, 0, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctm_builder_function(builder, 0, 5, 0, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctm_builder_frame(builder, 0, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctm_builder_frame(builder, 3, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctm_builder_traceback(builder, 0, 0, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctm_builder_traceback(builder, 4, 1, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(id, 77);
    ctm_site site = {.block_size = 1, .allocated = 1, .freed = 2};
    CHECK_EQ(ctm_builder_site(builder, &site, false), CTM_ERR_INVALID);
    site = (ctm_site){.block_size = 1, .allocated = 1, .traceback = 1};
    CHECK_EQ(ctm_builder_site(builder, &site, true), CTM_ERR_INVALID);
    site = (ctm_site){.block_size = 1, .allocated = 1, .labels = 1};
    CHECK_EQ(ctm_builder_site(builder, &site, true), CTM_ERR_INVALID);
    site = (ctm_site){.block_size = 1, .allocated = 1, .at_peak = 2};
    CHECK_EQ(ctm_builder_site(builder, &site, false), CTM_ERR_INVALID);
    site = (ctm_site){.block_size = 1, .allocated = 1, .reserved = 1};
    CHECK_EQ(ctm_builder_site(builder, &site, true), CTM_ERR_INVALID);
    ctm_builder_free(builder);
}

static void test_limits(void)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot = NULL;
    ctm_site site = {.block_size = 1, .allocated = (uint64_t)1 << 63};
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    REQUIRE(ctm_builder_site(builder, &site, true) == CTM_OK);
    CHECK_EQ(ctm_builder_site(builder, &site, true), CTM_ERR_LIMIT);
    CHECK_EQ(ctm_builder_finish(builder, &snapshot), CTM_ERR_LIMIT);
    CHECK(snapshot == NULL);
    ctm_builder_free(builder);
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    site = (ctm_site){.block_size = UINT64_MAX / 2, .allocated = 2};
    REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    CHECK_EQ(ctm_builder_finish(builder, &snapshot), CTM_ERR_LIMIT);
    ctm_builder_free(builder);
}

static void test_add_snapshot(void)
{
    ctm_snapshot *snapshot = sample_snapshot(fixed, FIXED, false), *copy, *part;
    ctm_builder *builder;
    ctm_snapshot_info info;
    bool equal = false;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    /* Ids must be translated: give the builder other rows first. */
    sample_string(builder, "zzz");
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, NULL) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &copy) == CTM_OK);
    CHECK_EQ(ctm_snapshot_equal(snapshot, copy, &equal), CTM_OK);
    CHECK(equal);
    CHECK_EQ(ctm_snapshot_sites(copy)[4].allocated, 7);
    const uint64_t keep[5] = {0, 1, 0, 1, 4};
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, keep) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &part) == CTM_OK);
    ctm_snapshot_info_get(part, &info);
    CHECK_EQ(info.live_blocks, 6);
    CHECK_EQ(info.sites, 3);
    CHECK_EQ(info.current_bytes, 60);
    CHECK_EQ(ctm_snapshot_sites(part)[1].freed, 3);
    CHECK_EQ(ctm_snapshot_sites(part)[1].allocated, 4);
    CHECK_EQ(ctm_snapshot_sites(part)[2].domain, 7);
    CHECK_EQ(ctm_snapshot_equal(snapshot, part, &equal), CTM_OK);
    CHECK(!equal);
    ctm_snapshot_unref(copy);
    const uint64_t too_many[5] = {0, 4, 0, 0, 0};
    CHECK_EQ(ctm_builder_add_snapshot(builder, snapshot, too_many), CTM_ERR_INVALID);
    REQUIRE(ctm_builder_finish(builder, &copy) == CTM_OK);
    ctm_snapshot_info_get(copy, &info);
    CHECK_EQ(info.sites, 0);
    ctm_snapshot_unref(copy);
    ctm_snapshot_unref(part);
    ctm_snapshot_unref(snapshot);
    ctm_builder_free(builder);
}

/* Two rows that differ in their labels alone; the second was at the peak only. */
static ctm_snapshot *labelled(ctm_builder *builder)
{
    ctm_snapshot *snapshot;
    uint32_t set;
    ctm_site site = {.block_size = 8, .allocated = 5, .freed = 2, .at_peak = 4};
    REQUIRE(ctm_builder_site(builder, &site, true) == CTM_OK);
    REQUIRE(ctm_builder_label(builder, 0, sample_string(builder, "task"),
                              sample_string(builder, "a"), &set) == CTM_OK);
    REQUIRE(ctm_builder_label(builder, set, sample_string(builder, "process"),
                              sample_string(builder, "7"), &site.labels) == CTM_OK);
    site.freed = 5;
    REQUIRE(ctm_builder_site(builder, &site, true) == CTM_OK);
    REQUIRE(ctm_builder_site(builder, &site, true) == CTM_OK);
    ctm_builder_set_peak_known(builder, true);
    REQUIRE(ctm_builder_set_origin(builder, 9, 8, 7, sample_string(builder, "a program")) ==
            CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    return snapshot;
}

static void check_labelled(const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.peak_known);
    CHECK_EQ(info.sites, 2);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    CHECK(sites[1].at_peak == 4 && sites[1].labels == 0 && sites[1].allocated == 5);
    CHECK(sites[2].at_peak == 8 && sites[2].allocated == 10 && sites[2].freed == 10);
    CHECK(sites[2].labels > 0 && sites[2].labels <= info.label_sets);
    const ctm_label *rows = ctm_snapshot_labels(snapshot), *last = &rows[sites[2].labels];
    CHECK_STR(ctm_snapshot_string(snapshot, last->key, NULL), "task");
    CHECK_STR(ctm_snapshot_string(snapshot, last->value, NULL), "a");
    CHECK_STR(ctm_snapshot_string(snapshot, rows[last->parent].key, NULL), "process");
    CHECK_STR(ctm_snapshot_string(snapshot, rows[last->parent].value, NULL), "7");
    CHECK_EQ(rows[last->parent].parent, 0);
    CHECK(rows[0].parent == 0 && rows[0].key == 0 && rows[0].value == 0);
}

static void test_labels_and_peak(void)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot, *copy;
    ctm_snapshot_info info;
    const ctm_filter domain = {.inclusive = true, .has_domain = true};
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    CHECK_EQ(ctm_builder_set_origin(builder, 1, 2, 3, 1), CTM_ERR_INVALID);
    snapshot = labelled(builder);
    check_labelled(snapshot);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.taken_ns == 9 && info.started_ns == 8 && info.pid == 7);
    CHECK_STR(ctm_snapshot_string(snapshot, info.command, NULL), "a program");
    /* Filtered, added to others, kept in part. */
    REQUIRE(ctm_snapshot_filter(snapshot, &domain, 1, &copy) == CTM_OK);
    check_labelled(copy);
    ctm_snapshot_unref(copy);
    sample_string(builder, "zzz");
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, NULL) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &copy) == CTM_OK);
    check_labelled(copy);
    ctm_snapshot_info_get(copy, &info);
    CHECK(info.taken_ns == 0 && info.started_ns == 0 && info.pid == 0 && info.command == 0);
    ctm_snapshot_unref(copy);
    const uint64_t part[3] = {0, 1, 0};
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, part) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &copy) == CTM_OK);
    ctm_snapshot_info_get(copy, &info);
    CHECK(!info.peak_known && info.sites == 2);
    CHECK_EQ(ctm_snapshot_sites(copy)[1].at_peak, 0);
    /* Known counts and unknown ones are unknown together. */
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, NULL) == CTM_OK);
    REQUIRE(ctm_builder_add_snapshot(builder, copy, NULL) == CTM_OK);
    ctm_snapshot_unref(copy);
    REQUIRE(ctm_builder_finish(builder, &copy) == CTM_OK);
    ctm_snapshot_info_get(copy, &info);
    CHECK(!info.peak_known && info.sites == 4 && info.live_blocks == 4);
    ctm_snapshot_unref(copy);
    ctm_snapshot_unref(snapshot);
    ctm_builder_free(builder);
}

/* What the standard module knows of does not tell labels apart. */
static void test_labels_add_up(void)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot, *plain;
    ctm_statistics *statistics;
    bool same = false;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_site site = {.block_size = 8, .allocated = 2};
    REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    REQUIRE(ctm_builder_label(builder, 0, sample_string(builder, "a"), 0, &site.labels) == CTM_OK);
    REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    site = (ctm_site){.block_size = 8, .allocated = 4};
    REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &plain) == CTM_OK);
    CHECK(ctm_snapshot_equal(snapshot, plain, &same) == CTM_OK && same);
    REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_TRACEBACK, false, &statistics) == CTM_OK);
    CHECK_EQ(ctm_statistics_length(statistics), 1);
    CHECK_EQ(ctm_statistics_rows(statistics)[0].count, 4);
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(plain);
    ctm_snapshot_unref(snapshot);
    ctm_builder_free(builder);
}

static bool equal(const ctm_snapshot *a, const ctm_snapshot *b)
{
    bool result = false, mirrored = true;
    REQUIRE(ctm_snapshot_equal(a, b, &result) == CTM_OK);
    REQUIRE(ctm_snapshot_equal(b, a, &mirrored) == CTM_OK);
    CHECK_EQ(result, mirrored);
    return result;
}

/* Is the snapshot of `runs` changed by `change` equal to that of `runs`? */
static bool equal_after(void (*change)(struct sample_run *runs))
{
    struct sample_run runs[FIXED];
    memcpy(runs, fixed, sizeof fixed);
    change(runs);
    ctm_snapshot *a = sample_snapshot(fixed, FIXED, false);
    ctm_snapshot *b = sample_snapshot(runs, FIXED, false);
    bool result = equal(a, b);
    ctm_snapshot_unref(a);
    ctm_snapshot_unref(b);
    return result;
}

static void change_nothing(struct sample_run *runs)
{
    (void)runs;
}
static void change_name(struct sample_run *runs)
{
    runs[0].frames[0].name = "other";
    runs[1].frames[0].first_lineno = 1000;
}
static void change_line(struct sample_run *runs)
{
    runs[0].frames[1].lineno++;
}
static void change_file(struct sample_run *runs)
{
    runs[0].frames[1].file = "c.py";
}
static void change_total(struct sample_run *runs)
{
    runs[1].total++;
}
static void change_domain(struct sample_run *runs)
{
    runs[2].domain++;
}
static void change_count(struct sample_run *runs)
{
    runs[0].count--;
    runs[3].count++;
}
static void change_order(struct sample_run *runs)
{
    struct sample_run first = runs[0];
    runs[0] = runs[1];
    runs[1] = first;
}

static void test_equal(void)
{
    CHECK(equal_after(change_nothing));
    CHECK(equal_after(change_name));
    CHECK(!equal_after(change_line));
    CHECK(!equal_after(change_file));
    CHECK(!equal_after(change_total));
    CHECK(!equal_after(change_domain));
    CHECK(!equal_after(change_count));
    CHECK(!equal_after(change_order));
}

/* How traces are cut into rows does not matter; nor do rows of no live block. */
static void test_equal_runs(void)
{
    struct sample_run runs[3] = {fixed[0], fixed[1], fixed[0]};
    runs[1].count = 0;
    runs[0].count = 2;
    runs[2].count = 5;
    struct sample_run one = fixed[0];
    one.count = 7;
    ctm_snapshot *a = sample_snapshot(runs, 3, false), *b = sample_snapshot(&one, 1, false);
    CHECK(equal(a, b));
    ctm_snapshot_unref(a);
    ctm_snapshot_unref(b);
}

static void *ref_and_unref(void *snapshot)
{
    for (int i = 0; i < 20000; i++) {
        ctm_snapshot *mine = ctm_snapshot_ref(snapshot);
        CHECK_EQ(ctm_snapshot_trace_site(mine, 9), 4);
        ctm_snapshot_unref(mine);
    }
    ctm_snapshot_unref(snapshot);
    return NULL;
}

static void test_references_of_threads(void)
{
    ctm_snapshot *snapshot = sample_snapshot(fixed, FIXED, false);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, ref_and_unref, ctm_snapshot_ref(snapshot)) == 0);
    }
    ctm_snapshot_unref(snapshot);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

TEST_LIST = {
    TEST(test_rows),
    TEST(test_trace_site),
    TEST(test_trace_site_skips_dead),
    TEST(test_empty),
    TEST(test_merge),
    TEST(test_merge_and_runs),
    TEST(test_invalid),
    TEST(test_limits),
    TEST(test_add_snapshot),
    TEST(test_labels_and_peak),
    TEST(test_labels_add_up),
    TEST(test_equal),
    TEST(test_equal_runs),
    TEST(test_references_of_threads),
    TEST_LIST_END,
};
