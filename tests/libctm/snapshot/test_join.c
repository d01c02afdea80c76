/* test_join.c: two snapshots' tracebacks under common ids: each means what it meant before. */
#include "sample.h"

#include "faults.h"
#include "snapshot/join.h"

enum { RUNS = 40 };

/* The first `n` of RUNS random runs, the same for a seed; backwards: in the reverse order. */
static ctm_snapshot *some_snapshot(uint64_t seed, size_t n, bool backwards)
{
    struct sample_run runs[RUNS], part[RUNS];
    for (int i = 0; i < RUNS; i++) {
        runs[i] = sample_random_run(&seed);
    }
    for (size_t i = 0; i < n; i++) {
        part[i] = runs[backwards ? n - 1 - i : i];
    }
    return sample_snapshot(part, n, false);
}

static void check_frame(const ctm_snapshot *a, uint32_t one, const ctm_snapshot *b, uint32_t other)
{
    const ctm_function *f = &a->functions[a->frames[one].function];
    const ctm_function *g = &b->functions[b->frames[other].function];
    CHECK_EQ(a->frames[one].lineno, b->frames[other].lineno);
    CHECK_EQ(f->first_lineno, g->first_lineno);
    CHECK_STR(ctm_snapshot_string(a, f->filename, NULL), ctm_snapshot_string(b, g->filename, NULL));
    CHECK_STR(ctm_snapshot_string(a, f->name, NULL), ctm_snapshot_string(b, g->name, NULL));
    CHECK_EQ(f->name == 0, g->name == 0); /* not known is not "" */
}

/* Each traceback of `snapshot` is the one that map (NULL: as it is) gives in `tables`, frame by frame. */
static void check_map(const ctm_snapshot *snapshot, const uint32_t *map, const ctm_snapshot *tables)
{
    for (uint32_t id = 0; id <= snapshot->info.tracebacks; id++) {
        uint32_t old = id, fresh = map != NULL ? map[id] : id;
        REQUIRE(fresh <= tables->info.tracebacks);
        while (old != 0 && fresh != 0) {
            const ctm_traceback *one = &snapshot->tracebacks[old];
            const ctm_traceback *other = &tables->tracebacks[fresh];
            CHECK_EQ(one->total_nframe, other->total_nframe);
            check_frame(snapshot, one->frame, tables, other->frame);
            old = one->parent;
            fresh = other->parent;
        }
        CHECK(old == 0 && fresh == 0);
    }
}

static void check_join(ctm_snapshot *first, ctm_snapshot *second, const ctm_snapshot *expected)
{
    struct ctmi_join join;
    REQUIRE(ctmi_join_new(first, second, &join) == CTM_OK);
    if (expected != NULL) { /* the longer tables serve both */
        CHECK(join.tables == expected);
        CHECK(join.first == NULL && join.second == NULL && join.traceback_map == NULL);
    } else {
        CHECK(join.tables != first && join.tables != second);
        REQUIRE(join.first != NULL && join.second != NULL);
        CHECK_EQ(join.first[0], 0);
        CHECK_EQ(join.second[0], 0);
    }
    check_map(first, join.first, join.tables);
    check_map(second, join.second, join.tables);
    CHECK_EQ(join.tables->info.sites == 0, expected == NULL);
    ctmi_join_free(&join);
}

static void test_of_one_run(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        ctm_snapshot *early = some_snapshot(seed, RUNS / 4, false);
        ctm_snapshot *late = some_snapshot(seed, RUNS, false);
        check_join(early, late, late);
        check_join(late, early, late);
        check_join(late, late, late);
        ctm_snapshot_unref(early);
        ctm_snapshot_unref(late);
    }
}

static void test_of_two_runs(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        ctm_snapshot *one = some_snapshot(seed, RUNS, false);
        ctm_snapshot *backwards = some_snapshot(seed, RUNS, true);
        ctm_snapshot *other = some_snapshot(seed + 100, RUNS / 2, false);
        check_join(one, backwards, NULL);
        check_join(one, other, NULL);
        check_join(other, backwards, NULL);
        ctm_snapshot_unref(one);
        ctm_snapshot_unref(backwards);
        ctm_snapshot_unref(other);
    }
}

/* The same tracebacks in another order get the same common ids. */
static void test_equal_content_has_one_id(void)
{
    ctm_snapshot *one = some_snapshot(7, RUNS, false), *backwards = some_snapshot(7, RUNS, true);
    struct ctmi_join join;
    REQUIRE(ctmi_join_new(one, backwards, &join) == CTM_OK);
    CHECK_EQ(join.tables->info.tracebacks, one->info.tracebacks);
    CHECK_EQ(join.tables->info.strings, one->info.strings);
    for (uint32_t site = 1; site <= one->info.sites; site++) {
        const uint32_t other = one->info.sites + 1 - site;
        CHECK_EQ(join.first[ctm_snapshot_sites(one)[site].traceback],
                 join.second[ctm_snapshot_sites(backwards)[other].traceback]);
    }
    ctmi_join_free(&join);
    ctm_snapshot_unref(one);
    ctm_snapshot_unref(backwards);
}

/* One string more in the middle, one line number off: no table begins with the other's. */
static void test_one_row_differs(void)
{
    static const struct sample_run one[] = {{0, 1, 1, 1, 1, {{"a.py", "f", 1, 2}}},
                                            {0, 2, 1, 1, 1, {{"b.py", "g", 1, 3}}}};
    static const struct sample_run others[][2] = {
        {{0, 1, 1, 1, 1, {{"a.py", "f", 1, 2}}}, {0, 2, 1, 1, 1, {{"b.py", "g", 1, 4}}}},
        {{0, 1, 1, 1, 1, {{"a.py", "f", 1, 2}}}, {0, 2, 1, 1, 1, {{"b.py", "g", 9, 3}}}},
        {{0, 1, 1, 1, 1, {{"a.py", "f", 1, 2}}}, {0, 2, 1, 1, 1, {{"b.py", "h", 1, 3}}}},
        {{0, 1, 1, 1, 1, {{"a.py", "f", 1, 2}}}, {0, 2, 1, 1, 2, {{"b.py", "g", 1, 3}}}},
        {{0, 1, 1, 1, 1, {{"A.py", "f", 1, 2}}}, {0, 2, 1, 1, 1, {{"b.py", "g", 1, 3}}}},
    };
    ctm_snapshot *first = sample_snapshot(one, 2, false);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ctm_snapshot *second = sample_snapshot(others[i], 2, false);
        check_join(first, second, NULL);
        ctm_snapshot_unref(second);
    }
    ctm_snapshot_unref(first);
}

static void test_with_an_empty_one(void)
{
    ctm_snapshot *empty = sample_snapshot(NULL, 0, false), *full = some_snapshot(3, RUNS, false);
    check_join(empty, full, full);
    check_join(full, empty, full);
    ctm_snapshot_unref(empty);
    ctm_snapshot_unref(full);
}

/* Every request for memory fails once. */
static void test_no_memory(void)
{
    ctm_snapshot *one = some_snapshot(5, RUNS, false), *backwards = some_snapshot(5, RUNS, true);
    ctm_status status = CTM_ERR_NOMEM;
    long at = 0, refused = 0;
    while (status != CTM_OK) {
        struct ctmi_join join;
        atomic_store(&fault_at, ++at);
        status = ctmi_join_new(one, backwards, &join);
        atomic_store(&fault_at, 0);
        if (status == CTM_OK) {
            check_map(one, join.first, join.tables);
            ctmi_join_free(&join);
        } else {
            CHECK_EQ(status, CTM_ERR_NOMEM);
            refused++;
        }
        REQUIRE(at < 10000);
    }
    CHECK(refused > 0);
    ctm_snapshot_unref(one);
    ctm_snapshot_unref(backwards);
}

TEST_LIST = {
    TEST(test_of_one_run),
    TEST(test_of_two_runs),
    TEST(test_equal_content_has_one_id),
    TEST(test_one_row_differs),
    TEST(test_with_an_empty_one),
    TEST(test_no_memory),
    TEST_LIST_END,
};
