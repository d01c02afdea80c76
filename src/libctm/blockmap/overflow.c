/* blockmap/overflow.c: the hash table of the block map; see blockmap/block_map.h.
 *
 * Model: open addressing with linear probing. A deletion shifts later entries back, so there are no tombstones,
 * and the table does not slow down over time. The capacity is a power of two, or 0 before the first entry. used +
 * reserved is at most 3/4 of it: growth keeps that, so reserved entries stay reserved, and a search ends at a free
 * entry. The map's lock guards all of it.
 */
#include "blockmap/overflow.h"

#include "base/memory.h"

/* All fields: the lock of the map. */
struct ctmi_overflow_entry {
    uint64_t address;
    uint32_t domain;
    uint32_t site_ref; /* 0: free entry */
};

/* Asserts what the model says, at the end of each change. */
static void assert_sound_locked(const struct ctmi_block_map *map)
{
    CTMI_ASSERT_LOCKED(map->lock);
    CTMI_ASSERT((map->capacity & (map->capacity - 1)) == 0);
    CTMI_ASSERT((map->capacity == 0) == (map->entries == NULL));
    CTMI_ASSERT(map->used + map->reserved <= map->capacity / 4 * 3);
    CTMI_ASSERT(atomic_load(&map->spilled) <= map->used);
    (void)map;
}

/* The index where the search for a key starts. */
static size_t first_index(size_t capacity, uint32_t domain, uint64_t address)
{
    uint64_t hash = (address ^ ((uint64_t)domain << 40)) * 0x9E3779B97F4A7C15ull;
    return (size_t)(hash ^ (hash >> 32)) & (capacity - 1);
}

/* Returns the entry of the key, or the free one where it belongs. */
static struct ctmi_overflow_entry *find_in(struct ctmi_overflow_entry *entries, size_t capacity,
                                           uint32_t domain, uint64_t address)
{
    size_t at = first_index(capacity, domain, address);
    struct ctmi_overflow_entry *entry;
    while ((entry = &entries[at])->site_ref != 0) {
        if (entry->address == address && entry->domain == domain) {
            break;
        }
        at = (at + 1) & (capacity - 1);
    }
    return entry;
}

static struct ctmi_overflow_entry *find_locked(const struct ctmi_block_map *map, uint32_t domain,
                                               uint64_t address)
{
    CTMI_ASSERT_LOCKED(map->lock);
    return find_in(map->entries, map->capacity, domain, address);
}

static ctm_status grow_locked(struct ctmi_block_map *map, size_t needed)
{
    CTMI_ASSERT_LOCKED(map->lock);
    size_t capacity = map->capacity ? map->capacity : map->first_capacity;
    while (needed > capacity / 4 * 3) {
        capacity *= 2;
    }
    if (capacity == map->capacity) {
        return CTM_OK;
    }
    struct ctmi_overflow_entry *larger = ctmi_mem_map(capacity * sizeof *larger);
    if (larger == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        const struct ctmi_overflow_entry *entry = &map->entries[i];
        if (entry->site_ref != 0) {
            *find_in(larger, capacity, entry->domain, entry->address) = *entry;
        }
    }
    ctmi_overflow_unmap(map);
    map->entries = larger;
    map->capacity = capacity;
    return CTM_OK;
}

static void insert_locked(struct ctmi_block_map *map, struct ctmi_overflow_entry *entry,
                          uint32_t domain, uint64_t address, uint32_t site_ref)
{
    CTMI_ASSERT_LOCKED(map->lock);
    CTMI_ASSERT(site_ref != 0 && entry->site_ref == 0);
    *entry = (struct ctmi_overflow_entry){address, domain, site_ref};
    map->used++;
    if (ctmi_block_map_has_slot(domain, address)) {
        atomic_fetch_add_explicit(&map->spilled, 1, memory_order_release);
    }
}

static void remove_locked(struct ctmi_block_map *map, struct ctmi_overflow_entry *entry)
{
    if (ctmi_block_map_has_slot(entry->domain, entry->address)) {
        atomic_fetch_sub_explicit(&map->spilled, 1, memory_order_release);
    }
    CTMI_ASSERT(map->used >= 1);
    map->used--;
    size_t mask = map->capacity - 1, hole = (size_t)(entry - map->entries);
    for (size_t at = (hole + 1) & mask; map->entries[at].site_ref != 0; at = (at + 1) & mask) {
        /* An entry may move back to the hole unless its search starts after the hole. */
        size_t from = first_index(map->capacity, map->entries[at].domain, map->entries[at].address);
        if (((at - from) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].site_ref = 0;
    assert_sound_locked(map);
}

static uint32_t replace(struct ctmi_overflow_entry *entry, uint32_t site_ref)
{
    uint32_t old = entry->site_ref;
    entry->site_ref = site_ref;
    return old;
}

static ctm_status set_locked(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                             uint32_t site_ref, uint32_t *out_old)
{
    struct ctmi_overflow_entry *entry = map->capacity ? find_locked(map, domain, address) : NULL;
    if (entry != NULL && entry->site_ref != 0) {
        *out_old = replace(entry, site_ref);
        return CTM_OK;
    }
    ctm_status status = grow_locked(map, map->used + map->reserved + 1);
    if (status == CTM_OK) {
        insert_locked(map, find_locked(map, domain, address), domain, address, site_ref);
        *out_old = 0;
        assert_sound_locked(map);
    }
    return status;
}

ctm_status ctmi_overflow_set(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                             uint32_t site_ref, uint32_t *out_old)
{
    ctmi_lock_acquire(&map->lock);
    ctm_status status = set_locked(map, domain, address, site_ref, out_old);
    ctmi_lock_release(&map->lock);
    return status;
}

uint32_t ctmi_overflow_take(struct ctmi_block_map *map, uint32_t domain, uint64_t address)
{
    uint32_t site_ref = 0;
    ctmi_lock_acquire(&map->lock);
    if (map->used != 0) {
        struct ctmi_overflow_entry *entry = find_locked(map, domain, address);
        site_ref = entry->site_ref;
        if (site_ref != 0) {
            remove_locked(map, entry);
        }
    }
    ctmi_lock_release(&map->lock);
    return site_ref;
}

uint32_t ctmi_overflow_get(struct ctmi_block_map *map, uint32_t domain, uint64_t address)
{
    ctmi_lock_acquire(&map->lock);
    uint32_t site_ref = map->used != 0 ? find_locked(map, domain, address)->site_ref : 0;
    ctmi_lock_release(&map->lock);
    return site_ref;
}

ctm_status ctmi_block_map_reserve(struct ctmi_block_map *map, size_t n)
{
    ctmi_lock_acquire(&map->lock);
    ctm_status status = grow_locked(map, map->used + map->reserved + n);
    if (status == CTM_OK) {
        map->reserved += n;
        assert_sound_locked(map);
    }
    ctmi_lock_release(&map->lock);
    return status;
}

uint32_t ctmi_overflow_set_reserved(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                                    uint32_t site_ref, bool *out_used)
{
    uint32_t old = 0;
    ctmi_lock_acquire(&map->lock);
    struct ctmi_overflow_entry *entry = find_locked(map, domain, address);
    *out_used = entry->site_ref == 0;
    if (entry->site_ref != 0) {
        old = replace(entry, site_ref);
    } else {
        CTMI_ASSERT(map->reserved >= 1);
        insert_locked(map, entry, domain, address, site_ref);
        map->reserved--;
        assert_sound_locked(map);
    }
    ctmi_lock_release(&map->lock);
    return old;
}

void ctmi_overflow_unmap(struct ctmi_block_map *map)
{
    if (map->entries != NULL) {
        ctmi_mem_unmap(map->entries, map->capacity * sizeof *map->entries);
        map->entries = NULL;
    }
}

size_t ctmi_overflow_bytes(const struct ctmi_block_map *map)
{
    return map->entries ? ctmi_mem_resident(map->entries, map->capacity * sizeof *map->entries) : 0;
}
