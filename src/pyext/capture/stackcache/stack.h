/* stack.h: a thread's Python stack as it was at the last event, so that the next event reads only what changed.
 *
 * Model: `levels` are the frames of the chain, the oldest first, each with its instruction. Following the stack means
 * walking the real chain from the innermost frame and comparing each frame with the remembered one. As long as the two
 * agree, the next frame's address is known before it is read, so the processor need not wait for one frame to find the
 * next. Every frame is compared at each event, down to the oldest or to one whose sentinel proves the rest
 * (sentinels_inline.h): the result is exact. Levels above the present length stay remembered, because the same call is
 * often made again.
 *
 * An instruction's address identifies its code object until a code object dies; then everything is forgotten
 * (pyctm_stack_forget).
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_STACK_H
#define PYCTM_CAPTURE_STACKCACHE_STACK_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/stackcache/site_cache.h"

#define PYCTM_STACK_BUCKETS 256u /* a power of two */
/* Most frames that are new since the last event; with more, the whole chain is read again. */
#define PYCTM_STACK_FRESH 32u

/* One remembered frame. `frame` and `sentinel` are dereferenced only after the chain has reached the frame. The last
 * three fields are valid below `with_sentinel`. */
typedef struct pyctm_level {
    const void *frame;       /* borrowed, usually only compared */
    const void *instruction; /* of the frame at the last event */
    uintptr_t *sentinel;     /* borrowed: slot of its sentinel; NULL: none */
    uint32_t below;          /* 1 + the next older level with a sentinel; 0: none */
    uint32_t serial;         /* of the sentinel */
} pyctm_level;

typedef struct pyctm_caller_link {
    const void *frame; /* borrowed; dereferenced only after the chain has reached it */
    const void *instruction;
} pyctm_caller_link;

#define PYCTM_CALL_CACHE_LINKS \
    12u /* a caller that was entered from C, and its shim, cannot have a sentinel */
#define PYCTM_CALL_CACHE_CALLERS 6u  /* callers among which a cached call is looked for */
#define PYCTM_CALL_CACHE_ENTRIES 64u /* a power of two */
#define PYCTM_NO_CONTEXT UINT32_MAX

/* A frame with links to its callers, up to one with a sentinel. While the sentinel is there and the callers are at
 * their instructions, this is the same call, and what is known of the callers is valid without a look at other frames.
 * It does not depend on the levels, which may have changed since. */
typedef struct pyctm_cached_call {
    _Alignas(64) uintptr_t tag; /* the frame's address + 1; 0: no entry */
    const uintptr_t
        *sentinel;    /* borrowed: slot in the last linked frame; `word`, if that one has none */
    uintptr_t word;   /* the sentinel */
    uint64_t callers; /* as in pyctm_where */
    uint32_t context; /* of the callers; PYCTM_NO_CONTEXT: not known */
    uint8_t n;        /* number of links: 1 to PYCTM_CALL_CACHE_LINKS */
    bool is_whole;    /* the last link is the oldest frame */
    bool was_used;    /* since it was made */
    uint8_t penalty;  /* grows each time that it was made and not used */
    uint8_t skip;     /* how many occasions to make it again are skipped */
    pyctm_caller_link links[PYCTM_CALL_CACHE_LINKS];
} pyctm_cached_call;

/* A cached call that has called the innermost frame, directly or through a few other frames. A local variable of one
 * event, so no lock. */
typedef struct pyctm_cached_caller {
    uint64_t callers; /* of the cached call, as in pyctm_where */
    uint32_t context; /* of these callers */
    uint32_t n;       /* complete frames from the innermost one's caller up to it, inclusive */
    const void *instructions[PYCTM_CALL_CACHE_CALLERS]; /* of these frames, the innermost first */
} pyctm_cached_caller;

/* The frames above a remembered one, borrowed from the running chain: `frames[0]` is the innermost, the last one is at
 * `level`. A local variable of one event, so no lock. */
#define PYCTM_ABOVE_FRAMES 5u
typedef struct pyctm_above {
    uint32_t n, level;
    struct {
        const void *frame, *instruction;
        bool is_complete; /* unset for the innermost */
    } frames[PYCTM_ABOVE_FRAMES];
} pyctm_above;

/* Lock of all fields: GIL. */
typedef struct pyctm_stack {
    pyctm_level *levels; /* owned, `capacity` of them */
    uint32_t *totals;    /* owned: complete frames up to each level, inclusive */
    uint32_t capacity;
    uint32_t length;        /* levels of the present stack */
    uint32_t known;         /* remembered levels; may exceed `length` */
    uint32_t lowest;        /* lowest level that changed at the last follow; UINT32_MAX: none */
    uint32_t with_sentinel; /* number of levels, from the oldest, whose sentinels are valid */
    uint32_t innermost_sentinel; /* 1 + the innermost of these that has a sentinel; 0: none */
    uint32_t long_walks;
    uint32_t serial;                       /* of the newest sentinel */
    uint32_t buckets[PYCTM_STACK_BUCKETS]; /* level of a frame, by a hash of its address */
    pyctm_cached_call cached_calls[PYCTM_CALL_CACHE_ENTRIES]; /* by the frame's address */
} pyctm_stack;

/* --- follow.c --- */

/* HOOK: Updates `stack` from this thread's chain. False: out of memory, nothing is remembered. */
bool pyctm_stack_follow(pyctm_stack *stack, PyThreadState *thread_state);
/* HOOK: Whether this frame of the chain is in the call cache, in the same call. */
bool pyctm_stack_is_cached_call(pyctm_stack *stack, const void *innermost, pyctm_where *out);
/* HOOK: Whether one of the next callers of this frame is in the call cache. */
bool pyctm_stack_has_cached_caller(pyctm_stack *stack, const void *innermost,
                                   pyctm_cached_caller *out);
/* HOOK: Whether this frame of the chain, or one of its next callers, is at a remembered level and the chain below it agrees
 * with the levels. The frame's own instruction at that level is not compared. `frames_only`: the callers' instructions
 * may differ. */
bool pyctm_stack_find_above(pyctm_stack *stack, const void *innermost, bool frames_only,
                            pyctm_above *out);
/* HOOK: The caller of this frame of the chain, if it is complete; else NULL. */
const void *pyctm_stack_previous(const void *frame);
/* HOOK: Whether this frame of the chain is complete. */
bool pyctm_stack_is_complete(const void *frame);
/* HOOK: The instruction of a frame of the chain. */
const void *pyctm_stack_instruction(const void *frame);
/* HOOK: Puts this frame of the chain into the call cache, with its `callers` and `context`, unless that rarely helps. */
void pyctm_stack_cache_call(pyctm_stack *stack, const void *innermost, uint64_t callers,
                            uint32_t context);
/* HOOK: The code object of a complete frame of the chain, and the unit of its instruction. */
PyCodeObject *pyctm_stack_frame_code(const void *frame, int *out_unit);
/* HOOK: The code object of a complete level below `length`, and the unit of its instruction. */
PyCodeObject *pyctm_stack_code(const pyctm_stack *stack, uint32_t level, int *out_unit);

/* --- levels.c --- */

/* HOOK: Returns a copy of `array` with `capacity` items and frees the old one. NULL: out of memory, it stays. */
void *pyctm_array_grown(void *array, uint32_t used, uint32_t capacity, size_t size);
/* HOOK: Makes the arrays large enough for `levels`. False: out of memory, no level is known. */
bool pyctm_stack_reserve(pyctm_stack *stack, uint32_t levels);

#endif
