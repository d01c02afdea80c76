/* detour.h: leading calls of a function elsewhere.
 *
 * Model: five bytes at or near the start of the target become a jump to a stub near it, which jumps on to
 * the replacement; the instructions up to there are moved into a second stub that ends with a jump back, so
 * that the original can still be called. x86-64 only; elsewhere every call says so.
 *
 * Where callers hold the GIL, the holder may change the first bytes at will. Where they may not, some thread may
 * be between any two instructions: then the jump replaces one single instruction of five bytes or more, the
 * first such in the function, and the stub takes back what ran before it (prologue.h). A thread runs either the
 * old instruction or the jump, never half of one.
 *
 * What cannot be moved with certainty (an instruction this file does not know) is refused, and nothing
 * is changed. All calls with the GIL held. Stubs live as long as the process, and a detour that works is never
 * taken back: the replacement passes calls on to `original` when it has nothing to do.
 */
#ifndef PYCTM_CAPTURE_PATCH_DETOUR_H
#define PYCTM_CAPTURE_PATCH_DETOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyctm_detour {
    uint8_t *site;    /* borrowed: where the jump goes in the interpreter's code */
    void *original;   /* callable: what the target did; owned by the stub page */
    uint8_t saved[5]; /* what stands at the site */
    uint8_t jump[5];  /* what replaces it */
    bool ready, enabled;
} pyctm_detour;

typedef struct pyctm_callers {
    bool hold_gil;      /* all of them */
    uint32_t arguments; /* how many they give, at most three; asked only if not all hold the GIL */
} pyctm_callers;

/* NULL, or a static text that says why not. Prepare once, then enable; each does nothing the second time.
 * disable is for a detour that turns out not to work. */
const char *pyctm_detour_prepare(pyctm_detour *detour, void *target, void *replacement,
                                 pyctm_callers callers);
const char *pyctm_detour_enable(pyctm_detour *detour);
void pyctm_detour_disable(pyctm_detour *detour);

/* The hidden function of the same object that `function` calls on one side only of its first conditional branch; NULL:
 * none was found with certainty. */
const void *pyctm_detour_guarded_call(const void *function);

#endif
