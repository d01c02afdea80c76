/* test_filter.c: fnmatch and filters against known answers and a naive model. */
#include "sample.h"

static bool matches(const char *pattern, const char *name)
{
    return ctm_fnmatch(pattern, strlen(pattern), name, strlen(name));
}

/* Each answer is Python's; fnmatch_oracle.py compares with many more. */
static void test_fnmatch(void)
{
    static const struct {
        const char *pattern, *name;
        bool expected;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"**", "abc", true},
        {"a.py", "a.py", true},
        {"a.py", "A.py", false},
        {"*.py", "dir/a.py", true},
        {"?.py", "a.py", true},
        {"?.py", ".py", false},
        {"?", "\xf0\x9f\x90\x8d", true},
        {"??", "\xf0\x9f\x90\x8d", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[!a-c]x", "dx", true},
        {"[]]", "]", true},
        {"[!]]", "]", false},
        {"[!]]", "a", true},
        {"[", "[", true},
        {"[abc", "[abc", true},
        {"[!", "[!", true},
        {"[]", "[]", true},
        {"[b-a]", "a", false},
        {"[b-a]", "b", false},
        {"[!b-a]", "z", true},
        {"[b-ac]", "c", true},
        {"[b-a!x]", "x", false},
        {"[b-a!x]", "y", true},
        {"[b-a!-z]", "-", false},
        {"[b-a!-z]", "z", false},
        {"[b-a!-z]", "5", true},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[--0]", ".", true},
        {"[a-b-c]", "-", true},
        {"[a-b-c]", "c", true},
        {"[\\]", "\\", true},
        {"[^a]", "^", true},
        {"[^a]", "b", false},
        {"[[]", "[", true},
        {"[a&&b]", "&", true},
        {"[\xce\xb1-\xcf\x89]", "\xce\xb2", true},
        {"[\xce\xb1-\xcf\x89]", "b", false},
        {"*a*b*c", "xaxbxc", true},
        {"*a*b*c", "xaxcxb", false},
        {"*\n*", "a\nb", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool result = matches(cases[i].pattern, cases[i].name);
        if (!CHECK_EQ(result, cases[i].expected)) {
            printf("    pattern %s name %s\n", cases[i].pattern, cases[i].name);
        }
    }
    CHECK(ctm_fnmatch(NULL, 0, NULL, 0));
    CHECK(ctm_fnmatch("a\0b", 3, "a\0b", 3));
    CHECK(!ctm_fnmatch("a\0b", 3, "a\0c", 3));
}

/* Would take longer than the universe if every star were tried again. */
static void test_fnmatch_is_not_exponential(void)
{
    char pattern[4001], name[4001];
    for (size_t i = 0; i < 4000; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    memset(name, 'a', 4000);
    pattern[4000] = 'b';
    CHECK(!ctm_fnmatch(pattern, 4001, name, 4000));
    memset(pattern, '[', 4000);
    pattern[0] = '*';
    memset(name, '[', 4000);
    CHECK(ctm_fnmatch(pattern, 4000, name, 4000));
    CHECK(!ctm_fnmatch(pattern, 4000, name, 3998));
}

/* Bytes that are not UTF-8 are compared as themselves, and nothing is read past the end. */
static void test_fnmatch_on_rubbish(void)
{
    uint64_t state = 5;
    for (int round = 0; round < 20000; round++) {
        size_t p = check_random(&state) % 12, n = check_random(&state) % 12;
        /* Exactly as long as given, so that a sanitizer sees any byte too many. */
        char *pattern = malloc(p ? p : 1), *name = malloc(n ? n : 1);
        REQUIRE(pattern != NULL && name != NULL);
        for (size_t i = 0; i < p; i++) {
            pattern[i] = (char)("[]!-*?a\x80\xc3\xe2\xf0\xff"[check_random(&state) % 12]);
        }
        for (size_t i = 0; i < n; i++) {
            name[i] = (char)("a\x80\xc3\xe2\xf0\xff"[check_random(&state) % 6]);
        }
        bool same = p == n && memcmp(pattern, name, n) == 0;
        bool result = ctm_fnmatch(pattern, p, name, n);
        if (same) {
            CHECK(result);
        }
        free(pattern);
        free(name);
    }
    CHECK(ctm_fnmatch("?", 1, "\xff", 1));
    CHECK(!ctm_fnmatch("\xfe", 1, "\xff", 1));
}

static bool naive_file(const ctm_filter *filter, const char *file)
{
    size_t length = strlen(file), pattern = filter->pattern_length;
    if (length >= 4 && strcmp(file + length - 4, ".pyc") == 0) {
        length--;
    }
    if (pattern >= 4 && memcmp(filter->pattern + pattern - 4, ".pyc", 4) == 0) {
        pattern--;
    }
    return ctm_fnmatch(filter->pattern, pattern, file, length);
}

static bool naive_frame(const ctm_filter *filter, const struct sample_frame *frame)
{
    return naive_file(filter, frame->file) &&
           (!filter->has_lineno || frame->lineno == filter->lineno);
}

/* Filter._match, line by line. */
static bool naive_match(const ctm_filter *filter, const struct sample_run *run)
{
    bool domain = !filter->has_domain || run->domain == filter->domain, result = false;
    if (!filter->by_filename) {
        return domain ^ !filter->inclusive;
    }
    for (uint32_t i = 0; i < run->depth && (i == 0 || filter->all_frames); i++) {
        result |= naive_frame(filter, &run->frames[i]);
    }
    result ^= !filter->inclusive;
    if (!filter->has_domain) {
        return result;
    }
    return filter->inclusive ? result && domain : result || !domain;
}

static bool naive_kept(const ctm_filter *filters, size_t n, const struct sample_run *run)
{
    bool any_inclusive = false, included = false;
    for (size_t i = 0; i < n; i++) {
        bool match = naive_match(&filters[i], run);
        if (!filters[i].inclusive && !match) {
            return false;
        }
        any_inclusive |= filters[i].inclusive;
        included |= filters[i].inclusive && match;
    }
    return included || !any_inclusive;
}

static ctm_filter random_filter(uint64_t *state)
{
    static const char *const patterns[] = {
        "*", "*a.py", "*/[ab].py", "", "*.pyc", "/usr/lib/python", "?.py", "[!/]*", "nothing",
    };
    ctm_filter filter = {
        .inclusive = check_random(state) % 2,
        .by_filename = check_random(state) % 4 > 0,
        .all_frames = check_random(state) % 2,
        .has_lineno = check_random(state) % 3 == 0,
        .has_domain = check_random(state) % 3 == 0,
        .lineno = (int64_t)(check_random(state) % 3) - 1,
        .domain = (int64_t)(check_random(state) % 4),
    };
    if (check_random(state) % 20 == 0) {
        filter.lineno = (int64_t)1 << 40;
    }
    if (check_random(state) % 20 == 0) {
        filter.domain = -1;
    }
    filter.has_domain |= !filter.by_filename;
    filter.pattern = patterns[check_random(state) % 9];
    filter.pattern_length = strlen(filter.pattern);
    return filter;
}

#define RUNS 40

static void test_random(void)
{
    uint64_t state = 11;
    for (int round = 0; round < 2000; round++) {
        struct sample_run runs[RUNS], kept[RUNS];
        ctm_filter filters[4];
        size_t n = check_random(&state) % RUNS, k = check_random(&state) % 5, left = 0;
        for (size_t i = 0; i < n; i++) {
            runs[i] = sample_random_run(&state);
        }
        for (size_t i = 0; i < k; i++) {
            filters[i] = random_filter(&state);
        }
        for (size_t i = 0; i < n; i++) {
            if (naive_kept(filters, k, &runs[i])) {
                kept[left++] = runs[i];
            }
        }
        ctm_snapshot *all = sample_snapshot(runs, n, false), *some;
        ctm_snapshot *expected = sample_snapshot(kept, left, false);
        bool equal = false;
        REQUIRE(ctm_snapshot_filter(all, filters, k, &some) == CTM_OK);
        ctm_snapshot_unref(all);
        REQUIRE(ctm_snapshot_equal(some, expected, &equal) == CTM_OK);
        CHECK(equal);
        ctm_snapshot_unref(some);
        ctm_snapshot_unref(expected);
    }
}

static void test_compiled_names(void)
{
    const struct sample_run run = {0, 1, 1, 1, 1, {{"dir/a.pyc", NULL, 0, 1}}};
    ctm_snapshot *all = sample_snapshot(&run, 1, true), *some;
    static const char *const patterns[] = {"dir/a.py", "dir/a.pyc", "dir/a.pyo"};
    for (int i = 0; i < 3; i++) {
        const ctm_filter filter = {.inclusive = true,
                                   .by_filename = true,
                                   .pattern = patterns[i],
                                   .pattern_length = 8 + (i > 0)};
        ctm_snapshot_info info;
        REQUIRE(ctm_snapshot_filter(all, &filter, 1, &some) == CTM_OK);
        ctm_snapshot_info_get(some, &info);
        CHECK_EQ(info.live_blocks, i < 2);
        CHECK_EQ(info.nframe, 25);
        CHECK_EQ(info.peak_bytes, 0);
        ctm_snapshot_unref(some);
    }
    const ctm_filter broken = {.by_filename = true, .pattern = NULL, .pattern_length = 1};
    CHECK_EQ(ctm_snapshot_filter(all, &broken, 1, &some), CTM_ERR_INVALID);
    ctm_snapshot_unref(all);
}

TEST_LIST = {
    TEST(test_fnmatch),
    TEST(test_fnmatch_is_not_exponential),
    TEST(test_fnmatch_on_rubbish),
    TEST(test_random),
    TEST(test_compiled_names),
    TEST_LIST_END,
};
