/* tables/schema.c: the fields of the rows of each table; see tables/schema.h. */
#include "tables/schema.h"

#include "tables/store.h"

#define MAX_ROWS (3u << 30) /* what the largest index can hold */
#define OUT_OF_RANGE "a line or a number of frames is out of range"

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
     __VA_ARGS__}
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
            .fields =
                {
                    REFERENCE(ctm_function, filename, ROW, STRINGS),
                    REFERENCE(ctm_function, name, ROW, STRINGS),
                    FIELD(ctm_function, first_lineno, SIGNED, .range = OUT_OF_RANGE),
                },
        },
    [CTMI_TABLE_FRAMES] =
        {
            SIZES(FRAMES),
            .limit = MAX_ROWS,
            .spare = 1,
            .no_such_row = "no such frame",
            .without = "no such function",
            .bad_reference = "a frame has no such function",
            .fields =
                {
                    REFERENCE(ctm_frame, function, SOME_ROW, FUNCTIONS),
                    FIELD(ctm_frame, lineno, SIGNED, .range = OUT_OF_RANGE),
                },
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
            .fields =
                {
                    REFERENCE(ctm_traceback, parent, ROW, TRACEBACKS),
                    REFERENCE(ctm_traceback, frame, SOME_ROW, FRAMES),
                    FIELD(ctm_traceback, total_nframe, SIGNED, .range = OUT_OF_RANGE),
                },
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
            .fields =
                {
                    REFERENCE(ctm_label, parent, ROW, LABELS),
                    REFERENCE(ctm_label, key, SOME_ROW, STRINGS),
                    REFERENCE(ctm_label, value, ROW, STRINGS),
                },
        },
    [CTMI_TABLE_SITES] =
        {
            SIZES(SITES),
            .limit = CTMI_MAX_SITES,
            .bad_reference = "a site has no such traceback or labels",
            .fields =
                {
                    FIELD(ctm_site, block_size, NUMBER),
                    FIELD(ctm_site, allocated, COUNTER),
                    FIELD(ctm_site, freed, COUNTER),
                    FIELD(ctm_site, domain, NUMBER, .range = "a domain is out of range"),
                    REFERENCE(ctm_site, traceback, ROW, TRACEBACKS),
                    REFERENCE(ctm_site, labels, ROW, LABELS),
                    FIELD(ctm_site, reserved, ZERO),
                    FIELD(ctm_site, at_peak, COUNTER, .is_later = true),
                },
        },
};

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

const struct ctmi_field *ctmi_content_fault(enum ctmi_table table, const void *content, uint32_t id,
                                            const uint32_t *counts)
{
    for (const struct ctmi_field *field = ctmi_schemas[table].fields; field->size != 0; field++) {
        if (ctmi_field_is_reference(field)) {
            const uint32_t value = ctmi_field_get(field, content);
            const uint32_t end = field->table == table ? id : counts[field->table];
            if (value >= end || (value == 0 && field->holds == CTMI_HOLDS_SOME_ROW)) {
                return field;
            }
        }
    }
    return NULL;
}
