/* tracer/portions.h: the portions of sites: which part of a site's blocks belongs to one temporary label set.
 *
 * Model: a portion is a row like a site's, whose `traceback` is the id of the site and whose `labels` is the handle of the set; 0: it is
 * free. Each event of a block that has a portion is counted twice, there and at the site. A portion is for one site for good: what a
 * caller has stored for it is right if it has the caller's handle.
 *
 * Blocks refer to a portion where they would refer to a site: bit 31 of a site reference tells (CTMI_PORTION).
 *
 * The portions are private memory, in no black box. They never move, and are unmapped only with the world stopped. Lock: the shard's;
 * for frees through other shards see shard.h.
 */
#ifndef CTMI_TRACER_PORTIONS_H
#define CTMI_TRACER_PORTIONS_H

#include "tables/store.h"

#define CTMI_PORTION (1u << 31)

struct ctm_shard;

/* Lock of all fields: the shard's. */
struct ctmi_portions {
    struct ctmi_rows rows; /* struct ctmi_site_row; row 0 is none */
    uint32_t *next; /* owned: by portion, the next in its bucket, or of the free ones of its site */
    uint32_t *next_of_set;  /* owned: by portion, the next one of its set */
    uint32_t capacity;      /* of both */
    uint32_t *free_of_site; /* owned: by site, its first free portion */
    uint32_t n_sites;       /* of free_of_site */
    uint32_t *buckets;      /* owned: the first portion of each hash of site and handle */
    uint32_t mask;          /* number of buckets - 1 */
};

void ctmi_portions_init(struct ctmi_portions *portions);
/* World stopped. */
void ctmi_portions_forget(struct ctmi_portions *portions);
size_t ctmi_portions_memory(const struct ctmi_portions *portions);

static inline struct ctmi_site_row *ctmi_portion_row(const struct ctmi_portions *portions,
                                                     uint32_t id)
{
    return ctmi_rows_get(&portions->rows, id, sizeof(struct ctmi_site_row));
}

static inline bool ctmi_portions_exist(const struct ctmi_portions *portions)
{
    return portions->rows.count > 1;
}

/* The portion of a site for a handle, found or made. Inside the shard. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_portion_find(struct ctm_shard *shard, uint32_t site, uint32_t handle,
                                           uint32_t *out);

/* The next three are called by the exclusive side, which has the shard's lock.
 *
 * Frees the portions of a set without blocks. Returns whether some are left. */
bool ctmi_portions_free(struct ctm_shard *shard, uint32_t handle);
/* Whether the set has a portion with blocks. */
bool ctmi_portions_have_blocks(const struct ctm_shard *shard, uint32_t handle);
/* Moves all portions with blocks, and sets the counters of the others to 0. */
void ctmi_portions_pass_on(struct ctm_shard *shard, uint32_t from, uint32_t to);

/* Tells the portions of temporary sets apart, in a copy of the shard's store. World stopped. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_portions_split(const struct ctm_shard *shard,
                                             struct ctmi_store *copy);

#endif
