/* detour_shapes.c: functions that begin as compilers begin them, led away by src/cpython/capture/detour.c while they run.
 *
 * Model: each shape is a function of three arguments, in assembly, that returns a + 2 b + 3 c and uses registers that
 * belong to its caller. It is called with known values in these, before and after its calls are led to a function that
 * notes the arguments and calls the original; and while threads call it, the jump is laid and taken away again and again.
 *
 * One line for each check that fails; the last line is "N checks, M failed". x86-64 only.
 */
#include "detour.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t shape(uint64_t a, uint64_t b, uint64_t c);

static int the_checks, the_failures;

static void check(bool good, const char *name, const char *what)
{
    the_checks++;
    if (!good) {
        the_failures++;
        printf("%s: %s\n", name, what);
    }
}

/* Calls `function` with known values in the registers that belong to the caller; *out_kept: it left them as they were. */
uint64_t call_checked(shape *function, uint64_t a, uint64_t b, uint64_t c, bool *out_kept);
/* Behind a function's own `rax` no register is used: what a shape keeps is given back in the reverse order. */
__asm__(".data\n"
        ".globl the_one\n"
        "the_one: .quad 1\n"
        ".text\n"
        ".globl call_checked\n"
        "call_checked:\n"
        "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %r8\n"
        "    mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx\n"
        "    mov $0x1001, %rbx; mov $0x1002, %rbp; mov $0x1003, %r12\n"
        "    mov $0x1004, %r13; mov $0x1005, %r14; mov $0x1006, %r15\n"
        "    call *%rax\n"
        "    pop %r8\n"
        "    xor $0x1001, %rbx; xor $0x1002, %rbp; xor $0x1003, %r12\n"
        "    xor $0x1004, %r13; xor $0x1005, %r14; xor $0x1006, %r15\n"
        "    or %rbp, %rbx; or %r12, %rbx; or %r13, %rbx; or %r14, %rbx; or %r15, %rbx\n"
        "    sete (%r8)\n"
        "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "    ret\n");

#define SHAPE(name, code)                                                                        \
    __asm__(".text\n.p2align 4\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" code \
            "\n.size " #name ", . - " #name "\n");                                               \
    uint64_t name(uint64_t a, uint64_t b, uint64_t c);

#define SUM "    lea (%rdi,%rsi,2), %rax; lea (%rax,%rdx,2), %rax; add %rdx, %rax\n"
/* From rbp, r12, r13, where the shape has put the arguments. */
#define KEPT_SUM "    lea (%rbp,%r12,2), %rax; lea (%rax,%r13,2), %rax; add %r13, %rax\n"

/* Debian's 3.13: moves between the pushes. */
SHAPE(moves_between_pushes,
      "    push %r13; mov %rdx, %r13; push %r12; mov %rsi, %r12; push %rbp; mov %rdi, %rbp\n"
      "    push %rbx; sub $8, %rsp\n"
      "    cmpl $0, the_one(%rip)\n"
      "    mov %rbp, %rbx\n" KEPT_SUM
      "    add $8, %rsp; pop %rbx; pop %rbp; pop %r12; pop %r13; ret\n")
/* gcc -O0. */
SHAPE(unoptimized, "    endbr64; push %rbp; mov %rsp, %rbp; sub $0x40, %rsp; mov %edi, -4(%rbp)\n"
                   "    mov %rdi, -0x20(%rbp); mov %rsi, -0x28(%rbp); mov %rdx, -0x30(%rbp)\n"
                   "    mov the_one(%rip), %rax\n"
                   "    mov -0x20(%rbp), %rdi; mov -0x28(%rbp), %rsi; mov -0x30(%rbp), %rdx\n" SUM
                   "    leave; ret\n")
SHAPE(large_frame,
      "    push %rbp; mov %rsp, %rbp; push %rbx; sub $0x128, %rsp; mov %rdi, %rbx\n" SUM
      "    add $0x128, %rsp; pop %rbx; pop %rbp; ret\n")
/* clang -O2 with frame pointers. */
SHAPE(clang_frame_pointer,
      "    push %rbp; mov %rsp, %rbp; push %r15; push %r14; push %r12; push %rax\n"
      "    mov %rdx, %r14; mov %rsi, %r15; mov %rdi, %r12\n"
      "    cmpb $0, the_one(%rip)\n"
      "    lea (%r12,%r15,2), %rax; lea (%rax,%r14,2), %rax; add %r14, %rax\n"
      "    add $8, %rsp; pop %r12; pop %r14; pop %r15; pop %rbp; ret\n")
SHAPE(frame_pointer_made_last, "    push %rbx; push %rbp; mov %rsp, %rbp; mov %rdi, %rbx\n"
                               "    mov the_one(%rip), %eax\n" SUM "    pop %rbp; pop %rbx; ret\n")
SHAPE(red_zone,
      "    mov %rbx, -8(%rsp); mov %r14, -0x18(%rsp); mov %rdi, %rbx; mov %rsi, %r14\n"
      "    mov the_one(%rip), %rax\n" SUM "    mov -8(%rsp), %rbx; mov -0x18(%rsp), %r14; ret\n")
SHAPE(saved_into_its_frame,
      "    sub $0x18, %rsp; mov %rbx, 8(%rsp); mov %r12, (%rsp); mov %rsi, %rbx\n"
      "    xor %r12d, %r12d; mov $7, %eax\n" SUM
      "    mov 8(%rsp), %rbx; mov (%rsp), %r12; add $0x18, %rsp; ret\n")
SHAPE(call_first, "    push %rdx; push %rsi; push %rdi; call give_one\n"
                  "    pop %rdi; pop %rsi; pop %rdx\n" SUM "    ret\n")
SHAPE(vectors_and_scratch,
      "    pxor %xmm0, %xmm0; movq %rdi, %xmm1; xor %eax, %eax; mov %rsi, %r10; mov %rdx, %rcx\n"
      "    test %rdi, %rdi; mov the_one(%rip), %r11\n" SUM "    ret\n")
SHAPE(
    all_pushed_then_changed,
    "    push %r15; push %r14; push %r13; push %r12; push %rbp; push %rbx; push %rax\n"
    "    mov %rdx, %r13; mov %rdi, %rbp; mov %rsi, %r12; xor %ebx, %ebx; xor %r14d, %r14d; xor %r15d, %r15d\n"
    "    movl $5, the_one+4(%rip)\n" KEPT_SUM
    "    add $8, %rsp; pop %rbx; pop %rbp; pop %r12; pop %r13; pop %r14; pop %r15; ret\n")

/* What must be refused. */
SHAPE(argument_is_gone,
      "    xchg %rsi, %rdi; mov the_one(%rip), %rax; xchg %rsi, %rdi\n" SUM "    ret\n")
SHAPE(branch_first,
      "    test %rdi, %rdi; je 1f; mov the_one(%rip), %rax; nop; 1:\n" SUM "    ret\n")
SHAPE(jump_first, "    jmp moves_between_pushes\n    nop; nop; nop\n")
SHAPE(loop_at_start,
      "    xor %eax, %eax; 1: cmpl $0, the_one(%rip); dec %eax; jns 1b\n" SUM "    ret\n")
SHAPE(aligned_stack, "    push %rbp; mov %rsp, %rbp; and $-32, %rsp; mov the_one(%rip), %rax\n" SUM
                     "    leave; ret\n")
SHAPE(saved_value_overwritten,
      "    push %rbx; mov %rdi, %rbx; mov %esi, (%rsp); mov the_one(%rip), %rax; pop %rbx; ret\n")
SHAPE(caller_register_not_saved, "    mov %rdi, %rbx; mov the_one(%rip), %rax; ret\n")
SHAPE(writes_through_argument, "    mov %rdi, (%rsi); mov the_one(%rip), %rax; ret\n")

SHAPE(give_one, "    mov $1, %eax; mov $2, %edi; mov $3, %esi; mov $4, %edx; ret\n")

/* `_Py_NewReference`: a hidden function is called if a flag is set. */

__asm__(".hidden hidden_function\n.hidden common_function\n");
SHAPE(hidden_function, "    lea 1(%rdi), %rax; lea 1(%rdi), %rax; ret\n")
SHAPE(common_function, "    lea 2(%rdi), %rax; lea 2(%rdi), %rax; ret\n")
SHAPE(
    call_skipped,
    "    mov the_one(%rip), %eax; test %eax, %eax; je 1f; push %rdi; call hidden_function; pop %rdi\n"
    "1:  movq $1, (%rdi); ret\n")
SHAPE(call_out_of_line, "    cmpl $0, the_one(%rip); jne 2f; 1: movq $1, (%rdi); ret\n"
                        "2:  push %rdi; call hidden_function; pop %rdi; jmp 1b\n")
SHAPE(call_at_O0,
      "    push %rbp; mov %rsp, %rbp; sub $16, %rsp; mov %rdi, -8(%rbp); mov the_one(%rip), %eax\n"
      "    test %eax, %eax; je 1f; mov -8(%rbp), %rdi; call hidden_function\n"
      "1:  mov -8(%rbp), %rdi; call common_function; leave; ret\n")
SHAPE(call_at_O0_turned, "    cmpl $0, the_one(%rip); jne 2f; 1: call common_function; ret\n"
                         "2:  push %rdi; call hidden_function; pop %rdi; jmp 1b\n")
SHAPE(
    call_by_kept_register,
    "    push %rbx; mov %rdi, %rbx; cmpl $0, the_one(%rip); jne 2f; 1: movq $1, (%rbx); pop %rbx; ret\n"
    "2:  xor %edi, %edi; mov %rbx, %rdi; call hidden_function; jmp 1b\n")
/* The hidden function's own code: its first call gets a lock. */
SHAPE(
    call_of_inlined_code,
    "    push %rbx; mov %rdi, %rbx; cmpl $0, the_one(%rip); jne 2f; 1: movq $1, (%rbx); pop %rbx; ret\n"
    "2:  mov 8(%rdi), %rax; mov the_one(%rip), %rdi; mov $1, %esi; call hidden_function; jmp 1b\n")
SHAPE(call_inlined,
      "    cmpl $0, the_one(%rip); je 1f; movq $2, (%rdi); 1: call common_function; ret\n")
SHAPE(no_branch, "    call hidden_function; ret\n")

static shape *the_original;
static uint64_t the_arguments[3];

static uint64_t on_call(uint64_t a, uint64_t b, uint64_t c)
{
    check(((uintptr_t)__builtin_frame_address(0) & 15) == 0, "replacement",
          "the stack is not aligned");
    the_arguments[0] = a;
    the_arguments[1] = b;
    the_arguments[2] = c;
    return 1000000 + the_original(a, b, c);
}

/* --- while others run it --- */

static atomic_bool the_end;
static uint64_t plain_call(uint64_t a, uint64_t b, uint64_t c)
{
    return 1000000 + the_original(a, b, c);
}

static void *call_it(void *function)
{
    bool good = true;
    while (!atomic_load(&the_end)) {
        bool kept = false;
        const uint64_t result = call_checked((shape *)function, 10, 200, 3000, &kept);
        good = good && kept && (result == 9410 || result == 1009410);
    }
    return good ? function : NULL;
}

static void check_while_running(const char *name, shape *function)
{
    ctm_detour detour = {0};
    pthread_t threads[2];
    const char *failure = ctm_detour_prepare(&detour, (void *)function, (void *)plain_call,
                                             (ctm_callers){.arguments = 3});
    check(failure == NULL, name, "refused the second time");
    if (failure != NULL) {
        return;
    }
    the_original = (shape *)detour.original;
    atomic_store(&the_end, false);
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, call_it, (void *)function);
    }
    bool good = true;
    for (int i = 0; i < 1000; i++) {
        good = good && ctm_detour_enable(&detour) == NULL;
        ctm_detour_disable(&detour);
        good = good && !detour.enabled;
    }
    atomic_store(&the_end, true);
    for (int i = 0; i < 2; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        good = good && result != NULL;
    }
    check(good, name, "a call went wrong while the jump was laid");
}

static void check_taken(const char *name, shape *function, bool hold_gil)
{
    ctm_detour detour = {0};
    bool kept = false;
    check(call_checked(function, 10, 200, 3000, &kept) == 9410 && kept, name, "is itself wrong");
    const char *failure =
        ctm_detour_prepare(&detour, (void *)function, (void *)on_call, (ctm_callers){hold_gil, 3});
    check(failure == NULL, name, failure != NULL ? failure : "");
    if (failure != NULL) {
        return;
    }
    the_original = (shape *)detour.original;
    memset(the_arguments, 0, sizeof(the_arguments));
    check(ctm_detour_enable(&detour) == NULL, name, "cannot be enabled");
    check(call_checked(function, 10, 200, 3000, &kept) == 1009410, name, "gives a wrong result");
    check(kept, name, "does not give back a register of its caller");
    check(the_arguments[0] == 10 && the_arguments[1] == 200 && the_arguments[2] == 3000, name,
          "loses an argument");
    ctm_detour_disable(&detour);
    check(call_checked(function, 10, 200, 3000, &kept) == 9410 && kept, name, "was not put back");
}

static void check_refused(const char *name, shape *function)
{
    ctm_detour detour = {0};
    const char *failure = ctm_detour_prepare(&detour, (void *)function, (void *)on_call,
                                             (ctm_callers){.arguments = 3});
    check(failure != NULL, name, "is not refused");
}

/* Somebody else's change of the same bytes is left as it is. */
static void check_other_patcher(void)
{
    ctm_detour ours = {0}, theirs = {0};
    const ctm_callers callers = {.arguments = 3};
    (void)ctm_detour_prepare(&ours, (void *)red_zone, (void *)plain_call, callers);
    (void)ctm_detour_prepare(&theirs, (void *)red_zone, (void *)on_call, callers);
    check(ctm_detour_enable(&theirs) == NULL, "other patcher", "cannot be enabled");
    check(ctm_detour_enable(&ours) != NULL, "other patcher", "its change is overwritten");
    ctm_detour_disable(&theirs);
    check(ctm_detour_enable(&ours) == NULL, "other patcher", "is not gone");
    ctm_detour_disable(&ours);
}

static void check_guarded(const char *name, shape *function, shape *expected)
{
    check(ctm_detour_guarded_call((const void *)function) == (const void *)expected, name,
          "its hidden function is not the one found");
}

int main(void)
{
    const struct {
        const char *name;
        shape *function;
    } taken[] = {
        {"moves_between_pushes", moves_between_pushes},
        {"unoptimized", unoptimized},
        {"large_frame", large_frame},
        {"clang_frame_pointer", clang_frame_pointer},
        {"frame_pointer_made_last", frame_pointer_made_last},
        {"red_zone", red_zone},
        {"saved_into_its_frame", saved_into_its_frame},
        {"call_first", call_first},
        {"vectors_and_scratch", vectors_and_scratch},
        {"all_pushed_then_changed", all_pushed_then_changed},
    };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        check_taken(taken[i].name, taken[i].function, false);
        check_taken(taken[i].name, taken[i].function, true);
        check_while_running(taken[i].name, taken[i].function);
    }
    check_refused("argument_is_gone", argument_is_gone);
    check_refused("branch_first", branch_first);
    check_refused("jump_first", jump_first);
    check_refused("loop_at_start", loop_at_start);
    check_refused("aligned_stack", aligned_stack);
    check_refused("saved_value_overwritten", saved_value_overwritten);
    check_refused("caller_register_not_saved", caller_register_not_saved);
    check_refused("writes_through_argument", writes_through_argument);
    check_other_patcher();
    check_guarded("call_skipped", call_skipped, hidden_function);
    check_guarded("call_out_of_line", call_out_of_line, hidden_function);
    check_guarded("call_at_O0", call_at_O0, hidden_function);
    check_guarded("call_at_O0_turned", call_at_O0_turned, hidden_function);
    check_guarded("call_inlined", call_inlined, NULL);
    check_guarded("call_by_kept_register", call_by_kept_register, hidden_function);
    check_guarded("call_of_inlined_code", call_of_inlined_code, NULL);
    check_guarded("no_branch", no_branch, NULL);
    printf("%d checks, %d failed\n", the_checks, the_failures);
    return the_failures != 0;
}
