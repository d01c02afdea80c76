/* base/assert.h: internal asserts: invariants of the library, which no caller can break.
 *
 * Model: CTM_ASSERTS is defined in the builds of the tests, the sanitizers and the fuzz targets. There a condition that
 * is false prints its text and line on stderr and aborts the process. The shipped library does not evaluate it.
 *
 * A holder records which thread holds a lock. It is set right after the lock is taken and cleared right before the lock
 * is released, so a function that needs the lock can assert it. The child of a fork keeps the holder: its one thread
 * has the same number as in the parent.
 */
#ifndef CTMI_BASE_ASSERT_H
#define CTMI_BASE_ASSERT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef CTM_ASSERTS
#include <errno.h>
#include <stdatomic.h>

_Noreturn void ctmi_assert_failed(const char *condition, const char *file, int line);

#define CTMI_ASSERT(condition) \
    ((condition) ? (void)0 : ctmi_assert_failed(#condition, __FILE__, __LINE__))

struct ctmi_holder {
    _Atomic uintptr_t thread; /* written by the holding thread, read by any; 0: no holder */
    uint32_t depth;           /* the holding thread's: how many times it has taken the lock */
};

/* A number for the calling thread, unique among the threads that exist. */
static inline uintptr_t ctmi_this_thread(void)
{
    return (uintptr_t)&errno;
}

static inline bool ctmi_holder_is_me(const struct ctmi_holder *holder)
{
    return atomic_load_explicit(&holder->thread, memory_order_relaxed) == ctmi_this_thread();
}

static inline void ctmi_holder_take(struct ctmi_holder *holder)
{
    CTMI_ASSERT(ctmi_holder_is_me(holder) ||
                atomic_load_explicit(&holder->thread, memory_order_relaxed) == 0);
    atomic_store_explicit(&holder->thread, ctmi_this_thread(), memory_order_relaxed);
    holder->depth++;
}

static inline void ctmi_holder_drop(struct ctmi_holder *holder)
{
    CTMI_ASSERT(ctmi_holder_is_me(holder) && holder->depth > 0);
    if (--holder->depth == 0) {
        atomic_store_explicit(&holder->thread, 0, memory_order_relaxed);
    }
}

#define CTMI_HOLDER(name) struct ctmi_holder name;
#define CTMI_TAKE(holder) ctmi_holder_take(&(holder))
#define CTMI_DROP(holder) ctmi_holder_drop(&(holder))
#define CTMI_ASSERT_HELD(holder) CTMI_ASSERT(ctmi_holder_is_me(&(holder)))
#else
#define CTMI_ASSERT(condition) ((void)sizeof(!(condition)))
#define CTMI_HOLDER(name)
#define CTMI_TAKE(holder) ((void)0)
#define CTMI_DROP(holder) ((void)0)
#define CTMI_ASSERT_HELD(holder) ((void)0)
#endif

#endif
