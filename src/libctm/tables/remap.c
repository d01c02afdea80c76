/* tables/remap.c: see tables/remap.h. */
#include "tables/remap.h"

#include <string.h>

#include "base/memory.h"

#define INLINE static inline __attribute__((always_inline))

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

ctm_status ctmi_remap_expect(struct ctmi_remap *remap)
{
    ctm_status status = CTM_OK;
    for (enum ctmi_table table = 0; table < CTMI_ROWS_TABLES && status == CTM_OK; table++) {
        status = ctmi_store_expect(remap->to, table, remap->from->counts[table] - 1);
    }
    return status;
}

void ctmi_remap_free(struct ctmi_remap *remap)
{
    ctmi_mem_free(remap->memory);
}

static ctm_status remap_string(struct ctmi_remap *remap, uint32_t id)
{
    size_t length;
    const char *utf8 = remap->from->string(remap->from->strings, id, &length);
    return ctmi_store_string(remap->to, utf8, length, &remap->ids[CTMI_TABLE_STRINGS][id]);
}

/* Processes and shards of one program make their tracebacks in nearly the same order. So the row after the last one
 * found is tried first, without a lookup. */
INLINE ctm_status intern_traceback(struct ctmi_remap *remap, const union ctmi_content *content,
                                   uint32_t *out)
{
    const ctm_traceback *row = &content->traceback;
    const uint32_t before = ctmi_store_traceback_count(remap->to);
    if (remap->guess < before) {
        const ctm_traceback *there = &ctmi_store_traceback_row(remap->to, remap->guess)->row;
        if (there->parent == row->parent && there->frame == row->frame &&
            there->total_nframe == row->total_nframe) {
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

/* Adds the row that a row of `table` refers to, if it is not added yet. The recursion is at most as deep as there are
 * tables before `table` in the list. */
INLINE ctm_status add_referenced(struct ctmi_remap *remap, enum ctmi_table table,
                                 enum ctmi_table to, uint32_t id)
{
    if (id == 0 || remap->ids[to][id] != 0) {
        return CTM_OK;
    }
    CTMI_ASSERT(to != table);
    (void)table;
    return ctmi_remap_row(remap, to, id);
}

INLINE const void *content_at(const struct ctmi_row_source *from, enum ctmi_table table,
                              uint32_t id, size_t content_size, size_t row_size)
{
    return from->columns != NULL ? (const char *)from->columns[table] + id * content_size
                                 : ctmi_rows_get(&from->store->rows[table], id, row_size);
}

/* Adds the rows that a row refers to. */
INLINE ctm_status add_all_referenced(struct ctmi_remap *remap, enum ctmi_table table,
                                     const union ctmi_content *content)
{
    ctm_status status = CTM_OK;
    switch (table) {
#define FIELD(...)
#define REFERENCE(type, member, holds, to)                                   \
    if (status == CTM_OK) {                                                  \
        status = add_referenced(remap, table, CTMI_TABLE_##to, row->member); \
    }
#define TABLE(ID, one, many, number, section, type, in_store) \
    case CTMI_TABLE_##ID: {                                   \
        const __typeof__(type) *row = &content->one;          \
        CTMI_##ID##_FIELDS(FIELD, REFERENCE) break;           \
    }
        CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
#undef REFERENCE
    default: break;
    }
    return status;
}

INLINE void read_content(const struct ctmi_remap *remap, enum ctmi_table table, uint32_t id,
                         union ctmi_content *out)
{
    switch (table) {
#define TABLE(ID, one, many, number, section, type, in_store)                                  \
    case CTMI_TABLE_##ID:                                                                      \
        out->one =                                                                             \
            *(const type *)content_at(remap->from, table, id, sizeof(type), sizeof(in_store)); \
        break;
        CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
    default: break;
    }
}

/* Translates the references of a row, all of which are added, to ids of the store. */
INLINE void translate(const struct ctmi_remap *remap, enum ctmi_table table,
                      union ctmi_content *content)
{
    switch (table) {
#define REFERENCE(type, member, holds, to) row->member = remap->ids[CTMI_TABLE_##to][row->member];
#define TABLE(ID, one, many, number, section, type, in_store) \
    case CTMI_TABLE_##ID: {                                   \
        __typeof__(type) *row = &content->one;                \
        CTMI_##ID##_FIELDS(FIELD, REFERENCE) break;           \
    }
        CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
#undef REFERENCE
#undef FIELD
    default: break;
    }
}

INLINE ctm_status intern_content(struct ctmi_remap *remap, enum ctmi_table table, uint32_t id,
                                 union ctmi_content *content)
{
    uint32_t *to = &remap->ids[table][id];
    translate(remap, table, content);
    return table == CTMI_TABLE_TRACEBACKS ? intern_traceback(remap, content, to)
                                          : ctmi_store_content(remap->to, table, content, to);
}

/* A row that is not added yet. */
INLINE ctm_status add_row(struct ctmi_remap *remap, enum ctmi_table table, uint32_t id)
{
    union ctmi_content content;
    if (table == CTMI_TABLE_STRINGS) {
        return remap_string(remap, id);
    }
    read_content(remap, table, id, &content);
    const ctm_status status = add_all_referenced(remap, table, &content);
    return status == CTM_OK ? intern_content(remap, table, id, &content) : status;
}

/* --- loading ahead --- */

enum {
    SLOT_AHEAD = 24,
    ROW_AHEAD = 12
}; /* rows between the one that is added and the one whose … is loaded */

static void prefetch_traceback(const struct ctmi_remap *remap, uint64_t id, enum ctmi_prefetch what)
{
    union ctmi_content content;
    if (id < remap->from->counts[CTMI_TABLE_TRACEBACKS]) {
        read_content(remap, CTMI_TABLE_TRACEBACKS, (uint32_t)id, &content);
        translate(remap, CTMI_TABLE_TRACEBACKS, &content);
        ctmi_store_prefetch_traceback(remap->to, &content.traceback, what);
    }
}

void ctmi_remap_prefetch_traceback(const struct ctmi_remap *remap, uint32_t id)
{
    prefetch_traceback(remap, (uint64_t)id + SLOT_AHEAD, CTMI_PREFETCH_SLOT);
    prefetch_traceback(remap, (uint64_t)id + ROW_AHEAD, CTMI_PREFETCH_ROW);
}

static void prefetch_site(const struct ctmi_remap *remap, const ctm_site *site,
                          enum ctmi_prefetch what)
{
    const ctm_site key = {.block_size = site->block_size,
                          .domain = site->domain,
                          .traceback = remap->ids[CTMI_TABLE_TRACEBACKS][site->traceback],
                          .labels = remap->ids[CTMI_TABLE_LABELS][site->labels]};
    ctmi_store_prefetch_site(remap->to, &key, what);
}

void ctmi_remap_prefetch_site(const struct ctmi_remap *remap, uint32_t id,
                              const ctm_site *(*site_at)(const void *, uint32_t), const void *from)
{
    if (remap->from->counts[CTMI_TABLE_SITES] - id > SLOT_AHEAD) {
        prefetch_site(remap, site_at(from, id + SLOT_AHEAD), CTMI_PREFETCH_SLOT);
        prefetch_site(remap, site_at(from, id + ROW_AHEAD), CTMI_PREFETCH_ROW);
    }
}

/* All rows that the rows of the table refer to are added. */
INLINE ctm_status add_table(struct ctmi_remap *remap, enum ctmi_table table)
{
    ctm_status status = CTM_OK;
    const uint32_t count = remap->from->counts[table];
    for (uint32_t id = 1; id < count && status == CTM_OK; id++) {
        union ctmi_content content;
        if (table == CTMI_TABLE_STRINGS) {
            status = remap_string(remap, id);
        } else {
            if (table == CTMI_TABLE_TRACEBACKS) {
                ctmi_remap_prefetch_traceback(remap, id);
            }
            read_content(remap, table, id, &content);
            status = intern_content(remap, table, id, &content);
        }
    }
    return status;
}

/* The functions above are inlined here: each table has its own code. */
ctm_status ctmi_remap_row(struct ctmi_remap *remap, enum ctmi_table table, uint32_t id)
{
    if (id == 0 || remap->ids[table][id] != 0) {
        return CTM_OK;
    }
    switch (table) {
#define TABLE(ID, ...) \
    case CTMI_TABLE_##ID: return add_row(remap, CTMI_TABLE_##ID, id);
        CTMI_INTERNED_TABLES(TABLE)
#undef TABLE
    default: return CTM_ERR_INVALID;
    }
}

ctm_status ctmi_remap_tables(struct ctmi_remap *remap, enum ctmi_table last)
{
    ctm_status status = CTM_OK;
#define TABLE(ID, ...)                                 \
    if (status == CTM_OK && CTMI_TABLE_##ID <= last) { \
        status = add_table(remap, CTMI_TABLE_##ID);    \
    }
    CTMI_INTERNED_TABLES(TABLE)
#undef TABLE
    return status;
}
