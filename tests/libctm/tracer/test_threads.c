/* test_threads.c: all shards at once; meant for TSan as much as for its own checks.
 *
 * Model: an address has an owner, who got it by a compare-and-swap, as from an allocator: *free*,
 * *taken* by a thread that is working on it, or *live*, waiting for whoever frees it. The claim
 * is the only synchronisation between the threads besides the tracer's own. One thread plays the
 * exclusive side: events in shard 0, and snapshots, clears, stops, starts, memory, reset_peak.
 *
 * Some blocks are in one of two scopes, the second of which is within the first. The exclusive side begins and ends others, with labels
 * of their own, in the meantime.
 *
 * Two tests: one with tracing on throughout, after which everything must add up to
 * the byte, and one with clears and stops at any moment, which must end in a tracer that works.
 * CTM_TEST_OPERATIONS in the environment: how many for each thread.
 */
#define CHECK_SET_UP begin
#include "check.h"

#include <pthread.h>
#include <unistd.h>

#include "ctm/labels.h"
#include "ctm/scopes.h"
#include "ctm/snapshot.h"
#include "ctm/tracer.h"

enum { THREADS = 6, ADDRESSES = 3000, PLACES = 40 };
enum { FREE, TAKEN, LIVE };

struct address {
    uint32_t domain;
    uintptr_t at;
    _Atomic int state;
    uint64_t size;  /* its owner's; the claim hands it on */
    uint32_t scope; /* the same; of `scopes`, SCOPES: in none */
};

enum { SCOPES = 2 };
static ctm_scope *scopes[SCOPES];
static uint32_t handles[SCOPES + 1]; /* the last one is of no scope: 0 */

static struct address addresses[ADDRESSES];
static ctm_tracer *tracer;
static _Atomic bool steady; /* the round without clears */
static _Atomic bool finished;
static unsigned long operations;

static void make_addresses(void)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        uintptr_t near = 0x7f0000000000 + i * 16ull, far = 0x100000000 + i * (1ull << 22);
        addresses[i].domain = i % 10 == 9 ? 389047 : 0;
        addresses[i].at = i % 3 == 0 ? far : i % 7 == 0 ? near + 1 : near;
        atomic_init(&addresses[i].state, FREE);
    }
}

static bool claim(struct address *address, int state)
{
    return atomic_compare_exchange_strong_explicit(&address->state, &state, TAKEN,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void release(struct address *address, int state)
{
    atomic_store_explicit(&address->state, state, memory_order_release);
}

static uint32_t some_traceback(ctm_shard *shard, uint64_t draw)
{
    ctm_frame_text frames[2] = {{"leaf.py", "leaf", 1, (int32_t)(draw % PLACES)},
                                {"root.py", "root", 1, (int32_t)(draw % 3)}};
    uint32_t id = 0;
    CHECK_EQ(ctm_shard_traceback_text(shard, frames, 1 + draw % 2, 2, &id), CTM_OK);
    return id;
}

/* Each event may find the tracer stopped: then nothing is recorded, and the address
 * goes on living (or not) without. */
static void event_alloc(uint32_t index, struct address *address, uint64_t draw)
{
    ctm_shard *shard = ctm_shard_enter(tracer, index);
    address->size = 1 + draw % 8 * 16;
    address->scope = (draw >> 30) % (SCOPES + 1);
    if (shard != NULL) {
        uint32_t site = 0;
        CHECK_EQ(ctm_shard_labelled_site(shard, address->domain, some_traceback(shard, draw),
                                         address->size, handles[address->scope], &site),
                 CTM_OK);
        CHECK_EQ(ctm_shard_alloc_labelled_at(shard, address->domain, address->at, site), CTM_OK);
        ctm_shard_leave(shard);
    } else {
        CHECK(!atomic_load(&steady));
    }
    release(address, LIVE);
}

static void event_free(uint32_t index, struct address *address)
{
    ctm_shard *shard = ctm_shard_enter(tracer, index);
    if (shard != NULL) {
        bool known = ctm_shard_free(shard, address->domain, address->at);
        CHECK(known || !atomic_load(&steady));
        ctm_shard_leave(shard);
    }
    release(address, FREE); /* after untracking: the next owner's record must not be lost */
}

static void event_look(uint32_t index, struct address *address, uint64_t draw)
{
    ctm_shard *shard = ctm_shard_enter(tracer, index);
    if (shard != NULL) {
        ctm_block block;
        ctm_status status = ctm_shard_find(shard, address->domain, address->at, &block);
        CHECK(status == CTM_OK ? block.size == address->size : !atomic_load(&steady));
        if (draw % 2) {
            status = ctm_shard_reattribute(shard, address->domain, address->at,
                                           some_traceback(shard, draw));
            CHECK(status == CTM_OK || !atomic_load(&steady));
            address->scope = SCOPES;
        }
        ctm_shard_leave(shard);
    }
    release(address, LIVE);
}

/* The shard is left between begin and its end; the block may move. */
static void event_resize(uint32_t index, struct address *old, struct address *fresh, uint64_t draw)
{
    ctm_resize resize;
    uint64_t size = 5 + draw % 9;
    bool fails = draw % 5 == 0;
    ctm_shard *shard = ctm_shard_enter(tracer, index);
    bool begun = shard != NULL;
    if (begun) {
        CHECK_EQ(ctm_shard_resize_begin(shard, old->domain, old->at, size,
                                        some_traceback(shard, draw), &resize),
                 CTM_OK);
        ctm_shard_leave(shard);
    }
    if (!fails && old != fresh) {
        release(old, FREE); /* as the real realloc: others may be given it from now on */
    }
    shard = begun ? ctm_shard_enter(tracer, index) : NULL;
    if (shard != NULL && fails) {
        ctm_shard_resize_abort(shard, &resize);
    } else if (shard != NULL) {
        ctm_shard_resize_commit(shard, &resize, fresh->at);
    }
    if (shard != NULL) {
        ctm_shard_leave(shard);
    }
    if (!fails) {
        fresh->size = size;
        fresh->scope = SCOPES;
    }
    if (old != fresh) {
        release(fails ? old : fresh, LIVE);
        if (fails) {
            release(fresh, FREE);
        }
    } else {
        release(old, LIVE);
    }
}

static void one_event(uint32_t index, uint64_t draw)
{
    struct address *address = &addresses[draw % ADDRESSES];
    draw /= ADDRESSES;
    if (claim(address, FREE)) {
        event_alloc(index, address, draw / 8);
    } else if (claim(address, LIVE)) {
        struct address *fresh = &addresses[(draw >> 20) % ADDRESSES];
        if (draw % 8 < 4) {
            event_free(index, address);
        } else if (draw % 8 == 4) {
            event_look(index, address, draw / 8);
        } else if (draw % 8 == 5) {
            event_resize(index, address, address, draw / 8);
        } else if (fresh->domain == address->domain && claim(fresh, FREE)) {
            event_resize(index, address, fresh, draw / 8);
        } else {
            release(address, LIVE);
        }
    }
}

static void *locked_thread(void *argument)
{
    uint64_t n = (uintptr_t)argument, random = n + 100;
    for (unsigned long i = 0; i < operations; i++) {
        one_event(1 + (uint32_t)(n % (CTM_SHARDS - 1)), check_random(&random) >> 1);
    }
    return NULL;
}

static void take_and_check_snapshot(void)
{
    ctm_snapshot *snapshot;
    ctm_status status = ctm_tracer_snapshot(tracer, &snapshot);
    if (status == CTM_ERR_NOT_TRACING) {
        CHECK(!atomic_load(&steady));
        return;
    }
    REQUIRE(status == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.live_blocks <= ADDRESSES + THREADS + 1);
    CHECK(info.peak_bytes >= info.current_bytes);
    ctm_snapshot_unref(snapshot);
}

/* A scope with a label of its own, and one block. */
static void a_scope_passes(uint64_t draw)
{
    static uint32_t number;
    char text[16];
    const ctm_label_text pair = {"number", text};
    ctm_scope *scope;
    ctm_snapshot *snapshot;
    ctm_scope_figures figures;
    uint32_t handle, site;
    snprintf(text, sizeof text, "%u", number++);
    REQUIRE(ctm_tracer_scope_begin(tracer, scopes[draw % SCOPES], &scope) == CTM_OK);
    REQUIRE(ctm_tracer_labels_in(tracer, &pair, draw / 2 % 2, scope, NULL, &handle) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    if (shard != NULL) {
        REQUIRE(ctm_shard_labelled_site(shard, 0, some_traceback(shard, draw), 48, handle, &site) ==
                CTM_OK);
        REQUIRE(ctm_shard_alloc_labelled_at(shard, 0, 4096, site) == CTM_OK);
        CHECK(ctm_shard_free(shard, 0, 4096));
        ctm_shard_leave(shard);
    }
    if (draw / 4 % 4 == 0 && ctm_scope_snapshot(scopes[0], true, &snapshot) == CTM_OK) {
        ctm_snapshot_unref(snapshot);
    }
    ctm_scope_end(scope);
    ctm_scope_read(scope, &figures);
    CHECK(figures.live_bytes == 0 && (shard == NULL || figures.peak_bytes == 48));
    ctm_tracer_labels_release(tracer, handle);
    ctm_scope_release(scope);
}

static void exclusive_control(uint64_t draw)
{
    a_scope_passes(draw / 10);
    switch (draw % 10) {
    case 0:
    case 1: take_and_check_snapshot(); break;
    case 2: CHECK(ctm_tracer_memory(tracer) > 0); break;
    case 3: ctm_tracer_reset_peak(tracer); break;
    case 4:
    case 5:
        if (!atomic_load(&steady)) {
            ctm_tracer_clear(tracer);
        }
        break;
    case 6:
    case 7:
        if (!atomic_load(&steady)) {
            ctm_tracer_stop(tracer);
        }
        break;
    default: CHECK_EQ(ctm_tracer_start(tracer, 1), CTM_OK); break;
    }
}

static void *exclusive_thread(void *unused)
{
    (void)unused;
    uint64_t random = 7;
    for (unsigned long i = 0; i < operations; i++) {
        uint64_t draw = check_random(&random) >> 1;
        if (i % 100 == 0) {
            exclusive_control(draw);
        } else {
            one_event(0, draw);
        }
    }
    return NULL;
}

static void *watching_thread(void *unused)
{
    (void)unused;
    while (!atomic_load(&finished)) {
        ctm_totals totals;
        ctm_tracer_totals(tracer, &totals);
        CHECK(totals.peak_bytes >= totals.current_bytes);
        CHECK(ctm_tracer_nframe(tracer) == 1 && ctm_tracer_generation(tracer) != 0);
        (void)ctm_tracer_is_tracing(tracer);
        usleep(20);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS], exclusive, watching;
    atomic_store(&finished, false);
    REQUIRE(pthread_create(&exclusive, NULL, exclusive_thread, NULL) == 0);
    REQUIRE(pthread_create(&watching, NULL, watching_thread, NULL) == 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, locked_thread, (void *)i) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(exclusive, NULL);
    atomic_store(&finished, true);
    pthread_join(watching, NULL);
}

/* The second scope is within the first. */
static void check_scopes(void)
{
    uint64_t bytes[SCOPES + 1] = {0}, blocks[SCOPES + 1] = {0};
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        if (addresses[i].state == LIVE) {
            bytes[addresses[i].scope] += addresses[i].size;
            blocks[addresses[i].scope]++;
        }
    }
    for (uint32_t i = 0; i < SCOPES; i++) {
        ctm_scope_figures figures;
        ctm_snapshot *snapshot;
        ctm_snapshot_info info;
        ctm_scope_read(scopes[i], &figures);
        CHECK(figures.is_known);
        CHECK_EQ(figures.live_bytes, bytes[i] + (i == 0 ? bytes[1] : 0));
        CHECK_EQ(figures.live_blocks, blocks[i] + (i == 0 ? blocks[1] : 0));
        CHECK(figures.peak_bytes >= figures.live_bytes);
        REQUIRE(ctm_scope_snapshot(scopes[i], false, &snapshot) == CTM_OK);
        ctm_snapshot_info_get(snapshot, &info);
        CHECK_EQ(info.current_bytes, figures.live_bytes);
        ctm_snapshot_unref(snapshot);
    }
}

static void begin_scopes(void)
{
    for (uint32_t i = 0; i < SCOPES; i++) {
        REQUIRE(ctm_tracer_scope_begin(tracer, i == 0 ? NULL : scopes[0], &scopes[i]) == CTM_OK);
        REQUIRE(ctm_tracer_labels_in(tracer, NULL, 0, scopes[i], NULL, &handles[i]) == CTM_OK);
    }
}

static void end_scopes(void)
{
    for (uint32_t i = 0; i < SCOPES; i++) {
        ctm_tracer_labels_release(tracer, handles[i]);
        ctm_scope_release(scopes[i]);
    }
}

/* Nobody is running: everything adds up. */
static void check_sums(void)
{
    uint64_t bytes = 0, blocks = 0;
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        ctm_block block;
        ctm_status status = ctm_shard_find(shard, addresses[i].domain, addresses[i].at, &block);
        CHECK_EQ(status == CTM_OK, addresses[i].state == LIVE);
        if (status == CTM_OK) {
            CHECK_EQ(block.size, addresses[i].size);
            bytes += addresses[i].size;
            blocks++;
        }
    }
    ctm_shard_leave(shard);
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    CHECK_EQ(totals.current_bytes, bytes);
    CHECK_EQ(totals.live_blocks, blocks);
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.current_bytes, bytes);
    CHECK_EQ(info.live_blocks, blocks);
    ctm_snapshot_unref(snapshot);
}

static void free_everything(void)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        if (claim(&addresses[i], LIVE)) {
            event_free(i % CTM_SHARDS, &addresses[i]);
        }
    }
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    CHECK(totals.current_bytes == 0 && totals.live_blocks == 0);
}

static void begin(void)
{
    operations = check_number("CTM_TEST_OPERATIONS", 40000);
    make_addresses();
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    begin_scopes();
}

static void run_steady(void)
{
    atomic_store(&steady, true);
    run_threads();
    check_sums();
    check_scopes();
    free_everything();
    end_scopes();
    begin_scopes();
}

static void test_steady(void)
{
    run_steady();
    ctm_tracer_free(tracer);
}

static void test_clears_and_stops(void)
{
    atomic_store(&steady, false);
    run_threads();
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_tracer_clear(tracer);
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        release(&addresses[i], FREE);
    }
    end_scopes();
    begin_scopes();
    run_steady(); /* it works as before */
    ctm_tracer_free(tracer);
}

TEST_LIST = {
    TEST(test_steady),
    TEST(test_clears_and_stops),
    TEST_LIST_END,
};
