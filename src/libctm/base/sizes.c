/* base/sizes.c: see base/sizes.h. */
#include "base/sizes.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "ctm/labels.h"

#define IS_POWER_OF_TWO(number) ((number) != 0 && ((number) & ((number) - 1)) == 0)

static const struct ctmi_sizes shipped = {
    .rows_first_log2 = 16,
    .spare_sites = 16384,
    .overflow_first = 4096,
    .peak_stamps = 0xf0000000u,
    .window = 1u << 18,
    .label_values = CTM_LABEL_VALUES,
    .kept_labels = CTM_KEPT_LABELS,
    .temporary_labels = CTM_TEMPORARY_LABELS,
};
static const struct ctmi_sizes *_Atomic in_use = &shipped;

const struct ctmi_sizes *ctmi_sizes(void)
{
    return atomic_load_explicit(&in_use, memory_order_relaxed);
}

void ctmi_sizes_set(const struct ctmi_sizes *sizes)
{
    const struct ctmi_sizes *set = sizes != NULL ? sizes : &shipped;
    CTMI_ASSERT(set->rows_first_log2 >= 9 && set->spare_sites < 1u << set->rows_first_log2);
    CTMI_ASSERT(IS_POWER_OF_TWO(set->spare_sites) && IS_POWER_OF_TWO(set->overflow_first));
    CTMI_ASSERT(set->peak_stamps > 1 && set->window > 0);
    CTMI_ASSERT(set->label_values > 0 && set->kept_labels > 1);
    atomic_store_explicit(&in_use, set, memory_order_relaxed);
}
