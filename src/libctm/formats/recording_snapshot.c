/* formats/recording_snapshot.c: makes a snapshot of the tables at a moment; see formats/recording_reader.h.
 *
 * Model: the stores of a recording are independent sets of tables. Their rows are interned into one store, and sites
 * with the same key are added up. A tracer does the same with its shards, so the result equals a snapshot of the
 * tracer at that moment.
 */
#include <string.h>

#include "formats/recording_reader.h"
#include "snapshot/snapshot.h"
#include "tables/remap.h"

static const char *string_of(const void *strings, uint32_t id, size_t *out_length)
{
    const struct ctmi_recorded *from = strings;
    *out_length = from->strings[id].length;
    return from->bytes + from->strings[id].offset;
}

static const ctm_site *site_at(const void *recorded, uint32_t id)
{
    return &((const struct ctmi_recorded *)recorded)->sites[id];
}

static ctm_status add_sites(const struct ctmi_remap *remap, const struct ctmi_recorded *from)
{
    for (uint32_t id = 1; id < from->counts[CTMI_TABLE_SITES]; id++) {
        const ctm_site *row = &from->sites[id];
        uint32_t to;
        ctmi_remap_prefetch_site(remap, id, site_at, from);
        if (row->allocated == 0) {
            continue;
        }
        ctm_status status = ctmi_store_site(
            remap->to, row->domain, remap->ids[CTMI_TABLE_TRACEBACKS][row->traceback],
            row->block_size, remap->ids[CTMI_TABLE_LABELS][row->labels], &to);
        if (status != CTM_OK) {
            return status;
        }
        ctm_site *site = &ctmi_store_site_row(remap->to, to)->site;
        /* freed never exceeds allocated, so it does not overflow. */
        if (__builtin_add_overflow(site->allocated, row->allocated, &site->allocated)) {
            return CTM_ERR_LIMIT;
        }
        site->freed += row->freed;
    }
    return CTM_OK;
}

static ctm_status merge_store(struct ctmi_store *to, const struct ctmi_recorded *from)
{
    struct ctmi_row_source source = {.columns = from->rows, .strings = from, .string = string_of};
    struct ctmi_remap remap = {.to = to, .from = &source};
    memcpy(source.counts, from->counts, sizeof source.counts);
    ctm_status status = ctmi_remap_init(&remap);
    if (status != CTM_OK) {
        return status;
    }
    status = ctmi_remap_expect(&remap);
    if (status == CTM_OK) {
        status = ctmi_remap_tables(&remap, CTMI_TABLE_SITES - 1);
    }
    if (status == CTM_OK) {
        status = add_sites(&remap, from);
    }
    ctmi_remap_free(&remap);
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
