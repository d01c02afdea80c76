/* base/crc32c.c: see base/crc32c.h.
 *
 * Model: "slicing by eight": tables[k][b] is what byte b, k bytes before the end of a step, contributes
 * to the checksum. So a step of eight bytes takes eight independent lookups.
 */
#include "base/crc32c.h"

#include "base/bytes.h"

void ctmi_crc32c_init(struct ctmi_crc32c *crc)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0);
        }
        crc->tables[0][byte] = value;
    }
    for (int k = 1; k < 8; k++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t before = crc->tables[k - 1][byte];
            crc->tables[k][byte] = (before >> 8) ^ crc->tables[0][before & 0xff];
        }
    }
}

uint32_t ctmi_crc32c_get(const struct ctmi_crc32c *crc, const void *bytes, size_t length)
{
    return ctmi_crc32c_more(crc, 0, bytes, length);
}

uint32_t ctmi_crc32c_more(const struct ctmi_crc32c *crc, uint32_t before, const void *bytes,
                          size_t length)
{
    const unsigned char *at = bytes;
    uint32_t value = before ^ 0xffffffffu;
    for (; length >= 8; length -= 8, at += 8) {
        uint64_t step = ctmi_get_u64(at) ^ value;
        value = 0;
        for (int k = 0; k < 8; k++) {
            value ^= crc->tables[7 - k][(step >> (8 * k)) & 0xff];
        }
    }
    for (; length > 0; length--, at++) {
        value = (value >> 8) ^ crc->tables[0][(value ^ *at) & 0xff];
    }
    return value ^ 0xffffffffu;
}
