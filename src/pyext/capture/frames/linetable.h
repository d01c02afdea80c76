/* linetable.h: code object + instruction -> line, in a hook.
 *
 * Model: CPython 3.11+ stores line numbers in `co_linetable`, a sequence of entries. Each begins with a byte whose top
 * bit is set, which contains how many code units the entry covers and its kind, which determines how the line changes.
 * This decoder reads that table and nothing else, so it may run without the GIL and inside an allocator.
 */
#ifndef PYCTM_CAPTURE_FRAMES_LINETABLE_H
#define PYCTM_CAPTURE_FRAMES_LINETABLE_H

#include <stddef.h>
#include <stdint.h>

/* An entry of a table, where the next search continues: code that runs for the first time is searched in order, and a
 * module's code can be long. Zeros: the first entry. */
typedef struct pyctm_linetable_cursor {
    size_t at; /* offset of the entry, bytes */
    int unit;  /* first code unit that it covers */
    int line;  /* line before its change */
} pyctm_linetable_cursor;

/* Returns the line of the instruction at `unit` (in 2-byte code units; negative: the code's first line). -1: the table
 * has no line for it, or ends before it. `cursor`: where the last search in this table ended, or zeros. */
int pyctm_linetable_line(const uint8_t *table, size_t length, int first_lineno, int unit,
                         pyctm_linetable_cursor *cursor);

#endif
