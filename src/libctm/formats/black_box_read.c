/* formats/black_box_read.c: opens a black box and takes a snapshot of it; see formats/black_box_reader.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/utf8.h"
#include "base/weight.h"
#include "formats/black_box_reader.h"
#include "snapshot/snapshot.h"
#include "tables/add_store.h"

enum { MAX_TRIES = 500, WAIT_NS = 1000000 };

/* Owned by the caller; one thread at a time. */
struct ctm_black_box {
    int fd;                          /* owned */
    struct ctmi_box_control control; /* the current one, after read_control */
    char command[CTMI_BOX_COMMAND + 1];
    char end_text[CTM_END_TEXT]; /* of `control`, as ctmi_text_fit makes it */
    struct ctmi_losses losses;   /* the same */
};

const char *ctm_black_box_lack_text(ctm_black_box_lack lack)
{
    switch (lack) {
    case CTM_BOX_COMPLETE: return "complete";
    case CTM_BOX_NO_SPACE: return "the file could not grow: no space, or a limit on its size";
    case CTM_BOX_CLOSED: return "the file could not grow: the program closed its descriptor";
    case CTM_BOX_CUT: return "the file was truncated";
    }
    return "unknown";
}

bool ctm_file_is_black_box(const void *bytes, size_t length)
{
    return length >= sizeof CTMI_BOX_MAGIC - 1 &&
           memcmp(bytes, CTMI_BOX_MAGIC, sizeof CTMI_BOX_MAGIC - 1) == 0;
}

/* --- the control block --- */

static bool has_expected_sizes(const struct ctmi_box_control *control)
{
    bool same = control->control_size == CTMI_BOX_CONTROL_SIZE && control->shards == CTM_SHARDS &&
                control->rows_first_log2 == ctmi_sizes()->rows_first_log2 &&
                control->bytes_first_log2 == CTMI_BYTES_FIRST_LOG2;
    for (enum ctmi_table table = 0; table < CTMI_TABLES; table++) {
        same = same && control->row_sizes[table] == ctmi_box_row_size(table);
    }
    return same;
}

static ctm_status check_control(struct ctmi_box_loader *loader,
                                const struct ctmi_box_control *control)
{
    struct ctmi_crc32c crc;
    if (!ctm_file_is_black_box(control->magic, sizeof control->magic)) {
        return ctmi_box_fail(loader, 0, "not a black box");
    }
    if (control->byte_order != CTMI_BOX_BYTE_ORDER) {
        return ctmi_box_fail(loader, offsetof(struct ctmi_box_control, byte_order),
                             "written on a machine of another byte order");
    }
    if (control->version != CTMI_BOX_VERSION) {
        return ctmi_box_fail(loader, offsetof(struct ctmi_box_control, version),
                             "a version that is not known");
    }
    ctmi_crc32c_init(&crc);
    if (ctmi_crc32c_get(&crc, control, CTMI_BOX_CRC_END) != control->crc) {
        return ctmi_box_fail(loader, CTMI_BOX_CRC_END, "the checksum is wrong");
    }
    if (!has_expected_sizes(control)) {
        return ctmi_box_fail(loader, offsetof(struct ctmi_box_control, control_size),
                             "a layout that is not known");
    }
    if (control->command_length > CTMI_BOX_COMMAND ||
        control->sample_interval > CTM_MAX_SAMPLE_INTERVAL ||
        ctmi_utf8_fault((const unsigned char *)control->command, control->command_length) !=
            control->command_length) {
        return ctmi_box_fail(loader, offsetof(struct ctmi_box_control, command_length),
                             "the command or the sample interval is wrong");
    }
    if (atomic_load(&control->end) > CTM_BOX_EXIT || atomic_load(&control->lack) > CTM_BOX_CUT) {
        return ctmi_box_fail(loader, offsetof(struct ctmi_box_control, end), "the end is wrong");
    }
    return CTM_OK;
}

static ctm_status begin(struct ctmi_box_loader *loader, int fd, ctm_file_error *error)
{
    struct stat status;
    memset(loader, 0, sizeof *loader);
    loader->fd = fd;
    loader->error = error;
    if (fstat(fd, &status) != 0) {
        return CTM_ERR_IO;
    }
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return CTM_ERR_IO;
    }
    if (!S_ISREG(status.st_mode)) {
        return ctmi_box_fail(loader, 0, "not a regular file");
    }
    loader->size = loader->budget = (uint64_t)status.st_size;
    return CTM_OK;
}

static ctm_status read_control(struct ctmi_box_loader *loader, struct ctmi_box_control *control)
{
    ctm_status status = CTM_OK;
    if (loader->size < CTMI_BOX_CONTROL_SIZE) {
        status = ctmi_box_fail(loader, loader->size, "not a black box: too short");
    }
    if (status == CTM_OK) {
        status = ctmi_box_read(loader, 0, control, sizeof *control);
    }
    return status == CTM_OK ? check_control(loader, control) : status;
}

/* --- annotations --- */

/* A row may be rewritten while it is read, so ctmi_text_fit makes its texts valid in any case. */
static void read_losses(ctm_black_box *box)
{
    const struct ctmi_box_control *control = &box->control;
    const uint32_t n = atomic_load(&control->n_losses), lack = atomic_load(&control->lack);
    box->losses.n = 0;
    for (uint32_t i = 0; i < n && i < CTM_MAX_LOSSES; i++) {
        const struct ctmi_box_loss *row = &control->losses[i];
        char kind[CTM_LOSS_KIND], detail[CTM_LOSS_DETAIL];
        ctmi_text_fit(kind, sizeof kind, row->kind, sizeof row->kind);
        ctmi_text_fit(detail, sizeof detail, row->detail, sizeof row->detail);
        (void)ctmi_losses_add(&box->losses, kind, detail, atomic_load(&row->count));
    }
    if (lack != CTM_BOX_COMPLETE) {
        char detail[CTM_LOSS_DETAIL];
        snprintf(
            detail, sizeof detail, "the black box does not hold all: %s",
            ctm_black_box_lack_text(lack > CTM_BOX_CUT ? CTM_BOX_CUT : (ctm_black_box_lack)lack));
        (void)ctmi_losses_add(&box->losses, "file", detail, 0);
    }
}

uint32_t ctm_black_box_losses(ctm_black_box *box, const ctm_loss **out)
{
    read_losses(box);
    *out = box->losses.rows;
    return box->losses.n;
}

/* --- open, close --- */

ctm_status ctm_black_box_open(const char *path, ctm_black_box **out, ctm_file_error *error)
{
    ctm_file_error ignored;
    struct ctmi_box_loader *loader = ctmi_mem_alloc(sizeof *loader);
    ctm_black_box *box = loader != NULL ? ctmi_mem_alloc(sizeof *box) : NULL;
    if (box == NULL) {
        ctmi_mem_free(loader);
        return CTM_ERR_NOMEM;
    }
    ctm_status status = CTM_ERR_IO;
    box->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (box->fd >= 0) {
        status = begin(loader, box->fd, error != NULL ? error : &ignored);
    }
    if (status == CTM_OK) {
        status = read_control(loader, &box->control);
    }
    ctmi_mem_free(loader);
    if (status != CTM_OK) {
        const int number = errno;
        ctm_black_box_close(box);
        errno = number;
        return status;
    }
    const uint32_t length = box->control.command_length;
    assert(length <= CTMI_BOX_COMMAND); /* read_control() has checked it */
    memcpy(box->command, box->control.command, length);
    box->command[length] = '\0';
    *out = box;
    return CTM_OK;
}

void ctm_black_box_close(ctm_black_box *box)
{
    if (box != NULL) {
        if (box->fd >= 0) {
            close(box->fd);
        }
        ctmi_mem_free(box);
    }
}

/* Whether the program is running: the writer holds the lock as long as it has the descriptor. */
static bool is_running(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK;
    }
    flock(fd, LOCK_UN);
    return false;
}

static void refresh(ctm_black_box *box)
{
    struct ctmi_box_control now;
    if (pread(box->fd, &now, sizeof now, 0) == (ssize_t)sizeof now && now.crc == box->control.crc) {
        box->control = now;
    }
}

void ctm_black_box_info_get(ctm_black_box *box, ctm_black_box_info *out)
{
    refresh(box);
    const struct ctmi_box_control *control = &box->control;
    const uint32_t end = atomic_load(&control->end), lack = atomic_load(&control->lack);
    const uint64_t ended = atomic_load(&control->ended_ns);
    const bool known = ended != 0 && atomic_load(&control->end_status_known) != 0;
    ctmi_text_fit(box->end_text, sizeof box->end_text, control->end_text,
                  ended != 0 ? sizeof control->end_text : 0);
    *out = (ctm_black_box_info){
        .started_ns = control->started_ns,
        .ended_ns = ended,
        .sample_interval = control->sample_interval,
        .nframe = control->nframe,
        .pid = control->pid,
        .end = ended == 0 || end > CTM_BOX_EXIT ? CTM_BOX_NOT_ENDED : (ctm_black_box_ending)end,
        .lack = lack > CTM_BOX_CUT ? CTM_BOX_CUT : (ctm_black_box_lack)lack,
        .running = ended == 0 && is_running(box->fd),
        .command = box->command,
        .end_text = box->end_text,
        .exit_status = known ? (int32_t)atomic_load(&control->end_status) : 0,
        .exit_status_known = known,
    };
}

/* --- snapshot --- */

/* Returns the bytes that the live blocks stand for. */
static double live_bytes(const struct ctmi_store *store, uint64_t interval)
{
    double sum = 0;
    for (uint32_t id = 1; id < ctmi_store_site_count(store); id++) {
        const ctm_site *site = &ctmi_store_site_row(store, id)->site;
        const uint64_t size =
            interval == 0 ? site->block_size : ctmi_weighted_size(site->block_size, interval);
        sum += (double)(site->allocated - site->freed) * (double)size;
    }
    return sum;
}

/* The program may have ended during an event that makes a new peak, after counting and before raising the peak. */
static void complete_peak(const struct ctmi_store *store, uint64_t interval, uint64_t *peak_bytes)
{
    const double live = live_bytes(store, interval);
    if (live <= (double)*peak_bytes || live >= (double)INT64_MAX) {
        return;
    }
    *peak_bytes = (uint64_t)live;
    for (uint32_t id = 1; id < ctmi_store_site_count(store); id++) {
        ctm_site *site = &ctmi_store_site_row(store, id)->site;
        site->at_peak = site->allocated - site->freed;
    }
}

static ctm_status load_all(struct ctmi_box_loader *loader, const struct ctmi_box_control *control,
                           struct ctmi_store *merged)
{
    ctm_status status = CTM_OK;
    for (uint32_t i = 0; i < CTM_SHARDS && status == CTM_OK; i++) {
        ctmi_store_init(&loader->store);
        status = ctmi_box_load_shard(loader, i, atomic_load(&control->peak.stamp));
        if (status == CTM_OK && ctmi_store_site_count(&loader->store) > 1) {
            status = ctmi_store_add_store(merged, &loader->store);
            if (status == CTM_ERR_INVALID || status == CTM_ERR_LIMIT) {
                status = ctmi_box_fail(loader, CTMI_BOX_CONTROL_SIZE, "rows that cannot be");
            }
        }
        ctmi_store_free_all(&loader->store);
    }
    return status;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static ctm_status make_snapshot(ctm_black_box *box, struct ctmi_box_loader *loader, bool empty,
                                ctm_snapshot **out)
{
    const struct ctmi_box_control *control = &box->control;
    const uint64_t ended = atomic_load(&control->ended_ns);
    ctm_snapshot_info info = {.nframe = control->nframe,
                              .sample_interval = control->sample_interval,
                              .peak_bytes = empty ? 0 : atomic_load(&control->peak.bytes),
                              .peak_known = true,
                              .taken_ns = ended,
                              .started_ns = control->started_ns,
                              .pid = control->pid};
    struct ctmi_store merged;
    ctmi_store_init(&merged);
    ctm_status status = empty ? CTM_OK : load_all(loader, control, &merged);
    if (status == CTM_OK) {
        complete_peak(&merged, control->sample_interval, &info.peak_bytes);
        status = ctmi_store_string(&merged, box->command, control->command_length, &info.command);
    }
    if (ended == 0 && is_running(box->fd)) {
        info.taken_ns = now_ns();
    }
    if (status == CTM_OK) {
        read_losses(box);
        status = ctmi_snapshot_from_store(&merged, &info, &box->losses, out);
        if (status == CTM_OK) {
            ctmi_snapshot_count_peak(*out);
            ctmi_snapshot_assert_sound(*out);
        } else if (status == CTM_ERR_LIMIT) {
            status = ctmi_box_fail(loader, CTMI_BOX_CONTROL_SIZE, "counters that cannot be");
        }
    }
    ctmi_store_free_all(&merged);
    return status;
}

static void wait_before_retry(void)
{
    const struct timespec moment = {.tv_nsec = WAIT_NS};
    nanosleep(&moment, NULL);
}

/* Tries to take a snapshot. True: *out_status is the result. False: the tables were emptied meanwhile. */
static bool try_snapshot(ctm_black_box *box, struct ctmi_box_loader *loader, bool last,
                         ctm_snapshot **out, ctm_status *out_status)
{
    ctm_file_error *error = loader->error;
    _Atomic uint64_t after;
    *out_status = begin(loader, box->fd, error);
    if (*out_status == CTM_OK) {
        *out_status = read_control(loader, &box->control);
    }
    if (*out_status != CTM_OK) {
        return true;
    }
    const uint64_t generation = atomic_load(&box->control.generation);
    const bool emptying = (generation & 1) != 0;
    loader->changing = atomic_load(&box->control.ended_ns) == 0;
    if (emptying && !(last && !is_running(box->fd))) {
        return false;
    }
    *out_status = make_snapshot(box, loader, emptying, out);
    if (ctmi_box_read(loader, offsetof(struct ctmi_box_control, generation), &after,
                      sizeof after) == CTM_OK &&
        atomic_load(&after) != generation) {
        if (*out_status == CTM_OK) {
            ctm_snapshot_unref(*out);
        }
        return false;
    }
    return true;
}

ctm_status ctm_black_box_snapshot(ctm_black_box *box, ctm_snapshot **out, ctm_file_error *error)
{
    ctm_file_error ignored;
    ctm_status status;
    struct ctmi_box_loader *loader = ctmi_mem_alloc(sizeof *loader);
    if (loader == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (int i = 0; i < MAX_TRIES; i++) {
        loader->error = error != NULL ? error : &ignored;
        if (try_snapshot(box, loader, i == MAX_TRIES - 1, out, &status)) {
            ctmi_mem_free(loader);
            return status;
        }
        wait_before_retry();
    }
    ctmi_mem_free(loader);
    errno = EAGAIN;
    return CTM_ERR_IO;
}
