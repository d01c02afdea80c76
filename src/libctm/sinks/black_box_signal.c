/* sinks/black_box_signal.c: handles the truncation of a file that is mapped.
 *
 * Model: an access beyond the end of the file raises SIGBUS. The handler replaces the rest of the chunk, which is
 * beyond the end as well, by zeroed private pages. The event continues and counts in rows that are lost. Faults at
 * other addresses are passed to the previous handler.
 *
 * The handler may run in any thread, inside any event, so it acquires no lock. Only exclusive sides add and remove
 * boxes; `the_sigbus.lock` is needed if a program has several tracers.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sinks/black_box.h"

#define MAX_BOXES 8

/* The process's, because its SIGBUS has one handler, which gets no data of ours. */
static struct {
    _Atomic(struct ctmi_box_writer *)
        boxes[MAX_BOXES]; /* written with the lock, read by the handler */
    pthread_mutex_t lock;
    unsigned count;            /* lock; boxes in `boxes` */
    struct sigaction previous; /* written while this handler is not installed */
    uintptr_t page_mask;       /* the same */
    _Atomic int passing;       /* threads that run the previous handler */
} the_sigbus = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* False: the address is not in the shared part of the range. */
static bool repair_range(const struct ctmi_box_range *range, uintptr_t address)
{
    const uintptr_t base = atomic_load(&range->base);
    const size_t shared = atomic_load(&range->shared);
    if (base == 0 || address - base >= shared) {
        return false;
    }
    const uintptr_t from = address & the_sigbus.page_mask;
    return mmap((void *)from, base + shared - from, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static bool repair(struct ctmi_box_writer *box, uintptr_t address)
{
    bool found = repair_range(&box->control_range, address);
    for (unsigned i = 0; i < CTM_SHARDS * CTMI_TABLES * CTMI_BOX_CHUNKS && !found; i++) {
        const unsigned chunk = i % CTMI_BOX_CHUNKS, table = i / CTMI_BOX_CHUNKS % CTMI_TABLES;
        const unsigned shard = i / CTMI_BOX_CHUNKS / CTMI_TABLES;
        found = repair_range(&box->backings[shard].ranges[table][chunk], address);
    }
    if (found) {
        atomic_store(&box->tracer->tables_lost, true);
        atomic_store(&box->control->lack, CTM_BOX_CUT); /* may fault too */
    }
    return found;
}

/* False: no part of the range is beyond the end of the file. */
static bool repair_beyond(struct ctmi_box_writer *box, const struct ctmi_box_range *range,
                          uint64_t end)
{
    const uintptr_t base = atomic_load(&range->base);
    const uint64_t left = end > range->offset ? end - range->offset : 0;
    const uint64_t first = (left + ~the_sigbus.page_mask) & the_sigbus.page_mask;
    return base != 0 && first < atomic_load(&range->shared) && repair(box, base + first);
}

/* A handler that was installed later, such as faulthandler's, restores this one and raises the signal again. A raised
 * signal has no address, so everything beyond the end of the file is repaired. The access is then repeated. */
static bool repair_raised(struct ctmi_box_writer *box)
{
    uint64_t end;
    if (!ctmi_box_has_fd(box, &end)) {
        return false;
    }
    bool found = repair_beyond(box, &box->control_range, end);
    for (unsigned i = 0; i < CTM_SHARDS * CTMI_TABLES * CTMI_BOX_CHUNKS; i++) {
        const unsigned chunk = i % CTMI_BOX_CHUNKS, table = i / CTMI_BOX_CHUNKS % CTMI_TABLES;
        const unsigned shard = i / CTMI_BOX_CHUNKS / CTMI_TABLES;
        found = repair_beyond(box, &box->backings[shard].ranges[table][chunk], end) || found;
    }
    return found;
}

/* False: the fault is not in this box. */
static bool repair_fault(struct ctmi_box_writer *box, const siginfo_t *info)
{
    if (box == NULL) {
        return false;
    }
    if (info->si_code > 0) {
        return repair(box, (uintptr_t)info->si_addr);
    }
    return info->si_code == SI_TKILL && info->si_pid == getpid() && repair_raised(box);
}

static void end_process(int number, const siginfo_t *info)
{
    signal(number, SIG_DFL); /* a fault is repeated when the handler returns */
    if (info->si_code <= 0) {
        raise(number);
    }
}

/* The previous handler may have been installed over this one and call it. Such a nested call ends the process. */
static void pass_to_previous(int number, siginfo_t *info, void *context)
{
    const bool is_nested = atomic_fetch_add(&the_sigbus.passing, 1) > 0;
    const bool is_ignored = the_sigbus.previous.sa_handler == SIG_IGN &&
                            info->si_code <= 0; /* a fault cannot be ignored */
    if (!is_nested && (the_sigbus.previous.sa_flags & SA_SIGINFO)) {
        the_sigbus.previous.sa_sigaction(number, info, context);
    } else if (!is_nested && the_sigbus.previous.sa_handler != SIG_DFL &&
               the_sigbus.previous.sa_handler != SIG_IGN) {
        the_sigbus.previous.sa_handler(number);
    } else if (is_nested || !is_ignored) {
        end_process(number, info);
    }
    atomic_fetch_sub(&the_sigbus.passing, 1);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    bool found = false;
    for (int i = 0; i < MAX_BOXES && !found; i++) {
        found = repair_fault(atomic_load(&the_sigbus.boxes[i]), info);
    }
    if (!found) {
        pass_to_previous(number, info, context);
    }
    errno = error;
}

static void install(void)
{
    struct sigaction handler = {.sa_sigaction = on_sigbus,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    struct sigaction now;
    sigemptyset(&handler.sa_mask);
    the_sigbus.page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    sigaction(SIGBUS, NULL, &now);
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_sigbus) {
        the_sigbus.previous = now;
        sigaction(SIGBUS, &handler, NULL);
    }
}

/* A handler that was installed over this one may call it; then this one stays installed. */
static void uninstall(void)
{
    struct sigaction now;
    sigaction(SIGBUS, NULL, &now);
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus) {
        sigaction(SIGBUS, &the_sigbus.previous, NULL);
    }
}

bool ctmi_box_guard(struct ctmi_box_writer *box)
{
    bool added = false;
    pthread_mutex_lock(&the_sigbus.lock);
    for (int i = 0; i < MAX_BOXES && !added; i++) {
        struct ctmi_box_writer *free_slot = NULL;
        added = atomic_compare_exchange_strong(&the_sigbus.boxes[i], &free_slot, box);
    }
    if (added) {
        the_sigbus.count++;
        install();
    }
    pthread_mutex_unlock(&the_sigbus.lock);
    return added;
}

void ctmi_box_unguard(struct ctmi_box_writer *box)
{
    pthread_mutex_lock(&the_sigbus.lock);
    for (int i = 0; i < MAX_BOXES; i++) {
        if (atomic_load(&the_sigbus.boxes[i]) == box) {
            atomic_store(&the_sigbus.boxes[i], NULL);
            the_sigbus.count--;
        }
    }
    if (the_sigbus.count == 0) {
        uninstall();
    }
    pthread_mutex_unlock(&the_sigbus.lock);
}
