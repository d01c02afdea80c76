/* layers.h: between what a hook does (hooks.c) and where it stands among other tools' hooks (layers.c). */
#ifndef PYCTM_CAPTURE_LAYERS_H
#define PYCTM_CAPTURE_LAYERS_H

#include "capture/capture.h"

#define PYCTM_LAYERS 8u
#define PYCTM_PROBE_MARGIN 128u /* bytes that a tool between may put around a block */
#define PYCTM_PROBE_REPLIES 8u

/* Of one domain's hook in one layer: 3 * layer + PyMemAllocatorDomain. */
typedef uint32_t pyctm_hook_place;

/* HOOK: */
static inline PyMemAllocatorDomain pyctm_hook_domain(pyctm_hook_place place)
{
    return (PyMemAllocatorDomain)(place % 3);
}

/* HOOK: Does whoever calls the hook hold the GIL for sure? */
static inline bool pyctm_hook_has_gil(pyctm_hook_place place)
{
    return pyctm_hook_domain(place) != PYMEM_DOMAIN_RAW;
}

/* One block that came to our hooks while a thread was asking. */
typedef struct pyctm_probe_reply {
    uintptr_t block;
    size_t size;
} pyctm_probe_reply;

/* Does a block that this thread asks for come to our hooks? Of the thread that asks; its hooks answer. A tool between may take
 * blocks for itself as well, of about that size (a row of its table), before or after; so several answers are kept. */
typedef struct pyctm_probe {
    PyMemAllocatorDomain domain;
    size_t size;
    pyctm_probe_reply replies[PYCTM_PROBE_REPLIES]; /* the last ones; block 0: none */
    uint32_t count;                                 /* that came */
} pyctm_probe;

/* --- hooks.c --- */

/* What the hook of each place calls on. Written once, with the GIL held, before that hook is installed for the first time. */
extern PyMemAllocatorEx pyctm_the_originals[PYCTM_LAYERS * 3];

/* The fast hooks of layer 0, by whether the tracer samples, and by domain. */
extern const PyMemAllocatorEx pyctm_the_fast_hooks[2][3];
/* The general way of an event of any place. HOOK */
void *pyctm_hook_malloc(pyctm_hook_place place, size_t size);
void *pyctm_hook_calloc(pyctm_hook_place place, size_t count, size_t size);
void *pyctm_hook_realloc(pyctm_hook_place place, void *old, size_t size);
void pyctm_hook_free(pyctm_hook_place place, void *block);

#endif
