/* store/utf8.h: is a text what it should be? */
#ifndef CTM_STORE_UTF8_H
#define CTM_STORE_UTF8_H

#include <stddef.h>

/* The place of the first byte that is not valid UTF-8, or `length`. Surrogates are let through, as three bytes each. */
size_t ctm_utf8_fault(const unsigned char *bytes, size_t length);

#endif
