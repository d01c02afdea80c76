/* tracer/sink.h: what goes along with a tracer and keeps its tables elsewhere: a file, a thread that writes one.
 *
 * Model: a sink is a struct whose first field is a ctmi_sink. It adds itself to the tracer's list, and the tracer calls the
 * functions of its kind, in the order in which the sinks were added, without knowing what they are. A sink may remove
 * itself from inside any of them but the ones that are told of annotations.
 *
 * A kind is a constant; at most one sink of a kind is on a tracer's list, and is found by it. A NULL function: nothing to do.
 *
 * Events call no sink. The peak, which an event may raise, is stored at `published_peak` of the tracer, if a sink has put
 * a pointer there (tables/published_peak.h).
 *
 * Locks: the list changes while the world is stopped, the reader barrier is closed and the lock of the annotations is held, so
 * whoever has one of these may read it.
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
    /* With the world stopped and the barrier closed. */
    void (*before_emptying)(struct ctmi_sink *sink); /* the tables are whole for the last time */
    void (*after_emptying)(struct ctmi_sink *sink);
    void (*stop)(struct ctmi_sink *sink); /* tracing ends; the tables are emptied after this */
    void (*fork_before)(struct ctmi_sink *sink);
    void (*fork_after_parent)(struct ctmi_sink *sink);
    void (*fork_after_child)(struct ctmi_sink *sink);
    /* With the world stopped. Bytes of memory beside the tables. */
    size_t (*memory)(const struct ctmi_sink *sink);
    /* With the lock of the annotations held. The loss at `place` is new, or its count was raised. */
    void (*loss_told)(struct ctmi_sink *sink, const struct ctmi_losses *losses, uint32_t place);
    void (*end_told)(struct ctmi_sink *sink, const struct ctmi_end_annotation *end);
};

struct ctmi_sink {
    const struct ctmi_sink_kind *kind; /* constant */
    struct ctmi_sink *next;            /* the list's */
};

/* The world is stopped and the barrier closed. */
void ctmi_sinks_add(struct ctm_tracer *tracer, struct ctmi_sink *sink);
/* The same. Does nothing if the sink is not on the list. */
void ctmi_sinks_remove(struct ctm_tracer *tracer, struct ctmi_sink *sink);
/* The tracer's sink of that kind; NULL: there is none. The exclusive side's, or see the locks. */
struct ctmi_sink *ctmi_sinks_find(const struct ctm_tracer *tracer,
                                  const struct ctmi_sink_kind *kind);

/* --- for the tracer: each calls the function of that name of all sinks --- */
void ctmi_sinks_before_emptying(struct ctm_tracer *tracer);
void ctmi_sinks_after_emptying(struct ctm_tracer *tracer);
void ctmi_sinks_stop(struct ctm_tracer *tracer);
void ctmi_sinks_fork_before(struct ctm_tracer *tracer);
void ctmi_sinks_fork_after_parent(struct ctm_tracer *tracer);
void ctmi_sinks_fork_after_child(struct ctm_tracer *tracer);
size_t ctmi_sinks_memory(const struct ctm_tracer *tracer);
void ctmi_sinks_loss_told(struct ctm_tracer *tracer, uint32_t place);
void ctmi_sinks_end_told(struct ctm_tracer *tracer);

#endif
