/* test_scopes.c: scopes of a running tracer, against a model that counts for each scope of each block.
 *
 * Model: a few threads, each with scopes within scopes, and scopes of the process. Each thread allocates with a handle for its
 * innermost scope, the process's and perhaps a label, in shards as it happens; any block is freed through any shard. Scopes end,
 * are released before or after that, and blocks outlive them. At any moment the figures and snapshots of each scope that is held
 * are the model's, and what is in no scope makes up the rest of the totals.
 */
#define CHECK_SET_UP sizes_small
#include "check.h"
#include "faults.h"

#include "ctm/ctm.h"
#include "tracer/tracer.h"

#define THREADS 3u
#define SCOPES 24u /* known at a time */
#define DEPTH 6u
#define BLOCKS 60u
#define LINES 3u
#define EVENTS 9000u
#define NONE UINT32_MAX

typedef struct lines {
    uint64_t live[LINES + 1], allocated[LINES + 1]; /* bytes, by line */
} lines;

typedef struct scope {
    ctm_scope *scope; /* NULL: not held */
    uint32_t parent;  /* in `scopes` */
    bool has_ended;
    uint64_t live, blocks, peak, allocated, n_allocated, grown, n_grown;
    lines now, at_peak, at_end;
    uint32_t serial;
} scope;

typedef struct block {
    uint64_t size; /* 0: not allocated */
    uint32_t line, n;
    uint32_t of[SCOPES], serials[SCOPES]; /* the scopes that it counts for */
    uint32_t handle_scope;
} block;

typedef struct thread {
    uint32_t open[DEPTH], depth;
    uint32_t handle;
} thread;

typedef struct world {
    ctm_tracer *tracer;
    thread threads[THREADS];
    uint32_t process; /* the innermost scope of the process; NONE */
    scope scopes[SCOPES];
    block blocks[BLOCKS];
    uint64_t live, random;
    uint32_t serial, numbers;
} world;

static uint32_t draw(world *world, uint32_t n)
{
    return (uint32_t)check_random(&world->random) % n;
}

static uint32_t free_slot(const world *world)
{
    for (uint32_t i = 0; i < SCOPES; i++) {
        if (world->scopes[i].scope == NULL && world->scopes[i].serial == 0) {
            return i;
        }
    }
    return NONE;
}

static ctm_scope *scope_of(const world *world, uint32_t at)
{
    return at != NONE ? world->scopes[at].scope : NULL;
}

static uint32_t innermost(const thread *thread)
{
    return thread->depth != 0 ? thread->open[thread->depth - 1] : NONE;
}

/* The thread's handle for its scopes, and at times for a new label. */
static void renew(world *world, thread *thread)
{
    char number[16];
    const ctm_label_text pairs[] = {{"number", number}, {"host", "h"}};
    static const size_t n_pairs[] = {0, 0, 1, 2};
    const size_t n = n_pairs[draw(world, 4)];
    const uint32_t before = thread->handle;
    snprintf(number, sizeof number, "%u", draw(world, 2) == 0 ? draw(world, 3) : world->numbers++);
    REQUIRE(ctm_tracer_labels_in(world->tracer, pairs, n, scope_of(world, innermost(thread)),
                                 scope_of(world, world->process), &thread->handle) == CTM_OK);
    ctm_tracer_labels_release(world->tracer, before);
}

static void begin_scope(world *world, uint32_t parent, uint32_t *out)
{
    const uint32_t at = free_slot(world);
    *out = at;
    if (at == NONE) {
        return;
    }
    scope *scope = &world->scopes[at];
    memset(scope, 0, sizeof *scope);
    scope->serial = ++world->serial;
    scope->parent = parent;
    REQUIRE(ctm_tracer_scope_begin(world->tracer, scope_of(world, parent), &scope->scope) ==
            CTM_OK);
}

static void end_scope(scope *scope)
{
    if (!scope->has_ended) {
        ctm_scope_end(scope->scope);
        scope->has_ended = true;
        scope->grown = scope->live;
        scope->n_grown = scope->blocks;
        scope->at_end = scope->now;
    }
}

static void push(world *world, thread *thread)
{
    uint32_t at;
    if (thread->depth < DEPTH) {
        begin_scope(world, innermost(thread), &at);
        if (at != NONE) {
            thread->open[thread->depth++] = at;
            renew(world, thread);
        }
    }
}

static void pop(world *world, thread *thread)
{
    if (thread->depth != 0) {
        end_scope(&world->scopes[innermost(thread)]);
        thread->depth--;
        renew(world, thread);
    }
}

static void begin_or_end_process(world *world)
{
    uint32_t at = world->process;
    if (draw(world, 2) == 0 && at != NONE) {
        end_scope(&world->scopes[at]);
        world->process = world->scopes[at].parent;
        while (world->process != NONE && world->scopes[world->process].has_ended) {
            world->process = world->scopes[world->process].parent;
        }
    } else if (at == NONE || world->scopes[at].parent == NONE) {
        begin_scope(world, at, &at);
        world->process = at != NONE ? at : world->process;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        renew(world, &world->threads[i]);
    }
}

/* Releases a scope that has ended and that no other in the model needs. */
static void release_one(world *world)
{
    scope *scope = &world->scopes[draw(world, SCOPES)];
    const uint32_t at = (uint32_t)(scope - world->scopes);
    if (scope->scope == NULL || !scope->has_ended) {
        return;
    }
    for (uint32_t i = 0; i < SCOPES; i++) {
        if (world->scopes[i].scope != NULL && world->scopes[i].parent == at) {
            return;
        }
    }
    ctm_scope_release(scope->scope);
    memset(scope, 0, sizeof *scope);
}

/* --- blocks --- */

static void count(scope *scope, uint32_t line, uint64_t size, bool is_allocated)
{
    if (!is_allocated) {
        scope->live -= size;
        scope->blocks--;
        scope->now.live[line] -= size;
        return;
    }
    scope->live += size;
    scope->blocks++;
    scope->now.live[line] += size;
    scope->now.allocated[line] += size;
    if (!scope->has_ended) {
        scope->allocated += size;
        scope->n_allocated++;
        if (scope->live > scope->peak) {
            scope->peak = scope->live;
            scope->at_peak = scope->now;
        }
    }
}

static void count_for(world *world, block *block, uint32_t at)
{
    for (; at != NONE; at = world->scopes[at].parent) {
        block->of[block->n] = at;
        block->serials[block->n++] = world->scopes[at].serial;
        count(&world->scopes[at], block->line, block->size, true);
    }
}

static void model_allocated(world *world, const thread *thread, block *block)
{
    block->n = 0;
    world->live += block->size;
    count_for(world, block, innermost(thread));
    count_for(world, block, world->process);
}

static void model_freed(world *world, block *block)
{
    for (uint32_t i = 0; i < block->n; i++) {
        scope *scope = &world->scopes[block->of[i]];
        if (scope->serial == block->serials[i]) {
            count(scope, block->line, block->size, false);
        }
    }
    world->live -= block->size;
    block->size = 0;
}

static uint32_t site_for(ctm_shard *shard, const thread *thread, const block *block, uint64_t size)
{
    const ctm_frame_text frame = {"a.py", "f", 1, (int32_t)block->line};
    uint32_t traceback, site;
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    REQUIRE(ctm_shard_labelled_site(shard, 0, traceback, size, thread->handle, &site) == CTM_OK);
    CHECK(ctm_shard_has_labels(shard, site, thread->handle));
    return site;
}

static void allocate(world *world, ctm_shard *shard, const thread *thread, block *block,
                     uintptr_t address)
{
    block->size = 16 + 16 * draw(world, 2);
    block->line = 1 + draw(world, LINES);
    const uint32_t site = site_for(shard, thread, block, block->size);
    REQUIRE(ctm_shard_alloc_labelled_at(shard, 0, address, site) == CTM_OK);
    model_allocated(world, thread, block);
}

static void resize(world *world, ctm_shard *shard, const thread *thread, block *block,
                   uintptr_t address)
{
    ctm_resize begun;
    const uint64_t size = 16 + 16 * draw(world, 2);
    const uint32_t line = 1 + draw(world, LINES);
    struct block next = {.size = size, .line = line};
    const uint32_t site = site_for(shard, thread, &next, size);
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, address, site, &begun) == CTM_OK);
    if (draw(world, 4) == 0) {
        ctm_shard_resize_abort(shard, &begun);
        return;
    }
    ctm_shard_resize_commit(shard, &begun, address);
    model_freed(world, block);
    *block = next;
    model_allocated(world, thread, block);
}

static void reattribute(world *world, ctm_shard *shard, const thread *thread, block *block,
                        uintptr_t address)
{
    ctm_found found;
    const uint64_t size = block->size;
    REQUIRE(ctm_shard_seek(shard, 0, address, &found));
    struct block next = {.size = size, .line = 1 + draw(world, LINES)};
    ctm_shard_reattribute_labelled_at(shard, &found, site_for(shard, thread, &next, size));
    model_freed(world, block);
    *block = next;
    model_allocated(world, thread, block);
}

static void block_event(world *world)
{
    const uint32_t at = draw(world, BLOCKS);
    block *block = &world->blocks[at];
    const thread *thread = &world->threads[draw(world, THREADS)];
    const uintptr_t address = 4096 + 64 * (uintptr_t)at;
    ctm_shard *shard = ctm_shard_enter(world->tracer, draw(world, 3));
    REQUIRE(shard != NULL);
    if (block->size == 0) {
        allocate(world, shard, thread, block, address);
    } else if (draw(world, 4) == 0) {
        reattribute(world, shard, thread, block, address);
    } else if (draw(world, 4) == 0) {
        resize(world, shard, thread, block, address);
    } else {
        CHECK(ctm_shard_free(shard, 0, address));
        model_freed(world, block);
    }
    ctm_shard_leave(shard);
}

static void event(world *world)
{
    thread *thread = &world->threads[draw(world, THREADS)];
    switch (draw(world, 24)) {
    case 0: push(world, thread); break;
    case 1: pop(world, thread); break;
    case 2: renew(world, thread); break;
    case 3: release_one(world); break;
    case 4:
        if (draw(world, 4) == 0) {
            begin_or_end_process(world);
        }
        break;
    default: block_event(world);
    }
}

/* --- checks --- */

static void check_snapshot(const scope *scope, bool at_end)
{
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    lines found = {{0}, {0}}, peak = {{0}, {0}};
    const lines *live = at_end && scope->has_ended ? &scope->at_end : &scope->now;
    REQUIRE(ctm_scope_snapshot(scope->scope, at_end, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_traceback *traceback = &ctm_snapshot_tracebacks(snapshot)[sites[id].traceback];
        const int32_t line = ctm_snapshot_frames(snapshot)[traceback->frame].lineno;
        found.allocated[line] += sites[id].allocated * sites[id].block_size;
        found.live[line] += (sites[id].allocated - sites[id].freed) * sites[id].block_size;
        peak.live[line] += sites[id].at_peak * sites[id].block_size;
    }
    CHECK_EQ(info.peak_bytes, scope->peak);
    for (uint32_t line = 1; line <= LINES; line++) {
        CHECK_EQ(found.live[line], live->live[line]);
        CHECK_EQ(found.allocated[line], live->allocated[line]);
        CHECK_EQ(peak.live[line], scope->at_peak.live[line]);
    }
    ctm_snapshot_unref(snapshot);
}

static void check_figures(const scope *scope)
{
    ctm_scope_figures figures;
    ctm_scope_read(scope->scope, &figures);
    CHECK(figures.is_known);
    CHECK_EQ(figures.has_ended, scope->has_ended);
    CHECK_EQ(figures.live_bytes, scope->live);
    CHECK_EQ(figures.live_blocks, scope->blocks);
    CHECK_EQ(figures.peak_bytes, scope->peak);
    CHECK_EQ(figures.allocated_bytes, scope->allocated);
    CHECK_EQ(figures.allocated_blocks, scope->n_allocated);
    CHECK_EQ(figures.grown_bytes, scope->has_ended ? scope->grown : scope->live);
    CHECK_EQ(figures.grown_blocks, scope->has_ended ? scope->n_grown : scope->blocks);
}

static void check_world(const world *world)
{
    ctm_totals totals;
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    for (uint32_t i = 0; i < SCOPES; i++) {
        if (world->scopes[i].scope != NULL) {
            check_figures(&world->scopes[i]);
            check_snapshot(&world->scopes[i], false);
            check_snapshot(&world->scopes[i], true);
        }
    }
    ctm_tracer_totals(world->tracer, &totals);
    CHECK_EQ(totals.current_bytes, world->live);
    REQUIRE(ctm_tracer_snapshot(world->tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.current_bytes, world->live);
    ctm_snapshot_unref(snapshot);
}

static void begin(world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed;
    world->process = NONE;
    REQUIRE(ctm_tracer_new(&world->tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(world->tracer, 1) == CTM_OK);
}

/* Everything is released: nothing is left of scopes. */
static void end(world *world)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        ctm_tracer_labels_release(world->tracer, world->threads[i].handle);
    }
    for (uint32_t i = 0; i < SCOPES; i++) {
        if (world->scopes[i].scope != NULL) {
            ctm_scope_release(world->scopes[i].scope);
        }
    }
    ctm_tracer_stop(world->tracer);
    CHECK(world->tracer->scopes.first == NULL);
    CHECK_EQ(world->tracer->scopes.bytes, 0);
    ctm_tracer_free(world->tracer);
}

static void test_model(void)
{
    world world;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        begin(&world, seed);
        for (uint32_t i = 0; i < EVENTS; i++) {
            event(&world);
            if (i % 89 == 0) {
                check_world(&world);
            }
        }
        CHECK(world.serial > 100);
        end(&world);
    }
}

/* Scopes one after the other, each of which leaves a block for a while: what is known of them does not grow. */
static void test_many(void)
{
    world world;
    uint32_t entries = 0, sites = 0, outer, held;
    size_t bytes = 0;
    begin(&world, 7);
    thread *thread = &world.threads[0];
    push(&world, thread);
    outer = innermost(thread);
    REQUIRE(ctm_tracer_labels_in(world.tracer, NULL, 0, scope_of(&world, outer), NULL, &held) ==
            CTM_OK);
    for (uint32_t i = 0; i < 200000; i++) {
        push(&world, thread);
        const uint32_t at = innermost(thread);
        ctm_shard *shard = ctm_shard_enter(world.tracer, 0);
        block *block = &world.blocks[i % BLOCKS];
        if (block->size != 0) {
            CHECK(ctm_shard_free(shard, 0, 4096 + i % BLOCKS * 64));
            model_freed(&world, block);
        }
        allocate(&world, shard, thread, block, 4096 + i % BLOCKS * 64);
        ctm_shard_leave(shard);
        pop(&world, thread);
        ctm_scope_release(world.scopes[at].scope);
        memset(&world.scopes[at], 0, sizeof world.scopes[at]);
        if (i == 20000) {
            entries = world.tracer->labels.count;
            sites = ctmi_store_site_count(&world.tracer->shards[0].store);
            bytes = world.tracer->scopes.bytes;
        }
    }
    CHECK(world.tracer->labels.count <= entries + entries / 4);
    CHECK(ctmi_store_site_count(&world.tracer->shards[0].store) <= sites + sites / 4);
    CHECK(world.tracer->scopes.bytes <= 2 * bytes);
    check_figures(&world.scopes[outer]);
    check_world(&world);
    ctm_tracer_labels_release(world.tracer, held);
    end(&world);
}

/* Scopes that overlap, each of which leaves a block: when nobody can ask for them, no more is left than the blocks need. */
static void test_overlapping(void)
{
    enum { N = 4000, WIDTH = 8 };
    ctm_tracer *tracer;
    ctm_scope *scopes[WIDTH] = {NULL};
    uint32_t handles[WIDTH] = {0}, traceback, site;
    const ctm_frame_text frame = {"a.py", "f", 1, 1};
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
    for (uint32_t i = 0; i < N + WIDTH; i++) {
        const uint32_t at = i % WIDTH;
        if (scopes[at] != NULL) {
            ctm_tracer_labels_release(tracer, handles[at]);
            ctm_scope_end(scopes[at]);
            ctm_scope_release(scopes[at]);
            scopes[at] = NULL;
        }
        if (i < N) {
            REQUIRE(ctm_tracer_scope_begin(tracer, NULL, &scopes[at]) == CTM_OK);
            REQUIRE(ctm_tracer_labels_in(tracer, NULL, 0, scopes[at], NULL, &handles[at]) ==
                    CTM_OK);
            ctm_shard *shard = ctm_shard_enter(tracer, 0);
            REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
            REQUIRE(ctm_shard_labelled_site(shard, 0, traceback, 16, handles[at], &site) == CTM_OK);
            REQUIRE(ctm_shard_alloc_labelled_at(shard, 0, 4096 + 16 * i, site) == CTM_OK);
            ctm_shard_leave(shard);
        }
    }
    uint32_t known = 0;
    for (const ctm_scope *scope = tracer->scopes.first; scope != NULL; scope = scope->next) {
        known++;
    }
    CHECK(known < 50);
    CHECK(tracer->labels.count < 50);
    ctm_tracer_free(tracer);
}

/* More at a time than label sets are told apart. */
static void test_deep(void)
{
    enum { N = 300 };
    ctm_tracer *tracer;
    ctm_scope *scopes[N] = {NULL};
    uint32_t handles[N], traceback, site;
    const ctm_frame_text frame = {"a.py", "f", 1, 1};
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
    for (uint32_t i = 0; i < N; i++) {
        REQUIRE(ctm_tracer_scope_begin(tracer, i ? scopes[i - 1] : NULL, &scopes[i]) == CTM_OK);
        REQUIRE(ctm_tracer_labels_in(tracer, NULL, 0, scopes[i], NULL, &handles[i]) == CTM_OK);
        ctm_shard *shard = ctm_shard_enter(tracer, 0);
        REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
        REQUIRE(ctm_shard_labelled_site(shard, 0, traceback, 16, handles[i], &site) == CTM_OK);
        REQUIRE(ctm_shard_alloc_labelled_at(shard, 0, 4096 + 16 * i, site) == CTM_OK);
        ctm_shard_leave(shard);
    }
    for (uint32_t i = N; i-- > 0;) {
        ctm_scope_figures figures;
        ctm_scope_read(scopes[i], &figures);
        CHECK_EQ(figures.peak_bytes, 16 * (N - i));
        CHECK_EQ(figures.live_blocks, N - i);
        ctm_scope_end(scopes[i]);
        ctm_tracer_labels_release(tracer, handles[i]);
        ctm_scope_release(scopes[i]);
    }
    ctm_tracer_free(tracer);
}

/* Each ends while the next one is open: those that nobody can ask are forgotten. */
static void test_handing_on(void)
{
    ctm_tracer *tracer;
    ctm_scope *before = NULL, *now;
    uint32_t n = 0;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        REQUIRE(ctm_tracer_scope_begin(tracer, before, &now) == CTM_OK);
        if (before != NULL) {
            ctm_scope_end(before);
            ctm_scope_release(before);
        }
        before = now;
    }
    for (const ctm_scope *scope = tracer->scopes.first; scope != NULL; scope = scope->next) {
        n++;
    }
    CHECK(n <= 2);
    ctm_scope_release(before);
    ctm_tracer_free(tracer);
}

/* The figures of what has ended stay; others are not known. */
static void test_clear_and_stop(void)
{
    world world;
    ctm_scope_figures before, after;
    ctm_snapshot *snapshot;
    uint32_t first;
    begin(&world, 8);
    thread *thread = &world.threads[0];
    push(&world, thread);
    first = innermost(thread);
    for (uint32_t i = 0; i < 500; i++) {
        block_event(&world);
    }
    pop(&world, thread);
    push(&world, thread);
    ctm_scope_read(world.scopes[first].scope, &before);
    ctm_tracer_clear(world.tracer);
    ctm_scope_read(world.scopes[first].scope, &after);
    CHECK(after.is_known);
    CHECK_EQ(after.grown_bytes, before.grown_bytes);
    CHECK_EQ(after.peak_bytes, before.peak_bytes);
    CHECK_EQ(after.live_bytes, 0);
    CHECK(ctm_scope_snapshot(world.scopes[first].scope, true, &snapshot) == CTM_ERR_NOT_TRACING);
    ctm_scope_read(scope_of(&world, innermost(thread)), &after);
    CHECK(!after.is_known);
    memset(world.blocks, 0, sizeof world.blocks);
    for (uint32_t i = 0; i < 500; i++) {
        block_event(&world);
    }
    pop(&world, thread);
    ctm_tracer_stop(world.tracer);
    REQUIRE(ctm_tracer_start(world.tracer, 1) == CTM_OK);
    memset(world.blocks, 0, sizeof world.blocks);
    push(&world, thread);
    const scope *last = &world.scopes[innermost(thread)];
    for (uint32_t i = 0; i < 500; i++) {
        block_event(&world);
    }
    check_figures(last);
    check_snapshot(last, true);
    end(&world);
}

/* As site_for(), for any block; the `at`-th request for memory is refused. False: this one was, and no site was found. */
static bool try_site(ctm_shard *shard, const world *world, const thread *thread, long at)
{
    const ctm_frame_text frame = {"a.py", "f", 1, (int32_t)(1 + world->random % LINES)};
    uint32_t traceback, site;
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    atomic_store(&fault_at, at);
    const ctm_status status =
        ctm_shard_labelled_site(shard, 0, traceback, 16, thread->handle, &site);
    atomic_store(&fault_at, 0);
    CHECK(status == CTM_OK || status == CTM_ERR_NOMEM);
    return status == CTM_OK;
}

/* A site for which there is no memory is in no scope, in part either; the next attempt finds it. */
static void test_refused(void)
{
    world world;
    uint32_t refused = 0;
    begin(&world, 11);
    thread *thread = &world.threads[0];
    for (uint32_t i = 0; i < 4000; i++) {
        if (thread->depth < 3) {
            push(&world, thread);
        } else if (draw(&world, 4) == 0) {
            const uint32_t at = innermost(thread);
            pop(&world, thread);
            ctm_scope_release(world.scopes[at].scope);
            memset(&world.scopes[at], 0, sizeof world.scopes[at]);
        }
        ctm_shard *shard = ctm_shard_enter(world.tracer, 0);
        refused += !try_site(shard, &world, thread, 1 + draw(&world, 8));
        block *block = &world.blocks[i % BLOCKS];
        if (block->size != 0) {
            CHECK(ctm_shard_free(shard, 0, 4096 + i % BLOCKS * 64));
            model_freed(&world, block);
        }
        allocate(&world, shard, thread, block, 4096 + i % BLOCKS * 64);
        ctm_shard_leave(shard);
        if (i % 89 == 0) {
            check_world(&world);
        }
    }
    CHECK(refused > 20);
    end(&world);
}

TEST_LIST = {
    TEST(test_model),      TEST(test_many),           TEST(test_overlapping), TEST(test_deep),
    TEST(test_handing_on), TEST(test_clear_and_stop), TEST(test_refused),     TEST_LIST_END,
};
