/* formats/pickle_machine.h: the machine of formats/pickle.h, for its opcodes (pickle_opcodes.c) and its spelled-out values
 * (pickle_lines.h).
 *
 * Model: a stack of value ids and a stack of marks in it; an opcode may take values only from above the last mark. The
 * memo is an array: picklers number what they keep in order, and no other index is admitted.
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
/* A little-endian number of `size` bytes. */
CTM_NODISCARD ctm_status ctmi_pickle_take_number(struct ctmi_pickle_machine *machine, int size,
                                                 uint64_t *out);

static inline uint32_t *ctmi_pickle_ids(const struct ctmi_pickle_array *array)
{
    return array->memory;
}
CTM_NODISCARD ctm_status ctmi_pickle_add_id(struct ctmi_pickle_array *array, uint32_t id);
/* *out: the lowest of the `n` values on top. */
CTM_NODISCARD ctm_status ctmi_pickle_top(struct ctmi_pickle_machine *machine, uint32_t n,
                                         const uint32_t **out);
/* The values above the last mark, which goes away; they stay on the stack. */
CTM_NODISCARD ctm_status ctmi_pickle_top_to_mark(struct ctmi_pickle_machine *machine,
                                                 const uint32_t **out, uint32_t *n);
CTM_NODISCARD ctm_status ctmi_pickle_push(struct ctmi_pickle_machine *machine, uint32_t id);
/* A new value, the last one of all. */
CTM_NODISCARD ctm_status ctmi_pickle_add_value(struct ctmi_pickle_machine *machine,
                                               struct ctmi_pickle_value value);
/* The same, pushed. */
CTM_NODISCARD ctm_status ctmi_pickle_make(struct ctmi_pickle_machine *machine,
                                          struct ctmi_pickle_value value);
CTM_NODISCARD ctm_status ctmi_pickle_push_int(struct ctmi_pickle_machine *machine, int64_t number);
CTM_NODISCARD ctm_status ctmi_pickle_push_truth(struct ctmi_pickle_machine *machine, bool truth);

/* The values that every pickle has; `pickle` has none yet. */
CTM_NODISCARD ctm_status ctmi_pickle_add_constants(struct ctmi_pickle *pickle);

#endif
