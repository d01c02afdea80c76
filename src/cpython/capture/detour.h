/* detour.h: leading calls of a function elsewhere.
 *
 * Model: the first five bytes of the target become a jump to a stub near it, which jumps on to the
 * replacement; the instructions that stood there are moved into a second stub that ends with a jump
 * back, so that the original can still be called. x86-64 only; elsewhere every call says so.
 *
 * What cannot be moved with certainty (an instruction this file does not know) is refused, and nothing
 * is changed. All calls with the GIL held. Stubs live as long as the process.
 */
#ifndef CTM_DETOUR_H
#define CTM_DETOUR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ctm_detour {
    uint8_t *target;       /* borrowed: code of the interpreter */
    void *original;        /* callable: what `target` did; owned by the stub page */
    uint8_t saved[16];     /* the target's first bytes */
    uint8_t jump[5];       /* what replaces them */
    bool ready, enabled;
} ctm_detour;

/* NULL, or a static text that says why not. Once per detour; enable and disable as often as needed. */
const char *ctm_detour_prepare(ctm_detour *detour, void *target, void *replacement);
const char *ctm_detour_enable(ctm_detour *detour);
void ctm_detour_disable(ctm_detour *detour);

/* The target of the first direct call in the code at `function`, within `limit` bytes; NULL: none
 * was found with certainty. */
void *ctm_detour_first_call(const void *function, uint32_t limit);

#endif
