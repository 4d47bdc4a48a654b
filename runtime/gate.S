/*
 * The gate: the always-allowed range of Syscall User Dispatch.
 *
 * Everything here may issue a native `syscall` whatever the selector says, and may run before the thread
 * pointer is the host's: no TLS, no stack protector, no calls except the one into C++ after the swap.
 *
 * Contract with runtime/trap_unsafe.cpp: the labels are exported, and the catcher classifies an interrupted
 * instruction pointer by them. See docs/signals.md.
 */
#include "runtime/thread_block_offsets.h"

#define SELECTOR_ALLOW 0
#define SELECTOR_BLOCK 1
#define SIDE_HOST 0
#define SIDE_LEAVING 1
#define SIDE_CLOCK 2
#define NR_rt_sigreturn 15
#define NR_arch_prctl 158
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004
#define NR_futex 202
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define EINTR 4
#define EAGAIN 11

        .section .text.sudrun_gate, "ax", @progbits
        .p2align 12
        .globl  sudrun_gate_begin
        .hidden sudrun_gate_begin
sudrun_gate_begin:

/*
 * Every host signal handler. Kernel's entry state: rdi signal, rsi siginfo, rdx ucontext, rsp the frame.
 * Saves the interrupted selector and thread pointer, installs the host's, calls
 *     Resume sudrun_catch(signal, info, ucontext, fs, selector, side)
 * and installs what it returns (rax: fs base, dl: selector, dh: side), or, if RESUME_HOST_LOOP is set, leaves
 * the signal frame where it is and goes on in the host loop.
 */
        .globl  sudrun_entry_window_begin
        .hidden sudrun_entry_window_begin
sudrun_entry_window_begin:

/*
 * The same where guests are a part of another program. A thread is in a guest if its alternate signal stack, on
 * which this runs then, is a guest thread's: its first word leads to the block, as %gs does. %gs alone tells
 * nothing: threads that handlers start inherit it, and may outlive the guest.
 */
        .globl  sudrun_library_entry
        .hidden sudrun_library_entry
        .type   sudrun_library_entry, @function
sudrun_library_entry:
        endbr64
        movq    UC_STACK_START(%rdx), %rcx
        movq    %rsp, %rax
        subq    %rcx, %rax
        cmpq    UC_STACK_SIZE(%rdx), %rax
        jae     sudrun_not_a_guest
        cmpb    $0, sudrun_has_fsgsbase(%rip)
        je      .Lfind_gs_slow
        rdgsbase %rax
.Lgs_found:
        testq   %rax, %rax
        jz      sudrun_not_a_guest
        cmpq    (%rcx), %rax
        je      sudrun_trap_entry
        jmp     sudrun_not_a_guest
.Lfind_gs_slow:
        pushq   %rdi
        pushq   %rsi
        pushq   %rcx
        pushq   $0
        movl    $ARCH_GET_GS, %edi
        movq    %rsp, %rsi
        movl    $NR_arch_prctl, %eax
        syscall
        popq    %rax
        popq    %rcx
        popq    %rsi
        popq    %rdi
        jmp     .Lgs_found
        .size   sudrun_library_entry, . - sudrun_library_entry

        .globl  sudrun_trap_entry
        .hidden sudrun_trap_entry
        .type   sudrun_trap_entry, @function
sudrun_trap_entry:
        endbr64
        pushq   %rbp
        movq    %rsp, %rbp
        movzbl  %gs:TB_SELECTOR, %r8d
        movzbl  %gs:TB_SIDE, %r9d
        movb    $SIDE_HOST, %gs:TB_SIDE
        .globl  sudrun_entry_window_end
        .hidden sudrun_entry_window_end
sudrun_entry_window_end:
        movq    %gs:TB_HOST_FS, %rax
        cmpb    $0, %gs:TB_FSGSBASE
        je      .Lentry_slow
        rdfsbase %rcx
        wrfsbase %rax
.Lentry_swapped:
        movb    $SELECTOR_ALLOW, %gs:TB_SELECTOR
        pushfq
        testl   $0x40000, (%rsp)        /* AC: what the guest wants checked is not for our code */
        leaq    8(%rsp), %rsp
        jnz     .Lclear_ac
.Lac_clear:
        call    sudrun_catch
        testl   $RESUME_HOST_LOOP, %edx
        jnz     sudrun_to_host_loop
        movb    %dh, %gs:TB_SIDE
        movb    %dl, %gs:TB_SELECTOR
        cmpb    $0, %gs:TB_FSGSBASE
        je      .Lexit_slow
        wrfsbase %rax
.Lexit_swapped:
        popq    %rbp
        ret                             /* to sudrun_restorer */

.Lclear_ac:
        pushq   $0x202
        popfq
        jmp     .Lac_clear

/* Without FSGSBASE: arch_prctl, from inside the allowed range. Keeps the five argument registers. */
.Lentry_slow:
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %rax                    /* host fs; then the slot for the guest's */
        pushq   $0
        pushq   %r8                     /* r8, r9 survive syscall; pushed for alignment only */
        movl    $ARCH_GET_FS, %edi
        leaq    8(%rsp), %rsi
        movl    $NR_arch_prctl, %eax
        syscall
        movl    $ARCH_SET_FS, %edi
        movq    16(%rsp), %rsi
        movl    $NR_arch_prctl, %eax
        syscall
        popq    %r8
        popq    %rcx
        popq    %rax
        popq    %rdx
        popq    %rsi
        popq    %rdi
        jmp     .Lentry_swapped
.Lexit_slow:
        movl    $ARCH_SET_FS, %edi
        movq    %rax, %rsi
        movl    $NR_arch_prctl, %eax
        syscall
        jmp     .Lexit_swapped
        .size   sudrun_trap_entry, . - sudrun_trap_entry

        .globl  sudrun_restorer
        .hidden sudrun_restorer
        .type   sudrun_restorer, @function
sudrun_restorer:
        movl    $NR_rt_sigreturn, %eax
        syscall
        hlt
        .size   sudrun_restorer, . - sudrun_restorer

/* int64_t sudrun_gate_call(long nr, a0, a1, a2, a3, a4, a5): a native call, whatever the selector says. */
        .globl  sudrun_gate_call
        .hidden sudrun_gate_call
        .type   sudrun_gate_call, @function
sudrun_gate_call:
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        movq    8(%rsp), %r9
        syscall
        ret
        .size   sudrun_gate_call, . - sudrun_gate_call

/*
 * int64_t sudrun_gate_call_interruptible(long nr, a0 … a5): the same, but returns -EINTR without entering
 * the kernel if a signal for the guest is pending. A signal that arrives between the test and the `syscall`
 * finds rip in [begin, syscall] and is redirected to `interrupted`; one that arrives later makes the kernel
 * itself return -EINTR. So no wake-up is lost and no call that has happened is repeated.
 */
        .globl  sudrun_gate_call_interruptible
        .hidden sudrun_gate_call_interruptible
        .type   sudrun_gate_call_interruptible, @function
sudrun_gate_call_interruptible:
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        movq    8(%rsp), %r9
        .globl  sudrun_interruptible_begin
        .hidden sudrun_interruptible_begin
sudrun_interruptible_begin:
        cmpl    $0, %gs:TB_PENDING
        jne     sudrun_interruptible_interrupted
        .globl  sudrun_interruptible_syscall
        .hidden sudrun_interruptible_syscall
sudrun_interruptible_syscall:
        syscall
        ret
        .globl  sudrun_interruptible_interrupted
        .hidden sudrun_interruptible_interrupted
sudrun_interruptible_interrupted:
        movb    $1, %gs:TB_NOT_ENTERED
        movq    $-EINTR, %rax
        ret
        .size   sudrun_gate_call_interruptible, . - sudrun_gate_call_interruptible

#include "runtime/gate_context.inc"
#include "runtime/gate_site.inc"

        .globl  sudrun_gate_end
        .hidden sudrun_gate_end
sudrun_gate_end:

        .section .note.GNU-stack, "", @progbits
