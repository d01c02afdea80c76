/* overflow.c: the hash table of the address map; see address_map.h.
 *
 * Model: open addressing with linear probing; a deletion shifts the entries behind it back, so
 * there are no tombstones and a long run never slows down. used + kept stays within 3/4 of
 * the capacity; growing keeps that, so room that was set aside stays set aside. All of it
 * is done under the map's lock.
 */
#include "blockmap/overflow.h"

#include "base/memory.h"

struct ctmi_overflow_entry {
    uint64_t address;
    uint32_t domain;
    uint32_t slot; /* 0: free entry */
};

static size_t home(const struct ctmi_map *map, uint32_t domain, uint64_t address)
{
    uint64_t hash = (address ^ ((uint64_t)domain << 40)) * 0x9E3779B97F4A7C15ull;
    return (size_t)(hash ^ (hash >> 32)) & (map->capacity - 1);
}

static struct ctmi_overflow_entry *find_locked(const struct ctmi_map *map, uint32_t domain,
                                               uint64_t address)
{
    size_t at = home(map, domain, address);
    struct ctmi_overflow_entry *entry;
    while ((entry = &map->entries[at])->slot != 0) {
        if (entry->address == address && entry->domain == domain) {
            break;
        }
        at = (at + 1) & (map->capacity - 1);
    }
    return entry;
}

static ctm_status grow_locked(struct ctmi_map *map, size_t needed)
{
    struct ctmi_map larger = {.capacity = map->capacity ? map->capacity : map->first_capacity};
    while (needed > larger.capacity / 4 * 3) {
        larger.capacity *= 2;
    }
    if (larger.capacity == map->capacity) {
        return CTM_OK;
    }
    larger.entries = ctmi_mem_map(larger.capacity * sizeof *larger.entries);
    if (larger.entries == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        const struct ctmi_overflow_entry *entry = &map->entries[i];
        if (entry->slot != 0) {
            *find_locked(&larger, entry->domain, entry->address) = *entry;
        }
    }
    ctmi_overflow_unmap(map);
    map->entries = larger.entries;
    map->capacity = larger.capacity;
    return CTM_OK;
}

static void insert_locked(struct ctmi_map *map, struct ctmi_overflow_entry *entry, uint32_t domain,
                          uint64_t address, uint32_t slot)
{
    CTMI_ASSERT(slot != 0 && entry->slot == 0);
    *entry = (struct ctmi_overflow_entry){address, domain, slot};
    map->used++;
    CTMI_ASSERT(map->used < map->capacity); /* a place stays free, or a search would never end */
    if (ctmi_map_has_slot(domain, address)) {
        atomic_fetch_add_explicit(&map->spilled, 1, memory_order_release);
    }
}

static void remove_locked(struct ctmi_map *map, struct ctmi_overflow_entry *entry)
{
    if (ctmi_map_has_slot(entry->domain, entry->address)) {
        atomic_fetch_sub_explicit(&map->spilled, 1, memory_order_release);
    }
    CTMI_ASSERT(map->used >= 1);
    map->used--;
    size_t mask = map->capacity - 1, hole = (size_t)(entry - map->entries);
    for (size_t at = (hole + 1) & mask; map->entries[at].slot != 0; at = (at + 1) & mask) {
        /* An entry may move back to the hole unless its home lies after the hole. */
        size_t from = home(map, map->entries[at].domain, map->entries[at].address);
        if (((at - from) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].slot = 0;
}

static uint32_t replace_locked(struct ctmi_overflow_entry *entry, uint32_t slot)
{
    uint32_t old = entry->slot;
    entry->slot = slot;
    return old;
}

static ctm_status set_locked(struct ctmi_map *map, uint32_t domain, uint64_t address, uint32_t slot,
                             uint32_t *out_old)
{
    struct ctmi_overflow_entry *entry = map->capacity ? find_locked(map, domain, address) : NULL;
    if (entry != NULL && entry->slot != 0) {
        *out_old = replace_locked(entry, slot);
        return CTM_OK;
    }
    ctm_status status = grow_locked(map, map->used + map->reserved + 1);
    if (status == CTM_OK) {
        insert_locked(map, find_locked(map, domain, address), domain, address, slot);
        *out_old = 0;
    }
    return status;
}

ctm_status ctmi_overflow_set(struct ctmi_map *map, uint32_t domain, uint64_t address, uint32_t slot,
                             uint32_t *out_old)
{
    pthread_mutex_lock(&map->lock);
    ctm_status status = set_locked(map, domain, address, slot, out_old);
    pthread_mutex_unlock(&map->lock);
    return status;
}

uint32_t ctmi_overflow_take(struct ctmi_map *map, uint32_t domain, uint64_t address)
{
    uint32_t slot = 0;
    pthread_mutex_lock(&map->lock);
    if (map->used != 0) {
        struct ctmi_overflow_entry *entry = find_locked(map, domain, address);
        slot = entry->slot;
        if (slot != 0) {
            remove_locked(map, entry);
        }
    }
    pthread_mutex_unlock(&map->lock);
    return slot;
}

uint32_t ctmi_overflow_get(struct ctmi_map *map, uint32_t domain, uint64_t address)
{
    pthread_mutex_lock(&map->lock);
    uint32_t slot = map->used != 0 ? find_locked(map, domain, address)->slot : 0;
    pthread_mutex_unlock(&map->lock);
    return slot;
}

ctm_status ctmi_map_reserve(struct ctmi_map *map, size_t n)
{
    pthread_mutex_lock(&map->lock);
    ctm_status status = grow_locked(map, map->used + map->reserved + n);
    if (status == CTM_OK) {
        map->reserved += n;
    }
    pthread_mutex_unlock(&map->lock);
    return status;
}

uint32_t ctmi_overflow_set_reserved(struct ctmi_map *map, uint32_t domain, uint64_t address,
                                    uint32_t slot, bool *out_used_room)
{
    uint32_t old = 0;
    pthread_mutex_lock(&map->lock);
    struct ctmi_overflow_entry *entry = find_locked(map, domain, address);
    *out_used_room = entry->slot == 0;
    if (entry->slot != 0) {
        old = replace_locked(entry, slot);
    } else {
        CTMI_ASSERT(map->reserved >= 1);
        insert_locked(map, entry, domain, address, slot);
        map->reserved--;
    }
    pthread_mutex_unlock(&map->lock);
    return old;
}

void ctmi_overflow_unmap(struct ctmi_map *map)
{
    if (map->entries != NULL) {
        ctmi_mem_unmap(map->entries, map->capacity * sizeof *map->entries);
        map->entries = NULL;
    }
}

size_t ctmi_overflow_bytes(const struct ctmi_map *map)
{
    return map->entries ? ctmi_mem_resident(map->entries, map->capacity * sizeof *map->entries) : 0;
}
