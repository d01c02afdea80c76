/* formats/pickle_machine.c: bytes, stack and constants of the machine; see formats/pickle_machine.h. */
#include "formats/pickle_machine.h"

#include <string.h>

enum { SMALL_INTS = 256, CONSTANTS = CTMI_PICKLE_ID_INTS + SMALL_INTS };

typedef struct ctmi_pickle_machine machine;

ctm_status ctmi_pickle_fail(machine *m, const char *reason)
{
    *m->error = (ctm_file_error){.offset = m->opcode, .reason = reason};
    return CTM_ERR_FORMAT;
}

ctm_status ctmi_pickle_take(machine *m, uint64_t n, const unsigned char **out)
{
    if (n > m->pickle->size - m->at) {
        return ctmi_pickle_fail(m, "the pickle is cut short");
    }
    *out = m->pickle->bytes + m->at;
    m->at += (uint32_t)n;
    return CTM_OK;
}

ctm_status ctmi_pickle_take_number(machine *m, int size, uint64_t *out)
{
    const unsigned char *bytes;
    ctm_status status = ctmi_pickle_take(m, (uint64_t)size, &bytes);
    if (status != CTM_OK) {
        return status;
    }
    *out = 0;
    for (int i = 0; i < size; i++) {
        *out |= (uint64_t)bytes[i] << (8 * i);
    }
    return CTM_OK;
}

/* --- stack --- */

ctm_status ctmi_pickle_add_id(struct ctmi_pickle_array *array, uint32_t id)
{
    ctm_status status = ctmi_pickle_grow(array, 1, sizeof id);
    if (status == CTM_OK) {
        ctmi_pickle_ids(array)[array->count++] = id;
    }
    return status;
}

ctm_status ctmi_pickle_push(machine *m, uint32_t id)
{
    return ctmi_pickle_add_id(&m->stack, id);
}

ctm_status ctmi_pickle_add_value(machine *m, struct ctmi_pickle_value value)
{
    struct ctmi_pickle_array *values = &m->pickle->values;
    ctm_status status = ctmi_pickle_grow(values, 1, sizeof value);
    if (status != CTM_OK) {
        return status;
    }
    value.where = m->opcode;
    *ctmi_pickle_at(m->pickle, values->count++) = value;
    return CTM_OK;
}

ctm_status ctmi_pickle_make(machine *m, struct ctmi_pickle_value value)
{
    ctm_status status = ctmi_pickle_add_value(m, value);
    return status == CTM_OK ? ctmi_pickle_push(m, m->pickle->values.count - 1) : status;
}

ctm_status ctmi_pickle_push_int(machine *m, int64_t number)
{
    if (number >= 0 && number < SMALL_INTS) {
        return ctmi_pickle_push(m, CTMI_PICKLE_ID_INTS + (uint32_t)number);
    }
    return ctmi_pickle_make(m,
                            (struct ctmi_pickle_value){.kind = CTMI_PICKLED_INT, .number = number});
}

ctm_status ctmi_pickle_push_truth(machine *m, bool truth)
{
    return ctmi_pickle_push(m, truth ? CTMI_PICKLE_ID_TRUE : CTMI_PICKLE_ID_FALSE);
}

static uint32_t last_mark(const machine *m)
{
    return m->marks.count > 0 ? ctmi_pickle_ids(&m->marks)[m->marks.count - 1] : 0;
}

ctm_status ctmi_pickle_top(machine *m, uint32_t n, const uint32_t **out)
{
    if (m->stack.count - last_mark(m) < n) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a value is missing");
    }
    *out = ctmi_pickle_ids(&m->stack) + (m->stack.count - n);
    return CTM_OK;
}

ctm_status ctmi_pickle_top_to_mark(machine *m, const uint32_t **out, uint32_t *n)
{
    if (m->marks.count == 0) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a mark is missing");
    }
    *n = m->stack.count - last_mark(m);
    m->marks.count--;
    return ctmi_pickle_top(m, *n, out);
}

/* --- constants --- */

ctm_status ctmi_pickle_add_constants(struct ctmi_pickle *pickle)
{
    struct ctmi_pickle_array *values = &pickle->values;
    ctm_status status = ctmi_pickle_grow(values, CONSTANTS, sizeof(struct ctmi_pickle_value));
    if (status == CTM_OK) {
        status = ctmi_pickle_grow(&pickle->items, 1, sizeof(uint32_t));
    }
    if (status != CTM_OK) {
        return status;
    }
    memset(values->memory, 0, CONSTANTS * sizeof(struct ctmi_pickle_value));
    values->count = CONSTANTS;
    *ctmi_pickle_item(pickle, 0) = 0;
    pickle->items.count = 1; /* index 0 means none */
    ctmi_pickle_at(pickle, CTMI_PICKLE_ID_NONE)->kind = CTMI_PICKLED_NONE;
    ctmi_pickle_at(pickle, CTMI_PICKLE_ID_FALSE)->kind = CTMI_PICKLED_FALSE;
    ctmi_pickle_at(pickle, CTMI_PICKLE_ID_TRUE)->kind = CTMI_PICKLED_TRUE;
    ctmi_pickle_at(pickle, CTMI_PICKLE_ID_EMPTY_TUPLE)->kind = CTMI_PICKLED_TUPLE;
    for (uint32_t i = 0; i < CTMI_NAME_COUNT; i++) {
        ctmi_pickle_at(pickle, CTMI_PICKLE_ID_NAMES + i)->kind = CTMI_PICKLED_NAME;
        ctmi_pickle_at(pickle, CTMI_PICKLE_ID_NAMES + i)->at = i;
    }
    for (uint32_t i = 0; i < SMALL_INTS; i++) {
        ctmi_pickle_at(pickle, CTMI_PICKLE_ID_INTS + i)->kind = CTMI_PICKLED_INT;
        ctmi_pickle_at(pickle, CTMI_PICKLE_ID_INTS + i)->number = i;
    }
    return CTM_OK;
}
