/* base/crc32c.h: the checksum of sections and blocks in files.
 *
 * Model: CRC-32C (Castagnoli: polynomial 0x1EDC6F41 reflected, initial value and final xor
 * 0xFFFFFFFF), eight bytes a step. The tables are computed in microseconds, so each reader and
 * writer of a file has its own, and threads share no state.
 */
#ifndef CTMI_BASE_CRC32C_H
#define CTMI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

struct ctmi_crc32c {
    uint32_t tables[8][256]; /* read only after init */
};

void ctmi_crc32c_init(struct ctmi_crc32c *crc);
uint32_t ctmi_crc32c_get(const struct ctmi_crc32c *crc, const void *bytes, size_t length);
/* Continues a checksum: `before` is that of the preceding bytes (0: there are none), the result that of all. */
uint32_t ctmi_crc32c_more(const struct ctmi_crc32c *crc, uint32_t before, const void *bytes,
                          size_t length);

#endif
