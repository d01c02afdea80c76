/* formats/recording_open.c: header, blocks, and moving the cursor; see formats/recording_reader.h.
 *
 * Model: opening applies every block once, from first to last, so all bytes that a later call reads have been
 * checked. A block that is cut off, damaged or impossible ends the recording, because each tick builds on the
 * previous ones.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "formats/recording_reader.h"

bool ctm_file_is_recording(const void *bytes, size_t length)
{
    return length >= 8 && memcmp(bytes, CTMI_RECORDING_MAGIC, 8) == 0;
}

static ctm_status fail(ctm_file_error *error, uint64_t offset, const char *reason)
{
    *error = (ctm_file_error){offset, reason};
    return CTM_ERR_FORMAT;
}

/* --- header --- */

static ctm_status check_header(struct ctm_recording *recording, const unsigned char *at,
                               ctm_file_error *error)
{
    if (memcmp(at, CTMI_RECORDING_MAGIC, 8) != 0) {
        return fail(error, 0, "not a recording");
    }
    if (ctmi_get_u32(at + 8) != CTMI_FILE_BYTE_ORDER) {
        return fail(error, 8, "a wrong byte order");
    }
    if (ctmi_get_u16(at + 12) != CTMI_RECORDING_MAJOR) {
        return fail(error, 12, "a version that this library does not know");
    }
    if (ctmi_get_u32(at + 60) != ctmi_crc32c_get(&recording->crc, at, 60)) {
        return fail(error, 60, "the header's checksum is wrong");
    }
    const uint32_t size = ctmi_get_u32(at + 16);
    if (size < CTMI_RECORDING_HEADER_SIZE || size > recording->source.size) {
        return fail(error, 16, "a wrong header size");
    }
    if (ctmi_get_u32(at + 20) != 0) {
        return fail(error, 20, "flags that this library does not know");
    }
    recording->info.started = ctmi_get_u64(at + 24);
    recording->info.interval = ctmi_get_u64(at + 32);
    recording->info.pid = ctmi_get_u64(at + 40);
    const uint32_t lack = ctmi_get_u32(at + 48);
    recording->info.lack =
        lack > CTM_RECORDING_TABLES_LOST ? CTM_RECORDING_IO : (ctm_recording_lack)lack;
    recording->cursor.position = size;
    return CTM_OK;
}

static ctm_status read_header(struct ctm_recording *recording, ctm_file_error *error)
{
    const unsigned char *at;
    const uint64_t size = recording->source.size;
    uint64_t magic = size < 8 ? size : 8;
    ctm_status status = ctmi_source_get(&recording->source, 0, (size_t)magic, &at);
    if (status != CTM_OK) {
        return status;
    }
    if (magic < 8 || memcmp(at, CTMI_RECORDING_MAGIC, 8) != 0) {
        return fail(error, 0, "not a recording");
    }
    if (size < CTMI_RECORDING_HEADER_SIZE) {
        return fail(error, size, "the header is cut off");
    }
    status = ctmi_source_get(&recording->source, 0, CTMI_RECORDING_HEADER_SIZE, &at);
    return status == CTM_OK ? check_header(recording, at, error) : status;
}

/* --- blocks --- */

static ctm_status read_command(struct ctm_recording *recording, struct ctmi_payload *payload)
{
    const size_t length = (size_t)(payload->end - payload->at);
    if (ctmi_utf8_fault(payload->at, length) != length) {
        return ctmi_payload_fail(payload, "a command is not UTF-8");
    }
    char *command = recording->command != NULL ? NULL : ctmi_mem_alloc(length + 1);
    if (recording->command != NULL) {
        return CTM_OK; /* the cursor has returned to this block */
    }
    if (command == NULL) {
        return CTM_ERR_NOMEM;
    }
    memcpy(command, payload->at, length);
    command[length] = '\0';
    recording->command = command;
    recording->info.command = command;
    return CTM_OK;
}

static ctm_status read_end(struct ctm_recording *recording, struct ctmi_payload *payload)
{
    const uint64_t time = ctmi_payload_varint(payload), end = ctmi_payload_varint(payload);
    if (payload->reason != NULL) {
        return CTM_ERR_FORMAT;
    }
    if (time < recording->cursor.time) {
        return ctmi_payload_fail(payload, "time goes backwards");
    }
    recording->info.end = end == CTM_END_EXIT ? CTM_END_EXIT : CTM_END_STOPPED;
    return ctmi_recording_read_end(recording, payload);
}

static ctm_status apply(struct ctm_recording *recording, uint32_t kind,
                        struct ctmi_payload *payload, ctm_moment *out_moment)
{
    switch (kind) {
    case CTMI_BLOCK_COMMAND: return read_command(recording, payload);
    case CTMI_BLOCK_SPAN: return ctmi_apply_span(&recording->cursor, payload);
    case CTMI_BLOCK_ROWS:
        if (recording->cursor.spans == 0) {
            break;
        }
        return ctmi_apply_rows(&recording->cursor, payload);
    case CTMI_BLOCK_TICK:
        if (recording->cursor.spans == 0) {
            break;
        }
        return ctmi_apply_tick(&recording->cursor, payload, out_moment);
    case CTMI_BLOCK_LOSSES:
        if (recording->cursor.spans == 0) {
            break;
        }
        return ctmi_apply_losses(&recording->cursor, payload);
    case CTMI_BLOCK_END: return read_end(recording, payload);
    default:
        if ((kind & CTMI_BLOCK_REQUIRED) == 0) {
            return CTM_OK;
        }
        return ctmi_payload_fail(payload, "a kind of block that this library does not know");
    }
    return ctmi_payload_fail(payload, "rows, losses or a tick before any span");
}

/* Reads and checks the block at `offset`; *out: its head, borrowed. */
static ctm_status get_block(struct ctm_recording *recording, uint64_t offset,
                            const unsigned char **out, uint32_t *out_length, ctm_file_error *error)
{
    const unsigned char *head;
    const uint64_t left = recording->source.size - offset;
    if (left < CTMI_BLOCK_HEAD_SIZE) {
        return fail(error, offset, "a block is cut off");
    }
    ctm_status status = ctmi_source_get(&recording->source, offset, CTMI_BLOCK_HEAD_SIZE, &head);
    if (status != CTM_OK) {
        return status;
    }
    const uint32_t length = ctmi_get_u32(head), checksum = ctmi_get_u32(head + 8);
    if (length > left - CTMI_BLOCK_HEAD_SIZE) {
        return fail(error, offset, "a block is cut off");
    }
    status =
        ctmi_source_get(&recording->source, offset, (size_t)length + CTMI_BLOCK_HEAD_SIZE, &head);
    if (status != CTM_OK) {
        return status;
    }
    const uint32_t sum =
        ctmi_crc32c_more(&recording->crc, ctmi_crc32c_get(&recording->crc, head, 8),
                         head + CTMI_BLOCK_HEAD_SIZE, length);
    if (sum != checksum) {
        return fail(error, offset, "a block's checksum is wrong");
    }
    *out = head;
    *out_length = length;
    return CTM_OK;
}

ctm_status ctmi_cursor_step(struct ctm_recording *recording, uint32_t *out_kind,
                            ctm_moment *out_moment, ctm_file_error *out_error)
{
    struct ctmi_cursor *cursor = &recording->cursor;
    const unsigned char *head;
    uint32_t length;
    *out_kind = 0;
    if (cursor->position >= recording->source.size) {
        return CTM_OK;
    }
    ctm_status status = get_block(recording, cursor->position, &head, &length, out_error);
    if (status != CTM_OK) {
        return status;
    }
    struct ctmi_payload payload = {.at = head + CTMI_BLOCK_HEAD_SIZE,
                                   .end = head + CTMI_BLOCK_HEAD_SIZE + length};
    const uint32_t kind = ctmi_get_u32(head + 4);
    status = apply(recording, kind, &payload, out_moment);
    if (status != CTM_OK) {
        cursor->broken = true;
        const uint64_t at = (uint64_t)(payload.at - head);
        return status == CTM_ERR_FORMAT ? fail(out_error, cursor->position + at, payload.reason)
                                        : status;
    }
    cursor->position += CTMI_BLOCK_HEAD_SIZE + (uint64_t)length;
    *out_kind = kind;
    return CTM_OK;
}

/* Moves the cursor back to the beginning of span `span`. */
static void begin_span(struct ctm_recording *recording, uint32_t span)
{
    struct ctmi_cursor *cursor = &recording->cursor;
    size_t first = 0, last = recording->info.moments;
    while (first < last) { /* find the first moment of this or a later span */
        const size_t middle = first + (last - first) / 2;
        if (recording->moments[middle].span < span) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    ctmi_cursor_empty(cursor);
    cursor->position = recording->span_positions[span];
    cursor->spans = span;
    cursor->moments = first;
    cursor->time = 0;
    cursor->broken = false;
}

ctm_status ctmi_cursor_seek(struct ctm_recording *recording, size_t moment)
{
    struct ctmi_cursor *cursor = &recording->cursor;
    const uint32_t span = recording->moments[moment].span;
    if (cursor->broken || cursor->spans != span + 1 || cursor->moments > moment + 1) {
        begin_span(recording, span);
    }
    while (cursor->moments <= moment) {
        uint32_t kind;
        ctm_moment unused;
        ctm_file_error error;
        ctm_status status = ctmi_cursor_step(recording, &kind, &unused, &error);
        if (status != CTM_OK) {
            cursor->broken = true;
        }
        if (status != CTM_OK) {
            return status;
        }
        if (kind == 0) {
            return CTM_ERR_FORMAT; /* the file has changed */
        }
    }
    return CTM_OK;
}

/* --- opening --- */

static ctm_status add_moment(struct ctm_recording *recording, const ctm_moment *moment)
{
    if (recording->info.moments == recording->moments_capacity) {
        const size_t more = recording->moments_capacity ? recording->moments_capacity * 2 : 64;
        ctm_moment *moments = ctmi_mem_realloc(recording->moments, more * sizeof *moments);
        if (moments == NULL) {
            return CTM_ERR_NOMEM;
        }
        recording->moments = moments;
        recording->moments_capacity = more;
    }
    recording->moments[recording->info.moments++] = *moment;
    return CTM_OK;
}

static ctm_status add_span(struct ctm_recording *recording, uint64_t position)
{
    if (recording->info.spans == recording->spans_capacity) {
        const size_t more = recording->spans_capacity ? recording->spans_capacity * 2 : 8;
        ctm_recording_span *spans = ctmi_mem_realloc(recording->spans, more * sizeof *spans);
        if (spans == NULL) {
            return CTM_ERR_NOMEM;
        }
        recording->spans = spans;
        uint64_t *positions = ctmi_mem_realloc(recording->span_positions, more * sizeof *positions);
        if (positions == NULL) {
            return CTM_ERR_NOMEM;
        }
        recording->span_positions = positions;
        recording->spans_capacity = more;
    }
    recording->span_positions[recording->info.spans] = position;
    recording->spans[recording->info.spans++] = recording->cursor.span;
    return CTM_OK;
}

/* Reads all valid blocks, and stores the fault of the first invalid one. */
static ctm_status read_blocks(struct ctm_recording *recording)
{
    ctm_status status = CTM_OK;
    uint32_t kind = CTMI_BLOCK_COMMAND;
    while (status == CTM_OK && kind != 0 && recording->info.end == CTM_END_UNKNOWN) {
        ctm_moment moment;
        const uint64_t position = recording->cursor.position;
        status = ctmi_cursor_step(recording, &kind, &moment, &recording->info.fault);
        if (status == CTM_OK && kind == CTMI_BLOCK_TICK) {
            status = add_moment(recording, &moment);
        }
        if (status == CTM_OK && kind == CTMI_BLOCK_SPAN) {
            status = add_span(recording, position);
        }
        if (status == CTM_OK && kind == CTMI_BLOCK_LOSSES) {
            ctmi_recording_set_losses(recording);
        }
    }
    ctmi_recording_set_lack(recording, &recording->losses);
    recording->info.good_bytes = recording->cursor.position;
    recording->info.file_bytes = recording->source.size;
    if (status == CTM_OK && recording->cursor.position < recording->source.size) {
        fail(&recording->info.fault, recording->cursor.position,
             "there is something behind the end");
    }
    return status == CTM_ERR_FORMAT ? CTM_OK : status;
}

static ctm_status read_all(struct ctm_recording *recording, ctm_file_error *error)
{
    ctmi_crc32c_init(&recording->crc);
    ctm_status status = read_header(recording, error);
    return status == CTM_OK ? read_blocks(recording) : status;
}

static struct ctm_recording *new_recording(ctm_file_error *error)
{
    struct ctm_recording *recording = ctmi_mem_alloc(sizeof *recording);
    if (recording == NULL) {
        return NULL;
    }
    memset(recording, 0, sizeof *recording);
    recording->source.fd = -1;
    recording->info.command = recording->info.end_text = "";
    *error = (ctm_file_error){0, "not a regular file"};
    return recording;
}

ctm_status ctm_recording_open(const char *path, ctm_recording **out, ctm_file_error *error)
{
    ctm_file_error unused;
    if (error == NULL) {
        error = &unused;
    }
    struct ctm_recording *recording = new_recording(error);
    if (recording == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = ctmi_source_open(&recording->source, path);
    if (status == CTM_OK) {
        status = read_all(recording, error);
    }
    if (status == CTM_OK) {
        *out = recording;
    } else {
        ctm_recording_free(recording);
    }
    return status;
}

ctm_status ctm_recording_decode(const void *bytes, size_t size, ctm_recording **out,
                                ctm_file_error *error)
{
    ctm_file_error unused;
    if (error == NULL) {
        error = &unused;
    }
    struct ctm_recording *recording = new_recording(error);
    if (recording == NULL) {
        return CTM_ERR_NOMEM;
    }
    recording->source.bytes = bytes != NULL ? bytes : (const void *)"";
    recording->source.size = size;
    ctm_status status = read_all(recording, error);
    if (status == CTM_OK) {
        *out = recording;
    } else {
        ctm_recording_free(recording);
    }
    return status;
}

void ctm_recording_free(ctm_recording *recording)
{
    if (recording == NULL) {
        return;
    }
    const int error = errno; /* of the call that failed before */
    ctmi_source_close(&recording->source);
    ctmi_cursor_empty(&recording->cursor);
    ctmi_mem_free(recording->command);
    ctmi_mem_free(recording->moments);
    ctmi_mem_free(recording->spans);
    ctmi_mem_free(recording->span_positions);
    ctmi_mem_free(recording);
    errno = error;
}

const ctm_recording_info *ctm_recording_info_get(const ctm_recording *recording)
{
    return &recording->info;
}

const ctm_moment *ctm_recording_moments(const ctm_recording *recording)
{
    return recording->moments;
}

const ctm_recording_span *ctm_recording_spans(const ctm_recording *recording)
{
    return recording->spans;
}
