/* test_prologue.c: what is read of a function's first instructions, and how they are moved. Nothing here is run: that is
 * tests/pyext/fixtures/detour_shapes.c. x86-64 only.
 */
#include "check.h"

#include "capture/patch/prologue.h"

/* Code under the names `name` and `name_end`, from a place of 64 bytes on. Bytes behind it can be read: the decoder does. */
#define CODE(name, code)                                                                  \
    __asm__(".text\n.p2align 6\n" #name ":\n" code "\n" #name "_end:\n.skip 16, 0x90\n"); \
    extern const uint8_t name[], name##_end[];

#define SIZE(name) ((uint32_t)(name##_end - name))
#define NO_PLACE "no instruction at the function's start can be replaced while others run it"

/* --- where a jump can be put --- */
static void check_site(const uint8_t *code, uint32_t size, uint32_t arguments, uint32_t offset,
                       const uint8_t *undo, uint32_t undo_length)
{
    ctm_site site = {.offset = 99};
    CHECK(pyctm_prologue_find_site(code, size, arguments, &site) == NULL);
    CHECK_EQ(site.offset, offset);
    CHECK_EQ(site.undo_length, undo_length);
    CHECK(undo_length == 0 || memcmp(site.undo, undo, undo_length) == 0);
}

static void check_refused(const uint8_t *code, uint32_t size, uint32_t arguments,
                          const char *reason)
{
    ctm_site site;
    CHECK_STR(pyctm_prologue_find_site(code, size, arguments, &site), reason);
}

CODE(long_first, "mov $7, %eax; ret")

static void test_first_instruction(void)
{
    check_site(long_first, SIZE(long_first), 3, 0, NULL, 0);
}

CODE(saves_rbx, "push %rbx; mov %rdi, %rbx; sub $0x10, %rsp; mov $7, %eax; ret")

/* What ran before the place is taken back: the caller's rbx from where it was saved, then the stack pointer. */
static void test_undo(void)
{
    static const uint8_t undo[] = {
        0x48, 0x8b, 0x9c, 0x24, 0x10, 0, 0, 0, /* mov rbx, [rsp + 0x10] */
        0x48, 0x8d, 0xa4, 0x24, 0x18, 0, 0, 0, /* lea rsp, [rsp + 0x18] */
    };
    check_site(saves_rbx, SIZE(saves_rbx), 3, 8, undo, sizeof undo);
}

CODE(saves_r12_above, "mov %r12, -8(%rsp); mov %rdi, %r12; mov $7, %eax; ret")

/* The place is behind `mov %r12, -8(%rsp)`, itself an instruction of 5 bytes: a jump can replace that one. */
static void test_earliest_place(void)
{
    check_site(saves_r12_above, SIZE(saves_r12_above), 3, 0, NULL, 0);
}

CODE(other_argument, "mov %rsi, %rdi; mov $7, %eax; ret")

/* An argument that the function does not have is a register like others. */
static void test_arguments(void)
{
    check_refused(other_argument, SIZE(other_argument), 1, NO_PLACE);
    check_site(other_argument, SIZE(other_argument), 0, 3, NULL, 0);
}

CODE(at_end_of_line, ".skip 61, 0x90; 1: xor %eax, %eax; mov $7, %ecx; mov $8, %r8d; ret")

/* A jump's first two bytes are written at once: not over the end of a cache line. */
static void test_cache_line(void)
{
    const uint8_t *code = at_end_of_line + 61;
    check_site(code, SIZE(at_end_of_line) - 61, 3, 7, NULL, 0);
    check_site(code + 2, SIZE(at_end_of_line) - 63, 3, 5, NULL, 0);
}

CODE(jump_at_once, "jmp long_first")
CODE(too_short, "nop; ret; nop; nop; nop; nop; nop")
CODE(unknown, ".byte 0x06; mov $7, %eax; ret")
CODE(loop, "xor %eax, %eax; 1: mov $7, %ecx; dec %ecx; jne 1b; ret")
CODE(branch_before, "test %rdi, %rdi; je 1f; mov $7, %eax; 1: ret")
CODE(not_saved, "mov %rdi, %rbx; mov $7, %eax; ret")
CODE(aligns_stack, "push %rbp; mov %rsp, %rbp; and $-32, %rsp; mov $7, %eax; leave; ret")
CODE(saved_is_overwritten, "push %rbx; mov %rdi, %rbx; mov %esi, (%rsp); mov $7, %eax; ret")
CODE(writes_memory, "mov %rdi, (%rsi); mov $7, %eax; ret")
CODE(locked, "lock incl (%rsp); mov $7, %eax; ret")
CODE(system_call, "syscall; mov $7, %eax; ret")

static void test_refused(void)
{
    check_refused(jump_at_once, SIZE(jump_at_once), 3,
                  "the function begins with a jump: another tool has redirected its calls");
    check_refused(too_short, SIZE(too_short), 3, "the function is too short");
    check_refused(unknown, SIZE(unknown), 3,
                  "the function begins with an instruction that is not known");
    check_refused(loop, SIZE(loop), 3, "the function's start is part of a loop");
    check_refused(branch_before, SIZE(branch_before), 3, NO_PLACE);
    check_refused(not_saved, SIZE(not_saved), 3, NO_PLACE);
    check_refused(aligns_stack, SIZE(aligns_stack), 3, NO_PLACE);
    check_refused(saved_is_overwritten, SIZE(saved_is_overwritten), 3, NO_PLACE);
    check_refused(writes_memory, SIZE(writes_memory), 3, NO_PLACE);
    check_refused(locked, SIZE(locked), 3, NO_PLACE);
    check_refused(system_call, SIZE(system_call), 3, NO_PLACE);
}

/* --- moving --- */
static uint8_t moved[PYCTM_MOVED_BYTES];

static int32_t offset_at(const uint8_t *at)
{
    int32_t offset;
    memcpy(&offset, at, sizeof offset);
    return offset;
}

CODE(plain, "push %rbx; mov %rdi, %rbx; sub $0x10, %rsp; ret")

static void test_move_plain(void)
{
    uint32_t length = 0, taken = 0;
    CHECK(pyctm_prologue_move(moved, plain, 5, &length, &taken) == NULL);
    CHECK_EQ(taken, 8); /* whole instructions */
    CHECK_EQ(length, 8);
    CHECK(memcmp(moved, plain, 8) == 0);
}

CODE(relative, "call long_first; lea saves_rbx(%rip), %rax; je relative_goal; nop; nop\n"
               "relative_goal: ret")
extern const uint8_t relative_goal[];

/* Each relative address leads to where it led; a short branch becomes a long one. */
static void test_move_relative(void)
{
    uint32_t length = 0, taken = 0;
    CHECK(pyctm_prologue_move(moved, relative, 13, &length, &taken) == NULL);
    CHECK_EQ(taken, 5 + 7 + 2);
    CHECK_EQ(length, 5 + 7 + 6);
    CHECK_EQ(moved[0], 0xe8);
    CHECK(moved + 5 + offset_at(moved + 1) == long_first);
    CHECK(memcmp(moved + 5, relative + 5, 3) == 0);
    CHECK(moved + 12 + offset_at(moved + 8) == saves_rbx);
    CHECK(moved[12] == 0x0f && moved[13] == 0x84);
    CHECK(moved + 18 + offset_at(moved + 14) == relative_goal);
}

CODE(inside, "nop; jne inside; mov $7, %eax; ret")
CODE(counted, "jrcxz counted_goal; nop; nop; nop; counted_goal: ret")
CODE(ends, "nop; ret; nop; nop; nop; nop")

static void check_not_moved(const uint8_t *code, const char *reason)
{
    uint32_t length, taken;
    CHECK_STR(pyctm_prologue_move(moved, code, 5, &length, &taken), reason);
}

static void test_not_moved(void)
{
    check_not_moved(inside, "an instruction at the function's start cannot be moved");
    check_not_moved(counted, "an instruction at the function's start cannot be moved");
    check_not_moved(ends, "the function is too short");
    check_not_moved(unknown, "an instruction at the function's start is not known");
}

/* --- the guarded call --- */
CODE(guarded, "push %rbx; mov %rdi, %rbx; cmpl $0, long_first(%rip); jne 1f\n"
              "2: mov %rbx, %rdi; call saves_rbx; pop %rbx; ret\n"
              "1: mov %rbx, %rdi; call plain; jmp 2b")
CODE(guarded_other, "push %rbx; mov %rdi, %rbx; cmpl $0, long_first(%rip); jne 1f\n"
                    "2: mov %rbx, %rdi; call saves_rbx; pop %rbx; ret\n"
                    "1: xor %edi, %edi; call plain; jmp 2b")
CODE(no_calls, "test %rdi, %rdi; jne 1f; nop; 1: ret")

static void test_guarded_call(void)
{
    CHECK(pyctm_prologue_guarded_call(guarded, SIZE(guarded)) == plain);
    CHECK(pyctm_prologue_guarded_call(guarded_other, SIZE(guarded_other)) == NULL);
    CHECK(pyctm_prologue_guarded_call(no_calls, SIZE(no_calls)) == NULL);
    CHECK(pyctm_prologue_guarded_call(long_first, SIZE(long_first)) == NULL);
}

TEST_LIST = {
    TEST(test_first_instruction),
    TEST(test_undo),
    TEST(test_earliest_place),
    TEST(test_arguments),
    TEST(test_cache_line),
    TEST(test_refused),
    TEST(test_move_plain),
    TEST(test_move_relative),
    TEST(test_not_moved),
    TEST(test_guarded_call),
    TEST_LIST_END,
};
