/* formats/pickle_lines.h: reads the values that protocol 0 writes as a line of text, for the opcodes.
 *
 * Model: each function consumes the machine's bytes up to the end of a line. A function that makes a value pushes it.
 */
#ifndef CTMI_FORMATS_PICKLE_LINES_H
#define CTMI_FORMATS_PICKLE_LINES_H

#include "formats/pickle_machine.h"

/* Returns the rest of the line without its end. */
CTM_NODISCARD ctm_status ctmi_pickle_line(struct ctmi_pickle_machine *machine,
                                          const unsigned char **out, uint32_t *out_length);
CTM_NODISCARD ctm_status ctmi_pickle_line_number(struct ctmi_pickle_machine *machine,
                                                 uint32_t *out);
CTM_NODISCARD ctm_status ctmi_pickle_int_line(struct ctmi_pickle_machine *machine, bool is_long);
CTM_NODISCARD ctm_status ctmi_pickle_float_line(struct ctmi_pickle_machine *machine);
CTM_NODISCARD ctm_status ctmi_pickle_text_line(struct ctmi_pickle_machine *machine);

#endif
