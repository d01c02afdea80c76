/* base/utf8.c: see base/utf8.h. */
#include "base/utf8.h"

size_t ctmi_utf8_fault(const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t size = ctmi_utf8_sequence(bytes + at, length - at);
        if (size == 0) {
            break;
        }
        at += size;
    }
    return at;
}
