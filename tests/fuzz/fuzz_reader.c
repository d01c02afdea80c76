/* fuzz_reader.c: any bytes as a snapshot file, and everything that can be asked of what is in it.
 *
 * Model: bytes are refused with an offset and a reason, or give a snapshot that answers everything and that, written and read
 * again, is the same. Checksums keep random bytes away from what is behind them, so each input is read as it is and with
 * the checksums put right. A file with these bytes gives the same answer as the bytes in memory.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "../libctm/faults.h"
#include "base/crc32c.h"
#include "formats/format.h"
#include "fuzz_ask.h"

/* Gives up quietly on a directory that makes no sense. */
static void repair(uint8_t *bytes, size_t size)
{
    struct ctmi_crc32c crc;
    if (size < CTMI_FILE_HEADER_SIZE) {
        return;
    }
    ctmi_crc32c_init(&crc);
    const uint64_t n = ctmi_get_u32(bytes + 20), directory = ctmi_get_u64(bytes + 32);
    const uint64_t row = ctmi_get_u32(bytes + 40);
    if (n < 100 && row < 1000 && directory < size && n * row <= size - directory) {
        for (uint64_t i = 0; i < n && row >= CTMI_FILE_DIRECTORY_ROW; i++) {
            uint8_t *at = bytes + directory + i * row;
            const uint64_t offset = ctmi_get_u64(at + 8), length = ctmi_get_u64(at + 16);
            if (offset < size && length <= size - offset) {
                ctmi_put_u32(at + 36, ctmi_crc32c_get(&crc, bytes + offset, length));
            }
        }
        ctmi_put_u32(bytes + 56, ctmi_crc32c_get(&crc, bytes + directory, n * row));
    }
    ctmi_put_u32(bytes + 60, ctmi_crc32c_get(&crc, bytes, 60));
}

static void check_error(ctm_status status, const ctm_file_error *error, size_t size)
{
    if (status == CTM_OK) {
        return;
    }
    MUST(status == CTM_ERR_FORMAT);
    MUST(error->reason != NULL && error->offset <= size);
}

/* The same bytes from a file that has no name. */
static void read_as_file(const uint8_t *bytes, size_t size, const ctm_snapshot *expected)
{
    static int file = -1;
    char path[40];
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, NULL};
    if (file < 0) {
        file = memfd_create("fuzz", 0);
    }
    MUST(file >= 0 && ftruncate(file, 0) == 0);
    MUST(size == 0 || pwrite(file, bytes, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    const ctm_status status = ctm_snapshot_read(path, &snapshot, NULL, NULL, &error);
    check_error(status, &error, size);
    MUST((status == CTM_OK) == (expected != NULL));
    if (status != CTM_OK) {
        return;
    }
    fuzz_must_be_identical(snapshot, expected);
    ctm_snapshot_unref(snapshot);
}

static void read_bytes(const uint8_t *bytes, size_t size)
{
    ctm_snapshot *snapshot = NULL;
    ctm_file_error error = {UINT64_MAX, NULL};
    void *attributes = NULL;
    size_t length = 0;
    const size_t asked = atomic_load(&bytes_asked);
    const ctm_status status =
        ctm_snapshot_decode(bytes, size, &snapshot, &attributes, &length, &error);
    MUST(atomic_load(&bytes_asked) - asked <= 8 * size + 2000);
    check_error(status, &error, size);
    read_as_file(bytes, size, status == CTM_OK ? snapshot : NULL);
    if (status != CTM_OK) {
        return;
    }
    ask_snapshot(snapshot);
    fuzz_must_round_trip(snapshot, attributes, length);
    free(attributes);
    ctm_snapshot_unref(snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    read_bytes(copy, size);
    repair(copy, size);
    read_bytes(copy, size);
    free(copy);
    return 0;
}
