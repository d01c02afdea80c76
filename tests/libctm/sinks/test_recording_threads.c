/* test_recording_threads.c: recording while threads allocate, free, and empty the tables; and without memory.
 *
 * Model: what a tick says while others run cannot be known exactly, but every file is whole, its totals are sums of its sites (the reader
 * checks that), and a tick that was asked for at the end is the tracer's snapshot.
 */
#define CHECK_SET_UP set_up
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "ctm/ctm.h"
#include "faults.h"

#define THREADS 4u
#define BLOCKS 300u

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

static ctm_tracer *tracer;
static _Atomic bool stop;
static pthread_mutex_t exclusive = PTHREAD_MUTEX_INITIALIZER; /* stands for the GIL */

static void events(uint64_t *random, uint32_t shard_index, uintptr_t base, unsigned n)
{
    char name[16];
    for (unsigned i = 0; i < n; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, shard_index);
        if (shard == NULL) {
            return;
        }
        const uint64_t at = check_random(random) % BLOCKS;
        snprintf(name, sizeof name, "%u.py", (unsigned)(check_random(random) % 200));
        const ctm_frame_text frame = {
            .filename = name, .function = "f", .first_lineno = 1, .lineno = (int32_t)(at % 50)};
        uint32_t traceback;
        if (!ctm_shard_free(shard, 0, base + 16 * at) &&
            ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK) {
            CHECK_EQ(ctm_shard_alloc(shard, 0, base + 16 * at, 16 * (at % 7), traceback), CTM_OK);
        }
        ctm_shard_leave(shard);
    }
}

static void *work(void *argument)
{
    const uint32_t index = (uint32_t)(uintptr_t)argument;
    uint64_t random = index;
    while (!atomic_load(&stop)) {
        if (index == 0) {
            pthread_mutex_lock(&exclusive);
        }
        events(&random, index, 0x10000000u + 0x100000u * (uintptr_t)index, 50);
        if (index == 0) {
            pthread_mutex_unlock(&exclusive);
        }
        usleep(100); /* or nobody else would get the locks */
    }
    return NULL;
}

static uint64_t allocated_in(const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    uint64_t sum = 0;
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        sum += ctm_snapshot_sites(snapshot)[id].allocated;
    }
    return sum;
}

static void check_last(ctm_snapshot *taken)
{
    ctm_recording *recording;
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK(info->fault.reason == NULL);
    CHECK_EQ(info->end, CTM_END_STOPPED);
    REQUIRE(info->moments > 0);
    ctm_snapshot *read;
    REQUIRE(ctm_recording_snapshot(recording, info->moments - 1, &read) == CTM_OK);
    ctm_snapshot_info one, two;
    ctm_snapshot_info_get(taken, &one);
    ctm_snapshot_info_get(read, &two);
    CHECK_EQ(one.current_bytes, two.current_bytes);
    CHECK_EQ(one.live_blocks, two.live_blocks);
    CHECK_EQ(allocated_in(taken), allocated_in(read));
    ctm_snapshot_unref(read);
    for (size_t i = 0; i < info->moments; i++) {
        REQUIRE(ctm_recording_snapshot(recording, i, &read) == CTM_OK);
        ctm_snapshot_info_get(read, &two);
        CHECK_EQ(ctm_recording_moments(recording)[i].bytes, two.current_bytes);
        CHECK_EQ(ctm_recording_moments(recording)[i].blocks, two.live_blocks);
        ctm_snapshot_unref(read);
    }
    ctm_recording_free(recording);
}

/* What the exclusive side does meanwhile: ticks, clears, stops and starts, forks' locks. */
static void disturb(ctm_recorder *recorder, int round)
{
    pthread_mutex_lock(&exclusive);
    switch (round % 8) {
    case 1: ctm_tracer_clear(tracer); break;
    case 3: CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK); break;
    case 5:
        ctm_tracer_stop(tracer);
        CHECK_EQ(ctm_tracer_start(tracer, 2), CTM_OK);
        break;
    case 7:
        ctm_tracer_fork_before(tracer);
        ctm_tracer_fork_after_parent(tracer);
        break;
    default: break;
    }
    pthread_mutex_unlock(&exclusive);
    usleep(2000);
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    ctm_recorder *recorder;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    for (uintptr_t i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    }
    pthread_mutex_lock(&exclusive);
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MIN_RECORD_INTERVAL, NULL, &recorder) == CTM_OK);
    pthread_mutex_unlock(&exclusive);
    for (int round = 0; round < 100; round++) {
        disturb(recorder, round);
    }
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ctm_snapshot *taken;
    REQUIRE(ctm_tracer_snapshot(tracer, &taken) == CTM_OK);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
    check_last(taken);
    ctm_snapshot_unref(taken);
    ctm_recorder_free(recorder);
    ctm_tracer_free(tracer);
}

/* More rows than go into one block, in a table that has several chunks; cleared in the middle of being read. */
static void test_many_rows(void)
{
    ctm_recorder *recorder;
    ctm_snapshot *taken;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    const ctm_frame_text frame = {.filename = "many.py", .lineno = 1};
    uint32_t traceback;
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    for (uint32_t i = 1; i <= 150000; i++) {
        REQUIRE(ctm_shard_alloc(shard, 0, 16 * (uintptr_t)i, i, traceback) == CTM_OK);
    }
    ctm_shard_leave(shard);
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MIN_RECORD_INTERVAL, NULL, &recorder) == CTM_OK);
    REQUIRE(ctm_tracer_snapshot(tracer, &taken) == CTM_OK);
    ctm_recording *recording;
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    ctm_snapshot *read;
    REQUIRE(ctm_recording_snapshot(recording, 0, &read) == CTM_OK);
    ctm_snapshot_info one, two;
    ctm_snapshot_info_get(taken, &one);
    ctm_snapshot_info_get(read, &two);
    CHECK_EQ(one.sites, two.sites);
    CHECK_EQ(one.current_bytes, two.current_bytes);
    ctm_snapshot_unref(read);
    ctm_snapshot_unref(taken);
    ctm_recording_free(recording);
    ctm_recorder_free(recorder);
    ctm_tracer_free(tracer);
}

/* Every request for memory fails once: the recording fails or is whole; the tracer is as before in either case. */
static void test_no_memory(void)
{
    for (long fail_at = 1;; fail_at++) {
        ctm_recorder *recorder = NULL;
        ctm_recorder_state state = {.error = 0};
        uint64_t random = 8;
        REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
        REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
        events(&random, 0, 0x100000u, 300);
        atomic_store(&fault_at, fail_at);
        ctm_status status =
            ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, "command", &recorder);
        const bool failed = atomic_load(&fault_at) <= 0;
        atomic_store(&fault_at, 0);
        CHECK_EQ(status, failed ? CTM_ERR_NOMEM : CTM_OK);
        if (status == CTM_OK) {
            events(&random, 0, 0x100000u, 300);
            ctm_snapshot *taken;
            REQUIRE(ctm_tracer_snapshot(tracer, &taken) == CTM_OK);
            CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
            ctm_recorder_state_get(recorder, &state);
            CHECK(!state.recording && state.error == 0 && state.ticks == 2);
            check_last(taken);
            ctm_snapshot_unref(taken);
        }
        ctm_recorder_free(recorder);
        ctm_tracer_free(tracer);
        if (!failed) {
            CHECK(fail_at > 5);
            return;
        }
    }
}

/* Two ticks of a program of one thread are in the file. */
static void record_two_ticks(void)
{
    ctm_recorder *recorder = NULL;
    uint64_t random = 8;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    events(&random, 0, 0x100000u, 300);
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, "command", &recorder) ==
            CTM_OK);
    events(&random, 0, 0x100000u, 300);
    REQUIRE(ctm_recorder_stop(recorder, false) == CTM_OK);
    ctm_recorder_free(recorder);
    ctm_tracer_free(tracer);
}

static void test_no_memory_for_reading(void)
{
    record_two_ticks();
    for (long fail_at = 1;; fail_at++) {
        ctm_recording *recording = NULL;
        ctm_snapshot *snapshot = NULL;
        atomic_store(&fault_at, fail_at);
        ctm_status status = ctm_recording_open(path, &recording, NULL);
        const uint64_t moments = status == CTM_OK ? ctm_recording_info_get(recording)->moments : 0;
        if (status == CTM_OK) {
            status = ctm_recording_snapshot(recording, moments - 1, &snapshot);
        }
        uint64_t bytes[2], blocks[2];
        const ctm_place place = {.filename = "1.py", .filename_length = 4};
        if (status == CTM_OK) {
            status =
                ctm_recording_series(recording, 0, 2, CTM_BY_FILENAME, &place, 1, bytes, blocks);
        }
        const bool failed = atomic_load(&fault_at) <= 0;
        atomic_store(&fault_at, 0);
        CHECK_EQ(status, failed ? CTM_ERR_NOMEM : CTM_OK);
        if (recording != NULL && failed) { /* and goes on afterwards */
            ctm_snapshot_unref(snapshot);
            snapshot = NULL;
            CHECK_EQ(ctm_recording_snapshot(recording, 0, &snapshot), CTM_OK);
        }
        ctm_snapshot_unref(snapshot);
        ctm_recording_free(recording);
        if (!failed) {
            CHECK(fail_at > 10);
            return;
        }
    }
}

/* The limit of a file's size stands for a full disk: the recording ends before it, no signal comes, all goes on. */
static void test_disk_full(void)
{
    ctm_recorder *recorder;
    ctm_recorder_state state;
    uint64_t random = 8;
    struct rlimit limit = {4096, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_DFL); /* would end the process */
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, NULL, &recorder) == CTM_OK);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    do {
        events(&random, 0, 0x100000u, 20);
    } while (ctm_recorder_tick(recorder) == CTM_OK);
    CHECK_EQ(errno, EFBIG);
    ctm_recorder_state_get(recorder, &state);
    CHECK(!state.recording && state.error == EFBIG && state.ticks > 1);
    events(&random, 0, 0x100000u, 20);
    ctm_recorder_free(recorder);
    limit.rlim_cur = RLIM_INFINITY;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    ctm_recording *recording;
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    CHECK_EQ(ctm_recording_info_get(recording)->moments, state.ticks);
    CHECK(ctm_recording_info_get(recording)->fault.reason == NULL);
    ctm_recording_free(recording);
    ctm_tracer_free(tracer);
}

/* From now on the calling thread can start no thread: the system answers EAGAIN. */
static void forbid_threads(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void *resume_without_thread(void *argument)
{
    ctm_recorder *recorder = argument;
    forbid_threads();
    ctm_recorder_resume(recorder);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_ERR_IO);
    CHECK_EQ(errno, EAGAIN);
    return NULL;
}

static void check_first_tick_alone(void)
{
    ctm_recording *recording;
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    CHECK_EQ(ctm_recording_info_get(recording)->moments, 1);
    ctm_recording_free(recording);
}

static void fail_to_resume(void)
{
    ctm_recorder *recorder, *next;
    ctm_recorder_state state;
    pthread_t thread;
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, NULL, &recorder) == CTM_OK);
    REQUIRE(ctm_recorder_pause(recorder));
    REQUIRE(pthread_create(&thread, NULL, resume_without_thread, recorder) == 0);
    do {
        ctm_recorder_state_get(recorder, &state);
    } while (state.recording);
    CHECK_EQ(state.error, EAGAIN);
    CHECK(strcmp(state.reason, "the recorder's thread could not be started again") == 0);
    pthread_join(thread, NULL);
    check_first_tick_alone();
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, NULL, &next) == CTM_OK);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_ERR_IO);
    CHECK_EQ(ctm_recorder_stop(next, false), CTM_OK);
    ctm_recorder_free(recorder);
    ctm_recorder_free(next);
}

/* The thread cannot be started again after a pause: the recording has ended, and its first tick stays. This thread asks
 * for the state meanwhile: often enough that ThreadSanitizer sees a write without the lock. */
static void test_no_thread_after_pause(void)
{
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    for (int round = 0; round < 50; round++) {
        fail_to_resume();
    }
    ctm_tracer_free(tracer);
}

static void set_up(void)
{
    snprintf(path, sizeof path, "/tmp/ctm-test-recording-%d.ctr", (int)getpid());
    atexit(remove_file);
}

TEST_LIST = {
    TEST(test_threads),   TEST(test_many_rows),
    TEST(test_no_memory), TEST(test_no_memory_for_reading),
    TEST(test_disk_full), TEST(test_no_thread_after_pause),
    TEST_LIST_END,
};
