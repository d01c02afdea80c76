/* base/idset.h: a hash set of row ids that finds rows of equal content.
 *
 * Model: open addressing with linear probing, at most half full. The set stores ids only; the caller has the
 * content, and passes its hash and a function that compares it. A set lives for one pass over one table.
 */
#ifndef CTMI_BASE_IDSET_H
#define CTMI_BASE_IDSET_H

#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "ctm/status.h"

struct ctmi_idset {
    uint32_t *ids; /* owned; 0: free slot */
    uint64_t mask; /* number of slots - 1 */
};

typedef bool ctmi_idset_equal(const void *context, uint32_t a, uint32_t b);

/* An empty set with capacity for `rows` ids. */
static inline ctm_status ctmi_idset_init(struct ctmi_idset *set, uint64_t rows)
{
    uint64_t slots = 16;
    while (slots < 2 * rows) {
        slots *= 2;
    }
    set->mask = slots - 1;
    set->ids = ctmi_mem_alloc((size_t)slots * sizeof(uint32_t));
    if (set->ids == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(set->ids, 0, (size_t)slots * sizeof(uint32_t));
    return CTM_OK;
}

static inline void ctmi_idset_free(struct ctmi_idset *set)
{
    ctmi_mem_free(set->ids);
    set->ids = NULL;
}

/* splitmix64's mixer: every bit of the result depends on every bit of `x`. */
static inline uint64_t ctmi_hash_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Starts to load the slot of `hash` into the cache, for an addition soon after. A set larger than the caches is as slow
 * as memory is; many loads at once take little more time than one. */
static inline void ctmi_idset_prefetch(const struct ctmi_idset *set, uint64_t hash)
{
    __builtin_prefetch(&set->ids[hash & set->mask], 1);
}

/* Returns the id in the set that is equal to `id`; if there is none, adds `id` and returns it. */
static inline uint32_t ctmi_idset_add(struct ctmi_idset *set, uint32_t id, uint64_t hash,
                                      ctmi_idset_equal *equal, const void *context)
{
    for (uint64_t slot = hash & set->mask;; slot = (slot + 1) & set->mask) {
        if (set->ids[slot] == 0) {
            set->ids[slot] = id;
            return id;
        }
        if (equal(context, set->ids[slot], id)) {
            return set->ids[slot];
        }
    }
}

#endif
