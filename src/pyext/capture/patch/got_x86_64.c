/* got_x86_64.c: the parts of got.c that depend on the processor, for x86-64. */
#include "capture/patch/got.h"

#if defined(__x86_64__) && !defined(__ILP32__)

#include <elf.h>

enum pyctm_got_relocation pyctm_got_relocation_kind(uint32_t type)
{
    switch (type) {
    case R_X86_64_JUMP_SLOT: return PYCTM_GOT_CALL;
    case R_X86_64_GLOB_DAT:
    case R_X86_64_64: return PYCTM_GOT_ADDRESS;
    default: return PYCTM_GOT_NONE;
    }
}

__asm__(".text\n"
        ".globl pyctm_got_dlsym\n"
        ".hidden pyctm_got_dlsym\n"
        ".type pyctm_got_dlsym, @function\n"
        "pyctm_got_dlsym:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call *pyctm_got_ask_dlsym(%rip)\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    testq %rax, %rax\n"
        "    jne 1f\n"
        "    jmp *pyctm_got_real_dlsym(%rip)\n"
        "1:  ret\n"
        "    .cfi_endproc\n"
        ".size pyctm_got_dlsym, . - pyctm_got_dlsym\n");

#endif
