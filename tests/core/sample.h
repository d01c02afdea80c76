/* sample.h: snapshots for the tests of reading, written down or random.
 *
 * Model: a sample is a list of traces as stdlib has them; from it come a snapshot (by a
 * builder) and, in the tests, the answers of a naive model to compare with.
 */
#ifndef CTM_TESTS_SAMPLE_H
#define CTM_TESTS_SAMPLE_H

#include "check.h"
#include "ctm/ctm.h"

struct sample_frame {
    const char *file;
    const char *name; /* NULL: not known */
    int32_t first_lineno;
    int32_t lineno;
};

#define SAMPLE_DEPTH 6

/* `count` traces in a row, all the same. */
struct sample_run {
    uint32_t domain;
    uint64_t size, count;
    uint32_t depth;                           /* 0: the empty traceback */
    int32_t total;                            /* total_nframe */
    struct sample_frame frames[SAMPLE_DEPTH]; /* the most recent first */
};

static inline uint32_t sample_string(ctm_builder *builder, const char *text)
{
    uint32_t id = 0;
    if (text != NULL) REQUIRE(ctm_builder_string(builder, text, strlen(text), &id) == CTM_OK);
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

static inline void sample_add(ctm_builder *builder, const struct sample_run *run, bool merge)
{
    ctm_site site = {
        .block_size = run->size,
        .allocated = run->count + 3,
        .freed = 3,
        .domain = run->domain,
        .traceback = sample_traceback(builder, run),
    };
    REQUIRE(ctm_builder_site(builder, &site, merge) == CTM_OK);
}

/* The caller owns the snapshot. */
static inline ctm_snapshot *sample_snapshot(const struct sample_run *runs, size_t n, bool merge)
{
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    ctm_builder_set_info(builder, 25, 123456, 789);
    for (size_t i = 0; i < n; i++)
        sample_add(builder, &runs[i], merge);
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

/* Names with a long common start, with code points whose UTF-16 order is another, with the
 * empty name, and few lines: so that equal sizes, equal lines and shared prefixes are common. */
static inline struct sample_run sample_random_run(uint64_t *state)
{
    static const char *const files[] = {
        "/usr/lib/python/a.py", "/usr/lib/python/b.py", "/usr/lib/python/ab.py", "",
        "/usr/lib/python",      "\xf0\x9f\x90\x8d.py",  "\xef\xbf\xbd.py",       "\xed\xb2\x80.py",
    };
    static const char *const names[] = {"f", "g", "<module>", NULL};
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
    return run;
}

#endif
