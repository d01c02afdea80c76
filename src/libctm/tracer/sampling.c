/* sampling.c: which blocks are recorded when not all are. The model is in base/weight.h; here is how it is drawn: the
 * distance to the next point is exponential, and since that has no memory, it is drawn anew after each block that a
 * point fell on, and otherwise shortened by the block's bytes. Distances are whole bytes: rounding down changes nothing
 * about which block of whole bytes the point falls on.
 */
#include "tracer/sampling.h"

#include <math.h>
#include <time.h>

#include "tracer/shard.h"

/* --- places --- */
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

/* A point falls on the block, or the sampler is not of this generation. */
static CTMI_RARE bool takes_slowly(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size)
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
    return ctmi_tracer_interval(tracer) == 0 || takes_slowly(tracer, sampler, size);
}

void ctm_sampler_force(ctm_tracer *tracer, ctm_sampler *sampler)
{
    sampler->generation = ctm_tracer_generation(tracer);
    sampler->distance = 0;
}
