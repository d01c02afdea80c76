/* base/weight.c: see base/weight.h. */
#include "base/weight.h"

#include <math.h>

double ctmi_weight(uint64_t size, uint64_t interval)
{
    return interval == 0 || size == 0 ? 1.0 : -1.0 / expm1(-(double)size / (double)interval);
}

uint64_t ctmi_weighted_size(uint64_t size, uint64_t interval)
{
    if (interval == 0) {
        return size;
    }
    const double bytes = (double)size * ctmi_weight(size, interval) + 0.5;
    return bytes < 9.2e18 ? (uint64_t)bytes : INT64_MAX;
}
