/* detour.h: redirects calls of a function to another one, by a jump in its code.
 *
 * Model: five bytes at or near the start of the target are replaced by a jump to a stub within its reach, which jumps
 * to the replacement. The instructions up to there are moved into a second stub that ends with a jump back, so that the
 * original can still be called. x86-64 only; on other processors every call returns a failure.
 *
 * If all callers hold the GIL, so does the thread that changes the first bytes, and no other thread runs them.
 * Otherwise a thread may be between any two instructions. Then the jump replaces one single instruction of five bytes
 * or more, the first such one in the function, and the stub first undoes what ran before it (prologue.h). A thread runs
 * either the old instruction or the jump, never half of one.
 *
 * Code that cannot be moved with certainty (an unknown instruction) is refused, and nothing is changed. All calls with
 * the GIL held. Stubs live as long as the process, and a detour that works is never removed: the replacement calls
 * `original` when it has nothing else to do.
 */
#ifndef PYCTM_CAPTURE_PATCH_DETOUR_H
#define PYCTM_CAPTURE_PATCH_DETOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyctm_detour {
    uint8_t *site;    /* borrowed: address of the jump in the interpreter's code */
    void *original;   /* callable: does what the target did; owned by the stub page */
    uint8_t saved[5]; /* the original bytes at the site */
    uint8_t jump[5];  /* the jump that replaces them */
    bool ready, enabled;
} pyctm_detour;

typedef struct pyctm_callers {
    bool hold_gil;      /* all callers hold the GIL */
    uint32_t arguments; /* number of arguments, at most three; used only if not all hold the GIL */
} pyctm_callers;

/* Each returns NULL, or a static text of why it failed. Prepare once, then enable; each does nothing the second time.
 * Disable only a detour that does not work. */
const char *pyctm_detour_prepare(pyctm_detour *detour, void *target, void *replacement,
                                 pyctm_callers callers);
const char *pyctm_detour_enable(pyctm_detour *detour);
void pyctm_detour_disable(pyctm_detour *detour);

/* Returns the hidden function of the same object that `function` calls on one side only of its first conditional
 * branch; NULL: none was found with certainty. */
const void *pyctm_detour_guarded_call(const void *function);

#endif
