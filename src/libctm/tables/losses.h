/* tables/losses.h: a list of losses (ctm/losses.h), for the core's own use.
 *
 * Model: plain data of a fixed size, so that telling a loss never needs memory. Whoever owns a list locks it.
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

/* Puts a text into a field of `size` bytes, made fit, the rest zeros. At most `length` bytes of it, up to a NUL. */
void ctmi_text_fit(char *field, size_t size, const char *text, size_t length);
/* Is the field a text as ctmi_text_fit makes it? */
bool ctmi_text_is_fit(const char *field, size_t size);
/* Adds to the loss of that kind and text, or makes it. Returns its place. The texts may lie in the list itself. */
uint32_t ctmi_losses_add(struct ctmi_losses *losses, const char *kind, const char *detail,
                         uint64_t count);
void ctmi_losses_add_all(struct ctmi_losses *losses, const ctm_loss *rows, uint32_t n);
/* Leaves out those with a count. */
void ctmi_losses_drop_counted(struct ctmi_losses *losses);

#endif
