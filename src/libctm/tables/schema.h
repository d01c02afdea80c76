/* tables/schema.h: the list of tables, from which everything that all tables have in common is made.
 *
 * Model: CTMI_ALL_TABLES lists the tables by name, and CTMI_FUNCTIONS_FIELDS … list the fields of their rows. From these
 * lists are made: init, copying and emptying of a store, the columns of a snapshot, new ids for rows (tables/remap.h),
 * the encoders and decoders of the three formats, and each check of a reference.
 *
 * Code that runs for each row of a table expands the lists: a `case` for each table, a statement for each field. So the
 * compiler knows offsets, sizes and tables. ctmi_schemas has the same lists as data, for code that runs seldom; a loop
 * over its fields made merging a third slower.
 *
 * The *content* of a row is a struct of ctm/tables.h. It is the same in a store, in a snapshot and on file:
 *   - a row of a store begins with the content; the rest is private to the store. A black box has these rows.
 *   - a row of a snapshot and of a snapshot file is only the content; on file it is little-endian, each field at its
 *     offset in the struct.
 *   - a row of a recording has the fields that are part of its key, in the order of the struct, each as a varint.
 * Strings have no content of a fixed size, so the code for them is not made from the list.
 *
 * A row refers to rows of tables that precede its own in the list, or to earlier rows of its own table. So in the
 * order of the list, and of ids, a row comes after all rows that it refers to.
 */
#ifndef CTMI_TABLES_SCHEMA_H
#define CTMI_TABLES_SCHEMA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctm/tables.h"

/* --- rows of a store; the owner and the lock are the store's (store.h) --- */

struct ctmi_string_row {
    uint64_t offset; /* in the store's bytes */
    uint32_t length; /* bytes, the NUL not counted */
    uint32_t hash;
};

struct ctmi_traceback_row {
    ctm_traceback row;
    uint32_t length;    /* stored frames, this one included */
    uint32_t last_site; /* hint: the last site that was looked up for this traceback; 0: none */
};

struct ctmi_label_row {
    ctm_label row;
    uint32_t length; /* pairs in the set, this one included */
};

/* One cache line, so that an event touches one.
 *
 * Blocks at the peak: each new peak has a stamp. Before a row changes, it saves its number of blocks: `site.at_peak`
 * is allocated - freed, as counted by the owner, at the peak whose stamp is `site.reserved`. A row with an older
 * stamp has not changed since the peak. For `freed_remote`, the blocks freed since the peak are counted instead:
 * `remote_since` has the stamp in its upper half and that count in its lower half. ctmi_site_row_at_peak combines
 * them. */
struct ctmi_site_row {
    _Alignas(64) ctm_site site;    /* counters, `reserved`: written by the store's owner */
    _Atomic uint64_t freed_remote; /* blocks freed through other shards; written by any thread */
    _Atomic uint64_t remote_since; /* of freed_remote; written by any thread */
};
_Static_assert(sizeof(ctm_site) == 48, "a site's row on file");

/* The key of a site: all fields but the counters. */
static inline bool ctmi_site_has_key(const ctm_site *site, const ctm_site *key)
{
    return site->block_size == key->block_size && site->traceback == key->traceback &&
           site->domain == key->domain && site->labels == key->labels;
}
#define SIZE_OF(field) sizeof(((ctm_site *)0)->field)
_Static_assert(SIZE_OF(block_size) + SIZE_OF(traceback) + SIZE_OF(domain) + SIZE_OF(labels) +
                       SIZE_OF(allocated) + SIZE_OF(freed) + SIZE_OF(at_peak) + SIZE_OF(reserved) ==
                   sizeof(ctm_site),
               "a new field of a site: ctmi_site_has_key and the hashes of a site need it");
#undef SIZE_OF
_Static_assert(sizeof(struct ctmi_site_row) == 64, "one cache line");

/* --- the list: TABLE(ID, one, many, number, section, content, row) ---
 * number: the member of ctm_snapshot_info that counts the rows; section: the kind of section in a snapshot file, of the
 * strings: where they begin; row: in a store. */
/* clang-format off */
#define CTMI_REMAPPED_TABLES(TABLE)                                                                   \
    TABLE(FUNCTIONS, function, functions, functions, 4, ctm_function, ctm_function)                   \
    TABLE(FRAMES, frame, frames, frames, 5, ctm_frame, ctm_frame)                                     \
    TABLE(TRACEBACKS, traceback, tracebacks, tracebacks, 6, ctm_traceback, struct ctmi_traceback_row) \
    TABLE(LABELS, label, labels, label_sets, 9, ctm_label, struct ctmi_label_row)
#define CTMI_CONTENT_TABLES(TABLE) \
    CTMI_REMAPPED_TABLES(TABLE)    \
    TABLE(SITES, site, sites, sites, 7, ctm_site, struct ctmi_site_row)
#define CTMI_STRINGS_TABLE(TABLE) \
    TABLE(STRINGS, string, strings, strings, 2, struct ctmi_string_row, struct ctmi_string_row)
#define CTMI_INTERNED_TABLES(TABLE) \
    CTMI_STRINGS_TABLE(TABLE)       \
    CTMI_REMAPPED_TABLES(TABLE)
#define CTMI_ALL_TABLES(TABLE) \
    CTMI_STRINGS_TABLE(TABLE)  \
    CTMI_CONTENT_TABLES(TABLE)

/* --- the fields of each table's content, in its order: FIELD(content, member, holds, …), or
 * REFERENCE(content, member, holds, table). holds: enum ctmi_holds; …: other members of struct ctmi_field --- */
#define CTMI_OUT_OF_RANGE "a line or a number of frames is out of range"
#define CTMI_FUNCTIONS_FIELDS(FIELD, REFERENCE)     \
    REFERENCE(ctm_function, filename, ROW, STRINGS) \
    REFERENCE(ctm_function, name, ROW, STRINGS)     \
    FIELD(ctm_function, first_lineno, SIGNED, .range = CTMI_OUT_OF_RANGE)
#define CTMI_FRAMES_FIELDS(FIELD, REFERENCE)               \
    REFERENCE(ctm_frame, function, SOME_ROW, FUNCTIONS)    \
    FIELD(ctm_frame, lineno, SIGNED, .range = CTMI_OUT_OF_RANGE)
#define CTMI_TRACEBACKS_FIELDS(FIELD, REFERENCE)        \
    REFERENCE(ctm_traceback, parent, ROW, TRACEBACKS)   \
    REFERENCE(ctm_traceback, frame, SOME_ROW, FRAMES)   \
    FIELD(ctm_traceback, total_nframe, SIGNED, .range = CTMI_OUT_OF_RANGE)
#define CTMI_LABELS_FIELDS(FIELD, REFERENCE)    \
    REFERENCE(ctm_label, parent, ROW, LABELS)   \
    REFERENCE(ctm_label, key, SOME_ROW, STRINGS) \
    REFERENCE(ctm_label, value, ROW, STRINGS)
#define CTMI_SITES_FIELDS(FIELD, REFERENCE)                              \
    FIELD(ctm_site, block_size, NUMBER, .range = NULL)                   \
    FIELD(ctm_site, allocated, COUNTER, .range = NULL)                   \
    FIELD(ctm_site, freed, COUNTER, .range = NULL)                       \
    FIELD(ctm_site, domain, NUMBER, .range = "a domain is out of range") \
    REFERENCE(ctm_site, traceback, ROW, TRACEBACKS)                      \
    REFERENCE(ctm_site, labels, ROW, LABELS)                             \
    FIELD(ctm_site, reserved, ZERO, .range = NULL)                       \
    FIELD(ctm_site, at_peak, COUNTER, .is_later = true)
/* clang-format on */

/* CTMI_TABLE_STRINGS, CTMI_TABLE_FUNCTIONS … */
enum ctmi_table {
#define TABLE(ID, ...) CTMI_TABLE_##ID,
    CTMI_ALL_TABLES(TABLE)
#undef TABLE
        CTMI_TABLE_BYTES, /* of the strings; last: a black box has chunks of them too */
    CTMI_TABLES,
    CTMI_ROWS_TABLES = CTMI_TABLE_BYTES, /* tables that have rows */
};

/* The content of a row of any table, aligned. */
union ctmi_content {
#define TABLE(ID, one, many, number, section, content, row) content one;
    CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
};

/* --- the fields of a row --- */

enum ctmi_holds {
    /* Part of the row's key, and of its row in a recording: */
    CTMI_HOLDS_NUMBER,   /* any number */
    CTMI_HOLDS_SIGNED,   /* any number, of 32 bits */
    CTMI_HOLDS_ROW,      /* the id of a row of `table`; 0: none. In its own table: an earlier row */
    CTMI_HOLDS_SOME_ROW, /* the same, never 0 */
    /* Not part of the key: */
    CTMI_HOLDS_COUNTER,
    CTMI_HOLDS_ZERO, /* reserved: 0 on file */
};

struct ctmi_field {
    const char *name;
    uint8_t offset; /* in the content */
    uint8_t size;   /* bytes: 4 or 8; 0: no more fields */
    bool is_later;  /* not in the first version of a snapshot file; read as 0 from it */
    enum ctmi_holds holds;
    enum ctmi_table table; /* the table that a reference refers to */
    const char *range;     /* recording: the reason if the number exceeds 32 bits */
};

#define CTMI_MAX_FIELDS 8

struct ctmi_schema {
    uint32_t row_size;     /* bytes, in a store */
    uint32_t content_size; /* bytes */
    uint32_t limit;        /* rows, row 0 included */
    uint32_t spare;        /* rows reserved for unplaced blocks (store.h) */
    bool is_optional;      /* an empty table has no section in a snapshot file */
    /* The reasons of a reader that refuses a row: */
    const char *no_such_row;   /* the row refers to a row of this table that does not exist */
    const char *no_parent;     /* a row of this table whose parent does not precede it */
    const char *without;       /* recording: a row of this table without a required reference */
    const char *bad_reference; /* black box: a row of this table with an invalid reference */
    struct ctmi_field fields[CTMI_MAX_FIELDS + 1]; /* all fields of the content, in its order */
};

extern const struct ctmi_schema ctmi_schemas[CTMI_ROWS_TABLES];

static inline bool ctmi_holds_key(enum ctmi_holds holds)
{
    return holds < CTMI_HOLDS_COUNTER;
}

static inline bool ctmi_field_is_reference(const struct ctmi_field *field)
{
    return field->holds == CTMI_HOLDS_ROW || field->holds == CTMI_HOLDS_SOME_ROW;
}

/* Returns the reason why a row of `table` is refused if `field` refers to no row. */
const char *ctmi_field_reason(enum ctmi_table table, const struct ctmi_field *field);
/* Returns the bytes of the content in the first version of a snapshot file. */
uint32_t ctmi_schema_least_size(const struct ctmi_schema *schema);

/* Returns the first field of row `id` of `table` that refers to no row; NULL: none. counts: rows of each table, row 0
 * included. */
const struct ctmi_field *ctmi_content_fault(enum ctmi_table table, const void *content, uint32_t id,
                                            const uint32_t *counts);

/* Reads a field of 4 bytes. */
static inline uint32_t ctmi_field_get(const struct ctmi_field *field, const void *content)
{
    uint32_t value;
    __builtin_memcpy(&value, (const char *)content + field->offset, sizeof value);
    return value;
}

static inline void ctmi_field_set(const struct ctmi_field *field, void *content, uint32_t value)
{
    __builtin_memcpy((char *)content + field->offset, &value, sizeof value);
}

/* The same for a field of 8 bytes. */
static inline uint64_t ctmi_field_get_wide(const struct ctmi_field *field, const void *content)
{
    uint64_t value;
    __builtin_memcpy(&value, (const char *)content + field->offset, sizeof value);
    return value;
}

static inline void ctmi_field_set_wide(const struct ctmi_field *field, void *content,
                                       uint64_t value)
{
    __builtin_memcpy((char *)content + field->offset, &value, sizeof value);
}

#endif
