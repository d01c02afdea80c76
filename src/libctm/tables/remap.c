/* tables/remap.c: see tables/remap.h. */
#include "tables/remap.h"

#include <string.h>

#include "base/memory.h"

ctm_status ctmi_remap_init(struct ctmi_remap *remap)
{
    size_t rows = 0;
    for (int table = 0; table < CTMI_TABLE_SITES; table++) {
        rows += remap->ids[table] == NULL ? remap->from->counts[table] : 0;
    }
    remap->memory = ctmi_mem_alloc(rows * sizeof(uint32_t));
    if (remap->memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    uint32_t *next = remap->memory;
    for (int table = 0; table < CTMI_TABLE_SITES; table++) {
        const uint32_t count = remap->from->counts[table];
        if (remap->ids[table] == NULL) {
            remap->ids[table] = next;
            next += count;
        }
        memset(remap->ids[table], 0, count * sizeof(uint32_t));
    }
    remap->guess = 1;
    return CTM_OK;
}

void ctmi_remap_free(struct ctmi_remap *remap)
{
    ctmi_mem_free(remap->memory);
}

static ctm_status remap_string(struct ctmi_remap *remap, uint32_t id)
{
    size_t length;
    const char *utf8 = remap->from->string(remap->from->rows, id, &length);
    return ctmi_store_string(remap->to, utf8, length, &remap->ids[CTMI_TABLE_STRINGS][id]);
}

/* Processes and shards of one program make their tracebacks in nearly the same order. So the row after the last one
 * found is tried first, without a lookup. */
static ctm_status intern_traceback(struct ctmi_remap *remap, const union ctmi_content *content,
                                   uint32_t *out)
{
    const ctm_traceback *row = &content->traceback;
    const uint32_t before = ctmi_store_traceback_count(remap->to);
    if (remap->guess < before) {
        const ctm_traceback *there = &ctmi_store_traceback_row(remap->to, remap->guess)->row;
        if (memcmp(there, row, sizeof *row) == 0) {
            *out = remap->guess++;
            return CTM_OK;
        }
    }
    const ctm_status status = ctmi_store_content(remap->to, CTMI_TABLE_TRACEBACKS, content, out);
    if (status == CTM_OK && *out < before) {
        remap->guess = *out + 1;
    }
    return status;
}

/* Adds the row that `field` of a row of `table` refers to, and replaces *id by its new id. The recursion is at most as
 * deep as there are tables before `table` in the list. */
static ctm_status translate(struct ctmi_remap *remap, enum ctmi_table table,
                            const struct ctmi_field *field, uint32_t *id)
{
    const uint32_t *to = &remap->ids[field->table][*id];
    if (*id != 0 && *to == 0) {
        CTMI_ASSERT(field->table != table);
        const ctm_status status = ctmi_remap_row(remap, field->table, *id);
        if (status != CTM_OK) {
            return status;
        }
    }
    *id = *to;
    return CTM_OK;
}

/* Reads the content of a row and translates its references to ids of the store. All fields have 4 bytes, because the
 * row is not a site. */
static ctm_status read_content(struct ctmi_remap *remap, enum ctmi_table table, uint32_t id,
                               union ctmi_content *out)
{
    const void *from = remap->from->content(remap->from->rows, table, id);
    for (const struct ctmi_field *field = ctmi_schemas[table].fields; field->size != 0; field++) {
        uint32_t value = ctmi_field_get(field, from);
        if (ctmi_field_is_reference(field)) {
            const ctm_status status = translate(remap, table, field, &value);
            if (status != CTM_OK) {
                return status;
            }
        }
        ctmi_field_set(field, out, value);
    }
    return CTM_OK;
}

ctm_status ctmi_remap_row(struct ctmi_remap *remap, enum ctmi_table table, uint32_t id)
{
    uint32_t *to = &remap->ids[table][id];
    union ctmi_content content;
    if (id == 0 || *to != 0) {
        return CTM_OK;
    }
    if (table == CTMI_TABLE_STRINGS) {
        return remap_string(remap, id);
    }
    const ctm_status status = read_content(remap, table, id, &content);
    if (status != CTM_OK) {
        return status;
    }
    return table == CTMI_TABLE_TRACEBACKS ? intern_traceback(remap, &content, to)
                                          : ctmi_store_content(remap->to, table, &content, to);
}

ctm_status ctmi_remap_tables(struct ctmi_remap *remap, enum ctmi_table first, enum ctmi_table last)
{
    ctm_status status = CTM_OK;
    for (enum ctmi_table table = first; table <= last; table++) {
        for (uint32_t id = 1; id < remap->from->counts[table] && status == CTM_OK; id++) {
            status = ctmi_remap_row(remap, table, id);
        }
    }
    return status;
}
