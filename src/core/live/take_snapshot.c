/* take_snapshot.c: the tables of all shards, merged into a snapshot.
 *
 * Model: a snapshot is flattened from one store, in which rows keep their ids
 * (read/snapshot.h). If one shard alone has sites, that is its store. Otherwise it is a copy of the
 * fullest shard's store, into which the rows of the others are interned: each of them
 * once, an array for each table remembering the new id (0: not yet), and only those that a
 * site with blocks leads to. The others are small as a rule, so most of the work is copying.
 * Tracebacks are walked in the order of their ids, since a parent comes before its children.
 */
#include <string.h>
#include <unistd.h>

#include "live/shard.h"
#include "read/snapshot.h"
#include "store/memory.h"

struct merge {
    struct ctm_store *to;                   /* borrowed */
    const struct ctm_store *from;           /* borrowed; of the shard being merged */
    uint32_t *strings, *functions, *frames; /* parts of one owned array, by id */
    uint32_t *tracebacks, *labels;          /* the same */
};

#define NEEDED UINT32_MAX /* in `tracebacks`, until the traceback is interned */

static ctm_status merge_string(struct merge *merge, uint32_t id, uint32_t *out)
{
    ctm_status status = CTM_OK;
    if (id != 0 && merge->strings[id] == 0) {
        size_t length;
        const char *utf8 = ctm_store_string_row(merge->from, id, &length);
        status = ctm_store_string(merge->to, utf8, length, &merge->strings[id]);
    }
    *out = merge->strings[id];
    return status;
}

static ctm_status merge_function(struct merge *merge, uint32_t id, uint32_t *out)
{
    ctm_status status = CTM_OK;
    if (merge->functions[id] == 0) {
        const ctm_function *row = ctm_store_function_row(merge->from, id);
        uint32_t filename, name;
        status = merge_string(merge, row->filename, &filename);
        if (status == CTM_OK) {
            status = merge_string(merge, row->name, &name);
        }
        if (status == CTM_OK) {
            status = ctm_store_function(merge->to, filename, name, row->first_lineno,
                                        &merge->functions[id]);
        }
    }
    *out = merge->functions[id];
    return status;
}

static ctm_status merge_frame(struct merge *merge, uint32_t id, uint32_t *out)
{
    ctm_status status = CTM_OK;
    if (merge->frames[id] == 0) {
        const ctm_frame *row = ctm_store_frame_row(merge->from, id);
        uint32_t function;
        status = merge_function(merge, row->function, &function);
        if (status == CTM_OK) {
            status = ctm_store_frame(merge->to, function, row->lineno, &merge->frames[id]);
        }
    }
    *out = merge->frames[id];
    return status;
}

static void mark_tracebacks(struct merge *merge)
{
    for (uint32_t id = 1; id < ctm_store_site_count(merge->from); id++) {
        const ctm_site *site = &ctm_store_site_row(merge->from, id)->site;
        if (site->allocated != 0) {
            merge->tracebacks[site->traceback] = NEEDED;
        }
    }
    for (uint32_t id = ctm_store_traceback_count(merge->from) - 1; id > 0; id--) {
        if (merge->tracebacks[id] == NEEDED) {
            merge->tracebacks[ctm_store_traceback_row(merge->from, id)->row.parent] = NEEDED;
        }
    }
    merge->tracebacks[0] = 0;
}

static ctm_status merge_tracebacks(struct merge *merge)
{
    for (uint32_t id = 1; id < ctm_store_traceback_count(merge->from); id++) {
        if (merge->tracebacks[id] != NEEDED) {
            continue;
        }
        const ctm_traceback *row = &ctm_store_traceback_row(merge->from, id)->row;
        uint32_t frame;
        ctm_status status = merge_frame(merge, row->frame, &frame);
        if (status == CTM_OK) {
            status = ctm_store_traceback(merge->to, merge->tracebacks[row->parent], frame,
                                         row->total_nframe, &merge->tracebacks[id]);
        }
        if (status != CTM_OK) {
            return status;
        }
    }
    return CTM_OK;
}

static ctm_status merge_labels(struct merge *merge)
{
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id < ctm_store_label_count(merge->from) && status == CTM_OK; id++) {
        const ctm_label *row = &ctm_store_label_row(merge->from, id)->row;
        uint32_t key, value;
        status = merge_string(merge, row->key, &key);
        if (status == CTM_OK) {
            status = merge_string(merge, row->value, &value);
        }
        if (status == CTM_OK) {
            status = ctm_store_label(merge->to, merge->labels[row->parent], key, value,
                                     &merge->labels[id]);
        }
    }
    return status;
}

static ctm_status merge_sites(struct merge *merge)
{
    for (uint32_t id = 1; id < ctm_store_site_count(merge->from); id++) {
        struct ctm_site_row *row = ctm_store_site_row(merge->from, id);
        if (row->site.allocated == 0) {
            continue;
        }
        uint32_t to;
        ctm_status status =
            ctm_store_site(merge->to, row->site.domain, merge->tracebacks[row->site.traceback],
                           row->site.block_size, merge->labels[row->site.labels], &to);
        if (status != CTM_OK) {
            return status;
        }
        ctm_site *site = &ctm_store_site_row(merge->to, to)->site;
        site->allocated += row->site.allocated;
        site->freed += ctm_site_row_freed(row);
        site->at_peak += ctm_site_row_at_peak(merge->from, row);
    }
    return CTM_OK;
}

static ctm_status merge_store(struct ctm_store *to, const struct ctm_store *from)
{
    size_t strings = ctm_store_string_count(from), functions = ctm_store_function_count(from);
    size_t frames = ctm_store_frame_count(from), tracebacks = ctm_store_traceback_count(from);
    size_t labels = ctm_store_label_count(from);
    size_t size = (strings + functions + frames + tracebacks + labels) * sizeof(uint32_t);
    uint32_t *ids = ctm_mem_alloc(size);
    if (ids == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(ids, 0, size);
    struct merge merge = {
        .to = to,
        .from = from,
        .strings = ids,
        .functions = ids + strings,
        .frames = ids + strings + functions,
        .tracebacks = ids + strings + functions + frames,
        .labels = ids + strings + functions + frames + tracebacks,
    };
    mark_tracebacks(&merge);
    ctm_status status = merge_tracebacks(&merge);
    if (status == CTM_OK) {
        status = merge_labels(&merge);
    }
    if (status == CTM_OK) {
        status = merge_sites(&merge);
    }
    ctm_mem_free(ids);
    return status;
}

static struct ctm_shard *fullest_shard(ctm_tracer *tracer, bool *out_alone)
{
    struct ctm_shard *fullest = &tracer->shards[0];
    uint32_t with_sites = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        uint32_t sites = ctm_store_site_count(&tracer->shards[i].store);
        with_sites += sites > 1;
        if (sites > ctm_store_site_count(&fullest->store)) {
            fullest = &tracer->shards[i];
        }
    }
    *out_alone = with_sites <= 1;
    return fullest;
}

/* `merged` is an empty store; the caller frees it in any case. */
static ctm_status merge_shards(const ctm_tracer *tracer, const struct ctm_shard *base,
                               struct ctm_store *merged)
{
    ctm_status status = ctm_store_copy(merged, &base->store);
    for (uint32_t i = 0; i < CTM_SHARDS && status == CTM_OK; i++) {
        const struct ctm_store *store = &tracer->shards[i].store;
        if (&tracer->shards[i] != base && ctm_store_site_count(store) > 1) {
            status = merge_store(merged, store);
        }
    }
    return status;
}

/* The world is stopped, so any shard's store is ours: the command is interned like any string. */
static ctm_status finish(const ctm_tracer *tracer, struct ctm_store *store, ctm_snapshot_info *info,
                         struct ctm_snapshot **out)
{
    ctm_status status =
        ctm_store_string(store, tracer->command, tracer->command_length, &info->command);
    return status == CTM_OK ? ctm_snapshot_from_store(store, info, out) : status;
}

static ctm_status take_locked(ctm_tracer *tracer, struct ctm_snapshot **out)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    ctm_snapshot_info info = {.nframe = ctm_tracer_nframe(tracer),
                              .sample_interval = tracer->sample_interval,
                              .peak_bytes = totals.peak_bytes,
                              .peak_known = true,
                              .tracer_bytes = ctm_tracer_memory_locked(tracer),
                              .taken_ns = ctm_tracer_now(),
                              .started_ns = tracer->started_ns,
                              .pid = (uint32_t)getpid()};
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        tracer->shards[i].store.peak_stamp = atomic_load(&tracer->peak_stamp);
    }
    bool alone;
    struct ctm_shard *base = fullest_shard(tracer, &alone);
    if (alone) {
        return finish(tracer, &base->store, &info, out);
    }
    struct ctm_store merged;
    ctm_store_init(&merged);
    ctm_status status = merge_shards(tracer, base, &merged);
    if (status == CTM_OK) {
        status = finish(tracer, &merged, &info, out);
    }
    ctm_store_free_all(&merged);
    return status;
}

ctm_status ctm_tracer_snapshot(ctm_tracer *tracer, struct ctm_snapshot **out)
{
    if (!ctm_tracer_is_tracing(tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    ctm_tracer_stop_world(tracer);
    ctm_status status = take_locked(tracer, out);
    ctm_tracer_resume_world(tracer);
    return status;
}
