/* test_exempt.c: bytes that are exempt from the peak, against a model that adds everything up at each event. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctm/snapshot.h"
#include "ctm/tracer.h"

#define BLOCKS 64u
#define SHARDS 3u

typedef struct model {
    uint64_t sizes[BLOCKS]; /* 0: not allocated */
    int64_t live, exempt, peak;
} model;

static ctm_tracer *new_tracer(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    return tracer;
}

static uint32_t traceback_at(ctm_shard *shard, int line)
{
    ctm_frame_text frame = {"a.py", "f", 1, line};
    uint32_t id = 0;
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &id) == CTM_OK);
    return id;
}

static uint64_t peak_of(ctm_tracer *tracer)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    return totals.peak_bytes;
}

/* Allocates the block if it is free, else frees it. */
static void change(ctm_tracer *tracer, model *model, uint32_t block, uint64_t size, bool exempt)
{
    ctm_shard *shard = ctm_shard_enter(tracer, (uint32_t)rand() % SHARDS);
    const uintptr_t address = 4096 + 64 * (uintptr_t)block;
    const bool frees = model->sizes[block] != 0;
    ctm_exemption exemption;
    REQUIRE(shard != NULL);
    if (exempt) {
        ctm_shard_exempt_begin(shard, frees ? 0 : size, &exemption);
    }
    const int64_t by = frees ? -(int64_t)model->sizes[block] : (int64_t)size;
    if (frees) {
        CHECK(ctm_shard_free(shard, 0, address));
    } else {
        const uint32_t here = traceback_at(shard, (int)(block % 7) + 1);
        REQUIRE(ctm_shard_alloc(shard, 0, address, size, here) == CTM_OK);
    }
    if (exempt) {
        CHECK_EQ(ctm_shard_exempt_end(shard, &exemption), by);
    }
    ctm_shard_leave(shard);
    model->sizes[block] = frees ? 0 : size;
    model->live += by;
    model->exempt += exempt ? by : 0;
    if (by > 0 && model->live - model->exempt > model->peak) {
        model->peak = model->live - model->exempt;
    }
}

static uint64_t rows_at_peak(ctm_tracer *tracer)
{
    ctm_snapshot *snapshot;
    uint64_t bytes = 0;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t i = 1; i <= info.sites; i++) {
        bytes += sites[i].at_peak * sites[i].block_size;
    }
    ctm_snapshot_unref(snapshot);
    return bytes;
}

static void check_peak(ctm_tracer *tracer, const model *model)
{
    CHECK_EQ(peak_of(tracer), (uint64_t)(model->peak > model->live ? model->peak : model->live));
}

/* An answer: events that are exempt among others; at its end some of the bytes may stay exempt for a while. */
static void test_against_model(void)
{
    ctm_tracer *tracer = new_tracer();
    model model = {0};
    srand(7);
    for (int round = 0; round < 400; round++) {
        const int64_t kept = model.exempt;
        for (int i = 0; i < 30; i++) {
            change(tracer, &model, (uint32_t)rand() % BLOCKS, 1 + (uint64_t)rand() % 5000,
                   rand() % 3 == 0);
            check_peak(tracer, &model);
        }
        const int64_t released = round % 4 == 3 ? model.exempt : (model.exempt - kept) / 2;
        ctm_shard *shard = ctm_shard_enter(tracer, 0);
        ctm_shard_exempt_release(shard, released);
        ctm_shard_leave(shard);
        model.exempt -= released;
        if (round % 8 == 0) {
            /* What is no longer exempt counts with the next event. */
            change(tracer, &model, (uint32_t)rand() % BLOCKS, 5000, false);
            change(tracer, &model, (uint32_t)rand() % BLOCKS, 5000, false);
        }
        ctm_tracer_reset_peak(tracer);
        model.peak = model.exempt < model.live ? model.live - model.exempt : 0;
        check_peak(tracer, &model);
    }
    CHECK(model.live > 0);
    ctm_tracer_free(tracer);
}

/* The peak of the others is found, and the sites have what was live at its moment. */
static void test_peak_meanwhile(void)
{
    ctm_tracer *tracer = new_tracer();
    model model = {0};
    change(tracer, &model, 0, 1000, false);
    change(tracer, &model, 1, 700, true);
    CHECK_EQ(peak_of(tracer), 1700); /* never less than what is live */
    change(tracer, &model, 1, 0, true);
    CHECK_EQ(peak_of(tracer), 1000);
    CHECK_EQ(rows_at_peak(tracer), 1000);
    change(tracer, &model, 1, 700, true);
    change(tracer, &model, 2, 50, false);
    change(tracer, &model, 2, 0, false);
    change(tracer, &model, 1, 0, true);
    CHECK_EQ(peak_of(tracer), 1050);
    CHECK_EQ(rows_at_peak(tracer), 1750);
    change(tracer, &model, 3, 60, false);
    CHECK_EQ(peak_of(tracer), 1060);
    CHECK_EQ(rows_at_peak(tracer), 1060);
    ctm_tracer_free(tracer);
}

static void test_release(void)
{
    ctm_tracer *tracer = new_tracer();
    model model = {0};
    change(tracer, &model, 0, 1000, false);
    change(tracer, &model, 1, 300, true);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    ctm_shard_exempt_release(shard, 300);
    ctm_shard_leave(shard);
    change(tracer, &model, 2, 1, false);
    change(tracer, &model, 2, 0, false);
    change(tracer, &model, 1, 0, false);
    CHECK_EQ(peak_of(tracer), 1301);
    CHECK_EQ(rows_at_peak(tracer), 1301);
    ctm_tracer_free(tracer);
}

/* Nothing is exempt after the tables were emptied, nor in the child of a fork, whose threads do not exist. */
static void test_rounds(void)
{
    ctm_tracer *tracer = new_tracer();
    model model = {0};
    const uint32_t round = ctm_tracer_exempt_round(tracer);
    change(tracer, &model, 0, 1000, true);
    ctm_tracer_fork_before(tracer);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ctm_tracer_fork_after_child(tracer);
        change(tracer, &model, 1, 1, false);
        change(tracer, &model, 0, 0, false);
        _exit(ctm_tracer_exempt_round(tracer) != round && peak_of(tracer) == 1001 ? 0 : 1);
    }
    ctm_tracer_fork_after_parent(tracer);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_EQ(ctm_tracer_exempt_round(tracer), round);
    ctm_tracer_clear(tracer);
    CHECK(ctm_tracer_exempt_round(tracer) != round);
    memset(&model, 0, sizeof model);
    change(tracer, &model, 0, 10, false);
    change(tracer, &model, 0, 0, false);
    CHECK_EQ(peak_of(tracer), 10);
    ctm_tracer_free(tracer);
}

TEST_LIST = {
    TEST(test_against_model),
    TEST(test_peak_meanwhile),
    TEST(test_release),
    TEST(test_rounds),
    TEST_LIST_END,
};
