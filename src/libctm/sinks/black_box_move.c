/* sinks/black_box_move.c: moves existing tables into the file of a new box; see sinks/black_box.h.
 *
 * Model: first all tables are written into the file and mapped from it, while the private memory stays. This step can
 * fail, and then nothing has changed. The second step replaces the private memory by the file, chunk by chunk, at the
 * same addresses and with the same content.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "sinks/black_box.h"
#include "tables/rows.h"

#define STEP 65536u /* the least number of bytes by which a chunk grows in the file */

struct piece {
    char *memory; /* borrowed from the store; NULL: there is no such chunk */
    size_t size, used;
};

static size_t part(uint64_t end, uint64_t start, uint64_t most)
{
    const uint64_t length = end > start ? end - start : 0;
    return length < most ? length : most;
}

static struct piece piece_of_rows(const struct ctmi_rows *rows, unsigned chunk)
{
    /* A chunk has as many rows as there are positions before it; see ctmi_rows_at. */
    const uint64_t first = (uint64_t)rows->first << chunk;
    const uint64_t end = (uint64_t)rows->count + rows->first;
    return (struct piece){
        .memory = rows->chunk[chunk],
        .size = ctmi_mem_pages(first * rows->row_size),
        .used = part(end, first, first) * rows->row_size,
    };
}

static struct piece piece_of(const struct ctmi_box_backing *backing, enum ctmi_table table,
                             unsigned chunk)
{
    const struct ctmi_bytes *bytes = &backing->store->bytes;
    if (table != CTMI_TABLE_BYTES) {
        return chunk < CTMI_ROWS_CHUNKS
                   ? piece_of_rows(ctmi_store_rows(backing->store, table), chunk)
                   : (struct piece){0};
    }
    const uint64_t size = ctmi_bytes_chunk_size(chunk);
    return (struct piece){
        .memory = bytes->chunk[chunk],
        .size = ctmi_mem_pages(size),
        .used = part(bytes->end, ctmi_bytes_chunk_start(chunk), size),
    };
}

typedef int each_piece(struct ctmi_box_backing *backing, enum ctmi_table table, unsigned chunk,
                       struct piece piece);

/* Calls `call` for each chunk. Returns the first result that is not 0, or 0. */
static int for_each_piece(struct ctmi_box_writer *box, each_piece *call)
{
    for (unsigned i = 0; i < CTM_SHARDS * CTMI_TABLES * CTMI_BOX_CHUNKS; i++) {
        const unsigned chunk = i % CTMI_BOX_CHUNKS;
        const enum ctmi_table table = i / CTMI_BOX_CHUNKS % CTMI_TABLES;
        struct ctmi_box_backing *backing = &box->backings[i / CTMI_BOX_CHUNKS / CTMI_TABLES];
        const struct piece piece = piece_of(backing, table, chunk);
        const int error = piece.memory != NULL ? call(backing, table, chunk, piece) : 0;
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int write_all(int fd, const char *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        const ssize_t written = pwrite(fd, bytes, size, (off_t)offset);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            bytes += written;
            offset += (size_t)written;
            size -= (size_t)written;
        }
    }
    return 0;
}

static int write_piece(struct ctmi_box_backing *backing, enum ctmi_table table, unsigned chunk,
                       struct piece piece)
{
    struct ctmi_box_writer *box = backing->box;
    struct ctmi_box_range *range = &backing->ranges[table][chunk];
    const size_t ready = part((piece.used / STEP + 1) * STEP, 0, piece.size);
    int error = ctmi_box_file_resize(box->fd, box->end + piece.size);
    if (error == 0) {
        error = ctmi_box_file_fill(box->fd, box->end, ready);
    }
    if (error == 0) {
        error = write_all(box->fd, piece.memory, piece.used, box->end);
    }
    if (error != 0) {
        return error;
    }
    void *memory =
        mmap(NULL, piece.size, PROT_READ | PROT_WRITE, MAP_SHARED, box->fd, (off_t)box->end);
    if (memory == MAP_FAILED) {
        return errno;
    }
    range->copy = memory;
    range->offset = box->end;
    range->ready = ready;
    range->size = piece.size;
    box->end += piece.size;
    return 0;
}

static int drop_piece(struct ctmi_box_backing *backing, enum ctmi_table table, unsigned chunk,
                      struct piece piece)
{
    struct ctmi_box_range *range = &backing->ranges[table][chunk];
    if (range->copy != NULL) {
        ctmi_mem_unmap(range->copy, piece.size);
        range->copy = NULL;
    }
    return 0;
}

bool ctmi_box_write_tables(struct ctmi_box_writer *box)
{
    const int error = for_each_piece(box, write_piece);
    if (error != 0) {
        (void)for_each_piece(box, drop_piece);
        errno = error;
    }
    return error == 0;
}

void ctmi_box_forget_tables(struct ctmi_box_writer *box)
{
    (void)for_each_piece(box, drop_piece);
}

/* The system may refuse the mapping, although it needs no more memory than before. Then the rows become zeros, and
 * `tables_lost` says so. */
static int replace_piece(struct ctmi_box_backing *backing, enum ctmi_table table, unsigned chunk,
                         struct piece piece)
{
    struct ctmi_box_writer *box = backing->box;
    struct ctmi_box_range *range = &backing->ranges[table][chunk];
    const int flags = MAP_SHARED | MAP_FIXED, protection = PROT_READ | PROT_WRITE;
    if (mremap(range->copy, piece.size, piece.size, MREMAP_MAYMOVE | MREMAP_FIXED, piece.memory) ==
        MAP_FAILED) {
        (void)drop_piece(backing, table, chunk, piece);
        if (mmap(piece.memory, piece.size, protection, flags, box->fd, (off_t)range->offset) ==
            MAP_FAILED) {
            (void)!mmap(piece.memory, piece.size, protection,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            atomic_store(&box->tracer->tables_lost, true);
            range->offset = 0;
        }
    }
    range->copy = NULL;
    atomic_store(&range->shared, range->offset != 0 ? piece.size : 0);
    atomic_store(&range->base, (uintptr_t)piece.memory);
    atomic_store(&box->control->tables[backing->index][table].chunk[chunk], range->offset);
    return 0;
}

void ctmi_box_take_tables(struct ctmi_box_writer *box)
{
    (void)for_each_piece(box, replace_piece);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctmi_box_backing *backing = &box->backings[i];
        for (enum ctmi_table table = 0; table < CTMI_TABLE_BYTES; table++) {
            atomic_store(&box->control->tables[i][table].count,
                         ctmi_store_rows(backing->store, table)->count);
        }
        ctmi_store_set_backing(backing->store, &backing->backing);
    }
}
