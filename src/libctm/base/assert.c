/* base/assert.c: see base/assert.h. */
#include "base/assert.h"

#ifdef CTM_ASSERTS
#include <stdio.h>
#include <stdlib.h>

void ctmi_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "libctm: %s:%d: assert failed: %s\n", file, line, condition);
    abort();
}
#else
typedef int ctmi_no_asserts;
#endif
