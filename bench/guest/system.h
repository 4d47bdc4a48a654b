// One source for all systems: what the measured programs call is the tests' guest.h of each, and the same few names
// from linux.c on Linux.
#pragma once

#ifdef __linux__
#include "linux.h"
#define IF_FAILED "cmpq $-4095, %%rax; jae site_failed"
__asm__(".section .text.failed, \"ax\", @progbits\nsite_failed:\n\tret\n\t.text");
#else
#include "../../tests/guests/bsd/portable.h"
#define IF_FAILED "jb site_failed"
__asm__(".section .text.failed, \"ax\", @progbits\nsite_failed:\n\tnegq %rax\n\tret\n\t.text");
#endif

// A system call in a function of its own, laid out as the stubs in the system's C library are: the number, the call, a
// long conditional jump to what all failures have in common, a return, padding. The result, or -errno.
// FreeBSD 14.0 lib/libc/amd64/SYS.h (RSYSCALL), and much the same in its relatives; glibc 2.36 sysdeps/unix/sysv/linux/x86_64/syscall-template.S.
#define SITE(name, number, ...)                                                                  \
  __attribute__((naked, noinline, aligned(32))) static long name(__VA_ARGS__) {                  \
    __asm__("movl %0, %%eax; movq %%rcx, %%r10; syscall; " IF_FAILED "; ret" : : "i"(number));   \
  }
