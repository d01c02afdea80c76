/* tables/rows.c: see rows.h. All memory is mapped: so it is zeroed, its pages are touched only as it fills, and it is
 * returned to the system at once. */
#include "tables/rows.h"

#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"

#define ROWS_RETAINED (1u << 15)  /* bytes: rows up to this size survive a clear */
#define INDEX_FIRST 1024u         /* ids in a new index: one page */
#define INDEX_RETAINED (1u << 14) /* an index up to this size survives a clear */
#define INDEX_MOST (1ull << 32)

/* --- chunks, of rows or bytes --- */
static char *map_chunk(const struct ctmi_table_backing *backed, unsigned chunk, size_t size)
{
    return backed->backing == NULL
               ? ctmi_mem_map(size)
               : backed->backing->map(backed->backing, backed->table, chunk, size);
}

static void unmap_chunk(const struct ctmi_table_backing *backed, unsigned chunk, char *memory,
                        size_t size)
{
    if (backed->backing == NULL) {
        ctmi_mem_unmap(memory, size);
    } else {
        backed->backing->unmap(backed->backing, backed->table, chunk);
    }
}

static bool may_write(const struct ctmi_table_backing *backed, unsigned chunk, size_t end)
{
    return backed->backing == NULL ||
           backed->backing->grow(backed->backing, backed->table, chunk, end);
}

/* --- rows --- */
static size_t chunk_bytes(const struct ctmi_rows *rows, unsigned chunk)
{
    return ((size_t)rows->row_size << rows->first_log2) << chunk;
}

void ctmi_rows_init(struct ctmi_rows *rows, uint32_t row_size, uint32_t limit)
{
    const uint16_t first_log2 = (uint16_t)ctmi_sizes()->rows_first_log2;
    *rows = (struct ctmi_rows){.count = 1,
                               .limit = limit,
                               .row_size = row_size,
                               .first = 1u << first_log2,
                               .first_log2 = first_log2};
}

/* Returns the position of row `id`, counted from the number of rows in the first chunk. */
static uint64_t row_position(const struct ctmi_rows *rows, uint64_t id)
{
    return id + rows->first;
}

static unsigned row_chunk(const struct ctmi_rows *rows, uint64_t id)
{
    return 63u - (unsigned)__builtin_clzll(row_position(rows, id)) - rows->first_log2;
}

static void release_aside(struct ctmi_rows *rows, unsigned chunk)
{
    if (rows->aside[chunk] != NULL) {
        ctmi_mem_unmap(rows->aside[chunk], chunk_bytes(rows, chunk) * rows->aside_factor);
        rows->aside[chunk] = NULL;
    }
}

/* Reserves the address space that a chunk sets aside; the first chunk sets none aside. */
static bool reserve_aside(struct ctmi_rows *rows, unsigned chunk)
{
    if (rows->aside_factor != 0 && chunk != 0 && rows->aside[chunk] == NULL) {
        rows->aside[chunk] = ctmi_mem_map(chunk_bytes(rows, chunk) * rows->aside_factor);
        return rows->aside[chunk] != NULL;
    }
    return true;
}

void ctmi_rows_set_aside(struct ctmi_rows *rows, uint32_t factor)
{
    for (unsigned k = 0; k < CTMI_ROWS_CHUNKS; k++) {
        release_aside(rows, k);
    }
    rows->aside_factor = (uint16_t)factor;
}

static bool map_row_chunk(struct ctmi_rows *rows, unsigned chunk)
{
    if (rows->chunk[chunk] == NULL && reserve_aside(rows, chunk)) {
        rows->chunk[chunk] = map_chunk(&rows->backed, chunk, chunk_bytes(rows, chunk));
        if (chunk == 0 && rows->chunk[0] != NULL && rows->backed.backing == NULL) {
            ctmi_mem_sparse(rows->chunk[0], chunk_bytes(rows, 0)); /* most of it stays untouched */
        }
    }
    return rows->chunk[chunk] != NULL;
}

ctm_status ctmi_rows_map(struct ctmi_rows *rows)
{
    const uint64_t last = (uint64_t)rows->count + rows->spare;
    if (last >= rows->limit) {
        return CTM_ERR_LIMIT;
    }
    return map_row_chunk(rows, row_chunk(rows, rows->count)) &&
                   map_row_chunk(rows, row_chunk(rows, last))
               ? CTM_OK
               : CTM_ERR_NOMEM;
}

ctm_status ctmi_rows_reserve(struct ctmi_rows *rows)
{
    const unsigned chunk = row_chunk(rows, rows->count);
    const uint64_t last = (uint64_t)rows->count + rows->spare;
    const bool is_mapped = rows->chunk[chunk] != NULL && row_chunk(rows, last) == chunk;
    if (!is_mapped || last >= rows->limit) {
        const ctm_status status = ctmi_rows_map(rows);
        if (status != CTM_OK) {
            return status;
        }
    }
    const uint64_t end = row_position(rows, rows->count) - ((uint64_t)rows->first << chunk) + 1;
    return may_write(&rows->backed, chunk, (size_t)end * rows->row_size) ? CTM_OK : CTM_ERR_NOMEM;
}

void ctmi_rows_empty(struct ctmi_rows *rows, bool retain)
{
    const bool retain_first = retain && (size_t)rows->count * rows->row_size <= ROWS_RETAINED;
    for (unsigned k = retain_first ? 1 : 0; k < CTMI_ROWS_CHUNKS; k++) {
        if (rows->chunk[k] != NULL) {
            unmap_chunk(&rows->backed, k, rows->chunk[k], chunk_bytes(rows, k));
            rows->chunk[k] = NULL;
        }
        release_aside(rows, k);
    }
    rows->count = 1;
    rows->spare = 0;
}

size_t ctmi_rows_resident(const struct ctmi_rows *rows)
{
    size_t resident = 0;
    for (unsigned k = 0; k < CTMI_ROWS_CHUNKS; k++) {
        if (rows->chunk[k] != NULL) {
            resident += ctmi_mem_resident(rows->chunk[k], chunk_bytes(rows, k));
        }
    }
    return resident;
}

/* --- bytes --- */
ctm_status ctmi_bytes_map(struct ctmi_bytes *bytes, size_t size, uint64_t *out_offset)
{
    uint64_t offset = bytes->end;
    unsigned chunk = ctmi_bytes_chunk(offset);
    const size_t total = size + bytes->spare;
    if (offset + total > ctmi_bytes_chunk_start(chunk) + ctmi_bytes_chunk_size(chunk)) {
        do {
            chunk++;
        } while (chunk < CTMI_BYTES_CHUNKS && ctmi_bytes_chunk_size(chunk) < total);
        if (chunk >= CTMI_BYTES_CHUNKS) {
            return CTM_ERR_LIMIT;
        }
        offset = ctmi_bytes_chunk_start(chunk);
    }
    if (bytes->chunk[chunk] == NULL) {
        bytes->chunk[chunk] = map_chunk(&bytes->backed, chunk, ctmi_bytes_chunk_size(chunk));
    }
    CTMI_ASSERT(offset >= bytes->end &&
                offset + total <= ctmi_bytes_chunk_start(chunk) + ctmi_bytes_chunk_size(chunk));
    *out_offset = offset;
    return bytes->chunk[chunk] != NULL ? CTM_OK : CTM_ERR_NOMEM;
}

ctm_status ctmi_bytes_reserve(struct ctmi_bytes *bytes, size_t size, uint64_t *out_offset)
{
    uint64_t offset;
    const ctm_status status = ctmi_bytes_map(bytes, size, &offset);
    if (status != CTM_OK) {
        return status;
    }
    const unsigned chunk = ctmi_bytes_chunk(offset);
    if (!may_write(&bytes->backed, chunk, offset - ctmi_bytes_chunk_start(chunk) + size)) {
        return CTM_ERR_NOMEM;
    }
    *out_offset = offset;
    return CTM_OK;
}

void ctmi_bytes_empty(struct ctmi_bytes *bytes, bool retain)
{
    for (unsigned k = retain ? 1 : 0; k < CTMI_BYTES_CHUNKS; k++) {
        if (bytes->chunk[k] != NULL) {
            unmap_chunk(&bytes->backed, k, bytes->chunk[k], ctmi_bytes_chunk_size(k));
            bytes->chunk[k] = NULL;
        }
    }
    bytes->end = 0;
    bytes->spare = 0;
}

size_t ctmi_bytes_resident(const struct ctmi_bytes *bytes)
{
    size_t resident = 0;
    for (unsigned k = 0; k < CTMI_BYTES_CHUNKS; k++) {
        if (bytes->chunk[k] != NULL) {
            resident += ctmi_mem_resident(bytes->chunk[k], ctmi_bytes_chunk_size(k));
        }
    }
    return resident;
}

/* --- indexes --- */
static size_t index_bytes(const struct ctmi_index *index)
{
    return ((size_t)index->mask + 1) * sizeof(uint32_t);
}

/* Gives ids as many bits as `id` has. Rows that are not in the index have ids, too, so there may be more than slots. */
static void widen_ids(struct ctmi_index *index, uint32_t id)
{
    const uint32_t before = index->id_mask;
    index->id_mask = UINT32_MAX >> __builtin_clz(id);
    for (uint64_t at = 0; at <= index->mask; at++) {
        index->slots[at] &= before | ~index->id_mask;
    }
}

void ctmi_index_put(struct ctmi_index *index, uint32_t hash, uint32_t id)
{
    uint32_t at = hash & index->mask;
    CTMI_ASSERT(id != 0);
    CTMI_ASSERT(index->used < index->mask); /* a slot stays free, or a search would never end */
    if (id > index->id_mask) {
        widen_ids(index, id);
    }
    while (index->slots[at] != 0) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = id | (hash & ~index->id_mask);
    index->used++;
}

/* CTM_OK: one more id may be added to the index, which has `size` slots and cannot grow. */
static ctm_status check_full_index(const struct ctmi_index *index, const struct ctmi_store *store,
                                   uint64_t size)
{
    const uint64_t most = store->is_using_spare ? size - (size != 0) : size / 8 * 7;
    return index->used + 1ull <= most ? CTM_OK : CTM_ERR_NOMEM;
}

ctm_status ctmi_index_make(struct ctmi_index *index, uint32_t slots)
{
    struct ctmi_index made = {.mask = slots - 1, .id_mask = slots - 1};
    CTMI_ASSERT(slots > 1 && (slots & made.mask) == 0);
    made.slots = ctmi_mem_map(index_bytes(&made));
    if (made.slots == NULL) {
        return CTM_ERR_NOMEM;
    }
    *index = made;
    return CTM_OK;
}

ctm_status ctmi_index_reserve(struct ctmi_index *index, const struct ctmi_store *store,
                              uint32_t (*hash_of)(const struct ctmi_store *, uint32_t))
{
    uint64_t size = index->slots == NULL ? 0 : (uint64_t)index->mask + 1;
    /* At most 5/8 full, so that a miss ends after a few steps; the largest index may be 3/4 full. */
    if (index->used + 1ull <= size / 8 * (size == INDEX_MOST ? 6 : 5)) {
        return CTM_OK;
    }
    struct ctmi_backing *backing = store->bytes.backed.backing;
    if (backing != NULL) {
        backing->look(backing);
        if (size != 0 && index->used == 0) {
            return CTM_OK;
        }
    }
    if (size == INDEX_MOST) {
        return CTM_ERR_LIMIT;
    }
    struct ctmi_index larger = {.mask = (uint32_t)((size ? size * 2 : INDEX_FIRST) - 1)};
    larger.id_mask = larger.mask | index->id_mask;
    larger.slots = ctmi_mem_map(index_bytes(&larger));
    if (larger.slots == NULL) {
        return check_full_index(index, store, size);
    }
    for (uint64_t i = 0; i < size; i++) {
        if (index->slots[i] != 0) {
            const uint32_t id = ctmi_index_id(index, index->slots[i]);
            ctmi_index_put(&larger, hash_of(store, id), id);
        }
    }
    if (size != 0) {
        ctmi_mem_unmap(index->slots, index_bytes(index));
    }
    *index = larger;
    return CTM_OK;
}

ctm_status ctmi_index_expect(struct ctmi_index *index, uint32_t more)
{
    uint64_t size = INDEX_FIRST;
    while (size < INDEX_MOST / 2 && more + 1ull > size / 8 * 5) {
        size *= 2;
    }
    return index->slots != NULL || more == 0 ? CTM_OK : ctmi_index_make(index, (uint32_t)size);
}

void ctmi_index_forget(struct ctmi_index *index)
{
    if (index->slots != NULL) {
        memset(index->slots, 0, index_bytes(index));
        index->used = 0;
    }
}

void ctmi_index_empty(struct ctmi_index *index, bool retain)
{
    if (index->slots == NULL) {
        return;
    }
    if (retain && index->mask < INDEX_RETAINED) {
        memset(index->slots, 0, index_bytes(index));
        index->used = 0;
        return;
    }
    ctmi_mem_unmap(index->slots, index_bytes(index));
    *index = (struct ctmi_index){0};
}

size_t ctmi_index_resident(const struct ctmi_index *index)
{
    return index->slots == NULL ? 0 : ctmi_mem_resident(index->slots, index_bytes(index));
}
