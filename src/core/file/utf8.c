/* file/utf8.c: see file/utf8.h. */
#include "file/utf8.h"

#include <stdint.h>

/* Bytes of the UTF-8 sequence at `at`, of at most `left` (>= 1) bytes; 0: it is not valid.
 * Surrogates are let through. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xc0 ? 0
                  : at[0] < 0xe0 ? 2
                  : at[0] < 0xf0 ? 3
                  : at[0] < 0xf8 ? 4
                                 : 0;
    if (size < 2 || size > left) return size > left ? 0 : size;
    uint32_t point = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    return point >= least[size] && point <= 0x10ffff ? size : 0;
}

size_t ctm_utf8_fault(const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t size = sequence_length(bytes + at, length - at);
        if (size == 0) break;
        at += size;
    }
    return at;
}
