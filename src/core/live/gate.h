/* live/gate.h: keeping a recorder out of the tables while they are emptied.
 *
 * Model: a recorder reads the tables of all shards without their locks: rows never move, and counts are published.
 * That is safe but while tables are emptied (start, stop, clear) or the process forks. So whoever does that closes
 * the gate, and a recorder is inside it while it reads. It looks at `waiting` every few thousand rows and steps
 * aside, so closing takes microseconds however many rows there are.
 *
 * Lock order: shards, then the gate. Inside the gate a recorder takes no other lock and does no input or output.
 */
#ifndef CTM_LIVE_GATE_H
#define CTM_LIVE_GATE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "store/assert.h"

struct ctm_gate {
    pthread_mutex_t lock;
    CTM_HOLDER(holder)        /* who has closed it, or is inside */
    _Atomic unsigned waiting; /* threads that want to close it */
};

static inline void ctm_gate_init(struct ctm_gate *gate)
{
    pthread_mutex_init(&gate->lock, NULL);
    atomic_store(&gate->waiting, 0);
}

static inline void ctm_gate_close(struct ctm_gate *gate)
{
    atomic_fetch_add(&gate->waiting, 1);
    pthread_mutex_lock(&gate->lock);
    CTM_TAKE(gate->holder);
    atomic_fetch_sub(&gate->waiting, 1);
}

static inline void ctm_gate_open(struct ctm_gate *gate)
{
    CTM_DROP(gate->holder);
    pthread_mutex_unlock(&gate->lock);
}

/* The child of a fork has one thread, which has closed the gate; others who waited are not there. */
static inline void ctm_gate_open_in_child(struct ctm_gate *gate)
{
    atomic_store(&gate->waiting, 0);
    CTM_DROP(gate->holder);
    pthread_mutex_unlock(&gate->lock);
}

/* --- the recorder's side --- */

static inline void ctm_gate_enter(struct ctm_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    CTM_TAKE(gate->holder);
}

static inline void ctm_gate_leave(struct ctm_gate *gate)
{
    CTM_DROP(gate->holder);
    pthread_mutex_unlock(&gate->lock);
}

/* Lets whoever waits in between. A mutex alone is not fair: it would be taken again at once. */
static inline void ctm_gate_step_aside(struct ctm_gate *gate)
{
    if (atomic_load_explicit(&gate->waiting, memory_order_relaxed) == 0) {
        return;
    }
    CTM_DROP(gate->holder);
    pthread_mutex_unlock(&gate->lock);
    while (atomic_load(&gate->waiting) != 0) {
        sched_yield();
    }
    pthread_mutex_lock(&gate->lock);
    CTM_TAKE(gate->holder);
}

#endif
