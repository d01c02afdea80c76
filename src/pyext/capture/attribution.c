/* attribution.c: from this thread's stack to a traceback row, or to a site.
 *
 * Model: for shard 0 the stack cache (stack_cache.h) finds the site. This file has the general path, for the other
 * shards and for what the stack cache cannot find: the walk returns positions, the innermost first; each becomes a
 * frame row; the rows are joined from the oldest on, parent by parent. Each shard stores the last chain it built. As
 * long as the next chain agrees with it from the oldest frame on, nothing is looked up again.
 *
 * Between pyctm_self_scope_begin and pyctm_self_scope_end the stack of an event does not change, unless a finalizer
 * runs, and neither do the thread's labels. So in a self scope the size alone determines the site. (Not between
 * pyctm_own_begin and pyctm_own_end: what is allocated there has no labels and is in no scope.)
 *
 * A chain belongs to its shard; lock: the shard's.
 */
#include "capture/capture.h"
#include "capture/frames/frames.h"
#include "capture/labels.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

void pyctm_attribution_own_file(pyctm_capture *capture, const char *utf8_filename)
{
    PYCTM_ASSERT_GIL();
    capture->attribution.own_filename = utf8_filename;
}

size_t pyctm_attribution_memory(const pyctm_capture *capture)
{
    size_t bytes = pyctm_code_cache_memory(&capture->codes) + pyctm_stack_memory(&capture->stacks);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        bytes += capture->attribution.chains[i].capacity *
                 (sizeof(pyctm_position) + 2 * sizeof(uint32_t));
    }
    return bytes;
}

/* In place of a frame: the self scope is of the whole thread, whatever Python code it runs. Only its address is used. */
static const char any_frame = 0;

bool pyctm_own_begin(void)
{
    PYCTM_ASSERT_GIL();
    if (pyctm_hook_tls.in_self_scope) {
        return false;
    }
    pyctm_hook_tls.self_scope_frame = &any_frame;
    pyctm_hook_tls.in_self_scope = true;
    return true;
}

void pyctm_own_end(void)
{
    PYCTM_ASSERT_GIL();
    if (pyctm_hook_tls.self_scope_frame == &any_frame) {
        pyctm_hook_tls.in_self_scope = false;
    }
}

bool pyctm_self_scope_begin(pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    const bool before = pyctm_hook_tls.in_self_scope;
    if (!before) {
        pyctm_hook_tls.self_scope_frame = pyctm_frames_innermost(PyThreadState_Get());
        pyctm_hook_tls.self_scope = atomic_fetch_add(&capture->attribution.self_scopes, 1) + 1;
        pyctm_hook_tls.in_self_scope = true;
    }
    return before;
}

void pyctm_self_scope_end(bool before)
{
    PYCTM_ASSERT_GIL();
    PYCTM_ASSERT(!before || pyctm_hook_tls.in_self_scope);
    pyctm_hook_tls.in_self_scope = before;
}

/* HOOK: Whether the event is between pyctm_own_begin and pyctm_own_end. */
static bool is_own(void)
{
    return pyctm_hook_tls.in_self_scope && pyctm_hook_tls.self_scope_frame == &any_frame;
}

/* HOOK: */
static bool is_in_self_scope(const pyctm_event_owner *owner)
{
    return pyctm_hook_tls.in_self_scope && owner->thread_state != NULL &&
           (pyctm_hook_tls.self_scope_frame == &any_frame ||
            pyctm_frames_innermost(owner->thread_state) == pyctm_hook_tls.self_scope_frame);
}

/* HOOK: Makes the arrays large enough for `capacity` frames. False: out of memory, the old arrays are kept. */
static bool chain_reserve(pyctm_chain *s, uint32_t capacity)
{
    if (s->capacity >= capacity) {
        return true;
    }
    pyctm_position *positions = malloc(capacity * sizeof(pyctm_position));
    uint32_t *frames = malloc(capacity * sizeof(uint32_t));
    uint32_t *nodes = malloc(capacity * sizeof(uint32_t));
    if (positions == NULL || frames == NULL || nodes == NULL) {
        free(positions);
        free(frames);
        free(nodes);
        return false;
    }
    free(s->positions);
    free(s->frames);
    free(s->nodes);
    *s = (pyctm_chain){
        .positions = positions, .frames = frames, .nodes = nodes, .capacity = capacity};
    return true;
}

/* HOOK: The traceback of `parent` and, on top, one frame without a line, of the file `text`. */
static ctm_status pseudo_frame(ctm_shard *shard, const char *text, uint32_t parent, uint32_t total,
                               uint32_t *out)
{
    uint32_t filename = 0, function = 0, frame = 0;
    ctm_status status = ctm_shard_string(shard, text, strlen(text), &filename);
    if (status == CTM_OK) {
        status = ctm_shard_function(shard, filename, 0, 0, &function);
    }
    if (status == CTM_OK) {
        status = ctm_shard_frame(shard, function, 0, &frame);
    }
    return status == CTM_OK ? ctm_shard_traceback(shard, parent, frame, (int32_t)total, out)
                            : status;
}

/* HOOK: Joins the walk's `kept` positions; the `left_out` older frames are only counted. */
static ctm_status join_chain(pyctm_capture *capture, ctm_shard *shard, uint32_t index,
                             pyctm_chain *s, uint32_t kept, uint32_t left_out, uint32_t *out)
{
    const uint32_t generation = ctm_tracer_generation(capture->tracer);
    bool same = s->generation == generation && s->left_out == left_out;
    uint32_t parent = 0;
    PYCTM_ASSERT(kept > 0 && kept <= s->capacity && s->length <= s->capacity);
    s->generation = generation;
    s->left_out = left_out;
    for (uint32_t i = 0; i < kept; i++) {
        const pyctm_position *position = &s->positions[kept - 1 - i];
        uint32_t frame;
        ctm_status status =
            index == 0
                ? pyctm_code_frame(&capture->codes, shard, position->code, position->unit, &frame)
                : pyctm_code_frame_uncached(shard, position->code, position->unit, &frame);
        if (same && (i >= s->length || s->frames[i] != frame)) {
            same = false;
        }
        if (status == CTM_OK && !same) {
            s->length = i;
            status = ctm_shard_traceback(shard, parent, frame, (int32_t)(left_out + i + 1),
                                         &s->nodes[i]);
        }
        if (status != CTM_OK) {
            s->length = 0;
            return status;
        }
        s->frames[i] = frame;
        parent = s->nodes[i];
        if (!same) {
            s->length = i + 1;
        }
    }
    *out = parent;
    return CTM_OK;
}

/* HOOK: */
ctm_status pyctm_attribution_traceback(pyctm_capture *capture, ctm_shard *shard,
                                       const pyctm_event_owner *owner, uint32_t *out)
{
    PYCTM_ASSERT(owner->shard < CTM_SHARDS);
    PYCTM_ASSERT(owner->shard != 0 || pyctm_main_is_attached());
    const uint32_t limit = ctm_tracer_nframe(capture->tracer);
    pyctm_chain *s = &capture->attribution.chains[owner->shard];
    if (!chain_reserve(s, limit)) {
        return CTM_ERR_NOMEM;
    }
    const uint32_t own_frames = is_in_self_scope(owner) ? 1 : 0;
    uint32_t total = 0, kept = 0, parent = 0;
    if (owner->thread_state != NULL) {
        kept = pyctm_frames_walk(owner->thread_state, s->positions, limit - own_frames, &total);
    }
    if (total > CTM_MAX_NFRAME - own_frames) {
        total = CTM_MAX_NFRAME - own_frames;
    }
    if (kept != 0) {
        const ctm_status status =
            join_chain(capture, shard, owner->shard, s, kept, total - kept, &parent);
        *out = parent;
        if (status != CTM_OK || own_frames == 0) {
            return status;
        }
    }
    /* stdlib, too, represents a stack without Python frames by one frame of an unknown file. */
    return own_frames != 0
               ? pseudo_frame(shard, capture->attribution.own_filename, parent, total + 1, out)
               : pseudo_frame(shard, "<unknown>", 0, 1, out);
}

/* HOOK: */
static PYCTM_RARELY ctm_status general_site(pyctm_capture *capture, ctm_shard *shard,
                                            const pyctm_event_owner *owner, uint32_t domain,
                                            uint64_t size, uint32_t *out)
{
    uint32_t traceback;
    const ctm_status status = pyctm_attribution_traceback(capture, shard, owner, &traceback);
    if (status != CTM_OK) {
        return status;
    }
    const uint32_t labels = is_own() ? 0 : pyctm_labels_of(capture, owner->thread_state);
    return ctm_shard_labelled_site(shard, domain, traceback, size, labels, out);
}

/* HOOK: The site of a block that this module allocates for itself in a self scope, in shard 0. */
static PYCTM_RARELY ctm_status self_scope_site(pyctm_capture *capture, ctm_shard *shard,
                                               const pyctm_event_owner *owner, uint64_t size,
                                               uint32_t *out)
{
    PYCTM_ASSERT_MAIN();
    const uint32_t generation = ctm_tracer_generation(capture->tracer);
    pyctm_self_site *known =
        &capture->attribution.self_sites[size / sizeof(void *) % PYCTM_SELF_SITES];
    if (known->scope != pyctm_hook_tls.self_scope || known->size != size ||
        known->generation != generation) {
        uint32_t site;
        const ctm_status status = general_site(capture, shard, owner, 0, size, &site);
        if (status != CTM_OK) {
            return status;
        }
        *known = (pyctm_self_site){pyctm_hook_tls.self_scope, size, generation, site};
    }
    *out = known->site;
    return CTM_OK;
}

/* HOOK: */
static inline ctm_status known_site(pyctm_capture *capture, ctm_shard *shard,
                                    const pyctm_event_owner *owner, uint32_t domain, uint64_t size,
                                    uint32_t *out)
{
    if (owner->shard == 0 && owner->thread_state != NULL && domain == 0 &&
        !pyctm_hook_tls.in_self_scope) {
        if (pyctm_labels_in_use(capture)) {
            pyctm_labels_switch(capture, owner->thread_state);
        }
        const ctm_status status =
            pyctm_stack_site(&capture->stacks, shard, owner->thread_state, size, out);
        if (status != CTM_ERR_NOT_FOUND) {
            return status;
        }
    }
    if (owner->shard == 0 && domain == 0 && is_in_self_scope(owner) &&
        pyctm_hook_tls.self_scope_frame != &any_frame) {
        return self_scope_site(capture, shard, owner, size, out);
    }
    return general_site(capture, shard, owner, domain, size, out);
}

/* HOOK: */
ctm_status pyctm_attribution_site(pyctm_capture *capture, ctm_shard *shard,
                                  const pyctm_event_owner *owner, uint32_t domain, uint64_t size,
                                  uint32_t *out)
{
    ctm_status status = known_site(capture, shard, owner, domain, size, out);
    if (__builtin_expect(status != CTM_OK, 0)) {
        status = ctm_shard_unplaced_site(shard, domain, size, out);
        if (status == CTM_OK) {
            ctm_tracer_loss(capture->tracer, "memory", "no memory for the place of a block", 1);
        }
    }
    return status;
}
#endif
