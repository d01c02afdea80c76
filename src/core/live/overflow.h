/* overflow.h: the part of the address map that is a hash table; private to it.
 * See address_map.h for the model; each call takes the map's lock, except as told. */
#ifndef CTM_LIVE_OVERFLOW_H
#define CTM_LIVE_OVERFLOW_H

#include "live/address_map.h"

CTM_NODISCARD ctm_status ctm_overflow_set(struct ctm_map *map, uint32_t domain, uint64_t address,
                                          uint32_t slot, uint32_t *out_old);
uint32_t ctm_overflow_set_kept(struct ctm_map *map, uint32_t domain, uint64_t address,
                               uint32_t slot, bool *out_used_room);
uint32_t ctm_overflow_take(struct ctm_map *map, uint32_t domain, uint64_t address);
uint32_t ctm_overflow_get(struct ctm_map *map, uint32_t domain, uint64_t address);

/* Without the lock, by whoever has the map alone (or holds the lock). */
void ctm_overflow_unmap(struct ctm_map *map);
size_t ctm_overflow_bytes(const struct ctm_map *map);

#endif
