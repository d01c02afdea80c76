/* tracer/reader_barrier.h: a lock that keeps a recorder out of the tables while they are emptied.
 *
 * Model: a recorder reads the tables of all shards without the shards' locks: rows never move, and counts are
 * published. This is safe except while the tables are emptied (start, stop, clear) or the process forks. A thread
 * that does one of these closes the barrier, and a recorder is inside it while it reads. The recorder checks
 * `waiting` every few thousand rows and yields, so closing takes microseconds, however many rows there are.
 *
 * Lock order: shards, then the barrier. Inside the barrier a recorder acquires only the lock of the annotations, and it
 * does no input or output.
 */
#ifndef CTMI_TRACER_READER_BARRIER_H
#define CTMI_TRACER_READER_BARRIER_H

#include <sched.h>
#include <stdatomic.h>

#include "base/lock.h"

struct ctmi_reader_barrier {
    struct ctmi_lock lock;    /* held by the thread that has closed it or is inside */
    _Atomic unsigned waiting; /* threads that are waiting to close it */
};

static inline void ctmi_reader_barrier_init(struct ctmi_reader_barrier *barrier)
{
    ctmi_lock_init(&barrier->lock);
    atomic_store(&barrier->waiting, 0);
}

static inline void ctmi_reader_barrier_close(struct ctmi_reader_barrier *barrier)
{
    atomic_fetch_add(&barrier->waiting, 1);
    ctmi_lock_acquire(&barrier->lock);
    atomic_fetch_sub(&barrier->waiting, 1);
}

static inline void ctmi_reader_barrier_open(struct ctmi_reader_barrier *barrier)
{
    ctmi_lock_release(&barrier->lock);
}

/* The child of a fork has one thread, which has closed the barrier; threads that waited do not exist there. */
static inline void ctmi_reader_barrier_open_in_child(struct ctmi_reader_barrier *barrier)
{
    atomic_store(&barrier->waiting, 0);
    ctmi_lock_release(&barrier->lock);
}

/* --- the recorder's side --- */

static inline void ctmi_reader_barrier_enter(struct ctmi_reader_barrier *barrier)
{
    ctmi_lock_acquire(&barrier->lock);
}

static inline void ctmi_reader_barrier_leave(struct ctmi_reader_barrier *barrier)
{
    ctmi_lock_release(&barrier->lock);
}

/* Lets waiting threads close the barrier. A mutex alone is not fair: the recorder would acquire it again at once. */
static inline void ctmi_reader_barrier_yield(struct ctmi_reader_barrier *barrier)
{
    if (atomic_load_explicit(&barrier->waiting, memory_order_relaxed) == 0) {
        return;
    }
    ctmi_lock_release(&barrier->lock);
    while (atomic_load(&barrier->waiting) != 0) {
        sched_yield();
    }
    ctmi_lock_acquire(&barrier->lock);
}

#endif
