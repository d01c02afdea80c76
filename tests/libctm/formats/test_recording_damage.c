/* test_recording_damage.c: recordings that are cut off, damaged or made by somebody who means harm.
 *
 * Model: whatever the bytes are, opening gives an error or a recording whose moments are the first ones of the whole file, each with its snapshot;
 * never a crash, never a moment that was not.
 */
#define CHECK_SET_UP set_up
#define CHECK_TEAR_DOWN tear_down
#include "check.h"
#include "ctm/ctm.h"
#include "formats/recording_writer.h"

#define TICKS 6

static struct ctmi_crc32c crc;
static struct ctmi_buffer whole, first; /* owned: one of the version of today, one of version 1.0 */

/* The list that is put before tick `i`: of 2, 1 and 0 losses. */
static void put_losses(struct ctmi_buffer *out, int i)
{
    struct ctmi_losses losses = {0};
    if (i % 3 != 2) {
        (void)ctmi_losses_add(&losses, "memory", "caf\xc3\xa9", 3u + (unsigned)i);
    }
    if (i % 3 == 0) {
        (void)ctmi_losses_add(&losses, "free_lists", "", 0);
    }
    const size_t begin = ctmi_block_begin(out, CTMI_BLOCK_LOSSES);
    ctmi_put_losses(out, &losses);
    ctmi_block_end(out, &crc, begin);
}

/* A small recording made by hand: two stores, a span in between, every kind of block. minor: of the version. */
static struct ctmi_buffer make_recording(unsigned minor)
{
    struct ctmi_buffer out = {0};
    struct ctmi_forecast forecasts[2] = {{0}};
    struct ctmi_changes changes;
    ctmi_put_recording_header(&out, &crc, 1700000000000000000u, 1000000000u, 42);
    REQUIRE(out.bytes != NULL);
    ctmi_put_u16(out.bytes + 14, (uint16_t)minor);
    ctmi_header_set_lack(out.bytes, &crc, CTM_RECORDING_COMPLETE);
    size_t begin = ctmi_block_begin(&out, CTMI_BLOCK_COMMAND);
    ctmi_buffer_put(&out, "python", 6);
    ctmi_block_end(&out, &crc, begin);
    for (int i = 0; i < TICKS; i++) {
        const ctm_moment moment = {.time = 10u + (uint64_t)i,
                                   .bytes = 10u * (unsigned)(i % 3 + 1),
                                   .blocks = (unsigned)(i % 3 + 1),
                                   .peak_bytes = 99};
        if (i % 3 == 0) {
            const ctm_recording_span span = {.time = moment.time, .tracing = true, .nframe = 4};
            static const uint32_t counts[2][CTMI_ROWS_TABLES] = {{2, 1, 1, 1, 1, 2},
                                                                 {0, 0, 0, 0, 0, 1}};
            ctmi_forecast_forget(&forecasts[0]);
            ctmi_forecast_forget(&forecasts[1]);
            begin = ctmi_block_begin(&out, CTMI_BLOCK_SPAN);
            ctmi_put_span(&out, &span);
            ctmi_block_end(&out, &crc, begin);
            begin = ctmi_block_begin(&out, CTMI_BLOCK_ROWS);
            ctmi_put_rows_head(&out, 3, counts[0]);
            ctmi_put_string(&out, "file.py", 7);
            ctmi_put_string(&out, "name", 4);
            ctmi_put_function(&out, &(ctm_function){1, 2, 1});
            ctmi_put_frame(&out, &(ctm_frame){1, -7});
            ctmi_put_traceback(&out, &(ctm_traceback){0, 1, 5});
            ctmi_put_label(&out, &(ctm_label){0, 2, 1});
            ctmi_put_site(&out, &(ctm_site){.block_size = 10, .traceback = 1, .labels = 1});
            ctmi_put_site(&out, &(ctm_site){.block_size = 20, .domain = 7});
            ctmi_block_end(&out, &crc, begin);
            begin = ctmi_block_begin(&out, CTMI_BLOCK_ROWS);
            ctmi_put_rows_head(&out, 0, counts[1]);
            ctmi_put_site(&out, &(ctm_site){.block_size = 30});
            ctmi_block_end(&out, &crc, begin);
        }
        if (minor > 0) {
            put_losses(&out, i);
        }
        begin = ctmi_block_begin(&out, CTMI_BLOCK_TICK);
        ctmi_put_tick_head(&out, &moment);
        ctmi_changes_begin(&changes, &out, &forecasts[0], 0);
        ctmi_changes_site(&changes, 1, i == 1 ? 0 : 5, 0); /* stops and comes again */
        ctmi_changes_end(&changes);
        ctmi_changes_begin(&changes, &out, &forecasts[1], 3);
        ctmi_changes_site(&changes, 1, 3, 1);
        ctmi_changes_site(&changes, 2, i % 3 == 2 ? 1ull << 62 : 300, 0);
        ctmi_changes_end(&changes);
        ctmi_put_end_of_list(&out);
        ctmi_block_end(&out, &crc, begin);
        begin = ctmi_block_begin(&out, 77); /* of a later version */
        ctmi_buffer_put(&out, "later", 5);
        ctmi_block_end(&out, &crc, begin);
    }
    begin = ctmi_block_begin(&out, CTMI_BLOCK_END);
    const int32_t exit_status = -11;
    ctmi_put_end(&out, 99, CTM_END_EXIT, minor > 0 ? &exit_status : NULL,
                 minor > 0 ? "SIGSEGV" : "");
    ctmi_block_end(&out, &crc, begin);
    REQUIRE(!out.failed);
    ctmi_forecast_free(&forecasts[0]);
    ctmi_forecast_free(&forecasts[1]);
    return out;
}

/* Opens a copy that ends where memory does, so that sanitizers see a read past it. */
static ctm_status open_copy(const unsigned char *bytes, size_t size, ctm_recording **out,
                            unsigned char **out_copy, ctm_file_error *error)
{
    *out_copy = malloc(size ? size : 1);
    REQUIRE(*out_copy != NULL);
    memcpy(*out_copy, bytes, size);
    return ctm_recording_decode(*out_copy, size, out, error);
}

static void check_moments(ctm_recording *recording)
{
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK(info->moments <= TICKS);
    for (size_t i = info->moments; i-- > 0;) {
        const ctm_moment *moment = &ctm_recording_moments(recording)[i];
        ctm_snapshot *snapshot;
        ctm_snapshot_info about;
        CHECK_EQ(moment->time, 10 + i);
        CHECK_EQ(moment->bytes, 10 * (i % 3 + 1));
        REQUIRE(ctm_recording_snapshot(recording, i, &snapshot) == CTM_OK);
        ctm_snapshot_info_get(snapshot, &about);
        CHECK_EQ(about.current_bytes, moment->bytes);
        CHECK_EQ(about.sites, 3);
        CHECK_EQ(about.label_sets, 1);
        ctm_snapshot_unref(snapshot);
    }
}

static void test_whole(void)
{
    ctm_recording *recording;
    ctm_file_error error;
    CHECK(ctm_file_is_recording(whole.bytes, whole.length));
    CHECK(!ctm_file_is_recording(whole.bytes, 7));
    REQUIRE(ctm_recording_decode(whole.bytes, whole.length, &recording, &error) == CTM_OK);
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK_EQ(info->moments, TICKS);
    CHECK_EQ(info->spans, 2);
    CHECK_EQ(info->end, CTM_END_EXIT);
    CHECK_EQ(info->pid, 42);
    CHECK_STR(info->command, "python");
    CHECK(info->fault.reason == NULL);
    check_moments(recording);
    ctm_recording_free(recording);
}

static uint32_t losses_of_moment(ctm_recording *recording, size_t moment, ctm_loss *out_last)
{
    ctm_snapshot *snapshot;
    const ctm_loss *losses;
    REQUIRE(ctm_recording_snapshot(recording, moment, &snapshot) == CTM_OK);
    const uint32_t n = ctm_snapshot_losses(snapshot, &losses);
    if (n > 0) {
        *out_last = losses[n - 1];
    }
    ctm_snapshot_unref(snapshot);
    return n;
}

/* Each moment has the list that was told before it, in whatever order they are asked for. */
static void test_losses(void)
{
    ctm_recording *recording;
    const ctm_loss *losses;
    ctm_loss last;
    REQUIRE(ctm_recording_decode(whole.bytes, whole.length, &recording, NULL) == CTM_OK);
    for (size_t i = TICKS; i-- > 0;) {
        const uint32_t n = losses_of_moment(recording, i, &last);
        CHECK_EQ(n, 2 - i % 3);
        CHECK(n != 1 || (strcmp(last.kind, "memory") == 0 && last.count == 3 + i));
    }
    REQUIRE(ctm_recording_losses(recording, &losses) == 2);
    CHECK(strcmp(losses[0].kind, "memory") == 0 && losses[0].count == 7);
    CHECK(strcmp(losses[1].kind, "free_lists") == 0 && losses[1].count == 0);
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK_STR(info->end_text, "SIGSEGV");
    CHECK(info->exit_status_known && info->exit_status == -11);
    CHECK_EQ(info->lack, CTM_RECORDING_COMPLETE);
    ctm_recording_free(recording);
    REQUIRE(ctm_recording_decode(first.bytes, first.length, &recording, NULL) == CTM_OK);
    CHECK_EQ(ctm_recording_losses(recording, &losses), 0);
    CHECK_EQ(losses_of_moment(recording, 0, &last), 0);
    info = ctm_recording_info_get(recording);
    CHECK(info->end_text[0] == '\0' && !info->exit_status_known);
    ctm_recording_free(recording);
}

/* Of a recording that ended before the program the last moment says so, and the recording. */
static void test_lack(void)
{
    ctm_recording *recording;
    const ctm_loss *losses;
    ctm_loss last;
    unsigned char *copy = malloc(whole.length);
    REQUIRE(copy != NULL);
    memcpy(copy, whole.bytes, whole.length);
    ctmi_header_set_lack(copy, &crc, CTM_RECORDING_NO_SPACE);
    REQUIRE(ctm_recording_decode(copy, whole.length, &recording, NULL) == CTM_OK);
    CHECK_EQ(ctm_recording_info_get(recording)->lack, CTM_RECORDING_NO_SPACE);
    REQUIRE(ctm_recording_losses(recording, &losses) == 3);
    CHECK_STR(losses[2].kind, "file");
    CHECK(strstr(losses[2].detail, ctm_recording_lack_text(CTM_RECORDING_NO_SPACE)) != NULL);
    CHECK_EQ(losses_of_moment(recording, TICKS - 1, &last), 1);
    CHECK_STR(last.kind, "file");
    CHECK_EQ(losses_of_moment(recording, TICKS - 2, &last), 1);
    CHECK_STR(last.kind, "memory");
    ctm_recording_free(recording);
    ctmi_header_set_lack(copy, &crc, (ctm_recording_lack)99); /* of a later version */
    REQUIRE(ctm_recording_decode(copy, whole.length, &recording, NULL) == CTM_OK);
    CHECK_EQ(ctm_recording_info_get(recording)->lack, CTM_RECORDING_IO);
    ctm_recording_free(recording);
    free(copy);
}

/* Later libraries go on reading what this one writes. */
static void check_golden(const struct ctmi_buffer *expected, const char *path)
{
    static unsigned char bytes[8192];
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    CHECK(size == expected->length && memcmp(bytes, expected->bytes, size) == 0);
    ctm_recording *recording;
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    CHECK_EQ(ctm_recording_info_get(recording)->moments, TICKS);
    check_moments(recording);
    ctm_recording_free(recording);
}

static void test_cut_everywhere(void)
{
    size_t moments = 0;
    for (size_t size = 0; size < whole.length; size++) {
        ctm_recording *recording;
        unsigned char *copy;
        ctm_file_error error = {0, NULL};
        const ctm_status status = open_copy(whole.bytes, size, &recording, &copy, &error);
        CHECK_EQ(status, size < CTMI_RECORDING_HEADER_SIZE ? CTM_ERR_FORMAT : CTM_OK);
        if (status == CTM_OK) {
            const ctm_recording_info *info = ctm_recording_info_get(recording);
            CHECK(info->moments >= moments);
            CHECK(info->good_bytes <= size && info->file_bytes == size);
            CHECK((info->fault.reason == NULL) == (info->good_bytes == size));
            CHECK_EQ(info->end, CTM_END_UNKNOWN);
            moments = info->moments;
            check_moments(recording);
            ctm_recording_free(recording);
        } else {
            CHECK(error.reason != NULL);
        }
        free(copy);
    }
    CHECK_EQ(moments, TICKS);
}

static void test_every_byte_damaged(void)
{
    for (size_t at = 0; at < whole.length; at++) {
        for (int bit = 0; bit < 8; bit += 5) {
            ctm_recording *recording;
            unsigned char *copy;
            ctm_file_error error = {0, NULL};
            whole.bytes[at] ^= (unsigned char)(1u << bit);
            const ctm_status status =
                open_copy(whole.bytes, whole.length, &recording, &copy, &error);
            whole.bytes[at] ^= (unsigned char)(1u << bit);
            CHECK_EQ(status, at < CTMI_RECORDING_HEADER_SIZE ? CTM_ERR_FORMAT : CTM_OK);
            if (status == CTM_OK) {
                const ctm_recording_info *info = ctm_recording_info_get(recording);
                CHECK(info->fault.reason != NULL && info->good_bytes <= at);
                check_moments(recording);
                ctm_recording_free(recording);
            }
            free(copy);
        }
    }
}

/* Bytes of payloads changed, with checksums that fit: what is told may be another story, but it is a possible one. */
static void test_hostile(void)
{
    uint64_t seed = 11;
    for (int round = 0; round < 2000; round++) {
        unsigned char *copy = malloc(whole.length);
        REQUIRE(copy != NULL);
        memcpy(copy, whole.bytes, whole.length);
        size_t at = CTMI_RECORDING_HEADER_SIZE;
        while (at < whole.length) {
            const size_t length = ctmi_get_u32(copy + at);
            if (check_random(&seed) % 4 == 0 && length > 0) {
                static const unsigned char nasty[] = {0, 1, 2, 0x7f, 0x80, 0xff};
                const size_t place = at + CTMI_BLOCK_HEAD_SIZE + check_random(&seed) % length;
                copy[place] = check_random(&seed) % 2 ? nasty[check_random(&seed) % 6]
                                                      : (unsigned char)check_random(&seed);
            }
            const uint32_t sum = ctmi_crc32c_more(&crc, ctmi_crc32c_get(&crc, copy + at, 8),
                                                  copy + at + CTMI_BLOCK_HEAD_SIZE, length);
            ctmi_put_u32(copy + at + 8, sum);
            at += CTMI_BLOCK_HEAD_SIZE + length;
        }
        ctm_recording *recording;
        REQUIRE(ctm_recording_decode(copy, whole.length, &recording, NULL) == CTM_OK);
        const ctm_recording_info *info = ctm_recording_info_get(recording);
        for (size_t i = 0; i < info->moments; i++) {
            ctm_snapshot *snapshot;
            ctm_status status = ctm_recording_snapshot(recording, i, &snapshot);
            CHECK(status == CTM_OK || status == CTM_ERR_LIMIT);
            if (status == CTM_OK) {
                ctm_snapshot_unref(snapshot);
            }
        }
        ctm_recording_free(recording);
        free(copy);
    }
}

static void add_block(struct ctmi_buffer *out, uint32_t kind, const unsigned char *payload,
                      size_t length)
{
    const size_t begin = ctmi_block_begin(out, kind);
    ctmi_buffer_put(out, payload, length);
    ctmi_block_end(out, &crc, begin);
}

/* Blocks that break one rule each: the recording ends before them, and says why. */
static void test_reasons(void)
{
    static const unsigned char ten[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
    static const struct {
        uint32_t kind;
        size_t length;
        unsigned char payload[24];
        const char *reason;
    } cases[] = {
        {CTMI_BLOCK_ROWS, 4, {0, 1, 0, 0}, "a number is cut off or too large"},
        {CTMI_BLOCK_ROWS, 9, {0x80, 2, 0, 0, 0, 0, 0, 0, 0}, "a store's number is too large"},
        {CTMI_BLOCK_ROWS, 8, {0, 1, 0, 0, 0, 0, 0, 0}, "a string's length is wrong"},
        {CTMI_BLOCK_ROWS, 9, {0, 1, 0, 0, 0, 0, 0, 1, 0xff}, "a string is not UTF-8"},
        {CTMI_BLOCK_COMMAND, 2, {'a', 0x80}, "a command is not UTF-8"},
        {CTMI_BLOCK_ROWS, 10, {0, 0, 1, 0, 0, 0, 0, 1, 0, 0}, "no such string"},
        {CTMI_BLOCK_ROWS, 9, {0, 0, 0, 1, 0, 0, 0, 0, 0}, "no such function"},
        {CTMI_BLOCK_ROWS,
         10,
         {0, 0, 0, 0, 1, 0, 0, 1, 0, 0},
         "a traceback's parent does not precede it"},
        {CTMI_BLOCK_ROWS, 10, {0, 0, 0, 0, 1, 0, 0, 0, 0, 0}, "no such frame"},
        {CTMI_BLOCK_ROWS, 10, {0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, "a label without a key"},
        {CTMI_BLOCK_ROWS, 11, {0, 0, 0, 0, 0, 0, 1, 5, 0, 1, 0}, "no such traceback"},
        {CTMI_BLOCK_ROWS, 11, {0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 1}, "no such label set"},
        {CTMI_BLOCK_TICK, 6, {0, 0, 0, 0, 0, 0}, "time goes backwards"},
        {CTMI_BLOCK_TICK, 8, {9, 0, 0, 0, 0, 1, 2, 0}, "no such store"},
        {CTMI_BLOCK_TICK, 6, {9, 1, 0, 0, 0, 0}, "a tick's totals are not the sums over the sites"},
        {CTMI_BLOCK_SPAN, 4, {9, 2, 1, 0}, "a span is neither traced nor not"},
        {CTMI_BLOCK_END, 2, {0, 1}, "time goes backwards"},
        {CTMI_BLOCK_END, 4, {9, 1, 0, 1}, "a text is too long"},
        {CTMI_BLOCK_END, 5, {9, 1, 0, 1, '\n'}, "a text is not what it should be"},
        {CTMI_BLOCK_END,
         8,
         {9, 1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0},
         "an exit status is out of range"},
        {CTMI_BLOCK_LOSSES, 1, {33}, "too many losses"},
        {CTMI_BLOCK_LOSSES, 1, {1}, "a number is cut off or too large"},
        {CTMI_BLOCK_LOSSES, 4, {1, 0, 0, 0}, "a loss has no kind"},
        {CTMI_BLOCK_LOSSES, 5, {1, 0, 1, 0x80, 0}, "a text is not what it should be"},
        {CTMI_BLOCK_LOSSES, 5, {1, 0, 1, 0, 0}, "a text is not what it should be"},
        {CTMI_BLOCK_LOSSES, 4, {1, 0, 32, 'a'}, "a text is too long"},
        {CTMI_BLOCK_REQUIRED | 9, 0, {0}, "a kind of block that this library does not know"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ctmi_buffer out = {0};
        ctm_recording *recording;
        const ctm_recording_span span = {.time = 9, .tracing = true, .nframe = 1};
        ctmi_put_recording_header(&out, &crc, 0, 1, 0);
        const size_t begin = ctmi_block_begin(&out, CTMI_BLOCK_SPAN);
        ctmi_put_span(&out, &span);
        ctmi_block_end(&out, &crc, begin);
        const size_t good = out.length;
        add_block(&out, cases[i].kind, cases[i].payload, cases[i].length);
        REQUIRE(ctm_recording_decode(out.bytes, out.length, &recording, NULL) == CTM_OK);
        const ctm_recording_info *info = ctm_recording_info_get(recording);
        CHECK_STR(info->fault.reason, cases[i].reason);
        CHECK_EQ(info->good_bytes, good);
        CHECK(info->fault.offset >= good && info->fault.offset <= out.length);
        ctm_recording_free(recording);
        ctmi_buffer_free(&out);
    }
    struct ctmi_buffer out = {0};
    ctm_recording *recording;
    ctmi_put_recording_header(&out, &crc, 0, 1, 0);
    add_block(&out, CTMI_BLOCK_TICK, ten, sizeof ten);
    REQUIRE(ctm_recording_decode(out.bytes, out.length, &recording, NULL) == CTM_OK);
    CHECK_STR(ctm_recording_info_get(recording)->fault.reason,
              "rows, losses or a tick before any span");
    ctm_recording_free(recording);
    ctmi_buffer_free(&out);
}

static void test_headers(void)
{
    static const struct {
        size_t at;
        unsigned char value;
        const char *reason;
    } cases[] = {
        {0, 'x', "not a recording"},
        {8, 1, "a wrong byte order"},
        {12, 2, "a version that this library does not know"},
        {16, 63, "a wrong header size"},
        {20, 1, "flags that this library does not know"},
        {24, 1, NULL}, /* another time is as good */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const unsigned char before = whole.bytes[cases[i].at];
        ctm_recording *recording;
        ctm_file_error error = {0, NULL};
        whole.bytes[cases[i].at] = cases[i].value;
        ctmi_put_u32(whole.bytes + 60, ctmi_crc32c_get(&crc, whole.bytes, 60));
        const ctm_status status =
            ctm_recording_decode(whole.bytes, whole.length, &recording, &error);
        CHECK_EQ(status, cases[i].reason != NULL ? CTM_ERR_FORMAT : CTM_OK);
        if (status == CTM_OK) {
            ctm_recording_free(recording);
        } else {
            CHECK_STR(error.reason, cases[i].reason);
            CHECK_EQ(error.offset, cases[i].at);
        }
        whole.bytes[cases[i].at] = before;
        ctmi_put_u32(whole.bytes + 60, ctmi_crc32c_get(&crc, whole.bytes, 60));
    }
    ctm_recording *recording;
    CHECK_EQ(ctm_recording_open("/no/such/file", &recording, NULL), CTM_ERR_IO);
    CHECK_EQ(ctm_recording_open("/", &recording, NULL), CTM_ERR_IO);
    CHECK_EQ(ctm_recording_open("/dev/null", &recording, NULL), CTM_ERR_FORMAT);
    CHECK_EQ(ctm_recording_decode(NULL, 0, &recording, NULL), CTM_ERR_FORMAT);
}

/* With CTM_NEW_GOLDEN=PATH it also writes there what the file should be. */
static void test_golden_1_1(void)
{
    const char *new_golden = getenv("CTM_NEW_GOLDEN");
    if (new_golden != NULL) {
        FILE *file = fopen(new_golden, "wb");
        REQUIRE(file != NULL && fwrite(whole.bytes, 1, whole.length, file) == whole.length);
        fclose(file);
    }
    check_golden(&whole, CTM_TEST_DATA "/recording-v1.1.ctr");
}

static void test_golden_1_0(void)
{
    check_golden(&first, CTM_TEST_DATA "/recording-v1.ctr");
}

static void set_up(void)
{
    ctmi_crc32c_init(&crc);
    whole = make_recording(1);
    first = make_recording(0);
}

static void tear_down(void)
{
    ctmi_buffer_free(&whole);
    ctmi_buffer_free(&first);
}

TEST_LIST = {
    TEST(test_whole),
    TEST(test_golden_1_1),
    TEST(test_golden_1_0),
    TEST(test_losses),
    TEST(test_lack),
    TEST(test_cut_everywhere),
    TEST(test_every_byte_damaged),
    TEST(test_hostile),
    TEST(test_reasons),
    TEST(test_headers),
    TEST_LIST_END,
};
