/* read/builder.c: snapshots made by hand.
 *
 * Model: a builder is a store that nobody traces into. For each key the first site row is in
 * the store's index, whoever made it, so a merging caller finds it. A row whose counters
 * are zero is a key reserved by a call that failed later; finish leaves such rows out, which
 * is what makes adding a whole snapshot all or nothing.
 */
#include <string.h>

#include "read/merge.h"
#include "read/snapshot.h"
#include "store/memory.h"
#include "store/store.h"

struct ctm_builder {
    struct ctm_store store; /* owned */
    ctm_snapshot_info info; /* nframe, peak_bytes, tracer_bytes */
};

ctm_status ctm_builder_new(ctm_builder **out)
{
    ctm_builder *builder = ctm_mem_alloc(sizeof *builder);
    if (builder == NULL) return CTM_ERR_NOMEM;
    ctm_store_init(&builder->store);
    memset(&builder->info, 0, sizeof builder->info);
    *out = builder;
    return CTM_OK;
}

void ctm_builder_free(ctm_builder *builder)
{
    if (builder == NULL) return;
    ctm_store_free_all(&builder->store);
    ctm_mem_free(builder);
}

ctm_status ctm_builder_string(ctm_builder *builder, const char *utf8, size_t length, uint32_t *out)
{
    return ctm_store_string(&builder->store, utf8, length, out);
}

ctm_status ctm_builder_function(ctm_builder *builder, uint32_t filename, uint32_t name,
                                int32_t first_lineno, uint32_t *out)
{
    return ctm_store_function(&builder->store, filename, name, first_lineno, out);
}

ctm_status ctm_builder_frame(ctm_builder *builder, uint32_t function, int32_t lineno, uint32_t *out)
{
    return ctm_store_frame(&builder->store, function, lineno, out);
}

ctm_status ctm_builder_traceback(ctm_builder *builder, uint32_t parent, uint32_t frame,
                                 int32_t total_nframe, uint32_t *out)
{
    return ctm_store_traceback(&builder->store, parent, frame, total_nframe, out);
}

/* A row of this key with zero counters: the indexed one if it is new, else one more. */
static ctm_status fresh_row(struct ctm_store *store, const ctm_site *site, uint32_t traceback,
                            uint32_t *out)
{
    uint32_t before = ctm_store_site_count(store);
    ctm_status status =
        ctm_store_site(store, site->domain, traceback, site->block_size, site->labels, out);
    if (status != CTM_OK || *out >= before) return status;
    return ctm_store_site_append(store, site->domain, traceback, site->block_size, site->labels,
                                 out);
}

static bool same_key(const ctm_site *a, const ctm_site *b)
{
    return a->block_size == b->block_size && a->domain == b->domain &&
           a->traceback == b->traceback && a->labels == b->labels;
}

/* The row that `site` is to be added to. */
static ctm_status target_row(struct ctm_store *store, const ctm_site *site, bool merge,
                             uint32_t *out)
{
    uint32_t last = ctm_store_site_count(store) - 1;
    if (merge)
        return ctm_store_site(store, site->domain, site->traceback, site->block_size, site->labels,
                              out);
    if (last > 0 && same_key(&ctm_store_site_row(store, last)->site, site)) {
        *out = last;
        return CTM_OK;
    }
    return fresh_row(store, site, site->traceback, out);
}

ctm_status ctm_builder_site(ctm_builder *builder, const ctm_site *site, bool merge)
{
    uint32_t id;
    if (site->freed > site->allocated || site->labels != 0 || site->reserved != 0)
        return CTM_ERR_INVALID;
    ctm_status status = target_row(&builder->store, site, merge, &id);
    if (status != CTM_OK) return status;
    ctm_site *row = &ctm_store_site_row(&builder->store, id)->site;
    /* freed never exceeds allocated, so one check is enough for both. */
    uint64_t allocated;
    if (__builtin_add_overflow(row->allocated, site->allocated, &allocated)) return CTM_ERR_LIMIT;
    row->allocated = allocated;
    row->freed += site->freed;
    return CTM_OK;
}

/* Is the site kept at all? A site without live blocks is kept as history. */
static bool site_kept(const ctm_site *site, const uint64_t *keep, uint32_t id)
{
    return keep == NULL || keep[id] > 0 || ctm_site_live(site) == 0;
}

/* Makes the rows that can fail to be made; rows[id] is the new row of site `id`. */
static ctm_status reserve_rows(ctm_builder *builder, const ctm_snapshot *snapshot,
                               const uint64_t *keep, const uint32_t *map, uint32_t *rows)
{
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id <= snapshot->info.sites && status == CTM_OK; id++) {
        const ctm_site *site = &snapshot->sites[id];
        if (keep != NULL && keep[id] > ctm_site_live(site)) return CTM_ERR_INVALID;
        if (site_kept(site, keep, id))
            status = fresh_row(&builder->store, site, map[site->traceback], &rows[id]);
    }
    return status;
}

static void fill_rows(ctm_builder *builder, const ctm_snapshot *snapshot, const uint64_t *keep,
                      const uint32_t *rows)
{
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        if (!site_kept(site, keep, id)) continue;
        ctm_site *row = &ctm_store_site_row(&builder->store, rows[id])->site;
        row->freed = site->freed;
        row->allocated = keep == NULL ? site->allocated : site->freed + keep[id];
    }
}

ctm_status ctm_builder_add_snapshot(ctm_builder *builder, const ctm_snapshot *snapshot,
                                    const uint64_t *keep)
{
    size_t tracebacks = (size_t)snapshot->info.tracebacks + 1;
    size_t sites = (size_t)snapshot->info.sites + 1;
    uint32_t *map = ctm_mem_alloc((tracebacks + sites) * sizeof(uint32_t));
    if (map == NULL) return CTM_ERR_NOMEM;
    ctm_status status = ctm_store_add_tables(&builder->store, snapshot, map);
    if (status == CTM_OK) status = reserve_rows(builder, snapshot, keep, map, map + tracebacks);
    if (status == CTM_OK) fill_rows(builder, snapshot, keep, map + tracebacks);
    ctm_mem_free(map);
    if (status == CTM_OK) builder->info.sample_interval = snapshot->info.sample_interval;
    return status;
}

void ctm_builder_set_info(ctm_builder *builder, uint32_t nframe, uint64_t peak_bytes,
                          uint64_t tracer_bytes)
{
    builder->info.nframe = nframe;
    builder->info.peak_bytes = peak_bytes;
    builder->info.tracer_bytes = tracer_bytes;
}

ctm_status ctm_builder_finish(ctm_builder *builder, ctm_snapshot **out)
{
    ctm_status status = ctm_snapshot_from_store(&builder->store, &builder->info, out);
    if (status == CTM_OK) {
        ctm_store_free_all(&builder->store);
        memset(&builder->info, 0, sizeof builder->info);
    }
    return status;
}
