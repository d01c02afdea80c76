/* test_statistics.c: statistics and differences against a naive model.
 *
 * Model: the naive side expands each run into a visit of every frame of every trace, keeps
 * groups in a list found by comparing strings, and sorts by comparing whole tracebacks: a
 * transcription of what stdlib's tracemalloc does.
 */
#include <time.h>

#include "base/weight.h"
#include "sample.h"
#include "snapshot/snapshot.h"

/* A run, and what is known besides its live blocks. */
struct told_run {
    struct sample_run run;
    uint64_t freed;   /* blocks more that were allocated, and freed */
    uint64_t at_peak; /* blocks that were live at the peak */
};

struct naive_amount {
    int64_t size[2], count[2]; /* of the newer and the older snapshot */
};

struct naive_group {
    struct sample_run where; /* depth and frames count; oldest frame last */
    struct naive_amount live, at_peak, allocated;
};

struct naive {
    struct naive_group groups[400];
    size_t n;
    ctm_key key;
    ctm_sort sort;
};

static int compare_text(const char *a, const char *b)
{
    int order = strcmp(a ? a : "", b ? b : "");
    return (order > 0) - (order < 0);
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_frames(const struct sample_frame *a, const struct sample_frame *b, ctm_key key)
{
    int order = compare_text(a->file, b->file);
    if (order != 0 || key == CTM_BY_FILENAME) {
        return order;
    }
    if (key != CTM_BY_FUNCTION) {
        return compare_numbers(a->lineno, b->lineno);
    }
    order = compare_text(a->name, b->name);
    return order != 0 ? order : compare_numbers(a->first_lineno, b->first_lineno);
}

static int compare_stacks(const struct sample_run *a, const struct sample_run *b, ctm_key key)
{
    for (uint32_t i = 0; i < a->depth && i < b->depth; i++) {
        int order = compare_frames(&a->frames[a->depth - 1 - i], &b->frames[b->depth - 1 - i], key);
        if (order != 0) {
            return order;
        }
    }
    return compare_numbers(a->depth, b->depth);
}

static void amount_add(struct naive_amount *amount, int side, uint64_t count, uint64_t size)
{
    amount->size[side] += (int64_t)(count * size);
    amount->count[side] += (int64_t)count;
}

static void naive_add(struct naive *naive, const struct sample_run *where, int side,
                      const struct told_run *told)
{
    size_t i = 0;
    while (i < naive->n && compare_stacks(&naive->groups[i].where, where, naive->key) != 0) {
        i++;
    }
    if (i == naive->n) {
        REQUIRE(naive->n < sizeof naive->groups / sizeof naive->groups[0]);
        memset(&naive->groups[naive->n], 0, sizeof naive->groups[0]);
        naive->groups[naive->n++].where = *where;
    }
    struct naive_group *group = &naive->groups[i];
    amount_add(&group->live, side, told->run.count, told->run.size);
    amount_add(&group->at_peak, side, told->at_peak, told->run.size);
    amount_add(&group->allocated, side, told->run.count + told->freed, told->run.size);
}

static void naive_run(struct naive *naive, const struct told_run *told, bool cumulative, int side)
{
    const struct sample_run *run = &told->run;
    struct sample_run where = *run;
    if (naive->key == CTM_BY_TRACEBACK) {
        naive_add(naive, run, side, told);
        return;
    }
    uint32_t frames = cumulative ? run->depth : run->depth > 0;
    where.depth = 1;
    for (uint32_t i = 0; i < frames; i++) {
        where.frames[0] = run->frames[i];
        naive_add(naive, &where, side, told);
    }
    if (run->depth == 0 && !cumulative) {
        where.depth = naive->key == CTM_BY_FILENAME; /* one group with the file "" */
        where.frames[0] = (struct sample_frame){"", NULL, 0, 0};
        naive_add(naive, &where, side, told);
    }
}

static struct naive *sorted; /* for naive_compare: qsort has no context */

/* By (size, count), each by its difference first, or the other way round. For a plain statistic the other
 * side is empty, and both key pairs agree in order. */
static int compare_amounts(const struct naive_amount *a, const struct naive_amount *b,
                           bool count_first)
{
    const int64_t keys[4][2] = {
        {llabs(a->size[0] - a->size[1]), llabs(b->size[0] - b->size[1])},
        {a->size[0], b->size[0]},
        {llabs(a->count[0] - a->count[1]), llabs(b->count[0] - b->count[1])},
        {a->count[0], b->count[0]},
    };
    for (int step = 0; step < 4; step++) {
        int i = count_first ? (step + 2) % 4 : step;
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] > keys[i][1] ? -1 : 1;
        }
    }
    return 0;
}

static int naive_compare(const void *left, const void *right)
{
    const struct naive_group *a = left, *b = right;
    int order = 0;
    switch (sorted->sort) {
    case CTM_SORT_SIZE: break;
    case CTM_SORT_COUNT: order = compare_amounts(&a->live, &b->live, true); break;
    case CTM_SORT_PEAK: order = compare_amounts(&a->at_peak, &b->at_peak, false); break;
    case CTM_SORT_ALLOCATED: order = compare_amounts(&a->allocated, &b->allocated, false); break;
    }
    if (order == 0) {
        order = compare_amounts(&a->live, &b->live, false);
    }
    return order != 0 ? order : -compare_stacks(&a->where, &b->where, sorted->key);
}

static bool any_blocks(const struct naive_amount *amount)
{
    return amount->count[0] > 0 || amount->count[1] > 0;
}

/* Groups that nobody asked for go. */
static void naive_sort(struct naive *naive)
{
    size_t kept = 0;
    for (size_t i = 0; i < naive->n; i++) {
        const struct naive_group *group = &naive->groups[i];
        if (any_blocks(&group->live) ||
            (naive->sort == CTM_SORT_PEAK && any_blocks(&group->at_peak)) ||
            (naive->sort == CTM_SORT_ALLOCATED && any_blocks(&group->allocated))) {
            naive->groups[kept++] = *group;
        }
    }
    naive->n = kept;
    sorted = naive;
    qsort(naive->groups, naive->n, sizeof naive->groups[0], naive_compare);
}

static void check_frame(const ctm_snapshot *tables, uint32_t function, int32_t lineno,
                        const struct sample_frame *expected, ctm_key key)
{
    const ctm_function *row = &ctm_snapshot_functions(tables)[function];
    CHECK_STR(ctm_snapshot_string(tables, row->filename, NULL), expected->file);
    if (key == CTM_BY_FUNCTION) {
        CHECK_STR(ctm_snapshot_string(tables, row->name, NULL),
                  expected->name ? expected->name : "");
        CHECK_EQ(row->first_lineno, expected->first_lineno);
    } else {
        CHECK_EQ(lineno, expected->lineno);
    }
}

static void check_id(const ctm_snapshot *tables, uint32_t id, const struct sample_run *expected,
                     ctm_key key)
{
    const ctm_frame *frames = ctm_snapshot_frames(tables);
    if (key == CTM_BY_FILENAME) {
        CHECK_STR(ctm_snapshot_string(tables, id, NULL), expected->frames[0].file);
    } else if (expected->depth == 0) {
        CHECK_EQ(id, 0);
    } else if (key == CTM_BY_LINENO) {
        check_frame(tables, frames[id].function, frames[id].lineno, &expected->frames[0], key);
    } else if (key == CTM_BY_FUNCTION) {
        check_frame(tables, id, 0, &expected->frames[0], key);
    } else {
        CHECK_EQ(ctm_snapshot_traceback_length(tables, id), expected->depth);
        for (uint32_t i = 0; i < expected->depth; i++) {
            const ctm_traceback *row = &ctm_snapshot_tracebacks(tables)[id];
            const ctm_frame *frame = &frames[row->frame];
            check_frame(tables, frame->function, frame->lineno, &expected->frames[i], key);
            id = row->parent;
        }
    }
}

static void check_amount(const struct naive_amount *expected, bool diff, uint64_t size,
                         uint64_t count, int64_t size_diff, int64_t count_diff)
{
    CHECK_EQ(size, expected->size[0]);
    CHECK_EQ(count, expected->count[0]);
    CHECK_EQ(size_diff, diff ? expected->size[0] - expected->size[1] : 0);
    CHECK_EQ(count_diff, diff ? expected->count[0] - expected->count[1] : 0);
}

static void check_row(const ctm_statistic *row, const struct naive_group *group, bool diff)
{
    check_amount(&group->live, diff, row->size, row->count, row->size_diff, row->count_diff);
    check_amount(&group->allocated, diff, row->allocated_size, row->allocated_count,
                 row->allocated_size_diff, row->allocated_count_diff);
    check_amount(&group->at_peak, diff, row->peak_size, row->peak_count, row->peak_size_diff,
                 row->peak_count_diff);
    CHECK_EQ(row->in_new, group->live.count[0] > 0);
    CHECK(row->churn_known && row->peak_known && !row->estimated);
}

static void check_answer(const ctm_statistics *statistics, struct naive *naive, bool diff)
{
    const ctm_statistic *rows = ctm_statistics_rows(statistics);
    ctm_snapshot *tables = ctm_statistics_snapshot(statistics);
    naive_sort(naive);
    if (!CHECK_EQ(ctm_statistics_length(statistics), naive->n)) {
        return;
    }
    for (size_t i = 0; i < naive->n; i++) {
        const struct naive_group *group = &naive->groups[i];
        check_row(&rows[i], group, diff);
        check_id(tables, rows[i].id, &group->where, naive->key);
    }
}

#define RUNS 60

static struct told_run random_run(uint64_t *state)
{
    struct told_run told = {.run = sample_random_run(state), .freed = check_random(state) % 3 * 5};
    if (check_random(state) % 2) {
        told.at_peak = check_random(state) % (told.run.count + told.freed + 1);
    }
    return told;
}

static ctm_snapshot *told_snapshot(const struct told_run *runs, size_t n, bool merge)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_builder_set_peak_known(builder, true);
    for (size_t i = 0; i < n; i++) {
        const struct told_run *told = &runs[i];
        const ctm_site site = {.block_size = told->run.size,
                               .allocated = told->run.count + told->freed,
                               .freed = told->freed,
                               .at_peak = told->at_peak,
                               .domain = told->run.domain,
                               .traceback = sample_traceback(builder, &told->run)};
        REQUIRE(ctm_builder_site(builder, &site, merge) == CTM_OK);
    }
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

static void check_random_pair(uint64_t *state, ctm_key key, bool cumulative, ctm_sort sort)
{
    static struct naive naive;
    struct told_run newer[RUNS], older[RUNS];
    size_t n = check_random(state) % RUNS, m = check_random(state) % RUNS;
    for (size_t i = 0; i < n; i++) {
        newer[i] = random_run(state);
    }
    /* Sometimes the older one is a beginning of the newer, so that their tables are shared. */
    bool shared = check_random(state) % 2;
    for (size_t i = 0; i < m; i++) {
        older[i] = shared && i < n ? newer[i] : random_run(state);
    }
    ctm_snapshot *a = told_snapshot(newer, n, check_random(state) % 2);
    ctm_snapshot *b = told_snapshot(older, m, check_random(state) % 2);
    ctm_statistics *statistics;
    naive.n = 0;
    naive.key = key;
    naive.sort = sort;
    for (size_t i = 0; i < n; i++) {
        naive_run(&naive, &newer[i], cumulative, 0);
    }
    REQUIRE(ctm_snapshot_statistics_sorted(a, key, cumulative, sort, &statistics) == CTM_OK);
    check_answer(statistics, &naive, false);
    ctm_statistics_free(statistics);
    naive.n = 0;
    for (size_t i = 0; i < n; i++) {
        naive_run(&naive, &newer[i], cumulative, 0);
    }
    for (size_t i = 0; i < m; i++) {
        naive_run(&naive, &older[i], cumulative, 1);
    }
    REQUIRE(ctm_snapshot_compare_sorted(a, b, key, cumulative, sort, &statistics) == CTM_OK);
    ctm_snapshot_unref(a); /* the result keeps what it needs */
    ctm_snapshot_unref(b);
    check_answer(statistics, &naive, true);
    ctm_statistics_free(statistics);
}

static void test_random(void)
{
    static const struct {
        ctm_key key;
        bool cumulative;
    } questions[] = {
        {CTM_BY_TRACEBACK, false}, {CTM_BY_FILENAME, false}, {CTM_BY_FILENAME, true},
        {CTM_BY_LINENO, false},    {CTM_BY_LINENO, true},    {CTM_BY_FUNCTION, false},
        {CTM_BY_FUNCTION, true},
    };
    uint64_t state = 20;
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
            for (int sort = CTM_SORT_SIZE; sort <= CTM_SORT_ALLOCATED; sort++) {
                check_random_pair(&state, questions[i].key, questions[i].cumulative,
                                  (ctm_sort)sort);
            }
        }
    }
}

/* The snapshots of CPython's own test, and the answers it expects. */
static void test_known(void)
{
    const struct sample_run first[] = {
        {0, 10, 3, 2, 2, {{"a.py", NULL, 0, 2}, {"b.py", NULL, 0, 4}}},
        {1, 2, 1, 2, 2, {{"a.py", NULL, 0, 5}, {"b.py", NULL, 0, 4}}},
        {2, 66, 1, 1, 1, {{"b.py", NULL, 0, 1}}},
        {3, 7, 1, 1, 1, {{"<unknown>", NULL, 0, 0}}},
    };
    const struct sample_run second[] = {
        {0, 10, 3, 2, 2, {{"a.py", NULL, 0, 2}, {"b.py", NULL, 0, 4}}},
        {2, 2, 1, 2, 2, {{"a.py", NULL, 0, 5}, {"b.py", NULL, 0, 4}}},
        {2, 5000, 1, 2, 2, {{"a.py", NULL, 0, 5}, {"b.py", NULL, 0, 4}}},
        {4, 400, 1, 1, 1, {{"c.py", NULL, 0, 578}}},
    };
    static const struct {
        const char *file;
        int32_t line;
        int64_t size, size_diff, count, count_diff;
    } expected[] = {
        {"a.py", 5, 5002, 5000, 2, 1},  {"c.py", 578, 400, 400, 1, 1}, {"b.py", 1, 0, -66, 0, -1},
        {"<unknown>", 0, 0, -7, 0, -1}, {"a.py", 2, 30, 0, 3, 0},
    };
    ctm_snapshot *older = sample_snapshot(first, 4, false);
    ctm_snapshot *newer = sample_snapshot(second, 4, true);
    ctm_statistics *diff;
    REQUIRE(ctm_snapshot_compare(newer, older, CTM_BY_LINENO, false, &diff) == CTM_OK);
    const ctm_statistic *rows = ctm_statistics_rows(diff);
    const ctm_snapshot *tables = ctm_statistics_snapshot(diff);
    REQUIRE(ctm_statistics_length(diff) == 5);
    for (int i = 0; i < 5; i++) {
        const ctm_frame *frame = &ctm_snapshot_frames(tables)[rows[i].id];
        uint32_t file = ctm_snapshot_functions(tables)[frame->function].filename;
        CHECK_STR(ctm_snapshot_string(tables, file, NULL), expected[i].file);
        CHECK_EQ(frame->lineno, expected[i].line);
        CHECK_EQ(rows[i].size, expected[i].size);
        CHECK_EQ(rows[i].size_diff, expected[i].size_diff);
        CHECK_EQ(rows[i].count, expected[i].count);
        CHECK_EQ(rows[i].count_diff, expected[i].count_diff);
    }
    ctm_statistics_free(diff);
    ctm_snapshot_unref(older);
    ctm_snapshot_unref(newer);
}

/* A frame that stands three times in a traceback counts three times. */
static void test_recursion(void)
{
    const struct sample_run run = {
        0, 8, 5,
        4, 4, {{"r.py", "f", 1, 3}, {"r.py", "f", 1, 3}, {"r.py", "f", 1, 3}, {"m.py", "m", 1, 1}}};
    ctm_snapshot *snapshot = sample_snapshot(&run, 1, true);
    ctm_statistics *statistics;
    REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, true, &statistics) == CTM_OK);
    REQUIRE(ctm_statistics_length(statistics) == 2);
    CHECK_EQ(ctm_statistics_rows(statistics)[0].count, 15);
    CHECK_EQ(ctm_statistics_rows(statistics)[0].size, 120);
    CHECK_EQ(ctm_statistics_rows(statistics)[1].count, 5);
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(snapshot);
}

static void test_errors(void)
{
    const struct sample_run huge = {0, INT64_MAX, 1,
                                    2, 2,         {{"r.py", "f", 1, 3}, {"r.py", "f", 1, 3}}};
    ctm_snapshot *snapshot = sample_snapshot(&huge, 1, true);
    ctm_statistics *none = NULL;
    CHECK_EQ(ctm_snapshot_statistics(snapshot, CTM_BY_TRACEBACK, true, &none), CTM_ERR_INVALID);
    CHECK_EQ(ctm_snapshot_statistics(snapshot, (ctm_key)4, false, &none), CTM_ERR_INVALID);
    CHECK_EQ(ctm_snapshot_compare(snapshot, snapshot, CTM_BY_TRACEBACK, true, &none),
             CTM_ERR_INVALID);
    CHECK_EQ(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, true, &none), CTM_ERR_LIMIT);
    CHECK(none == NULL);
    ctm_statistics_free(NULL);
    ctm_snapshot_unref(snapshot);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint32_t random_frame(ctm_builder *builder, uint64_t *state)
{
    char file[80];
    uint32_t function, frame;
    snprintf(file, sizeof file, "/usr/lib/python3.13/site-packages/package/module_%u.py",
             (unsigned)(check_random(state) % 300));
    REQUIRE(ctm_builder_function(builder, sample_string(builder, file), 0, 0, &function) == CTM_OK);
    REQUIRE(ctm_builder_frame(builder, function, (int32_t)(check_random(state) % 15), &frame) ==
            CTM_OK);
    return frame;
}

/* 10,000 sites on 10,000 tracebacks over 4,500 lines, as a program of some size has them. The
 * blocks, many millions, do not matter. */
static ctm_snapshot *large_snapshot(uint64_t seed)
{
    enum { SITES = 10000 };
    static uint32_t tracebacks[SITES + 1], depths[SITES + 1];
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    uint64_t state = seed;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (uint32_t i = 1; i <= SITES; i++) {
        uint32_t parent = (uint32_t)(check_random(&state) % i);
        depths[i] = depths[parent] + 1;
        REQUIRE(ctm_builder_traceback(builder, tracebacks[parent], random_frame(builder, &state),
                                      (int32_t)depths[i], &tracebacks[i]) == CTM_OK);
        const ctm_site site = {
            .block_size = 64 + i % 5, .allocated = 1000 + i % 7, .traceback = tracebacks[i]};
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

static void test_speed(void)
{
    static const char *const names[] = {"traceback", "filename", "lineno", "function"};
    ctm_snapshot *a = large_snapshot(1), *b = large_snapshot(2);
    for (int key = CTM_BY_TRACEBACK; key <= CTM_BY_FUNCTION; key++) {
        ctm_statistics *one, *two, *three;
        double start = seconds();
        REQUIRE(ctm_snapshot_statistics(a, (ctm_key)key, key != 0, &one) == CTM_OK);
        double middle = seconds();
        REQUIRE(ctm_snapshot_compare(a, a, (ctm_key)key, false, &two) == CTM_OK);
        double shared = seconds();
        REQUIRE(ctm_snapshot_compare(a, b, (ctm_key)key, false, &three) == CTM_OK);
        double end = seconds();
        printf("10,000 sites by %s: statistics %.2f ms, diff %.2f ms, of foreign tables %.2f ms\n",
               names[key], (middle - start) * 1e3, (shared - middle) * 1e3, (end - shared) * 1e3);
        /* Far above what it takes, so that a loaded machine does not fail. */
        CHECK(middle - start < 1.0 && shared - middle < 1.0 && end - shared < 1.0);
        CHECK(ctm_statistics_length(one) >= 300 || key == CTM_BY_FUNCTION);
        ctm_statistics_free(one);
        ctm_statistics_free(two);
        ctm_statistics_free(three);
    }
    ctm_snapshot_unref(a);
    ctm_snapshot_unref(b);
}

/* --- samples --- */

enum { LINES = 3000, LINE_SIZE = 9000, LINE_INTERVAL = 8192 }; /* a recorded block is 1.5 blocks */

/* LINES lines, each with one live block in a sample, in two files by turns. */
static ctm_snapshot *sampled_lines(void)
{
    static const char *const names[] = {"a.py", "b.py"};
    ctm_builder *builder;
    uint32_t functions[2], frame;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(ctm_builder_function(builder, sample_string(builder, names[i]), 0, 0,
                                     &functions[i]) == CTM_OK);
    }
    for (int line = 1; line <= LINES; line++) {
        ctm_site site = {.block_size = LINE_SIZE, .allocated = 2, .freed = 1, .at_peak = 1};
        REQUIRE(ctm_builder_frame(builder, functions[line % 2], line, &frame) == CTM_OK);
        REQUIRE(ctm_builder_traceback(builder, 0, frame, 1, &site.traceback) == CTM_OK);
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    ctm_builder_set_peak_known(builder, true);
    ctm_snapshot *snapshot = sample_finish(builder);
    snapshot->info.sample_interval = LINE_INTERVAL;
    return snapshot;
}

static void check_near(uint64_t number, double exact, double most)
{
    const double distance = (double)number - exact;
    CHECK(distance >= -most && distance <= most);
}

/* The estimates of many sites are rounded without a bias, whatever else is between them. */
static void test_sampled_sums(void)
{
    ctm_snapshot *snapshot = sampled_lines();
    ctm_statistics *files, *lines;
    const double blocks = ctmi_weight(LINE_SIZE, LINE_INTERVAL) * LINES / 2; /* of a file */
    REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_FILENAME, false, &files) == CTM_OK);
    REQUIRE(ctm_statistics_length(files) == 2);
    for (int i = 0; i < 2; i++) {
        const ctm_statistic *row = &ctm_statistics_rows(files)[i];
        check_near(row->count, blocks, 4);
        check_near(row->peak_count, blocks, 4);
        check_near(row->allocated_count, 2 * blocks, 4);
        check_near(row->size, blocks * LINE_SIZE, 4);
    }
    REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, false, &lines) == CTM_OK);
    REQUIRE(ctm_statistics_length(lines) == LINES);
    for (int i = 0; i < LINES; i++) {
        const ctm_statistic *row = &ctm_statistics_rows(lines)[i];
        CHECK(row->count == 1 || row->count == 2);
        CHECK(row->count <= row->allocated_count);
    }
    ctm_statistics_free(files);
    ctm_statistics_free(lines);
    ctm_snapshot_unref(snapshot);
}

TEST_LIST = {
    TEST(test_known), TEST(test_recursion),    TEST(test_errors), TEST(test_random),
    TEST(test_speed), TEST(test_sampled_sums), TEST_LIST_END,
};
