/* test_stdlib_pickle.c: reading what the standard module dumps, from bytes made here by hand.
 *
 * Model: tests/python/test_stdlib_pickle.py compares with the standard module itself; here are the calls as a C
 * program makes them, each truncation, and each byte damaged, under the sanitizers.
 */
#include "sample.h"

#include "ctm/file.h"

/* A snapshot of two traces at protocol 4, with memo, and an attribute `note` = [1, "x"]. */
static const char whole[] =
    "\x80\x04\x95\0\0\0\0\0\0\0\0"
    "\x8c\x0btracemalloc\x94\x8c\x08Snapshot\x93\x94)\x81\x94}\x94("
    "\x8c\x06traces\x94\x8c\x0btracemalloc\x8c\x07_Traces\x93)\x81\x94}\x94\x8c\x07_traces]\x94("
    "(K\0K\x0a\x8c\x04"
    "a.py\x94K\x02\x86\x94\x8c\x04"
    "b.pyK\x04\x86\x86\x94K\x03t\x94"
    "(K\x01M\0\x01h\x0aK\x03t"
    "e"
    "sb\x8c\x0ftraceback_limitK\x07\x8c\x04note](K\x01\x8c\x01xeub.";

static void check_content(const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.live_blocks, 2);
    CHECK_EQ(info.current_bytes, 266);
    CHECK_EQ(info.nframe, 7);
    CHECK_EQ(info.sites, 2);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    CHECK_EQ(sites[1].block_size, 10);
    CHECK_EQ(sites[2].block_size, 256);
    CHECK_EQ(sites[2].domain, 1);
    CHECK_EQ(sites[1].traceback, sites[2].traceback);
    const ctm_traceback *newest = &ctm_snapshot_tracebacks(snapshot)[sites[1].traceback];
    CHECK_EQ(newest->total_nframe, 3);
    const ctm_frame *frame = &ctm_snapshot_frames(snapshot)[newest->frame];
    const ctm_function *function = &ctm_snapshot_functions(snapshot)[frame->function];
    CHECK_EQ(frame->lineno, 2);
    CHECK(strcmp(ctm_snapshot_string(snapshot, function->filename, NULL), "a.py") == 0);
}

static void test_content(void)
{
    static const unsigned char expected[] = {11, 1, 6, 4, 'n', 'o', 't', 'e', 10, 2, 3,  8,
                                             1,  0, 0, 0, 0,   0,   0,   0,   6,  1, 'x'};
    ctm_snapshot *snapshot;
    void *attributes;
    size_t length;
    ctm_file_error error = {0, "none"};
    ctm_status status = ctm_snapshot_decode_stdlib(whole, sizeof whole - 1, &snapshot, &attributes,
                                                   &length, &error);
    printf("%s at %d\n", error.reason, (int)error.offset);
    REQUIRE(status == CTM_OK);
    check_content(snapshot);
    CHECK_EQ(length, sizeof expected);
    CHECK(length == sizeof expected && memcmp(attributes, expected, length) == 0);
    free(attributes);
    ctm_snapshot_unref(snapshot);
    /* Nobody has to take the attributes. */
    REQUIRE(ctm_snapshot_decode_stdlib(whole, sizeof whole - 1, &snapshot, NULL, NULL, NULL) ==
            CTM_OK);
    check_content(snapshot);
    ctm_snapshot_unref(snapshot);
}

/* A copy of its own, so that a sanitizer sees what is read beyond it. */
static ctm_status decode_copy(const char *bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    ctm_file_error error = {0, NULL};
    ctm_snapshot *snapshot = NULL;
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, size);
    ctm_status status = ctm_snapshot_decode_stdlib(copy, size, &snapshot, NULL, NULL, &error);
    if (status == CTM_OK) {
        ctm_snapshot_unref(snapshot);
    } else {
        CHECK(snapshot == NULL);
        CHECK_EQ(status, CTM_ERR_FORMAT);
        CHECK(error.reason != NULL && error.offset <= size);
    }
    free(copy);
    return status;
}

static void test_damage(void)
{
    char copy[sizeof whole];
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        CHECK_EQ(decode_copy(whole, size), CTM_ERR_FORMAT);
    }
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, whole, sizeof whole);
            copy[at] = (char)byte;
            (void)decode_copy(copy, sizeof whole - 1);
        }
    }
}

static void test_kind(void)
{
    CHECK(ctm_file_is_pickle(whole, 1));
    CHECK(ctm_file_is_pickle("ccopy_reg\n_reconstructor\n", 25));
    CHECK(!ctm_file_is_pickle("ccopy_reg", 9));
    CHECK(!ctm_file_is_pickle("", 0));
}

TEST_LIST = {
    TEST(test_content),
    TEST(test_damage),
    TEST(test_kind),
    TEST_LIST_END,
};
