/* deferred_unmap.c: see base/deferred_unmap.h. */
#include "base/deferred_unmap.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/helper_thread.h"
#include "base/memory.h"

#define AT_ONCE ((size_t)32 << 20) /* bytes that the caller returns himself: 2 to 4 milliseconds */
#define LOOKS 1000                 /* for a thread that was joined and is not gone yet */

void ctmi_deferred_unmap_init(struct ctmi_deferred_unmap *giving)
{
    pthread_mutex_init(&giving->lock, NULL);
    giving->process = 0;
    giving->list = NULL;
}

void ctmi_deferred_unmap_destroy(struct ctmi_deferred_unmap *giving)
{
    ctmi_deferred_unmap_wait(giving);
    pthread_mutex_destroy(&giving->lock);
}

/* Returns mappings of `list` until these are `limit` bytes; gives what is left of it. */
static struct ctmi_leaving *give_some(struct ctmi_leaving *list, size_t limit)
{
    for (size_t given = 0; list != NULL && given < limit;) {
        struct ctmi_leaving *next = list->next;
        ctmi_mem_unmap(list->memory, list->size);
        given += list->size;
        ctmi_mem_free(list);
        list = next;
    }
    return list;
}

void ctmi_deferred_unmap_now(struct ctmi_leaving *list)
{
    (void)give_some(list, SIZE_MAX);
}

/* Records stay: to free them, a new thread would make an arena of malloc's. */
static void *run(void *argument)
{
    struct ctmi_deferred_unmap *giving = argument;
    giving->id = (pid_t)syscall(SYS_gettid);
    pthread_setname_np(pthread_self(), "ctm-give-back");
    for (const struct ctmi_leaving *at = giving->list; at != NULL; at = at->next) {
        ctmi_mem_unmap(at->memory, at->size);
    }
    return NULL;
}

/* A thread that was joined is in the system's count of threads for some microseconds more. */
static void await_end(pid_t process, pid_t thread)
{
    for (int i = 0; i < LOOKS && syscall(SYS_tgkill, process, thread, 0) == 0; i++) {
        sched_yield();
    }
}

static void wait_locked(struct ctmi_deferred_unmap *giving)
{
    const pid_t process = giving->process;
    struct ctmi_leaving *list = giving->list;
    /* In the child of a fork that nobody told of there is no thread, and what it had returned is not known. */
    if (process != 0 && process == getpid()) {
        pthread_join(giving->thread, NULL);
        await_end(process, giving->id);
    }
    giving->process = 0;
    giving->list = NULL;
    while (list != NULL) {
        struct ctmi_leaving *next = list->next;
        ctmi_mem_free(list);
        list = next;
    }
}

void ctmi_deferred_unmap_wait(struct ctmi_deferred_unmap *giving)
{
    pthread_mutex_lock(&giving->lock);
    wait_locked(giving);
    pthread_mutex_unlock(&giving->lock);
}

static void give_locked(struct ctmi_deferred_unmap *giving, struct ctmi_leaving *list)
{
    wait_locked(giving);
    giving->list = list;
    if (ctmi_helper_start(&giving->thread, run, giving) == 0) {
        giving->process = getpid();
    } else {
        giving->list = NULL;
        ctmi_deferred_unmap_now(list);
    }
}

void ctmi_deferred_unmap(struct ctmi_deferred_unmap *giving, struct ctmi_leaving *list)
{
    struct ctmi_leaving *rest = give_some(list, AT_ONCE);
    if (rest != NULL) {
        pthread_mutex_lock(&giving->lock);
        give_locked(giving, rest);
        pthread_mutex_unlock(&giving->lock);
    }
}

/* --- fork --- */
void ctmi_deferred_unmap_fork_before(struct ctmi_deferred_unmap *giving)
{
    pthread_mutex_lock(&giving->lock);
    wait_locked(giving);
}

void ctmi_deferred_unmap_fork_after(struct ctmi_deferred_unmap *giving)
{
    pthread_mutex_unlock(&giving->lock);
}
