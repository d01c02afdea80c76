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

static void mark_tracebacks(const struct ctmi_store *from, uint32_t *ids)
{
    for (uint32_t id = 1; id < ctmi_store_site_count(from); id++) {
        const ctm_site *site = &ctmi_store_site_row(from, id)->site;
        if (site->allocated != 0) {
            ids[site->traceback] = NEEDED;
        }
    }
    for (uint32_t id = ctmi_store_traceback_count(from) - 1; id > 0; id--) {
        if (ids[id] == NEEDED) {
            ids[ctmi_store_traceback_row(from, id)->row.parent] = NEEDED;
        }
    }
    ids[0] = 0;
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

static ctm_status add_sites(struct ctmi_remap *remap, const struct ctmi_store *from)
{
    for (uint32_t id = 1; id < ctmi_store_site_count(from); id++) {
        struct ctmi_site_row *row = ctmi_store_site_row(from, id);
        ctmi_remap_prefetch_site(remap, id, site_at, from);
        if (row->site.allocated == 0) {
            continue;
        }
        uint32_t to;
        ctm_status status = ctmi_store_site(
            remap->to, row->site.domain, remap->ids[CTMI_TABLE_TRACEBACKS][row->site.traceback],
            row->site.block_size, remap->ids[CTMI_TABLE_LABELS][row->site.labels], &to);
        if (status != CTM_OK) {
            return status;
        }
        ctm_site *site = &ctmi_store_site_row(remap->to, to)->site;
        site->allocated += row->site.allocated;
        site->freed += ctmi_site_row_freed(row);
        site->at_peak += ctmi_site_row_at_peak(from, row);
    }
    return CTM_OK;
}

ctm_status ctmi_store_add_store(struct ctmi_store *to, const struct ctmi_store *from)
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
    status = ctmi_remap_expect(&remap);
    if (status == CTM_OK) {
        mark_tracebacks(from, remap.ids[CTMI_TABLE_TRACEBACKS]);
        status = add_tracebacks(&remap);
    }
    if (status == CTM_OK) {
        status = add_whole_tables(&remap);
    }
    if (status == CTM_OK) {
        status = add_sites(&remap, from);
    }
    ctmi_remap_free(&remap);
    return status;
}
