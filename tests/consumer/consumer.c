/* consumer.c: uses the installed libctm as a stranger would, and checks every number.
 *
 * Model: an own malloc, realloc and free with a shadow stack. Two snapshots are taken at
 * moments whose contents are known; statistics, difference, filter and file must say so.
 */
#include <ctm/ctm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;

#define EXPECT(condition)                                                  \
    do {                                                                   \
        if (!(condition)) {                                                \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            failures++;                                                    \
        }                                                                  \
    } while (0)

/* --- the program's own allocator --- */

static ctm_tracer *tracer;
static ctm_frame_text stack[16]; /* the most recent last */
static uint32_t depth;

static void call(const char *file, const char *function, int first_lineno, int lineno)
{
    stack[depth++] = (ctm_frame_text){file, function, first_lineno, lineno};
}

static void leave(void)
{
    depth--;
}

static ctm_status current_traceback(ctm_shard *shard, uint32_t *out)
{
    ctm_frame_text frames[16];
    for (uint32_t i = 0; i < depth; i++) {
        frames[i] = stack[depth - 1 - i];
    }
    return ctm_shard_traceback_text(shard, frames, depth, (int32_t)depth, out);
}

static void *my_malloc(size_t size)
{
    void *block = malloc(size);
    ctm_shard *shard = block != NULL ? ctm_shard_enter(tracer, 1) : NULL;
    uint32_t traceback;
    if (shard == NULL) {
        return block;
    }
    EXPECT(current_traceback(shard, &traceback) == CTM_OK);
    EXPECT(ctm_shard_alloc(shard, 0, (uintptr_t)block, size, traceback) == CTM_OK);
    ctm_shard_leave(shard);
    return block;
}

static void *my_realloc(void *old, size_t size)
{
    ctm_shard *shard = ctm_shard_enter(tracer, 1);
    ctm_resize resize;
    uint32_t traceback;
    if (shard == NULL) {
        return realloc(old, size);
    }
    EXPECT(current_traceback(shard, &traceback) == CTM_OK);
    EXPECT(ctm_shard_resize_begin(shard, 0, (uintptr_t)old, size, traceback, &resize) == CTM_OK);
    void *block = realloc(old, size);
    if (block != NULL) {
        ctm_shard_resize_commit(shard, &resize, (uintptr_t)block);
    } else {
        ctm_shard_resize_abort(shard, &resize);
    }
    ctm_shard_leave(shard);
    return block;
}

static void my_free(void *block)
{
    ctm_shard *shard = ctm_shard_enter(tracer, 1);
    if (shard != NULL) {
        EXPECT(ctm_shard_free(shard, 0, (uintptr_t)block));
        ctm_shard_leave(shard);
    }
    free(block);
}

/* --- what it does --- */

enum { RECORDS = 10, TABLES = 3, PAGES = 2 };
static void *records[RECORDS], *tables[TABLES], *pages[PAGES];

static void load(void)
{
    call("main.c", "main", 1, 10);
    call("parse.c", "parse", 20, 25);
    for (int i = 0; i < RECORDS; i++) {
        records[i] = my_malloc(100);
    }
    leave();
    call("table.c", "table_new", 5, 7);
    for (int i = 0; i < TABLES; i++) {
        tables[i] = my_malloc(1000);
    }
    leave();
    leave();
}

static void work(void)
{
    call("main.c", "main", 1, 11);
    for (int i = 0; i < 4; i++) {
        my_free(records[i]);
    }
    call("table.c", "table_grow", 30, 33);
    tables[0] = my_realloc(tables[0], 5000);
    leave();
    call("render.c", "render", 1, 2);
    for (int i = 0; i < PAGES; i++) {
        pages[i] = my_malloc(64);
    }
    leave();
    leave();
}

static void finish(void)
{
    for (int i = 4; i < RECORDS; i++) {
        my_free(records[i]);
    }
    for (int i = 0; i < TABLES; i++) {
        my_free(tables[i]);
    }
    for (int i = 0; i < PAGES; i++) {
        my_free(pages[i]);
    }
}

/* --- what libctm says about it --- */

struct expected {
    const char *file;
    int32_t line;
    uint64_t size, count;
    int64_t size_diff, count_diff;
};

static void check_rows(const ctm_statistics *statistics, const struct expected *expected, size_t n)
{
    const ctm_snapshot *snapshot = ctm_statistics_snapshot(statistics);
    EXPECT(ctm_statistics_length(statistics) == n);
    for (size_t i = 0; i < n && i < ctm_statistics_length(statistics); i++) {
        const ctm_statistic *row = &ctm_statistics_rows(statistics)[i];
        const ctm_frame *frame = &ctm_snapshot_frames(snapshot)[row->id];
        const ctm_function *function = &ctm_snapshot_functions(snapshot)[frame->function];
        const char *file = ctm_snapshot_string(snapshot, function->filename, NULL);
        printf("  %s:%d (%s): size=%llu (%+lld), count=%llu (%+lld)\n", file, (int)frame->lineno,
               ctm_snapshot_string(snapshot, function->name, NULL), (unsigned long long)row->size,
               (long long)row->size_diff, (unsigned long long)row->count,
               (long long)row->count_diff);
        EXPECT(strcmp(file, expected[i].file) == 0);
        EXPECT(frame->lineno == expected[i].line);
        EXPECT(row->size == expected[i].size && row->count == expected[i].count);
        EXPECT(row->size_diff == expected[i].size_diff);
        EXPECT(row->count_diff == expected[i].count_diff);
    }
}

static void check_statistics(ctm_snapshot *snapshot)
{
    static const struct expected lines[] = {
        {"table.c", 7, 3000, 3, 0, 0},
        {"parse.c", 25, 1000, 10, 0, 0},
    };
    static const struct expected cumulative[] = {
        {"main.c", 10, 4000, 13, 0, 0},
        {"table.c", 7, 3000, 3, 0, 0},
        {"parse.c", 25, 1000, 10, 0, 0},
    };
    ctm_statistics *statistics;
    puts("first snapshot, by line:");
    EXPECT(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, false, &statistics) == CTM_OK);
    check_rows(statistics, lines, 2);
    ctm_statistics_free(statistics);
    puts("the same, callers included:");
    EXPECT(ctm_snapshot_statistics(snapshot, CTM_BY_LINENO, true, &statistics) == CTM_OK);
    check_rows(statistics, cumulative, 3);
    ctm_statistics_free(statistics);
}

static void check_diff(ctm_snapshot *newer, ctm_snapshot *older)
{
    static const struct expected lines[] = {
        {"table.c", 33, 5000, 1, 5000, 1},
        {"table.c", 7, 2000, 2, -1000, -1},
        {"parse.c", 25, 600, 6, -400, -4},
        {"render.c", 2, 128, 2, 128, 2},
    };
    ctm_statistics *diff;
    puts("second snapshot against the first, by line:");
    EXPECT(ctm_snapshot_compare(newer, older, CTM_BY_LINENO, false, &diff) == CTM_OK);
    check_rows(diff, lines, 4);
    ctm_statistics_free(diff);
}

static void check_filter(ctm_snapshot *snapshot)
{
    const ctm_filter filter = {
        .inclusive = true, .by_filename = true, .pattern = "t*.c", .pattern_length = 4};
    ctm_snapshot *filtered;
    ctm_snapshot_info info;
    EXPECT(ctm_snapshot_filter(snapshot, &filter, 1, &filtered) == CTM_OK);
    ctm_snapshot_info_get(filtered, &info);
    EXPECT(info.live_blocks == 3 && info.current_bytes == 7000);
    ctm_snapshot_unref(filtered);
}

static void check_file(ctm_snapshot *snapshot)
{
    const char *path = "consumer.ctm";
    ctm_snapshot *back;
    ctm_file_error error;
    bool equal = false;
    EXPECT(ctm_snapshot_write(snapshot, path, NULL, 0) == CTM_OK);
    EXPECT(ctm_snapshot_read(path, &back, NULL, NULL, &error) == CTM_OK);
    EXPECT(ctm_snapshot_equal(snapshot, back, &equal) == CTM_OK && equal);
    ctm_snapshot_unref(back);
    unlink(path);
}

static void check_totals(uint64_t bytes, uint64_t blocks, uint64_t peak)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    EXPECT(totals.current_bytes == bytes);
    EXPECT(totals.live_blocks == blocks);
    EXPECT(totals.peak_bytes == peak);
}

int main(void)
{
    ctm_snapshot *first, *second, *none;
    EXPECT(ctm_tracer_new(&tracer) == CTM_OK);
    EXPECT(ctm_tracer_snapshot(tracer, &none) == CTM_ERR_NOT_TRACING);
    EXPECT(ctm_tracer_start(tracer, 0) == CTM_ERR_INVALID);
    EXPECT(ctm_tracer_start(tracer, 16) == CTM_OK);
    load();
    check_totals(4000, 13, 4000);
    EXPECT(ctm_tracer_snapshot(tracer, &first) == CTM_OK);
    work();
    check_totals(7728, 11, 7728);
    EXPECT(ctm_tracer_snapshot(tracer, &second) == CTM_OK);
    finish();
    check_totals(0, 0, 7728);
    ctm_tracer_stop(tracer);
    EXPECT(ctm_shard_enter(tracer, 1) == NULL);
    ctm_tracer_free(tracer);
    /* Snapshots outlive their tracer. */
    check_statistics(first);
    check_diff(second, first);
    check_filter(second);
    check_file(second);
    ctm_snapshot_unref(first);
    ctm_snapshot_unref(second);
    printf("libctm " CTM_VERSION " consumer: %d failures\n", failures);
    return failures != 0;
}
