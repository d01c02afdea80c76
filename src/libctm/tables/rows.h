/* rows.h: the storage below the tables: chunked rows, chunked bytes, hash indexes.
 *
 * Private to store/. Everything here is the store owner's; see store.h.
 */
#ifndef CTMI_TABLES_ROWS_H
#define CTMI_TABLES_ROWS_H

#include "tables/store.h"

/* --- rows --- */
void ctmi_rows_init(struct ctmi_rows *rows, uint32_t row_size, uint32_t limit);
/* Makes room for one more row, with the spare ones behind it. After CTM_OK, row `count` may be written; the caller
 * then raises `count`. */
CTM_NODISCARD ctm_status ctmi_rows_reserve(struct ctmi_rows *rows);
/* The memory for that alone: in the file of a black box there is no room for the row yet. */
CTM_NODISCARD ctm_status ctmi_rows_map(struct ctmi_rows *rows);
/* Empties the table; the first chunk is kept if `keep` and little of it is touched. */
void ctmi_rows_empty(struct ctmi_rows *rows, bool keep);
/* See ctmi_store_set_aside. */
void ctmi_rows_set_aside(struct ctmi_rows *rows, uint32_t factor);
size_t ctmi_rows_resident(const struct ctmi_rows *rows);

/* --- bytes --- */
/* Finds `size` bytes in one piece, with the spare ones behind it: *out_offset; the caller then raises `end` past them. */
CTM_NODISCARD ctm_status ctmi_bytes_reserve(struct ctmi_bytes *bytes, size_t size,
                                            uint64_t *out_offset);
/* The memory for that alone. */
CTM_NODISCARD ctm_status ctmi_bytes_map(struct ctmi_bytes *bytes, size_t size,
                                        uint64_t *out_offset);
void ctmi_bytes_empty(struct ctmi_bytes *bytes, bool keep);
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

/* Memory for one more row of the table, with the spare ones behind it, and for its id in the index. */
CTM_NODISCARD ctm_status ctmi_store_map_row(struct ctmi_store *store, enum ctmi_table table);

/* --- indexes --- */
/* Makes room for one more id. hash_of gives the hash of a row, to place it anew. An index that cannot grow fills up to
 * 7/8; what the store makes from its spare room goes in beyond that. */
CTM_NODISCARD ctm_status ctmi_index_reserve(struct ctmi_index *index,
                                            const struct ctmi_store *store,
                                            uint32_t (*hash_of)(const struct ctmi_store *,
                                                                uint32_t));
/* `id` must not be there yet, and room must have been made. */
void ctmi_index_put(struct ctmi_index *index, uint32_t hash, uint32_t id);
void ctmi_index_empty(struct ctmi_index *index, bool keep);
/* Room for `ids` ids, a power of two, which never grows. */
CTM_NODISCARD ctm_status ctmi_index_make(struct ctmi_index *index, uint32_t ids);
/* Empties it with all its room, so that what was reserved stays reserved. */
void ctmi_index_forget(struct ctmi_index *index);
size_t ctmi_index_resident(const struct ctmi_index *index);

#endif
