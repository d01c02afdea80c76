/* tables/add_store.c: see tables/add_store.h.
 *
 * Model: of the tracebacks and the tables before them, only rows that a site with blocks needs are added. Tables
 * between the tracebacks and the sites are added whole. Tracebacks are walked in the order of their ids, because a
 * parent precedes its children.
 */
#include "tables/add_store.h"

#include "tables/remap.h"

#define NEEDED UINT32_MAX /* in the tracebacks' ids, until the traceback is interned */

static const char *string_of(const void *strings, uint32_t id, size_t *out_length)
{
    return ctmi_store_string_row(strings, id, out_length);
}

/* Those of the needed ones. */
static void mark_parents(const struct ctmi_store *from, uint32_t *ids)
{
    for (uint32_t id = ctmi_store_traceback_count(from) - 1; id > 0; id--) {
        if (ids[id] == NEEDED) {
            ids[ctmi_store_traceback_row(from, id)->row.parent] = NEEDED;
        }
    }
    ids[0] = 0;
}

static void mark_tracebacks(const struct ctmi_store *from, uint32_t *ids)
{
    for (uint32_t id = 1; id < ctmi_store_site_count(from); id++) {
        const ctm_site *site = &ctmi_store_site_row(from, id)->site;
        if (site->allocated != 0) {
            ids[site->traceback] = NEEDED;
        }
    }
    mark_parents(from, ids);
}

static void mark_counted(const struct ctmi_store *from, const struct ctmi_counted_site *sites,
                         uint32_t n, uint32_t *ids)
{
    for (uint32_t i = 0; i < n; i++) {
        ids[ctmi_store_site_row(from, sites[i].site)->site.traceback] = NEEDED;
    }
    mark_parents(from, ids);
}

static ctm_status add_tracebacks(struct ctmi_remap *remap)
{
    uint32_t *ids = remap->ids[CTMI_TABLE_TRACEBACKS];
    const uint32_t count = remap->from->counts[CTMI_TABLE_TRACEBACKS];
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id < count && status == CTM_OK; id++) {
        ctmi_remap_prefetch_traceback(remap, id);
        if (ids[id] == NEEDED) {
            ids[id] = 0;
            status = ctmi_remap_row(remap, CTMI_TABLE_TRACEBACKS, id);
        }
    }
    return status;
}

/* The tables between the tracebacks and the sites. */
static ctm_status add_whole_tables(struct ctmi_remap *remap)
{
    ctm_status status = CTM_OK;
    for (enum ctmi_table table = CTMI_TABLE_TRACEBACKS + 1; table < CTMI_TABLE_SITES; table++) {
        for (uint32_t id = 1; id < remap->from->counts[table] && status == CTM_OK; id++) {
            status = ctmi_remap_row(remap, table, id);
        }
    }
    return status;
}

static const ctm_site *site_at(const void *store, uint32_t id)
{
    return &ctmi_store_site_row(store, id)->site;
}

/* Adds counters to the site of the same key. */
static ctm_status add_site(struct ctmi_remap *remap, const ctm_site *key, uint64_t allocated,
                           uint64_t freed, uint64_t at_peak)
{
    uint32_t to;
    const ctm_status status =
        ctmi_store_site(remap->to, key->domain, remap->ids[CTMI_TABLE_TRACEBACKS][key->traceback],
                        key->block_size, remap->ids[CTMI_TABLE_LABELS][key->labels], &to);
    if (status == CTM_OK) {
        ctm_site *site = &ctmi_store_site_row(remap->to, to)->site;
        site->allocated += allocated;
        site->freed += freed;
        site->at_peak += at_peak;
    }
    return status;
}

static ctm_status add_sites(struct ctmi_remap *remap, const struct ctmi_store *from)
{
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id < ctmi_store_site_count(from) && status == CTM_OK; id++) {
        struct ctmi_site_row *row = ctmi_store_site_row(from, id);
        ctmi_remap_prefetch_site(remap, id, site_at, from);
        if (row->site.allocated != 0) {
            status = add_site(remap, &row->site, row->site.allocated, ctmi_site_row_freed(row),
                              ctmi_site_row_at_peak(from, row));
        }
    }
    return status;
}

static ctm_status add_counted(struct ctmi_remap *remap, const struct ctmi_store *from,
                              const struct ctmi_counted_site *sites, uint32_t n)
{
    ctm_status status = CTM_OK;
    for (uint32_t i = 0; i < n && status == CTM_OK; i++) {
        status = add_site(remap, site_at(from, sites[i].site), sites[i].allocated, sites[i].freed,
                          sites[i].at_peak);
    }
    return status;
}

/* `sites` NULL: all that have blocks. */
static ctm_status add(struct ctmi_store *to, const struct ctmi_store *from,
                      const struct ctmi_counted_site *sites, uint32_t n)
{
    struct ctmi_row_source source = {.store = from, .strings = from, .string = string_of};
    struct ctmi_remap remap = {.to = to, .from = &source};
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        source.counts[table] = from->rows[table].count;
    }
    ctm_status status = ctmi_remap_init(&remap);
    if (status != CTM_OK) {
        return status;
    }
    if (sites != NULL) {
        mark_counted(from, sites, n, remap.ids[CTMI_TABLE_TRACEBACKS]);
    } else {
        status = ctmi_remap_expect(&remap);
        mark_tracebacks(from, remap.ids[CTMI_TABLE_TRACEBACKS]);
    }
    if (status == CTM_OK) {
        status = add_tracebacks(&remap);
    }
    if (status == CTM_OK) {
        status = add_whole_tables(&remap);
    }
    if (status == CTM_OK) {
        status = sites != NULL ? add_counted(&remap, from, sites, n) : add_sites(&remap, from);
    }
    ctmi_remap_free(&remap);
    return status;
}

ctm_status ctmi_store_add_store(struct ctmi_store *to, const struct ctmi_store *from)
{
    return add(to, from, NULL, 0);
}

ctm_status ctmi_store_add_counted(struct ctmi_store *to, const struct ctmi_store *from,
                                  const struct ctmi_counted_site *sites, uint32_t n)
{
    return n != 0 ? add(to, from, sites, n) : CTM_OK;
}
