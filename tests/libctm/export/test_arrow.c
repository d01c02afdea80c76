/* test_arrow.c: the Arrow stream against the tables that it shows.
 *
 * Model: the arrays are read as their specification says and compared with the rows of the snapshot, value by
 * value; the AddressSanitizer runs see what is released twice or never.
 */
#include <errno.h>

#include "sample.h"

enum { DOMAIN, BLOCK_SIZE, COUNT, SIZE, FILENAME, LINENO, FUNCTION, TRACEBACK, TOTAL_NFRAME };
enum { LABELS = 9, ALLOCATED, FREED, AT_PEAK, WEIGHT, COLUMNS };

static const char *const names[COLUMNS] = {
    "domain",    "block_size",   "count",  "size",      "filename", "lineno",  "function",
    "traceback", "total_nframe", "labels", "allocated", "freed",    "at_peak", "weight"};
static const char *const formats[COLUMNS] = {"I",  "l", "l",  "l", "i", "i", "i",
                                             "+l", "i", "+m", "l", "l", "l", "g"};

static bool is_valid(const struct ArrowArray *array, int64_t row)
{
    const unsigned char *bitmap = array->buffers[0];
    return bitmap == NULL || (bitmap[row / 8] >> row % 8 & 1) != 0;
}

static int64_t long_at(const struct ArrowArray *array, int64_t row)
{
    return ((const int64_t *)array->buffers[1])[row];
}

static int32_t int_at(const struct ArrowArray *array, int64_t row)
{
    return ((const int32_t *)array->buffers[1])[row];
}

/* Is row `row` of a text column `text`, or null if `text` is NULL? */
static bool is_text(const struct ArrowArray *array, int64_t row, const char *text, size_t length)
{
    if (!is_valid(array, row) || text == NULL) {
        return !is_valid(array, row) && text == NULL;
    }
    if (array->dictionary != NULL) {
        row = int_at(array, row);
        array = array->dictionary;
    }
    const int32_t *offsets = array->buffers[1];
    if (row < 0 || row >= array->length) {
        return false;
    }
    return (size_t)(offsets[row + 1] - offsets[row]) == length &&
           memcmp((const char *)array->buffers[2] + offsets[row], text, length) == 0;
}

static bool is_string(const struct ArrowArray *array, int64_t row, const ctm_snapshot *snapshot,
                      uint32_t id)
{
    size_t length;
    const char *text = ctm_snapshot_string(snapshot, id, &length);
    /* The one surrogate of the samples, replaced. */
    if (strcmp(text, "\xed\xb2\x80.py") == 0) {
        text = "\xef\xbf\xbd.py";
    }
    return is_text(array, row, text, length);
}

static bool is_name(const struct ArrowArray *array, int64_t row, const ctm_snapshot *snapshot,
                    uint32_t name)
{
    return name == 0 ? is_text(array, row, NULL, 0) : is_string(array, row, snapshot, name);
}

static void check_frame(struct ArrowArray *const columns[3], int64_t row,
                        const ctm_snapshot *snapshot, uint32_t frame)
{
    const ctm_frame *place = &ctm_snapshot_frames(snapshot)[frame];
    const ctm_function *function = &ctm_snapshot_functions(snapshot)[place->function];
    CHECK(is_string(columns[0], row, snapshot, function->filename));
    CHECK(is_valid(columns[1], row) && int_at(columns[1], row) == place->lineno);
    CHECK(is_name(columns[2], row, snapshot, function->name));
}

static void check_traceback(const struct ArrowArray *batch, int64_t row,
                            const ctm_snapshot *snapshot, uint32_t traceback)
{
    const ctm_traceback *rows = ctm_snapshot_tracebacks(snapshot);
    const struct ArrowArray *list = batch->children[TRACEBACK];
    int64_t at = int_at(list, row + 1);
    struct ArrowArray *const top[3] = {batch->children[FILENAME], batch->children[LINENO],
                                       batch->children[FUNCTION]};
    CHECK_EQ(at - int_at(list, row), ctm_snapshot_traceback_length(snapshot, traceback));
    CHECK_EQ(int_at(batch->children[TOTAL_NFRAME], row), rows[traceback].total_nframe);
    if (traceback != 0) {
        check_frame(top, row, snapshot, rows[traceback].frame);
    } else {
        CHECK(!is_valid(top[0], row) && !is_valid(top[1], row) && !is_valid(top[2], row));
    }
    for (; traceback != 0; traceback = rows[traceback].parent) {
        check_frame(list->children[0]->children, --at, snapshot, rows[traceback].frame);
    }
}

static void check_labels(const struct ArrowArray *map, int64_t row, const ctm_snapshot *snapshot,
                         uint32_t set)
{
    const ctm_label *rows = ctm_snapshot_labels(snapshot);
    struct ArrowArray *const *pair = map->children[0]->children;
    int64_t at = int_at(map, row);
    for (; set != 0; set = rows[set].parent, at++) {
        CHECK(is_string(pair[0], at, snapshot, rows[set].key));
        CHECK(is_string(pair[1], at, snapshot, rows[set].value));
    }
    CHECK_EQ(at, int_at(map, row + 1));
}

static void check_row(const struct ArrowArray *batch, int64_t row, const ctm_snapshot *snapshot,
                      const ctm_site *site)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    struct ArrowArray *const *columns = batch->children;
    const int64_t live = (int64_t)(site->allocated - site->freed);
    CHECK_EQ(((const uint32_t *)columns[DOMAIN]->buffers[1])[row], site->domain);
    CHECK_EQ(long_at(columns[BLOCK_SIZE], row), site->block_size);
    CHECK_EQ(long_at(columns[COUNT], row), live);
    CHECK_EQ(long_at(columns[SIZE], row), live * (int64_t)site->block_size);
    CHECK_EQ(is_valid(columns[ALLOCATED], row), info.churn_known);
    CHECK_EQ(is_valid(columns[FREED], row), info.churn_known);
    CHECK_EQ(long_at(columns[ALLOCATED], row), info.churn_known ? site->allocated : 0);
    CHECK_EQ(long_at(columns[FREED], row), info.churn_known ? site->freed : 0);
    CHECK_EQ(is_valid(columns[AT_PEAK], row), info.peak_known);
    CHECK_EQ(long_at(columns[AT_PEAK], row), info.peak_known ? site->at_peak : 0);
    CHECK(((const double *)columns[WEIGHT]->buffers[1])[row] == 1.0);
    check_traceback(batch, row, snapshot, site->traceback);
    check_labels(columns[LABELS], row, snapshot, site->labels);
}

static void check_schema(struct ArrowArrayStream *stream)
{
    struct ArrowSchema schema;
    REQUIRE(stream->get_schema(stream, &schema) == 0);
    CHECK_STR(schema.format, "+s");
    REQUIRE(schema.n_children == COLUMNS);
    for (int i = 0; i < COLUMNS; i++) {
        const struct ArrowSchema *column = schema.children[i];
        CHECK_STR(column->name, names[i]);
        CHECK_STR(column->format, formats[i]);
        CHECK_EQ(column->dictionary != NULL, i == FILENAME || i == FUNCTION);
        CHECK_EQ(column->flags, i == FILENAME || i == LINENO || i == FUNCTION || i == AT_PEAK ||
                                        i == ALLOCATED || i == FREED
                                    ? ARROW_FLAG_NULLABLE
                                    : 0);
    }
    schema.release(&schema);
    CHECK(schema.release == NULL);
}

/* Reads all; gives the number of batches. */
static int check_stream(ctm_snapshot *snapshot)
{
    struct ArrowArrayStream stream;
    ctm_snapshot_info info;
    uint32_t site = 0;
    int batches = 0;
    ctm_snapshot_info_get(snapshot, &info);
    REQUIRE(ctm_snapshot_arrow(snapshot, &stream) == CTM_OK);
    check_schema(&stream);
    for (;; batches++) {
        struct ArrowArray batch;
        REQUIRE(stream.get_next(&stream, &batch) == 0);
        CHECK(stream.get_last_error(&stream) == NULL);
        if (batch.release == NULL) {
            break;
        }
        REQUIRE(batch.n_children == COLUMNS && batch.length > 0);
        for (int64_t row = 0; row < batch.length; row++) {
            check_row(&batch, row, snapshot, &ctm_snapshot_sites(snapshot)[++site]);
        }
        batch.release(&batch);
        CHECK(batch.release == NULL);
    }
    CHECK_EQ(site, info.sites);
    stream.release(&stream);
    CHECK(stream.release == NULL);
    return batches;
}

/* Random sites, some with labels, some freed entirely; of some snapshots no site has freed blocks. */
static ctm_snapshot *random_snapshot(uint64_t seed, int sites, bool peak_known)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    const bool any_freed = seed % 3 != 0;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (int i = 0; i < sites; i++) {
        const struct sample_run run = sample_random_run(&seed);
        ctm_site site = {.block_size = run.size, .domain = run.domain, .allocated = run.count + 2};
        site.traceback = sample_traceback(builder, &run);
        site.freed = any_freed ? check_random(&seed) % (site.allocated + 1) : 0;
        site.at_peak = peak_known ? check_random(&seed) % (site.allocated + 1) : 0;
        for (uint64_t pairs = check_random(&seed) % 3; pairs > 0; pairs--) {
            char key[8], value[24];
            snprintf(key, sizeof key, "k%d", (int)(check_random(&seed) % 4));
            snprintf(value, sizeof value, "%*d", (int)(check_random(&seed) % 9), 5);
            REQUIRE(ctm_builder_label(builder, site.labels, sample_string(builder, key),
                                      sample_string(builder, value), &site.labels) == CTM_OK);
        }
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    ctm_builder_set_peak_known(builder, peak_known);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

static void test_random(void)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        ctm_snapshot *snapshot = random_snapshot(seed, (int)(seed % 30), seed % 2);
        CHECK_EQ(check_stream(snapshot), seed % 30 > 0);
        ctm_snapshot_unref(snapshot);
    }
    ctm_snapshot *large = random_snapshot(99, 70000, true);
    CHECK_EQ(check_stream(large), 2);
    ctm_snapshot_unref(large);
}

/* Arrays, their children and dictionaries live without the stream and the snapshot, and without each other. */
static void test_lifetimes(void)
{
    ctm_snapshot *snapshot = random_snapshot(5, 50, true);
    struct ArrowArrayStream stream;
    struct ArrowArray batch, child, dictionary;
    REQUIRE(ctm_snapshot_arrow(snapshot, &stream) == CTM_OK);
    REQUIRE(stream.get_next(&stream, &batch) == 0);
    child = *batch.children[FILENAME];
    batch.children[FILENAME]->release = NULL;
    dictionary = *child.dictionary;
    child.dictionary->release = NULL;
    stream.release(&stream);
    batch.release(&batch);
    for (uint32_t id = 1; id <= 50; id++) {
        uint32_t traceback = ctm_snapshot_sites(snapshot)[id].traceback;
        CHECK_EQ(is_valid(&child, id - 1), traceback != 0);
    }
    child.release(&child);
    ctm_snapshot_unref(snapshot);
    CHECK(dictionary.length > 0 && ((const int32_t *)dictionary.buffers[1])[0] == 0);
    dictionary.release(&dictionary);
}

static void test_too_large(void)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    const ctm_site site = {.block_size = UINT64_MAX, .allocated = 1, .freed = 1};
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    REQUIRE(ctm_snapshot_arrow(snapshot, &stream) == CTM_OK);
    CHECK_EQ(stream.get_next(&stream, &batch), EOVERFLOW);
    CHECK_STR(stream.get_last_error(&stream), "a number or text of a site is too large for Arrow");
    stream.release(&stream);
    ctm_snapshot_unref(snapshot);
}

/* Names may have surrogates, as Python's; Arrow gets valid UTF-8. */
static void test_names_are_valid(void)
{
    static const struct {
        const char *given, *shown;
    } cases[] = {
        {"a", "a"},
        {"\xed\xa0\x80x", "\xef\xbf\xbdx"},
        {"\xf0\x9f\x90\x8d", "\xf0\x9f\x90\x8d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct sample_run run = {.size = 1,
                                       .count = 1,
                                       .depth = 1,
                                       .total = 1,
                                       .frames = {{cases[i].given, NULL, 0, 1}}};
        ctm_snapshot *snapshot = sample_snapshot(&run, 1, false);
        struct ArrowArrayStream stream;
        struct ArrowArray batch;
        REQUIRE(ctm_snapshot_arrow(snapshot, &stream) == CTM_OK);
        REQUIRE(stream.get_next(&stream, &batch) == 0);
        CHECK(is_text(batch.children[FILENAME], 0, cases[i].shown, strlen(cases[i].shown)));
        batch.release(&batch);
        stream.release(&stream);
        ctm_snapshot_unref(snapshot);
    }
}

TEST_LIST = {
    TEST(test_random),          TEST(test_lifetimes), TEST(test_too_large),
    TEST(test_names_are_valid), TEST_LIST_END,
};
