/* formats/pickle_opcodes.c: the opcodes and the loop that runs them; see formats/pickle_machine.h. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "formats/pickle_lines.h"
#include "formats/pickle_machine.h"

enum { NEWEST_PROTOCOL = 5 };

typedef struct ctmi_pickle_machine machine;

/* --- containers --- */

/* Replaces the `n` topmost values by a tuple of them. */
static ctm_status make_tuple(machine *m, uint32_t n)
{
    struct ctmi_pickle_array *items = &m->pickle->items;
    struct ctmi_pickle_value value = {.kind = CTMI_PICKLED_TUPLE};
    const uint32_t *from;
    if (n == 0) {
        return ctmi_pickle_push(m, CTMI_PICKLE_ID_EMPTY_TUPLE);
    }
    ctm_status status = ctmi_pickle_top(m, n, &from);
    if (status == CTM_OK) {
        status = ctmi_pickle_grow(items, n, sizeof *from);
    }
    if (status != CTM_OK) {
        return status;
    }
    value.at = items->count;
    value.count = n;
    memcpy(ctmi_pickle_item(m->pickle, value.at), from, n * sizeof *from);
    items->count += n;
    m->stack.count -= n;
    return ctmi_pickle_make(m, value);
}

static ctm_status make_marked_tuple(machine *m)
{
    const uint32_t *from;
    uint32_t n;
    ctm_status status = ctmi_pickle_top_to_mark(m, &from, &n);
    return status == CTM_OK ? make_tuple(m, n) : status;
}

/* Appends the `n` topmost values to the list or dict below them. */
static ctm_status append_top(machine *m, uint32_t n, enum ctmi_pickled kind)
{
    const uint32_t *from;
    if (kind == CTMI_PICKLED_DICT && n % 2 != 0) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a key without a value");
    }
    ctm_status status = n == UINT32_MAX ? CTM_ERR_LIMIT : ctmi_pickle_top(m, n + 1, &from);
    if (status != CTM_OK) {
        return status;
    }
    if (ctmi_pickle_at(m->pickle, from[0])->kind != (uint32_t)kind) {
        return ctmi_pickle_fail(m, "the pickle is damaged: items of what is no list or dict");
    }
    status = ctmi_pickle_append(m->pickle, from[0], from + 1, n);
    if (status == CTM_OK) {
        m->stack.count -= n;
    }
    return status;
}

static ctm_status append_marked(machine *m, enum ctmi_pickled kind)
{
    const uint32_t *from;
    uint32_t n;
    ctm_status status = ctmi_pickle_top_to_mark(m, &from, &n);
    return status == CTM_OK ? append_top(m, n, kind) : status;
}

/* LIST, DICT: makes one from the values above the mark. */
static ctm_status make_marked(machine *m, enum ctmi_pickled kind)
{
    const uint32_t *from;
    uint32_t n;
    ctm_status status = ctmi_pickle_top_to_mark(m, &from, &n);
    if (status != CTM_OK) {
        return status;
    }
    if (kind == CTMI_PICKLED_DICT && n % 2 != 0) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a key without a value");
    }
    status = ctmi_pickle_add_value(m, (struct ctmi_pickle_value){.kind = kind});
    if (status != CTM_OK) {
        return status;
    }
    const uint32_t id = m->pickle->values.count - 1;
    status = ctmi_pickle_append(m->pickle, id, from, n);
    m->stack.count -= n;
    return status == CTM_OK ? ctmi_pickle_push(m, id) : status;
}

/* --- atoms --- */

static ctm_status push_number(machine *m, int size)
{
    uint64_t number;
    ctm_status status = ctmi_pickle_take_number(m, size, &number);
    if (status != CTM_OK) {
        return status;
    }
    return ctmi_pickle_push_int(m, size == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

/* Reads a number of `n` bytes in two's complement. False: it does not fit. */
static bool short_number(const unsigned char *bytes, uint32_t n, int64_t *out)
{
    const unsigned char sign = n > 0 && bytes[n - 1] & 0x80 ? 0xff : 0;
    while (n > 8 && bytes[n - 1] == sign) {
        n--;
    }
    if (n > 8 || (n == 8 && (bytes[7] & 0x80) != (sign & 0x80))) {
        return false;
    }
    uint64_t number = sign != 0 ? UINT64_MAX : 0;
    for (uint32_t i = n; i-- > 0;) {
        number = number << 8 | bytes[i];
    }
    *out = (int64_t)number;
    return true;
}

/* LONG1, LONG4 */
static ctm_status push_long(machine *m, int size)
{
    const unsigned char *bytes;
    uint64_t length;
    int64_t number;
    ctm_status status = ctmi_pickle_take_number(m, size, &length);
    if (status == CTM_OK) {
        status = ctmi_pickle_take(m, length, &bytes);
    }
    if (status != CTM_OK) {
        return status;
    }
    if (short_number(bytes, (uint32_t)length, &number)) {
        return ctmi_pickle_push_int(m, number);
    }
    struct ctmi_pickle_value value = {.kind = CTMI_PICKLED_LONG};
    value.at = m->at - (uint32_t)length;
    value.count = (uint32_t)length;
    return ctmi_pickle_make(m, value);
}

static ctm_status push_float(machine *m)
{
    struct ctmi_pickle_value value = {.kind = CTMI_PICKLED_FLOAT};
    const unsigned char *bytes;
    uint64_t bits = 0;
    ctm_status status = ctmi_pickle_take(m, 8, &bytes);
    if (status != CTM_OK) {
        return status;
    }
    for (int i = 0; i < 8; i++) {
        bits = bits << 8 | bytes[i];
    }
    value.number = (int64_t)bits;
    return ctmi_pickle_make(m, value);
}

/* Pushes a text or bytes, preceded by a length of `size` bytes. */
static ctm_status push_blob(machine *m, int size, enum ctmi_pickled kind)
{
    struct ctmi_pickle_value value = {.kind = kind};
    const unsigned char *bytes;
    uint64_t length;
    ctm_status status = ctmi_pickle_take_number(m, size, &length);
    if (status == CTM_OK) {
        status = ctmi_pickle_take(m, length, &bytes);
    }
    if (status != CTM_OK) {
        return status;
    }
    if (kind == CTMI_PICKLED_TEXT && ctmi_utf8_fault(bytes, (size_t)length) != length) {
        return ctmi_pickle_fail(m, "a text is not UTF-8");
    }
    value.at = m->at - (uint32_t)length;
    value.count = (uint32_t)length;
    return ctmi_pickle_make(m, value);
}

/* --- memo --- */

static ctm_status memo_put(machine *m, uint64_t index)
{
    const uint32_t *value;
    ctm_status status = ctmi_pickle_top(m, 1, &value);
    if (status != CTM_OK) {
        return status;
    }
    if (index > m->memo.count) {
        return ctmi_pickle_fail(m, "a memo index is out of order");
    }
    if (index == m->memo.count) {
        return ctmi_pickle_add_id(&m->memo, *value);
    }
    ctmi_pickle_ids(&m->memo)[index] = *value;
    return CTM_OK;
}

static ctm_status memo_get(machine *m, uint64_t index)
{
    if (index >= m->memo.count) {
        return ctmi_pickle_fail(m, "a memo index that is not in use");
    }
    return ctmi_pickle_push(m, ctmi_pickle_ids(&m->memo)[index]);
}

typedef ctm_status (*memo_function)(machine *, uint64_t);

/* size 0: the index is a line of text */
static ctm_status memo(machine *m, int size, memo_function function)
{
    uint64_t index;
    uint32_t number;
    ctm_status status;
    if (size == 0) {
        status = ctmi_pickle_line_number(m, &number);
        index = number;
    } else {
        status = ctmi_pickle_take_number(m, size, &index);
    }
    return status == CTM_OK ? function(m, index) : status;
}

/* --- objects --- */

static bool same(const unsigned char *text, uint32_t length, const char *other)
{
    return length == strlen(other) && memcmp(text, other, length) == 0;
}

static ctm_status push_name(machine *m, const unsigned char *module, uint32_t module_length,
                            const unsigned char *name, uint32_t name_length)
{
    static const struct {
        const char *module, *name;
        enum ctmi_pickle_name id;
    } known[] = {
        {"tracemalloc", "Snapshot", CTMI_NAME_SNAPSHOT},
        {"tracemalloc", "_Traces", CTMI_NAME_TRACES},
        {"copy_reg", "_reconstructor", CTMI_NAME_RECONSTRUCTOR},
        {"copyreg", "_reconstructor", CTMI_NAME_RECONSTRUCTOR},
        {"__builtin__", "object", CTMI_NAME_OBJECT},
        {"builtins", "object", CTMI_NAME_OBJECT},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (same(module, module_length, known[i].module) &&
            same(name, name_length, known[i].name) &&
            (known[i].id <= CTMI_NAME_TRACES || m->protocol < 2)) {
            return ctmi_pickle_push(m, CTMI_PICKLE_ID_NAMES + (uint32_t)known[i].id);
        }
    }
    return ctmi_pickle_fail(m, "it refers to a class or function that no snapshot refers to");
}

static ctm_status push_global(machine *m)
{
    const unsigned char *module, *name;
    uint32_t module_length, name_length;
    ctm_status status = ctmi_pickle_line(m, &module, &module_length);
    if (status == CTM_OK) {
        status = ctmi_pickle_line(m, &name, &name_length);
    }
    if (status != CTM_OK) {
        return status;
    }
    return push_name(m, module, module_length, name, name_length);
}

static ctm_status push_stack_global(machine *m)
{
    const uint32_t *from;
    ctm_status status = ctmi_pickle_top(m, 2, &from);
    if (status != CTM_OK) {
        return status;
    }
    const struct ctmi_pickle_value *module = ctmi_pickle_at(m->pickle, from[0]);
    const struct ctmi_pickle_value *name = ctmi_pickle_at(m->pickle, from[1]);
    if (!ctmi_pickle_is_text(module) || !ctmi_pickle_is_text(name)) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a name is not a text");
    }
    m->stack.count -= 2;
    return push_name(m, ctmi_pickle_bytes(m->pickle, module), module->count,
                     ctmi_pickle_bytes(m->pickle, name), name->count);
}

static bool is_name(uint32_t id, enum ctmi_pickle_name name)
{
    return id == CTMI_PICKLE_ID_NAMES + (uint32_t)name;
}

/* Replaces the two topmost values by an empty object of the class `id`. */
static ctm_status make_object(machine *m, uint32_t id)
{
    if (!is_name(id, CTMI_NAME_SNAPSHOT) && !is_name(id, CTMI_NAME_TRACES)) {
        return ctmi_pickle_fail(m, "the pickle is damaged: an object of no class");
    }
    struct ctmi_pickle_value value = {.kind = CTMI_PICKLED_OBJECT};
    value.at = id - CTMI_PICKLE_ID_NAMES;
    m->stack.count -= 2;
    return ctmi_pickle_make(m, value);
}

static ctm_status new_object(machine *m)
{
    const uint32_t *from;
    ctm_status status = ctmi_pickle_top(m, 2, &from);
    if (status != CTM_OK) {
        return status;
    }
    if (from[1] != CTMI_PICKLE_ID_EMPTY_TUPLE) {
        return ctmi_pickle_fail(m, "the pickle is damaged: an object made with arguments");
    }
    return make_object(m, from[0]);
}

/* copyreg._reconstructor(class, object, None), with which protocols 0 and 1 make an object. */
static ctm_status reduce(machine *m)
{
    const uint32_t *from;
    ctm_status status = ctmi_pickle_top(m, 2, &from);
    if (status != CTM_OK) {
        return status;
    }
    const struct ctmi_pickle_value *arguments = ctmi_pickle_at(m->pickle, from[1]);
    if (!is_name(from[0], CTMI_NAME_RECONSTRUCTOR) || arguments->kind != CTMI_PICKLED_TUPLE ||
        arguments->count != 3) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a call that no snapshot makes");
    }
    const uint32_t *argument = ctmi_pickle_item(m->pickle, arguments->at);
    if (!is_name(argument[1], CTMI_NAME_OBJECT) || argument[2] != CTMI_PICKLE_ID_NONE) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a call that no snapshot makes");
    }
    return make_object(m, argument[0]);
}

static ctm_status build(machine *m)
{
    const uint32_t *from;
    ctm_status status = ctmi_pickle_top(m, 2, &from);
    if (status != CTM_OK) {
        return status;
    }
    struct ctmi_pickle_value *object = ctmi_pickle_at(m->pickle, from[0]);
    if (object->kind != CTMI_PICKLED_OBJECT || object->count != 0 ||
        ctmi_pickle_at(m->pickle, from[1])->kind != CTMI_PICKLED_DICT) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a state that is no object's");
    }
    object->count = from[1];
    m->stack.count--;
    return CTM_OK;
}

/* --- running --- */

static ctm_status read_protocol(machine *m)
{
    uint64_t protocol;
    ctm_status status = ctmi_pickle_take_number(m, 1, &protocol);
    if (status != CTM_OK) {
        return status;
    }
    if (m->opcode != 0 || protocol > NEWEST_PROTOCOL) {
        return ctmi_pickle_fail(m, "the pickle is damaged: a protocol that is not known");
    }
    m->protocol = (int)protocol;
    return CTM_OK;
}

static ctm_status read_frame(machine *m)
{
    uint64_t length;
    ctm_status status = ctmi_pickle_take_number(m, 8, &length);
    if (status != CTM_OK) {
        return status;
    }
    if (length > m->pickle->size - m->at) {
        return ctmi_pickle_fail(m, "the pickle is cut short");
    }
    return CTM_OK;
}

static ctm_status stop(machine *m)
{
    const uint32_t *value;
    ctm_status status = ctmi_pickle_top(m, 1, &value);
    if (status != CTM_OK) {
        return status;
    }
    if (m->stack.count != 1 || m->marks.count != 0) {
        return ctmi_pickle_fail(m, "the pickle is damaged: values are left over");
    }
    m->pickle->root = *value;
    m->stopped = true;
    return CTM_OK;
}

static ctm_status refuse(machine *m, unsigned char opcode)
{
    if (opcode == 'P' || opcode == 'Q') {
        return ctmi_pickle_fail(m, "it holds a persistent id, which no snapshot does");
    }
    if (opcode >= 0x82 && opcode <= 0x84) {
        return ctmi_pickle_fail(m, "it holds an extension code, which no snapshot does");
    }
    return ctmi_pickle_fail(m, "it holds an opcode that no snapshot has");
}

static ctm_status step(machine *m, unsigned char opcode)
{
    switch (opcode) {
    case '(': return ctmi_pickle_add_id(&m->marks, m->stack.count);   /* MARK */
    case '.': return stop(m);                                         /* STOP */
    case 'N': return ctmi_pickle_push(m, CTMI_PICKLE_ID_NONE);        /* NONE */
    case 0x88: return ctmi_pickle_push(m, CTMI_PICKLE_ID_TRUE);       /* NEWTRUE */
    case 0x89: return ctmi_pickle_push(m, CTMI_PICKLE_ID_FALSE);      /* NEWFALSE */
    case 'I': return ctmi_pickle_int_line(m, false);                  /* INT */
    case 'L': return ctmi_pickle_int_line(m, true);                   /* LONG */
    case 'F': return ctmi_pickle_float_line(m);                       /* FLOAT */
    case 'V': return ctmi_pickle_text_line(m);                        /* UNICODE */
    case 'K': return push_number(m, 1);                               /* BININT1 */
    case 'M': return push_number(m, 2);                               /* BININT2 */
    case 'J': return push_number(m, 4);                               /* BININT */
    case 0x8a: return push_long(m, 1);                                /* LONG1 */
    case 0x8b: return push_long(m, 4);                                /* LONG4 */
    case 'G': return push_float(m);                                   /* BINFLOAT */
    case 0x8c: return push_blob(m, 1, CTMI_PICKLED_TEXT);             /* SHORT_BINUNICODE */
    case 'X': return push_blob(m, 4, CTMI_PICKLED_TEXT);              /* BINUNICODE */
    case 0x8d: return push_blob(m, 8, CTMI_PICKLED_TEXT);             /* BINUNICODE8 */
    case 'C': return push_blob(m, 1, CTMI_PICKLED_BYTES);             /* SHORT_BINBYTES */
    case 'B': return push_blob(m, 4, CTMI_PICKLED_BYTES);             /* BINBYTES */
    case 0x8e: return push_blob(m, 8, CTMI_PICKLED_BYTES);            /* BINBYTES8 */
    case ')': return ctmi_pickle_push(m, CTMI_PICKLE_ID_EMPTY_TUPLE); /* EMPTY_TUPLE */
    case 0x85: return make_tuple(m, 1);                               /* TUPLE1 */
    case 0x86: return make_tuple(m, 2);                               /* TUPLE2 */
    case 0x87: return make_tuple(m, 3);                               /* TUPLE3 */
    case 't': return make_marked_tuple(m);                            /* TUPLE */
    case ']': return ctmi_pickle_make(m, (struct ctmi_pickle_value){.kind = CTMI_PICKLED_LIST});
    case '}': return ctmi_pickle_make(m, (struct ctmi_pickle_value){.kind = CTMI_PICKLED_DICT});
    case 'l': return make_marked(m, CTMI_PICKLED_LIST);   /* LIST */
    case 'd': return make_marked(m, CTMI_PICKLED_DICT);   /* DICT */
    case 'a': return append_top(m, 1, CTMI_PICKLED_LIST); /* APPEND */
    case 's': return append_top(m, 2, CTMI_PICKLED_DICT); /* SETITEM */
    case 'e': return append_marked(m, CTMI_PICKLED_LIST); /* APPENDS */
    case 'u': return append_marked(m, CTMI_PICKLED_DICT); /* SETITEMS */
    case 'p': return memo(m, 0, memo_put);                /* PUT */
    case 'q': return memo(m, 1, memo_put);                /* BINPUT */
    case 'r': return memo(m, 4, memo_put);                /* LONG_BINPUT */
    case 0x94: return memo_put(m, m->memo.count);         /* MEMOIZE */
    case 'g': return memo(m, 0, memo_get);                /* GET */
    case 'h': return memo(m, 1, memo_get);                /* BINGET */
    case 'j': return memo(m, 4, memo_get);                /* LONG_BINGET */
    case 'c': return push_global(m);                      /* GLOBAL */
    case 0x93: return push_stack_global(m);               /* STACK_GLOBAL */
    case 0x81: return new_object(m);                      /* NEWOBJ */
    case 'R': return reduce(m);                           /* REDUCE */
    case 'b': return build(m);                            /* BUILD */
    case 0x80: return read_protocol(m);                   /* PROTO */
    case 0x95: return read_frame(m);                      /* FRAME */
    default: return refuse(m, opcode);
    }
}

static ctm_status run(machine *m)
{
    const unsigned char *opcode;
    ctm_status status = CTM_OK;
    while (status == CTM_OK && !m->stopped) {
        m->opcode = m->at;
        status = ctmi_pickle_take(m, 1, &opcode);
        if (status == CTM_OK) {
            status = step(m, *opcode);
        }
    }
    return status;
}

ctm_status ctmi_pickle_read(struct ctmi_pickle *pickle, const void *bytes, size_t size,
                            ctm_file_error *error)
{
    machine m = {.pickle = pickle, .error = error};
    memset(pickle, 0, sizeof *pickle);
    if (size >= UINT32_MAX) {
        return CTM_ERR_LIMIT;
    }
    pickle->bytes = bytes;
    pickle->size = (uint32_t)size;
    ctm_status status = ctmi_pickle_add_constants(pickle);
    /* So that stack.memory is not NULL. */
    if (status == CTM_OK) {
        status = ctmi_pickle_grow(&m.stack, 1, sizeof(uint32_t));
    }
    if (status == CTM_OK) {
        status = run(&m);
    }
    ctmi_mem_free(m.stack.memory);
    ctmi_mem_free(m.marks.memory);
    ctmi_mem_free(m.memo.memory);
    return status;
}
