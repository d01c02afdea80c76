/* tracer/sink.c: the list of a tracer's sinks; see tracer/sink.h. */
#include "tracer/sink.h"

#include "tracer/tracer.h"

static void assert_may_change(const struct ctm_tracer *tracer)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    CTMI_ASSERT_LOCKED(tracer->barrier.lock);
    (void)tracer;
}

void ctmi_sinks_add(struct ctm_tracer *tracer, struct ctmi_sink *sink)
{
    struct ctmi_sink **end = &tracer->sinks;
    assert_may_change(tracer);
    CTMI_ASSERT(ctmi_sinks_find(tracer, sink->kind) == NULL);
    while (*end != NULL) {
        end = &(*end)->next;
    }
    sink->next = NULL;
    ctmi_lock_acquire(&tracer->annotations.lock);
    *end = sink;
    ctmi_lock_release(&tracer->annotations.lock);
}

void ctmi_sinks_remove(struct ctm_tracer *tracer, struct ctmi_sink *sink)
{
    struct ctmi_sink **link = &tracer->sinks;
    assert_may_change(tracer);
    while (*link != NULL && *link != sink) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        ctmi_lock_acquire(&tracer->annotations.lock);
        *link = sink->next;
        ctmi_lock_release(&tracer->annotations.lock);
    }
}

struct ctmi_sink *ctmi_sinks_find(const struct ctm_tracer *tracer,
                                  const struct ctmi_sink_kind *kind)
{
    struct ctmi_sink *sink = tracer->sinks;
    while (sink != NULL && sink->kind != kind) {
        sink = sink->next;
    }
    return sink;
}

/* --- calling all --- */

typedef void call(struct ctmi_sink *sink);

/* Calls the function pointer at byte `offset` of each kind. A sink may remove and free itself in the call. */
static void call_each(struct ctm_tracer *tracer, size_t offset)
{
    struct ctmi_sink *next;
    assert_may_change(tracer);
    for (struct ctmi_sink *sink = tracer->sinks; sink != NULL; sink = next) {
        call *const function = *(call *const *)((const char *)sink->kind + offset);
        next = sink->next;
        if (function != NULL) {
            function(sink);
        }
    }
}

void ctmi_sinks_before_emptying(struct ctm_tracer *tracer)
{
    call_each(tracer, offsetof(struct ctmi_sink_kind, before_emptying));
}

void ctmi_sinks_after_emptying(struct ctm_tracer *tracer)
{
    call_each(tracer, offsetof(struct ctmi_sink_kind, after_emptying));
}

void ctmi_sinks_stop(struct ctm_tracer *tracer)
{
    call_each(tracer, offsetof(struct ctmi_sink_kind, stop));
}

void ctmi_sinks_fork_before(struct ctm_tracer *tracer)
{
    call_each(tracer, offsetof(struct ctmi_sink_kind, fork_before));
}

void ctmi_sinks_fork_after_parent(struct ctm_tracer *tracer)
{
    call_each(tracer, offsetof(struct ctmi_sink_kind, fork_after_parent));
}

void ctmi_sinks_fork_after_child(struct ctm_tracer *tracer)
{
    call_each(tracer, offsetof(struct ctmi_sink_kind, fork_after_child));
}

size_t ctmi_sinks_memory(const struct ctm_tracer *tracer)
{
    size_t bytes = 0;
    for (const struct ctmi_sink *sink = tracer->sinks; sink != NULL; sink = sink->next) {
        bytes += sink->kind->memory != NULL ? sink->kind->memory(sink) : 0;
    }
    return bytes;
}

void ctmi_sinks_loss_told(struct ctm_tracer *tracer, uint32_t index)
{
    CTMI_ASSERT_LOCKED(tracer->annotations.lock);
    CTMI_ASSERT(index < tracer->annotations.losses.n);
    for (struct ctmi_sink *sink = tracer->sinks; sink != NULL; sink = sink->next) {
        if (sink->kind->loss_told != NULL) {
            sink->kind->loss_told(sink, &tracer->annotations.losses, index);
        }
    }
}

void ctmi_sinks_end_told(struct ctm_tracer *tracer)
{
    CTMI_ASSERT_LOCKED(tracer->annotations.lock);
    for (struct ctmi_sink *sink = tracer->sinks; sink != NULL; sink = sink->next) {
        if (sink->kind->end_told != NULL) {
            sink->kind->end_told(sink, &tracer->annotations.end);
        }
    }
}
