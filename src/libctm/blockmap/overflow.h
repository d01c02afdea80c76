/* blockmap/overflow.h: the overflow, the hash table of the block map; private to blockmap.
 *
 * Model: see blockmap/block_map.h. Each function takes the map's lock, unless its comment says otherwise.
 */
#ifndef CTMI_BLOCKMAP_OVERFLOW_H
#define CTMI_BLOCKMAP_OVERFLOW_H

#include "blockmap/block_map.h"

CTM_NODISCARD ctm_status ctmi_overflow_set(struct ctmi_block_map *map, uint32_t domain,
                                           uint64_t address, uint32_t site_ref, uint32_t *out_old);
uint32_t ctmi_overflow_set_reserved(struct ctmi_block_map *map, uint32_t domain, uint64_t address,
                                    uint32_t site_ref, bool *out_used);
uint32_t ctmi_overflow_take(struct ctmi_block_map *map, uint32_t domain, uint64_t address);
uint32_t ctmi_overflow_get(struct ctmi_block_map *map, uint32_t domain, uint64_t address);

/* Takes no lock: the caller holds it, or no other thread is in the map. */
void ctmi_overflow_unmap(struct ctmi_block_map *map);
size_t ctmi_overflow_bytes(const struct ctmi_block_map *map);

#endif
