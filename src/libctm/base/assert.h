/* base/assert.h: internal asserts: what must hold at a line, whatever the caller does.
 *
 * Model: with CTM_ASSERTS (the tests' and sanitizers' builds, the fuzz targets) a condition that does not hold ends the
 * process, with its text and line on stderr. Without it, as the library is shipped, nothing of it is evaluated.
 *
 * A holder says which thread is inside what a lock guards. It is changed right after the lock is taken and right before it
 * is given back, so that the functions which want that lock can assert it. In the child of a fork the thread is the same.
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
    _Atomic uintptr_t thread; /* 0: nobody */
    uint32_t depth;           /* of the holding thread: how often it took the same */
};

/* A number that no other living thread has. */
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
