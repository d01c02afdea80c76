/* file_bytes.h: for tests that change the bytes of a snapshot file. */
#ifndef CTM_TESTS_FILE_BYTES_H
#define CTM_TESTS_FILE_BYTES_H

#include "base/crc32c.h"
#include "formats/format.h"

/* Puts right the checksums after damage, so that what lies behind them is tried too. Gives up
 * quietly on a directory that makes no sense. */
static inline void repair(unsigned char *bytes, size_t size)
{
    struct ctmi_crc32c crc;
    ctmi_crc32c_init(&crc);
    uint64_t n = ctmi_get_u32(bytes + 20), directory = ctmi_get_u64(bytes + 32);
    uint64_t row = ctmi_get_u32(bytes + 40);
    if (n < 100 && row < 1000 && directory < size && n * row <= size - directory) {
        for (uint64_t i = 0; i < n && row >= CTMI_FILE_DIRECTORY_ROW; i++) {
            unsigned char *at = bytes + directory + i * row;
            uint64_t offset = ctmi_get_u64(at + 8), length = ctmi_get_u64(at + 16);
            if (offset < size && length <= size - offset) {
                ctmi_put_u32(at + 36, ctmi_crc32c_get(&crc, bytes + offset, length));
            }
        }
        ctmi_put_u32(bytes + 56, ctmi_crc32c_get(&crc, bytes + directory, n * row));
    }
    ctmi_put_u32(bytes + 60, ctmi_crc32c_get(&crc, bytes, 60));
}

/* Where the section of that kind begins; 0: there is none. */
static inline size_t section_at(const unsigned char *bytes, uint32_t kind)
{
    for (uint32_t i = 0; i < ctmi_get_u32(bytes + 20); i++) {
        const unsigned char *at = bytes + CTMI_FILE_HEADER_SIZE + i * CTMI_FILE_DIRECTORY_ROW;
        if (ctmi_get_u32(at) == kind) {
            return ctmi_get_u64(at + 8);
        }
    }
    return 0;
}

#endif
