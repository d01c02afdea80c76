/* formats/recording_tables.c: applies the payloads of blocks to the tables of a cursor; see formats/recording_reader.h.
 *
 * Model: each row is checked when it is added, and refers only to rows that exist already. Memory grows with the rows
 * that are in the file, so a file cannot cause allocations of more than a small multiple of its size.
 */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "base/weight.h"
#include "formats/recording_reader.h"

ctm_status ctmi_payload_fail(struct ctmi_payload *payload, const char *reason)
{
    if (payload->reason == NULL) {
        payload->reason = reason;
    }
    return CTM_ERR_FORMAT;
}

uint64_t ctmi_payload_varint(struct ctmi_payload *payload)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && payload->at < payload->end; shift += 7) {
        const unsigned char byte = *payload->at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    ctmi_payload_fail(payload, "a number is cut off or too large");
    payload->at = payload->end;
    return 0;
}

/* Reads a number that must not exceed `most`. */
static uint32_t read_small(struct ctmi_payload *payload, uint64_t most, const char *reason)
{
    const uint64_t value = ctmi_payload_varint(payload);
    if (value > most) {
        ctmi_payload_fail(payload, reason);
    }
    return value > most ? 0 : (uint32_t)value;
}

static int32_t read_small_signed(struct ctmi_payload *payload, const char *reason)
{
    const int64_t value = ctmi_unfold(ctmi_payload_varint(payload));
    if (value < INT32_MIN || value > INT32_MAX) {
        ctmi_payload_fail(payload, reason);
    }
    return (int32_t)value;
}

/* --- tables --- */

static uint32_t row_size(int table)
{
    return table == CTMI_TABLE_STRINGS ? (uint32_t)sizeof(struct ctmi_recorded_string)
                                       : ctmi_schemas[table].content_size;
}

static bool grow(void **rows, uint64_t count, size_t size)
{
    void *grown = ctmi_mem_realloc(*rows, (size_t)count * size);
    if (grown != NULL) {
        *rows = grown;
    }
    return grown != NULL;
}

/* Returns a new row at the end of the table, which is not counted yet; NULL: out of memory. */
static void *new_row(struct ctmi_recorded *tables, int table)
{
    uint32_t *capacity = &tables->capacities[table];
    const uint32_t size = row_size(table);
    if (tables->counts[table] == *capacity) {
        const uint64_t more = *capacity ? (uint64_t)*capacity * 2 : 64;
        if (more > UINT32_MAX || !grow(&tables->rows[table], more, size) ||
            (table == CTMI_TABLE_TRACEBACKS &&
             !grow((void **)&tables->lengths, more, sizeof(uint32_t)))) {
            return NULL;
        }
        *capacity = (uint32_t)more;
    }
    return memset((char *)tables->rows[table] + (size_t)tables->counts[table] * size, 0, size);
}

static void free_tables(struct ctmi_recorded *tables)
{
    if (tables == NULL) {
        return;
    }
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        ctmi_mem_free(tables->rows[table]);
    }
    ctmi_mem_free(tables->lengths);
    ctmi_mem_free(tables->bytes);
    ctmi_forecast_free(&tables->forecast);
    ctmi_mem_free(tables);
}

/* Returns the tables of a store, with row 0 in each; NULL: out of memory. */
static struct ctmi_recorded *get_tables(struct ctmi_cursor *cursor, uint32_t store)
{
    struct ctmi_recorded *tables = cursor->stores[store];
    if (tables != NULL) {
        return tables;
    }
    tables = ctmi_mem_alloc(sizeof *tables);
    if (tables == NULL) {
        return NULL;
    }
    memset(tables, 0, sizeof *tables);
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        if (new_row(tables, table) == NULL) {
            free_tables(tables);
            return NULL;
        }
        tables->counts[table] = 1;
    }
    tables->lengths[0] = 0;
    return cursor->stores[store] = tables;
}

void ctmi_cursor_empty(struct ctmi_cursor *cursor)
{
    for (int store = 0; store < (int)CTMI_RECORDING_STORES; store++) {
        free_tables(cursor->stores[store]);
        cursor->stores[store] = NULL;
    }
    cursor->bytes = cursor->blocks = cursor->weighted_bytes = 0;
    cursor->weighted_blocks = 0;
    cursor->losses.n = 0;
}

/* --- rows --- */

static ctm_status add_bytes(struct ctmi_recorded *tables, const unsigned char *bytes, size_t length)
{
    while (tables->bytes_capacity - tables->bytes_length < length) {
        const uint64_t more = tables->bytes_capacity ? tables->bytes_capacity * 2 : 4096;
        char *grown = more > PTRDIFF_MAX ? NULL : ctmi_mem_realloc(tables->bytes, (size_t)more);
        if (grown == NULL) {
            return CTM_ERR_NOMEM;
        }
        tables->bytes = grown;
        tables->bytes_capacity = more;
    }
    memcpy(tables->bytes + tables->bytes_length, bytes, length);
    tables->bytes_length += length;
    return CTM_OK;
}

static ctm_status read_string(struct ctmi_payload *payload, struct ctmi_recorded *tables, void *row)
{
    const uint64_t length = ctmi_payload_varint(payload);
    if (length == 0 || length > (uint64_t)(payload->end - payload->at) || length >= UINT32_MAX) {
        return ctmi_payload_fail(payload, "a string's length is wrong");
    }
    if (ctmi_utf8_fault(payload->at, (size_t)length) != length) {
        return ctmi_payload_fail(payload, "a string is not UTF-8");
    }
    *(struct ctmi_recorded_string *)row =
        (struct ctmi_recorded_string){tables->bytes_length, (uint32_t)length};
    ctm_status status = add_bytes(tables, payload->at, (size_t)length);
    payload->at += length;
    return status;
}

/* Reads a reference to a row that exists already. */
static inline uint32_t read_reference(struct ctmi_payload *payload,
                                      const struct ctmi_recorded *tables, enum ctmi_table table,
                                      enum ctmi_table to)
{
    const uint64_t id = ctmi_payload_varint(payload);
    if (id < tables->counts[to]) {
        return (uint32_t)id;
    }
    ctmi_payload_fail(payload,
                      table == to ? ctmi_schemas[table].no_parent : ctmi_schemas[to].no_such_row);
    return 0;
}

/* Reads a field of `size` bytes, which holds no reference, if it is part of the key. */
static inline uint64_t read_field(struct ctmi_payload *payload, enum ctmi_holds holds, size_t size,
                                  const char *range)
{
    if (!ctmi_holds_key(holds)) {
        return 0;
    }
    if (holds == CTMI_HOLDS_SIGNED) {
        return (uint32_t)read_small_signed(payload, range);
    }
    return size == sizeof(uint32_t) ? read_small(payload, UINT32_MAX, range)
                                    : ctmi_payload_varint(payload);
}

/* Reads the key of the next row. */
static ctm_status read_content(struct ctmi_payload *payload, const struct ctmi_recorded *tables,
                               int table, void *content)
{
    bool is_without = false;
    switch (table) {
#define FIELD(type, member, what, ...)                 \
    row->member = (__typeof__(row->member))read_field( \
        payload, CTMI_HOLDS_##what, sizeof row->member, ((struct ctmi_field){__VA_ARGS__}).range);
#define REFERENCE(type, member, what, to)                                                   \
    row->member = read_reference(payload, tables, (enum ctmi_table)table, CTMI_TABLE_##to); \
    is_without = is_without || (CTMI_HOLDS_##what == CTMI_HOLDS_SOME_ROW && row->member == 0);
#define TABLE(ID, one, many, number, section, type, in_store) \
    case CTMI_TABLE_##ID: {                                   \
        __typeof__(type) *row = content;                      \
        CTMI_##ID##_FIELDS(FIELD, REFERENCE) break;           \
    }
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
#undef REFERENCE
#undef FIELD
    default: break;
    }
    return is_without ? ctmi_payload_fail(payload, ctmi_schemas[table].without) : CTM_OK;
}

static ctm_status set_length(struct ctmi_payload *payload, const struct ctmi_recorded *tables,
                             const ctm_traceback *row)
{
    const uint32_t length = tables->lengths[row->parent] + 1;
    tables->lengths[tables->counts[CTMI_TABLE_TRACEBACKS]] = length;
    return length <= CTM_MAX_NFRAME ? CTM_OK
                                    : ctmi_payload_fail(payload, "a traceback has too many frames");
}

static ctm_status read_row(struct ctmi_payload *payload, struct ctmi_recorded *tables, int table)
{
    void *row = new_row(tables, table);
    if (row == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = table == CTMI_TABLE_STRINGS ? read_string(payload, tables, row)
                                                    : read_content(payload, tables, table, row);
    if (status == CTM_OK && table == CTMI_TABLE_TRACEBACKS) {
        status = set_length(payload, tables, row);
    }
    if (status == CTM_OK && payload->reason != NULL) {
        status = CTM_ERR_FORMAT;
    }
    return status;
}

ctm_status ctmi_apply_rows(struct ctmi_cursor *cursor, struct ctmi_payload *payload)
{
    uint64_t counts[CTMI_ROWS_TABLES];
    const uint32_t store =
        read_small(payload, CTMI_RECORDING_STORES - 1, "a store's number is too large");
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        counts[table] = ctmi_payload_varint(payload);
    }
    if (payload->reason != NULL) {
        return CTM_ERR_FORMAT;
    }
    struct ctmi_recorded *tables = get_tables(cursor, store);
    if (tables == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        for (uint64_t i = 0; i < counts[table]; i++) {
            ctm_status status = read_row(payload, tables, table);
            if (status != CTM_OK) {
                return status;
            }
            tables->counts[table]++;
        }
    }
    return CTM_OK;
}

/* --- spans and ticks --- */

static ctm_status read_time(struct ctmi_cursor *cursor, struct ctmi_payload *payload)
{
    const uint64_t time = ctmi_payload_varint(payload);
    if (time < cursor->time || time > INT64_MAX) {
        return ctmi_payload_fail(payload, "time goes backwards");
    }
    cursor->time = time;
    return CTM_OK;
}

ctm_status ctmi_apply_span(struct ctmi_cursor *cursor, struct ctmi_payload *payload)
{
    if (read_time(cursor, payload) != CTM_OK) {
        return CTM_ERR_FORMAT;
    }
    ctm_recording_span span = {.time = cursor->time};
    span.tracing = read_small(payload, 1, "a span is neither traced nor not") != 0;
    span.nframe = read_small(payload, CTM_MAX_NFRAME, "a limit of frames is out of range");
    span.sample_interval = ctmi_payload_varint(payload);
    if (span.sample_interval > CTM_MAX_SAMPLE_INTERVAL) {
        ctmi_payload_fail(payload, "a sample interval is out of range");
    }
    if (payload->reason != NULL) {
        return CTM_ERR_FORMAT;
    }
    ctmi_cursor_empty(cursor);
    cursor->span = span;
    cursor->spans++;
    return CTM_OK;
}

/* Adds `allocated` to the site's allocated blocks and `live` to its live blocks. */
static ctm_status change_site(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                              ctm_site *site, uint64_t allocated, int64_t live)
{
    uint64_t freed, sum;
    /* `freed` grows by the blocks that were allocated and are not live, which is never below 0. */
    if (__builtin_sub_overflow(allocated, live, &freed) ||
        __builtin_add_overflow(site->allocated, allocated, &sum) ||
        __builtin_add_overflow(site->freed, freed, &freed) || freed > sum) {
        return ctmi_payload_fail(payload, "a site's counters are not possible");
    }
    site->allocated = sum;
    site->freed = freed;
    cursor->blocks += (uint64_t)live;
    cursor->bytes += (uint64_t)live * site->block_size;
    const uint64_t interval = cursor->span.sample_interval;
    if (interval != 0) {
        cursor->weighted_bytes += (uint64_t)live * ctmi_weighted_size(site->block_size, interval);
        cursor->weighted_blocks += (double)live * ctmi_weight(site->block_size, interval);
    }
    return CTM_OK;
}

/* Changes the counters of the next expected site, which must exist. */
static ctm_status change_expected(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                                  struct ctmi_recorded *tables, uint64_t allocated, int64_t live)
{
    const uint32_t site = ctmi_forecast_site(&tables->forecast);
    if (payload->reason != NULL) {
        return CTM_ERR_FORMAT;
    }
    if (site >= tables->counts[CTMI_TABLE_SITES]) {
        return ctmi_payload_fail(payload, "no such site");
    }
    ctm_status status = change_site(cursor, payload, &tables->sites[site], allocated, live);
    if (status != CTM_OK) {
        return status;
    }
    return ctmi_forecast_met(&tables->forecast, allocated) ? CTM_OK : CTM_ERR_NOMEM;
}

/* Reads a run of sites that are as expected, or have rested. */
static ctm_status read_run(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                           struct ctmi_recorded *tables, uint64_t length, bool rested)
{
    const struct ctmi_forecast *forecast = &tables->forecast;
    if (length > forecast->count - forecast->at) {
        return ctmi_payload_fail(payload, "no such site");
    }
    ctm_status status = CTM_OK;
    for (; length > 0 && status == CTM_OK; length--) {
        const uint64_t allocated = rested ? 0 : ctmi_forecast_blocks(forecast);
        status = change_expected(cursor, payload, tables, allocated, 0);
    }
    return status;
}

static ctm_status read_new(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                           struct ctmi_recorded *tables, uint32_t last, uint64_t gap)
{
    const uint64_t allocated = ctmi_payload_varint(payload);
    const int64_t live = ctmi_unfold(ctmi_payload_varint(payload));
    if (payload->reason != NULL) {
        return CTM_ERR_FORMAT;
    }
    if (gap == 0 || gap >= tables->counts[CTMI_TABLE_SITES] - (uint64_t)last ||
        last + gap >= ctmi_forecast_site(&tables->forecast)) {
        return ctmi_payload_fail(payload, "no such site");
    }
    const uint32_t site = last + (uint32_t)gap;
    ctm_status status = change_site(cursor, payload, &tables->sites[site], allocated, live);
    if (status != CTM_OK) {
        return status;
    }
    return ctmi_forecast_add(&tables->forecast, site, allocated) ? CTM_OK : CTM_ERR_NOMEM;
}

/* Reads an entry for the next expected site. */
static ctm_status read_expected(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                                struct ctmi_recorded *tables, uint32_t entry, uint64_t value)
{
    const struct ctmi_forecast *forecast = &tables->forecast;
    if (forecast->at == forecast->count) {
        return ctmi_payload_fail(payload, "no such site");
    }
    uint64_t allocated = ctmi_forecast_blocks(forecast);
    int64_t live = 0;
    if (entry == CTMI_ENTRY_OFF || entry == CTMI_ENTRY_OFF_LIVE) {
        allocated += (uint64_t)ctmi_unfold(value);
    }
    if (entry == CTMI_ENTRY_PLAIN) {
        allocated = ctmi_payload_varint(payload);
    }
    if (entry == CTMI_ENTRY_MET_LIVE) {
        live = ctmi_unfold(value);
    } else if (entry != CTMI_ENTRY_OFF) {
        live = ctmi_unfold(ctmi_payload_varint(payload));
    }
    return change_expected(cursor, payload, tables, allocated, live);
}

static ctm_status read_changes(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                               struct ctmi_recorded *tables)
{
    const struct ctmi_forecast *forecast = &tables->forecast;
    uint32_t last = 0; /* the previous site */
    for (;;) {
        const uint64_t head = ctmi_payload_varint(payload);
        const uint32_t entry = head & ((1u << CTMI_ENTRY_BITS) - 1);
        const uint64_t value = head >> CTMI_ENTRY_BITS;
        ctm_status status;
        if (payload->reason != NULL) {
            return CTM_ERR_FORMAT;
        }
        if (entry == CTMI_ENTRY_END) {
            return value == 0 ? CTM_OK : ctmi_payload_fail(payload, "no such entry");
        }
        if (entry == CTMI_ENTRY_MET || entry == CTMI_ENTRY_RESTED) {
            status = read_run(cursor, payload, tables, value, entry == CTMI_ENTRY_RESTED);
        } else if (entry == CTMI_ENTRY_NEW) {
            status = read_new(cursor, payload, tables, last, value);
        } else {
            status = read_expected(cursor, payload, tables, entry, value);
        }
        if (status != CTM_OK) {
            return status;
        }
        if (entry == CTMI_ENTRY_NEW) {
            last += (uint32_t)value;
        } else if (forecast->at > 0) {
            last = forecast->list[forecast->at - 1].site;
        }
    }
}

static ctm_status read_stores(struct ctmi_cursor *cursor, struct ctmi_payload *payload)
{
    uint32_t before = 0;
    for (;;) {
        const uint32_t store =
            read_small(payload, CTMI_RECORDING_STORES, "a store's number is too large");
        if (payload->reason != NULL) {
            return CTM_ERR_FORMAT;
        }
        if (store == 0) {
            return CTM_OK;
        }
        if (store <= before || cursor->stores[store - 1] == NULL) {
            return ctmi_payload_fail(payload, "no such store");
        }
        before = store;
        ctm_status status = read_changes(cursor, payload, cursor->stores[store - 1]);
        if (status != CTM_OK) {
            return status;
        }
    }
}

/* Reads the lists of a tick and updates the forecasts of all stores, listed or not. */
static ctm_status read_lists(struct ctmi_cursor *cursor, struct ctmi_payload *payload)
{
    for (uint32_t store = 0; store < CTMI_RECORDING_STORES; store++) {
        if (cursor->stores[store] != NULL) {
            ctmi_forecast_begin(&cursor->stores[store]->forecast);
        }
    }
    ctm_status status = read_stores(cursor, payload);
    for (uint32_t store = 0; store < CTMI_RECORDING_STORES && status == CTM_OK; store++) {
        if (cursor->stores[store] != NULL && !ctmi_forecast_end(&cursor->stores[store]->forecast)) {
            status = CTM_ERR_NOMEM;
        }
    }
    return status;
}

static uint64_t rounded(double value)
{
    return value < 0.5 ? 0 : value < 9.2e18 ? (uint64_t)(value + 0.5) : INT64_MAX;
}

ctm_status ctmi_apply_tick(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                           ctm_moment *out)
{
    if (!cursor->span.tracing) {
        return ctmi_payload_fail(payload, "a tick while nothing is traced");
    }
    if (read_time(cursor, payload) != CTM_OK) {
        return CTM_ERR_FORMAT;
    }
    *out = (ctm_moment){.time = cursor->time, .span = cursor->spans - 1};
    out->bytes = ctmi_payload_varint(payload);
    out->blocks = ctmi_payload_varint(payload);
    out->peak_bytes = ctmi_payload_varint(payload);
    out->resident_bytes = ctmi_payload_varint(payload);
    ctm_status status = read_lists(cursor, payload);
    if (status != CTM_OK) {
        return status;
    }
    if (out->bytes != cursor->bytes || out->blocks != cursor->blocks || out->bytes > INT64_MAX ||
        out->blocks > INT64_MAX || out->peak_bytes > INT64_MAX) {
        return ctmi_payload_fail(payload, "a tick's totals are not the sums over the sites");
    }
    if (cursor->span.sample_interval != 0) {
        out->bytes = cursor->weighted_bytes > INT64_MAX ? 0 : cursor->weighted_bytes;
        out->blocks = rounded(cursor->weighted_blocks);
    }
    cursor->moments++;
    return CTM_OK;
}
