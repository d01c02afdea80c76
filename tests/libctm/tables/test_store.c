/* test_store.c: the tables and their indexes, against what was put in. */
#include "check.h"

#include <unistd.h>

#include "base/memory.h"
#include "tables/store.h"

static void test_empty(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    size_t length = 7;
    uint32_t id = 99;
    CHECK_EQ(ctmi_store_bytes(&store), 0);
    CHECK_EQ(ctmi_store_string_count(&store), 1);
    CHECK_EQ(ctmi_store_site_count(&store), 1);
    CHECK_STR(ctmi_store_string_row(&store, 0, &length), "");
    CHECK_EQ(length, 0);
    CHECK_EQ(ctmi_store_string(&store, "", 0, &id), CTM_OK);
    CHECK_EQ(id, 0);
    CHECK_EQ(ctmi_store_bytes(&store), 0);
    ctmi_store_clear(&store);
    ctmi_store_free_all(&store);
}

static void test_ids_that_do_not_exist(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    uint32_t id = 99, name, function, frame;
    CHECK_EQ(ctmi_store_function(&store, 1, 0, 0, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_function(&store, 0, 1, 0, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_frame(&store, 0, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_frame(&store, 1, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_traceback(&store, 0, 0, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_site(&store, 0, 1, 1, 0, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_site_append(&store, 0, 1, 1, 0, &id), CTM_ERR_INVALID);
    REQUIRE(ctmi_store_string(&store, "a", 1, &name) == CTM_OK);
    REQUIRE(ctmi_store_function(&store, name, 0, 0, &function) == CTM_OK);
    REQUIRE(ctmi_store_frame(&store, function, 1, &frame) == CTM_OK);
    CHECK_EQ(ctmi_store_traceback(&store, 1, frame, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_traceback(&store, 0, frame + 1, 1, &id), CTM_ERR_INVALID);
    CHECK_EQ(id, 99);
    ctmi_store_free_all(&store);
}

#define STRINGS 30000u

static size_t text_of(uint32_t i, char *text)
{
    /* Lengths from 1 to some 200 bytes; now and then a NUL inside, and a common prefix. */
    size_t length = (size_t)sprintf(text, "/usr/lib/%u", i);
    memset(text + length, 'a' + (int)(i % 26), i % 190);
    length += i % 190;
    if (i % 7 == 0) {
        text[3] = '\0';
    }
    return length;
}

static void check_strings(struct ctmi_store *store, const uint32_t *ids)
{
    char text[256];
    for (uint32_t i = 0; i < STRINGS; i++) {
        size_t length = text_of(i, text), got_length;
        uint32_t again = 0;
        const char *got = ctmi_store_string_row(store, ids[i], &got_length);
        CHECK(got_length == length && memcmp(got, text, length) == 0 && got[length] == '\0');
        CHECK(ctmi_store_string(store, text, length, &again) == CTM_OK && again == ids[i]);
    }
}

static void test_strings(void)
{
    static uint32_t ids[STRINGS];
    static const char *places[STRINGS];
    struct ctmi_store store;
    ctmi_store_init(&store);
    for (int round = 0; round < 2; round++) {
        char text[256];
        for (uint32_t i = 0; i < STRINGS; i++) {
            size_t length = text_of(i, text);
            REQUIRE(ctmi_store_string(&store, text, length, &ids[i]) == CTM_OK);
            CHECK_EQ(ids[i], i + 1);
            places[i] = ctmi_store_string_row(&store, ids[i], NULL);
        }
        check_strings(&store, ids);
        struct ctmi_store copy;
        ctmi_store_init(&copy);
        REQUIRE(ctmi_store_copy(&copy, &store) == CTM_OK);
        check_strings(&copy, ids);
        ctmi_store_free_all(&copy);
        CHECK_EQ(ctmi_store_string_count(&store), STRINGS + 1);
        for (uint32_t i = 0; i < STRINGS; i++) {
            CHECK(places[i] == ctmi_store_string_row(&store, ids[i], NULL)); /* rows never move */
        }
        ctmi_store_clear(&store);
        CHECK_EQ(ctmi_store_string_count(&store), 1);
        CHECK(ctmi_store_bytes(&store) < 128 * 1024);
    }
    ctmi_store_free_all(&store);
    CHECK_EQ(ctmi_store_bytes(&store), 0);
}

static void test_long_strings(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    size_t sizes[] = {1, 16383, 16384, 3, 100000, 5, 5000000, 31, 1 << 20, (1 << 20) - 1};
    enum { N = sizeof sizes / sizeof *sizes };
    uint32_t ids[N];
    char *text = malloc(5000001);
    REQUIRE(text != NULL);
    for (int i = 0; i < N; i++) {
        memset(text, 'A' + i, sizes[i]);
        REQUIRE(ctmi_store_string(&store, text, sizes[i], &ids[i]) == CTM_OK);
    }
    for (int i = 0; i < N; i++) {
        size_t length;
        const char *got = ctmi_store_string_row(&store, ids[i], &length);
        memset(text, 'A' + i, sizes[i]);
        CHECK_EQ(length, sizes[i]);
        CHECK(memcmp(got, text, sizes[i]) == 0 && got[sizes[i]] == '\0');
    }
    uint32_t id;
    CHECK_EQ(ctmi_store_string(&store, text, UINT32_MAX, &id), CTM_ERR_LIMIT);
    free(text);
    ctmi_store_free_all(&store);
}

#define ROWS 200000u

/* One chain of tables, each row with a content that its index gives. */
static void fill_tables(struct ctmi_store *store)
{
    uint32_t name, id, function;
    REQUIRE(ctmi_store_string(store, "f.py", 4, &name) == CTM_OK);
    for (uint32_t i = 1; i <= ROWS; i++) {
        REQUIRE(ctmi_store_function(store, name, i % 2 ? name : 0, (int32_t)i - 5, &function) ==
                CTM_OK);
        CHECK_EQ(function, i);
        REQUIRE(ctmi_store_frame(store, function, (int32_t)(i * 3), &id) == CTM_OK);
        CHECK_EQ(id, i);
        REQUIRE(ctmi_store_traceback(store, i / 2, i, (int32_t)i, &id) == CTM_OK);
        CHECK_EQ(id, i);
        REQUIRE(ctmi_store_site(store, i % 3, i / 4, i % 100, 0, &id) == CTM_OK);
    }
}

static void check_tables(struct ctmi_store *store)
{
    uint32_t id;
    for (uint32_t i = 1; i <= ROWS; i++) {
        const ctm_function *function = ctmi_store_function_row(store, i);
        CHECK(function->filename == 1 && function->name == i % 2 &&
              function->first_lineno == (int32_t)i - 5);
        const ctm_frame *frame = ctmi_store_frame_row(store, i);
        CHECK(frame->function == i && frame->lineno == (int32_t)(i * 3));
        const struct ctmi_traceback_row *row = ctmi_store_traceback_row(store, i);
        CHECK(row->row.parent == i / 2 && row->row.frame == i &&
              row->row.total_nframe == (int32_t)i);
        uint32_t below = i / 2 ? ctmi_store_traceback_row(store, i / 2)->length : 0;
        CHECK_EQ(row->length, below + 1);
        CHECK(ctmi_store_function(store, 1, i % 2, (int32_t)i - 5, &id) == CTM_OK && id == i);
        CHECK(ctmi_store_frame(store, i, (int32_t)(i * 3), &id) == CTM_OK && id == i);
        CHECK(ctmi_store_traceback(store, i / 2, i, (int32_t)i, &id) == CTM_OK && id == i);
    }
}

static void check_sites(struct ctmi_store *store)
{
    uint32_t count = ctmi_store_site_count(store), id;
    for (uint32_t i = 1; i < count; i++) {
        struct ctmi_site_row *row = ctmi_store_site_row(store, i);
        CHECK_EQ((uintptr_t)row % 64, 0);
        CHECK(row->site.allocated == 0 && row->site.freed == 0 && ctmi_site_row_freed(row) == 0);
        CHECK(ctmi_store_site(store, row->site.domain, row->site.traceback, row->site.block_size,
                              row->site.labels, &id) == CTM_OK &&
              id == i);
    }
    for (uint32_t i = 1; i <= ROWS; i++) {
        REQUIRE(ctmi_store_site(store, i % 3, i / 4, i % 100, 0, &id) == CTM_OK);
        const ctm_site *site = &ctmi_store_site_row(store, id)->site;
        CHECK(site->domain == i % 3 && site->traceback == i / 4 && site->block_size == i % 100);
    }
    CHECK_EQ(ctmi_store_site_count(store), count);
}

static void check_copy(const struct ctmi_store *store)
{
    struct ctmi_store copy;
    ctmi_store_init(&copy);
    REQUIRE(ctmi_store_copy(&copy, store) == CTM_OK);
    CHECK_EQ(ctmi_store_site_count(&copy), ctmi_store_site_count(store));
    check_tables(&copy);
    check_sites(&copy);
    uint32_t id, other = 0; /* both go on by themselves */
    REQUIRE(ctmi_store_string(&copy, "new", 3, &id) == CTM_OK);
    CHECK_EQ(id, ctmi_store_string_count(store));
    CHECK_STR(ctmi_store_string_row(&copy, id, NULL), "new");
    CHECK(ctmi_store_string(&copy, "f.py", 4, &other) == CTM_OK && other == 1);
    ctmi_store_free_all(&copy);
}

static void test_tables(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    for (int round = 0; round < 2; round++) {
        fill_tables(&store);
        check_tables(&store);
        check_sites(&store);
        check_copy(&store);
        ctmi_store_clear(&store);
        CHECK_EQ(ctmi_store_frame_count(&store), 1);
    }
    ctmi_store_free_all(&store);
    CHECK_EQ(ctmi_store_bytes(&store), 0);
}

/* A row of `table` that refers to row 1 of the tables before its own; other fields have `number`. */
static union ctmi_content content_with(enum ctmi_table table, uint32_t number)
{
    union ctmi_content content;
    memset(&content, 0, sizeof content);
    for (const struct ctmi_field *field = ctmi_schemas[table].fields; field->size != 0; field++) {
        if (!ctmi_field_is_reference(field)) {
            ctmi_field_set(field, &content, number);
        } else if (field->table != table) {
            ctmi_field_set(field, &content, 1);
        }
    }
    return content;
}

static void check_bad_references(struct ctmi_store *store, enum ctmi_table table)
{
    for (const struct ctmi_field *field = ctmi_schemas[table].fields; field->size != 0; field++) {
        if (!ctmi_field_is_reference(field)) {
            continue;
        }
        union ctmi_content content = content_with(table, 7);
        const uint32_t count = store->rows[table].count;
        uint32_t id = 99;
        ctmi_field_set(field, &content, store->rows[field->table].count);
        CHECK_EQ(ctmi_store_content(store, table, &content, &id), CTM_ERR_INVALID);
        ctmi_field_set(field, &content, 0);
        if (field->holds == CTMI_HOLDS_SOME_ROW) {
            CHECK_EQ(ctmi_store_content(store, table, &content, &id), CTM_ERR_INVALID);
        }
        CHECK_EQ(id, 99);
        CHECK_EQ(store->rows[table].count, count);
    }
}

/* Any table's rows are interned by their contents alone. */
static void test_contents(void)
{
    struct ctmi_store store;
    uint32_t id, again;
    ctmi_store_init(&store);
    REQUIRE(ctmi_store_string(&store, "text", 4, &id) == CTM_OK);
    for (enum ctmi_table table = CTMI_TABLE_FUNCTIONS; table < CTMI_TABLE_SITES; table++) {
        const uint32_t most = table == CTMI_TABLE_LABELS ? 1 : 1000; /* a label has no number */
        for (uint32_t i = 1; i <= most; i++) {
            const union ctmi_content content = content_with(table, i);
            REQUIRE(ctmi_store_content(&store, table, &content, &id) == CTM_OK);
            CHECK_EQ(id, i);
            const void *row = ctmi_store_content_row(&store, table, id);
            CHECK(memcmp(row, &content, ctmi_schemas[table].content_size) == 0);
        }
        for (uint32_t i = 1; i <= most; i++) {
            const union ctmi_content content = content_with(table, i);
            REQUIRE(ctmi_store_content(&store, table, &content, &again) == CTM_OK);
            CHECK_EQ(again, i);
        }
        check_bad_references(&store, table);
    }
    REQUIRE(ctmi_store_function(&store, 1, 1, 500, &again) == CTM_OK);
    CHECK_EQ(again, 500); /* and the functions for one table find them */
    REQUIRE(ctmi_store_frame(&store, 1, 500, &again) == CTM_OK);
    CHECK_EQ(again, 500);
    const union ctmi_content none = {0};
    CHECK_EQ(ctmi_store_content(&store, CTMI_TABLE_STRINGS, &none, &id), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_content(&store, CTMI_TABLE_SITES, &none, &id), CTM_ERR_INVALID);
    ctmi_store_free_all(&store);
}

static void test_site_keys(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    uint32_t a, b, c;
    REQUIRE(ctmi_store_site(&store, 0, 0, 64, 0, &a) == CTM_OK);
    CHECK_EQ(ctmi_store_site(&store, 0, 0, 64, 1, &b), CTM_ERR_INVALID);
    REQUIRE(ctmi_store_string(&store, "key", 3, &c) == CTM_OK);
    REQUIRE(ctmi_store_label(&store, 0, c, c, &c) == CTM_OK);
    REQUIRE(ctmi_store_site(&store, 0, 0, 64, c, &b) == CTM_OK);
    CHECK(a != b);
    CHECK_EQ(ctmi_store_site_append(&store, 0, 0, 64, c + 1, &b), CTM_ERR_INVALID);
    REQUIRE(ctmi_store_site(&store, 0, 0, (uint64_t)64 << 32, 0, &c) == CTM_OK);
    CHECK(c != a && c != b);
    REQUIRE(ctmi_store_site_append(&store, 0, 0, 64, 0, &c) == CTM_OK);
    CHECK(c != a);
    REQUIRE(ctmi_store_site(&store, 0, 0, 64, 0, &c) == CTM_OK);
    CHECK_EQ(c, a);
    struct ctmi_site_row *row = ctmi_store_site_row(&store, a);
    row->site.freed = 3;
    atomic_fetch_add(&row->freed_remote, 4);
    CHECK_EQ(ctmi_site_row_freed(row), 7);
    struct ctmi_store copy;
    ctmi_store_init(&copy);
    REQUIRE(ctmi_store_copy(&copy, &store) == CTM_OK);
    CHECK_EQ(ctmi_store_site_row(&copy, a)->site.freed, 7);
    CHECK_EQ(ctmi_site_row_freed(ctmi_store_site_row(&copy, a)), 7);
    ctmi_store_free_all(&copy);
    ctmi_store_clear(&store);
    REQUIRE(ctmi_store_site(&store, 0, 0, 64, 0, &a) == CTM_OK);
    CHECK_EQ(ctmi_site_row_freed(ctmi_store_site_row(&store, a)), 0);
    ctmi_store_free_all(&store);
}

/* Rows that are not in the index have ids, too: the ids of those that are get more bits than the index has slots. */
static void test_ids_beyond_the_index(void)
{
    enum { FOUND = 200, BETWEEN = 40 };
    static uint32_t ids[FOUND];
    struct ctmi_store store, copy;
    ctmi_store_init(&store);
    for (uint32_t i = 0; i < FOUND; i++) {
        uint32_t id;
        for (int k = 0; k < BETWEEN; k++) {
            REQUIRE(ctmi_store_site_append(&store, 2, 0, i, 0, &id) == CTM_OK);
        }
        REQUIRE(ctmi_store_site(&store, 1, 0, i, 0, &ids[i]) == CTM_OK);
        CHECK_EQ(ids[i], (i + 1) * (BETWEEN + 1));
        CHECK_EQ(store.site_index.used, i + 1);
    }
    CHECK(store.site_index.mask < ids[FOUND - 1] && store.site_index.id_mask >= ids[FOUND - 1]);
    ctmi_store_init(&copy);
    REQUIRE(ctmi_store_copy(&copy, &store) == CTM_OK);
    for (uint32_t i = 0; i < FOUND; i++) {
        uint32_t id = 0;
        CHECK(ctmi_store_site(&store, 1, 0, i, 0, &id) == CTM_OK && id == ids[i]);
        CHECK(ctmi_store_site(&copy, 1, 0, i, 0, &id) == CTM_OK && id == ids[i]);
        CHECK(ctmi_store_site(&store, 1, 0, i + FOUND, 0, &id) == CTM_OK && id > ids[FOUND - 1]);
    }
    ctmi_store_free_all(&copy);
    ctmi_store_free_all(&store);
}

static uint32_t text(struct ctmi_store *store, const char *text)
{
    uint32_t id;
    REQUIRE(ctmi_store_string(store, text, strlen(text), &id) == CTM_OK);
    return id;
}

static uint32_t with_label(struct ctmi_store *store, uint32_t set, const char *key,
                           const char *value)
{
    uint32_t id;
    REQUIRE(ctmi_store_label(store, set, text(store, key), text(store, value), &id) == CTM_OK);
    return id;
}

/* The set as "key=value,..." from the greatest key down. */
static const char *label_text(const struct ctmi_store *store, uint32_t set)
{
    static char out[200];
    size_t at = 0;
    out[0] = '\0';
    for (; set != 0; set = ctmi_store_label_row(store, set)->row.parent) {
        const ctm_label *row = &ctmi_store_label_row(store, set)->row;
        CHECK(row->parent < set);
        at += (size_t)snprintf(out + at, sizeof out - at, "%s=%s,",
                               ctmi_store_string_row(store, row->key, NULL),
                               ctmi_store_string_row(store, row->value, NULL));
    }
    return out;
}

/* Whatever the order of the calls, equal sets are one row. */
static void test_labels(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    uint32_t set = with_label(&store, 0, "b", "1");
    set = with_label(&store, set, "c", "2");
    set = with_label(&store, set, "a", "3");
    CHECK_STR(label_text(&store, set), "c=2,b=1,a=3,");
    CHECK_EQ(ctmi_store_label_row(&store, set)->length, 3);
    uint32_t other = with_label(&store, with_label(&store, 0, "a", "3"), "c", "9");
    CHECK_STR(label_text(&store, other), "c=9,a=3,");
    other = with_label(&store, with_label(&store, other, "b", "1"), "c", "2");
    CHECK_EQ(other, set);
    CHECK_EQ(with_label(&store, set, "a", "3"), set);
    CHECK_STR(label_text(&store, with_label(&store, set, "a", "")), "c=2,b=1,a=,");
    /* Byte order: a prefix comes first, a high byte last. */
    set = with_label(&store, with_label(&store, with_label(&store, 0, "\xc3\xa9", "1"), "ab", "2"),
                     "a", "3");
    CHECK_STR(label_text(&store, set), "\xc3\xa9=1,ab=2,a=3,");
    struct ctmi_store copy;
    ctmi_store_init(&copy);
    REQUIRE(ctmi_store_copy(&copy, &store) == CTM_OK);
    CHECK_STR(label_text(&copy, set), "\xc3\xa9=1,ab=2,a=3,");
    CHECK_EQ(with_label(&copy, set, "a", "3"), set);
    ctmi_store_free_all(&copy);
    uint32_t key = text(&store, "key"), none = 77;
    CHECK_EQ(ctmi_store_label(&store, 0, 0, key, &none), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_label(&store, 0, key + 1, key, &none), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_label(&store, 0, key, key + 1, &none), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_label(&store, ctmi_store_label_count(&store), key, key, &none),
             CTM_ERR_INVALID);
    CHECK_EQ(none, 77);
    ctmi_store_clear(&store);
    CHECK_EQ(ctmi_store_label_count(&store), 1);
    CHECK_EQ(with_label(&store, 0, "a", "3"), 1);
    ctmi_store_free_all(&store);
}

static void test_most_labels(void)
{
    struct ctmi_store store;
    char key[20], long_key[CTM_MAX_LABEL_KEY + 2] = "";
    uint32_t set = 0, none = 77;
    ctmi_store_init(&store);
    for (unsigned i = CTM_MAX_LABELS; i > 0; i--) { /* each goes in front of all others */
        snprintf(key, sizeof key, "%05u", i);
        set = with_label(&store, set, key, "");
    }
    CHECK_EQ(ctmi_store_label_row(&store, set)->length, CTM_MAX_LABELS);
    CHECK_EQ(ctmi_store_label(&store, set, text(&store, "0"), 0, &none), CTM_ERR_INVALID);
    CHECK_EQ(ctmi_store_label(&store, set, text(&store, "9"), 0, &none), CTM_ERR_INVALID);
    memset(long_key, 'k', CTM_MAX_LABEL_KEY + 1);
    CHECK_EQ(ctmi_store_label(&store, 0, text(&store, long_key), 0, &none), CTM_ERR_INVALID);
    CHECK_EQ(none, 77);
    long_key[CTM_MAX_LABEL_KEY] = '\0';
    CHECK(with_label(&store, 0, long_key, "") > set);
    CHECK(with_label(&store, set, "00001", "new") != set);
    ctmi_store_free_all(&store);
}

static void test_limits(void)
{
    struct ctmi_store store;
    ctmi_store_init(&store);
    uint32_t name, function, frame, id = 0, last = 0;
    REQUIRE(ctmi_store_string(&store, "a", 1, &name) == CTM_OK);
    REQUIRE(ctmi_store_function(&store, name, 0, 0, &function) == CTM_OK);
    REQUIRE(ctmi_store_frame(&store, function, 1, &frame) == CTM_OK);
    for (uint32_t i = 1; i <= CTM_MAX_NFRAME; i++) {
        REQUIRE(ctmi_store_traceback(&store, id, frame, (int32_t)i, &id) == CTM_OK);
    }
    CHECK_EQ(ctmi_store_traceback_row(&store, id)->length, CTM_MAX_NFRAME);
    CHECK_EQ(ctmi_store_traceback(&store, id, frame, 65536, &last), CTM_ERR_INVALID);
    CHECK_EQ(last, 0);
    store.sites.limit = 3; /* a full table, without 2^28 rows */
    REQUIRE(ctmi_store_site(&store, 0, 0, 1, 0, &id) == CTM_OK);
    REQUIRE(ctmi_store_site(&store, 0, 0, 2, 0, &id) == CTM_OK);
    CHECK_EQ(ctmi_store_site(&store, 0, 0, 3, 0, &last), CTM_ERR_LIMIT);
    CHECK_EQ(ctmi_store_site_append(&store, 0, 0, 3, 0, &last), CTM_ERR_LIMIT);
    CHECK_EQ(ctmi_store_site(&store, 0, 0, 2, 0, &last), CTM_OK);
    CHECK_EQ(last, id);
    ctmi_store_free_all(&store);
}

static void test_memory(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    CHECK_EQ(ctmi_mem_pages(0), 0);
    CHECK_EQ(ctmi_mem_pages(1), page);
    CHECK_EQ(ctmi_mem_pages(page), page);
    char *memory = ctmi_mem_map(5000 * page);
    REQUIRE(memory != NULL);
    ctmi_mem_sparse(memory, 5000 * page);
    CHECK_EQ(ctmi_mem_resident(memory, 5000 * page), 0);
    memory[0] = memory[4999 * page] = memory[1024 * page] = 1;
    CHECK_EQ(ctmi_mem_resident(memory, 5000 * page), 3 * page);
    ctmi_mem_unmap(memory, 5000 * page);
    char *block = ctmi_mem_alloc(0);
    REQUIRE(block != NULL);
    block = ctmi_mem_realloc(block, 10);
    REQUIRE(block != NULL);
    ctmi_mem_free(block);
}

static void test_status(void)
{
    for (int status = CTM_OK; status <= CTM_ERR_NOT_FOUND; status++) {
        CHECK(strcmp(ctm_status_text((ctm_status)status), "unknown status") != 0);
        for (int other = CTM_OK; other < status; other++) {
            CHECK(strcmp(ctm_status_text((ctm_status)status), ctm_status_text((ctm_status)other)) !=
                  0);
        }
    }
    CHECK_STR(ctm_status_text((ctm_status)77), "unknown status");
}

TEST_LIST = {
    TEST(test_status),    TEST(test_memory),
    TEST(test_empty),     TEST(test_ids_that_do_not_exist),
    TEST(test_strings),   TEST(test_long_strings),
    TEST(test_tables),    TEST(test_contents),
    TEST(test_site_keys), TEST(test_ids_beyond_the_index),
    TEST(test_labels),    TEST(test_most_labels),
    TEST(test_limits),    TEST_LIST_END,
};
