/*
 * Fault points: guest memory is touched only between these two labels. A SIGSEGV or SIGBUS with rip in the
 * range resumes at sudrun_access_fault, which returns 1. The functions are leaves and keep no stack.
 * Each returns 0 on success.
 */
        .text
        .globl  sudrun_access_begin
        .hidden sudrun_access_begin
sudrun_access_begin:

/* int sudrun_copy(void *to, const void *from, size_t size) */
        .globl  sudrun_copy
        .hidden sudrun_copy
        .type   sudrun_copy, @function
sudrun_copy:
        movq    %rdx, %rcx
        rep     movsb
        xorl    %eax, %eax
        ret
        .size   sudrun_copy, . - sudrun_copy

/* int sudrun_copy_string(char *to, const char *from, size_t size, size_t *length): length excludes the NUL
   and equals size if there was none. */
        .globl  sudrun_copy_string
        .hidden sudrun_copy_string
        .type   sudrun_copy_string, @function
sudrun_copy_string:
        movq    %rcx, %r8
        xorl    %ecx, %ecx
1:      cmpq    %rdx, %rcx
        je      2f
        movb    (%rsi,%rcx), %al
        movb    %al, (%rdi,%rcx)
        testb   %al, %al
        je      2f
        incq    %rcx
        jmp     1b
2:      movq    %rcx, (%r8)
        xorl    %eax, %eax
        ret
        .size   sudrun_copy_string, . - sudrun_copy_string

/* int sudrun_load32(const uint32_t *from, uint32_t *value) */
        .globl  sudrun_load32
        .hidden sudrun_load32
        .type   sudrun_load32, @function
sudrun_load32:
        movl    (%rdi), %eax
        movl    %eax, (%rsi)
        xorl    %eax, %eax
        ret
        .size   sudrun_load32, . - sudrun_load32

/* int sudrun_compare_exchange32(uint32_t *at, uint32_t *expected, uint32_t desired, bool *swapped) */
        .globl  sudrun_compare_exchange32
        .hidden sudrun_compare_exchange32
        .type   sudrun_compare_exchange32, @function
sudrun_compare_exchange32:
        movl    (%rsi), %eax
        lock cmpxchgl %edx, (%rdi)
        movl    %eax, (%rsi)
        sete    (%rcx)
        xorl    %eax, %eax
        ret
        .size   sudrun_compare_exchange32, . - sudrun_compare_exchange32

        .globl  sudrun_access_end
        .hidden sudrun_access_end
sudrun_access_end:
        .globl  sudrun_access_fault
        .hidden sudrun_access_fault
sudrun_access_fault:
        movl    $1, %eax
        ret

        .section .note.GNU-stack, "", @progbits
