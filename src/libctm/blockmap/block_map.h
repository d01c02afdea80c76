/* blockmap/block_map.h: the block map: block address -> site reference.
 *
 * Model: a *site reference* is 32 bits: the home shard of a block and its site there; 0: no block. Each multiple
 * of 16 below 2^47 in domain 0 has a *slot*, which holds the reference of the block at that address. The slots are
 * in a radix tree of three levels, top -> mid -> leaf; a leaf covers 4 MiB with one slot per 16-byte granule. A
 * leaf is a mapping whose pages are touched only where blocks begin, so the inside of a large block takes no
 * memory. All other blocks are in one hash table, the *overflow*, keyed by (address, domain): those of other
 * domains, of odd or larger addresses, and *spilled* entries, whose leaf the system refused to map.
 *
 * Threads: any number may use the map at once, each inside a shard, by two rules.
 *   - Only the thread that owns a block touches its slot: the thread that has just received it from the allocator
 *     or is about to free it. So plain acquire and release are enough, without read-modify-write. They make the
 *     site's row, which is written before the slot, visible to the thread that reads the slot.
 *   - Levels are installed by compare-and-swap. Only ctmi_block_map_empty removes them, while no other thread is in the
 *     map. Then no thread can reach them, so they may be unmapped later (base/deferred_unmap.h).
 * The overflow has a mutex, the innermost of all locks.
 *
 * Lookup: each user of the map has *memos* of the leaves that it used last, so the slot of a block near other
 * blocks is found with one compare. Memos belong to one user and are emptied with the map.
 *
 * Reserving: ctmi_block_map_reserve reserves entries in the overflow, so that a later ctmi_block_map_set_reserved cannot fail,
 * whatever address it gets.
 */
#ifndef CTMI_BLOCKMAP_BLOCK_MAP_H
#define CTMI_BLOCKMAP_BLOCK_MAP_H

#include <stdatomic.h>

#include "base/deferred_unmap.h"
#include "base/lock.h"
#include "ctm/status.h"

/* For functions that few events call: kept away from the code of common events. */
#define CTMI_RARE __attribute__((noinline, cold))

#define CTMI_BLOCK_MAP_GRANULE_BITS 4u
#define CTMI_BLOCK_MAP_LEAF_BITS 22u /* log2 of the bytes covered by a leaf */
#define CTMI_BLOCK_MAP_MID_BITS 34u  /* log2 of the bytes covered by a mid */
#define CTMI_BLOCK_MAP_ADDRESS_BITS 47u
#define CTMI_BLOCK_MAP_LEAF_SLOTS (1u << (CTMI_BLOCK_MAP_LEAF_BITS - CTMI_BLOCK_MAP_GRANULE_BITS))
#define CTMI_BLOCK_MAP_MID_LEAVES (1u << (CTMI_BLOCK_MAP_MID_BITS - CTMI_BLOCK_MAP_LEAF_BITS))
#define CTMI_BLOCK_MAP_TOP_MIDS (1u << (CTMI_BLOCK_MAP_ADDRESS_BITS - CTMI_BLOCK_MAP_MID_BITS))

typedef _Atomic uint32_t ctmi_block_map_slot;         /* a site reference; 0: no block */
typedef _Atomic(void *) ctmi_block_map_level_pointer; /* the level below, or NULL */

struct ctmi_overflow_entry;

struct ctmi_block_map {
    /* No lock: set by CAS, cleared by ctmi_block_map_empty. Each leads to a mid, that is
     * ctmi_block_map_level_pointer[CTMI_BLOCK_MAP_MID_LEAVES]; these lead to leaves, each ctmi_block_map_slot[CTMI_BLOCK_MAP_LEAF_SLOTS]. */
    ctmi_block_map_level_pointer top[CTMI_BLOCK_MAP_TOP_MIDS];
    /* Owned list of all mids and leaves. No lock: pushed by CAS, taken by ctmi_block_map_empty. */
    _Atomic(struct ctmi_pending_unmap *) levels;

    /* The overflow. */
    struct ctmi_lock lock;
    struct ctmi_overflow_entry *entries; /* lock; owned mapping of `capacity`, or NULL */
    size_t capacity;                     /* lock */
    size_t first_capacity;               /* constant; mapped when tracing starts */
    size_t used;                         /* lock; entries in use */
    size_t reserved;                     /* lock; entries reserved by ctmi_block_map_reserve */
    _Atomic size_t spilled;              /* written under lock, read without it: spilled entries */
};

/* A memo of one leaf. Owned by the caller of the functions below; one thread at a time. */
struct ctmi_block_map_memo {
    uint64_t
        key; /* address >> CTMI_BLOCK_MAP_LEAF_BITS of the leaf; CTMI_BLOCK_MAP_NO_KEY: no leaf */
    ctmi_block_map_slot *leaf; /* borrowed until the map is emptied */
};
#define CTMI_BLOCK_MAP_MEMOS 64u /* a power of two */
#define CTMI_BLOCK_MAP_NO_KEY UINT64_MAX

/* Empties an array of CTMI_BLOCK_MAP_MEMOS memos. */
void ctmi_block_map_forget(struct ctmi_block_map_memo *memos);

/* `map` is zeroed memory. */
void ctmi_block_map_init(struct ctmi_block_map *map);
/* Empties the map. No other thread is in it. Returns its levels, which the caller then unmaps with ctmi_deferred_unmap
 * or ctmi_deferred_unmap_now; other threads may be in the map again by then. */
CTM_NODISCARD struct ctmi_pending_unmap *ctmi_block_map_empty(struct ctmi_block_map *map);
/* Empties the map and unmaps its memory. No other thread is in it. */
void ctmi_block_map_clear(struct ctmi_block_map *map);
/* Clears the map and destroys its lock. */
void ctmi_block_map_destroy(struct ctmi_block_map *map);
/* Resident bytes of levels and overflow, without struct ctmi_block_map itself. No other thread is in the map. */
size_t ctmi_block_map_bytes(struct ctmi_block_map *map);

/* Returns the site reference of the block at the address; 0: none. */
CTMI_RARE uint32_t ctmi_block_map_get(struct ctmi_block_map *map, uint32_t domain,
                                      uint64_t address);

/* Reserves entries for n calls of ctmi_block_map_set_reserved. */
CTMI_RARE CTM_NODISCARD ctm_status ctmi_block_map_reserve(struct ctmi_block_map *map, size_t n);
/* As ctmi_block_map_set, but cannot fail, because the caller has at least one reserved entry. Returns the old reference.
 * *out_used tells whether it used up a reserved entry. */
uint32_t ctmi_block_map_set_reserved(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                                     uint32_t site_ref, bool *out_used);

/* The general forms of ctmi_block_map_set and ctmi_block_map_take, for all domains and addresses. */
CTMI_RARE CTM_NODISCARD ctm_status ctmi_block_map_set_slow(struct ctmi_block_map *map,
                                                           uint32_t domain, uint64_t address,
                                                           uint32_t site_ref, uint32_t *out_old);
CTMI_RARE uint32_t ctmi_block_map_take_slow(struct ctmi_block_map *map, uint32_t domain,
                                            uint64_t address);

/* fork: the calling thread holds the lock from before until after. */
void ctmi_block_map_fork_before(struct ctmi_block_map *map);
void ctmi_block_map_fork_after(struct ctmi_block_map *map); /* in parent and child */

/* Whether the address has a slot of its own, whether or not its leaf is installed. */
static inline bool ctmi_block_map_has_slot(uint32_t domain, uint64_t address)
{
    uint64_t odd = address & ((1u << CTMI_BLOCK_MAP_GRANULE_BITS) - 1);
    return (domain | odd | (address >> CTMI_BLOCK_MAP_ADDRESS_BITS)) == 0;
}

/* Returns the slot of an address that has one; NULL: its leaf is not installed. */
static inline ctmi_block_map_slot *ctmi_block_map_find_slot(struct ctmi_block_map *map,
                                                            uint64_t address)
{
    ctmi_block_map_level_pointer *mid =
        atomic_load_explicit(&map->top[address >> CTMI_BLOCK_MAP_MID_BITS], memory_order_acquire);
    if (mid == NULL) {
        return NULL;
    }
    ctmi_block_map_slot *leaf = atomic_load_explicit(
        &mid[(address >> CTMI_BLOCK_MAP_LEAF_BITS) % CTMI_BLOCK_MAP_MID_LEAVES],
        memory_order_acquire);
    if (leaf == NULL) {
        return NULL;
    }
    return &leaf[(address >> CTMI_BLOCK_MAP_GRANULE_BITS) % CTMI_BLOCK_MAP_LEAF_SLOTS];
}

/* Returns the slot of an address and makes a memo of its leaf. NULL: it has no slot, or its leaf is not installed. */
CTMI_RARE ctmi_block_map_slot *ctmi_block_map_memoize(struct ctmi_block_map *map,
                                                      struct ctmi_block_map_memo *memos,
                                                      uint64_t address);

/* The same, for any domain; inline if there is a memo of the leaf. The address is rotated right by a granule's
 * bits: the key of an unaligned address has its low bits on top and so equals no leaf's. */
static inline ctmi_block_map_slot *ctmi_block_map_look(struct ctmi_block_map *map,
                                                       struct ctmi_block_map_memo *memos,
                                                       uint32_t domain, uint64_t address)
{
    const uint64_t rotated =
        address >> CTMI_BLOCK_MAP_GRANULE_BITS | address << (64 - CTMI_BLOCK_MAP_GRANULE_BITS);
    const uint64_t key = rotated >> (CTMI_BLOCK_MAP_LEAF_BITS - CTMI_BLOCK_MAP_GRANULE_BITS);
    const struct ctmi_block_map_memo *memo = &memos[key % CTMI_BLOCK_MAP_MEMOS];
    if (__builtin_expect(domain != 0, 0)) {
        return NULL;
    }
    return __builtin_expect(memo->key == key, 1) ? &memo->leaf[rotated % CTMI_BLOCK_MAP_LEAF_SLOTS]
                                                 : ctmi_block_map_memoize(map, memos, address);
}

/* Whether the overflow has spilled entries. */
static inline bool ctmi_block_map_has_spilled(struct ctmi_block_map *map)
{
    return __builtin_expect(atomic_load_explicit(&map->spilled, memory_order_acquire) != 0, 0);
}

/* Stores a site reference in a slot and returns the old one. */
static inline uint32_t ctmi_block_map_put(ctmi_block_map_slot *slot, uint32_t site_ref)
{
    CTMI_ASSERT(site_ref != 0);
    const uint32_t old = atomic_load_explicit(slot, memory_order_acquire);
    atomic_store_explicit(slot, site_ref, memory_order_release);
    return old;
}

/* Stores `site_ref` (not 0) at the address; *out_old is the old reference, or 0. CTM_ERR_NOMEM: nothing
 * changed. Inline for the common case: the address has a slot, and its leaf is installed. */
CTM_NODISCARD static inline ctm_status ctmi_block_map_set(struct ctmi_block_map *map,
                                                          struct ctmi_block_map_memo *memos,
                                                          uint32_t domain, uint64_t address,
                                                          uint32_t site_ref, uint32_t *out_old)
{
    ctmi_block_map_slot *slot = ctmi_block_map_look(map, memos, domain, address);
    /* With spilled entries, the old reference may be in the overflow. */
    if (slot == NULL || ctmi_block_map_has_spilled(map)) {
        return ctmi_block_map_set_slow(map, domain, address, site_ref, out_old);
    }
    *out_old = ctmi_block_map_put(slot, site_ref);
    return CTM_OK;
}

/* Returns the site reference at the address (0: none). *out_slot is its slot, or NULL: it is in the overflow. Both
 * are for ctmi_block_map_replace. */
static inline uint32_t ctmi_block_map_seek(struct ctmi_block_map *map,
                                           struct ctmi_block_map_memo *memos, uint32_t domain,
                                           uint64_t address, void **out_slot)
{
    ctmi_block_map_slot *slot = ctmi_block_map_look(map, memos, domain, address);
    uint32_t site_ref = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
    *out_slot = slot;
    if (site_ref == 0) {
        *out_slot = NULL;
        if (ctmi_block_map_has_spilled(map) || !ctmi_block_map_has_slot(domain, address)) {
            site_ref = ctmi_block_map_get(map, domain, address);
        }
    }
    return site_ref;
}

/* Replaces the site reference that ctmi_block_map_seek has just found by another one, not 0. */
static inline void ctmi_block_map_replace(struct ctmi_block_map *map, uint32_t domain,
                                          uint64_t address, uint32_t site_ref, void *slot)
{
    if (slot != NULL) {
        atomic_store_explicit((ctmi_block_map_slot *)slot, site_ref, memory_order_release);
    } else {
        uint32_t old; /* the entry is in the overflow, so this allocates nothing and cannot fail */
        (void)!ctmi_block_map_set_slow(map, domain, address, site_ref, &old);
    }
}

/* Removes the entry at the address and returns its site reference; 0: there was none. */
static inline uint32_t ctmi_block_map_take(struct ctmi_block_map *map,
                                           struct ctmi_block_map_memo *memos, uint32_t domain,
                                           uint64_t address)
{
    ctmi_block_map_slot *slot = ctmi_block_map_look(map, memos, domain, address);
    uint32_t site_ref = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
    if (site_ref == 0) { /* usually a block that is not traced */
        return ctmi_block_map_has_spilled(map) || !ctmi_block_map_has_slot(domain, address)
                   ? ctmi_block_map_take_slow(map, domain, address)
                   : 0;
    }
    atomic_store_explicit(slot, 0, memory_order_release);
    return site_ref;
}

#endif
