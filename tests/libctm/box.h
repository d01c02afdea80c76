/* box.h: shared by the tests of black boxes: makes a tracer with a box, and compares the two.
 *
 * Model: each test program has one file, `path`, which it removes at its exit.
 */
#ifndef CTM_TESTS_BOX_H
#define CTM_TESTS_BOX_H

#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "ctm/black_box.h"
#include "ctm/ctm.h"

static char path[64];
static pid_t parent;

static inline void remove_file(void)
{
    if (getpid() == parent) {
        unlink(path);
    }
}

static inline ctm_snapshot *read_box(void)
{
    ctm_black_box *box;
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, "none"};
    if (!CHECK_EQ(ctm_black_box_open(path, &box, &error), CTM_OK)) {
        printf("%s at %llu\n", error.reason, (unsigned long long)error.offset);
        exit(EXIT_FAILURE);
    }
    if (!CHECK_EQ(ctm_black_box_snapshot(box, &snapshot, &error), CTM_OK)) {
        printf("%s at %llu\n", error.reason, (unsigned long long)error.offset);
        exit(EXIT_FAILURE);
    }
    ctm_black_box_close(box);
    return snapshot;
}

static inline ctm_black_box_info read_info(void)
{
    ctm_black_box *box;
    ctm_black_box_info info;
    REQUIRE(ctm_black_box_open(path, &box, NULL) == CTM_OK);
    ctm_black_box_info_get(box, &info);
    info.command = "";
    ctm_black_box_close(box);
    return info;
}

static inline void new_tracer(ctm_tracer **out)
{
    REQUIRE(ctm_tracer_new(out) == CTM_OK);
    REQUIRE(ctm_tracer_start(*out, 5) == CTM_OK);
    const ctm_status status = ctm_black_box_start(*out, path);
    if (!CHECK_EQ(status, CTM_OK)) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

/* Allocates a block at line `line` of the file that seven lines share. */
static inline ctm_status allocate(ctm_tracer *tracer, uint32_t shard_index, uint32_t line,
                                  uintptr_t address, uint64_t size)
{
    char name[32];
    uint32_t traceback;
    snprintf(name, sizeof name, "file%u.py", (unsigned)(line / 7));
    const ctm_frame_text frame = {name, "f", 1, (int32_t)line};
    ctm_shard *shard = ctm_shard_enter(tracer, shard_index);
    REQUIRE(shard != NULL);
    ctm_status status = ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback);
    if (status == CTM_OK) {
        status = ctm_shard_alloc(shard, 0, address, size, traceback);
    }
    ctm_shard_leave(shard);
    return status;
}

static inline void fill(ctm_tracer *tracer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        REQUIRE(allocate(tracer, i % CTM_SHARDS, i + 1, 0x100000u + 16 * (uintptr_t)i, i % 100) ==
                CTM_OK);
    }
}

/* Checks that the box has the same sites, totals and peak as a snapshot of the tracer. */
static inline void compare_with_tracer(ctm_tracer *tracer)
{
    ctm_snapshot *taken, *read = read_box(), *taken_peak, *read_peak;
    ctm_snapshot_info one, two;
    bool same;
    REQUIRE(ctm_tracer_snapshot(tracer, &taken) == CTM_OK);
    ctm_snapshot_info_get(taken, &one);
    ctm_snapshot_info_get(read, &two);
    CHECK_EQ(one.sites, two.sites);
    CHECK_EQ(one.live_blocks, two.live_blocks);
    CHECK_EQ(one.current_bytes, two.current_bytes);
    CHECK_EQ(one.peak_bytes, two.peak_bytes);
    CHECK_EQ(one.nframe, two.nframe);
    REQUIRE(ctm_snapshot_at_peak(taken, &taken_peak) == CTM_OK);
    REQUIRE(ctm_snapshot_at_peak(read, &read_peak) == CTM_OK);
    ctm_snapshot_info_get(read_peak, &two);
    CHECK_EQ(two.current_bytes, one.peak_bytes);
    ctm_snapshot_info_get(taken_peak, &one);
    CHECK_EQ(one.live_blocks, two.live_blocks);
    REQUIRE(ctm_snapshot_equal(taken, read, &same) == CTM_OK);
    CHECK(same);
    ctm_snapshot_unref(taken);
    ctm_snapshot_unref(read);
    ctm_snapshot_unref(taken_peak);
    ctm_snapshot_unref(read_peak);
}

static inline void choose_path(void)
{
    parent = getpid();
    snprintf(path, sizeof path, "/tmp/ctm-test-box-%ld", (long)parent);
    atexit(remove_file);
}

#endif
