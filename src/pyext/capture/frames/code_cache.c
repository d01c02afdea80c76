/* code_cache.c: from an instruction to its frame row, at the cost of a few loads.
 *
 * Model: a hash table leads from a code object's address to an array indexed by instruction that holds frame ids, filled
 * as instructions are met. Table and arrays belong to shard 0: the GIL guards them. The array is dropped when the code
 * object dies, so a reused address never gives a stale answer. Ids are of one generation of the tracer; an older array
 * is wiped when next met.
 *
 * Of the death of a code object 3.12 and newer tell a listener; on 3.11 the type's deallocator is led through here. Who
 * remembers instructions by their address (stack.c) is told then, too. Where there is no place for a listener nothing is
 * remembered.
 *
 * CPython's own place for such an array, a code object's extra slots, is not used: a program sees it. The code object is
 * larger for sys.getsizeof, and 3.13 and newer refuse to run a function with extra slots in a sub-interpreter.
 */
#include "capture/capture.h"
#include "capture/frames/frames.h"
#include "capture/frames/linetable.h"
#include "capture/stackcache/stack.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

typedef struct code_cache {
    size_t bytes;                /* of this array; written once */
    uint32_t generation;         /* of the ids below; GIL */
    uint32_t function;           /* function row; GIL */
    uint32_t count;              /* of `frames`: code units + 1; written once */
    pyctm_linetable_place place; /* where the last look for a line ended; GIL */
    uint32_t frames[];           /* frame row of unit - 1; 0: not met yet; GIL */
} code_cache;

typedef struct table_entry {
    const PyCodeObject *code; /* borrowed, never looked into; NULL: empty; GIL */
    code_cache *cache;        /* owned; GIL */
} table_entry;

#define TABLE_FIRST_MASK 1023u

/* Open addressing, at most 3/4 full. Before the first code object it is one empty entry. GIL */
static table_entry the_empty_table[1];
static table_entry *the_table = the_empty_table; /* owned, if it is not the empty one */
static size_t the_table_mask;
static size_t the_table_count;
static size_t the_bytes;          /* in all arrays; GIL */
static bool the_deaths_are_known; /* somebody tells us when a code object dies; GIL */

/* --- the table --- */

/* HOOK: Where the search for `code` begins. */
static inline size_t table_start(const PyCodeObject *code)
{
    return (size_t)((uintptr_t)code * 0x9E3779B97F4A7C15ull >> 32) & the_table_mask;
}

/* HOOK: The entry of `code`, or the empty one where it would stand. */
static inline table_entry *table_find(const PyCodeObject *code)
{
    size_t i = table_start(code);
    while (the_table[i].code != code && the_table[i].code != NULL) {
        i = (i + 1) & the_table_mask;
    }
    return &the_table[i];
}

/* HOOK: */
static bool table_grow(void)
{
    table_entry *old = the_table;
    const size_t old_mask = the_table_mask;
    const size_t mask = old == the_empty_table ? TABLE_FIRST_MASK : 2 * old_mask + 1;
    table_entry *more = calloc(mask + 1, sizeof *more);
    if (more == NULL) {
        return false;
    }
    the_table = more;
    the_table_mask = mask;
    for (size_t i = 0; i <= old_mask; i++) {
        if (old[i].code != NULL) {
            *table_find(old[i].code) = old[i];
        }
    }
    if (old != the_empty_table) {
        free(old);
    }
    return true;
}

/* HOOK: False: out of memory. */
static bool table_add(const PyCodeObject *code, code_cache *cache)
{
    if (4 * (the_table_count + 1) > 3 * (the_table_mask + 1) && !table_grow()) {
        return false;
    }
    *table_find(code) = (table_entry){code, cache};
    the_table_count++;
    return true;
}

/* Entries that were put off their start by the one at `hole` move up, so that each is found from its start on. */
static void table_close_hole(size_t hole)
{
    for (size_t i = (hole + 1) & the_table_mask; the_table[i].code != NULL;
         i = (i + 1) & the_table_mask) {
        const size_t off = (i - table_start(the_table[i].code)) & the_table_mask;
        if (off >= ((i - hole) & the_table_mask)) {
            the_table[hole] = the_table[i];
            hole = i;
        }
    }
    the_table[hole] = (table_entry){NULL, NULL};
}

static void table_remove(const PyCodeObject *code)
{
    table_entry *entry = table_find(code);
    if (entry->code == NULL) {
        return;
    }
    the_bytes -= entry->cache->bytes;
    free(entry->cache);
    table_close_hole((size_t)(entry - the_table));
    the_table_count--;
}

/* The code objects of an interpreter that is no more have died unseen. */
static void table_empty(void)
{
    if (the_table == the_empty_table) {
        return;
    }
    for (size_t i = 0; i <= the_table_mask; i++) {
        free(the_table[i].cache);
    }
    free(the_table);
    the_table = the_empty_table;
    the_table_mask = the_table_count = the_bytes = 0;
}

/* --- deaths --- */

/* HOOK: */
bool pyctm_code_deaths_are_known(void)
{
    return the_deaths_are_known;
}

#if PY_VERSION_HEX >= 0x030C0000
static int on_code_event(PyCodeEvent event, PyCodeObject *code)
{
    if (event == PY_CODE_EVENT_DESTROY) {
        table_remove(code);
        pyctm_stack_forget();
    }
    return 0;
}

/* Listeners belong to an interpreter: this one is the main one, and a new one at each initialization. */
static void listen(void)
{
    the_deaths_are_known = PyCode_AddWatcher(on_code_event) >= 0;
    if (!the_deaths_are_known) { /* all places are taken: go on without remembering */
        PyErr_Clear();
    }
}
#else
static destructor the_code_dealloc; /* the type's own; GIL */

static void on_code_dealloc(PyObject *code)
{
    table_remove((const PyCodeObject *)code);
    pyctm_stack_forget();
    the_code_dealloc(code);
}

static void listen(void)
{
    if (PyCode_Type.tp_dealloc != on_code_dealloc) {
        the_code_dealloc = PyCode_Type.tp_dealloc;
        PyCode_Type.tp_dealloc = on_code_dealloc;
    }
    the_deaths_are_known = true;
}
#endif

void pyctm_code_cache_init(void)
{
    table_empty();
    listen();
}

size_t pyctm_code_cache_memory(void)
{
    return the_bytes + (the_table_mask + 1) * sizeof *the_table;
}

/* --- text --- */

/* HOOK: One code point in UTF-8; lone surrogates too, as "surrogatepass" writes them. */
static size_t put_utf8(char *to, Py_UCS4 ch)
{
    if (ch < 0x80) {
        to[0] = (char)ch;
        return 1;
    }
    if (ch < 0x800) {
        to[0] = (char)(0xC0 | (ch >> 6));
        to[1] = (char)(0x80 | (ch & 63));
        return 2;
    }
    if (ch < 0x10000) {
        to[0] = (char)(0xE0 | (ch >> 12));
        to[1] = (char)(0x80 | ((ch >> 6) & 63));
        to[2] = (char)(0x80 | (ch & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | (ch >> 18));
    to[1] = (char)(0x80 | ((ch >> 12) & 63));
    to[2] = (char)(0x80 | ((ch >> 6) & 63));
    to[3] = (char)(0x80 | (ch & 63));
    return 4;
}

/* HOOK: */
static ctm_status intern_wide(ctm_shard *shard, PyObject *text, uint32_t *out)
{
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    char on_stack[1024];
    char *buffer = on_stack;
    if ((size_t)length > sizeof(on_stack) / 4) {
        buffer = malloc((size_t)length * 4);
        if (buffer == NULL) {
            return CTM_ERR_NOMEM;
        }
    }
    buffer[0] = '\0';
    const int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    size_t bytes = 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        bytes += put_utf8(buffer + bytes, PyUnicode_READ(kind, data, i));
    }
    const ctm_status status = ctm_shard_string(shard, buffer, bytes, out);
    if (buffer != on_stack) {
        free(buffer);
    }
    return status;
}

/* HOOK: */
static ctm_status intern_text(ctm_shard *shard, PyObject *text, uint32_t *out)
{
    if (text == NULL || !PyUnicode_Check(text)) {
        return ctm_shard_string(shard, "<unknown>", 9, out);
    }
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        return ctm_shard_string(shard, (const char *)PyUnicode_1BYTE_DATA(text),
                                (size_t)PyUnicode_GET_LENGTH(text), out);
    }
    return intern_wide(shard, text, out);
}

/* HOOK: */
static ctm_status intern_function(ctm_shard *shard, PyCodeObject *code, uint32_t *out)
{
    uint32_t filename = 0, name = 0;
    ctm_status status = intern_text(shard, code->co_filename, &filename);
    if (status == CTM_OK) {
        status = intern_text(shard, code->co_qualname, &name);
    }
    if (status == CTM_OK) {
        status = ctm_shard_function(shard, filename, name, code->co_firstlineno, out);
    }
    return status;
}

/* HOOK: */
static int line_of(PyCodeObject *code, int unit, pyctm_linetable_place *place)
{
    const uint8_t *table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    const int line = pyctm_linetable_line(table, (size_t)PyBytes_GET_SIZE(code->co_linetable),
                                          code->co_firstlineno, unit, place);
    return line < 0 ? 0 : line;
}

/* HOOK: */
ctm_status pyctm_code_frame_uncached(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out)
{
    uint32_t function;
    pyctm_linetable_place place = {0, 0, 0};
    const ctm_status status = intern_function(shard, code, &function);
    return status == CTM_OK ? ctm_shard_frame(shard, function, line_of(code, unit, &place), out)
                            : status;
}

/* --- the cache --- */

/* HOOK: The array of `code`, made if need be; NULL: go without. */
static code_cache *get_cache(const PyCodeObject *code)
{
    code_cache *cache = table_find(code)->cache;
    if (cache != NULL || !the_deaths_are_known) {
        return cache;
    }
    const uint32_t count = (uint32_t)Py_SIZE(code) + 1;
    const size_t bytes = sizeof(code_cache) + count * sizeof(uint32_t);
    cache = calloc(1, bytes);
    if (cache == NULL || !table_add(code, cache)) {
        free(cache);
        return NULL;
    }
    cache->bytes = bytes;
    cache->count = count;
    the_bytes += bytes;
    return cache;
}

/* HOOK: */
static ctm_status refresh(ctm_shard *shard, PyCodeObject *code, code_cache *cache,
                          uint32_t generation)
{
    const ctm_status status = intern_function(shard, code, &cache->function);
    if (status == CTM_OK) {
        memset(cache->frames, 0, cache->count * sizeof(uint32_t));
        cache->generation = generation;
    }
    return status;
}

/* HOOK: */
static ctm_status fill(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out)
{
    const uint32_t generation = ctm_tracer_generation(pyctm_the_capture.tracer);
    code_cache *cache = get_cache(code);
    if (cache == NULL || unit < -1 || (uint32_t)(unit + 1) >= cache->count) {
        return pyctm_code_frame_uncached(shard, code, unit, out);
    }
    ctm_status status = CTM_OK;
    if (cache->generation != generation) {
        status = refresh(shard, code, cache, generation);
    }
    uint32_t *frame = &cache->frames[unit + 1];
    if (status == CTM_OK && *frame == 0) {
        status = ctm_shard_frame(shard, cache->function, line_of(code, unit, &cache->place), frame);
    }
    *out = *frame;
    return status;
}

/* HOOK: */
ctm_status pyctm_code_frame(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out)
{
    const code_cache *cache = table_find(code)->cache;
    if (cache != NULL && (uint32_t)(unit + 1) < cache->count && cache->frames[unit + 1] != 0 &&
        cache->generation == ctm_tracer_generation(pyctm_the_capture.tracer)) {
        *out = cache->frames[unit + 1];
        return CTM_OK;
    }
    return fill(shard, code, unit, out);
}
#endif
