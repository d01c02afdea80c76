/* trace_malloc.c: a program that traces its own allocations with libctm.
 *
 *   cc trace_malloc.c $(pkg-config --cflags --libs ctm) -o trace_malloc
 *
 * It wraps malloc and free and names the calling function itself (a tracer for a language reads the stack
 * instead). Then it prints which lines have more memory than before, which ever allocated most, and
 * which made the peak.
 */
#include <ctm/ctm.h>
#include <stdio.h>
#include <stdlib.h>

static ctm_tracer *tracer;

/* A call site: the line and function that allocate, and the one that called it. */
#define TRACED_MALLOC(size, caller_line) traced_malloc(size, __func__, __LINE__, caller_line)

static void *traced_malloc(size_t size, const char *function, int line, int caller_line)
{
    const ctm_frame_text frames[] = {
        /* the most recent first */
        {.filename = __FILE__, .function = function, .lineno = line},
        {.filename = __FILE__, .function = "main", .lineno = caller_line},
    };
    void *block = malloc(size);
    /* Shard 1 has a lock, so any thread may do this. NULL: the tracer is not tracing. */
    ctm_shard *shard = block ? ctm_shard_enter(tracer, 1) : NULL;
    if (shard != NULL) {
        uint32_t traceback;
        ctm_status status = ctm_shard_traceback_text(shard, frames, 2, 2, &traceback);
        if (status == CTM_OK) {
            status = ctm_shard_alloc(shard, 0, (uintptr_t)block, size, traceback);
        }
        if (status != CTM_OK) { /* the block is valid, but not recorded */
            fprintf(stderr, "not traced: %s\n", ctm_status_text(status));
        }
        ctm_shard_leave(shard);
    }
    return block;
}

static void traced_free(void *block)
{
    /* Before the real free: after it another thread may receive the address. */
    ctm_shard *shard = ctm_shard_enter(tracer, 1);
    if (shard != NULL) {
        ctm_shard_free(shard, 0, (uintptr_t)block);
        ctm_shard_leave(shard);
    }
    free(block);
}

static void *read_request(int caller_line)
{
    return TRACED_MALLOC(1000, caller_line);
}

static void *remember_answer(int caller_line)
{
    return TRACED_MALLOC(200, caller_line);
}

static void fail(const char *what, ctm_status status)
{
    fprintf(stderr, "%s: %s\n", what, ctm_status_text(status));
    exit(1);
}

static ctm_snapshot *snapshot(void)
{
    ctm_snapshot *result;
    ctm_status status = ctm_tracer_snapshot(tracer, &result);
    if (status != CTM_OK) {
        fail("snapshot", status);
    }
    return result;
}

/* Prints the line of a row of statistics by line. */
static void print_line(const ctm_statistics *statistics, const ctm_statistic *row)
{
    /* Ids are rows of the tables of this snapshot. */
    const ctm_snapshot *tables = ctm_statistics_snapshot(statistics);
    const ctm_frame *frame = &ctm_snapshot_frames(tables)[row->id];
    const ctm_function *function = &ctm_snapshot_functions(tables)[frame->function];
    printf("  %s:%d %s: ", ctm_snapshot_string(tables, function->filename, NULL),
           (int)frame->lineno, ctm_snapshot_string(tables, function->name, NULL));
}

static void print_diff(ctm_snapshot *newer, ctm_snapshot *older)
{
    ctm_statistics *diff;
    ctm_status status = ctm_snapshot_compare(newer, older, CTM_BY_LINENO, false, &diff);
    if (status != CTM_OK) {
        fail("compare", status);
    }
    printf("what has changed:\n");
    for (size_t i = 0; i < ctm_statistics_length(diff); i++) {
        const ctm_statistic *row = &ctm_statistics_rows(diff)[i];
        print_line(diff, row);
        printf("%llu bytes (%+lld), %llu blocks (%+lld)\n", (unsigned long long)row->size,
               (long long)row->size_diff, (unsigned long long)row->count,
               (long long)row->count_diff);
    }
    ctm_statistics_free(diff);
}

static void print_churn(ctm_snapshot *of)
{
    ctm_statistics *statistics;
    ctm_status status =
        ctm_snapshot_statistics_sorted(of, CTM_BY_LINENO, false, CTM_SORT_ALLOCATED, &statistics);
    if (status != CTM_OK) {
        fail("statistics", status);
    }
    printf("what was ever allocated:\n");
    for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
        const ctm_statistic *row = &ctm_statistics_rows(statistics)[i];
        print_line(statistics, row);
        printf("%llu bytes in %llu blocks, %llu of them freed\n",
               (unsigned long long)row->allocated_size, (unsigned long long)row->allocated_count,
               (unsigned long long)(row->allocated_count - row->count));
    }
    ctm_statistics_free(statistics);
}

/* The snapshot of the peak has statistics as any other. */
static void print_peak(ctm_snapshot *of)
{
    ctm_snapshot *peak;
    ctm_statistics *statistics;
    ctm_status status = ctm_snapshot_at_peak(of, &peak);
    if (status == CTM_ERR_NOT_FOUND) {
        return; /* not every snapshot knows its peak */
    }
    if (status != CTM_OK) {
        fail("peak", status);
    }
    status = ctm_snapshot_statistics(peak, CTM_BY_LINENO, false, &statistics);
    if (status != CTM_OK) {
        fail("statistics", status);
    }
    printf("what made the peak:\n");
    for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
        const ctm_statistic *row = &ctm_statistics_rows(statistics)[i];
        print_line(statistics, row);
        printf("%llu bytes in %llu blocks\n", (unsigned long long)row->size,
               (unsigned long long)row->count);
    }
    ctm_statistics_free(statistics);
    ctm_snapshot_unref(peak);
}

int main(void)
{
    enum { REQUESTS = 10 };
    void *answers[2 * REQUESTS];
    ctm_totals totals;
    ctm_status status = ctm_tracer_new(&tracer);
    if (status == CTM_OK) {
        status = ctm_tracer_start(tracer, 2);
    }
    if (status != CTM_OK) {
        fail("start", status);
    }

    ctm_snapshot *before = NULL;
    for (int i = 0; i < 2 * REQUESTS; i++) {
        if (i == REQUESTS) {
            before = snapshot();
        }
        void *request = read_request(__LINE__);
        answers[i] = remember_answer(__LINE__); /* the leak */
        traced_free(request);
    }
    ctm_snapshot *after = snapshot();
    print_diff(after, before);

    ctm_tracer_totals(tracer, &totals);
    printf("total %llu bytes in %llu blocks, peak %llu bytes\n",
           (unsigned long long)totals.current_bytes, (unsigned long long)totals.live_blocks,
           (unsigned long long)totals.peak_bytes);

    for (int i = 0; i < 2 * REQUESTS; i++) {
        traced_free(answers[i]);
    }
    ctm_snapshot *end = snapshot(); /* without live blocks */
    print_churn(end);
    print_peak(end);
    ctm_snapshot_unref(before);
    ctm_snapshot_unref(after);
    ctm_snapshot_unref(end);
    ctm_tracer_stop(tracer);
    ctm_tracer_free(tracer);
    return 0;
}
