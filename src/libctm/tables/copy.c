/* tables/copy.c: makes a second store with the same rows under the same ids.
 *
 * Model: chunks and indexes are copied as they are, because rows refer to each other by id and indexes have only ids.
 * No row is hashed, so this is several times as fast as interning each row again.
 */
#include <string.h>

#include "base/memory.h"
#include "tables/rows.h"

static ctm_status copy_rows(struct ctmi_rows *to, const struct ctmi_rows *from)
{
    uint64_t left = from->count, size = from->first;
    to->first = from->first;
    to->first_log2 = from->first_log2;
    for (unsigned k = 0; left > 0 && from->chunk[k] != NULL; k++, size *= 2) {
        uint64_t rows = left < size ? left : size;
        to->chunk[k] = ctmi_mem_map(size * from->row_size);
        if (to->chunk[k] == NULL) {
            return CTM_ERR_NOMEM;
        }
        if (k == 0) {
            ctmi_mem_sparse(to->chunk[0], size * from->row_size);
        }
        memcpy(to->chunk[k], from->chunk[k], rows * from->row_size);
        left -= rows;
    }
    to->count = from->count;
    return CTM_OK;
}

static ctm_status copy_bytes(struct ctmi_bytes *to, const struct ctmi_bytes *from)
{
    for (unsigned k = 0; k < CTMI_BYTES_CHUNKS; k++) {
        if (from->chunk[k] == NULL || from->end <= ctmi_bytes_chunk_start(k)) {
            continue;
        }
        uint64_t used = from->end - ctmi_bytes_chunk_start(k), size = ctmi_bytes_chunk_size(k);
        to->chunk[k] = ctmi_mem_map(size);
        if (to->chunk[k] == NULL) {
            return CTM_ERR_NOMEM;
        }
        memcpy(to->chunk[k], from->chunk[k], used < size ? used : size);
    }
    to->end = from->end;
    return CTM_OK;
}

static ctm_status copy_index(struct ctmi_index *to, const struct ctmi_index *from)
{
    if (from->used == 0) {
        return CTM_OK;
    }
    size_t size = ((size_t)from->mask + 1) * sizeof(uint32_t);
    uint32_t *slots = ctmi_mem_map(size);
    if (slots == NULL) {
        return CTM_ERR_NOMEM;
    }
    memcpy(slots, from->slots, size);
    *to = *from;
    to->slots = slots;
    return CTM_OK;
}

/* A copy belongs to no shard, so freed_remote is added to freed. No later peak is counted in a copy, so the blocks at
 * the peak are final. */
static void finalize_sites(struct ctmi_store *store)
{
    for (uint32_t id = 1; id < ctmi_store_site_count(store); id++) {
        struct ctmi_site_row *row = ctmi_store_site_row(store, id);
        row->site.at_peak = ctmi_site_row_at_peak(store, row);
        row->site.reserved = 0;
        row->site.freed = ctmi_site_row_freed(row);
        atomic_store_explicit(&row->freed_remote, 0, memory_order_relaxed);
        atomic_store_explicit(&row->remote_since, 0, memory_order_relaxed);
    }
    store->peak_stamp = 0;
}

ctm_status ctmi_store_copy(struct ctmi_store *to, const struct ctmi_store *from)
{
    ctm_status status = copy_bytes(&to->bytes, &from->bytes);
    for (int table = 0; table < CTMI_ROWS_TABLES && status == CTM_OK; table++) {
        status = copy_rows(&to->rows[table], &from->rows[table]);
        if (status == CTM_OK) {
            status = copy_index(&to->index[table], &from->index[table]);
        }
    }
    if (status != CTM_OK) {
        ctmi_store_free_all(to);
        return status;
    }
    to->peak_stamp = from->peak_stamp;
    finalize_sites(to);
    if (from->unplaced_index.used != 0 && ctmi_store_index_sites(to) != CTM_OK) {
        ctmi_store_free_all(to);
        return CTM_ERR_NOMEM;
    }
    return CTM_OK;
}
