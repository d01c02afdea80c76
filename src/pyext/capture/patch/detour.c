/* detour.c: see detour.h. prologue.c analyzes the code to be replaced; this file writes the code. */
#include "capture/patch/detour.h"

#if defined(__x86_64__)

#include "capture/patch/prologue.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { JUMP_BYTES = PYCTM_JUMP_BYTES, FAR_JUMP_BYTES = 14, PAGE = 4096, UNKNOWN_SIZE = 64 };
enum { STUB_BYTES = PYCTM_UNDO_BYTES + FAR_JUMP_BYTES + PYCTM_MOVED_BYTES + FAR_JUMP_BYTES };

/* Bytes of an exported function, from its object's symbol table. */
static uint32_t function_size(const void *function)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    if (dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL ||
        info.dli_saddr != function || symbol->st_size == 0) {
        return UNKNOWN_SIZE;
    }
    return (uint32_t)symbol->st_size;
}

const void *pyctm_detour_guarded_call(const void *function)
{
    const void *target = pyctm_prologue_guarded_call(function, function_size(function));
    Dl_info here, there;
    if (target == NULL || dladdr(function, &here) == 0 || dladdr(target, &there) == 0 ||
        here.dli_fbase != there.dli_fbase) {
        return NULL;
    }
    return there.dli_saddr == target ? NULL : target; /* a function with a symbol is not hidden */
}

/* --- stubs --- */

/* The process's: code that is redirected to a stub is the process's, and keeps its page for ever. GIL. */
static struct {
    uint8_t *page; /* owned: the page of the next stub */
    uint32_t used; /* bytes of it in use */
} the_stubs;

static bool is_near(const void *a, const void *b)
{
    const intptr_t distance = (intptr_t)a - (intptr_t)b;
    return distance > -0x70000000 && distance < 0x70000000;
}

/* A writable page within a 4-byte offset of `target`. */
static uint8_t *map_near(const uint8_t *target)
{
    const uintptr_t base = (uintptr_t)target & ~(uintptr_t)(PAGE - 1);
    for (uintptr_t step = 1; step < 700; step++) {
        for (int side = 0; side < 2; side++) {
            const uintptr_t distance = step << 21;
            if (side == 0 && base <= distance + (1u << 16)) {
                continue;
            }
            void *request = (void *)(side == 0 ? base - distance : base + distance);
            void *page = mmap(request, PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            if (page != MAP_FAILED && is_near(page, target)) {
                return page;
            }
            if (page != MAP_FAILED) {
                (void)munmap(page, PAGE);
            }
        }
    }
    return NULL;
}

/* Memory for a stub. NULL: failed, *out_failure is a static text of why. */
static uint8_t *new_stub(const uint8_t *target, const char **out_failure)
{
    if (the_stubs.page == NULL || the_stubs.used + STUB_BYTES > PAGE ||
        !is_near(the_stubs.page, target)) {
        uint8_t *page = map_near(target);
        if (page == NULL) {
            *out_failure = "no memory near the interpreter's code can be had";
            return NULL;
        }
        the_stubs.page = page;
        the_stubs.used = 0;
    }
    /* Other stubs of the page may be running, so it stays executable. */
    // NOLINTNEXTLINE(clang-analyzer-security.MmapWriteExec): other threads run these pages meanwhile
    if (mprotect(the_stubs.page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        *out_failure = "the system refuses to let code be written";
        return NULL;
    }
    uint8_t *stub = the_stubs.page + the_stubs.used;
    the_stubs.used += STUB_BYTES;
    return stub;
}

static uint8_t *put_far_jump(uint8_t *at, const void *to)
{
    static const uint8_t opcode[6] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(at, opcode, sizeof(opcode));
    memcpy(at + sizeof(opcode), &to, sizeof(to));
    return at + FAR_JUMP_BYTES;
}

/* Fills `stub`; *out_site is the site's offset. */
static const char *build(pyctm_detour *detour, uint8_t *stub, const uint8_t *target,
                         const void *replacement, const pyctm_callers *callers, uint32_t *out_site)
{
    ctm_site site = {0};
    if (!callers->hold_gil) {
        const char *failure =
            pyctm_prologue_find_site(target, function_size(target), callers->arguments, &site);
        if (failure != NULL) {
            return failure;
        }
    }
    memcpy(stub, site.undo, site.undo_length);
    uint8_t *original = put_far_jump(stub + site.undo_length, replacement);
    uint32_t length = 0, moved = 0;
    const char *failure =
        pyctm_prologue_move(original, target, site.offset + JUMP_BYTES, &length, &moved);
    if (failure == NULL) {
        (void)put_far_jump(original + length, target + moved);
        detour->original = original;
        *out_site = site.offset;
    }
    return failure;
}

const char *pyctm_detour_prepare(pyctm_detour *detour, void *target, void *replacement,
                                 pyctm_callers callers)
{
    const char *failure = NULL;
    if (detour->ready) {
        return NULL;
    }
    if (target == NULL) {
        return "the interpreter does not export the function";
    }
    uint8_t *stub = new_stub(target, &failure);
    if (stub == NULL) {
        return failure;
    }
    uint32_t site = 0;
    failure = build(detour, stub, target, replacement, &callers, &site);
    if (mprotect(the_stubs.page, PAGE, PROT_READ | PROT_EXEC) != 0) {
        return "the system refuses executable memory";
    }
    if (failure != NULL) {
        return failure;
    }
    detour->site = (uint8_t *)target + site;
    const int32_t offset = (int32_t)(stub - (detour->site + JUMP_BYTES));
    memcpy(detour->saved, detour->site, sizeof(detour->saved));
    detour->jump[0] = 0xe9;
    memcpy(detour->jump + 1, &offset, sizeof(offset));
    detour->ready = true;
    return NULL;
}

/* Makes each processor that runs a thread of this process discard instructions that it has already decoded. If the
 * kernel does not support that, the order of the writes is still right for a processor that fetches them in order. */
static void synchronize(void)
{
    (void)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}

/* Writes two bytes at once, so that a thread that arrives meanwhile finds a whole instruction. */
static void put_two(uint8_t *at, const uint8_t bytes[2])
{
    uint16_t word;
    memcpy(&word, bytes, sizeof(word));
    __atomic_store_n((uint16_t *)(void *)at, word, __ATOMIC_SEQ_CST);
}

/* Writes the jump. A thread that arrives while the rest is written spins at the target. */
static void put_jump(uint8_t *target, const uint8_t bytes[JUMP_BYTES])
{
    static const uint8_t spin[2] = {0xeb, 0xfe};
    const uintptr_t in_word = (uintptr_t)target & 7;
    if (in_word + JUMP_BYTES <= 8) {
        uint64_t word;
        memcpy(&word, target - in_word, sizeof(word));
        memcpy((uint8_t *)&word + in_word, bytes, JUMP_BYTES);
        __atomic_store_n((uint64_t *)(void *)(target - in_word), word, __ATOMIC_SEQ_CST);
        synchronize();
        return;
    }
    put_two(target, spin);
    synchronize();
    memcpy(target + 2, bytes + 2, JUMP_BYTES - 2);
    synchronize();
    put_two(target, bytes);
    synchronize();
}

/* Replaces `expected` by `bytes`. Code that another tool has changed since is left as it is. */
static const char *put_code(uint8_t *target, const uint8_t expected[JUMP_BYTES],
                            const uint8_t bytes[JUMP_BYTES])
{
    const uintptr_t first = (uintptr_t)target & ~(uintptr_t)(PAGE - 1);
    const size_t length = ((uintptr_t)target + JUMP_BYTES - first + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (memcmp(target, expected, JUMP_BYTES) != 0) {
        return "another tool has changed the function's code";
    }
    // NOLINTNEXTLINE(clang-analyzer-security.MmapWriteExec): other threads run these pages meanwhile
    if (mprotect((void *)first, length, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        return "the system refuses to let code be changed";
    }
    put_jump(target, bytes);
    (void)mprotect((void *)first, length, PROT_READ | PROT_EXEC);
    return NULL;
}

const char *pyctm_detour_enable(pyctm_detour *detour)
{
    const char *failure =
        detour->enabled ? NULL : put_code(detour->site, detour->saved, detour->jump);
    detour->enabled = failure == NULL;
    return failure;
}

void pyctm_detour_disable(pyctm_detour *detour)
{
    if (detour->enabled && put_code(detour->site, detour->jump, detour->saved) == NULL) {
        detour->enabled = false;
    }
}

#else

const char *pyctm_detour_prepare(pyctm_detour *detour, void *target, void *replacement,
                                 pyctm_callers callers)
{
    (void)callers;
    (void)detour;
    (void)target;
    (void)replacement;
    return "not available on this processor";
}

const char *pyctm_detour_enable(pyctm_detour *detour)
{
    (void)detour;
    return "not available on this processor";
}

void pyctm_detour_disable(pyctm_detour *detour)
{
    (void)detour;
}

const void *pyctm_detour_guarded_call(const void *function)
{
    (void)function;
    return NULL;
}
#endif
