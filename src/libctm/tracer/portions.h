/* tracer/portions.h: the portions of sites: which part of a site's blocks belongs to one temporary label set.
 *
 * Model: a portion is a row of the sites with the same key as the site of the rest, and not in the index. So events, black boxes and
 * recordings know nothing of portions: adding up equal keys gives the rest. This file knows for each portion its site and its
 * set. A portion is of one site for good, and is given to another set when it has no blocks: then its counters go on from where they
 * are, and `base` has what is not the new set's.
 *
 * Lock: the shard's.
 */
#ifndef CTMI_TRACER_PORTIONS_H
#define CTMI_TRACER_PORTIONS_H

#include "tables/store.h"
#include "tracer/scopes.h"

struct ctm_shard;

/* Of one site row; all 0 if it is no portion. */
struct ctmi_portion {
    uint64_t base;        /* blocks allocated, and freed, for other sets before */
    uint32_t site;        /* the row of the rest; 0: this is no portion */
    uint32_t next;        /* the next in its bucket, or of the free ones of its site */
    uint32_t next_of_set; /* the next one of its set */
    uint32_t free;        /* of a rest: its first free portion */
    bool is_found;        /* by its site and set: it is in a bucket; not after it was passed on */
};

/* Lock of all fields: the shard's. */
struct ctmi_portions {
    struct ctmi_portion *of; /* owned, `n` of them: by site row */
    /* Owned, `n` of them: the set of each, with CTMI_IN_SCOPE if its site's references have it (scopes.h). 0: it is no portion.
     * Most events read one, so they are close together. */
    uint32_t *handles;
    uint32_t n;
    uint32_t count;    /* portions */
    uint32_t *buckets; /* owned: the first portion of each hash of site and handle */
    uint32_t mask;     /* number of buckets - 1 */
};

/* World stopped. */
void ctmi_portions_forget(struct ctmi_portions *portions);
size_t ctmi_portions_memory(const struct ctmi_portions *portions);

#define CTMI_NO_SET (CTMI_IN_SCOPE - 1u) /* the handle of a portion that is free */

/* The handle of the row's set; 0: it has none. */
static inline uint32_t ctmi_portion_handle(const struct ctmi_portions *portions, uint32_t row)
{
    const uint32_t handle = portions->handles[row] & ~CTMI_IN_SCOPE;
    return handle != CTMI_NO_SET ? handle : 0;
}

static inline bool ctmi_portion_is_in_scope(const struct ctmi_portions *portions, uint32_t row)
{
    return (portions->handles[row] & CTMI_IN_SCOPE) != 0;
}

/* Whether `site`, an id as of ctm_shard_labelled_site, is no portion or that of this handle. */
static inline bool ctmi_portion_is_of(const struct ctmi_portions *portions, uint32_t site,
                                      uint32_t handle)
{
    const uint32_t row = site & ~CTMI_IN_SCOPE;
    const uint32_t found = row < portions->n ? portions->handles[row] : 0;
    return found == 0 || found == (handle | (site & CTMI_IN_SCOPE));
}

/* The site row's portion; NULL: it is none. */
static inline const struct ctmi_portion *ctmi_portion_of(const struct ctmi_portions *portions,
                                                         uint32_t row)
{
    return row < portions->n && portions->of[row].site != 0 ? &portions->of[row] : NULL;
}

static inline bool ctmi_portions_exist(const struct ctmi_portions *portions)
{
    return portions->count != 0;
}

/* The portion of a site for a handle, found or made. Inside the shard. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_portion_find(struct ctm_shard *shard, uint32_t site, uint32_t handle,
                                           uint32_t *out);

/* The next three are called by the exclusive side, which has the shard's lock.
 *
 * Frees the portions of a set without blocks. Returns how many are left. */
uint32_t ctmi_portions_free(struct ctm_shard *shard, uint32_t handle);
/* Whether the set has a portion with blocks. */
bool ctmi_portions_have_blocks(const struct ctm_shard *shard, uint32_t handle);
/* Moves all portions with blocks to another set. The others begin anew, or are freed if not `keeps`. */
void ctmi_portions_pass_on(struct ctm_shard *shard, uint32_t from, uint32_t to, bool keeps);

/* Tells the portions of temporary sets apart, in a copy of the shard's store, and adds up the others. World stopped.
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_portions_split(const struct ctm_shard *shard,
                                             struct ctmi_store *copy);

#endif
