/* prologue.c: see prologue.h. */
#include "capture/patch/prologue.h"

#if defined(__x86_64__)

#include <Zydis/Decoder.h>
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { REGISTERS = 16, RED_ZONE = 128, CACHE_LINE = 64, STEPS = 64, CALLS = 8, SLOTS = 8 };
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI }; /* the processor's numbers */

typedef struct instruction {
    ZydisDecodedInstruction is;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
} instruction;

/* What the instructions from the function's start on have done to the caller's values. Offsets are bytes below the
 * stack pointer at the start, where the return address is. */
typedef struct state {
    int32_t depth;               /* offset of the present stack pointer */
    int32_t frame;               /* offset of the address in rbp; 0: rbp has none */
    int32_t saved_at[REGISTERS]; /* offset of the caller's value; 0: not saved */
    bool changed[REGISTERS];     /* the register has another value now */
    uint32_t arguments;
} state;

static bool decode(const uint8_t *code, instruction *out)
{
    ZydisDecoder decoder;
    return ZYAN_SUCCESS(
               ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
           ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, ZYDIS_MAX_INSTRUCTION_LENGTH,
                                               &out->is, out->operands));
}

/* The number of the general register that `reg` is a part of; -1: none. */
static int register_number(ZydisRegister reg)
{
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(whole) : -1;
}

static bool is_callee_saved(int number)
{
    return number == RBX || number == RBP || number >= 12;
}

static bool is_argument(const state *now, int number)
{
    return (number == RDI && now->arguments > 0) || (number == RSI && now->arguments > 1) ||
           (number == RDX && now->arguments > 2);
}

/* Whether the register may be changed freely: no code expects its old value. */
static bool is_scratch(ZydisRegister reg)
{
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_FLAGS: return true;
    default: return false;
    }
}

/* --- branches --- */

/* The target of a direct call or branch; NULL: the instruction is neither. */
static const uint8_t *branch_target(const uint8_t *code, const instruction *what)
{
    if (!what->is.raw.imm[0].is_relative) {
        return NULL;
    }
    return code + what->is.length + what->is.raw.imm[0].value.s;
}

static bool is_call(const instruction *what)
{
    return what->is.meta.category == ZYDIS_CATEGORY_CALL;
}

static bool is_conditional(const instruction *what)
{
    return what->is.meta.category == ZYDIS_CATEGORY_COND_BR;
}

/* Whether no instruction follows: a jump, a return, a trap. */
static bool is_end(const instruction *what)
{
    return what->is.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
           what->is.meta.category == ZYDIS_CATEGORY_RET ||
           what->is.meta.category == ZYDIS_CATEGORY_INTERRUPT ||
           what->is.mnemonic == ZYDIS_MNEMONIC_UD2 || what->is.mnemonic == ZYDIS_MNEMONIC_HLT;
}

/* Whether the function branches to its start, up to `offset`. Then a jump there could run in the middle of a call. */
static bool is_branched_to(const uint8_t *code, uint32_t size, uint32_t offset)
{
    instruction next;
    assert(code != NULL);
    for (uint32_t at = 0; at < size && decode(code + at, &next); at += next.is.length) {
        const uint8_t *goal = branch_target(code + at, &next);
        if (goal != NULL && !is_call(&next) && goal >= code && goal <= code + offset) {
            return true;
        }
    }
    return false;
}

/* --- what an instruction does to the caller's values --- */

/* The address of a memory operand, as an offset; false: it is not on this function's stack. */
static bool stack_offset(const state *now, const ZydisDecodedOperand *operand, int32_t *out)
{
    if (operand->mem.index != ZYDIS_REGISTER_NONE || operand->mem.segment == ZYDIS_REGISTER_FS ||
        operand->mem.segment == ZYDIS_REGISTER_GS) {
        return false;
    }
    const ZyanI64 displacement = operand->mem.disp.value;
    const bool is_frame = operand->mem.base == ZYDIS_REGISTER_RBP && now->frame != 0;
    if ((operand->mem.base != ZYDIS_REGISTER_RSP && !is_frame) || displacement > INT16_MAX ||
        displacement < INT16_MIN) {
        return false;
    }
    *out = (is_frame ? now->frame : now->depth) - (int32_t)displacement;
    return true;
}

/* A write of `bytes` at `offset`. False: it may overwrite a value that is still needed. */
static bool write_stack(const state *now, int32_t offset, int32_t bytes)
{
    if (offset - bytes < 0 || offset > now->depth + RED_ZONE) {
        return false;
    }
    for (int i = 0; i < REGISTERS; i++) {
        const int32_t saved = now->saved_at[i];
        if (saved != 0 && saved > offset - bytes && saved - 8 < offset) {
            return false;
        }
    }
    return true;
}

/* If the register still has the caller's value, stores that the value is at `offset` from now on. */
static void note_saved(state *now, int number, int32_t offset)
{
    if (number >= 0 && is_callee_saved(number) && !now->changed[number] &&
        now->saved_at[number] == 0) {
        now->saved_at[number] = offset;
    }
}

static bool push(state *now, const instruction *what)
{
    const ZydisDecodedOperand *operand = &what->operands[0];
    if (what->is.operand_width != 64 || !write_stack(now, now->depth + 8, 8)) {
        return false;
    }
    now->depth += 8;
    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        note_saved(now, register_number(operand->reg.value), now->depth);
    }
    return operand->type != ZYDIS_OPERAND_TYPE_MEMORY;
}

/* `sub rsp, constant` and `add rsp, constant`. False: neither, or a saved value would be below the red zone. */
static bool move_stack_pointer(state *now, const instruction *what)
{
    const ZydisDecodedOperand *operands = what->operands;
    if (operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
        operands[0].reg.value != ZYDIS_REGISTER_RSP ||
        operands[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || operands[1].imm.value.s > INT16_MAX ||
        operands[1].imm.value.s < INT16_MIN) {
        return false;
    }
    const int32_t by = (int32_t)operands[1].imm.value.s;
    now->depth += what->is.mnemonic == ZYDIS_MNEMONIC_SUB ? by : -by;
    for (int i = 0; i < REGISTERS; i++) {
        if (now->saved_at[i] > now->depth + RED_ZONE) {
            return false;
        }
    }
    return now->depth >= 0;
}

static bool write_register(state *now, ZydisRegister reg)
{
    const int number = register_number(reg);
    if (number < 0) {
        return is_scratch(reg);
    }
    if (number == RSP || is_argument(now, number)) {
        return false;
    }
    if (is_callee_saved(number)) {
        if (now->saved_at[number] == 0) {
            return false;
        }
        now->changed[number] = true;
    }
    if (number == RBP) {
        now->frame = 0;
    }
    return true;
}

static bool write_operand(state *now, const instruction *what, const ZydisDecodedOperand *operand)
{
    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        return write_register(now, operand->reg.value);
    }
    int32_t offset = 0;
    if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || !stack_offset(now, operand, &offset) ||
        !write_stack(now, offset, operand->size / 8)) {
        return false;
    }
    if (what->is.mnemonic == ZYDIS_MNEMONIC_MOV && operand->size == 64 &&
        what->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        note_saved(now, register_number(what->operands[1].reg.value), offset);
    }
    return true;
}

static bool sets_frame_pointer(const instruction *what)
{
    return what->is.mnemonic == ZYDIS_MNEMONIC_MOV &&
           what->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           what->operands[0].reg.value == ZYDIS_REGISTER_RBP &&
           what->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           what->operands[1].reg.value == ZYDIS_REGISTER_RSP;
}

/* Instructions that could do more than their operands say. */
static bool is_special(const instruction *what)
{
    switch (what->is.meta.category) {
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SEMAPHORE:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_UNCOND_BR: return true;
    default: return (what->is.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
    }
}

/* Updates the state by one instruction. False: it cannot be undone. */
static bool follow(state *now, const instruction *what)
{
    if (is_special(what)) {
        return false;
    }
    if (what->is.mnemonic == ZYDIS_MNEMONIC_PUSH) {
        return push(now, what);
    }
    if (what->is.mnemonic == ZYDIS_MNEMONIC_SUB || what->is.mnemonic == ZYDIS_MNEMONIC_ADD) {
        if (move_stack_pointer(now, what)) {
            return true;
        }
    }
    for (int i = 0; i < what->is.operand_count; i++) {
        const ZydisDecodedOperand *operand = &what->operands[i];
        if ((operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
            !write_operand(now, what, operand)) {
            return false;
        }
    }
    if (sets_frame_pointer(what)) {
        now->frame = now->depth;
    }
    return true;
}

/* --- the site --- */

static uint8_t *put_stack_address(uint8_t *at, int32_t offset)
{
    *at++ = 0x24; /* rsp and a 4-byte offset */
    memcpy(at, &offset, sizeof(offset));
    return at + sizeof(offset);
}

/* `mov register, [rsp + …]` for each changed register, then `lea rsp, [rsp + …]`. */
static void write_undo(const state *now, ctm_site *out)
{
    uint8_t *at = out->undo;
    for (int i = 0; i < REGISTERS; i++) {
        if (now->changed[i] && is_callee_saved(i)) {
            *at++ = i < 8 ? 0x48 : 0x4c;
            *at++ = 0x8b;
            *at++ = (uint8_t)(0x84 | (i & 7) << 3);
            at = put_stack_address(at, now->depth - now->saved_at[i]);
        }
    }
    if (now->depth != 0) {
        *at++ = 0x48;
        *at++ = 0x8d;
        *at++ = 0xa4;
        at = put_stack_address(at, now->depth);
    }
    out->undo_length = (uint32_t)(at - out->undo);
}

/* Whether a jump can replace this instruction. Its first two bytes, written at once, must be in one cache line. */
static bool can_be_site(const uint8_t *code, const instruction *what)
{
    return what->is.length >= PYCTM_JUMP_BYTES &&
           ((uintptr_t)code & (CACHE_LINE - 1)) != CACHE_LINE - 1;
}

const char *pyctm_prologue_find_site(const uint8_t *code, uint32_t size, uint32_t arguments,
                                     ctm_site *out)
{
    state now = {.arguments = arguments};
    instruction next;
    for (uint32_t at = 0, step = 0; step < STEPS && at < size; step++, at += next.is.length) {
        if (!decode(code + at, &next)) {
            return "the function begins with an instruction that is not known";
        }
        if (is_end(&next) && !is_call(&next)) {
            return at == 0
                       ? "the function begins with a jump: another tool has redirected its calls"
                       : "the function is too short";
        }
        if (can_be_site(code + at, &next)) {
            if (is_branched_to(code, size, at)) {
                return "the function's start is part of a loop";
            }
            out->offset = at;
            write_undo(&now, out);
            return NULL;
        }
        if (!follow(&now, &next)) {
            break;
        }
    }
    return "no instruction at the function's start can be replaced while others run it";
}

/* --- moving --- */

/* Writes the 4-byte offset of `goal`, relative to the byte after the offset. False: too far. */
static bool put_offset(uint8_t *at, const uint8_t *goal)
{
    const intptr_t distance = goal - (at + 4);
    const int32_t offset = (int32_t)distance;
    memcpy(at, &offset, sizeof(offset));
    return distance == offset;
}

/* Copies a branch, with a 4-byte offset. Returns its new length; 0: not possible. */
static uint32_t move_branch(uint8_t *to, const uint8_t *from, const instruction *what)
{
    const uint8_t *goal = branch_target(from, what);
    if (is_call(what) || what->is.mnemonic == ZYDIS_MNEMONIC_JMP) {
        to[0] = is_call(what) ? 0xe8 : 0xe9;
        return put_offset(to + 1, goal) ? 5 : 0;
    }
    const uint8_t opcode = what->is.opcode;
    if (!is_conditional(what) || (opcode & 0xe0) == 0xe0) { /* jrcxz, loop */
        return 0;
    }
    to[0] = 0x0f;
    to[1] = (uint8_t)(0x80 | (opcode & 0x0f));
    return put_offset(to + 2, goal) ? 6 : 0;
}

/* Copies one instruction and corrects a relative address. Returns its new length; 0: not possible. */
static uint32_t move_instruction(uint8_t *to, const uint8_t *from, const instruction *what)
{
    if (what->is.raw.imm[0].is_relative) {
        return move_branch(to, from, what);
    }
    memcpy(to, from, what->is.length);
    if ((what->is.attributes & ZYDIS_ATTRIB_IS_RELATIVE) == 0) {
        return what->is.length;
    }
    const uint32_t field = what->is.raw.disp.offset;
    const int64_t moved = what->is.raw.disp.value + (from - to);
    const int32_t offset = (int32_t)moved;
    if (what->is.raw.disp.size != 32 || moved != offset) {
        return 0;
    }
    memcpy(to + field, &offset, sizeof(offset));
    return what->is.length;
}

const char *pyctm_prologue_move(uint8_t *to, const uint8_t *code, uint32_t length,
                                uint32_t *out_length, uint32_t *out_moved)
{
    uint32_t from = 0, written = 0;
    while (from < length) {
        instruction next;
        if (!decode(code + from, &next) ||
            written + ZYDIS_MAX_INSTRUCTION_LENGTH > PYCTM_MOVED_BYTES) {
            return "an instruction at the function's start is not known";
        }
        const uint32_t moved = move_instruction(to + written, code + from, &next);
        const uint8_t *goal = branch_target(code + from, &next);
        if (moved == 0 || (goal >= code && goal < code + length)) {
            return "an instruction at the function's start cannot be moved";
        }
        from += next.is.length;
        written += moved;
        if (is_end(&next) && from < length) {
            return "the function is too short";
        }
    }
    *out_moved = from;
    *out_length = written;
    return NULL;
}

/* --- the guarded call --- */

#define KEPT_BY_CALLS (1u << RBX | 1u << RBP | 0xf000u)

/* Which registers and slots have the function's first argument. A slot is a stack address as the code writes it: rsp or
 * rbp plus an offset. */
typedef struct copies {
    uint32_t registers; /* a bit for each register */
    uint32_t count;
    struct {
        ZydisRegister base;
        ZyanI64 offset;
    } slots[SLOTS];
} copies;

static bool is_slot(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->size == 64 &&
           operand->mem.index == ZYDIS_REGISTER_NONE &&
           (operand->mem.base == ZYDIS_REGISTER_RSP || operand->mem.base == ZYDIS_REGISTER_RBP);
}

/* The index of the operand's slot; `count`: the slot does not have the argument. */
static uint32_t find_slot(const copies *now, const ZydisDecodedOperand *operand)
{
    uint32_t i = 0;
    while (i < now->count && (!is_slot(operand) || now->slots[i].base != operand->mem.base ||
                              now->slots[i].offset != operand->mem.disp.value)) {
        i++;
    }
    return i;
}

static bool has_argument(const copies *now, const ZydisDecodedOperand *operand)
{
    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER && operand->size == 64) {
        const int number = register_number(operand->reg.value);
        return number >= 0 && (now->registers >> number & 1) != 0;
    }
    return find_slot(now, operand) < now->count;
}

/* A change of rsp or rbp changes the slots' offsets: they are forgotten. */
static void forget_base(copies *now, ZydisRegister base)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < now->count; i++) {
        if (now->slots[i].base != base) {
            now->slots[kept++] = now->slots[i];
        }
    }
    now->count = kept;
}

static void write_slot(copies *now, const ZydisDecodedOperand *operand, bool with_argument)
{
    const uint32_t at = find_slot(now, operand);
    if (with_argument && at == now->count && at < SLOTS && is_slot(operand)) {
        now->slots[at].base = operand->mem.base;
        now->slots[at].offset = operand->mem.disp.value;
        now->count++;
    } else if (!with_argument && at < now->count) {
        now->slots[at] = now->slots[--now->count];
    }
}

static void write_copy(copies *now, const ZydisDecodedOperand *operand, bool with_argument)
{
    if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER) {
        write_slot(now, operand, with_argument);
        return;
    }
    const int number = register_number(operand->reg.value);
    if (number < 0) {
        return;
    }
    now->registers &= ~(1u << number);
    now->registers |= (uint32_t)with_argument << number;
    if (number == RSP || number == RBP) {
        forget_base(now, number == RSP ? ZYDIS_REGISTER_RSP : ZYDIS_REGISTER_RBP);
    }
}

static void follow_argument(copies *now, const instruction *what)
{
    const bool moves = what->is.mnemonic == ZYDIS_MNEMONIC_MOV && what->operands[0].size == 64 &&
                       has_argument(now, &what->operands[1]);
    if (is_call(what)) {
        now->registers &= KEPT_BY_CALLS;
        return; /* a call leaves the stack pointer unchanged */
    }
    for (int i = 0; i < what->is.operand_count; i++) {
        if ((what->operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) {
            write_copy(now, &what->operands[i], moves && i == 0);
        }
    }
}

typedef struct calls {
    uint32_t count;
    const uint8_t *targets[CALLS]; /* in the order of the code */
    bool gives_argument;           /* the first call passes the function's first argument */
} calls;

/* Lists the calls from `at` to the end, along the path on which no conditional branch is taken. */
static void list_calls(const uint8_t *at, copies argument, calls *out)
{
    instruction next;
    for (uint32_t step = 0; step < STEPS && decode(at, &next); step++) {
        const uint8_t *goal = branch_target(at, &next);
        if (is_call(&next) && goal != NULL && out->count < CALLS) {
            out->gives_argument =
                out->count == 0 ? (argument.registers >> RDI & 1) != 0 : out->gives_argument;
            out->targets[out->count++] = goal;
        }
        follow_argument(&argument, &next);
        if (is_end(&next) && (goal == NULL || next.is.mnemonic != ZYDIS_MNEMONIC_JMP)) {
            return;
        }
        at = is_end(&next) ? goal : at + next.is.length;
    }
}

/* The first call of `one`, if `other` does not have it and it passes the function's argument. Otherwise the compiler
 * has inlined the hidden function here, and this is a call that the hidden function makes. */
static const uint8_t *call_of_one_side(const calls *one, const calls *other)
{
    if (!one->gives_argument) {
        return NULL;
    }
    for (uint32_t i = 0; one->count > 0 && i < other->count; i++) {
        if (other->targets[i] == one->targets[0]) {
            return NULL;
        }
    }
    return one->count > 0 ? one->targets[0] : NULL;
}

const void *pyctm_prologue_guarded_call(const uint8_t *code, uint32_t size)
{
    instruction next;
    copies argument = {.registers = 1u << RDI};
    uint32_t at = 0;
    for (;; at += next.is.length) {
        if (at >= size || !decode(code + at, &next)) {
            return NULL;
        }
        if (is_conditional(&next)) {
            break;
        }
        if (is_end(&next) || is_call(&next)) {
            return NULL;
        }
        follow_argument(&argument, &next);
    }
    const uint8_t *goal = branch_target(code + at, &next);
    if (goal == NULL) {
        return NULL;
    }
    calls taken = {0}, passed = {0};
    list_calls(goal, argument, &taken);
    list_calls(code + at + next.is.length, argument, &passed);
    const uint8_t *on_taken = call_of_one_side(&taken, &passed);
    const uint8_t *on_passed = call_of_one_side(&passed, &taken);
    /* Both or neither: the branch tests something else. */
    return (on_taken == NULL) != (on_passed == NULL) ? (on_taken != NULL ? on_taken : on_passed)
                                                     : NULL;
}

#endif
