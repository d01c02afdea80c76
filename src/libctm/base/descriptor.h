/* base/descriptor.h: file descriptors with high numbers.
 *
 * Model: some programs expect particular low descriptors to be free, so the library's own get high numbers.
 */
#ifndef CTMI_BASE_DESCRIPTOR_H
#define CTMI_BASE_DESCRIPTOR_H

#include <fcntl.h>
#include <unistd.h>

#define CTMI_FIRST_FD 500

/* Moves `fd` to a number of at least CTMI_FIRST_FD and returns that. Returns `fd` itself if that fails. */
static inline int ctmi_fd_move_up(int fd)
{
    const int higher = fcntl(fd, F_DUPFD_CLOEXEC, CTMI_FIRST_FD);
    if (higher < 0) {
        return fd;
    }
    close(fd);
    return higher;
}

#endif
