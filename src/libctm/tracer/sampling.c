/* tracer/sampling.c: selects the blocks that a sampling tracer traces. base/weight.h has the model. Sampling points
 * are drawn as follows: the distance to the next point is exponentially distributed. This distribution has no memory,
 * so a new distance is drawn after each block that has a point, and any other block subtracts its bytes from the
 * distance. Distances are whole bytes: because blocks are whole bytes too, rounding down does not change which block
 * has the point.
 */
#include "tracer/sampling.h"

#include <math.h>
#include <time.h>

#include "tracer/tracer.h"

/* --- the page filter --- */
void ctmi_page_filter_add(struct ctmi_page_filter *page_filter, uint64_t address)
{
    _Atomic uint8_t *count = ctmi_page_filter_bucket(page_filter, address);
    uint8_t now = atomic_load_explicit(count, memory_order_relaxed);
    while (now != UINT8_MAX && !atomic_compare_exchange_weak(count, &now, (uint8_t)(now + 1))) {
    }
}

void ctmi_page_filter_remove(struct ctmi_page_filter *page_filter, uint64_t address)
{
    _Atomic uint8_t *count = ctmi_page_filter_bucket(page_filter, address);
    uint8_t now = atomic_load_explicit(count, memory_order_relaxed);
    while (now != UINT8_MAX && now != 0 &&
           !atomic_compare_exchange_weak(count, &now, (uint8_t)(now - 1))) {
    }
}

bool ctm_tracer_may_know(ctm_tracer *tracer, uintptr_t address)
{
    return ctmi_tracer_interval(tracer) == 0 ||
           ctmi_page_filter_may_have(&tracer->page_filter, address);
}

/* --- the sampler --- */
static uint64_t next_random(ctm_sampler *sampler)
{
    uint64_t x = sampler->random += 0x9E3779B97F4A7C15ull; /* splitmix64 */
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

static uint64_t draw_distance(ctm_sampler *sampler, uint64_t interval)
{
    const double uniform = (double)((next_random(sampler) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    return (uint64_t)(-log(uniform) * (double)interval);
}

static void seed(ctm_sampler *sampler)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sampler->random = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec ^ (uintptr_t)sampler;
}

/* The block has a point, or the sampler is of an older generation. */
static CTMI_RARE bool takes_slow(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size)
{
    const uint32_t generation = ctm_tracer_generation(tracer);
    if (sampler->generation != generation) {
        if (sampler->random == 0) {
            seed(sampler);
        }
        sampler->generation = generation;
        sampler->distance = draw_distance(sampler, ctmi_tracer_interval(tracer));
        if (size <= sampler->distance) {
            sampler->distance -= size;
            return false;
        }
    }
    sampler->distance = draw_distance(sampler, ctmi_tracer_interval(tracer));
    return true;
}

bool ctm_sampler_takes(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size)
{
    if (size <= sampler->distance && sampler->generation == ctm_tracer_generation(tracer)) {
        sampler->distance -= size;
        return false;
    }
    return ctmi_tracer_interval(tracer) == 0 || takes_slow(tracer, sampler, size);
}

void ctm_sampler_force(ctm_tracer *tracer, ctm_sampler *sampler)
{
    sampler->generation = ctm_tracer_generation(tracer);
    sampler->distance = 0;
}
