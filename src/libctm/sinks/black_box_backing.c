/* sinks/black_box_backing.c: maps the chunks of a store from the file of a black box; see sinks/black_box.h. */
#define _GNU_SOURCE 1
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "sinks/black_box.h"

#define STEP 65536u /* the least number of bytes by which a chunk grows in the file */

bool ctmi_box_has_fd(const struct ctmi_box_writer *box, uint64_t *out_size)
{
    struct stat status;
    if (box->fd < 0 || fstat(box->fd, &status) != 0) {
        return false;
    }
    *out_size = (uint64_t)status.st_size;
    return status.st_dev == box->device && status.st_ino == box->inode;
}

/* The caller holds `lock`, or has stopped the world. */
static void assert_fd(const struct ctmi_box_writer *box)
{
#ifdef CTM_ASSERTS
    CTMI_ASSERT(ctmi_holder_is_me(&box->lock.holder) || ctmi_holder_is_me(&box->tracer->world));
#else
    (void)box;
#endif
}

ctm_black_box_lack ctmi_box_check_file(const struct ctmi_box_writer *box)
{
    uint64_t size;
    assert_fd(box);
    if (!ctmi_box_has_fd(box, &size)) {
        return CTM_BOX_CLOSED;
    }
    /* A file that was cut and has grown again has zeros instead of the magic. */
    const bool complete =
        size >= box->end && ctm_file_is_black_box(box->control->magic, sizeof box->control->magic);
    return complete ? CTM_BOX_COMPLETE : CTM_BOX_CUT;
}

/* From now on the row counts of this shard in the file are not raised: each counted row is complete, and so are the
 * rows that it refers to. */
static void freeze(struct ctmi_box_backing *backing, ctm_black_box_lack lack)
{
    uint32_t complete = CTM_BOX_COMPLETE;
    backing->frozen = true;
    for (enum ctmi_table table = 0; table < CTMI_TABLE_BYTES; table++) {
        ctmi_store_rows(backing->store, table)->backed.published = NULL;
    }
    atomic_compare_exchange_strong(&backing->box->control->lack, &complete, lack);
}

/* --- map --- */

/* MAP_FAILED: the file cannot hold the chunk, and *out_lack says why. */
static void *map_in_file(struct ctmi_box_writer *box, size_t size, uint64_t *out_offset,
                         ctm_black_box_lack *out_lack)
{
    void *memory = MAP_FAILED;
    ctmi_lock_acquire(&box->lock);
    *out_lack = ctmi_box_check_file(box);
    if (*out_lack == CTM_BOX_COMPLETE) {
        *out_lack = CTM_BOX_NO_SPACE;
        if (ctmi_box_file_resize(box->fd, box->end + size) == 0) {
            memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, box->fd, (off_t)box->end);
        }
    }
    if (memory != MAP_FAILED) {
        *out_offset = box->end;
        box->end += size;
    }
    ctmi_lock_release(&box->lock);
    return memory;
}

static void *box_map(struct ctmi_backing *base, enum ctmi_table table, unsigned chunk, size_t size)
{
    struct ctmi_box_backing *backing = (struct ctmi_box_backing *)base;
    struct ctmi_box_range *range = &backing->ranges[table][chunk];
    ctm_black_box_lack lack = CTM_BOX_COMPLETE;
    uint64_t offset = 0;
    size = ctmi_mem_pages(size);
    void *memory = backing->frozen ? MAP_FAILED : map_in_file(backing->box, size, &offset, &lack);
    const bool shared = memory != MAP_FAILED;
    if (!shared) {
        if (!backing->frozen) {
            freeze(backing, lack);
        }
        memory = ctmi_mem_map(size);
        if (memory == NULL) {
            return NULL;
        }
    }
    range->size = size;
    range->ready = shared ? 0 : size;
    range->offset = offset;
    atomic_store(&range->shared, shared ? size : 0);
    atomic_store(&range->base, (uintptr_t)memory);
    if (shared) {
        atomic_store(&backing->box->control->tables[backing->index][table].chunk[chunk], offset);
    }
    return memory;
}

static void box_unmap(struct ctmi_backing *base, enum ctmi_table table, unsigned chunk)
{
    struct ctmi_box_range *range = &((struct ctmi_box_backing *)base)->ranges[table][chunk];
    void *memory = (void *)atomic_load(&range->base);
    atomic_store(&range->base, 0);
    atomic_store(&range->shared, 0);
    ctmi_mem_unmap(memory, range->size);
}

/* --- grow --- */

static ctm_black_box_lack fill(struct ctmi_box_writer *box, const struct ctmi_box_range *range,
                               size_t size)
{
    ctmi_lock_acquire(&box->lock);
    ctm_black_box_lack lack = ctmi_box_check_file(box);
    if (lack == CTM_BOX_COMPLETE &&
        ctmi_box_file_fill(box->fd, range->offset + range->ready, size) != 0) {
        lack = CTM_BOX_NO_SPACE;
    }
    ctmi_lock_release(&box->lock);
    return lack;
}

/* Replaces the part of the chunk without disk space by private memory. */
static bool privatise_rest(struct ctmi_box_range *range)
{
    void *rest = (char *)atomic_load(&range->base) + range->ready;
    const size_t size = range->size - range->ready;
    if (mmap(rest, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED) {
        return false;
    }
    atomic_store(&range->shared, range->ready);
    range->ready = range->size;
    return true;
}

/* A chunk grows by a quarter at a time: few system calls, and little disk space that is never used. */
static size_t next_step(const struct ctmi_box_range *range, size_t end)
{
    size_t step = range->ready / 4 > STEP ? range->ready / 4 : STEP;
    step = step > end - range->ready ? step : end - range->ready;
    step = (step + STEP - 1) / STEP * STEP;
    return step < range->size - range->ready ? step : range->size - range->ready;
}

static bool box_grow(struct ctmi_backing *base, enum ctmi_table table, unsigned chunk, size_t end)
{
    struct ctmi_box_backing *backing = (struct ctmi_box_backing *)base;
    struct ctmi_box_range *range = &backing->ranges[table][chunk];
    if (end <= range->ready) {
        return true;
    }
    const size_t step = next_step(range, end);
    ctm_black_box_lack lack = CTM_BOX_COMPLETE;
    if (!backing->frozen) {
        lack = fill(backing->box, range, step);
        if (lack == CTM_BOX_COMPLETE) {
            range->ready += step;
            return true;
        }
        freeze(backing, lack);
    }
    return privatise_rest(range);
}

/* --- look ---
 * Checks for a cut file before rows are hashed again. Rows that became zeros all have the same hash, so hashing many of
 * them would take quadratic time. */
static void box_look(struct ctmi_backing *base)
{
    struct ctmi_box_backing *backing = (struct ctmi_box_backing *)base;
    if (backing->forgotten) {
        return;
    }
    ctmi_lock_acquire(&backing->box->lock);
    const ctm_black_box_lack lack = ctmi_box_check_file(backing->box);
    ctmi_lock_release(&backing->box->lock);
    if (lack == CTM_BOX_CUT) {
        atomic_store(&backing->box->tracer->tables_lost, true);
        freeze(backing, lack);
    }
    if (atomic_load(&backing->box->tracer->tables_lost)) {
        backing->forgotten = true;
        ctmi_store_forget_rows(backing->store);
    }
}

void ctmi_box_backing_init(struct ctmi_box_backing *backing, struct ctmi_box_writer *box,
                           uint32_t index)
{
    backing->backing = (struct ctmi_backing){
        .map = box_map, .grow = box_grow, .unmap = box_unmap, .look = box_look};
    backing->box = box;
    backing->store = &box->tracer->shards[index].store;
    backing->index = index;
}

/* --- leaving the file --- */

typedef bool each_range(struct ctmi_box_writer *box, struct ctmi_box_range *range);

/* Calls `call` for each range with a part in the file. False: one call returned false. */
static bool for_each_shared(struct ctmi_box_writer *box, each_range *call)
{
    bool ok = true;
    for (unsigned i = 0; i < CTM_SHARDS * CTMI_TABLES * CTMI_BOX_CHUNKS; i++) {
        const unsigned chunk = i % CTMI_BOX_CHUNKS, table = i / CTMI_BOX_CHUNKS % CTMI_TABLES;
        struct ctmi_box_range *range =
            &box->backings[i / CTMI_BOX_CHUNKS / CTMI_TABLES].ranges[table][chunk];
        if (atomic_load(&range->base) != 0 && atomic_load(&range->shared) != 0) {
            ok = call(box, range) && ok;
        }
    }
    return ok;
}

static bool copy_range(struct ctmi_box_writer *box, struct ctmi_box_range *range)
{
    (void)box;
    const size_t shared = atomic_load(&range->shared);
    range->copy = ctmi_mem_map(shared);
    if (range->copy != NULL) {
        memcpy(range->copy, (void *)atomic_load(&range->base),
               range->ready < shared ? range->ready : shared);
    }
    return range->copy != NULL;
}

static bool drop_copy(struct ctmi_box_writer *box, struct ctmi_box_range *range)
{
    (void)box;
    if (range->copy != NULL) {
        ctmi_mem_unmap(range->copy, atomic_load(&range->shared));
        range->copy = NULL;
    }
    return true;
}

/* Without a copy: maps the current file privately, so the system copies a page at its first write. False: zeros. */
static bool leave_without_copy(const struct ctmi_box_writer *box, void *base, size_t shared,
                               uint64_t offset)
{
    if (ctmi_box_check_file(box) == CTM_BOX_COMPLETE &&
        mmap(base, shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, box->fd,
             (off_t)offset) != MAP_FAILED) {
        return true;
    }
    (void)!mmap(base, shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0);
    return false;
}

static bool leave_range(struct ctmi_box_writer *box, struct ctmi_box_range *range, bool file_lasts)
{
    void *base = (void *)atomic_load(&range->base);
    const size_t shared = atomic_load(&range->shared);
    bool ok = range->copy != NULL && mremap(range->copy, shared, shared,
                                            MREMAP_MAYMOVE | MREMAP_FIXED, base) != MAP_FAILED;
    if (!ok) {
        drop_copy(box, range);
        ok = leave_without_copy(box, base, shared, range->offset) && file_lasts;
    }
    range->copy = NULL;
    atomic_store(&range->shared, 0);
    return ok;
}

static bool leave_constant_file(struct ctmi_box_writer *box, struct ctmi_box_range *range)
{
    return leave_range(box, range, true);
}

static bool leave_changing_file(struct ctmi_box_writer *box, struct ctmi_box_range *range)
{
    return leave_range(box, range, false);
}

bool ctmi_box_copy(struct ctmi_box_writer *box)
{
    return for_each_shared(box, copy_range);
}

void ctmi_box_drop_copies(struct ctmi_box_writer *box)
{
    (void)for_each_shared(box, drop_copy);
}

bool ctmi_box_leave_file(struct ctmi_box_writer *box, bool file_lasts)
{
    return for_each_shared(box, file_lasts ? leave_constant_file : leave_changing_file);
}
