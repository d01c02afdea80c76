/* layers.h: what hooks.c (the work of a hook) and layers.c (its order among other tools' hooks) share. */
#ifndef PYCTM_CAPTURE_LAYERS_H
#define PYCTM_CAPTURE_LAYERS_H

#include "capture/capture.h"

#define PYCTM_LAYERS 8u
#define PYCTM_PROBE_MARGIN 128u /* most bytes that a tool above us adds to a block */
#define PYCTM_PROBE_REPLIES 8u

/* Index of one domain's hook in one layer: 3 * layer + PyMemAllocatorDomain. */
typedef uint32_t pyctm_hook_index;

/* HOOK: */
static inline PyMemAllocatorDomain pyctm_hook_domain(pyctm_hook_index hook_index)
{
    return (PyMemAllocatorDomain)(hook_index % 3);
}

/* HOOK: Whether every caller of the hook holds the GIL. */
static inline bool pyctm_hook_has_gil(pyctm_hook_index hook_index)
{
    return pyctm_hook_domain(hook_index) != PYMEM_DOMAIN_RAW;
}

/* One block that reached our hooks while a thread was probing. */
typedef struct pyctm_probe_reply {
    uintptr_t block;
    size_t size;
} pyctm_probe_reply;

/* A test whether a block that this thread allocates reaches our hooks, which store the replies. Used by that thread
 * alone. A tool above us may also allocate blocks of about that size for itself (a row of its table), before or after;
 * so several replies are stored. */
typedef struct pyctm_probe {
    PyMemAllocatorDomain domain;
    size_t size;
    pyctm_probe_reply replies[PYCTM_PROBE_REPLIES]; /* the last ones; block 0: none */
    uint32_t count;                                 /* replies so far */
} pyctm_probe;

/* --- hooks.c --- */

/* The original functions that each hook calls. Written once, with the GIL held, before the hook is first installed. */
extern PyMemAllocatorEx pyctm_the_originals[PYCTM_LAYERS * 3];

/* The fast hooks of layer 0, by whether the tracer samples, and by domain. */
extern const PyMemAllocatorEx pyctm_the_fast_hooks[2][3];
/* HOOK: The general path of an event, for every layer and domain. */
void *pyctm_hook_malloc(pyctm_capture *capture, pyctm_hook_index hook_index, size_t size);
void *pyctm_hook_calloc(pyctm_capture *capture, pyctm_hook_index hook_index, size_t count,
                        size_t size);
void *pyctm_hook_realloc(pyctm_capture *capture, pyctm_hook_index hook_index, void *old,
                         size_t size);
void pyctm_hook_free(pyctm_capture *capture, pyctm_hook_index hook_index, void *block);

#endif
