/* test_schema.c: the list of tables (tables/schema.h), and that each reference in it is checked by each reader.
 *
 * Model: `references` is written down by hand from ctm/tables.h. The list must say the same; and a snapshot file, a recording
 * and a black box in which one reference after the other is out of range must be refused, with the place.
 */
#include <fcntl.h>

#define CHECK_SET_UP set_up
#include "box.h"
#include "file_bytes.h"
#include "formats/black_box_format.h"
#include "formats/recording_writer.h"
#include "sample_file.h"
#include "snapshot/snapshot.h"

struct reference {
    enum ctmi_table table;
    uint32_t byte;
    enum ctmi_table to;
    bool may_be_none;
};

static const struct reference references[] = {
    {CTMI_TABLE_FUNCTIONS, 0, CTMI_TABLE_STRINGS, true},
    {CTMI_TABLE_FUNCTIONS, 4, CTMI_TABLE_STRINGS, true},
    {CTMI_TABLE_FRAMES, 0, CTMI_TABLE_FUNCTIONS, false},
    {CTMI_TABLE_TRACEBACKS, 0, CTMI_TABLE_TRACEBACKS, true},
    {CTMI_TABLE_TRACEBACKS, 4, CTMI_TABLE_FRAMES, false},
    {CTMI_TABLE_LABELS, 0, CTMI_TABLE_LABELS, true},
    {CTMI_TABLE_LABELS, 4, CTMI_TABLE_STRINGS, false},
    {CTMI_TABLE_LABELS, 8, CTMI_TABLE_STRINGS, true},
    {CTMI_TABLE_SITES, 28, CTMI_TABLE_TRACEBACKS, true},
    {CTMI_TABLE_SITES, 32, CTMI_TABLE_LABELS, true},
};
#define REFERENCES (sizeof references / sizeof references[0])

/* Values that refer to no row, in row `id`; `count` rows are in the table that is referred to. Returns how many. */
static int bad_values(const struct reference *reference, uint32_t id, uint32_t count, uint32_t *out)
{
    out[0] = reference->to == reference->table ? id : count;
    out[1] = UINT32_MAX;
    out[2] = 0;
    return reference->may_be_none ? 2 : 3;
}

/* --- the list --- */

/* Every byte of a content belongs to a field: a member that the list does not name would not be on file. */
static void test_fields(void)
{
    static const uint32_t sizes[] = {0, 12, 8, 12, 12, 48}; /* docs/formats/snapshot.md */
    for (int table = CTMI_TABLE_FUNCTIONS; table < CTMI_ROWS_TABLES; table++) {
        const struct ctmi_schema *schema = &ctmi_schemas[table];
        uint32_t end = 0;
        for (const struct ctmi_field *field = schema->fields; field->size != 0; field++) {
            CHECK_EQ(field->offset, end);
            CHECK(field->size == 4 || field->size == 8);
            end += field->size;
        }
        CHECK_EQ(end, schema->content_size);
        CHECK_EQ(end, sizes[table]);
        CHECK_EQ(ctmi_schema_least_size(schema), table == CTMI_TABLE_SITES ? 40 : end);
        CHECK(schema->content_size <= schema->row_size);
    }
}

static void test_references(void)
{
    size_t next = 0;
    for (int table = CTMI_TABLE_FUNCTIONS; table < CTMI_ROWS_TABLES; table++) {
        for (const struct ctmi_field *field = ctmi_schemas[table].fields; field->size != 0;
             field++) {
            if (!ctmi_field_is_reference(field)) {
                continue;
            }
            REQUIRE(next < REFERENCES);
            const struct reference *reference = &references[next++];
            CHECK_EQ(reference->table, table);
            CHECK_EQ(reference->byte, field->offset);
            CHECK_EQ(reference->to, field->table);
            CHECK_EQ(reference->may_be_none, field->holds == CTMI_HOLDS_ROW);
            CHECK_EQ(field->size, 4);
            CHECK(ctmi_field_reason((enum ctmi_table)table, field) != NULL);
            CHECK((int)field->table <= table); /* what is referred to comes before */
            CHECK(field->holds == CTMI_HOLDS_ROW || ctmi_schemas[table].without != NULL);
        }
        CHECK(ctmi_schemas[table].bad_reference != NULL);
    }
    CHECK_EQ(next, REFERENCES);
}

/* --- a snapshot file --- */

static void try_in_file(const unsigned char *whole, size_t size, const struct reference *reference,
                        const uint32_t *counts)
{
    const size_t begin = section_at(whole, ctmi_file_kind_of(reference->table));
    for (uint32_t id = 1; id < counts[reference->table]; id++) {
        const size_t place =
            begin + (size_t)id * ctmi_schemas[reference->table].content_size + reference->byte;
        uint32_t values[3];
        const int n = bad_values(reference, id, counts[reference->to], values);
        for (int i = 0; i < n; i++) {
            unsigned char *bytes = malloc(size);
            ctm_snapshot *snapshot;
            ctm_file_error error = {0, NULL};
            REQUIRE(bytes != NULL);
            memcpy(bytes, whole, size);
            ctmi_put_u32(bytes + place, values[i]);
            repair(bytes, size);
            CHECK_EQ(ctm_snapshot_decode(bytes, size, &snapshot, NULL, NULL, &error),
                     CTM_ERR_FORMAT);
            CHECK_EQ(error.offset, place);
            CHECK_STR(error.reason, reference->to == reference->table
                                        ? ctmi_schemas[reference->table].no_parent
                                        : ctmi_schemas[reference->to].no_such_row);
            free(bytes);
        }
    }
}

static void test_snapshot_file(void)
{
    ctm_snapshot *snapshot = golden_snapshot_1_2();
    uint32_t counts[CTMI_ROWS_TABLES];
    ctm_snapshot_info info;
    void *bytes;
    size_t size;
    REQUIRE(ctm_snapshot_encode(snapshot, NULL, 0, &bytes, &size) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    ctmi_snapshot_counts(&info, counts);
    for (size_t i = 0; i < REFERENCES; i++) {
        CHECK(counts[references[i].table] > 1);
        try_in_file(bytes, size, &references[i], counts);
    }
    free(bytes);
    ctm_snapshot_unref(snapshot);
}

/* --- a recording --- */

/* One row of each table, all references but one good. */
static void put_row(struct ctmi_buffer *out, enum ctmi_table table, const struct reference *bad,
                    uint32_t value)
{
    union ctmi_content content;
    memset(&content, 0, sizeof content);
    for (size_t i = 0; i < REFERENCES; i++) {
        const bool parent = references[i].to == table;
        const uint32_t to = &references[i] == bad ? value : !parent;
        if (references[i].table == table) {
            memcpy((char *)&content + references[i].byte, &to, sizeof to);
        }
    }
    ctmi_put_content(out, table, &content);
}

/* The reason why a recording with that reference ends; NULL: it does not. */
static const char *try_in_recording(const struct ctmi_crc32c *crc, const struct reference *bad,
                                    uint32_t value)
{
    static const uint32_t counts[CTMI_ROWS_TABLES] = {1, 1, 1, 1, 1, 1};
    const ctm_recording_span span = {.time = 9, .tracing = true, .nframe = 1};
    struct ctmi_buffer out = {0};
    ctm_recording *recording;
    ctmi_put_recording_header(&out, crc, 0, 1, 0);
    size_t begin = ctmi_block_begin(&out, CTMI_BLOCK_SPAN);
    ctmi_put_span(&out, &span);
    ctmi_block_end(&out, crc, begin);
    const size_t good = out.length;
    begin = ctmi_block_begin(&out, CTMI_BLOCK_ROWS);
    ctmi_put_rows_head(&out, 0, counts);
    ctmi_put_string(&out, "text", 4);
    for (enum ctmi_table table = CTMI_TABLE_FUNCTIONS; table < CTMI_ROWS_TABLES; table++) {
        put_row(&out, table, bad, value);
    }
    ctmi_block_end(&out, crc, begin);
    REQUIRE(ctm_recording_decode(out.bytes, out.length, &recording, NULL) == CTM_OK);
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    const char *reason = info->fault.reason;
    CHECK_EQ(info->good_bytes, bad != NULL ? good : out.length);
    ctm_recording_free(recording);
    ctmi_buffer_free(&out);
    return reason;
}

static void test_recording(void)
{
    struct ctmi_crc32c crc;
    ctmi_crc32c_init(&crc);
    CHECK(try_in_recording(&crc, NULL, 0) == NULL);
    for (size_t i = 0; i < REFERENCES; i++) {
        const struct reference *bad = &references[i];
        const struct ctmi_schema *schema = &ctmi_schemas[bad->table];
        const char *reason =
            bad->to == bad->table ? schema->no_parent : ctmi_schemas[bad->to].no_such_row;
        uint32_t values[3];
        const int n = bad_values(bad, 1, 2, values);
        CHECK_STR(try_in_recording(&crc, bad, values[0]), reason);
        CHECK_STR(try_in_recording(&crc, bad, values[1]), reason);
        if (n > 2) {
            CHECK_STR(try_in_recording(&crc, bad, values[2]), schema->without);
        }
    }
}

/* --- a black box --- */

/* One row of each table in shard 0. */
static void make_box(void)
{
    ctm_tracer *tracer;
    uint32_t key, set, site, traceback;
    new_tracer(&tracer);
    REQUIRE(allocate(tracer, 0, 1, 0x1000, 10) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    REQUIRE(shard != NULL);
    const ctm_frame_text frame = {"file0.py", "f", 1, 1};
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    REQUIRE(ctm_shard_string(shard, "key", 3, &key) == CTM_OK);
    REQUIRE(ctm_shard_label(shard, 0, key, key, &set) == CTM_OK);
    REQUIRE(ctm_shard_site(shard, 0, traceback, 10, 0, &site) == CTM_OK);
    ctm_shard_leave(shard);
    REQUIRE(ctm_black_box_end(tracer, CTM_BOX_EXIT) == CTM_OK);
    ctm_tracer_free(tracer);
}

static void try_in_box(int fd, const struct ctmi_box_control *control,
                       const struct reference *reference)
{
    const struct ctmi_box_table *tables = control->tables[0];
    const uint64_t row =
        tables[reference->table].chunk[0] + ctmi_schemas[reference->table].row_size;
    uint32_t values[3], before;
    REQUIRE(tables[reference->table].count > 1);
    const int n = bad_values(reference, 1, (uint32_t)tables[reference->to].count, values);
    REQUIRE(pread(fd, &before, 4, (off_t)(row + reference->byte)) == 4);
    for (int i = 0; i < n; i++) {
        ctm_black_box *box;
        ctm_snapshot *snapshot;
        ctm_file_error error = {0, NULL};
        REQUIRE(pwrite(fd, &values[i], 4, (off_t)(row + reference->byte)) == 4);
        REQUIRE(ctm_black_box_open(path, &box, &error) == CTM_OK);
        if (CHECK_EQ(ctm_black_box_snapshot(box, &snapshot, &error), CTM_ERR_FORMAT)) {
            CHECK_EQ(error.offset, row);
            CHECK_STR(error.reason, ctmi_schemas[reference->table].bad_reference);
        }
        ctm_black_box_close(box);
    }
    REQUIRE(pwrite(fd, &before, 4, (off_t)(row + reference->byte)) == 4);
}

static void test_black_box(void)
{
    static struct ctmi_box_control control;
    make_box();
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && pread(fd, &control, sizeof control, 0) == (ssize_t)sizeof control);
    for (size_t i = 0; i < REFERENCES; i++) {
        try_in_box(fd, &control, &references[i]);
    }
    close(fd);
    ctm_snapshot_unref(read_box()); /* as it was, it is good */
}

static void set_up(void)
{
    choose_path();
}

TEST_LIST = {
    TEST(test_fields),    TEST(test_references), TEST(test_snapshot_file),
    TEST(test_recording), TEST(test_black_box),  TEST_LIST_END,
};
