/* formats/recording_snapshot.c: the tables at a moment → a snapshot; see formats/recording_reader.h.
 *
 * Model: the stores of a recording are independent sets of tables. Their rows are interned into one store, an array for
 * each table remembering where a row went; sites of the same key are added up. That is what a tracer does
 * with its shards, so the snapshot is the one that the tracer would have given.
 */
#include <string.h>

#include "base/memory.h"
#include "formats/recording_reader.h"
#include "snapshot/snapshot.h"
#include "tables/store.h"

struct merge {
    struct ctmi_store *to;                                        /* borrowed */
    const struct ctmi_recorded *from;                             /* borrowed */
    uint32_t *strings, *functions, *frames, *tracebacks, *labels; /* parts of one array, by id */
};

static ctm_status add_names(const struct merge *merge)
{
    const struct ctmi_recorded *from = merge->from;
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id < from->counts[CTMI_ROWS_STRINGS] && status == CTM_OK; id++) {
        status = ctmi_store_string(merge->to, from->bytes + from->strings[id].offset,
                                   from->strings[id].length, &merge->strings[id]);
    }
    for (uint32_t id = 1; id < from->counts[CTMI_ROWS_FUNCTIONS] && status == CTM_OK; id++) {
        const ctm_function *row = &from->functions[id];
        status =
            ctmi_store_function(merge->to, merge->strings[row->filename], merge->strings[row->name],
                                row->first_lineno, &merge->functions[id]);
    }
    for (uint32_t id = 1; id < from->counts[CTMI_ROWS_LABELS] && status == CTM_OK; id++) {
        const ctm_label *row = &from->labels[id];
        status = ctmi_store_label(merge->to, merge->labels[row->parent], merge->strings[row->key],
                                  merge->strings[row->value], &merge->labels[id]);
    }
    return status;
}

static ctm_status add_tracebacks(const struct merge *merge)
{
    const struct ctmi_recorded *from = merge->from;
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id < from->counts[CTMI_ROWS_FRAMES] && status == CTM_OK; id++) {
        status = ctmi_store_frame(merge->to, merge->functions[from->frames[id].function],
                                  from->frames[id].lineno, &merge->frames[id]);
    }
    for (uint32_t id = 1; id < from->counts[CTMI_ROWS_TRACEBACKS] && status == CTM_OK; id++) {
        const ctm_traceback *row = &from->tracebacks[id].row;
        status = ctmi_store_traceback(merge->to, merge->tracebacks[row->parent],
                                      merge->frames[row->frame], row->total_nframe,
                                      &merge->tracebacks[id]);
    }
    return status;
}

static ctm_status add_sites(const struct merge *merge)
{
    for (uint32_t id = 1; id < merge->from->counts[CTMI_ROWS_SITES]; id++) {
        const ctm_site *row = &merge->from->sites[id];
        uint32_t to;
        if (row->allocated == 0) {
            continue;
        }
        ctm_status status =
            ctmi_store_site(merge->to, row->domain, merge->tracebacks[row->traceback],
                            row->block_size, merge->labels[row->labels], &to);
        if (status != CTM_OK) {
            return status;
        }
        ctm_site *site = &ctmi_store_site_row(merge->to, to)->site;
        /* freed is never more than allocated. */
        if (__builtin_add_overflow(site->allocated, row->allocated, &site->allocated)) {
            return CTM_ERR_LIMIT;
        }
        site->freed += row->freed;
    }
    return CTM_OK;
}

static ctm_status merge_store(struct ctmi_store *to, const struct ctmi_recorded *from)
{
    const uint32_t *counts = from->counts;
    size_t rows = 0;
    for (int table = 0; table < CTMI_ROWS_SITES; table++) {
        rows += counts[table];
    }
    uint32_t *ids = ctmi_mem_alloc(rows * sizeof(uint32_t));
    if (ids == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(ids, 0, rows * sizeof(uint32_t));
    struct merge merge = {.to = to, .from = from, .strings = ids};
    merge.functions = merge.strings + counts[CTMI_ROWS_STRINGS];
    merge.frames = merge.functions + counts[CTMI_ROWS_FUNCTIONS];
    merge.tracebacks = merge.frames + counts[CTMI_ROWS_FRAMES];
    merge.labels = merge.tracebacks + counts[CTMI_ROWS_TRACEBACKS];
    ctm_status status = add_names(&merge);
    if (status == CTM_OK) {
        status = add_tracebacks(&merge);
    }
    if (status == CTM_OK) {
        status = add_sites(&merge);
    }
    ctmi_mem_free(ids);
    return status;
}

/* `store` is empty; the caller frees it in any case. */
static ctm_status merge_stores(const struct ctmi_cursor *cursor, struct ctmi_store *store)
{
    ctm_status status = CTM_OK;
    for (uint32_t i = 0; i < CTMI_RECORDING_STORES && status == CTM_OK; i++) {
        if (cursor->stores[i] != NULL) {
            status = merge_store(store, cursor->stores[i]);
        }
    }
    return status;
}

static uint64_t unix_time(const ctm_recording_info *info, uint64_t time)
{
    return info->started == 0 ? 0 : info->started + time;
}

static void losses_at(const struct ctm_recording *recording, size_t moment, struct ctmi_losses *out)
{
    *out = recording->cursor.losses;
    if (moment + 1 == recording->info.moments) {
        ctmi_recording_set_lack(recording, out);
    }
}

ctm_status ctm_recording_snapshot(ctm_recording *recording, size_t moment, ctm_snapshot **out)
{
    const ctm_recording_info *about = &recording->info;
    if (moment >= about->moments) {
        return CTM_ERR_INVALID;
    }
    ctm_status status = ctmi_cursor_seek(recording, moment);
    if (status != CTM_OK) {
        return status;
    }
    const ctm_moment *at = &recording->moments[moment];
    const ctm_recording_span *span = &recording->spans[at->span];
    ctm_snapshot_info info = {
        .nframe = span->nframe,
        .sample_interval = span->sample_interval,
        .peak_bytes = at->peak_bytes,
        .taken_ns = unix_time(about, at->time),
        .pid = about->pid <= UINT32_MAX ? (uint32_t)about->pid : 0,
    };
    struct ctmi_losses losses;
    struct ctmi_store store;
    losses_at(recording, moment, &losses);
    ctmi_store_init(&store);
    status = merge_stores(&recording->cursor, &store);
    if (status == CTM_OK) {
        status = ctmi_store_string(&store, about->command, strlen(about->command), &info.command);
    }
    if (status == CTM_OK) {
        status = ctmi_snapshot_from_store(&store, &info, &losses, out);
    }
    ctmi_store_free_all(&store);
    return status;
}
