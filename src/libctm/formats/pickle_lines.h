/* formats/pickle_lines.h: the values that protocol 0 spells out on a line, for the opcodes.
 *
 * Model: each takes the machine's bytes up to the end of a line; the ones that make a value push it.
 */
#ifndef CTMI_FORMATS_PICKLE_LINES_H
#define CTMI_FORMATS_PICKLE_LINES_H

#include "formats/pickle_machine.h"

/* The rest of the line without its end. */
CTM_NODISCARD ctm_status ctmi_pickle_line(struct ctmi_pickle_machine *machine,
                                          const unsigned char **out, uint32_t *out_length);
CTM_NODISCARD ctm_status ctmi_pickle_line_number(struct ctmi_pickle_machine *machine,
                                                 uint32_t *out);
CTM_NODISCARD ctm_status ctmi_pickle_int_line(struct ctmi_pickle_machine *machine, bool is_long);
CTM_NODISCARD ctm_status ctmi_pickle_float_line(struct ctmi_pickle_machine *machine);
CTM_NODISCARD ctm_status ctmi_pickle_text_line(struct ctmi_pickle_machine *machine);

#endif
