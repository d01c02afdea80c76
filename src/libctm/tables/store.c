/* tables/store.c: interning; see store.h.
 *
 * Model: intern looks the content up in the index of the table. If it is not found, memory is reserved in the index,
 * then in the rows, and only then is the row written. Nothing is visible before all memory is reserved, so every call
 * is failure-atomic without undoing anything.
 *
 * The generic functions get a description of the table. The descriptions are constants and `intern` is always
 * inlined, so a table with an interning function has its own code without calls through a pointer. A table needs none:
 * ctmi_store_content interns a row of any. A row is its content, and so is its key, where no function here says more.
 */
#include "tables/store.h"

#include <string.h>

#include "base/sizes.h"
#include "base/utf8.h"
#include "tables/rows.h"

#define INLINE static inline __attribute__((always_inline))

/* --- hashing ---
 * Ids and sizes are small numbers. Two of them are never combined by one `^`, because many pairs have the same
 * result. */
static inline uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
    return hash ^ (hash >> 32);
}

static uint32_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t hash = mix(0, length), word;
    for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    if (length > 0) {
        memcpy(&word, bytes, length);
    }
    return (uint32_t)mix(hash, word);
}

static uint32_t hash_string_row(const struct ctmi_store *store, uint32_t id)
{
    return ((struct ctmi_string_row *)ctmi_rows_at(&store->strings, id,
                                                   sizeof(struct ctmi_string_row)))
        ->hash;
}

static uint32_t hash_site(const ctm_site *key)
{
    uint64_t hash =
        mix(mix(key->block_size, key->labels), (uint64_t)key->domain << 32 | key->traceback);
    return (uint32_t)hash;
}

INLINE uint32_t hash_fields(const uint32_t *fields, size_t count)
{
    uint64_t hash = 0;
    size_t at = 0;
    for (; at + 2 <= count; at += 2) {
        hash = mix(hash, fields[at] | (uint64_t)fields[at + 1] << 32);
    }
    return (uint32_t)(at < count ? mix(hash, fields[at]) : hash);
}

/* hash_function, hash_frame … Fields are read one by one, for the reason that same_function … have. */
#define FIELD(type, member, ...) (uint32_t)key->member,
#define TABLE(ID, one, many, number, section, type, in_store)              \
    INLINE uint32_t hash_##one(const __typeof__(type) *key)                \
    {                                                                      \
        const uint32_t fields[] = {CTMI_##ID##_FIELDS(FIELD, FIELD)};      \
        _Static_assert(sizeof fields == sizeof *key, "fields of 4 bytes"); \
        return hash_fields(fields, sizeof fields / sizeof *fields);        \
    }
CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
#undef FIELD

/* hash_function_row, hash_frame_row … */
#define TABLE(ID, one, many, number, section, type, in_store)                           \
    static uint32_t hash_##one##_row(const struct ctmi_store *store, uint32_t id)       \
    {                                                                                   \
        const __typeof__(type) *key = ctmi_rows_at(&store->many, id, sizeof(in_store)); \
        return hash_##one(key);                                                         \
    }
CTMI_CONTENT_TABLES(TABLE)
#undef TABLE

/* --- comparing a row with a key --- */
struct string_key {
    const char *utf8;
    size_t length;
    uint32_t hash;
};

static bool same_string(const struct ctmi_store *store, uint32_t id, const void *with)
{
    const struct string_key *key = with;
    const struct ctmi_string_row *row = ctmi_rows_at(&store->strings, id, sizeof *row);
    return row->hash == key->hash && row->length == key->length &&
           memcmp(ctmi_bytes_at(&store->bytes, row->offset), key->utf8, key->length) == 0;
}

/* same_function, same_frame … Fields are compared one by one: a comparison of more bytes at once waits until the
 * processor has written the fields of the key to its cache. */
#define FIELD(type, member, ...) &&row->member == key->member
#define TABLE(ID, one, many, number, section, type, in_store)                             \
    static bool same_##one(const struct ctmi_store *store, uint32_t id, const void *with) \
    {                                                                                     \
        const __typeof__(type) *key = with,                                               \
                               *row = ctmi_rows_get(&store->many, id, sizeof(in_store));  \
        return true CTMI_##ID##_FIELDS(FIELD, FIELD);                                     \
    }
CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
#undef FIELD

static bool same_site(const struct ctmi_store *store, uint32_t id, const void *with)
{
    return ctmi_site_has_key(&ctmi_store_site_row(store, id)->site, with);
}

/* --- writing a new row; may fail only before it changes anything --- */
static ctm_status write_string(struct ctmi_store *store, void *row, const void *from)
{
    const struct string_key *key = from;
    uint64_t offset;
    /* Checked here and not at each call: strings that are in the table are valid. */
    if (ctmi_utf8_fault((const unsigned char *)key->utf8, key->length) < key->length) {
        return CTM_ERR_INVALID;
    }
    ctm_status status = ctmi_bytes_reserve(&store->bytes, key->length + 1, &offset);
    if (status != CTM_OK) {
        return status;
    }
    char *bytes = ctmi_bytes_at(&store->bytes, offset);
    memcpy(bytes, key->utf8, key->length);
    bytes[key->length] = '\0';
    store->bytes.end = offset + key->length + 1;
    *(struct ctmi_string_row *)row = (struct ctmi_string_row){
        .offset = offset, .length = (uint32_t)key->length, .hash = key->hash};
    return CTM_OK;
}

static ctm_status put_traceback(struct ctmi_store *store, struct ctmi_traceback_row *row,
                                const ctm_traceback *key)
{
    uint32_t below = key->parent ? ctmi_store_traceback_row(store, key->parent)->length : 0;
    if (below >= CTM_MAX_NFRAME) {
        return CTM_ERR_INVALID;
    }
    *row = (struct ctmi_traceback_row){.row = *key, .length = below + 1};
    return CTM_OK;
}

static ctm_status put_label(struct ctmi_store *store, struct ctmi_label_row *row,
                            const ctm_label *key)
{
    uint32_t below = key->parent ? ctmi_store_label_row(store, key->parent)->length : 0;
    if (below >= CTM_MAX_LABELS) {
        return CTM_ERR_INVALID;
    }
    *row = (struct ctmi_label_row){.row = *key, .length = below + 1};
    return CTM_OK;
}

static ctm_status put_site(struct ctmi_site_row *row, const ctm_site *key)
{
    /* Field by field: a copy of the whole waits until the processor has written the fields of the key to its cache. */
    row->site = (ctm_site){.block_size = key->block_size,
                           .domain = key->domain,
                           .traceback = key->traceback,
                           .labels = key->labels};
    atomic_init(&row->freed_remote, 0);
    atomic_init(&row->remote_since, 0);
    return CTM_OK;
}

INLINE ctm_status put_content(struct ctmi_store *store, enum ctmi_table table, void *row,
                              const void *key, size_t size)
{
    switch (table) {
    case CTMI_TABLE_TRACEBACKS: return put_traceback(store, row, key);
    case CTMI_TABLE_LABELS: return put_label(store, row, key);
    case CTMI_TABLE_SITES: return put_site(row, key);
    default: memcpy(row, key, size); return CTM_OK;
    }
}

/* write_function, write_frame … */
#define TABLE(ID, one, many, number, section, content, row_type)                        \
    static ctm_status write_##one(struct ctmi_store *store, void *row, const void *key) \
    {                                                                                   \
        return put_content(store, CTMI_TABLE_##ID, row, key, sizeof(content));          \
    }
CTMI_CONTENT_TABLES(TABLE)
#undef TABLE

/* --- the generic part --- */
struct table {
    enum ctmi_table table;
    size_t rows;  /* offset of its ctmi_rows in a store */
    size_t index; /* offset of its ctmi_index */
    size_t row_size;
    uint32_t (*hash_row)(const struct ctmi_store *store, uint32_t id);
    bool (*same)(const struct ctmi_store *store, uint32_t id, const void *key);
    ctm_status (*write)(struct ctmi_store *store, void *row, const void *key);
};

/* string_table, function_table … */
#define TABLE(ID, one, many, number, section, content, row)                            \
    static const struct table one##_table = {CTMI_TABLE_##ID,                          \
                                             offsetof(struct ctmi_store, many),        \
                                             offsetof(struct ctmi_store, one##_index), \
                                             sizeof(row),                              \
                                             hash_##one##_row,                         \
                                             same_##one,                               \
                                             write_##one};
CTMI_ALL_TABLES(TABLE)
#undef TABLE

static const struct table *const tables[CTMI_ROWS_TABLES] = {
#define TABLE(ID, one, ...) &one##_table,
    CTMI_ALL_TABLES(TABLE)
#undef TABLE
};

INLINE uint32_t find(const struct ctmi_store *store, const struct table *table, uint32_t hash,
                     const void *key)
{
    const struct ctmi_index *index = (const void *)((const char *)store + table->index);
    if (index->slots == NULL) {
        return 0;
    }
    for (uint32_t at = hash & index->mask;; at = (at + 1) & index->mask) {
        const uint32_t slot = index->slots[at];
        if (slot == 0) {
            return 0;
        }
        const uint32_t id = ctmi_index_id(index, slot);
        if (ctmi_index_may_have(index, slot, hash) && table->same(store, id, key)) {
            return id;
        }
    }
}

/* Whether a content, of row `id`, the next one, refers only to existing rows. */
static bool is_valid_row(const struct ctmi_store *store, enum ctmi_table table, const void *row,
                         uint32_t id)
{
    uint32_t counts[CTMI_ROWS_TABLES];
    for (int i = 0; i < CTMI_ROWS_TABLES; i++) {
        counts[i] = store->rows[i].count;
    }
    return ctmi_content_fault(table, row, id, counts) == NULL;
}

INLINE ctm_status append(struct ctmi_store *store, const struct table *table, const void *key,
                         uint32_t *out)
{
    struct ctmi_rows *rows = (void *)((char *)store + table->rows);
    ctm_status status = ctmi_rows_reserve(rows);
    if (status == CTM_OK) {
        CTMI_ASSERT(rows->count >= 1 && rows->count < rows->limit);
        void *row = ctmi_rows_at(rows, rows->count, table->row_size);
        status = table->write(store, row, key);
        CTMI_ASSERT(status != CTM_OK || is_valid_row(store, table->table, row, rows->count));
    }
    if (status == CTM_OK) {
        *out = rows->count;
        __atomic_store_n(&rows->count, *out + 1, __ATOMIC_RELEASE); /* see ctmi_rows_published */
        if (rows->backed.published != NULL) {
            __atomic_store_n(rows->backed.published, (uint64_t)*out + 1, __ATOMIC_RELEASE);
        }
    }
    return status;
}

INLINE ctm_status intern(struct ctmi_store *store, const struct table *table, uint32_t hash,
                         const void *key, uint32_t *out)
{
    struct ctmi_index *index = (void *)((char *)store + table->index);
    uint32_t found = find(store, table, hash, key);
    if (found != 0) {
        *out = found;
        return CTM_OK;
    }
    ctm_status status = ctmi_index_reserve(index, store, table->hash_row);
    if (status == CTM_OK) {
        status = append(store, table, key, out);
    }
    if (status == CTM_OK) {
        ctmi_index_put(index, hash, *out);
    }
    return status;
}

/* --- interning --- */
ctm_status ctmi_store_string(struct ctmi_store *store, const char *utf8, size_t length,
                             uint32_t *out)
{
    if (length == 0) {
        *out = 0;
        return CTM_OK;
    }
    if (length >= UINT32_MAX) {
        return CTM_ERR_LIMIT;
    }
    struct string_key key = {utf8, length, hash_bytes(utf8, length)};
    return intern(store, &string_table, key.hash, &key, out);
}

INLINE ctm_status add_function(struct ctmi_store *store, const ctm_function *key, uint32_t *out)
{
    if (key->filename >= store->strings.count || key->name >= store->strings.count) {
        return CTM_ERR_INVALID;
    }
    return intern(store, &function_table, hash_function(key), key, out);
}

ctm_status ctmi_store_function(struct ctmi_store *store, uint32_t filename, uint32_t name,
                               int32_t first_lineno, uint32_t *out)
{
    const ctm_function key = {.filename = filename, .name = name, .first_lineno = first_lineno};
    return add_function(store, &key, out);
}

INLINE ctm_status add_frame(struct ctmi_store *store, const ctm_frame *key, uint32_t *out)
{
    if (key->function == 0 || key->function >= store->functions.count) {
        return CTM_ERR_INVALID;
    }
    return intern(store, &frame_table, hash_frame(key), key, out);
}

ctm_status ctmi_store_frame(struct ctmi_store *store, uint32_t function, int32_t lineno,
                            uint32_t *out)
{
    const ctm_frame key = {.function = function, .lineno = lineno};
    return add_frame(store, &key, out);
}

INLINE ctm_status add_traceback(struct ctmi_store *store, const ctm_traceback *key, uint32_t *out)
{
    if (key->frame == 0 || key->frame >= store->frames.count ||
        key->parent >= store->tracebacks.count) {
        return CTM_ERR_INVALID;
    }
    return intern(store, &traceback_table, hash_traceback(key), key, out);
}

ctm_status ctmi_store_traceback(struct ctmi_store *store, uint32_t parent, uint32_t frame,
                                int32_t total_nframe, uint32_t *out)
{
    const ctm_traceback key = {.parent = parent, .frame = frame, .total_nframe = total_nframe};
    return add_traceback(store, &key, out);
}

/* Compares the bytes of strings `a` and `b`, as strcmp does. */
static int compare_strings(const struct ctmi_store *store, uint32_t a, uint32_t b)
{
    size_t one, two;
    const char *first = ctmi_store_string_row(store, a, &one);
    const char *second = ctmi_store_string_row(store, b, &two);
    const int order = a == b ? 0 : memcmp(first, second, one < two ? one : two);
    return order != 0 ? order : (one > two) - (one < two);
}

/* Inserts the pair into the chain, which is sorted by key, and interns the later pairs again. The recursion is at most
 * CTM_MAX_LABELS deep, because a chain has at most so many pairs. */
static ctm_status add_pair(struct ctmi_store *store, uint32_t set, const ctm_label *pair,
                           uint32_t *out)
{
    ctm_label key = {set, pair->key, pair->value};
    if (set != 0) {
        const ctm_label last = ctmi_store_label_row(store, set)->row;
        const int order = compare_strings(store, last.key, pair->key);
        if (order > 0) {
            ctm_status status = add_pair(store, last.parent, pair, &key.parent);
            if (status != CTM_OK) {
                return status;
            }
            key.key = last.key;
            key.value = last.value;
        } else if (order == 0) {
            key.parent = last.parent;
        }
    }
    return intern(store, &label_table, hash_label(&key), &key, out);
}

ctm_status ctmi_store_label(struct ctmi_store *store, uint32_t set, uint32_t key, uint32_t value,
                            uint32_t *out)
{
    const ctm_label pair = {0, key, value};
    size_t length;
    if (set >= store->labels.count || key == 0 || key >= store->strings.count ||
        value >= store->strings.count) {
        return CTM_ERR_INVALID;
    }
    ctmi_store_string_row(store, key, &length);
    if (length > CTM_MAX_LABEL_KEY) {
        return CTM_ERR_INVALID;
    }
    return add_pair(store, set, &pair, out);
}

ctm_status ctmi_store_site(struct ctmi_store *store, uint32_t domain, uint32_t traceback,
                           uint64_t block_size, uint32_t labels, uint32_t *out)
{
    ctm_site key = {
        .block_size = block_size, .domain = domain, .traceback = traceback, .labels = labels};
    if (traceback >= store->tracebacks.count || labels >= store->labels.count) {
        return CTM_ERR_INVALID;
    }
    if (traceback == 0) {
        return intern(store, &site_table, hash_site(&key), &key, out);
    }
    /* Most allocations with one traceback have the same size as the last one. */
    struct ctmi_traceback_row *row = ctmi_store_traceback_row(store, traceback);
    if (row->last_site != 0 && same_site(store, row->last_site, &key)) {
        *out = row->last_site;
        return CTM_OK;
    }
    ctm_status status = intern(store, &site_table, hash_site(&key), &key, out);
    if (status == CTM_OK) {
        row->last_site = *out;
    }
    return status;
}

ctm_status ctmi_store_site_append(struct ctmi_store *store, uint32_t domain, uint32_t traceback,
                                  uint64_t block_size, uint32_t labels, uint32_t *out)
{
    if (traceback >= store->tracebacks.count || labels >= store->labels.count) {
        return CTM_ERR_INVALID;
    }
    ctm_site key = {
        .block_size = block_size, .domain = domain, .traceback = traceback, .labels = labels};
    return append(store, &site_table, &key, out);
}

/* Interns a row of any table whose key is the whole content. */
static ctm_status add_content(struct ctmi_store *store, enum ctmi_table table,
                              const union ctmi_content *content, uint32_t *out)
{
    if (!is_valid_row(store, table, content, store->rows[table].count)) {
        return CTM_ERR_INVALID;
    }
    switch (table) {
#define TABLE(ID, one, ...) \
    case CTMI_TABLE_##ID:   \
        return intern(store, &one##_table, hash_##one(&content->one), &content->one, out);
        CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
    default: return CTM_ERR_INVALID;
    }
}

ctm_status ctmi_store_content(struct ctmi_store *store, enum ctmi_table table,
                              const union ctmi_content *content, uint32_t *out)
{
    const ctm_label *label = &content->label;
    switch (table) {
    case CTMI_TABLE_STRINGS:
    case CTMI_TABLE_SITES: return CTM_ERR_INVALID;
    case CTMI_TABLE_FRAMES: return add_frame(store, &content->frame, out);
    case CTMI_TABLE_TRACEBACKS: return add_traceback(store, &content->traceback, out);
    case CTMI_TABLE_LABELS:
        return ctmi_store_label(store, label->parent, label->key, label->value, out);
    default: return add_content(store, table, content, out);
    }
}

ctm_status ctmi_store_map_row(struct ctmi_store *store, enum ctmi_table table)
{
    const ctm_status status = ctmi_rows_map(&store->rows[table]);
    return status == CTM_OK
               ? ctmi_index_reserve(&store->index[table], store, tables[table]->hash_row)
               : status;
}

/* --- many rows --- */

ctm_status ctmi_store_expect(struct ctmi_store *store, enum ctmi_table table, uint32_t rows)
{
    return ctmi_index_expect(&store->index[table], rows);
}

INLINE void prefetch(const struct ctmi_store *store, const struct table *table, uint32_t hash,
                     enum ctmi_prefetch what)
{
    const struct ctmi_index *index = (const void *)((const char *)store + table->index);
    const struct ctmi_rows *rows = (const void *)((const char *)store + table->rows);
    if (index->slots == NULL) {
        return;
    }
    const uint32_t *slot = &index->slots[hash & index->mask];
    if (what == CTMI_PREFETCH_SLOT) {
        __builtin_prefetch(slot, 1);
    } else if (*slot != 0) {
        __builtin_prefetch(ctmi_rows_at(rows, ctmi_index_id(index, *slot), table->row_size), 0);
    }
}

void ctmi_store_prefetch_traceback(const struct ctmi_store *store, const ctm_traceback *key,
                                   enum ctmi_prefetch what)
{
    prefetch(store, &traceback_table, hash_traceback(key), what);
}

void ctmi_store_prefetch_site(const struct ctmi_store *store, const ctm_site *key,
                              enum ctmi_prefetch what)
{
    prefetch(store, &site_table, hash_site(key), what);
}

ctm_status ctmi_store_index_sites(struct ctmi_store *store)
{
    for (uint32_t id = 1; id < store->sites.count; id++) {
        const ctm_site *site = &ctmi_store_site_row(store, id)->site;
        const uint32_t hash = hash_site(site);
        if (find(store, &site_table, hash, site) != 0) {
            continue;
        }
        ctm_status status = ctmi_index_reserve(&store->site_index, store, hash_site_row);
        if (status != CTM_OK) {
            return status;
        }
        ctmi_index_put(&store->site_index, hash, id);
    }
    return CTM_OK;
}

const char *ctmi_store_string_row(const struct ctmi_store *store, uint32_t id, size_t *out_length)
{
    const struct ctmi_string_row *row = NULL;
    if (id != 0) {
        row = ctmi_rows_at(&store->strings, id, sizeof *row);
    }
    if (out_length != NULL) {
        *out_length = row ? row->length : 0;
    }
    return row ? ctmi_bytes_at(&store->bytes, row->offset) : "";
}

/* --- life --- */
void ctmi_store_init(struct ctmi_store *store)
{
    memset(store, 0, sizeof *store);
    store->spare_sites = ctmi_sizes()->spare_sites;
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        ctmi_rows_init(&store->rows[table], ctmi_schemas[table].row_size,
                       ctmi_schemas[table].limit);
    }
}

void ctmi_store_set_backing(struct ctmi_store *store, struct ctmi_backing *backing)
{
    for (enum ctmi_table table = 0; table < CTMI_ROWS_TABLES; table++) {
        store->rows[table].backed = (struct ctmi_table_backing){.backing = backing, .table = table};
    }
    store->bytes.backed =
        (struct ctmi_table_backing){.backing = backing, .table = CTMI_TABLE_BYTES};
}

void ctmi_store_set_aside(struct ctmi_store *store, uint32_t factor)
{
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        ctmi_rows_set_aside(&store->rows[table], factor);
    }
}

void ctmi_store_forget_rows(struct ctmi_store *store)
{
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        ctmi_index_forget(&store->index[table]);
    }
    ctmi_index_forget(&store->unplaced_index);
    store->unplaced_traceback = 0;
}

static void empty(struct ctmi_store *store, bool retain)
{
    retain = retain && store->bytes.backed.backing ==
                           NULL; /* a file is cut, and its chunks are mapped again */
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        ctmi_rows_empty(&store->rows[table], retain);
        ctmi_index_empty(&store->index[table], retain);
    }
    ctmi_bytes_empty(&store->bytes, retain);
    if (!retain || store->unplaced_index.used != 0) {
        ctmi_index_empty(&store->unplaced_index, false);
    }
    store->unplaced_traceback = 0;
}

void ctmi_store_clear(struct ctmi_store *store)
{
    empty(store, true);
}

void ctmi_store_free_all(struct ctmi_store *store)
{
    empty(store, false);
}

size_t ctmi_store_bytes(const struct ctmi_store *store)
{
    size_t bytes = ctmi_bytes_resident(&store->bytes) + ctmi_index_resident(&store->unplaced_index);
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        bytes += ctmi_rows_resident(&store->rows[table]);
        bytes += ctmi_index_resident(&store->index[table]);
    }
    return bytes;
}
