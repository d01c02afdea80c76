/* live/sampling.h: what a sampling tracer knows besides its tables: where sampled blocks may lie.
 *
 * Model: most blocks of a sampling tracer are not on the map, and freeing one must not cost a look at it. `counts` says how
 * many sampled blocks lie in pages that share a bucket: 0 means there is none. A count that has reached 255 stays there.
 *
 * Threads: counts are atomic. Whoever frees a block has learnt its address from whoever allocated it, so it sees
 * the count raised.
 */
#ifndef CTM_LIVE_SAMPLING_H
#define CTM_LIVE_SAMPLING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CTM_PLACES_BUCKETS 65536u

struct ctm_places {
    _Atomic uint8_t counts[CTM_PLACES_BUCKETS];
};

static inline _Atomic uint8_t *ctm_places_bucket(struct ctm_places *places, uint64_t address)
{
    const uint64_t page = address >> 12;
    return &places->counts[(page ^ page >> 16) % CTM_PLACES_BUCKETS];
}

/* May a sampled block lie at the address? */
static inline bool ctm_places_may_have(struct ctm_places *places, uint64_t address)
{
    return atomic_load_explicit(ctm_places_bucket(places, address), memory_order_relaxed) != 0;
}

void ctm_places_add(struct ctm_places *places, uint64_t address);
void ctm_places_drop(struct ctm_places *places, uint64_t address);

#endif
