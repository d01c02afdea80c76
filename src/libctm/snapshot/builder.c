/* snapshot/builder.c: makes snapshots from rows that the caller adds.
 *
 * Model: a builder is a store that no tracer uses. The first site row of each key is in the store's index, so a
 * merging call finds it, whichever call made it. A row with zero counters is a key that was reserved by a call that
 * failed later. Finish omits such rows, so adding a snapshot succeeds completely or adds nothing.
 */
#include <string.h>

#include "base/memory.h"
#include "snapshot/merge.h"
#include "snapshot/snapshot.h"
#include "tables/store.h"

/* Owned by the caller; one thread at a time. */
struct ctm_builder {
    struct ctmi_store store; /* owned */
    ctm_snapshot_info info;  /* the fields that are not counted */
    struct ctmi_losses losses;
};

ctm_status ctm_builder_new(ctm_builder **out)
{
    ctm_builder *builder = ctmi_mem_alloc(sizeof *builder);
    if (builder == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctmi_store_init(&builder->store);
    memset(&builder->info, 0, sizeof builder->info);
    builder->losses.n = 0;
    *out = builder;
    return CTM_OK;
}

void ctm_builder_free(ctm_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    ctmi_store_free_all(&builder->store);
    ctmi_mem_free(builder);
}

ctm_status ctm_builder_string(ctm_builder *builder, const char *utf8, size_t length, uint32_t *out)
{
    return ctmi_store_string(&builder->store, utf8, length, out);
}

ctm_status ctm_builder_function(ctm_builder *builder, uint32_t filename, uint32_t name,
                                int32_t first_lineno, uint32_t *out)
{
    return ctmi_store_function(&builder->store, filename, name, first_lineno, out);
}

ctm_status ctm_builder_frame(ctm_builder *builder, uint32_t function, int32_t lineno, uint32_t *out)
{
    return ctmi_store_frame(&builder->store, function, lineno, out);
}

ctm_status ctm_builder_traceback(ctm_builder *builder, uint32_t parent, uint32_t frame,
                                 int32_t total_nframe, uint32_t *out)
{
    return ctmi_store_traceback(&builder->store, parent, frame, total_nframe, out);
}

ctm_status ctm_builder_label(ctm_builder *builder, uint32_t set, uint32_t key, uint32_t value,
                             uint32_t *out)
{
    return ctmi_store_label(&builder->store, set, key, value, out);
}

/* Makes a row of this key with zero counters, which is in the index if it is the first of its key. */
static ctm_status make_row(struct ctmi_store *store, const ctm_site *key, uint32_t *out)
{
    uint32_t before = ctmi_store_site_count(store);
    ctm_status status =
        ctmi_store_site(store, key->domain, key->traceback, key->block_size, key->labels, out);
    if (status != CTM_OK || *out >= before) {
        return status;
    }
    return ctmi_store_site_append(store, key->domain, key->traceback, key->block_size, key->labels,
                                  out);
}

/* Finds or makes the row that `site` is added to. */
static ctm_status target_row(struct ctmi_store *store, const ctm_site *site, bool merge,
                             uint32_t *out)
{
    uint32_t last = ctmi_store_site_count(store) - 1;
    if (merge) {
        return ctmi_store_site(store, site->domain, site->traceback, site->block_size, site->labels,
                               out);
    }
    if (last > 0 && ctmi_site_has_key(&ctmi_store_site_row(store, last)->site, site)) {
        *out = last;
        return CTM_OK;
    }
    return make_row(store, site, out);
}

ctm_status ctm_builder_site(ctm_builder *builder, const ctm_site *site, bool merge)
{
    uint32_t id;
    if (site->freed > site->allocated || site->at_peak > site->allocated || site->reserved != 0) {
        return CTM_ERR_INVALID;
    }
    ctm_status status = target_row(&builder->store, site, merge, &id);
    if (status != CTM_OK) {
        return status;
    }
    ctm_site *row = &ctmi_store_site_row(&builder->store, id)->site;
    /* The other counters never exceed `allocated`, so one check is enough for all. */
    uint64_t allocated;
    if (__builtin_add_overflow(row->allocated, site->allocated, &allocated)) {
        return CTM_ERR_LIMIT;
    }
    row->allocated = allocated;
    row->freed += site->freed;
    row->at_peak += site->at_peak;
    return CTM_OK;
}

/* Whether the site is added at all. A site without live blocks is added for its history. */
static bool is_added(const ctm_site *site, const uint64_t *counts, uint32_t id)
{
    return counts == NULL || counts[id] > 0 || ctmi_site_live(site) == 0;
}

/* New ids in the builder's store, by id of the snapshot's rows. Borrowed from one allocation. */
struct new_ids {
    uint32_t *tracebacks, *labels, *sites;
};

/* Makes all rows first, because making one can fail. */
static ctm_status reserve_rows(ctm_builder *builder, const ctm_snapshot *snapshot,
                               const uint64_t *counts, const struct new_ids *ids)
{
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id <= snapshot->info.sites && status == CTM_OK; id++) {
        ctm_site site = snapshot->sites[id];
        if (counts != NULL && counts[id] > ctmi_site_live(&site)) {
            return CTM_ERR_INVALID;
        }
        if (!is_added(&site, counts, id)) {
            continue;
        }
        site.traceback = ids->tracebacks[site.traceback];
        site.labels = ids->labels[site.labels];
        status = make_row(&builder->store, &site, &ids->sites[id]);
    }
    return status;
}

/* Fills the rows. False: a site is added in part, so the number of its blocks that were live at the peak is unknown. */
static bool fill_rows(ctm_builder *builder, const ctm_snapshot *snapshot, const uint64_t *counts,
                      const struct new_ids *ids)
{
    bool complete = true;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        if (!is_added(site, counts, id)) {
            continue;
        }
        ctm_site *row = &ctmi_store_site_row(&builder->store, ids->sites[id])->site;
        row->freed = site->freed;
        row->allocated = counts == NULL ? site->allocated : site->freed + counts[id];
        row->at_peak = site->at_peak < row->allocated ? site->at_peak : row->allocated;
        complete &= row->allocated == site->allocated;
    }
    return complete;
}

ctm_status ctm_builder_add_snapshot(ctm_builder *builder, const ctm_snapshot *snapshot,
                                    const uint64_t *counts)
{
    size_t tracebacks = (size_t)snapshot->info.tracebacks + 1;
    size_t labels = (size_t)snapshot->info.label_sets + 1;
    size_t sites = (size_t)snapshot->info.sites + 1;
    uint32_t *memory = ctmi_mem_alloc((tracebacks + labels + sites) * sizeof(uint32_t));
    if (memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    struct new_ids ids = {memory, memory + tracebacks, memory + tracebacks + labels};
    bool first = ctmi_store_site_count(&builder->store) == 1;
    ctm_status status =
        ctmi_store_add_tables(&builder->store, snapshot, ids.tracebacks, ids.labels, 0);
    if (status == CTM_OK) {
        status = reserve_rows(builder, snapshot, counts, &ids);
    }
    if (status == CTM_OK) {
        bool complete = fill_rows(builder, snapshot, counts, &ids);
        builder->info.sample_interval = snapshot->info.sample_interval;
        builder->info.peak_known =
            snapshot->info.peak_known && complete && (first || builder->info.peak_known);
        ctmi_losses_add_all(&builder->losses, snapshot->losses, snapshot->n_losses);
    }
    ctmi_mem_free(memory);
    return status;
}

void ctm_builder_loss(ctm_builder *builder, const char *kind, const char *detail, uint64_t count)
{
    (void)ctmi_losses_add(&builder->losses, kind, detail, count);
}

void ctm_builder_set_info(ctm_builder *builder, uint32_t nframe, uint64_t peak_bytes,
                          uint64_t tracer_bytes)
{
    builder->info.nframe = nframe;
    builder->info.peak_bytes = peak_bytes;
    builder->info.tracer_bytes = tracer_bytes;
}

void ctm_builder_set_peak_known(ctm_builder *builder, bool known)
{
    builder->info.peak_known = known;
}

ctm_status ctm_builder_set_origin(ctm_builder *builder, uint64_t taken_ns, uint64_t started_ns,
                                  uint32_t pid, uint32_t command)
{
    if (command >= ctmi_store_string_count(&builder->store)) {
        return CTM_ERR_INVALID;
    }
    builder->info.taken_ns = taken_ns;
    builder->info.started_ns = started_ns;
    builder->info.pid = pid;
    builder->info.command = command;
    return CTM_OK;
}

ctm_status ctm_builder_finish(ctm_builder *builder, ctm_snapshot **out)
{
    ctm_status status =
        ctmi_snapshot_from_store(&builder->store, &builder->info, &builder->losses, out);
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(*out);
        ctmi_store_free_all(&builder->store);
        builder->losses.n = 0;
        memset(&builder->info, 0, sizeof builder->info);
    }
    return status;
}
