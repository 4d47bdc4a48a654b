/*
 * What a DragonFly signal handler returns through; mapped into the guest, run there, trapped like any guest code.
 * The kernel enters it with rsp at the signal frame (machine_layout.hpp, SignalFrame): the first word is the
 * handler, the ucontext follows at 64. Position-independent. The call pushes the handler's return address;
 * sigreturn(2) is call 344.
 */
        .section .rodata.sudrun_dragonfly_sigcode, "a", @progbits
        .globl  sudrun_dragonfly_sigcode_begin
        .hidden sudrun_dragonfly_sigcode_begin
sudrun_dragonfly_sigcode_begin:
        call    *(%rsp)
        leaq    64(%rsp), %rdi
        pushq   $0
        movq    $344, %rax
        syscall
        hlt
        .globl  sudrun_dragonfly_sigcode_end
        .hidden sudrun_dragonfly_sigcode_end
sudrun_dragonfly_sigcode_end:
        .section .note.GNU-stack, "", @progbits
