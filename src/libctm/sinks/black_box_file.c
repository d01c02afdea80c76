/* sinks/black_box_file.c: creates and grows the file of a black box.
 *
 * Model: the file is created with a temporary name and renamed when it is complete. So a process that opens it finds a
 * valid box, and a file that another process has open or mapped is never changed, nor is the target of a link. The file
 * is locked (flock) while the box is in use.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "sinks/black_box.h"

enum { MAX_NAMES = 100 };

/* Returns 0 if a box may replace the file, else errno. */
static int check_open(int fd)
{
    char magic[sizeof CTMI_BOX_MAGIC - 1];
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return EEXIST;
    }
    if (status.st_size == 0) {
        return 0;
    }
    if (pread(fd, magic, sizeof magic, 0) != (ssize_t)sizeof magic ||
        !ctm_file_is_black_box(magic, sizeof magic)) {
        return EEXIST;
    }
    return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK ? EWOULDBLOCK : 0;
}

static int check_target(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return errno == ENOENT ? 0 : errno;
    }
    const int error = check_open(fd);
    close(fd);
    return error;
}

static int create_unique(const char *path, char *out_name)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (int i = 0; i < MAX_NAMES; i++) {
        const int length = snprintf(out_name, PATH_MAX, "%s.%lx-%lx-%x.tmp", path, (long)getpid(),
                                    (unsigned long)now.tv_nsec, (unsigned)i);
        if (length >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        const int fd = open(out_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

int ctmi_box_file_create(const char *path, size_t size, char *out_name)
{
    int error = check_target(path);
    if (error != 0) {
        errno = error;
        return -1;
    }
    int fd = create_unique(path, out_name);
    if (fd < 0) {
        return -1;
    }
    fd = ctmi_fd_move_up(fd);
    /* On a file system without locks, no process can find out whether the box is in use. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        error = EWOULDBLOCK;
    }
    if (error == 0) {
        error = ctmi_box_file_fill(fd, 0, size);
    }
    if (error != 0) {
        close(fd);
        unlink(out_name);
        errno = error;
        return -1;
    }
    return fd;
}

/* If a file exceeded the process's limit, the system would send SIGXFSZ. */
static bool within_limit(uint64_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           size <= limit.rlim_cur;
}

/* Used if fallocate is refused, by a file system without it or by a sandbox. */
static int write_zeros(int fd, uint64_t offset, uint64_t length)
{
    static const char zeros[4096];
    while (length > 0) {
        const ssize_t n =
            pwrite(fd, zeros, length < sizeof zeros ? (size_t)length : sizeof zeros, (off_t)offset);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return n == 0 ? EIO : errno;
        }
        if (n > 0) {
            offset += (uint64_t)n;
            length -= (uint64_t)n;
        }
    }
    return 0;
}

static bool is_refused(int error)
{
    return error == EPERM || error == EACCES || error == ENOSYS || error == EOPNOTSUPP ||
           error == EINVAL;
}

int ctmi_box_file_fill(int fd, uint64_t offset, uint64_t length)
{
    int error;
    if (!within_limit(offset + length)) {
        return EFBIG;
    }
    do {
        error = fallocate(fd, 0, (off_t)offset, (off_t)length) == 0 ? 0 : errno;
    } while (error == EINTR);
    return is_refused(error) ? write_zeros(fd, offset, length) : error;
}

int ctmi_box_file_resize(int fd, uint64_t size)
{
    if (!within_limit(size)) {
        return EFBIG;
    }
    return ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
}
