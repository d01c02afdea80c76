/* ctm/tracer.h: traces live memory blocks.
 *
 * Model: a tracer owns an address map (block address -> site) and a few shards. A shard owns one set of tables.
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

#include "ctm/tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_tracer ctm_tracer; /* opaque; made by ctm_tracer_new */
typedef struct ctm_shard ctm_shard;   /* opaque; owned by its tracer */
struct ctm_snapshot;

#define CTM_SHARDS 5u /* the exclusive shard and four with a lock */

typedef struct ctm_totals {
    uint64_t current_bytes; /* in live blocks; with sampling, estimated */
    uint64_t peak_bytes;    /* maximum of current_bytes since start, clear or reset */
    uint64_t live_blocks;   /* recorded */
} ctm_totals;

/* The sampling state of one thread: selects the blocks to record. Initially zero; only its thread uses it. */
typedef struct ctm_sampler {
    uint64_t distance; /* all fields private */
    uint64_t random;
    uint32_t generation;
} ctm_sampler;

typedef struct ctm_block {
    uint64_t size; /* bytes */
    uint32_t domain;
    uint32_t shard; /* home shard: `traceback` is an id in its tables */
    uint32_t traceback;
} ctm_block;

/* One frame as text, for callers that do not store ids. */
typedef struct ctm_frame_text {
    const char *filename; /* borrowed for the call; UTF-8, NUL-terminated */
    const char *function; /* the same; NULL: not known */
    int32_t first_lineno; /* 0: not known */
    int32_t lineno;
} ctm_frame_text;

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
/* A snapshot, then stop. The address map is unmapped before the snapshot is made, so a process that is out of memory
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

/* --- sampling: any thread, without a lock --- */

/* Whether to record a block of `size` bytes that this thread allocates now. Call once for each block. */
CTM_API bool ctm_sampler_takes(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size);
/* Makes the sampler select the next block of at least one byte. */
CTM_API void ctm_sampler_force(ctm_tracer *tracer, ctm_sampler *sampler);
/* Whether a block may be recorded at `address`, in any domain. With sampling, almost never true if none is. */
CTM_API bool ctm_tracer_may_know(ctm_tracer *tracer, uintptr_t address);

/* --- one event: enter, a few calls, leave --- */

/* Enters shard `index`, 0 <= index < CTM_SHARDS. NULL: the tracer is stopped or out of memory, and there is nothing to
 * leave. Allocates only when a shard is entered for the first time. */
CTM_API ctm_shard *ctm_shard_enter(ctm_tracer *tracer, uint32_t index);
CTM_API void ctm_shard_leave(ctm_shard *shard);
/* Shard 0 itself, borrowed as long as the tracer. A caller may use it without enter and leave while it knows that the
 * tracer is tracing, if no other thread can stop it. */
CTM_API ctm_shard *ctm_tracer_exclusive(ctm_tracer *tracer);

/* Interning: equal content gives equal ids. CTM_ERR_NOMEM; CTM_ERR_LIMIT; CTM_ERR_INVALID: an id that does not
 * exist, or a string that is not UTF-8. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_string(ctm_shard *shard, const char *utf8, size_t length,
                                                  uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_shard_function(ctm_shard *shard, uint32_t filename,
                                                    uint32_t name, int32_t first_lineno,
                                                    uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_shard_frame(ctm_shard *shard, uint32_t function,
                                                 int32_t lineno, uint32_t *out);
/* The traceback of `frame` called from `parent`. total_nframe must be the parent's + 1; if `parent` is 0 (none), it
 * is 1 + the number of older frames left out. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_traceback(ctm_shard *shard, uint32_t parent,
                                                     uint32_t frame, int32_t total_nframe,
                                                     uint32_t *out);
/* All of the above in one call. frames[0] is the most recent; 1 <= n <= CTM_MAX_NFRAME; total_nframe >= n. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_traceback_text(ctm_shard *shard,
                                                          const ctm_frame_text *frames, uint32_t n,
                                                          int32_t total_nframe, uint32_t *out);

/* The label set `set` (0: empty) with key = value added, or replaced if it has the key; both are strings of the
 * shard. CTM_ERR_INVALID also if `key` is empty or has over CTM_MAX_LABEL_KEY bytes, or if the set would have over
 * CTM_MAX_LABELS pairs. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_label(ctm_shard *shard, uint32_t set, uint32_t key,
                                                 uint32_t value, uint32_t *out);

/* The site of this key. CTM_ERR_INVALID if the traceback does not exist (0 does not). A caller that stores the id
 * saves the lookup in the functions ending in _at, until the generation changes. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_site(ctm_shard *shard, uint32_t domain,
                                                uint32_t traceback, uint64_t size, uint32_t *out);

/* The site of a block of `size` bytes whose traceback cannot be stored: for use where a function above returns
 * CTM_ERR_NOMEM or CTM_ERR_LIMIT. Its one frame is line 0 of "<no memory for the place>". Uses rows that were
 * reserved when tracing started, so it cannot fail in shards 0 and 1 for the first 16,384 pairs of size and domain in
 * each. In other cases it can: CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_unplaced_site(ctm_shard *shard, uint32_t domain,
                                                         uint64_t size, uint32_t *out);

/* Records an allocated block of `size` bytes at `address`. A block that is already recorded there in this domain counts
 * as freed unseen and is replaced. An error changes nothing. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_alloc(ctm_shard *shard, uint32_t domain,
                                                 uintptr_t address, uint64_t size,
                                                 uint32_t traceback);
/* The same at a site, whose domain must be `domain`. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_alloc_at(ctm_shard *shard, uint32_t domain,
                                                    uintptr_t address, uint32_t site);
/* Records that the block at `address` is freed. Call before the real free: afterwards another thread may receive the
 * address at once. False if no such block is recorded. */
CTM_API bool ctm_shard_free(ctm_shard *shard, uint32_t domain, uintptr_t address);

/* Resizing in two steps; the shard may be left in between:
 *   begin  before the real realloc: removes the old block from the map (its counters stay) and reserves what commit
 *          needs, so commit cannot fail;
 *   commit after it succeeded: the old block, if it was recorded, counts as freed, the new one as allocated;
 *   abort  after it failed: the old block is recorded as before.
 * If `old_address` is 0 or has no recorded block, only the new block counts. Exactly one of commit and abort follows a
 * successful begin, in the same thread, through the same shard index. If the generation has changed in between, they
 * do nothing. */
typedef struct ctm_resize {
    uintptr_t old_address; /* all fields private */
    uint32_t domain;
    uint32_t old_site_ref;
    uint32_t new_site;
    uint32_t generation;
} ctm_resize;
CTM_API CTM_NODISCARD ctm_status ctm_shard_resize_begin(ctm_shard *shard, uint32_t domain,
                                                        uintptr_t old_address, uint64_t new_size,
                                                        uint32_t traceback, ctm_resize *out);
/* The same with the site of the new block; 0: it is not recorded (sampling). */
CTM_API CTM_NODISCARD ctm_status ctm_shard_resize_begin_at(ctm_shard *shard, uint32_t domain,
                                                           uintptr_t old_address, uint32_t site,
                                                           ctm_resize *out);
CTM_API void ctm_shard_resize_commit(ctm_shard *shard, const ctm_resize *resize,
                                     uintptr_t new_address);
CTM_API void ctm_shard_resize_abort(ctm_shard *shard, const ctm_resize *resize);

/* Gives the block recorded at `address` a new traceback, because a free list has reused it without a call of the
 * allocator. The size stays; it counts as one block freed and one allocated. CTM_ERR_NOT_FOUND if no block is recorded
 * there. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_reattribute(ctm_shard *shard, uint32_t domain,
                                                       uintptr_t address, uint32_t traceback);
/* The same in steps, for a caller that stores sites: `seek` finds the block (false: none is recorded there),
 * `found_size` returns its size in bytes, `reattribute_at` gives it a site of the same size and domain. Between seek
 * and reattribute_at nothing else happens to the block. */
typedef struct ctm_found {
    void *slot; /* all fields private */
    uintptr_t address;
    uint32_t domain, site_ref;
} ctm_found;
CTM_API bool ctm_shard_seek(ctm_shard *shard, uint32_t domain, uintptr_t address, ctm_found *out);
CTM_API uint64_t ctm_shard_found_size(const ctm_shard *shard, const ctm_found *found);
CTM_API void ctm_shard_reattribute_at(ctm_shard *shard, const ctm_found *found, uint32_t site);
/* The block recorded at `address`. CTM_ERR_NOT_FOUND: none. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_find(ctm_shard *shard, uint32_t domain,
                                                uintptr_t address, ctm_block *out);

/* Rows by id, of a shard that the caller is inside. Borrowed until leave. NULL: no such id, or row 0 (but string 0 is
 * ""). */
CTM_API const ctm_traceback *ctm_shard_traceback_row(const ctm_shard *shard, uint32_t id);
CTM_API const ctm_frame *ctm_shard_frame_row(const ctm_shard *shard, uint32_t id);
CTM_API const ctm_function *ctm_shard_function_row(const ctm_shard *shard, uint32_t id);
CTM_API const char *ctm_shard_string_row(const ctm_shard *shard, uint32_t id, size_t *out_length);

#ifdef __cplusplus
}
#endif
#endif
