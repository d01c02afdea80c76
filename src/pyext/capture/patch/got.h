/* got.h: redirects calls of an exported function to another one without changing any instruction.
 *
 * Model: a loaded object calls an exported function of another through a word of its own (an entry of its global offset
 * table, or a word of its data that a relocation filled): its *callers' table*. Each such word that holds the
 * function's address, or is not bound yet, is set to the replacement's address. Objects that are loaded later are
 * searched at the next call of `dlsym` by any thread, because a program that loads an object uses it only after asking
 * for a name in it. So the words for `dlsym` are redirected to this file as well, and a caller that asks `dlsym` for
 * one of the functions gets the replacement.
 *
 * Not redirected: calls inside the object that defines the function, and addresses that a program stored elsewhere
 * before. Words are not changed back: a replacement calls the original when it has nothing else to do.
 *
 * `dlsym` and `dlopen` depend on the address of their caller. So `dlopen` is not redirected, and a call of `dlsym`
 * continues in the real one by a jump, with the caller's own return address (got_x86_64.c, got_aarch64.c).
 */
#ifndef PYCTM_CAPTURE_PATCH_GOT_H
#define PYCTM_CAPTURE_PATCH_GOT_H

#include <stdint.h>

typedef struct pyctm_got_function {
    const char *name;        /* static */
    const void *target;      /* borrowed: the exported function */
    const void *replacement; /* of the same type */
} pyctm_got_function;

/* Redirects calls of `functions` (static, fewer than 8), in all objects loaded now and later. NULL, or a static text of
 * why it failed. GIL; called once. */
const char *pyctm_got_install(const pyctm_got_function *functions, uint32_t count);
/* Searches the objects that were loaded since the last search. Any thread. */
void pyctm_got_search_again(void);

/* --- one implementation for each processor --- */

enum pyctm_got_relocation { PYCTM_GOT_NONE, PYCTM_GOT_CALL, PYCTM_GOT_ADDRESS };
/* What a relocation of this type stores in its word: a called function's address, maybe not bound yet; an address. */
enum pyctm_got_relocation pyctm_got_relocation_kind(uint32_t type);
/* The `dlsym` that callers get: calls pyctm_got_ask_dlsym and, if that returns NULL, jumps to pyctm_got_real_dlsym. */
void *pyctm_got_dlsym(void *handle, const char *name);

/* --- got_dlsym.c: both are set before any caller can call pyctm_got_dlsym --- */

extern void *(*pyctm_got_real_dlsym)(void *handle, const char *name);
extern const void *(*pyctm_got_ask_dlsym)(void *handle, const char *name);

#endif
