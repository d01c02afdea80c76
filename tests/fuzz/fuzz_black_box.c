/* fuzz_black_box.c: opening bytes as a black box and taking a snapshot of it.
 *
 * Model: a box is read from a file, so the input goes into one in memory; as it is, and with the checksum of the control block put right. A
 * box that is not being emptied is read at once: the generation is made even, or each input would wait.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file/black_box_format.h"
#include "file/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const char *path)
{
    ctm_box *box;
    ctm_box_info info;
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, NULL};
    ctm_status status = ctm_box_open(path, &box, &error);
    if (status == CTM_OK) {
        ctm_box_info_get(box, &info);
        status = ctm_box_snapshot(box, &snapshot, &error);
        if (status == CTM_OK) ctm_snapshot_unref(snapshot);
        ctm_box_close(box);
    }
    if (status == CTM_ERR_FORMAT && error.reason == NULL) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct ctm_crc32c crc;
    const int fd = memfd_create("box", MFD_CLOEXEC);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        if (size > sizeof(struct ctm_box_control)) {
            const uint8_t even = data[offsetof(struct ctm_box_control, generation)] & 0xfe;
            (void)!pwrite(fd, &even, 1, offsetof(struct ctm_box_control, generation));
        }
        ask(path);
        if (size > sizeof(struct ctm_box_control)) {
            ctm_crc32c_init(&crc);
            const uint32_t sum = ctm_crc32c_get(&crc, data, CTM_BOX_CRC_END);
            (void)!pwrite(fd, &sum, sizeof sum, CTM_BOX_CRC_END);
            ask(path);
        }
    }
    close(fd);
    return 0;
}
