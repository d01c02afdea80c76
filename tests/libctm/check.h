/* check.h: the harness of the core's tests.
 *
 * Model: a test is a program. CHECK and the like count passed and failed checks, print the location and
 * the values of each failure, and continue. `return check_done();` at the end of main prints
 * "N passed, N failed" and returns the exit status. Any thread may check.
 */
#ifndef CTM_TESTS_CHECK_H
#define CTM_TESTS_CHECK_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic unsigned long check_passed;
static _Atomic unsigned long check_failed;

#define CHECK_PRINTED 40ul /* failures printed; the rest are only counted */

static inline bool check_that(bool held, const char *file, int line, const char *what)
{
    if (held) {
        atomic_fetch_add_explicit(&check_passed, 1, memory_order_relaxed);
    } else if (atomic_fetch_add(&check_failed, 1) < CHECK_PRINTED) {
        printf("%s:%d: failed: %s\n", file, line, what);
        fflush(stdout);
    }
    return held;
}

static inline bool check_equal(int64_t a, int64_t b, const char *file, int line, const char *what)
{
    if (a == b) {
        return check_that(true, file, line, what);
    }
    char text[512];
    snprintf(text, sizeof text, "%s: %" PRId64 " is not %" PRId64, what, a, b);
    return check_that(false, file, line, text);
}

static inline bool check_string(const char *a, const char *b, const char *file, int line)
{
    if (a != NULL && b != NULL && strcmp(a, b) == 0) {
        return check_that(true, file, line, a);
    }
    char text[512];
    snprintf(text, sizeof text, "\"%s\" is not \"%s\"", a ? a : "(null)", b ? b : "(null)");
    return check_that(false, file, line, text);
}

/* Each returns whether the check passed. */
#define CHECK(condition) check_that((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ(a, b) check_equal((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_STR(a, b) check_string((a), (b), __FILE__, __LINE__)
/* For a condition without which the test cannot continue. */
#define REQUIRE(condition)                                          \
    do {                                                            \
        if (!CHECK(condition)) {                                    \
            printf("%s:%d: cannot continue\n", __FILE__, __LINE__); \
            exit(2);                                                \
        }                                                           \
    } while (0)

static inline int check_done(void)
{
    unsigned long failed = atomic_load(&check_failed);
    printf("%lu passed, %lu failed\n", atomic_load(&check_passed), failed);
    return failed == 0 ? 0 : 1;
}

/* A small random generator (splitmix64), the same everywhere for the same seed. */
static inline uint64_t check_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

#endif
