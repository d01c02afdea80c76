/* shard.h: what a tracer and its shards are made of; private to the tracer and the sinks.
 *
 * Model and locks. Shard 0 is *exclusive*: the caller lets one thread at a time in, and that
 * thread alone may also start, stop, clear, snapshot. Shards 1.. have a mutex each.
 *
 *   lock order: the one of deferred_unmap.h (fork alone takes others inside it), shard 1, 2, 3, 4, then the gate, the map's
 *   lock or the peak's, innermost the lock of annotations.h. An event takes its own shard's lock only
 *   (none in shard 0), and perhaps the map's inside it; whoever wants everything to hold
 *   still is the exclusive side and takes all the shards' locks in order ("the world stops").
 *
 * A block is recorded at a site row of its *home* shard, the one it was allocated through. A
 * thread in shard a that frees a block whose home is b does not take b's lock: it adds to
 * the row's atomic `freed_remote`. That is safe, because rows never move while the owner of b
 * appends, and are emptied only when the world stops, which excludes the thread in a: if
 * a is a locked shard its lock is taken, and if it is shard 0 the thread is the exclusive side
 * itself. live = allocated - freed - freed_remote.
 *
 * Nothing a hook may look at without a lock is ever freed before ctm_tracer_free: the tracer
 * struct itself, with its shards and the top of the map, is one mapping. A hook reads `active`,
 * takes its lock, and reads `active` again; after that, stop waits for it.
 */
#ifndef CTMI_TRACER_SHARD_H
#define CTMI_TRACER_SHARD_H

#include <pthread.h>

#include "blockmap/address_map.h"
#include "ctm/tracer.h"
#include "tables/published_peak.h"
#include "tables/store.h"
#include "tracer/annotations.h"
#include "tracer/reader_barrier.h"
#include "tracer/sampling.h"
#include "tracer/sink.h"

#define CTMI_RESERVED_AT_ONCE 8u /* entries of the map, so that few resizes need its lock */

/* Shards whose stores keep room for blocks without a place. */
#define CTMI_SPARE_SHARDS 2u

/* A site reference of the address map: home shard in the upper 4 bits, site below. */
#define CTMI_SITE_REF_SITE_BITS 28u
#define CTMI_SITE_REF_SITE_MASK ((1u << CTMI_SITE_REF_SITE_BITS) - 1)

struct ctm_shard {
    struct ctm_tracer *tracer; /* constant */
    uint32_t index;            /* constant; 0: the exclusive shard */
    pthread_mutex_t lock;      /* unused in shard 0 */
    CTMI_HOLDER(holder)        /* who is inside */
    struct ctmi_store store;   /* this lock */
    size_t resizing;           /* this lock; resizes begun and not ended; <= reserved */
    size_t reserved;           /* this lock; entries reserved in the map for resizes */

    /* What events through this shard added and took off (modulo 2^64: each may be negative alone). Written by
     * whoever is inside, so without locked instructions; read by anyone. */
    _Alignas(64) _Atomic uint64_t bytes;
    _Atomic uint64_t blocks;
    _Atomic uint64_t limit; /* up to which the peak is not reached: see peak.c */

    struct ctmi_map_memo memos[CTMI_MAP_MEMOS]; /* this lock */
};

struct ctm_tracer {
    _Atomic bool active;         /* written when the world stops; read by anyone */
    _Atomic uint32_t nframe;     /* the same */
    _Atomic uint32_t generation; /* the same; never 0 */
    _Atomic uint64_t interval;   /* the same; read by ctmi_tracer_interval() */
    uint64_t started_ns;         /* exclusive side; UNIX time of the last start */
    char *command;               /* exclusive side; owned; NULL: not known */
    size_t command_length;       /* exclusive side; bytes */
    struct ctmi_sink *sinks;     /* borrowed; see sink.h */
    _Atomic bool tables_lost;    /* a file that held them was cut: what the tables say is void */
    CTMI_HOLDER(world)           /* who has stopped the world */
    struct ctmi_reader_barrier
        barrier; /* between a recorder and who empties the tables: see reader_barrier.h */

    _Alignas(64) _Atomic uint64_t
        peak_bytes;              /* raised by compare-and-swap, lowered when the world stops */
    _Atomic uint32_t peak_stamp; /* of the peak: see store.h; raised with it, never 0 */
    uint32_t peak_stamps;        /* constant; after so many they begin anew */
    struct ctmi_published_peak
        *published_peak; /* written when the world stops; a sink's, which has a copy; NULL: none */
    pthread_mutex_t peak_lock;                 /* limits; see peak.c */
    struct ctmi_deferred_unmap deferred_unmap; /* see deferred_unmap.h */

    _Alignas(64) struct ctm_shard shards[CTM_SHARDS];
    struct ctmi_page_filter page_filter; /* see sampling.h; in use if there is a sample interval */
    struct ctmi_map map;                 /* see address_map.h */
    struct ctmi_annotations annotations; /* see annotations.h */
};

/* Bytes between samples; 0: every block is recorded. It changes while the world stops and before `active` is set, so
 * inside a shard it is constant; anyone else may read it too. */
static inline uint64_t ctmi_tracer_interval(const struct ctm_tracer *tracer)
{
    return atomic_load_explicit(&tracer->interval, memory_order_relaxed);
}

/* The caller is inside: it holds the shard's lock, or is the one thread in shard 0. */
static inline void ctmi_shard_assert_inside(const struct ctm_shard *shard)
{
#ifdef CTM_ASSERTS
    CTMI_ASSERT(ctmi_holder_is_me(&shard->holder) ||
                (shard->index == 0 && atomic_load(&shard->holder.thread) == 0));
#else
    (void)shard;
#endif
}

/* No event goes on meanwhile: the caller has stopped the world, or nobody else has the tracer yet or any more. */
#define CTMI_ASSERT_WORLD_STOPPED(tracer) CTMI_ASSERT_HELD((tracer)->world)

/* The bytes of `shard` are above its limit. Called inside it. */
CTMI_RARE void ctmi_peak_reached(struct ctm_shard *shard);
/* The world is stopped. */
void ctmi_peak_set(struct ctm_tracer *tracer, uint64_t peak);
/* The world is stopped. From now on the peak is stored there too; NULL: nowhere. */
void ctmi_peak_publish_at(struct ctm_tracer *tracer, struct ctmi_published_peak *published);

/* Forgets everything, with the world stopped and the gate closed; ids of before are void from here on. Gives the levels of
 * the map, which are to be returned (deferred_unmap.h). */
CTM_NODISCARD struct ctmi_pending_unmap *ctmi_tracer_forget_locked(struct ctm_tracer *tracer,
                                                                   bool keep_pages);

/* Sets aside, with the world stopped and the tables empty, what events need that meet a table which cannot grow.
 * CTM_ERR_NOMEM: less is set aside. */
CTM_NODISCARD ctm_status ctmi_tracer_reserve_spare_locked(struct ctm_tracer *tracer);

/* UNIX time in nanoseconds. */
uint64_t ctmi_tracer_now(void);
/* Takes the locks of all locked shards in order; the caller is the exclusive side. */
void ctmi_tracer_stop_world(struct ctm_tracer *tracer);
void ctmi_tracer_resume_world(struct ctm_tracer *tracer);
/* The same, and closes the reader barrier: what may empty the tables or change the list of sinks. */
void ctmi_tracer_close(struct ctm_tracer *tracer);
void ctmi_tracer_open(struct ctm_tracer *tracer);

/* Empties the address map alone, with the world stopped: the caller sees to it that no event follows before the rest is
 * forgotten. Gives the levels that the map had. */
CTM_NODISCARD struct ctmi_pending_unmap *ctmi_tracer_drop_map_locked(struct ctm_tracer *tracer);

/* ctm_tracer_memory, with the world stopped. */
size_t ctmi_tracer_memory_locked(struct ctm_tracer *tracer);

#endif
