/* rows.h: the storage below the tables: chunked rows, chunked bytes, hash indexes.
 *
 * Private to store/. Everything here is the store owner's; see store.h.
 */
#ifndef CTM_STORE_ROWS_H
#define CTM_STORE_ROWS_H

#include "store/store.h"

/* --- rows --- */
void ctm_rows_init(struct ctm_rows *rows, uint32_t row_size, uint32_t limit);
/* Makes room for one more row, with the spare ones behind it. After CTM_OK, row `count` may be written; the caller
 * then raises `count`. */
CTM_NODISCARD ctm_status ctm_rows_reserve(struct ctm_rows *rows);
/* The memory for that alone: in the file of a black box there is no room for the row yet. */
CTM_NODISCARD ctm_status ctm_rows_map(struct ctm_rows *rows);
/* Empties the table; the first chunk is kept if `keep` and little of it is touched. */
void ctm_rows_empty(struct ctm_rows *rows, bool keep);
/* See ctm_store_set_aside. */
void ctm_rows_set_aside(struct ctm_rows *rows, uint32_t factor);
size_t ctm_rows_resident(const struct ctm_rows *rows);

/* --- bytes --- */
/* Finds `size` bytes in one piece, with the spare ones behind it: *out_offset; the caller then raises `end` past them. */
CTM_NODISCARD ctm_status ctm_bytes_reserve(struct ctm_bytes *bytes, size_t size,
                                           uint64_t *out_offset);
/* The memory for that alone. */
CTM_NODISCARD ctm_status ctm_bytes_map(struct ctm_bytes *bytes, size_t size, uint64_t *out_offset);
void ctm_bytes_empty(struct ctm_bytes *bytes, bool keep);
size_t ctm_bytes_resident(const struct ctm_bytes *bytes);

static inline unsigned ctm_bytes_chunk(uint64_t offset)
{
    return 63u - (unsigned)__builtin_clzll(offset + (1u << CTM_BYTES_FIRST_LOG2)) -
           CTM_BYTES_FIRST_LOG2;
}

static inline uint64_t ctm_bytes_chunk_size(unsigned chunk)
{
    return (1ull << CTM_BYTES_FIRST_LOG2) << chunk;
}

static inline uint64_t ctm_bytes_chunk_start(unsigned chunk)
{
    return ctm_bytes_chunk_size(chunk) - (1u << CTM_BYTES_FIRST_LOG2);
}

static inline char *ctm_bytes_at(const struct ctm_bytes *bytes, uint64_t offset)
{
    unsigned chunk = ctm_bytes_chunk(offset);
    return bytes->chunk[chunk] + (offset - ctm_bytes_chunk_start(chunk));
}

/* Memory for one more row of the table, with the spare ones behind it, and for its id in the index. */
CTM_NODISCARD ctm_status ctm_store_map_row(struct ctm_store *store, enum ctm_table table);

/* --- indexes --- */
/* Makes room for one more id. hash_of gives the hash of a row, to place it anew. An index that cannot grow fills up to
 * 7/8; what the store makes from its spare room goes in beyond that. */
CTM_NODISCARD ctm_status ctm_index_reserve(struct ctm_index *index, const struct ctm_store *store,
                                           uint32_t (*hash_of)(const struct ctm_store *, uint32_t));
/* `id` must not be there yet, and room must have been made. */
void ctm_index_put(struct ctm_index *index, uint32_t hash, uint32_t id);
void ctm_index_empty(struct ctm_index *index, bool keep);
/* Room for `ids` ids, a power of two, which never grows. */
CTM_NODISCARD ctm_status ctm_index_make(struct ctm_index *index, uint32_t ids);
/* Empties it with all its room, so that what was reserved stays reserved. */
void ctm_index_forget(struct ctm_index *index);
size_t ctm_index_resident(const struct ctm_index *index);

#endif
