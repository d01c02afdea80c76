/* sizes.h: small tables and windows, for tests: more chunks, so that more can fail, and ends that are soon reached.
 *
 * Model: CTest runs each test twice, see CMakeLists.txt: the library as shipped with its own sizes, and with asserts and, through
 * CTM_TEST_SIZES=small in the environment, these. A test that shows nothing without them asks for them itself.
 */
#ifndef CTM_TESTS_SIZES_H
#define CTM_TESTS_SIZES_H

#include <stdlib.h>
#include <string.h>

#include "base/sizes.h"

static const struct ctmi_sizes small_sizes = {
    .rows_first_log2 = 9,
    .spare_sites = 128,
    .overflow_first = 256,
    .peak_stamps = 1000,
    .window = 1u << 12,
    .label_values = 3,
    .kept_labels = 24,
    .temporary_labels = 16,
};

static inline void sizes_small(void)
{
    ctmi_sizes_set(&small_sizes);
}

/* Before main. */
__attribute__((constructor)) static void sizes_of_run(void)
{
    const char *wanted = getenv("CTM_TEST_SIZES");
    if (wanted != NULL && strcmp(wanted, "small") == 0) {
        sizes_small();
    }
}

#endif
