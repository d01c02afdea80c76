/* rows.c: see rows.h. All memory is mapped, so that it is zeroed, touched only as it
 * fills, and goes back to the system at once. */
#include "store/rows.h"

#include <string.h>

#include "store/memory.h"

#define ROWS_KEEP (1u << 15)  /* bytes: rows up to this size survive a clear */
#define INDEX_FIRST 1024u     /* ids in a new index: one page */
#define INDEX_KEEP (1u << 14) /* an index up to this size survives a clear */
#define INDEX_MOST (1ull << 32)

/* --- chunks, of rows or bytes --- */
static char *map_chunk(const struct ctm_plot *plot, unsigned chunk, size_t size)
{
    return plot->ground == NULL ? ctm_mem_map(size)
                                : plot->ground->map(plot->ground, plot->table, chunk, size);
}

static void unmap_chunk(const struct ctm_plot *plot, unsigned chunk, char *memory, size_t size)
{
    if (plot->ground == NULL) {
        ctm_mem_unmap(memory, size);
    } else {
        plot->ground->unmap(plot->ground, plot->table, chunk);
    }
}

static bool may_write(const struct ctm_plot *plot, unsigned chunk, size_t end)
{
    return plot->ground == NULL || plot->ground->grow(plot->ground, plot->table, chunk, end);
}

/* --- rows --- */
static size_t chunk_bytes(const struct ctm_rows *rows, unsigned chunk)
{
    return ((size_t)rows->row_size << CTM_ROWS_FIRST_LOG2) << chunk;
}

void ctm_rows_init(struct ctm_rows *rows, uint32_t row_size, uint32_t limit)
{
    *rows = (struct ctm_rows){.count = 1, .limit = limit, .row_size = row_size};
}

ctm_status ctm_rows_reserve(struct ctm_rows *rows)
{
    if (rows->count >= rows->limit) {
        return CTM_ERR_LIMIT;
    }
    uint64_t place = (uint64_t)rows->count + (1u << CTM_ROWS_FIRST_LOG2);
    unsigned chunk = 63u - (unsigned)__builtin_clzll(place) - CTM_ROWS_FIRST_LOG2;
    if (rows->chunk[chunk] == NULL) {
        rows->chunk[chunk] = map_chunk(&rows->plot, chunk, chunk_bytes(rows, chunk));
        if (chunk == 0 && rows->chunk[0] != NULL && rows->plot.ground == NULL) {
            ctm_mem_sparse(rows->chunk[0], chunk_bytes(rows, 0)); /* most of it stays untouched */
        }
    }
    const uint64_t end = place - ((1ull << CTM_ROWS_FIRST_LOG2) << chunk) + 1; /* in the chunk */
    return rows->chunk[chunk] != NULL && may_write(&rows->plot, chunk, (size_t)end * rows->row_size)
               ? CTM_OK
               : CTM_ERR_NOMEM;
}

void ctm_rows_empty(struct ctm_rows *rows, bool keep)
{
    const bool keep_first = keep && (size_t)rows->count * rows->row_size <= ROWS_KEEP;
    for (unsigned k = keep_first ? 1 : 0; k < CTM_ROWS_CHUNKS; k++) {
        if (rows->chunk[k] != NULL) {
            unmap_chunk(&rows->plot, k, rows->chunk[k], chunk_bytes(rows, k));
            rows->chunk[k] = NULL;
        }
    }
    rows->count = 1;
}

size_t ctm_rows_resident(const struct ctm_rows *rows)
{
    size_t resident = 0;
    for (unsigned k = 0; k < CTM_ROWS_CHUNKS; k++) {
        if (rows->chunk[k] != NULL) {
            resident += ctm_mem_resident(rows->chunk[k], chunk_bytes(rows, k));
        }
    }
    return resident;
}

/* --- bytes --- */
ctm_status ctm_bytes_reserve(struct ctm_bytes *bytes, size_t size, uint64_t *out_offset)
{
    uint64_t offset = bytes->end;
    unsigned chunk = ctm_bytes_chunk(offset);
    if (offset + size > ctm_bytes_chunk_start(chunk) + ctm_bytes_chunk_size(chunk)) {
        do {
            chunk++;
        } while (chunk < CTM_BYTES_CHUNKS && ctm_bytes_chunk_size(chunk) < size);
        if (chunk >= CTM_BYTES_CHUNKS) {
            return CTM_ERR_LIMIT;
        }
        offset = ctm_bytes_chunk_start(chunk);
    }
    if (bytes->chunk[chunk] == NULL) {
        bytes->chunk[chunk] = map_chunk(&bytes->plot, chunk, ctm_bytes_chunk_size(chunk));
    }
    if (bytes->chunk[chunk] == NULL ||
        !may_write(&bytes->plot, chunk, offset - ctm_bytes_chunk_start(chunk) + size)) {
        return CTM_ERR_NOMEM;
    }
    *out_offset = offset;
    return CTM_OK;
}

void ctm_bytes_empty(struct ctm_bytes *bytes, bool keep)
{
    for (unsigned k = keep ? 1 : 0; k < CTM_BYTES_CHUNKS; k++) {
        if (bytes->chunk[k] != NULL) {
            unmap_chunk(&bytes->plot, k, bytes->chunk[k], ctm_bytes_chunk_size(k));
            bytes->chunk[k] = NULL;
        }
    }
    bytes->end = 0;
}

size_t ctm_bytes_resident(const struct ctm_bytes *bytes)
{
    size_t resident = 0;
    for (unsigned k = 0; k < CTM_BYTES_CHUNKS; k++) {
        if (bytes->chunk[k] != NULL) {
            resident += ctm_mem_resident(bytes->chunk[k], ctm_bytes_chunk_size(k));
        }
    }
    return resident;
}

/* --- indexes --- */
static size_t index_bytes(const struct ctm_index *index)
{
    return ((size_t)index->mask + 1) * sizeof(uint32_t);
}

void ctm_index_put(struct ctm_index *index, uint32_t hash, uint32_t id)
{
    uint32_t at = hash & index->mask;
    while (index->ids[at] != 0) {
        at = (at + 1) & index->mask;
    }
    index->ids[at] = id;
    index->used++;
}

ctm_status ctm_index_reserve(struct ctm_index *index, const struct ctm_store *store,
                             uint32_t (*hash_of)(const struct ctm_store *, uint32_t))
{
    uint64_t size = index->ids == NULL ? 0 : (uint64_t)index->mask + 1;
    /* At most 5/8 full, so that a miss ends after a few steps; but the largest may fill to 3/4. */
    if (index->used + 1ull <= size / 8 * (size == INDEX_MOST ? 6 : 5)) {
        return CTM_OK;
    }
    struct ctm_ground *ground = store->bytes.plot.ground;
    if (ground != NULL) {
        ground->look(ground);
        if (size != 0 && index->used == 0) {
            return CTM_OK;
        }
    }
    if (size == INDEX_MOST) {
        return CTM_ERR_LIMIT;
    }
    struct ctm_index larger = {.mask = (uint32_t)((size ? size * 2 : INDEX_FIRST) - 1)};
    larger.ids = ctm_mem_map(index_bytes(&larger));
    if (larger.ids == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (uint64_t i = 0; i < size; i++) {
        if (index->ids[i] != 0) {
            ctm_index_put(&larger, hash_of(store, index->ids[i]), index->ids[i]);
        }
    }
    if (size != 0) {
        ctm_mem_unmap(index->ids, index_bytes(index));
    }
    *index = larger;
    return CTM_OK;
}

void ctm_index_forget(struct ctm_index *index)
{
    if (index->ids != NULL) {
        memset(index->ids, 0, index_bytes(index));
        index->used = 0;
    }
}

void ctm_index_empty(struct ctm_index *index, bool keep)
{
    if (index->ids == NULL) {
        return;
    }
    if (keep && index->mask < INDEX_KEEP) {
        memset(index->ids, 0, index_bytes(index));
        index->used = 0;
        return;
    }
    ctm_mem_unmap(index->ids, index_bytes(index));
    *index = (struct ctm_index){0};
}

size_t ctm_index_resident(const struct ctm_index *index)
{
    return index->ids == NULL ? 0 : ctm_mem_resident(index->ids, index_bytes(index));
}
