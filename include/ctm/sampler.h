/* ctm/sampler.h: which blocks of a thread are recorded when sampling.
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

/* The sampling state of one thread: selects the blocks to record. Initially zero; only its thread uses it. */
typedef struct ctm_sampler {
    uint64_t distance; /* all fields private */
    uint64_t random;
    uint32_t generation;
} ctm_sampler;

/* Whether to record a block of `size` bytes that this thread allocates now. Call once for each block. */
CTM_API bool ctm_sampler_takes(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size);
/* Makes the sampler select the next block of at least one byte. */
CTM_API void ctm_sampler_force(ctm_tracer *tracer, ctm_sampler *sampler);
/* Whether a block may be recorded at `address`, in any domain. With sampling, almost never true if none is. */
CTM_API bool ctm_tracer_may_know(ctm_tracer *tracer, uintptr_t address);

#ifdef __cplusplus
}
#endif
#endif
