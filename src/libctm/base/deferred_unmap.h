/* base/deferred_unmap.h: returning much memory to the system without keeping the caller waiting.
 *
 * Model: the system takes about a millisecond for each 10 MB that it gets back, so stop() of a large heap would take as
 * long as its address map is large. What is to go is a list of mappings that nobody else can reach. Its beginning is
 * returned by the caller, so that a small list (nearly all are) needs no thread; the rest by a *helper*, a thread that
 * does nothing else: it takes no lock, allocates and frees nothing, and ends. Where none can be started the
 * caller does all of it.
 *
 * The helper is joined, which takes as long as it has still to do, by whoever comes first: the next list, the question
 * how much memory is in use, a new recording, a fork (whose child would have the rest of the list, and which
 * CPython warns of where a process has a second thread), the end of the tracer. A process that exits need not
 * wait for it.
 *
 * Lock: `lock`, outside of all others: nothing of the tracer's is held by whoever takes it. fork holds it.
 */
#ifndef CTMI_BASE_DEFERRED_UNMAP_H
#define CTMI_BASE_DEFERRED_UNMAP_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

/* A mapping that is to go. Allocated with ctmi_mem_alloc, perhaps as the first member of something larger. */
struct ctmi_leaving {
    struct ctmi_leaving *next; /* owned */
    void *memory;              /* owned mapping, until it is returned */
    size_t size;
};

struct ctmi_deferred_unmap {
    pthread_mutex_t lock;
    pthread_t thread;          /* lock; the helper, if there is one */
    pid_t process;             /* lock; whose helper it is; 0: there is none */
    pid_t id;                  /* the helper's, then whoever joined it; its number in the system */
    struct ctmi_leaving *list; /* lock; owned: its records are freed when the helper is joined */
};

void ctmi_deferred_unmap_init(struct ctmi_deferred_unmap *giving);
/* Waits for the helper. */
void ctmi_deferred_unmap_destroy(struct ctmi_deferred_unmap *giving);

/* Returns all of the list (NULL: nothing), much of it a little later. */
void ctmi_deferred_unmap(struct ctmi_deferred_unmap *giving, struct ctmi_leaving *list);
/* Returns all of it now. Takes no lock. */
void ctmi_deferred_unmap_now(struct ctmi_leaving *list);
/* From here on all is returned, and the process has no helper. */
void ctmi_deferred_unmap_wait(struct ctmi_deferred_unmap *giving);

/* fork: before everything else, and after it. */
void ctmi_deferred_unmap_fork_before(struct ctmi_deferred_unmap *giving);
void ctmi_deferred_unmap_fork_after(struct ctmi_deferred_unmap *giving); /* in parent and child */

#endif
