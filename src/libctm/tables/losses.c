/* tables/losses.c: see tables/losses.h. */
#include "tables/losses.h"

#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"

static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* Returns the bytes of the character at `at`; 0: it is not allowed in a text. */
static size_t valid_character(const unsigned char *at, size_t left)
{
    return is_control(*at) ? 0 : ctmi_utf8_sequence(at, left);
}

void ctmi_text_fit(char *field, size_t size, const char *text, size_t length)
{
    char fit[CTM_END_TEXT > CTM_LOSS_DETAIL ? CTM_END_TEXT : CTM_LOSS_DETAIL];
    size_t used = 0;
    const char *nul = memchr(text, 0, length);
    const size_t end = nul != NULL ? (size_t)(nul - text) : length;
    CTMI_ASSERT(end <= length && size <= sizeof fit);
    for (size_t i = 0; i < end;) {
        const size_t bytes = valid_character((const unsigned char *)text + i, end - i);
        if (used + (bytes > 0 ? bytes : 1) > size - 1) {
            break;
        }
        if (bytes > 0) {
            memcpy(fit + used, text + i, bytes);
        } else {
            fit[used] = '?';
        }
        used += bytes > 0 ? bytes : 1;
        i += bytes > 0 ? bytes : 1;
    }
    memset(fit + used, 0, size - used);
    memcpy(field, fit, size);
}

bool ctmi_text_is_fit(const char *field, size_t size)
{
    const char *nul = memchr(field, 0, size);
    const size_t length = nul != NULL ? (size_t)(nul - field) : size;
    for (size_t i = 0; i < length;) {
        const size_t bytes = valid_character((const unsigned char *)field + i, length - i);
        if (bytes == 0) {
            return false;
        }
        i += bytes;
    }
    for (size_t i = length; i < size; i++) {
        if (field[i] != 0) {
            return false;
        }
    }
    return length < size;
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static bool same_texts(const ctm_loss *a, const ctm_loss *b)
{
    return memcmp(a->kind, b->kind, sizeof a->kind) == 0 &&
           memcmp(a->detail, b->detail, sizeof a->detail) == 0;
}

/* The list is full: the last row becomes the number of losses that are not listed, including the one that it
 * replaces. */
static uint32_t add_to_rest(struct ctmi_losses *losses)
{
    ctm_loss *last = &losses->rows[CTM_MAX_LOSSES - 1];
    const bool is_rest = strcmp(last->kind, "more") == 0;
    const uint64_t count = is_rest ? sum_of(last->count, 1) : 2;
    if (!is_rest) {
        ctmi_text_fit(last->kind, sizeof last->kind, "more", 4);
        ctmi_text_fit(last->detail, sizeof last->detail, "losses that are not listed", 26);
    }
    last->count = count;
    return CTM_MAX_LOSSES - 1;
}

uint32_t ctmi_losses_add(struct ctmi_losses *losses, const char *kind, const char *detail,
                         uint64_t count)
{
    ctm_loss loss = {.count = count};
    const char *name = kind[0] != 0 ? kind : "?";
    ctmi_text_fit(loss.kind, sizeof loss.kind, name, strlen(name));
    ctmi_text_fit(loss.detail, sizeof loss.detail, detail, strlen(detail));
    for (uint32_t i = 0; i < losses->n; i++) {
        if (same_texts(&losses->rows[i], &loss)) {
            losses->rows[i].count = sum_of(losses->rows[i].count, count);
            return i;
        }
    }
    if (losses->n == CTM_MAX_LOSSES) {
        return add_to_rest(losses);
    }
    losses->rows[losses->n] = loss;
    return losses->n++;
}

void ctmi_losses_add_all(struct ctmi_losses *losses, const ctm_loss *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        (void)ctmi_losses_add(losses, rows[i].kind, rows[i].detail, rows[i].count);
    }
}

void ctmi_losses_drop_counted(struct ctmi_losses *losses)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < losses->n; i++) {
        if (losses->rows[i].count == 0) {
            losses->rows[n++] = losses->rows[i];
        }
    }
    losses->n = n;
}
