/* stack.h: a thread's Python stack as it was at the last event, so that the next event looks at what changed.
 *
 * Model: `levels` are the frames of the chain, the oldest first, with the place in the code where each stood.
 * To follow the stack is to go down its real chain from the innermost frame, reading each frame where the
 * remembered one lies: as long as the two agree, the next address is known before it is read, so the processor
 * need not wait for one frame to find the next. Every frame down to the oldest is compared, each time: what is
 * taken over is exact. Levels above the present length stay remembered, for the same call is often made again.
 *
 * An instruction's address stands for its code object. It does so until a code object dies: then everything is
 * forgotten (ctm_stack_forget).
 *
 * There is one, for shard 0: the GIL guards it.
 */
#ifndef CTM_STACK_H
#define CTM_STACK_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctm/ctm.h"

#define CTM_STACK_PLACES 256u /* a power of two */
/* Frames pushed since the last event: so many are followed without starting anew. */
#define CTM_STACK_FRESH 32u

typedef struct ctm_level {
    const void *frame;       /* compared; read only if the chain has just led there */
    const void *instruction; /* where it stood */
    uintptr_t *mark; /* stack_marks.h; NULL: none. Read only if the chain has just led there */
    uint32_t below;  /* 1 + the next older level that had a mark; 0: none. Both: below `marked` */
} ctm_level;

/* All fields: GIL. */
typedef struct ctm_stack {
    ctm_level *levels; /* owned, `capacity` of them */
    uint32_t *totals;  /* owned: complete frames up to this level, which included */
    uint32_t capacity;
    uint32_t length; /* levels of the stack now */
    uint32_t known;  /* levels remembered; may exceed `length` */
    uint32_t lowest; /* level that changed when the stack was followed last; UINT32_MAX: none */
    uint32_t marked; /* levels whose marks are good */
    uint32_t guard;  /* 1 + the innermost level below `marked` that had a mark; 0: none */
    uint32_t long_walks;
    uint32_t places[CTM_STACK_PLACES]; /* where a frame may be found, by its address */
} ctm_stack;

typedef struct ctm_where {
    const void *instruction; /* of the innermost frame */
    uint32_t caller; /* row of the callers' traceback, 0: none; with nframe 1 the total instead */
} ctm_where;

/* --- frames_walk.h, for each CPython family --- */

/* Brings `stack` up to date with this thread's chain. False: out of memory, nothing is remembered. HOOK */
bool ctm_stack_follow(ctm_stack *stack, PyThreadState *thread_state);
/* Is the innermost frame at a remembered level, above a chain that is as remembered? Then *out_level is that level
 * (whose own instruction is not compared) and *out_instruction is where the frame stands. HOOK */
bool ctm_stack_is_as_known(ctm_stack *stack, PyThreadState *thread_state, uint32_t *out_level,
                           const void **out_instruction);
/* The code object of a complete level below `length` and the unit it stands at. HOOK */
PyCodeObject *ctm_stack_code(const ctm_stack *stack, uint32_t level, int *out_unit);

/* --- stack.c --- */

/* Room for `levels`; the old ones stay if there is no memory. HOOK */
bool ctm_stack_reserve(ctm_stack *stack, uint32_t levels);
/* The site of a block of `size` bytes, of domain 0, allocated now by this thread, which holds the main
 * interpreter's GIL. CTM_ERR_NOT_FOUND: a stack without complete frames, or with more than CTM_MAX_NFRAME. HOOK */
ctm_status ctm_stack_site(ctm_shard *shard, PyThreadState *thread_state, uint64_t size,
                          uint32_t *out);
/* The same in steps, the common case first: where this thread stands, if the stack below is as remembered; the site
 * of a block allocated there, if it is remembered; else `new_site`. 0: not known, or an error. HOOK */
bool ctm_stack_where(PyThreadState *thread_state, ctm_where *out);
uint32_t ctm_stack_known_site(const ctm_where *where, uint64_t size);
uint32_t ctm_stack_new_site(ctm_shard *shard, PyThreadState *thread_state, uint64_t size);
/* What is remembered may have lost its meaning: a code object died, the tracer has a new generation. GIL. HOOK */
void ctm_stack_forget(void);
/* Forgets, and returns the memory. GIL, no event is under way. */
void ctm_stack_release(void);
size_t ctm_stack_memory(void);

#endif
