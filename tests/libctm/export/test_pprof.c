/* test_pprof.c: the pieces of a profile, decoded as protobuf's specification says, against the tree that they are made of. */
#include "faults.h"
#include "sample.h"

enum { RUNS = 30, MOST_STRINGS = 4096, CALLERS_STRINGS = 7, NO_NAME = 3, MAPPING = 1 };

static ctm_tree *random_tree(uint64_t seed)
{
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (int i = 0; i < RUNS; i++) {
        const struct sample_run run = sample_random_run(&seed);
        sample_add(builder, &run, true);
    }
    ctm_snapshot *snapshot = sample_finish(builder);
    ctm_tree *tree;
    REQUIRE(ctm_snapshot_tree(snapshot, &tree) == CTM_OK);
    ctm_snapshot_unref(snapshot);
    return tree;
}

/* --- a decoder --- */

struct bytes {
    const unsigned char *at, *end;
};

static uint64_t varint(struct bytes *from)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        REQUIRE(from->at < from->end && shift < 64);
        value |= (uint64_t)(*from->at & 127) << shift;
        if (*from->at++ < 128) {
            return value;
        }
    }
}

/* The number of the next field; its value is *number, or its bytes are *content. 0: there is none. */
static unsigned field(struct bytes *from, uint64_t *number, struct bytes *content)
{
    if (from->at == from->end) {
        return 0;
    }
    const uint64_t key = varint(from);
    *number = varint(from);
    if ((key & 7) == 2) {
        REQUIRE(*number <= (uint64_t)(from->end - from->at));
        *content = (struct bytes){from->at, from->at + *number};
        from->at += *number;
    } else {
        REQUIRE((key & 7) == 0);
    }
    return (unsigned)(key >> 3);
}

/* --- what is expected --- */

struct expected {
    ctm_tree_view view;
    ctm_pprof_options options;
    ctm_snapshot *tables;
    uint32_t node; /* the next one with a value */
    bool frames[1024], functions[1024];
    uint32_t string_of[MOST_STRINGS]; /* of the tree, by its id in the message less the caller's */
    uint32_t strings, texts;
};

static bool has_value(const struct expected *expected, uint32_t node)
{
    bool any = false;
    for (uint32_t i = 0; i < expected->options.n_values; i++) {
        any |= expected->options.values[i][node] != 0;
    }
    return any;
}

static void check_sample(struct expected *expected, struct bytes sample)
{
    uint64_t number;
    struct bytes content;
    const ctm_tree_view *view = &expected->view;
    while (!has_value(expected, expected->node)) {
        expected->node++;
        REQUIRE(expected->node < view->nodes);
    }
    CHECK_EQ(field(&sample, &number, &content), 1);
    for (uint32_t up = expected->node;;) {
        CHECK_EQ(varint(&content), view->frame[up] + 1);
        expected->frames[view->frame[up]] = true;
        up = view->parent[up];
        if (up == 0) {
            break;
        }
    }
    CHECK(content.at == content.end);
    CHECK_EQ(field(&sample, &number, &content), 2);
    for (uint32_t i = 0; i < expected->options.n_values; i++) {
        CHECK_EQ((int64_t)varint(&content), expected->options.values[i][expected->node]);
    }
    CHECK(content.at == content.end && sample.at == sample.end);
    expected->node++;
}

static void check_location(struct expected *expected, struct bytes location)
{
    uint64_t number;
    struct bytes line;
    REQUIRE(field(&location, &number, &line) == 1 && number >= 1 &&
            number <= expected->view.frames);
    const uint32_t frame = (uint32_t)number - 1;
    CHECK(expected->frames[frame]);
    expected->frames[frame] = false;
    CHECK(field(&location, &number, &line) == 2 && number == MAPPING);
    CHECK_EQ(field(&location, &number, &line), 4);
    CHECK_EQ(field(&line, &number, &location), 1);
    CHECK_EQ(number, expected->view.frame_function[frame] + 1);
    expected->functions[number - 1] = true;
    const unsigned has_line = field(&line, &number, &location);
    CHECK_EQ(has_line == 2 ? (int64_t)number : 0, expected->view.frame_lineno[frame]);
}

static void check_name(struct expected *expected, uint64_t id, uint32_t string)
{
    if (string == 0) {
        CHECK_EQ(id, NO_NAME);
        return;
    }
    REQUIRE(id >= CALLERS_STRINGS && id - CALLERS_STRINGS <= expected->strings &&
            id < MOST_STRINGS);
    if (id - CALLERS_STRINGS == expected->strings) {
        expected->string_of[expected->strings++] = string;
    }
    CHECK_EQ(expected->string_of[id - CALLERS_STRINGS], string);
}

static void check_function(struct expected *expected, struct bytes function)
{
    uint64_t number;
    struct bytes none;
    REQUIRE(field(&function, &number, &none) == 1 && number >= 1 &&
            number <= expected->view.functions);
    const uint32_t id = (uint32_t)number - 1;
    CHECK(expected->functions[id]);
    expected->functions[id] = false;
    CHECK_EQ(field(&function, &number, &none), 2);
    check_name(expected, number, expected->view.function_name[id]);
    CHECK_EQ(field(&function, &number, &none), 4);
    check_name(expected, number, expected->view.function_filename[id]);
    const unsigned has_line = field(&function, &number, &none);
    CHECK_EQ(has_line == 5 ? (int64_t)number : 0, expected->view.function_first_lineno[id]);
}

static void check_text(struct expected *expected, struct bytes text)
{
    size_t length;
    REQUIRE(expected->texts < expected->strings);
    const char *is =
        ctm_snapshot_string(expected->tables, expected->string_of[expected->texts++], &length);
    if (strcmp(is, "\xed\xb2\x80.py") == 0) { /* the one surrogate of the samples */
        is = "\\udc80.py";
        length = strlen(is);
    }
    CHECK(length == (size_t)(text.end - text.at) && memcmp(is, text.at, length) == 0);
}

static void check_fields(struct expected *expected, struct bytes piece)
{
    uint64_t number;
    struct bytes content;
    for (unsigned kind; (kind = field(&piece, &number, &content)) != 0;) {
        switch (kind) {
        case 2: check_sample(expected, content); break;
        case 4: check_location(expected, content); break;
        case 5: check_function(expected, content); break;
        case 6: check_text(expected, content); break;
        default: CHECK(false);
        }
    }
}

static void check_end(const struct expected *expected)
{
    for (uint32_t node = expected->node; node < expected->view.nodes; node++) {
        CHECK(!has_value(expected, node));
    }
    for (uint32_t i = 0; i < 1024; i++) {
        CHECK(!expected->frames[i] && !expected->functions[i]);
    }
    CHECK_EQ(expected->texts, expected->strings);
}

/* --- tests --- */

static struct expected expected_of(ctm_tree *tree)
{
    struct expected expected = {.tables = ctm_tree_tables(tree)};
    ctm_tree_view_get(tree, &expected.view);
    REQUIRE(expected.view.frames <= 1024 && expected.view.functions <= 1024);
    expected.options = (ctm_pprof_options){.strings = CALLERS_STRINGS,
                                           .mapping = MAPPING,
                                           .no_name = NO_NAME,
                                           .n_values = CTM_FIGURES};
    for (uint32_t i = 0; i < CTM_FIGURES; i++) {
        expected.options.values[i] = expected.view.own[i];
    }
    return expected;
}

/* Pieces until the end; those that have no memory are asked for again. */
static void check_pieces(ctm_pprof *pprof, struct expected *expected)
{
    const unsigned char *bytes;
    size_t size;
    for (;;) {
        ctm_status status = ctm_pprof_next(pprof, &bytes, &size);
        if (status == CTM_ERR_NOMEM) {
            status = ctm_pprof_next(pprof, &bytes, &size);
        }
        REQUIRE(status == CTM_OK);
        if (size == 0) {
            break;
        }
        check_fields(expected, (struct bytes){bytes, bytes + size});
    }
    check_end(expected);
}

static void check_tree(ctm_tree *tree)
{
    struct expected expected = expected_of(tree);
    ctm_pprof *pprof;
    REQUIRE(ctm_pprof_new(tree, &expected.options, &pprof) == CTM_OK);
    check_pieces(pprof, &expected);
    ctm_pprof_free(pprof);
}

static void test_random_trees(void)
{
    for (uint64_t seed = 1; seed < 60; seed++) {
        ctm_tree *tree = random_tree(seed);
        check_tree(tree);
        ctm_tree_unref(tree);
    }
}

static void test_differences(void)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        ctm_tree *one = random_tree(seed), *other = random_tree(seed + 1000), *both;
        REQUIRE(ctm_snapshot_tree_diff(ctm_tree_tables(one), ctm_tree_tables(other), &both) ==
                CTM_OK);
        check_tree(both);
        ctm_tree_unref(both);
        ctm_tree_unref(one);
        ctm_tree_unref(other);
    }
}

/* One traceback that is larger than a piece: recursion with the whole stack. */
static void test_deep_stack(void)
{
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    const uint32_t file = sample_string(builder, "deep.py");
    uint32_t function, traceback = 0;
    REQUIRE(ctm_builder_function(builder, file, 0, 1, &function) == CTM_OK);
    for (int32_t depth = 1; depth <= 60000; depth++) {
        uint32_t frame;
        REQUIRE(ctm_builder_frame(builder, function, depth % 300, &frame) == CTM_OK);
        REQUIRE(ctm_builder_traceback(builder, traceback, frame, depth, &traceback) == CTM_OK);
        const ctm_site site = {
            .block_size = 8, .allocated = depth % 20000 == 0, .traceback = traceback};
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    ctm_snapshot *snapshot = sample_finish(builder);
    ctm_tree *tree;
    REQUIRE(ctm_snapshot_tree(snapshot, &tree) == CTM_OK);
    check_tree(tree);
    ctm_tree_unref(tree);
    ctm_snapshot_unref(snapshot);
}

static void test_no_memory(void)
{
    ctm_tree *tree = random_tree(5);
    ctm_status status = CTM_ERR_NOMEM;
    for (long at = 1; status == CTM_ERR_NOMEM; at++) {
        struct expected expected = expected_of(tree);
        ctm_pprof *pprof;
        atomic_store(&fault_at, at);
        status = ctm_pprof_new(tree, &expected.options, &pprof);
        REQUIRE(status == CTM_OK || status == CTM_ERR_NOMEM);
        if (status == CTM_OK) {
            check_pieces(pprof, &expected);
            ctm_pprof_free(pprof);
        }
        CHECK(at < 10);
    }
    atomic_store(&fault_at, 0);
    ctm_tree_unref(tree);
}

static void test_too_many_values(void)
{
    ctm_tree *tree = random_tree(1);
    const ctm_pprof_options options = {.n_values = CTM_PPROF_VALUES + 1};
    ctm_pprof *pprof;
    CHECK_EQ(ctm_pprof_new(tree, &options, &pprof), CTM_ERR_INVALID);
    ctm_pprof_free(NULL);
    ctm_tree_unref(tree);
}

TEST_LIST = {
    TEST(test_random_trees), TEST(test_differences),     TEST(test_deep_stack),
    TEST(test_no_memory),    TEST(test_too_many_values), TEST_LIST_END,
};
