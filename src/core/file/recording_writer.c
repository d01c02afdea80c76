/* file/recording_writer.c: see file/recording_writer.h.
 *
 * Most bytes of a recording are changes of counters. They are put as what differs from a forecast
 * (recording_forecast.h), in entries that begin with a varint: three bits say what it is, the rest is a number.
 */
#include "file/recording_writer.h"

#include <string.h>

#include "store/memory.h"

#define KEEP (1u << 18) /* bytes of memory that an empty buffer may keep */
#define FIRST 4096u

void ctm_buffer_free(struct ctm_buffer *buffer)
{
    ctm_mem_free(buffer->bytes);
    *buffer = (struct ctm_buffer){0};
}

void ctm_buffer_empty(struct ctm_buffer *buffer)
{
    if (buffer->capacity > KEEP) {
        ctm_buffer_free(buffer);
    }
    buffer->length = 0;
    buffer->failed = false;
}

/* Makes room for `more` bytes. */
static bool grow(struct ctm_buffer *buffer, size_t more)
{
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST;
    while (capacity - buffer->length < more) {
        if (capacity > PTRDIFF_MAX / 2) {
            buffer->failed = true;
            return false;
        }
        capacity *= 2;
    }
    unsigned char *bytes = ctm_mem_realloc(buffer->bytes, capacity);
    if (bytes == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

static inline bool room(struct ctm_buffer *buffer, size_t more)
{
    return !buffer->failed && (buffer->capacity - buffer->length >= more || grow(buffer, more));
}

void ctm_buffer_put(struct ctm_buffer *buffer, const void *bytes, size_t length)
{
    if (length > 0 && room(buffer, length)) {
        memcpy(buffer->bytes + buffer->length, bytes, length);
        buffer->length += length;
    }
}

void ctm_buffer_varint(struct ctm_buffer *buffer, uint64_t value)
{
    if (!room(buffer, CTM_VARINT_MOST)) {
        return;
    }
    unsigned char *at = buffer->bytes + buffer->length;
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    buffer->length = (size_t)(at - buffer->bytes);
}

static void put_signed(struct ctm_buffer *buffer, int64_t value)
{
    ctm_buffer_varint(buffer, ctm_fold(value));
}

void ctm_put_recording_header(struct ctm_buffer *buffer, const struct ctm_crc32c *crc,
                              uint64_t started, uint64_t interval, uint64_t pid)
{
    unsigned char header[CTM_RECORDING_HEADER_SIZE] = {0};
    memcpy(header, CTM_RECORDING_MAGIC, 8);
    ctm_put_u32(header + 8, CTM_FILE_BYTE_ORDER);
    ctm_put_u16(header + 12, CTM_RECORDING_MAJOR);
    ctm_put_u16(header + 14, CTM_RECORDING_MINOR);
    ctm_put_u32(header + 16, CTM_RECORDING_HEADER_SIZE);
    ctm_put_u64(header + 24, started);
    ctm_put_u64(header + 32, interval);
    ctm_put_u64(header + 40, pid);
    ctm_put_u32(header + 60, ctm_crc32c_get(crc, header, 60));
    ctm_buffer_put(buffer, header, sizeof header);
}

void ctm_header_set_lack(unsigned char *header, const struct ctm_crc32c *crc,
                         ctm_recording_lack lack)
{
    ctm_put_u32(header + 48, lack);
    ctm_put_u32(header + 60, ctm_crc32c_get(crc, header, 60));
}

size_t ctm_block_begin(struct ctm_buffer *buffer, uint32_t kind)
{
    unsigned char head[CTM_BLOCK_HEAD_SIZE] = {0};
    const size_t begin = buffer->length;
    ctm_put_u32(head + 4, kind);
    ctm_buffer_put(buffer, head, sizeof head);
    return begin;
}

void ctm_block_end(struct ctm_buffer *buffer, const struct ctm_crc32c *crc, size_t begin)
{
    if (buffer->failed) {
        return;
    }
    unsigned char *head = buffer->bytes + begin;
    const size_t length = buffer->length - begin - CTM_BLOCK_HEAD_SIZE;
    if (length > UINT32_MAX) { /* nobody has so many sites */
        buffer->failed = true;
        return;
    }
    ctm_put_u32(head, (uint32_t)length);
    const uint32_t checksum =
        ctm_crc32c_more(crc, ctm_crc32c_get(crc, head, 8), head + CTM_BLOCK_HEAD_SIZE, length);
    ctm_put_u32(head + 8, checksum);
}

/* --- payloads --- */
void ctm_put_span(struct ctm_buffer *buffer, const ctm_recording_span *span)
{
    ctm_buffer_varint(buffer, span->time);
    ctm_buffer_varint(buffer, span->tracing);
    ctm_buffer_varint(buffer, span->nframe);
    ctm_buffer_varint(buffer, span->sample_interval);
}

void ctm_put_rows_head(struct ctm_buffer *buffer, uint32_t store, const uint32_t *counts)
{
    ctm_buffer_varint(buffer, store);
    for (int table = 0; table < CTM_ROWS_TABLES; table++) {
        ctm_buffer_varint(buffer, counts[table]);
    }
}

void ctm_put_string(struct ctm_buffer *buffer, const char *utf8, size_t length)
{
    ctm_buffer_varint(buffer, length);
    ctm_buffer_put(buffer, utf8, length);
}

void ctm_put_function(struct ctm_buffer *buffer, const ctm_function *row)
{
    ctm_buffer_varint(buffer, row->filename);
    ctm_buffer_varint(buffer, row->name);
    put_signed(buffer, row->first_lineno);
}

void ctm_put_frame(struct ctm_buffer *buffer, const ctm_frame *row)
{
    ctm_buffer_varint(buffer, row->function);
    put_signed(buffer, row->lineno);
}

void ctm_put_traceback(struct ctm_buffer *buffer, const ctm_traceback *row)
{
    ctm_buffer_varint(buffer, row->parent);
    ctm_buffer_varint(buffer, row->frame);
    put_signed(buffer, row->total_nframe);
}

void ctm_put_label(struct ctm_buffer *buffer, const ctm_label *row)
{
    ctm_buffer_varint(buffer, row->parent);
    ctm_buffer_varint(buffer, row->key);
    ctm_buffer_varint(buffer, row->value);
}

void ctm_put_site(struct ctm_buffer *buffer, const ctm_site *row)
{
    ctm_buffer_varint(buffer, row->block_size);
    ctm_buffer_varint(buffer, row->domain);
    ctm_buffer_varint(buffer, row->traceback);
    ctm_buffer_varint(buffer, row->labels);
}

void ctm_put_tick_head(struct ctm_buffer *buffer, const ctm_moment *moment)
{
    ctm_buffer_varint(buffer, moment->time);
    ctm_buffer_varint(buffer, moment->bytes);
    ctm_buffer_varint(buffer, moment->blocks);
    ctm_buffer_varint(buffer, moment->peak_bytes);
    ctm_buffer_varint(buffer, moment->resident_bytes);
}

void ctm_put_end_of_list(struct ctm_buffer *buffer)
{
    ctm_buffer_varint(buffer, 0);
}

void ctm_put_losses(struct ctm_buffer *buffer, const struct ctm_losses *losses)
{
    ctm_buffer_varint(buffer, losses->n);
    for (uint32_t i = 0; i < losses->n; i++) {
        const ctm_loss *loss = &losses->rows[i];
        ctm_buffer_varint(buffer, loss->count);
        ctm_put_string(buffer, loss->kind, strlen(loss->kind));
        ctm_put_string(buffer, loss->detail, strlen(loss->detail));
    }
}

void ctm_put_end(struct ctm_buffer *buffer, uint64_t time, ctm_recording_end end,
                 const int32_t *exit_status, const char *text)
{
    ctm_buffer_varint(buffer, time);
    ctm_buffer_varint(buffer, end);
    if (exit_status != NULL || text[0] != '\0') {
        ctm_buffer_varint(buffer, exit_status != NULL ? ctm_fold(*exit_status) + 1 : 0);
        ctm_put_string(buffer, text, strlen(text));
    }
}

/* --- lists of changes --- */

void ctm_changes_begin(struct ctm_changes *changes, struct ctm_buffer *out,
                       struct ctm_forecast *forecast, uint32_t store)
{
    *changes = (struct ctm_changes){.out = out, .forecast = forecast, .store = store};
    ctm_forecast_begin(forecast);
}

static void put_entry(struct ctm_changes *changes, uint32_t entry, uint64_t value)
{
    if (!changes->begun) {
        changes->begun = true;
        ctm_buffer_varint(changes->out, (uint64_t)changes->store + 1);
    }
    ctm_buffer_varint(changes->out, value << CTM_ENTRY_BITS | entry);
}

static void put_run(struct ctm_changes *changes)
{
    if (changes->run > 0) {
        put_entry(changes, changes->entry, changes->run);
        changes->run = 0;
    }
}

static void add_to_run(struct ctm_changes *changes, uint32_t entry, bool idle)
{
    if (changes->run == 0 || changes->entry != entry) {
        put_run(changes);
        changes->entry = entry;
        changes->idle = true;
    }
    changes->run++;
    changes->idle = changes->idle && idle;
}

/* Does it fit into an entry's value? */
static bool fits(uint64_t folded)
{
    return folded >> (64 - CTM_ENTRY_BITS) == 0;
}

static void put_expected(struct ctm_changes *changes, uint64_t expected, uint64_t allocated,
                         int64_t live)
{
    const uint64_t off = ctm_fold((int64_t)(allocated - expected)), moved = ctm_fold(live);
    put_run(changes);
    if (off == 0 && fits(moved)) {
        put_entry(changes, CTM_ENTRY_MET_LIVE, moved);
    } else if (fits(off)) {
        put_entry(changes, live == 0 ? CTM_ENTRY_OFF : CTM_ENTRY_OFF_LIVE, off);
        if (live != 0) {
            put_signed(changes->out, live);
        }
    } else {
        put_entry(changes, CTM_ENTRY_PLAIN, 0);
        ctm_buffer_varint(changes->out, allocated);
        put_signed(changes->out, live);
    }
}

static bool put_site(struct ctm_changes *changes, uint32_t site, uint64_t allocated, int64_t live)
{
    struct ctm_forecast *forecast = changes->forecast;
    if (ctm_forecast_site(forecast) != site) {
        put_run(changes);
        put_entry(changes, CTM_ENTRY_NEW, site - changes->last);
        ctm_buffer_varint(changes->out, allocated);
        put_signed(changes->out, live);
        return ctm_forecast_add(forecast, site, allocated);
    }
    const uint64_t expected = ctm_forecast_blocks(forecast);
    if (live == 0 && allocated == expected) {
        add_to_run(changes, CTM_ENTRY_MET, allocated == 0);
    } else if (live == 0 && allocated == 0) {
        add_to_run(changes, CTM_ENTRY_RESTED, true);
    } else {
        put_expected(changes, expected, allocated, live);
    }
    return ctm_forecast_met(forecast, allocated);
}

void ctm_changes_site(struct ctm_changes *changes, uint32_t site, uint64_t allocated, int64_t live)
{
    if (allocated == 0 && live == 0 && ctm_forecast_site(changes->forecast) != site) {
        return;
    }
    if (!put_site(changes, site, allocated, live)) {
        changes->out->failed = true;
    }
    changes->last = site;
}

void ctm_changes_end(struct ctm_changes *changes)
{
    if (!changes->idle) { /* else the end says it */
        put_run(changes);
    }
    if (changes->begun) {
        ctm_put_end_of_list(changes->out);
    }
    if (!ctm_forecast_end(changes->forecast)) {
        changes->out->failed = true;
    }
}
