/* got.h: leading calls of an exported function elsewhere without changing any instruction.
 *
 * Model: a loaded object calls an exported function of another through a word of its own (an entry of its global
 * offset table, or a word of its data that a relocation filled). Each such word that holds the function's address, or
 * has not been bound yet, is made to hold the replacement's. What is loaded later is looked at at the next `dlsym`, by whoever:
 * nobody uses an object that he has loaded without asking for a name in it. So the words for `dlsym` are led here as
 * well, and who asks it for one of the functions is given the replacement.
 *
 * Not seen: calls inside of the object that defines the function, and addresses that a program keeps elsewhere since
 * before. Words are not changed back: a replacement passes calls on when it has nothing to do.
 *
 * `dlsym` and `dlopen` treat their callers differently: so `dlopen` is left alone, and a call of `dlsym` goes on to
 * the real one by a jump, with the caller's own return address (got_x86_64.c, got_aarch64.c).
 */
#ifndef PYCTM_CAPTURE_PATCH_GOT_H
#define PYCTM_CAPTURE_PATCH_GOT_H

#include <stdint.h>

typedef struct pyctm_got_function {
    const char *name;        /* static */
    const void *target;      /* the exported function */
    const void *replacement; /* of the same type */
} pyctm_got_function;

/* Leads calls of `functions` (static, fewer than 8) away, in all objects loaded now and from now on. NULL, or a static
 * text that says why not. GIL; once. */
const char *pyctm_got_install(const pyctm_got_function *functions, uint32_t count);
/* Looks at what was loaded since. Any thread. */
void pyctm_got_look_again(void);

/* --- of each processor --- */

enum pyctm_got_relocation { PYCTM_GOT_NONE, PYCTM_GOT_CALL, PYCTM_GOT_ADDRESS };
/* What a type of relocation puts into its word: the address of a function to call, perhaps not bound yet; an address. */
enum pyctm_got_relocation pyctm_got_relocation_kind(uint32_t type);
/* `dlsym` as callers meet it: asks pyctm_got_ask_dlsym and, if that gives NULL, jumps to pyctm_got_real_dlsym. */
void *pyctm_got_dlsym(void *handle, const char *name);

/* --- got_dlsym.c: set before any caller meets pyctm_got_dlsym --- */

extern void *(*pyctm_got_real_dlsym)(void *handle, const char *name);
extern const void *(*pyctm_got_ask_dlsym)(void *handle, const char *name);

#endif
