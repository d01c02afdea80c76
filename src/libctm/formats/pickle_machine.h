/* formats/pickle_machine.h: the machine of formats/pickle.h, for its opcodes (pickle_opcodes.c) and its text values
 * (pickle_lines.h).
 *
 * Model: a stack of value ids and a stack of marks, which are heights of it. An opcode may pop values only from above
 * the last mark. The memo is an array: picklers number memoized values in order, and no other index is accepted.
 */
#ifndef CTMI_FORMATS_PICKLE_MACHINE_H
#define CTMI_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

/* Values that every pickle has, by id. */
enum {
    CTMI_PICKLE_ID_NONE,
    CTMI_PICKLE_ID_FALSE,
    CTMI_PICKLE_ID_TRUE,
    CTMI_PICKLE_ID_EMPTY_TUPLE,
    CTMI_PICKLE_ID_NAMES,
    CTMI_PICKLE_ID_INTS = CTMI_PICKLE_ID_NAMES + CTMI_NAME_COUNT,
};

struct ctmi_pickle_machine {
    struct ctmi_pickle *pickle;     /* borrowed: the values that are made */
    struct ctmi_pickle_array stack; /* of uint32_t: value ids */
    struct ctmi_pickle_array marks; /* of uint32_t: heights of the stack */
    struct ctmi_pickle_array memo;  /* of uint32_t: value ids */
    uint32_t at;                    /* offset of the next byte */
    uint32_t opcode;                /* offset of the current opcode */
    int protocol;                   /* 0: no opcode has set it */
    bool stopped;
    ctm_file_error *error; /* borrowed */
};

/* Stores a fault at the current opcode in `error` and returns CTM_ERR_FORMAT. */
ctm_status ctmi_pickle_fail(struct ctmi_pickle_machine *machine, const char *reason);
/* Returns the next `n` bytes and advances past them. */
CTM_NODISCARD ctm_status ctmi_pickle_take(struct ctmi_pickle_machine *machine, uint64_t n,
                                          const unsigned char **out);
/* Reads a little-endian number of `size` bytes. */
CTM_NODISCARD ctm_status ctmi_pickle_take_number(struct ctmi_pickle_machine *machine, int size,
                                                 uint64_t *out);

static inline uint32_t *ctmi_pickle_ids(const struct ctmi_pickle_array *array)
{
    return array->memory;
}
CTM_NODISCARD ctm_status ctmi_pickle_add_id(struct ctmi_pickle_array *array, uint32_t id);
/* *out: the lowest of the `n` topmost values. */
CTM_NODISCARD ctm_status ctmi_pickle_top(struct ctmi_pickle_machine *machine, uint32_t n,
                                         const uint32_t **out);
/* Returns the values above the last mark and removes the mark. The values stay on the stack. */
CTM_NODISCARD ctm_status ctmi_pickle_top_to_mark(struct ctmi_pickle_machine *machine,
                                                 const uint32_t **out, uint32_t *n);
CTM_NODISCARD ctm_status ctmi_pickle_push(struct ctmi_pickle_machine *machine, uint32_t id);
/* Appends a new value; its id is the greatest. */
CTM_NODISCARD ctm_status ctmi_pickle_add_value(struct ctmi_pickle_machine *machine,
                                               struct ctmi_pickle_value value);
/* Appends a new value and pushes it. */
CTM_NODISCARD ctm_status ctmi_pickle_make(struct ctmi_pickle_machine *machine,
                                          struct ctmi_pickle_value value);
CTM_NODISCARD ctm_status ctmi_pickle_push_int(struct ctmi_pickle_machine *machine, int64_t number);
CTM_NODISCARD ctm_status ctmi_pickle_push_truth(struct ctmi_pickle_machine *machine, bool truth);

/* Adds the values that every pickle has; `pickle` has no values yet. */
CTM_NODISCARD ctm_status ctmi_pickle_add_constants(struct ctmi_pickle *pickle);

#endif
