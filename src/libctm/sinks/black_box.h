/* sinks/black_box.h: what writes a black box; private to the sinks.
 *
 * Model: the stores of a tracer get their chunks from a ground (tables/backing.h) of this box: parts of the file, mapped
 * shared. A chunk has its place in the file as a hole and is filled ahead of the rows that come, so that a full disk is
 * an error of a system call here and never a fault in an event. From what the file cannot take on, memory is
 * private and the shard tells the file of no more rows: what the file holds stays whole.
 *
 * The control block is written in place; see formats/black_box_format.h.
 *
 * Locks: all but what `lock` guards belongs to the exclusive side with the world stopped, a ground to its shard's owner.
 * `lock` is taken inside a shard's, and nothing inside it.
 */
#ifndef CTMI_SINKS_BLACK_BOX_H
#define CTMI_SINKS_BLACK_BOX_H

#include <pthread.h>
#include <sys/types.h>

#include "formats/black_box_format.h"
#include "tracer/shard.h"

/* A chunk. Its first `shared` bytes are the file's. Written by the shard's owner; the signal handler reads the atomics. */
struct ctmi_box_range {
    _Atomic uintptr_t base; /* 0: there is no chunk */
    _Atomic size_t shared;  /* bytes from base on that are mapped from the file */
    size_t whole;           /* bytes of the mapping */
    size_t ready;    /* bytes that may be written; up to `shared` the file has room for them */
    uint64_t offset; /* in the file, if any of it is shared */
    void *copy;      /* between the two steps of leaving the file, or of moving into it; owned */
};

struct ctmi_box_backing {
    struct ctmi_backing backing; /* first */
    struct ctmi_box_writer *box;
    struct ctmi_store *store; /* that stands on it */
    uint32_t index;           /* of the shard */
    bool frozen;              /* no more of it goes to the file */
    bool forgotten;           /* the file was cut, and the store was told */
    struct ctmi_box_range ranges[CTMI_TABLES][CTMI_BOX_CHUNKS];
};

struct ctmi_box_writer {
    struct ctmi_sink sink;            /* first */
    ctm_tracer *tracer;               /* constant */
    struct ctmi_box_control *control; /* mapped from the file */
    struct ctmi_box_range control_range;
    dev_t device; /* of the file: is fd still ours? */
    ino_t inode;
    pthread_mutex_t lock; /* fd and end */
    int fd;               /* owned; closed on exec */
    uint64_t end;         /* of what is given out of the file: its size */
    struct ctmi_box_backing backings[CTM_SHARDS];
};

/* The box of a tracer; NULL: it has none. See tracer/sink.h for who may ask. */
struct ctmi_box_writer *ctmi_box_of(const struct ctm_tracer *tracer);

/* --- the control block --- */

/* Of a new file, with the part that never changes. The tables are told to be in the middle of being emptied. */
void ctmi_box_control_fill(struct ctmi_box_control *control, const ctm_tracer *tracer);
/* The tables are new, or emptied, and the annotations as they are now. The world is stopped. */
void ctmi_box_control_empty(struct ctmi_box_control *control, struct ctmi_annotations *annotations);
/* The lock of the annotations is held. */
void ctmi_box_control_loss(struct ctmi_box_control *control, const struct ctmi_losses *losses,
                           uint32_t place);
void ctmi_box_control_end(struct ctmi_box_control *control, const struct ctmi_end_annotation *end);

/* --- the file --- */

/* A new file of `size` bytes, zeros, locked, under a temporary name beside `path`, which is free or has a box that nobody writes.
 * -1 with errno. out_name has room for PATH_MAX bytes. */
int ctmi_box_file_create(const char *path, size_t size, char *out_name);
/* Has the file room for the bytes? 0, or errno. Grows the file if need be. */
int ctmi_box_file_fill(int fd, uint64_t offset, uint64_t length);
/* Makes the file `size` bytes long. 0, or errno. */
int ctmi_box_file_resize(int fd, uint64_t size);

/* --- SIGBUS --- */

/* The box's mappings are looked after. False: too many boxes. */
bool ctmi_box_guard(struct ctmi_box_writer *box);
void ctmi_box_unguard(struct ctmi_box_writer *box);

/* --- grounds --- */
void ctmi_box_backing_init(struct ctmi_box_backing *backing, struct ctmi_box_writer *box,
                           uint32_t index);
/* Is the descriptor still that of the file, and how many bytes has the file? Needs no mapping. */
bool ctmi_box_has_fd(const struct ctmi_box_writer *box, uint64_t *out_size);
/* The same, and is the file as it was as far as can be seen? */
ctm_box_lack ctmi_box_check_file(const struct ctmi_box_writer *box);
/* All that is shared gets a private copy of the same size. False: out of memory. */
bool ctmi_box_copy(struct ctmi_box_writer *box);
/* The copies take the place of what is shared, at the same addresses; where there is none, a private view of the file does,
 * which is as good if nobody changes the file any more (`file_lasts`). False: counters were lost. */
bool ctmi_box_leave_file(struct ctmi_box_writer *box, bool file_lasts);
void ctmi_box_drop_copies(struct ctmi_box_writer *box);

/* --- moving in: the stores have private memory; the world is stopped, the gate closed --- */

/* All that they hold goes into the file as well. False with errno: nothing has changed. */
bool ctmi_box_write_tables(struct ctmi_box_writer *box);
/* Either they stay where they are after all: */
void ctmi_box_forget_tables(struct ctmi_box_writer *box);
/* or they are in the file from now on, and the control block, which is empty, is told. */
void ctmi_box_take_tables(struct ctmi_box_writer *box);

#endif
