/* query/by_label.c: a snapshot with the values of a label in place of the file names; see ctm/merge.h.
 *
 * Model: the code that groups, compares and filters by file name then does so by label. One pass finds the value of
 * each label set from its parent's. Each value in use gets one function, one frame and one traceback, all with the
 * same id. Strings and label sets are copied unchanged.
 */
#include <string.h>

#include "base/memory.h"
#include "ctm/merge.h"
#include "snapshot/snapshot.h"

uint32_t ctmi_snapshot_find_string(const ctm_snapshot *snapshot, const char *text)
{
    const size_t wanted = strlen(text);
    for (uint32_t id = 1; id <= snapshot->info.strings; id++) {
        size_t length;
        const char *string = ctm_snapshot_string(snapshot, id, &length);
        if (length == wanted && memcmp(string, text, length) == 0) {
            return id;
        }
    }
    return 0;
}

/* All fields: local to one call. */
struct values {
    uint32_t *of;     /* borrowed; by label set: the value, a string; 0: none */
    uint32_t *number; /* borrowed; by string: its number among the values; 0: not a value */
    uint32_t n;       /* values */
};

static void find_values(const ctm_snapshot *snapshot, uint32_t key, struct values *values)
{
    values->of[0] = 0;
    for (uint32_t set = 1; set <= snapshot->info.label_sets; set++) {
        const ctm_label *row = &snapshot->labels[set];
        values->of[set] = row->key == key ? row->value : values->of[row->parent];
    }
    memset(values->number, 0, ((size_t)snapshot->info.strings + 1) * sizeof(uint32_t));
    values->n = 0;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        uint32_t *number = &values->number[values->of[snapshot->sites[id].labels]];
        if (*number == 0) {
            *number = ++values->n;
        }
    }
}

static void copy_rows(const ctm_snapshot *from, const struct values *values, ctm_snapshot *to)
{
    const ctm_snapshot_info *info = &from->info;
    memcpy(to->string_offsets, from->string_offsets,
           (info->strings + (size_t)2) * sizeof(uint64_t));
    memcpy(to->string_bytes, from->string_bytes, (size_t)ctmi_snapshot_string_bytes(from));
    memcpy(to->labels, from->labels, (info->label_sets + (size_t)1) * sizeof(ctm_label));
    for (uint32_t id = 0; id <= info->strings; id++) {
        uint32_t number = values->number[id];
        if (number == 0) {
            continue;
        }
        to->functions[number] = (ctm_function){.filename = id};
        to->frames[number] = (ctm_frame){.function = number};
        to->tracebacks[number] = (ctm_traceback){.frame = number, .total_nframe = 1};
    }
    for (uint32_t id = 1; id <= info->sites; id++) {
        to->sites[id] = from->sites[id];
        to->sites[id].traceback = values->number[values->of[from->sites[id].labels]];
    }
}

static ctm_status make(const ctm_snapshot *from, const struct values *values, ctm_snapshot **out)
{
    ctm_snapshot_info info = from->info;
    ctm_snapshot *to;
    info.functions = info.frames = info.tracebacks = values->n;
    ctm_status status = ctmi_snapshot_alloc(&info, ctmi_snapshot_string_bytes(from), &to);
    if (status != CTM_OK) {
        return status;
    }
    copy_rows(from, values, to);
    status = ctmi_snapshot_set_losses(to, from->losses, from->n_losses);
    if (status == CTM_OK) {
        status = ctmi_snapshot_seal(to);
    }
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(to);
        *out = to;
    } else {
        ctm_snapshot_unref(to);
    }
    return status;
}

ctm_status ctm_snapshot_by_label(const ctm_snapshot *snapshot, const char *key, ctm_snapshot **out)
{
    size_t sets = (size_t)snapshot->info.label_sets + 1;
    size_t strings = (size_t)snapshot->info.strings + 1;
    uint32_t *memory = ctmi_mem_alloc((sets + strings) * sizeof(uint32_t));
    if (memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    struct values values = {.of = memory, .number = memory + sets};
    /* If no string is the key, it is 0 and no set has a value: row->key is never 0. */
    find_values(snapshot, ctmi_snapshot_find_string(snapshot, key), &values);
    ctm_status status = make(snapshot, &values, out);
    ctmi_mem_free(memory);
    return status;
}
