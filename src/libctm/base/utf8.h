/* base/utf8.h: validates UTF-8.
 *
 * Model: UTF-8 with lone surrogates as three bytes each (WTF-8), as Python's "surrogatepass" writes them. Overlong
 * forms and code points above U+10FFFF are invalid.
 */
#ifndef CTMI_BASE_UTF8_H
#define CTMI_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The offset of the first byte that is not valid, or `length` if all are. */
size_t ctmi_utf8_fault(const unsigned char *bytes, size_t length);

/* The length of the sequence at `at`, which has `left` (>= 1) bytes to the end; 0: it is not valid. */
static inline size_t ctmi_utf8_sequence(const unsigned char *at, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xc0 ? 0
                  : at[0] < 0xe0 ? 2
                  : at[0] < 0xf0 ? 3
                  : at[0] < 0xf8 ? 4
                                 : 0;
    if (size < 2 || size > left) {
        return size > left ? 0 : size;
    }
    uint32_t point = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3fu);
    }
    return point >= least[size] && point <= 0x10ffff ? size : 0;
}

/* Whether the valid three-byte sequence at `at` is a surrogate. */
static inline int ctmi_utf8_is_surrogate(const unsigned char *at)
{
    return at[0] == 0xed && at[1] >= 0xa0;
}

#endif
