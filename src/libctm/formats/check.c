/* formats/check.c: checks that the rows of a file are possible. See formats/reader.h.
 *
 * Model: tables are checked in the order strings, functions, frames, tracebacks, label sets, sites, so that a row
 * refers only to rows that are already checked. No two rows of an interning table may be equal; this is checked too,
 * because grouping relies on it.
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
            status =
                ctmi_reader_fail_row(reader, CTMI_FILE_STRING_OFFSETS, id, 0, "a duplicate row");
        }
    }
    return status;
}

/* The arguments of the checks of rows. */
struct check {
    struct ctmi_reader *reader;        /* borrowed */
    const ctm_snapshot *snapshot;      /* borrowed */
    uint32_t counts[CTMI_ROWS_TABLES]; /* rows of each table, row 0 included */
    uint8_t *depths; /* owned: the number of pairs of each label set. NULL: there are no sets */
};

static ctm_status fail(const struct check *check, enum ctmi_table table, uint32_t id, size_t byte,
                       const char *reason)
{
    return ctmi_reader_fail_row(check->reader, ctmi_file_kind_of(table), id, (uint32_t)byte,
                                reason);
}

/* Fills `lengths`, although seal computes them again, because the check needs the parent's length. */
static ctm_status check_traceback(const struct check *check, uint32_t id)
{
    const ctm_snapshot *snapshot = check->snapshot;
    snapshot->lengths[id] = snapshot->lengths[snapshot->tracebacks[id].parent] + 1;
    return snapshot->lengths[id] <= CTM_MAX_NFRAME
               ? CTM_OK
               : fail(check, CTMI_TABLE_TRACEBACKS, id, offsetof(ctm_traceback, parent),
                      "a traceback has too many frames");
}

static int compare_strings(const ctm_snapshot *snapshot, uint32_t a, uint32_t b)
{
    size_t one, two;
    const char *first = ctm_snapshot_string(snapshot, a, &one);
    const char *second = ctm_snapshot_string(snapshot, b, &two);
    const int order = memcmp(first, second, one < two ? one : two);
    return order != 0 ? order : (one > two) - (one < two);
}

static ctm_status check_label(const struct check *check, uint32_t id)
{
    const ctm_snapshot *snapshot = check->snapshot;
    const ctm_label *row = &snapshot->labels[id];
    if (ctmi_snapshot_string_length(snapshot, row->key) > CTM_MAX_LABEL_KEY) {
        return fail(check, CTMI_TABLE_LABELS, id, offsetof(ctm_label, key),
                    "a label's key is too long");
    }
    if (row->parent != 0 &&
        compare_strings(snapshot, snapshot->labels[row->parent].key, row->key) >= 0) {
        return fail(check, CTMI_TABLE_LABELS, id, offsetof(ctm_label, key),
                    "the keys of a label set do not rise");
    }
    if (check->depths[row->parent] >= CTM_MAX_LABELS) {
        return fail(check, CTMI_TABLE_LABELS, id, offsetof(ctm_label, parent),
                    "a label set is too large");
    }
    check->depths[id] = (uint8_t)(check->depths[row->parent] + 1);
    return CTM_OK;
}

static ctm_status check_site(const struct check *check, uint32_t id)
{
    const ctm_site *row = &check->snapshot->sites[id];
    if (row->freed > row->allocated) {
        return fail(check, CTMI_TABLE_SITES, id, offsetof(ctm_site, freed),
                    "more blocks freed than allocated");
    }
    if (row->reserved != 0) {
        return fail(check, CTMI_TABLE_SITES, id, offsetof(ctm_site, reserved),
                    "a reserved field is not 0");
    }
    if (row->at_peak > row->allocated) {
        return fail(check, CTMI_TABLE_SITES, id, offsetof(ctm_site, at_peak),
                    "more blocks at the peak than allocated");
    }
    if (row->at_peak != 0 && !check->snapshot->info.peak_known) {
        return fail(check, CTMI_TABLE_SITES, id, offsetof(ctm_site, at_peak),
                    "blocks at a peak that is not known");
    }
    return CTM_OK;
}

static ctm_status check_references(const struct check *check, enum ctmi_table table, uint32_t id)
{
    const char *rows = check->snapshot->rows[table];
    const struct ctmi_field *field = ctmi_content_fault(
        table, rows + (size_t)id * ctmi_schemas[table].content_size, id, check->counts);
    return field == NULL ? CTM_OK
                         : fail(check, table, id, field->offset, ctmi_field_reason(table, field));
}

/* Checks the fields of a row that are not references. The references are valid. */
static ctm_status check_content(const struct check *check, enum ctmi_table table, uint32_t id)
{
    switch (table) {
    case CTMI_TABLE_TRACEBACKS: return check_traceback(check, id);
    case CTMI_TABLE_LABELS: return check_label(check, id);
    case CTMI_TABLE_SITES: return check_site(check, id);
    default: return CTM_OK;
    }
}

static ctm_status check_rows(const struct check *check)
{
    ctm_status status = CTM_OK;
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        for (uint32_t id = 1; id < check->counts[table] && status == CTM_OK; id++) {
            status = check_references(check, table, id);
            if (status == CTM_OK) {
                status = check_content(check, table, id);
            }
        }
    }
    return status;
}

static ctm_status check_tables(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    struct check check = {.reader = reader, .snapshot = snapshot};
    ctmi_snapshot_counts(&snapshot->info, check.counts);
    if (snapshot->info.label_sets > 0) {
        check.depths = ctmi_mem_alloc(check.counts[CTMI_TABLE_LABELS]);
        if (check.depths == NULL) {
            return CTM_ERR_NOMEM;
        }
        check.depths[0] = 0;
    }
    const ctm_status status = check_rows(&check);
    ctmi_mem_free(check.depths);
    return status;
}

/* Checks that row 0 of a table in the file is all zeros. The snapshot has its own row 0. */
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

/* One interning table of a snapshot. */
struct table {
    enum ctmi_table table;
    const ctm_snapshot *snapshot; /* borrowed */
    uint32_t count;               /* rows, row 0 included */
};

/* Returns the content of a row as bytes; contents have no padding. */
static const char *row_content(const struct table *table, uint32_t id, size_t *out_length)
{
    if (table->table == CTMI_TABLE_STRINGS) {
        return ctm_snapshot_string(table->snapshot, id, out_length);
    }
    *out_length = ctmi_schemas[table->table].content_size;
    return (const char *)table->snapshot->rows[table->table] + id * *out_length;
}

static bool same_content(const void *context, uint32_t a, uint32_t b)
{
    size_t one, two;
    const char *first = row_content(context, a, &one), *second = row_content(context, b, &two);
    return one == two && memcmp(first, second, one) == 0;
}

enum { BATCH = 16 }; /* rows whose slots are loaded at once */

/* Adds the rows from `first` to before `end`, at most BATCH, to the set. Returns the first that is a duplicate, or 0. */
static uint32_t add_batch(const struct table *table, struct ctmi_idset *set, uint32_t first,
                          uint32_t end)
{
    uint64_t hashes[BATCH];
    for (uint32_t id = first; id < end; id++) {
        size_t length;
        const char *content = row_content(table, id, &length);
        hashes[id - first] = hash_bytes(content, length);
        ctmi_idset_prefetch(set, hashes[id - first]);
    }
    for (uint32_t id = first; id < end; id++) {
        if (ctmi_idset_add(set, id, hashes[id - first], same_content, table) != id) {
            return id;
        }
    }
    return 0;
}

static ctm_status check_unique(struct ctmi_reader *reader, const struct table *table)
{
    struct ctmi_idset set;
    uint32_t duplicate = 0, end;
    ctm_status status = ctmi_idset_init(&set, table->count - 1);
    if (status != CTM_OK) {
        return status;
    }
    for (uint32_t first = 1; first < table->count && duplicate == 0; first = end) {
        end = table->count - first < BATCH ? table->count : first + BATCH;
        duplicate = add_batch(table, &set, first, end);
    }
    ctmi_idset_free(&set);
    return duplicate == 0 ? CTM_OK
                          : ctmi_reader_fail_row(reader, ctmi_file_kind_of(table->table), duplicate,
                                                 0, "a duplicate row");
}

/* Sites are not checked: two may have the same content, because they are not interned. */
static ctm_status check_all_unique(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    uint32_t counts[CTMI_ROWS_TABLES];
    ctm_status status = CTM_OK;
    ctmi_snapshot_counts(&snapshot->info, counts);
    for (enum ctmi_table table = 0; table < CTMI_TABLE_SITES && status == CTM_OK; table++) {
        status = check_unique(reader, &(struct table){table, snapshot, counts[table]});
    }
    return status;
}

ctm_status ctmi_reader_check(struct ctmi_reader *reader, const ctm_snapshot *snapshot)
{
    ctm_status status = CTM_OK;
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1;
         table < CTMI_ROWS_TABLES && status == CTM_OK; table++) {
        status = check_row_zero(reader, ctmi_file_kind_of(table));
    }
    if (status == CTM_OK) {
        status = check_strings(reader, snapshot);
    }
    if (status == CTM_OK) {
        status = check_tables(reader, snapshot);
    }
    return status == CTM_OK ? check_all_unique(reader, snapshot) : status;
}
