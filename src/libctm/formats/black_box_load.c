/* formats/black_box_load.c: reads and checks the rows of one shard of a black box; see formats/black_box_reader.h.
 *
 * Model: counts are read in the order from tables that refer to others to tables that are referred to. The writer
 * raises a count when the row is complete, after the rows that it refers to. So all rows that a counted row refers to
 * are counted too.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "base/utf8.h"
#include "formats/black_box_reader.h"
#include "tables/rows.h"

ctm_status ctmi_box_fail(struct ctmi_box_loader *loader, uint64_t offset, const char *reason)
{
    *loader->error = (ctm_file_error){.offset = offset, .reason = reason};
    return CTM_ERR_FORMAT;
}

ctm_status ctmi_box_read(struct ctmi_box_loader *loader, uint64_t offset, void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        const ssize_t n = pread(loader->fd, at, size < 1u << 30 ? size : 1u << 30, (off_t)offset);
        if (n == 0) {
            return ctmi_box_fail(loader, offset, "the file ends too early");
        }
        if (n < 0 && errno != EINTR) {
            return CTM_ERR_IO;
        }
        if (n > 0) {
            at += n;
            offset += (uint64_t)n;
            size -= (size_t)n;
        }
    }
    return CTM_OK;
}

/* --- chunks --- */

static uint64_t offset_of_table(uint32_t shard, enum ctmi_table table)
{
    return offsetof(struct ctmi_box_control, tables) +
           ((uint64_t)shard * CTMI_TABLES + (uint64_t)table) * sizeof(struct ctmi_box_table);
}

/* Reads the offsets of a table's chunks and its number of rows. */
static ctm_status load_table(struct ctmi_box_loader *loader, uint32_t shard, enum ctmi_table table)
{
    return ctmi_box_read(loader, offset_of_table(shard, table), &loader->tables[table],
                         sizeof(struct ctmi_box_table));
}

static bool is_within(const struct ctmi_box_loader *loader, uint64_t offset, size_t used)
{
    return offset <= loader->size && used <= loader->size - offset;
}

/* A running program may have grown the file since its size was read. */
static bool is_in_file(struct ctmi_box_loader *loader, uint64_t offset, size_t used)
{
    struct stat status;
    if (is_within(loader, offset, used)) {
        return true;
    }
    if (fstat(loader->fd, &status) != 0 || (uint64_t)status.st_size <= loader->size) {
        return false;
    }
    loader->budget += (uint64_t)status.st_size - loader->size;
    loader->size = (uint64_t)status.st_size;
    return is_within(loader, offset, used);
}

/* Reads the first `used` bytes of a chunk into new memory of `size` bytes. */
static ctm_status load_chunk(struct ctmi_box_loader *loader, enum ctmi_table table, unsigned chunk,
                             size_t size, size_t used, char **out)
{
    const uint64_t offset = atomic_load(&loader->tables[table].chunk[chunk]);
    if (offset < CTMI_BOX_CONTROL_SIZE || !is_in_file(loader, offset, used)) {
        return ctmi_box_fail(loader, offset, "a chunk is not in the file");
    }
    if (used > loader->budget) {
        return ctmi_box_fail(loader, offset, "chunks overlap");
    }
    loader->budget -= used;
    *out = ctmi_mem_map(size);
    return *out == NULL ? CTM_ERR_NOMEM : ctmi_box_read(loader, offset, *out, used);
}

static ctm_status load_rows(struct ctmi_box_loader *loader, uint32_t shard, enum ctmi_table table)
{
    struct ctmi_rows *rows = ctmi_store_rows(&loader->store, table);
    const uint64_t count = atomic_load(&loader->tables[table].count);
    if (count < 1 || count > rows->limit) {
        return ctmi_box_fail(loader, offset_of_table(shard, table), "a count of rows is wrong");
    }
    ctm_status status = CTM_OK;
    uint64_t left = count > 1 ? count : 0; /* a table without rows has no chunk */
    for (unsigned k = 0; left > 0 && status == CTM_OK; k++) {
        const uint64_t there = (uint64_t)rows->first << k, n = left < there ? left : there;
        status = load_chunk(loader, table, k, there * rows->row_size, n * rows->row_size,
                            &rows->chunk[k]);
        left -= n;
    }
    if (status == CTM_OK) {
        rows->count = (uint32_t)count;
    }
    return status;
}

/* Returns the file offset of row `id`, for error messages. */
static uint64_t offset_of_row(const struct ctmi_box_loader *loader, enum ctmi_table table,
                              uint32_t id)
{
    const uint64_t position = (uint64_t)id + (1u << ctmi_sizes()->rows_first_log2);
    const unsigned top = 63u - (unsigned)__builtin_clzll(position);
    return atomic_load(&loader->tables[table].chunk[top - ctmi_sizes()->rows_first_log2]) +
           (position ^ (1ull << top)) * ctmi_box_row_size(table);
}

static ctm_status fail_row(struct ctmi_box_loader *loader, enum ctmi_table table, uint32_t id,
                           const char *reason)
{
    return ctmi_box_fail(loader, offset_of_row(loader, table, id), reason);
}

/* --- strings --- */

static struct ctmi_string_row *string_row(struct ctmi_box_loader *loader, uint32_t id)
{
    return ctmi_rows_at(&loader->store.strings, id, sizeof(struct ctmi_string_row));
}

/* Checks the offsets of the strings; used[k]: the bytes in use of chunk k. */
static ctm_status check_offsets(struct ctmi_box_loader *loader, uint64_t *used)
{
    for (uint32_t id = 1; id < loader->store.strings.count; id++) {
        const struct ctmi_string_row *row = string_row(loader, id);
        if (row->length == 0 || row->offset >= ctmi_bytes_chunk_start(CTMI_BYTES_CHUNKS)) {
            return fail_row(loader, CTMI_TABLE_STRINGS, id, "a string has no bytes");
        }
        const unsigned chunk = ctmi_bytes_chunk(row->offset);
        const uint64_t end =
            row->offset - ctmi_bytes_chunk_start(chunk) + (uint64_t)row->length + 1;
        if (end > ctmi_bytes_chunk_size(chunk)) {
            return fail_row(loader, CTMI_TABLE_STRINGS, id, "a string is longer than its chunk");
        }
        used[chunk] = used[chunk] > end ? used[chunk] : end;
    }
    return CTM_OK;
}

static ctm_status check_strings(struct ctmi_box_loader *loader)
{
    for (uint32_t id = 1; id < loader->store.strings.count; id++) {
        const struct ctmi_string_row *row = string_row(loader, id);
        const char *utf8 = ctmi_bytes_at(&loader->store.bytes, row->offset);
        if (utf8[row->length] != '\0' ||
            ctmi_utf8_fault((const unsigned char *)utf8, row->length) != row->length) {
            return fail_row(loader, CTMI_TABLE_STRINGS, id, "a string is no UTF-8");
        }
    }
    return CTM_OK;
}

static ctm_status load_strings(struct ctmi_box_loader *loader)
{
    uint64_t used[CTMI_BYTES_CHUNKS] = {0};
    ctm_status status = check_offsets(loader, used);
    for (unsigned k = 0; k < CTMI_BYTES_CHUNKS && status == CTM_OK; k++) {
        if (used[k] > 0) {
            status = load_chunk(loader, CTMI_TABLE_BYTES, k, ctmi_bytes_chunk_size(k), used[k],
                                &loader->store.bytes.chunk[k]);
        }
    }
    return status == CTM_OK ? check_strings(loader) : status;
}

/* --- references and counters --- */

static ctm_status check_references(struct ctmi_box_loader *loader, enum ctmi_table table,
                                   uint32_t id, const uint32_t *counts)
{
    const void *content = ctmi_store_content_row(&loader->store, table, id);
    return ctmi_content_fault(table, content, id, counts) == NULL
               ? CTM_OK
               : fail_row(loader, table, id, ctmi_schemas[table].bad_reference);
}

static ctm_status set_length(struct ctmi_box_loader *loader, uint32_t id)
{
    struct ctmi_traceback_row *row = ctmi_store_traceback_row(&loader->store, id);
    const uint32_t parent = row->row.parent;
    const uint32_t below =
        parent != 0 ? ctmi_store_traceback_row(&loader->store, parent)->length : 0;
    row->length = below + 1;
    return below < CTM_MAX_NFRAME
               ? CTM_OK
               : fail_row(loader, CTMI_TABLE_TRACEBACKS, id, "a traceback is too long");
}

/* Sets the final counters of a site. The program counts while the counters are read one by one, so a block may be
 * read as freed but not yet as allocated. */
static ctm_status finalize_site(struct ctmi_box_loader *loader, uint32_t id)
{
    struct ctmi_site_row *row = ctmi_store_site_row(&loader->store, id);
    ctm_site *site = &row->site;
    uint64_t freed = ctmi_site_row_freed(row);
    const uint64_t at_peak = ctmi_site_row_at_peak(&loader->store, row);
    if (freed > site->allocated) {
        if (!loader->changing) {
            return fail_row(loader, CTMI_TABLE_SITES, id, "more blocks freed than allocated");
        }
        freed = site->allocated;
    }
    site->at_peak = at_peak <= site->allocated ? at_peak : 0;
    site->freed = freed;
    site->reserved = 0;
    atomic_store_explicit(&row->freed_remote, 0, memory_order_relaxed);
    atomic_store_explicit(&row->remote_since, 0, memory_order_relaxed);
    return CTM_OK;
}

/* Sets the fields that follow from the content of a row. */
static ctm_status finalize_row(struct ctmi_box_loader *loader, enum ctmi_table table, uint32_t id)
{
    switch (table) {
    case CTMI_TABLE_TRACEBACKS: return set_length(loader, id);
    case CTMI_TABLE_SITES: return finalize_site(loader, id);
    default: return CTM_OK;
    }
}

static ctm_status check_rows(struct ctmi_box_loader *loader)
{
    uint32_t counts[CTMI_ROWS_TABLES];
    ctm_status status = CTM_OK;
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        counts[table] = loader->store.rows[table].count;
    }
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        for (uint32_t id = 1; id < counts[table] && status == CTM_OK; id++) {
            status = check_references(loader, table, id, counts);
            if (status == CTM_OK) {
                status = finalize_row(loader, table, id);
            }
        }
    }
    loader->store.peak_stamp = 0;
    return status;
}

ctm_status ctmi_box_load_shard(struct ctmi_box_loader *loader, uint32_t shard, uint64_t peak_stamp)
{
    ctm_status status = CTM_OK;
    for (int table = CTMI_ROWS_TABLES - 1; table >= 0 && status == CTM_OK; table--) {
        status = load_table(loader, shard, (enum ctmi_table)table);
    }
    if (status == CTM_OK) {
        status = load_table(loader, shard, CTMI_TABLE_BYTES);
    }
    for (int table = CTMI_ROWS_TABLES - 1; table >= 0 && status == CTM_OK; table--) {
        status = load_rows(loader, shard, (enum ctmi_table)table);
    }
    if (status == CTM_OK) {
        status = load_strings(loader);
    }
    loader->store.peak_stamp = (uint32_t)peak_stamp;
    return status == CTM_OK ? check_rows(loader) : status;
}
