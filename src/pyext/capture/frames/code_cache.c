/* code_cache.c: see code_cache.h. The table; the text of a code object as rows of the tracer; the arrays. */
#include "capture/frames/code_cache.h"

#include "capture/frames/assert.h"
#include "capture/frames/linetable.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

typedef struct pyctm_code_rows {
    size_t bytes;                  /* of this array; written once */
    uint32_t generation;           /* of the rows below; GIL */
    uint32_t function;             /* function row; GIL */
    uint32_t count;                /* of `frames`: code units + 1; written once */
    pyctm_linetable_cursor cursor; /* where the last search for a line ended; GIL */
    uint32_t frames[];             /* frame row of unit - 1; 0: not looked up yet; GIL */
} code_rows;

#define TABLE_FIRST_MASK 1023u

/* --- the table --- */

/* HOOK: The index where the search for `code` begins. */
static inline size_t table_start(const pyctm_code_cache *cache, const PyCodeObject *code)
{
    return (size_t)((uintptr_t)code * 0x9E3779B97F4A7C15ull >> 32) & cache->mask;
}

/* HOOK: The entry of `code`, or the empty entry where it would be inserted. */
static inline pyctm_code_entry *table_find(const pyctm_code_cache *cache, const PyCodeObject *code)
{
    size_t i = table_start(cache, code);
    PYCTM_ASSERT((cache->mask & (cache->mask + 1)) == 0 && cache->count <= cache->mask);
    while (cache->table[i].code != code && cache->table[i].code != NULL) {
        i = (i + 1) & cache->mask;
    }
    return &cache->table[i];
}

/* How many code objects the table has, for an assert. */
PYCTM_FOR_ASSERTS static inline size_t counted(const pyctm_code_cache *cache)
{
    size_t count = 0;
    for (size_t i = 0; i <= cache->mask; i++) {
        count += cache->table[i].code != NULL;
    }
    return count;
}

/* HOOK: */
static bool table_grow(pyctm_code_cache *cache)
{
    pyctm_code_entry *old = cache->table;
    const size_t old_mask = cache->mask;
    const size_t mask = old == cache->empty ? TABLE_FIRST_MASK : 2 * old_mask + 1;
    pyctm_code_entry *more = calloc(mask + 1, sizeof *more);
    if (more == NULL) {
        return false;
    }
    PYCTM_ASSERT(counted(cache) == cache->count);
    cache->table = more;
    cache->mask = mask;
    for (size_t i = 0; i <= old_mask; i++) {
        if (old[i].code != NULL) {
            *table_find(cache, old[i].code) = old[i];
        }
    }
    if (old != cache->empty) {
        free(old);
    }
    return true;
}

/* HOOK: False: out of memory. */
static bool table_add(pyctm_code_cache *cache, const PyCodeObject *code, code_rows *rows)
{
    if (4 * (cache->count + 1) > 3 * (cache->mask + 1) && !table_grow(cache)) {
        return false;
    }
    PYCTM_ASSERT(table_find(cache, code)->code == NULL);
    *table_find(cache, code) = (pyctm_code_entry){code, rows};
    cache->count++;
    PYCTM_ASSERT(4 * cache->count <= 3 * (cache->mask + 1));
    return true;
}

/* Moves entries that were displaced by the removed one at `hole`, so that each is found from its start index. */
static void table_close_hole(pyctm_code_cache *cache, size_t hole)
{
    for (size_t i = (hole + 1) & cache->mask; cache->table[i].code != NULL;
         i = (i + 1) & cache->mask) {
        const size_t off = (i - table_start(cache, cache->table[i].code)) & cache->mask;
        if (off >= ((i - hole) & cache->mask)) {
            cache->table[hole] = cache->table[i];
            hole = i;
        }
    }
    cache->table[hole] = (pyctm_code_entry){NULL, NULL};
}

void pyctm_code_cache_remove(pyctm_code_cache *cache, const PyCodeObject *code)
{
    PYCTM_ASSERT_GIL();
    pyctm_code_entry *entry = table_find(cache, code);
    if (entry->code == NULL) {
        return;
    }
    PYCTM_ASSERT(cache->count > 0 && cache->bytes >= entry->rows->bytes);
    cache->bytes -= entry->rows->bytes;
    free(entry->rows);
    table_close_hole(cache, (size_t)(entry - cache->table));
    cache->count--;
    PYCTM_ASSERT(table_find(cache, code)->code == NULL);
}

void pyctm_code_cache_empty(pyctm_code_cache *cache)
{
    PYCTM_ASSERT_GIL();
    PYCTM_ASSERT(counted(cache) == cache->count);
    if (cache->table == cache->empty) {
        return;
    }
    for (size_t i = 0; i <= cache->mask; i++) {
        free(cache->table[i].rows);
    }
    free(cache->table);
    cache->table = cache->empty;
    cache->mask = cache->count = cache->bytes = 0;
}

void pyctm_code_cache_init(pyctm_code_cache *cache, const ctm_tracer *tracer)
{
    cache->tracer = tracer;
    cache->table = cache->empty;
}

size_t pyctm_code_cache_memory(const pyctm_code_cache *cache)
{
    return cache->bytes + (cache->mask + 1) * sizeof *cache->table;
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
static int line_of(PyCodeObject *code, int unit, pyctm_linetable_cursor *cursor)
{
    const uint8_t *table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    const int line = pyctm_linetable_line(table, (size_t)PyBytes_GET_SIZE(code->co_linetable),
                                          code->co_firstlineno, unit, cursor);
    return line < 0 ? 0 : line;
}

/* HOOK: */
ctm_status pyctm_code_frame_uncached(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out)
{
    uint32_t function;
    pyctm_linetable_cursor cursor = {0, 0, 0};
    const ctm_status status = intern_function(shard, code, &function);
    return status == CTM_OK ? ctm_shard_frame(shard, function, line_of(code, unit, &cursor), out)
                            : status;
}

/* --- the arrays --- */

/* HOOK: The array of `code`, allocated if there is none; NULL: use none. */
static code_rows *get_rows(pyctm_code_cache *cache, const PyCodeObject *code)
{
    code_rows *rows = table_find(cache, code)->rows;
    if (rows != NULL || !cache->deaths_are_known) {
        return rows;
    }
    const uint32_t count = (uint32_t)Py_SIZE(code) + 1;
    const size_t bytes = sizeof(code_rows) + count * sizeof(uint32_t);
    rows = calloc(1, bytes);
    if (rows == NULL || !table_add(cache, code, rows)) {
        free(rows);
        return NULL;
    }
    rows->bytes = bytes;
    rows->count = count;
    cache->bytes += bytes;
    return rows;
}

/* HOOK: */
static ctm_status refresh(ctm_shard *shard, PyCodeObject *code, code_rows *rows,
                          uint32_t generation)
{
    const ctm_status status = intern_function(shard, code, &rows->function);
    if (status == CTM_OK) {
        memset(rows->frames, 0, rows->count * sizeof(uint32_t));
        rows->generation = generation;
    }
    return status;
}

/* HOOK: */
static ctm_status fill(pyctm_code_cache *cache, ctm_shard *shard, PyCodeObject *code, int unit,
                       uint32_t *out)
{
    const uint32_t generation = ctm_tracer_generation(cache->tracer);
    code_rows *rows = get_rows(cache, code);
    PYCTM_ASSERT(rows == NULL || rows->count == (uint32_t)Py_SIZE(code) + 1);
    if (rows == NULL || unit < -1 || (uint32_t)(unit + 1) >= rows->count) {
        return pyctm_code_frame_uncached(shard, code, unit, out);
    }
    ctm_status status = CTM_OK;
    if (rows->generation != generation) {
        status = refresh(shard, code, rows, generation);
    }
    uint32_t *frame = &rows->frames[unit + 1];
    if (status == CTM_OK && *frame == 0) {
        status = ctm_shard_frame(shard, rows->function, line_of(code, unit, &rows->cursor), frame);
    }
    *out = *frame;
    return status;
}

/* HOOK: */
ctm_status pyctm_code_frame(pyctm_code_cache *cache, ctm_shard *shard, PyCodeObject *code, int unit,
                            uint32_t *out)
{
    PYCTM_ASSERT_MAIN();
    const code_rows *rows = table_find(cache, code)->rows;
    if (rows != NULL && (uint32_t)(unit + 1) < rows->count && rows->frames[unit + 1] != 0 &&
        rows->generation == ctm_tracer_generation(cache->tracer)) {
        *out = rows->frames[unit + 1];
        return CTM_OK;
    }
    return fill(cache, shard, code, unit, out);
}
#endif
