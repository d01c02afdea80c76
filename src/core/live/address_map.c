/* address_map.c: the levels of the radix tree; see address_map.h, and overflow.c. */
#include "live/address_map.h"

#include "live/overflow.h"
#include "store/memory.h"

#define NO_TOP UINT32_MAX

/* One level that was installed. */
struct ctm_map_level {
    struct ctm_leaving leaving; /* first; its mapping, in the list of levels */
    uint32_t top;               /* the entry of `top` that refers to it, or NO_TOP */
};

void ctm_map_init(struct ctm_map *map)
{
    pthread_mutex_init(&map->lock, NULL);
}

static void push(struct ctm_map *map, struct ctm_map_level *level)
{
    struct ctm_leaving **next = &level->leaving.next;
    *next = atomic_load_explicit(&map->levels, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&map->levels, next, &level->leaving,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

/* The level in *slot, installed by this thread or by another one; NULL: out of memory. */
static void *install(struct ctm_map *map, ctm_map_level_slot *slot, size_t size, uint32_t top)
{
    void *present = atomic_load_explicit(slot, memory_order_acquire);
    if (present != NULL) {
        return present;
    }
    struct ctm_map_level *level = ctm_mem_alloc(sizeof *level);
    void *memory = level ? ctm_mem_map(size) : NULL;
    if (memory == NULL) {
        ctm_mem_free(level);
        return NULL;
    }
    ctm_mem_sparse(memory, size);
    if (atomic_compare_exchange_strong_explicit(slot, &present, memory, memory_order_acq_rel,
                                                memory_order_acquire)) {
        *level = (struct ctm_map_level){{.memory = memory, .size = size}, top};
        push(map, level);
        return memory;
    }
    ctm_mem_unmap(memory, size);
    ctm_mem_free(level);
    return present;
}

/* Out of line: once for each 4 MiB of addresses. */
static __attribute__((noinline)) ctm_map_slot *make_place(struct ctm_map *map, uint64_t address)
{
    uint32_t top = (uint32_t)(address >> CTM_MAP_MID_BITS);
    ctm_map_level_slot *mid = install(map, &map->top[top], CTM_MAP_MID_LEAVES * sizeof *mid, top);
    ctm_map_slot *leaf = NULL;
    if (mid != NULL) {
        leaf = install(map, &mid[(address >> CTM_MAP_LEAF_BITS) % CTM_MAP_MID_LEAVES],
                       CTM_MAP_LEAF_SLOTS * sizeof *leaf, NO_TOP);
    }
    return leaf == NULL ? NULL : &leaf[(address >> CTM_MAP_GRANULE_BITS) % CTM_MAP_LEAF_SLOTS];
}

ctm_map_slot *ctm_map_meet(struct ctm_map *map, struct ctm_map_memo *memos, uint64_t address)
{
    ctm_map_slot *place = ctm_map_has_place(0, address) ? ctm_map_place(map, address) : NULL;
    if (place != NULL) {
        const uint64_t key = address >> CTM_MAP_LEAF_BITS;
        memos[key % CTM_MAP_MEMOS] = (struct ctm_map_memo){
            key, place - (address >> CTM_MAP_GRANULE_BITS) % CTM_MAP_LEAF_SLOTS};
    }
    return place;
}

void ctm_map_forget(struct ctm_map_memo *memos)
{
    for (uint32_t i = 0; i < CTM_MAP_MEMOS; i++) {
        memos[i] = (struct ctm_map_memo){CTM_MAP_NO_KEY, NULL};
    }
}

/* The place to write to, made if need be; NULL: the overflow is the place. */
static inline ctm_map_slot *place_to_set(struct ctm_map *map, uint32_t domain, uint64_t address)
{
    if (!ctm_map_has_place(domain, address)) {
        return NULL;
    }
    ctm_map_slot *place = ctm_map_place(map, address);
    return __builtin_expect(place != NULL, 1) ? place : make_place(map, address);
}

static inline uint32_t set_at(struct ctm_map *map, ctm_map_slot *place, uint64_t address,
                              uint32_t slot)
{
    uint32_t old = atomic_load_explicit(place, memory_order_acquire);
    atomic_store_explicit(place, slot, memory_order_release);
    return old == 0 && ctm_map_has_spilled(map) ? ctm_overflow_take(map, 0, address) : old;
}

ctm_status ctm_map_set_slow(struct ctm_map *map, uint32_t domain, uint64_t address, uint32_t slot,
                            uint32_t *out_old)
{
    ctm_map_slot *place = place_to_set(map, domain, address);
    if (place == NULL) {
        return ctm_overflow_set(map, domain, address, slot, out_old);
    }
    *out_old = set_at(map, place, address, slot);
    return CTM_OK;
}

uint32_t ctm_map_set_kept(struct ctm_map *map, uint32_t domain, uint64_t address, uint32_t slot,
                          bool *out_used_room)
{
    ctm_map_slot *place = place_to_set(map, domain, address);
    if (place == NULL) {
        return ctm_overflow_set_kept(map, domain, address, slot, out_used_room);
    }
    *out_used_room = false;
    return set_at(map, place, address, slot);
}

/* The slot is not in its place: it is in the overflow, or nowhere. */
uint32_t ctm_map_take_slow(struct ctm_map *map, uint32_t domain, uint64_t address)
{
    if (ctm_map_has_place(domain, address) && !ctm_map_has_spilled(map)) {
        return 0;
    }
    return ctm_overflow_take(map, domain, address);
}

uint32_t ctm_map_get(struct ctm_map *map, uint32_t domain, uint64_t address)
{
    if (!ctm_map_has_place(domain, address)) {
        return ctm_overflow_get(map, domain, address);
    }
    ctm_map_slot *place = ctm_map_place(map, address);
    uint32_t slot = place ? atomic_load_explicit(place, memory_order_acquire) : 0;
    return slot == 0 && ctm_map_has_spilled(map) ? ctm_overflow_get(map, 0, address) : slot;
}

/* --- all of it --- */
struct ctm_leaving *ctm_map_empty(struct ctm_map *map)
{
    struct ctm_leaving *list = atomic_exchange(&map->levels, NULL);
    for (struct ctm_leaving *at = list; at != NULL; at = at->next) {
        const uint32_t top = ((struct ctm_map_level *)at)->top;
        if (top != NO_TOP) {
            atomic_store_explicit(&map->top[top], NULL, memory_order_release);
        }
    }
    ctm_overflow_unmap(map);
    map->capacity = map->used = map->kept = 0;
    atomic_store(&map->spilled, 0);
    return list;
}

void ctm_map_clear(struct ctm_map *map)
{
    ctm_give_back_now(ctm_map_empty(map));
}

void ctm_map_destroy(struct ctm_map *map)
{
    ctm_map_clear(map);
    pthread_mutex_destroy(&map->lock);
}

size_t ctm_map_bytes(struct ctm_map *map)
{
    size_t bytes = ctm_overflow_bytes(map);
    for (struct ctm_leaving *at = atomic_load(&map->levels); at != NULL; at = at->next) {
        bytes += sizeof(struct ctm_map_level) + ctm_mem_resident(at->memory, at->size);
    }
    return bytes;
}

/* --- fork --- */
void ctm_map_fork_before(struct ctm_map *map)
{
    pthread_mutex_lock(&map->lock);
}

void ctm_map_fork_after(struct ctm_map *map)
{
    pthread_mutex_unlock(&map->lock);
}
