/* sinks/recorder.c: starts, pauses and stops a recorder, and requests ticks from its thread (recorder_thread.c). See
 * sinks/recorder.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "sinks/recorder.h"

#define WAIT_SECONDS 10u /* seconds to wait for the thread before giving up */

/* --- the tracer's list --- */

static const struct ctmi_sink_kind recorder_kind;

static struct ctm_recorder *recorder_of(const ctm_tracer *tracer)
{
    return (struct ctm_recorder *)ctmi_sinks_find(tracer, &recorder_kind);
}

static void add_to_tracer(struct ctm_recorder *recorder)
{
    ctmi_tracer_close(recorder->tracer);
    ctmi_sinks_add(recorder->tracer, &recorder->sink);
    ctmi_tracer_open(recorder->tracer);
}

static void remove_from_tracer(struct ctm_recorder *recorder)
{
    ctmi_tracer_close(recorder->tracer);
    ctmi_sinks_remove(recorder->tracer, &recorder->sink);
    ctmi_tracer_open(recorder->tracer);
}

/* --- start --- */

static void init_locks(struct ctm_recorder *recorder)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    ctmi_lock_init(&recorder->lock);
    pthread_cond_init(&recorder->wake, &attributes);
    pthread_cond_init(&recorder->done, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void put_beginning(struct ctm_recorder *recorder, const char *command, size_t length)
{
    struct ctmi_buffer *out = &recorder->out;
    ctmi_put_recording_header(out, &recorder->crc, ctmi_tracer_now(), recorder->interval,
                              (uint64_t)getpid());
    if (!out->failed) {
        memcpy(recorder->header, out->bytes, sizeof recorder->header);
    }
    if (length > 0) {
        const size_t begin = ctmi_block_begin(out, CTMI_BLOCK_COMMAND);
        ctmi_buffer_put(out, command, length);
        ctmi_block_end(out, &recorder->crc, begin);
    }
}

static struct ctm_recorder *new_recorder(ctm_tracer *tracer, uint64_t interval)
{
    struct ctm_recorder *recorder = ctmi_mem_alloc(sizeof *recorder);
    if (recorder == NULL) {
        return NULL;
    }
    memset(recorder, 0, sizeof *recorder);
    recorder->sink.kind = &recorder_kind;
    recorder->tracer = tracer;
    recorder->interval = interval;
    recorder->began = ctmi_recorder_time(recorder); /* relative to 0, so the monotonic time */
    recorder->state.recording = true;
    atomic_init(&recorder->fd, -1);
    ctmi_crc32c_init(&recorder->crc);
    init_locks(recorder);
    return recorder;
}

static void free_recorder(struct ctm_recorder *recorder)
{
    const int error = errno;
    ctmi_recorder_close_file(recorder);
    ctmi_lock_destroy(&recorder->lock);
    pthread_cond_destroy(&recorder->wake);
    pthread_cond_destroy(&recorder->done);
    ctmi_recorder_free_shards(recorder);
    ctmi_buffer_free(&recorder->out);
    ctmi_buffer_free(&recorder->changes);
    ctmi_mem_free(recorder);
    errno = error;
}

static ctm_status first_tick(struct ctm_recorder *recorder, const char *path, bool is_new)
{
    const ctm_status status = ctm_recorder_tick(recorder);
    if (status != CTM_OK) {
        const bool no_memory = errno == ENOMEM;
        ctmi_recorder_remove_file(recorder, path, is_new);
        ctm_recorder_free(recorder);
        return status == CTM_ERR_IO && no_memory ? CTM_ERR_NOMEM : status;
    }
    return CTM_OK;
}

/* Starts the thread and then empties the file: so the earlier content is lost only if nothing but the disk can make the
 * recording fail. The thread waits for `lock` meanwhile. Returns 0 or errno. */
static int start_thread_and_empty(struct ctm_recorder *recorder, int fd)
{
    ctmi_lock_acquire(&recorder->lock);
    int error = ctmi_recorder_start_thread(recorder);
    const bool started = error == 0;
    if (started && ftruncate(fd, 0) != 0) {
        error = errno;
        recorder->pausing = true; /* the thread ends at once */
    }
    ctmi_lock_release(&recorder->lock);
    if (started && error != 0) {
        pthread_join(recorder->thread, NULL);
    }
    return error;
}

static ctm_status begin_file(struct ctm_recorder *recorder, const char *path, bool *out_new)
{
    struct stat status;
    const int fd = ctmi_recorder_open_file(path, &status, out_new);
    if (fd < 0) {
        return CTM_ERR_IO;
    }
    recorder->device = status.st_dev;
    recorder->inode = status.st_ino;
    atomic_store(&recorder->fd, fd);
    const int error = start_thread_and_empty(recorder, fd);
    if (error != 0) {
        errno = error;
        if (*out_new) {
            ctmi_recorder_remove_file(recorder, path, true);
        }
        return CTM_ERR_IO;
    }
    return CTM_OK;
}

/* Whether the tracer has a recorder. One that has failed is stopped and removed first. */
static bool is_recorded(ctm_tracer *tracer)
{
    struct ctm_recorder *recorder = recorder_of(tracer);
    if (recorder != NULL) {
        ctm_recorder_state state;
        ctm_recorder_state_get(recorder, &state);
        if (!state.recording) {
            (void)ctm_recorder_stop(recorder, false);
        }
    }
    return recorder_of(tracer) != NULL;
}

static ctm_status check_start(ctm_tracer *tracer, uint64_t interval, const char *command)
{
    if (interval < CTM_MIN_RECORD_INTERVAL || interval > CTM_MAX_RECORD_INTERVAL ||
        is_recorded(tracer)) {
        return CTM_ERR_INVALID;
    }
    if (command != NULL) {
        const size_t length = strlen(command);
        if (ctmi_utf8_fault((const unsigned char *)command, length) != length) {
            return CTM_ERR_INVALID;
        }
    }
    return ctm_tracer_is_tracing(tracer) ? CTM_OK : CTM_ERR_NOT_TRACING;
}

/* Makes a recorder whose thread waits for the first tick. command: NULL: the tracer's. */
static ctm_status start_recorder(ctm_tracer *tracer, const char *path, uint64_t interval,
                                 const char *command, struct ctm_recorder **out, bool *out_new)
{
    struct ctm_recorder *recorder = new_recorder(tracer, interval);
    if (recorder == NULL) {
        return CTM_ERR_NOMEM;
    }
    if (command != NULL) {
        put_beginning(recorder, command, strlen(command));
    } else {
        put_beginning(recorder, tracer->command, tracer->command_length);
    }
    const ctm_status status =
        recorder->out.failed ? CTM_ERR_NOMEM : begin_file(recorder, path, out_new);
    if (status == CTM_OK) {
        *out = recorder;
    } else {
        free_recorder(recorder);
    }
    return status;
}

ctm_status ctm_recorder_start(ctm_tracer *tracer, const char *path, uint64_t interval,
                              const char *command, ctm_recorder **out)
{
    struct ctm_recorder *recorder;
    bool is_new = false;
    ctm_status status = check_start(tracer, interval, command);
    if (status != CTM_OK) {
        return status;
    }
    ctmi_deferred_unmap_wait(&tracer->deferred_unmap); /* at most one helper thread at a time */
    status = start_recorder(tracer, path, interval, command, &recorder, &is_new);
    if (status != CTM_OK) {
        return status;
    }
    add_to_tracer(recorder);
    status = first_tick(recorder, path, is_new);
    if (status == CTM_OK) {
        *out = recorder;
    }
    return status;
}

/* --- waiting for the thread --- */

static struct timespec deadline(unsigned seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    return until;
}

/* Waits until *count is at least `target` or the recording has ended. False: timeout. Called with `lock` held. */
static bool wait_done_locked(struct ctm_recorder *recorder, const uint64_t *count, uint64_t target)
{
    CTMI_ASSERT_LOCKED(recorder->lock);
    const struct timespec until = deadline(WAIT_SECONDS);
    int error = 0;
    while (error == 0 && *count < target && recorder->state.recording) {
        error = ctmi_lock_wait(&recorder->lock, &recorder->done, &until);
    }
    return error == 0 || *count >= target;
}

/* --- pause and resume --- */

bool ctm_recorder_pause(ctm_recorder *recorder)
{
    if (recorder->joined || recorder->threadless) {
        return true;
    }
    ctmi_lock_acquire(&recorder->lock);
    const struct timespec until = deadline(1);
    int error = 0;
    recorder->pausing = true;
    pthread_cond_signal(&recorder->wake);
    while (error == 0 && !recorder->paused && recorder->state.recording) {
        error = ctmi_lock_wait(&recorder->lock, &recorder->done, &until);
    }
    recorder->pausing = recorder->paused;
    const bool paused = recorder->paused;
    ctmi_lock_release(&recorder->lock);
    if (paused) {
        pthread_join(recorder->thread, NULL);
        recorder->threadless = true;
    }
    return paused;
}

/* No thread can continue the recording, so it ends. */
static void end_without_thread(struct ctm_recorder *recorder, int error)
{
    ctmi_recorder_close_file(recorder);
    recorder->joined = true;
    ctmi_lock_acquire(&recorder->lock);
    recorder->state.recording = false;
    recorder->state.error = error;
    recorder->state.reason = "the recorder's thread could not be started again";
    ctmi_lock_release(&recorder->lock);
    remove_from_tracer(recorder);
}

void ctm_recorder_resume(ctm_recorder *recorder)
{
    if (recorder->joined || !recorder->threadless) {
        return;
    }
    recorder->threadless = false;
    ctmi_lock_acquire(&recorder->lock);
    recorder->pausing = recorder->paused = false;
    ctmi_lock_release(&recorder->lock);
    const int error = ctmi_recorder_start_thread(recorder);
    if (error != 0) {
        end_without_thread(recorder, error);
    }
}

/* Requests a tick and stops the world until the tables are read. *out: the number of the tick. False: timeout. */
static bool request_tick(struct ctm_recorder *recorder, bool stop, bool at_exit, uint64_t *out)
{
    ctm_recorder_resume(recorder);
    ctmi_tracer_stop_world(recorder->tracer);
    ctmi_lock_acquire(&recorder->lock);
    recorder->stopping = recorder->stopping || stop;
    recorder->at_exit = at_exit;
    *out = ++recorder->requested;
    pthread_cond_signal(&recorder->wake);
    const bool done = wait_done_locked(recorder, &recorder->read, *out);
    ctmi_lock_release(&recorder->lock);
    ctmi_tracer_resume_world(recorder->tracer);
    return done;
}

static ctm_status failed(int error)
{
    errno = error;
    return CTM_ERR_IO;
}

ctm_status ctm_recorder_tick(ctm_recorder *recorder)
{
    ctm_recorder_state state;
    uint64_t number;
    ctm_recorder_state_get(recorder, &state);
    if (!state.recording) {
        return failed(state.error != 0 ? state.error : EBADF);
    }
    if (!ctm_tracer_is_tracing(recorder->tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    bool done = request_tick(recorder, false, false, &number);
    ctmi_lock_acquire(&recorder->lock);
    done = done && wait_done_locked(recorder, &recorder->put, number);
    const int error = recorder->state.error;
    ctmi_lock_release(&recorder->lock);
    return error == 0 && done ? CTM_OK : failed(error != 0 ? error : ETIMEDOUT);
}

/* False: the thread hangs in a system call. It is detached, and its memory is never freed. */
static bool join_thread(struct ctm_recorder *recorder)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    if (pthread_timedjoin_np(recorder->thread, NULL, &until) == 0) {
        return true;
    }
    pthread_detach(recorder->thread);
    return false;
}

ctm_status ctm_recorder_stop(ctm_recorder *recorder, bool at_exit)
{
    ctm_recorder_state state;
    uint64_t number;
    if (!recorder->joined) {
        (void)request_tick(recorder, true, at_exit, &number);
        const bool there = !recorder->joined;
        recorder->joined = true;
        if (there && !join_thread(recorder)) {
            ctmi_lock_acquire(&recorder->lock);
            recorder->state.recording = false;
            recorder->state.error = ETIMEDOUT;
            recorder->state.reason = "writing to the file hangs";
            recorder->leaked = true;
            ctmi_lock_release(&recorder->lock);
        }
        remove_from_tracer(recorder);
    }
    ctm_recorder_state_get(recorder, &state);
    return state.error == 0 ? CTM_OK : failed(state.error);
}

void ctm_recorder_state_get(ctm_recorder *recorder, ctm_recorder_state *out)
{
    ctmi_lock_acquire(&recorder->lock);
    *out = recorder->state;
    ctmi_lock_release(&recorder->lock);
}

void ctm_recorder_free(ctm_recorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    const int error = errno;
    (void)ctm_recorder_stop(recorder, false);
    if (!recorder->leaked) {
        free_recorder(recorder);
    }
    errno = error;
}

/* After a fork, in the child: the recorder has no thread, and its file is closed. */
static void fork_after_child(struct ctmi_sink *sink)
{
    struct ctm_recorder *recorder = (struct ctm_recorder *)sink;
    ctmi_recorder_close_file(recorder);
    init_locks(recorder); /* the thread, which is not in this process, may have held `lock` */
    recorder->joined = recorder->leaked = true;
    recorder->state.recording = false;
    recorder->state.reason = "this process is a fork of the recorded one";
    ctmi_sinks_remove(recorder->tracer, sink);
}

static size_t memory(const struct ctmi_sink *sink)
{
    return atomic_load(&((const struct ctm_recorder *)sink)->memory);
}

static const struct ctmi_sink_kind recorder_kind = {
    .fork_after_child = fork_after_child,
    .memory = memory,
};
