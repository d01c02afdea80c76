/* ctm/shard.h: the events of a tracer: blocks that come, go and change.
 *
 * Model: see tracer.h for what a shard is, and who may be inside. Between ctm_shard_enter and ctm_shard_leave a caller interns
 * the frames of a traceback, then says what happened to which block.
 */
#ifndef CTM_SHARD_H
#define CTM_SHARD_H

#include "ctm/tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_tracer ctm_tracer; /* tracer.h */
typedef struct ctm_shard ctm_shard;   /* opaque; owned by its tracer */

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

/* The site of this key; `labels` is a label set, 0: none. CTM_ERR_INVALID if the traceback does not exist (0 does not),
 * or the label set does not. A caller that stores the id saves the lookup in the functions ending in _at, until the
 * generation changes. The functions that take a traceback instead count at the site without labels. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_site(ctm_shard *shard, uint32_t domain,
                                                uint32_t traceback, uint64_t size, uint32_t labels,
                                                uint32_t *out);

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

/* --- exempt from the peak: memory of a tool that shows the program's memory, in the same process ---
 *
 * Between begin and end, inside the shard, what events add to the bytes makes no new peak: these bytes are *exempt*, until
 * they are released. They are traced and counted like others. A peak that is reached meanwhile is one of the other bytes.
 * (The sites have all that was live at its moment.) */
typedef struct ctm_exemption {
    uint64_t before, added; /* private */
} ctm_exemption;
/* `size`: of the block that is about to be recorded; 0: blocks are only freed. */
CTM_API void ctm_shard_exempt_begin(ctm_shard *shard, uint64_t size, ctm_exemption *out);
/* Returns how many bytes more are exempt than before; negative: fewer. */
CTM_API int64_t ctm_shard_exempt_end(ctm_shard *shard, const ctm_exemption *begun);
/* So many bytes, of those that end() returned for any shard, are exempt no more. Not after the round has changed. */
CTM_API void ctm_shard_exempt_release(ctm_shard *shard, int64_t bytes);
/* Changes when nothing is exempt any more: after start, stop and clear, and in the child of a fork. Any thread. */
CTM_API uint32_t ctm_tracer_exempt_round(const ctm_tracer *tracer);

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
