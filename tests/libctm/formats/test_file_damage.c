/* test_file_damage.c: snapshots on file, damaged in every way: cut short, bits flipped, values that
 * make no sense behind checksums that are right.
 */
#include "faults.h"
#include "file_bytes.h"
#include "sample_file.h"

static void encode(const ctm_snapshot *snapshot, unsigned char **bytes, size_t *size)
{
    void *out;
    REQUIRE(ctm_snapshot_encode(snapshot, golden_attributes, sizeof golden_attributes, &out,
                                size) == CTM_OK);
    *bytes = out;
}

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
    size_t asked = atomic_load(&bytes_asked);
    ctm_status status = ctm_snapshot_decode(copy, size, &snapshot, &attributes, &length, error);
    /* All requests together, though not all are held at the same time. */
    CHECK(atomic_load(&bytes_asked) - asked <= 8 * size + 2000);
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
    ctm_snapshot *snapshot = golden_snapshot_1_2();
    unsigned char *bytes;
    size_t size;
    ctm_file_error error;
    encode(snapshot, &bytes, &size);
    for (size_t cut = 0; cut < size; cut++) {
        CHECK_EQ(decode_copy(bytes, cut, &error), CTM_ERR_FORMAT);
    }
    CHECK_EQ(decode_copy(bytes, size, &error), CTM_OK);
    bytes = realloc(bytes, size + 1);
    REQUIRE(bytes != NULL);
    bytes[size] = 0;
    CHECK_EQ(decode_copy(bytes, size + 1, &error), CTM_ERR_FORMAT);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

static bool in_padding(const unsigned char *bytes, size_t place)
{
    uint32_t n = ctmi_get_u32(bytes + 20);
    uint64_t end = CTMI_FILE_HEADER_SIZE + (uint64_t)n * CTMI_FILE_DIRECTORY_ROW;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *at = bytes + CTMI_FILE_HEADER_SIZE + i * CTMI_FILE_DIRECTORY_ROW;
        if (place >= end && place < ctmi_get_u64(at + 8)) {
            return true;
        }
        end = ctmi_get_u64(at + 8) + ctmi_get_u64(at + 16);
    }
    return false;
}

/* Every bit of every byte: found out, unless it is padding. */
static void test_flips(void)
{
    ctm_snapshot *snapshot = golden_snapshot_1_2();
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
    ctm_snapshot *snapshot = golden_snapshot_1_2();
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
        for (uint64_t n = 1 + check_random(&state) % 4; n > 0; n--) {
            copy[check_random(&state) % size] = (unsigned char)check_random(&state);
        }
        repair(copy, size);
        refused += decode_copy(copy, size, &error) != CTM_OK;
    }
    CHECK(refused > 3 * size);
    free(copy);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

static unsigned char *directory_row(unsigned char *bytes, uint32_t i)
{
    return bytes + CTMI_FILE_HEADER_SIZE + i * CTMI_FILE_DIRECTORY_ROW;
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
        {CTMI_FILE_INFO, 4, 1, "a sample without its interval"},
        {CTMI_FILE_INFO, 40, 1, "an interval, but not a sample"},
        {CTMI_FILE_INFO, 68, 1000, "no such string"},
        {CTMI_FILE_INFO, 72, 0, "blocks at a peak that is not known"},
        {CTMI_FILE_INFO, 4, 2, "flags that this library does not know"},
        {CTMI_FILE_INFO, 8, 1, "not the sum of the sites' blocks"},
        {CTMI_FILE_INFO, 16, 1, "not the sum of the sites' bytes"},
        {CTMI_FILE_STRING_OFFSETS, 8, 2, "string 0 is not empty"},
        {CTMI_FILE_STRING_OFFSETS, 24, 0, "a string's offset is out of order"},
        {CTMI_FILE_STRING_OFFSETS, 28, 1, "a string's offset is out of order"},
        {CTMI_FILE_STRING_BYTES, 1, 0x80808080, "a string is not UTF-8"},
        {CTMI_FILE_STRING_BYTES, 1, 0x6e6981c1, "a string is not UTF-8"}, /* overlong */
        {CTMI_FILE_STRING_BYTES, 1, 0x6e8080e0, "a string is not UTF-8"},
        {CTMI_FILE_STRING_BYTES, 1, 0x808090f4, "a string is not UTF-8"}, /* over U+10FFFF */
        {CTMI_FILE_STRING_BYTES, 1, 0x6e69c361, "a string is not UTF-8"}, /* cut short */
        {CTMI_FILE_STRING_BYTES, 0, 1, "a string does not end in NUL"},
        {CTMI_FILE_FUNCTIONS, 4, 1, "row 0 of a table is not zero"},
        {CTMI_FILE_FUNCTIONS, 12, 1000, "no such string"},
        {CTMI_FILE_FRAMES, 8, 0, "no such function"},
        {CTMI_FILE_FRAMES, 8, 1000, "no such function"},
        {CTMI_FILE_TRACEBACKS, 12, 1, "a traceback's parent does not precede it"},
        {CTMI_FILE_TRACEBACKS, 16, 0, "no such frame"},
        {CTMI_FILE_TRACEBACKS, 16, 1000, "no such frame"},
        {CTMI_FILE_LABELS, 4, 1, "row 0 of a table is not zero"},
        {CTMI_FILE_LABELS, 12, 1, "a label set's parent does not precede it"},
        {CTMI_FILE_LABELS, 12, 0xffffffff, "a label set's parent does not precede it"},
        {CTMI_FILE_LABELS, 16, 0, "no such string"},
        {CTMI_FILE_LABELS, 16, 1000, "no such string"},
        {CTMI_FILE_LABELS, 20, 1000, "no such string"},
        {CTMI_FILE_LABELS, 24, 1, "the keys of a label set do not rise"}, /* task, process */
        {CTMI_FILE_LABELS, 60, 1, "the keys of a label set do not rise"}, /* task, task */
        {CTMI_FILE_SITES, 64, 1000, "more blocks freed than allocated"},
        {CTMI_FILE_SITES, 76, 1000, "no such traceback"},
        {CTMI_FILE_SITES, 80, 1000, "no such label set"},
        {CTMI_FILE_SITES, 84, 1, "a reserved field is not 0"},
        {CTMI_FILE_SITES, 88, 7, "more blocks at the peak than allocated"},
        {CTMI_FILE_SITES, 92, 1, "more blocks at the peak than allocated"},
        {CTMI_FILE_SITES, 60, 0x7fffffff, "the sites' sums are too large"},
        {CTMI_FILE_LOSSES, 8, 0, "a kind is no text"},
        {CTMI_FILE_LOSSES, 8, 0x80636261, "a kind is no text"},
        {CTMI_FILE_LOSSES, 36, 0x61616161, "a kind is no text"}, /* no NUL, or bytes behind one */
        {CTMI_FILE_LOSSES, 40, 0x0a636261, "a loss is no text"},
        {CTMI_FILE_LOSSES, 508, 0x61616161, "a loss is no text"},
    };
    ctm_snapshot *snapshot = golden_snapshot_1_2();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char *bytes;
        size_t size;
        ctm_file_error error;
        encode(snapshot, &bytes, &size);
        size_t base = cases[i].kind >= 100
                          ? (size_t)(directory_row(bytes, cases[i].kind - 100) - bytes)
                      : cases[i].kind > 0 ? section_at(bytes, cases[i].kind)
                                          : 0;
        ctmi_put_u32(bytes + base + cases[i].byte, cases[i].value);
        repair(bytes, size);
        if (CHECK_EQ(decode_copy(bytes, size, &error), CTM_ERR_FORMAT)) {
            CHECK_STR(error.reason, cases[i].reason);
        }
        if (cases[i].kind > CTMI_FILE_INFO && cases[i].kind < 100) {
            CHECK(error.offset >= base && error.offset <= base + cases[i].byte + 7);
        }
        free(bytes);
    }
    ctm_snapshot_unref(snapshot);
}

/* Rows that are there twice would make two groups of one. */
static void test_double_rows(void)
{
    static const struct {
        uint32_t kind, from, to, size;
    } cases[] = {{CTMI_FILE_FUNCTIONS, 12, 24, 12},
                 {CTMI_FILE_FRAMES, 8, 16, 8},
                 {CTMI_FILE_TRACEBACKS, 12, 36, 12},
                 {CTMI_FILE_LABELS, 24, 84, 12}};
    ctm_snapshot *snapshot = golden_snapshot_1_2();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char *bytes;
        size_t size;
        ctm_file_error error;
        encode(snapshot, &bytes, &size);
        unsigned char *at = bytes + section_at(bytes, cases[i].kind);
        memmove(at + cases[i].to, at + cases[i].from, cases[i].size);
        repair(bytes, size);
        if (CHECK_EQ(decode_copy(bytes, size, &error), CTM_ERR_FORMAT)) {
            CHECK_STR(error.reason, "a duplicate row");
        }
        free(bytes);
    }
    ctm_snapshot_unref(snapshot);
}

/* An unknown section that is not required is skipped. */
static void test_unknown_section(void)
{
    ctm_snapshot *snapshot = golden_snapshot_1_2(), *back;
    unsigned char *bytes;
    size_t size, length = 1;
    void *attributes = &length;
    encode(snapshot, &bytes, &size);
    unsigned char *last = directory_row(bytes, ctmi_get_u32(bytes + 20) - 1);
    CHECK_EQ(ctmi_get_u32(last), CTMI_FILE_ATTRIBUTES);
    ctmi_put_u32(last, 77);
    ctmi_put_u16(bytes + 14, 99); /* nor does a greater minor version matter */
    repair(bytes, size);
    REQUIRE(ctm_snapshot_decode(bytes, size, &back, &attributes, &length, NULL) == CTM_OK);
    check_identical(snapshot, back);
    CHECK(attributes == NULL);
    CHECK_EQ(length, 0);
    ctm_snapshot_unref(back);
    ctm_snapshot_unref(snapshot);
    free(bytes);
}

/* The file anew, its rows of one kind cut or filled up to another size. The caller frees it. */
static unsigned char *with_row_size(const unsigned char *bytes, uint32_t kind, uint32_t row_size,
                                    size_t *out_size)
{
    const uint32_t n = ctmi_get_u32(bytes + 20);
    size_t end = CTMI_FILE_HEADER_SIZE + n * (size_t)CTMI_FILE_DIRECTORY_ROW;
    unsigned char *out = calloc(1, 100000);
    REQUIRE(out != NULL);
    memcpy(out, bytes, end);
    for (uint32_t i = 0; i < n; i++) {
        unsigned char *row = directory_row(out, i);
        const unsigned char *from = bytes + ctmi_get_u64(row + 8);
        uint64_t rows = ctmi_get_u64(row + 24);
        uint32_t old = ctmi_get_u32(row + 32), new = ctmi_get_u32(row) == kind ? row_size : old;
        end = (end + 7) / 8 * 8;
        REQUIRE(end + rows * new <= 100000);
        ctmi_put_u64(row + 8, end);
        ctmi_put_u64(row + 16, rows * new);
        ctmi_put_u32(row + 32, new);
        for (uint64_t k = 0; k < rows; k++, end += new) {
            memset(out + end, k ? 0xee : 0, new);
            memcpy(out + end, from + k * old, old < new ? old : new);
        }
    }
    ctmi_put_u64(out + 24, end);
    repair(out, end);
    *out_size = end;
    return out;
}

/* Rows longer than those known are of a later version: the rest of them is not looked at. */
static void test_longer_rows(void)
{
    ctm_snapshot *snapshot = golden_snapshot_1_2(), *back;
    ctm_file_error error;
    unsigned char *bytes, *other;
    size_t size;
    encode(snapshot, &bytes, &size);
    for (uint32_t kind = CTMI_FILE_INFO; kind < CTMI_FILE_KINDS; kind++) {
        other = with_row_size(bytes, kind, ctmi_file_row_size(kind) + 5, &size);
        if (kind == CTMI_FILE_STRING_BYTES || kind == CTMI_FILE_ATTRIBUTES) {
            CHECK_EQ(decode_copy(other, size, &error), CTM_ERR_FORMAT);
            CHECK_STR(error.reason, "a row size is not 1");
            free(other);
            continue;
        }
        REQUIRE(ctm_snapshot_decode(other, size, &back, NULL, NULL, &error) == CTM_OK);
        check_identical(snapshot, back);
        ctm_snapshot_unref(back);
        free(other);
        other = with_row_size(bytes, kind, ctmi_file_least_row_size(kind) - 1, &size);
        CHECK_EQ(decode_copy(other, size, &error), CTM_ERR_FORMAT);
        CHECK_STR(error.reason, "a row size is too small");
        free(other);
    }
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

/* Rows of the first version say less. */
static void test_shorter_rows(void)
{
    ctm_snapshot *snapshot = golden_snapshot_1_2(), *back;
    ctm_snapshot_info info;
    ctm_file_error error;
    unsigned char *bytes, *other, *both;
    size_t size;
    encode(snapshot, &bytes, &size);
    other = with_row_size(bytes, CTMI_FILE_SITES, 40, &size);
    CHECK_EQ(decode_copy(other, size, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "the blocks at the peak are not there");
    both = with_row_size(other, CTMI_FILE_INFO, 40, &size);
    REQUIRE(ctm_snapshot_decode(both, size, &back, NULL, NULL, &error) == CTM_OK);
    ctm_snapshot_info_get(back, &info);
    CHECK(!info.peak_known && info.pid == 0 && info.command == 0 && info.taken_ns == 0);
    CHECK(info.sites == 6 && ctm_snapshot_sites(back)[1].at_peak == 0);
    ctm_snapshot_unref(back);
    free(both);
    ctmi_put_u32(other + section_at(other, CTMI_FILE_INFO) + 4, CTMI_FILE_SAMPLED);
    ctmi_put_u64(other + section_at(other, CTMI_FILE_INFO) + 40, 4096);
    both = with_row_size(other, CTMI_FILE_INFO, 48, &size);
    REQUIRE(ctm_snapshot_decode(both, size, &back, NULL, NULL, &error) == CTM_OK);
    ctm_snapshot_info_get(back, &info);
    CHECK_EQ(info.sample_interval, 4096);
    ctm_snapshot_unref(back);
    free(both);
    both = with_row_size(other, CTMI_FILE_INFO, 40, &size);
    CHECK_EQ(decode_copy(both, size, &error), CTM_ERR_FORMAT);
    CHECK_STR(error.reason, "a sample without its interval");
    free(both);
    free(other);
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

/* More labels, and longer keys, than a set may have. */
static void test_large_labels(void)
{
    for (int round = 0; round < 2; round++) {
        ctm_builder *builder;
        unsigned char *bytes;
        size_t size;
        ctm_file_error error;
        char key[CTM_MAX_LABEL_KEY + 1] = "";
        uint32_t set = 0;
        REQUIRE(ctm_builder_new(&builder) == CTM_OK);
        memset(key, 'k', CTM_MAX_LABEL_KEY);
        sample_string(builder, key);
        for (int i = 0; i < (round ? 1 : (int)CTM_MAX_LABELS); i++) {
            snprintf(key, sizeof key, "%04d", i);
            REQUIRE(ctm_builder_label(builder, set, sample_string(builder, key), 0, &set) ==
                    CTM_OK);
        }
        REQUIRE(ctm_builder_label(builder, 0, sample_string(builder, "z"), 0, &set) == CTM_OK);
        ctm_snapshot *snapshot = sample_finish(builder);
        encode(snapshot, &bytes, &size);
        unsigned char *last = bytes + section_at(bytes, CTMI_FILE_LABELS) + 12 * set;
        if (round == 0) {
            ctmi_put_u32(last, set - 1); /* "z" on top of all the others */
        } else {
            ctmi_put_u32(last + 4, 1); /* the long key, made longer by the string behind it */
            unsigned char *offsets = bytes + section_at(bytes, CTMI_FILE_STRING_OFFSETS);
            unsigned char *text = bytes + section_at(bytes, CTMI_FILE_STRING_BYTES);
            uint64_t second = ctmi_get_u64(offsets + 16);
            text[second - 1] = 'k';
            text[second] = '\0';
            ctmi_put_u64(offsets + 16, second + 1);
        }
        repair(bytes, size);
        CHECK_EQ(decode_copy(bytes, size, &error), CTM_ERR_FORMAT);
        CHECK_STR(error.reason, round ? "a label's key is too long" : "a label set is too large");
        free(bytes);
        ctm_snapshot_unref(snapshot);
    }
}

static void test_crc(void)
{
    struct ctmi_crc32c crc;
    ctmi_crc32c_init(&crc);
    CHECK_EQ(ctmi_crc32c_get(&crc, "123456789", 9), 0xe3069283u); /* the published check value */
    CHECK_EQ(ctmi_crc32c_get(&crc, "", 0), 0);
}

TEST_LIST = {
    TEST(test_crc),
    TEST(test_truncation),
    TEST(test_flips),
    TEST(test_flips_repaired),
    TEST(test_faults_by_meaning),
    TEST(test_double_rows),
    TEST(test_unknown_section),
    TEST(test_longer_rows),
    TEST(test_shorter_rows),
    TEST(test_large_labels),
    TEST_LIST_END,
};
