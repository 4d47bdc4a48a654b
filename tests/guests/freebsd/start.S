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

// long raw_call(struct raw_call *c): any number, six register arguments and two on the stack; reports the
// result registers and the flags as they come back.
        .globl  raw_call
        .type   raw_call, @function
raw_call:
        pushq   %rbx
        movq    %rdi, %rbx
        pushq   72(%rbx)
        pushq   64(%rbx)
        pushq   56(%rbx)
        pushq   $0                      // where a return address would be
        movq    0(%rbx), %rax
        movq    8(%rbx), %rdi
        movq    16(%rbx), %rsi
        movq    24(%rbx), %rdx
        movq    32(%rbx), %r10
        movq    40(%rbx), %r8
        movq    48(%rbx), %r9
        cmpq    $0, 104(%rbx)           // carry as asked before the call
        je      1f
        stc
        jmp     2f
1:      clc
2:      syscall
        movq    %rax, 80(%rbx)
        movq    %rdx, 88(%rbx)
        pushfq
        popq    96(%rbx)
        addq    $32, %rsp
        popq    %rbx
        ret
        .size   raw_call, . - raw_call

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
