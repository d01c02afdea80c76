/* sinks/recorder.h: the struct of a recorder; private to the sinks.
 *
 * Model: one thread (recorder_thread.c) owns all of a recorder except what `lock` guards. At each tick it reads the
 * tables into a buffer (recorder_read.c, inside the tracer's reader barrier) and then writes the buffer to the file
 * (recorder_file.c, without any lock). Other threads request a tick or the end, and wait for it.
 *
 * `seen` has the counters of each site that are on file, and only differences from them are written. When the tracer's
 * generation changes, a new span begins, with no counters on file.
 */
#ifndef CTMI_SINKS_RECORDER_H
#define CTMI_SINKS_RECORDER_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/lock.h"
#include "ctm/recording.h"
#include "formats/recording_writer.h"
#include "tracer/tracer.h"

/* Counters of a site that are on file. Owned by the thread. */
struct ctmi_seen {
    uint64_t allocated, freed;
};

/* The rows and counters of one shard that are on file. Owned by the thread. */
struct ctmi_recorded_shard {
    uint32_t counts[CTMI_ROWS_TABLES]; /* rows, row 0 included */
    struct ctmi_seen *seen;            /* owned: by site id */
    uint32_t capacity;
    struct ctmi_forecast forecast;
};

struct ctm_recorder {
    struct ctmi_sink sink; /* first */
    ctm_tracer *tracer;    /* constant, borrowed */
    uint64_t interval;     /* constant: nanoseconds */
    uint64_t began;        /* constant: monotonic time of the start */
    pthread_t thread;      /* owned by the caller that starts and stops */
    bool joined;           /* the same: the recording has ended, and there is no thread any more */
    bool threadless;       /* the same: there is no thread between pause and resume */
    bool leaked; /* the same: the thread hangs, or is not in this process: nothing may be freed */

    /* Owned by the thread, from its start to its end. */
    _Atomic int fd; /* owned; -1: closed. The child of a fork reads it too */
    dev_t device;   /* of the file: to check that `fd` still refers to it */
    ino_t inode;
    _Atomic size_t memory; /* bytes of memory in use; read by any thread */
    uint64_t written;      /* bytes in the file */
    struct ctmi_crc32c crc;
    struct ctmi_buffer out, changes; /* bytes to be written; changes of the tick being read */
    struct ctmi_recorded_shard shards[CTM_SHARDS];
    uint32_t generation;            /* of the span on file; 0: none yet */
    bool tracing;                   /* whether the tracer was tracing in that span */
    uint64_t bytes, blocks;         /* sums over `seen` */
    uint64_t annotations_version;   /* of the losses on file, in this span; 0: none */
    struct ctmi_end_annotation end; /* as of the last tick */
    unsigned char header[CTMI_RECORDING_HEADER_SIZE]; /* copy of the header on file */

    struct ctmi_lock lock; /* guards all below; no lock is acquired while it is held */
    pthread_cond_t wake;   /* the thread waits here */
    pthread_cond_t done;   /* the other threads wait here */
    uint64_t requested;    /* number of ticks requested */
    uint64_t read;         /* of these: number for which the tables were read */
    uint64_t put;          /* of these: number that are in the file */
    bool stopping, at_exit;
    bool pausing; /* the thread shall end, but not the recording */
    bool paused;  /* the thread is ending for that reason */
    ctm_recorder_state state;
};

/* --- the thread (recorder_thread.c) --- */

/* Starts the thread, which blocks all signals, so exceeding the limit on the file's size is an error and no signal.
 * Returns 0 or errno. */
int ctmi_recorder_start_thread(struct ctm_recorder *recorder);

/* --- the file (recorder_file.c) --- */

/* Opens or creates a regular file, locks it and leaves its content. Returns the descriptor, or -1 with errno. */
int ctmi_recorder_open_file(const char *path, struct stat *out, bool *out_new);
/* Called if a recording could not begin: removes the file if it is new or empty. */
void ctmi_recorder_remove_file(struct ctm_recorder *recorder, const char *path, bool is_new);
void ctmi_recorder_close_file(struct ctm_recorder *recorder);
/* Writes `out`. Returns 0 if all is written, else errno. */
int ctmi_recorder_write_out(struct ctm_recorder *recorder, const char **out_reason);
/* Writes into the header why the recording ends here. The header is on file already, so this needs no disk space. */
void ctmi_recorder_write_lack(struct ctm_recorder *recorder, int error);

/* --- the tables (recorder_read.c) --- */

/* Reads the tables and appends the changes to `out`. False: out of memory. Called by the thread. */
bool ctmi_recorder_read(struct ctm_recorder *recorder);
/* Returns the nanoseconds since the recording began. */
uint64_t ctmi_recorder_time(const struct ctm_recorder *recorder);
/* Returns the bytes of memory in use. Called by the thread. */
size_t ctmi_recorder_memory(const struct ctm_recorder *recorder);
void ctmi_recorder_free_shards(struct ctm_recorder *recorder);

#endif
