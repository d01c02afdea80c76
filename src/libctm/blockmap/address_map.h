/* address_map.h: block address -> slot, a slot being the shard and the site of the block.
 *
 * Model: addresses of domain 0 that are multiples of 16 below 2^47 have a place of their own:
 * a three-level radix tree, top -> mid -> leaf, whose leaf covers 4 MiB with one 32-bit slot
 * per 16-byte granule. A leaf is a lazily touched mapping, so the inside of a large block
 * costs nothing. Everything else (other domains, odd or huge addresses, and addresses whose leaf
 * the system refused) is in one hash table, the *overflow*, keyed by (address, domain).
 *
 * Threads: any number may use the map at once (each inside its own shard), with two rules.
 *   - A slot is touched only by the thread that owns the block at that moment: the one that
 *     the allocator just gave it to, or that is about to free it. So a slot is read and
 *     written with plain acquire and release, never read-modify-write; these make the site's
 *     row, written before the slot, visible to whoever reads the slot.
 *   - Levels are installed by compare-and-swap, and go away only in ctmi_map_empty, when no
 *     other thread is in the map: afterwards none can find them, so they may be returned to the system
 *     at leisure (deferred_unmap.h). The overflow has a mutex, the innermost of all locks.
 *
 * Looking up: whoever uses the map brings memos of the leaves that it met last, so that a block near others is found
 * with one compare. They are their owner's alone, and are emptied when the map is.
 *
 * Reserving: ctmi_map_reserve sets aside room in the overflow, so that a later ctmi_map_set_reserved
 * cannot fail, whatever the address turns out to be.
 */
#ifndef CTMI_BLOCKMAP_ADDRESS_MAP_H
#define CTMI_BLOCKMAP_ADDRESS_MAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/deferred_unmap.h"
#include "ctm/status.h"

/* Kept out of the way of an event. */
#define CTMI_RARE __attribute__((noinline, cold))

#define CTMI_MAP_GRANULE_BITS 4u
#define CTMI_MAP_LEAF_BITS 22u /* bytes covered by a leaf */
#define CTMI_MAP_MID_BITS 34u  /* bytes covered by a mid level */
#define CTMI_MAP_ADDRESS_BITS 47u
#define CTMI_MAP_LEAF_SLOTS (1u << (CTMI_MAP_LEAF_BITS - CTMI_MAP_GRANULE_BITS))
#define CTMI_MAP_MID_LEAVES (1u << (CTMI_MAP_MID_BITS - CTMI_MAP_LEAF_BITS))
#define CTMI_MAP_TOP_MIDS (1u << (CTMI_MAP_ADDRESS_BITS - CTMI_MAP_MID_BITS))

typedef _Atomic uint32_t ctmi_map_slot;
typedef _Atomic(void *) ctmi_map_level_slot; /* NULL, or the level below */

struct ctmi_overflow_entry;

struct ctmi_map {
    ctmi_map_level_slot top[CTMI_MAP_TOP_MIDS];  /* -> ctmi_map_level_slot[CTMI_MAP_MID_LEAVES]
                                               * -> ctmi_map_slot[CTMI_MAP_LEAF_SLOTS] */
    _Atomic(struct ctmi_pending_unmap *) levels; /* owned list of the levels installed: pushed by
                                               * CAS, taken when the map is emptied */

    /* The overflow. */
    pthread_mutex_t lock;
    struct ctmi_overflow_entry *entries; /* lock; owned mapping of `capacity`, or NULL */
    size_t capacity;                     /* lock */
    size_t used;                         /* lock; entries in use */
    size_t reserved;                     /* lock; entries set aside by ctmi_map_reserve */
    _Atomic size_t spilled;              /* written under lock, read without: entries that have
                                         * a place, but whose leaf was refused */
};

/* A leaf that was met: `key` is the address's bits above the leaf's, and its bits below a granule (all 0) above these.
 * Owned by whoever gives it to the calls below; one thread at a time. */
struct ctmi_map_memo {
    uint64_t key;        /* CTMI_MAP_NO_KEY: none */
    ctmi_map_slot *leaf; /* borrowed until the map is emptied */
};
#define CTMI_MAP_MEMOS 64u /* a power of two */
#define CTMI_MAP_NO_KEY UINT64_MAX

/* Empties CTMI_MAP_MEMOS memos. */
void ctmi_map_forget(struct ctmi_map_memo *memos);

/* `map` is zeroed memory. */
void ctmi_map_init(struct ctmi_map *map);
/* Forgets everything. No other thread is in the map. Gives the levels that it had, for the caller to return when
 * others may be in again: with ctmi_deferred_unmap or ctmi_deferred_unmap_now. */
CTM_NODISCARD struct ctmi_pending_unmap *ctmi_map_empty(struct ctmi_map *map);
/* Forgets everything and returns the memory. No other thread is in the map. */
void ctmi_map_clear(struct ctmi_map *map);
/* Clears it, and ends the use of `map`. */
void ctmi_map_destroy(struct ctmi_map *map);
/* Resident bytes outside struct ctmi_map itself. No other thread is in the map. */
size_t ctmi_map_bytes(struct ctmi_map *map);

/* The slot at the address, or 0. */
CTMI_RARE uint32_t ctmi_map_get(struct ctmi_map *map, uint32_t domain, uint64_t address);

/* Sets room aside for n calls of ctmi_map_set_reserved. */
CTMI_RARE CTM_NODISCARD ctm_status ctmi_map_reserve(struct ctmi_map *map, size_t n);
/* As ctmi_map_set, and cannot fail, because the caller holds at least one kept room. Gives the
 * old slot; *out_used_room tells whether the room was needed: if so, it is gone. */
uint32_t ctmi_map_set_reserved(struct ctmi_map *map, uint32_t domain, uint64_t address,
                               uint32_t slot, bool *out_used_room);

/* The general forms of ctmi_map_set and ctmi_map_take, which are below. */
CTMI_RARE CTM_NODISCARD ctm_status ctmi_map_set_slow(struct ctmi_map *map, uint32_t domain,
                                                     uint64_t address, uint32_t slot,
                                                     uint32_t *out_old);
CTMI_RARE uint32_t ctmi_map_take_slow(struct ctmi_map *map, uint32_t domain, uint64_t address);

/* fork: the lock is held across it by the caller's thread. */
void ctmi_map_fork_before(struct ctmi_map *map);
void ctmi_map_fork_after(struct ctmi_map *map); /* in parent and child */

/* Does the address have a place of its own? */
static inline bool ctmi_map_has_slot(uint32_t domain, uint64_t address)
{
    uint64_t odd = address & ((1u << CTMI_MAP_GRANULE_BITS) - 1);
    return (domain | odd | (address >> CTMI_MAP_ADDRESS_BITS)) == 0;
}

/* The place of an address that has one; NULL: its leaf is not there (yet). */
static inline ctmi_map_slot *ctmi_map_find_slot(struct ctmi_map *map, uint64_t address)
{
    ctmi_map_level_slot *mid =
        atomic_load_explicit(&map->top[address >> CTMI_MAP_MID_BITS], memory_order_acquire);
    if (mid == NULL) {
        return NULL;
    }
    ctmi_map_slot *leaf = atomic_load_explicit(
        &mid[(address >> CTMI_MAP_LEAF_BITS) % CTMI_MAP_MID_LEAVES], memory_order_acquire);
    if (leaf == NULL) {
        return NULL;
    }
    return &leaf[(address >> CTMI_MAP_GRANULE_BITS) % CTMI_MAP_LEAF_SLOTS];
}

/* The place of an address that has one, by way of the memos; NULL: it has none, or its leaf is not there (yet). */
CTMI_RARE ctmi_map_slot *ctmi_map_memoize(struct ctmi_map *map, struct ctmi_map_memo *memos,
                                          uint64_t address);

/* The same; inline for a leaf that is remembered. The address is turned by a granule's bits, so that no odd one
 * has the key of a leaf. */
static inline ctmi_map_slot *ctmi_map_look(struct ctmi_map *map, struct ctmi_map_memo *memos,
                                           uint32_t domain, uint64_t address)
{
    const uint64_t turned = address >> CTMI_MAP_GRANULE_BITS | address
                                                                   << (64 - CTMI_MAP_GRANULE_BITS);
    const uint64_t key = turned >> (CTMI_MAP_LEAF_BITS - CTMI_MAP_GRANULE_BITS);
    const struct ctmi_map_memo *memo = &memos[key % CTMI_MAP_MEMOS];
    if (__builtin_expect(domain != 0, 0)) {
        return NULL;
    }
    return __builtin_expect(memo->key == key, 1) ? &memo->leaf[turned % CTMI_MAP_LEAF_SLOTS]
                                                 : ctmi_map_memoize(map, memos, address);
}

/* Are entries in the overflow that have a place, whose leaf was refused? */
static inline bool ctmi_map_has_spilled(struct ctmi_map *map)
{
    return __builtin_expect(atomic_load_explicit(&map->spilled, memory_order_acquire) != 0, 0);
}

/* Puts `slot` at a place and gives what was there. */
static inline uint32_t ctmi_map_put(ctmi_map_slot *place, uint32_t slot)
{
    CTMI_ASSERT(slot != 0);
    const uint32_t old = atomic_load_explicit(place, memory_order_acquire);
    atomic_store_explicit(place, slot, memory_order_release);
    return old;
}

/* Puts `slot` (not 0) at the address and gives what was there, or 0. CTM_ERR_NOMEM: nothing
 * changed. Inline for the common case: the address has a place, and its leaf is there. */
CTM_NODISCARD static inline ctm_status ctmi_map_set(struct ctmi_map *map,
                                                    struct ctmi_map_memo *memos, uint32_t domain,
                                                    uint64_t address, uint32_t slot,
                                                    uint32_t *out_old)
{
    ctmi_map_slot *place = ctmi_map_look(map, memos, domain, address);
    /* With spilled entries, the old slot may be in the overflow. */
    if (place == NULL || ctmi_map_has_spilled(map)) {
        return ctmi_map_set_slow(map, domain, address, slot, out_old);
    }
    *out_old = ctmi_map_put(place, slot);
    return CTM_OK;
}

/* The slot at the address (0: none) and in *out_place what ctmi_map_replace wants: the place, or NULL. */
static inline uint32_t ctmi_map_seek(struct ctmi_map *map, struct ctmi_map_memo *memos,
                                     uint32_t domain, uint64_t address, void **out_place)
{
    ctmi_map_slot *place = ctmi_map_look(map, memos, domain, address);
    uint32_t slot = place ? atomic_load_explicit(place, memory_order_acquire) : 0;
    *out_place = place;
    if (slot == 0) {
        *out_place = NULL;
        if (ctmi_map_has_spilled(map) || !ctmi_map_has_slot(domain, address)) {
            slot = ctmi_map_get(map, domain, address);
        }
    }
    return slot;
}

/* Replaces the slot that ctmi_map_seek has just found by another one, not 0. */
static inline void ctmi_map_replace(struct ctmi_map *map, uint32_t domain, uint64_t address,
                                    uint32_t slot, void *place)
{
    if (place != NULL) {
        atomic_store_explicit((ctmi_map_slot *)place, slot, memory_order_release);
    } else {
        uint32_t old; /* it is in the overflow, so this needs no memory and cannot fail */
        (void)!ctmi_map_set_slow(map, domain, address, slot, &old);
    }
}

/* Takes the slot off the map and gives it; 0: there was none. */
static inline uint32_t ctmi_map_take(struct ctmi_map *map, struct ctmi_map_memo *memos,
                                     uint32_t domain, uint64_t address)
{
    ctmi_map_slot *place = ctmi_map_look(map, memos, domain, address);
    uint32_t slot = place ? atomic_load_explicit(place, memory_order_acquire) : 0;
    if (slot == 0) { /* a block that is not traced, as a rule */
        return ctmi_map_has_spilled(map) || !ctmi_map_has_slot(domain, address)
                   ? ctmi_map_take_slow(map, domain, address)
                   : 0;
    }
    atomic_store_explicit(place, 0, memory_order_release);
    return slot;
}

#endif
