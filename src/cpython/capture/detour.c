/* detour.c: see detour.h.
 *
 * The decoder knows the instructions that compilers put at the start of a function, no more: their
 * length, and where they hold an address relative to themselves, which moving must correct.
 */
#include "detour.h"

#if defined(__x86_64__)

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { JUMP_BYTES = 5, FAR_JUMP_BYTES = 14, STUB_BYTES = 192, PROLOGUE_BYTES = 64, PAGE = 4096 };

/* One instruction. */
typedef struct instruction {
    uint32_t length;      /* 0: not known */
    uint32_t displaced;   /* offset of a 4-byte relative address; 0: none */
    bool is_call, is_end; /* a direct call; nothing follows (ret, jmp) */
    bool is_short;        /* a branch with a 1-byte offset */
} instruction;

/* Bytes of a ModRM operand (its byte, SIB and displacement); notes an address relative to rip. */
static uint32_t operand_length(const uint8_t *modrm, uint32_t at, uint32_t *out_displaced)
{
    const uint32_t mod = modrm[0] >> 6, rm = modrm[0] & 7;
    uint32_t length = 1;
    if (mod == 3) {
        return length;
    }
    if (rm == 4) {
        length++;
        if (mod == 0 && (modrm[1] & 7) == 5) {
            return length + 4;
        }
    } else if (mod == 0 && rm == 5) {
        *out_displaced = at + length;
        return length + 4;
    }
    return length + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* Bytes of the constant behind a ModRM operand; -1: the opcode has no such operand. */
static int constant_after_operand(uint8_t opcode, uint8_t modrm, bool word)
{
    switch (opcode) {
    case 0x01:
    case 0x03:
    case 0x09:
    case 0x0b:
    case 0x21:
    case 0x23:
    case 0x29:
    case 0x2b:
    case 0x31:
    case 0x33:
    case 0x38:
    case 0x39:
    case 0x3a:
    case 0x3b:
    case 0x63:
    case 0x84:
    case 0x85:
    case 0x88:
    case 0x89:
    case 0x8a:
    case 0x8b:
    case 0x8d: return 0;
    case 0xff: /* inc, dec, push; calls and jumps through memory are not moved */
        return ((modrm >> 3) & 7) <= 1 || ((modrm >> 3) & 7) == 6 ? 0 : -1;
    case 0x80:
    case 0x83:
    case 0xc6: return 1;
    case 0x81:
    case 0xc7: return word ? 2 : 4;
    case 0xf6: return ((modrm >> 3) & 7) <= 1 ? 1 : 0;
    case 0xf7: return ((modrm >> 3) & 7) <= 1 ? (word ? 2 : 4) : 0;
    default: return -1;
    }
}

static instruction decode_two_byte(const uint8_t *code, uint32_t at)
{
    const uint8_t opcode = code[at + 1];
    instruction result = {0};
    if (opcode >= 0x80 && opcode <= 0x8f) { /* conditional jump */
        result.length = at + 6;
        result.displaced = at + 2;
    } else if (opcode == 0x1e && code[at + 2] == 0xfa) { /* endbr64, after its f3 */
        result.length = at + 3;
    } else if (opcode == 0x1f || opcode == 0xb6 || opcode == 0xb7 || opcode == 0xbe ||
               opcode == 0xbf || opcode == 0xb0 || opcode == 0xb1 ||
               (opcode >= 0x40 && opcode <= 0x4f) || (opcode >= 0x90 && opcode <= 0x9f)) {
        result.length = at + 2 + operand_length(code + at + 2, at + 2, &result.displaced);
    }
    return result;
}

static instruction decode(const uint8_t *code)
{
    instruction result = {0};
    uint32_t at = 0;
    bool word = false, wide = false;
    while (code[at] == 0x66 || code[at] == 0xf0 || code[at] == 0xf2 || code[at] == 0xf3) {
        word |= code[at++] == 0x66;
    }
    if ((code[at] & 0xf0) == 0x40) {
        wide = (code[at++] & 8) != 0;
    }
    const uint8_t opcode = code[at];
    if (opcode == 0x0f) {
        return decode_two_byte(code, at);
    }
    if ((opcode >= 0x50 && opcode <= 0x5f) || opcode == 0x90) { /* push, pop, nop */
        result.length = at + 1;
    } else if (opcode >= 0xb0 && opcode <= 0xb7) { /* mov constant */
        result.length = at + 2;
    } else if (opcode >= 0xb8 && opcode <= 0xbf) {
        result.length = at + 1 + (wide ? 8 : word ? 2 : 4);
    } else if (opcode == 0xe8 || opcode == 0xe9) { /* call, jmp */
        result = (instruction){.length = at + 5,
                               .displaced = at + 1,
                               .is_call = opcode == 0xe8,
                               .is_end = opcode == 0xe9};
    } else if (opcode == 0xeb || (opcode >= 0x70 && opcode <= 0x7f)) { /* short branch */
        result = (instruction){.length = at + 2, .is_end = opcode == 0xeb, .is_short = true};
    } else if (opcode == 0xc3) {
        result = (instruction){.length = at + 1, .is_end = true};
    } else {
        const int constant = constant_after_operand(opcode, code[at + 1], word);
        if (constant >= 0) {
            result.length = at + 1 + operand_length(code + at + 1, at + 1, &result.displaced) +
                            (uint32_t)constant;
        }
    }
    return result;
}

void *ctm_detour_first_call(const void *function, uint32_t limit)
{
    const uint8_t *code = function;
    for (uint32_t at = 0; at < limit;) {
        const instruction next = decode(code + at);
        if (next.length == 0) {
            return NULL;
        }
        if (next.is_call) {
            int32_t offset;
            memcpy(&offset, code + at + next.displaced, sizeof(offset));
            return (void *)(code + at + next.length + offset);
        }
        at += next.length;
    }
    return NULL;
}

/* --- stubs --- */

static uint8_t *the_page;      /* where the next stub goes; GIL */
static uint32_t the_page_used; /* bytes of it; GIL */

static bool is_near(const void *a, const void *b)
{
    const intptr_t distance = (intptr_t)a - (intptr_t)b;
    return distance > -0x70000000 && distance < 0x70000000;
}

/* A writable page that a 4-byte offset from `target` reaches. */
static uint8_t *map_near(const uint8_t *target)
{
    const uintptr_t base = (uintptr_t)target & ~(uintptr_t)(PAGE - 1);
    for (uintptr_t step = 1; step < 700; step++) {
        for (int side = 0; side < 2; side++) {
            const uintptr_t distance = step << 21;
            if (side == 0 && base <= distance + (1u << 16)) {
                continue;
            }
            void *wish = (void *)(side == 0 ? base - distance : base + distance);
            void *page = mmap(wish, PAGE, PROT_READ | PROT_WRITE,
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

static uint8_t *new_stub(const uint8_t *target)
{
    if (the_page == NULL || the_page_used + STUB_BYTES > PAGE || !is_near(the_page, target)) {
        the_page = map_near(target);
        the_page_used = 0;
    }
    /* Other stubs of the page may be running: it stays executable. */
    if (the_page == NULL || mprotect(the_page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        return NULL;
    }
    uint8_t *stub = the_page + the_page_used;
    the_page_used += STUB_BYTES;
    return stub;
}

static uint8_t *put_far_jump(uint8_t *at, const void *to)
{
    static const uint8_t opcode[6] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(at, opcode, sizeof(opcode));
    memcpy(at + sizeof(opcode), &to, sizeof(to));
    return at + FAR_JUMP_BYTES;
}

/* Puts a 4-byte offset at `at`, relative to the byte behind it, that leads to `goal`. False: too far. */
static bool put_offset(uint8_t *at, const uint8_t *goal)
{
    const intptr_t distance = goal - (at + 4);
    const int32_t offset = (int32_t)distance;
    memcpy(at, &offset, sizeof(offset));
    return distance == offset;
}

/* A branch with a 1-byte offset gets a 4-byte one: its new length; 0: too far. */
static uint32_t move_short_branch(uint8_t *to, const uint8_t *from)
{
    const uint8_t *goal = from + 2 + (int8_t)from[1];
    if (from[0] == 0xeb) {
        to[0] = 0xe9;
        return put_offset(to + 1, goal) ? 5 : 0;
    }
    to[0] = 0x0f;
    to[1] = from[0] + 0x10;
    return put_offset(to + 2, goal) ? 6 : 0;
}

/* Copies one instruction from `from` to `to`, correcting a relative address: its new length; 0: cannot. */
static uint32_t move_instruction(uint8_t *to, const uint8_t *from, const instruction *what)
{
    if (what->is_short) {
        return move_short_branch(to, from);
    }
    memcpy(to, from, what->length);
    if (what->displaced != 0) {
        int32_t offset;
        memcpy(&offset, from + what->displaced, sizeof(offset));
        const int64_t moved = (int64_t)offset + (from - to);
        offset = (int32_t)moved;
        memcpy(to + what->displaced, &offset, sizeof(offset));
        if (moved != offset) {
            return 0;
        }
    }
    return what->length;
}

/* Where a branch of `what` leads to; NULL: it is none. */
static const uint8_t *branch_goal(const uint8_t *code, const instruction *what)
{
    int32_t offset;
    if (what->is_short) {
        return code + 2 + (int8_t)code[1];
    }
    if (what->displaced == 0 || what->displaced + 4 != what->length) {
        return NULL;
    }
    memcpy(&offset, code + what->displaced, sizeof(offset));
    return code + what->length + offset;
}

/* The stub that does what the target did up to `end`, and goes on behind it. */
static const char *build_original(uint8_t *stub, const uint8_t *target, uint32_t end)
{
    uint32_t from = 0, to = 0;
    while (from < end) {
        const instruction next = decode(target + from);
        const uint32_t length =
            next.length != 0 ? move_instruction(stub + to, target + from, &next) : 0;
        const uint8_t *goal = branch_goal(target + from, &next);
        if (length == 0 || (goal >= target && goal < target + end)) {
            return "an instruction at the function's start cannot be moved";
        }
        from += next.length;
        to += length;
        if (next.is_end && from < end) {
            return "the function is too short";
        }
    }
    (void)put_far_jump(stub + to, target + from);
    return NULL;
}

/* The instruction that takes back one of a prologue, written to `to`: its length; -1: `code` is none. */
static int undo_instruction(const uint8_t *code, uint8_t to[4])
{
    static const uint8_t endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};
    static const uint8_t set_frame_pointer[3] = {0x48, 0x89, 0xe5}; /* its push is undone */
    if (memcmp(code, endbr64, 4) == 0 || memcmp(code, set_frame_pointer, 3) == 0) {
        return 0;
    }
    if (code[0] >= 0x50 && code[0] <= 0x57) {
        to[0] = code[0] + 8;
        return 1;
    }
    if (code[0] == 0x41 && code[1] >= 0x50 && code[1] <= 0x57) {
        to[0] = 0x41;
        to[1] = code[1] + 8;
        return 2;
    }
    if (code[0] == 0x48 && code[1] == 0x83 && code[2] == 0xec) {
        const uint8_t add[4] = {0x48, 0x83, 0xc4, code[3]};
        memcpy(to, add, sizeof(add));
        return 4;
    }
    return -1;
}

/* The first instruction that a jump can replace whole, behind nothing but a prologue: its offset. What takes the
 * prologue back stands at the end of `undo`, *out_undo bytes of it. -1: there is none. */
static int find_site(const uint8_t *target, uint8_t undo[PROLOGUE_BYTES], uint32_t *out_undo)
{
    uint32_t at = 0;
    *out_undo = 0;
    while (at + 16 < PROLOGUE_BYTES) {
        const instruction next = decode(target + at);
        uint8_t back[4];
        if (next.length >= JUMP_BYTES) {
            return (int)at;
        }
        const int length = next.length != 0 ? undo_instruction(target + at, back) : -1;
        if (length < 0) {
            return -1;
        }
        *out_undo += (uint32_t)length;
        memcpy(undo + PROLOGUE_BYTES - *out_undo, back, (size_t)length);
        at += next.length;
    }
    return -1;
}

/* Fills `stub`; gives the site's offset in *out_site. */
static const char *build(ctm_detour *detour, uint8_t *stub, const uint8_t *target,
                         const void *replacement, ctm_callers callers, uint32_t *out_site)
{
    uint8_t undo[PROLOGUE_BYTES];
    uint32_t undo_length = 0;
    int site = 0;
    if (callers == CTM_CALLERS_ANY) {
        site = find_site(target, undo, &undo_length);
    }
    if (site < 0) {
        return "no instruction at the function's start can be replaced while others run it";
    }
    memcpy(stub, undo + PROLOGUE_BYTES - undo_length, undo_length);
    uint8_t *original = put_far_jump(stub + undo_length, replacement);
    detour->original = original;
    *out_site = (uint32_t)site;
    return build_original(original, target, (uint32_t)site + JUMP_BYTES);
}

const char *ctm_detour_prepare(ctm_detour *detour, void *target, void *replacement,
                               ctm_callers callers)
{
    if (detour->ready) {
        return NULL;
    }
    if (target == NULL) {
        return "the interpreter does not export the function";
    }
    uint8_t *stub = new_stub(target);
    if (stub == NULL) {
        return "no memory near the interpreter's code can be had";
    }
    uint32_t site = 0;
    const char *failure = build(detour, stub, target, replacement, callers, &site);
    if (mprotect(the_page, PAGE, PROT_READ | PROT_EXEC) != 0) {
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

/* Two bytes at once, so that a thread that arrives meanwhile finds a whole instruction. */
static void put_two(uint8_t *at, const uint8_t bytes[2])
{
    uint16_t word;
    memcpy(&word, bytes, sizeof(word));
    __atomic_store_n((uint16_t *)(void *)at, word, __ATOMIC_SEQ_CST);
}

/* A thread that comes here while the rest is written spins in place. */
static const char *put_code(uint8_t *target, const uint8_t bytes[JUMP_BYTES])
{
    static const uint8_t spin[2] = {0xeb, 0xfe};
    const uintptr_t first = (uintptr_t)target & ~(uintptr_t)(PAGE - 1);
    const size_t length = ((uintptr_t)target + JUMP_BYTES - first + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (mprotect((void *)first, length, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        return "the system refuses to let code be changed";
    }
    put_two(target, spin);
    memcpy(target + 2, bytes + 2, JUMP_BYTES - 2);
    put_two(target, bytes);
    (void)mprotect((void *)first, length, PROT_READ | PROT_EXEC);
    return NULL;
}

const char *ctm_detour_enable(ctm_detour *detour)
{
    const char *failure = detour->enabled ? NULL : put_code(detour->site, detour->jump);
    detour->enabled = failure == NULL;
    return failure;
}

void ctm_detour_disable(ctm_detour *detour)
{
    if (detour->enabled && put_code(detour->site, detour->saved) == NULL) {
        detour->enabled = false;
    }
}

#else

const char *ctm_detour_prepare(ctm_detour *detour, void *target, void *replacement,
                               ctm_callers callers)
{
    (void)callers;
    (void)detour;
    (void)target;
    (void)replacement;
    return "not available on this processor";
}

const char *ctm_detour_enable(ctm_detour *detour)
{
    (void)detour;
    return "not available on this processor";
}

void ctm_detour_disable(ctm_detour *detour)
{
    (void)detour;
}

void *ctm_detour_first_call(const void *function, uint32_t limit)
{
    (void)function;
    (void)limit;
    return NULL;
}
#endif
