/* test_deferred_unmap.c: a tracer with a large block map stops: its memory returns to the system, a fork finds no
 * thread, and tracing can start again.
 *
 * Model: LEAVES leaves, each with a block for every page of it, so they are resident; more than what stop() returns by
 * itself. Threads are counted by the system, except under TSan, which has one of its own.
 */
#include "check.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctm/tracer.h"
#include "tracer/tracer.h"

enum { LEAVES = 100, PAGES = 256 };
#define FIRST 0x100000000ull
#define PAGE_COVERS (1ull << 14)
#define LEAF_BYTES ((size_t)1 << 20)

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#else
#define HAS_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_TSAN
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

static int count_threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    REQUIRE(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

static void check_alone(void)
{
    if (!HAS_TSAN) {
        CHECK_EQ(count_threads(), 1);
    }
}

static size_t resident(void)
{
    unsigned long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file != NULL && fscanf(file, "%lu %lu", &size, &pages) == 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t address_of(int leaf, int page)
{
    return FIRST + ((uint64_t)leaf << CTMI_BLOCK_MAP_LEAF_BITS) + (uint64_t)page * PAGE_COVERS;
}

static void start_and_fill(ctm_tracer *tracer)
{
    ctm_frame_text frame = {"a.py", "f", 1, 1};
    uint32_t id;
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &id) == CTM_OK);
    for (int leaf = 0; leaf < LEAVES; leaf++) {
        for (int page = 0; page < PAGES; page++) {
            REQUIRE(ctm_shard_alloc(shard, 0, address_of(leaf, page), 10, id) == CTM_OK);
        }
    }
    ctm_shard_leave(shard);
}

/* Are there exactly the blocks of start_and_fill? */
static void check_filled(ctm_tracer *tracer)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    CHECK_EQ(totals.live_blocks, LEAVES * PAGES);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    bool all = true;
    for (int leaf = 0; leaf < LEAVES; leaf++) {
        all = all && ctm_shard_free(shard, 0, address_of(leaf, leaf % PAGES)) &&
              !ctm_shard_free(shard, 0, address_of(leaf, leaf % PAGES));
    }
    CHECK(all);
    ctm_shard_leave(shard);
    ctm_tracer_totals(tracer, &totals);
    CHECK_EQ(totals.live_blocks, LEAVES * (PAGES - 1));
}

static ctm_tracer *new_tracer(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    return tracer;
}

/* First of all: later threads may have a stack that an earlier one left. */
static void test_thread_cannot_start(void)
{
    struct rlimit before, none;
    if (IS_SANITIZED) {
        puts("not run: the thread cannot start (a sanitizer needs memory)");
        return;
    }
    ctm_tracer *tracer = new_tracer();
    start_and_fill(tracer);
    const size_t full = resident();
    REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
    none = (struct rlimit){1, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_AS, &none) == 0);
    ctm_tracer_stop(tracer);
    const size_t stopped = resident();
    REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
    CHECK_EQ(tracer->deferred_unmap.process, 0);
    CHECK(stopped + LEAVES * LEAF_BYTES / 10 * 9 < full);
    ctm_tracer_free(tracer);
}

static void test_starts_again_at_once(void)
{
    ctm_tracer *tracer = new_tracer();
    for (int round = 0; round < 5; round++) {
        start_and_fill(tracer);
        check_filled(tracer);
        ctm_tracer_stop(tracer);
        CHECK(tracer->deferred_unmap.process == getpid());
        CHECK(ctm_shard_enter(tracer, 0) == NULL);
    }
    start_and_fill(tracer);
    check_filled(tracer);
    ctm_tracer_free(tracer);
    check_alone();
}

static void test_memory_comes_back(void)
{
    ctm_tracer *tracer = new_tracer();
    const size_t before = resident();
    start_and_fill(tracer);
    CHECK(resident() > before + LEAVES * LEAF_BYTES / 10 * 9);
    ctm_tracer_stop(tracer);
    if (IS_SANITIZED) {
        puts("not looked at: resident memory (a sanitizer remembers what was there)");
    } else {
        const struct timespec moment = {0, 10000000};
        for (int i = 0; i < 100 && resident() > before + 4 * LEAF_BYTES; i++) {
            nanosleep(&moment, NULL);
        }
        CHECK(resident() <= before + 4 * LEAF_BYTES);
    }
    CHECK(ctm_tracer_memory(tracer) < LEAF_BYTES); /* waits for the rest */
    check_alone();
    ctm_tracer_free(tracer);
}

static void test_clear_has_no_thread(void)
{
    ctm_tracer *tracer = new_tracer();
    start_and_fill(tracer);
    ctm_tracer_clear(tracer);
    check_alone();
    CHECK_EQ(tracer->deferred_unmap.process, 0);
    CHECK(ctm_tracer_memory(tracer) < LEAF_BYTES);
    ctm_tracer_free(tracer);
}

/* --- fork --- */
static int child_goes_on(ctm_tracer *tracer)
{
    const unsigned long failed_before = atomic_load(&check_failed);
    check_alone();
    start_and_fill(tracer);
    check_filled(tracer);
    ctm_tracer_stop(tracer);
    CHECK(tracer->deferred_unmap.process == getpid());
    ctm_tracer_free(tracer);
    return atomic_load(&check_failed) == failed_before ? 0 : 1;
}

static void check_child(pid_t child)
{
    int status = -1;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_fork_right_after(void)
{
    ctm_tracer *tracer = new_tracer();
    for (int round = 0; round < 5; round++) {
        start_and_fill(tracer);
        ctm_tracer_stop(tracer);
        ctm_tracer_fork_before(tracer);
        check_alone();
        CHECK_EQ(tracer->deferred_unmap.process, 0);
        const pid_t child = fork();
        if (child == 0) {
            ctm_tracer_fork_after_child(tracer);
            _exit(child_goes_on(tracer));
        }
        ctm_tracer_fork_after_parent(tracer);
        check_child(child);
        CHECK(ctm_tracer_memory(tracer) < LEAF_BYTES);
    }
    ctm_tracer_free(tracer);
}

/* The thread is the parent's alone: the child must not wait for it. */
static void test_fork_without_handlers(void)
{
    if (HAS_TSAN) {
        puts(
            "not run: a fork without our handlers (ThreadSanitizer: its child may have no threads)");
        return;
    }
    ctm_tracer *tracer = new_tracer();
    start_and_fill(tracer);
    ctm_tracer_stop(tracer);
    const pid_t child = fork();
    if (child == 0) {
        _exit(child_goes_on(tracer));
    }
    check_child(child);
    ctm_tracer_free(tracer);
}

TEST_LIST = {
    TEST(test_thread_cannot_start),
    TEST(test_starts_again_at_once),
    TEST(test_memory_comes_back),
    TEST(test_clear_has_no_thread),
    TEST(test_fork_right_after),
    TEST(test_fork_without_handlers),
    TEST_LIST_END,
};
