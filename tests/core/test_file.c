/* test_file.c: snapshots on file: round trips, damage of every kind, places to write to.
 *
 * With one argument, writes the golden sample to that path: how a golden file of a new format
 * version is made. Those that exist are never made anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/crc32c.h"
#include "file/format.h"
#include "sample.h"

static const struct sample_run golden_runs[] = {
    {0, 64, 3, 2, 2, {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}}},
    {0, 5000000000, 1, 1, 7, {{"\xf0\x9f\x90\x8d.py", "caf\xc3\xa9", 5, -1}}},
    {389047, 16, 1000000, 1, 1, {{"lone\xed\xb2\x80.py", NULL, 0, 0}}},
    {0, 1, 0, 0, 0, {{NULL, NULL, 0, 0}}},
    {0, 64, 2, 2, 2, {{"main.py", "work", 10, 12}, {"main.py", "<module>", 1, 30}}},
};
#define GOLDEN (sizeof golden_runs / sizeof golden_runs[0])
static const char golden_attributes[] = "attributes\0of the caller";

static ctm_snapshot *golden_snapshot(void)
{
    return sample_snapshot(golden_runs, GOLDEN, false);
}

static void encode(const ctm_snapshot *snapshot, unsigned char **bytes, size_t *size)
{
    void *out;
    REQUIRE(ctm_snapshot_encode(snapshot, golden_attributes, sizeof golden_attributes, &out,
                                size) == CTM_OK);
    *bytes = out;
}

/* Every table, byte by byte. */
static void check_identical(const ctm_snapshot *a, const ctm_snapshot *b)
{
    ctm_snapshot_info one, two;
    ctm_snapshot_info_get(a, &one);
    ctm_snapshot_info_get(b, &two);
    if (!CHECK(memcmp(&one, &two, sizeof one) == 0)) return;
    CHECK(memcmp(ctm_snapshot_sites(a), ctm_snapshot_sites(b),
                 (one.sites + 1) * sizeof(ctm_site)) == 0);
    CHECK(memcmp(ctm_snapshot_tracebacks(a), ctm_snapshot_tracebacks(b),
                 (one.tracebacks + 1) * sizeof(ctm_traceback)) == 0);
    CHECK(memcmp(ctm_snapshot_frames(a), ctm_snapshot_frames(b),
                 (one.frames + 1) * sizeof(ctm_frame)) == 0);
    CHECK(memcmp(ctm_snapshot_functions(a), ctm_snapshot_functions(b),
                 (one.functions + 1) * sizeof(ctm_function)) == 0);
    for (uint32_t id = 0; id <= one.strings; id++) {
        size_t length, other;
        const char *text = ctm_snapshot_string(a, id, &length);
        const char *same = ctm_snapshot_string(b, id, &other);
        CHECK(length == other && memcmp(text, same, length + 1) == 0);
    }
    for (uint32_t id = 0; id <= one.tracebacks; id++)
        CHECK_EQ(ctm_snapshot_traceback_length(a, id), ctm_snapshot_traceback_length(b, id));
    for (uint64_t i = 0; i < one.live_blocks && i < 100; i++)
        CHECK_EQ(ctm_snapshot_trace_site(a, i), ctm_snapshot_trace_site(b, i));
}

static void test_round_trip(void)
{
    uint64_t state = 3;
    for (int round = 0; round < 200; round++) {
        struct sample_run runs[30];
        size_t n = check_random(&state) % 30, size, length;
        void *bytes, *attributes;
        ctm_snapshot *back;
        for (size_t i = 0; i < n; i++)
            runs[i] = sample_random_run(&state);
        ctm_snapshot *snapshot = sample_snapshot(runs, n, round % 2);
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

static void test_golden(void)
{
    ctm_snapshot *expected = golden_snapshot(), *snapshot;
    ctm_file_error error = {0, "none"};
    void *attributes;
    size_t length;
    ctm_status status =
        ctm_snapshot_read(CTM_TEST_DATA "/v1.ctm", &snapshot, &attributes, &length, &error);
    if (!CHECK_EQ(status, CTM_OK)) {
        printf("    %s at %llu\n", error.reason, (unsigned long long)error.offset);
        exit(2);
    }
    check_identical(expected, snapshot);
    CHECK_EQ(length, sizeof golden_attributes);
    CHECK(memcmp(attributes, golden_attributes, length) == 0);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 3 + 1 + 1000000 + 2);
    CHECK_EQ(info.current_bytes, 5 * 64 + 5000000000 + 16000000);
    CHECK_EQ(info.nframe, 25);
    free(attributes);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(expected);
}

/* --- damage --- */

/* Decodes a copy that is exactly `size` long. Returns the status; checks what comes with it. */
static ctm_status decode_copy(const unsigned char *bytes, size_t size, ctm_file_error *error)
{
    unsigned char *copy = malloc(size ? size : 1);
    ctm_snapshot *snapshot = NULL;
    void *attributes = NULL;
    size_t length = 0;
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, size);
    *error = (ctm_file_error){UINT64_MAX, NULL};
    ctm_status status = ctm_snapshot_decode(copy, size, &snapshot, &attributes, &length, error);
    if (status == CTM_OK) {
        ctm_statistics *statistics; /* what was let through must be safe to use */
        REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_TRACEBACK, false, &statistics) == CTM_OK);
        ctm_statistics_free(statistics);
        ctm_snapshot_unref(snapshot);
        free(attributes);
    } else {
        CHECK_EQ(status, CTM_ERR_FORMAT);
        CHECK(error->reason != NULL);
        CHECK(error->offset <= size);
        CHECK(snapshot == NULL && attributes == NULL && length == 0);
    }
    free(copy);
    return status;
}

static void test_truncation(void)
{
    ctm_snapshot *snapshot = golden_snapshot();
    unsigned char *bytes;
    size_t size;
    ctm_file_error error;
    encode(snapshot, &bytes, &size);
    for (size_t cut = 0; cut < size; cut++)
        CHECK_EQ(decode_copy(bytes, cut, &error), CTM_ERR_FORMAT);
    CHECK_EQ(decode_copy(bytes, size, &error), CTM_OK);
    bytes = realloc(bytes, size + 1);
    REQUIRE(bytes != NULL);
    bytes[size] = 0;
    CHECK_EQ(decode_copy(bytes, size + 1, &error), CTM_ERR_FORMAT);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

/* Puts right the checksums after damage, so that what lies behind them is tried too. Gives up
 * quietly on a directory that makes no sense. */
static void repair(unsigned char *bytes, size_t size)
{
    struct ctm_crc32c crc;
    ctm_crc32c_init(&crc);
    uint64_t n = ctm_get_u32(bytes + 20), directory = ctm_get_u64(bytes + 32);
    uint64_t row = ctm_get_u32(bytes + 40);
    if (n < 100 && row < 1000 && directory < size && n * row <= size - directory) {
        for (uint64_t i = 0; i < n && row >= CTM_FILE_DIRECTORY_ROW; i++) {
            unsigned char *at = bytes + directory + i * row;
            uint64_t offset = ctm_get_u64(at + 8), length = ctm_get_u64(at + 16);
            if (offset < size && length <= size - offset)
                ctm_put_u32(at + 36, ctm_crc32c_get(&crc, bytes + offset, length));
        }
        ctm_put_u32(bytes + 56, ctm_crc32c_get(&crc, bytes + directory, n * row));
    }
    ctm_put_u32(bytes + 60, ctm_crc32c_get(&crc, bytes, 60));
}

static bool in_padding(const unsigned char *bytes, size_t place)
{
    uint32_t n = ctm_get_u32(bytes + 20);
    uint64_t end = CTM_FILE_HEADER_SIZE + (uint64_t)n * CTM_FILE_DIRECTORY_ROW;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *at = bytes + CTM_FILE_HEADER_SIZE + i * CTM_FILE_DIRECTORY_ROW;
        if (place >= end && place < ctm_get_u64(at + 8)) return true;
        end = ctm_get_u64(at + 8) + ctm_get_u64(at + 16);
    }
    return false;
}

/* Every bit of every byte: found out, unless it is padding. */
static void test_flips(void)
{
    ctm_snapshot *snapshot = golden_snapshot();
    unsigned char *bytes;
    size_t size;
    ctm_file_error error;
    encode(snapshot, &bytes, &size);
    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (unsigned char)(1 << bit);
            ctm_status status = decode_copy(bytes, size, &error);
            bytes[i] ^= (unsigned char)(1 << bit);
            CHECK_EQ(status, in_padding(bytes, i) ? CTM_OK : CTM_ERR_FORMAT);
        }
    }
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

/* The same with checksums put right: never a crash, often a fault found by its meaning. */
static void test_flips_repaired(void)
{
    static const unsigned char values[] = {0x01, 0x80, 0xff, 0x7f, 0x40};
    ctm_snapshot *snapshot = golden_snapshot();
    unsigned char *bytes, *copy;
    size_t size, refused = 0;
    ctm_file_error error;
    encode(snapshot, &bytes, &size);
    copy = malloc(size);
    REQUIRE(copy != NULL);
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < sizeof values; k++) {
            memcpy(copy, bytes, size);
            copy[i] ^= values[k];
            repair(copy, size);
            refused += decode_copy(copy, size, &error) != CTM_OK;
        }
    }
    uint64_t state = 8;
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, bytes, size);
        for (uint64_t n = 1 + check_random(&state) % 4; n > 0; n--)
            copy[check_random(&state) % size] = (unsigned char)check_random(&state);
        repair(copy, size);
        refused += decode_copy(copy, size, &error) != CTM_OK;
    }
    CHECK(refused > 3 * size);
    free(copy);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

static size_t section_at(const unsigned char *bytes, uint32_t kind)
{
    for (uint32_t i = 0; i < ctm_get_u32(bytes + 20); i++) {
        const unsigned char *at = bytes + CTM_FILE_HEADER_SIZE + i * CTM_FILE_DIRECTORY_ROW;
        if (ctm_get_u32(at) == kind) return ctm_get_u64(at + 8);
    }
    return 0;
}

static unsigned char *directory_row(unsigned char *bytes, uint32_t i)
{
    return bytes + CTM_FILE_HEADER_SIZE + i * CTM_FILE_DIRECTORY_ROW;
}

/* Each kind of fault, its place and its reason. */
static void test_faults_by_meaning(void)
{
    static const struct {
        uint32_t kind; /* 0: the header; 100 + i: directory row i */
        uint32_t byte; /* where 32 bits are changed */
        uint32_t value;
        const char *reason;
    } cases[] = {
        {0, 0, 0, "not a snapshot file"},
        {0, 8, 0x04030201, "wrong byte order mark"},
        {0, 12, 2, "a format version that this library does not know"},
        {0, 16, 63, "wrong header size"},
        {0, 20, 5000, "too many sections"},
        {0, 44, 1, "header flags that this library does not know"},
        {0, 40, 39, "wrong size of a directory row"},
        {0, 32, 0x7fffffff, "the directory is outside the file"},
        {100, 0, 0, "section kind 0"},
        {100, 0, 99, "a section that this library does not know"},
        {101, 0, 1, "two sections of one kind"},
        {101, 12, 1, "a section is outside the file"},
        {101, 8, 8, "sections overlap or are out of order"},
        {101, 24, 1, "a section's length is not rows times row size"},
        {CTM_FILE_INFO, 4, 1, "a reserved field is not 0"},
        {CTM_FILE_INFO, 8, 1, "not the sum of the sites' blocks"},
        {CTM_FILE_INFO, 16, 1, "not the sum of the sites' bytes"},
        {CTM_FILE_STRING_OFFSETS, 8, 2, "string 0 is not empty"},
        {CTM_FILE_STRING_OFFSETS, 24, 0, "a string's offset is out of order"},
        {CTM_FILE_STRING_OFFSETS, 28, 1, "a string's offset is out of order"},
        {CTM_FILE_STRING_BYTES, 1, 0x80808080, "a string is not UTF-8"},
        {CTM_FILE_STRING_BYTES, 1, 0x6e6981c1, "a string is not UTF-8"}, /* too long for its value */
        {CTM_FILE_STRING_BYTES, 1, 0x6e8080e0, "a string is not UTF-8"},
        {CTM_FILE_STRING_BYTES, 1, 0x808090f4, "a string is not UTF-8"}, /* over U+10FFFF */
        {CTM_FILE_STRING_BYTES, 1, 0x6e69c361, "a string is not UTF-8"}, /* cut short */
        {CTM_FILE_STRING_BYTES, 0, 1, "a string does not end in NUL"},
        {CTM_FILE_FUNCTIONS, 4, 1, "row 0 of a table is not zero"},
        {CTM_FILE_FUNCTIONS, 12, 1000, "no such string"},
        {CTM_FILE_FRAMES, 8, 0, "no such function"},
        {CTM_FILE_FRAMES, 8, 1000, "no such function"},
        {CTM_FILE_TRACEBACKS, 12, 1, "a traceback's parent does not precede it"},
        {CTM_FILE_TRACEBACKS, 16, 0, "no such frame"},
        {CTM_FILE_TRACEBACKS, 16, 1000, "no such frame"},
        {CTM_FILE_SITES, 56, 1000, "more blocks freed than allocated"},
        {CTM_FILE_SITES, 68, 1000, "no such traceback"},
        {CTM_FILE_SITES, 72, 1, "no such label set"},
        {CTM_FILE_SITES, 76, 1, "a reserved field is not 0"},
        {CTM_FILE_SITES, 52, 0x7fffffff, "the sites' sums are too large"},
    };
    ctm_snapshot *snapshot = golden_snapshot();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char *bytes;
        size_t size;
        ctm_file_error error;
        encode(snapshot, &bytes, &size);
        size_t base = cases[i].kind >= 100
                          ? (size_t)(directory_row(bytes, cases[i].kind - 100) - bytes)
                      : cases[i].kind > 0 ? section_at(bytes, cases[i].kind)
                                          : 0;
        ctm_put_u32(bytes + base + cases[i].byte, cases[i].value);
        repair(bytes, size);
        if (CHECK_EQ(decode_copy(bytes, size, &error), CTM_ERR_FORMAT))
            CHECK_STR(error.reason, cases[i].reason);
        if (cases[i].kind > CTM_FILE_INFO && cases[i].kind < 100)
            CHECK(error.offset >= base && error.offset <= base + cases[i].byte + 3);
        free(bytes);
    }
    ctm_snapshot_unref(snapshot);
}

/* Rows that are there twice would make two groups of one. */
static void test_double_rows(void)
{
    static const struct {
        uint32_t kind, from, to, size;
    } cases[] = {{CTM_FILE_FUNCTIONS, 12, 24, 12},
                 {CTM_FILE_FRAMES, 8, 16, 8},
                 {CTM_FILE_TRACEBACKS, 12, 36, 12}};
    ctm_snapshot *snapshot = golden_snapshot();
    for (size_t i = 0; i < 3; i++) {
        unsigned char *bytes;
        size_t size;
        ctm_file_error error;
        encode(snapshot, &bytes, &size);
        unsigned char *at = bytes + section_at(bytes, cases[i].kind);
        memmove(at + cases[i].to, at + cases[i].from, cases[i].size);
        repair(bytes, size);
        if (CHECK_EQ(decode_copy(bytes, size, &error), CTM_ERR_FORMAT))
            CHECK_STR(error.reason, "a row stands twice in its table");
        free(bytes);
    }
    ctm_snapshot_unref(snapshot);
}

/* An unknown section that is not required is skipped. */
static void test_unknown_section(void)
{
    ctm_snapshot *snapshot = golden_snapshot(), *back;
    unsigned char *bytes;
    size_t size, length = 1;
    void *attributes = &length;
    encode(snapshot, &bytes, &size);
    unsigned char *last = directory_row(bytes, ctm_get_u32(bytes + 20) - 1);
    CHECK_EQ(ctm_get_u32(last), CTM_FILE_ATTRIBUTES);
    ctm_put_u32(last, 77);
    ctm_put_u16(bytes + 14, 9); /* nor does a greater minor version matter */
    repair(bytes, size);
    REQUIRE(ctm_snapshot_decode(bytes, size, &back, &attributes, &length, NULL) == CTM_OK);
    check_identical(snapshot, back);
    CHECK(attributes == NULL);
    CHECK_EQ(length, 0);
    ctm_snapshot_unref(back);
    ctm_snapshot_unref(snapshot);
    free(bytes);
}

static void test_crc(void)
{
    struct ctm_crc32c crc;
    ctm_crc32c_init(&crc);
    CHECK_EQ(ctm_crc32c_get(&crc, "123456789", 9), 0xe3069283u); /* the published check value */
    CHECK_EQ(ctm_crc32c_get(&crc, "", 0), 0);
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
    while (readdir(directory) != NULL)
        n++;
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
    if (file == NULL) return false;
    size_t n = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    return n == strlen(text) && memcmp(found, text, n) == 0;
}

static bool reads_back(const ctm_snapshot *snapshot, const char *path)
{
    ctm_snapshot *back;
    bool equal = false;
    if (ctm_snapshot_read(path, &back, NULL, NULL, NULL) != CTM_OK) return false;
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
    for (int i = 0; i < 6; i++)
        REQUIRE(unlink(place(names[i])) == 0);
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
    put_text(place("file"), CTM_FILE_MAGIC "more");
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "the file ends inside its header");
    CHECK_EQ(error.offset, 12);
    /* A huge file with nothing in it costs no memory: its header tells. */
    REQUIRE(truncate(place("file"), (off_t)1 << 40) == 0);
    CHECK_EQ(ctm_snapshot_read(place("file"), &none, NULL, NULL, &error), CTM_ERR_FORMAT);
    CHECK(none == NULL);
    REQUIRE(unlink(place("file")) == 0);
    CHECK(!ctm_file_is_snapshot("\x89" "CTM", 4));
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

static int write_golden(const char *path)
{
    ctm_snapshot *snapshot = golden_snapshot();
    ctm_status status =
        ctm_snapshot_write(snapshot, path, golden_attributes, sizeof golden_attributes);
    ctm_snapshot_unref(snapshot);
    return status == CTM_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2) return write_golden(argv[1]);
    test_crc();
    test_round_trip();
    test_string_with_nul();
    test_golden();
    test_truncation();
    test_flips();
    test_flips_repaired();
    test_faults_by_meaning();
    test_double_rows();
    test_unknown_section();
    test_places();
    return check_done();
}
