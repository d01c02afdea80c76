/* base/lock.h: a mutex that knows its holder.
 *
 * Model: a mutex of pthreads. In a build with asserts (base/assert.h) it also records which thread holds it, so a
 * function that needs the lock asserts that. In the shipped library it is the mutex alone.
 *
 * The child of a fork holds what the forking thread held, and releases it. A lock that another thread may have held is
 * initialised again there (ctmi_lock_init).
 */
#ifndef CTMI_BASE_LOCK_H
#define CTMI_BASE_LOCK_H

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"

struct ctmi_lock {
    pthread_mutex_t mutex;
    CTMI_HOLDER(holder) /* the thread that holds `mutex` */
};

static inline void ctmi_lock_init(struct ctmi_lock *lock)
{
    memset(lock, 0, sizeof *lock);
    pthread_mutex_init(&lock->mutex, NULL);
}

static inline void ctmi_lock_destroy(struct ctmi_lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static inline void ctmi_lock_acquire(struct ctmi_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    CTMI_TAKE(lock->holder);
}

static inline void ctmi_lock_release(struct ctmi_lock *lock)
{
    CTMI_DROP(lock->holder);
    pthread_mutex_unlock(&lock->mutex);
}

/* Waits for `condition` until the time `until` of its clock, without the lock meanwhile. Returns 0 or errno. */
static inline int ctmi_lock_wait(struct ctmi_lock *lock, pthread_cond_t *condition,
                                 const struct timespec *until)
{
    CTMI_DROP(lock->holder);
    const int error = pthread_cond_timedwait(condition, &lock->mutex, until);
    CTMI_TAKE(lock->holder);
    return error;
}

/* The calling thread holds the lock. */
#define CTMI_ASSERT_LOCKED(lock) CTMI_ASSERT_HELD((lock).holder)

#endif
