/* linetable.h: code object + instruction -> line, in a hook.
 *
 * Model: CPython 3.11+ keeps line numbers in `co_linetable`, a run of entries; each begins
 * with a byte that has its top bit set, and says how many code units it covers and, by
 * its kind, how the line changes. This decoder reads that table and nothing else, so that
 * it may run without the GIL and inside an allocator.
 */
#ifndef PYCTM_CAPTURE_FRAMES_LINETABLE_H
#define PYCTM_CAPTURE_FRAMES_LINETABLE_H

#include <stddef.h>
#include <stdint.h>

/* An entry of a table, for a look that goes on from there: code that runs for the first time is met in order, and a
 * module's can be long. Zeros: the first one. */
typedef struct pyctm_linetable_place {
    size_t at; /* its offset, bytes */
    int unit;  /* the first that it covers */
    int line;  /* before its change */
} pyctm_linetable_place;

/* The line of the instruction at `unit` (in 2-byte code units; negative: the code's first line). -1: the table gives no
 * line there, or ends before it. `place` is where the last look in this table ended, or zeros. */
int pyctm_linetable_line(const uint8_t *table, size_t length, int first_lineno, int unit,
                         pyctm_linetable_place *place);

#endif
