// Entry of every NetBSD guest: argc at the stack pointer, ps_strings in %rbx, in %rdx what to call at exit.
        .text
        .globl  _start
        .type   _start, @function
_start:
        xorl    %ebp, %ebp
        movq    %rsp, guest_arguments(%rip)
        movq    %rbx, guest_ps_strings(%rip)
        movq    %rdx, guest_cleanup(%rip)
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
        xorl    %edx, %edx
        jmpq    *%rsi
        .size   enter_program, . - enter_program

// What handlers return through: %r15 has the context (lib/libc/arch/x86_64/sys/__sigtramp2.S).
        .globl  trampoline
        .type   trampoline, @function
trampoline:
        movq    %r15, %rdi
        movl    $308, %eax              // setcontext
        syscall
        hlt
        .size   trampoline, . - trampoline

// The mark by which the kernel knows its programs (lib/csu/common/sysident.S).
        .section .note.netbsd.ident, "a", @note
        .balign 4
        .long   7, 4, 1
        .asciz  "NetBSD"
        .balign 4
        .long   1001000000
        .section .note.GNU-stack, "", @progbits
        .data
        .balign 8
        .globl  guest_arguments, guest_ps_strings, guest_cleanup
guest_arguments:
        .quad   0
guest_ps_strings:
        .quad   0
guest_cleanup:
        .quad   1
