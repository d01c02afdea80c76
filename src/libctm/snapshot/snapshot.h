/* snapshot/snapshot.h: the struct of a snapshot, for the core's own use.
 *
 * Model: one slab of memory, which begins with the struct and is divided into the tables. A snapshot is made in three
 * steps: alloc (rows unset), filling by its maker, and seal (derived columns and totals). Before seal it belongs to its
 * maker. After seal it never changes, so readers need no lock.
 */
#ifndef CTMI_SNAPSHOT_SNAPSHOT_H
#define CTMI_SNAPSHOT_SNAPSHOT_H

#include <stdatomic.h>

#include "base/assert.h"
#include "ctm/snapshot.h"
#include "tables/losses.h"
#include "tables/schema.h"

struct ctmi_store;

struct ctm_snapshot {
    _Atomic uint32_t references;
    ctm_snapshot_info info; /* counts set by alloc, live_blocks and current_bytes by seal */
    /* Arrays in the slab, indexed by id, with count + 1 rows. */
    union { /* each table by enum ctmi_table, and by its name */
        void *rows[CTMI_ROWS_TABLES];
        struct {
            uint64_t *string_offsets; /* one more row: the end. Each string is followed by a NUL */
#define TABLE(ID, one, many, number, section, content, row) content *many;
            CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
        };
    };
    char *string_bytes;
    uint64_t *live_sums; /* live blocks of the sites up to and including the id */
    uint32_t *lengths;   /* stored frames of the traceback */
    /* Not in the slab. */
    ctm_loss *losses; /* owned: n_losses of them; NULL: none */
    uint32_t n_losses;
};

/* Returns the rows of each table, row 0 included. */
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

/* Returns the string id of the file of `frame`; 0 for frame 0. */
static inline uint32_t ctmi_snapshot_frame_file(const ctm_snapshot *snapshot, uint32_t frame)
{
    return snapshot->functions[snapshot->frames[frame].function].filename;
}

/* Returns the id of a string; 0: there is none. */
uint32_t ctmi_snapshot_find_string(const ctm_snapshot *snapshot, const char *text);

/* Allocates a snapshot with one reference and memory for the rows that `info` counts. `info` and row 0 of each table
 * are set, the other rows are not. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_snapshot_alloc(const ctm_snapshot_info *info, uint64_t string_bytes,
                                             ctm_snapshot **out);
/* Allocates a snapshot with the tables, info and losses of `from`, but with `sites` site rows, which are not set.
 * CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_snapshot_alloc_like(const ctm_snapshot *from, uint32_t sites,
                                                  ctm_snapshot **out);
/* Sets the losses of a snapshot that has none and that no other thread has yet. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_snapshot_set_losses(ctm_snapshot *snapshot, const ctm_loss *rows,
                                                  uint32_t n);
/* Computes the derived columns and totals; the rows must be valid. CTM_ERR_LIMIT if the live blocks or their bytes,
 * now or at the peak, exceed INT64_MAX (so differences of two snapshots always fit). */
CTM_NODISCARD ctm_status ctmi_snapshot_seal(ctm_snapshot *snapshot);

/* Asserts what a sealed snapshot promises: references, lengths and counters are possible, and the sums agree. */
#ifdef CTM_ASSERTS
void ctmi_snapshot_assert_sound(const ctm_snapshot *snapshot);
#else
static inline void ctmi_snapshot_assert_sound(const ctm_snapshot *snapshot)
{
    (void)snapshot;
}
#endif

/* Makes a snapshot of all rows of `store` except sites without allocations. The caller owns the store during the call.
 * `info` has the fields that are not counted here; `losses` (NULL: none) are copied. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_snapshot_from_store(const struct ctmi_store *store,
                                                  const ctm_snapshot_info *info,
                                                  const struct ctmi_losses *losses,
                                                  ctm_snapshot **out);
/* Sets the peak to the sum over the sites, so that no two numbers of a snapshot contradict each other: with several
 * threads, the tracer's own peak can differ by some blocks (peak.c). No other thread has the snapshot yet. The peak
 * of a sample, which is an estimate, does not change. */
void ctmi_snapshot_count_peak(ctm_snapshot *snapshot);

#endif
