/* memory_over_time.c: a program that records itself with libctm, and reads the recording.
 *
 *   cc memory_over_time.c $(pkg-config --cflags --libs ctm) -o memory_over_time && ./memory_over_time [FILE]
 *
 * The blocks are made up: to the tracer, addresses are numbers. trace_malloc.c shows how a program traces its
 * own malloc.
 */
#include <ctm/ctm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ctm_status allocate(ctm_tracer *tracer, uintptr_t address, size_t size, int line)
{
    const ctm_frame_text frame = {.filename = "server.c", .function = "answer", .lineno = line};
    uint32_t traceback;
    ctm_shard *shard = ctm_shard_enter(tracer, 1);
    if (shard == NULL) {
        return CTM_ERR_NOT_TRACING;
    }
    ctm_status status = ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback);
    if (status == CTM_OK) {
        status = ctm_shard_alloc(shard, 0, address, size, traceback);
    }
    ctm_shard_leave(shard);
    return status;
}

/* Ten rounds of requests. Line 20 never frees what it allocates; the blocks of line 10 are freed. */
static ctm_status work(ctm_tracer *tracer, ctm_recorder *recorder)
{
    uintptr_t next = 0x100000;
    ctm_status status = CTM_OK;
    for (int round = 0; round < 10 && status == CTM_OK; round++) {
        for (int request = 0; request < 100 && status == CTM_OK; request++, next += 4096) {
            status = allocate(tracer, next, 1000, 10);
            if (status == CTM_OK) {
                status = allocate(tracer, next + 2048, 16, 20);
            }
            ctm_shard *shard = ctm_shard_enter(tracer, 1);
            ctm_shard_free(shard, 0, next);
            ctm_shard_leave(shard);
        }
        /* The recorder's own ticks come at its interval; this one is of exactly this moment. */
        if (status == CTM_OK) {
            status = ctm_recorder_tick(recorder);
        }
    }
    return status;
}

static ctm_status record(const char *path)
{
    ctm_tracer *tracer;
    ctm_recorder *recorder;
    ctm_status status = ctm_tracer_new(&tracer);
    if (status != CTM_OK) {
        return status;
    }
    status = ctm_tracer_start(tracer, 1);
    if (status == CTM_OK) {
        status = ctm_recorder_start(tracer, path, 1000000000u, "memory_over_time", &recorder);
    }
    if (status == CTM_OK) {
        status = work(tracer, recorder);
        const ctm_status stopped = ctm_recorder_stop(recorder, false);
        if (status == CTM_OK) {
            status = stopped;
        }
        ctm_recorder_free(recorder);
    }
    ctm_tracer_free(tracer);
    return status;
}

/* Prints how much lines 10 and 20 held at each moment. */
static ctm_status print(ctm_recording *recording)
{
    const size_t n = ctm_recording_info_get(recording)->moments;
    const ctm_moment *moments = ctm_recording_moments(recording);
    const ctm_place places[2] = {
        {.filename = "server.c", .filename_length = 8, .lineno = 10},
        {.filename = "server.c", .filename_length = 8, .lineno = 20},
    };
    uint64_t *sums = malloc(4 * n * sizeof *sums);
    if (sums == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status =
        ctm_recording_series(recording, 0, n, CTM_BY_LINENO, places, 2, sums, sums + 2 * n);
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        printf("%8.3f s  %6llu bytes, of these line 10: %llu, line 20: %llu\n",
               (double)moments[i].time / 1e9, (unsigned long long)moments[i].bytes,
               (unsigned long long)sums[i], (unsigned long long)sums[n + i]);
    }
    free(sums);
    return status;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "memory_over_time.ctr";
    ctm_recording *recording;
    ctm_file_error error = {0, NULL};
    ctm_status status = record(path);
    if (status == CTM_OK) {
        status = ctm_recording_open(path, &recording, &error);
    }
    if (status == CTM_OK) {
        status = print(recording);
        ctm_recording_free(recording);
    }
    if (status != CTM_OK) {
        fprintf(stderr, "%s: %s\n", ctm_status_text(status), error.reason ? error.reason : path);
    }
    return status == CTM_OK ? 0 : 1;
}
