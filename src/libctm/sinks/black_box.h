/* sinks/black_box.h: writes a black box; private to the sinks.
 *
 * Model: the stores of a tracer get their chunks from backings (tables/backing.h) of this box: parts of the file,
 * mapped shared. A chunk begins as a hole in the file, and disk space is allocated for it ahead of the new rows. So a
 * full disk is an error of a system call here and never a fault in an event. If the file cannot hold more, the rest
 * of the memory is private, and the row counts of that shard in the file are no longer raised: the rows in the file
 * stay complete.
 *
 * The control block is written in place; see formats/black_box_format.h.
 *
 * Locks: fields that `lock` does not guard belong to the exclusive side with the world stopped; a backing belongs to
 * the owner of its shard. `lock` is acquired while a shard's lock is held, and no lock is acquired while it is held.
 */
#ifndef CTMI_SINKS_BLACK_BOX_H
#define CTMI_SINKS_BLACK_BOX_H

#include <sys/types.h>

#include "base/lock.h"
#include "formats/black_box_format.h"
#include "tracer/tracer.h"

/* A chunk. Its first `shared` bytes are in the file. Written by the shard's owner; the signal handler reads the
 * atomics. */
struct ctmi_box_range {
    _Atomic uintptr_t base; /* owned mapping; 0: there is no chunk */
    _Atomic size_t shared;  /* bytes from `base` on that are mapped from the file */
    size_t size;            /* bytes of the mapping */
    size_t ready;           /* bytes that may be written; those below `shared` have disk space */
    uint64_t offset;        /* in the file, if `shared` is not 0 */
    void *copy;             /* owned; between the two steps of leaving the file or moving into it */
};

struct ctmi_box_backing {
    struct ctmi_backing backing; /* first */
    struct ctmi_box_writer *box; /* constant, borrowed */
    struct ctmi_store *store;    /* constant, borrowed: the store that this backs */
    uint32_t index;              /* constant: of the shard */
    bool frozen;                 /* no more rows of this shard are added to the file */
    bool forgotten;              /* the file was cut, and the indexes of the store were emptied */
    struct ctmi_box_range ranges[CTMI_TABLES][CTMI_BOX_CHUNKS];
};

struct ctmi_box_writer {
    struct ctmi_sink sink;            /* first */
    ctm_tracer *tracer;               /* constant */
    struct ctmi_box_control *control; /* owned: mapped from the file */
    struct ctmi_box_range control_range;
    dev_t device; /* of the file: to check that `fd` still refers to it */
    ino_t inode;
    struct ctmi_lock lock; /* guards fd and end */
    int fd;                /* lock; owned; closed on exec */
    uint64_t end;          /* lock; end of the parts of the file that are in use: its size */
    struct ctmi_box_backing backings[CTM_SHARDS];
};

/* Returns the box of a tracer; NULL: it has none. See the locks of tracer/sink.h. */
struct ctmi_box_writer *ctmi_box_of(const struct ctm_tracer *tracer);

/* --- the control block --- */

/* Writes the constant part of a new file's control block. The generation says that the tables are being emptied. */
void ctmi_box_control_fill(struct ctmi_box_control *control, const ctm_tracer *tracer);
/* Writes empty tables and the current annotations. The world is stopped. */
void ctmi_box_control_empty(struct ctmi_box_control *control, struct ctmi_annotations *annotations);
/* Write an annotation. The lock of the annotations is held. */
void ctmi_box_control_loss(struct ctmi_box_control *control, const struct ctmi_losses *losses,
                           uint32_t index);
void ctmi_box_control_end(struct ctmi_box_control *control, const struct ctmi_end_annotation *end);

/* --- the file --- */

/* Creates a file of `size` zeros, locked, with a temporary name in the folder of `path`. `path` does not exist, is
 * empty, or is a box that no process writes. Returns the descriptor, or -1 with errno. out_name: PATH_MAX bytes. */
int ctmi_box_file_create(const char *path, size_t size, char *out_name);
/* Allocates disk space for the bytes and grows the file if necessary. Returns 0 or errno. */
int ctmi_box_file_fill(int fd, uint64_t offset, uint64_t length);
/* Makes the file `size` bytes long. Returns 0 or errno. */
int ctmi_box_file_resize(int fd, uint64_t size);

/* --- SIGBUS --- */

/* From now on the handler repairs faults in the box's mappings. False: too many boxes. */
bool ctmi_box_guard(struct ctmi_box_writer *box);
void ctmi_box_unguard(struct ctmi_box_writer *box);

/* --- backings --- */
void ctmi_box_backing_init(struct ctmi_box_backing *backing, struct ctmi_box_writer *box,
                           uint32_t index);
/* Whether `fd` still refers to the file; *out_size: bytes of the file. Reads no mapping. */
bool ctmi_box_has_fd(const struct ctmi_box_writer *box, uint64_t *out_size);
/* Checks `fd`, the size of the file and its magic. */
ctm_black_box_lack ctmi_box_check_file(const struct ctmi_box_writer *box);
/* Makes a private copy of each shared part. False: out of memory. */
bool ctmi_box_copy(struct ctmi_box_writer *box);
/* Replaces each shared part by its copy, at the same address. Where there is no copy, it is replaced by a private
 * mapping of the file, which is equivalent if no process changes the file any more (`file_lasts`). False: counters
 * were lost. */
bool ctmi_box_leave_file(struct ctmi_box_writer *box, bool file_lasts);
void ctmi_box_drop_copies(struct ctmi_box_writer *box);

/* --- moving in: the stores have private memory; the world is stopped, the reader barrier closed --- */

/* Writes the contents of the stores into the file. False with errno: nothing has changed. */
bool ctmi_box_write_tables(struct ctmi_box_writer *box);
/* Then, either: the stores stay in private memory. */
void ctmi_box_forget_tables(struct ctmi_box_writer *box);
/* Or: the stores are in the file from now on, and the control block, which is empty, describes them. */
void ctmi_box_take_tables(struct ctmi_box_writer *box);

#endif
