/* sinks/black_box.c: the life of a black box; see sinks/black_box.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "sinks/black_box.h"
#include "tracer/peak.h"

static struct ctmi_box_writer *box_of_sink(struct ctmi_sink *sink)
{
    return (struct ctmi_box_writer *)sink;
}

/* --- emptying --- */

static void before_emptying(struct ctmi_sink *sink)
{
    atomic_fetch_or(&box_of_sink(sink)->control->generation, 1);
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

/* The file is cut to the control block, if it is complete. */
static void after_emptying(struct ctmi_sink *sink)
{
    struct ctmi_box_writer *box = box_of_sink(sink);
    const ctm_black_box_lack lack = ctmi_box_check_file(box);
    ctmi_box_control_empty(box->control, &box->tracer->annotations);
    atomic_store(&box->control->lack, lack);
    if (lack == CTM_BOX_COMPLETE && ctmi_box_file_resize(box->fd, CTMI_BOX_CONTROL_SIZE) == 0) {
        box->end = CTMI_BOX_CONTROL_SIZE;
    }
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        box->backings[i].frozen = lack != CTM_BOX_COMPLETE;
        box->backings[i].forgotten =
            lack != CTM_BOX_COMPLETE; /* the file will have none of its rows */
        set_published(&box->backings[i]);
    }
    atomic_fetch_add(&box->control->generation, 1);
}

/* --- start --- */

static const struct ctmi_sink_kind box_kind;

struct ctmi_box_writer *ctmi_box_of(const struct ctm_tracer *tracer)
{
    struct ctmi_sink *sink = ctmi_sinks_find(tracer, &box_kind);
    return sink != NULL ? box_of_sink(sink) : NULL;
}

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
    ctmi_lock_destroy(&box->lock);
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
    ctmi_box_control_fill(box->control, box->tracer);
    return CTM_OK;
}

/* *out_name: the name that the file has until publish_box. */
static ctm_status make_file(struct ctmi_box_writer *box, const char *path, char *out_name)
{
    box->fd = ctmi_box_file_create(path, CTMI_BOX_CONTROL_SIZE, out_name);
    return box->fd >= 0 ? map_control(box) : CTM_ERR_IO;
}

/* Removes the file of a box that is not published, and frees the box. */
static void discard_box(struct ctmi_box_writer *box, const char *name)
{
    const int error = errno;
    if (name[0] != 0) {
        unlink(name);
    }
    errno = error;
    free_box(box);
}

/* out_name: PATH_MAX bytes. */
static ctm_status new_box(ctm_tracer *tracer, const char *path, struct ctmi_box_writer **out,
                          char *out_name)
{
    struct ctmi_box_writer *box = ctmi_mem_map(sizeof *box);
    if (box == NULL) {
        return CTM_ERR_NOMEM;
    }
    box->sink.kind = &box_kind;
    box->tracer = tracer;
    box->fd = -1;
    ctmi_lock_init(&box->lock);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_box_backing_init(&box->backings[i], box, i);
    }
    out_name[0] = 0;
    const ctm_status status = ctmi_box_guard(box) ? make_file(box, path, out_name) : CTM_ERR_LIMIT;
    if (status != CTM_OK) {
        discard_box(box, box->fd >= 0 ? out_name : "");
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
    if (ctmi_box_of(tracer) != NULL) {
        return CTM_ERR_INVALID;
    }
    return ctm_tracer_is_tracing(tracer) ? CTM_OK : CTM_ERR_NOT_TRACING;
}

static void attach_sink(ctm_tracer *tracer, struct ctmi_box_writer *box)
{
    ctmi_sinks_add(tracer, &box->sink);
    ctmi_peak_publish_at(tracer, &box->control->peak);
}

static void attach_stopped(ctm_tracer *tracer, struct ctmi_box_writer *box)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_store_free_all(&tracer->shards[i].store);
        ctmi_store_set_backing(&tracer->shards[i].store, &box->backings[i].backing);
    }
    attach_sink(tracer, box);
    ctmi_deferred_unmap_now(ctmi_tracer_forget_stopped(tracer, false));
    (void)!ctmi_tracer_reserve_spare_stopped(tracer); /* if it fails, no spare rows are reserved */
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
        discard_box(box, name);
        return status;
    }
    ctmi_tracer_close(tracer);
    attach_stopped(tracer, box);
    ctmi_tracer_open(tracer);
    return CTM_OK;
}

/* --- continue --- */

static void move_stopped(ctm_tracer *tracer, struct ctmi_box_writer *box)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    ctmi_box_control_empty(box->control, &tracer->annotations);
    ctmi_box_take_tables(box);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        set_published(&box->backings[i]);
    }
    attach_sink(tracer, box);
    atomic_fetch_add(&box->control->generation, 1);
}

static ctm_status continue_stopped(ctm_tracer *tracer, struct ctmi_box_writer *box,
                                   const char *name, const char *path)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    if (!ctmi_box_write_tables(box)) {
        return CTM_ERR_IO;
    }
    const ctm_status status = publish_box(name, path);
    if (status == CTM_OK) {
        move_stopped(tracer, box);
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
        status = CTM_ERR_NOMEM; /* usually a child whose tables could not be copied */
    }
    if (status == CTM_OK) {
        status = new_box(tracer, path, &box, name);
    }
    if (status != CTM_OK) {
        return status;
    }
    ctmi_tracer_close(tracer);
    status = continue_stopped(tracer, box, name, path);
    ctmi_tracer_open(tracer);
    if (status != CTM_OK) {
        discard_box(box, name);
    }
    return status;
}

/* --- end --- */

static void detach_stopped(struct ctmi_box_writer *box)
{
    ctm_tracer *tracer = box->tracer;
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_store_set_backing(&tracer->shards[i].store, NULL);
    }
    ctmi_peak_publish_at(tracer, NULL);
    ctmi_sinks_remove(tracer, &box->sink);
    free_box(box);
}

static void write_end(struct ctmi_box_control *control, ctm_black_box_ending reason)
{
    atomic_store(&control->end, (uint32_t)reason);
    atomic_store(&control->ended_ns, ctmi_tracer_now());
}

static void stop(struct ctmi_sink *sink)
{
    struct ctmi_box_writer *box = box_of_sink(sink);
    write_end(box->control, CTM_BOX_STOPPED);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_store_free_all(&box->tracer->shards[i].store);
    }
    detach_stopped(box);
}

static ctm_status end_stopped(struct ctmi_box_writer *box, ctm_black_box_ending reason)
{
    CTMI_ASSERT_WORLD_STOPPED(box->tracer);
    if (!ctmi_box_copy(box)) {
        /* Out of memory: the tables become private mappings of the file, which does not change any more. */
        ctmi_box_drop_copies(box);
        if (ctmi_box_check_file(box) != CTM_BOX_COMPLETE) {
            return CTM_ERR_NOMEM;
        }
    }
    write_end(box->control, reason);
    if (!ctmi_box_leave_file(box, true)) {
        atomic_store(&box->tracer->tables_lost, true);
    }
    detach_stopped(box);
    return CTM_OK;
}

ctm_status ctm_black_box_end(ctm_tracer *tracer, ctm_black_box_ending reason)
{
    struct ctmi_box_writer *box = ctmi_box_of(tracer);
    ctm_status status = CTM_OK;
    if (box != NULL) {
        ctmi_tracer_close(tracer);
        status = end_stopped(box, reason);
        ctmi_tracer_open(tracer);
    }
    return status;
}

/* --- fork ---
 * As soon as the child exists, the parent continues and changes counters in the file. So the tables for the child are
 * copied before the fork. */

static void fork_before(struct ctmi_sink *sink)
{
    (void)ctmi_box_copy(box_of_sink(sink)); /* if it fails: see ctmi_box_leave_file */
}

static void fork_after_parent(struct ctmi_sink *sink)
{
    ctmi_box_drop_copies(box_of_sink(sink));
}

static void fork_after_child(struct ctmi_sink *sink)
{
    struct ctmi_box_writer *box = box_of_sink(sink);
    if (!ctmi_box_leave_file(box, false)) {
        atomic_store(&box->tracer->tables_lost, true);
    }
    detach_stopped(box);
}

/* --- annotations --- */

static void loss_told(struct ctmi_sink *sink, const struct ctmi_losses *losses, uint32_t index)
{
    ctmi_box_control_loss(box_of_sink(sink)->control, losses, index);
}

static void end_told(struct ctmi_sink *sink, const struct ctmi_end_annotation *end)
{
    ctmi_box_control_end(box_of_sink(sink)->control, end);
}

static const struct ctmi_sink_kind box_kind = {
    .before_emptying = before_emptying,
    .after_emptying = after_emptying,
    .stop = stop,
    .fork_before = fork_before,
    .fork_after_parent = fork_after_parent,
    .fork_after_child = fork_after_child,
    .loss_told = loss_told,
    .end_told = end_told,
};

/* --- state --- */

bool ctm_black_box_state(ctm_tracer *tracer, ctm_black_box_lack *out_lack)
{
    ctmi_lock_acquire(&tracer->annotations.lock); /* so the box is not removed in between */
    const struct ctmi_box_writer *box = ctmi_box_of(tracer);
    const uint32_t lack = box != NULL ? atomic_load(&box->control->lack) : CTM_BOX_COMPLETE;
    ctmi_lock_release(&tracer->annotations.lock);
    *out_lack = lack > CTM_BOX_CUT ? CTM_BOX_CUT
                                   : (ctm_black_box_lack)lack; /* the file may have any value */
    return box != NULL;
}

bool ctm_black_box_is_broken(ctm_tracer *tracer)
{
    return atomic_load(&tracer->tables_lost);
}
