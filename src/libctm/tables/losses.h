/* tables/losses.h: a list of losses (ctm/losses.h), for the core's own use.
 *
 * Model: plain data of a fixed size, so that adding a loss never needs memory. The owner of a list locks it.
 */
#ifndef CTMI_TABLES_LOSSES_H
#define CTMI_TABLES_LOSSES_H

#include <stdbool.h>
#include <stddef.h>

#include "ctm/losses.h"

_Static_assert(sizeof(ctm_loss) == 512, "a row of 512 bytes, as it is on file");

struct ctmi_losses {
    uint32_t n;
    ctm_loss rows[CTM_MAX_LOSSES];
};

/* Copies a text, at most `length` bytes of it and up to a NUL, into a field of `size` bytes. Control characters and
 * invalid UTF-8 become "?", the text is cut to fit, and the rest of the field is zeros. */
void ctmi_text_fit(char *field, size_t size, const char *text, size_t length);
/* Whether the field is a text as ctmi_text_fit makes it. */
bool ctmi_text_is_fit(const char *field, size_t size);
/* Adds `count` to the loss with that kind and text, or appends a new one. Returns its index. The texts may be parts of
 * the list itself. */
uint32_t ctmi_losses_add(struct ctmi_losses *losses, const char *kind, const char *detail,
                         uint64_t count);
void ctmi_losses_add_all(struct ctmi_losses *losses, const ctm_loss *rows, uint32_t n);
/* Removes the losses that have a count. */
void ctmi_losses_drop_counted(struct ctmi_losses *losses);

#endif
