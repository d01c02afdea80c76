/* base/deferred_unmap.c: see base/deferred_unmap.h. */
#include "base/deferred_unmap.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/helper_thread.h"
#include "base/memory.h"

#define CALLER_BYTES ((size_t)32 << 20) /* unmapped by the caller: 2 to 4 milliseconds */
#define END_POLLS 1000                  /* at most, until the system has removed a joined thread */

void ctmi_deferred_unmap_init(struct ctmi_deferred_unmap *deferred)
{
    ctmi_lock_init(&deferred->lock);
    deferred->process = 0;
    deferred->list = NULL;
}

void ctmi_deferred_unmap_destroy(struct ctmi_deferred_unmap *deferred)
{
    ctmi_deferred_unmap_wait(deferred);
    ctmi_lock_destroy(&deferred->lock);
}

/* Unmaps from the front of `list` until at least `limit` bytes are unmapped; returns the rest of the list. */
static struct ctmi_pending_unmap *unmap_some(struct ctmi_pending_unmap *list, size_t limit)
{
    for (size_t unmapped = 0; list != NULL && unmapped < limit;) {
        struct ctmi_pending_unmap *next = list->next;
        ctmi_mem_unmap(list->memory, list->size);
        unmapped += list->size;
        ctmi_mem_free(list);
        list = next;
    }
    return list;
}

void ctmi_deferred_unmap_now(struct ctmi_pending_unmap *list)
{
    (void)unmap_some(list, SIZE_MAX);
}

/* The helper thread. It frees no record: its first call of malloc or free would create a malloc arena. */
static void *run(void *argument)
{
    struct ctmi_deferred_unmap *deferred = argument;
    deferred->id = (pid_t)syscall(SYS_gettid);
    pthread_setname_np(pthread_self(), "ctm-unmap");
    for (const struct ctmi_pending_unmap *at = deferred->list; at != NULL; at = at->next) {
        ctmi_mem_unmap(at->memory, at->size);
    }
    return NULL;
}

/* Waits until the system no longer counts a joined thread, which takes some microseconds. */
static void await_end(pid_t process, pid_t thread)
{
    for (int i = 0; i < END_POLLS && syscall(SYS_tgkill, process, thread, 0) == 0; i++) {
        sched_yield();
    }
}

static void wait_locked(struct ctmi_deferred_unmap *deferred)
{
    CTMI_ASSERT_LOCKED(deferred->lock);
    const pid_t process = deferred->process;
    struct ctmi_pending_unmap *list = deferred->list;
    /* A fork without our handlers leaves the child a list without its helper. It is not known how much of the list is
     * unmapped, so the child only frees the records. */
    if (process != 0 && process == getpid()) {
        pthread_join(deferred->thread, NULL);
        await_end(process, deferred->id);
    }
    deferred->process = 0;
    deferred->list = NULL;
    while (list != NULL) {
        struct ctmi_pending_unmap *next = list->next;
        ctmi_mem_free(list);
        list = next;
    }
}

void ctmi_deferred_unmap_wait(struct ctmi_deferred_unmap *deferred)
{
    ctmi_lock_acquire(&deferred->lock);
    wait_locked(deferred);
    ctmi_lock_release(&deferred->lock);
}

static void start_locked(struct ctmi_deferred_unmap *deferred, struct ctmi_pending_unmap *list)
{
    wait_locked(deferred);
    CTMI_ASSERT(deferred->process == 0 && deferred->list == NULL);
    deferred->list = list;
    if (ctmi_helper_start(&deferred->thread, run, deferred) == 0) {
        deferred->process = getpid();
    } else {
        deferred->list = NULL;
        ctmi_deferred_unmap_now(list);
    }
}

void ctmi_deferred_unmap(struct ctmi_deferred_unmap *deferred, struct ctmi_pending_unmap *list)
{
    struct ctmi_pending_unmap *rest = unmap_some(list, CALLER_BYTES);
    if (rest != NULL) {
        ctmi_lock_acquire(&deferred->lock);
        start_locked(deferred, rest);
        ctmi_lock_release(&deferred->lock);
    }
}

/* --- fork --- */
void ctmi_deferred_unmap_fork_before(struct ctmi_deferred_unmap *deferred)
{
    ctmi_lock_acquire(&deferred->lock);
    wait_locked(deferred);
}

void ctmi_deferred_unmap_fork_after(struct ctmi_deferred_unmap *deferred)
{
    ctmi_lock_release(&deferred->lock);
}
