/* prologue.h: reading the first instructions of a compiled function (x86-64), for detour.c and freelist_patch.c.
 *
 * Model: code is decoded by Zydis (third_party/zydis), which knows each instruction's operands; here it is decided what
 * they mean for a jump that is to be put there. Nothing is written but what the caller hands in; nothing of Python's is known.
 *
 * A *site* is one instruction that a jump can replace whole: a thread runs either the old instruction or the jump. What
 * ran before the site is followed operand by operand: how far the stack pointer has moved, where each register that
 * belongs to the caller was saved, whether the arguments are untouched. So it can be taken back, whatever order the
 * compiler chose. What cannot be followed with certainty is refused.
 */
#ifndef PYCTM_CAPTURE_PATCH_PROLOGUE_H
#define PYCTM_CAPTURE_PATCH_PROLOGUE_H

#include <stdint.h>

enum {
    PYCTM_JUMP_BYTES = 5,
    PYCTM_UNDO_BYTES = 64,  /* the most that taking a prologue back needs */
    PYCTM_MOVED_BYTES = 96, /* the most that moved instructions take */
};

typedef struct ctm_site {
    uint32_t offset;      /* of the instruction that the jump replaces */
    uint32_t undo_length; /* bytes of `undo` */
    uint8_t undo
        [PYCTM_UNDO_BYTES]; /* code: gives registers and stack pointer as the caller left them */
} ctm_site;

/* Each gives NULL, or a static text that says why not. */

/* `size`: bytes of the function; `arguments`: how many it takes, at most three, in registers. */
const char *pyctm_prologue_find_site(const uint8_t *code, uint32_t size, uint32_t arguments,
                                     ctm_site *out);

/* Copies the instructions that cover the first `length` bytes of `code` to `to`, which has PYCTM_MOVED_BYTES and from
 * which a 4-byte offset reaches what they refer to; relative addresses are corrected. */
const char *pyctm_prologue_move(uint8_t *to, const uint8_t *code, uint32_t length,
                                uint32_t *out_length, uint32_t *out_moved);

/* What the function calls on one side only of its first conditional branch, before anything that it calls on both, and
 * with its own first argument as the first; NULL: it is not of that kind. */
const void *pyctm_prologue_guarded_call(const uint8_t *code, uint32_t size);

#endif
