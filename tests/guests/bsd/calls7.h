// Calls of systems that put padding before 64-bit arguments, and so need a seventh.
#pragma once

#include "common.h"

/// The result, or -errno.
static inline __attribute__((always_inline)) long sys_make(long n, long a, long b, long c, long d, long e, long f, long g) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result = n;
  // The seventh argument stands above a return address.
  __asm__ volatile("subq $128, %%rsp; pushq %[g]; pushq $0; syscall; leaq 144(%%rsp), %%rsp; jnc 1f; negq %0; 1:"
                   : "+a"(result), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                   : "D"(a), "S"(b), [g] "r"(g)
                   : "rcx", "r11", "memory", "cc");
  return result;
}
#define SYS_A(n) sys_make(n, 0, 0, 0, 0, 0, 0, 0)
#define SYS_B(n, a) sys_make(n, (long)(a), 0, 0, 0, 0, 0, 0)
#define SYS_C(n, a, b) sys_make(n, (long)(a), (long)(b), 0, 0, 0, 0, 0)
#define SYS_D(n, a, b, c) sys_make(n, (long)(a), (long)(b), (long)(c), 0, 0, 0, 0)
#define SYS_E(n, a, b, c, d) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0, 0)
#define SYS_F(n, a, b, c, d, e) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0, 0)
#define SYS_G(n, a, b, c, d, e, f) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f), 0)
#define SYS_H(n, a, b, c, d, e, f, g) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f), (long)(g))
#define SYS_PICK(_0, _1, _2, _3, _4, _5, _6, _7, name, ...) name
#define sys(...) SYS_PICK(__VA_ARGS__, SYS_H, SYS_G, SYS_F, SYS_E, SYS_D, SYS_C, SYS_B, SYS_A, )(__VA_ARGS__)

/// A call's two results and flags.
struct results { long rax, rdx, flags; };
static inline struct results call_results(long n, long a, long b) {
  struct results r = {.rdx = 0x5a5a};
  __asm__ volatile("syscall; pushfq; popq %2" : "=a"(r.rax), "+d"(r.rdx), "=&r"(r.flags) : "a"(n), "D"(a), "S"(b) : "rcx", "r11", "r8", "r9", "r10", "memory", "cc");
  return r;
}

/// mmap(2): the address, or -errno.
#define MMAP(at, size, prot, flags, fd, offset) sys(SYS_mmap, at, size, prot, flags, fd, 0, offset)
