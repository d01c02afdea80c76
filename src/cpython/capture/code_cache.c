/* code_cache.c: from an instruction to its frame row, at the cost of a few loads.
 *
 * Model: a code object carries, in one of its extra slots, an array indexed by instruction that
 * holds frame ids, filled as instructions are met. CPython frees the array with the code object, so
 * a reused address never gives a stale answer. The array belongs to shard 0: the GIL guards it.
 * Ids are of one generation of the tracer; an older array is wiped when next met.
 *
 * Who remembers instructions by their address (stack.c) is told of the death of any code object: 3.12 and newer have
 * a listener for it, on 3.11 the type's deallocator is led through here.
 *
 * The slot is written directly: the API would go through PyMem_Realloc, that is through our hook.
 */
#include "capture.h"
#include "frames.h"
#include "linetable.h"
#include "stack.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

typedef struct code_cache {
    size_t bytes;              /* of this array; written once */
    uint32_t generation;       /* of the ids below; GIL */
    uint32_t function;         /* function row; GIL */
    uint32_t count;            /* of `frames`: code units + 1; written once */
    ctm_linetable_place place; /* where the last look for a line ended; GIL */
    uint32_t frames[];         /* frame row of unit - 1; 0: not met yet; GIL */
} code_cache;

/* CPython's own layout of `co_extra`. */
typedef struct code_extra {
    Py_ssize_t size;
    void *slots[];
} code_extra;

static Py_ssize_t the_index = -1; /* our slot, for the life of the process; GIL */
static size_t the_bytes;          /* in all arrays; GIL */
static bool the_deaths_are_known; /* somebody tells us when a code object dies; GIL */

static void free_cache(void *cache)
{
    if (cache != NULL) {
        the_bytes -= ((code_cache *)cache)->bytes;
        free(cache);
    }
}

/* HOOK: */
bool ctm_code_deaths_are_known(void)
{
    return the_deaths_are_known;
}

#if PY_VERSION_HEX >= 0x030C0000
static int on_code_event(PyCodeEvent event, PyCodeObject *code)
{
    (void)code;
    if (event == PY_CODE_EVENT_DESTROY) {
        ctm_stack_forget();
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
    ctm_stack_forget();
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

int ctm_code_cache_init(void)
{
    listen();
#if PY_VERSION_HEX >= 0x030C0000
    the_index = PyUnstable_Eval_RequestCodeExtraIndex(free_cache);
#else
    the_index = _PyEval_RequestCodeExtraIndex(free_cache);
#endif
    /* Too many tools hold slots: go on without a cache. */
    return 0;
}

size_t ctm_code_cache_memory(void)
{
    return the_bytes;
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
static int line_of(PyCodeObject *code, int unit, ctm_linetable_place *place)
{
    const uint8_t *table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    const int line = ctm_linetable_line(table, (size_t)PyBytes_GET_SIZE(code->co_linetable),
                                        code->co_firstlineno, unit, place);
    return line < 0 ? 0 : line;
}

/* HOOK: */
ctm_status ctm_code_frame_uncached(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out)
{
    uint32_t function;
    ctm_linetable_place place = {0, 0, 0};
    const ctm_status status = intern_function(shard, code, &function);
    return status == CTM_OK ? ctm_shard_frame(shard, function, line_of(code, unit, &place), out)
                            : status;
}

/* --- the cache --- */

/* HOOK: Makes `code` carry our slot. False: out of memory, or another tool's hook is above one of ours, which may have given
 * the old slots and will be given the new ones; or may have called us with its lock held, as the standard module does. */
static bool widen_extra(ctm_shard *shard, PyCodeObject *code)
{
    const PyMemAllocatorEx *real = ctm_hooks_original(PYMEM_DOMAIN_MEM);
    if (real == NULL) {
        return false;
    }
    code_extra *old = *ctm_frames_code_extra(code);
    const Py_ssize_t old_size = old != NULL ? old->size : 0;
    const size_t bytes = sizeof(code_extra) + (size_t)(the_index + 1) * sizeof(void *);
    code_extra *extra = real->malloc(real->ctx, bytes);
    if (extra == NULL) {
        return false;
    }
    extra->size = the_index + 1;
    memset(extra->slots, 0, (size_t)extra->size * sizeof(void *));
    if (old != NULL) {
        memcpy(extra->slots, old->slots, (size_t)old_size * sizeof(void *));
    }
    *ctm_frames_code_extra(code) = extra;
    if (old != NULL) {
        (void)ctm_shard_free(shard, 0, (uintptr_t)old);
        real->free(real->ctx, old);
    }
    return true;
}

/* HOOK: The array of `code`, made if need be; NULL: go without. */
static code_cache *get_cache(ctm_shard *shard, PyCodeObject *code)
{
    code_extra *extra = *ctm_frames_code_extra(code);
    if (extra != NULL && extra->size > the_index && extra->slots[the_index] != NULL) {
        return extra->slots[the_index];
    }
    if ((extra == NULL || extra->size <= the_index) && !widen_extra(shard, code)) {
        return NULL;
    }
    extra = *ctm_frames_code_extra(code);
    const uint32_t count = (uint32_t)Py_SIZE(code) + 1;
    const size_t bytes = sizeof(code_cache) + count * sizeof(uint32_t);
    code_cache *cache = calloc(1, bytes);
    if (cache != NULL) {
        cache->bytes = bytes;
        cache->count = count;
        the_bytes += bytes;
        extra->slots[the_index] = cache;
    }
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
    const uint32_t generation = ctm_tracer_generation(ctm_the_capture.tracer);
    code_cache *cache = get_cache(shard, code);
    if (cache == NULL || unit < -1 || (uint32_t)(unit + 1) >= cache->count) {
        return ctm_code_frame_uncached(shard, code, unit, out);
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
ctm_status ctm_code_frame(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out)
{
    const code_extra *extra = *ctm_frames_code_extra(code);
    if (the_index < 0) {
        return ctm_code_frame_uncached(shard, code, unit, out);
    }
    if (extra != NULL && extra->size > the_index) {
        const code_cache *cache = extra->slots[the_index];
        if (cache != NULL && (uint32_t)(unit + 1) < cache->count && cache->frames[unit + 1] != 0 &&
            cache->generation == ctm_tracer_generation(ctm_the_capture.tracer)) {
            *out = cache->frames[unit + 1];
            return CTM_OK;
        }
    }
    return fill(shard, code, unit, out);
}
#endif
