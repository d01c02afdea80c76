/* unplaced.c: blocks whose place there is no memory for; see store.h.
 *
 * Model: a table that cannot grow still has the spare rows that were set aside while it could. Of these, one traceback is made, and
 * a site for each size that comes: so totals and counts stay exact, and only the place is not known. Nothing here
 * asks the system for memory, if ordinary rows did leave the spare ones alone (rows.c).
 */
#include "store/rows.h"

static void set_spare(struct ctm_store *store, bool is_kept)
{
    store->strings.spare = store->functions.spare = store->frames.spare = store->tracebacks.spare =
        is_kept;
    store->sites.spare = is_kept ? CTM_SPARE_SITES : 0;
    store->bytes.spare = is_kept ? sizeof CTM_UNPLACED_TEXT : 0;
}

static bool have_room(struct ctm_store *store)
{
    static const enum ctm_table tables[] = {CTM_TABLE_STRINGS, CTM_TABLE_FUNCTIONS,
                                            CTM_TABLE_FRAMES, CTM_TABLE_TRACEBACKS,
                                            CTM_TABLE_SITES};
    uint64_t offset;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (ctm_store_map_row(store, tables[i]) != CTM_OK) {
            return false;
        }
    }
    return ctm_bytes_map(&store->bytes, 0, &offset) == CTM_OK &&
           (store->unplaced_index.ids != NULL ||
            ctm_index_make(&store->unplaced_index, 2 * CTM_SPARE_SITES) == CTM_OK);
}

ctm_status ctm_store_keep_spare(struct ctm_store *store)
{
    set_spare(store, true);
    if (have_room(store)) {
        return CTM_OK;
    }
    set_spare(store, false);
    return CTM_ERR_NOMEM;
}

static ctm_status intern_traceback(struct ctm_store *store)
{
    uint32_t string, function, frame;
    ctm_status status =
        ctm_store_string(store, CTM_UNPLACED_TEXT, sizeof CTM_UNPLACED_TEXT - 1, &string);
    if (status == CTM_OK) {
        status = ctm_store_function(store, string, 0, 0, &function);
    }
    if (status == CTM_OK) {
        status = ctm_store_frame(store, function, 0, &frame);
    }
    return status == CTM_OK ? ctm_store_traceback(store, 0, frame, 1, &store->unplaced_traceback)
                            : status;
}

static uint32_t hash_key(uint32_t domain, uint64_t block_size)
{
    const uint64_t hash = (block_size ^ (uint64_t)domain << 40) * 0x9E3779B97F4A7C15ull;
    return (uint32_t)(hash ^ hash >> 32);
}

/* 0: there is no such site. */
static uint32_t find(const struct ctm_store *store, uint32_t domain, uint64_t block_size)
{
    const struct ctm_index *index = &store->unplaced_index;
    for (uint32_t at = hash_key(domain, block_size) & index->mask;; at = (at + 1) & index->mask) {
        const uint32_t id = index->ids[at];
        const ctm_site *site = id != 0 ? &ctm_store_site_row(store, id)->site : NULL;
        if (site == NULL || (site->block_size == block_size && site->domain == domain)) {
            return id;
        }
    }
}

static ctm_status make(struct ctm_store *store, uint32_t domain, uint64_t block_size, uint32_t *out)
{
    ctm_status status = store->unplaced_traceback != 0 ? CTM_OK : intern_traceback(store);
    if (status == CTM_OK && store->unplaced_index.used >= CTM_SPARE_SITES) {
        status = CTM_ERR_NOMEM;
    }
    if (status == CTM_OK) {
        status =
            ctm_store_site_append(store, domain, store->unplaced_traceback, block_size, 0, out);
    }
    if (status == CTM_OK) {
        ctm_index_put(&store->unplaced_index, hash_key(domain, block_size), *out);
    }
    return status;
}

ctm_status ctm_store_unplaced_site(struct ctm_store *store, uint32_t domain, uint64_t block_size,
                                   uint32_t *out)
{
    if (store->unplaced_index.ids == NULL) {
        return CTM_ERR_NOMEM;
    }
    const uint32_t found = find(store, domain, block_size);
    if (found != 0) {
        *out = found;
        return CTM_OK;
    }
    set_spare(store, false);
    store->is_using_spare = true;
    const ctm_status status = make(store, domain, block_size, out);
    store->is_using_spare = false;
    set_spare(store, true);
    return status;
}

uint64_t ctm_store_unplaced_blocks(const struct ctm_store *store)
{
    const struct ctm_index *index = &store->unplaced_index;
    uint64_t blocks = 0;
    for (uint64_t i = 0; index->used != 0 && i <= index->mask; i++) {
        if (index->ids[i] != 0) {
            blocks += ctm_store_site_row(store, index->ids[i])->site.allocated;
        }
    }
    return blocks;
}
