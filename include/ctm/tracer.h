/* ctm/tracer.h: traces live memory blocks.
 *
 * Model: a tracer owns a block map (block address -> site) and a few shards. A shard owns one set of tables.
 * Shard 0 is the *exclusive* shard. It has no lock: the caller guarantees that at most one thread at a time is
 * between ctm_shard_enter(tracer, 0) and ctm_shard_leave, as CPython's GIL does. Each other shard has a mutex, which
 * enter takes and leave releases. A thread may allocate in any shard. A block may be freed, resized or looked up
 * through any shard, not only the one it was allocated in (its home shard).
 *
 * Between enter and leave: no fork, no second enter, no call that waits for a lock which another thread
 * holds while it enters.
 *
 * Ids of rows (strings, functions, frames, tracebacks, label sets, sites) are valid in the shard that returned them,
 * until the tracer's generation changes (start, clear, stop).
 *
 * Units: bytes and blocks. Addresses are numbers: the tracer never dereferences one.
 * Out of memory: a function does all of its work or none (CTM_ERR_NOMEM).
 */
#ifndef CTM_TRACER_H
#define CTM_TRACER_H

#include "ctm/sampler.h"
#include "ctm/shard.h"
#include "ctm/tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_tracer ctm_tracer; /* opaque; made by ctm_tracer_new */
struct ctm_snapshot;

#define CTM_SHARDS 5u /* the exclusive shard and four with a lock */

typedef struct ctm_totals {
    uint64_t current_bytes; /* in live blocks; with sampling, estimated */
    uint64_t peak_bytes;    /* maximum of current_bytes since start, clear or reset */
    uint64_t live_blocks;   /* recorded */
} ctm_totals;

/* --- a tracer (any thread; not between enter and leave of the same thread) --- */

/* A new, stopped tracer. The caller owns *out and frees it with ctm_tracer_free. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_new(ctm_tracer **out);
/* NULL is allowed. No thread uses the tracer, now or later. */
CTM_API void ctm_tracer_free(ctm_tracer *tracer);

/* The next functions are called *as if inside shard 0*: no other thread is in it. They wait for the threads in the
 * other shards.
 *
 * start: does nothing if already tracing; else discards all data and starts. CTM_ERR_INVALID unless
 *        1 <= nframe <= CTM_MAX_NFRAME. The tracer only stores this limit for the caller; it walks no stacks.
 * stop:  stops, discards all data except the limit, and unmaps the memory. If that is large, a thread unmaps the rest
 *        in the following milliseconds; ctm_tracer_memory, ctm_tracer_fork_before and ctm_tracer_free wait for it.
 * clear: discards all blocks, tracebacks and counters; tracing continues.
 * reset_peak: the peak becomes the current bytes. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_start(ctm_tracer *tracer, uint32_t nframe);
/* As start, but the caller records only the blocks that a ctm_sampler selects: a block of `size` bytes with probability
 * 1 - exp(-size / sample_interval), so about one in `sample_interval` allocated bytes. Totals and statistics are
 * then unbiased estimates. CTM_ERR_INVALID unless also 1 <= sample_interval <= CTM_MAX_SAMPLE_INTERVAL. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_start_sampling(ctm_tracer *tracer, uint32_t nframe,
                                                           uint64_t sample_interval);
CTM_API void ctm_tracer_stop(ctm_tracer *tracer);
CTM_API void ctm_tracer_clear(ctm_tracer *tracer);
CTM_API void ctm_tracer_reset_peak(ctm_tracer *tracer);

/* Sets the command line that snapshots have: UTF-8 (else CTM_ERR_INVALID); length 0: none. Called as if inside
 * shard 0. CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_set_command(ctm_tracer *tracer, const char *utf8,
                                                        size_t length);

/* The next functions: any thread, at any time, without a lock. */
CTM_API bool ctm_tracer_is_tracing(const ctm_tracer *tracer);
CTM_API uint32_t ctm_tracer_nframe(const ctm_tracer *tracer);
/* A number that changes at each start, stop and clear; never 0. Ids of an older generation are invalid. */
CTM_API uint32_t ctm_tracer_generation(const ctm_tracer *tracer);
/* Bytes; 0: every block is recorded. */
CTM_API uint64_t ctm_tracer_sample_interval(const ctm_tracer *tracer);
CTM_API void ctm_tracer_totals(ctm_tracer *tracer, ctm_totals *out);
/* Only the current bytes and the peak of the totals, each at most INT64_MAX. */
CTM_API uint64_t ctm_tracer_bytes(const ctm_tracer *tracer, uint64_t *out_peak);

/* --- memory and snapshots (called as if inside shard 0; wait for the threads in the other shards) --- */

/* Resident bytes of the tracer itself, in whole pages. */
CTM_API size_t ctm_tracer_memory(ctm_tracer *tracer);

/* An immutable copy of all sites with live or past blocks. O(rows): no block is visited. Threads in other shards wait
 * for it. The caller owns *out (ctm_snapshot_unref). CTM_ERR_NOT_TRACING, CTM_ERR_NOMEM; CTM_ERR_IO: counters were lost
 * with the file of a black box (black_box.h). */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_snapshot(ctm_tracer *tracer, struct ctm_snapshot **out);
/* A snapshot, then stop. The block map is unmapped before the snapshot is made, so a process that is out of memory
 * has some for it. Errors as above; it stops also then. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_finish(ctm_tracer *tracer, struct ctm_snapshot **out);
/* true: from now on a table grows only if address space for a snapshot of it can be reserved too; that is not touched
 * and takes no memory. If it cannot be reserved, see ctm_shard_unplaced_site. false: releases all of it, for a
 * snapshot. */
CTM_API void ctm_tracer_set_aside(ctm_tracer *tracer, bool on);
/* The number of blocks ever recorded at sites of ctm_shard_unplaced_site since start or clear. All totals and
 * statistics include these blocks; their tracebacks are not known. */
CTM_API uint64_t ctm_tracer_unplaced(ctm_tracer *tracer);

/* --- fork --- */

/* Call before and after_parent in the parent, after_child in the child; the caller registers them with
 * pthread_atfork. before waits until no thread is in a shard with a lock; no thread enters one until after. */
CTM_API void ctm_tracer_fork_before(ctm_tracer *tracer);
CTM_API void ctm_tracer_fork_after_parent(ctm_tracer *tracer);
CTM_API void ctm_tracer_fork_after_child(ctm_tracer *tracer);

#ifdef __cplusplus
}
#endif
#endif
