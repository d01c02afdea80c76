/* code_cache.h: from an instruction to its frame row, at the cost of a few loads.
 *
 * Model: a hash table leads from a code object's address to an array of frame rows indexed by instruction, which is
 * filled as instructions are used. Table and arrays belong to shard 0; lock: the GIL. The array is freed when the code
 * object dies, so a reused address never returns old rows. Rows belong to one generation of the tracer; an array of an
 * older generation is cleared at its next use. If deaths of code objects are not reported (code_deaths.c), nothing is
 * stored.
 *
 * CPython's own slot for such an array, a code object's extra slots, is not used, because programs can see it: the code
 * object is larger for sys.getsizeof, and 3.13 and newer refuse to run a function with extra slots in a
 * sub-interpreter.
 */
#ifndef PYCTM_CAPTURE_FRAMES_CODE_CACHE_H
#define PYCTM_CAPTURE_FRAMES_CODE_CACHE_H

#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctm/ctm.h"

typedef struct pyctm_code_entry {
    const PyCodeObject *code;     /* borrowed, only compared; NULL: empty */
    struct pyctm_code_rows *rows; /* owned */
} pyctm_code_entry;

/* Open addressing, at most 3/4 full. Before the first code object it is one empty entry. Lock of all fields: GIL. */
typedef struct pyctm_code_cache {
    const ctm_tracer *tracer; /* borrowed, the capture's */
    pyctm_code_entry *table;  /* owned, if it is not `empty` */
    size_t mask;              /* number of entries of the table, minus one */
    size_t count;             /* code objects in the table */
    size_t bytes;             /* of all arrays */
    bool deaths_are_known; /* pyctm_code_cache_remove is called whenever a code object of the main
                               * interpreter dies */
    pyctm_code_entry empty[1];
} pyctm_code_cache;

/* `cache` is zeroed memory. Before the first event. */
void pyctm_code_cache_init(pyctm_code_cache *cache, const ctm_tracer *tracer);
/* HOOK: The frame row of `code` at `unit` in shard 0. */
ctm_status pyctm_code_frame(pyctm_code_cache *cache, ctm_shard *shard, PyCodeObject *code, int unit,
                            uint32_t *out);
/* HOOK: The same, and stores nothing: for the other shards, which several threads use. */
ctm_status pyctm_code_frame_uncached(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out);
/* Called when the code object dies. */
void pyctm_code_cache_remove(pyctm_code_cache *cache, const PyCodeObject *code);
/* Called after an interpreter has ended: the deaths of its code objects were not reported. */
void pyctm_code_cache_empty(pyctm_code_cache *cache);
size_t pyctm_code_cache_memory(const pyctm_code_cache *cache);

#endif
