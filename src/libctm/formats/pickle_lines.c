/* formats/pickle_lines.c: see formats/pickle_lines.h. */
#include "formats/pickle_lines.h"

#include <stdlib.h>
#include <string.h>

ctm_status ctmi_pickle_line(struct ctmi_pickle_machine *machine, const unsigned char **out,
                            uint32_t *out_length)
{
    const struct ctmi_pickle *pickle = machine->pickle;
    const unsigned char *start = pickle->bytes + machine->at;
    const unsigned char *end = memchr(start, '\n', pickle->size - machine->at);
    if (end == NULL) {
        return ctmi_pickle_fail(machine, "the pickle is cut short");
    }
    *out = start;
    *out_length = (uint32_t)(end - start);
    machine->at += *out_length + 1;
    return CTM_OK;
}

/* Parses an optional '-' and 1 to 18 digits. */
static bool parse_int(const unsigned char *text, uint32_t length, int64_t *out)
{
    const bool negative = length > 0 && text[0] == '-';
    int64_t value = 0;
    if (length - negative < 1 || length - negative > 18) {
        return false;
    }
    for (uint32_t i = negative; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (text[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

ctm_status ctmi_pickle_line_number(struct ctmi_pickle_machine *machine, uint32_t *out)
{
    const unsigned char *text = NULL;
    uint32_t length = 0;
    int64_t value;
    ctm_status status = ctmi_pickle_line(machine, &text, &length);
    if (status != CTM_OK) {
        return status;
    }
    if (!parse_int(text, length, &value) || value < 0 || value > UINT32_MAX) {
        return ctmi_pickle_fail(machine, "a memo index is not a number");
    }
    *out = (uint32_t)value;
    return CTM_OK;
}

ctm_status ctmi_pickle_int_line(struct ctmi_pickle_machine *machine, bool is_long)
{
    const unsigned char *text = NULL;
    uint32_t length = 0;
    int64_t value;
    ctm_status status = ctmi_pickle_line(machine, &text, &length);
    if (status != CTM_OK) {
        return status;
    }
    if (!is_long && length == 2 && text[0] == '0' && (text[1] == '0' || text[1] == '1')) {
        return ctmi_pickle_push_truth(machine, text[1] == '1');
    }
    if (is_long && length > 0 && text[length - 1] == 'L') {
        length--;
    }
    if (!parse_int(text, length, &value)) {
        return ctmi_pickle_fail(machine,
                                "a spelled-out number is none, or has more than 18 digits");
    }
    return ctmi_pickle_push_int(machine, value);
}

ctm_status ctmi_pickle_float_line(struct ctmi_pickle_machine *machine)
{
    const unsigned char *text = NULL;
    uint32_t length = 0;
    char copy[64], *end;
    ctm_status status = ctmi_pickle_line(machine, &text, &length);
    if (status != CTM_OK) {
        return status;
    }
    if (length == 0 || length >= sizeof copy) {
        return ctmi_pickle_fail(machine, "a spelled-out number is none");
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    const double number = strtod(copy, &end);
    if (end != copy + length) {
        return ctmi_pickle_fail(machine, "a spelled-out number is none");
    }
    struct ctmi_pickle_value value = {.kind = CTMI_PICKLED_FLOAT};
    memcpy(&value.number, &number, sizeof number);
    return ctmi_pickle_make(machine, value);
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the value of the `n` hexadecimal digits at `at`; -1: not digits, or beyond Unicode. */
static int64_t hex(const unsigned char *at, uint32_t n)
{
    int64_t value = 0;
    for (uint32_t i = 0; i < n; i++) {
        const int digit = hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value <= 0x10ffff ? value : -1;
}

static uint32_t put_utf8(unsigned char *out, uint32_t point)
{
    if (point < 0x80) {
        out[0] = (unsigned char)point;
        return 1;
    }
    const uint32_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (uint32_t i = size; i-- > 1; point >>= 6) {
        out[i] = (unsigned char)(0x80 | (point & 0x3f));
    }
    out[0] = (unsigned char)((0xf00u >> size & 0xff) | point);
    return size;
}

/* Returns the code point at text[*at] and advances *at: Latin-1, \uXXXX or \UXXXXXXXX. -1: an invalid escape. */
static int64_t next_point(const unsigned char *text, uint32_t length, uint32_t *at)
{
    const unsigned char c = text[(*at)++];
    if (c != '\\' || *at == length || (text[*at] != 'u' && text[*at] != 'U')) {
        return c;
    }
    const uint32_t digits = text[(*at)++] == 'u' ? 4 : 8;
    if (length - *at < digits) {
        return -1;
    }
    const int64_t point = hex(text + *at, digits);
    *at += digits;
    return point;
}

/* Decodes to UTF-8: at most two bytes for each byte. False: an invalid escape. */
static bool decode_escapes(const unsigned char *text, uint32_t length, unsigned char *out,
                           uint32_t *out_length)
{
    uint32_t at = 0, used = 0;
    while (at < length) {
        const unsigned char c = text[at];
        const bool pair =
            c == '\\' && at + 1 < length && text[at + 1] != 'u' && text[at + 1] != 'U';
        const int64_t point = next_point(text, length, &at);
        if (point < 0) {
            return false;
        }
        used += put_utf8(out + used, (uint32_t)point);
        /* The character after a plain backslash does not begin an escape. */
        if (pair) {
            used += put_utf8(out + used, text[at++]);
        }
    }
    *out_length = used;
    return true;
}

ctm_status ctmi_pickle_text_line(struct ctmi_pickle_machine *machine)
{
    struct ctmi_pickle_array *made = &machine->pickle->made;
    const unsigned char *text = NULL;
    uint32_t length = 0, used;
    ctm_status status = ctmi_pickle_line(machine, &text, &length);
    if (status != CTM_OK) {
        return status;
    }
    if (length > UINT32_MAX / 2) {
        return CTM_ERR_LIMIT;
    }
    status = ctmi_pickle_grow(made, 2 * length, 1);
    if (status != CTM_OK) {
        return status;
    }
    struct ctmi_pickle_value value = {.kind = CTMI_PICKLED_MADE};
    value.at = made->count;
    if (length == 0) {
        used = 0;
    } else if (!decode_escapes(text, length, (unsigned char *)made->memory + made->count, &used)) {
        return ctmi_pickle_fail(machine, "a text holds a wrong escape");
    }
    value.count = used;
    made->count += used;
    return ctmi_pickle_make(machine, value);
}
