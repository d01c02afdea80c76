/* got.c: see got.h.
 *
 * The loader's list of objects is walked with dl_iterate_phdr, which holds the loader's lock meanwhile: nothing can be
 * unloaded then, and the walk allocates and locks nothing. An object that another thread is just loading may be in the
 * list before its words are bound. So a word is only changed if its value shows that the loader has bound it, and the
 * object is searched again until all of its words are decided.
 */
#include "capture/patch/got.h"

#include <stdbool.h>
#include <stddef.h>

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__ILP32__)

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DONE_OBJECTS = 4096, MAX_TRIES = 1000, MOST_FUNCTIONS = 8 };

/* The process's, as the loader's list of objects is; dlsym, which is redirected too, gets no data of ours. */
static struct {
    pyctm_got_function
        functions[MOST_FUNCTIONS];  /* the last is dlsym; written once, before any search */
    uint32_t function_count;        /* GIL; then constant */
    uintptr_t page_size;            /* GIL; then constant */
    pthread_mutex_t lock;           /* one search at a time; held over a fork */
    uintptr_t done[DONE_OBJECTS];   /* lock; dynamic sections that need no other search, by hash */
    unsigned long long removals;    /* lock; objects unloaded when `done` was last emptied */
    bool interpreter_is_redirected; /* lock; its own calls of dlsym are */
    const char *failure;            /* lock; a word could not be written */
} the_words = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One object, during a search. All pointers are borrowed from the loader. */
typedef struct object {
    uintptr_t base;
    const ElfW(Phdr) * headers;
    uint32_t header_count;
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * tables[2];
    size_t table_bytes[2];
    uintptr_t dynamic;
    bool undecided; /* some word of the functions is not bound yet, or not by the loader */
} object;

/* --- which objects are done --- */

static uintptr_t *done_entry(uintptr_t dynamic)
{
    size_t at = (dynamic >> 3) * 0x9e3779b97f4a7c15u >> 52;
    for (uint32_t i = 0; i < 16; i++, at++) {
        uintptr_t *entry = &the_words.done[at % DONE_OBJECTS];
        if (*entry == 0 || *entry == dynamic) {
            return entry;
        }
    }
    return NULL; /* the table is full there: the object is searched each time */
}

static bool is_done(uintptr_t dynamic)
{
    const uintptr_t *entry = done_entry(dynamic);
    return entry != NULL && *entry == dynamic;
}

/* --- one object --- */

/* The loader makes the addresses absolute in some C libraries and not in others. */
static const void *dynamic_address(const object *what, ElfW(Addr) value)
{
    return (const void *)(value < what->base ? what->base + value : value);
}

static bool read_dynamic(object *what)
{
    const ElfW(Dyn) *entry = (const ElfW(Dyn) *)what->dynamic;
    bool has_addends = true;
    for (; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB: what->symbols = dynamic_address(what, entry->d_un.d_ptr); break;
        case DT_STRTAB: what->names = dynamic_address(what, entry->d_un.d_ptr); break;
        case DT_JMPREL: what->tables[0] = dynamic_address(what, entry->d_un.d_ptr); break;
        case DT_PLTRELSZ: what->table_bytes[0] = entry->d_un.d_val; break;
        case DT_RELA: what->tables[1] = dynamic_address(what, entry->d_un.d_ptr); break;
        case DT_RELASZ: what->table_bytes[1] = entry->d_un.d_val; break;
        case DT_PLTREL: has_addends = entry->d_un.d_val == DT_RELA; break;
        default: break;
        }
    }
    return has_addends && what->symbols != NULL && what->names != NULL;
}

static bool is_in(const object *what, const ElfW(Phdr) * header, uintptr_t address)
{
    const uintptr_t start = what->base + header->p_vaddr;
    return address >= start && address - start < header->p_memsz;
}

static bool is_own_code(const object *what, uintptr_t address)
{
    for (uint32_t i = 0; i < what->header_count; i++) {
        const ElfW(Phdr) *header = &what->headers[i];
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) != 0 &&
            is_in(what, header, address)) {
            return true;
        }
    }
    return false;
}

static bool is_protected_later(const object *what, uintptr_t address)
{
    for (uint32_t i = 0; i < what->header_count; i++) {
        if (what->headers[i].p_type == PT_GNU_RELRO && is_in(what, &what->headers[i], address)) {
            return true;
        }
    }
    return false;
}

/* Writes through the kernel, which returns an error instead of a fault if the page is not writable. 0, or an errno. */
static int try_to_write(uintptr_t *word, uintptr_t value)
{
    const struct iovec from = {&value, sizeof(value)}, to = {word, sizeof(value)};
    const ssize_t written = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
    return written == (ssize_t)sizeof(value) ? 0 : written < 0 ? errno : EFAULT;
}

/* A page that the loader is still filling is writable and stays so. A page that it has protected is protected again. */
static void write_word(const object *what, uintptr_t *word, uintptr_t value)
{
    const int error = try_to_write(word, value);
    if (error == 0) {
        return;
    }
    if (error != EFAULT && !is_protected_later(what, (uintptr_t)word)) {
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
        return;
    }
    void *page = (void *)((uintptr_t)word & ~(the_words.page_size - 1));
    if (mprotect(page, the_words.page_size, PROT_READ | PROT_WRITE) != 0) {
        the_words.failure = "the system refuses to let the table of an object be changed";
        return;
    }
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    if (error == EFAULT) { /* otherwise it is not known whether the loader has protected the page */
        (void)mprotect(page, the_words.page_size, PROT_READ);
    }
}

static const pyctm_got_function *function_named(const char *name)
{
    for (uint32_t i = 0; i < the_words.function_count; i++) {
        if (strcmp(name, the_words.functions[i].name) == 0) {
            return &the_words.functions[i];
        }
    }
    return NULL;
}

static void redirect_word(object *what, const ElfW(Rela) * relocation)
{
    const enum pyctm_got_relocation kind =
        pyctm_got_relocation_kind((uint32_t)ELF64_R_TYPE(relocation->r_info));
    uintptr_t *word = (uintptr_t *)(what->base + relocation->r_offset);
    if (kind == PYCTM_GOT_NONE || is_own_code(what, (uintptr_t)word)) {
        return;
    }
    const ElfW(Sym) *symbol = &what->symbols[ELF64_R_SYM(relocation->r_info)];
    const pyctm_got_function *function = function_named(what->names + symbol->st_name);
    if (function == NULL) {
        return;
    }
    const uintptr_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
    const bool not_bound =
        kind == PYCTM_GOT_CALL && symbol->st_shndx == SHN_UNDEF && is_own_code(what, value);
    if (value == (uintptr_t)function->target || not_bound) {
        write_word(what, word, (uintptr_t)function->replacement);
    } else if (value != (uintptr_t)function->replacement) {
        what->undecided = true;
        return;
    }
    if (function == &the_words.functions[the_words.function_count - 1] &&
        is_own_code(what, (uintptr_t)the_words.functions[0].target)) {
        the_words.interpreter_is_redirected = true;
    }
}

static void redirect_object(object *what)
{
    if (!read_dynamic(what)) {
        return;
    }
    for (int table = 0; table < 2; table++) {
        const size_t count =
            what->tables[table] != NULL ? what->table_bytes[table] / sizeof(ElfW(Rela)) : 0;
        for (size_t i = 0; i < count; i++) {
            redirect_word(what, &what->tables[table][i]);
        }
    }
}

static int on_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    if (info->dlpi_subs !=
        the_words.removals) { /* another object may be at an unloaded one's address */
        memset(the_words.done, 0, sizeof(the_words.done));
        the_words.removals = info->dlpi_subs;
    }
    object what = {
        .base = info->dlpi_addr, .headers = info->dlpi_phdr, .header_count = info->dlpi_phnum};
    for (uint32_t i = 0; i < what.header_count; i++) {
        if (what.headers[i].p_type == PT_DYNAMIC) {
            what.dynamic = what.base + what.headers[i].p_vaddr;
        }
    }
    if (what.dynamic == 0 || is_done(what.dynamic)) {
        return 0;
    }
    redirect_object(&what);
    uintptr_t *entry = what.undecided ? NULL : done_entry(what.dynamic);
    if (entry != NULL) {
        *entry = what.dynamic;
    }
    return 0;
}

/* --- all objects --- */

void pyctm_got_search_again(void)
{
    if (the_words.function_count == 0) {
        return;
    }
    /* The lock's holder may wait for the loader's lock, which this thread may hold. So there is a limit. */
    for (int i = 0; pthread_mutex_trylock(&the_words.lock) != 0; i++) {
        if (i == MAX_TRIES) {
            return;
        }
        (void)sched_yield();
    }
    (void)dl_iterate_phdr(on_object, NULL);
    (void)pthread_mutex_unlock(&the_words.lock);
}

static const void *on_dlsym(void *handle, const char *name)
{
    const int error = errno;
    const void *found = NULL;
    pyctm_got_search_again();
    const pyctm_got_function *function =
        handle != RTLD_NEXT && name != NULL ? function_named(name) : NULL;
    if (function != NULL && function != &the_words.functions[the_words.function_count - 1] &&
        pyctm_got_real_dlsym(handle, name) == function->target) {
        found = function->replacement;
    }
    errno = error;
    return found;
}

static void before_fork(void)
{
    (void)pthread_mutex_lock(&the_words.lock);
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&the_words.lock);
}

const char *pyctm_got_install(const pyctm_got_function *functions, uint32_t count)
{
    if (the_words.function_count == 0) {
        if (pthread_atfork(before_fork, after_fork, after_fork) != 0) {
            return "no memory";
        }
        the_words.page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        pyctm_got_real_dlsym = dlsym;
        pyctm_got_ask_dlsym = on_dlsym;
        memcpy(the_words.functions, functions, count * sizeof(functions[0]));
        the_words.functions[count] =
            (pyctm_got_function){"dlsym", (const void *)dlsym, (const void *)pyctm_got_dlsym};
        the_words.function_count = count + 1;
    }
    pyctm_got_search_again();
    if (the_words.failure != NULL) {
        return the_words.failure;
    }
    return the_words.interpreter_is_redirected
               ? NULL
               : "it cannot be known when the interpreter loads an object";
}

#else

const char *pyctm_got_install(const pyctm_got_function *functions, uint32_t count)
{
    (void)functions;
    (void)count;
    return "not available on this processor";
}

void pyctm_got_search_again(void)
{
}
#endif
