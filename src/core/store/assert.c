/* store/assert.c: see store/assert.h. */
#include "store/assert.h"

#ifdef CTM_ASSERTS
#include <stdio.h>
#include <stdlib.h>

void ctm_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "libctm: %s:%d: assert failed: %s\n", file, line, condition);
    abort();
}
#else
typedef int ctm_no_asserts;
#endif
