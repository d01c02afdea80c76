/* store/assert.h: internal asserts: what must hold at a line, whatever the caller does.
 *
 * Model: with CTM_ASSERTS (the tests' and sanitizers' builds, the fuzz targets) a condition that does not hold ends the
 * process, with its text and line on stderr. Without it, as the library is shipped, nothing of it is evaluated.
 *
 * A holder says which thread is inside what a lock guards. It is changed right after the lock is taken and right before it
 * is given back, so that the functions which want that lock can assert it. In the child of a fork the thread is the same.
 */
#ifndef CTM_STORE_ASSERT_H
#define CTM_STORE_ASSERT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef CTM_ASSERTS
#include <errno.h>
#include <stdatomic.h>

_Noreturn void ctm_assert_failed(const char *condition, const char *file, int line);

#define CTM_ASSERT(condition) \
    ((condition) ? (void)0 : ctm_assert_failed(#condition, __FILE__, __LINE__))

struct ctm_holder {
    _Atomic uintptr_t thread; /* 0: nobody */
    uint32_t depth;           /* of the holding thread: how often it took the same */
};

/* A number that no other living thread has. */
static inline uintptr_t ctm_this_thread(void)
{
    return (uintptr_t)&errno;
}

static inline bool ctm_holder_is_me(const struct ctm_holder *holder)
{
    return atomic_load_explicit(&holder->thread, memory_order_relaxed) == ctm_this_thread();
}

static inline void ctm_holder_take(struct ctm_holder *holder)
{
    CTM_ASSERT(ctm_holder_is_me(holder) ||
               atomic_load_explicit(&holder->thread, memory_order_relaxed) == 0);
    atomic_store_explicit(&holder->thread, ctm_this_thread(), memory_order_relaxed);
    holder->depth++;
}

static inline void ctm_holder_drop(struct ctm_holder *holder)
{
    CTM_ASSERT(ctm_holder_is_me(holder) && holder->depth > 0);
    if (--holder->depth == 0) {
        atomic_store_explicit(&holder->thread, 0, memory_order_relaxed);
    }
}

#define CTM_HOLDER(name) struct ctm_holder name;
#define CTM_TAKE(holder) ctm_holder_take(&(holder))
#define CTM_DROP(holder) ctm_holder_drop(&(holder))
#define CTM_ASSERT_HELD(holder) CTM_ASSERT(ctm_holder_is_me(&(holder)))
#else
#define CTM_ASSERT(condition) ((void)sizeof(!(condition)))
#define CTM_HOLDER(name)
#define CTM_TAKE(holder) ((void)0)
#define CTM_DROP(holder) ((void)0)
#define CTM_ASSERT_HELD(holder) ((void)0)
#endif

#endif
