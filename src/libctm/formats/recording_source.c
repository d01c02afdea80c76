/* formats/recording_source.c: reads the bytes of a recording; see formats/recording_reader.h.
 *
 * Model: the file is read, not mapped, because it may be written or cut meanwhile, and a mapping would then raise
 * SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "formats/recording_reader.h"

ctm_status ctmi_source_open(struct ctmi_source *source, const char *path)
{
    struct stat status;
    source->window_most = ctmi_sizes()->window;
    /* O_NONBLOCK: opening a pipe would otherwise wait for a writer. */
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (source->fd < 0 || fstat(source->fd, &status) != 0) {
        return CTM_ERR_IO;
    }
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return CTM_ERR_IO;
    }
    if (!S_ISREG(status.st_mode)) {
        return CTM_ERR_FORMAT;
    }
    source->size = (uint64_t)status.st_size;
    return CTM_OK;
}

void ctmi_source_close(struct ctmi_source *source)
{
    if (source->fd >= 0) {
        close(source->fd);
    }
    ctmi_mem_free(source->window);
    source->fd = -1;
    source->window = NULL;
}

static ctm_status fill_window(struct ctmi_source *source, uint64_t offset, size_t want)
{
    source->window_start = offset;
    source->window_size = 0;
    while (source->window_size < want) {
        const size_t left = want - source->window_size;
        ssize_t n =
            pread(source->fd, source->window + source->window_size,
                  left < (1u << 30) ? left : 1u << 30, (off_t)(offset + source->window_size));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return CTM_ERR_IO;
        }
        if (n == 0) {
            break;
        }
        source->window_size += (size_t)n;
    }
    return CTM_OK;
}

static ctm_status load(struct ctmi_source *source, uint64_t offset, size_t length)
{
    uint64_t want = source->size - offset;
    if (want > length && want > source->window_most) {
        want = length > source->window_most ? length : source->window_most;
    }
    if (want > PTRDIFF_MAX) {
        return CTM_ERR_NOMEM;
    }
    if (want > source->window_capacity) {
        unsigned char *window = ctmi_mem_realloc(source->window, (size_t)want);
        if (window == NULL) {
            return CTM_ERR_NOMEM;
        }
        source->window = window;
        source->window_capacity = (size_t)want;
    }
    return fill_window(source, offset, (size_t)want);
}

ctm_status ctmi_source_get(struct ctmi_source *source, uint64_t offset, size_t length,
                           const unsigned char **out)
{
    if (source->bytes != NULL) {
        *out = source->bytes + offset;
        return CTM_OK;
    }
    const uint64_t skip = offset - source->window_start;
    const bool there = offset >= source->window_start && skip <= source->window_size &&
                       length <= source->window_size - skip;
    if (!there) {
        ctm_status status = load(source, offset, length);
        if (status != CTM_OK) {
            return status;
        }
        if (source->window_size < length) {
            return CTM_ERR_FORMAT;
        }
    }
    *out = source->window + (offset - source->window_start);
    return CTM_OK;
}
