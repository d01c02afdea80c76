/* test_file_damage.c: snapshots on file, damaged in every way: cut short, bits flipped, values that
 * make no sense behind checksums that are right.
 */
#include "file/crc32c.h"
#include "file/format.h"
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
        {CTM_FILE_INFO, 4, 1, "a sample without its interval"},
        {CTM_FILE_INFO, 4, 2, "flags that this library does not know"},
        {CTM_FILE_INFO, 8, 1, "not the sum of the sites' blocks"},
        {CTM_FILE_INFO, 16, 1, "not the sum of the sites' bytes"},
        {CTM_FILE_STRING_OFFSETS, 8, 2, "string 0 is not empty"},
        {CTM_FILE_STRING_OFFSETS, 24, 0, "a string's offset is out of order"},
        {CTM_FILE_STRING_OFFSETS, 28, 1, "a string's offset is out of order"},
        {CTM_FILE_STRING_BYTES, 1, 0x80808080, "a string is not UTF-8"},
        {CTM_FILE_STRING_BYTES, 1, 0x6e6981c1, "a string is not UTF-8"}, /* overlong */
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

int main(void)
{
    test_crc();
    test_truncation();
    test_flips();
    test_flips_repaired();
    test_faults_by_meaning();
    test_double_rows();
    test_unknown_section();
    return check_done();
}
