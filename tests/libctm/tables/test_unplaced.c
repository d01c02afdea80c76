/* test_unplaced.c: tables that cannot grow. No event fails for that, and all totals are the model's.
 *
 * Memory is refused altogether from one moment on. Blocks at places that are not in the tables go to the one traceback that
 * says so, each at the site of its size; what the tables know goes on as before.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctm/snapshot.h"
#include "ctm/tracer.h"
#include "faults.h"
#include "tracer/tracer.h"

/* Else few tables have to grow. */
__attribute__((constructor)) static void begin_small(void)
{
    sizes_small();
}

#define BASE 0x10000000u /* all blocks lie in the leaf of this address, or in NEW */
#define NEW 0x70000000u  /* a leaf that is never made */
#define BLOCKS 3000u
#define FEW 150u /* blocks in a leaf that was refused: what the overflow holds without growing */
#define SIZES 100u

struct model {
    uint64_t bytes, blocks, peak, unplaced;
    uint64_t live[SIZES]; /* by size - 1 */
    struct {
        bool live;
        uint32_t size;
    } block[BLOCKS];
};

static uintptr_t address_of(uint32_t i)
{
    return (i < FEW ? NEW : BASE) + 16 * (uintptr_t)i;
}

static void compare(ctm_tracer *tracer, const struct model *model)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    CHECK_EQ(totals.current_bytes, model->bytes);
    CHECK_EQ(totals.live_blocks, model->blocks);
    CHECK_EQ(totals.peak_bytes, model->peak);
}

static ctm_status traceback_of(ctm_shard *shard, uint32_t place, uint32_t *out)
{
    char file[64];
    (void)snprintf(file, sizeof file, "file%u.py", place);
    const ctm_frame_text frame = {file, "function", 1, (int32_t)place};
    return ctm_shard_traceback_text(shard, &frame, 1, 1, out);
}

/* The site of a new block as a caller finds it. */
static uint32_t site_of(ctm_shard *shard, struct model *model, uint32_t place, uint32_t size)
{
    uint32_t traceback, site = 0;
    ctm_status status = traceback_of(shard, place, &traceback);
    if (status == CTM_OK) {
        status = ctm_shard_site(shard, 0, traceback, size, 0, &site);
    }
    if (status != CTM_OK) {
        CHECK(atomic_load(&fault_at) != 0);
        REQUIRE(ctm_shard_unplaced_site(shard, 0, size, &site) == CTM_OK);
        model->unplaced++;
    }
    return site;
}

static void count(struct model *model, uint32_t i, uint32_t size)
{
    model->block[i].live = size != 0;
    if (size != 0) {
        model->block[i].size = size;
        model->live[size - 1]++;
        model->bytes += size;
        model->blocks++;
        model->peak = model->bytes > model->peak ? model->bytes : model->peak;
    }
}

static void uncount(struct model *model, uint32_t i)
{
    if (model->block[i].live) {
        model->live[model->block[i].size - 1]--;
        model->bytes -= model->block[i].size;
        model->blocks--;
        model->block[i].live = false;
    }
}

static void resize(ctm_shard *shard, struct model *model, uint32_t i, uint32_t place, uint32_t size)
{
    ctm_resize token;
    const uint32_t site = site_of(shard, model, place, size);
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, address_of(i), site, &token) == CTM_OK);
    ctm_shard_resize_commit(shard, &token, address_of(i));
    uncount(model, i);
    count(model, i, size);
}

static void reattribute(ctm_shard *shard, struct model *model, uint32_t i, uint32_t place)
{
    ctm_found found;
    REQUIRE(ctm_shard_seek(shard, 0, address_of(i), &found));
    const uint32_t size = (uint32_t)ctm_shard_found_size(shard, &found);
    CHECK_EQ(size, model->block[i].size);
    ctm_shard_reattribute_at(shard, &found, site_of(shard, model, place, size));
}

static void step(ctm_tracer *tracer, struct model *model, uint64_t *random, uint32_t places)
{
    const uint32_t i = (uint32_t)(check_random(random) % BLOCKS);
    const uint32_t size = 1 + (uint32_t)(check_random(random) % SIZES);
    const uint32_t place = (uint32_t)(check_random(random) % places);
    ctm_shard *shard = ctm_shard_enter(tracer, (uint32_t)(check_random(random) % 2));
    REQUIRE(shard != NULL);
    if (!model->block[i].live) {
        const uint32_t site = site_of(shard, model, place, size);
        CHECK_EQ(ctm_shard_alloc_at(shard, 0, address_of(i), site), CTM_OK);
        count(model, i, size);
    } else if (check_random(random) % 3 == 0) {
        resize(shard, model, i, place, size);
    } else if (check_random(random) % 3 == 0) {
        reattribute(shard, model, i, place);
    } else {
        CHECK(ctm_shard_free(shard, 0, address_of(i)));
        uncount(model, i);
    }
    ctm_shard_leave(shard);
    compare(tracer, model);
}

/* Bytes and blocks by size, and of the traceback that says so, as the snapshot has them. */
static void compare_snapshot(ctm_tracer *tracer, const struct model *model)
{
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    uint64_t live[SIZES] = {0}, unplaced = 0, bytes_at_peak = 0;
    uint8_t seen[SIZES] = {0};
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_site *site = &ctm_snapshot_sites(snapshot)[id];
        const uint32_t frame = ctm_snapshot_tracebacks(snapshot)[site->traceback].frame;
        const ctm_function *function =
            &ctm_snapshot_functions(snapshot)[ctm_snapshot_frames(snapshot)[frame].function];
        REQUIRE(site->block_size >= 1 && site->block_size <= SIZES);
        live[site->block_size - 1] += site->allocated - site->freed;
        bytes_at_peak += site->at_peak * site->block_size;
        if (strcmp(ctm_snapshot_string(snapshot, function->filename, NULL), CTMI_UNPLACED_TEXT) ==
            0) {
            unplaced += site->allocated;
            CHECK_EQ(ctm_snapshot_tracebacks(snapshot)[site->traceback].total_nframe, 1);
            CHECK_EQ(ctm_snapshot_frames(snapshot)[frame].lineno, 0);
            CHECK_EQ(seen[site->block_size - 1]++,
                     0); /* one site a size, whatever shard it came from */
        }
    }
    CHECK(memcmp(live, model->live, sizeof live) == 0);
    CHECK_EQ(info.current_bytes, model->bytes);
    CHECK_EQ(info.live_blocks, model->blocks);
    CHECK_EQ(bytes_at_peak, model->peak);
    CHECK_EQ(unplaced, model->unplaced);
    CHECK_EQ(ctm_tracer_unplaced(tracer), model->unplaced);
    ctm_snapshot_unref(snapshot);
}

/* No more sizes than room is kept for; then the caller is told, and nothing has changed. */
static void check_all_sizes(ctm_tracer *tracer, const struct model *model)
{
    ctm_shard *shard = ctm_tracer_exclusive(tracer);
    uint32_t site, made = 0;
    atomic_store(&fault_at, -1);
    while (ctm_shard_unplaced_site(shard, 7, 1000 + made, &site) == CTM_OK) {
        REQUIRE(made++ < 2 * ctmi_sizes()->spare_sites);
    }
    CHECK(made >= ctmi_sizes()->spare_sites - SIZES && made <= ctmi_sizes()->spare_sites);
    CHECK_EQ(ctm_shard_unplaced_site(shard, 7, 1000, &site), CTM_OK);
    atomic_store(&fault_at, 0);
    compare(tracer, model);
}

static void begin(ctm_tracer *tracer, struct model *model)
{
    memset(model, 0, sizeof *model);
    for (uint32_t i = 0; i < 2; i++) { /* the leaf */
        ctm_shard *shard = ctm_shard_enter(tracer, i);
        const uint32_t site = site_of(shard, model, 0, 1);
        REQUIRE(ctm_shard_alloc_at(shard, 0, address_of(BLOCKS - 1), site) == CTM_OK);
        CHECK(ctm_shard_free(shard, 0, address_of(BLOCKS - 1)));
        ctm_shard_leave(shard);
    }
    model->peak = 1;
}

/* `places`: of which those of the first steps are known when memory ends. */
static void check_out_of_memory(uint64_t seed, uint32_t steps_before, uint32_t places)
{
    static struct model model;
    ctm_tracer *tracer;
    uint64_t random = seed;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_tracer_set_aside(tracer, seed % 2 == 1);
    for (int round = 0; round < 2; round++) {
        begin(tracer, &model);
        for (uint32_t i = 0; i < steps_before; i++) {
            step(tracer, &model, &random, places);
        }
        CHECK_EQ(model.unplaced, 0);
        atomic_store(&fault_at, -1);
        for (uint32_t i = 0; i < 4000; i++) {
            step(tracer, &model, &random, 100000);
        }
        atomic_store(&fault_at, 0);
        CHECK(model.unplaced > 100);
        compare_snapshot(tracer, &model);
        const uint64_t unplaced = model.unplaced;
        for (uint32_t i = 0; i < 500; i++) {
            step(tracer, &model, &random, 100000);
        }
        CHECK_EQ(model.unplaced, unplaced); /* memory is back: so are the places */
        compare_snapshot(tracer, &model);
        check_all_sizes(tracer, &model);
        ctm_tracer_clear(tracer);
        CHECK_EQ(ctm_tracer_unplaced(tracer), 0);
    }
    ctm_tracer_stop(tracer);
    CHECK_EQ(ctm_tracer_memory(tracer) <= sizeof(struct ctm_tracer), true);
    ctm_tracer_free(tracer);
}

/* The last snapshot is the one that there would have been, and tracing has stopped. */
static void test_finish(void)
{
    static struct model model;
    ctm_tracer *tracer;
    ctm_snapshot *last;
    ctm_snapshot_info info;
    uint64_t random = 1, bytes = 0;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    CHECK_EQ(ctm_tracer_finish(tracer, &last), CTM_ERR_NOT_TRACING);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_tracer_set_aside(tracer, true);
    begin(tracer, &model);
    for (uint32_t i = 0; i < 5000; i++) {
        step(tracer, &model, &random, 4000);
    }
    ctm_tracer_set_aside(tracer, false);
    REQUIRE(ctm_tracer_finish(tracer, &last) == CTM_OK);
    CHECK(!ctm_tracer_is_tracing(tracer));
    ctm_snapshot_info_get(last, &info);
    CHECK_EQ(info.current_bytes, model.bytes);
    CHECK_EQ(info.live_blocks, model.blocks);
    CHECK_EQ(info.peak_bytes, model.peak);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_site *site = &ctm_snapshot_sites(last)[id];
        bytes += site->block_size * (site->allocated - site->freed);
    }
    CHECK_EQ(bytes, model.bytes);
    ctm_snapshot_unref(last);
    CHECK_EQ(ctm_tracer_memory(tracer) <= sizeof(struct ctm_tracer), true);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    atomic_store(&fault_at, 1);
    CHECK_EQ(ctm_tracer_finish(tracer, &last), CTM_ERR_NOMEM);
    CHECK(!ctm_tracer_is_tracing(tracer));
    atomic_store(&fault_at, 0);
    ctm_tracer_free(tracer);
}

/* A table grows only together with what a snapshot of it needs. */
static void test_aside(void)
{
    struct ctmi_store store;
    uint32_t id = 0, rows = 0;
    ctmi_store_init(&store);
    ctmi_store_set_aside(&store, 2);
    while (store.sites.aside[1] == NULL && rows < 100000) {
        REQUIRE(ctmi_store_site_append(&store, 0, 0, rows++, 0, &id) == CTM_OK);
    }
    CHECK(store.sites.chunk[1] != NULL && store.sites.aside[0] == NULL);
    while (store.sites.chunk[2] == NULL) {
        atomic_store(&fault_at, 1); /* the first one that is asked for */
        const ctm_status status = ctmi_store_site_append(&store, 0, 0, rows, 0, &id);
        if (atomic_exchange(&fault_at, 0) == 0) {
            CHECK_EQ(status, CTM_ERR_NOMEM);
            CHECK(store.sites.chunk[2] == NULL && store.sites.aside[2] == NULL);
            CHECK_EQ(ctmi_store_site_append(&store, 0, 0, rows, 0, &id), CTM_OK);
        }
        REQUIRE(rows++ < 100000);
    }
    CHECK(store.sites.aside[2] != NULL);
    ctmi_store_set_aside(&store, 0);
    CHECK(store.sites.aside[1] == NULL && store.sites.aside[2] == NULL);
    CHECK(store.sites.chunk[2] != NULL);
    ctmi_store_free_all(&store);
}

enum { SEEDS = 5 };

static void test_from_the_first_block(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        check_out_of_memory(seed, 0, 1);
    }
}

static void test_later(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        check_out_of_memory(seed, 2500, 300);
    }
}

/* Indexes that have grown, chunks behind the first one. */
static void test_with_grown_tables(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        check_out_of_memory(seed, 6000, 5000);
    }
}

TEST_LIST = {
    TEST(test_from_the_first_block),
    TEST(test_later),
    TEST(test_with_grown_tables),
    TEST(test_finish),
    TEST(test_aside),
    TEST_LIST_END,
};
