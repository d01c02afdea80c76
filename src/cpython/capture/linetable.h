/* linetable.h: code object + instruction -> line, in a hook.
 *
 * Model: CPython 3.11+ keeps line numbers in `co_linetable`, a run of entries; each begins
 * with a byte that has its top bit set, and says how many code units it covers and, by
 * its kind, how the line changes. This decoder reads that table and nothing else, so that
 * it may run without the GIL and inside an allocator.
 */
#ifndef CTM_LINETABLE_H
#define CTM_LINETABLE_H

#include <stddef.h>
#include <stdint.h>

/* The line of the instruction at `unit` (in 2-byte code units; negative: the code's first
 * line). -1: the table gives no line there, or ends before it. */
int ctm_linetable_line(const uint8_t *table, size_t length, int first_lineno, int unit);

#endif
