/* tracer/labels.h: the label sets that a tracer knows by a handle. See ctm/labels.h.
 *
 * Model: an *entry* has the text of a set, its pairs in the order of their keys. Entries are found by a hash of the text, and are
 * never freed before the tracer. One without a text is free. When a set is asked for, the one with the same rest that was released
 * last gives up its handle, with the portions that have no blocks any more: the processor's caches still have them, and so has
 * what the caller has stored for the handle. So requests that follow one another use few portions. If it has blocks, it goes on under
 * another handle. Besides, one entry at a time is looked at, in turn, whether it can be freed.
 *
 * A set in a scope (scopes.h) is a temporary one, whatever its values are, and an entry for each pair of scopes. Their number is not
 * limited. When nobody can ask for a scope any more, what is left of its sets goes on as that of the scope around.
 *
 * Locks: the exclusive side adds and releases. A thread inside a shard may read the entry of a handle that is held: its text and
 * `rest` do not change meanwhile.
 */
#ifndef CTMI_TRACER_LABELS_H
#define CTMI_TRACER_LABELS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/assert.h"
#include "ctm/labels.h"
#include "ctm/tracer.h"
#include "tracer/scopes.h"

#define CTMI_MOST_LABEL_KEYS 256u /* keys that have kept values */

/* A label set as text, which the caller owns. */
struct ctmi_label_set {
    char *text;
    size_t length;
    uint32_t n;
};

/* Exclusive side, but see the locks above. */
struct ctmi_label_entry {
    char *text;                /* owned: key, NUL, value, NUL, the next key …; NULL: free */
    size_t length;             /* bytes of the text */
    uint32_t n;                /* pairs */
    uint32_t hash;             /* of the text */
    uint32_t rest;             /* a handle; 0: a kept set */
    uint32_t refs;             /* how often it is held */
    struct ctmi_within within; /* held, as long as it has a text */
    uint32_t wait;             /* turns until its portions are looked at again */
    uint32_t next; /* the next handle in its slot of `buckets`; if it is free: the next free one */
    uint32_t newest; /* of a rest: the entry that was released last; 0: none */
    bool is_hidden;  /* a kept set has the same text, which is found instead */
    bool has_others; /* some of its portions were passed on to it */
    /* The first of its portions in each shard; 0: none. Written with the shard's lock. */
    _Atomic uint32_t portions[CTM_SHARDS];
    uint32_t rows
        [CTM_SHARDS]; /* of a kept set: its row in each shard; 0: not known. Lock: the shard's */
};

#define CTMI_SEEN_VALUES 64u

/* Exclusive side. */
struct ctmi_label_key {
    char *key;     /* owned */
    char **values; /* owned, each too: the kept ones */
    uint32_t n;
    uint32_t seen[CTMI_SEEN_VALUES]; /* hashes of the values that were seen last, once; 0: none */
    uint32_t next_seen;
};

/* Exclusive side. */
struct ctmi_labels {
    struct ctmi_label_entry **entries; /* owned, each too, by handle; NULL: no set was used yet */
    uint32_t *buckets;                 /* owned: the first handle of each hash */
    uint32_t mask;                     /* number of buckets - 1 */
    uint32_t capacity;                 /* of `entries` */
    _Atomic uint32_t count; /* handles 1 .. count-1 are in use; asserts of any thread read it */
    uint32_t n_kept, n_temporary; /* entries with a text; those in scopes are in neither */
    uint32_t none; /* the kept set without pairs, once a scope needs it; 0: it is not there */
    uint32_t free; /* the first free entry; 0: none */
    uint32_t turn; /* the handle that was looked at last */
    struct ctmi_label_key *keys; /* owned */
    uint32_t n_keys;
};

/* A handle that is in use. */
static inline struct ctmi_label_entry *ctmi_label_entry_of(const struct ctmi_labels *labels,
                                                           uint32_t handle)
{
    CTMI_ASSERT(handle != 0 && handle < labels->count);
    return labels->entries[handle];
}

/* A temporary set that nobody holds. */
static inline bool ctmi_label_is_released(const struct ctmi_label_entry *entry)
{
    return entry->rest != 0 && entry->refs == 0 && entry->text != NULL;
}

void ctmi_labels_free(struct ctmi_labels *labels);
/* The tables are empty: no entry has portions. World stopped. */
void ctmi_labels_forget(struct ctm_tracer *tracer);
/* Bytes of memory. Exclusive side. */
size_t ctmi_labels_memory(const struct ctmi_labels *labels);

/* --- label_entries.c: exclusive side --- */

/* Before the first set. False: out of memory. */
bool ctmi_labels_prepare(struct ctmi_labels *labels);
/* The handle of a set; 0: it is not known, or hidden. */
uint32_t ctmi_label_find(const struct ctmi_labels *labels, const struct ctmi_label_set *set,
                         struct ctmi_within within);
/* A new entry, without a text. 0: out of memory. */
uint32_t ctmi_label_new(struct ctm_tracer *tracer);
/* An entry without a text, for a temporary set. 0: there are too many, or out of memory. */
uint32_t ctmi_label_free_or_new(struct ctm_tracer *tracer, struct ctmi_within within);
/* Gives an entry without a text this set, whose text it then owns. */
void ctmi_label_give(struct ctm_tracer *tracer, uint32_t handle, struct ctmi_label_set *set,
                     uint32_t rest, struct ctmi_within within);
/* From now on the entry is not found by its text. */
void ctmi_label_hide(struct ctmi_labels *labels, uint32_t handle);
/* Takes the set from the entry, which then has no text and is in no scope. *out_within is the caller's to release. */
struct ctmi_label_set ctmi_label_take(struct ctmi_labels *labels, uint32_t handle,
                                      struct ctmi_within *out_within);
void ctmi_label_set_free(struct ctm_tracer *tracer, uint32_t handle);
/* An entry without a text can be given to a set. */
void ctmi_label_put_free(struct ctmi_labels *labels, uint32_t handle);

/* --- label_text.c --- */

/* The pairs in the order of their keys, each key once. CTM_ERR_NOMEM, CTM_ERR_INVALID. */
CTM_NODISCARD ctm_status ctmi_label_set_make(const ctm_label_text *pairs, size_t n,
                                             struct ctmi_label_set *out);
/* The pair at *text, which is set to the next one. */
ctm_label_text ctmi_label_set_next(const char **text);
uint32_t ctmi_label_set_hash(const struct ctmi_label_set *set);
/* A set with "other" in the place of each value that is not kept, or of each value if `all`. While there is room, a value that is seen
 * again becomes a kept one. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_label_set_rest(struct ctmi_labels *labels,
                                             const struct ctmi_label_set *set, bool all,
                                             struct ctmi_label_set *out);

#endif
