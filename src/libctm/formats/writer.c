/* formats/writer.c: a snapshot as the bytes of a file.
 *
 * Model: plan the sections, allocate once, fill, and put the checksums in last. The rows are
 * the snapshot's own, column by column.
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "ctm/file.h"
#include "formats/format.h"
#include "snapshot/snapshot.h"

#define ALWAYS 7u /* sections that every file has */

struct section {
    uint32_t kind, row_size;
    uint64_t rows, offset, length;
};

struct plan {
    struct section sections[CTMI_FILE_KINDS];
    uint32_t n;
    uint64_t size;  /* of the whole file */
    uint16_t minor; /* of the version: the least that has all that is in it */
};

static uint64_t align(uint64_t offset)
{
    return (offset + CTMI_FILE_ALIGNMENT - 1) & ~(uint64_t)(CTMI_FILE_ALIGNMENT - 1);
}

/* Every factor is under 2^33 times 80, so nothing here overflows. */
static void plan_section(struct plan *plan, uint32_t kind, uint64_t rows)
{
    struct section *section = &plan->sections[plan->n++];
    section->kind = kind;
    section->rows = rows;
    section->offset = align(plan->size);
    section->row_size = ctmi_file_row_size(kind);
    section->length = rows * section->row_size;
    plan->size = section->offset + section->length;
}

static void plan_sections(const ctm_snapshot *snapshot, size_t attributes, struct plan *plan)
{
    const ctm_snapshot_info *info = &snapshot->info;
    const uint64_t sections =
        ALWAYS + (info->label_sets > 0) + (attributes > 0) + (snapshot->n_losses > 0);
    plan->minor = snapshot->n_losses > 0 ? CTMI_FILE_MINOR : CTMI_FILE_MINOR_BASE;
    plan->n = 0;
    plan->size = CTMI_FILE_HEADER_SIZE + CTMI_FILE_DIRECTORY_ROW * sections;
    plan_section(plan, CTMI_FILE_INFO, 1);
    plan_section(plan, CTMI_FILE_STRING_OFFSETS, (uint64_t)info->strings + 2);
    plan_section(plan, CTMI_FILE_STRING_BYTES, ctmi_snapshot_string_bytes(snapshot));
    plan_section(plan, CTMI_FILE_FUNCTIONS, (uint64_t)info->functions + 1);
    plan_section(plan, CTMI_FILE_FRAMES, (uint64_t)info->frames + 1);
    plan_section(plan, CTMI_FILE_TRACEBACKS, (uint64_t)info->tracebacks + 1);
    if (info->label_sets > 0) {
        plan_section(plan, CTMI_FILE_LABELS, (uint64_t)info->label_sets + 1);
    }
    plan_section(plan, CTMI_FILE_SITES, (uint64_t)info->sites + 1);
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

static void write_function(const ctm_function *row, unsigned char *at)
{
    ctmi_put_u32(at, row->filename);
    ctmi_put_u32(at + 4, row->name);
    ctmi_put_u32(at + 8, (uint32_t)row->first_lineno);
}

static void write_frame(const ctm_frame *row, unsigned char *at)
{
    ctmi_put_u32(at, row->function);
    ctmi_put_u32(at + 4, (uint32_t)row->lineno);
}

static void write_traceback(const ctm_traceback *row, unsigned char *at)
{
    ctmi_put_u32(at, row->parent);
    ctmi_put_u32(at + 4, row->frame);
    ctmi_put_u32(at + 8, (uint32_t)row->total_nframe);
}

static void write_label(const ctm_label *row, unsigned char *at)
{
    ctmi_put_u32(at, row->parent);
    ctmi_put_u32(at + 4, row->key);
    ctmi_put_u32(at + 8, row->value);
}

static void write_site(const ctm_site *row, unsigned char *at)
{
    ctmi_put_u64(at, row->block_size);
    ctmi_put_u64(at + 8, row->allocated);
    ctmi_put_u64(at + 16, row->freed);
    ctmi_put_u32(at + 24, row->domain);
    ctmi_put_u32(at + 28, row->traceback);
    ctmi_put_u32(at + 32, row->labels);
    ctmi_put_u32(at + 36, row->reserved);
    ctmi_put_u64(at + 40, row->at_peak);
}

static void write_loss(const ctm_loss *row, unsigned char *at)
{
    ctmi_put_u64(at, row->count);
    memcpy(at + 8, row->kind, sizeof row->kind);
    memcpy(at + 8 + sizeof row->kind, row->detail, sizeof row->detail);
}

static void write_row(const ctm_snapshot *snapshot, uint32_t kind, uint64_t row, unsigned char *at)
{
    switch (kind) {
    case CTMI_FILE_STRING_OFFSETS: ctmi_put_u64(at, snapshot->string_offsets[row]); break;
    case CTMI_FILE_FUNCTIONS: write_function(&snapshot->functions[row], at); break;
    case CTMI_FILE_FRAMES: write_frame(&snapshot->frames[row], at); break;
    case CTMI_FILE_TRACEBACKS: write_traceback(&snapshot->tracebacks[row], at); break;
    case CTMI_FILE_LABELS: write_label(&snapshot->labels[row], at); break;
    case CTMI_FILE_SITES: write_site(&snapshot->sites[row], at); break;
    case CTMI_FILE_LOSSES: write_loss(&snapshot->losses[row], at); break;
    default: write_info(&snapshot->info, at); break;
    }
}

static void write_section(const ctm_snapshot *snapshot, const void *attributes,
                          const struct section *section, unsigned char *at)
{
    uint32_t row_size = section->row_size;
    if (section->kind == CTMI_FILE_STRING_BYTES) {
        memcpy(at, snapshot->string_bytes, (size_t)section->length);
    } else if (section->kind == CTMI_FILE_ATTRIBUTES) {
        memcpy(at, attributes, (size_t)section->length);
    } else {
        for (uint64_t row = 0; row < section->rows; row++) {
            write_row(snapshot, section->kind, row, at + row * row_size);
        }
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
    /* The gaps between sections are zero. */
    for (uint32_t i = 1; i < plan->n; i++) {
        const struct section *before = &plan->sections[i - 1];
        uint64_t end = before->offset + before->length;
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
