/* formats/writer.c: encodes a snapshot as the bytes of a file.
 *
 * Model: the sections are planned, memory is allocated once, the sections are filled, and the checksums are written
 * last. The rows are those of the snapshot, column by column.
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "ctm/file.h"
#include "formats/format.h"
#include "snapshot/snapshot.h"

struct section {
    uint32_t kind, row_size;
    uint64_t rows, offset, length;
};

struct plan {
    struct section sections[CTMI_FILE_KINDS];
    uint32_t n;
    uint64_t size;  /* of the whole file */
    uint16_t minor; /* minor version: the lowest that has all sections of the file */
};

static uint64_t align(uint64_t offset)
{
    return (offset + CTMI_FILE_ALIGNMENT - 1) & ~(uint64_t)(CTMI_FILE_ALIGNMENT - 1);
}

/* Each product is less than 2^33 times 80, so nothing here overflows. */
static void plan_section(struct plan *plan, uint32_t kind, uint64_t rows)
{
    CTMI_ASSERT(plan->n < CTMI_FILE_KINDS);
    struct section *section = &plan->sections[plan->n++];
    section->kind = kind;
    section->rows = rows;
    section->offset = align(plan->size);
    section->row_size = ctmi_file_row_size(kind);
    section->length = rows * section->row_size;
    plan->size = section->offset + section->length;
    const uint16_t minor = ctmi_file_minor_of(kind);
    plan->minor = minor > plan->minor ? minor : plan->minor;
}

static bool has_section(enum ctmi_table table, uint32_t count)
{
    return count > 1 || !ctmi_schemas[table].is_optional;
}

static void plan_sections(const ctm_snapshot *snapshot, size_t attributes, struct plan *plan)
{
    const ctm_snapshot_info *info = &snapshot->info;
    uint32_t counts[CTMI_ROWS_TABLES];
    uint64_t sections = 3 + (attributes > 0) + (snapshot->n_losses > 0);
    ctmi_snapshot_counts(info, counts);
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        sections += has_section(table, counts[table]);
    }
    plan->minor = 0;
    plan->n = 0;
    plan->size = CTMI_FILE_HEADER_SIZE + CTMI_FILE_DIRECTORY_ROW * sections;
    plan_section(plan, CTMI_FILE_INFO, 1);
    plan_section(plan, CTMI_FILE_STRING_OFFSETS, (uint64_t)info->strings + 2);
    plan_section(plan, CTMI_FILE_STRING_BYTES, ctmi_snapshot_string_bytes(snapshot));
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        if (has_section(table, counts[table])) {
            plan_section(plan, ctmi_file_kind_of(table), counts[table]);
        }
    }
    if (snapshot->n_losses > 0) {
        plan_section(plan, CTMI_FILE_LOSSES, snapshot->n_losses);
    }
    if (attributes > 0) {
        plan_section(plan, CTMI_FILE_ATTRIBUTES, attributes);
    }
}

static void write_info(const ctm_snapshot_info *info, unsigned char *at)
{
    ctmi_put_u32(at, info->nframe);
    ctmi_put_u32(at + 4, info->sample_interval != 0 ? CTMI_FILE_SAMPLED : 0);
    ctmi_put_u64(at + 8, info->live_blocks);
    ctmi_put_u64(at + 16, info->current_bytes);
    ctmi_put_u64(at + 24, info->peak_bytes);
    ctmi_put_u64(at + 32, info->tracer_bytes);
    ctmi_put_u64(at + 40, info->sample_interval);
    ctmi_put_u64(at + 48, info->taken_ns);
    ctmi_put_u64(at + 56, info->started_ns);
    ctmi_put_u32(at + 64, info->pid);
    ctmi_put_u32(at + 68, info->command);
    ctmi_put_u32(at + 72, info->peak_known ? CTMI_FILE_PEAK_KNOWN : 0);
    ctmi_put_u32(at + 76, 0);
}

static void write_loss(const ctm_loss *row, unsigned char *at)
{
    ctmi_put_u64(at, row->count);
    memcpy(at + 8, row->kind, sizeof row->kind);
    memcpy(at + 8 + sizeof row->kind, row->detail, sizeof row->detail);
}

static void write_content(const struct ctmi_schema *schema, const char *content, unsigned char *at)
{
    for (const struct ctmi_field *field = schema->fields; field->size != 0; field++) {
        if (field->size == sizeof(uint64_t)) {
            ctmi_put_u64(at + field->offset, ctmi_field_get_wide(field, content));
        } else {
            ctmi_put_u32(at + field->offset, ctmi_field_get(field, content));
        }
    }
}

static void write_rows(const ctm_snapshot *snapshot, const struct section *section,
                       unsigned char *at)
{
    const enum ctmi_table table = ctmi_file_table_of(section->kind);
    const struct ctmi_schema *schema = &ctmi_schemas[table];
    const char *content = snapshot->rows[table];
    for (uint64_t row = 0; row < section->rows; row++) {
        write_content(schema, content + row * schema->content_size, at + row * section->row_size);
    }
}

static void write_offsets(const ctm_snapshot *snapshot, const struct section *section,
                          unsigned char *at)
{
    for (uint64_t row = 0; row < section->rows; row++) {
        ctmi_put_u64(at + row * section->row_size, snapshot->string_offsets[row]);
    }
}

static void write_section(const ctm_snapshot *snapshot, const void *attributes,
                          const struct section *section, unsigned char *at)
{
    switch (section->kind) {
    case CTMI_FILE_INFO: write_info(&snapshot->info, at); break;
    case CTMI_FILE_STRING_OFFSETS: write_offsets(snapshot, section, at); break;
    case CTMI_FILE_STRING_BYTES: memcpy(at, snapshot->string_bytes, (size_t)section->length); break;
    case CTMI_FILE_LOSSES:
        for (uint32_t row = 0; row < snapshot->n_losses; row++) {
            write_loss(&snapshot->losses[row], at + (size_t)row * section->row_size);
        }
        break;
    case CTMI_FILE_ATTRIBUTES: memcpy(at, attributes, (size_t)section->length); break;
    default: write_rows(snapshot, section, at); break;
    }
}

static void write_directory_row(const struct section *section, uint32_t checksum, unsigned char *at)
{
    bool required = section->kind != CTMI_FILE_ATTRIBUTES && section->kind != CTMI_FILE_LOSSES;
    ctmi_put_u32(at, section->kind);
    ctmi_put_u32(at + 4, required ? CTMI_FILE_REQUIRED : 0);
    ctmi_put_u64(at + 8, section->offset);
    ctmi_put_u64(at + 16, section->length);
    ctmi_put_u64(at + 24, section->rows);
    ctmi_put_u32(at + 32, section->row_size);
    ctmi_put_u32(at + 36, checksum);
}

static void write_header(const struct plan *plan, const struct ctmi_crc32c *crc,
                         unsigned char *bytes)
{
    size_t directory = (size_t)plan->n * CTMI_FILE_DIRECTORY_ROW;
    memcpy(bytes, CTMI_FILE_MAGIC, CTMI_FILE_MAGIC_SIZE);
    ctmi_put_u32(bytes + 8, CTMI_FILE_BYTE_ORDER);
    ctmi_put_u16(bytes + 12, CTMI_FILE_MAJOR);
    ctmi_put_u16(bytes + 14, plan->minor);
    ctmi_put_u32(bytes + 16, CTMI_FILE_HEADER_SIZE);
    ctmi_put_u32(bytes + 20, plan->n);
    ctmi_put_u64(bytes + 24, plan->size);
    ctmi_put_u64(bytes + 32, CTMI_FILE_HEADER_SIZE);
    ctmi_put_u32(bytes + 40, CTMI_FILE_DIRECTORY_ROW);
    ctmi_put_u32(bytes + 44, 0);
    ctmi_put_u64(bytes + 48, 0);
    ctmi_put_u32(bytes + 56, ctmi_crc32c_get(crc, bytes + CTMI_FILE_HEADER_SIZE, directory));
    ctmi_put_u32(bytes + 60, ctmi_crc32c_get(crc, bytes, 60));
}

static void write_file(const ctm_snapshot *snapshot, const void *attributes,
                       const struct plan *plan, unsigned char *bytes)
{
    struct ctmi_crc32c crc;
    ctmi_crc32c_init(&crc);
    CTMI_ASSERT(plan->sections[0].offset ==
                align(CTMI_FILE_HEADER_SIZE + (uint64_t)plan->n * CTMI_FILE_DIRECTORY_ROW));
    /* The gaps between sections are zero. */
    for (uint32_t i = 1; i < plan->n; i++) {
        const struct section *before = &plan->sections[i - 1];
        uint64_t end = before->offset + before->length;
        CTMI_ASSERT(plan->sections[i].offset >= end && plan->sections[i].offset < plan->size);
        memset(bytes + end, 0, (size_t)(plan->sections[i].offset - end));
    }
    for (uint32_t i = 0; i < plan->n; i++) {
        const struct section *section = &plan->sections[i];
        unsigned char *at = bytes + section->offset;
        write_section(snapshot, attributes, section, at);
        write_directory_row(section, ctmi_crc32c_get(&crc, at, (size_t)section->length),
                            bytes + CTMI_FILE_HEADER_SIZE + (size_t)i * CTMI_FILE_DIRECTORY_ROW);
    }
    write_header(plan, &crc, bytes);
}

ctm_status ctm_snapshot_encode(const ctm_snapshot *snapshot, const void *attributes, size_t length,
                               void **out, size_t *out_length)
{
    struct plan plan;
    if (attributes == NULL && length > 0) {
        return CTM_ERR_INVALID;
    }
    plan_sections(snapshot, length, &plan);
    unsigned char *bytes = plan.size > PTRDIFF_MAX ? NULL : ctmi_mem_alloc((size_t)plan.size);
    if (bytes == NULL) {
        return CTM_ERR_NOMEM;
    }
    write_file(snapshot, attributes, &plan, bytes);
    *out = bytes;
    *out_length = (size_t)plan.size;
    return CTM_OK;
}

ctm_status ctm_snapshot_write(const ctm_snapshot *snapshot, const char *path,
                              const void *attributes, size_t length)
{
    void *bytes;
    size_t size;
    ctm_status status = ctm_snapshot_encode(snapshot, attributes, length, &bytes, &size);
    if (status != CTM_OK) {
        return status;
    }
    status = ctm_file_replace(path, bytes, size);
    ctmi_mem_free(bytes);
    return status;
}
