/* sample.h: sample snapshots, fixed or random, for the tests of queries and files.
 *
 * Model: a sample is a list of traces as in stdlib. A builder makes a snapshot of it; the tests compute the
 * expected results from it by a naive model.
 */
#ifndef CTM_TESTS_SAMPLE_H
#define CTM_TESTS_SAMPLE_H

#include "check.h"
#include "ctm/ctm.h"

/* Initializers of runs omit the fields at the end that are zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct sample_frame {
    const char *file;
    const char *name; /* NULL: not known */
    int32_t first_lineno;
    int32_t lineno;
};

#define SAMPLE_DEPTH 6
#define SAMPLE_LABELS 3

/* `count` equal traces, one after the other. */
struct sample_run {
    uint32_t domain;
    uint64_t size, count;
    uint32_t depth;                           /* 0: the empty traceback */
    int32_t total;                            /* total_nframe */
    struct sample_frame frames[SAMPLE_DEPTH]; /* the most recent first */
    struct {
        const char *key, *value;
    } labels[SAMPLE_LABELS]; /* in any order; key NULL: none */
    uint64_t at_peak;
};

static inline uint32_t sample_string(ctm_builder *builder, const char *text)
{
    uint32_t id = 0;
    if (text != NULL) {
        REQUIRE(ctm_builder_string(builder, text, strlen(text), &id) == CTM_OK);
    }
    return id;
}

static inline uint32_t sample_traceback(ctm_builder *builder, const struct sample_run *run)
{
    uint32_t traceback = 0;
    for (uint32_t i = run->depth; i-- > 0;) {
        const struct sample_frame *from = &run->frames[i];
        /* In this order always: the golden files depend on the ids. */
        uint32_t file = sample_string(builder, from->file);
        uint32_t name = sample_string(builder, from->name), function, frame;
        REQUIRE(ctm_builder_function(builder, file, name, from->first_lineno, &function) == CTM_OK);
        REQUIRE(ctm_builder_frame(builder, function, from->lineno, &frame) == CTM_OK);
        REQUIRE(ctm_builder_traceback(builder, traceback, frame, run->total - (int32_t)i,
                                      &traceback) == CTM_OK);
    }
    return traceback;
}

static inline uint32_t sample_labels(ctm_builder *builder, const struct sample_run *run)
{
    uint32_t set = 0;
    for (int i = 0; i < SAMPLE_LABELS; i++) {
        if (run->labels[i].key == NULL) {
            continue;
        }
        uint32_t key = sample_string(builder, run->labels[i].key);
        uint32_t value = sample_string(builder, run->labels[i].value);
        REQUIRE(ctm_builder_label(builder, set, key, value, &set) == CTM_OK);
    }
    return set;
}

static inline void sample_add(ctm_builder *builder, const struct sample_run *run, bool merge)
{
    /* In this order always: the golden files depend on the ids. */
    uint32_t traceback = sample_traceback(builder, run);
    uint32_t labels = sample_labels(builder, run);
    ctm_site site = {
        .block_size = run->size,
        .allocated = run->count + 3,
        .freed = 3,
        .domain = run->domain,
        .traceback = traceback,
        .labels = labels,
        .at_peak = run->at_peak,
    };
    REQUIRE(ctm_builder_site(builder, &site, merge) == CTM_OK);
}

/* The caller owns the snapshot. */
static inline ctm_snapshot *sample_finish(ctm_builder *builder)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

static inline ctm_builder *sample_builder(const struct sample_run *runs, size_t n, bool merge)
{
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_builder_set_info(builder, 25, 123456, 789);
    for (size_t i = 0; i < n; i++) {
        sample_add(builder, &runs[i], merge);
    }
    return builder;
}

/* The same, finished. The blocks at the peak are not known. */
static inline ctm_snapshot *sample_snapshot(const struct sample_run *runs, size_t n, bool merge)
{
    return sample_finish(sample_builder(runs, n, merge));
}

/* The same with all that a snapshot can have, the blocks at the peak included. */
static inline ctm_builder *sample_full_builder(const struct sample_run *runs, size_t n, bool merge)
{
    ctm_builder *builder = sample_builder(runs, n, merge);
    ctm_builder_set_peak_known(builder, true);
    REQUIRE(ctm_builder_set_origin(builder, 1700000001123456789u, 1700000000000000001u, 4242,
                                   sample_string(builder, "python3 app.py")) == CTM_OK);
    return builder;
}

static inline ctm_snapshot *sample_full_snapshot(const struct sample_run *runs, size_t n,
                                                 bool merge)
{
    return sample_finish(sample_full_builder(runs, n, merge));
}

/* A random run. The names have long common prefixes, code points that UTF-16 sorts in another order, and the empty
 * name. Lines and sizes are few, so equal ones are common. */
static inline struct sample_run sample_random_run(uint64_t *state)
{
    static const char *const files[] = {
        "/usr/lib/python/a.py", "/usr/lib/python/b.py", "/usr/lib/python/ab.py", "",
        "/usr/lib/python",      "\xf0\x9f\x90\x8d.py",  "\xef\xbf\xbd.py",       "\xed\xb2\x80.py",
    };
    static const char *const names[] = {"f", "g", "<module>", NULL};
    static const char *const keys[] = {"task", "thread", "t", "\xf0\x9f\x90\x8d"};
    struct sample_run run = {
        .domain = (uint32_t)(check_random(state) % 3),
        .size = check_random(state) % 4 * 16,
        .count = check_random(state) % 4,
        .depth = (uint32_t)(check_random(state) % (SAMPLE_DEPTH + 1)),
    };
    run.total = (int32_t)(run.depth + check_random(state) % 3);
    for (uint32_t i = 0; i < run.depth; i++) {
        run.frames[i].file = files[check_random(state) % 8];
        run.frames[i].name = names[check_random(state) % 4];
        run.frames[i].first_lineno = (int32_t)(check_random(state) % 2);
        run.frames[i].lineno = (int32_t)(check_random(state) % 3) - 1;
    }
    for (int i = 0; i < SAMPLE_LABELS && check_random(state) % 2; i++) {
        run.labels[i].key = keys[check_random(state) % 4];
        run.labels[i].value = keys[check_random(state) % 4];
    }
    run.at_peak = check_random(state) % (run.count + 4);
    return run;
}

#endif
