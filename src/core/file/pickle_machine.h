/* file/pickle_machine.h: the machine of file/pickle.h, for its opcodes and its spelled-out values.
 *
 * Model: a stack of value ids and a stack of marks in it; an opcode may take values only from above the last mark. The
 * memo is an array: picklers number what they keep in order, and no other index is admitted.
 */
#ifndef CTM_FILE_PICKLE_MACHINE_H
#define CTM_FILE_PICKLE_MACHINE_H

#include "file/pickle.h"

struct ctm_pickle_machine {
    struct ctm_pickle *pickle;     /* borrowed: what is made */
    struct ctm_pickle_array stack; /* of uint32_t: value ids */
    struct ctm_pickle_array marks; /* of uint32_t: heights of the stack */
    struct ctm_pickle_array memo;  /* of uint32_t: value ids */
    uint32_t at;                   /* the next byte */
    uint32_t opcode;               /* byte of the opcode at work */
    int protocol;                  /* 0: no opcode has told */
    bool stopped;
    ctm_file_error *error; /* borrowed */
};

/* Notes the fault at the opcode at work; returns CTM_ERR_FORMAT. */
ctm_status ctm_pickle_fail(struct ctm_pickle_machine *machine, const char *reason);
/* The next `n` bytes. */
CTM_NODISCARD ctm_status ctm_pickle_take(struct ctm_pickle_machine *machine, uint64_t n,
                                         const unsigned char **out);
CTM_NODISCARD ctm_status ctm_pickle_push(struct ctm_pickle_machine *machine, uint32_t id);
/* A new value, pushed. */
CTM_NODISCARD ctm_status ctm_pickle_make(struct ctm_pickle_machine *machine,
                                         struct ctm_pickle_value value);
CTM_NODISCARD ctm_status ctm_pickle_push_int(struct ctm_pickle_machine *machine, int64_t number);
CTM_NODISCARD ctm_status ctm_pickle_push_truth(struct ctm_pickle_machine *machine, bool truth);

/* Values that protocol 0 spells out on a line: the rest of the line without its end. */
CTM_NODISCARD ctm_status ctm_pickle_line(struct ctm_pickle_machine *machine,
                                         const unsigned char **out, uint32_t *out_length);
CTM_NODISCARD ctm_status ctm_pickle_line_number(struct ctm_pickle_machine *machine, uint32_t *out);
CTM_NODISCARD ctm_status ctm_pickle_int_line(struct ctm_pickle_machine *machine, bool is_long);
CTM_NODISCARD ctm_status ctm_pickle_float_line(struct ctm_pickle_machine *machine);
CTM_NODISCARD ctm_status ctm_pickle_text_line(struct ctm_pickle_machine *machine);

#endif
