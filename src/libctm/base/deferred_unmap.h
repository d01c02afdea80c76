/* base/deferred_unmap.h: unmaps a large amount of memory without delaying the caller.
 *
 * Model: munmap takes about a millisecond for each 10 MB of touched pages, so the time of stop() would grow with the
 * block map. The input is a list of mappings that no other thread can reach. The caller unmaps the front of the
 * list, so a short list (nearly all are short) needs no thread. A *helper* thread unmaps the rest. It takes no lock,
 * allocates and frees nothing, and ends. If no thread can be started, the caller unmaps everything.
 *
 * The helper is joined at the next of these: another list, a query of the memory in use, the start of a recording, a
 * fork, the end of the tracer. The join waits until all is unmapped. A fork waits because its child would inherit the
 * rest of the list, and because CPython warns of a fork in a process with a second thread. The exit of a process does
 * not wait.
 *
 * Lock: `lock`, the outermost of all: a thread that takes it holds no lock of the tracer's. fork holds it throughout.
 */
#ifndef CTMI_BASE_DEFERRED_UNMAP_H
#define CTMI_BASE_DEFERRED_UNMAP_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/lock.h"

/* A mapping to unmap. Allocated with ctmi_mem_alloc; may be the first member of a larger struct.
 * No lock: one thread at a time has the list. */
struct ctmi_pending_unmap {
    struct ctmi_pending_unmap *next; /* owned */
    void *memory;                    /* owned mapping, until it is unmapped */
    size_t size;                     /* bytes of the mapping */
};

struct ctmi_deferred_unmap {
    struct ctmi_lock lock;
    pthread_t thread; /* lock; the helper, if there is one */
    pid_t process;    /* lock; the process that the helper runs in; 0: there is no helper */
    pid_t id;         /* thread id of the helper: written by it, read after it was joined */
    struct ctmi_pending_unmap *list; /* lock; owned: the join of the helper frees the records */
};

void ctmi_deferred_unmap_init(struct ctmi_deferred_unmap *deferred);
/* Waits for the helper. */
void ctmi_deferred_unmap_destroy(struct ctmi_deferred_unmap *deferred);

/* Unmaps all of the list and frees it (NULL: nothing to do). The helper may still be unmapping on return. */
void ctmi_deferred_unmap(struct ctmi_deferred_unmap *deferred, struct ctmi_pending_unmap *list);
/* The same, complete on return. Takes no lock. */
void ctmi_deferred_unmap_now(struct ctmi_pending_unmap *list);
/* On return all is unmapped, and the process has no helper. */
void ctmi_deferred_unmap_wait(struct ctmi_deferred_unmap *deferred);

/* fork: before all other locks are taken, and after all others are released. */
void ctmi_deferred_unmap_fork_before(struct ctmi_deferred_unmap *deferred);
void ctmi_deferred_unmap_fork_after(struct ctmi_deferred_unmap *deferred); /* in parent and child */

#endif
