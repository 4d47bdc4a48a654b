/*
 * What a FreeBSD signal handler returns through; mapped into the guest, run there, trapped like any guest code.
 * The kernel enters it with rsp at the signal frame (machine_layout.hpp, SignalFrame): the first word is the
 * handler, the ucontext follows at 16. Position-independent. The call pushes the handler's return address;
 * sigreturn(2) is call 417.
 */
        .section .rodata.sudrun_freebsd_sigcode, "a", @progbits
        .globl  sudrun_freebsd_sigcode_begin
        .hidden sudrun_freebsd_sigcode_begin
sudrun_freebsd_sigcode_begin:
        call    *(%rsp)
        leaq    16(%rsp), %rdi
        pushq   $0
        movq    $417, %rax
        syscall
        hlt
        .globl  sudrun_freebsd_sigcode_end
        .hidden sudrun_freebsd_sigcode_end
sudrun_freebsd_sigcode_end:
        .section .note.GNU-stack, "", @progbits
