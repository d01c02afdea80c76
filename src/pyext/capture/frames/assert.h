/* assert.h: internal asserts of the extension: invariants that no program can break.
 *
 * Model: as in the core (src/libctm/base/assert.h). CTM_ASSERTS is defined in the builds for tests and sanitizers. There
 * a condition that is false prints its text and line on stderr and aborts the process. The shipped extension does not
 * evaluate it.
 *
 * PYCTM_ASSERT_GIL: this thread is attached to some interpreter.
 * PYCTM_ASSERT_MAIN: it is attached to the main interpreter, so it has the lock of shard 0 and of all that is cached for
 * it: code cache, stack cache, self sites.
 *
 * Both may be used in hooks and in threads without a thread state: they only read. From 3.12 on they ask for the
 * thread's own current thread state. On 3.11 the runtime has one for all threads, so there PyGILState_Check is asked as
 * well. That is always true once there has been a sub-interpreter.
 *
 * Nothing of Python.h is needed here, so that files may include this header before it.
 */
#ifndef PYCTM_FRAMES_ASSERT_H
#define PYCTM_FRAMES_ASSERT_H

#include <stdbool.h>

/* A function that only asserts call. Without asserts it is not emitted, of which clang would warn. */
#define PYCTM_FOR_ASSERTS __attribute__((unused))

/* Defined in builds with asserts only. */
_Noreturn void pyctm_assert_failed(const char *condition, const char *file, int line);
bool pyctm_gil_is_held(void);      /* true on free-threaded builds, which have no GIL */
bool pyctm_main_is_attached(void); /* the same */

#ifdef CTM_ASSERTS

#define PYCTM_ASSERT(condition) \
    ((condition) ? (void)0 : pyctm_assert_failed(#condition, __FILE__, __LINE__))
#define PYCTM_ASSERT_GIL() PYCTM_ASSERT(pyctm_gil_is_held())
#define PYCTM_ASSERT_MAIN() PYCTM_ASSERT(pyctm_main_is_attached())

#else

#define PYCTM_ASSERT(condition) ((void)sizeof(!(condition)))
#define PYCTM_ASSERT_GIL() ((void)0)
#define PYCTM_ASSERT_MAIN() ((void)0)

#endif

#endif
