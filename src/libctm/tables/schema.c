/* tables/schema.c: the fields of the rows of each table; see tables/schema.h. */
#include "tables/schema.h"

#include "tables/store.h"

#define MAX_ROWS (3u << 30) /* what the largest index can hold */

#define TABLE(ID, one, many, number, section, content, row) \
    enum { ROW_SIZE_##ID = sizeof(row), CONTENT_SIZE_##ID = sizeof(content) };
CTMI_ALL_TABLES(TABLE)
#undef TABLE

#define SIZES(ID) .row_size = ROW_SIZE_##ID, .content_size = CONTENT_SIZE_##ID
#define FIELD(content, member, what, ...) \
    {.name = #member,                     \
     .offset = offsetof(content, member), \
     .size = sizeof((content){0}.member), \
     .holds = CTMI_HOLDS_##what,          \
     __VA_ARGS__},
#define REFERENCE(content, member, what, to) FIELD(content, member, what, .table = CTMI_TABLE_##to)

const struct ctmi_schema ctmi_schemas[CTMI_ROWS_TABLES] = {
    [CTMI_TABLE_STRINGS] =
        {
            SIZES(STRINGS),
            .limit = MAX_ROWS,
            .spare = 1,
            .no_such_row = "no such string",
        },
    [CTMI_TABLE_FUNCTIONS] =
        {
            SIZES(FUNCTIONS),
            .limit = MAX_ROWS,
            .spare = 1,
            .no_such_row = "no such function",
            .bad_reference = "a function has no such string",
            .fields = {CTMI_FUNCTIONS_FIELDS(FIELD, REFERENCE)},
        },
    [CTMI_TABLE_FRAMES] =
        {
            SIZES(FRAMES),
            .limit = MAX_ROWS,
            .spare = 1,
            .no_such_row = "no such frame",
            .without = "no such function",
            .bad_reference = "a frame has no such function",
            .fields = {CTMI_FRAMES_FIELDS(FIELD, REFERENCE)},
        },
    [CTMI_TABLE_TRACEBACKS] =
        {
            SIZES(TRACEBACKS),
            .limit = MAX_ROWS,
            .spare = 1,
            .no_such_row = "no such traceback",
            .no_parent = "a traceback's parent does not precede it",
            .without = "no such frame",
            .bad_reference = "a traceback has no such frame or parent",
            .fields = {CTMI_TRACEBACKS_FIELDS(FIELD, REFERENCE)},
        },
    [CTMI_TABLE_LABELS] =
        {
            SIZES(LABELS),
            .limit = MAX_ROWS,
            .is_optional = true,
            .no_such_row = "no such label set",
            .no_parent = "a label set's parent does not precede it",
            .without = "a label without a key",
            .bad_reference = "a label has no such string or parent",
            .fields = {CTMI_LABELS_FIELDS(FIELD, REFERENCE)},
        },
    [CTMI_TABLE_SITES] =
        {
            SIZES(SITES),
            .limit = CTMI_MAX_SITES,
            .bad_reference = "a site has no such traceback or labels",
            .fields = {CTMI_SITES_FIELDS(FIELD, REFERENCE)},
        },
};
#undef FIELD
#undef REFERENCE

const char *ctmi_field_reason(enum ctmi_table table, const struct ctmi_field *field)
{
    return field->table == table ? ctmi_schemas[table].no_parent
                                 : ctmi_schemas[field->table].no_such_row;
}

uint32_t ctmi_schema_least_size(const struct ctmi_schema *schema)
{
    for (const struct ctmi_field *field = schema->fields; field->size != 0; field++) {
        if (field->is_later) {
            return field->offset;
        }
    }
    return schema->content_size;
}

/* Whether `value` is no reference to one of the rows before `end`. */
static inline bool is_fault(uint32_t value, uint32_t end, enum ctmi_holds holds)
{
    return value >= end || (value == 0 && holds == CTMI_HOLDS_SOME_ROW);
}

const struct ctmi_field *ctmi_content_fault(enum ctmi_table table, const void *content, uint32_t id,
                                            const uint32_t *counts)
{
    const struct ctmi_field *field;
    switch (table) {
#define FIELD(type, member, ...) field++;
#define REFERENCE(type, member, what, to)                                              \
    if (is_fault(row->member, CTMI_TABLE_##to == table ? id : counts[CTMI_TABLE_##to], \
                 CTMI_HOLDS_##what)) {                                                 \
        return field;                                                                  \
    }                                                                                  \
    field++;
#define TABLE(ID, one, many, number, section, type, in_store) \
    case CTMI_TABLE_##ID: {                                   \
        const __typeof__(type) *row = content;                \
        field = ctmi_schemas[CTMI_TABLE_##ID].fields;         \
        CTMI_##ID##_FIELDS(FIELD, REFERENCE) return NULL;     \
    }
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
    default: return NULL;
    }
}
