/* sinks/recorder.c: the thread that records; see sinks/recorder.h.
 *
 * The file: written at its own offset, a tick with one call as a rule. What could not be written whole is cut off
 * again, so the file always ends with a whole block; the recording ends there, and the program goes on. Before each
 * write the file is compared with what it was, because the number of a file descriptor says little: the program may
 * have closed it (daemons close all there are), and the number be another file's now.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/helper_thread.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "ctm/black_box.h"
#include "sinks/recorder.h"

#define PATIENCE 10u /* seconds to wait for a thread that writes, before giving up */

/* --- the file --- */

/* A regular file of ours alone, with what it held; else -1 with errno. */
static int open_file(const char *path, struct stat *out, bool *out_new)
{
    /* Not blocking: opening a pipe would wait for a reader. */
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags | O_EXCL, 0666);
    *out_new = fd >= 0;
    if (fd < 0 && errno == EEXIST) {
        fd = open(path, flags, 0666);
    }
    if (fd < 0) {
        return -1;
    }
    fd = ctmi_fd_move_up(fd);
    int error = 0;
    if (fstat(fd, out) != 0) {
        error = errno;
    } else if (!S_ISREG(out->st_mode)) {
        error = EINVAL;
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        error = EWOULDBLOCK; /* another process records into it */
    }
    if (error != 0) {
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool fd_is_ours(const struct ctm_recorder *recorder, int fd, struct stat *out)
{
    return fd >= 0 && fstat(fd, out) == 0 && out->st_dev == recorder->device &&
           out->st_ino == recorder->inode;
}

/* A recording that could not be begun leaves no file that was not there, nor an empty one. */
static void remove_file(struct ctm_recorder *recorder, const char *path, bool is_new)
{
    const int error = errno;
    struct stat now;
    if (lstat(path, &now) == 0 && now.st_dev == recorder->device && now.st_ino == recorder->inode &&
        (is_new || now.st_size == 0)) {
        unlink(path);
    }
    errno = error;
}

static void close_file(struct ctm_recorder *recorder)
{
    struct stat status;
    /* First forgotten, then closed: the child of a fork in between must not close what has got the number since. */
    const int fd = atomic_exchange(&recorder->fd, -1);
    if (fd_is_ours(recorder, fd, &status)) {
        close(fd);
    }
}

/* The process's limit on the size of files: beyond it the system would send SIGXFSZ, were it not blocked here. */
static ctm_recording_lack lack_of(int error)
{
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return error == ENOMEM    ? CTM_RECORDING_NO_MEMORY
           : error == ENODATA ? CTM_RECORDING_TABLES_LOST
           : full             ? CTM_RECORDING_NO_SPACE
                              : CTM_RECORDING_IO;
}

/* The header has its place already, so this needs no room. */
static void write_lack(struct ctm_recorder *recorder, int error)
{
    struct stat status;
    const int fd = atomic_load(&recorder->fd);
    if (recorder->written >= CTMI_RECORDING_HEADER_SIZE && fd_is_ours(recorder, fd, &status) &&
        (uint64_t)status.st_size >= recorder->written) {
        ctmi_header_set_lack(recorder->header, &recorder->crc, lack_of(error));
        const ssize_t ignored = pwrite(fd, recorder->header, sizeof recorder->header, 0);
        (void)ignored;
    }
}

/* errno of what went wrong, 0 if all is written. */
static int write_out(struct ctm_recorder *recorder, const char **out_reason)
{
    const int fd = atomic_load(&recorder->fd);
    const unsigned char *at = recorder->out.bytes;
    size_t left = recorder->out.length;
    struct stat status;
    *out_reason = "the file was closed, replaced or changed by somebody else";
    if (!fd_is_ours(recorder, fd, &status) || (uint64_t)status.st_size != recorder->written) {
        return ESTALE;
    }
    *out_reason = "the file could not be written";
    while (left > 0) {
        const ssize_t n =
            pwrite(fd, at, left, (off_t)(recorder->written + (uint64_t)(at - recorder->out.bytes)));
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            const int error = n == 0 ? EIO : errno;
            const int ignored = ftruncate(fd, (off_t)recorder->written);
            (void)ignored; /* then reading finds the last block cut off */
            return error;
        }
    }
    recorder->written += recorder->out.length;
    return 0;
}

/* --- the thread --- */

static struct timespec at_time(uint64_t monotonic)
{
    return (struct timespec){.tv_sec = (time_t)(monotonic / 1000000000u),
                             .tv_nsec = (long)(monotonic % 1000000000u)};
}

/* Waits for the next tick, which is due at `next` nanoseconds, or for somebody to ask for one. Locked. */
static void wait_locked(struct ctm_recorder *recorder, uint64_t next)
{
    const struct timespec until = at_time(recorder->began + next);
    while (!recorder->stopping && !recorder->pausing && recorder->asked == recorder->read &&
           ctmi_recorder_time(recorder) < next) {
        pthread_cond_timedwait(&recorder->wake, &recorder->lock, &until);
    }
}

static void put_end(struct ctm_recorder *recorder, ctm_recording_end end)
{
    const size_t begin = ctmi_block_begin(&recorder->out, CTMI_BLOCK_END);
    ctmi_put_end(&recorder->out, ctmi_recorder_time(recorder), end,
                 recorder->end.status_known ? &recorder->end.status : NULL, recorder->end.text);
    ctmi_block_end(&recorder->out, &recorder->crc, begin);
}

/* errno. */
static int read_and_write(struct ctm_recorder *recorder, uint64_t asked, ctm_recording_end end,
                          const char **out_reason)
{
    bool good = ctmi_recorder_read(recorder);
    const bool is_lost = ctm_black_box_is_broken(recorder->tracer);
    pthread_mutex_lock(&recorder->lock);
    recorder->read = asked; /* whoever kept the world still may let it go */
    pthread_cond_broadcast(&recorder->done);
    pthread_mutex_unlock(&recorder->lock);
    if (is_lost) { /* what has been read now may be void: the ticks before it stay */
        *out_reason = ctm_recording_lack_text(CTM_RECORDING_TABLES_LOST);
        return ENODATA;
    }
    if (good && end != CTM_END_UNKNOWN) {
        put_end(recorder, end);
        good = !recorder->out.failed;
    }
    *out_reason = "out of memory";
    return good ? write_out(recorder, out_reason) : ENOMEM;
}

/* One tick; false: it was the last of this thread. */
static bool tick(struct ctm_recorder *recorder, uint64_t next)
{
    const char *reason;
    pthread_mutex_lock(&recorder->lock);
    wait_locked(recorder, next);
    if (recorder->pausing) {
        recorder->paused = true;
        pthread_cond_broadcast(&recorder->done);
        pthread_mutex_unlock(&recorder->lock);
        return false;
    }
    const uint64_t asked = recorder->asked;
    const ctm_recording_end end = !recorder->stopping ? CTM_END_UNKNOWN
                                  : recorder->at_exit ? CTM_END_EXIT
                                                      : CTM_END_STOPPED;
    pthread_mutex_unlock(&recorder->lock);
    const int error = read_and_write(recorder, asked, end, &reason);
    ctmi_buffer_empty(&recorder->out);
    atomic_store(&recorder->memory, ctmi_recorder_memory(recorder));
    if (error != 0) {
        write_lack(recorder, error);
    }
    if (error != 0 || end != CTM_END_UNKNOWN) {
        close_file(recorder);
    }
    pthread_mutex_lock(&recorder->lock);
    recorder->put = asked;
    recorder->state.ticks += error == 0 && recorder->tracing;
    recorder->state.bytes = recorder->written;
    if (error != 0) {
        recorder->state.error = error;
        recorder->state.reason = reason;
    }
    const bool goes_on = error == 0 && end == CTM_END_UNKNOWN;
    recorder->state.recording = goes_on;
    pthread_cond_broadcast(&recorder->done);
    pthread_mutex_unlock(&recorder->lock);
    return goes_on;
}

/* When the next tick is due: one that was missed is left out. */
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

/* All its signals are blocked, so a limit of the file's size is an error and no signal. */
static int start_thread(struct ctm_recorder *recorder)
{
    const int error = ctmi_helper_start(&recorder->thread, run, recorder);
    if (error == 0) {
        pthread_setname_np(recorder->thread, "ctm-recorder");
    }
    return error;
}

/* --- start --- */

static void init_locks(struct ctm_recorder *recorder)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&recorder->lock, NULL);
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
    recorder->tracer = tracer;
    recorder->interval = interval;
    recorder->began = ctmi_recorder_time(recorder); /* less 0 */
    recorder->state.recording = true;
    atomic_init(&recorder->fd, -1);
    ctmi_crc32c_init(&recorder->crc);
    init_locks(recorder);
    return recorder;
}

static void free_recorder(struct ctm_recorder *recorder)
{
    const int error = errno;
    close_file(recorder);
    pthread_mutex_destroy(&recorder->lock);
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
        remove_file(recorder, path, is_new);
        ctm_recorder_free(recorder);
        return status == CTM_ERR_IO && no_memory ? CTM_ERR_NOMEM : status;
    }
    return CTM_OK;
}

/* What the file held is given up when nothing but the disk can hinder the recording any more: the thread waits for the lock
 * meanwhile. errno. */
static int start_thread_and_empty(struct ctm_recorder *recorder, int fd)
{
    pthread_mutex_lock(&recorder->lock);
    int error = start_thread(recorder);
    const bool started = error == 0;
    if (started && ftruncate(fd, 0) != 0) {
        error = errno;
        recorder->pausing = true; /* it ends at once */
    }
    pthread_mutex_unlock(&recorder->lock);
    if (started && error != 0) {
        pthread_join(recorder->thread, NULL);
    }
    return error;
}

static ctm_status begin_file(struct ctm_recorder *recorder, const char *path, bool *out_new)
{
    struct stat status;
    const int fd = open_file(path, &status, out_new);
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
            remove_file(recorder, path, true);
        }
        return CTM_ERR_IO;
    }
    return CTM_OK;
}

/* A recorder that has failed gives way. */
static bool is_recorded(ctm_tracer *tracer)
{
    if (tracer->recorder != NULL) {
        ctm_recorder_state state;
        ctm_recorder_state_get(tracer->recorder, &state);
        if (!state.recording) {
            (void)ctm_recorder_stop(tracer->recorder, false);
        }
    }
    return tracer->recorder != NULL;
}

ctm_status ctm_recorder_start(ctm_tracer *tracer, const char *path, uint64_t interval,
                              const char *command, ctm_recorder **out)
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
    if (!ctm_tracer_is_tracing(tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    ctmi_deferred_unmap_wait(&tracer->deferred_unmap); /* one thread of ours at a time */
    struct ctm_recorder *recorder = new_recorder(tracer, interval);
    if (recorder == NULL) {
        return CTM_ERR_NOMEM;
    }
    if (command != NULL) {
        put_beginning(recorder, command, strlen(command));
    } else {
        put_beginning(recorder, tracer->command, tracer->command_length);
    }
    bool is_new = false;
    ctm_status status = recorder->out.failed ? CTM_ERR_NOMEM : begin_file(recorder, path, &is_new);
    if (status != CTM_OK) {
        free_recorder(recorder);
        return status;
    }
    tracer->recorder = recorder;
    status = first_tick(recorder, path, is_new);
    if (status == CTM_OK) {
        *out = recorder;
    }
    return status;
}

/* --- what others ask --- */

static struct timespec patience(unsigned seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    return until;
}

/* Waits until *count is at least `target` or the recording has ended. False: in vain. Locked. */
static bool wait_done_locked(struct ctm_recorder *recorder, const uint64_t *count, uint64_t target)
{
    const struct timespec until = patience(PATIENCE);
    int error = 0;
    while (error == 0 && *count < target && recorder->state.recording) {
        error = pthread_cond_timedwait(&recorder->done, &recorder->lock, &until);
    }
    return error == 0 || *count >= target;
}

/* --- pause and resume --- */

bool ctm_recorder_pause(ctm_recorder *recorder)
{
    if (recorder->joined || recorder->threadless) {
        return true;
    }
    pthread_mutex_lock(&recorder->lock);
    const struct timespec until = patience(1);
    int error = 0;
    recorder->pausing = true;
    pthread_cond_signal(&recorder->wake);
    while (error == 0 && !recorder->paused && recorder->state.recording) {
        error = pthread_cond_timedwait(&recorder->done, &recorder->lock, &until);
    }
    recorder->pausing = recorder->paused;
    const bool paused = recorder->paused;
    pthread_mutex_unlock(&recorder->lock);
    if (paused) {
        pthread_join(recorder->thread, NULL);
        recorder->threadless = true;
    }
    return paused;
}

void ctm_recorder_resume(ctm_recorder *recorder)
{
    if (recorder->joined || !recorder->threadless) {
        return;
    }
    recorder->pausing = recorder->paused = recorder->threadless = false;
    const int error = start_thread(recorder);
    if (error != 0) { /* nobody goes on with it */
        close_file(recorder);
        recorder->joined = true;
        recorder->state.recording = false;
        recorder->state.error = error;
        recorder->state.reason = "no thread to be had after a fork";
        recorder->tracer->recorder = NULL;
    }
}

/* Asks for a tick, with the world standing still until the tables are read; gives its number. */
static bool ask(struct ctm_recorder *recorder, bool stop, bool at_exit, uint64_t *out)
{
    ctm_recorder_resume(recorder);
    ctmi_tracer_stop_world(recorder->tracer);
    pthread_mutex_lock(&recorder->lock);
    recorder->stopping = recorder->stopping || stop;
    recorder->at_exit = at_exit;
    *out = ++recorder->asked;
    pthread_cond_signal(&recorder->wake);
    const bool done = wait_done_locked(recorder, &recorder->read, *out);
    pthread_mutex_unlock(&recorder->lock);
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
    bool done = ask(recorder, false, false, &number);
    pthread_mutex_lock(&recorder->lock);
    done = done && wait_done_locked(recorder, &recorder->put, number);
    const int error = recorder->state.error;
    pthread_mutex_unlock(&recorder->lock);
    return error == 0 && done ? CTM_OK : failed(error != 0 ? error : ETIMEDOUT);
}

/* False: it hangs in the disk. Then it is left alone, with all that is its. */
static bool join_thread(struct ctm_recorder *recorder)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    if (pthread_timedjoin_np(recorder->thread, NULL, &until) == 0) {
        return true;
    }
    pthread_detach(recorder->thread);
    return false;
}

static void leave_tracer(struct ctm_recorder *recorder)
{
    if (recorder->tracer->recorder == recorder) {
        recorder->tracer->recorder = NULL;
    }
}

ctm_status ctm_recorder_stop(ctm_recorder *recorder, bool at_exit)
{
    ctm_recorder_state state;
    uint64_t number;
    if (!recorder->joined) {
        (void)ask(recorder, true, at_exit, &number);
        const bool there = !recorder->joined;
        recorder->joined = true;
        if (there && !join_thread(recorder)) {
            pthread_mutex_lock(&recorder->lock);
            recorder->state.recording = false;
            recorder->state.error = ETIMEDOUT;
            recorder->state.reason = "writing to the file hangs";
            recorder->leaked = true;
            pthread_mutex_unlock(&recorder->lock);
        }
        leave_tracer(recorder);
    }
    ctm_recorder_state_get(recorder, &state);
    return state.error == 0 ? CTM_OK : failed(state.error);
}

void ctm_recorder_state_get(ctm_recorder *recorder, ctm_recorder_state *out)
{
    pthread_mutex_lock(&recorder->lock);
    *out = recorder->state;
    pthread_mutex_unlock(&recorder->lock);
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

void ctmi_recorder_forget(struct ctm_recorder *recorder)
{
    close_file(recorder);
    init_locks(recorder); /* the thread, which is not here, may have held it */
    recorder->joined = recorder->leaked = true;
    recorder->state.recording = false;
    recorder->state.reason = "this process is a fork of the recorded one";
}
