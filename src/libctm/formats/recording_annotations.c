/* formats/recording_annotations.c: the annotations of a recording; see formats/recording_reader.h.
 *
 * Model: a block of losses has the whole list from its position on and replaces the previous one. A span begins with an
 * empty list. The recording's own list has every loss of any block, with its greatest count. The reason why a recording
 * ended before the program is in its header, which can be written even if the file cannot grow.
 */
#include <stdio.h>
#include <string.h>

#include "formats/recording_reader.h"

const char *ctm_recording_lack_text(ctm_recording_lack lack)
{
    switch (lack) {
    case CTM_RECORDING_COMPLETE: return "complete";
    case CTM_RECORDING_NO_SPACE: return "the file could not grow: no space, or a limit on its size";
    case CTM_RECORDING_IO: return "the file could not be written";
    case CTM_RECORDING_NO_MEMORY: return "out of memory";
    case CTM_RECORDING_TABLES_LOST: return "the file of the black box was cut by another program";
    }
    return "unknown";
}

/* Reads a text of the payload into a field. */
static void read_text(struct ctmi_payload *payload, char *field, size_t size)
{
    const uint64_t length = ctmi_payload_varint(payload);
    if (length >= size || length > (uint64_t)(payload->end - payload->at)) {
        ctmi_payload_fail(payload, "a text is too long");
        return;
    }
    memset(field, 0, size);
    memcpy(field, payload->at, (size_t)length);
    if (memchr(field, 0, size) != field + length || !ctmi_text_is_fit(field, size)) {
        ctmi_payload_fail(payload, "a text is not what it should be");
    }
    payload->at += length;
}

ctm_status ctmi_apply_losses(struct ctmi_cursor *cursor, struct ctmi_payload *payload)
{
    const uint64_t n = ctmi_payload_varint(payload);
    if (n > CTM_MAX_LOSSES) {
        ctmi_payload_fail(payload, "too many losses");
    }
    cursor->losses.n = 0;
    while (cursor->losses.n < n && payload->reason == NULL) {
        ctm_loss *loss = &cursor->losses.rows[cursor->losses.n++];
        loss->count = ctmi_payload_varint(payload);
        read_text(payload, loss->kind, sizeof loss->kind);
        read_text(payload, loss->detail, sizeof loss->detail);
        if (payload->reason == NULL && loss->kind[0] == 0) {
            ctmi_payload_fail(payload, "a loss has no kind");
        }
    }
    return payload->reason == NULL ? CTM_OK : CTM_ERR_FORMAT;
}

void ctmi_recording_set_losses(struct ctm_recording *recording)
{
    const struct ctmi_losses *now = &recording->cursor.losses;
    struct ctmi_losses *all = &recording->losses;
    for (uint32_t i = 0; i < now->n; i++) {
        const ctm_loss *loss = &now->rows[i];
        const uint32_t before = all->n;
        ctm_loss *entry = &all->rows[ctmi_losses_add(all, loss->kind, loss->detail, 0)];
        if (all->n > before || entry->count < loss->count) {
            entry->count = loss->count;
        }
    }
}

ctm_status ctmi_recording_read_end(struct ctm_recording *recording, struct ctmi_payload *payload)
{
    if (payload->at == payload->end) {
        return CTM_OK; /* an end without status and text */
    }
    const uint64_t status = ctmi_payload_varint(payload);
    const int64_t number = ctmi_unfold(status - 1);
    if (status != 0 && (number < INT32_MIN || number > INT32_MAX)) {
        ctmi_payload_fail(payload, "an exit status is out of range");
    }
    read_text(payload, recording->end_text, sizeof recording->end_text);
    if (payload->reason != NULL) {
        return CTM_ERR_FORMAT;
    }
    recording->info.end_text = recording->end_text;
    recording->info.exit_status_known = status != 0;
    recording->info.exit_status = status != 0 ? (int32_t)number : 0;
    return CTM_OK;
}

void ctmi_recording_set_lack(const struct ctm_recording *recording, struct ctmi_losses *out)
{
    if (recording->info.lack == CTM_RECORDING_COMPLETE) {
        return;
    }
    char detail[CTM_LOSS_DETAIL];
    (void)snprintf(detail, sizeof detail, "the recording ended before the program: %s",
                   ctm_recording_lack_text(recording->info.lack));
    (void)ctmi_losses_add(out, "file", detail, 0);
}

uint32_t ctm_recording_losses(const ctm_recording *recording, const ctm_loss **out)
{
    *out = recording->losses.rows;
    return recording->losses.n;
}
