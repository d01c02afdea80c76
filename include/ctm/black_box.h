/* black_box.h: a tracer's tables on file while it runs, and what is left of them after it was killed.
 *
 * Model: a black box is a file that holds the tables of a tracer as a shared mapping (docs/formats/black-box.md). Events
 * change the tables in place, at no cost for the file; however the process ends, the file holds what the
 * tables held at that moment. Another process may read it at any time.
 */
#ifndef CTM_BLACK_BOX_H
#define CTM_BLACK_BOX_H

#include "ctm/file.h"
#include "ctm/losses.h"
#include "ctm/tracer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ctm_box_end {
    CTM_BOX_NOT_ENDED = 0, /* it goes on, or was killed */
    CTM_BOX_STOPPED = 1,
    CTM_BOX_EXIT = 2, /* with the program */
} ctm_box_end;

/* Why a box does not hold all that was allocated. */
typedef enum ctm_box_lack {
    CTM_BOX_COMPLETE = 0,
    CTM_BOX_NO_SPACE = 1, /* the file could not grow: the disk, a quota or a limit of the process */
    CTM_BOX_CLOSED = 2,   /* the program closed the file descriptor, so the file could not grow */
    CTM_BOX_CUT = 3,      /* somebody truncated the file */
} ctm_box_lack;
/* A short English text, never NULL. Static storage; any thread. */
CTM_API const char *ctm_box_lack_text(ctm_box_lack lack);

/* --- writing: as if inside shard 0 --- */

/* Puts the tables of `tracer` into a new file, after emptying them as ctm_tracer_clear does. `path` is created with mode
 * 0600; a black box there that nobody writes any more is replaced. CTM_ERR_IO with errno: EEXIST (something else is
 * there), ELOOP (a symbolic link), EWOULDBLOCK (a black box in use), and whatever the system says.
 * CTM_ERR_NOT_TRACING; CTM_ERR_INVALID: there is one already; CTM_ERR_NOMEM.
 *
 * Tracing goes on whatever happens to the file: see ctm_black_box_state. Until the box ends a signal handler of libctm
 * is installed for SIGBUS. ctm_tracer_stop ends it; the child of a fork has none. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_start(ctm_tracer *tracer, const char *path);
/* The same, but the tables keep what they hold, and that goes into the file with all that comes: for the child of a fork,
 * or for tracing that is on already. It takes the time to write them. CTM_ERR_IO also if there is no room for them, and CTM_ERR_NOMEM if what
 * they hold is void (ctm_black_box_is_broken). After an error nothing has changed. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_continue(ctm_tracer *tracer, const char *path);
/* The box ends with what it holds now; tracing goes on in private memory. Does nothing if there is none.
 * Without memory for a copy of the tables the pages of the file are used on, so that it must not be truncated then.
 * CTM_ERR_NOMEM: the box goes on, because its descriptor was closed or its file truncated as well. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_end(ctm_tracer *tracer, ctm_box_end reason);
/* Is there a box? Any thread. */
CTM_API bool ctm_black_box_state(ctm_tracer *tracer, ctm_box_lack *out_lack);
/* Was the file of the box truncated, so that counters were lost? What the tracer says is void then, until it is
 * started anew; ctm_tracer_snapshot gives CTM_ERR_IO. Any thread. */
CTM_API bool ctm_black_box_is_broken(ctm_tracer *tracer);

/* --- reading: any thread --- */

typedef struct ctm_box ctm_box; /* opaque; one thread at a time */

typedef struct ctm_box_info {
    uint64_t started_ns;      /* UNIX time */
    uint64_t ended_ns;        /* UNIX time; 0: see end */
    uint64_t sample_interval; /* bytes; 0: every block is traced */
    uint32_t nframe;
    uint32_t pid; /* as the process saw it */
    ctm_box_end end;
    ctm_box_lack lack;
    bool running;        /* does a process hold the file open as its box? */
    const char *command; /* UTF-8, NUL-terminated; borrowed; "": not known */
    /* How the program ended (ctm_tracer_set_end), if it did: "": not known. As `command`, until the next call. */
    const char *end_text;
    int32_t exit_status; /* 0 if it is not known */
    bool exit_status_known;
} ctm_box_info;

/* CTM_ERR_FORMAT: no black box, or a damaged one (`error`, which may be NULL). CTM_ERR_IO, CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_box_open(const char *path, ctm_box **out,
                                              ctm_file_error *error);
CTM_API void ctm_box_close(ctm_box *box); /* NULL is allowed */
/* As of now. */
CTM_API void ctm_box_info_get(ctm_box *box, ctm_box_info *out);
/* What the snapshots of the box lack (losses.h), as of the last call of another function: an array, borrowed until the next
 * one. Returns how many there are. A box that does not hold all (`lack`) has a loss of the kind "file". */
CTM_API uint32_t ctm_box_losses(ctm_box *box, const ctm_loss **out);
/* What the box holds now. Of a program that runs: each counter as it was at a moment during the call.
 * CTM_ERR_IO with EAGAIN: the program empties its tables all the time. Else as ctm_box_open. */
CTM_API CTM_NODISCARD ctm_status ctm_box_snapshot(ctm_box *box, ctm_snapshot **out,
                                                  ctm_file_error *error);
CTM_API bool ctm_file_is_black_box(const void *bytes, size_t length);

#ifdef __cplusplus
}
#endif
#endif
