/* sinks/recorder_thread.c: the thread that records; see sinks/recorder.h.
 *
 * Model: a loop of ticks. A tick waits until it is due or requested, reads the tables and writes what changed, and
 * publishes the result to the threads that wait for it.
 */
#include <errno.h>
#include <time.h>

#include "base/helper_thread.h"
#include "sinks/recorder.h"

static struct timespec at_time(uint64_t monotonic)
{
    return (struct timespec){.tv_sec = (time_t)(monotonic / 1000000000u),
                             .tv_nsec = (long)(monotonic % 1000000000u)};
}

/* Waits for the next tick, which is due at `next` nanoseconds, or for a request. Called with `lock` held. */
static void wait_locked(struct ctm_recorder *recorder, uint64_t next)
{
    CTMI_ASSERT_LOCKED(recorder->lock);
    const struct timespec until = at_time(recorder->began + next);
    while (!recorder->stopping && !recorder->pausing && recorder->requested == recorder->read &&
           ctmi_recorder_time(recorder) < next) {
        (void)ctmi_lock_wait(&recorder->lock, &recorder->wake, &until);
    }
}

static void put_end(struct ctm_recorder *recorder, ctm_recording_end end)
{
    const size_t begin = ctmi_block_begin(&recorder->out, CTMI_BLOCK_END);
    ctmi_put_end(&recorder->out, ctmi_recorder_time(recorder), end,
                 recorder->end.status_known ? &recorder->end.status : NULL, recorder->end.text);
    ctmi_block_end(&recorder->out, &recorder->crc, begin);
}

/* Reads the tables and writes a tick, and the end if there is one. Returns 0 or errno. */
static int read_and_write(struct ctm_recorder *recorder, uint64_t requested, ctm_recording_end end,
                          const char **out_reason)
{
    bool ok = ctmi_recorder_read(recorder);
    const bool is_lost = atomic_load(&recorder->tracer->tables_lost);
    ctmi_lock_acquire(&recorder->lock);
    recorder->read = requested; /* a thread that stopped the world may resume it */
    pthread_cond_broadcast(&recorder->done);
    ctmi_lock_release(&recorder->lock);
    if (is_lost) { /* the rows just read may be invalid; earlier ticks stay */
        *out_reason = ctm_recording_lack_text(CTM_RECORDING_TABLES_LOST);
        return ENODATA;
    }
    if (ok && end != CTM_END_UNKNOWN) {
        put_end(recorder, end);
        ok = !recorder->out.failed;
    }
    *out_reason = "out of memory";
    return ok ? ctmi_recorder_write_out(recorder, out_reason) : ENOMEM;
}

/* What a tick has to do. Local to one tick. */
struct task {
    uint64_t requested; /* number of ticks requested so far */
    ctm_recording_end end;
};

static ctm_recording_end end_locked(const struct ctm_recorder *recorder)
{
    CTMI_ASSERT_LOCKED(recorder->lock);
    return !recorder->stopping ? CTM_END_UNKNOWN
           : recorder->at_exit ? CTM_END_EXIT
                               : CTM_END_STOPPED;
}

/* Waits until a tick is due. False: the thread shall end without one. */
static bool await_task(struct ctm_recorder *recorder, uint64_t next, struct task *out)
{
    ctmi_lock_acquire(&recorder->lock);
    wait_locked(recorder, next);
    const bool pausing = recorder->pausing;
    if (pausing) {
        recorder->paused = true;
        pthread_cond_broadcast(&recorder->done);
    }
    *out = (struct task){.requested = recorder->requested, .end = end_locked(recorder)};
    ctmi_lock_release(&recorder->lock);
    return !pausing;
}

/* Publishes the result of a tick; error: 0 or errno. Returns whether the recording continues. */
static bool publish(struct ctm_recorder *recorder, const struct task *task, int error,
                    const char *reason)
{
    const bool continues = error == 0 && task->end == CTM_END_UNKNOWN;
    ctmi_lock_acquire(&recorder->lock);
    recorder->put = task->requested;
    recorder->state.ticks += error == 0 && recorder->tracing;
    recorder->state.bytes = recorder->written;
    if (error != 0) {
        recorder->state.error = error;
        recorder->state.reason = reason;
    }
    recorder->state.recording = continues;
    pthread_cond_broadcast(&recorder->done);
    ctmi_lock_release(&recorder->lock);
    return continues;
}

/* Makes one tick. False: it was the last of this thread. */
static bool tick(struct ctm_recorder *recorder, uint64_t next)
{
    struct task task;
    const char *reason;
    if (!await_task(recorder, next, &task)) {
        return false;
    }
    const int error = read_and_write(recorder, task.requested, task.end, &reason);
    ctmi_buffer_empty(&recorder->out);
    atomic_store(&recorder->memory, ctmi_recorder_memory(recorder));
    if (error != 0) {
        ctmi_recorder_write_lack(recorder, error);
    }
    if (error != 0 || task.end != CTM_END_UNKNOWN) {
        ctmi_recorder_close_file(recorder);
    }
    return publish(recorder, &task, error, reason);
}

/* Returns the time of the next tick. A missed tick is skipped. */
static uint64_t next_tick(const struct ctm_recorder *recorder)
{
    return (ctmi_recorder_time(recorder) / recorder->interval + 1) * recorder->interval;
}

static void *run(void *argument)
{
    struct ctm_recorder *recorder = argument;
    while (tick(recorder, next_tick(recorder))) {
    }
    return NULL;
}

int ctmi_recorder_start_thread(struct ctm_recorder *recorder)
{
    const int error = ctmi_helper_start(&recorder->thread, run, recorder);
    if (error == 0) {
        pthread_setname_np(recorder->thread, "ctm-recorder");
    }
    return error;
}
