// Entry of every DragonFly guest. The kernel passes the address of argc in %rdi, and that of ps_strings in %rbx.
        .text
        .globl  _start
        .type   _start, @function
_start:
        xorl    %ebp, %ebp
        movq    %rdi, guest_arguments(%rip)
        movq    %rsp, guest_stack(%rip)
        movq    %rbx, guest_ps_strings(%rip)
        andq    $-16, %rsp
        call    guest_start
        hlt
        .size   _start, . - _start

// void enter_program(unsigned long* arguments, unsigned long entry)
        .globl  enter_program
        .type   enter_program, @function
enter_program:
        movq    %rdi, %rsp
        xorl    %ebp, %ebp
        movq    guest_ps_strings(%rip), %rbx
        jmpq    *%rsi
        .size   enter_program, . - enter_program

// The mark by which the kernel knows its programs (lib/csu/common/crtbrand.c).
        .section .note.tag, "a", @note
        .balign 4
        .long   10, 4, 1
        .asciz  "DragonFly"
        .balign 4
        .long   600400
        .section .note.GNU-stack, "", @progbits
        .bss
        .balign 8
        .globl  guest_arguments, guest_stack, guest_ps_strings
guest_arguments:
        .quad   0
guest_stack:
        .quad   0
guest_ps_strings:
        .quad   0
