/* got_aarch64.c: the parts of got.c that depend on the processor, for aarch64. */
#include "capture/patch/got.h"

#if defined(__aarch64__) && !defined(__ILP32__)

#include <elf.h>

enum pyctm_got_relocation pyctm_got_relocation_kind(uint32_t type)
{
    switch (type) {
    case R_AARCH64_JUMP_SLOT: return PYCTM_GOT_CALL;
    case R_AARCH64_GLOB_DAT:
    case R_AARCH64_ABS64: return PYCTM_GOT_ADDRESS;
    default: return PYCTM_GOT_NONE;
    }
}

__asm__(".text\n"
        ".p2align 2\n"
        ".globl pyctm_got_dlsym\n"
        ".hidden pyctm_got_dlsym\n"
        ".type pyctm_got_dlsym, %function\n"
        "pyctm_got_dlsym:\n"
        "    .cfi_startproc\n"
        "    hint #34\n" /* bti c */
        "    stp x29, x30, [sp, #-32]!\n"
        "    .cfi_def_cfa_offset 32\n"
        "    .cfi_offset 29, -32\n"
        "    .cfi_offset 30, -24\n"
        "    stp x0, x1, [sp, #16]\n"
        "    mov x29, sp\n"
        "    adrp x16, pyctm_got_ask_dlsym\n"
        "    ldr x16, [x16, :lo12:pyctm_got_ask_dlsym]\n"
        "    blr x16\n"
        "    mov x16, x0\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x29, x30, [sp], #32\n"
        "    .cfi_restore 29\n"
        "    .cfi_restore 30\n"
        "    .cfi_def_cfa_offset 0\n"
        "    cbnz x16, 1f\n"
        "    adrp x16, pyctm_got_real_dlsym\n"
        "    ldr x16, [x16, :lo12:pyctm_got_real_dlsym]\n"
        "    br x16\n"
        "1:  mov x0, x16\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size pyctm_got_dlsym, . - pyctm_got_dlsym\n");

#endif
