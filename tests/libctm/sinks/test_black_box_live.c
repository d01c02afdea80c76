/* test_black_box_live.c: a black box is read while its program makes new rows, and empties its tables, all the time: each
 * reading is whole. Which rows are seen is a matter of time; that what is seen adds up is not.
 */
#define CHECK_SET_UP set_up
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "ctm/black_box.h"
#include "ctm/snapshot.h"
#include "formats/black_box_reader.h"

enum { LINES = 20000, READINGS = 150 };

static char path[64];
static _Atomic int *ready; /* shared with the program */

static void allocate(ctm_tracer *tracer, int i)
{
    char name[32];
    uint32_t traceback;
    snprintf(name, sizeof name, "file%d.py", i);
    const ctm_frame_text frame = {name, "f", 1, i + 1};
    const uintptr_t address = 0x1000000u + (uintptr_t)(i % 5000) * 64;
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    REQUIRE(shard != NULL);
    (void)ctm_shard_free(shard, 0, address);
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    REQUIRE(ctm_shard_alloc(shard, 0, address, 64, traceback) == CTM_OK);
    ctm_shard_leave(shard);
}

static void run_program(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    REQUIRE(ctm_black_box_start(tracer, path) == CTM_OK);
    atomic_store(ready, 1);
    while (getppid() != 1) {
        for (int i = 0; i < LINES; i++) {
            allocate(tracer, i);
        }
        ctm_tracer_clear(tracer);
    }
    exit(0);
}

static void check_snapshot(ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    uint64_t bytes = 0;
    ctm_snapshot_info_get(snapshot, &info);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    for (uint32_t i = 1; i <= info.sites; i++) {
        bytes += (sites[i].allocated - sites[i].freed) * sites[i].block_size;
    }
    CHECK_EQ(bytes, info.current_bytes);
    CHECK(info.sites <= LINES);
}

static void read_it(ctm_black_box *box)
{
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, "none"};
    const ctm_status status = ctm_black_box_snapshot(box, &snapshot, &error);
    if (status == CTM_OK) {
        check_snapshot(snapshot);
        ctm_snapshot_unref(snapshot);
    } else if (!CHECK(status == CTM_ERR_IO && errno == EAGAIN)) {
        printf("%d: %s at %llu\n", (int)status, error.reason, (unsigned long long)error.offset);
    }
}

/* The program made the file longer between the reading of its size and that of its tables. */
static void test_longer_since(void)
{
    ctm_file_error error = {0, "none"};
    struct ctmi_box_loader loader = {
        .size = CTMI_BOX_CONTROL_SIZE, .budget = CTMI_BOX_CONTROL_SIZE, .error = &error};
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    REQUIRE(ctm_black_box_start(tracer, path) == CTM_OK);
    for (int i = 0; i < LINES; i++) {
        allocate(tracer, i);
    }
    loader.fd = open(path, O_RDONLY);
    REQUIRE(loader.fd >= 0);
    ctmi_store_init(&loader.store);
    if (!CHECK_EQ(ctmi_box_load_shard(&loader, 0, 1), CTM_OK)) {
        printf("%s at %llu\n", error.reason, (unsigned long long)error.offset);
    }
    CHECK_EQ(ctmi_store_site_count(&loader.store), LINES + 1);
    ctmi_store_free_all(&loader.store);
    close(loader.fd);
    ctm_tracer_free(tracer);
    unlink(path);
}

static void test_read_while_it_runs(void)
{
    ctm_black_box *box;
    ready = mmap(NULL, sizeof *ready, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(ready != MAP_FAILED);
    const pid_t program = fork();
    REQUIRE(program >= 0);
    if (program == 0) {
        run_program();
    }
    while (!atomic_load(ready)) {
        usleep(1000);
    }
    REQUIRE(ctm_black_box_open(path, &box, NULL) == CTM_OK);
    for (int i = 0; i < READINGS; i++) {
        read_it(box);
    }
    kill(program, SIGKILL);
    CHECK_EQ(waitpid(program, NULL, 0), program);
    read_it(box);
    ctm_black_box_close(box);
    unlink(path);
}

static void set_up(void)
{
    snprintf(path, sizeof path, "/tmp/ctm-test-live-%ld", (long)getpid());
}

TEST_LIST = {
    TEST(test_read_while_it_runs),
    TEST(test_longer_since),
    TEST_LIST_END,
};
