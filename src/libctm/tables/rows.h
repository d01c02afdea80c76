/* tables/rows.h: the storage below the tables: rows in chunks, bytes in chunks, hash indexes.
 *
 * Private to tables/. Owner and locks are those of the store; see store.h.
 */
#ifndef CTMI_TABLES_ROWS_H
#define CTMI_TABLES_ROWS_H

#include "tables/store.h"

/* --- rows --- */
void ctmi_rows_init(struct ctmi_rows *rows, uint32_t row_size, uint32_t limit);
/* Allocates memory for one more row and for the spare rows after it. After CTM_OK, row `count` may be written; the
 * caller then raises `count`. */
CTM_NODISCARD ctm_status ctmi_rows_reserve(struct ctmi_rows *rows);
/* Maps that memory only: the file of a black box is not grown for the row. */
CTM_NODISCARD ctm_status ctmi_rows_map(struct ctmi_rows *rows);
/* Empties the table. With `retain`, the first chunk stays mapped if little of it is touched. */
void ctmi_rows_empty(struct ctmi_rows *rows, bool retain);
/* See ctmi_store_set_aside. */
void ctmi_rows_set_aside(struct ctmi_rows *rows, uint32_t factor);
size_t ctmi_rows_resident(const struct ctmi_rows *rows);

/* --- bytes --- */
/* Allocates `size` contiguous bytes, at *out_offset, and the spare bytes after them. The caller then raises `end`. */
CTM_NODISCARD ctm_status ctmi_bytes_reserve(struct ctmi_bytes *bytes, size_t size,
                                            uint64_t *out_offset);
/* Maps that memory only. */
CTM_NODISCARD ctm_status ctmi_bytes_map(struct ctmi_bytes *bytes, size_t size,
                                        uint64_t *out_offset);
void ctmi_bytes_empty(struct ctmi_bytes *bytes, bool retain);
size_t ctmi_bytes_resident(const struct ctmi_bytes *bytes);

static inline unsigned ctmi_bytes_chunk(uint64_t offset)
{
    return 63u - (unsigned)__builtin_clzll(offset + (1u << CTMI_BYTES_FIRST_LOG2)) -
           CTMI_BYTES_FIRST_LOG2;
}

static inline uint64_t ctmi_bytes_chunk_size(unsigned chunk)
{
    return (1ull << CTMI_BYTES_FIRST_LOG2) << chunk;
}

static inline uint64_t ctmi_bytes_chunk_start(unsigned chunk)
{
    return ctmi_bytes_chunk_size(chunk) - (1u << CTMI_BYTES_FIRST_LOG2);
}

static inline char *ctmi_bytes_at(const struct ctmi_bytes *bytes, uint64_t offset)
{
    unsigned chunk = ctmi_bytes_chunk(offset);
    return bytes->chunk[chunk] + (offset - ctmi_bytes_chunk_start(chunk));
}

/* Maps memory for one more row of the table, for the spare rows after it, and for its id in the index. */
CTM_NODISCARD ctm_status ctmi_store_map_row(struct ctmi_store *store, enum ctmi_table table);

/* --- indexes --- */
/* Makes a free slot for one more id. `hash_of` returns the hash of a row; growing the index calls it for each id. An
 * index that cannot grow is filled up to 7/8; only spare rows are added beyond that. */
CTM_NODISCARD ctm_status ctmi_index_reserve(struct ctmi_index *index,
                                            const struct ctmi_store *store,
                                            uint32_t (*hash_of)(const struct ctmi_store *,
                                                                uint32_t));
/* The same for `more` ids, so that the index does not grow while they are added. An index that has ids already stays as
 * it is. */
CTM_NODISCARD ctm_status ctmi_index_expect(struct ctmi_index *index, uint32_t more);
/* Whether the row of a slot that is not free may have that hash. */
static inline bool ctmi_index_may_have(const struct ctmi_index *index, uint32_t slot, uint32_t hash)
{
    return ((slot ^ hash) & ~index->id_mask) == 0;
}

static inline uint32_t ctmi_index_id(const struct ctmi_index *index, uint32_t slot)
{
    return slot & index->id_mask;
}

/* `id` is not in the index, and the index has a free slot. */
void ctmi_index_put(struct ctmi_index *index, uint32_t hash, uint32_t id);
void ctmi_index_empty(struct ctmi_index *index, bool retain);
/* Makes an index with so many slots, a power of two, which never grows. */
CTM_NODISCARD ctm_status ctmi_index_make(struct ctmi_index *index, uint32_t slots);
/* Removes all ids but leaves the memory mapped, so that what was reserved stays reserved. */
void ctmi_index_forget(struct ctmi_index *index);
size_t ctmi_index_resident(const struct ctmi_index *index);

#endif
