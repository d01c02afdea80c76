/* file/pickle.h: the values in a pickle, for the standard module's snapshots.
 *
 * Model: a machine for those opcodes that `tracemalloc.Snapshot.dump` writes, at any protocol, and for no
 * others. It runs no code and looks up no name: four names are known, as constants. What it makes are
 * rows of 16 bytes that refer to each other by index and to the file by offset: a text is where it stands in the
 * file, a shared object is one row. So memory is in proportion to the number of opcodes, whatever they say, and
 * nothing here recurses. Values may contain themselves: who follows them has to bound that.
 */
#ifndef CTM_FILE_PICKLE_H
#define CTM_FILE_PICKLE_H

#include "ctm/file.h"

enum ctm_pickled {
    CTM_PICKLED_NONE,
    CTM_PICKLED_FALSE,
    CTM_PICKLED_TRUE,
    CTM_PICKLED_INT,   /* number */
    CTM_PICKLED_LONG,  /* more than 64 bits: two's complement, little-endian, in the file */
    CTM_PICKLED_FLOAT, /* number: its bits */
    CTM_PICKLED_TEXT, /* UTF-8 in the file; lone surrogates as Python's "surrogatepass" writes them */
    CTM_PICKLED_MADE,  /* the same in `made`: it is spelled in another way in the file */
    CTM_PICKLED_BYTES, /* in the file */
    CTM_PICKLED_TUPLE, /* at: the items' ids in `items` */
    CTM_PICKLED_LIST,  /* at: first and last chunk, in `items`; 0: there is none */
    CTM_PICKLED_DICT, /* the same; keys and values in turn, a key may occur twice: the last one counts */
    CTM_PICKLED_NAME,   /* at: enum ctm_pickle_name */
    CTM_PICKLED_OBJECT, /* at: its class, count: its state, a dict; 0: none yet */
};

enum ctm_pickle_name {
    CTM_NAME_SNAPSHOT,
    CTM_NAME_TRACES,
    CTM_NAME_RECONSTRUCTOR, /* copyreg._reconstructor and object: protocols 0 and 1 */
    CTM_NAME_OBJECT,
    CTM_NAME_COUNT
};

struct ctm_pickle_value {
    uint32_t kind;  /* enum ctm_pickled */
    uint32_t where; /* byte of the opcode that made it; 0: a constant */
    union {
        struct {
            uint32_t at, count;
        };
        int64_t number;
    };
};

struct ctm_pickle_array {
    void *memory; /* owned */
    uint32_t count, room;
};

struct ctm_pickle {
    const unsigned char *bytes; /* borrowed: the file */
    uint32_t size;
    uint32_t root;                  /* value: what the pickle holds */
    struct ctm_pickle_array values; /* of struct ctm_pickle_value */
    /* Of uint32_t. A chunk of a list is: the next chunk or 0, number of ids, ids. */
    struct ctm_pickle_array items;
    struct ctm_pickle_array made; /* of char */
};

/* Runs the machine over `bytes`, which stay the caller's and have to outlive the pickle. CTM_ERR_FORMAT with
 * `error` filled; CTM_ERR_NOMEM; CTM_ERR_LIMIT: 4 GiB or more. Free it in any case. */
CTM_NODISCARD ctm_status ctm_pickle_read(struct ctm_pickle *pickle, const void *bytes, size_t size,
                                         ctm_file_error *error);
void ctm_pickle_free(struct ctm_pickle *pickle);

/* Room for `n` more items of `item_size` bytes; the caller raises `count`. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctm_pickle_grow(struct ctm_pickle_array *array, uint32_t n,
                                         size_t item_size);

static inline struct ctm_pickle_value *ctm_pickle_at(const struct ctm_pickle *pickle, uint32_t id)
{
    return (struct ctm_pickle_value *)pickle->values.memory + id;
}

static inline uint32_t *ctm_pickle_item(const struct ctm_pickle *pickle, uint32_t index)
{
    return (uint32_t *)pickle->items.memory + index;
}

static inline bool ctm_pickle_is_text(const struct ctm_pickle_value *value)
{
    return value->kind == CTM_PICKLED_TEXT || value->kind == CTM_PICKLED_MADE;
}

/* The value->count bytes of a text, long or bytes; borrowed, until the pickle grows. */
const unsigned char *ctm_pickle_bytes(const struct ctm_pickle *pickle,
                                      const struct ctm_pickle_value *value);
/* Is it the text `text`? */
bool ctm_pickle_text_is(const struct ctm_pickle *pickle, uint32_t id, const char *text);

/* Appends the ids `from` … to the list or dict `id`. `from` may not be in `items`. */
CTM_NODISCARD ctm_status ctm_pickle_append(struct ctm_pickle *pickle, uint32_t id,
                                           const uint32_t *from, uint32_t n);

/* Over the items of a tuple, list or dict. */
struct ctm_pickle_walk {
    const struct ctm_pickle *pickle;
    uint32_t at, left, next; /* items: the next id; how many are left here; the chunk after */
};
struct ctm_pickle_walk ctm_pickle_walk_begin(const struct ctm_pickle *pickle, uint32_t id);
/* False: there are no more. */
bool ctm_pickle_walk_next(struct ctm_pickle_walk *walk, uint32_t *out);

/* The value of `key` in a dict; 0, which is the None of every pickle, if it is not there. */
uint32_t ctm_pickle_find(const struct ctm_pickle *pickle, uint32_t dict, const char *key);

/* Pairs of the snapshot's state `dict` as a dict in the encoding of attributes (docs/file-format.md), all but
 * `traces`, and but `traceback_limit` unless `with_limit`. *out is NULL if there are none, else the caller's to free. */
CTM_NODISCARD ctm_status ctm_pickle_attributes(const struct ctm_pickle *pickle, uint32_t dict,
                                               bool with_limit, void **out, size_t *out_length,
                                               ctm_file_error *error);

#endif
