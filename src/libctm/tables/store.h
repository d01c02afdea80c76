/* tables/store.h: the tables, and the hash indexes that intern their rows.
 *
 * Model: each table is a ctmi_rows, an array in chunks. Chunk k has 65,536 << k rows (base/sizes.h); its pages are
 * touched as it fills, and it never moves. So the address of a row is valid until the store is emptied, and another
 * thread may use a row whose id it has while the owner appends rows. The bytes of the strings are in chunks of the
 * same kind; a string is contiguous in its chunk and NUL-terminated. A hash index is an open-addressing array of row
 * ids without the rows' contents.
 *
 * Row 0 of every table means "none" (string 0: "") and is in no index. A new store has no memory.
 *
 * Threads: a store has one owner at a time, the holder of a shard's lock or a builder's thread. Only the owner calls
 * the functions below. There are two exceptions: `freed_remote`, which is atomic, and the constant part of a site row
 * (size, domain, traceback, labels). Any thread that has read the id with an acquiring load may use these until the
 * store is emptied. ctmi_rows_published is such a load: the rows that it counts are complete, and so are the rows
 * that they refer to.
 *
 * Errors: a call that fails leaves the store as it was, except for spare memory.
 *
 * Unplaced blocks: a store that counts live blocks reserves rows that no other content uses
 * (ctmi_store_reserve_spare): one row in each table that a traceback needs, and `spare_sites` sites. When a table
 * cannot grow, a block is counted at the site of its size with the traceback CTMI_UNPLACED_TEXT
 * (ctmi_store_unplaced_site). These sites have an index of their own.
 */
#ifndef CTMI_TABLES_STORE_H
#define CTMI_TABLES_STORE_H

#include "base/assert.h"
#include "tables/backing.h"

#define CTMI_UNPLACED_TEXT "<no memory for the place>" /* file name of its one frame; line 0 */
#define CTMI_ROWS_CHUNKS 24u /* enough for 2^32 rows, if the first chunk has at least 2^9 */
#define CTMI_BYTES_FIRST_LOG2 14u
#define CTMI_BYTES_CHUNKS 40u
#define CTMI_MAX_SITES (1u << 28) /* row 0 included: a map slot has 28 bits for a site */

/* Rows of one table. Owner and lock of this and the next structs are the store's. */
struct ctmi_rows {
    char *chunk[CTMI_ROWS_CHUNKS]; /* owned mappings; NULL: not needed yet */
    uint32_t count;        /* ids in use are 0 .. count-1; at least 1: see ctmi_rows_published */
    uint32_t limit;        /* count never exceeds it */
    uint32_t row_size;     /* bytes */
    uint32_t spare;        /* spare rows: rows from `count` on that are reserved and mapped */
    uint32_t first;        /* constant: rows in the first chunk, 1 << first_log2 */
    uint16_t first_log2;   /* constant */
    uint16_t aside_factor; /* each chunk but the first sets aside so many times its size; or 0 */
    void *aside[CTMI_ROWS_CHUNKS]; /* owned mappings, never touched: see ctmi_store_set_aside */
    struct ctmi_table_backing backed;
};

/* A slot has the id of a row in its lower bits, and in the upper ones those of the hash of the row: a row whose hash
 * differs in them is not read, which would most often wait for the memory. */
struct ctmi_index {
    uint32_t *slots; /* owned mapping of mask + 1 slots, 0: free; NULL: no memory yet */
    uint32_t mask;
    uint32_t used;    /* slots that are not free */
    uint32_t id_mask; /* bits of a slot that are an id: at least those of `mask` */
};

struct ctmi_bytes {
    char *chunk[CTMI_BYTES_CHUNKS]; /* owned mappings; NULL: not needed, or skipped */
    uint64_t end;                   /* offset of the next free byte */
    uint32_t spare; /* bytes from `end` on that are reserved for the text of unplaced blocks */
    struct ctmi_table_backing backed; /* `published` is not used */
};

struct ctmi_store {
    uint32_t peak_stamp;  /* the current stamp; set before rows are read, not updated in between */
    uint32_t spare_sites; /* constant; see base/sizes.h */
    union {               /* each table by enum ctmi_table, and by its name: strings, functions … */
        struct ctmi_rows rows[CTMI_ROWS_TABLES];
        struct {
#define TABLE(ID, one, many, ...) struct ctmi_rows many;
            CTMI_ALL_TABLES(TABLE)
#undef TABLE
        };
    };
    struct ctmi_bytes bytes;
    union { /* the same: string_index, function_index … */
        struct ctmi_index index[CTMI_ROWS_TABLES];
        struct {
#define TABLE(ID, one, ...) struct ctmi_index one##_index;
            CTMI_ALL_TABLES(TABLE)
#undef TABLE
        };
    };

    struct ctmi_index unplaced_index; /* of the unplaced sites; fixed size; NULL: no spare rows */
    uint32_t unplaced_traceback;      /* traceback of unplaced blocks; 0: not made yet */
    bool is_using_spare;              /* spare rows are being used */
};

/* --- life --- */
void ctmi_store_init(struct ctmi_store *store);
/* Returns to the state after init, but a few pages may stay mapped. */
void ctmi_store_clear(struct ctmi_store *store);
/* Returns to the state after init and unmaps all memory. May be called repeatedly. */
void ctmi_store_free_all(struct ctmi_store *store);
/* Copies the rows of `from` to `to` with the same ids. `to` is empty and has no memory (new, or after free_all).
 * freed_remote of a site is added to its freed. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_store_copy(struct ctmi_store *to, const struct ctmi_store *from);
/* From now on chunks come from `backing` (NULL: private memory). The store has no memory (new, or after free_all). */
void ctmi_store_set_backing(struct ctmi_store *store, struct ctmi_backing *backing);
/* Empties the indexes: existing rows are no longer found, and interning makes new ones. For rows that became zeros
 * because the file of a black box was cut. */
void ctmi_store_forget_rows(struct ctmi_store *store);
/* Returns the bytes of memory in use: of the touched pages. */
size_t ctmi_store_bytes(const struct ctmi_store *store);

/* --- interning: the same content gives the same id ---
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT, and CTM_ERR_INVALID if a given id does not exist or a string is not UTF-8 (a file with
 * such a string could not be read again). */
CTM_NODISCARD ctm_status ctmi_store_string(struct ctmi_store *store, const char *utf8,
                                           size_t length, uint32_t *out);
CTM_NODISCARD ctm_status ctmi_store_function(struct ctmi_store *store, uint32_t filename,
                                             uint32_t name, int32_t first_lineno, uint32_t *out);
/* `function` is not 0. */
CTM_NODISCARD ctm_status ctmi_store_frame(struct ctmi_store *store, uint32_t function,
                                          int32_t lineno, uint32_t *out);
/* `frame` is not 0; total_nframe is not checked. CTM_ERR_INVALID also if the traceback would
 * have more than CTM_MAX_NFRAME frames. */
CTM_NODISCARD ctm_status ctmi_store_traceback(struct ctmi_store *store, uint32_t parent,
                                              uint32_t frame, int32_t total_nframe, uint32_t *out);
/* Interns the label set `set` with key = value, which replaces the value that the set has for the key.
 * CTM_ERR_INVALID also if `key` is empty or has more than CTM_MAX_LABEL_KEY bytes, or if the set would have more
 * than CTM_MAX_LABELS pairs. */
CTM_NODISCARD ctm_status ctmi_store_label(struct ctmi_store *store, uint32_t set, uint32_t key,
                                          uint32_t value, uint32_t *out);
/* Finds the site of this key, or makes one with zero counters. `traceback` may be 0. */
CTM_NODISCARD ctm_status ctmi_store_site(struct ctmi_store *store, uint32_t domain,
                                         uint32_t traceback, uint64_t block_size, uint32_t labels,
                                         uint32_t *out);
/* Appends a new site even if the key exists. ctmi_store_site does not find the sites made here; it still finds the one
 * that it made itself. */
CTM_NODISCARD ctm_status ctmi_store_site_append(struct ctmi_store *store, uint32_t domain,
                                                uint32_t traceback, uint64_t block_size,
                                                uint32_t labels, uint32_t *out);
/* Interns a row of any table other than strings and sites, by its content. */
CTM_NODISCARD ctm_status ctmi_store_content(struct ctmi_store *store, enum ctmi_table table,
                                            const union ctmi_content *content, uint32_t *out);

/* --- many rows --- */
/* Makes the index of a table that is empty large enough for `rows` rows. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_store_expect(struct ctmi_store *store, enum ctmi_table table,
                                           uint32_t rows);
/* Starts to load into the cache what interning this key will read, for a call soon after: first the slot of the index
 * and, in a later call, the row whose id is in it. Indexes and rows of large tables are larger than the caches; many
 * loads at once take little more time than one. */
enum ctmi_prefetch { CTMI_PREFETCH_SLOT, CTMI_PREFETCH_ROW };
void ctmi_store_prefetch_traceback(const struct ctmi_store *store, const ctm_traceback *key,
                                   enum ctmi_prefetch what);
void ctmi_store_prefetch_site(const struct ctmi_store *store, const ctm_site *key,
                              enum ctmi_prefetch what);

/* Reserves the spare rows for unplaced blocks, until the store is emptied. CTM_ERR_NOMEM: none are reserved. */
CTM_NODISCARD ctm_status ctmi_store_reserve_spare(struct ctmi_store *store);
/* Returns the site of unplaced blocks of this size. CTM_ERR_NOMEM: no spare rows are reserved, or all of them are used:
 * there are sites for `spare_sites` sizes already. */
CTM_NODISCARD ctm_status ctmi_store_unplaced_site(struct ctmi_store *store, uint32_t domain,
                                                  uint64_t block_size, uint32_t *out);
/* From now on a table grows by a chunk only if `factor` times its size of address space, for a snapshot of it, can be
 * set aside too. factor 0: releases all that is set aside. The setting survives emptying the store. */
void ctmi_store_set_aside(struct ctmi_store *store, uint32_t factor);
/* Returns the number of blocks that were ever counted at unplaced sites. */
uint64_t ctmi_store_unplaced_blocks(const struct ctmi_store *store);

/* Adds the sites that ctmi_store_site_append and ctmi_store_unplaced_site made to the index, so that ctmi_store_site
 * finds them; of sites with the same key, one. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_store_index_sites(struct ctmi_store *store);

/* --- rows: the store has returned `id` (0 < id < count) --- */
static inline void *ctmi_rows_at(const struct ctmi_rows *rows, uint32_t id, size_t row_size)
{
    CTMI_ASSERT(row_size == rows->row_size);
    if (__builtin_expect(id < rows->first, 1)) {
        CTMI_ASSERT(rows->chunk[0] != NULL);
        return rows->chunk[0] + (size_t)id * row_size;
    }
    /* Not `first`: a compiler would then load it into a register on each event, for the rare case only. */
    uint64_t position = (uint64_t)id + (1ull << rows->first_log2);
    unsigned top = 63u - (unsigned)__builtin_clzll(position);
    CTMI_ASSERT(rows->chunk[top - rows->first_log2] != NULL);
    return rows->chunk[top - rows->first_log2] + (position ^ (1ull << top)) * row_size;
}

/* Returns the number of rows, for a thread that is not the owner. The count is raised when the new row is complete. */
static inline uint32_t ctmi_rows_published(const struct ctmi_rows *rows)
{
    return __atomic_load_n(&rows->count, __ATOMIC_ACQUIRE);
}

/* Returns an existing row. Row 0 has zeros; an event may read it if the file of a black box was cut in the meantime. */
static inline void *ctmi_rows_get(const struct ctmi_rows *rows, uint32_t id, size_t row_size)
{
    CTMI_ASSERT(id < ctmi_rows_published(rows));
    return ctmi_rows_at(rows, id, row_size);
}

static inline const ctm_function *ctmi_store_function_row(const struct ctmi_store *store,
                                                          uint32_t id)
{
    return ctmi_rows_get(&store->functions, id, sizeof(ctm_function));
}

static inline const ctm_frame *ctmi_store_frame_row(const struct ctmi_store *store, uint32_t id)
{
    return ctmi_rows_get(&store->frames, id, sizeof(ctm_frame));
}

/* The owner may read the row; only the store writes `last_site`. */
static inline struct ctmi_traceback_row *ctmi_store_traceback_row(const struct ctmi_store *store,
                                                                  uint32_t id)
{
    return ctmi_rows_get(&store->tracebacks, id, sizeof(struct ctmi_traceback_row));
}

static inline const struct ctmi_label_row *ctmi_store_label_row(const struct ctmi_store *store,
                                                                uint32_t id)
{
    return ctmi_rows_get(&store->labels, id, sizeof(struct ctmi_label_row));
}

/* The owner may change the counters of the row. */
static inline struct ctmi_site_row *ctmi_store_site_row(const struct ctmi_store *store, uint32_t id)
{
    return ctmi_rows_get(&store->sites, id, sizeof(struct ctmi_site_row));
}

/* Returns a string, NUL-terminated and valid until the store is emptied. id 0: "". out_length may be NULL. */
const char *ctmi_store_string_row(const struct ctmi_store *store, uint32_t id, size_t *out_length);

/* The rows of a table other than CTMI_TABLE_BYTES. */
static inline struct ctmi_rows *ctmi_store_rows(struct ctmi_store *store, enum ctmi_table table)
{
    return &store->rows[table];
}

/* The content of a row of a table other than the strings. */
static inline const void *ctmi_store_content_row(const struct ctmi_store *store,
                                                 enum ctmi_table table, uint32_t id)
{
    return ctmi_rows_get(&store->rows[table], id, ctmi_schemas[table].row_size);
}

/* ctmi_store_string_count, ctmi_store_function_count …: rows in the table, row 0 included; ids are 0 .. count-1. */
#define TABLE(ID, one, many, ...)                                                   \
    static inline uint32_t ctmi_store_##one##_count(const struct ctmi_store *store) \
    {                                                                               \
        return store->many.count;                                                   \
    }
CTMI_ALL_TABLES(TABLE)
#undef TABLE

/* Returns the blocks that were live at the peak. No other thread changes the row during the call. */
static inline uint64_t ctmi_site_row_at_peak(const struct ctmi_store *store,
                                             struct ctmi_site_row *row)
{
    const uint64_t since = atomic_load_explicit(&row->remote_since, memory_order_relaxed);
    const uint64_t remote = atomic_load_explicit(&row->freed_remote, memory_order_relaxed) -
                            (since >> 32 == store->peak_stamp ? (uint32_t)since : 0);
    const uint64_t own = row->site.reserved == store->peak_stamp
                             ? row->site.at_peak
                             : row->site.allocated - row->site.freed;
    return own - remote;
}

/* Returns the blocks of the site that were freed, through any shard. */
static inline uint64_t ctmi_site_row_freed(struct ctmi_site_row *row)
{
    return row->site.freed + atomic_load_explicit(&row->freed_remote, memory_order_relaxed);
}

#endif
