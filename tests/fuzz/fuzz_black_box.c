/* fuzz_black_box.c: reading a black box of which something was changed.
 *
 * Model: a box is too large to be the input itself. So a real one is made once, of a tracer with blocks in all its shards,
 * and the input is a list of changes to it (struct change): of the control block, of a table's count or of the place of
 * its chunk, of the rows, or of the file's length. Unless a change says otherwise the checksum is put right
 * afterwards, and the generation made even: a box that is being emptied would be waited for. Then the changes are undone.
 *
 * What is read must be a snapshot that holds together: it can be asked, filed and read again (fuzz_ask.h).
 */
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "formats/black_box_format.h"
#include "fuzz.h"
#include "fuzz_ask.h"

enum { BLOCKS = 60, MOST_CHANGES = 64 };

struct change {
    uint8_t what;  /* modulo 8: see apply */
    uint8_t where; /* table and shard */
    uint16_t at;
    uint32_t low, high; /* the new value */
};
_Static_assert(sizeof(struct change) == 12, "as in the seeds");

static int base_fd;
static uint8_t *base; /* all of the file */
static size_t base_size;
static char base_path[64];
static bool is_cut, keeps_checksum;

/* --- the box --- */

static void fill(ctm_tracer *tracer)
{
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const uint32_t index = i % 7 < 2 ? 1 + i % (CTM_SHARDS - 1) : 0;
        char name[32];
        snprintf(name, sizeof name, "file%u.py", i % 9);
        const ctm_frame_text frames[2] = {{name, "f", 1, (int32_t)(i % 40 + 1)},
                                          {"main.py", "<module>", 1, (int32_t)(i % 3 + 1)}};
        uint32_t traceback;
        ctm_shard *shard = ctm_shard_enter(tracer, index);
        MUST(shard != NULL);
        MUST(ctm_shard_traceback_text(shard, frames, 2, 2, &traceback) == CTM_OK);
        MUST(ctm_shard_alloc(shard, i % 2, 4096 + 16 * (uintptr_t)i, 10 * (i % 5), traceback) ==
             CTM_OK);
        ctm_shard_leave(shard);
    }
    const int32_t exit_status = 1;
    ctm_tracer_loss(tracer, "tracked_blocks", "their instructions", 0);
    ctm_tracer_loss(tracer, "memory", "no memory for the place", 3);
    ctm_tracer_set_end(tracer, "exit status 1", &exit_status);
}

static void make_base(void)
{
    char folder[] = "/tmp/ctm-fuzz-XXXXXX", path[64];
    ctm_tracer *tracer;
    MUST(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/box", folder);
    MUST(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 5) == CTM_OK);
    MUST(ctm_tracer_set_command(tracer, "fuzz", 4) == CTM_OK);
    MUST(ctm_black_box_start(tracer, path) == CTM_OK);
    fill(tracer);
    ctm_tracer_stop(tracer);
    ctm_tracer_free(tracer);
    base_fd = open(path, O_RDWR | O_CLOEXEC);
    MUST(base_fd >= 0 && unlink(path) == 0 && rmdir(folder) == 0);
    base_size = (size_t)lseek(base_fd, 0, SEEK_END);
    base = malloc(base_size);
    MUST(base != NULL && pread(base_fd, base, base_size, 0) == (ssize_t)base_size);
    snprintf(base_path, sizeof base_path, "/proc/self/fd/%d", base_fd);
}

/* --- the changes --- */

static void put(size_t at, const void *bytes, size_t length)
{
    if (at < base_size && length <= base_size - at) {
        MUST(pwrite(base_fd, bytes, length, (off_t)at) == (ssize_t)length);
    }
}

static size_t table_at(const struct change *change)
{
    const size_t shard = change->where / 8 % CTM_SHARDS, table = change->where % 8 % CTMI_TABLES;
    return offsetof(struct ctmi_box_control, tables) +
           (shard * CTMI_TABLES + table) * sizeof(struct ctmi_box_table);
}

/* Where the change is made, and how many bytes it has. */
static size_t find_place(const struct change *change, size_t *out_length)
{
    const size_t table = table_at(change);
    uint64_t rows;
    *out_length = change->what % 2 == 0 ? 8 : 1;
    switch (change->what % 8) {
    case 0:
    case 1: return change->at % sizeof(struct ctmi_box_control);
    case 2: return table;
    case 4:
        *out_length = 8;
        return table + offsetof(struct ctmi_box_table, chunk) + 8 * (change->at % CTMI_BOX_CHUNKS);
    default:
        memcpy(&rows, base + table + offsetof(struct ctmi_box_table, chunk), sizeof rows);
        return (size_t)rows + change->at % 8192;
    }
}

static void apply(const struct change *change)
{
    const uint64_t value = (uint64_t)change->high << 32 | change->low;
    size_t length;
    if (change->what % 8 == 7) {
        keeps_checksum = keeps_checksum || change->at % 4 == 0;
        is_cut = is_cut || change->at % 4 == 1;
        if (change->at % 4 == 1) {
            MUST(ftruncate(base_fd, (off_t)(value % (base_size + 1))) == 0);
        }
        return;
    }
    const size_t at = find_place(change, &length);
    if (!is_cut) {
        put(at, &value, length);
    }
}

static void undo(const struct change *change)
{
    size_t length;
    if (change->what % 8 != 7) {
        const size_t at = find_place(change, &length);
        if (at < base_size && length <= base_size - at) {
            put(at, base + at, length);
        }
    }
}

static void undo_all(const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        undo(&changes[i]);
    }
    if (is_cut) {
        MUST(ftruncate(base_fd, 0) == 0 && ftruncate(base_fd, (off_t)base_size) == 0);
        put(0, base, base_size);
    }
    put(0, base, sizeof(struct ctmi_box_control));
    is_cut = keeps_checksum = false;
}

static void put_right(void)
{
    uint8_t control[sizeof(struct ctmi_box_control)];
    struct ctmi_crc32c crc;
    if (pread(base_fd, control, sizeof control, 0) != (ssize_t)sizeof control) {
        return;
    }
    control[offsetof(struct ctmi_box_control, generation)] &= 0xfe;
    put(offsetof(struct ctmi_box_control, generation),
        control + offsetof(struct ctmi_box_control, generation), 1);
    if (!keeps_checksum) {
        ctmi_crc32c_init(&crc);
        const uint32_t sum = ctmi_crc32c_get(&crc, control, CTMI_BOX_CRC_END);
        put(CTMI_BOX_CRC_END, &sum, sizeof sum);
    }
}

/* --- reading --- */

static void read_it(bool is_whole)
{
    ctm_black_box *box;
    ctm_black_box_info info;
    ctm_snapshot *snapshot;
    ctm_file_error error = {0, NULL};
    ctm_status status = ctm_black_box_open(base_path, &box, &error);
    if (status == CTM_OK) {
        ctm_black_box_info_get(box, &info);
        MUST(strlen(info.end_text) < CTM_END_TEXT);
        status = ctm_black_box_snapshot(box, &snapshot, &error);
        if (status == CTM_OK) {
            ask_snapshot(snapshot);
            ctm_snapshot_unref(snapshot);
        }
        ctm_black_box_close(box);
    }
    MUST(status != CTM_ERR_FORMAT || error.reason != NULL);
    MUST(status == CTM_OK || !is_whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct change changes[MOST_CHANGES];
    const size_t n = size / sizeof *changes < MOST_CHANGES ? size / sizeof *changes : MOST_CHANGES;
    if (base == NULL) {
        make_base();
        read_it(true);
    }
    if (n > 0) {
        memcpy(changes, data, n * sizeof *changes);
    }
    for (size_t i = 0; i < n; i++) {
        apply(&changes[i]);
    }
    put_right();
    read_it(n == 0);
    undo_all(changes, n);
    return 0;
}
