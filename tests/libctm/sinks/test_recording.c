/* test_recording.c: a tracer recorded, and what the file says of it.
 *
 * Model: a program of random events runs; at each tick the tracer's own snapshot is kept. The recording must give
 * the same snapshots, and of any part of the file the moments that are whole in it.
 */
#define CHECK_SET_UP set_up
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "check.h"
#include "ctm/ctm.h"

#define SECOND 1000000000ull
#define BLOCKS 400u

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

struct world {
    ctm_tracer *tracer;
    uint64_t random;
    bool live[BLOCKS];
};

static uint32_t some_traceback(ctm_shard *shard, uint64_t *random)
{
    static const char *const files[] = {"a.py", "b.py", "\xf0\x9f\x90\x8d.py"};
    static const char *const names[] = {"f", "g", NULL};
    ctm_frame_text frames[3];
    const uint32_t depth = 1 + (uint32_t)(check_random(random) % 3);
    uint32_t traceback;
    for (uint32_t i = 0; i < depth; i++) {
        frames[i] = (ctm_frame_text){.filename = files[check_random(random) % 3],
                                     .function = names[check_random(random) % 3],
                                     .first_lineno = 1,
                                     .lineno = 1 + (int32_t)(check_random(random) % 9)};
    }
    REQUIRE(ctm_shard_traceback_text(shard, frames, depth, (int32_t)depth + 2, &traceback) ==
            CTM_OK);
    return traceback;
}

/* One event at a random block, through a random shard. */
static void event(struct world *world)
{
    const uint32_t at = (uint32_t)(check_random(&world->random) % BLOCKS);
    const uintptr_t address = 0x100000u + 16u * at;
    ctm_shard *shard =
        ctm_shard_enter(world->tracer, (uint32_t)(check_random(&world->random) % CTM_SHARDS));
    REQUIRE(shard != NULL);
    if (world->live[at]) {
        CHECK(ctm_shard_free(shard, 0, address));
    } else {
        const uint64_t size = 16 + check_random(&world->random) % 3 * 1000;
        REQUIRE(ctm_shard_alloc(shard, 0, address, size, some_traceback(shard, &world->random)) ==
                CTM_OK);
    }
    world->live[at] = !world->live[at];
    ctm_shard_leave(shard);
}

static void events(struct world *world, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        event(world);
    }
}

static struct world new_world(uint64_t seed)
{
    struct world world = {.random = seed};
    REQUIRE(ctm_tracer_new(&world.tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(world.tracer, 7) == CTM_OK);
    return world;
}

static ctm_snapshot *take(ctm_tracer *tracer)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    return snapshot;
}

/* The same blocks, by traceback with functions left out; order of sites does not matter. */
static void check_same(ctm_snapshot *a, ctm_snapshot *b)
{
    static const ctm_key keys[] = {CTM_BY_TRACEBACK, CTM_BY_LINENO, CTM_BY_FUNCTION};
    ctm_snapshot_info one, two;
    ctm_snapshot_info_get(a, &one);
    ctm_snapshot_info_get(b, &two);
    CHECK_EQ(one.current_bytes, two.current_bytes);
    CHECK_EQ(one.live_blocks, two.live_blocks);
    CHECK_EQ(one.peak_bytes, two.peak_bytes);
    CHECK_EQ(one.nframe, two.nframe);
    CHECK_EQ(one.sample_interval, two.sample_interval);
    for (int i = 0; i < 3; i++) {
        ctm_statistics *difference;
        REQUIRE(ctm_snapshot_compare(a, b, keys[i], false, &difference) == CTM_OK);
        const ctm_statistic *rows = ctm_statistics_rows(difference);
        for (size_t row = 0; row < ctm_statistics_length(difference); row++) {
            CHECK_EQ(rows[row].size_diff, 0);
            CHECK_EQ(rows[row].count_diff, 0);
        }
        ctm_statistics_free(difference);
    }
}

static void check_allocated(const ctm_snapshot *a, const ctm_snapshot *b)
{
    const ctm_snapshot *const both[2] = {a, b};
    uint64_t sums[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        ctm_snapshot_info info;
        ctm_snapshot_info_get(both[i], &info);
        for (uint32_t id = 1; id <= info.sites; id++) {
            sums[i] += ctm_snapshot_sites(both[i])[id].allocated;
        }
    }
    CHECK_EQ(sums[0], sums[1]);
}

static ctm_recording *open_recording(void)
{
    ctm_recording *recording;
    ctm_file_error error = {0, ""};
    const ctm_status status = ctm_recording_open(path, &recording, &error);
    if (status != CTM_OK) {
        printf("%s at %llu\n", error.reason, (unsigned long long)error.offset);
    }
    REQUIRE(status == CTM_OK);
    return recording;
}

static ctm_snapshot *snapshot_at(ctm_recording *recording, size_t moment)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_recording_snapshot(recording, moment, &snapshot) == CTM_OK);
    return snapshot;
}

static ctm_recorder *start(ctm_tracer *tracer, uint64_t interval)
{
    ctm_recorder *recorder = NULL;
    REQUIRE(ctm_recorder_start(tracer, path, interval, "python program.py", &recorder) == CTM_OK);
    return recorder;
}

#define TICKS 12

/* --- tests --- */

static void check_ticks_are_snapshots(uint64_t seed, uint64_t sample)
{
    struct world world = {.random = seed};
    ctm_snapshot *taken[TICKS];
    REQUIRE(ctm_tracer_new(&world.tracer) == CTM_OK);
    REQUIRE((sample ? ctm_tracer_start_sampling(world.tracer, 7, sample)
                    : ctm_tracer_start(world.tracer, 7)) == CTM_OK);
    events(&world, 100);
    const size_t before = ctm_tracer_memory(world.tracer);
    ctm_recorder *recorder = start(world.tracer, 3600 * SECOND);
    CHECK(ctm_tracer_memory(world.tracer) >= before + 16 * 100);
    taken[0] = take(world.tracer);
    for (int i = 1; i < TICKS; i++) {
        events(&world, i == 5 ? 0 : 150);
        CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
        taken[i] = take(world.tracer);
    }
    CHECK_EQ(ctm_recorder_stop(recorder, true), CTM_OK);
    ctm_recording *recording = open_recording();
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK_EQ(info->moments, TICKS + 1);
    CHECK_EQ(info->spans, 1);
    CHECK_EQ(info->end, CTM_END_EXIT);
    CHECK_EQ(info->pid, getpid());
    CHECK_EQ(info->interval, 3600 * SECOND);
    CHECK_STR(info->command, "python program.py");
    CHECK(info->fault.reason == NULL);
    CHECK_EQ(info->good_bytes, info->file_bytes);
    for (int round = 0; round < 2 * TICKS; round++) { /* forwards, and then here and there */
        const int i = round < TICKS ? round : (int)(check_random(&seed) % TICKS);
        const ctm_moment *moment = &ctm_recording_moments(recording)[i];
        ctm_snapshot *read = snapshot_at(recording, (size_t)i);
        check_same(taken[i], read);
        check_allocated(taken[i], read);
        ctm_snapshot_info about;
        ctm_snapshot_info_get(read, &about);
        if (sample == 0) {
            CHECK_EQ(moment->bytes, about.current_bytes);
            CHECK_EQ(moment->blocks, about.live_blocks);
        }
        CHECK(moment->resident_bytes > 0);
        CHECK_EQ(about.taken_ns, info->started + moment->time);
        CHECK_EQ(about.pid, info->pid);
        ctm_snapshot_unref(read);
    }
    CHECK_EQ(ctm_recording_snapshot(recording, TICKS + 1, &taken[0]), CTM_ERR_INVALID);
    ctm_recording_free(recording);
    ctm_recorder_free(recorder);
    for (int i = 0; i < TICKS; i++) {
        ctm_snapshot_unref(taken[i]);
    }
    ctm_tracer_free(world.tracer);
}

/* The totals of a sample are those that the tracer estimates. */
static void test_sample_totals(void)
{
    struct world world = {.random = 77};
    ctm_totals totals;
    REQUIRE(ctm_tracer_new(&world.tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start_sampling(world.tracer, 7, 512) == CTM_OK);
    ctm_recorder *recorder = start(world.tracer, 3600 * SECOND);
    events(&world, 500);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    ctm_tracer_totals(world.tracer, &totals);
    ctm_recorder_free(recorder);
    ctm_recording *recording = open_recording();
    CHECK_EQ(ctm_recording_moments(recording)[1].bytes, totals.current_bytes);
    CHECK_EQ(ctm_recording_moments(recording)[1].peak_bytes, totals.peak_bytes);
    CHECK_EQ(ctm_recording_spans(recording)[0].sample_interval, 512);
    ctm_recording_free(recording);
    ctm_tracer_free(world.tracer);
}

static void test_clear_stop_start(void)
{
    struct world world = new_world(5);
    ctm_snapshot *taken[3];
    events(&world, 200);
    ctm_recorder *recorder = start(world.tracer, 3600 * SECOND);
    taken[0] = take(world.tracer);
    ctm_tracer_clear(world.tracer);
    memset(world.live, 0, sizeof world.live);
    events(&world, 200);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    taken[1] = take(world.tracer);
    ctm_tracer_stop(world.tracer);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_ERR_NOT_TRACING);
    ctm_tracer_clear(world.tracer);
    memset(world.live, 0, sizeof world.live);
    REQUIRE(ctm_tracer_start(world.tracer, 3) == CTM_OK);
    events(&world, 300);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    taken[2] = take(world.tracer);
    ctm_tracer_stop(world.tracer);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
    ctm_recorder_free(recorder);
    ctm_recording *recording = open_recording();
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK_EQ(info->moments, 3);
    CHECK_EQ(info->spans, 4);
    CHECK_EQ(info->end, CTM_END_STOPPED);
    const ctm_recording_span *spans = ctm_recording_spans(recording);
    CHECK(spans[0].tracing && spans[1].tracing && spans[2].tracing && !spans[3].tracing);
    CHECK_EQ(spans[2].nframe, 3);
    for (int i = 2; i >= 0; i--) {
        CHECK_EQ(ctm_recording_moments(recording)[i].span, i);
        ctm_snapshot *read = snapshot_at(recording, (size_t)i);
        check_same(taken[i], read);
        ctm_snapshot_unref(read);
        ctm_snapshot_unref(taken[i]);
    }
    ctm_recording_free(recording);
    ctm_tracer_free(world.tracer);
}

/* A series is what the snapshots of the moments say of the place. */
static void test_series(void)
{
    struct world world = new_world(9);
    events(&world, 100);
    ctm_recorder *recorder = start(world.tracer, 3600 * SECOND);
    for (int i = 1; i < TICKS; i++) {
        if (i == 7) {
            ctm_tracer_clear(world.tracer);
            memset(world.live, 0, sizeof world.live);
        }
        events(&world, 100);
        CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    }
    ctm_recorder_free(recorder);
    ctm_recording *recording = open_recording();
    const ctm_place lines[] = {
        {.filename = "a.py", .filename_length = 4, .lineno = 3},
        {.filename = "b.py", .filename_length = 4, .lineno = 1},
        {.filename = "c.py", .filename_length = 4, .lineno = 1},
    };
    uint64_t bytes[3 * TICKS], blocks[3 * TICKS];
    CHECK_EQ(ctm_recording_series(recording, 0, TICKS, CTM_BY_LINENO, lines, 3, bytes, blocks),
             CTM_OK);
    for (size_t i = 0; i < TICKS; i++) {
        uint64_t expected[3] = {0, 0, 0};
        ctm_snapshot *snapshot = snapshot_at(recording, i);
        ctm_statistics *statistics;
        REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, false, &statistics) == CTM_OK);
        for (size_t row = 0; row < ctm_statistics_length(statistics); row++) {
            const ctm_statistic *at = &ctm_statistics_rows(statistics)[row];
            const ctm_frame *frame = &ctm_snapshot_frames(snapshot)[at->id];
            const char *file = ctm_snapshot_string(
                snapshot, ctm_snapshot_functions(snapshot)[frame->function].filename, NULL);
            for (int place = 0; place < 3; place++) {
                if (strcmp(file, lines[place].filename) == 0 &&
                    frame->lineno == lines[place].lineno) {
                    expected[place] += at->size;
                }
            }
        }
        for (size_t place = 0; place < 3; place++) {
            CHECK_EQ(bytes[place * TICKS + i], expected[place]);
        }
        ctm_statistics_free(statistics);
        ctm_snapshot_unref(snapshot);
    }
    const ctm_place function = {.filename = "a.py",
                                .filename_length = 4,
                                .function = "f",
                                .function_length = 1,
                                .lineno = 1};
    uint64_t some[2], unnamed[2], all[2];
    ctm_place other = function;
    CHECK_EQ(ctm_recording_series(recording, 3, 1, CTM_BY_FILENAME, &function, 1, all, blocks),
             CTM_OK);
    CHECK_EQ(ctm_recording_series(recording, 3, 1, CTM_BY_FUNCTION, &function, 1, some, blocks),
             CTM_OK);
    other.function = NULL;
    CHECK_EQ(ctm_recording_series(recording, 3, 1, CTM_BY_FUNCTION, &other, 1, unnamed, blocks),
             CTM_OK);
    CHECK(some[0] > 0 && unnamed[0] > 0 && some[0] + unnamed[0] < all[0]);
    CHECK_EQ(ctm_recording_series(recording, TICKS, 2, CTM_BY_LINENO, lines, 3, bytes, blocks),
             CTM_ERR_INVALID);
    CHECK_EQ(ctm_recording_series(recording, 0, 1, CTM_BY_TRACEBACK, lines, 3, bytes, blocks),
             CTM_ERR_INVALID);
    ctm_recording_free(recording);
    ctm_tracer_free(world.tracer);
}

static void test_arguments(void)
{
    struct world world = new_world(1);
    ctm_recorder *recorder, *second;
    CHECK_EQ(ctm_recorder_start(world.tracer, path, 1, NULL, &recorder), CTM_ERR_INVALID);
    CHECK_EQ(ctm_recorder_start(world.tracer, path, 3601 * SECOND, NULL, &recorder),
             CTM_ERR_INVALID);
    CHECK_EQ(ctm_recorder_start(world.tracer, path, SECOND, "caf\xe9", &recorder), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tracer_set_command(world.tracer, "\xff", 1), CTM_ERR_INVALID);
    CHECK_EQ(ctm_recorder_start(world.tracer, "/no/such/folder/x", SECOND, NULL, &recorder),
             CTM_ERR_IO);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(ctm_recorder_start(world.tracer, "/dev/null", SECOND, NULL, &recorder), CTM_ERR_IO);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(ctm_recorder_start(world.tracer, "/dev/full", SECOND, NULL, &recorder), CTM_ERR_IO);
    REQUIRE(ctm_tracer_set_command(world.tracer, "a b", 3) == CTM_OK);
    REQUIRE(ctm_recorder_start(world.tracer, path, SECOND, NULL, &recorder) == CTM_OK);
    CHECK_EQ(ctm_recorder_start(world.tracer, path, SECOND, NULL, &second), CTM_ERR_INVALID);
    struct world other = new_world(2); /* as another process would */
    CHECK_EQ(ctm_recorder_start(other.tracer, path, SECOND, NULL, &second), CTM_ERR_IO);
    CHECK_EQ(errno, EWOULDBLOCK);
    ctm_recorder_free(recorder);
    ctm_recorder_free(NULL);
    ctm_tracer_stop(world.tracer);
    CHECK_EQ(ctm_recorder_start(world.tracer, path, SECOND, NULL, &recorder), CTM_ERR_NOT_TRACING);
    ctm_recording *recording = open_recording();
    CHECK_STR(ctm_recording_info_get(recording)->command, "a b");
    ctm_recording_free(recording);
    ctm_tracer_free(other.tracer);
    ctm_tracer_free(world.tracer);
}

static void test_ticks_come_by_themselves(void)
{
    struct world world = new_world(3);
    ctm_recorder *recorder = start(world.tracer, CTM_MIN_RECORD_INTERVAL);
    ctm_recorder_state state;
    do {
        events(&world, 10);
        usleep(1000);
        ctm_recorder_state_get(recorder, &state);
    } while (state.ticks < 5 && state.recording);
    CHECK(state.recording);
    CHECK_EQ(state.error, 0);
    struct stat status;
    REQUIRE(stat(path, &status) == 0);
    CHECK((uint64_t)status.st_size >= state.bytes);
    unlink(path); /* the recording goes on, in a file without a name */
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    ctm_recorder_free(recorder);
    ctm_tracer_free(world.tracer);
}

static void test_file_of_another_program(void)
{
    struct world world = new_world(4);
    ctm_recorder_state state;
    ctm_recorder *recorder = start(world.tracer, 3600 * SECOND);
    REQUIRE(truncate(path, 10) == 0);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_ERR_IO);
    CHECK_EQ(errno, ESTALE);
    ctm_recorder_state_get(recorder, &state);
    CHECK(!state.recording && state.error == ESTALE && state.reason != NULL);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_ERR_IO);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_ERR_IO);
    ctm_recorder_free(recorder);

    /* All descriptors closed, as a daemon does, and the number taken by another file. */
    recorder = start(world.tracer, 3600 * SECOND);
    int last = 1023; /* the recorder's, which is out of the way of low numbers */
    while (last > 2 && fcntl(last, F_GETFD) < 0) {
        last--;
    }
    char other[80];
    snprintf(other, sizeof other, "%s.other", path);
    for (int fd = 3; fd <= last; fd++) {
        close(fd);
    }
    const int fd = open(other, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd == 3 && last >= CTMI_FIRST_FD);
    dup2(fd, last);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_ERR_IO);
    ctm_recorder_free(recorder);
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && status.st_size == 0);
    close(fd);
    close(last);
    unlink(other);
    ctm_tracer_free(world.tracer);
}

static void test_file_changes_under_the_reader(void)
{
    struct world world = new_world(12);
    ctm_snapshot *snapshot;
    ctm_recorder *recorder = start(world.tracer, 3600 * SECOND);
    for (int i = 0; i < 40; i++) {
        events(&world, 100);
        CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    }
    ctm_recorder_free(recorder);
    const struct ctmi_sizes *sizes = ctmi_sizes();
    sizes_small(); /* less is read at a time than there is */
    ctm_recording *recording = open_recording();
    ctmi_sizes_set(sizes);
    CHECK(ctm_recording_info_get(recording)->file_bytes > 2 * small_sizes.window);
    const int fd = open(path, O_WRONLY);
    char zeros[200] = {0};
    CHECK_EQ(pwrite(fd, zeros, sizeof zeros, 64), sizeof zeros);
    CHECK_EQ(ctm_recording_snapshot(recording, 0, &snapshot), CTM_ERR_FORMAT);
    CHECK_EQ(ftruncate(fd, 100), 0);
    CHECK_EQ(ctm_recording_snapshot(recording, 1, &snapshot), CTM_ERR_FORMAT);
    uint64_t bytes, blocks;
    const ctm_place place = {.filename = "a.py", .filename_length = 4};
    CHECK_EQ(ctm_recording_series(recording, 1, 1, CTM_BY_FILENAME, &place, 1, &bytes, &blocks),
             CTM_ERR_FORMAT);
    close(fd);
    ctm_recording_free(recording);
    ctm_tracer_free(world.tracer);
}

static void test_pause(void)
{
    struct world world = new_world(13);
    ctm_recorder_state state;
    ctm_recorder *recorder = start(world.tracer, CTM_MIN_RECORD_INTERVAL);
    for (int i = 0; i < 20; i++) {
        CHECK(ctm_recorder_pause(recorder));
        CHECK(ctm_recorder_pause(recorder));
        ctm_recorder_state_get(recorder, &state);
        CHECK(state.recording);
        events(&world, 10);
        if (i % 2 == 0) {
            ctm_recorder_resume(recorder);
            ctm_recorder_resume(recorder);
        }
        CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    }
    CHECK(ctm_recorder_pause(recorder));
    ctm_snapshot *taken = take(world.tracer);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
    CHECK(ctm_recorder_pause(recorder));
    ctm_recorder_resume(recorder);
    ctm_recorder_free(recorder);
    ctm_recording *recording = open_recording();
    CHECK_EQ(ctm_recording_info_get(recording)->end, CTM_END_STOPPED);
    ctm_snapshot *read = snapshot_at(recording, ctm_recording_info_get(recording)->moments - 1);
    check_same(taken, read);
    ctm_snapshot_unref(read);
    ctm_snapshot_unref(taken);
    ctm_recording_free(recording);
    ctm_tracer_free(world.tracer);
}

static void test_fork(void)
{
    struct world world = new_world(6);
    ctm_recorder *recorder = start(world.tracer, CTM_MIN_RECORD_INTERVAL);
    for (int i = 0; i < 20; i++) {
        events(&world, 20);
        ctm_tracer_fork_before(world.tracer);
        const pid_t child = fork();
        if (child == 0) {
            ctm_tracer_fork_after_child(world.tracer);
            ctm_recorder_state state;
            ctm_recorder_state_get(recorder, &state);
            bool good = !state.recording && state.reason != NULL &&
                        ctm_recorder_tick(recorder) == CTM_ERR_IO &&
                        ctm_recorder_stop(recorder, true) == CTM_OK;
            events(&world, 20);
            ctm_recorder_free(recorder);
            ctm_tracer_clear(world.tracer);
            _exit(good ? 0 : 1);
        }
        ctm_tracer_fork_after_parent(world.tracer);
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_OK);
    ctm_snapshot *taken = take(world.tracer);
    CHECK_EQ(ctm_recorder_stop(recorder, false), CTM_OK);
    ctm_recorder_free(recorder);
    ctm_recording *recording = open_recording();
    CHECK(ctm_recording_info_get(recording)->fault.reason == NULL);
    ctm_snapshot *read = snapshot_at(recording, ctm_recording_info_get(recording)->moments - 1);
    check_same(taken, read);
    ctm_snapshot_unref(read);
    ctm_snapshot_unref(taken);
    ctm_recording_free(recording);
    ctm_tracer_free(world.tracer);
}

static void set_up(void)
{
    snprintf(path, sizeof path, "/tmp/ctm-test-recording-%d.ctr", (int)getpid());
    atexit(remove_file);
}

static void test_ticks_are_snapshots(void)
{
    check_ticks_are_snapshots(1, 0);
}

static void test_ticks_are_snapshots_again(void)
{
    check_ticks_are_snapshots(2, 0);
}

static void test_ticks_are_sampled_snapshots(void)
{
    check_ticks_are_snapshots(3, 4096);
}

TEST_LIST = {
    TEST(test_ticks_are_snapshots),
    TEST(test_ticks_are_snapshots_again),
    TEST(test_ticks_are_sampled_snapshots),
    TEST(test_sample_totals),
    TEST(test_clear_stop_start),
    TEST(test_series),
    TEST(test_arguments),
    TEST(test_ticks_come_by_themselves),
    TEST(test_file_of_another_program),
    TEST(test_file_changes_under_the_reader),
    TEST(test_pause),
    TEST(test_fork),
    TEST_LIST_END,
};
