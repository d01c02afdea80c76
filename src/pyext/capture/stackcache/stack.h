/* stack.h: a thread's Python stack as it was at the last event, so that the next event looks at what changed.
 *
 * Model: `levels` are the frames of the chain, the oldest first, with the place in the code where each stood.
 * To follow the stack is to go down its real chain from the innermost frame, reading each frame where the
 * remembered one lies: as long as the two agree, the next address is known before it is read, so the processor
 * need not wait for one frame to find the next. Every frame down to the oldest is compared, each time: what is
 * taken over is exact. Levels above the present length stay remembered, for the same call is often made again.
 *
 * An instruction's address stands for its code object. It does so until a code object dies: then everything is
 * forgotten (pyctm_stack_forget).
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_STACK_H
#define PYCTM_CAPTURE_STACKCACHE_STACK_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/stackcache/site_cache.h"

#define PYCTM_STACK_PLACES 256u /* a power of two */
/* Frames pushed since the last event: so many are followed without starting anew. */
#define PYCTM_STACK_FRESH 32u

typedef struct pyctm_level {
    const void *frame;       /* compared; read only if the chain has just led there */
    const void *instruction; /* where it stood */
    uintptr_t
        *sentinel;   /* sentinels_inline.h; NULL: none. Read only if the chain has just led there */
    uint32_t below;  /* 1 + the next older level that had a mark; 0: none. Both: below `marked` */
    uint32_t serial; /* of the mark */
} pyctm_level;

typedef struct pyctm_caller_link {
    const void *frame; /* compared; read only if the chain has just led there */
    const void *instruction;
} pyctm_caller_link;

#define PYCTM_CALL_CACHE_LINKS \
    12u /* a caller that was entered from C, and its shim, cannot be marked */
#define PYCTM_CALL_CACHE_CALLERS 6u  /* how far a near is looked for */
#define PYCTM_CALL_CACHE_ENTRIES 64u /* a power of two */
#define PYCTM_NO_CONTEXT UINT32_MAX

/* A frame with its callers down to one that was marked: while the mark is there and they stand where they did, this
 * is the same call, and what is known of the callers holds without a look at any other frame. It stands by itself:
 * the levels may have changed since. */
typedef struct pyctm_cached_call {
    _Alignas(64) uintptr_t tag; /* the frame's address + 1; 0: nothing here */
    const uintptr_t
        *sentinel;    /* in the last one of `hops`; of a chain that ends there, a word elsewhere */
    uintptr_t word;   /* the mark */
    uint64_t callers; /* as in pyctm_where */
    uint32_t context; /* of the callers; PYCTM_NO_CONTEXT: not known */
    uint8_t n;        /* hops: 1 to PYCTM_CALL_CACHE_LINKS */
    bool is_whole;    /* the last one is the oldest frame */
    bool was_used;    /* since it was made */
    uint8_t penalty;  /* how often it was in vain */
    uint8_t skip;     /* chances to be left out before it is made anew */
    pyctm_caller_link links[PYCTM_CALL_CACHE_LINKS];
} pyctm_cached_call;

/* A near that has called the innermost frame, perhaps by way of a few others. */
typedef struct pyctm_cached_caller {
    uint64_t callers; /* its own, as in pyctm_where */
    uint32_t context; /* of these */
    uint32_t n;       /* complete frames from the innermost one's caller to it, which included */
    const void *instructions[PYCTM_CALL_CACHE_CALLERS]; /* theirs, the innermost first */
} pyctm_cached_caller;

/* The frames above one that is remembered: `frames[0]` is the innermost, the last one is at `level`. */
#define PYCTM_STACK_FEW 5u
typedef struct pyctm_above {
    uint32_t n, level;
    struct {
        const void *frame, *instruction;
        bool is_complete; /* unset for the innermost */
    } frames[PYCTM_STACK_FEW];
} pyctm_above;

/* All fields: GIL. */
typedef struct pyctm_stack {
    pyctm_level *levels; /* owned, `capacity` of them */
    uint32_t *totals;    /* owned: complete frames up to this level, which included */
    uint32_t capacity;
    uint32_t length; /* levels of the stack now */
    uint32_t known;  /* levels remembered; may exceed `length` */
    uint32_t lowest; /* level that changed when the stack was followed last; UINT32_MAX: none */
    uint32_t with_sentinel; /* levels whose marks are good */
    uint32_t guard;         /* 1 + the innermost level below `marked` that had a mark; 0: none */
    uint32_t long_walks;
    uint32_t serial;                     /* of the last mark that was made */
    uint32_t places[PYCTM_STACK_PLACES]; /* where a frame may be found, by its address */
    pyctm_cached_call cached_calls[PYCTM_CALL_CACHE_ENTRIES]; /* by the frame's address */
} pyctm_stack;

/* --- follow.c --- */

/* Brings `stack` up to date with this thread's chain. False: out of memory, nothing is remembered. HOOK */
bool pyctm_stack_follow(pyctm_stack *stack, PyThreadState *thread_state);
/* Is this frame of the chain one of the nears, in the same call? HOOK */
bool pyctm_stack_is_cached_call(pyctm_stack *stack, const void *innermost, pyctm_where *out);
/* Is one of the next callers of this frame one? HOOK */
bool pyctm_stack_has_cached_caller(pyctm_stack *stack, const void *innermost,
                                   pyctm_cached_caller *out);
/* Is this frame of the chain, or one of its next callers, at a remembered level, above a chain that is as remembered? The
 * frame's own instruction at that level is not compared. `frames_only`: it does not matter where the callers stand. HOOK */
bool pyctm_stack_find_above(pyctm_stack *stack, const void *innermost, bool frames_only,
                            pyctm_above *out);
const void *pyctm_stack_previous(const void *frame);
/* Is this frame of the chain complete? HOOK */
bool pyctm_stack_is_complete(const void *frame);
/* Where a frame of the chain stands. HOOK */
const void *pyctm_stack_instruction(const void *frame);
/* Of this frame of the chain, `callers` and `context` are what is known: makes it a near, if that is of use. HOOK */
void pyctm_stack_cache_call(pyctm_stack *stack, const void *innermost, uint64_t callers,
                            uint32_t context);
/* The code object of a complete frame of the chain and the unit it stands at. HOOK */
PyCodeObject *pyctm_stack_frame_code(const void *frame, int *out_unit);
/* The code object of a complete level below `length` and the unit it stands at. HOOK */
PyCodeObject *pyctm_stack_code(const pyctm_stack *stack, uint32_t level, int *out_unit);

/* --- levels.c --- */

/* `array` with room for more, or NULL; the old one is freed then only. HOOK */
void *pyctm_array_grown(void *array, uint32_t used, uint32_t capacity, size_t size);
/* Room for `levels`; the old ones stay if there is no memory. HOOK */
bool pyctm_stack_reserve(pyctm_stack *stack, uint32_t levels);

#endif
