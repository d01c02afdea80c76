/* test_black_box_faults.c: black boxes without memory, and damaged ones. */
#define CHECK_SET_UP set_up
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "faults.h"
#include "sinks/black_box.h"

/* --- without memory --- */

/* The box has ended: what the tracer does from now on is not in its file, and is counted right. */
static void check_end_is_final(ctm_tracer *tracer)
{
    ctm_snapshot_info then, now;
    ctm_totals before, after;
    ctm_snapshot *snapshot = read_box();
    ctm_snapshot_info_get(snapshot, &then);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_totals(tracer, &before);
    for (uint32_t i = 0; i < 700; i++) {
        REQUIRE(allocate(tracer, i % CTM_SHARDS, i + 1, 0x900000u + 16 * (uintptr_t)i, 10) ==
                CTM_OK);
    }
    ctm_tracer_totals(tracer, &after);
    CHECK_EQ(after.current_bytes, before.current_bytes + 7000);
    CHECK_EQ(after.live_blocks, before.live_blocks + 700);
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &now);
    CHECK_EQ(now.current_bytes, after.current_bytes);
    CHECK_EQ(now.live_blocks, after.live_blocks);
    ctm_snapshot_unref(snapshot);
    snapshot = read_box();
    ctm_snapshot_info_get(snapshot, &now);
    CHECK_EQ(now.current_bytes, then.current_bytes);
    CHECK_EQ(now.live_blocks, then.live_blocks);
    CHECK_EQ(now.sites, then.sites);
    ctm_snapshot_unref(snapshot);
    CHECK_EQ(read_info().end, CTM_BOX_EXIT);
}

/* Neither memory for a copy nor a descriptor: it goes on. */
static void test_no_end(void)
{
    ctm_tracer *tracer;
    new_tracer(&tracer);
    fill(tracer, 500);
    close(ctmi_box_of(tracer)->fd);
    atomic_store(&fault_at, 1);
    CHECK_EQ(ctm_black_box_end(tracer, CTM_BOX_EXIT), CTM_ERR_NOMEM);
    atomic_store(&fault_at, 0);
    compare_with_tracer(tracer);
    CHECK_EQ(read_info().end, CTM_BOX_NOT_ENDED);
    ctm_tracer_free(tracer);
}

static void test_faults(void)
{
    for (long at = 1; at < 60; at++) {
        ctm_tracer *tracer;
        new_tracer(&tracer);
        fill(tracer, 500);
        atomic_store(&fault_at, at);
        const ctm_status status = ctm_black_box_end(tracer, CTM_BOX_EXIT);
        atomic_store(&fault_at, 0);
        CHECK_EQ(status, CTM_OK);
        compare_with_tracer(tracer);
        check_end_is_final(tracer);
        ctm_black_box *box;
        ctm_snapshot *snapshot;
        atomic_store(&fault_at, at);
        if (ctm_black_box_open(path, &box, NULL) == CTM_OK) {
            if (ctm_black_box_snapshot(box, &snapshot, NULL) == CTM_OK) {
                ctm_snapshot_unref(snapshot);
            }
            ctm_black_box_close(box);
        }
        atomic_store(&fault_at, 0);
        ctm_tracer_free(tracer);
        REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
        atomic_store(&fault_at, at);
        const ctm_status started = ctm_black_box_start(tracer, path);
        atomic_store(&fault_at, 0);
        CHECK(started == CTM_OK || started == CTM_ERR_NOMEM);
        ctm_tracer_free(tracer);
    }
}

/* --- damage --- */

static char *read_file(size_t *out_size)
{
    struct stat status;
    const int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0 && fstat(fd, &status) == 0);
    char *bytes = malloc((size_t)status.st_size);
    REQUIRE(bytes != NULL && pread(fd, bytes, (size_t)status.st_size, 0) == status.st_size);
    close(fd);
    *out_size = (size_t)status.st_size;
    return bytes;
}

static bool has_only_zeros(const char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* With holes where a black box has them: most of its pages have never been written. */
static void write_file(const char *bytes, size_t size)
{
    enum { PAGE = 4096 };
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    for (size_t at = 0; at < size; at += PAGE) {
        const size_t n = size - at < PAGE ? size - at : PAGE;
        if (!has_only_zeros(bytes + at, n)) {
            REQUIRE(pwrite(fd, bytes + at, n, (off_t)at) == (ssize_t)n);
        }
    }
    close(fd);
}

/* Of each damaged file: a snapshot, or an error with a reason. */
static unsigned open_damaged(void)
{
    ctm_black_box *box;
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, NULL};
    ctm_status status = ctm_black_box_open(path, &box, &error);
    if (status == CTM_OK) {
        status = ctm_black_box_snapshot(box, &snapshot, &error);
        if (status == CTM_OK) {
            ctm_snapshot_unref(snapshot);
        }
        ctm_black_box_close(box);
    }
    CHECK(status == CTM_OK || status == CTM_ERR_FORMAT);
    CHECK(status == CTM_OK || error.reason != NULL);
    return status == CTM_OK;
}

static void test_damage(void)
{
    ctm_tracer *tracer;
    size_t size;
    uint64_t random = 5;
    unsigned opened = 0;
    new_tracer(&tracer);
    fill(tracer, 200);
    ctm_tracer_free(tracer);
    char *bytes = read_file(&size);
    size_t places = sizeof(struct ctmi_box_control);
    for (unsigned i = 0; i < 400; i++) {
        /* In the control block, or in a byte that is not 0. */
        size_t at = check_random(&random) % (i % 2 ? places : size);
        while (i % 2 == 0 && bytes[at] == 0) {
            at = check_random(&random) % size;
        }
        const char before = bytes[at];
        bytes[at] = (char)(before ^ (1 << check_random(&random) % 8));
        write_file(bytes, size);
        opened += open_damaged();
        bytes[at] = before;
    }
    CHECK(opened < 400);
    for (unsigned i = 0; i < 60; i++) {
        write_file(bytes, i < 10 ? i * 9 : check_random(&random) % size);
        open_damaged();
    }
    free(bytes);
}

static void set_up(void)
{
    choose_path();
}

TEST_LIST = {
    TEST(test_faults),
    TEST(test_no_end),
    TEST(test_damage),
    TEST_LIST_END,
};
