/* sample_file.h: shared by the tests of snapshot files: the golden samples, and a check that two
 * snapshots are identical.
 */
#ifndef CTM_TESTS_SAMPLE_FILE_H
#define CTM_TESTS_SAMPLE_FILE_H

#include "sample.h"

static const struct sample_run golden_runs[] = {
    {0, 64, 3, 2, 2, {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}}},
    {0, 5000000000, 1, 1, 7, {{"\xf0\x9f\x90\x8d.py", "caf\xc3\xa9", 5, -1}}},
    {389047, 16, 1000000, 1, 1, {{"lone\xed\xb2\x80.py", NULL, 0, 0}}},
    {0, 1, 0, 0, 0, {{NULL, NULL, 0, 0}}},
    {0, 64, 2, 2, 2, {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}}},
};
#define GOLDEN (sizeof golden_runs / sizeof golden_runs[0])
/* Of version 1.1: with labels and peak, which 1.0 cannot store. */
static const struct sample_run golden_runs_1_1[] = {
    {0, 64, 3, 2, 2, {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}}, {{NULL}}, 5},
    {0,
     64,
     3,
     2,
     2,
     {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}},
     {{"task", "t1"}, {"process", "worker-1"}, {"thread", ""}},
     0},
    {0,
     64,
     1,
     2,
     2,
     {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}},
     {{"process", "worker-1"}, {"task", "t2"}},
     4},
    {0,
     5000000000,
     1,
     1,
     7,
     {{"\xf0\x9f\x90\x8d.py", "caf\xc3\xa9", 5, -1}},
     {{"\xc3\xa9", "lone\xed\xb2\x80"}, {"process", "worker-2"}},
     2},
    {389047, 16, 0, 1, 1, {{"lone\xed\xb2\x80.py", NULL, 0, 0}}, {{"process", "worker-2"}}, 3},
    {0, 64, 2, 2, 2, {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}}, {{NULL}}, 1},
};
#define GOLDEN_1_1 (sizeof golden_runs_1_1 / sizeof golden_runs_1_1[0])
static const char golden_attributes[] = "attributes\0of the caller";

static inline ctm_snapshot *golden_snapshot(void)
{
    return sample_snapshot(golden_runs, GOLDEN, false);
}

static inline ctm_snapshot *golden_snapshot_1_1(void)
{
    return sample_full_snapshot(golden_runs_1_1, GOLDEN_1_1, false);
}

/* Of version 1.2: the same, and losses. */
static inline ctm_snapshot *golden_snapshot_1_2(void)
{
    ctm_builder *builder = sample_full_builder(golden_runs_1_1, GOLDEN_1_1, false);
    ctm_builder_loss(builder, "tracked_blocks", "the instructions are not known", 0);
    ctm_builder_loss(builder, "memory", "caf\xc3\xa9: no memory for the place", 42);
    return sample_finish(builder);
}

static inline void check_same_losses(const ctm_snapshot *a, const ctm_snapshot *b)
{
    const ctm_loss *one, *two;
    const uint32_t n = ctm_snapshot_losses(a, &one);
    if (CHECK_EQ(n, ctm_snapshot_losses(b, &two)) && n > 0) {
        CHECK(memcmp(one, two, n * sizeof *one) == 0);
    }
}

static inline bool same_info(const ctm_snapshot_info *a, const ctm_snapshot_info *b)
{
    return a->nframe == b->nframe && a->sites == b->sites && a->tracebacks == b->tracebacks &&
           a->frames == b->frames && a->functions == b->functions && a->strings == b->strings &&
           a->label_sets == b->label_sets && a->command == b->command &&
           a->live_blocks == b->live_blocks && a->current_bytes == b->current_bytes &&
           a->peak_bytes == b->peak_bytes && a->tracer_bytes == b->tracer_bytes &&
           a->sample_interval == b->sample_interval && a->taken_ns == b->taken_ns &&
           a->started_ns == b->started_ns && a->pid == b->pid && a->peak_known == b->peak_known;
}

/* Compares every table byte by byte. */
static inline void check_identical(const ctm_snapshot *a, const ctm_snapshot *b)
{
    ctm_snapshot_info one, two;
    ctm_snapshot_info_get(a, &one);
    ctm_snapshot_info_get(b, &two);
    if (!CHECK(same_info(&one, &two))) {
        return;
    }
    CHECK(memcmp(ctm_snapshot_sites(a), ctm_snapshot_sites(b),
                 (one.sites + 1) * sizeof(ctm_site)) == 0);
    CHECK(memcmp(ctm_snapshot_tracebacks(a), ctm_snapshot_tracebacks(b),
                 (one.tracebacks + 1) * sizeof(ctm_traceback)) == 0);
    CHECK(memcmp(ctm_snapshot_frames(a), ctm_snapshot_frames(b),
                 (one.frames + 1) * sizeof(ctm_frame)) == 0);
    CHECK(memcmp(ctm_snapshot_functions(a), ctm_snapshot_functions(b),
                 (one.functions + 1) * sizeof(ctm_function)) == 0);
    CHECK(memcmp(ctm_snapshot_labels(a), ctm_snapshot_labels(b),
                 (one.label_sets + 1) * sizeof(ctm_label)) == 0);
    for (uint32_t id = 0; id <= one.strings; id++) {
        size_t length, other;
        const char *text = ctm_snapshot_string(a, id, &length);
        const char *same = ctm_snapshot_string(b, id, &other);
        CHECK(length == other && memcmp(text, same, length + 1) == 0);
    }
    for (uint32_t id = 0; id <= one.tracebacks; id++) {
        CHECK_EQ(ctm_snapshot_traceback_length(a, id), ctm_snapshot_traceback_length(b, id));
    }
    check_same_losses(a, b);
    for (uint64_t i = 0; i < one.live_blocks && i < 100; i++) {
        CHECK_EQ(ctm_snapshot_trace_site(a, i), ctm_snapshot_trace_site(b, i));
    }
}

#endif
