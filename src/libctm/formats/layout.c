/* formats/layout.c: checks the header and directory of a snapshot file; see formats/reader.h. */
#include <string.h>

#include "base/crc32c.h"
#include "formats/reader.h"

ctm_status ctmi_reader_fail(struct ctmi_reader *reader, uint64_t offset, const char *reason)
{
    reader->error->offset = offset;
    reader->error->reason = reason;
    return CTM_ERR_FORMAT;
}

ctm_status ctmi_reader_fail_row(struct ctmi_reader *reader, enum ctmi_file_kind kind, uint64_t row,
                                uint32_t byte, const char *reason)
{
    const struct ctmi_section *section = &reader->sections[kind];
    return ctmi_reader_fail(reader, section->offset + row * section->row_size + byte, reason);
}

bool ctm_file_is_snapshot(const void *bytes, size_t length)
{
    return length >= CTMI_FILE_MAGIC_SIZE &&
           memcmp(bytes, CTMI_FILE_MAGIC, CTMI_FILE_MAGIC_SIZE) == 0;
}

static ctm_status check_identity(struct ctmi_reader *reader)
{
    const unsigned char *bytes = reader->bytes;
    if (reader->size == 0) {
        return ctmi_reader_fail(reader, 0, "the file is empty");
    }
    if (!ctm_file_is_snapshot(bytes, reader->size < CTMI_FILE_MAGIC_SIZE ? (size_t)reader->size
                                                                         : CTMI_FILE_MAGIC_SIZE)) {
        return ctmi_reader_fail(reader, 0, "not a snapshot file");
    }
    if (reader->size < CTMI_FILE_HEADER_SIZE) {
        return ctmi_reader_fail(reader, reader->size, "the file ends inside its header");
    }
    if (ctmi_get_u32(bytes + 8) != CTMI_FILE_BYTE_ORDER) {
        return ctmi_reader_fail(reader, 8, "wrong byte order mark");
    }
    if (ctmi_get_u16(bytes + 12) != CTMI_FILE_MAJOR) {
        return ctmi_reader_fail(reader, 12, "a format version that this library does not know");
    }
    return CTM_OK;
}

ctm_status ctmi_reader_header(struct ctmi_reader *reader)
{
    struct ctmi_crc32c crc;
    const unsigned char *bytes = reader->bytes;
    ctm_status status = check_identity(reader);
    if (status != CTM_OK) {
        return status;
    }
    ctmi_crc32c_init(&crc);
    if (ctmi_get_u32(bytes + 60) != ctmi_crc32c_get(&crc, bytes, 60)) {
        return ctmi_reader_fail(reader, 60, "wrong checksum of the header");
    }
    if (ctmi_get_u32(bytes + 16) < CTMI_FILE_HEADER_SIZE) {
        return ctmi_reader_fail(reader, 16, "wrong header size");
    }
    if (ctmi_get_u64(bytes + 24) > reader->size) {
        return ctmi_reader_fail(reader, reader->size, "the file is truncated");
    }
    if (ctmi_get_u64(bytes + 24) != reader->size) {
        return ctmi_reader_fail(reader, 24, "the file has more bytes than its header says");
    }
    if (ctmi_get_u32(bytes + 44) != 0) {
        return ctmi_reader_fail(reader, 44, "header flags that this library does not know");
    }
    return CTM_OK;
}

/* Reads the bounds of the directory and checks it. */
static ctm_status check_directory(struct ctmi_reader *reader, const struct ctmi_crc32c *crc,
                                  struct ctmi_section *out)
{
    const unsigned char *bytes = reader->bytes;
    out->rows = ctmi_get_u32(bytes + 20);
    out->offset = ctmi_get_u64(bytes + 32);
    out->row_size = ctmi_get_u32(bytes + 40);
    out->length = out->rows * out->row_size; /* both have 32 bits */
    if (out->rows > CTMI_FILE_MAX_SECTIONS) {
        return ctmi_reader_fail(reader, 20, "too many sections");
    }
    if (out->row_size < CTMI_FILE_DIRECTORY_ROW) {
        return ctmi_reader_fail(reader, 40, "wrong size of a directory row");
    }
    if (out->offset < ctmi_get_u32(bytes + 16) || out->offset > reader->size ||
        out->length > reader->size - out->offset) {
        return ctmi_reader_fail(reader, 32, "the directory is outside the file");
    }
    if (ctmi_get_u32(bytes + 56) !=
        ctmi_crc32c_get(crc, bytes + out->offset, (size_t)out->length)) {
        return ctmi_reader_fail(reader, 56, "wrong checksum of the directory");
    }
    return CTM_OK;
}

/* Reads and checks the bounds of one section; `at` is its directory row, at file offset `where`. */
static ctm_status check_bounds(struct ctmi_reader *reader, const unsigned char *at, uint64_t where,
                               const struct ctmi_crc32c *crc, struct ctmi_section *out)
{
    uint64_t length;
    out->offset = ctmi_get_u64(at + 8);
    out->length = ctmi_get_u64(at + 16);
    out->rows = ctmi_get_u64(at + 24);
    out->row_size = ctmi_get_u32(at + 32);
    if (out->offset < CTMI_FILE_HEADER_SIZE || out->offset > reader->size ||
        out->length > reader->size - out->offset) {
        return ctmi_reader_fail(reader, where + 8, "a section is outside the file");
    }
    if (out->offset % CTMI_FILE_ALIGNMENT != 0) {
        return ctmi_reader_fail(reader, where + 8, "a section is not aligned");
    }
    if (__builtin_mul_overflow(out->rows, out->row_size, &length) || length != out->length) {
        return ctmi_reader_fail(reader, where + 16,
                                "a section's length is not rows times row size");
    }
    if (ctmi_get_u32(at + 36) !=
        ctmi_crc32c_get(crc, reader->bytes + out->offset, (size_t)out->length)) {
        return ctmi_reader_fail(reader, out->offset, "wrong checksum of a section");
    }
    return CTM_OK;
}

static ctm_status store_section(struct ctmi_reader *reader, const unsigned char *at, uint64_t where,
                                const struct ctmi_section *section)
{
    uint32_t kind = ctmi_get_u32(at), flags = ctmi_get_u32(at + 4);
    if (kind == 0) {
        return ctmi_reader_fail(reader, where, "section kind 0");
    }
    if (kind >= CTMI_FILE_KINDS) {
        if (flags & CTMI_FILE_REQUIRED) {
            return ctmi_reader_fail(reader, where, "a section that this library does not know");
        }
        return CTM_OK;
    }
    if (reader->sections[kind].offset != 0) {
        return ctmi_reader_fail(reader, where, "two sections of one kind");
    }
    if (section->row_size < ctmi_file_least_row_size(kind)) {
        return ctmi_reader_fail(reader, where + 32, "a row size is too small");
    }
    bool bytes = kind == CTMI_FILE_STRING_BYTES || kind == CTMI_FILE_ATTRIBUTES;
    if (bytes && section->row_size != 1) {
        return ctmi_reader_fail(reader, where + 32, "a row size is not 1");
    }
    reader->sections[kind] = *section;
    return CTM_OK;
}

/* The rows of the directory are in the order of the file, so no two sections share bytes. */
static ctm_status read_directory(struct ctmi_reader *reader, const struct ctmi_crc32c *crc,
                                 const struct ctmi_section *directory)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < directory->rows; i++) {
        uint64_t where = directory->offset + i * directory->row_size;
        const unsigned char *at = reader->bytes + where;
        struct ctmi_section section;
        /* The order is checked first, so checksums of overlapping sections cannot cost more than one pass. */
        if (ctmi_get_u64(at + 8) < end) {
            return ctmi_reader_fail(reader, where + 8, "sections overlap or are out of order");
        }
        ctm_status status = check_bounds(reader, at, where, crc, &section);
        if (status == CTM_OK) {
            status = store_section(reader, at, where, &section);
        }
        if (status != CTM_OK) {
            return status;
        }
        end = section.offset + section.length;
    }
    return CTM_OK;
}

/* The `least` rows are row 0 and, in STRING_OFFSETS, the end. All ids must fit in 32 bits. */
static ctm_status check_rows(struct ctmi_reader *reader, enum ctmi_file_kind kind, uint64_t least,
                             uint64_t most)
{
    const struct ctmi_section *section = &reader->sections[kind];
    const bool optional =
        kind == CTMI_FILE_LOSSES || ctmi_schemas[ctmi_file_table_of(kind)].is_optional;
    if (section->offset == 0 && optional) {
        return CTM_OK;
    }
    if (section->offset == 0) {
        return ctmi_reader_fail(reader, CTMI_FILE_HEADER_SIZE, "a required section is missing");
    }
    if (section->rows < least) {
        return ctmi_reader_fail(reader, section->offset, "a section has too few rows");
    }
    if (section->rows > most) {
        return ctmi_reader_fail(reader, section->offset, "a section has too many rows");
    }
    return CTM_OK;
}

ctm_status ctmi_reader_layout(struct ctmi_reader *reader)
{
    static const struct {
        enum ctmi_file_kind kind;
        uint64_t least, most;
    } limits[] = {
        {CTMI_FILE_INFO, 1, 1},
        {CTMI_FILE_STRING_OFFSETS, 2, UINT32_MAX},
        {CTMI_FILE_STRING_BYTES, 1, UINT64_MAX},
#define TABLE(ID, ...) {CTMI_FILE_##ID, 1, UINT32_MAX},
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
            {CTMI_FILE_LOSSES, 1, CTM_MAX_LOSSES},
    };
    struct ctmi_crc32c crc;
    struct ctmi_section directory;
    ctmi_crc32c_init(&crc);
    ctm_status status = ctmi_reader_header(reader);
    if (status == CTM_OK) {
        status = check_directory(reader, &crc, &directory);
    }
    if (status == CTM_OK) {
        status = read_directory(reader, &crc, &directory);
    }
    for (size_t i = 0; i < sizeof limits / sizeof limits[0] && status == CTM_OK; i++) {
        status = check_rows(reader, limits[i].kind, limits[i].least, limits[i].most);
    }
    return status;
}
