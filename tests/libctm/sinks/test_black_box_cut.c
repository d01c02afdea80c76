/* test_black_box_cut.c: the file of a black box is cut under a program with many rows, in ways that a first look does not
 * see: with a handler of another over ours, and by somebody who lets it grow again. The program goes on, in the
 * time it took before, and says that its counters are lost until it is started anew.
 */
#define CHECK_SET_UP set_up
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "ctm/black_box.h"
#include "ctm/snapshot.h"

enum { BEFORE = 20000, AFTER = 60000 };

static char path[64];
static struct sigaction before;
static volatile sig_atomic_t caught;

/* As faulthandler does: what was there is put back, and the signal raised once more. */
static void like_faulthandler(int number)
{
    caught++;
    sigaction(number, &before, NULL);
    raise(number);
}

/* One block at a line of a file of its own: a row in each table. */
static void allocate(ctm_tracer *tracer, int from, int to)
{
    for (int i = from; i < to; i++) {
        char name[32];
        uint32_t traceback;
        snprintf(name, sizeof name, "file%d.py", i);
        const ctm_frame_text frame = {name, "f", 1, i + 1};
        ctm_shard *shard = ctm_shard_enter(tracer, 0);
        REQUIRE(shard != NULL);
        REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
        REQUIRE(ctm_shard_alloc(shard, 0, 0x1000000u + (uintptr_t)i * 64, 64, traceback) == CTM_OK);
        ctm_shard_leave(shard);
    }
}

static ctm_tracer *begin(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    REQUIRE(ctm_black_box_start(tracer, path) == CTM_OK);
    allocate(tracer, 0, BEFORE);
    return tracer;
}

/* Whoever remembers rows of before may go on from them. */
static void go_on_from(ctm_tracer *tracer, uint32_t traceback)
{
    uint32_t out;
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    REQUIRE(shard != NULL);
    CHECK_EQ(ctm_shard_traceback(shard, traceback, 7, 2, &out), CTM_OK);
    CHECK_EQ(ctm_shard_alloc(shard, 0, 0x800000, 24, out), CTM_OK);
    ctm_shard_leave(shard);
}

static void check_lost_and_end(ctm_tracer *tracer)
{
    ctm_black_box_lack lack;
    ctm_snapshot *snapshot;
    go_on_from(tracer, 9);
    allocate(tracer, BEFORE, AFTER);
    CHECK(ctm_black_box_state(tracer, &lack));
    CHECK_EQ(lack, CTM_BOX_CUT);
    CHECK(ctm_black_box_is_broken(tracer));
    CHECK_EQ(ctm_tracer_snapshot(tracer, &snapshot), CTM_ERR_IO);
    ctm_tracer_stop(tracer);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    allocate(tracer, 0, 100);
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 100);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
    unlink(path);
}

static void check_cut(off_t left)
{
    ctm_tracer *tracer = begin();
    REQUIRE(truncate(path, left) == 0);
    check_lost_and_end(tracer);
}

static void test_under_another_handler(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    const struct sigaction theirs = {.sa_handler = like_faulthandler, .sa_flags = SA_NODEFER};
    ctm_tracer *tracer = begin();
    caught = 0;
    REQUIRE(sigaction(SIGBUS, &theirs, &before) == 0);
    REQUIRE(truncate(path, 0) == 0);
    check_lost_and_end(tracer);
    CHECK_EQ(caught, 1);
}

/* No access fails then: what was in the file is zeros. */
static void test_cut_and_grown_again(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    struct stat status;
    ctm_tracer *tracer = begin();
    REQUIRE(stat(path, &status) == 0);
    REQUIRE(truncate(path, 0) == 0);
    REQUIRE(truncate(path, status.st_size) == 0);
    check_lost_and_end(tracer);
}

/* A file that cannot be mapped leaves no descriptor and no file. */
static void test_descriptors_of_failed_starts(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    const int first = dup(0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(ctm_black_box_start(tracer, "/proc/self/no-box"), CTM_ERR_IO);
        CHECK_EQ(ctm_black_box_start(tracer, "/dev/null"), CTM_ERR_IO);
    }
    close(first);
    const int last = dup(0);
    CHECK_EQ(last, first);
    close(last);
    ctm_tracer_free(tracer);
}

static void set_up(void)
{
    snprintf(path, sizeof path, "/tmp/ctm-test-cut-%ld", (long)getpid());
}

static void test_cut_to_nothing(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_cut(0);
}

static void test_cut_inside(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_cut(100000);
}

TEST_LIST = {
    TEST(test_cut_to_nothing),
    TEST(test_cut_inside),
    TEST(test_under_another_handler),
    TEST(test_cut_and_grown_again),
    TEST(test_descriptors_of_failed_starts),
    TEST_LIST_END,
};
