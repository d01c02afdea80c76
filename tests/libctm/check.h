/* check.h: what the C tests check with: acutest (third_party/acutest), and what it lacks.
 *
 * Model: a program has one TEST_LIST; each of its functions is a test of CTest, alone in a process. CHECK and the like
 * print the location and the values of each failure, and continue. Any thread may check, and so may a forked child, whose
 * exit status tells whether `check_failed` is 0. `check_lock` guards what acutest knows; checks that pass take no lock.
 *
 * A file that defines CHECK_SET_UP or CHECK_TEAR_DOWN as the name of a function before it includes this header has that
 * function run before or after each test.
 */
#ifndef CTM_TESTS_CHECK_H
#define CTM_TESTS_CHECK_H

#ifdef CHECK_SET_UP
static void CHECK_SET_UP(void);
#define TEST_INIT CHECK_SET_UP();
#endif
#ifdef CHECK_TEAR_DOWN
static void CHECK_TEAR_DOWN(void);
#define TEST_FINI CHECK_TEAR_DOWN();
#endif
#include "acutest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sizes.h"

/* An entry of TEST_LIST, and its last one. */
#define TEST(function) {#function, function}
#define TEST_LIST_END {NULL, NULL}

static _Atomic unsigned long check_failed;
static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;

#define CHECK_PRINTED 40ul /* failures printed; the rest are only counted */

static inline bool check_that(bool held, const char *file, int line, const char *what)
{
    if (!held && atomic_fetch_add(&check_failed, 1) < CHECK_PRINTED) {
        pthread_mutex_lock(&check_lock);
        (void)acutest_check_(0, file, line, "%s", what);
        fflush(stdout);
        pthread_mutex_unlock(&check_lock);
    }
    return held;
}

static inline bool check_equal(int64_t a, int64_t b, const char *file, int line, const char *what)
{
    if (a == b) {
        return true;
    }
    char text[512];
    snprintf(text, sizeof text, "%s: %" PRId64 " is not %" PRId64, what, a, b);
    return check_that(false, file, line, text);
}

static inline bool check_string(const char *a, const char *b, const char *file, int line)
{
    if (a != NULL && b != NULL && strcmp(a, b) == 0) {
        return true;
    }
    char text[512];
    snprintf(text, sizeof text, "\"%s\" is not \"%s\"", a ? a : "(null)", b ? b : "(null)");
    return check_that(false, file, line, text);
}

/* Each returns whether the check passed. */
#define CHECK(condition) check_that((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ(a, b) check_equal((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_STR(a, b) check_string((a), (b), __FILE__, __LINE__)
/* For a condition without which the test cannot continue. It ends the process: acutest's TEST_ASSERT jumps, which only
 * the first thread may do. The status is not 2, which tells acutest that a test was skipped. */
#define REQUIRE(condition)                                          \
    do {                                                            \
        if (!CHECK(condition)) {                                    \
            printf("%s:%d: cannot continue\n", __FILE__, __LINE__); \
            exit(EXIT_FAILURE);                                     \
        }                                                           \
    } while (0)

/* For a test whose faults a handler mends: ThreadSanitizer does not let it. */
#ifdef __SANITIZE_THREAD__
#define SKIP_IF_FAULTS_CANNOT_BE_MENDED()                                 \
    do {                                                                  \
        TEST_SKIP("ThreadSanitizer does not let a handler mend a fault"); \
        return;                                                           \
    } while (0)
#else
#define SKIP_IF_FAULTS_CANNOT_BE_MENDED() (void)0
#endif

/* A number of the environment, for a run by hand that is longer or has other seeds. */
static inline unsigned long check_number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
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
