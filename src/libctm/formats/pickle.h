/* formats/pickle.h: the values in a pickle, for the standard module's snapshots.
 *
 * Model: a machine for the opcodes that `tracemalloc.Snapshot.dump` writes, at any protocol, and for no others. It
 * runs no code and imports nothing: four names are known, as constants. It makes values, which are rows of 16 bytes
 * that refer to each other by index and to the file by offset: a text is its offset in the file, and a shared object
 * is one row. So the memory is proportional to the number of opcodes, whatever the pickle contains, and no function
 * here recurses. A value may contain itself, so code that follows references has to limit the depth.
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
    CTMI_PICKLED_MADE,  /* the same in `made`: a text that is encoded differently in the file */
    CTMI_PICKLED_BYTES, /* in the file */
    CTMI_PICKLED_TUPLE, /* at: index of the items' ids in `items` */
    CTMI_PICKLED_LIST,  /* at: index in `items` of the first and the last chunk; 0: none */
    CTMI_PICKLED_DICT, /* the same; keys and values alternate; of equal keys the last one is valid */
    CTMI_PICKLED_NAME,   /* at: enum ctmi_pickle_name */
    CTMI_PICKLED_OBJECT, /* at: its class; count: its state, a dict; 0: none yet */
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
    uint32_t where; /* file offset of the opcode that made it; 0: a constant */
    union {
        struct {
            uint32_t at, count;
        };
        int64_t number;
    };
};

/* A growing array. Owned by the struct that it is in. */
struct ctmi_pickle_array {
    void *memory; /* owned */
    uint32_t count, capacity;
};

/* One thread at a time. */
struct ctmi_pickle {
    const unsigned char *bytes; /* borrowed: the file */
    uint32_t size;
    uint32_t root;                   /* id of the value that the pickle holds */
    struct ctmi_pickle_array values; /* of struct ctmi_pickle_value */
    /* Of uint32_t. A chunk of a list is: the next chunk or 0, number of ids, ids. */
    struct ctmi_pickle_array items;
    struct ctmi_pickle_array made; /* of char */
};

/* Runs the machine over `bytes`, which are borrowed and have to outlive the pickle. CTM_ERR_FORMAT: `error` says why;
 * CTM_ERR_NOMEM; CTM_ERR_LIMIT: 4 GiB or more. The caller frees the pickle in any case. */
CTM_NODISCARD ctm_status ctmi_pickle_read(struct ctmi_pickle *pickle, const void *bytes,
                                          size_t size, ctm_file_error *error);
void ctmi_pickle_free(struct ctmi_pickle *pickle);

/* Allocates memory for `n` more items of `item_size` bytes; the caller raises `count`. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
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

/* Returns the value->count bytes of a text, long or bytes; borrowed until the pickle grows. */
const unsigned char *ctmi_pickle_bytes(const struct ctmi_pickle *pickle,
                                       const struct ctmi_pickle_value *value);
/* Whether the value is the text `text`. */
bool ctmi_pickle_text_is(const struct ctmi_pickle *pickle, uint32_t id, const char *text);

/* Appends the `n` ids at `from` to the list or dict `id`. `from` is not in `items`. */
CTM_NODISCARD ctm_status ctmi_pickle_append(struct ctmi_pickle *pickle, uint32_t id,
                                            const uint32_t *from, uint32_t n);

/* Iterates over the items of a tuple, list or dict. */
struct ctmi_pickle_walk {
    const struct ctmi_pickle *pickle;
    uint32_t at, left, next; /* index of the next id; ids left in this chunk; the next chunk */
};
struct ctmi_pickle_walk ctmi_pickle_walk_begin(const struct ctmi_pickle *pickle, uint32_t id);
/* Returns the next item. False: there are no more. */
bool ctmi_pickle_walk_next(struct ctmi_pickle_walk *walk, uint32_t *out);

/* Returns the value of `key` in a dict, or 0, which is the None of every pickle. */
uint32_t ctmi_pickle_find(const struct ctmi_pickle *pickle, uint32_t dict, const char *key);

/* Encodes the pairs of the snapshot's state `dict` as attributes (docs/formats/snapshot.md), except `traces` and,
 * unless `with_limit`, `traceback_limit`. *out is NULL if there are none, else owned by the caller. */
CTM_NODISCARD ctm_status ctmi_pickle_attributes(const struct ctmi_pickle *pickle, uint32_t dict,
                                                bool with_limit, void **out, size_t *out_length,
                                                ctm_file_error *error);

#endif
