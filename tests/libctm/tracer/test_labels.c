/* test_labels.c: label sets of a running tracer, against a model that knows the set of each block.
 *
 * Model: requests come and go. Each holds a set with its route (few values), its number (a new one each time), and the host's name.
 * It allocates and frees at a few lines, through any shard. Its blocks live on after it has released the set. At any moment the
 * snapshot's rows of a set have the model's live blocks; or none, because there were too many sets: then they are at its rest.
 * Blocks ever allocated, added up over the numbers, are the model's for each route.
 */
#define CHECK_SET_UP sizes_small
#include "check.h"

#include <unistd.h>

#include "ctm/ctm.h"
#include "tracer/tracer.h"

#define ROUTES 2u
#define HELD 6u    /* requests at a time */
#define BLOCKS 80u /* live at most */
#define LINES 3u
#define EVENTS 20000u

static const char *const routes[ROUTES] = {"/a", "/b"};

typedef struct request {
    uint32_t handle, route;
    char number[16]; /* "other" if there were too many sets from the beginning */
    uint64_t allocated;
} request;

typedef struct block {
    uint64_t size; /* 0: not allocated */
    uint32_t route;
    char number[16];
} block;

typedef struct world {
    ctm_tracer *tracer;
    request held[HELD];
    block blocks[BLOCKS], at_peak[BLOCKS];
    uint64_t allocated[ROUTES], live, peak, random;
    uint32_t requests, rests;
} world;

static void new_request(world *world, request *out)
{
    out->allocated = 0;
    out->route = (uint32_t)check_random(&world->random) % ROUTES;
    snprintf(out->number, sizeof out->number, "%u", world->requests++);
    const ctm_label_text pairs[] = {
        {"route", routes[out->route]}, {"number", out->number}, {"host", "h"}};
    REQUIRE(ctm_tracer_labels(world->tracer, pairs, 3, &out->handle) == CTM_OK);
    REQUIRE(out->handle != 0);
    const bool is_kept = ctmi_label_entry_of(&world->tracer->labels, out->handle)->rest == 0;
    if (is_kept) {
        strcpy(out->number, "other");
        world->rests++;
    }
}

static uint32_t site_for(world *world, ctm_shard *shard, const request *request, uint64_t size)
{
    const ctm_frame_text frame = {"a.py", "f", 1,
                                  1 + (int32_t)(check_random(&world->random) % LINES)};
    uint32_t traceback, site;
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    REQUIRE(ctm_shard_labelled_site(shard, 0, traceback, size, request->handle, &site) == CTM_OK);
    return site;
}

static void owned_by(world *world, block *block, request *request)
{
    block->route = request->route;
    strcpy(block->number, request->number);
    world->allocated[block->route]++;
    request->allocated++;
}

static void count_live(world *world, int64_t by)
{
    world->live += (uint64_t)by;
    if (world->live > world->peak) {
        world->peak = world->live;
        memcpy(world->at_peak, world->blocks, sizeof world->blocks);
    }
}

static void allocate(world *world, block *block, request *request, uintptr_t address)
{
    ctm_shard *shard = ctm_shard_enter(world->tracer, (uint32_t)check_random(&world->random) % 3);
    block->size = 16 + 16 * (check_random(&world->random) % 2);
    REQUIRE(shard != NULL);
    const uint32_t site = site_for(world, shard, request, block->size);
    CHECK(ctm_shard_has_labels(shard, site, request->handle));
    REQUIRE(ctm_shard_alloc_at(shard, 0, address, site) == CTM_OK);
    ctm_shard_leave(shard);
    owned_by(world, block, request);
    count_live(world, (int64_t)block->size);
}

static void reattribute(world *world, block *block, request *request, uintptr_t address)
{
    ctm_shard *shard = ctm_shard_enter(world->tracer, (uint32_t)check_random(&world->random) % 3);
    ctm_found found;
    REQUIRE(shard != NULL && ctm_shard_seek(shard, 0, address, &found));
    CHECK_EQ(ctm_shard_found_size(shard, &found), block->size);
    ctm_shard_reattribute_at(shard, &found, site_for(world, shard, request, block->size));
    ctm_shard_leave(shard);
    owned_by(world, block, request);
}

static void resize(world *world, block *block, request *request, uintptr_t address)
{
    const uint32_t index = (uint32_t)check_random(&world->random) % 3;
    const bool fails = check_random(&world->random) % 4 == 0;
    const uint64_t size = 16 + 16 * (check_random(&world->random) % 2);
    ctm_shard *shard = ctm_shard_enter(world->tracer, index);
    ctm_resize begun;
    REQUIRE(shard != NULL);
    const uint32_t site = site_for(world, shard, request, size);
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, address, site, &begun) == CTM_OK);
    if (fails) {
        ctm_shard_resize_abort(shard, &begun);
    } else {
        const int64_t by = (int64_t)(size - block->size);
        ctm_shard_resize_commit(shard, &begun, address);
        block->size = size;
        owned_by(world, block, request);
        count_live(world, by);
    }
    ctm_shard_leave(shard);
}

static void event(world *world)
{
    const uint32_t at = (uint32_t)check_random(&world->random) % BLOCKS;
    block *block = &world->blocks[at];
    request *request = &world->held[check_random(&world->random) % HELD];
    const uintptr_t address = 4096 + 64 * (uintptr_t)at;
    if (check_random(&world->random) % 8 == 0) {
        ctm_tracer_labels_release(world->tracer, request->handle);
        new_request(world, request);
    } else if (block->size == 0) {
        allocate(world, block, request, address);
    } else if (check_random(&world->random) % 4 == 0) {
        reattribute(world, block, request, address);
    } else if (check_random(&world->random) % 4 == 0) {
        resize(world, block, request, address);
    } else {
        ctm_shard *shard =
            ctm_shard_enter(world->tracer, (uint32_t)check_random(&world->random) % 3);
        REQUIRE(shard != NULL);
        CHECK(ctm_shard_free(shard, 0, address));
        ctm_shard_leave(shard);
        count_live(world, -(int64_t)block->size);
        block->size = 0;
    }
}

/* The value of a site's label; "": none. */
static const char *value_of(const ctm_snapshot *snapshot, const ctm_site *site, const char *key)
{
    const ctm_label *labels = ctm_snapshot_labels(snapshot);
    for (uint32_t id = site->labels; id != 0; id = labels[id].parent) {
        if (strcmp(ctm_snapshot_string(snapshot, labels[id].key, NULL), key) == 0) {
            return ctm_snapshot_string(snapshot, labels[id].value, NULL);
        }
    }
    return "";
}

static uint64_t model_bytes(const block *blocks, const char *route, const char *number)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const block *block = &blocks[i];
        if (strcmp(routes[block->route], route) == 0 && strcmp(block->number, number) == 0) {
            bytes += block->size;
        }
    }
    return bytes;
}

typedef enum counter { LIVE, AT_PEAK, ALLOCATED } counter;

/* Bytes; of ALLOCATED blocks. */
static uint64_t snapshot_sum(const ctm_snapshot *snapshot, const char *route, const char *number,
                             counter counter)
{
    ctm_snapshot_info info;
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    uint64_t bytes = 0;
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        if (strcmp(value_of(snapshot, &sites[id], "route"), route) == 0 &&
            (number == NULL || strcmp(value_of(snapshot, &sites[id], "number"), number) == 0)) {
            bytes += counter == ALLOCATED ? sites[id].allocated
                     : counter == AT_PEAK
                         ? sites[id].at_peak * sites[id].block_size
                         : (sites[id].allocated - sites[id].freed) * sites[id].block_size;
        }
    }
    return bytes;
}

static uint64_t snapshot_bytes(const ctm_snapshot *snapshot, const char *route, const char *number)
{
    return snapshot_sum(snapshot, route, number, LIVE);
}

static void check_history(const world *world, const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    ctm_totals totals;
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    uint64_t allocated[ROUTES] = {0}, at_peak = 0, bytes = 0;
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        CHECK_STR(value_of(snapshot, &sites[id], "host"), "h");
        allocated[strcmp(value_of(snapshot, &sites[id], "route"), routes[1]) == 0] +=
            sites[id].allocated;
        at_peak += sites[id].at_peak * sites[id].block_size;
        bytes += (sites[id].allocated - sites[id].freed) * sites[id].block_size;
    }
    for (uint32_t i = 0; i < ROUTES; i++) {
        CHECK_EQ(allocated[i], world->allocated[i]);
    }
    ctm_tracer_totals(world->tracer, &totals);
    CHECK_EQ(at_peak, totals.peak_bytes); /* not that of the snapshot, which is such a sum */
    CHECK_EQ(bytes, info.current_bytes);
}

static bool is_held(const world *world, const char *number)
{
    for (uint32_t i = 0; i < HELD; i++) {
        if (strcmp(world->held[i].number, number) == 0) {
            return true;
        }
    }
    return false;
}

/* Returns the model's bytes of the sets that are at their rest by now. */
static uint64_t check_numbers(const world *world, const ctm_snapshot *snapshot, const char *route,
                              const block *blocks, counter counter)
{
    uint64_t at_rest = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const block *block = &blocks[i];
        if (block->size == 0 || strcmp(routes[block->route], route) != 0 ||
            strcmp(block->number, "other") == 0) {
            continue;
        }
        const uint64_t bytes = snapshot_sum(snapshot, route, block->number, counter);
        if (bytes == 0 && !is_held(world, block->number)) {
            at_rest += block->size;
        } else {
            CHECK_EQ(bytes, model_bytes(blocks, route, block->number));
        }
    }
    CHECK_EQ(snapshot_sum(snapshot, route, "other", counter),
             model_bytes(blocks, route, "other") + at_rest);
    return at_rest;
}

static void check_snapshot(const world *world)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(world->tracer, &snapshot) == CTM_OK);
    for (uint32_t i = 0; i < ROUTES; i++) {
        const ctm_loss *losses;
        const uint64_t at_rest = check_numbers(world, snapshot, routes[i], world->blocks, LIVE) +
                                 check_numbers(world, snapshot, routes[i], world->at_peak, AT_PEAK);
        CHECK(at_rest == 0 || ctm_snapshot_losses(snapshot, &losses) == 1);
    }
    for (uint32_t i = 0; i < HELD; i++) {
        const request *held = &world->held[i];
        if (strcmp(held->number, "other") != 0) {
            CHECK_EQ(snapshot_sum(snapshot, routes[held->route], held->number, ALLOCATED),
                     held->allocated);
        }
    }
    check_history(world, snapshot);
    ctm_snapshot_unref(snapshot);
}

static void begin(world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed;
    REQUIRE(ctm_tracer_new(&world->tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(world->tracer, 1) == CTM_OK);
    for (uint32_t i = 0; i < ROUTES * 2; i++) { /* a value that is seen again is kept */
        const ctm_label_text pairs[] = {{"route", routes[i % ROUTES]}, {"host", "h"}};
        uint32_t handle;
        REQUIRE(ctm_tracer_labels(world->tracer, pairs, 2, &handle) == CTM_OK);
        ctm_tracer_labels_release(world->tracer, handle);
    }
    for (uint32_t i = 0; i < HELD; i++) {
        new_request(world, &world->held[i]);
    }
}

static void end(world *world)
{
    for (uint32_t i = 0; i < HELD; i++) {
        ctm_tracer_labels_release(world->tracer, world->held[i].handle);
    }
    ctm_tracer_free(world->tracer);
}

static void test_model(void)
{
    world world;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(&world, seed);
        for (uint32_t i = 0; i < EVENTS; i++) {
            event(&world);
            if (i % 97 == 0) {
                check_snapshot(&world);
            }
            if (i % 4001 == 0 ||
                (i % 4001 < 1800 && i % 3 == 0)) { /* the stamps of the peak restart */
                ctm_tracer_reset_peak(world.tracer);
                world.peak = 0;
                count_live(&world, 0);
            }
        }
        CHECK(world.requests > 2000);
        end(&world);
    }
}

/* A million numbers: as many rows as a few have. */
static void test_a_million(void)
{
    world world;
    begin(&world, 5);
    uint32_t sites = 0, strings = 0, portions = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        ctm_tracer_labels_release(world.tracer, world.held[0].handle);
        new_request(&world, &world.held[0]);
        allocate(&world, &world.blocks[0], &world.held[0], 4096);
        ctm_shard *shard = ctm_shard_enter(world.tracer, 0);
        CHECK(ctm_shard_free(shard, 0, 4096));
        ctm_shard_leave(shard);
        count_live(&world, -(int64_t)world.blocks[0].size);
        world.blocks[0].size = 0;
        const struct ctmi_store *store = &world.tracer->shards[0].store;
        if (i == 10000) {
            sites = ctmi_store_site_count(store);
            strings = ctmi_store_string_count(store);
            portions = world.tracer->shards[0].portions.count;
        }
    }
    CHECK_EQ(ctmi_store_site_count(&world.tracer->shards[0].store), sites);
    CHECK_EQ(ctmi_store_string_count(&world.tracer->shards[0].store), strings);
    CHECK_EQ(world.tracer->shards[0].portions.count, portions);
    CHECK_EQ(world.rests, 0);
    check_snapshot(&world);
    end(&world);
}

/* The tables were emptied. */
static void forget(world *world)
{
    memset(world->blocks, 0, sizeof world->blocks);
    memset(world->at_peak, 0, sizeof world->at_peak);
    memset(world->allocated, 0, sizeof world->allocated);
    world->live = world->peak = 0;
    for (uint32_t i = 0; i < HELD; i++) {
        world->held[i].allocated = 0;
    }
}

static void test_clear_and_stop(void)
{
    world world;
    begin(&world, 6);
    for (uint32_t i = 0; i < 300; i++) {
        event(&world);
    }
    ctm_tracer_clear(world.tracer);
    forget(&world);
    for (uint32_t i = 0; i < 300; i++) {
        event(&world);
    }
    check_snapshot(&world);
    ctm_tracer_stop(world.tracer);
    forget(&world);
    REQUIRE(ctm_tracer_start(world.tracer, 1) == CTM_OK);
    for (uint32_t i = 0; i < 300; i++) {
        event(&world);
    }
    check_snapshot(&world);
    end(&world);
}

static uint64_t sum_of(ctm_tracer *tracer, const char *route, counter counter)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    const uint64_t sum = snapshot_sum(snapshot, route, NULL, counter);
    ctm_snapshot_unref(snapshot);
    return sum;
}

/* A program has the value "other" itself, in a set that was seen before its other value was kept. The rest is another set. */
static void test_the_programs_own_other(void)
{
    ctm_tracer *tracer;
    ctm_shard *shard;
    const ctm_frame_text frame = {"a.py", "f", 1, 1};
    const ctm_label_text own[] = {{"a", "1"}, {"b", "other"}};
    uint32_t first, second, site, traceback;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
    REQUIRE(ctm_tracer_labels(tracer, own, 2, &first) == CTM_OK);
    CHECK(ctmi_label_entry_of(&tracer->labels, first)->rest != 0);
    for (uint32_t i = 0; i < 40; i++) {
        char number[16];
        const ctm_label_text pairs[] = {{"a", "1"}, {"b", number}};
        snprintf(number, sizeof number, "%u", i);
        REQUIRE(ctm_tracer_labels(tracer, pairs, 2, &second) == CTM_OK);
        const uint32_t rest = ctmi_label_entry_of(&tracer->labels, second)->rest;
        CHECK(rest != 0 && ctmi_label_entry_of(&tracer->labels, rest)->rest == 0);
        shard = ctm_shard_enter(tracer, 0);
        REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
        REQUIRE(ctm_shard_labelled_site(shard, 0, traceback, 16, second, &site) == CTM_OK);
        REQUIRE(ctm_shard_alloc_at(shard, 0, 4096 + 16 * i, site) == CTM_OK);
        ctm_shard_leave(shard);
        ctm_tracer_labels_release(tracer, second);
        if (i == 5) {
            ctm_tracer_labels_release(tracer, first);
        }
        if (i % 10 == 9) {
            ctm_tracer_clear(tracer);
        }
    }
    ctm_tracer_free(tracer);
}

/* A few values that come again are kept from the second time on; live blocks from before are counted with them. */
static void test_values_that_are_kept(void)
{
    world world;
    request request = {.number = ""};
    ctm_tracer *tracer;
    begin(&world, 10);
    tracer = world.tracer;
    for (uint32_t turn = 1; turn <= 4; turn++) {
        const ctm_label_text pair = {"route", "/new"};
        REQUIRE(ctm_tracer_labels(tracer, &pair, 1, &request.handle) == CTM_OK);
        allocate(&world, &world.blocks[0], &request, 64 * (uintptr_t)turn);
        const uint64_t live = world.blocks[0].size;
        allocate(&world, &world.blocks[1], &request, 4096);
        ctm_shard *shard = ctm_shard_enter(tracer, 0);
        CHECK(ctm_shard_free(shard, 0, 4096));
        ctm_shard_leave(shard);
        ctm_tracer_labels_release(tracer, request.handle);
        CHECK_EQ(ctmi_label_entry_of(&tracer->labels, request.handle)->rest == 0, turn >= 2);
        CHECK_EQ(sum_of(tracer, "/new", ALLOCATED), 2 * turn);
        CHECK(sum_of(tracer, "/new", LIVE) >= live * turn / 2);
    }
    end(&world);
}

static void test_refusals(void)
{
    ctm_tracer *tracer;
    uint32_t one, two;
    char long_key[300], long_value[2000], keys[300][8];
    ctm_label_text many[300];
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    memset(long_key, 'k', sizeof long_key);
    long_key[299] = '\0';
    memset(long_value, 'v', sizeof long_value);
    long_value[1999] = '\0';
    const ctm_label_text bad[] = {
        {"", "v"}, {long_key, "v"}, {"k", long_value}, {"k\xff", "v"}, {"k", "\xff"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(ctm_tracer_labels(tracer, &bad[i], 1, &one), CTM_ERR_INVALID);
    }
    for (size_t i = 0; i < 300; i++) {
        snprintf(keys[i], sizeof keys[i], "%zu", i);
        many[i] = (ctm_label_text){keys[i], "v"};
    }
    CHECK_EQ(ctm_tracer_labels(tracer, many, 300, &one), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tracer_labels(tracer, NULL, 0, &one), CTM_OK);
    CHECK_EQ(one, 0);
    /* The order and what comes twice do not matter. */
    const ctm_label_text first[] = {{"b", "x"}, {"a", "1"}, {"b", "2"}},
                         second[] = {{"a", "1"}, {"b", "2"}};
    CHECK_EQ(ctm_tracer_labels(tracer, first, 3, &one), CTM_OK);
    CHECK_EQ(ctm_tracer_labels(tracer, second, 2, &two), CTM_OK);
    CHECK_EQ(one, two);
    /* More keys than are remembered: no labels. */
    for (size_t i = 0; i < 300; i++) {
        CHECK_EQ(ctm_tracer_labels(tracer, &many[i], 1, &one), CTM_OK);
    }
    CHECK(one == 0 || ctmi_label_entry_of(&tracer->labels, one)->rest == 0);
    ctm_tracer_free(tracer);
}

/* A set with one more pair is the set of all pairs. */
static void test_one_more_pair(void)
{
    ctm_tracer *tracer;
    uint32_t set, with, expected;
    const ctm_label_text thread = {"thread", "worker"};
    const ctm_label_text pairs[] = {{"a", "1"}, {"z", ""}, {"thread", "worker"}};
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    for (int turn = 0; turn < 3; turn++) { /* temporary sets, and kept ones */
        REQUIRE(ctm_tracer_labels(tracer, pairs, 2, &set) == CTM_OK);
        REQUIRE(ctm_tracer_labels_with(tracer, set, &thread, &with) == CTM_OK);
        REQUIRE(ctm_tracer_labels(tracer, pairs, 3, &expected) == CTM_OK);
        CHECK_EQ(with, expected);
        CHECK(with != set);
        CHECK_EQ(ctmi_label_entry_of(&tracer->labels, with)->refs, 2);
        ctm_tracer_labels_release(tracer, expected);
        /* One that the set has is the set's. */
        const ctm_label_text other = {"thread", "other"};
        REQUIRE(ctm_tracer_labels_with(tracer, with, &other, &expected) == CTM_OK);
        CHECK_EQ(with, expected);
        ctm_tracer_labels_release(tracer, expected);
        REQUIRE(ctm_tracer_labels_with(tracer, set, NULL, &expected) == CTM_OK);
        CHECK_EQ(set, expected);
        CHECK_EQ(ctmi_label_entry_of(&tracer->labels, set)->refs, 2);
        ctm_tracer_labels_release(tracer, expected);
        ctm_tracer_labels_release(tracer, set);
        ctm_tracer_labels_release(tracer, with);
    }
    REQUIRE(ctm_tracer_labels_with(tracer, 0, &thread, &with) == CTM_OK);
    REQUIRE(ctm_tracer_labels(tracer, &thread, 1, &expected) == CTM_OK);
    CHECK_EQ(with, expected);
    CHECK_EQ(ctm_tracer_labels_with(tracer, 0, NULL, &with), CTM_OK);
    CHECK_EQ(with, 0);
    const ctm_label_text bad = {"", ""};
    CHECK_EQ(ctm_tracer_labels_with(tracer, expected, &bad, &with), CTM_ERR_INVALID);
    ctm_tracer_free(tracer);
}

/* --- files --- */

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

static void choose_path(void)
{
    snprintf(path, sizeof path, "/tmp/ctm_test_labels_%d", (int)getpid());
    atexit(remove_file);
}

static void check_routes(const world *world, const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    uint64_t allocated[ROUTES] = {0}, bytes[ROUTES] = {0};
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        allocated[strcmp(value_of(snapshot, &sites[id], "route"), routes[1]) == 0] +=
            sites[id].allocated;
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        bytes[world->blocks[i].route] += world->blocks[i].size;
    }
    for (uint32_t i = 0; i < ROUTES; i++) {
        CHECK_EQ(allocated[i], world->allocated[i]);
        CHECK_EQ(snapshot_bytes(snapshot, routes[i], NULL), bytes[i]);
    }
}

/* A file is read as it was written: its reader refuses two rows with the same content. */
static void test_file(void)
{
    world world;
    ctm_file_error error;
    ctm_snapshot *snapshot, *read;
    bool same;
    choose_path();
    begin(&world, 8);
    for (uint32_t i = 0; i < EVENTS / 10; i++) {
        event(&world);
        if (i % 101 != 0) {
            continue;
        }
        REQUIRE(ctm_tracer_snapshot(world.tracer, &snapshot) == CTM_OK);
        REQUIRE(ctm_snapshot_write(snapshot, path, NULL, 0) == CTM_OK);
        if (!CHECK_EQ(ctm_snapshot_read(path, &read, NULL, NULL, &error), CTM_OK)) {
            printf("%s\n", error.reason);
            return;
        }
        REQUIRE(ctm_snapshot_equal(snapshot, read, &same) == CTM_OK);
        CHECK(same);
        check_routes(&world, read);
        ctm_snapshot_unref(read);
        ctm_snapshot_unref(snapshot);
    }
    end(&world);
}

/* Values that are not kept are "other" there. */
static void test_black_box(void)
{
    world world;
    ctm_file_error error = {0, NULL};
    ctm_black_box *box;
    ctm_snapshot *snapshot;
    choose_path();
    begin(&world, 9);
    REQUIRE(ctm_black_box_start(world.tracer, path) == CTM_OK);
    for (uint32_t i = 0; i < EVENTS / 4; i++) {
        event(&world);
        if (i % 301 != 0) {
            continue;
        }
        REQUIRE(ctm_black_box_open(path, &box, &error) == CTM_OK);
        if (!CHECK_EQ(ctm_black_box_snapshot(box, &snapshot, &error), CTM_OK)) {
            printf("%s\n", error.reason);
            return;
        }
        check_routes(&world, snapshot);
        ctm_snapshot_unref(snapshot);
        ctm_black_box_close(box);
    }
    end(&world);
}

/* At each tick, and by routes: what the snapshot of the same moment has. */
static void test_recording(void)
{
    enum { TICKS = 300 };
    static uint64_t live[TICKS][ROUTES], allocated[TICKS][ROUTES];
    ctm_recorder *recorder;
    ctm_recording *recording;
    ctm_file_error error;
    world world;
    choose_path();
    begin(&world, 7);
    REQUIRE(ctm_recorder_start(world.tracer, path, 3600ull * 1000000000u, NULL, &recorder) ==
            CTM_OK);
    for (uint32_t tick = 0; tick < TICKS; tick++) {
        for (uint32_t i = check_random(&world.random) % 60; i > 0; i--) {
            event(&world);
        }
        REQUIRE(ctm_recorder_tick(recorder) == CTM_OK);
        memcpy(allocated[tick], world.allocated, sizeof world.allocated);
        for (uint32_t i = 0; i < BLOCKS; i++) {
            live[tick][world.blocks[i].route] += world.blocks[i].size;
        }
    }
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
    ctm_recorder_free(recorder);
    REQUIRE(ctm_recording_open(path, &recording, &error) == CTM_OK);
    const size_t moments = ctm_recording_info_get(recording)->moments;
    REQUIRE(moments >= TICKS);
    for (size_t tick = 0; tick < TICKS; tick++) {
        ctm_snapshot *snapshot;
        const size_t moment = moments - 1 - TICKS + tick;
        REQUIRE(ctm_recording_snapshot(recording, moment, &snapshot) == CTM_OK);
        for (uint32_t i = 0; i < ROUTES; i++) {
            CHECK_EQ(snapshot_bytes(snapshot, routes[i], NULL), live[tick][i]);
        }
        ctm_snapshot_info info;
        const ctm_site *sites = ctm_snapshot_sites(snapshot);
        uint64_t of_route[ROUTES] = {0};
        ctm_snapshot_info_get(snapshot, &info);
        for (uint32_t id = 1; id <= info.sites; id++) {
            of_route[strcmp(value_of(snapshot, &sites[id], "route"), routes[1]) == 0] +=
                sites[id].allocated;
        }
        CHECK_EQ(of_route[0], allocated[tick][0]);
        CHECK_EQ(of_route[1], allocated[tick][1]);
        ctm_snapshot_unref(snapshot);
    }
    ctm_recording_free(recording);
    end(&world);
}

TEST_LIST = {
    TEST(test_model),
    TEST(test_a_million),
    TEST(test_clear_and_stop),
    TEST(test_values_that_are_kept),
    TEST(test_the_programs_own_other),
    TEST(test_refusals),
    TEST(test_one_more_pair),
    TEST(test_file),
    TEST(test_black_box),
    TEST(test_recording),
    TEST_LIST_END,
};
