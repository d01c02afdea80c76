/* test_sampling.c: a sample of the blocks, against what was really allocated.
 *
 * Random numbers are seeded, so that every run draws the same samples. What is checked of them is what the theory says: the
 * deviation of an estimate from the truth, in standard errors (z), is 0 on average over many seeds, and its square is 1.
 */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/weight.h"
#include "ctm/file.h"
#include "ctm/snapshot.h"
#include "ctm/statistics.h"
#include "ctm/tracer.h"
#include "tracer/tracer.h"

#define INTERVAL (512u << 10)
#define SEEDS 400

struct program {
    ctm_tracer *tracer;
    ctm_shard *shard;
    ctm_sampler sampler;
    uint32_t traceback;
    uint64_t live_bytes, live_blocks; /* the truth */
};

static struct program begin(uint64_t interval, uint64_t seed)
{
    struct program program = {0};
    REQUIRE(ctm_tracer_new(&program.tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start_sampling(program.tracer, 1, interval) == CTM_OK);
    program.shard = ctm_shard_enter(program.tracer, 0);
    const ctm_frame_text frame = {"file.c", "main", 1, 7};
    REQUIRE(ctm_shard_traceback_text(program.shard, &frame, 1, 1, &program.traceback) == CTM_OK);
    program.sampler.random = seed * 0xD1342543DE82EF95ull; /* far from any other stream */
    return program;
}

static void allocate(struct program *program, uintptr_t address, uint64_t size)
{
    program->live_bytes += size;
    program->live_blocks++;
    if (ctm_sampler_takes(program->tracer, &program->sampler, size)) {
        REQUIRE(ctm_shard_alloc(program->shard, 0, address, size, program->traceback) == CTM_OK);
    }
}

static void release(struct program *program, uintptr_t address, uint64_t size)
{
    program->live_bytes -= size;
    program->live_blocks--;
    if (ctm_tracer_may_know(program->tracer, address)) {
        (void)ctm_shard_free(program->shard, 0, address);
    }
}

static ctm_statistic statistic_of(struct program *program)
{
    ctm_snapshot *snapshot;
    ctm_statistics *statistics;
    ctm_statistic row = {0};
    REQUIRE(ctm_tracer_snapshot(program->tracer, &snapshot) == CTM_OK);
    REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, false, &statistics) == CTM_OK);
    if (ctm_statistics_length(statistics) > 0) {
        row = ctm_statistics_rows(statistics)[0];
    }
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(snapshot);
    return row;
}

static void end(struct program *program)
{
    ctm_shard_leave(program->shard);
    ctm_tracer_free(program->tracer);
}

/* `blocks` blocks of one size, the first half of them freed again, for many seeds. */
static void check_size(uint64_t size, uint32_t blocks)
{
    double sum = 0, squares = 0;
    const double p = 1 / ctmi_weight(size, INTERVAL);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct program program = begin(INTERVAL, seed);
        for (uint32_t i = 0; i < blocks; i++) {
            allocate(&program, 4096 + i * 16ull * 1000, size);
        }
        for (uint32_t i = 0; i < blocks / 2; i++) {
            release(&program, 4096 + i * 16ull * 1000, size);
        }
        const ctm_statistic row = statistic_of(&program);
        ctm_totals totals;
        ctm_tracer_totals(program.tracer, &totals);
        CHECK(fabs((double)totals.current_bytes - (double)row.size) <=
              (double)totals.live_blocks + 1);
        const double n = (double)program.live_blocks;
        const double z = (p * (double)row.count - n * p) / sqrt(n * p * (1 - p) + 1e-12);
        sum += z;
        squares += z * z;
        end(&program);
    }
    const double mean = sum / SEEDS, square = squares / SEEDS;
    if (!CHECK(fabs(mean) < 4 / sqrt(SEEDS)) || !CHECK(square > 0.7 && square < 1.4)) {
        printf("size %llu: mean of z %.3f, of its square %.3f\n", (unsigned long long)size, mean,
               square);
    }
}

static void test_unbiased(void)
{
    check_size(16, 400000);
    check_size(500, 20000);
    check_size(10000, 1000);
    check_size(300000, 200);
    check_size(1u << 20, 100);
}

/* A block much larger than the interval is always recorded: the numbers are exact. */
static void test_large(void)
{
    struct program program = begin(INTERVAL, 5);
    for (uint32_t i = 0; i < 50; i++) {
        allocate(&program, (i + 1ull) << 30, 32u << 20);
    }
    const ctm_statistic row = statistic_of(&program);
    CHECK_EQ(row.count, 50);
    CHECK_EQ(row.size, 50ull * (32u << 20));
    CHECK_EQ(row.estimated, 1);
    end(&program);
}

/* All sizes at once; the interval of two standard errors holds the truth about 95 times in 100. */
static void test_mixed(void)
{
    unsigned inside = 0;
    double error = 0, truth = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct program program = begin(65536, seed);
        uint64_t random = seed;
        for (uint32_t i = 0; i < 5000; i++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            const uint64_t size = 16ull << (random >> 59) % 16;
            allocate(&program, 4096 + i * 4096ull, size);
            if (random >> 33 & 1) {
                release(&program, 4096 + i * 4096ull, size);
            }
        }
        const ctm_statistic row = statistic_of(&program);
        const double off = (double)row.size - (double)program.live_bytes;
        inside += fabs(off) <= 1.96 * row.size_error;
        error += off;
        truth += (double)program.live_bytes;
        end(&program);
    }
    CHECK(inside > SEEDS * 92 / 100 && inside <= SEEDS * 98 / 100);
    CHECK(fabs(error / truth) < 0.002);
    if (check_failed != 0) {
        printf("%u of %u inside, off by %.5f\n", inside, SEEDS, error / truth);
    }
}

/* Addresses that may be known: all that are recorded, and none once everything is freed. */
static void test_places(void)
{
    struct program program = begin(256, 3);
    for (uint32_t i = 0; i < 20000; i++) {
        allocate(&program, i * 64ull + 64, 64);
    }
    ctm_block block;
    unsigned known = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        if (ctm_shard_find(program.shard, 0, i * 64ull + 64, &block) == CTM_OK) {
            known++;
            CHECK(ctm_tracer_may_know(program.tracer, i * 64ull + 64));
        }
    }
    CHECK(known > 4000 && known < 5000); /* 1 - exp(-1/4) of them: 4,424 */
    CHECK(!ctm_tracer_may_know(program.tracer, 1ull << 40));
    for (uint32_t i = 0; i < 20000; i++) {
        release(&program, i * 64ull + 64, 64);
    }
    unsigned left = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        left += ctm_tracer_may_know(program.tracer, i * 64ull + 64);
    }
    CHECK_EQ(left, 0);
    ctm_totals totals;
    ctm_tracer_totals(program.tracer, &totals);
    CHECK(totals.current_bytes == 0 && totals.live_blocks == 0 && totals.peak_bytes > 0);
    end(&program);
}

/* A count that is full stays: a bucket is never taken for empty while blocks lie there. */
static void test_full_bucket(void)
{
    struct program program = begin(16, 1);
    for (uint32_t i = 0; i < 256; i++) { /* all in one page */
        REQUIRE(ctm_shard_alloc(program.shard, 0, 65536 + i * 16ull, 16, program.traceback) ==
                CTM_OK);
    }
    for (uint32_t i = 0; i < 255; i++) {
        CHECK(ctm_shard_free(program.shard, 0, 65536 + i * 16ull));
    }
    CHECK(ctm_tracer_may_know(program.tracer, 65536 + 255 * 16ull));
    end(&program);
}

static void test_resize(void)
{
    struct program program = begin(4096, 9);
    ctm_shard *shard = program.shard;
    ctm_resize resize;
    uint32_t site;
    ctm_totals totals;
    REQUIRE(ctm_shard_site(shard, 0, program.traceback, 100, 0, &site) == CTM_OK);
    REQUIRE(ctm_shard_alloc_at(shard, 0, 1024, site) == CTM_OK);
    /* Out of the sample; but first not, because the resize fails. */
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, 1024, 0, &resize) == CTM_OK);
    ctm_shard_resize_abort(shard, &resize);
    CHECK(ctm_tracer_may_know(program.tracer, 1024));
    ctm_tracer_totals(program.tracer, &totals);
    CHECK_EQ(totals.current_bytes, ctmi_weighted_size(100, 4096));
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, 1024, 0, &resize) == CTM_OK);
    ctm_shard_resize_commit(shard, &resize, 1 << 20);
    CHECK(!ctm_tracer_may_know(program.tracer, 1024) &&
          !ctm_tracer_may_know(program.tracer, 1 << 20));
    ctm_tracer_totals(program.tracer, &totals);
    CHECK(totals.current_bytes == 0 && totals.live_blocks == 0);
    /* Into it. */
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, 1 << 20, site, &resize) == CTM_OK);
    ctm_shard_resize_commit(shard, &resize, 2048);
    CHECK(ctm_tracer_may_know(program.tracer, 2048) && ctm_shard_free(shard, 0, 2048));
    CHECK_EQ(shard->resizing, 0);
    end(&program);
}

/* The interval stays with a snapshot: through a file, a filter and a copy; without it the numbers would be wrong. */
static void check_interval(ctm_snapshot *snapshot, uint64_t interval)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sample_interval, interval);
    ctm_snapshot_unref(snapshot);
}

static void test_snapshot(void)
{
    struct program program = begin(1000, 4);
    for (uint32_t i = 0; i < 1000; i++) {
        allocate(&program, i * 512ull + 512, 100);
    }
    ctm_snapshot *snapshot, *other;
    REQUIRE(ctm_tracer_snapshot(program.tracer, &snapshot) == CTM_OK);
    void *bytes;
    size_t size;
    REQUIRE(ctm_snapshot_encode(snapshot, NULL, 0, &bytes, &size) == CTM_OK);
    REQUIRE(ctm_snapshot_decode(bytes, size, &other, NULL, NULL, NULL) == CTM_OK);
    bool equal;
    CHECK(ctm_snapshot_equal(snapshot, other, &equal) == CTM_OK && equal);
    check_interval(other, 1000);
    free(bytes);
    const ctm_filter filter = {
        .inclusive = true, .by_filename = true, .pattern = "*.c", .pattern_length = 3};
    REQUIRE(ctm_snapshot_filter(snapshot, &filter, 1, &other) == CTM_OK);
    check_interval(other, 1000);
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, NULL) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &other) == CTM_OK);
    check_interval(other, 1000);
    ctm_builder_free(builder);
    /* A difference to an exact snapshot. */
    REQUIRE(ctm_builder_new(&builder) == CTM_OK && ctm_builder_finish(builder, &other) == CTM_OK);
    ctm_builder_free(builder);
    ctm_statistics *diff;
    REQUIRE(ctm_snapshot_compare(snapshot, other, CTM_BY_FILENAME, true, &diff) == CTM_OK);
    const ctm_statistic *row = ctm_statistics_rows(diff);
    CHECK(row->estimated == 1 && row->size_error > 0 && row->size_diff == (int64_t)row->size);
    CHECK_EQ(row->size, statistic_of(&program).size);
    ctm_statistics_free(diff);
    ctm_snapshot_unref(other);
    ctm_snapshot_unref(snapshot);
    end(&program);
}

static void test_arguments(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    CHECK_EQ(ctm_tracer_start_sampling(tracer, 1, 0), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tracer_start_sampling(tracer, 1, CTM_MAX_SAMPLE_INTERVAL + 1), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tracer_start_sampling(tracer, 0, 1), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tracer_start_sampling(tracer, 1, CTM_MAX_SAMPLE_INTERVAL), CTM_OK);
    ctm_sampler sampler = {0};
    unsigned taken = 0;
    for (unsigned i = 0; i < 100000; i++) {
        taken += ctm_sampler_takes(tracer, &sampler, 1);
        CHECK(!ctm_sampler_takes(tracer, &sampler, 0));
    }
    CHECK_EQ(taken, 0);
    ctm_sampler unused = {0};
    ctm_sampler_force(tracer, &sampler);
    ctm_sampler_force(tracer, &unused);
    CHECK(!ctm_sampler_takes(tracer, &sampler, 0) && !ctm_sampler_takes(tracer, &unused, 0));
    CHECK(ctm_sampler_takes(tracer, &sampler, 1) && ctm_sampler_takes(tracer, &unused, 1));
    CHECK(!ctm_sampler_takes(tracer, &sampler, 1) && !ctm_sampler_takes(tracer, &unused, 1));
    ctm_tracer_stop(tracer);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    CHECK_EQ(ctm_tracer_sample_interval(tracer), 0);
    CHECK(ctm_sampler_takes(tracer, &sampler, 1) && ctm_sampler_takes(tracer, &sampler, 0));
    CHECK(ctm_tracer_may_know(tracer, 4096));
    ctm_tracer_free(tracer);
}

struct asked {
    ctm_tracer *tracer;
    _Atomic bool done;
};

static void *ask_interval(void *argument)
{
    struct asked *asked = argument;
    while (!atomic_load(&asked->done)) {
        const uint64_t interval = ctm_tracer_sample_interval(asked->tracer);
        CHECK(interval == 0 || interval == 1000 || interval == INTERVAL);
    }
    return NULL;
}

/* ThreadSanitizer sees whether the interval may be asked while tracing starts and stops. */
static void test_any_thread_may_ask(void)
{
    struct asked asked = {.done = false};
    pthread_t thread;
    REQUIRE(ctm_tracer_new(&asked.tracer) == CTM_OK);
    REQUIRE(pthread_create(&thread, NULL, ask_interval, &asked) == 0);
    for (int i = 0; i < 300; i++) {
        REQUIRE(ctm_tracer_start_sampling(asked.tracer, 1, i % 2 == 0 ? 1000 : INTERVAL) == CTM_OK);
        ctm_tracer_stop(asked.tracer);
        REQUIRE(ctm_tracer_start(asked.tracer, 1) == CTM_OK);
        ctm_tracer_stop(asked.tracer);
    }
    atomic_store(&asked.done, true);
    pthread_join(thread, NULL);
    ctm_tracer_free(asked.tracer);
}

TEST_LIST = {
    TEST(test_unbiased),           TEST(test_large),  TEST(test_mixed),    TEST(test_places),
    TEST(test_full_bucket),        TEST(test_resize), TEST(test_snapshot), TEST(test_arguments),
    TEST(test_any_thread_may_ask), TEST_LIST_END,
};
