/* exempt.h: the events of a thread that shows the program's memory: they make no new peak (ctm/shard.h).
 *
 * Model: between pyctm_exempt_start and pyctm_exempt_finish a thread's events are not plain, so they take the general path,
 * and only that looks here: other threads pay nothing. The thread adds up what its events made exempt; at the end it takes
 * that back. What a finalizer of the program allocates in this thread meanwhile is exempt, too, until then.
 */
#ifndef PYCTM_CAPTURE_EXEMPT_H
#define PYCTM_CAPTURE_EXEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/state.h"
#include "ctm/ctm.h"

/* HOOK: Before an event inside the shard that adds a block of `size` bytes, or that only frees if it is 0. */
static inline void pyctm_exempt_begin_event(ctm_shard *shard, size_t size, ctm_exemption *out)
{
    if (pyctm_hook_tls.is_exempt) {
        ctm_shard_exempt_begin(shard, size, out);
    }
}

/* HOOK: After it, in the same shard. */
static inline void pyctm_exempt_end_event(const pyctm_capture *capture, ctm_shard *shard,
                                          const ctm_exemption *begun)
{
    if (!pyctm_hook_tls.is_exempt) {
        return;
    }
    const uint32_t round = ctm_tracer_exempt_round(capture->tracer);
    if (pyctm_hook_tls.exempt_round != round) {
        pyctm_hook_tls.exempt_round = round;
        pyctm_hook_tls.exempt_bytes = 0;
    }
    pyctm_hook_tls.exempt_bytes += ctm_shard_exempt_end(shard, begun);
}

/* GIL, main interpreter. False: this thread is exempt already, and nothing is to be finished. */
bool pyctm_exempt_start(const pyctm_capture *capture);
/* GIL. Up to `keep` bytes, of what the thread's events left, stay exempt until they are released: returns how many, and in
 * *out_round of which round. */
int64_t pyctm_exempt_finish(const pyctm_capture *capture, int64_t keep, uint32_t *out_round);
/* GIL. What finish() returned, once. */
void pyctm_exempt_release(const pyctm_capture *capture, int64_t bytes, uint32_t round);

#endif
