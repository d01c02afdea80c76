/* formats/reader.c: makes a snapshot from the bytes of a file; see formats/reader.h.
 *
 * Model: nothing is allocated before the layout is checked, and then in proportion to the rows in the file, so a file
 * cannot cause allocations of more than a small multiple of its size. The file is read into memory, not mapped: a
 * process that cuts a mapped file ends its readers with SIGBUS, and one that writes into it changes bytes that were
 * checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "formats/reader.h"

static const unsigned char *row_at(const struct ctmi_reader *reader, enum ctmi_file_kind kind,
                                   uint64_t row)
{
    const struct ctmi_section *section = &reader->sections[kind];
    return reader->bytes + section->offset + row * section->row_size;
}

/* Reads a field that rows of older versions do not have; then it is 0. */
static uint64_t later_u64(const struct ctmi_reader *reader, enum ctmi_file_kind kind, uint64_t row,
                          uint32_t byte)
{
    const bool has = reader->sections[kind].row_size >= byte + 8;
    return has ? ctmi_get_u64(row_at(reader, kind, row) + byte) : 0;
}

static uint32_t later_u32(const struct ctmi_reader *reader, enum ctmi_file_kind kind, uint64_t row,
                          uint32_t byte)
{
    const bool has = reader->sections[kind].row_size >= byte + 4;
    return has ? ctmi_get_u32(row_at(reader, kind, row) + byte) : 0;
}

static void load_strings(const struct ctmi_reader *reader, ctm_snapshot *snapshot)
{
    for (uint64_t row = 0; row < reader->sections[CTMI_FILE_STRING_OFFSETS].rows; row++) {
        snapshot->string_offsets[row] = ctmi_get_u64(row_at(reader, CTMI_FILE_STRING_OFFSETS, row));
    }
    memcpy(snapshot->string_bytes, row_at(reader, CTMI_FILE_STRING_BYTES, 0),
           (size_t)reader->sections[CTMI_FILE_STRING_BYTES].length);
}

/* The row has `size` bytes on file. A field that is not among them is 0. */
static void load_content(const struct ctmi_schema *schema, const unsigned char *at, uint64_t size,
                         void *out)
{
    for (const struct ctmi_field *field = schema->fields; field->size != 0; field++) {
        const bool has = (uint64_t)field->offset + field->size <= size;
        if (field->size == sizeof(uint64_t)) {
            ctmi_field_set_wide(field, out, has ? ctmi_get_u64(at + field->offset) : 0);
        } else {
            ctmi_field_set(field, out, has ? ctmi_get_u32(at + field->offset) : 0);
        }
    }
}

static void load_rows(const struct ctmi_reader *reader, enum ctmi_table table, uint32_t count,
                      char *rows)
{
    const struct ctmi_schema *schema = &ctmi_schemas[table];
    const uint64_t size = reader->sections[ctmi_file_kind_of(table)].row_size;
    for (uint32_t id = 1; id < count; id++) {
        load_content(schema, row_at(reader, ctmi_file_kind_of(table), id), size,
                     rows + (size_t)id * schema->content_size);
    }
}

static void load_tables(const struct ctmi_reader *reader, ctm_snapshot *snapshot)
{
    uint32_t counts[CTMI_ROWS_TABLES];
    ctmi_snapshot_counts(&snapshot->info, counts);
    load_strings(reader, snapshot);
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        load_rows(reader, table, counts[table], snapshot->rows[table]);
    }
}

static ctm_status check_interval(struct ctmi_reader *reader, uint64_t interval)
{
    const uint32_t flags = ctmi_get_u32(row_at(reader, CTMI_FILE_INFO, 0) + 4);
    if (flags & ~CTMI_FILE_SAMPLED) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 4,
                                    "flags that this library does not know");
    }
    if (flags == 0 && interval != 0) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 40, "an interval, but not a sample");
    }
    if (flags == 0) {
        return CTM_OK;
    }
    if (interval == 0) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 4, "a sample without its interval");
    }
    if (interval > CTM_MAX_SAMPLE_INTERVAL) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 40,
                                    "a sample interval out of range");
    }
    return CTM_OK;
}

static ctm_status check_info(struct ctmi_reader *reader, const ctm_snapshot_info *info)
{
    ctm_status status = check_interval(reader, info->sample_interval);
    if (status != CTM_OK) {
        return status;
    }
    if (info->command > info->strings) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 68, "no such string");
    }
    if (info->peak_known &&
        reader->sections[CTMI_FILE_SITES].row_size < ctmi_file_row_size(CTMI_FILE_SITES)) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 72,
                                    "the blocks at the peak are not there");
    }
    return CTM_OK;
}

/* Returns 0 for a missing section. */
static uint32_t last_id(const struct ctmi_section *section)
{
    return section->offset == 0 ? 0 : (uint32_t)(section->rows - 1);
}

static void load_info(const struct ctmi_reader *reader, ctm_snapshot_info *info)
{
    const unsigned char *at = row_at(reader, CTMI_FILE_INFO, 0);
    const struct ctmi_section *sections = reader->sections;
    *info = (ctm_snapshot_info){
        .nframe = ctmi_get_u32(at),
        .peak_bytes = ctmi_get_u64(at + 24),
        .tracer_bytes = ctmi_get_u64(at + 32),
        .sample_interval = later_u64(reader, CTMI_FILE_INFO, 0, 40),
        .taken_ns = later_u64(reader, CTMI_FILE_INFO, 0, 48),
        .started_ns = later_u64(reader, CTMI_FILE_INFO, 0, 56),
        .pid = later_u32(reader, CTMI_FILE_INFO, 0, 64),
        .command = later_u32(reader, CTMI_FILE_INFO, 0, 68),
        .peak_known = (later_u32(reader, CTMI_FILE_INFO, 0, 72) & CTMI_FILE_PEAK_KNOWN) != 0,
        .strings = (uint32_t)(sections[CTMI_FILE_STRING_OFFSETS].rows - 2),
#define TABLE(ID, one, many, number, ...) .number = last_id(&sections[CTMI_FILE_##ID]),
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
    };
}

static ctm_status load_losses(struct ctmi_reader *reader, ctm_snapshot *snapshot)
{
    struct ctmi_losses losses = {0};
    if (reader->sections[CTMI_FILE_LOSSES].offset == 0) {
        return CTM_OK;
    }
    for (uint64_t row = 0; row < reader->sections[CTMI_FILE_LOSSES].rows; row++) {
        const unsigned char *at = row_at(reader, CTMI_FILE_LOSSES, row);
        ctm_loss *loss = &losses.rows[losses.n++];
        loss->count = ctmi_get_u64(at);
        memcpy(loss->kind, at + 8, sizeof loss->kind);
        memcpy(loss->detail, at + 8 + sizeof loss->kind, sizeof loss->detail);
        if (loss->kind[0] == 0 || !ctmi_text_is_fit(loss->kind, sizeof loss->kind)) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_LOSSES, row, 8, "a kind is no text");
        }
        if (!ctmi_text_is_fit(loss->detail, sizeof loss->detail)) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_LOSSES, row, 8 + CTM_LOSS_KIND,
                                        "a loss is no text");
        }
    }
    return ctmi_snapshot_set_losses(snapshot, losses.rows, losses.n);
}

static ctm_status seal_checked(struct ctmi_reader *reader, ctm_snapshot *snapshot)
{
    const unsigned char *info = row_at(reader, CTMI_FILE_INFO, 0);
    if (ctmi_snapshot_seal(snapshot) != CTM_OK) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, 1, 0, "the sites' sums are too large");
    }
    if (ctmi_get_u64(info + 8) != snapshot->info.live_blocks) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 8,
                                    "not the sum of the sites' blocks");
    }
    if (ctmi_get_u64(info + 16) != snapshot->info.current_bytes) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_INFO, 0, 16,
                                    "not the sum of the sites' bytes");
    }
    return CTM_OK;
}

static ctm_status load_snapshot(struct ctmi_reader *reader, ctm_snapshot **out)
{
    ctm_snapshot_info info;
    ctm_snapshot *snapshot;
    load_info(reader, &info);
    ctm_status status =
        ctmi_snapshot_alloc(&info, reader->sections[CTMI_FILE_STRING_BYTES].length, &snapshot);
    if (status != CTM_OK) {
        return status;
    }
    load_tables(reader, snapshot);
    status = check_info(reader, &snapshot->info);
    if (status == CTM_OK) {
        status = ctmi_reader_check(reader, snapshot);
    }
    if (status == CTM_OK) {
        status = load_losses(reader, snapshot);
    }
    if (status == CTM_OK) {
        status = seal_checked(reader, snapshot);
    }
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(snapshot);
        *out = snapshot;
    } else {
        ctm_snapshot_unref(snapshot);
    }
    return status;
}

/* *out is NULL if the file has no such section. */
static ctm_status copy_attributes(const struct ctmi_reader *reader, void **out, size_t *out_length)
{
    const struct ctmi_section *section = &reader->sections[CTMI_FILE_ATTRIBUTES];
    void *copy = NULL;
    if (section->offset != 0) {
        copy = ctmi_mem_alloc((size_t)section->length);
        if (copy == NULL) {
            return CTM_ERR_NOMEM;
        }
        memcpy(copy, reader->bytes + section->offset, (size_t)section->length);
    }
    *out = copy;
    *out_length = (size_t)section->length;
    return CTM_OK;
}

ctm_status ctm_snapshot_decode(const void *bytes, size_t size, ctm_snapshot **out,
                               void **out_attributes, size_t *out_length, ctm_file_error *error)
{
    ctm_file_error unused;
    struct ctmi_reader reader = {
        .bytes = bytes, .size = size, .error = error != NULL ? error : &unused};
    ctm_snapshot *snapshot;
    void *attributes = NULL;
    size_t length = 0;
    ctm_status status = ctmi_reader_layout(&reader);
    if (status == CTM_OK) {
        status = load_snapshot(&reader, &snapshot);
    }
    if (status != CTM_OK) {
        return status;
    }
    if (out_attributes != NULL) {
        status = copy_attributes(&reader, &attributes, &length);
        if (status != CTM_OK) {
            ctm_snapshot_unref(snapshot);
            return status;
        }
        *out_attributes = attributes;
    }
    if (out_length != NULL) {
        *out_length =
            out_attributes != NULL ? length : (size_t)reader.sections[CTMI_FILE_ATTRIBUTES].length;
    }
    *out = snapshot;
    return CTM_OK;
}

/* Reads up to `size` bytes; *out: the number of bytes read. */
static ctm_status read_up_to(int fd, unsigned char *to, size_t size, size_t *out)
{
    size_t done = 0;
    while (done < size) {
        size_t step = size - done < (1u << 30) ? size - done : (1u << 30);
        ssize_t n = read(fd, to + done, step);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return CTM_ERR_IO;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *out = done;
    return CTM_OK;
}

/* Checks what needs no memory for the whole file: its kind, size and header. */
static ctm_status check_file(int fd, struct ctmi_reader *reader)
{
    unsigned char header[CTMI_FILE_HEADER_SIZE];
    struct stat status;
    size_t there;
    if (fstat(fd, &status) != 0) {
        return CTM_ERR_IO;
    }
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return CTM_ERR_IO;
    }
    if (!S_ISREG(status.st_mode)) {
        return ctmi_reader_fail(reader, 0, "not a regular file");
    }
    if (read_up_to(fd, header, sizeof header, &there) != CTM_OK) {
        return CTM_ERR_IO;
    }
    reader->bytes = header;
    reader->size = there < sizeof header ? there : (uint64_t)status.st_size;
    ctm_status result = ctmi_reader_header(reader);
    reader->bytes = NULL;
    if (result == CTM_OK && lseek(fd, 0, SEEK_SET) != 0) {
        return CTM_ERR_IO;
    }
    return result;
}

/* *out is owned by the caller. Decode detects a file that shrank meanwhile. */
static ctm_status read_bytes(int fd, uint64_t size, void **out, size_t *out_size)
{
    unsigned char *bytes = size > PTRDIFF_MAX ? NULL : ctmi_mem_alloc((size_t)size);
    if (bytes == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = read_up_to(fd, bytes, (size_t)size, out_size);
    if (status == CTM_OK) {
        *out = bytes;
    } else {
        ctmi_mem_free(bytes);
    }
    return status;
}

ctm_status ctm_snapshot_read(const char *path, ctm_snapshot **out, void **out_attributes,
                             size_t *out_length, ctm_file_error *error)
{
    ctm_file_error unused;
    struct ctmi_reader reader = {.error = error != NULL ? error : &unused};
    void *bytes;
    size_t size;
    /* O_NONBLOCK: opening a pipe would otherwise wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return CTM_ERR_IO;
    }
    ctm_status status = check_file(fd, &reader);
    if (status == CTM_OK) {
        status = read_bytes(fd, reader.size, &bytes, &size);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (status != CTM_OK) {
        return status;
    }
    status = ctm_snapshot_decode(bytes, size, out, out_attributes, out_length, error);
    ctmi_mem_free(bytes);
    return status;
}
