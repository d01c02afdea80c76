/* tables/unplaced.c: counts blocks for whose traceback there is no memory; see store.h.
 *
 * Model: a table that cannot grow still has the spare rows that were reserved earlier. They are used for one
 * traceback and for one site per block size. So totals and counts stay exact, and only the traceback is unknown.
 * Nothing here allocates memory, because ordinary rows do not use the spare ones (rows.c).
 */
#include "tables/rows.h"

static void set_spare(struct ctmi_store *store, bool is_reserved)
{
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        store->rows[table].spare = is_reserved ? ctmi_schemas[table].spare : 0;
    }
    store->sites.spare = is_reserved ? store->spare_sites : 0;
    store->bytes.spare = is_reserved ? sizeof CTMI_UNPLACED_TEXT : 0;
}

static bool map_spare(struct ctmi_store *store)
{
    uint64_t offset;
    for (enum ctmi_table table = 0; table < CTMI_ROWS_TABLES; table++) {
        if (store->rows[table].spare != 0 && ctmi_store_map_row(store, table) != CTM_OK) {
            return false;
        }
    }
    return ctmi_bytes_map(&store->bytes, 0, &offset) == CTM_OK &&
           (store->unplaced_index.slots != NULL ||
            ctmi_index_make(&store->unplaced_index, 2 * store->spare_sites) == CTM_OK);
}

ctm_status ctmi_store_reserve_spare(struct ctmi_store *store)
{
    set_spare(store, true);
    if (map_spare(store)) {
        return CTM_OK;
    }
    set_spare(store, false);
    return CTM_ERR_NOMEM;
}

static ctm_status intern_traceback(struct ctmi_store *store)
{
    uint32_t string, function, frame;
    ctm_status status =
        ctmi_store_string(store, CTMI_UNPLACED_TEXT, sizeof CTMI_UNPLACED_TEXT - 1, &string);
    if (status == CTM_OK) {
        status = ctmi_store_function(store, string, 0, 0, &function);
    }
    if (status == CTM_OK) {
        status = ctmi_store_frame(store, function, 0, &frame);
    }
    return status == CTM_OK ? ctmi_store_traceback(store, 0, frame, 1, &store->unplaced_traceback)
                            : status;
}

static uint32_t hash_key(uint32_t domain, uint64_t block_size)
{
    const uint64_t hash = (block_size ^ (uint64_t)domain << 40) * 0x9E3779B97F4A7C15ull;
    return (uint32_t)(hash ^ hash >> 32);
}

/* Returns the site of unplaced blocks; 0: there is none. */
static uint32_t find(const struct ctmi_store *store, uint32_t domain, uint64_t block_size)
{
    const struct ctmi_index *index = &store->unplaced_index;
    for (uint32_t at = hash_key(domain, block_size) & index->mask;; at = (at + 1) & index->mask) {
        const uint32_t id = ctmi_index_id(index, index->slots[at]);
        const ctm_site *site = id != 0 ? &ctmi_store_site_row(store, id)->site : NULL;
        if (site == NULL || (site->block_size == block_size && site->domain == domain)) {
            return id;
        }
    }
}

static ctm_status make(struct ctmi_store *store, uint32_t domain, uint64_t block_size,
                       uint32_t *out)
{
    ctm_status status = store->unplaced_traceback != 0 ? CTM_OK : intern_traceback(store);
    if (status == CTM_OK && store->unplaced_index.used >= store->spare_sites) {
        status = CTM_ERR_NOMEM;
    }
    if (status == CTM_OK) {
        status =
            ctmi_store_site_append(store, domain, store->unplaced_traceback, block_size, 0, out);
    }
    if (status == CTM_OK) {
        ctmi_index_put(&store->unplaced_index, hash_key(domain, block_size), *out);
    }
    return status;
}

ctm_status ctmi_store_unplaced_site(struct ctmi_store *store, uint32_t domain, uint64_t block_size,
                                    uint32_t *out)
{
    if (store->unplaced_index.slots == NULL) {
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

uint64_t ctmi_store_unplaced_blocks(const struct ctmi_store *store)
{
    const struct ctmi_index *index = &store->unplaced_index;
    uint64_t blocks = 0;
    for (uint64_t i = 0; index->used != 0 && i <= index->mask; i++) {
        const uint32_t id = ctmi_index_id(index, index->slots[i]);
        if (id != 0) {
            blocks += ctmi_store_site_row(store, id)->site.allocated;
        }
    }
    return blocks;
}
