/* formats/pickle.h: the values in a pickle, for the standard module's snapshots.
 *
 * Model: a machine for those opcodes that `tracemalloc.Snapshot.dump` writes, at any protocol, and for no
 * others. It runs no code and looks up no name: four names are known, as constants. What it makes are
 * rows of 16 bytes that refer to each other by index and to the file by offset: a text is where it stands in the
 * file, a shared object is one row. So memory is in proportion to the number of opcodes, whatever they say, and
 * nothing here recurses. Values may contain themselves: who follows them has to bound that.
 */
#ifndef CTMI_FORMATS_PICKLE_H
#define CTMI_FORMATS_PICKLE_H

#include "ctm/file.h"

enum ctmi_pickled {
    CTMI_PICKLED_NONE,
    CTMI_PICKLED_FALSE,
    CTMI_PICKLED_TRUE,
    CTMI_PICKLED_INT,   /* number */
    CTMI_PICKLED_LONG,  /* more than 64 bits: two's complement, little-endian, in the file */
    CTMI_PICKLED_FLOAT, /* number: its bits */
    CTMI_PICKLED_TEXT, /* UTF-8 in the file; lone surrogates as Python's "surrogatepass" writes them */
    CTMI_PICKLED_MADE,  /* the same in `made`: it is spelled in another way in the file */
    CTMI_PICKLED_BYTES, /* in the file */
    CTMI_PICKLED_TUPLE, /* at: the items' ids in `items` */
    CTMI_PICKLED_LIST,  /* at: first and last chunk, in `items`; 0: there is none */
    CTMI_PICKLED_DICT, /* the same; keys and values in turn, a key may occur twice: the last one counts */
    CTMI_PICKLED_NAME,   /* at: enum ctmi_pickle_name */
    CTMI_PICKLED_OBJECT, /* at: its class, count: its state, a dict; 0: none yet */
};

enum ctmi_pickle_name {
    CTMI_NAME_SNAPSHOT,
    CTMI_NAME_TRACES,
    CTMI_NAME_RECONSTRUCTOR, /* copyreg._reconstructor and object: protocols 0 and 1 */
    CTMI_NAME_OBJECT,
    CTMI_NAME_COUNT
};

struct ctmi_pickle_value {
    uint32_t kind;  /* enum ctmi_pickled */
    uint32_t where; /* byte of the opcode that made it; 0: a constant */
    union {
        struct {
            uint32_t at, count;
        };
        int64_t number;
    };
};

struct ctmi_pickle_array {
    void *memory; /* owned */
    uint32_t count, room;
};

struct ctmi_pickle {
    const unsigned char *bytes; /* borrowed: the file */
    uint32_t size;
    uint32_t root;                   /* value: what the pickle holds */
    struct ctmi_pickle_array values; /* of struct ctmi_pickle_value */
    /* Of uint32_t. A chunk of a list is: the next chunk or 0, number of ids, ids. */
    struct ctmi_pickle_array items;
    struct ctmi_pickle_array made; /* of char */
};

/* Runs the machine over `bytes`, which stay the caller's and have to outlive the pickle. CTM_ERR_FORMAT with
 * `error` filled; CTM_ERR_NOMEM; CTM_ERR_LIMIT: 4 GiB or more. Free it in any case. */
CTM_NODISCARD ctm_status ctmi_pickle_read(struct ctmi_pickle *pickle, const void *bytes,
                                          size_t size, ctm_file_error *error);
void ctmi_pickle_free(struct ctmi_pickle *pickle);

/* Room for `n` more items of `item_size` bytes; the caller raises `count`. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_pickle_grow(struct ctmi_pickle_array *array, uint32_t n,
                                          size_t item_size);

static inline struct ctmi_pickle_value *ctmi_pickle_at(const struct ctmi_pickle *pickle,
                                                       uint32_t id)
{
    return (struct ctmi_pickle_value *)pickle->values.memory + id;
}

static inline uint32_t *ctmi_pickle_item(const struct ctmi_pickle *pickle, uint32_t index)
{
    return (uint32_t *)pickle->items.memory + index;
}

static inline bool ctmi_pickle_is_text(const struct ctmi_pickle_value *value)
{
    return value->kind == CTMI_PICKLED_TEXT || value->kind == CTMI_PICKLED_MADE;
}

/* The value->count bytes of a text, long or bytes; borrowed, until the pickle grows. */
const unsigned char *ctmi_pickle_bytes(const struct ctmi_pickle *pickle,
                                       const struct ctmi_pickle_value *value);
/* Is it the text `text`? */
bool ctmi_pickle_text_is(const struct ctmi_pickle *pickle, uint32_t id, const char *text);

/* Appends the ids `from` … to the list or dict `id`. `from` may not be in `items`. */
CTM_NODISCARD ctm_status ctmi_pickle_append(struct ctmi_pickle *pickle, uint32_t id,
                                            const uint32_t *from, uint32_t n);

/* Over the items of a tuple, list or dict. */
struct ctmi_pickle_walk {
    const struct ctmi_pickle *pickle;
    uint32_t at, left, next; /* items: the next id; how many are left here; the chunk after */
};
struct ctmi_pickle_walk ctmi_pickle_walk_begin(const struct ctmi_pickle *pickle, uint32_t id);
/* False: there are no more. */
bool ctmi_pickle_walk_next(struct ctmi_pickle_walk *walk, uint32_t *out);

/* The value of `key` in a dict; 0, which is the None of every pickle, if it is not there. */
uint32_t ctmi_pickle_find(const struct ctmi_pickle *pickle, uint32_t dict, const char *key);

/* Pairs of the snapshot's state `dict` as a dict in the encoding of attributes (docs/formats/snapshot.md), all but
 * `traces`, and but `traceback_limit` unless `with_limit`. *out is NULL if there are none, else the caller's to free. */
CTM_NODISCARD ctm_status ctmi_pickle_attributes(const struct ctmi_pickle *pickle, uint32_t dict,
                                                bool with_limit, void **out, size_t *out_length,
                                                ctm_file_error *error);

#endif
