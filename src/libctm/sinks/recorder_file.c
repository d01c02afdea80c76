/* sinks/recorder_file.c: the file that a recorder writes; see sinks/recorder.h.
 *
 * Model: the recorder writes at its own offset, usually one call per tick. A tick that could not be written
 * completely is cut off again, so the file always ends with a complete block; the recording ends there, and the
 * program continues. Before each write, the device, inode and size of the file are compared with the earlier ones,
 * because the descriptor may refer to another file: the program may have closed it (daemons close all descriptors)
 * and opened another file.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "sinks/recorder.h"

int ctmi_recorder_open_file(const char *path, struct stat *out, bool *out_new)
{
    /* O_NONBLOCK: opening a pipe would otherwise wait for a reader. */
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
        error = EWOULDBLOCK; /* another process is recording into it */
    }
    if (error != 0) {
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool refers_to_file(const struct ctm_recorder *recorder, int fd, struct stat *out)
{
    return fd >= 0 && fstat(fd, out) == 0 && out->st_dev == recorder->device &&
           out->st_ino == recorder->inode;
}

void ctmi_recorder_remove_file(struct ctm_recorder *recorder, const char *path, bool is_new)
{
    const int error = errno;
    struct stat now;
    if (lstat(path, &now) == 0 && now.st_dev == recorder->device && now.st_ino == recorder->inode &&
        (is_new || now.st_size == 0)) {
        unlink(path);
    }
    errno = error;
}

void ctmi_recorder_close_file(struct ctm_recorder *recorder)
{
    struct stat status;
    /* Cleared before it is closed: the child of a fork in between must not close another file with the same number. */
    const int fd = atomic_exchange(&recorder->fd, -1);
    if (refers_to_file(recorder, fd, &status)) {
        close(fd);
    }
}

/* EFBIG: the process's limit on the size of files. The system would also send SIGXFSZ, but the thread blocks it. */
static ctm_recording_lack lack_of(int error)
{
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return error == ENOMEM    ? CTM_RECORDING_NO_MEMORY
           : error == ENODATA ? CTM_RECORDING_TABLES_LOST
           : full             ? CTM_RECORDING_NO_SPACE
                              : CTM_RECORDING_IO;
}

void ctmi_recorder_write_lack(struct ctm_recorder *recorder, int error)
{
    struct stat status;
    const int fd = atomic_load(&recorder->fd);
    if (recorder->written >= CTMI_RECORDING_HEADER_SIZE && refers_to_file(recorder, fd, &status) &&
        (uint64_t)status.st_size >= recorder->written) {
        ctmi_header_set_lack(recorder->header, &recorder->crc, lack_of(error));
        const ssize_t ignored = pwrite(fd, recorder->header, sizeof recorder->header, 0);
        (void)ignored;
    }
}

int ctmi_recorder_write_out(struct ctm_recorder *recorder, const char **out_reason)
{
    const int fd = atomic_load(&recorder->fd);
    const unsigned char *at = recorder->out.bytes;
    size_t left = recorder->out.length;
    struct stat status;
    *out_reason = "the file was closed, replaced or changed while it was recorded to";
    if (!refers_to_file(recorder, fd, &status) || (uint64_t)status.st_size != recorder->written) {
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
            (void)ignored; /* if it fails, readers find an incomplete last block */
            return error;
        }
    }
    recorder->written += recorder->out.length;
    return 0;
}
