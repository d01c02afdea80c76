/* formats/replace.c: replaces a file completely or not at all.
 *
 * Model: the new file is created in the directory of the real target, where a rename is atomic, with an unused name,
 * and is renamed over the target. It gets the mode and, where permitted, the owner of the file that it replaces. A
 * target without write permission is refused, although a rename could replace it, because open(path, "wb") would
 * refuse it too.
 */
#include "ctm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

enum { MAX_LINKS = 40, MAX_NAMES = 100, READER_TRIES = 100, READER_PAUSE_NS = 20000000 };

/* When a function below returns false, errno is that of the failed call. */

static bool write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        size_t step = size < (1u << 30) ? size : (1u << 30);
        ssize_t n = write(fd, at, step);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* Writes the bytes and closes the file in any case. */
static bool write_and_close(int fd, const void *bytes, size_t size)
{
    bool written = write_all(fd, bytes, size);
    int error = errno;
    bool closed = close(fd) == 0;
    if (!written) {
        errno = error;
    }
    return written && closed;
}

/* Owned by one call. */
struct paths {
    char target[PATH_MAX]; /* not a symbolic link; may not exist */
    char other[PATH_MAX];  /* content of a link; later the temporary name */
};

/* Copies `length` bytes of `name` after the first `start` bytes of `path`. */
static bool path_end(char *path, size_t start, const char *name, size_t length)
{
    if (start + length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path + start, name, length);
    path[start + length] = '\0';
    return true;
}

static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* A link to a missing file is followed too: its target is the file that open would create. */
static bool resolve_links(const char *path, struct paths *paths)
{
    if (!path_end(paths->target, 0, path, strlen(path))) {
        return false;
    }
    for (int i = 0; i < MAX_LINKS; i++) {
        ssize_t n = readlink(paths->target, paths->other, sizeof paths->other);
        if (n < 0) { /* not a link, or missing: the caller finds out which when it opens the file */
            return true;
        }
        size_t directory = paths->other[0] == '/' ? 0 : directory_length(paths->target);
        if (!path_end(paths->target, directory, paths->other, (size_t)n)) {
            return false;
        }
    }
    errno = ELOOP;
    return false;
}

static int create_unique(struct paths *paths)
{
    size_t directory = directory_length(paths->target);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (int i = 0; i < MAX_NAMES; i++) {
        char name[64];
        int length = snprintf(name, sizeof name, ".ctm-%lx-%lx-%x.tmp", (long)getpid(),
                              (unsigned long)now.tv_nsec, i);
        memcpy(paths->other, paths->target, directory);
        if (!path_end(paths->other, directory, name, (size_t)length)) {
            return -1;
        }
        int fd = open(paths->other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

/* `old`: the file to be replaced; NULL: none. */
static bool fill_unique(int fd, const struct stat *old, const void *bytes, size_t size)
{
    if (old != NULL) {
        /* Only root may change the owner; for other users, the file keeps the user that made it. */
        int ignored = fchown(fd, old->st_uid, old->st_gid);
        (void)ignored;
        if (fchmod(fd, old->st_mode & 0777) != 0) {
            int error = errno;
            close(fd);
            errno = error;
            return false;
        }
    }
    return write_and_close(fd, bytes, size);
}

/* If a file exceeded the process's limit, the system would send SIGXFSZ, which ends a program that does not ignore
 * it. */
static bool within_limit(size_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        size <= limit.rlim_cur) {
        return true;
    }
    errno = EFBIG;
    return false;
}

static bool replace_regular(struct paths *paths, const struct stat *old, const void *bytes,
                            size_t size)
{
    if (old != NULL && faccessat(AT_FDCWD, paths->target, W_OK, AT_EACCESS) != 0) {
        return false;
    }
    if (!within_limit(size)) {
        return false;
    }
    int fd = create_unique(paths);
    if (fd < 0) {
        return false;
    }
    if (fill_unique(fd, old, bytes, size) && rename(paths->other, paths->target) == 0) {
        return true;
    }
    int error = errno;
    unlink(paths->other);
    errno = error;
    return false;
}

/* Opens a file that is not regular. If it is a pipe without a reader, waits a limited time for one. */
static int open_direct(const char *path)
{
    const struct timespec pause = {.tv_nsec = READER_PAUSE_NS};
    for (int i = 0;; i++) {
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0 || errno != ENXIO || i == READER_TRIES) {
            return fd;
        }
        nanosleep(&pause, NULL);
    }
}

static bool write_direct(const char *path, const void *bytes, size_t size)
{
    int fd = open_direct(path);
    if (fd >= 0 && fcntl(fd, F_SETFL, O_WRONLY) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    return fd >= 0 && write_and_close(fd, bytes, size);
}

static bool replace_at(const char *path, struct paths *paths, const void *bytes, size_t size)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    if (!exists && errno != ENOENT) {
        return false;
    }
    /* Checked before links are resolved here: the targets of links in /proc/self/fd may not be names of files. */
    if (exists && !S_ISREG(old.st_mode)) {
        return write_direct(path, bytes, size);
    }
    return resolve_links(path, paths) && replace_regular(paths, exists ? &old : NULL, bytes, size);
}

ctm_status ctm_file_replace(const char *path, const void *bytes, size_t size)
{
    struct paths *paths = ctmi_mem_alloc(sizeof *paths);
    if (paths == NULL) {
        return CTM_ERR_NOMEM;
    }
    bool done = replace_at(path, paths, bytes, size);
    int error = errno;
    ctmi_mem_free(paths);
    errno = error;
    return done ? CTM_OK : CTM_ERR_IO;
}
