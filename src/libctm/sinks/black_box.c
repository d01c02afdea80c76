/* sinks/black_box.c: the life of a black box; see sinks/black_box.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "sinks/black_box.h"

/* --- the control block --- */

/* A command that does not fit is cut between characters. */
static uint32_t command_length(const ctm_tracer *tracer)
{
    size_t length = tracer->command_length;
    if (length > CTMI_BOX_COMMAND) {
        length = CTMI_BOX_COMMAND;
        while (length > 0 && ((unsigned char)tracer->command[length] & 0xc0u) == 0x80u) {
            length--;
        }
    }
    return (uint32_t)length;
}

static void fill_control(struct ctmi_box_control *control, const ctm_tracer *tracer)
{
    struct ctmi_crc32c crc;
    memcpy(control->magic, CTMI_BOX_MAGIC, sizeof control->magic);
    control->byte_order = CTMI_BOX_BYTE_ORDER;
    control->version = CTMI_BOX_VERSION;
    control->control_size = CTMI_BOX_CONTROL_SIZE;
    control->shards = CTM_SHARDS;
    for (enum ctmi_table table = 0; table < CTMI_TABLES; table++) {
        control->row_sizes[table] = ctmi_box_row_size(table);
    }
    control->rows_first_log2 = CTMI_ROWS_FIRST_LOG2;
    control->bytes_first_log2 = CTMI_BYTES_FIRST_LOG2;
    control->pid = (uint32_t)getpid();
    control->nframe = ctm_tracer_nframe(tracer);
    control->sample_interval = ctmi_tracer_interval(tracer);
    control->started_ns = tracer->started_ns;
    control->command_length = command_length(tracer);
    if (control->command_length > 0) {
        memcpy(control->command, tracer->command, control->command_length);
    }
    ctmi_crc32c_init(&crc);
    control->crc = ctmi_crc32c_get(&crc, control, CTMI_BOX_CRC_END);
    atomic_store(&control->generation, 1); /* to be emptied */
}

static void empty_control(struct ctmi_box_control *control)
{
    for (unsigned i = 0; i < CTM_SHARDS * CTMI_TABLES; i++) {
        struct ctmi_box_table *table = &control->tables[i / CTMI_TABLES][i % CTMI_TABLES];
        for (unsigned chunk = 0; chunk < CTMI_BOX_CHUNKS; chunk++) {
            atomic_store(&table->chunk[chunk], 0);
        }
        atomic_store(&table->count, i % CTMI_TABLES == CTMI_TABLE_BYTES ? 0 : 1);
    }
}

/* --- emptying --- */

void ctmi_box_before_emptying(struct ctm_tracer *tracer)
{
    if (tracer->box != NULL) {
        atomic_fetch_or(&tracer->control->generation, 1);
    }
}

static void set_published(struct ctmi_box_backing *backing)
{
    for (enum ctmi_table table = 0; table < CTMI_TABLE_BYTES; table++) {
        ctmi_store_rows(backing->store, table)->backed.published =
            backing->frozen
                ? NULL
                : (uint64_t *)&backing->box->control->tables[backing->index][table].count;
    }
}

/* The file begins anew behind the control block, if it is still there. */
void ctmi_box_after_emptying(struct ctm_tracer *tracer)
{
    struct ctmi_box_writer *box = tracer->box;
    if (box == NULL) {
        return;
    }
    const ctm_box_lack lack = ctmi_box_check_file(box);
    empty_control(box->control);
    ctmi_annotations_write_box(&tracer->annotations, box->control);
    atomic_store(&box->control->lack, lack);
    if (lack == CTM_BOX_COMPLETE && ctmi_box_file_resize(box->fd, CTMI_BOX_CONTROL_SIZE) == 0) {
        box->end = CTMI_BOX_CONTROL_SIZE;
    }
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        box->backings[i].frozen = lack != CTM_BOX_COMPLETE;
        box->backings[i].forgotten =
            lack != CTM_BOX_COMPLETE; /* nothing of it will be in the file */
        set_published(&box->backings[i]);
    }
    atomic_fetch_add(&box->control->generation, 1);
}

/* --- start --- */

static void close_fd(struct ctmi_box_writer *box)
{
    uint64_t size;
    if (ctmi_box_has_fd(box, &size)) {
        close(box->fd);
    }
    box->fd = -1;
}

static void free_box(struct ctmi_box_writer *box)
{
    const int error = errno;
    ctmi_box_unguard(box);
    if (box->control != NULL) {
        atomic_store(&box->control_range.base, 0);
        ctmi_mem_unmap(box->control, CTMI_BOX_CONTROL_SIZE);
    }
    if (box->fd >= 0) {
        close_fd(box);
    }
    pthread_mutex_destroy(&box->lock);
    ctmi_mem_unmap(box, sizeof *box);
    errno = error;
}

static ctm_status map_control(struct ctmi_box_writer *box)
{
    struct stat status;
    void *memory = MAP_FAILED;
    if (fstat(box->fd, &status) == 0) {
        box->device = status.st_dev;
        box->inode = status.st_ino;
        memory = mmap(NULL, CTMI_BOX_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, box->fd, 0);
    }
    if (memory == MAP_FAILED) {
        return CTM_ERR_IO;
    }
    box->end = CTMI_BOX_CONTROL_SIZE;
    box->control = memory;
    atomic_store(&box->control_range.shared, CTMI_BOX_CONTROL_SIZE);
    atomic_store(&box->control_range.base, (uintptr_t)memory);
    fill_control(box->control, box->tracer);
    return CTM_OK;
}

/* Gives the name that the file has until publish_box. */
static ctm_status make_file(struct ctmi_box_writer *box, const char *path, char *out_name)
{
    box->fd = ctmi_box_file_create(path, CTMI_BOX_CONTROL_SIZE, out_name);
    return box->fd >= 0 ? map_control(box) : CTM_ERR_IO;
}

/* What has not been published goes with its file. */
static void drop_box(struct ctmi_box_writer *box, const char *name)
{
    const int error = errno;
    if (name[0] != 0) {
        unlink(name);
    }
    errno = error;
    free_box(box);
}

/* `out_name` has room for PATH_MAX bytes. */
static ctm_status new_box(ctm_tracer *tracer, const char *path, struct ctmi_box_writer **out,
                          char *out_name)
{
    struct ctmi_box_writer *box = ctmi_mem_map(sizeof *box);
    if (box == NULL) {
        return CTM_ERR_NOMEM;
    }
    box->tracer = tracer;
    box->fd = -1;
    pthread_mutex_init(&box->lock, NULL);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_box_backing_init(&box->backings[i], box, i);
    }
    out_name[0] = 0;
    const ctm_status status = ctmi_box_guard(box) ? make_file(box, path, out_name) : CTM_ERR_LIMIT;
    if (status != CTM_OK) {
        drop_box(box, box->fd >= 0 ? out_name : "");
        return status;
    }
    *out = box;
    return CTM_OK;
}

static ctm_status publish_box(const char *name, const char *path)
{
    return rename(name, path) == 0 ? CTM_OK : CTM_ERR_IO;
}

static ctm_status check_free(const ctm_tracer *tracer)
{
    if (tracer->box != NULL) {
        return CTM_ERR_INVALID;
    }
    return ctm_tracer_is_tracing(tracer) ? CTM_OK : CTM_ERR_NOT_TRACING;
}

static void attach_locked(ctm_tracer *tracer, struct ctmi_box_writer *box)
{
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_store_free_all(&tracer->shards[i].store);
        ctmi_store_set_backing(&tracer->shards[i].store, &box->backings[i].backing);
    }
    tracer->box = box;
    tracer->control = box->control;
    ctmi_deferred_unmap_now(ctmi_tracer_forget_locked(tracer, false));
    (void)!ctmi_tracer_reserve_spare_locked(
        tracer); /* without: as if there had never been memory for it */
}

ctm_status ctm_black_box_start(ctm_tracer *tracer, const char *path)
{
    struct ctmi_box_writer *box;
    char name[PATH_MAX];
    ctm_status status = check_free(tracer);
    if (status == CTM_OK) {
        status = new_box(tracer, path, &box, name);
    }
    if (status != CTM_OK) {
        return status;
    }
    status = publish_box(name, path);
    if (status != CTM_OK) {
        drop_box(box, name);
        return status;
    }
    ctmi_tracer_stop_world(tracer);
    ctmi_reader_barrier_close(&tracer->barrier);
    attach_locked(tracer, box);
    ctmi_reader_barrier_open(&tracer->barrier);
    ctmi_tracer_resume_world(tracer);
    return CTM_OK;
}

/* --- continue --- */

static void move_locked(ctm_tracer *tracer, struct ctmi_box_writer *box)
{
    empty_control(box->control);
    ctmi_annotations_write_box(&tracer->annotations, box->control);
    ctmi_box_take_tables(box);
    tracer->box = box;
    tracer->control = box->control;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        set_published(&box->backings[i]);
    }
    ctmi_peak_write_box(tracer);
    atomic_fetch_add(&box->control->generation, 1);
}

static ctm_status continue_locked(ctm_tracer *tracer, struct ctmi_box_writer *box, const char *name,
                                  const char *path)
{
    if (!ctmi_box_write_tables(box)) {
        return CTM_ERR_IO;
    }
    const ctm_status status = publish_box(name, path);
    if (status == CTM_OK) {
        move_locked(tracer, box);
    } else {
        const int error = errno;
        ctmi_box_forget_tables(box);
        errno = error;
    }
    return status;
}

ctm_status ctm_black_box_continue(ctm_tracer *tracer, const char *path)
{
    struct ctmi_box_writer *box;
    char name[PATH_MAX];
    ctm_status status = check_free(tracer);
    if (status == CTM_OK && ctm_black_box_is_broken(tracer)) {
        status = CTM_ERR_NOMEM; /* a child whose tables could not be copied, as a rule */
    }
    if (status == CTM_OK) {
        status = new_box(tracer, path, &box, name);
    }
    if (status != CTM_OK) {
        return status;
    }
    ctmi_tracer_stop_world(tracer);
    ctmi_reader_barrier_close(&tracer->barrier);
    status = continue_locked(tracer, box, name, path);
    ctmi_reader_barrier_open(&tracer->barrier);
    ctmi_tracer_resume_world(tracer);
    if (status != CTM_OK) {
        drop_box(box, name);
    }
    return status;
}

/* --- end --- */

static void detach_locked(ctm_tracer *tracer)
{
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_store_set_backing(&tracer->shards[i].store, NULL);
    }
    free_box(tracer->box);
    tracer->box = NULL;
    tracer->control = NULL;
}

static void mark_end(struct ctmi_box_control *control, ctm_box_end reason)
{
    atomic_store(&control->end, (uint32_t)reason);
    atomic_store(&control->ended_ns, ctmi_tracer_now());
}

void ctmi_box_stop_locked(struct ctm_tracer *tracer)
{
    if (tracer->box != NULL) {
        mark_end(tracer->control, CTM_BOX_STOPPED);
        for (uint32_t i = 0; i < CTM_SHARDS; i++) {
            ctmi_store_free_all(&tracer->shards[i].store);
        }
        detach_locked(tracer);
    }
}

static ctm_status end_locked(ctm_tracer *tracer, ctm_box_end reason)
{
    if (!ctmi_box_copy(tracer->box)) {
        /* A program that has run out of memory: it shares the pages of the file, which changes no more. */
        ctmi_box_drop_copies(tracer->box);
        if (ctmi_box_check_file(tracer->box) != CTM_BOX_COMPLETE) {
            return CTM_ERR_NOMEM;
        }
    }
    mark_end(tracer->control, reason);
    if (!ctmi_box_leave_file(tracer->box, true)) {
        atomic_store(&tracer->tables_lost, true);
    }
    detach_locked(tracer);
    return CTM_OK;
}

ctm_status ctm_black_box_end(ctm_tracer *tracer, ctm_box_end reason)
{
    ctm_status status = CTM_OK;
    if (tracer->box != NULL) {
        ctmi_tracer_stop_world(tracer);
        ctmi_reader_barrier_close(&tracer->barrier);
        status = end_locked(tracer, reason);
        ctmi_reader_barrier_open(&tracer->barrier);
        ctmi_tracer_resume_world(tracer);
    }
    return status;
}

void ctmi_box_free(struct ctm_tracer *tracer)
{
    ctmi_box_stop_locked(tracer);
}

/* --- fork ---
 * The parent goes on as soon as the child is there, and changes counters in the file: so the child's tables are copied
 * before. */

void ctmi_box_fork_before(struct ctm_tracer *tracer)
{
    if (tracer->box != NULL) {
        (void)ctmi_box_copy(tracer->box); /* without memory: see leave_file */
    }
}

void ctmi_box_fork_after_parent(struct ctm_tracer *tracer)
{
    if (tracer->box != NULL) {
        ctmi_box_drop_copies(tracer->box);
    }
}

void ctmi_box_fork_after_child(struct ctm_tracer *tracer)
{
    if (tracer->box != NULL) {
        if (!ctmi_box_leave_file(tracer->box, false)) {
            atomic_store(&tracer->tables_lost, true);
        }
        detach_locked(tracer);
    }
}

/* --- state --- */

bool ctm_black_box_state(ctm_tracer *tracer, ctm_box_lack *out_lack)
{
    const struct ctmi_box_control *control = tracer->control;
    const uint32_t lack = control != NULL ? atomic_load(&control->lack) : CTM_BOX_COMPLETE;
    *out_lack =
        lack > CTM_BOX_CUT ? CTM_BOX_CUT : (ctm_box_lack)lack; /* the file may hold anything */
    return control != NULL;
}

bool ctm_black_box_is_broken(ctm_tracer *tracer)
{
    return atomic_load(&tracer->tables_lost);
}
