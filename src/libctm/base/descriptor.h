/* base/descriptor.h: numbers of file descriptors. */
#ifndef CTMI_BASE_DESCRIPTOR_H
#define CTMI_BASE_DESCRIPTOR_H

#include <fcntl.h>
#include <unistd.h>

#define CTMI_FIRST_FD 500

/* The same file under a number that is out of the way of programs which count on low ones, if it can be. */
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
