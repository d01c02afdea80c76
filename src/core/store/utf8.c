/* store/utf8.c: see store/utf8.h. */
#include "store/utf8.h"

size_t ctm_utf8_fault(const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t size = ctm_utf8_sequence(bytes + at, length - at);
        if (size == 0) {
            break;
        }
        at += size;
    }
    return at;
}
