/* test_group.c: which group a traceback belongs to, and what its blocks add up to. */
#include "sample.h"

#include "faults.h"
#include "query/group.h"

/* Sizes are powers of ten, so that a sum tells what is in it. */
static const struct sample_run runs[] = {
    {0, 1, 1, 2, 2, {{"a.py", "f", 1, 10}, {"main.py", "main", 1, 5}}},
    {0, 10, 1, 2, 2, {{"a.py", "other", 3, 10}, {"main.py", "main", 1, 5}}}, /* function alone */
    {0, 100, 1, 2, 2, {{"a.py", "f", 1, 11}, {"main.py", "main", 1, 5}}},
    {0, 1000, 1, 3, 3, {{"a.py", "f", 1, 10}, {"a.py", "f", 1, 10}, {"main.py", "main", 1, 5}}},
    {0, 10000, 1, 1, 1, {{"b.py", "f", 1, 10}}},
    {0, 100000, 1, 0, 0, {{NULL}}}, /* the empty traceback */
};
enum { N = sizeof runs / sizeof runs[0], MOST = 32 };

static ctm_snapshot *snapshot;
static struct ctmi_grouping grouping;
static struct ctmi_sum sums[MOST];

static uint32_t traceback_of(uint32_t run)
{
    return ctm_snapshot_sites(snapshot)[run + 1].traceback;
}

static uint32_t group_of(uint32_t run)
{
    return grouping.of[traceback_of(run)];
}

static void begin(ctm_key key)
{
    snapshot = sample_snapshot(runs, N, false);
    REQUIRE(ctmi_grouping_new(snapshot, key, &grouping) == CTM_OK);
    REQUIRE(grouping.last < MOST);
    memset(sums, 0, sizeof sums);
    for (uint32_t id = 0; id <= snapshot->info.tracebacks; id++) {
        CHECK(grouping.of[id] <= grouping.last);
    }
    CHECK_EQ(grouping.of[0], 0);
    CHECK_EQ(group_of(5), 0);
}

static void end(void)
{
    ctmi_grouping_free(&grouping);
    ctm_snapshot_unref(snapshot);
}

static void add_up(bool cumulative)
{
    REQUIRE(ctmi_grouping_sum(&grouping, cumulative, snapshot, NULL, sums) == CTM_OK);
}

static void test_tracebacks(void)
{
    begin(CTM_BY_TRACEBACK);
    CHECK_EQ(group_of(0), group_of(1)); /* frames that differ in their function alone */
    CHECK_EQ(group_of(0), traceback_of(0));
    CHECK(group_of(2) != group_of(0) && group_of(3) != group_of(0));
    add_up(false);
    CHECK_EQ(sums[group_of(0)].live.size, 11);
    CHECK_EQ(sums[group_of(0)].live.count, 2);
    CHECK_EQ(sums[group_of(2)].live.size, 100);
    CHECK_EQ(sums[group_of(3)].live.size, 1000);
    CHECK_EQ(sums[group_of(4)].live.size, 10000);
    CHECK_EQ(sums[0].live.size, 100000);
    end();
}

static void test_lines(void)
{
    begin(CTM_BY_LINENO);
    CHECK(group_of(0) == group_of(1) && group_of(0) == group_of(3));
    CHECK(group_of(2) != group_of(0) && group_of(4) != group_of(0));
    add_up(false);
    CHECK_EQ(sums[group_of(0)].live.size, 1011);
    CHECK_EQ(sums[group_of(2)].live.size, 100);
    CHECK_EQ(sums[group_of(4)].live.size, 10000);
    CHECK_EQ(sums[0].live.size, 100000);
    end();
}

/* Each block counts in the group of each of its frames; twice where a line calls itself, as in the standard library. */
static void test_lines_cumulative(void)
{
    begin(CTM_BY_LINENO);
    const uint32_t root = snapshot->tracebacks[snapshot->tracebacks[traceback_of(0)].parent].parent;
    CHECK_EQ(root, 0);
    const uint32_t main_line = grouping.of[snapshot->tracebacks[traceback_of(0)].parent];
    add_up(true);
    CHECK_EQ(sums[group_of(0)].live.size, 2011);
    CHECK_EQ(sums[group_of(0)].live.count, 4);
    CHECK_EQ(sums[main_line].live.size, 1111);
    CHECK_EQ(sums[main_line].live.count, 4);
    CHECK_EQ(sums[group_of(4)].live.size, 10000);
    end();
}

static void test_files(void)
{
    begin(CTM_BY_FILENAME);
    CHECK_STR(ctm_snapshot_string(snapshot, group_of(0), NULL), "a.py");
    CHECK_STR(ctm_snapshot_string(snapshot, group_of(4), NULL), "b.py");
    add_up(false);
    CHECK_EQ(sums[group_of(0)].live.size, 1111);
    CHECK_EQ(sums[group_of(4)].live.size, 10000);
    memset(sums, 0, sizeof sums);
    add_up(true);
    CHECK_EQ(sums[group_of(0)].live.size, 2111);
    CHECK_EQ(sums[group_of(4)].live.size, 10000);
    end();
}

static void test_functions(void)
{
    begin(CTM_BY_FUNCTION);
    CHECK(group_of(1) != group_of(0));
    CHECK(group_of(2) == group_of(0) && group_of(3) == group_of(0));
    CHECK(group_of(4) != group_of(0)); /* the same name in another file */
    add_up(false);
    CHECK_EQ(sums[group_of(0)].live.size, 1101);
    CHECK_EQ(sums[group_of(1)].live.size, 10);
    end();
}

/* What was ever allocated: three more of each were freed (sample.h). */
static void test_allocated(void)
{
    begin(CTM_BY_LINENO);
    add_up(false);
    CHECK_EQ(sums[group_of(0)].allocated.size, 4 * 1011);
    CHECK_EQ(sums[group_of(0)].allocated.count, 4 * 3);
    add_up(false); /* sums are added to what is there */
    CHECK_EQ(sums[group_of(0)].live.size, 2 * 1011);
    end();
}

/* The tracebacks of another snapshot, by way of a map: here all of them are one. */
static void test_map(void)
{
    uint32_t map[MOST];
    begin(CTM_BY_TRACEBACK);
    for (uint32_t id = 0; id < MOST; id++) {
        map[id] = traceback_of(4);
    }
    REQUIRE(ctmi_grouping_sum(&grouping, false, snapshot, map, sums) == CTM_OK);
    CHECK_EQ(sums[group_of(4)].live.size, 111111);
    CHECK_EQ(sums[group_of(0)].live.size, 0);
    end();
}

static void test_no_memory(void)
{
    static const ctm_key keys[] = {CTM_BY_TRACEBACK, CTM_BY_FILENAME, CTM_BY_LINENO,
                                   CTM_BY_FUNCTION};
    for (size_t i = 0; i < 4; i++) {
        begin(keys[i]);
        struct ctmi_grouping again = {.of = NULL};
        ctm_status status = CTM_ERR_NOMEM;
        long at = 0;
        while (status != CTM_OK && at < 100) {
            atomic_store(&fault_at, ++at);
            status = ctmi_grouping_new(snapshot, keys[i], &again);
            const bool refused = atomic_exchange(&fault_at, 0) <= 0;
            CHECK_EQ(status, refused ? CTM_ERR_NOMEM : CTM_OK);
        }
        CHECK(at > 1 && at < 100);
        CHECK(memcmp(again.of, grouping.of,
                     ((size_t)snapshot->info.tracebacks + 1) * sizeof *again.of) == 0);
        ctmi_grouping_free(&again);
        end();
    }
}

TEST_LIST = {
    TEST(test_tracebacks), TEST(test_lines),     TEST(test_lines_cumulative),
    TEST(test_files),      TEST(test_functions), TEST(test_allocated),
    TEST(test_map),        TEST(test_no_memory), TEST_LIST_END,
};
