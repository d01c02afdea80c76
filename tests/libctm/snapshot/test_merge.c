/* test_merge.c: merging against a naive model, and what a label stands for when sites are grouped by it.
 *
 * Model: a site is written out as text (domain, size, frames, total, labels); a snapshot is a list of texts
 * with counters, sorted and added up. Merging must give the list that adding the inputs' lists gives.
 */
#include "sample.h"

#define TEXT 1500
#define MOST 4000

struct entry {
    char text[TEXT];
    uint64_t allocated, freed, at_peak;
};

struct list {
    struct entry *entries; /* MOST of them */
    size_t n;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->text, ((const struct entry *)b)->text);
}

static size_t put(char *text, size_t at, const char *string)
{
    REQUIRE(at + strlen(string) + 1 < TEXT);
    strcpy(text + at, string);
    return at + strlen(string);
}

static size_t write_place(const ctm_snapshot *snapshot, const ctm_site *site, char *text)
{
    char number[100];
    snprintf(number, sizeof number, "%u %llu", (unsigned)site->domain,
             (unsigned long long)site->block_size);
    size_t at = put(text, 0, number);
    for (uint32_t id = site->traceback; id != 0;
         id = ctm_snapshot_tracebacks(snapshot)[id].parent) {
        const ctm_traceback *row = &ctm_snapshot_tracebacks(snapshot)[id];
        const ctm_frame *frame = &ctm_snapshot_frames(snapshot)[row->frame];
        const ctm_function *function = &ctm_snapshot_functions(snapshot)[frame->function];
        snprintf(number, sizeof number, ":%d:%d:%d|", (int)frame->lineno,
                 (int)function->first_lineno, (int)row->total_nframe);
        at = put(text, at, ctm_snapshot_string(snapshot, function->filename, NULL));
        at = put(text, at, number);
        at = put(text, at, ctm_snapshot_string(snapshot, function->name, NULL));
    }
    return put(text, at, "#");
}

/* The value that label set `set` has for the key, or NULL. */
static const char *label_value(const ctm_snapshot *snapshot, uint32_t set, const char *key)
{
    const ctm_label *rows = ctm_snapshot_labels(snapshot);
    for (; set != 0; set = rows[set].parent) {
        if (strcmp(ctm_snapshot_string(snapshot, rows[set].key, NULL), key) == 0) {
            return ctm_snapshot_string(snapshot, rows[set].value, NULL);
        }
    }
    return NULL;
}

static const char *const keys[] = {"source", "pid", "task", "thread", "t", "\xf0\x9f\x90\x8d"};
enum { KEYS = sizeof keys / sizeof keys[0] };

/* The labels of the model: the site's own, else the input's last with that key. */
static const char *expected_value(const ctm_snapshot *snapshot, const ctm_site *site,
                                  const ctm_merge_input *input, const char *key)
{
    const char *value = label_value(snapshot, site->labels, key);
    for (size_t i = input->n_labels; value == NULL && i-- > 0;) {
        if (strcmp(input->labels[i].key, key) == 0) {
            value = input->labels[i].value;
        }
    }
    return value;
}

static void list_add(struct list *list, const ctm_merge_input *input)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(input->snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_site *site = &ctm_snapshot_sites(input->snapshot)[id];
        REQUIRE(list->n < MOST);
        struct entry *entry = &list->entries[list->n++];
        size_t at = write_place(input->snapshot, site, entry->text);
        for (int key = 0; key < KEYS; key++) {
            const char *value = expected_value(input->snapshot, site, input, keys[key]);
            if (value == NULL) {
                continue;
            }
            at = put(entry->text, at, keys[key]);
            at = put(entry->text, at, "=");
            at = put(entry->text, at, value);
        }
        entry->allocated = site->allocated;
        entry->freed = site->freed;
        entry->at_peak = site->at_peak;
    }
}

static void list_add_up(struct list *list)
{
    size_t kept = 0;
    qsort(list->entries, list->n, sizeof *list->entries, compare_entries);
    for (size_t i = 0; i < list->n; i++) {
        const struct entry *entry = &list->entries[i];
        struct entry *last = kept > 0 ? &list->entries[kept - 1] : NULL;
        if (last != NULL && strcmp(last->text, entry->text) == 0) {
            last->allocated += entry->allocated;
            last->freed += entry->freed;
            last->at_peak += entry->at_peak;
        } else {
            memmove(&list->entries[kept++], entry, sizeof *entry);
        }
    }
    list->n = kept;
}

static struct list list_new(void)
{
    struct list list = {malloc(MOST * sizeof(struct entry)), 0};
    REQUIRE(list.entries != NULL);
    return list;
}

/* The merged snapshot has each key once, and the sums of the inputs. */
static void check_merged(ctm_snapshot *merged, const ctm_merge_input *inputs, size_t n)
{
    struct list wanted = list_new(), found = list_new();
    const ctm_merge_input whole = {.snapshot = merged};
    for (size_t i = 0; i < n; i++) {
        list_add(&wanted, &inputs[i]);
    }
    list_add_up(&wanted);
    list_add(&found, &whole);
    size_t sites = found.n;
    list_add_up(&found);
    CHECK_EQ(found.n, sites);
    if (CHECK_EQ(found.n, wanted.n)) {
        for (size_t i = 0; i < found.n; i++) {
            CHECK(strcmp(found.entries[i].text, wanted.entries[i].text) == 0);
            CHECK_EQ(found.entries[i].allocated, wanted.entries[i].allocated);
            CHECK_EQ(found.entries[i].freed, wanted.entries[i].freed);
            CHECK_EQ(found.entries[i].at_peak, wanted.entries[i].at_peak);
        }
    }
    free(wanted.entries);
    free(found.entries);
}

static ctm_snapshot *random_snapshot(uint64_t *state)
{
    struct sample_run runs[60];
    size_t n = check_random(state) % 60;
    for (size_t i = 0; i < n; i++) {
        runs[i] = sample_random_run(state);
    }
    return sample_full_snapshot(runs, n, check_random(state) % 2);
}

/* Labels of an input: its own, the same as others', some that its sites have, one key twice, or none. */
static size_t random_labels(uint64_t *state, size_t input, ctm_label_text *out)
{
    static const char *const own[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    switch (check_random(state) % 5) {
    case 0: return 0;
    case 1: out[0] = (ctm_label_text){"source", "same"}; return 1;
    case 2:
        out[0] = (ctm_label_text){"task", "outer"};
        out[1] = (ctm_label_text){"source", own[input]};
        return 2;
    case 3:
        out[0] = (ctm_label_text){"pid", own[0]};
        out[1] = (ctm_label_text){"pid", ""};
        return 2;
    default: out[0] = (ctm_label_text){"source", own[input]}; return 1;
    }
}

static void test_random(void)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        uint64_t state = seed;
        ctm_merge_input inputs[8];
        ctm_label_text labels[8][2];
        ctm_snapshot *snapshots[8], *merged;
        size_t n = seed % 9;
        for (size_t i = 0; i < n; i++) {
            snapshots[i] = random_snapshot(&state);
            inputs[i] =
                (ctm_merge_input){snapshots[i], labels[i], random_labels(&state, i, labels[i])};
        }
        REQUIRE(ctm_snapshot_merge(inputs, n, &merged) == CTM_OK);
        check_merged(merged, inputs, n);
        ctm_snapshot_unref(merged);
        for (size_t i = 0; i < n; i++) {
            ctm_snapshot_unref(snapshots[i]);
        }
    }
}

/* Merging what was merged gives what merging all at once gives. */
static void test_in_two_steps(void)
{
    uint64_t state = 77;
    ctm_snapshot *snapshots[4], *pairs[2], *merged;
    static const ctm_label_text labels[4] = {
        {"source", "0"}, {"source", "1"}, {"source", "2"}, {"source", "3"}};
    ctm_merge_input inputs[4];
    for (int i = 0; i < 4; i++) {
        snapshots[i] = random_snapshot(&state);
        inputs[i] = (ctm_merge_input){snapshots[i], &labels[i], 1};
    }
    REQUIRE(ctm_snapshot_merge(inputs, 2, &pairs[0]) == CTM_OK);
    REQUIRE(ctm_snapshot_merge(inputs + 2, 2, &pairs[1]) == CTM_OK);
    static const ctm_label_text later = {"source", "another name"};
    const ctm_merge_input halves[2] = {{pairs[0], &later, 1}, {pairs[1], &later, 1}};
    REQUIRE(ctm_snapshot_merge(halves, 2, &merged) == CTM_OK);
    check_merged(merged, inputs, 4);
    ctm_snapshot_unref(merged);
    ctm_snapshot_unref(pairs[0]);
    ctm_snapshot_unref(pairs[1]);
    for (int i = 0; i < 4; i++) {
        ctm_snapshot_unref(snapshots[i]);
    }
}

/* --- info --- */

struct origin {
    uint32_t nframe, pid;
    uint64_t peak_bytes, tracer_bytes, taken_ns, started_ns;
    const char *command;
    bool peak_known;
};

static ctm_snapshot *make_origin(const struct origin *origin)
{
    static const struct sample_run run = {
        .size = 10, .count = 2, .depth = 1, .total = 1, .frames = {{"a", NULL, 0, 1}}};
    ctm_builder *builder = sample_builder(&run, 1, true);
    ctm_builder_set_info(builder, origin->nframe, origin->peak_bytes, origin->tracer_bytes);
    ctm_builder_set_peak_known(builder, origin->peak_known);
    REQUIRE(ctm_builder_set_origin(builder, origin->taken_ns, origin->started_ns, origin->pid,
                                   sample_string(builder, origin->command)) == CTM_OK);
    return sample_finish(builder);
}

static ctm_snapshot *merge_origins(const struct origin *origins, size_t n, ctm_snapshot_info *info)
{
    ctm_merge_input inputs[4] = {{0}};
    ctm_snapshot *snapshots[4], *merged;
    for (size_t i = 0; i < n; i++) {
        inputs[i].snapshot = snapshots[i] = make_origin(&origins[i]);
    }
    REQUIRE(ctm_snapshot_merge(inputs, n, &merged) == CTM_OK);
    ctm_snapshot_info_get(merged, info);
    for (size_t i = 0; i < n; i++) {
        ctm_snapshot_unref(snapshots[i]);
    }
    return merged;
}

static void test_info(void)
{
    static const struct origin origins[3] = {
        {5, 100, 1000, 50, 900, 20, "app", true},
        {25, 101, 2000, 60, 800, 10, "app", true},
        {1, 101, 0, 70, 0, 0, "other", false},
    };
    ctm_snapshot_info info;
    ctm_snapshot *merged = merge_origins(origins, 2, &info);
    CHECK_EQ(info.nframe, 25);
    CHECK_EQ(info.peak_bytes, 3000);
    CHECK_EQ(info.tracer_bytes, 110);
    CHECK_EQ(info.taken_ns, 900);
    CHECK_EQ(info.started_ns, 10);
    CHECK_EQ(info.pid, 0);
    CHECK_STR(ctm_snapshot_string(merged, info.command, NULL), "app");
    CHECK(info.peak_known);
    CHECK_EQ(info.sites, 1);
    CHECK_EQ(info.live_blocks, 4);
    CHECK_EQ(info.current_bytes, 40);
    ctm_snapshot_unref(merged);
    merged = merge_origins(origins + 1, 2, &info);
    CHECK_EQ(info.pid, 101);
    CHECK_EQ(info.peak_bytes, 0);
    CHECK_EQ(info.taken_ns, 800);
    CHECK_EQ(info.started_ns, 10);
    CHECK_EQ(info.command, 0);
    CHECK(!info.peak_known);
    CHECK_EQ(ctm_snapshot_sites(merged)[1].at_peak, 0);
    ctm_snapshot_unref(merged);
    REQUIRE(ctm_snapshot_merge(NULL, 0, &merged) == CTM_OK);
    ctm_snapshot_info_get(merged, &info);
    CHECK_EQ(info.sites, 0);
    ctm_snapshot_unref(merged);
}

/* --- refusals --- */

static ctm_snapshot *sampled_snapshot(void)
{
    ctm_tracer *tracer;
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start_sampling(tracer, 1, 4096) == CTM_OK);
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_tracer_free(tracer);
    return snapshot;
}

static ctm_snapshot *huge_snapshot(void)
{
    ctm_builder *builder;
    const ctm_site sites[2] = {{.block_size = 3, .allocated = 5, .freed = 1},
                               {.block_size = 4, .allocated = UINT64_MAX, .freed = UINT64_MAX}};
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(ctm_builder_site(builder, &sites[i], true) == CTM_OK);
    }
    ctm_builder_set_peak_known(builder, true);
    return sample_finish(builder);
}

/* What is refused leaves nothing behind, whatever comes next. */
static void test_refusals(void)
{
    uint64_t state = 5;
    ctm_snapshot *exact = random_snapshot(&state), *sampled = sampled_snapshot();
    ctm_snapshot *huge = huge_snapshot(), *merged;
    ctm_merger *merger;
    ctm_label_text many[CTM_MAX_LABELS + 1];
    char names[CTM_MAX_LABELS + 1][8];
    const ctm_label_text nameless = {"", "x"}, source = {"source", "1"};
    for (unsigned i = 0; i <= CTM_MAX_LABELS; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        many[i] = (ctm_label_text){names[i], "x"};
    }
    REQUIRE(ctm_merger_new(&merger) == CTM_OK);
    REQUIRE(ctm_merger_add(merger, exact, &source, 1) == CTM_OK);
    REQUIRE(ctm_merger_add(merger, huge, NULL, 0) == CTM_OK);
    CHECK_EQ(ctm_merger_add(merger, sampled, &source, 1), CTM_ERR_INVALID);
    CHECK_EQ(ctm_merger_add(merger, exact, &nameless, 1), CTM_ERR_INVALID);
    CHECK_EQ(ctm_merger_add(merger, exact, many, CTM_MAX_LABELS + 1), CTM_ERR_INVALID);
    CHECK_EQ(ctm_merger_add(merger, huge, NULL, 0), CTM_ERR_LIMIT);
    REQUIRE(ctm_merger_add(merger, exact, &source, 1) == CTM_OK);
    REQUIRE(ctm_merger_finish(merger, &merged) == CTM_OK);
    const ctm_merge_input inputs[] = {{exact, &source, 1}, {huge, NULL, 0}, {exact, &source, 1}};
    check_merged(merged, inputs, 3);
    ctm_snapshot_unref(merged);
    /* An emptied merger is a new one. */
    REQUIRE(ctm_merger_add(merger, sampled, &source, 1) == CTM_OK);
    REQUIRE(ctm_merger_finish(merger, &merged) == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(merged, &info);
    CHECK_EQ(info.sample_interval, 4096);
    ctm_snapshot_unref(merged);
    ctm_merger_free(merger);
    ctm_merger_free(NULL);
    ctm_snapshot_unref(exact);
    ctm_snapshot_unref(sampled);
    ctm_snapshot_unref(huge);
}

/* --- by label --- */

/* Bytes of the live blocks whose label `key` has the value; "" is also: no such label. */
static uint64_t bytes_with(const ctm_snapshot *snapshot, const char *key, const char *value)
{
    ctm_snapshot_info info;
    uint64_t bytes = 0;
    ctm_snapshot_info_get(snapshot, &info);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_site *site = &ctm_snapshot_sites(snapshot)[id];
        const char *own = label_value(snapshot, site->labels, key);
        if (strcmp(own != NULL ? own : "", value) == 0) {
            bytes += site->block_size * (site->allocated - site->freed);
        }
    }
    return bytes;
}

static void check_by_label(ctm_snapshot *snapshot, const char *key)
{
    ctm_snapshot *labelled;
    ctm_statistics *statistics;
    ctm_snapshot_info before, after;
    uint64_t bytes = 0;
    REQUIRE(ctm_snapshot_by_label(snapshot, key, &labelled) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &before);
    ctm_snapshot_info_get(labelled, &after);
    CHECK_EQ(before.sites, after.sites);
    CHECK_EQ(before.peak_bytes, after.peak_bytes);
    CHECK_EQ(before.peak_known, after.peak_known);
    REQUIRE(ctm_snapshot_statistics(labelled, CTM_BY_FILENAME, false, &statistics) == CTM_OK);
    for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
        const ctm_statistic *row = &ctm_statistics_rows(statistics)[i];
        const char *value = ctm_snapshot_string(labelled, row->id, NULL);
        CHECK_EQ(row->size, bytes_with(snapshot, key, value));
        bytes += row->size;
    }
    CHECK_EQ(bytes, before.current_bytes);
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(labelled);
}

static void test_by_label(void)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t state = seed;
        ctm_snapshot *snapshot = random_snapshot(&state);
        for (int key = 0; key < KEYS; key++) {
            check_by_label(snapshot, keys[key]);
        }
        check_by_label(snapshot, "");
        check_by_label(snapshot, "no such key");
        ctm_snapshot_unref(snapshot);
    }
}

/* --- filters --- */

static void check_filter(ctm_snapshot *snapshot, const char *key, const char *pattern)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    uint64_t kept[2] = {0, 0};
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_site *site = &ctm_snapshot_sites(snapshot)[id];
        const char *value = label_value(snapshot, site->labels, key);
        bool matches = value != NULL && ctm_fnmatch(pattern, strlen(pattern), value, strlen(value));
        kept[matches] += site->allocated - site->freed;
    }
    for (int inclusive = 0; inclusive < 2; inclusive++) {
        const ctm_filter filter = {.inclusive = inclusive,
                                   .label = key,
                                   .pattern = pattern,
                                   .pattern_length = strlen(pattern)};
        ctm_snapshot *filtered;
        REQUIRE(ctm_snapshot_filter(snapshot, &filter, 1, &filtered) == CTM_OK);
        ctm_snapshot_info_get(filtered, &info);
        CHECK_EQ(info.live_blocks, kept[inclusive]);
        ctm_snapshot_unref(filtered);
    }
}

static void test_filters(void)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t state = seed;
        ctm_snapshot *snapshot = random_snapshot(&state);
        for (int key = 0; key < KEYS; key++) {
            check_filter(snapshot, keys[key], "t*");
            check_filter(snapshot, keys[key], "*");
            check_filter(snapshot, keys[key], "task");
            check_filter(snapshot, keys[key], "");
        }
        check_filter(snapshot, "", "*");
        ctm_snapshot_unref(snapshot);
    }
}

TEST_LIST = {
    TEST(test_random),   TEST(test_in_two_steps), TEST(test_info), TEST(test_refusals),
    TEST(test_by_label), TEST(test_filters),      TEST_LIST_END,
};
