/* layers.c: the order of our hooks among those of other tools.
 *
 * Model: an allocator is a chain: the hook on top calls the allocator that it found when it was installed. A tool that
 * has read our hook may store it for ever and install its own hook above it, or restore ours, at any time. So the
 * allocator that a hook calls never changes once the hook has been installed: there is a *layer* of hooks for each
 * allocator on which we had to install one. It saves that allocator once and is used again only on top of it. A layer
 * calls only what was installed before its hooks were first visible, so no start of ours makes the chain a cycle. In a
 * chain with several layers the upper one records, and those below only call on, because the thread is inside a hook
 * then.
 *
 * At each start our hook is on top, so every block reaches it. Later another tool may install a hook above it. Blocks
 * that this hook does not pass on (blocks of a pool) are lost; they are found by a *probe*: allocating blocks of
 * several sizes.
 */
#include "capture/layers.h"

#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

#define HOOK_INDEX(layer, domain) (3u * (layer) + (uint32_t)(domain))

#define DOMAIN_HOOKS(name, hook_index)                                           \
    static void *name##_malloc(void *ctx, size_t size) /* HOOK: */               \
    {                                                                            \
        (void)ctx;                                                               \
        return pyctm_hook_malloc(&pyctm_the_capture, hook_index, size);          \
    }                                                                            \
    static void *name##_calloc(void *ctx, size_t count, size_t size) /* HOOK: */ \
    {                                                                            \
        (void)ctx;                                                               \
        return pyctm_hook_calloc(&pyctm_the_capture, hook_index, count, size);   \
    }                                                                            \
    static void *name##_realloc(void *ctx, void *block, size_t size) /* HOOK: */ \
    {                                                                            \
        (void)ctx;                                                               \
        return pyctm_hook_realloc(&pyctm_the_capture, hook_index, block, size);  \
    }                                                                            \
    static void name##_free(void *ctx, void *block) /* HOOK: */                  \
    {                                                                            \
        (void)ctx;                                                               \
        pyctm_hook_free(&pyctm_the_capture, hook_index, block);                  \
    }
#define LAYER_HOOKS(n)                                     \
    DOMAIN_HOOKS(raw_##n, HOOK_INDEX(n, PYMEM_DOMAIN_RAW)) \
    DOMAIN_HOOKS(mem_##n, HOOK_INDEX(n, PYMEM_DOMAIN_MEM)) \
    DOMAIN_HOOKS(obj_##n, HOOK_INDEX(n, PYMEM_DOMAIN_OBJ))
LAYER_HOOKS(1)
LAYER_HOOKS(2)
LAYER_HOOKS(3)
LAYER_HOOKS(4)
LAYER_HOOKS(5)
LAYER_HOOKS(6)
LAYER_HOOKS(7)

#define DOMAIN_ROW(name) {NULL, name##_malloc, name##_calloc, name##_realloc, name##_free}
#define LAYER_ROWS(n) DOMAIN_ROW(raw_##n), DOMAIN_ROW(mem_##n), DOMAIN_ROW(obj_##n)

/* The general hooks, by hook index minus 3: layer 0 has the fast hooks. */
static const PyMemAllocatorEx the_general_hooks[] = {
    LAYER_ROWS(1), LAYER_ROWS(2), LAYER_ROWS(3), LAYER_ROWS(4),
    LAYER_ROWS(5), LAYER_ROWS(6), LAYER_ROWS(7),
};
_Static_assert(sizeof(the_general_hooks) == (PYCTM_LAYERS - 1) * sizeof(PyMemAllocatorEx[3]),
               "a row for each hook above layer 0");

/* HOOK: */
static const PyMemAllocatorEx *hooks_of(pyctm_hook_index hook_index, bool sampling)
{
    PYCTM_ASSERT(hook_index < PYCTM_LAYERS * 3);
    return hook_index < 3 ? &pyctm_the_fast_hooks[sampling][hook_index]
                          : &the_general_hooks[hook_index - 3];
}

/* HOOK: The hook index of an allocator of ours; PYCTM_LAYERS * 3: it is another tool's. */
static pyctm_hook_index index_of(const PyMemAllocatorEx *allocator, PyMemAllocatorDomain domain)
{
    for (pyctm_hook_index hook_index = domain; hook_index < PYCTM_LAYERS * 3; hook_index += 3) {
        if (allocator->malloc == hooks_of(hook_index, false)->malloc ||
            allocator->malloc == hooks_of(hook_index, true)->malloc) {
            return hook_index;
        }
    }
    return PYCTM_LAYERS * 3;
}

static bool is_same(const PyMemAllocatorEx *a, const PyMemAllocatorEx *b)
{
    return a->ctx == b->ctx && a->malloc == b->malloc && a->calloc == b->calloc &&
           a->realloc == b->realloc && a->free == b->free;
}

/* Layers are used in order, and what a hook calls never changes. */
PYCTM_FOR_ASSERTS static inline bool is_unused_or_calls(pyctm_hook_index hook_index,
                                                        const PyMemAllocatorEx *current)
{
    const PyMemAllocatorEx *const original = &pyctm_the_originals[hook_index];
    if (original->malloc != NULL) {
        return is_same(current, original);
    }
    return hook_index + 3 >= PYCTM_LAYERS * 3 || pyctm_the_originals[hook_index + 3].malloc == NULL;
}

/* The index of the hook that calls `current`; if there is none, the first unused hook is set to call it.
 * PYCTM_LAYERS * 3: all hooks are used. */
static pyctm_hook_index index_above(const PyMemAllocatorEx *current, PyMemAllocatorDomain domain)
{
    /* With a hook of ours as its original, the chain would be a cycle. */
    PYCTM_ASSERT(index_of(current, domain) == PYCTM_LAYERS * 3);
    pyctm_hook_index hook_index = domain;
    while (hook_index < PYCTM_LAYERS * 3 && pyctm_the_originals[hook_index].malloc != NULL &&
           !is_same(current, &pyctm_the_originals[hook_index])) {
        hook_index += 3;
    }
    if (hook_index < PYCTM_LAYERS * 3) {
        PYCTM_ASSERT(is_unused_or_calls(hook_index, current));
        pyctm_the_originals[hook_index] = *current;
    }
    return hook_index;
}

void pyctm_hooks_install(bool sampling)
{
    PYCTM_ASSERT_GIL();
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMemAllocatorEx current;
        PyMem_GetAllocator(domain, &current);
        if (index_of(&current, domain) < PYCTM_LAYERS * 3) {
            continue;
        }
        const pyctm_hook_index hook_index = index_above(&current, domain);
        if (hook_index < PYCTM_LAYERS * 3) {
            PyMemAllocatorEx hook = *hooks_of(hook_index, sampling);
            hook.ctx = current.ctx; /* not used by ours; right for a caller with the old function */
            PyMem_SetAllocator(domain, &hook);
        }
    }
}

void pyctm_hooks_remove(void)
{
    PYCTM_ASSERT_GIL();
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMemAllocatorEx current;
        PyMem_GetAllocator(domain, &current);
        const pyctm_hook_index hook_index = index_of(&current, domain);
        if (hook_index < PYCTM_LAYERS * 3) {
            PyMem_SetAllocator(domain, &pyctm_the_originals[hook_index]);
        }
    }
}

/* --- probing the hooks above ours --- */

/* Whether the block is part of one that reached our hooks, with what was added around it. The chunk of a pool that
 * contains it is larger. */
static bool is_in_reply(const pyctm_probe *probe, uintptr_t block)
{
    for (uint32_t i = 0; i < PYCTM_PROBE_REPLIES; i++) {
        const pyctm_probe_reply *reply = &probe->replies[i];
        if (reply->block != 0 && reply->block <= block &&
            block + probe->size <= reply->block + reply->size) {
            return true;
        }
    }
    return false;
}

/* Allocates one block, *out_block, as a probe. PYCTM_REACH_UNKNOWN: the allocation failed. */
static pyctm_reach probe_once(const PyMemAllocatorEx *top, PyMemAllocatorDomain domain, size_t size,
                              void **out_block)
{
    pyctm_probe probe = {domain, size, {{0, 0}}, 0};
    PYCTM_ASSERT(!pyctm_hook_tls.probing && !pyctm_hook_tls.inside);
    pyctm_hook_tls.probe = &probe;
    pyctm_hook_tls.probing = true;
    *out_block = top->malloc(top->ctx, size);
    pyctm_hook_tls.probing = false;
    if (*out_block == NULL) {
        return PYCTM_REACH_UNKNOWN;
    }
    return is_in_reply(&probe, (uintptr_t)*out_block) ? PYCTM_REACH_ALL : PYCTM_REACH_NONE;
}

/* Probes a few times, because a tool may fail some calls, and with two blocks at once, because a pool may have one. */
static pyctm_reach probe_size(const PyMemAllocatorEx *top, PyMemAllocatorDomain domain, size_t size)
{
    enum { TRIES = 4, BLOCKS = 2 };
    void *blocks[TRIES];
    pyctm_reach reach = PYCTM_REACH_UNKNOWN;
    int held = 0;
    for (int i = 0; i < TRIES && held < BLOCKS && reach != PYCTM_REACH_NONE; i++) {
        const pyctm_reach reply = probe_once(top, domain, size, &blocks[held]);
        if (reply != PYCTM_REACH_UNKNOWN) {
            reach = reply;
            held++;
        }
    }
    while (held > 0) {
        top->free(top->ctx, blocks[--held]);
    }
    return reach;
}

static pyctm_reach combine(pyctm_reach a, pyctm_reach b)
{
    if (a == PYCTM_REACH_UNKNOWN || b == PYCTM_REACH_UNKNOWN) {
        return a == PYCTM_REACH_UNKNOWN ? b : a;
    }
    return a == b ? a : PYCTM_REACH_SOME;
}

static pyctm_reach reach_of(PyMemAllocatorDomain domain)
{
    /* Below and above the sizes where pools end; then a size that glibc maps separately and whose release does not
     * change which others it maps (32 MiB and less do). */
    static const size_t sizes[] = {1, 32, 256, 512, 513, 4097, 32769, 100000}, huge = 40u << 20;
    PyMemAllocatorEx top;
    PyMem_GetAllocator(domain, &top);
    if (index_of(&top, domain) < PYCTM_LAYERS * 3) {
        return PYCTM_REACH_ALL;
    }
    pyctm_reach reach = PYCTM_REACH_UNKNOWN;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        reach = combine(reach, probe_size(&top, domain, sizes[i]));
    }
    return reach == PYCTM_REACH_NONE ? combine(reach, probe_size(&top, domain, huge)) : reach;
}

pyctm_reach pyctm_hooks_reach(void)
{
    pyctm_reach worst = PYCTM_REACH_ALL;
    PYCTM_ASSERT_GIL();
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        const pyctm_reach reach = reach_of(domain);
        worst = reach > worst ? reach : worst;
    }
    return worst;
}
#endif
