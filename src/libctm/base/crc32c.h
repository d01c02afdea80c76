/* base/crc32c.h: the checksum of sections.
 *
 * Model: CRC-32C (Castagnoli: polynomial 0x1EDC6F41 reflected, initial value and final xor
 * 0xFFFFFFFF), eight bytes a step. The tables take microseconds to make, so whoever
 * reads or writes a file makes its own: no state is shared between threads.
 */
#ifndef CTMI_BASE_CRC32C_H
#define CTMI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

struct ctmi_crc32c {
    uint32_t tables[8][256];
};

void ctmi_crc32c_init(struct ctmi_crc32c *crc);
uint32_t ctmi_crc32c_get(const struct ctmi_crc32c *crc, const void *bytes, size_t length);
/* The checksum of bytes whose beginning has the checksum `before`, and that go on with these. */
uint32_t ctmi_crc32c_more(const struct ctmi_crc32c *crc, uint32_t before, const void *bytes,
                          size_t length);

#endif
