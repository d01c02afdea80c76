/* test_tree.c: calling-context trees, their groups and selections against a naive model.
 *
 * Model: the naive side adds each site to its node, and to every node on the way to the root; to the group of its most
 * recent frame, and to each group that it meets on the way to the root for the first time. The nodes of a snapshot in
 * the tree of a difference are found by comparing whole tracebacks.
 */
#include <math.h>

#include "base/weight.h"
#include "faults.h"
#include "query/rounding.h"
#include "sample.h"
#include "snapshot/snapshot.h"

enum { RUNS = 40, NODES = 2 * RUNS * SAMPLE_DEPTH + 1, GROUPS = 5, FRAMES = NODES };

/* --- random snapshots --- */

static ctm_site random_site(ctm_builder *builder, uint64_t *state)
{
    const struct sample_run run = sample_random_run(state);
    const uint64_t freed = check_random(state) % 4;
    return (ctm_site){
        .block_size = run.size,
        .allocated = run.count + freed,
        .freed = freed,
        .at_peak = check_random(state) % (run.count + freed + 1),
        .domain = run.domain,
        .traceback = sample_traceback(builder, &run),
    };
}

/* More sites for one seed only add rows. */
static ctm_snapshot *random_snapshot(uint64_t seed, int sites, bool peak_known, bool sampled)
{
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_builder_set_peak_known(builder, peak_known);
    for (int i = 0; i < sites; i++) {
        ctm_site site = random_site(builder, &seed);
        site.at_peak = peak_known ? site.at_peak : 0;
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    ctm_snapshot *snapshot = sample_finish(builder);
    snapshot->info.sample_interval = sampled ? 20 : 0;
    return snapshot;
}

/* --- the naive side --- */

struct naive {
    int64_t own[CTM_FIGURES][NODES], total[CTM_FIGURES][NODES];
    int64_t group_own[CTM_FIGURES][GROUPS], group_total[CTM_FIGURES][GROUPS];
};

/* What is asked of a tree. */
struct question {
    const ctm_tree_view *view;
    const uint8_t *wanted; /* NULL: all blocks */
    ctm_tree_frames frames;
    const uint32_t *group_of;
};

static void site_figures(const ctm_snapshot *snapshot, uint32_t id, int64_t figures[CTM_FIGURES])
{
    const ctm_site *site = &snapshot->sites[id];
    const uint64_t blocks[] = {site->allocated - site->freed, site->at_peak, site->allocated};
    const uint64_t interval = snapshot->info.sample_interval;
    const double weight = ctmi_weight(site->block_size, interval);
    const double rounding = interval != 0 ? ctmi_site_rounding(snapshot, site) : 0;
    for (int i = 0; i < 3; i++) {
        const double count = (double)blocks[i] * weight;
        figures[2 * i] = (int64_t)floor(count * (double)site->block_size + rounding);
        figures[2 * i + 1] = (int64_t)floor(count + rounding);
    }
}

static bool is_wanted(const struct question *question, uint32_t node)
{
    const ctm_tree_view *view = question->view;
    if (question->wanted == NULL) {
        return true;
    }
    if (question->frames == CTM_RECENT_FRAME || node == 0) {
        return question->wanted[view->frame[node]] != 0;
    }
    int wanted = 0, others = 0;
    for (uint32_t id = node; id != 0; id = view->parent[id]) {
        *(question->wanted[view->frame[id]] ? &wanted : &others) += 1;
    }
    return question->frames == CTM_ANY_FRAME ? wanted > 0 : others == 0;
}

static void add_to_nodes(struct naive *naive, const ctm_tree_view *view, uint32_t node, int figure,
                         int64_t amount)
{
    naive->own[figure][node] += amount;
    naive->total[figure][node] += amount;
    while (node != 0) {
        node = view->parent[node];
        naive->total[figure][node] += amount;
    }
}

static void add_to_groups(struct naive *naive, const struct question *question, uint32_t node,
                          int figure, int64_t amount)
{
    const ctm_tree_view *view = question->view;
    bool seen[GROUPS] = {false};
    naive->group_own[figure][question->group_of[view->frame[node]]] += amount;
    do {
        const uint32_t group = question->group_of[view->frame[node]];
        naive->group_total[figure][group] += seen[group] ? 0 : amount;
        seen[group] = true;
        node = view->parent[node];
    } while (node != 0);
}

static bool figure_known(const ctm_tree_view *view, int figure)
{
    return figure < CTM_PEAK_SIZE ||
           (figure < CTM_ALLOCATED_SIZE ? view->peak_known : view->churn_known);
}

/* sign: 1, or -1 for the older side of a difference; node_of: by traceback of the snapshot. */
static void naive_add(struct naive *naive, const struct question *question,
                      const ctm_snapshot *snapshot, const uint32_t *node_of, int sign)
{
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        const uint32_t node = node_of[site->traceback];
        int64_t figures[CTM_FIGURES];
        site_figures(snapshot, id, figures);
        for (int figure = 0; figure < CTM_FIGURES; figure++) {
            if (figure_known(question->view, figure) && is_wanted(question, node)) {
                add_to_nodes(naive, question->view, node, figure, sign * figures[figure]);
                add_to_groups(naive, question, node, figure, sign * figures[figure]);
            }
        }
    }
}

/* --- comparing --- */

static bool same_text(const ctm_snapshot *a, uint32_t one, const ctm_snapshot *b, uint32_t two)
{
    return strcmp(ctm_snapshot_string(a, one, NULL), ctm_snapshot_string(b, two, NULL)) == 0;
}

static bool same_frame(const ctm_snapshot *a, uint32_t one, const ctm_snapshot *b, uint32_t two)
{
    const ctm_function *f = &a->functions[a->frames[one].function];
    const ctm_function *g = &b->functions[b->frames[two].function];
    return a->frames[one].lineno == b->frames[two].lineno && f->first_lineno == g->first_lineno &&
           same_text(a, f->filename, b, g->filename) && same_text(a, f->name, b, g->name);
}

static bool same_traceback(const ctm_snapshot *a, uint32_t one, const ctm_snapshot *b, uint32_t two)
{
    while (one != 0 && two != 0) {
        const ctm_traceback *first = &a->tracebacks[one], *second = &b->tracebacks[two];
        if (!same_frame(a, first->frame, b, second->frame)) {
            return false;
        }
        one = first->parent;
        two = second->parent;
    }
    return one == 0 && two == 0;
}

/* The first traceback with the same frames. */
static uint32_t first_like(const ctm_snapshot *from, uint32_t id, const ctm_snapshot *tables)
{
    uint32_t node = 0;
    while (node <= tables->info.tracebacks && !same_traceback(from, id, tables, node)) {
        node++;
    }
    REQUIRE(node <= tables->info.tracebacks);
    return node;
}

/* The node of each traceback of `snapshot`. */
static void find_nodes(const ctm_tree *tree, const ctm_snapshot *snapshot, uint32_t *node_of)
{
    const ctm_snapshot *tables = ctm_tree_tables(tree);
    for (uint32_t id = 0; id <= snapshot->info.tracebacks; id++) {
        node_of[id] = first_like(snapshot, id, tables);
    }
}

/* Each node is once in the list of its parent, after its elder siblings. */
static void check_children(const ctm_tree_view *view, const ctm_snapshot *tables)
{
    uint32_t listed = 0, nodes = 0;
    CHECK_EQ(view->next_sibling[0], 0);
    for (uint32_t id = 0; id < view->nodes; id++) {
        uint32_t before = 0;
        for (uint32_t child = view->first_child[id]; child != 0;
             child = view->next_sibling[child]) {
            REQUIRE(child > before && child < view->nodes);
            CHECK_EQ(view->parent[child], id);
            before = child;
            listed++;
        }
    }
    for (uint32_t id = 1; id < view->nodes; id++) {
        nodes += first_like(tables, id, tables) == id;
    }
    CHECK_EQ(listed, nodes);
}

static void check_view(const ctm_tree *tree)
{
    const ctm_snapshot *tables = ctm_tree_tables(tree);
    ctm_tree_view view;
    ctm_tree_view_get(tree, &view);
    CHECK_EQ(view.nodes, tables->info.tracebacks + 1);
    CHECK_EQ(view.frames, tables->info.frames + 1);
    CHECK_EQ(view.functions, tables->info.functions + 1);
    CHECK_EQ(view.strings, tables->info.strings + 1);
    CHECK(view.parent[0] == 0 && view.frame[0] == 0);
    check_children(&view, tables);
    for (uint32_t id = 1; id < view.nodes; id++) {
        CHECK(view.parent[id] < id);
        CHECK_EQ(view.parent[id], first_like(tables, tables->tracebacks[id].parent, tables));
        CHECK_EQ(view.frame[id], tables->tracebacks[id].frame);
    }
    for (uint32_t id = 0; id < view.frames; id++) {
        CHECK_EQ(view.frame_function[id], tables->frames[id].function);
        CHECK_EQ(view.frame_lineno[id], tables->frames[id].lineno);
    }
    for (uint32_t id = 0; id < view.functions; id++) {
        CHECK_EQ(view.function_filename[id], tables->functions[id].filename);
        CHECK_EQ(view.function_name[id], tables->functions[id].name);
        CHECK_EQ(view.function_first_lineno[id], tables->functions[id].first_lineno);
    }
}

static void check_figures(const ctm_tree *tree, const struct naive *naive)
{
    ctm_tree_view view;
    ctm_tree_view_get(tree, &view);
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        for (uint32_t id = 0; id < view.nodes; id++) {
            CHECK_EQ(view.own[figure][id], naive->own[figure][id]);
            CHECK_EQ(view.total[figure][id], naive->total[figure][id]);
        }
    }
}

static void check_groups(const ctm_tree *tree, const uint32_t *group_of, const struct naive *naive)
{
    ctm_tree_view view;
    ctm_tree_groups *groups;
    ctm_tree_view_get(tree, &view);
    REQUIRE(ctm_tree_group(tree, group_of, view.frames, GROUPS, &groups) == CTM_OK);
    CHECK_EQ(ctm_tree_groups_length(groups), GROUPS);
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        for (int group = 0; group < GROUPS; group++) {
            CHECK_EQ(ctm_tree_groups_own(groups, (ctm_figure)figure)[group],
                     naive->group_own[figure][group]);
            CHECK_EQ(ctm_tree_groups_total(groups, (ctm_figure)figure)[group],
                     naive->group_total[figure][group]);
        }
    }
    ctm_tree_groups_free(groups);
}

/* Two snapshots, older NULL for the tree of one, and the tree that is to be checked. */
struct example {
    ctm_snapshot *newer, *older;
    ctm_tree *tree;
    const struct question *question;
};

static void check_tree(const struct example *example)
{
    static struct naive naive;
    static uint32_t node_of[NODES];
    struct question question = *example->question;
    ctm_tree_view view;
    ctm_tree_view_get(example->tree, &view);
    question.view = &view;
    memset(&naive, 0, sizeof naive);
    find_nodes(example->tree, example->newer, node_of);
    naive_add(&naive, &question, example->newer, node_of, 1);
    if (example->older != NULL) {
        find_nodes(example->tree, example->older, node_of);
        naive_add(&naive, &question, example->older, node_of, -1);
    }
    check_view(example->tree);
    check_figures(example->tree, &naive);
    check_groups(example->tree, question.group_of, &naive);
}

/* Checks a tree and, of a difference, its two sides. */
static void check_sides(const struct example *example)
{
    ctm_tree *newer = ctm_tree_newer(example->tree), *older = ctm_tree_older(example->tree);
    check_tree(example);
    if (example->older == NULL) {
        CHECK(newer == NULL && older == NULL);
        return;
    }
    CHECK(ctm_tree_tables(newer) == ctm_tree_tables(example->tree));
    CHECK(ctm_tree_tables(older) == ctm_tree_tables(example->tree));
    check_sides(&(struct example){example->newer, NULL, newer, example->question});
    check_sides(&(struct example){example->older, NULL, older, example->question});
}

static void check_selections(const struct example *example, uint64_t *state)
{
    uint8_t wanted[FRAMES];
    for (int i = 0; i < FRAMES; i++) {
        wanted[i] = check_random(state) % 4 == 0 ? (uint8_t)(1 + check_random(state) % 255) : 0;
    }
    for (ctm_tree_frames frames = CTM_RECENT_FRAME; frames <= CTM_EVERY_FRAME; frames++) {
        const struct question question = {NULL, wanted, frames, example->question->group_of};
        struct example selected = {example->newer, example->older, NULL, &question};
        REQUIRE(ctm_tree_select(example->tree, wanted, frames, &selected.tree) == CTM_OK);
        check_sides(&selected);
        ctm_tree_unref(selected.tree);
    }
}

static void check_random_example(uint64_t *state, bool is_diff)
{
    uint32_t group_of[FRAMES];
    const uint64_t seed = check_random(state), what = check_random(state);
    struct question question = {.group_of = group_of};
    struct example example = {.question = &question};
    for (int i = 0; i < FRAMES; i++) {
        group_of[i] = (uint32_t)(check_random(state) % GROUPS);
    }
    /* Sometimes the tables of one are a beginning of the other's. */
    example.newer = random_snapshot(seed, RUNS, what & 1, what & 2);
    if (is_diff) {
        example.older = random_snapshot(what & 8 ? seed : what, what & 16 ? RUNS / 2 : RUNS,
                                        what & 4, what & 2);
        REQUIRE(ctm_snapshot_tree_diff(example.newer, example.older, &example.tree) == CTM_OK);
    } else {
        REQUIRE(ctm_snapshot_tree(example.newer, &example.tree) == CTM_OK);
    }
    check_sides(&example);
    check_selections(&example, state);
    ctm_tree_unref(example.tree);
    ctm_snapshot_unref(example.newer);
    ctm_snapshot_unref(example.older);
}

static void test_random(void)
{
    uint64_t state = check_number("CTM_TEST_SEED", 18);
    for (unsigned long round = 0; round < check_number("CTM_TEST_OPERATIONS", 30); round++) {
        check_random_example(&state, false);
        check_random_example(&state, true);
    }
}

/* --- statistics --- */

static void check_statistic(const ctm_statistic *row, const ctm_tree_groups *groups)
{
    const int64_t figures[CTM_FIGURES] = {
        (int64_t)row->size,       (int64_t)row->count,          (int64_t)row->peak_size,
        (int64_t)row->peak_count, (int64_t)row->allocated_size, (int64_t)row->allocated_count,
    };
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        CHECK_EQ(ctm_tree_groups_own(groups, (ctm_figure)figure)[row->id], figures[figure]);
    }
}

/* Groups of functions are the rows of statistics by function. */
static void test_statistics(void)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        ctm_snapshot *snapshot = random_snapshot(seed, RUNS, seed & 1, seed & 2);
        ctm_statistics *statistics;
        ctm_tree_groups *groups;
        ctm_tree *tree;
        ctm_tree_view view;
        REQUIRE(ctm_snapshot_tree(snapshot, &tree) == CTM_OK);
        ctm_tree_view_get(tree, &view);
        CHECK_EQ(view.peak_known, seed & 1);
        CHECK_EQ(view.estimated, (seed & 2) != 0);
        REQUIRE(ctm_tree_group(tree, view.frame_function, view.frames, view.functions, &groups) ==
                CTM_OK);
        REQUIRE(ctm_snapshot_statistics(snapshot, CTM_BY_FUNCTION, false, &statistics) == CTM_OK);
        CHECK(ctm_statistics_length(statistics) > 0);
        for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
            check_statistic(&ctm_statistics_rows(statistics)[i], groups);
        }
        ctm_statistics_free(statistics);
        ctm_tree_groups_free(groups);
        ctm_tree_unref(tree);
        ctm_snapshot_unref(snapshot);
    }
}

/* --- special snapshots --- */

static ctm_snapshot *of_sites(const ctm_site *sites, size_t n)
{
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(ctm_builder_site(builder, &sites[i], false) == CTM_OK);
    }
    return sample_finish(builder);
}

static void test_empty(void)
{
    ctm_snapshot *snapshot = of_sites(NULL, 0);
    ctm_tree *tree, *selected, *nothing;
    ctm_tree_groups *groups;
    ctm_tree_view view;
    const uint32_t group = 0, outside = 1;
    const uint8_t wanted = 1;
    REQUIRE(ctm_snapshot_tree(snapshot, &tree) == CTM_OK);
    ctm_tree_view_get(tree, &view);
    CHECK(view.nodes == 1 && view.frames == 1 && view.functions == 1 && view.strings == 1);
    CHECK_EQ(view.total[CTM_SIZE][0], 0);
    REQUIRE(ctm_tree_select(tree, &wanted, CTM_ANY_FRAME, &selected) == CTM_OK);
    REQUIRE(ctm_tree_group(selected, &group, 1, 1, &groups) == CTM_OK);
    CHECK_EQ(ctm_tree_groups_total(groups, CTM_COUNT)[0], 0);
    ctm_tree_groups_free(groups);
    CHECK_EQ(ctm_tree_group(tree, &outside, 1, 1, &groups), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tree_group(tree, &group, 1, 0, &groups), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tree_group(tree, &group, 2, 1, &groups), CTM_ERR_INVALID);
    REQUIRE(ctm_snapshot_tree_diff(snapshot, snapshot, &nothing) == CTM_OK);
    CHECK(ctm_tree_newer(nothing) != NULL && ctm_tree_older(nothing) != NULL);
    ctm_tree_unref(nothing);
    ctm_tree_unref(selected);
    ctm_tree_unref(tree);
    ctm_tree_unref(NULL);
    ctm_tree_groups_free(NULL);
    ctm_snapshot_unref(snapshot);
}

/* The sides of a difference outlive it, and a tree outlives its snapshot. */
static void test_life(void)
{
    ctm_snapshot *snapshot = random_snapshot(1, RUNS, true, false);
    const int64_t size = (int64_t)snapshot->info.current_bytes;
    ctm_tree *difference;
    ctm_tree_view view;
    REQUIRE(ctm_snapshot_tree_diff(snapshot, snapshot, &difference) == CTM_OK);
    ctm_snapshot_unref(snapshot);
    ctm_tree *newer = ctm_tree_ref(ctm_tree_newer(difference));
    ctm_tree_view_get(difference, &view);
    CHECK_EQ(view.total[CTM_SIZE][0], 0);
    ctm_tree_unref(difference);
    ctm_tree_view_get(newer, &view);
    CHECK_EQ(view.total[CTM_SIZE][0], size);
    CHECK(ctm_snapshot_string(ctm_tree_tables(newer), view.strings - 1, NULL)[0] != '\0');
    ctm_tree_unref(newer);
}

/* What was ever allocated can be more than fits. */
static void test_limit(void)
{
    const ctm_site large = {.block_size = 1ull << 62, .allocated = 1, .freed = 1};
    const ctm_site rest = {.block_size = (1ull << 62) - 2, .allocated = 1, .freed = 1};
    const ctm_site one = {.block_size = 1, .allocated = 1, .freed = 1};
    const ctm_site fit[] = {large, rest}, too_large[] = {large, rest, one};
    ctm_snapshot *snapshot = of_sites(fit, 2);
    ctm_tree *tree;
    ctm_tree_view view;
    REQUIRE(ctm_snapshot_tree(snapshot, &tree) == CTM_OK);
    ctm_tree_view_get(tree, &view);
    CHECK_EQ(view.own[CTM_ALLOCATED_SIZE][0], INT64_MAX - 1);
    CHECK_EQ(view.total[CTM_ALLOCATED_SIZE][0], INT64_MAX - 1);
    ctm_tree_unref(tree);
    ctm_snapshot *larger = of_sites(too_large, 3);
    tree = NULL;
    CHECK_EQ(ctm_snapshot_tree(larger, &tree), CTM_ERR_LIMIT);
    CHECK_EQ(ctm_snapshot_tree_diff(larger, snapshot, &tree), CTM_ERR_LIMIT);
    CHECK_EQ(ctm_snapshot_tree_diff(snapshot, larger, &tree), CTM_ERR_LIMIT);
    CHECK(tree == NULL);
    ctm_snapshot_unref(snapshot);
    ctm_snapshot_unref(larger);
}

/* As deep as a traceback can be, one function that calls itself: no stack of ours may grow with it. */
static void test_deep(void)
{
    ctm_builder *builder;
    uint32_t function, frame, traceback = 0;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    REQUIRE(ctm_builder_function(builder, sample_string(builder, "a.py"), 0, 1, &function) ==
            CTM_OK);
    REQUIRE(ctm_builder_frame(builder, function, 1, &frame) == CTM_OK);
    for (int32_t depth = 1; depth <= (int32_t)CTM_MAX_NFRAME; depth++) {
        REQUIRE(ctm_builder_traceback(builder, traceback, frame, depth, &traceback) == CTM_OK);
        const ctm_site site = {.block_size = 8, .allocated = 1, .traceback = traceback};
        REQUIRE(ctm_builder_site(builder, &site, false) == CTM_OK);
    }
    ctm_snapshot *snapshot = sample_finish(builder);
    const uint32_t group_of[] = {0, 1};
    ctm_tree_groups *groups;
    ctm_tree *tree;
    ctm_tree_view view;
    REQUIRE(ctm_snapshot_tree(snapshot, &tree) == CTM_OK);
    ctm_tree_view_get(tree, &view);
    CHECK_EQ(view.nodes, CTM_MAX_NFRAME + 1);
    CHECK_EQ(view.total[CTM_COUNT][0], CTM_MAX_NFRAME);
    CHECK_EQ(view.total[CTM_COUNT][CTM_MAX_NFRAME], 1);
    REQUIRE(ctm_tree_group(tree, group_of, 2, 2, &groups) == CTM_OK);
    CHECK_EQ(ctm_tree_groups_total(groups, CTM_COUNT)[1], CTM_MAX_NFRAME);
    CHECK_EQ(ctm_tree_groups_own(groups, CTM_SIZE)[1], 8 * CTM_MAX_NFRAME);
    CHECK_EQ(ctm_tree_groups_total(groups, CTM_COUNT)[0], 0);
    ctm_tree_groups_free(groups);
    ctm_tree_unref(tree);
    ctm_snapshot_unref(snapshot);
}

/* --- no memory --- */

/* What a call may make. */
struct made {
    ctm_tree *tree;
    ctm_tree_groups *groups;
};

enum { CALLS = 5 };

static ctm_status call(int which, const struct example *example, struct made *out)
{
    static const uint32_t group_of[FRAMES];
    static const uint8_t wanted[FRAMES];
    ctm_tree_view view;
    ctm_tree_view_get(example->tree, &view);
    switch (which) {
    case 0: return ctm_snapshot_tree(example->newer, &out->tree);
    case 1: return ctm_snapshot_tree_diff(example->newer, example->newer, &out->tree);
    case 2: return ctm_snapshot_tree_diff(example->newer, example->older, &out->tree);
    case 3: return ctm_tree_select(example->tree, wanted, CTM_RECENT_FRAME, &out->tree);
    default: return ctm_tree_group(example->tree, group_of, view.frames, 1, &out->groups);
    }
}

static void check_no_memory(int which, const struct example *example)
{
    struct made made = {NULL, NULL};
    long refused = 0;
    for (;; refused++) {
        atomic_store(&fault_at, refused + 1);
        const ctm_status status = call(which, example, &made);
        const bool reached = atomic_exchange(&fault_at, 0) == 0;
        CHECK_EQ(status, reached ? CTM_ERR_NOMEM : CTM_OK);
        CHECK((made.tree == NULL && made.groups == NULL) == reached);
        if (!reached) {
            break;
        }
        REQUIRE(refused < 1000);
    }
    CHECK(refused >= 3);
    ctm_tree_unref(made.tree);
    ctm_tree_groups_free(made.groups);
}

static void test_no_memory(void)
{
    struct example example = {random_snapshot(1, RUNS, true, false),
                              random_snapshot(2, RUNS, true, false), NULL, NULL};
    REQUIRE(ctm_snapshot_tree_diff(example.newer, example.older, &example.tree) == CTM_OK);
    for (int which = 0; which < CALLS; which++) {
        check_no_memory(which, &example);
    }
    ctm_tree_unref(example.tree);
    ctm_snapshot_unref(example.newer);
    ctm_snapshot_unref(example.older);
}

TEST_LIST = {
    TEST(test_random), TEST(test_statistics), TEST(test_empty),     TEST(test_life),
    TEST(test_limit),  TEST(test_deep),       TEST(test_no_memory), TEST_LIST_END,
};
