/* test_order.c: the order of groups among equals is that of the standard library's comparison, pair by pair. */
#include "sample.h"

#include "faults.h"
#include "query/group.h"

enum { RUNS = 60 };

static ctm_snapshot *random_snapshot(uint64_t seed)
{
    struct sample_run runs[RUNS];
    for (int i = 0; i < RUNS; i++) {
        runs[i] = sample_random_run(&seed);
    }
    return sample_snapshot(runs, RUNS, false);
}

/* --- the naive comparisons: below 0, 0, above 0 --- */
static int compare_strings(const ctm_snapshot *tables, uint32_t a, uint32_t b)
{
    size_t one, other;
    const char *first = ctm_snapshot_string(tables, a, &one);
    const char *second = ctm_snapshot_string(tables, b, &other);
    const int found = memcmp(first, second, one < other ? one : other);
    return found != 0 ? found : (one > other) - (one < other);
}

static int compare_numbers(int32_t a, int32_t b)
{
    return (a > b) - (a < b);
}

static int compare_lines(const ctm_snapshot *tables, uint32_t a, uint32_t b)
{
    const int found = compare_strings(tables, ctmi_snapshot_frame_file(tables, a),
                                      ctmi_snapshot_frame_file(tables, b));
    return found != 0 ? found : compare_numbers(tables->frames[a].lineno, tables->frames[b].lineno);
}

static int compare_functions(const ctm_snapshot *tables, uint32_t a, uint32_t b)
{
    const ctm_function *one = &tables->functions[a], *other = &tables->functions[b];
    int found = compare_strings(tables, one->filename, other->filename);
    found = found != 0 ? found : compare_strings(tables, one->name, other->name);
    return found != 0 ? found : compare_numbers(one->first_lineno, other->first_lineno);
}

static uint32_t depth_of(const ctm_snapshot *tables, uint32_t traceback)
{
    uint32_t depth = 0;
    for (; traceback != 0; traceback = tables->tracebacks[traceback].parent) {
        depth++;
    }
    return depth;
}

/* The frame at `at` from the oldest one, which is 0. */
static uint32_t frame_at(const ctm_snapshot *tables, uint32_t traceback, uint32_t at)
{
    for (uint32_t depth = depth_of(tables, traceback); depth > at + 1; depth--) {
        traceback = tables->tracebacks[traceback].parent;
    }
    return tables->tracebacks[traceback].frame;
}

/* As tuples, from the oldest frame on. */
static int compare_tracebacks(const ctm_snapshot *tables, uint32_t a, uint32_t b)
{
    const uint32_t one = depth_of(tables, a), other = depth_of(tables, b);
    for (uint32_t at = 0; at < one && at < other; at++) {
        const int found = compare_lines(tables, frame_at(tables, a, at), frame_at(tables, b, at));
        if (found != 0) {
            return found;
        }
    }
    return (one > other) - (one < other);
}

static int compare_groups(const struct ctmi_grouping *grouping, uint32_t a, uint32_t b)
{
    switch (grouping->key) {
    case CTM_BY_TRACEBACK: return compare_tracebacks(grouping->tables, a, b);
    case CTM_BY_FILENAME: return compare_strings(grouping->tables, a, b);
    case CTM_BY_LINENO: return compare_lines(grouping->tables, a, b);
    default: return compare_functions(grouping->tables, a, b);
    }
}

/* --- the checks --- */
static int sign(int x)
{
    return (x > 0) - (x < 0);
}

/* Of the groups that there are, one in `part` is wanted. Gives how many pairs were compared. */
static unsigned long check_key(uint64_t seed, ctm_key key, unsigned part)
{
    ctm_snapshot *tables = random_snapshot(seed);
    struct ctmi_grouping grouping;
    unsigned long pairs = 0;
    REQUIRE(ctmi_grouping_new(tables, key, &grouping) == CTM_OK);
    unsigned char *wanted = calloc((size_t)grouping.last + 1, 1);
    uint64_t *order = calloc((size_t)grouping.last + 1, sizeof *order);
    REQUIRE(wanted != NULL && order != NULL);
    for (uint32_t id = 1; id <= tables->info.tracebacks; id++) {
        wanted[grouping.of[id]] |= grouping.of[id] != 0 && check_random(&seed) % part == 0;
    }
    REQUIRE(ctmi_grouping_order(&grouping, wanted, order) == CTM_OK);
    for (uint32_t a = 1; a <= grouping.last; a++) {
        for (uint32_t b = 1; b <= grouping.last; b++) {
            if (wanted[a] && wanted[b]) {
                CHECK_EQ((order[a] > order[b]) - (order[a] < order[b]),
                         sign(compare_groups(&grouping, a, b)));
                pairs += a != b;
            }
        }
    }
    free(wanted);
    free(order);
    ctmi_grouping_free(&grouping);
    ctm_snapshot_unref(tables);
    return pairs;
}

static void check_seeds(ctm_key key)
{
    unsigned long pairs = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        pairs += check_key(seed, key, 1);
        pairs += check_key(seed, key, 3);
    }
    CHECK(pairs > 100);
}

static void test_files(void)
{
    check_seeds(CTM_BY_FILENAME);
}

static void test_lines(void)
{
    check_seeds(CTM_BY_LINENO);
}

static void test_functions(void)
{
    check_seeds(CTM_BY_FUNCTION);
}

static void test_tracebacks(void)
{
    check_seeds(CTM_BY_TRACEBACK);
}

/* By code points; lines below 0 first; a traceback before those that go on from it. */
static void test_known(void)
{
    static const struct sample_run runs[] = {
        {0, 1, 1, 1, 1, {{"z.py", "f", 1, -5}}},
        {0, 2, 1, 1, 1, {{"z.py", "f", 1, 7}}},
        {0, 3, 1, 2, 2, {{"a.py", "f", 1, 1}, {"z.py", "f", 1, 7}}},
        {0, 4, 1, 1, 1, {{"\xc3\xa9.py", "f", 1, 1}}},
        {0, 5, 1, 1, 1, {{"\xf0\x9f\x90\x8d.py", "f", 1, 1}}},
    };
    enum { N = sizeof runs / sizeof runs[0] };
    ctm_snapshot *tables = sample_snapshot(runs, N, false);
    struct ctmi_grouping grouping;
    REQUIRE(ctmi_grouping_new(tables, CTM_BY_TRACEBACK, &grouping) == CTM_OK);
    unsigned char wanted[64];
    uint64_t order[64], last = 0;
    REQUIRE(grouping.last < 64);
    memset(wanted, 1, sizeof wanted);
    REQUIRE(ctmi_grouping_order(&grouping, wanted, order) == CTM_OK);
    CHECK_EQ(order[0], 0);
    for (uint32_t site = 1; site <= N; site++) {
        const uint64_t now = order[grouping.of[ctm_snapshot_sites(tables)[site].traceback]];
        CHECK(now > last);
        last = now;
    }
    ctmi_grouping_free(&grouping);
    ctm_snapshot_unref(tables);
}

static void test_no_memory(void)
{
    static const ctm_key keys[] = {CTM_BY_TRACEBACK, CTM_BY_FILENAME, CTM_BY_LINENO,
                                   CTM_BY_FUNCTION};
    ctm_snapshot *tables = random_snapshot(1);
    for (size_t i = 0; i < 4; i++) {
        struct ctmi_grouping grouping;
        unsigned char wanted[2048];
        uint64_t order[2048];
        ctm_status status = CTM_ERR_NOMEM;
        long at = 0;
        REQUIRE(ctmi_grouping_new(tables, keys[i], &grouping) == CTM_OK);
        REQUIRE(grouping.last < 2048);
        memset(wanted, 1, sizeof wanted);
        while (status != CTM_OK && at < 100) {
            atomic_store(&fault_at, ++at);
            status = ctmi_grouping_order(&grouping, wanted, order);
            const bool refused = atomic_exchange(&fault_at, 0) <= 0;
            CHECK_EQ(status, refused ? CTM_ERR_NOMEM : CTM_OK);
        }
        CHECK(at > 1 && at < 100);
        ctmi_grouping_free(&grouping);
    }
    ctm_snapshot_unref(tables);
}

TEST_LIST = {
    TEST(test_files), TEST(test_lines),     TEST(test_functions), TEST(test_tracebacks),
    TEST(test_known), TEST(test_no_memory), TEST_LIST_END,
};
