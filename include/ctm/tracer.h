/* tracer.h: following live memory blocks.
 *
 * Model: a tracer owns an address map (block address -> site) and a few shards.
 * A shard owns one set of tables. Shard 0 is the *exclusive* shard: it has no lock,
 * and the caller guarantees that at most one thread at a time is between
 * ctm_shard_enter(tracer, 0) and ctm_shard_leave (CPython's GIL gives this for
 * free). Every other shard is guarded by a mutex that enter takes and leave
 * releases. A thread picks any shard for what it allocates; a block may be freed,
 * resized or looked up through any shard, whichever it was allocated in.
 *
 * Between enter and leave: no fork, no second enter, no call that waits for a lock
 * some other thread holds while it enters.
 *
 * Ids of rows (strings, functions, frames, tracebacks) are valid in the shard that
 * returned them, and until the tracer's generation changes (start, clear, stop).
 *
 * Units: bytes and blocks. Addresses are numbers: the tracer never dereferences one.
 * Out of memory: every call either does all of its work or none (CTM_ERR_NOMEM).
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

#define CTM_SHARDS 5u /* shard 0 (exclusive) and four with locks */

typedef struct ctm_totals {
    uint64_t current_bytes; /* in live blocks; with sampling, estimated */
    uint64_t peak_bytes;    /* the most current_bytes has been since start, clear or reset */
    uint64_t live_blocks;   /* recorded */
} ctm_totals;

/* --- life of a tracer (any thread; not during enter/leave of the same thread) --- */

/* A new, stopped tracer. The caller owns *out and frees it with ctm_tracer_free. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_new(ctm_tracer **out);
/* NULL is allowed. No thread may be using the tracer, now or later. */
CTM_API void ctm_tracer_free(ctm_tracer *tracer);

/* The next four are called as if inside shard 0: no other thread is in it.
 * They wait for the threads that are inside the other shards.
 *
 * start: does nothing if already tracing; else forgets everything and starts.
 *        CTM_ERR_INVALID unless 1 <= nframe <= CTM_MAX_NFRAME (the limit is kept for
 *        the caller: ctm does not walk stacks).
 * stop:  forgets everything and returns the memory to the system; the limit survives. If it is much, a
 *        thread returns the rest in the next milliseconds; ctm_tracer_memory, ctm_tracer_fork_before
 *        and ctm_tracer_free wait for that.
 * clear: forgets every block, traceback and counter; tracing goes on.
 * reset_peak: the peak becomes the current bytes. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_start(ctm_tracer *tracer, uint32_t nframe);
/* As start, but only a sample of the blocks is to be recorded (which ones, the caller asks a ctm_sampler): a
 * block of `size` bytes with probability 1 - exp(-size / sample_interval), so about one in each
 * `sample_interval` bytes that are allocated. Totals and statistics are then unbiased estimates.
 * 1 <= sample_interval <= CTM_MAX_SAMPLE_INTERVAL. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_start_sampling(ctm_tracer *tracer, uint32_t nframe,
                                                           uint64_t sample_interval);
CTM_API void ctm_tracer_stop(ctm_tracer *tracer);
CTM_API void ctm_tracer_clear(ctm_tracer *tracer);
CTM_API void ctm_tracer_reset_peak(ctm_tracer *tracer);

/* What snapshots are to say that the process is: UTF-8 (else CTM_ERR_INVALID); length 0: nothing. Called as if
 * inside shard 0. CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_set_command(ctm_tracer *tracer, const char *utf8,
                                                        size_t length);

/* Any thread, at any time, without a lock. */
CTM_API bool ctm_tracer_is_tracing(const ctm_tracer *tracer);
CTM_API uint32_t ctm_tracer_nframe(const ctm_tracer *tracer);
/* Changes at each start, stop and clear; never 0. Ids of an older generation are void. */
CTM_API uint32_t ctm_tracer_generation(const ctm_tracer *tracer);
/* 0: every block is recorded. */
CTM_API uint64_t ctm_tracer_sample_interval(const ctm_tracer *tracer);
CTM_API void ctm_tracer_totals(ctm_tracer *tracer, ctm_totals *out);
/* The current bytes and the peak of the totals alone; neither is above INT64_MAX. */
CTM_API uint64_t ctm_tracer_bytes(const ctm_tracer *tracer, uint64_t *out_peak);
/* Bytes of memory that the tracer itself occupies now (resident, page-granular).
 * Called as if inside shard 0; waits for the other shards. */
CTM_API size_t ctm_tracer_memory(ctm_tracer *tracer);

/* The same, and then stop, in one: what the blocks' addresses took is returned to the system before the snapshot is
 * made, so that a process which has run out of memory has some for it. Stops in any case; *out on CTM_OK. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_finish(ctm_tracer *tracer, struct ctm_snapshot **out);

/* true: from now on a table grows only together with address space for a snapshot of it, which is not touched and takes no
 * memory; where there is none, see ctm_shard_unplaced_site. false: all of that is given up, so that there is room for a snapshot.
 * Called as if inside shard 0; waits for the other shards. */
CTM_API void ctm_tracer_set_aside(ctm_tracer *tracer, bool on);

/* Blocks that were ever recorded at sites of ctm_shard_unplaced_site since start or clear: their number and bytes are in
 * all totals and statistics, their places are not known. Called as if inside shard 0; waits for the other
 * shards. */
CTM_API uint64_t ctm_tracer_unplaced(ctm_tracer *tracer);

/* An immutable copy of all sites with live or past blocks, O(rows), no block is
 * visited. Called as if inside shard 0; threads in other shards wait for it.
 * The caller owns *out (ctm_snapshot_unref). CTM_ERR_NOT_TRACING, CTM_ERR_NOMEM; CTM_ERR_IO if counters
 * were lost with the file of a black box (black_box.h). */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_snapshot(ctm_tracer *tracer, struct ctm_snapshot **out);

/* fork: call before in the parent, after in both (pthread_atfork is the caller's
 * business). before waits until no thread is in a locked shard and keeps them out. */
CTM_API void ctm_tracer_fork_before(ctm_tracer *tracer);
CTM_API void ctm_tracer_fork_after_parent(ctm_tracer *tracer);
CTM_API void ctm_tracer_fork_after_child(ctm_tracer *tracer);

#ifdef __cplusplus
}
#endif
#endif
