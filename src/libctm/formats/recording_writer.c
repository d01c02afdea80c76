/* formats/recording_writer.c: see formats/recording_writer.h.
 *
 * Model: most bytes of a recording are changes of counters. They are put as differences from a forecast
 * (recording_forecast.h), in entries that begin with a varint: three bits are the kind, the other bits are the value.
 */
#include "formats/recording_writer.h"

#include <string.h>

#include "base/memory.h"

#define MOST_RETAINED (1u << 18) /* bytes of memory that an empty buffer may retain */
#define FIRST_CAPACITY 4096u

void ctmi_buffer_free(struct ctmi_buffer *buffer)
{
    ctmi_mem_free(buffer->bytes);
    *buffer = (struct ctmi_buffer){0};
}

void ctmi_buffer_empty(struct ctmi_buffer *buffer)
{
    if (buffer->capacity > MOST_RETAINED) {
        ctmi_buffer_free(buffer);
    }
    buffer->length = 0;
    buffer->failed = false;
}

/* Grows the buffer for `more` bytes. */
static bool grow(struct ctmi_buffer *buffer, size_t more)
{
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    while (capacity - buffer->length < more) {
        if (capacity > PTRDIFF_MAX / 2) {
            buffer->failed = true;
            return false;
        }
        capacity *= 2;
    }
    unsigned char *bytes = ctmi_mem_realloc(buffer->bytes, capacity);
    if (bytes == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

static inline bool reserve(struct ctmi_buffer *buffer, size_t more)
{
    return !buffer->failed && (buffer->capacity - buffer->length >= more || grow(buffer, more));
}

void ctmi_buffer_put(struct ctmi_buffer *buffer, const void *bytes, size_t length)
{
    if (length > 0 && reserve(buffer, length)) {
        memcpy(buffer->bytes + buffer->length, bytes, length);
        buffer->length += length;
    }
}

void ctmi_buffer_varint(struct ctmi_buffer *buffer, uint64_t value)
{
    if (!reserve(buffer, CTMI_VARINT_MOST)) {
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

static void put_signed(struct ctmi_buffer *buffer, int64_t value)
{
    ctmi_buffer_varint(buffer, ctmi_fold(value));
}

void ctmi_put_recording_header(struct ctmi_buffer *buffer, const struct ctmi_crc32c *crc,
                               uint64_t started, uint64_t interval, uint64_t pid)
{
    unsigned char header[CTMI_RECORDING_HEADER_SIZE] = {0};
    memcpy(header, CTMI_RECORDING_MAGIC, 8);
    ctmi_put_u32(header + 8, CTMI_FILE_BYTE_ORDER);
    ctmi_put_u16(header + 12, CTMI_RECORDING_MAJOR);
    ctmi_put_u16(header + 14, CTMI_RECORDING_MINOR);
    ctmi_put_u32(header + 16, CTMI_RECORDING_HEADER_SIZE);
    ctmi_put_u64(header + 24, started);
    ctmi_put_u64(header + 32, interval);
    ctmi_put_u64(header + 40, pid);
    ctmi_put_u32(header + 60, ctmi_crc32c_get(crc, header, 60));
    ctmi_buffer_put(buffer, header, sizeof header);
}

void ctmi_header_set_lack(unsigned char *header, const struct ctmi_crc32c *crc,
                          ctm_recording_lack lack)
{
    ctmi_put_u32(header + 48, lack);
    ctmi_put_u32(header + 60, ctmi_crc32c_get(crc, header, 60));
}

size_t ctmi_block_begin(struct ctmi_buffer *buffer, uint32_t kind)
{
    unsigned char head[CTMI_BLOCK_HEAD_SIZE] = {0};
    const size_t begin = buffer->length;
    ctmi_put_u32(head + 4, kind);
    ctmi_buffer_put(buffer, head, sizeof head);
    return begin;
}

void ctmi_block_end(struct ctmi_buffer *buffer, const struct ctmi_crc32c *crc, size_t begin)
{
    if (buffer->failed) {
        return;
    }
    unsigned char *head = buffer->bytes + begin;
    const size_t length = buffer->length - begin - CTMI_BLOCK_HEAD_SIZE;
    if (length > UINT32_MAX) { /* no program has so many sites */
        buffer->failed = true;
        return;
    }
    ctmi_put_u32(head, (uint32_t)length);
    const uint32_t checksum =
        ctmi_crc32c_more(crc, ctmi_crc32c_get(crc, head, 8), head + CTMI_BLOCK_HEAD_SIZE, length);
    ctmi_put_u32(head + 8, checksum);
}

/* --- payloads --- */
void ctmi_put_span(struct ctmi_buffer *buffer, const ctm_recording_span *span)
{
    ctmi_buffer_varint(buffer, span->time);
    ctmi_buffer_varint(buffer, span->tracing);
    ctmi_buffer_varint(buffer, span->nframe);
    ctmi_buffer_varint(buffer, span->sample_interval);
}

void ctmi_put_rows_head(struct ctmi_buffer *buffer, uint32_t store, const uint32_t *counts)
{
    ctmi_buffer_varint(buffer, store);
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        ctmi_buffer_varint(buffer, counts[table]);
    }
}

void ctmi_put_string(struct ctmi_buffer *buffer, const char *utf8, size_t length)
{
    ctmi_buffer_varint(buffer, length);
    ctmi_buffer_put(buffer, utf8, length);
}

/* Puts a field if it is part of the key. */
static inline void put_field(struct ctmi_buffer *buffer, enum ctmi_holds holds, uint64_t value)
{
    if (!ctmi_holds_key(holds)) {
        return;
    }
    if (holds == CTMI_HOLDS_SIGNED) {
        put_signed(buffer, (int32_t)value);
    } else {
        ctmi_buffer_varint(buffer, value);
    }
}

void ctmi_put_content(struct ctmi_buffer *buffer, enum ctmi_table table, const void *content)
{
    switch (table) {
#define FIELD(type, member, what, ...) put_field(buffer, CTMI_HOLDS_##what, (uint64_t)row->member);
#define TABLE(ID, one, many, number, section, type, in_store) \
    case CTMI_TABLE_##ID: {                                   \
        const __typeof__(type) *row = content;                \
        CTMI_##ID##_FIELDS(FIELD, FIELD) break;               \
    }
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
#undef FIELD
    default: break;
    }
}

void ctmi_put_tick_head(struct ctmi_buffer *buffer, const ctm_moment *moment)
{
    ctmi_buffer_varint(buffer, moment->time);
    ctmi_buffer_varint(buffer, moment->bytes);
    ctmi_buffer_varint(buffer, moment->blocks);
    ctmi_buffer_varint(buffer, moment->peak_bytes);
    ctmi_buffer_varint(buffer, moment->resident_bytes);
}

void ctmi_put_end_of_list(struct ctmi_buffer *buffer)
{
    ctmi_buffer_varint(buffer, 0);
}

void ctmi_put_losses(struct ctmi_buffer *buffer, const struct ctmi_losses *losses)
{
    ctmi_buffer_varint(buffer, losses->n);
    for (uint32_t i = 0; i < losses->n; i++) {
        const ctm_loss *loss = &losses->rows[i];
        ctmi_buffer_varint(buffer, loss->count);
        ctmi_put_string(buffer, loss->kind, strlen(loss->kind));
        ctmi_put_string(buffer, loss->detail, strlen(loss->detail));
    }
}

void ctmi_put_end(struct ctmi_buffer *buffer, uint64_t time, ctm_recording_end end,
                  const int32_t *exit_status, const char *text)
{
    ctmi_buffer_varint(buffer, time);
    ctmi_buffer_varint(buffer, end);
    if (exit_status != NULL || text[0] != '\0') {
        ctmi_buffer_varint(buffer, exit_status != NULL ? ctmi_fold(*exit_status) + 1 : 0);
        ctmi_put_string(buffer, text, strlen(text));
    }
}

/* --- lists of changes --- */

void ctmi_changes_begin(struct ctmi_changes *changes, struct ctmi_buffer *out,
                        struct ctmi_forecast *forecast, uint32_t store)
{
    *changes = (struct ctmi_changes){.out = out, .forecast = forecast, .store = store};
    ctmi_forecast_begin(forecast);
}

static void put_entry(struct ctmi_changes *changes, uint32_t entry, uint64_t value)
{
    if (!changes->begun) {
        changes->begun = true;
        ctmi_buffer_varint(changes->out, (uint64_t)changes->store + 1);
    }
    ctmi_buffer_varint(changes->out, value << CTMI_ENTRY_BITS | entry);
}

static void put_run(struct ctmi_changes *changes)
{
    if (changes->run > 0) {
        put_entry(changes, changes->entry, changes->run);
        changes->run = 0;
    }
}

static void add_to_run(struct ctmi_changes *changes, uint32_t entry, bool idle)
{
    if (changes->run == 0 || changes->entry != entry) {
        put_run(changes);
        changes->entry = entry;
        changes->idle = true;
    }
    changes->run++;
    changes->idle = changes->idle && idle;
}

/* Whether the number fits into an entry's value. */
static bool fits(uint64_t folded)
{
    return folded >> (64 - CTMI_ENTRY_BITS) == 0;
}

static void put_expected(struct ctmi_changes *changes, uint64_t expected, uint64_t allocated,
                         int64_t live)
{
    const uint64_t off = ctmi_fold((int64_t)(allocated - expected)), folded_live = ctmi_fold(live);
    put_run(changes);
    if (off == 0 && fits(folded_live)) {
        put_entry(changes, CTMI_ENTRY_MET_LIVE, folded_live);
    } else if (fits(off)) {
        put_entry(changes, live == 0 ? CTMI_ENTRY_OFF : CTMI_ENTRY_OFF_LIVE, off);
        if (live != 0) {
            put_signed(changes->out, live);
        }
    } else {
        put_entry(changes, CTMI_ENTRY_PLAIN, 0);
        ctmi_buffer_varint(changes->out, allocated);
        put_signed(changes->out, live);
    }
}

static bool put_site(struct ctmi_changes *changes, uint32_t site, uint64_t allocated, int64_t live)
{
    struct ctmi_forecast *forecast = changes->forecast;
    if (ctmi_forecast_site(forecast) != site) {
        put_run(changes);
        put_entry(changes, CTMI_ENTRY_NEW, site - changes->last);
        ctmi_buffer_varint(changes->out, allocated);
        put_signed(changes->out, live);
        return ctmi_forecast_add(forecast, site, allocated);
    }
    const uint64_t expected = ctmi_forecast_blocks(forecast);
    if (live == 0 && allocated == expected) {
        add_to_run(changes, CTMI_ENTRY_MET, allocated == 0);
    } else if (live == 0 && allocated == 0) {
        add_to_run(changes, CTMI_ENTRY_RESTED, true);
    } else {
        put_expected(changes, expected, allocated, live);
    }
    return ctmi_forecast_met(forecast, allocated);
}

void ctmi_changes_site(struct ctmi_changes *changes, uint32_t site, uint64_t allocated,
                       int64_t live)
{
    if (allocated == 0 && live == 0 && ctmi_forecast_site(changes->forecast) != site) {
        return;
    }
    if (!put_site(changes, site, allocated, live)) {
        changes->out->failed = true;
    }
    changes->last = site;
}

void ctmi_changes_end(struct ctmi_changes *changes)
{
    if (!changes->idle) { /* otherwise the end of the list implies it */
        put_run(changes);
    }
    if (changes->begun) {
        ctmi_put_end_of_list(changes->out);
    }
    if (!ctmi_forecast_end(changes->forecast)) {
        changes->out->failed = true;
    }
}
