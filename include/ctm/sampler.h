/* sampler.h: which blocks of a thread are recorded when sampling.
 *
 * Model: a tracer that samples (ctm_tracer_start_sampling) leaves it to the caller to ask a sampler for each block. A
 * sampler is one thread's. None of the calls takes a lock.
 */
#ifndef CTM_SAMPLER_H
#define CTM_SAMPLER_H

#include "ctm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_tracer ctm_tracer; /* tracer.h */

/* Which blocks of one thread are recorded when sampling. Begins as zeros; touched by its thread alone. */
typedef struct ctm_sampler {
    uint64_t distance; /* all fields private */
    uint64_t random;
    uint32_t generation;
} ctm_sampler;

/* Is a block of `size` bytes, which this thread allocates now, to be recorded? Ask once for each. */
CTM_API bool ctm_sampler_takes(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size);
/* The next block of one byte or more that this sampler is asked about is taken. */
CTM_API void ctm_sampler_force(ctm_tracer *tracer, ctm_sampler *sampler);
/* May a block be known at `address`, in any domain? Almost never, if sampling and none is. */
CTM_API bool ctm_tracer_may_know(ctm_tracer *tracer, uintptr_t address);

#ifdef __cplusplus
}
#endif
#endif
