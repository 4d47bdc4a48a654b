// Entry of every FreeBSD guest. The kernel passes the address of argc in %rdi.
        .text
        .globl  _start
        .type   _start, @function
_start:
        xorl    %ebp, %ebp
        movq    %rsp, %rsi              // as the kernel made it
        movq    %rdi, guest_arguments(%rip)
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
        jmpq    *%rsi
        .size   enter_program, . - enter_program

// The mark by which kernels know a FreeBSD program whatever its OS/ABI byte says.
        .section .note.tag, "a", @note
        .balign 4
        .long   8, 4, 1
        .asciz  "FreeBSD"
        .long   1400097
        .section .note.GNU-stack, "", @progbits
        .bss
        .balign 8
        .globl  guest_arguments
guest_arguments:
        .quad   0
