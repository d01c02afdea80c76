/* linetable.c: see linetable.h. One pass, from the start of the table or from where the last search ended. */
#include "capture/frames/linetable.h"

enum { KIND_NO_COLUMNS = 13, KIND_LONG = 14, KIND_NONE = 15 };

/* HOOK: The variable-length number at *at: six bits a byte, the lowest first. */
static unsigned read_varint(const uint8_t *table, size_t length, size_t *at)
{
    unsigned value = 0, shift = 0;
    while (*at < length) {
        const unsigned byte = table[(*at)++];
        if (shift < 32) {
            value |= (byte & 63u) << shift;
        }
        shift += 6;
        if (!(byte & 64u)) {
            break;
        }
    }
    return value;
}

/* HOOK: The same with the sign in the lowest bit. */
static int read_signed(const uint8_t *table, size_t length, size_t *at)
{
    const unsigned raw = read_varint(table, length, at);
    return (raw & 1u) ? -(int)(raw >> 1) : (int)(raw >> 1);
}

/* HOOK: How the line changes in an entry of this kind; *at is the offset after its first byte. */
static int line_delta(unsigned kind, const uint8_t *table, size_t length, size_t *at)
{
    if (kind == KIND_LONG || kind == KIND_NO_COLUMNS) {
        return read_signed(table, length, at);
    }
    return (kind >= 10 && kind <= 12) ? (int)kind - 10 : 0;
}

/* HOOK: */
int pyctm_linetable_line(const uint8_t *table, size_t length, int first_lineno, int unit,
                         pyctm_linetable_cursor *cursor)
{
    pyctm_linetable_cursor now = *cursor;
    if (unit < 0) {
        return first_lineno;
    }
    if (now.at == 0 || unit < now.unit) {
        now = (pyctm_linetable_cursor){0, 0, first_lineno};
    }
    while (now.at < length) {
        size_t at = now.at;
        const unsigned head = table[at++];
        const unsigned kind = (head >> 3) & 15u;
        const int line = now.line + line_delta(kind, table, length, &at);
        const int next = now.unit + (int)(head & 7u) + 1;
        if (unit < next) {
            *cursor = now;
            return kind == KIND_NONE ? -1 : line;
        }
        while (at < length && !(table[at] & 128u)) {
            at++;
        }
        now = (pyctm_linetable_cursor){at, next, line};
    }
    return -1;
}
