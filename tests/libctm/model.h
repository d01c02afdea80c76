/* model.h: a naive model of the tracer, and random operations applied to both.
 *
 * Model: a block is an entry of a linear array, one for each key (domain, address) that the
 * test uses; a site is a cell of a three-dimensional array; bytes are added up one by one. An
 * operation is first applied to the tracer and, if that succeeded, to the model; then the two are
 * compared. Tracebacks are numbered by the test and compared by content, frame by frame.
 */
#ifndef CTM_TESTS_MODEL_H
#define CTM_TESTS_MODEL_H

#include "check.h"

#include "ctm/snapshot.h"
#include "ctm/tracer.h"
#include "tracer/tracer.h"

enum { KEYS = 240, TRACEBACKS = 24, SIZES = 6, DOMAINS = 3, PENDING = 12 };

static const uint32_t model_domains[DOMAINS] = {0, 1, 389047};
static const uint64_t model_sizes[SIZES] = {0, 1, 16, 512, 5000000000, 100};

struct model_key {
    uint32_t domain; /* index in model_domains */
    uintptr_t address;
};

struct model_block {
    bool live;
    bool busy; /* an unfinished resize owns the address */
    uint32_t size, traceback;
};

struct model_counts {
    uint64_t allocated, freed, at_peak;
};

enum op_kind {
    OP_ALLOC,
    OP_FREE,
    OP_REATTRIBUTE,
    OP_BEGIN,
    OP_COMMIT,
    OP_ABORT,
    OP_FIND,
    OP_SNAPSHOT,
    OP_CLEAR,
    OP_STOP,
    OP_START,
    OP_RESET_PEAK,
    OP_KINDS,
};

struct op {
    enum op_kind kind;
    uint32_t shard, key, size, traceback;
    uint32_t resize; /* index in `pending`, of begin, commit, abort */
};

struct model_resize {
    bool begun, old_live;
    uint32_t shard, old_key, new_key; /* KEYS: no old block */
    uint32_t old_size, old_traceback, size, traceback;
    uint32_t generation; /* the model's */
    bool will_commit;
    ctm_resize token;
};

struct model {
    bool active;
    uint32_t generation;
    uint64_t current, peak, blocks;
    struct model_block block[KEYS];
    struct model_counts site[DOMAINS][SIZES][TRACEBACKS];
    struct model_resize pending[PENDING];
};

static struct model_key model_keys[KEYS];

/* Neighbours, other leaves, other mids, the first and last slot, unaligned addresses, addresses above 47 bits. */
static void model_make_keys(void)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        uintptr_t n = i / 8;
        static const uint32_t domains[8] = {0, 0, 0, 0, 0, 1, 2, 0};
        uintptr_t addresses[8] = {0x7f1200000000 + n * 16,
                                  0x7f1200000000 + n * (4u << 20),
                                  0x550000000000 - n * 16 - 16,
                                  0x100000000 + n * 0x400000000,
                                  0x7f1200000000 + n * 16 + 1 + n % 15,
                                  0x7f1200000000 + n * 16,
                                  0x7f1200000000 + n * 24,
                                  UINTPTR_MAX - 15 - n * 16};
        model_keys[i] = (struct model_key){domains[i % 8], addresses[i % 8]};
    }
    model_keys[1].address = 16; /* or it would be key 0 again */
}

/* --- tracebacks by content --- */
static uint32_t traceback_frames(uint32_t traceback, ctm_frame_text *frames, int32_t *out_total)
{
    static const char *const files[] = {"a.py", "/usr/lib/python3/b.py", "<string>", "é.py", "e"};
    static const char *const functions[] = {"f", "C.method", NULL, "<lambda>"};
    uint32_t n = 1 + traceback % 5;
    for (uint32_t i = 0; i < n; i++) {
        frames[i] = (ctm_frame_text){files[(traceback + i) % 5], functions[(traceback + i) % 4],
                                     (int32_t)(i % 3), (int32_t)(i ? i * 10 : 1000 + traceback)};
    }
    *out_total = (int32_t)(n + (traceback % 3 == 0 ? 4 : 0));
    return n;
}

static ctm_status intern_traceback(ctm_shard *shard, uint32_t traceback, uint32_t *out)
{
    ctm_frame_text frames[5];
    int32_t total;
    uint32_t n = traceback_frames(traceback, frames, &total);
    return ctm_shard_traceback_text(shard, frames, n, total, out);
}

static bool same_text(const char *got, const char *expected)
{
    return got != NULL && strcmp(got, expected ? expected : "") == 0;
}

/* Whether row `id` of the shard is the traceback of that number. */
static bool shard_traceback_is(ctm_shard *shard, uint32_t id, uint32_t traceback)
{
    ctm_frame_text frames[5];
    int32_t total;
    uint32_t n = traceback_frames(traceback, frames, &total);
    for (uint32_t i = 0; i < n; i++) {
        const ctm_traceback *row = ctm_shard_traceback_row(shard, id);
        if (row == NULL || row->total_nframe != total - (int32_t)i) {
            return false;
        }
        const ctm_frame *frame = ctm_shard_frame_row(shard, row->frame);
        const ctm_function *function = ctm_shard_function_row(shard, frame->function);
        if (frame->lineno != frames[i].lineno || function->first_lineno != frames[i].first_lineno ||
            !same_text(ctm_shard_string_row(shard, function->filename, NULL), frames[i].filename) ||
            !same_text(ctm_shard_string_row(shard, function->name, NULL), frames[i].function)) {
            return false;
        }
        id = row->parent;
    }
    return id == 0;
}

/* The same for a snapshot. */
static bool snapshot_traceback_is(const ctm_snapshot *snapshot, uint32_t id, uint32_t traceback)
{
    ctm_frame_text frames[5];
    int32_t total;
    uint32_t n = traceback_frames(traceback, frames, &total);
    for (uint32_t i = 0; i < n; i++) {
        const ctm_traceback *row = &ctm_snapshot_tracebacks(snapshot)[id];
        const ctm_frame *frame = &ctm_snapshot_frames(snapshot)[row->frame];
        const ctm_function *function = &ctm_snapshot_functions(snapshot)[frame->function];
        if (id == 0 || row->total_nframe != total - (int32_t)i ||
            frame->lineno != frames[i].lineno || function->first_lineno != frames[i].first_lineno ||
            !same_text(ctm_snapshot_string(snapshot, function->filename, NULL),
                       frames[i].filename) ||
            !same_text(ctm_snapshot_string(snapshot, function->name, NULL), frames[i].function)) {
            return false;
        }
        id = row->parent;
    }
    return id == 0;
}

/* --- the model's side of the operations --- */

/* A new peak: the live blocks are those at the peak. */
static void model_new_peak(struct model *model)
{
    struct model_counts *cells = &model->site[0][0][0];
    model->peak = model->current;
    for (uint32_t i = 0; i < DOMAINS * SIZES * TRACEBACKS; i++) {
        cells[i].at_peak = cells[i].allocated - cells[i].freed;
    }
}

static void model_count_freed(struct model *model, uint32_t key, uint32_t size, uint32_t traceback)
{
    model->site[model_keys[key].domain][size][traceback].freed++;
    model->current -= model_sizes[size];
    model->blocks--;
}

static void model_count_allocated(struct model *model, uint32_t key, uint32_t size,
                                  uint32_t traceback)
{
    model->site[model_keys[key].domain][size][traceback].allocated++;
    model->current += model_sizes[size];
    model->blocks++;
    if (model->current > model->peak) {
        model_new_peak(model);
    }
}

static void model_free(struct model *model, uint32_t key)
{
    struct model_block *block = &model->block[key];
    if (block->live) {
        model_count_freed(model, key, block->size, block->traceback);
        block->live = false;
    }
}

static void model_alloc(struct model *model, uint32_t key, uint32_t size, uint32_t traceback)
{
    model_free(model, key);
    model_count_allocated(model, key, size, traceback);
    model->block[key].live = true;
    model->block[key].size = size;
    model->block[key].traceback = traceback;
}

static void model_reattribute(struct model *model, uint32_t key, uint32_t traceback)
{
    struct model_block *block = &model->block[key];
    struct model_counts(*sites)[TRACEBACKS] = model->site[model_keys[key].domain];
    sites[block->size][block->traceback].freed++;
    sites[block->size][traceback].allocated++;
    block->traceback = traceback;
}

/* An aborted resize keeps the old address; a committed one the new one. */
static uint32_t resize_busy_key(const struct model_resize *resize)
{
    return resize->will_commit ? resize->new_key : resize->old_key;
}

static void model_begin(struct model *model, struct model_resize *resize)
{
    resize->begun = true;
    resize->generation = model->generation;
    resize->old_live = false;
    if (resize->old_key < KEYS && model->block[resize->old_key].live) {
        struct model_block *block = &model->block[resize->old_key];
        resize->old_live = true;
        resize->old_size = block->size;
        resize->old_traceback = block->traceback;
        block->live = false;
    }
    if (resize_busy_key(resize) < KEYS) {
        model->block[resize_busy_key(resize)].busy = true;
    }
}

static void model_end(struct model *model, struct model_resize *resize)
{
    resize->begun = false;
    if (resize_busy_key(resize) < KEYS) {
        model->block[resize_busy_key(resize)].busy = false;
    }
    if (resize->generation != model->generation) {
        return;
    }
    if (!resize->will_commit) {
        if (resize->old_live) {
            model->block[resize->old_key].live = true;
            model->block[resize->old_key].size = resize->old_size;
            model->block[resize->old_key].traceback = resize->old_traceback;
        }
        return;
    }
    if (resize->old_live) {
        model_count_freed(model, resize->old_key, resize->old_size, resize->old_traceback);
    }
    model_alloc(model, resize->new_key, resize->size, resize->traceback);
}

static void model_forget(struct model *model)
{
    model->generation++;
    model->current = model->peak = model->blocks = 0;
    memset(model->site, 0, sizeof model->site);
    for (uint32_t i = 0; i < KEYS; i++) {
        model->block[i].live = false;
    }
}

static void model_apply(struct model *model, const struct op *op)
{
    switch (op->kind) {
    case OP_ALLOC: model_alloc(model, op->key, op->size, op->traceback); break;
    case OP_FREE: model_free(model, op->key); break;
    case OP_REATTRIBUTE: model_reattribute(model, op->key, op->traceback); break;
    case OP_BEGIN: model_begin(model, &model->pending[op->resize]); break;
    case OP_COMMIT:
    case OP_ABORT: model_end(model, &model->pending[op->resize]); break;
    case OP_START:
        model->active = true;
        model_forget(model);
        break;
    case OP_STOP:
        model->active = false;
        model_forget(model);
        break;
    case OP_CLEAR: model_forget(model); break;
    case OP_RESET_PEAK: model_new_peak(model); break;
    default: break;
    }
}

/* --- comparing --- */
static void compare_totals(ctm_tracer *tracer, const struct model *model)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    CHECK_EQ(totals.current_bytes, model->current);
    CHECK_EQ(totals.peak_bytes, model->peak);
    CHECK_EQ(totals.live_blocks, model->blocks);
    CHECK_EQ(ctm_tracer_is_tracing(tracer), model->active);
}

/* Looks `key` up through shard `through`; reads its traceback in its home shard. */
static void compare_key(ctm_tracer *tracer, const struct model *model, uint32_t key,
                        uint32_t through)
{
    const struct model_block *expected = &model->block[key];
    ctm_block block = {0};
    ctm_shard *shard = ctm_shard_enter(tracer, through);
    if (shard == NULL) {
        CHECK(!model->active);
        return;
    }
    ctm_status status = ctm_shard_find(shard, model_domains[model_keys[key].domain],
                                       model_keys[key].address, &block);
    ctm_shard_leave(shard);
    CHECK_EQ(status, expected->live ? CTM_OK : CTM_ERR_NOT_FOUND);
    if (status != CTM_OK || !expected->live) {
        return;
    }
    CHECK_EQ(block.size, model_sizes[expected->size]);
    CHECK_EQ(block.domain, model_domains[model_keys[key].domain]);
    shard = ctm_shard_enter(tracer, block.shard);
    REQUIRE(shard != NULL);
    CHECK(shard_traceback_is(shard, block.traceback, expected->traceback));
    ctm_shard_leave(shard);
}

/* Checks that the shards and the map count the same number of entries reserved for resizes. */
static void check_rooms(ctm_tracer *tracer, const struct model *model)
{
    size_t reserved = 0, resizing = 0, begun = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        CHECK(tracer->shards[i].resizing <= tracer->shards[i].reserved);
        reserved += tracer->shards[i].reserved;
        resizing += tracer->shards[i].resizing;
    }
    for (uint32_t i = 0; i < PENDING; i++) {
        begun += model->pending[i].begun && model->pending[i].generation == model->generation;
    }
    CHECK_EQ(resizing, begun);
    CHECK_EQ(tracer->map.reserved, reserved);
    CHECK(tracer->map.used + tracer->map.reserved <= tracer->map.capacity / 4 * 3);
}

static void compare_all_keys(ctm_tracer *tracer, const struct model *model)
{
    compare_totals(tracer, model);
    check_rooms(tracer, model);
    for (uint32_t key = 0; key < KEYS; key++) {
        compare_key(tracer, model, key, key % CTM_SHARDS);
    }
}

/* The cell of a snapshot's site, or NULL if the model has no such site. */
static const struct model_counts *model_site(const struct model *model,
                                             const ctm_snapshot *snapshot, const ctm_site *site)
{
    const ctm_traceback *top = &ctm_snapshot_tracebacks(snapshot)[site->traceback];
    int32_t traceback = ctm_snapshot_frames(snapshot)[top->frame].lineno - 1000;
    if (traceback < 0 || traceback >= TRACEBACKS ||
        !snapshot_traceback_is(snapshot, site->traceback, (uint32_t)traceback)) {
        return NULL;
    }
    for (uint32_t d = 0; d < DOMAINS; d++) {
        for (uint32_t s = 0; s < SIZES; s++) {
            if (model_domains[d] == site->domain && model_sizes[s] == site->block_size) {
                return &model->site[d][s][traceback];
            }
        }
    }
    return NULL;
}

static void compare_snapshot(const ctm_snapshot *snapshot, const struct model *model)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, model->blocks);
    CHECK_EQ(info.current_bytes, model->current);
    CHECK_EQ(info.peak_bytes, model->peak);
    uint32_t expected = 0;
    const struct model_counts *cells = &model->site[0][0][0];
    for (uint32_t i = 0; i < DOMAINS * SIZES * TRACEBACKS; i++) {
        expected += cells[i].allocated != 0;
    }
    CHECK_EQ(info.sites, expected); /* and as many different ones: see below */
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const struct model_counts *counts = model_site(model, snapshot, &sites[id]);
        CHECK(counts != NULL && counts->allocated == sites[id].allocated &&
              counts->freed == sites[id].freed && counts->at_peak == sites[id].at_peak);
        for (uint32_t other = 1; other < id && id < 50; other++) {
            CHECK(model_site(model, snapshot, &sites[other]) != counts);
        }
    }
}

/* --- the tracer's side of the operations --- */
static ctm_status tracer_apply_in(ctm_shard *shard, struct model *model, const struct op *op)
{
    const struct model_key *key = &model_keys[op->key];
    uint32_t domain = model_domains[key->domain], traceback = 0;
    struct model_resize *resize = &model->pending[op->resize];
    uintptr_t old = resize->old_key < KEYS ? model_keys[resize->old_key].address : 0;
    ctm_status status = CTM_OK;
    ctm_block block;
    if (op->kind == OP_ALLOC || op->kind == OP_REATTRIBUTE || op->kind == OP_BEGIN) {
        status = intern_traceback(shard, op->traceback, &traceback);
        if (status != CTM_OK) {
            return status;
        }
    }
    switch (op->kind) {
    case OP_ALLOC:
        return ctm_shard_alloc(shard, domain, key->address, model_sizes[op->size], traceback);
    case OP_FREE:
        CHECK_EQ(ctm_shard_free(shard, domain, key->address), model->block[op->key].live);
        return CTM_OK;
    case OP_REATTRIBUTE: return ctm_shard_reattribute(shard, domain, key->address, traceback);
    case OP_FIND:
        status = ctm_shard_find(shard, domain, key->address, &block);
        CHECK_EQ(status, model->block[op->key].live ? CTM_OK : CTM_ERR_NOT_FOUND);
        return CTM_OK;
    case OP_BEGIN:
        return ctm_shard_resize_begin(shard, domain, old, model_sizes[op->size], traceback,
                                      &resize->token);
    case OP_COMMIT:
        ctm_shard_resize_commit(shard, &resize->token, model_keys[resize->new_key].address);
        return CTM_OK;
    default: ctm_shard_resize_abort(shard, &resize->token); return CTM_OK;
    }
}

static ctm_status tracer_apply(ctm_tracer *tracer, struct model *model, const struct op *op)
{
    ctm_snapshot *snapshot;
    ctm_status status;
    switch (op->kind) {
    case OP_CLEAR: ctm_tracer_clear(tracer); return CTM_OK;
    case OP_STOP: ctm_tracer_stop(tracer); return CTM_OK;
    case OP_START: return ctm_tracer_start(tracer, 1);
    case OP_RESET_PEAK: ctm_tracer_reset_peak(tracer); return CTM_OK;
    case OP_SNAPSHOT:
        status = ctm_tracer_snapshot(tracer, &snapshot);
        if (status == CTM_OK) {
            compare_snapshot(snapshot, model);
            ctm_snapshot_unref(snapshot);
        }
        return status;
    default: break;
    }
    ctm_shard *shard = ctm_shard_enter(tracer, op->shard);
    if (shard == NULL) {
        CHECK(!model->active);
        return CTM_OK;
    }
    status = tracer_apply_in(shard, model, op);
    ctm_shard_leave(shard);
    return status;
}

/* --- random operations --- */
struct op_weights {
    uint32_t of[OP_KINDS]; /* of commit and abort: the weight of ending a pending resize */
};

static uint32_t choose(uint64_t *random, uint32_t n)
{
    return (uint32_t)(check_random(random) % n);
}

/* A key that no unfinished resize owns, of the domain given (DOMAINS: any). */
static uint32_t choose_key(const struct model *model, uint64_t *random, uint32_t domain)
{
    uint32_t key;
    do {
        key = choose(random, KEYS);
    } while (model->block[key].busy || (domain < DOMAINS && model_keys[key].domain != domain));
    return key;
}

/* Fills the pending resize; false: none is free. */
static bool prepare_begin(struct model *model, uint64_t *random, struct op *op)
{
    op->resize = choose(random, PENDING);
    struct model_resize *resize = &model->pending[op->resize];
    if (resize->begun || !model->active) {
        return false;
    }
    uint32_t old = choose_key(model, random, DOMAINS);
    uint32_t way = choose(random, 8);
    *resize = (struct model_resize){.shard = op->shard,
                                    .old_key = old,
                                    .size = op->size,
                                    .traceback = op->traceback,
                                    .will_commit = way < 6};
    if (way == 0) {
        resize->old_key = KEYS; /* as realloc(NULL, n) */
    }
    resize->new_key = way < 3 ? choose_key(model, random, model_keys[old].domain) : old;
    op->key = old;
    return true;
}

static bool prepare_end(struct model *model, uint64_t *random, struct op *op)
{
    op->resize = choose(random, PENDING);
    struct model_resize *resize = &model->pending[op->resize];
    if (!resize->begun) {
        return false;
    }
    op->kind = resize->will_commit ? OP_COMMIT : OP_ABORT;
    op->shard = resize->shard;
    return true;
}

/* The next operation that is valid in the model's state. */
static struct op choose_op(struct model *model, uint64_t *random, const struct op_weights *weights)
{
    uint32_t all = 0;
    for (int kind = 0; kind < OP_KINDS; kind++) {
        all += weights->of[kind];
    }
    for (;;) {
        struct op op = {.shard = choose(random, CTM_SHARDS),
                        .size = choose(random, SIZES),
                        .traceback = choose(random, TRACEBACKS)};
        uint32_t draw = choose(random, all);
        int kind = 0;
        while (draw >= weights->of[kind]) {
            draw -= weights->of[kind++];
        }
        op.kind = (enum op_kind)kind;
        op.key = choose_key(model, random, DOMAINS);
        bool ending = op.kind == OP_COMMIT || op.kind == OP_ABORT;
        if (!model->active && op.kind != OP_START && !ending) {
            continue;
        }
        if ((op.kind == OP_START && model->active) ||
            (op.kind == OP_REATTRIBUTE && !model->block[op.key].live) ||
            (op.kind == OP_BEGIN && !prepare_begin(model, random, &op)) ||
            (ending && !prepare_end(model, random, &op))) {
            continue;
        }
        return op;
    }
}

#endif
