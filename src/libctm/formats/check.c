/* formats/check.c: is what a file's rows say possible? See formats/reader.h.
 *
 * Model: tables are checked in the order strings, functions, frames, tracebacks, label sets, sites, so that a
 * row refers only to rows already shown to be good. What an interning table promises,
 * that no two rows are equal, is checked too, because grouping relies on it.
 */
#include <string.h>

#include "base/idset.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "formats/reader.h"

static ctm_status check_offsets(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    const uint64_t *offsets = snapshot->string_offsets;
    uint64_t length = reader->sections[CTMI_FILE_STRING_BYTES].length;
    uint64_t last = (uint64_t)snapshot->info.strings + 1;
    if (offsets[0] != 0 || offsets[1] != 1) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_STRING_OFFSETS, 0, 0,
                                    "string 0 is not empty");
    }
    for (uint64_t row = 1; row <= last; row++) {
        if (offsets[row] <= offsets[row - 1] || offsets[row] > length) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_STRING_OFFSETS, row, 0,
                                        "a string's offset is out of order");
        }
    }
    if (offsets[last] != length) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_STRING_OFFSETS, last, 0,
                                    "the strings do not fill their section");
    }
    return CTM_OK;
}

static ctm_status check_strings(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    ctm_status status = check_offsets(reader, snapshot);
    for (uint32_t id = 0; id <= snapshot->info.strings && status == CTM_OK; id++) {
        size_t length = ctmi_snapshot_string_length(snapshot, id);
        uint64_t offset = snapshot->string_offsets[id];
        const unsigned char *text = (const unsigned char *)snapshot->string_bytes + offset;
        size_t fault = ctmi_utf8_fault(text, length);
        if (fault < length) {
            status = ctmi_reader_fail_row(reader, CTMI_FILE_STRING_BYTES, offset + fault, 0,
                                          "a string is not UTF-8");
        } else if (text[length] != '\0') {
            status = ctmi_reader_fail_row(reader, CTMI_FILE_STRING_BYTES, offset + length, 0,
                                          "a string does not end in NUL");
        } else if (length == 0 && id != 0) {
            status = ctmi_reader_fail_row(reader, CTMI_FILE_STRING_OFFSETS, id, 0,
                                          "a row stands twice in its table");
        }
    }
    return status;
}

static ctm_status check_functions(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    for (uint32_t id = 1; id <= snapshot->info.functions; id++) {
        const ctm_function *row = &snapshot->functions[id];
        if (row->filename > snapshot->info.strings) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_FUNCTIONS, id, 0, "no such string");
        }
        if (row->name > snapshot->info.strings) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_FUNCTIONS, id, 4, "no such string");
        }
    }
    return CTM_OK;
}

static ctm_status check_frames(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    for (uint32_t id = 1; id <= snapshot->info.frames; id++) {
        uint32_t function = snapshot->frames[id].function;
        if (function == 0 || function > snapshot->info.functions) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_FRAMES, id, 0, "no such function");
        }
    }
    return CTM_OK;
}

/* Fills `lengths`, which seal will compute again: depth is only known on the way. */
static ctm_status check_tracebacks(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    for (uint32_t id = 1; id <= snapshot->info.tracebacks; id++) {
        const ctm_traceback *row = &snapshot->tracebacks[id];
        if (row->parent >= id) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_TRACEBACKS, id, 0,
                                        "a traceback's parent does not precede it");
        }
        if (row->frame == 0 || row->frame > snapshot->info.frames) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_TRACEBACKS, id, 4, "no such frame");
        }
        snapshot->lengths[id] = snapshot->lengths[row->parent] + 1;
        if (snapshot->lengths[id] > CTM_MAX_NFRAME) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_TRACEBACKS, id, 0,
                                        "a traceback has too many frames");
        }
    }
    return CTM_OK;
}

static int compare_strings(const ctm_snapshot *snapshot, uint32_t a, uint32_t b)
{
    size_t one, two;
    const char *first = ctm_snapshot_string(snapshot, a, &one);
    const char *second = ctm_snapshot_string(snapshot, b, &two);
    const int order = memcmp(first, second, one < two ? one : two);
    return order != 0 ? order : (one > two) - (one < two);
}

/* `depths` has a row for each set: how many pairs those before it have. */
static ctm_status check_label(struct ctmi_reader *reader, const ctm_snapshot *snapshot, uint32_t id,
                              uint8_t *depths)
{
    const ctm_label *row = &snapshot->labels[id];
    if (row->parent >= id) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_LABELS, id, 0,
                                    "a label set's parent does not precede it");
    }
    if (row->key == 0 || row->key > snapshot->info.strings) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_LABELS, id, 4, "no such string");
    }
    if (row->value > snapshot->info.strings) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_LABELS, id, 8, "no such string");
    }
    if (ctmi_snapshot_string_length(snapshot, row->key) > CTM_MAX_LABEL_KEY) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_LABELS, id, 4, "a label's key is too long");
    }
    if (row->parent != 0 &&
        compare_strings(snapshot, snapshot->labels[row->parent].key, row->key) >= 0) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_LABELS, id, 4,
                                    "the keys of a label set do not rise");
    }
    if (depths[row->parent] >= CTM_MAX_LABELS) {
        return ctmi_reader_fail_row(reader, CTMI_FILE_LABELS, id, 0, "a label set is too large");
    }
    depths[id] = (uint8_t)(depths[row->parent] + 1);
    return CTM_OK;
}

static ctm_status check_labels(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    ctm_status status = CTM_OK;
    if (snapshot->info.label_sets == 0) {
        return CTM_OK;
    }
    uint8_t *depths = ctmi_mem_alloc((size_t)snapshot->info.label_sets + 1);
    if (depths == NULL) {
        return CTM_ERR_NOMEM;
    }
    depths[0] = 0;
    for (uint32_t id = 1; id <= snapshot->info.label_sets && status == CTM_OK; id++) {
        status = check_label(reader, snapshot, id, depths);
    }
    ctmi_mem_free(depths);
    return status;
}

static ctm_status check_sites(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *row = &snapshot->sites[id];
        if (row->freed > row->allocated) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, id, 16,
                                        "more blocks freed than allocated");
        }
        if (row->traceback > snapshot->info.tracebacks) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, id, 28, "no such traceback");
        }
        if (row->labels > snapshot->info.label_sets) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, id, 32, "no such label set");
        }
        if (row->reserved != 0) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, id, 36,
                                        "a reserved field is not 0");
        }
        if (row->at_peak > row->allocated) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, id, 40,
                                        "more blocks at the peak than allocated");
        }
        if (row->at_peak != 0 && !snapshot->info.peak_known) {
            return ctmi_reader_fail_row(reader, CTMI_FILE_SITES, id, 40,
                                        "blocks at a peak that is not known");
        }
    }
    return CTM_OK;
}

/* Row 0 of a table is all zeros; of the file, because the snapshot has its own. */
static ctm_status check_row_zero(struct ctmi_reader *reader, enum ctmi_file_kind kind)
{
    const struct ctmi_section *section = &reader->sections[kind];
    uint64_t size =
        ctmi_file_row_size(kind) < section->row_size ? ctmi_file_row_size(kind) : section->row_size;
    for (uint32_t byte = 0; section->offset != 0 && byte < size; byte++) {
        if (reader->bytes[reader->sections[kind].offset + byte] != 0) {
            return ctmi_reader_fail_row(reader, kind, 0, byte, "row 0 of a table is not zero");
        }
    }
    return CTM_OK;
}

static uint64_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t hash = length;
    for (; length >= 8; length -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = ctmi_hash_mix(hash ^ word) + 0x9e3779b97f4a7c15u;
    }
    uint64_t rest = 0;
    memcpy(&rest, bytes, length);
    return ctmi_hash_mix(hash ^ rest);
}

/* One interning table: where its rows are and what their content is. */
struct table {
    enum ctmi_file_kind kind;
    const ctm_snapshot *snapshot; /* borrowed */
    uint32_t last;                /* greatest id */
};

/* Content of a row as bytes; rows of tables have no padding. */
static const char *row_content(const struct table *table, uint32_t id, size_t *out_length)
{
    const ctm_snapshot *snapshot = table->snapshot;
    *out_length = ctmi_file_row_size(table->kind);
    switch (table->kind) {
    case CTMI_FILE_FUNCTIONS: return (const char *)&snapshot->functions[id];
    case CTMI_FILE_FRAMES: return (const char *)&snapshot->frames[id];
    case CTMI_FILE_TRACEBACKS: return (const char *)&snapshot->tracebacks[id];
    case CTMI_FILE_LABELS: return (const char *)&snapshot->labels[id];
    default: return ctm_snapshot_string(snapshot, id, out_length);
    }
}

static bool same_content(const void *context, uint32_t a, uint32_t b)
{
    size_t one, two;
    const char *first = row_content(context, a, &one), *second = row_content(context, b, &two);
    return one == two && memcmp(first, second, one) == 0;
}

static ctm_status check_unique(struct ctmi_reader *reader, const struct table *table)
{
    struct ctmi_idset set;
    ctm_status status = ctmi_idset_init(&set, table->last);
    if (status != CTM_OK) {
        return status;
    }
    for (uint32_t id = 1; id <= table->last && status == CTM_OK; id++) {
        size_t length;
        const char *content = row_content(table, id, &length);
        if (ctmi_idset_add(&set, id, hash_bytes(content, length), same_content, table) != id) {
            status =
                ctmi_reader_fail_row(reader, table->kind, id, 0, "a row stands twice in its table");
        }
    }
    ctmi_idset_free(&set);
    return status;
}

static ctm_status check_all_unique(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    const struct table tables[5] = {
        {CTMI_FILE_STRING_OFFSETS, snapshot, snapshot->info.strings},
        {CTMI_FILE_FUNCTIONS, snapshot, snapshot->info.functions},
        {CTMI_FILE_FRAMES, snapshot, snapshot->info.frames},
        {CTMI_FILE_TRACEBACKS, snapshot, snapshot->info.tracebacks},
        {CTMI_FILE_LABELS, snapshot, snapshot->info.label_sets},
    };
    ctm_status status = CTM_OK;
    for (int i = 0; i < 5 && status == CTM_OK; i++) {
        status = check_unique(reader, &tables[i]);
    }
    return status;
}

ctm_status ctmi_reader_check(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    typedef ctm_status check(struct ctmi_reader *, const ctm_snapshot *);
    static check *const checks[] = {
        check_strings, check_functions, check_frames,     check_tracebacks,
        check_labels,  check_sites,     check_all_unique,
    };
    ctm_status status = CTM_OK;
    static const enum ctmi_file_kind tables[] = {CTMI_FILE_FUNCTIONS, CTMI_FILE_FRAMES,
                                                 CTMI_FILE_TRACEBACKS, CTMI_FILE_LABELS,
                                                 CTMI_FILE_SITES};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && status == CTM_OK; i++) {
        status = check_row_zero(reader, tables[i]);
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && status == CTM_OK; i++) {
        status = checks[i](reader, snapshot);
    }
    return status;
}
