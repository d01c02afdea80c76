/* formats/pickle_machine.h: the machine of formats/pickle.h, for its opcodes and its spelled-out values.
 *
 * Model: a stack of value ids and a stack of marks in it; an opcode may take values only from above the last mark. The
 * memo is an array: picklers number what they keep in order, and no other index is admitted.
 */
#ifndef CTMI_FORMATS_PICKLE_MACHINE_H
#define CTMI_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

struct ctmi_pickle_machine {
    struct ctmi_pickle *pickle;     /* borrowed: what is made */
    struct ctmi_pickle_array stack; /* of uint32_t: value ids */
    struct ctmi_pickle_array marks; /* of uint32_t: heights of the stack */
    struct ctmi_pickle_array memo;  /* of uint32_t: value ids */
    uint32_t at;                    /* the next byte */
    uint32_t opcode;                /* byte of the opcode at work */
    int protocol;                   /* 0: no opcode has told */
    bool stopped;
    ctm_file_error *error; /* borrowed */
};

/* Notes the fault at the opcode at work; returns CTM_ERR_FORMAT. */
ctm_status ctmi_pickle_fail(struct ctmi_pickle_machine *machine, const char *reason);
/* The next `n` bytes. */
CTM_NODISCARD ctm_status ctmi_pickle_take(struct ctmi_pickle_machine *machine, uint64_t n,
                                          const unsigned char **out);
CTM_NODISCARD ctm_status ctmi_pickle_push(struct ctmi_pickle_machine *machine, uint32_t id);
/* A new value, pushed. */
CTM_NODISCARD ctm_status ctmi_pickle_make(struct ctmi_pickle_machine *machine,
                                          struct ctmi_pickle_value value);
CTM_NODISCARD ctm_status ctmi_pickle_push_int(struct ctmi_pickle_machine *machine, int64_t number);
CTM_NODISCARD ctm_status ctmi_pickle_push_truth(struct ctmi_pickle_machine *machine, bool truth);

/* Values that protocol 0 spells out on a line: the rest of the line without its end. */
CTM_NODISCARD ctm_status ctmi_pickle_line(struct ctmi_pickle_machine *machine,
                                          const unsigned char **out, uint32_t *out_length);
CTM_NODISCARD ctm_status ctmi_pickle_line_number(struct ctmi_pickle_machine *machine,
                                                 uint32_t *out);
CTM_NODISCARD ctm_status ctmi_pickle_int_line(struct ctmi_pickle_machine *machine, bool is_long);
CTM_NODISCARD ctm_status ctmi_pickle_float_line(struct ctmi_pickle_machine *machine);
CTM_NODISCARD ctm_status ctmi_pickle_text_line(struct ctmi_pickle_machine *machine);

#endif
