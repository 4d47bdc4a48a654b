// vfork, as C libraries make it: the return address is kept in a register, as the child may overwrite the stack.
#pragma once

long make_vfork(long number, long flags);
__asm__(".text\n.globl make_vfork\nmake_vfork: movq %rdi, %rax; movq %rsi, %rdi; popq %rsi; syscall; jb 1f; jmp *%rsi\n1: movq $-1, %rax; jmp *%rsi\n");
