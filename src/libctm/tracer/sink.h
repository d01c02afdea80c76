/* tracer/sink.h: what a running tracer writes to: a black box, a recorder.
 *
 * Model: a sink is a struct whose first field is a ctmi_sink. It adds itself to the tracer's list. The tracer calls
 * the functions of its kind, in the order in which the sinks were added, and does not depend on what the sinks are. A
 * sink may remove itself in any of these functions except loss_told and end_told.
 *
 * A kind is a constant. A tracer's list has at most one sink of each kind, so the kind finds the sink. A function
 * that is NULL is not called.
 *
 * Events call no sink. A peak, which an event may raise, is also stored at `published_peak` of the tracer if a sink has
 * set that pointer (tables/published_peak.h).
 *
 * Locks: the list changes only while the world is stopped, the reader barrier is closed and the lock of the
 * annotations is held. So a thread that has one of these three may read it.
 */
#ifndef CTMI_TRACER_SINK_H
#define CTMI_TRACER_SINK_H

#include <stddef.h>
#include <stdint.h>

struct ctm_tracer;
struct ctmi_end_annotation;
struct ctmi_losses;
struct ctmi_sink;

struct ctmi_sink_kind {
    /* Called with the world stopped and the barrier closed. */
    void (*before_emptying)(struct ctmi_sink *sink); /* the tables still have their rows */
    void (*after_emptying)(struct ctmi_sink *sink);
    void (*stop)(struct ctmi_sink *sink); /* tracing ends; the tables are emptied next */
    void (*fork_before)(struct ctmi_sink *sink);
    void (*fork_after_parent)(struct ctmi_sink *sink);
    void (*fork_after_child)(struct ctmi_sink *sink);
    /* Called with the world stopped. Returns the bytes of memory other than the tables. */
    size_t (*memory)(const struct ctmi_sink *sink);
    /* Called with the lock of the annotations held. The loss at `index` is new, or its count was raised. */
    void (*loss_told)(struct ctmi_sink *sink, const struct ctmi_losses *losses, uint32_t index);
    void (*end_told)(struct ctmi_sink *sink, const struct ctmi_end_annotation *end);
};

struct ctmi_sink {
    const struct ctmi_sink_kind *kind; /* constant */
    struct ctmi_sink *next;            /* borrowed; see the locks */
};

/* Adds a sink. The world is stopped and the barrier closed. */
void ctmi_sinks_add(struct ctm_tracer *tracer, struct ctmi_sink *sink);
/* Removes a sink, or does nothing if it is not on the list. The world is stopped and the barrier closed. */
void ctmi_sinks_remove(struct ctm_tracer *tracer, struct ctmi_sink *sink);
/* Returns the tracer's sink of that kind; NULL: none. Called by the exclusive side, or see the locks. */
struct ctmi_sink *ctmi_sinks_find(const struct ctm_tracer *tracer,
                                  const struct ctmi_sink_kind *kind);

/* --- for the tracer: each calls the function with that name of all sinks --- */
void ctmi_sinks_before_emptying(struct ctm_tracer *tracer);
void ctmi_sinks_after_emptying(struct ctm_tracer *tracer);
void ctmi_sinks_stop(struct ctm_tracer *tracer);
void ctmi_sinks_fork_before(struct ctm_tracer *tracer);
void ctmi_sinks_fork_after_parent(struct ctm_tracer *tracer);
void ctmi_sinks_fork_after_child(struct ctm_tracer *tracer);
size_t ctmi_sinks_memory(const struct ctm_tracer *tracer);
void ctmi_sinks_loss_told(struct ctm_tracer *tracer, uint32_t index);
void ctmi_sinks_end_told(struct ctm_tracer *tracer);

#endif
