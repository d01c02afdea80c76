/* test_file.c: snapshots on file: round trips, the golden file, places to write to.
 *
 * With one argument, writes the golden sample to that path: how a golden file of a new format
 * version is made. Those that exist are never made anew.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/format.h"
#include "sample_file.h"

static void test_round_trip(void)
{
    uint64_t state = 3;
    for (int round = 0; round < 200; round++) {
        struct sample_run runs[30];
        size_t n = check_random(&state) % 30, size, length;
        void *bytes, *attributes;
        ctm_snapshot *back;
        for (size_t i = 0; i < n; i++) {
            runs[i] = sample_random_run(&state);
        }
        ctm_snapshot *snapshot = round % 3 ? sample_full_snapshot(runs, n, round % 2)
                                           : sample_snapshot(runs, n, round % 2);
        REQUIRE(ctm_snapshot_encode(snapshot, NULL, 0, &bytes, &size) == CTM_OK);
        CHECK(ctm_file_is_snapshot(bytes, size));
        REQUIRE(ctm_snapshot_decode(bytes, size, &back, &attributes, &length, NULL) == CTM_OK);
        CHECK(attributes == NULL);
        CHECK_EQ(length, 0);
        check_identical(snapshot, back);
        ctm_snapshot_unref(snapshot);
        ctm_snapshot_unref(back);
        free(bytes);
    }
}

/* What could be written but never read is refused at once, and takes no id. */
static void test_string_not_utf8(void)
{
    static const char *const bad[] = {"\xff", "a\x80", "\xc3", "\xc0\xaf", "\xf4\x90\x80\x80"};
    ctm_builder *builder;
    ctm_tracer *tracer;
    uint32_t id = 77, good = 0;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(ctm_builder_string(builder, bad[i], strlen(bad[i]), &id), CTM_ERR_INVALID);
    }
    CHECK_EQ(id, 77);
    CHECK_EQ(ctm_builder_string(builder, "\xed\xb2\x80", 3, &good), CTM_OK); /* a lone surrogate */
    CHECK_EQ(good, 1);
    ctm_builder_free(builder);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 4) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    const ctm_frame_text frame = {.filename = "caf\xe9.c", .lineno = 1};
    CHECK_EQ(ctm_shard_traceback_text(shard, &frame, 1, 1, &id), CTM_ERR_INVALID);
    ctm_shard_leave(shard);
    ctm_tracer_free(tracer);
}

static void test_string_with_nul(void)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot, *back;
    uint32_t id;
    void *bytes;
    size_t size;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    REQUIRE(ctm_builder_string(builder, "a\0b", 3, &id) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    REQUIRE(ctm_snapshot_encode(snapshot, NULL, 0, &bytes, &size) == CTM_OK);
    REQUIRE(ctm_snapshot_decode(bytes, size, &back, NULL, NULL, NULL) == CTM_OK);
    check_identical(snapshot, back);
    CHECK_EQ(ctm_snapshot_encode(snapshot, NULL, 1, &bytes, &size), CTM_ERR_INVALID);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(back);
    free(bytes);
}

/* The caller owns the snapshot. */
static ctm_snapshot *read_golden(const char *path)
{
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, "none"};
    void *attributes;
    size_t length;
    ctm_status status = ctm_snapshot_read(path, &snapshot, &attributes, &length, &error);
    if (!CHECK_EQ(status, CTM_OK)) {
        printf("    %s: %s at %llu\n", path, error.reason, (unsigned long long)error.offset);
        exit(EXIT_FAILURE);
    }
    CHECK_EQ(length, sizeof golden_attributes);
    CHECK(memcmp(attributes, golden_attributes, length) == 0);
    free(attributes);
    return snapshot;
}

static void test_golden(void)
{
    ctm_snapshot *expected = golden_snapshot();
    ctm_snapshot *snapshot = read_golden(CTM_TEST_DATA "/v1.ctm");
    ctm_snapshot_info info;
    check_identical(expected, snapshot);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 3 + 1 + 1000000 + 2);
    CHECK_EQ(info.current_bytes, 5 * 64 + 5000000000 + 16000000);
    CHECK_EQ(info.nframe, 25);
    CHECK(!info.peak_known && info.label_sets == 0 && info.pid == 0 && info.taken_ns == 0);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(expected);
}

/* With CTM_NEW_GOLDEN=PATH it also writes there what the file should be. */
static void test_golden_1_2(void)
{
    ctm_snapshot *expected = golden_snapshot_1_2();
    const char *new_golden = getenv("CTM_NEW_GOLDEN");
    if (new_golden != NULL) {
        CHECK_EQ(
            ctm_snapshot_write(expected, new_golden, golden_attributes, sizeof golden_attributes),
            CTM_OK);
    }
    ctm_snapshot *snapshot = read_golden(CTM_TEST_DATA "/v1.2.ctm");
    const ctm_loss *losses;
    check_identical(expected, snapshot);
    REQUIRE(ctm_snapshot_losses(snapshot, &losses) == 2);
    CHECK_STR(losses[0].kind, "tracked_blocks");
    CHECK_STR(losses[0].detail, "the instructions are not known");
    CHECK_EQ(losses[0].count, 0);
    CHECK_STR(losses[1].kind, "memory");
    CHECK_STR(losses[1].detail, "caf\xc3\xa9: no memory for the place");
    CHECK_EQ(losses[1].count, 42);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(expected);
}

/* A file without losses is what version 1.1 wrote, byte for byte. */
static void test_same_bytes_without_losses(void)
{
    static unsigned char golden[16384];
    FILE *file = fopen(CTM_TEST_DATA "/v1.1.ctm", "rb");
    ctm_snapshot *snapshot = golden_snapshot_1_1();
    void *bytes;
    size_t size;
    REQUIRE(file != NULL);
    const size_t length = fread(golden, 1, sizeof golden, file);
    fclose(file);
    REQUIRE(ctm_snapshot_encode(snapshot, golden_attributes, sizeof golden_attributes, &bytes,
                                &size) == CTM_OK);
    CHECK(size == length && memcmp(bytes, golden, size) == 0);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

static void test_golden_1_1(void)
{
    ctm_snapshot *expected = golden_snapshot_1_1();
    ctm_snapshot *snapshot = read_golden(CTM_TEST_DATA "/v1.1.ctm");
    ctm_snapshot_info info;
    check_identical(expected, snapshot);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, 6);
    CHECK_EQ(info.live_blocks, 3 + 3 + 1 + 1 + 0 + 2);
    CHECK(info.peak_known && info.label_sets == 8 && info.pid == 4242);
    CHECK_EQ(info.taken_ns, 1700000001123456789u);
    CHECK_EQ(info.started_ns, 1700000000000000001u);
    CHECK_STR(ctm_snapshot_string(snapshot, info.command, NULL), "python3 app.py");
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    CHECK(sites[1].at_peak == 5 && sites[4].at_peak == 2 && sites[5].at_peak == 3);
    CHECK(sites[1].labels == 0 && sites[5].labels == 7);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(expected);
}

/* Ten million blocks in ten thousand sites, as a program of a few hundred files has them: each site with a
 * place of its own, called from one of some thousand. */
static void test_size_of_file(void)
{
    enum {
        SITES = 10000,
        BLOCKS = 1000,
        FILES = 400,
        FUNCTIONS = 5000,
        CALLERS = 1500,
        DEPTH = 25
    };
    static uint32_t functions[FUNCTIONS], callers[CALLERS];
    ctm_builder *builder;
    char text[100];
    uint32_t file = 0, name, frame;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (int i = 0; i < FUNCTIONS; i++) {
        if (i % (FUNCTIONS / FILES) == 0) {
            snprintf(text, sizeof text,
                     "/usr/lib/python3.13/site-packages/package%02d/module%03d.py", i % 37, i);
            file = sample_string(builder, text);
        }
        snprintf(text, sizeof text, "SomeClass%02d.some_method_%04d", i % 50, i);
        name = sample_string(builder, text);
        REQUIRE(ctm_builder_function(builder, file, name, i, &functions[i]) == CTM_OK);
    }
    for (int i = 0; i < CALLERS; i++) { /* chains of DEPTH - 1 frames over each other */
        uint32_t parent = i % (DEPTH - 1) ? callers[i - 1] : 0;
        REQUIRE(ctm_builder_frame(builder, functions[i], i, &frame) == CTM_OK);
        REQUIRE(ctm_builder_traceback(builder, parent, frame, i % (DEPTH - 1) + 1, &callers[i]) ==
                CTM_OK);
    }
    for (int i = 0; i < SITES; i++) {
        ctm_site site = {.block_size = (uint64_t)(16 + i % 60 * 16),
                         .allocated = BLOCKS * 3,
                         .freed = BLOCKS * 2,
                         .at_peak = BLOCKS};
        uint32_t caller = callers[i % CALLERS];
        REQUIRE(ctm_builder_frame(builder, functions[i % FUNCTIONS], 10 + i, &frame) == CTM_OK);
        REQUIRE(ctm_builder_traceback(builder, caller, frame, i % CALLERS % (DEPTH - 1) + 2,
                                      &site.traceback) == CTM_OK);
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    ctm_builder_set_peak_known(builder, true);
    ctm_snapshot *snapshot = sample_finish(builder);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 10000000);
    CHECK_EQ(info.sites, SITES);
    void *bytes;
    size_t size;
    REQUIRE(ctm_snapshot_encode(snapshot, NULL, 0, &bytes, &size) == CTM_OK);
    printf("10 million blocks in 10,000 sites: %zu bytes\n", size);
    CHECK(size < 2u << 20);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

/* --- places --- */

static char folder[64];

static const char *place(const char *name)
{
    static char paths[4][200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int count_files(void)
{
    DIR *directory = opendir(folder);
    int n = 0;
    REQUIRE(directory != NULL);
    while (readdir(directory) != NULL) {
        n++;
    }
    closedir(directory);
    return n - 2;
}

static void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    fputs(text, file);
    fclose(file);
}

static bool has_text(const char *path, const char *text)
{
    char found[100] = "";
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    size_t n = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    return n == strlen(text) && memcmp(found, text, n) == 0;
}

static bool reads_back(const ctm_snapshot *snapshot, const char *path)
{
    ctm_snapshot *back;
    bool equal = false;
    if (ctm_snapshot_read(path, &back, NULL, NULL, NULL) != CTM_OK) {
        return false;
    }
    REQUIRE(ctm_snapshot_equal(snapshot, back, &equal) == CTM_OK);
    ctm_snapshot_unref(back);
    return equal;
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    REQUIRE(stat(path, &status) == 0);
    return status.st_mode & 07777;
}

static void test_write(const ctm_snapshot *snapshot)
{
    mode_t mask = umask(027);
    CHECK_EQ(ctm_snapshot_write(snapshot, place("new"), NULL, 0), CTM_OK);
    CHECK(reads_back(snapshot, place("new")));
    CHECK_EQ(mode_of(place("new")), 0640);
    umask(mask);
    REQUIRE(chmod(place("new"), 0604) == 0);
    CHECK_EQ(ctm_snapshot_write(snapshot, place("new"), "x", 1), CTM_OK);
    CHECK(reads_back(snapshot, place("new")));
    CHECK_EQ(mode_of(place("new")), 0604);
    CHECK_EQ(count_files(), 1);
    REQUIRE(unlink(place("new")) == 0);
}

static void test_write_through_links(const ctm_snapshot *snapshot)
{
    struct stat status;
    put_text(place("real"), "old");
    REQUIRE(symlink("real", place("link")) == 0);
    REQUIRE(symlink(place("link"), place("far")) == 0);
    REQUIRE(symlink("absent", place("dangling")) == 0);
    REQUIRE(symlink("loop", place("loop")) == 0);
    CHECK_EQ(ctm_snapshot_write(snapshot, place("far"), NULL, 0), CTM_OK);
    CHECK(lstat(place("far"), &status) == 0 && S_ISLNK(status.st_mode));
    CHECK(lstat(place("link"), &status) == 0 && S_ISLNK(status.st_mode));
    CHECK(lstat(place("real"), &status) == 0 && S_ISREG(status.st_mode));
    CHECK(reads_back(snapshot, place("real")));
    CHECK_EQ(ctm_snapshot_write(snapshot, place("dangling"), NULL, 0), CTM_OK);
    CHECK(reads_back(snapshot, place("absent")));
    CHECK_EQ(ctm_snapshot_write(snapshot, place("loop"), NULL, 0), CTM_ERR_IO);
    CHECK_EQ(errno, ELOOP);
    static const char *const names[] = {"real", "link", "far", "dangling", "loop", "absent"};
    CHECK_EQ(count_files(), 6);
    for (int i = 0; i < 6; i++) {
        REQUIRE(unlink(place(names[i])) == 0);
    }
}

static void test_write_failures(const ctm_snapshot *snapshot)
{
    static char long_path[10000];
    memset(long_path, 'a', sizeof long_path - 1);
    CHECK_EQ(ctm_snapshot_write(snapshot, folder, NULL, 0), CTM_ERR_IO);
    CHECK_EQ(errno, EISDIR);
    CHECK_EQ(ctm_snapshot_write(snapshot, place("no/such"), NULL, 0), CTM_ERR_IO);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(ctm_snapshot_write(snapshot, "", NULL, 0), CTM_ERR_IO);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(ctm_snapshot_write(snapshot, long_path, NULL, 0), CTM_ERR_IO);
    CHECK_EQ(errno, ENAMETOOLONG);
    CHECK_EQ(ctm_snapshot_write(snapshot, "/dev/full", NULL, 0), CTM_ERR_IO);
    CHECK_EQ(errno, ENOSPC);
    CHECK_EQ(ctm_snapshot_write(snapshot, "/dev/null", NULL, 0), CTM_OK);
    /* The disk is full half-way: the old file stays, nothing is left behind. */
    struct rlimit old, tiny;
    put_text(place("kept"), "precious");
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    tiny = old;
    tiny.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &tiny) == 0);
    ctm_status status = ctm_snapshot_write(snapshot, place("kept"), NULL, 0);
    int error = errno;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_EQ(status, CTM_ERR_IO);
    CHECK_EQ(error, EFBIG);
    CHECK(has_text(place("kept"), "precious"));
    CHECK_EQ(count_files(), 1);
    REQUIRE(chmod(place("kept"), 0444) == 0);
    if (geteuid() != 0) { /* root may write anything */
        CHECK_EQ(ctm_snapshot_write(snapshot, place("kept"), NULL, 0), CTM_ERR_IO);
        CHECK_EQ(errno, EACCES);
        CHECK(has_text(place("kept"), "precious"));
    }
    REQUIRE(unlink(place("kept")) == 0);
}

struct drain {
    char path[200];
    unsigned char bytes[100000];
    size_t size;
};

static void *drain_pipe(void *argument)
{
    struct drain *drain = argument;
    FILE *file = fopen(drain->path, "rb");
    REQUIRE(file != NULL);
    drain->size = fread(drain->bytes, 1, sizeof drain->bytes, file);
    fclose(file);
    return NULL;
}

static void test_pipe(const ctm_snapshot *snapshot)
{
    static struct drain drain;
    ctm_snapshot *back;
    ctm_file_error error;
    pthread_t thread;
    struct stat status;
    REQUIRE(mkfifo(place("pipe"), 0600) == 0);
    /* Reading one refuses it at once instead of waiting for a writer. */
    CHECK_EQ(ctm_snapshot_read(place("pipe"), &back, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "not a regular file");
    strcpy(drain.path, place("pipe"));
    REQUIRE(pthread_create(&thread, NULL, drain_pipe, &drain) == 0);
    CHECK_EQ(ctm_snapshot_write(snapshot, place("pipe"), NULL, 0), CTM_OK);
    pthread_join(thread, NULL);
    CHECK(stat(place("pipe"), &status) == 0 && S_ISFIFO(status.st_mode));
    REQUIRE(ctm_snapshot_decode(drain.bytes, drain.size, &back, NULL, NULL, NULL) == CTM_OK);
    ctm_snapshot_unref(back);
    REQUIRE(unlink(place("pipe")) == 0);
}

static void test_read_failures(void)
{
    ctm_snapshot *none = NULL;
    ctm_file_error error = {0, ""};
    CHECK_EQ(ctm_snapshot_read(folder, &none, NULL, NULL, &error), CTM_ERR_IO);
    CHECK_EQ(errno, EISDIR);
    CHECK_EQ(ctm_snapshot_read(place("absent"), &none, NULL, NULL, &error), CTM_ERR_IO);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(ctm_snapshot_read("/dev/null", &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "not a regular file");
    put_text(place("file"), "");
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "the file is empty");
    put_text(place("file"), "foreign");
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, NULL), CTM_ERR_FORMAT);
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "not a snapshot file");
    put_text(place("file"), CTMI_FILE_MAGIC "more");
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "the file ends inside its header");
    CHECK_EQ(error.offset, 12);
    /* A huge file with nothing in it costs no memory: its header tells. */
    REQUIRE(truncate(place("file"), (off_t)1 << 40) == 0);
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK(none == NULL);
    REQUIRE(unlink(place("file")) == 0);
    CHECK(!ctm_file_is_snapshot("\211CTM", 4));
    CHECK(!ctm_file_is_snapshot(NULL, 0));
}

static void test_places(void)
{
    ctm_snapshot *snapshot = golden_snapshot();
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/ctm-file-XXXXXX", temporary ? temporary : "/tmp");
    REQUIRE(mkdtemp(folder) != NULL);
    test_write(snapshot);
    test_write_through_links(snapshot);
    test_write_failures(snapshot);
    test_pipe(snapshot);
    test_read_failures();
    CHECK_EQ(rmdir(folder), 0);
    ctm_snapshot_unref(snapshot);
}

TEST_LIST = {
    TEST(test_round_trip),
    TEST(test_string_with_nul),
    TEST(test_string_not_utf8),
    TEST(test_golden),
    TEST(test_golden_1_1),
    TEST(test_golden_1_2),
    TEST(test_same_bytes_without_losses),
    TEST(test_size_of_file),
    TEST(test_places),
    TEST_LIST_END,
};
