/* tracer/tracer.h: the struct of a tracer; private to the tracer and the sinks.
 *
 * Model: a tracer has CTM_SHARDS shards (shard.h), one block map for all, the sinks that it writes to, and what is
 * stored in addition to the numbers (annotations.h). To stop all events, the exclusive side acquires the locks of all
 * shards in order ("the world stops"). A function whose name ends in _stopped is called with the world stopped.
 *
 *   Lock order: the lock of deferred_unmap.h (only a fork acquires other locks while it holds this one), shards 1, 2,
 *   3, 4, then the reader barrier, the map's lock, the peak's or the scopes', and last the lock of annotations.h. An event
 *   acquires only the lock of its own shard (none in shard 0), and perhaps the map's or the scopes' while it holds that.
 *
 * Memory that a hook may read without a lock is not freed before ctm_tracer_free: the tracer struct, with its shards
 * and the top of the map, is one mapping. A hook reads `active`, acquires its lock, and reads `active` again. From
 * then on, stop waits for the hook.
 */
#ifndef CTMI_TRACER_TRACER_H
#define CTMI_TRACER_TRACER_H

#include <pthread.h>

#include "blockmap/block_map.h"
#include "ctm/tracer.h"
#include "tables/published_peak.h"
#include "tracer/annotations.h"
#include "tracer/labels.h"
#include "tracer/reader_barrier.h"
#include "tracer/sampling.h"
#include "tracer/shard.h"
#include "tracer/sink.h"

struct ctm_tracer {
    _Atomic bool active;         /* written while the world is stopped; read by any thread */
    _Atomic uint32_t nframe;     /* the same */
    _Atomic uint32_t generation; /* the same; never 0 */
    _Atomic uint64_t interval;   /* the same; read by ctmi_tracer_interval() */
    uint64_t started_ns;         /* exclusive side; UNIX time of the last start */
    char *command;               /* exclusive side; owned; NULL: unknown */
    size_t command_length;       /* exclusive side; bytes */
    struct ctmi_sink *sinks;     /* borrowed; for its three locks see sink.h */
    _Atomic bool tables_lost; /* any thread; the tables are invalid, because their file was cut */
    CTMI_HOLDER(world)        /* the thread that has stopped the world */
    struct ctmi_reader_barrier barrier; /* see reader_barrier.h */

    /* Raised by compare-and-swap, lowered while the world is stopped. */
    _Alignas(64) _Atomic uint64_t peak_bytes; /* without those that were exempt then */
    _Atomic uint64_t exempt; /* peak_lock; bytes that are exempt now, modulo 2^64: peak.h */
    _Atomic uint32_t
        exempt_round; /* written while the world is stopped; changes when none is exempt any more */
    _Atomic uint32_t peak_stamp; /* of the peak: see store.h; raised with it, never 0 */
    uint32_t peak_stamps;        /* constant; after so many stamps they restart at 1 */
    /* Written while the world is stopped; borrowed from a sink; NULL: none. */
    struct ctmi_published_peak *published_peak;
    struct ctmi_lock peak_lock;                /* limits; see peak.c */
    struct ctmi_deferred_unmap deferred_unmap; /* see deferred_unmap.h */

    _Alignas(64) struct ctm_shard shards[CTM_SHARDS];
    struct ctmi_page_filter page_filter; /* see sampling.h; in use if there is a sample interval */
    struct ctmi_block_map map;           /* see block_map.h */
    struct ctmi_annotations annotations; /* see annotations.h */
    struct ctmi_labels labels;           /* see labels.h */
    struct ctmi_scopes scopes;           /* see scopes.h */
};

/* The mean bytes between sampling points; 0: every block is traced. It changes only while the world is stopped and
 * before `active` is set, so it is constant inside a shard. Any other thread may read it too. */
static inline uint64_t ctmi_tracer_interval(const struct ctm_tracer *tracer)
{
    return atomic_load_explicit(&tracer->interval, memory_order_relaxed);
}

/* No event is running: the caller has stopped the world, or no other thread has the tracer yet or any more. */
#define CTMI_ASSERT_WORLD_STOPPED(tracer) CTMI_ASSERT_HELD((tracer)->world)

/* Empties everything, with the world stopped and the reader barrier closed; older ids become invalid. Returns the
 * levels of the map, which the caller unmaps (deferred_unmap.h). */
CTM_NODISCARD struct ctmi_pending_unmap *ctmi_tracer_forget_stopped(struct ctm_tracer *tracer,
                                                                    bool retain_pages);

/* Reserves what events need when a table cannot grow. The world is stopped and the tables are empty. CTM_ERR_NOMEM:
 * less is reserved. */
CTM_NODISCARD ctm_status ctmi_tracer_reserve_spare_stopped(struct ctm_tracer *tracer);

/* Returns the UNIX time in nanoseconds. */
uint64_t ctmi_tracer_now(void);
/* Acquires the locks of the shards 1.. in order; the caller is the exclusive side. */
void ctmi_tracer_stop_world(struct ctm_tracer *tracer);
void ctmi_tracer_resume_world(struct ctm_tracer *tracer);
/* Stops the world and closes the reader barrier: so the tables may be emptied and the list of sinks may change. */
void ctmi_tracer_close(struct ctm_tracer *tracer);
void ctmi_tracer_open(struct ctm_tracer *tracer);

/* Empties only the block map, with the world stopped. The caller allows no event before the rest is emptied too.
 * Returns the levels of the map. */
CTM_NODISCARD struct ctmi_pending_unmap *ctmi_tracer_drop_map_stopped(struct ctm_tracer *tracer);

/* ctm_tracer_memory, with the world stopped. */
size_t ctmi_tracer_memory_stopped(struct ctm_tracer *tracer);

#endif
