/* shard.h: the events of a tracer: blocks that come, go and change.
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
    uint32_t old_slot;
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
    void *place; /* all fields private */
    uintptr_t address;
    uint32_t domain, slot;
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
