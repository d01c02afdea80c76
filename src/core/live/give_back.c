/* give_back.c: see live/give_back.h. */
#include "live/give_back.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "live/helper.h"
#include "store/memory.h"

#define AT_ONCE ((size_t)32 << 20) /* bytes that the caller returns himself: 2 to 4 milliseconds */
#define LOOKS 1000                 /* for a thread that was joined and is not gone yet */

void ctm_give_back_init(struct ctm_give_back *giving)
{
    pthread_mutex_init(&giving->lock, NULL);
    giving->process = 0;
    giving->list = NULL;
}

void ctm_give_back_destroy(struct ctm_give_back *giving)
{
    ctm_give_back_settle(giving);
    pthread_mutex_destroy(&giving->lock);
}

/* Returns mappings of `list` until these are `limit` bytes; gives what is left of it. */
static struct ctm_leaving *give_some(struct ctm_leaving *list, size_t limit)
{
    for (size_t given = 0; list != NULL && given < limit;) {
        struct ctm_leaving *next = list->next;
        ctm_mem_unmap(list->memory, list->size);
        given += list->size;
        ctm_mem_free(list);
        list = next;
    }
    return list;
}

void ctm_give_back_now(struct ctm_leaving *list)
{
    (void)give_some(list, SIZE_MAX);
}

/* Records stay: to free them, a new thread would make an arena of malloc's. */
static void *run(void *argument)
{
    struct ctm_give_back *giving = argument;
    giving->id = (pid_t)syscall(SYS_gettid);
    pthread_setname_np(pthread_self(), "ctm-give-back");
    for (const struct ctm_leaving *at = giving->list; at != NULL; at = at->next) {
        ctm_mem_unmap(at->memory, at->size);
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

static void settle_locked(struct ctm_give_back *giving)
{
    const pid_t process = giving->process;
    struct ctm_leaving *list = giving->list;
    /* In the child of a fork that nobody told of there is no thread, and what it had returned is not known. */
    if (process != 0 && process == getpid()) {
        pthread_join(giving->thread, NULL);
        await_end(process, giving->id);
    }
    giving->process = 0;
    giving->list = NULL;
    while (list != NULL) {
        struct ctm_leaving *next = list->next;
        ctm_mem_free(list);
        list = next;
    }
}

void ctm_give_back_settle(struct ctm_give_back *giving)
{
    pthread_mutex_lock(&giving->lock);
    settle_locked(giving);
    pthread_mutex_unlock(&giving->lock);
}

static void give_locked(struct ctm_give_back *giving, struct ctm_leaving *list)
{
    settle_locked(giving);
    giving->list = list;
    if (ctm_helper_start(&giving->thread, run, giving) == 0) {
        giving->process = getpid();
    } else {
        giving->list = NULL;
        ctm_give_back_now(list);
    }
}

void ctm_give_back(struct ctm_give_back *giving, struct ctm_leaving *list)
{
    struct ctm_leaving *rest = give_some(list, AT_ONCE);
    if (rest != NULL) {
        pthread_mutex_lock(&giving->lock);
        give_locked(giving, rest);
        pthread_mutex_unlock(&giving->lock);
    }
}

/* --- fork --- */
void ctm_give_back_fork_before(struct ctm_give_back *giving)
{
    pthread_mutex_lock(&giving->lock);
    settle_locked(giving);
}

void ctm_give_back_fork_after(struct ctm_give_back *giving)
{
    pthread_mutex_unlock(&giving->lock);
}
