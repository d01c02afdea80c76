/* blockmap/block_map.c: the radix tree of the block map; see blockmap/block_map.h. */
#include "blockmap/block_map.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "blockmap/overflow.h"

#define NO_TOP UINT32_MAX

/* An installed mid or leaf. Constant once it is in the list of levels. */
struct ctmi_block_map_level {
    struct ctmi_pending_unmap mapping; /* first member; its mapping, linked into `levels` */
    uint32_t top;                      /* a mid: its index in `top`; a leaf: NO_TOP */
};

void ctmi_block_map_init(struct ctmi_block_map *map)
{
    ctmi_lock_init(&map->lock);
    map->first_capacity = ctmi_sizes()->overflow_first;
}

static void push(struct ctmi_block_map *map, struct ctmi_block_map_level *level)
{
    struct ctmi_pending_unmap **next = &level->mapping.next;
    *next = atomic_load_explicit(&map->levels, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&map->levels, next, &level->mapping,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

/* Returns the level that *pointer leads to; installs it if there is none. NULL: out of memory. */
static void *install(struct ctmi_block_map *map, ctmi_block_map_level_pointer *pointer, size_t size,
                     uint32_t top)
{
    void *present = atomic_load_explicit(pointer, memory_order_acquire);
    if (present != NULL) {
        return present;
    }
    struct ctmi_block_map_level *level = ctmi_mem_alloc(sizeof *level);
    void *memory = level ? ctmi_mem_map(size) : NULL;
    if (memory == NULL) {
        ctmi_mem_free(level);
        return NULL;
    }
    ctmi_mem_sparse(memory, size);
    if (atomic_compare_exchange_strong_explicit(pointer, &present, memory, memory_order_acq_rel,
                                                memory_order_acquire)) {
        *level = (struct ctmi_block_map_level){{.memory = memory, .size = size}, top};
        push(map, level);
        return memory;
    }
    ctmi_mem_unmap(memory, size);
    ctmi_mem_free(level);
    return present;
}

/* Installs the levels above a slot. Out of line: runs once for each 4 MiB of addresses. */
static __attribute__((noinline)) ctmi_block_map_slot *make_slot(struct ctmi_block_map *map,
                                                                uint64_t address)
{
    uint32_t top = (uint32_t)(address >> CTMI_BLOCK_MAP_MID_BITS);
    ctmi_block_map_level_pointer *mid =
        install(map, &map->top[top], CTMI_BLOCK_MAP_MID_LEAVES * sizeof *mid, top);
    ctmi_block_map_slot *leaf = NULL;
    if (mid != NULL) {
        leaf = install(map, &mid[(address >> CTMI_BLOCK_MAP_LEAF_BITS) % CTMI_BLOCK_MAP_MID_LEAVES],
                       CTMI_BLOCK_MAP_LEAF_SLOTS * sizeof *leaf, NO_TOP);
    }
    return leaf == NULL
               ? NULL
               : &leaf[(address >> CTMI_BLOCK_MAP_GRANULE_BITS) % CTMI_BLOCK_MAP_LEAF_SLOTS];
}

ctmi_block_map_slot *ctmi_block_map_memoize(struct ctmi_block_map *map,
                                            struct ctmi_block_map_memo *memos, uint64_t address)
{
    ctmi_block_map_slot *slot =
        ctmi_block_map_has_slot(0, address) ? ctmi_block_map_find_slot(map, address) : NULL;
    if (slot != NULL) {
        const uint64_t key = address >> CTMI_BLOCK_MAP_LEAF_BITS;
        memos[key % CTMI_BLOCK_MAP_MEMOS] = (struct ctmi_block_map_memo){
            key, slot - (address >> CTMI_BLOCK_MAP_GRANULE_BITS) % CTMI_BLOCK_MAP_LEAF_SLOTS};
    }
    return slot;
}

void ctmi_block_map_forget(struct ctmi_block_map_memo *memos)
{
    for (uint32_t i = 0; i < CTMI_BLOCK_MAP_MEMOS; i++) {
        memos[i] = (struct ctmi_block_map_memo){CTMI_BLOCK_MAP_NO_KEY, NULL};
    }
}

/* Returns the slot of the address, whose leaf it installs if needed. NULL: the block belongs in the overflow. */
static inline ctmi_block_map_slot *slot_to_set(struct ctmi_block_map *map, uint32_t domain,
                                               uint64_t address)
{
    if (!ctmi_block_map_has_slot(domain, address)) {
        return NULL;
    }
    ctmi_block_map_slot *slot = ctmi_block_map_find_slot(map, address);
    return __builtin_expect(slot != NULL, 1) ? slot : make_slot(map, address);
}

static inline uint32_t set_at(struct ctmi_block_map *map, ctmi_block_map_slot *slot,
                              uint64_t address, uint32_t site_ref)
{
    uint32_t old = atomic_load_explicit(slot, memory_order_acquire);
    atomic_store_explicit(slot, site_ref, memory_order_release);
    return old == 0 && ctmi_block_map_has_spilled(map) ? ctmi_overflow_take(map, 0, address) : old;
}

ctm_status ctmi_block_map_set_slow(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                                   uint32_t site_ref, uint32_t *out_old)
{
    ctmi_block_map_slot *slot = slot_to_set(map, domain, address);
    if (slot == NULL) {
        return ctmi_overflow_set(map, domain, address, site_ref, out_old);
    }
    *out_old = set_at(map, slot, address, site_ref);
    return CTM_OK;
}

uint32_t ctmi_block_map_set_reserved(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                                     uint32_t site_ref, bool *out_used)
{
    ctmi_block_map_slot *slot = slot_to_set(map, domain, address);
    if (slot == NULL) {
        return ctmi_overflow_set_reserved(map, domain, address, site_ref, out_used);
    }
    *out_used = false;
    return set_at(map, slot, address, site_ref);
}

/* The tree has no entry for the address: the overflow may have one. */
uint32_t ctmi_block_map_take_slow(struct ctmi_block_map *map, uint32_t domain, uint64_t address)
{
    if (ctmi_block_map_has_slot(domain, address) && !ctmi_block_map_has_spilled(map)) {
        return 0;
    }
    return ctmi_overflow_take(map, domain, address);
}

uint32_t ctmi_block_map_get(struct ctmi_block_map *map, uint32_t domain, uint64_t address)
{
    if (!ctmi_block_map_has_slot(domain, address)) {
        return ctmi_overflow_get(map, domain, address);
    }
    ctmi_block_map_slot *slot = ctmi_block_map_find_slot(map, address);
    uint32_t site_ref = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
    return site_ref == 0 && ctmi_block_map_has_spilled(map) ? ctmi_overflow_get(map, 0, address)
                                                            : site_ref;
}

/* --- the whole map --- */
struct ctmi_pending_unmap *ctmi_block_map_empty(struct ctmi_block_map *map)
{
    struct ctmi_pending_unmap *list = atomic_exchange(&map->levels, NULL);
    for (struct ctmi_pending_unmap *at = list; at != NULL; at = at->next) {
        const uint32_t top = ((struct ctmi_block_map_level *)at)->top;
        if (top != NO_TOP) {
            atomic_store_explicit(&map->top[top], NULL, memory_order_release);
        }
    }
    ctmi_overflow_unmap(map);
    map->capacity = map->used = map->reserved = 0;
    atomic_store(&map->spilled, 0);
    return list;
}

void ctmi_block_map_clear(struct ctmi_block_map *map)
{
    ctmi_deferred_unmap_now(ctmi_block_map_empty(map));
}

void ctmi_block_map_destroy(struct ctmi_block_map *map)
{
    ctmi_block_map_clear(map);
    ctmi_lock_destroy(&map->lock);
}

size_t ctmi_block_map_bytes(struct ctmi_block_map *map)
{
    size_t bytes = ctmi_overflow_bytes(map);
    for (struct ctmi_pending_unmap *at = atomic_load(&map->levels); at != NULL; at = at->next) {
        bytes += sizeof(struct ctmi_block_map_level) + ctmi_mem_resident(at->memory, at->size);
    }
    return bytes;
}

/* --- fork --- */
void ctmi_block_map_fork_before(struct ctmi_block_map *map)
{
    ctmi_lock_acquire(&map->lock);
}

void ctmi_block_map_fork_after(struct ctmi_block_map *map)
{
    ctmi_lock_release(&map->lock);
}
