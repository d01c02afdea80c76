/* hooks.c: the hooks of the three allocator domains.
 *
 * Each function has two forms: one for tracing that records every event, one for tracing that samples, which usually
 * only counts bytes. Each form works in both modes of the capture, because a tool that wrapped a hook continues to call
 * the form that was installed then.
 *
 * Model: each domain's four functions call the originals, which were saved when the functions were installed; layers.c
 * orders them among other tools' hooks. A block is removed from the block map before it is freed or resized, because
 * otherwise another thread could get its address first; it is added after it was allocated. If the tracer has no memory
 * for a new block, the program does not get the block: a block is never untraced.
 *
 * PyMem_SetAllocator copies a struct that other threads read without a lock: such a thread may read the new function
 * with the old context or the old function with the new context. So the context is never changed, and the functions use
 * neither it nor anything that is ever freed: they and `pyctm_the_originals` live as long as the process (the library
 * is linked with -z nodelete), and only call the originals when tracing is off.
 *
 * The functions of layer 0, the only one in nearly all processes, have a fast path; those of the other layers use the
 * general path.
 */
#include "capture/capture.h"
#include "capture/exempt.h"
#include "capture/frames/frames.h"
#include "capture/labels.h"
#include "capture/layers.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

PyMemAllocatorEx pyctm_the_originals[PYCTM_LAYERS * 3];

/* HOOK: Whether the event is *plain*: every event is recorded, there are no labels, and no original function or self scope causes
 * it. */
static inline bool is_plain(const pyctm_capture *capture)
{
    return __builtin_expect(
        pyctm_hook_tls.special == 0 && pyctm_capture_mode(capture) == PYCTM_EXACT, 1);
}

/* HOOK: The same if there are labels. */
static inline bool is_plain_labelled(const pyctm_capture *capture)
{
    return pyctm_hook_tls.special == 0 && pyctm_capture_mode(capture) == PYCTM_LABELLED;
}

/* HOOK: The same for an event to which labels do not matter: there may be some or none. */
static inline bool is_plain_free(const pyctm_capture *capture)
{
    return __builtin_expect(pyctm_hook_tls.special == 0 && pyctm_capture_records_all(capture), 1);
}

/* HOOK: The same for a tracer that samples. */
static inline bool is_plain_sampling(const pyctm_capture *capture)
{
    return __builtin_expect(
        pyctm_hook_tls.special == 0 && pyctm_capture_mode(capture) == PYCTM_SAMPLING, 1);
}

/* HOOK: Before the original function of an event that this module may have caused. Returns the value of `special` to
 * restore afterwards. Writes the whole word, as pyctm_hook_enter does. */
static inline uint32_t enter_unchecked(void)
{
    const uint32_t before = pyctm_hook_tls.special;
    PYCTM_ASSERT(!pyctm_hook_tls.inside);
    pyctm_hook_tls.special = before | 1;
    return before;
}

/* HOOK: Whether the hook neither records nor replies to a probe. */
static inline bool is_idle(const pyctm_capture *capture)
{
    return pyctm_hook_tls.inside ||
           (pyctm_capture_mode(capture) == PYCTM_IDLE && !pyctm_hook_tls.probing);
}

/* HOOK: A block while this thread probes (layers.h): stores it if it is a reply. True: it is not to be recorded. */
static PYCTM_RARELY bool is_reply(const pyctm_capture *capture, pyctm_hook_index hook_index,
                                  const void *block, size_t size)
{
    pyctm_probe *probe = pyctm_hook_tls.probe;
    PYCTM_ASSERT(pyctm_hook_tls.probing && probe != NULL);
    if (pyctm_hook_domain(hook_index) != probe->domain || size < probe->size ||
        size - probe->size > PYCTM_PROBE_MARGIN) {
        return pyctm_capture_mode(capture) == PYCTM_IDLE;
    }
    probe->replies[probe->count++ % PYCTM_PROBE_REPLIES] =
        (pyctm_probe_reply){(uintptr_t)block, size};
    return true;
}

/* HOOK: NULL with CTM_ERR_NOT_TRACING, or with CTM_ERR_NOMEM: the shard cannot be entered although tracing is on. Tries
 * twice, because tracing may have begun after the first try. */
static inline ctm_shard *enter(pyctm_capture *capture, uint32_t index, ctm_status *out_status)
{
    ctm_shard *shard = ctm_shard_enter(capture->tracer, index);
    *out_status = CTM_OK;
    if (shard == NULL && ctm_tracer_is_tracing(capture->tracer)) {
        shard = ctm_shard_enter(capture->tracer, index);
        *out_status = CTM_ERR_NOMEM;
    } else if (shard == NULL) {
        *out_status = CTM_ERR_NOT_TRACING;
    }
    return shard;
}

/* HOOK: After an out-of-memory in a shard without reserved memory, selects the shard that has some. True: try again. */
static inline bool use_spare_shard(ctm_status status, pyctm_event_owner *owner)
{
    const bool may = status == CTM_ERR_NOMEM && owner->shard > PYCTM_SPARE_SHARD;
    if (may) {
        owner->shard = PYCTM_SPARE_SHARD;
    }
    return may;
}

/* HOOK: */
static ctm_status record_through(pyctm_capture *capture, const pyctm_event_owner *owner,
                                 uint32_t domain, uintptr_t address, size_t size)
{
    ctm_status status;
    ctm_shard *shard = enter(capture, owner->shard, &status);
    if (shard == NULL) {
        return status;
    }
    uint32_t site;
    status = pyctm_attribution_site(capture, shard, owner, domain, size, &site);
    if (status == CTM_OK) {
        ctm_exemption exemption;
        pyctm_exempt_begin_event(shard, size, &exemption);
        status = ctm_shard_alloc_labelled_at(shard, domain, address, site);
        pyctm_exempt_end_event(capture, shard, &exemption);
    }
    ctm_shard_leave(shard);
    return status;
}

/* HOOK: */
PYCTM_RARELY bool pyctm_event_alloc(pyctm_capture *capture, uint32_t domain, uintptr_t address,
                                    size_t size, bool gil_held)
{
    pyctm_event_owner owner = pyctm_event_owner_get(capture, gil_held);
    if (gil_held) {
        pyctm_labels_prepare(capture, owner.thread_state);
    }
    ctm_status status = record_through(capture, &owner, domain, address, size);
    if (use_spare_shard(status, &owner)) {
        status = record_through(capture, &owner, domain, address, size);
    }
    return status == CTM_OK || status == CTM_ERR_NOT_TRACING;
}

/* HOOK: */
PYCTM_RARELY void pyctm_event_free(pyctm_capture *capture, uint32_t domain, uintptr_t address,
                                   bool gil_held)
{
    const pyctm_event_owner owner = pyctm_event_owner_get(capture, gil_held);
    ctm_shard *shard = ctm_shard_enter(capture->tracer, owner.shard);
    if (shard != NULL) {
        ctm_exemption exemption;
        pyctm_exempt_begin_event(shard, 0, &exemption);
        (void)ctm_shard_free(shard, domain, address);
        pyctm_exempt_end_event(capture, shard, &exemption);
        ctm_shard_leave(shard);
    }
}

/* HOOK: The common path of an event: the main interpreter's GIL is held. `labelled`: there may be labels. 0: use the general
 * path. */
static inline uint32_t site_in_main(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                    size_t size, bool labelled)
{
    PyThreadState *thread_state =
        domain != PYMEM_DOMAIN_RAW ? pyctm_frames_attached_to_main(capture) : NULL;
    pyctm_where where;
    if (thread_state == NULL) {
        return 0;
    }
    if (labelled) {
        pyctm_labels_follow(capture, thread_state);
    }
    const bool is_known =
        pyctm_stack_where(&capture->stacks, pyctm_frames_innermost(thread_state), &where);
    if (labelled && is_known) {
        pyctm_site_cache_set_epoch(&capture->stacks.sites, &where);
    }
    uint32_t site = is_known ? pyctm_site_cache_find(&capture->stacks.sites, &where, size) : 0;
    if (labelled) {
        site = pyctm_stack_labelled_site(&capture->stacks, capture->exclusive, &where, size, site);
    }
    return site != 0 ? site
                     : pyctm_stack_new_site(&capture->stacks, capture->exclusive, thread_state,
                                            is_known, where, size);
}

/* HOOK: False: it is not recorded. */
static inline bool record_in_main(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                  uintptr_t block, size_t size, bool labelled)
{
    const uint32_t site = site_in_main(capture, domain, size, labelled);
    if (labelled) {
        return site != 0 &&
               ctm_shard_alloc_labelled_at(capture->exclusive, 0, block, site) == CTM_OK;
    }
    return site != 0 && ctm_shard_alloc_at(capture->exclusive, 0, block, site) == CTM_OK;
}

/* HOOK: The general path. NULL: out of memory, and the block is freed again. */
static PYCTM_RARELY void *record_general(pyctm_capture *capture, pyctm_hook_index hook_index,
                                         void *block, size_t size)
{
    if (!pyctm_event_alloc(capture, 0, (uintptr_t)block, size, pyctm_hook_has_gil(hook_index))) {
        pyctm_the_originals[hook_index].free(pyctm_the_originals[hook_index].ctx, block);
        return NULL;
    }
    pyctm_hook_tls.last_block = (uintptr_t)block;
    return block;
}

/* HOOK: Records the new block of a plain event. */
static inline void *record(pyctm_capture *capture, PyMemAllocatorDomain domain, void *block,
                           size_t size, bool labelled)
{
    if (block != NULL && record_in_main(capture, domain, (uintptr_t)block, size, labelled)) {
        pyctm_hook_tls.last_block = (uintptr_t)block;
        return block;
    }
    return block != NULL ? record_general(capture, domain, block, size) : NULL;
}

/* HOOK: Records the new block of any other event, if there is no sample or the block is in it. */
static inline void *sample(pyctm_capture *capture, pyctm_hook_index hook_index, void *block,
                           size_t size)
{
    if (pyctm_hook_tls.probing && is_reply(capture, hook_index, block, size)) {
        return block;
    }
    if (block != NULL && pyctm_capture_takes(capture, size)) {
        return record_general(capture, hook_index, block, size);
    }
    pyctm_hook_tls.last_block = (uintptr_t)block;
    return block;
}

/* HOOK: A plain event. */
static inline void *on_malloc(pyctm_capture *capture, PyMemAllocatorDomain domain, size_t size,
                              bool labelled)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    pyctm_hook_enter();
    void *block = record(capture, domain, real->malloc(real->ctx, size), size, labelled);
    pyctm_hook_leave();
    return block;
}

/* HOOK: */
__attribute__((noinline)) void *pyctm_hook_malloc(pyctm_capture *capture,
                                                  pyctm_hook_index hook_index, size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[hook_index];
    if (is_idle(capture)) {
        return real->malloc(real->ctx, size);
    }
    const uint32_t before = enter_unchecked();
    void *block = sample(capture, hook_index, real->malloc(real->ctx, size), size);
    pyctm_hook_tls.special = before;
    return block;
}

/* HOOK: A plain event. If the product overflows, the original function returns no block. */
static inline void *on_calloc(pyctm_capture *capture, PyMemAllocatorDomain domain, size_t count,
                              size_t size, bool labelled)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    pyctm_hook_enter();
    void *block =
        record(capture, domain, real->calloc(real->ctx, count, size), count * size, labelled);
    pyctm_hook_leave();
    return block;
}

/* HOOK: */
__attribute__((noinline)) void *pyctm_hook_calloc(pyctm_capture *capture,
                                                  pyctm_hook_index hook_index, size_t count,
                                                  size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[hook_index];
    if (is_idle(capture)) {
        return real->calloc(real->ctx, count, size);
    }
    const uint32_t before = enter_unchecked();
    void *block = sample(capture, hook_index, real->calloc(real->ctx, count, size), count * size);
    pyctm_hook_tls.special = before;
    return block;
}

/* HOOK: */
static ctm_status begin_through(pyctm_capture *capture, const pyctm_event_owner *owner, void *block,
                                size_t size, bool taken, ctm_resize *out)
{
    ctm_status status;
    ctm_shard *shard = enter(capture, owner->shard, &status);
    if (shard == NULL) {
        return status;
    }
    uint32_t site = 0;
    if (taken) {
        status = pyctm_attribution_site(capture, shard, owner, 0, size, &site);
    }
    if (status == CTM_OK) {
        status = ctm_shard_resize_begin_at(shard, 0, (uintptr_t)block, site, out);
    }
    ctm_shard_leave(shard);
    return status;
}

/* HOOK: */
static ctm_status begin_resize(pyctm_capture *capture, pyctm_hook_index hook_index, void *block,
                               size_t size, bool taken, ctm_resize *out,
                               pyctm_event_owner *out_owner)
{
    const bool gil_held = pyctm_hook_has_gil(hook_index);
    *out_owner = pyctm_event_owner_get(capture, gil_held);
    if (gil_held) {
        pyctm_labels_prepare(capture, out_owner->thread_state);
    }
    const ctm_status status = begin_through(capture, out_owner, block, size, taken, out);
    return use_spare_shard(status, out_owner)
               ? begin_through(capture, out_owner, block, size, taken, out)
               : status;
}

/* HOOK: */
static inline void end_resize(ctm_shard *shard, const ctm_resize *resize, void *block)
{
    if (block != NULL) {
        ctm_shard_resize_commit(shard, resize, (uintptr_t)block);
        pyctm_hook_tls.last_block = (uintptr_t)block;
    } else {
        ctm_shard_resize_abort(shard, resize);
    }
}

/* HOOK: The general path. `taken`: the new block is recorded. */
static PYCTM_RARELY void *resize_any(pyctm_capture *capture, pyctm_hook_index hook_index, void *old,
                                     size_t size, bool taken)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[hook_index];
    void *block = NULL;
    ctm_resize begun;
    pyctm_event_owner owner;
    const ctm_status status = begin_resize(capture, hook_index, old, size, taken, &begun, &owner);
    if (status == CTM_OK || status == CTM_ERR_NOT_TRACING) {
        block = real->realloc(real->ctx, old, size);
    }
    ctm_shard *shard = status == CTM_OK ? ctm_shard_enter(capture->tracer, owner.shard) : NULL;
    if (shard != NULL) {
        ctm_exemption exemption;
        pyctm_exempt_begin_event(shard, block != NULL && taken ? size : 0, &exemption);
        end_resize(shard, &begun, block);
        pyctm_exempt_end_event(capture, shard, &exemption);
        ctm_shard_leave(shard);
    }
    return block;
}

/* HOOK: */
static inline void *resize(pyctm_capture *capture, PyMemAllocatorDomain domain, void *old,
                           size_t size, bool labelled)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    ctm_resize begun;
    const uint32_t site = site_in_main(capture, domain, size, labelled);
    if (site == 0 ||
        ctm_shard_resize_begin_at(capture->exclusive, 0, (uintptr_t)old, site, &begun) != CTM_OK) {
        return resize_any(capture, domain, old, size, true);
    }
    void *block = real->realloc(real->ctx, old, size);
    end_resize(capture->exclusive, &begun, block);
    return block;
}

/* HOOK: A plain event. */
static inline void *on_realloc(pyctm_capture *capture, PyMemAllocatorDomain domain, void *old,
                               size_t size, bool labelled)
{
    pyctm_hook_enter();
    void *block = resize(capture, domain, old, size, labelled);
    pyctm_hook_leave();
    return block;
}

/* HOOK: Not a plain event. With sampling, usually neither the old block nor the new one is in the sample. */
__attribute__((noinline)) void *pyctm_hook_realloc(pyctm_capture *capture,
                                                   pyctm_hook_index hook_index, void *old,
                                                   size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[hook_index];
    if (is_idle(capture)) {
        return real->realloc(real->ctx, old, size);
    }
    if (pyctm_hook_tls.probing && old == NULL) {
        return pyctm_hook_malloc(capture, hook_index, size);
    }
    const uint32_t before = enter_unchecked();
    const bool taken = pyctm_capture_takes(capture, size);
    const bool known = old != NULL && ctm_tracer_may_know(capture->tracer, (uintptr_t)old);
    void *block = taken || known ? resize_any(capture, hook_index, old, size, taken)
                                 : real->realloc(real->ctx, old, size);
    pyctm_hook_tls.special = before;
    return block;
}

/* HOOK: */
static inline void forget(pyctm_capture *capture, PyMemAllocatorDomain domain, void *block)
{
    if (domain != PYMEM_DOMAIN_RAW && pyctm_frames_attached_to_main(capture) != NULL) {
        (void)ctm_shard_free(capture->exclusive, 0, (uintptr_t)block);
    } else {
        pyctm_event_free(capture, 0, (uintptr_t)block, domain != PYMEM_DOMAIN_RAW);
    }
}

/* HOOK: */
__attribute__((noinline)) void pyctm_hook_free(pyctm_capture *capture, pyctm_hook_index hook_index,
                                               void *block)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[hook_index];
    if (block == NULL || is_idle(capture)) {
        real->free(real->ctx, block);
        return;
    }
    if (pyctm_capture_records_all(capture) ||
        ctm_tracer_may_know(capture->tracer, (uintptr_t)block)) {
        pyctm_event_free(capture, 0, (uintptr_t)block, pyctm_hook_has_gil(hook_index));
    }
    const uint32_t before = enter_unchecked();
    real->free(real->ctx, block);
    pyctm_hook_tls.special = before;
}

/* HOOK: */
static inline void on_free(pyctm_capture *capture, PyMemAllocatorDomain domain, void *block)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    if (block == NULL || !is_plain_free(capture)) {
        pyctm_hook_free(capture, domain, block);
        return;
    }
    forget(capture, domain, block);
    pyctm_hook_enter();
    real->free(real->ctx, block);
    pyctm_hook_leave();
}

/* HOOK: Returns a new block that is not in the sample. */
static inline void *pass(void *block)
{
    pyctm_hook_tls.last_block = (uintptr_t)block;
    pyctm_hook_leave();
    return block;
}

/* HOOK: Allocates a block that is in the sample. */
static PYCTM_RARELY void *malloc_sampled(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                         size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    pyctm_hook_enter();
    void *block = real->malloc(real->ctx, size);
    block = block != NULL ? record_general(capture, domain, block, size) : NULL;
    pyctm_hook_leave();
    return block;
}

/* HOOK: The bytes are counted before the block is allocated. If the allocation fails, the sampling point that was drawn
 * has no effect on later ones, because the distances between points are memoryless. */
static inline void *on_malloc_sampling(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                       size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    if (!is_plain_sampling(capture)) {
        return pyctm_hook_malloc(capture, domain, size);
    }
    if (ctm_sampler_takes(capture->tracer, &pyctm_hook_tls.sampler, size)) {
        return malloc_sampled(capture, domain, size);
    }
    pyctm_hook_enter();
    return pass(real->malloc(real->ctx, size));
}

/* HOOK: */
static PYCTM_RARELY void *calloc_sampled(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                         size_t count, size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    pyctm_hook_enter();
    void *block = real->calloc(real->ctx, count, size);
    block = block != NULL ? record_general(capture, domain, block, count * size) : NULL;
    pyctm_hook_leave();
    return block;
}

/* HOOK: A product that overflows is counted as its lower bits, and the original function returns no block. */
static inline void *on_calloc_sampling(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                       size_t count, size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    if (!is_plain_sampling(capture)) {
        return pyctm_hook_calloc(capture, domain, count, size);
    }
    if (ctm_sampler_takes(capture->tracer, &pyctm_hook_tls.sampler, count * size)) {
        return calloc_sampled(capture, domain, count, size);
    }
    pyctm_hook_enter();
    return pass(real->calloc(real->ctx, count, size));
}

/* HOOK: The old block or the new one is in the sample. */
static PYCTM_RARELY void *realloc_sampled(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                          void *old, size_t size, bool taken)
{
    pyctm_hook_enter();
    void *block = resize_any(capture, domain, old, size, taken);
    pyctm_hook_leave();
    return block;
}

/* HOOK: */
static inline void *on_realloc_sampling(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                        void *old, size_t size)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    if (!is_plain_sampling(capture)) {
        return pyctm_hook_realloc(capture, domain, old, size);
    }
    const bool taken = ctm_sampler_takes(capture->tracer, &pyctm_hook_tls.sampler, size);
    if (taken || (old != NULL && ctm_tracer_may_know(capture->tracer, (uintptr_t)old))) {
        return realloc_sampled(capture, domain, old, size, taken);
    }
    pyctm_hook_enter();
    return pass(real->realloc(real->ctx, old, size));
}

/* HOOK: What the original function frees itself is not in the sample either, because it was allocated inside a hook. */
static inline void on_free_sampling(pyctm_capture *capture, PyMemAllocatorDomain domain,
                                    void *block)
{
    const PyMemAllocatorEx *real = &pyctm_the_originals[domain];
    if (!is_plain_sampling(capture) || ctm_tracer_may_know(capture->tracer, (uintptr_t)block)) {
        pyctm_hook_free(capture, domain, block);
        return;
    }
    real->free(real->ctx, block);
}

#define ONE_FUNCTION __attribute__((noinline)) PYCTM_HOT

/* The plain events of one kind are functions of their own: what chooses between them needs to save no registers. */
#define PLAIN_HOOKS(name, domain, kind, labelled)                                         \
    static ONE_FUNCTION void *name##_malloc_##kind(size_t size) /* HOOK: */               \
    {                                                                                     \
        return on_malloc(&pyctm_the_capture, domain, size, labelled);                     \
    }                                                                                     \
    static ONE_FUNCTION void *name##_calloc_##kind(size_t n, size_t size) /* HOOK: */     \
    {                                                                                     \
        return on_calloc(&pyctm_the_capture, domain, n, size, labelled);                  \
    }                                                                                     \
    static ONE_FUNCTION void *name##_realloc_##kind(void *block, size_t size) /* HOOK: */ \
    {                                                                                     \
        return on_realloc(&pyctm_the_capture, domain, block, size, labelled);             \
    }

#define CHOOSE(name, domain, function, ...)                \
    if (is_plain(&pyctm_the_capture)) {                    \
        return name##_##function##_exact(__VA_ARGS__);     \
    }                                                      \
    return is_plain_labelled(&pyctm_the_capture)           \
               ? name##_##function##_labelled(__VA_ARGS__) \
               : pyctm_hook_##function(&pyctm_the_capture, domain, __VA_ARGS__)

#define DOMAIN_HOOKS(name, domain)                                               \
    static void *name##_malloc(void *ctx, size_t size) /* HOOK: */               \
    {                                                                            \
        (void)ctx;                                                               \
        CHOOSE(name, domain, malloc, size);                                      \
    }                                                                            \
    static void *name##_calloc(void *ctx, size_t count, size_t size) /* HOOK: */ \
    {                                                                            \
        (void)ctx;                                                               \
        CHOOSE(name, domain, calloc, count, size);                               \
    }                                                                            \
    static void *name##_realloc(void *ctx, void *block, size_t size) /* HOOK: */ \
    {                                                                            \
        (void)ctx;                                                               \
        CHOOSE(name, domain, realloc, block, size);                              \
    }                                                                            \
    static PYCTM_HOT void name##_free(void *ctx, void *block) /* HOOK: */        \
    {                                                                            \
        (void)ctx;                                                               \
        on_free(&pyctm_the_capture, domain, block);                              \
    }

#define SAMPLING_HOOKS(name, domain)                                                            \
    static PYCTM_HOT void *name##_malloc_sampling(void *ctx, size_t size) /* HOOK: */           \
    {                                                                                           \
        (void)ctx;                                                                              \
        return on_malloc_sampling(&pyctm_the_capture, domain, size);                            \
    }                                                                                           \
    static PYCTM_HOT void *name##_calloc_sampling(void *ctx, size_t n, size_t size) /* HOOK: */ \
    {                                                                                           \
        (void)ctx;                                                                              \
        return on_calloc_sampling(&pyctm_the_capture, domain, n, size);                         \
    }                                                                                           \
    static PYCTM_HOT void *name##_realloc_sampling(void *ctx, void *b, size_t size) /* HOOK: */ \
    {                                                                                           \
        (void)ctx;                                                                              \
        return on_realloc_sampling(&pyctm_the_capture, domain, b, size);                        \
    }                                                                                           \
    static PYCTM_HOT void name##_free_sampling(void *ctx, void *block) /* HOOK: */              \
    {                                                                                           \
        (void)ctx;                                                                              \
        on_free_sampling(&pyctm_the_capture, domain, block);                                    \
    }

PLAIN_HOOKS(raw, PYMEM_DOMAIN_RAW, exact, false)
PLAIN_HOOKS(mem, PYMEM_DOMAIN_MEM, exact, false)
PLAIN_HOOKS(obj, PYMEM_DOMAIN_OBJ, exact, false)
PLAIN_HOOKS(raw, PYMEM_DOMAIN_RAW, labelled, true)
PLAIN_HOOKS(mem, PYMEM_DOMAIN_MEM, labelled, true)
PLAIN_HOOKS(obj, PYMEM_DOMAIN_OBJ, labelled, true)
DOMAIN_HOOKS(raw, PYMEM_DOMAIN_RAW)
DOMAIN_HOOKS(mem, PYMEM_DOMAIN_MEM)
DOMAIN_HOOKS(obj, PYMEM_DOMAIN_OBJ)
SAMPLING_HOOKS(raw, PYMEM_DOMAIN_RAW)
SAMPLING_HOOKS(mem, PYMEM_DOMAIN_MEM)
SAMPLING_HOOKS(obj, PYMEM_DOMAIN_OBJ)

/* By whether the tracer samples, then by domain. */
const PyMemAllocatorEx pyctm_the_fast_hooks[2][3] = {
    {
        [PYMEM_DOMAIN_RAW] = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free},
        [PYMEM_DOMAIN_MEM] = {NULL, mem_malloc, mem_calloc, mem_realloc, mem_free},
        [PYMEM_DOMAIN_OBJ] = {NULL, obj_malloc, obj_calloc, obj_realloc, obj_free},
    },
    {
        [PYMEM_DOMAIN_RAW] = {NULL, raw_malloc_sampling, raw_calloc_sampling, raw_realloc_sampling,
                              raw_free_sampling},
        [PYMEM_DOMAIN_MEM] = {NULL, mem_malloc_sampling, mem_calloc_sampling, mem_realloc_sampling,
                              mem_free_sampling},
        [PYMEM_DOMAIN_OBJ] = {NULL, obj_malloc_sampling, obj_calloc_sampling, obj_realloc_sampling,
                              obj_free_sampling},
    },
};
#endif
