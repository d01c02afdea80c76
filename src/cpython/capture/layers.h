/* layers.h: between what a hook does (hooks.c) and where it stands among other tools' hooks (layers.c). */
#ifndef CTM_LAYERS_H
#define CTM_LAYERS_H

#include "capture.h"

#define CTM_LAYERS 8u
#define CTM_QUESTION_MARGIN 128u /* bytes that a tool between may put around a block */
#define CTM_ANSWERS 8u

/* Of one domain's hook in one layer: 3 * layer + PyMemAllocatorDomain. */
typedef uint32_t ctm_hook_place;

/* HOOK: */
static inline PyMemAllocatorDomain ctm_hook_domain(ctm_hook_place place)
{
    return (PyMemAllocatorDomain)(place % 3);
}

/* HOOK: Does whoever calls the hook hold the GIL for sure? */
static inline bool ctm_hook_has_gil(ctm_hook_place place)
{
    return ctm_hook_domain(place) != PYMEM_DOMAIN_RAW;
}

/* What the hook of each place calls on. Written once, with the GIL held, before that hook is installed for the first time. */
extern PyMemAllocatorEx ctm_the_originals[CTM_LAYERS * 3];

/* One block that came to our hooks while a thread was asking. */
typedef struct ctm_answer {
    uintptr_t block;
    size_t size;
} ctm_answer;

/* Does a block that this thread asks for come to our hooks? Of the thread that asks; its hooks answer. A tool between may take
 * blocks for itself as well, of about that size (a row of its table), before or after; so several answers are kept. */
typedef struct ctm_question {
    PyMemAllocatorDomain domain;
    size_t size;
    ctm_answer answers[CTM_ANSWERS]; /* the last ones; block 0: none */
    uint32_t count;                  /* that came */
} ctm_question;

/* --- hooks.c --- */

/* The fast hooks of layer 0, by whether the tracer samples, and by domain. */
extern const PyMemAllocatorEx ctm_the_fast_hooks[2][3];
/* The general way of an event of any place. HOOK */
void *ctm_hook_malloc(ctm_hook_place place, size_t size);
void *ctm_hook_calloc(ctm_hook_place place, size_t count, size_t size);
void *ctm_hook_realloc(ctm_hook_place place, void *old, size_t size);
void ctm_hook_free(ctm_hook_place place, void *block);

#endif
