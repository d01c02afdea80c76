/* prologue.h: analyzes the first instructions of a compiled function (x86-64), for detour.c and freelist_patch.c.
 *
 * Model: Zydis (third_party/zydis) decodes the code and returns each instruction's operands; this file decides what
 * they mean for a jump at that address. It writes only to memory that the caller passes, and does not depend on Python.
 *
 * A *site* is one instruction that a jump can replace whole: a thread runs either the old instruction or the jump. What
 * runs before the site is followed operand by operand: how far the stack pointer has moved, where each callee-saved
 * register was stored, whether the arguments are unchanged. So it can be undone, whatever order the compiler chose.
 * What cannot be followed with certainty is refused.
 */
#ifndef PYCTM_CAPTURE_PATCH_PROLOGUE_H
#define PYCTM_CAPTURE_PATCH_PROLOGUE_H

#include <stdint.h>

enum {
    PYCTM_JUMP_BYTES = 5,
    PYCTM_UNDO_BYTES = 64,  /* largest code that undoes a prologue */
    PYCTM_MOVED_BYTES = 96, /* largest size of moved instructions */
};

typedef struct ctm_site {
    uint32_t offset;      /* of the instruction that the jump replaces */
    uint32_t undo_length; /* bytes of `undo` */
    uint8_t undo
        [PYCTM_UNDO_BYTES]; /* code: restores registers and stack pointer to the caller's values */
} ctm_site;

/* The next two return NULL, or a static text of why they failed. */

/* `size`: bytes of the function; `arguments`: how many it has, at most three, in registers. */
const char *pyctm_prologue_find_site(const uint8_t *code, uint32_t size, uint32_t arguments,
                                     ctm_site *out);

/* Copies the instructions that cover the first `length` bytes of `code` to `to`, corrects relative addresses, and
 * returns the bytes written and the bytes covered. `to` has PYCTM_MOVED_BYTES and is within a 4-byte offset of what
 * they refer to. */
const char *pyctm_prologue_move(uint8_t *to, const uint8_t *code, uint32_t length,
                                uint32_t *out_length, uint32_t *out_moved);

/* Returns the function that `code` calls on one side only of its first conditional branch, before any call that is on
 * both sides, with its own first argument as the first; NULL: there is no such call. */
const void *pyctm_prologue_guarded_call(const uint8_t *code, uint32_t size);

#endif
