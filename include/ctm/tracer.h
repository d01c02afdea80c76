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

#include "ctm/tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_tracer ctm_tracer; /* opaque; made by ctm_tracer_new */
typedef struct ctm_shard ctm_shard;   /* opaque; owned by its tracer */
struct ctm_snapshot;

#define CTM_SHARDS 5u /* shard 0 (exclusive) and four with locks */

typedef struct ctm_totals {
    uint64_t current_bytes; /* in live blocks; with sampling, estimated */
    uint64_t peak_bytes;    /* the most current_bytes has been since start, clear or reset */
    uint64_t live_blocks;   /* recorded */
} ctm_totals;

/* Which blocks of one thread are recorded when sampling. Begins as zeros; touched by its thread alone. */
typedef struct ctm_sampler {
    uint64_t distance; /* all fields private */
    uint64_t random;
    uint32_t generation;
} ctm_sampler;

typedef struct ctm_block {
    uint64_t size; /* bytes */
    uint32_t domain;
    uint32_t shard; /* whose tables `traceback` is an index of */
    uint32_t traceback;
} ctm_block;

/* One frame as text, for callers that keep no ids of their own. */
typedef struct ctm_frame_text {
    const char *filename; /* borrowed for the call; UTF-8, NUL-terminated */
    const char *function; /* the same; NULL: not known */
    int32_t first_lineno; /* 0: not known */
    int32_t lineno;
} ctm_frame_text;

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

/* --- sampling: any thread, without a lock --- */

/* Is a block of `size` bytes, which this thread allocates now, to be recorded? Ask once for each. */
CTM_API bool ctm_sampler_takes(ctm_tracer *tracer, ctm_sampler *sampler, uint64_t size);
/* The next block of one byte or more that this sampler is asked about is taken. */
CTM_API void ctm_sampler_force(ctm_tracer *tracer, ctm_sampler *sampler);
/* May a block be known at `address`, in any domain? Almost never, if sampling and none is. */
CTM_API bool ctm_tracer_may_know(ctm_tracer *tracer, uintptr_t address);

/* --- one event: enter, a few calls, leave --- */

/* NULL if the tracer is stopped (nothing to leave then) or out of memory.
 * 0 <= index < CTM_SHARDS. Allocates only when a shard is entered for the first time. */
CTM_API ctm_shard *ctm_shard_enter(ctm_tracer *tracer, uint32_t index);
CTM_API void ctm_shard_leave(ctm_shard *shard);
/* Shard 0 itself, for as long as the tracer lives: a caller who knows that the tracer is tracing, and is the
 * only one who could stop it, may use it between such calls without enter and leave. */
CTM_API ctm_shard *ctm_tracer_exclusive(ctm_tracer *tracer);

/* Interning: the same content gives the same id. *out is written on CTM_OK. CTM_ERR_INVALID: an id that does not
 * exist, or a string that is not UTF-8. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_string(ctm_shard *shard, const char *utf8, size_t length,
                                                  uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_shard_function(ctm_shard *shard, uint32_t filename,
                                                    uint32_t name, int32_t first_lineno,
                                                    uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_shard_frame(ctm_shard *shard, uint32_t function,
                                                 int32_t lineno, uint32_t *out);
/* The traceback of `frame` called from `parent` (0: none; then total_nframe is
 * 1 + the number of older frames left out). With a parent, total_nframe must be the
 * parent's + 1. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_traceback(ctm_shard *shard, uint32_t parent,
                                                     uint32_t frame, int32_t total_nframe,
                                                     uint32_t *out);
/* All of the above at once: frames[0] is the most recent; 1 <= n <= CTM_MAX_NFRAME;
 * total_nframe >= n. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_traceback_text(ctm_shard *shard,
                                                          const ctm_frame_text *frames, uint32_t n,
                                                          int32_t total_nframe, uint32_t *out);

/* The label set `set` (0: empty) with key = value, which takes the place of a value that the set has for the
 * key; both are strings of the shard. CTM_ERR_INVALID if one does not exist, if `key` is empty or has more
 * than CTM_MAX_LABEL_KEY bytes, and if the set would have more than CTM_MAX_LABELS pairs. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_label(ctm_shard *shard, uint32_t set, uint32_t key,
                                                 uint32_t value, uint32_t *out);

/* The site of this key; CTM_ERR_INVALID if the traceback does not exist (0 does not). A caller that
 * remembers the id, until the generation changes, saves the lookup with the calls ending in _at. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_site(ctm_shard *shard, uint32_t domain,
                                                uint32_t traceback, uint64_t size, uint32_t *out);

/* The site of a block of `size` bytes whose place there is no memory for: to be used where one of the above says
 * CTM_ERR_NOMEM or CTM_ERR_LIMIT. Its one frame is line 0 of "<no memory for the place>". Takes what was set aside when tracing
 * started, so that it cannot fail in shards 0 and 1 for the first 16,384 pairs of size and domain in each; elsewhere and then:
 * CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_unplaced_site(ctm_shard *shard, uint32_t domain,
                                                         uint64_t size, uint32_t *out);

/* A block of `size` bytes came to live at `address`. A block already known there (in
 * this domain) is taken as freed unseen and replaced. On error nothing changed. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_alloc(ctm_shard *shard, uint32_t domain,
                                                 uintptr_t address, uint64_t size,
                                                 uint32_t traceback);
/* The same at a site, whose domain must be the one given. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_alloc_at(ctm_shard *shard, uint32_t domain,
                                                    uintptr_t address, uint32_t site);
/* The block at `address` is about to be freed: call before the real free, or another
 * thread may be handed the address first. False if no such block was known. */
CTM_API bool ctm_shard_free(ctm_shard *shard, uint32_t domain, uintptr_t address);

/* Resizing in two steps, with the shard left in between or not:
 *   begin  before the real realloc: takes the old block off the map (its counters
 *          stay) and reserves what commit needs, so that commit cannot fail;
 *   commit after it succeeded: the old block (if known) is freed, the new one lives;
 *   abort  after it failed: the old block is there as before.
 * `old_address` 0 or unknown: only the new block counts. Exactly one of commit and
 * abort follows a successful begin, from the same thread, through the same shard index.
 * If the generation changed in between, commit and abort do nothing. */
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
/* The same with the site that the new block is to have; 0: it is not to be recorded (sampling). */
CTM_API CTM_NODISCARD ctm_status ctm_shard_resize_begin_at(ctm_shard *shard, uint32_t domain,
                                                           uintptr_t old_address, uint32_t site,
                                                           ctm_resize *out);
CTM_API void ctm_shard_resize_commit(ctm_shard *shard, const ctm_resize *resize,
                                     uintptr_t new_address);
CTM_API void ctm_shard_resize_abort(ctm_shard *shard, const ctm_resize *resize);

/* The known block at `address` was given to a new owner without a call of the
 * allocator (a free list): same size, new traceback. It counts as freed and allocated.
 * CTM_ERR_NOT_FOUND if no block is known there. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_reattribute(ctm_shard *shard, uint32_t domain,
                                                       uintptr_t address, uint32_t traceback);
/* The same in steps for a caller that goes by sites: `seek` finds the block (false: none is known
 * there), `found_size` tells its size in bytes, then, before anything else happens to the block,
 * `reattribute_at` gives it a site of the same size and domain. */
typedef struct ctm_found {
    void *slot; /* all fields private */
    uintptr_t address;
    uint32_t domain, site_ref;
} ctm_found;
CTM_API bool ctm_shard_seek(ctm_shard *shard, uint32_t domain, uintptr_t address, ctm_found *out);
CTM_API uint64_t ctm_shard_found_size(const ctm_shard *shard, const ctm_found *found);
CTM_API void ctm_shard_reattribute_at(ctm_shard *shard, const ctm_found *found, uint32_t site);
CTM_API CTM_NODISCARD ctm_status ctm_shard_find(ctm_shard *shard, uint32_t domain,
                                                uintptr_t address, ctm_block *out);

/* Reading rows by id, for a shard the caller is inside. The pointer is borrowed until
 * leave. traceback 0 and unknown ids are CTM_ERR_INVALID / NULL. */
CTM_API const ctm_traceback *ctm_shard_traceback_row(const ctm_shard *shard, uint32_t id);
CTM_API const ctm_frame *ctm_shard_frame_row(const ctm_shard *shard, uint32_t id);
CTM_API const ctm_function *ctm_shard_function_row(const ctm_shard *shard, uint32_t id);
CTM_API const char *ctm_shard_string_row(const ctm_shard *shard, uint32_t id, size_t *out_length);

#ifdef __cplusplus
}
#endif
#endif
