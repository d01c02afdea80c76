/* test_black_box_continue.c: tables that are there already move into the file of a box: of a tracer that is on, and of
 * the child of a fork. */
#define CHECK_SET_UP set_up
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "box.h"
#include "faults.h"
#include "sinks/black_box.h"

static void new_tracer_without(ctm_tracer **out)
{
    REQUIRE(ctm_tracer_new(out) == CTM_OK);
    REQUIRE(ctm_tracer_start(*out, 5) == CTM_OK);
}

static void free_some(ctm_tracer *tracer, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, (i + 1) % CTM_SHARDS);
        REQUIRE(shard != NULL);
        CHECK(ctm_shard_free(shard, 0, 0x100000u + 16 * (uintptr_t)i));
        ctm_shard_leave(shard);
    }
}

static void go_on(ctm_tracer *tracer)
{
    ctm_black_box_lack lack;
    CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_OK);
    CHECK(ctm_black_box_state(tracer, &lack) && lack == CTM_BOX_COMPLETE);
    CHECK(read_info().running);
    compare_with_tracer(tracer);
}

/* From no row at all to several chunks of each table, some of them half full. */
static void test_sizes(void)
{
    const uint32_t sizes[] = {0, 1, 700, 20000, 90000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ctm_tracer *tracer;
        new_tracer_without(&tracer);
        fill(tracer, sizes[i]);
        free_some(tracer, 0, sizes[i] / 3); /* the peak is behind us */
        go_on(tracer);
        fill(tracer, 2 * sizes[i] + 1000);
        compare_with_tracer(tracer);
        free_some(tracer, 0, sizes[i]);
        compare_with_tracer(tracer);
        CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_ERR_INVALID);
        CHECK_EQ(ctm_black_box_end(tracer, CTM_BOX_STOPPED), CTM_OK);
        CHECK_EQ(read_info().end, CTM_BOX_STOPPED);
        compare_with_tracer(tracer);
        fill(tracer, 3 * sizes[i] + 2000);
        go_on(tracer); /* a second one, in the place of the first */
        ctm_tracer_clear(tracer);
        compare_with_tracer(tracer);
        fill(tracer, 100);
        compare_with_tracer(tracer);
        ctm_tracer_stop(tracer);
        CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_ERR_NOT_TRACING);
        ctm_tracer_free(tracer);
    }
}

/* The same keys, traced with and without a move in between, are the same rows. */
static void test_same_rows(void)
{
    ctm_tracer *tracer, *plain;
    ctm_snapshot *one, *two;
    bool same;
    new_tracer_without(&tracer);
    new_tracer_without(&plain);
    fill(plain, 30000);
    fill(tracer, 15000);
    go_on(tracer);
    fill(tracer, 30000);
    REQUIRE(ctm_tracer_snapshot(tracer, &one) == CTM_OK);
    REQUIRE(ctm_tracer_snapshot(plain, &two) == CTM_OK);
    REQUIRE(ctm_snapshot_equal(one, two, &same) == CTM_OK);
    CHECK(same);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        CHECK_EQ(ctmi_store_site_count(&tracer->shards[i].store),
                 ctmi_store_site_count(&plain->shards[i].store));
    }
    ctm_snapshot_unref(one);
    ctm_snapshot_unref(two);
    ctm_tracer_free(tracer);
    ctm_tracer_free(plain);
}

/* A child that goes on in a file of its own, and is killed. */
static void check_child(bool parent_has_box)
{
    ctm_tracer *tracer;
    char own[sizeof path], of_parent[sizeof path];
    ctm_snapshot_info info;
    snprintf(own, sizeof own, "%.50s.child", path);
    memcpy(of_parent, path, sizeof path);
    if (parent_has_box) {
        new_tracer(&tracer);
    } else {
        new_tracer_without(&tracer);
    }
    fill(tracer, 5000);
    fflush(stdout);
    ctm_tracer_fork_before(tracer);
    const pid_t child = fork();
    if (child == 0) {
        ctm_tracer_fork_after_child(tracer);
        memcpy(path, own, sizeof path);
        go_on(tracer);
        fill(tracer, 9000);
        compare_with_tracer(tracer);
        fflush(stdout);
        kill(getpid(), atomic_load(&check_failed) == 0 ? SIGKILL : SIGABRT);
    }
    int status;
    ctm_tracer_fork_after_parent(tracer);
    fill(tracer, 6000);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    if (parent_has_box) {
        compare_with_tracer(tracer);
    }
    memcpy(path, own, sizeof path);
    CHECK_EQ(read_info().pid, (uint64_t)child);
    ctm_snapshot *snapshot = read_box();
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 9000);
    ctm_snapshot_unref(snapshot);
    unlink(own);
    memcpy(path, of_parent, sizeof path);
    ctm_tracer_free(tracer);
}

static bool is_there(void)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* What cannot be leaves everything as it was, a box of before as well. */
static void test_refusals(void)
{
    ctm_tracer *tracer;
    ctm_black_box_lack lack;
    struct rlimit before, small;
    new_tracer_without(&tracer);
    fill(tracer, 50000);
    go_on(tracer);
    CHECK_EQ(ctm_black_box_end(tracer, CTM_BOX_STOPPED), CTM_OK);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    for (rlim_t size = 1u << 16; size < 8u << 20; size *= 2) {
        small = (struct rlimit){.rlim_cur = size, .rlim_max = before.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
        CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_ERR_IO);
        CHECK_EQ(errno, EFBIG);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK(!ctm_black_box_state(tracer, &lack));
        compare_with_tracer(tracer);
    }
    unlink(path);
    atomic_store(&fault_at, 1);
    CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_ERR_NOMEM);
    atomic_store(&fault_at, 0);
    CHECK(!is_there());
    REQUIRE(mkdir(path, 0700) == 0);
    CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_ERR_IO);
    CHECK_EQ(errno, EEXIST);
    REQUIRE(rmdir(path) == 0);
    go_on(tracer);
    ctm_tracer_free(tracer);
}

static void set_up(void)
{
    choose_path();
}

static void test_child(void)
{
    check_child(false);
}

static void test_child_of_a_parent_with_a_box(void)
{
    check_child(true);
}

TEST_LIST = {
    TEST(test_sizes),    TEST(test_same_rows),
    TEST(test_child),    TEST(test_child_of_a_parent_with_a_box),
    TEST(test_refusals), TEST_LIST_END,
};
