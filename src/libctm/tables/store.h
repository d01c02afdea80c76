/* store.h: the tables, and the indexes that intern their rows.
 *
 * Model: each table is a ctmi_rows, an array in chunks: chunk k holds 65,536 << k rows (base/sizes.h), is touched as it fills and
 * never moves, so a row's address is good until the store is emptied, and another thread may
 * use a row it knows while the owner appends. String bytes lie in chunks of the same kind;
 * a string is contiguous within its chunk and NUL-terminated. A hash index is an
 * open-addressing array of row ids; it holds no content of its own.
 *
 * Row 0 of every table is "none" (string 0: "") and in no index. A new store has no memory.
 *
 * Threads: a store has one owner at a time (a shard's lock, a builder's thread), who
 * calls everything here. The exceptions are `freed_remote`, an atomic, and the constant part
 * of a site row (size, domain, traceback, labels): any thread that learnt the id through an
 * acquiring load may use these until the store is emptied. ctmi_rows_published is such a load: what it counts is
 * whole, and so is what those rows refer to.
 *
 * Errors: a call that fails leaves the store as it was, apart from spare room.
 *
 * Blocks without a place: a store that counts live blocks keeps room free (ctmi_store_reserve_spare) that no other row takes: one
 * row in each table on the way to a traceback, and `spare_sites` sites. When a table cannot grow, a block goes to
 * the site of its size with the traceback CTMI_UNPLACED_TEXT (ctmi_store_unplaced_site). These sites have an index of their own.
 */
#ifndef CTMI_TABLES_STORE_H
#define CTMI_TABLES_STORE_H

#include "base/assert.h"
#include "tables/backing.h"

#define CTMI_UNPLACED_TEXT "<no memory for the place>" /* file name of its one frame; line 0 */
#define CTMI_ROWS_CHUNKS 24u /* enough for 2^32 rows, from 2^9 in the first chunk on */
#define CTMI_BYTES_FIRST_LOG2 14u
#define CTMI_BYTES_CHUNKS 40u
#define CTMI_MAX_SITES (1u << 28) /* row 0 included: a map slot has 28 bits for a site */

struct ctmi_rows {
    char *chunk[CTMI_ROWS_CHUNKS]; /* owned mappings; NULL: not needed yet */
    uint32_t count;      /* ids in use are 0 .. count-1; at least 1: see ctmi_rows_published */
    uint32_t limit;      /* count never exceeds it */
    uint32_t row_size;   /* bytes */
    uint32_t spare;      /* rows behind `count` that have memory and are not for ordinary rows */
    uint32_t first;      /* constant: rows in the first chunk, 1 << first_log2 */
    uint16_t first_log2; /* constant */
    uint16_t
        aside_factor; /* 0, or: a chunk behind the first one has so many times its size set aside */
    void *aside[CTMI_ROWS_CHUNKS]; /* owned mappings, never touched: see ctmi_store_set_aside */
    struct ctmi_table_backing backed;
};

struct ctmi_index {
    uint32_t *ids; /* owned mapping of mask + 1 ids, 0: free; NULL: no memory yet */
    uint32_t mask;
    uint32_t used;
};

struct ctmi_bytes {
    char *chunk[CTMI_BYTES_CHUNKS];   /* owned mappings; NULL: not needed, or skipped */
    uint64_t end;                     /* offset of the next free byte */
    uint32_t spare;                   /* bytes behind `end` that are not for ordinary strings */
    struct ctmi_table_backing backed; /* `published` is not used */
};

struct ctmi_store {
    uint32_t peak_stamp;  /* the stamp of now, as of when rows are read (not kept up between) */
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

    struct ctmi_index
        unplaced_index; /* of the sites without a place; fixed size; NULL: no spare is kept */
    uint32_t unplaced_traceback; /* 0: there is no such block yet */
    bool is_using_spare;         /* rows are being made from the spare room */
};

/* --- life --- */
void ctmi_store_init(struct ctmi_store *store);
/* Back to the state after init, but a few pages may be kept. */
void ctmi_store_clear(struct ctmi_store *store);
/* Back to the state after init, all memory returned to the system. Call it again at will. */
void ctmi_store_free_all(struct ctmi_store *store);
/* `to`, which is empty and without memory (new, or after free_all), gets the rows of `from`
 * under the same ids. freed_remote of a site is added to its freed. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_store_copy(struct ctmi_store *to, const struct ctmi_store *from);
/* From now on chunks come from `ground` (NULL: private memory). The store has no memory (new, or after free_all). */
void ctmi_store_set_backing(struct ctmi_store *store, struct ctmi_backing *backing);
/* No row that there is will be found again: new ones are made. For rows that became zeros under our hands. */
void ctmi_store_forget_rows(struct ctmi_store *store);
/* Bytes of memory in use: pages touched. */
size_t ctmi_store_bytes(const struct ctmi_store *store);

/* --- interning: the same content gives the same id ---
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT, and CTM_ERR_INVALID if an id given does not exist or a string is not UTF-8 (of which
 * no file could be read again). */
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
/* The label set `set` with key = value, which takes the place of a value that the set has for the key.
 * CTM_ERR_INVALID also if `key` is empty or has more than CTM_MAX_LABEL_KEY bytes, or if the set would have more
 * than CTM_MAX_LABELS pairs. */
CTM_NODISCARD ctm_status ctmi_store_label(struct ctmi_store *store, uint32_t set, uint32_t key,
                                          uint32_t value, uint32_t *out);
/* The site row of this key, made with zero counters if there is none. `traceback` may be 0. */
CTM_NODISCARD ctm_status ctmi_store_site(struct ctmi_store *store, uint32_t domain,
                                         uint32_t traceback, uint64_t block_size, uint32_t labels,
                                         uint32_t *out);
/* A new row of this key in any case; ctmi_store_site goes on finding the first one, if
 * ctmi_store_site made it, and never finds rows made here. */
CTM_NODISCARD ctm_status ctmi_store_site_append(
    struct ctmi_store *store, uint32_t domain, uint32_t traceback, uint64_t block_size,
    uint32_t labels,
    uint32_t *out); /* A row of any table but the strings and the sites, by its content. */
CTM_NODISCARD ctm_status ctmi_store_content(struct ctmi_store *store, enum ctmi_table table,
                                            const union ctmi_content *content, uint32_t *out);

/* From now on, until the store is emptied, room for blocks without a place is kept. CTM_ERR_NOMEM: it is not. */
CTM_NODISCARD ctm_status ctmi_store_reserve_spare(struct ctmi_store *store);
/* The site of blocks of this size whose place there is no memory for. CTM_ERR_NOMEM: no spare is kept, or all of it is used:
 * there are sites of `spare_sites` sizes already. */
CTM_NODISCARD ctm_status ctmi_store_unplaced_site(struct ctmi_store *store, uint32_t domain,
                                                  uint64_t block_size, uint32_t *out);
/* From now on a table grows by a chunk only together with address space for a snapshot of it; factor 0: all of that is given
 * up. It lasts when the store is emptied. */
void ctmi_store_set_aside(struct ctmi_store *store, uint32_t factor);
/* Blocks that were ever recorded at such sites. */
uint64_t ctmi_store_unplaced_blocks(const struct ctmi_store *store);

/* Makes ctmi_store_site find rows that ctmi_store_site_append made; of rows with the same key, one.
 * Also those of ctmi_store_unplaced_site. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_store_index_sites(struct ctmi_store *store);

/* --- rows: `id` must be one the store returned (0 < id < count) --- */
static inline void *ctmi_rows_at(const struct ctmi_rows *rows, uint32_t id, size_t row_size)
{
    CTMI_ASSERT(row_size == rows->row_size);
    if (__builtin_expect(id < rows->first, 1)) {
        CTMI_ASSERT(rows->chunk[0] != NULL);
        return rows->chunk[0] + (size_t)id * row_size;
    }
    /* Not `first`: then a compiler would load it into a register for the rare case, on each event. */
    uint64_t place = (uint64_t)id + (1ull << rows->first_log2);
    unsigned top = 63u - (unsigned)__builtin_clzll(place);
    CTMI_ASSERT(rows->chunk[top - rows->first_log2] != NULL);
    return rows->chunk[top - rows->first_log2] + (place ^ (1ull << top)) * row_size;
}

/* Rows in the table for a thread that is not the owner: a count is raised when the row is whole. */
static inline uint32_t ctmi_rows_published(const struct ctmi_rows *rows)
{
    return __atomic_load_n(&rows->count, __ATOMIC_ACQUIRE);
}

/* A row that there is. Row 0 has zeros, which is what an event finds in tables that a black box lost under it. */
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

/* The returned row is the owner's to read; `last_site` is the store's to write. */
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

/* The counters of the returned row are the owner's to change. */
static inline struct ctmi_site_row *ctmi_store_site_row(const struct ctmi_store *store, uint32_t id)
{
    return ctmi_rows_get(&store->sites, id, sizeof(struct ctmi_site_row));
}

/* NUL-terminated, good until the store is emptied. id 0 gives "". out_length may be NULL. */
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

/* Blocks that lived at the peak. No other thread changes the row meanwhile. */
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

/* Blocks freed at `row`, through whatever shard. */
static inline uint64_t ctmi_site_row_freed(struct ctmi_site_row *row)
{
    return row->site.freed + atomic_load_explicit(&row->freed_remote, memory_order_relaxed);
}

#endif
