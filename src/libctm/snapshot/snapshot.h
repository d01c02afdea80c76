/* snapshot/snapshot.h: what a snapshot is made of, for the core's own use.
 *
 * Model: one slab of memory, cut into the tables; the struct is at its head. A snapshot is made
 * in three steps: alloc (rows unset), fill by the maker, seal (derived columns and
 * totals). Before seal it belongs to its maker; after seal nobody changes it, so readers
 * need no lock.
 */
#ifndef CTMI_SNAPSHOT_SNAPSHOT_H
#define CTMI_SNAPSHOT_SNAPSHOT_H

#include <stdatomic.h>

#include "ctm/snapshot.h"
#include "tables/losses.h"
#include "tables/schema.h"

struct ctmi_store;

struct ctm_snapshot {
    _Atomic uint32_t references;
    ctm_snapshot_info info; /* counts set by alloc, live_blocks and current_bytes by seal */
    /* All inside the slab; arrays are indexed by id and have count + 1 rows. */
    union { /* each table by enum ctmi_table, and by its name */
        void *rows[CTMI_ROWS_TABLES];
        struct {
            uint64_t *string_offsets; /* one more row: the end. Each string is followed by a NUL */
#define TABLE(ID, one, many, number, content, row) content *many;
            CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
        };
    };
    char *string_bytes;
    uint64_t *live_sums; /* live blocks of the sites up to and including the id */
    uint32_t *lengths;   /* frames kept by the traceback */
    /* Not in the slab. */
    ctm_loss *losses; /* owned: n_losses of them; NULL: none */
    uint32_t n_losses;
};

/* Rows of each table, row 0 included. */
static inline void ctmi_snapshot_counts(const ctm_snapshot_info *info, uint32_t *counts)
{
#define TABLE(ID, one, many, number, ...) counts[CTMI_TABLE_##ID] = info->number + 1;
    CTMI_ALL_TABLES(TABLE)
#undef TABLE
}

static inline uint64_t ctmi_site_live(const ctm_site *site)
{
    return site->allocated - site->freed;
}

static inline uint64_t ctmi_snapshot_string_bytes(const ctm_snapshot *snapshot)
{
    return snapshot->string_offsets[(uint64_t)snapshot->info.strings + 1];
}

static inline size_t ctmi_snapshot_string_length(const ctm_snapshot *snapshot, uint32_t id)
{
    return (size_t)(snapshot->string_offsets[id + 1] - snapshot->string_offsets[id] - 1);
}

/* String id of the file of `frame`; 0 for frame 0. */
static inline uint32_t ctmi_snapshot_frame_file(const ctm_snapshot *snapshot, uint32_t frame)
{
    return snapshot->functions[snapshot->frames[frame].function].filename;
}

/* The id of a string; 0: there is none. */
uint32_t ctmi_snapshot_find_string(const ctm_snapshot *snapshot, const char *text);

/* A snapshot of one reference with room for the rows that `info` counts; row 0 of each table
 * and info are set, the rest is not. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_snapshot_alloc(const ctm_snapshot_info *info, uint64_t string_bytes,
                                             ctm_snapshot **out);
/* The tables of `from`, its info and its losses, but with `sites` site rows, which are not set. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_snapshot_alloc_like(const ctm_snapshot *from, uint32_t sites,
                                                  ctm_snapshot **out);
/* The losses of a snapshot that nobody else has yet, and that has none. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_snapshot_set_losses(ctm_snapshot *snapshot, const ctm_loss *rows,
                                                  uint32_t n);
/* Computes what follows from the rows, which must be valid. CTM_ERR_LIMIT if the live blocks
 * or their bytes, now or at the peak, are more than INT64_MAX (so differences of two snapshots always fit). */
CTM_NODISCARD ctm_status ctmi_snapshot_seal(ctm_snapshot *snapshot);

/* A snapshot of all rows of `store` but sites never allocated from. The caller owns the store
 * meanwhile. `info` gives what is not counted here, `losses` (NULL: none) are copied. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_snapshot_from_store(const struct ctmi_store *store,
                                                  const ctm_snapshot_info *info,
                                                  const struct ctmi_losses *losses,
                                                  ctm_snapshot **out);
/* The peak is what the sites say, so that no two numbers of a snapshot contradict each other: with several threads the
 * tracer's own can be some blocks off (peak.c). Of a snapshot that nobody else has yet; estimates stay. */
void ctmi_snapshot_count_peak(ctm_snapshot *snapshot);

#endif
