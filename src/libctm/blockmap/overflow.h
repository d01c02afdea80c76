/* overflow.h: the part of the address map that is a hash table; private to it.
 * See address_map.h for the model; each call takes the map's lock, except as told. */
#ifndef CTMI_BLOCKMAP_OVERFLOW_H
#define CTMI_BLOCKMAP_OVERFLOW_H

#include "blockmap/address_map.h"

CTM_NODISCARD ctm_status ctmi_overflow_set(struct ctmi_map *map, uint32_t domain, uint64_t address,
                                           uint32_t slot, uint32_t *out_old);
uint32_t ctmi_overflow_set_reserved(struct ctmi_map *map, uint32_t domain, uint64_t address,
                                    uint32_t slot, bool *out_used_room);
uint32_t ctmi_overflow_take(struct ctmi_map *map, uint32_t domain, uint64_t address);
uint32_t ctmi_overflow_get(struct ctmi_map *map, uint32_t domain, uint64_t address);

/* Without the lock, by whoever has the map alone (or holds the lock). */
void ctmi_overflow_unmap(struct ctmi_map *map);
size_t ctmi_overflow_bytes(const struct ctmi_map *map);

#endif
