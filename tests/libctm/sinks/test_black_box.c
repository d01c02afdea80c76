/* test_black_box.c: what a black box says is what the tracer holds: against the model, over growth, clears, ends, forks,
 * kills, and files that are cut or cannot grow.
 */
#define CHECK_SET_UP set_up
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "box.h"
#include "model.h"
#include "sinks/black_box.h"

/* --- against the model --- */

static const struct op_weights weights = {.of = {
                                              [OP_ALLOC] = 4000,
                                              [OP_FREE] = 2500,
                                              [OP_REATTRIBUTE] = 800,
                                              [OP_BEGIN] = 900,
                                              [OP_COMMIT] = 900,
                                              [OP_ABORT] = 900,
                                              [OP_CLEAR] = 4,
                                              [OP_STOP] = 2,
                                              [OP_START] = 2000,
                                              [OP_RESET_PEAK] = 20,
                                          }};

static void compare_box(const struct model *model)
{
    ctm_snapshot *snapshot = read_box();
    compare_snapshot(snapshot, model);
    ctm_snapshot_unref(snapshot);
}

/* Now and then the tables leave the file and move into another one. */
static void move(ctm_tracer *tracer, const struct model *model)
{
    CHECK_EQ(ctm_black_box_end(tracer, CTM_BOX_STOPPED), CTM_OK);
    CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_OK);
    compare_box(model);
}

static void check_model(uint64_t seed, unsigned long operations, bool moves)
{
    static struct model model;
    ctm_tracer *tracer;
    memset(&model, 0, sizeof model);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    uint64_t random = seed;
    for (unsigned long i = 0; i < operations && atomic_load(&check_failed) == 0; i++) {
        struct op op = choose_op(&model, &random, &weights);
        if (op.kind == OP_STOP) {
            compare_box(&model); /* and that is what stays */
        }
        const bool tracing = model.active;
        CHECK_EQ(tracer_apply(tracer, &model, &op), CTM_OK);
        if (op.kind == OP_START && !tracing) {
            CHECK_EQ(ctm_black_box_start(tracer, path), CTM_OK);
        }
        if (op.kind == OP_STOP) {
            compare_box(&model);
            CHECK_EQ(read_info().end, CTM_BOX_STOPPED);
        }
        model_apply(&model, &op);
        if (i % 10000 == 0) {
            compare_all_keys(tracer, &model);
        }
        if (model.active && (i % 700 == 0 || op.kind == OP_CLEAR)) {
            compare_box(&model);
        }
        if (moves && model.active && i % 300 == 0) {
            move(tracer, &model);
        }
    }
    ctm_tracer_free(tracer);
}

/* --- growth --- */

static void test_growth(void)
{
    ctm_tracer *tracer;
    struct stat status;
    new_tracer(&tracer);
    compare_with_tracer(tracer);
    fill(tracer, 20000);
    compare_with_tracer(tracer);
    ctm_tracer_clear(tracer);
    compare_with_tracer(tracer);
    REQUIRE(stat(path, &status) == 0);
    CHECK_EQ(status.st_mode & 07777, 0600);
    CHECK(status.st_blocks * 512 <
          CTMI_BOX_CONTROL_SIZE + 65536); /* places for rows, room for none */
    fill(tracer, 300);
    for (uint32_t i = 0; i < 100; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, (i + 1) % CTM_SHARDS);
        CHECK(ctm_shard_free(shard, 0, 0x100000u + 16 * (uintptr_t)i));
        ctm_shard_leave(shard);
    }
    compare_with_tracer(tracer);
    REQUIRE(stat(path, &status) == 0);
    CHECK(status.st_blocks * 512 < 5000000); /* as much as is used, in steps */
    ctm_tracer_free(tracer);
    CHECK_EQ(read_info().end, CTM_BOX_STOPPED);
}

/* --- ends --- */

static void test_ends(void)
{
    ctm_tracer *tracer;
    ctm_black_box_lack lack;
    new_tracer(&tracer);
    CHECK_EQ(ctm_black_box_start(tracer, path), CTM_ERR_INVALID);
    fill(tracer, 2000);
    ctm_black_box_info info = read_info();
    CHECK(info.running && info.ended_ns == 0 && info.end == CTM_BOX_NOT_ENDED);
    CHECK_EQ(info.pid, getpid());
    CHECK(ctm_black_box_state(tracer, &lack) && lack == CTM_BOX_COMPLETE);
    REQUIRE(ctm_black_box_end(tracer, CTM_BOX_EXIT) == CTM_OK);
    CHECK(!ctm_black_box_state(tracer, &lack));
    info = read_info();
    CHECK(!info.running && info.ended_ns >= info.started_ns && info.end == CTM_BOX_EXIT);
    compare_with_tracer(tracer); /* went on as it was */
    CHECK_EQ(allocate(tracer, 0, 999999, 0x1000, 5), CTM_OK);
    ctm_snapshot *snapshot = read_box(), *taken;
    ctm_snapshot_info before, after;
    REQUIRE(ctm_tracer_snapshot(tracer, &taken) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &before);
    ctm_snapshot_info_get(taken, &after);
    CHECK_EQ(after.live_blocks, before.live_blocks + 1);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(taken);
    CHECK_EQ(ctm_black_box_end(tracer, CTM_BOX_EXIT), CTM_OK); /* none any more */
    CHECK_EQ(ctm_black_box_start(tracer, path), CTM_OK);       /* in the place of the old one */
    compare_with_tracer(tracer);
    ctm_tracer_stop(tracer);
    CHECK_EQ(ctm_black_box_start(tracer, path), CTM_ERR_NOT_TRACING);
    ctm_tracer_free(tracer);
}

static void test_refusals(void)
{
    ctm_tracer *tracer, *other;
    char link_path[80];
    new_tracer(&tracer);
    REQUIRE(ctm_tracer_new(&other) == CTM_OK);
    REQUIRE(ctm_tracer_start(other, 1) == CTM_OK);
    CHECK_EQ(ctm_black_box_start(other, path), CTM_ERR_IO);
    CHECK_EQ(errno, EWOULDBLOCK);
    snprintf(link_path, sizeof link_path, "%s.link", path);
    REQUIRE(symlink(path, link_path) == 0);
    CHECK_EQ(ctm_black_box_start(other, link_path), CTM_ERR_IO);
    CHECK_EQ(errno, ELOOP);
    unlink(link_path);
    int fd = open(link_path, O_WRONLY | O_CREAT, 0600);
    REQUIRE(fd >= 0 && write(fd, "a diary, not to be lost", 23) == 23);
    close(fd);
    CHECK_EQ(ctm_black_box_start(other, link_path), CTM_ERR_IO);
    CHECK_EQ(errno, EEXIST);
    unlink(link_path);
    CHECK_EQ(ctm_black_box_start(other, "/nonexistent/box"), CTM_ERR_IO);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(ctm_black_box_start(other, "/proc/box"), CTM_ERR_IO);
    ctm_tracer_free(other);
    ctm_tracer_free(tracer);
}

/* --- forks and kills --- */

static void test_fork(void)
{
    ctm_tracer *tracer;
    new_tracer(&tracer);
    fill(tracer, 3000);
    ctm_tracer_fork_before(tracer);
    const pid_t child = fork();
    if (child == 0) {
        ctm_black_box_lack lack;
        ctm_tracer_fork_after_child(tracer);
        CHECK(!ctm_black_box_state(tracer, &lack));
        compare_with_tracer(tracer); /* the parent has not gone on yet */
        for (uint32_t i = 0; i < 5000; i++) {
            CHECK_EQ(
                allocate(tracer, i % CTM_SHARDS, 50000 + i, 0x9000000u + 16 * (uintptr_t)i, 77),
                CTM_OK);
        }
        ctm_tracer_clear(tracer);
        ctm_tracer_free(tracer);
        _exit(atomic_load(&check_failed) == 0 ? 0 : 1);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    ctm_tracer_fork_after_parent(tracer);
    CHECK(read_info().running);
    compare_with_tracer(tracer);
    fill(tracer, 6000);
    compare_with_tracer(tracer);
    ctm_tracer_free(tracer);
}

/* The child counts its blocks in shared memory, before and after each; the parent kills it at some moment. */
static void run_until_killed(_Atomic uint64_t *counts)
{
    ctm_tracer *tracer;
    uint64_t random = (uint64_t)getpid();
    new_tracer(&tracer);
    for (uint64_t i = 0;; i++) {
        atomic_fetch_add(&counts[0], 1);
        const uint32_t line = (uint32_t)(check_random(&random) % (i % 50000 + 1));
        REQUIRE(allocate(tracer, (uint32_t)(i % CTM_SHARDS), line, 16 * (uintptr_t)(i + 1), 100) ==
                CTM_OK);
        atomic_fetch_add(&counts[1], 1);
    }
}

static void check_kill(unsigned times)
{
    _Atomic uint64_t *counts =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(counts != MAP_FAILED);
    for (unsigned i = 0; i < times; i++) {
        ctm_snapshot_info info;
        atomic_store(&counts[0], 0);
        atomic_store(&counts[1], 0);
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            run_until_killed(counts);
        }
        while (atomic_load(&counts[1]) == 0) {
            usleep(100);
        }
        usleep((unsigned)(i * 37 % 3000));
        kill(child, SIGKILL);
        REQUIRE(waitpid(child, NULL, 0) == child);
        CHECK(!read_info().running);
        ctm_snapshot *snapshot = read_box(), *peak;
        ctm_snapshot_info_get(snapshot, &info);
        CHECK(info.live_blocks >= atomic_load(&counts[1]) &&
              info.live_blocks <= atomic_load(&counts[0]));
        CHECK_EQ(info.current_bytes, 100 * info.live_blocks);
        CHECK_EQ(info.peak_bytes, info.current_bytes);
        REQUIRE(ctm_snapshot_at_peak(snapshot, &peak) == CTM_OK);
        ctm_snapshot_info_get(peak, &info);
        CHECK_EQ(info.peak_bytes, info.current_bytes);
        ctm_snapshot_unref(peak);
        ctm_snapshot_unref(snapshot);
    }
    munmap((void *)counts, 4096);
}

/* --- a file that cannot grow, or that is cut --- */

static void test_no_space(void)
{
    ctm_tracer *tracer;
    ctm_black_box_lack lack;
    ctm_snapshot_info info;
    struct rlimit before, small = {.rlim_cur = 3u << 20, .rlim_max = RLIM_INFINITY};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small.rlim_max = before.rlim_max;
    new_tracer(&tracer);
    fill(tracer, 1000);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    fill(tracer, 50000);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(ctm_black_box_state(tracer, &lack) && lack == CTM_BOX_NO_SPACE);
    CHECK_EQ(read_info().lack, CTM_BOX_NO_SPACE);
    ctm_snapshot *snapshot = read_box();
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.live_blocks >= 1000 && info.live_blocks < 50000);
    ctm_snapshot_unref(snapshot);
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 50000);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_clear(tracer); /* there is room again */
    fill(tracer, 1000);
    CHECK(ctm_black_box_state(tracer, &lack) && lack == CTM_BOX_COMPLETE);
    compare_with_tracer(tracer);
    ctm_tracer_free(tracer);
}

static void test_closed(void)
{
    ctm_tracer *tracer;
    ctm_black_box_lack lack;
    new_tracer(&tracer);
    fill(tracer, 100);
    close(ctmi_box_of(tracer)->fd);
    const int other = open("/dev/null", O_RDWR);
    const int same =
        fcntl(other, F_DUPFD, ctmi_box_of(tracer)->fd); /* the number is another's now */
    fill(tracer, 100);                                  /* counts in rows that are there */
    compare_with_tracer(tracer);
    fill(tracer, 30000);
    CHECK(ctm_black_box_state(tracer, &lack) && lack == CTM_BOX_CLOSED);
    ctm_snapshot *snapshot = read_box();
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
    CHECK(fcntl(same, F_GETFD) >= 0); /* not closed by us */
    close(same);
    close(other);
}

static void on_other_fault(int number)
{
    (void)number;
    _exit(42);
}

static void check_cut(off_t size)
{
    ctm_tracer *tracer;
    ctm_black_box_lack lack;
    ctm_snapshot *snapshot;
    new_tracer(&tracer);
    fill(tracer, 3000);
    REQUIRE(truncate(path, size) == 0);
    fill(tracer, 9000);
    CHECK(ctm_black_box_is_broken(tracer));
    CHECK(ctm_black_box_state(tracer, &lack) && lack == CTM_BOX_CUT);
    CHECK_EQ(ctm_tracer_snapshot(tracer, &snapshot), CTM_ERR_IO);
    ctm_tracer_clear(tracer);
    CHECK(!ctm_black_box_is_broken(tracer));
    fill(tracer, 3000);
    CHECK_EQ(ctm_tracer_snapshot(tracer, &snapshot), CTM_OK);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

/* Faults elsewhere, and signals that are sent, go to the handler of before. */
static void check_other_faults(bool handler, bool sent, int expected)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        ctm_tracer *tracer;
        const int fd = open(path, O_RDONLY | O_CREAT, 0600);
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGBUS, handler ? on_other_fault : SIG_DFL);
        char *beyond = mmap(NULL, 1u << 20, PROT_READ, MAP_SHARED, fd, (off_t)1 << 32);
        new_tracer(&tracer);
        if (sent) {
            kill(getpid(), SIGBUS);
        } else {
            printf("%d", *(volatile char *)beyond);
        }
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), expected);
}

static void set_up(void)
{
    choose_path();
    model_make_keys();
}

static void test_model_in_place(void)
{
    check_model(1, check_number("CTM_TEST_OPERATIONS", 60000), false);
}

static void test_model_that_moves(void)
{
    check_model(2, check_number("CTM_TEST_OPERATIONS", 60000), true);
}

static void test_kill(void)
{
    check_kill(50);
}

static void test_cut_behind_the_head(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_cut(CTMI_BOX_CONTROL_SIZE);
}

static void test_cut_inside(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_cut(CTMI_BOX_CONTROL_SIZE + 500000);
}

static void test_cut_to_nothing(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_cut(0);
}

static void test_other_fault_with_handler(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_other_faults(true, false, 42);
}

static void test_other_signal_with_handler(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_other_faults(true, true, 42);
}

static void test_other_fault(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_other_faults(false, false, -SIGBUS);
}

static void test_other_signal(void)
{
    SKIP_IF_FAULTS_CANNOT_BE_MENDED();
    check_other_faults(false, true, -SIGBUS);
}

TEST_LIST = {
    TEST(test_model_in_place),
    TEST(test_model_that_moves),
    TEST(test_growth),
    TEST(test_ends),
    TEST(test_refusals),
    TEST(test_fork),
    TEST(test_kill),
    TEST(test_no_space),
    TEST(test_closed),
    TEST(test_cut_behind_the_head),
    TEST(test_cut_inside),
    TEST(test_cut_to_nothing),
    TEST(test_other_fault_with_handler),
    TEST(test_other_signal_with_handler),
    TEST(test_other_fault),
    TEST(test_other_signal),
    TEST_LIST_END,
};
