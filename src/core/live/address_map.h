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
 *   - Levels are installed by compare-and-swap, and go away only in ctm_map_empty, when no
 *     other thread is in the map: afterwards none can find them, so they may be returned to the system
 *     at leisure (give_back.h). The overflow has a mutex, the innermost of all locks.
 *
 * Looking up: whoever uses the map brings memos of the leaves that it met last, so that a block near others is found
 * with one compare. They are their owner's alone, and are emptied when the map is.
 *
 * Reserving: ctm_map_keep sets aside room in the overflow, so that a later ctm_map_set_kept
 * cannot fail, whatever the address turns out to be.
 */
#ifndef CTM_LIVE_ADDRESS_MAP_H
#define CTM_LIVE_ADDRESS_MAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "ctm/status.h"
#include "live/give_back.h"
#include "store/assert.h"

/* Kept out of the way of an event. */
#define CTM_RARE __attribute__((noinline, cold))

#define CTM_MAP_GRANULE_BITS 4u
#define CTM_MAP_LEAF_BITS 22u /* bytes covered by a leaf */
#define CTM_MAP_MID_BITS 34u  /* bytes covered by a mid level */
#define CTM_MAP_ADDRESS_BITS 47u
#define CTM_MAP_LEAF_SLOTS (1u << (CTM_MAP_LEAF_BITS - CTM_MAP_GRANULE_BITS))
#define CTM_MAP_MID_LEAVES (1u << (CTM_MAP_MID_BITS - CTM_MAP_LEAF_BITS))
#define CTM_MAP_TOP_MIDS (1u << (CTM_MAP_ADDRESS_BITS - CTM_MAP_MID_BITS))

typedef _Atomic uint32_t ctm_map_slot;
typedef _Atomic(void *) ctm_map_level_slot; /* NULL, or the level below */

struct ctm_overflow_entry;

struct ctm_map {
    ctm_map_level_slot top[CTM_MAP_TOP_MIDS]; /* -> ctm_map_level_slot[CTM_MAP_MID_LEAVES]
                                               * -> ctm_map_slot[CTM_MAP_LEAF_SLOTS] */
    _Atomic(struct ctm_leaving *) levels;     /* owned list of the levels installed: pushed by
                                               * CAS, taken when the map is emptied */

    /* The overflow. */
    pthread_mutex_t lock;
    struct ctm_overflow_entry *entries; /* lock; owned mapping of `capacity`, or NULL */
    size_t capacity;                    /* lock */
    size_t used;                        /* lock; entries in use */
    size_t kept;                        /* lock; entries set aside by ctm_map_keep */
    _Atomic size_t spilled;             /* written under lock, read without: entries that have
                                         * a place, but whose leaf was refused */
};

/* A leaf that was met: `key` is the address's bits above the leaf's, and its bits below a granule (all 0) above these.
 * Owned by whoever gives it to the calls below; one thread at a time. */
struct ctm_map_memo {
    uint64_t key;       /* CTM_MAP_NO_KEY: none */
    ctm_map_slot *leaf; /* borrowed until the map is emptied */
};
#define CTM_MAP_MEMOS 64u /* a power of two */
#define CTM_MAP_NO_KEY UINT64_MAX

/* Empties CTM_MAP_MEMOS memos. */
void ctm_map_forget(struct ctm_map_memo *memos);

/* `map` is zeroed memory. */
void ctm_map_init(struct ctm_map *map);
/* Forgets everything. No other thread is in the map. Gives the levels that it had, for the caller to return when
 * others may be in again: with ctm_give_back or ctm_give_back_now. */
CTM_NODISCARD struct ctm_leaving *ctm_map_empty(struct ctm_map *map);
/* Forgets everything and returns the memory. No other thread is in the map. */
void ctm_map_clear(struct ctm_map *map);
/* Clears it, and ends the use of `map`. */
void ctm_map_destroy(struct ctm_map *map);
/* Resident bytes outside struct ctm_map itself. No other thread is in the map. */
size_t ctm_map_bytes(struct ctm_map *map);

/* The slot at the address, or 0. */
CTM_RARE uint32_t ctm_map_get(struct ctm_map *map, uint32_t domain, uint64_t address);

/* Sets room aside for n calls of ctm_map_set_kept. */
CTM_RARE CTM_NODISCARD ctm_status ctm_map_keep(struct ctm_map *map, size_t n);
/* As ctm_map_set, and cannot fail, because the caller holds at least one kept room. Gives the
 * old slot; *out_used_room tells whether the room was needed: if so, it is gone. */
uint32_t ctm_map_set_kept(struct ctm_map *map, uint32_t domain, uint64_t address, uint32_t slot,
                          bool *out_used_room);

/* The general forms of ctm_map_set and ctm_map_take, which are below. */
CTM_RARE CTM_NODISCARD ctm_status ctm_map_set_slow(struct ctm_map *map, uint32_t domain,
                                                   uint64_t address, uint32_t slot,
                                                   uint32_t *out_old);
CTM_RARE uint32_t ctm_map_take_slow(struct ctm_map *map, uint32_t domain, uint64_t address);

/* fork: the lock is held across it by the caller's thread. */
void ctm_map_fork_before(struct ctm_map *map);
void ctm_map_fork_after(struct ctm_map *map); /* in parent and child */

/* Does the address have a place of its own? */
static inline bool ctm_map_has_place(uint32_t domain, uint64_t address)
{
    uint64_t odd = address & ((1u << CTM_MAP_GRANULE_BITS) - 1);
    return (domain | odd | (address >> CTM_MAP_ADDRESS_BITS)) == 0;
}

/* The place of an address that has one; NULL: its leaf is not there (yet). */
static inline ctm_map_slot *ctm_map_place(struct ctm_map *map, uint64_t address)
{
    ctm_map_level_slot *mid =
        atomic_load_explicit(&map->top[address >> CTM_MAP_MID_BITS], memory_order_acquire);
    if (mid == NULL) {
        return NULL;
    }
    ctm_map_slot *leaf = atomic_load_explicit(
        &mid[(address >> CTM_MAP_LEAF_BITS) % CTM_MAP_MID_LEAVES], memory_order_acquire);
    if (leaf == NULL) {
        return NULL;
    }
    return &leaf[(address >> CTM_MAP_GRANULE_BITS) % CTM_MAP_LEAF_SLOTS];
}

/* The place of an address that has one, by way of the memos; NULL: it has none, or its leaf is not there (yet). */
CTM_RARE ctm_map_slot *ctm_map_meet(struct ctm_map *map, struct ctm_map_memo *memos,
                                    uint64_t address);

/* The same; inline for a leaf that is remembered. The address is turned by a granule's bits, so that no odd one
 * has the key of a leaf. */
static inline ctm_map_slot *ctm_map_look(struct ctm_map *map, struct ctm_map_memo *memos,
                                         uint32_t domain, uint64_t address)
{
    const uint64_t turned = address >> CTM_MAP_GRANULE_BITS | address
                                                                  << (64 - CTM_MAP_GRANULE_BITS);
    const uint64_t key = turned >> (CTM_MAP_LEAF_BITS - CTM_MAP_GRANULE_BITS);
    const struct ctm_map_memo *memo = &memos[key % CTM_MAP_MEMOS];
    if (__builtin_expect(domain != 0, 0)) {
        return NULL;
    }
    return __builtin_expect(memo->key == key, 1) ? &memo->leaf[turned % CTM_MAP_LEAF_SLOTS]
                                                 : ctm_map_meet(map, memos, address);
}

/* Are entries in the overflow that have a place, whose leaf was refused? */
static inline bool ctm_map_has_spilled(struct ctm_map *map)
{
    return __builtin_expect(atomic_load_explicit(&map->spilled, memory_order_acquire) != 0, 0);
}

/* Puts `slot` at a place and gives what was there. */
static inline uint32_t ctm_map_put(ctm_map_slot *place, uint32_t slot)
{
    CTM_ASSERT(slot != 0);
    const uint32_t old = atomic_load_explicit(place, memory_order_acquire);
    atomic_store_explicit(place, slot, memory_order_release);
    return old;
}

/* Puts `slot` (not 0) at the address and gives what was there, or 0. CTM_ERR_NOMEM: nothing
 * changed. Inline for the common case: the address has a place, and its leaf is there. */
CTM_NODISCARD static inline ctm_status ctm_map_set(struct ctm_map *map, struct ctm_map_memo *memos,
                                                   uint32_t domain, uint64_t address, uint32_t slot,
                                                   uint32_t *out_old)
{
    ctm_map_slot *place = ctm_map_look(map, memos, domain, address);
    /* With spilled entries, the old slot may be in the overflow. */
    if (place == NULL || ctm_map_has_spilled(map)) {
        return ctm_map_set_slow(map, domain, address, slot, out_old);
    }
    *out_old = ctm_map_put(place, slot);
    return CTM_OK;
}

/* The slot at the address (0: none) and in *out_place what ctm_map_replace wants: the place, or NULL. */
static inline uint32_t ctm_map_seek(struct ctm_map *map, struct ctm_map_memo *memos,
                                    uint32_t domain, uint64_t address, void **out_place)
{
    ctm_map_slot *place = ctm_map_look(map, memos, domain, address);
    uint32_t slot = place ? atomic_load_explicit(place, memory_order_acquire) : 0;
    *out_place = place;
    if (slot == 0) {
        *out_place = NULL;
        if (ctm_map_has_spilled(map) || !ctm_map_has_place(domain, address)) {
            slot = ctm_map_get(map, domain, address);
        }
    }
    return slot;
}

/* Replaces the slot that ctm_map_seek has just found by another one, not 0. */
static inline void ctm_map_replace(struct ctm_map *map, uint32_t domain, uint64_t address,
                                   uint32_t slot, void *place)
{
    if (place != NULL) {
        atomic_store_explicit((ctm_map_slot *)place, slot, memory_order_release);
    } else {
        uint32_t old; /* it is in the overflow, so this needs no memory and cannot fail */
        (void)!ctm_map_set_slow(map, domain, address, slot, &old);
    }
}

/* Takes the slot off the map and gives it; 0: there was none. */
static inline uint32_t ctm_map_take(struct ctm_map *map, struct ctm_map_memo *memos,
                                    uint32_t domain, uint64_t address)
{
    ctm_map_slot *place = ctm_map_look(map, memos, domain, address);
    uint32_t slot = place ? atomic_load_explicit(place, memory_order_acquire) : 0;
    if (slot == 0) { /* a block that is not traced, as a rule */
        return ctm_map_has_spilled(map) || !ctm_map_has_place(domain, address)
                   ? ctm_map_take_slow(map, domain, address)
                   : 0;
    }
    atomic_store_explicit(place, 0, memory_order_release);
    return slot;
}

#endif
