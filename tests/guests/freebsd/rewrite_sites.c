// The ways to reach a hot call site, the code and data around it, and bytes that only look like something else.
#include "../bsd/rewrite.h"

// A function in a section of its own, copied so that it starts at `offset` of a page that has never run. Whoever
// has a `start_NAME` and an `end_NAME` may be copied.
#define ROUTINE(name, text)                                                                                        \
  extern const unsigned char start_##name[] __attribute__((visibility("hidden"))), end_##name[] __attribute__((visibility("hidden"))); \
  __asm__(".text\n.balign 16\n.globl start_" #name ", end_" #name "\nstart_" #name ":\n" text "\nend_" #name ":\n")
typedef long routine(long a, long b, long c);
static unsigned char* copy(const unsigned char* from, const unsigned char* to, unsigned offset) {
  unsigned char* const at = code_pages(3) + kPage + offset;
  emit(at, from, (size_t)(to - from));
  make_runnable(at - offset - kPage, 3);
  return at;
}
// So that the instructions lie in every way to lines and pages.
static const unsigned kOffsets[] = {0x100, 0x101, 0x107, 0x130, 0x138, 0x139, 0x13a, 0x13b, 0x13c, 0x13d, 0x13e, 0x13f, 0xff0, 0xff8, 0xff9, 0xffa, 0xffb, 0xffc, 0xffd, 0xffe, 0xfff, 0x000};
enum { kOffsetCount = sizeof kOffsets / sizeof *kOffsets };
#define EVERYWHERE(name, at) for (unsigned offset_i = 0; offset_i < kOffsetCount; ++offset_i) for (unsigned char* at = copy(start_##name, end_##name, kOffsets[offset_i]); at != 0; at = 0)
#define CALL(at, a, b, c) (((routine*)(void*)(at))((long)(a), (long)(b), (long)(c)))

// --- ways in -----------------------------------------------------------------------------------------------------
// Entries: +0 the usual one; then by the number of rdi: jump, call, conditional jump to the instruction; the one after.
ROUTINE(ways,
        "movl $20, %eax; movq %rcx, %r10\n"
        "7: syscall\n"
        "8: jb 9f; ret\n"
        "9: negq %rax; ret\n"
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; leaq 7b(%rip), %r8; jmp *%r8\n"           // 1: an indirect jump
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; jmp 7b\n"                                // 2: a direct one
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; testq %rax, %rax; jnz 7b; ud2\n"         // 3: a conditional one
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; call 7b; ret\n"                          // 4: a call
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; leaq 7b(%rip), %r8; call *%r8; ret\n"    // 5: an indirect one
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; leaq 7b(%rip), %r8; push %r8; ret\n"     // 6: a return
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; leaq 8b(%rip), %r8; clc; jmp *%r8\n"     // 7: behind it, carry clear
        ".balign 16, 0xcc\n"
        "movq %rdi, %rax; stc; jmp 8b\n"                           // 8: behind it, carry set
        ".balign 16, 0xcc\n");
CASE(every_way_to_a_site) {
  know();
  for (int first = 0; first < 2; ++first)         // the odd ways only when hot, and from the first call on
    for (unsigned o = 0; o < 0x80; ++o) {
      if (o % 16 != 0 && first != 0) continue;
      unsigned char* const at = copy(start_ways, end_ways, 0xf80 + o);
      unsigned char* entries[9];
      for (int i = 0; i < 9; ++i) entries[i] = at + (i == 0 ? 0 : 0x10 * (i + 1));
      for (int round = 0; round < 3 * kWarm; ++round) {
        CHECK_EQ(CALL(entries[0], 0, 0, 0), pid);
        if (first == 0 && round < kWarm) continue;
        CHECK_EQ(CALL(entries[0], 0, 0, 0), pid);
        for (int way = 1; way <= 6; ++way) {
          CHECK_EQ(CALL(entries[way], SYS_getppid, 0, 0), parent);
          CHECK_EQ(CALL(entries[way], SYS_getpid, 0, 0), pid);
        }
        CHECK_EQ(CALL(entries[7], 4711, 0, 0), 4711);
        CHECK_EQ(CALL(entries[8], 4711, 0, 0), -4711);
      }
      CHECK_EQ(sys(SYS_munmap, (unsigned long)(at - kPage) & ~(kPage - 1UL), 3 * kPage), 0);
    }
}

// The number is loaded, then a jump comes to between that and the instruction.
ROUTINE(between,
        "testq %rdi, %rdi; jnz 1f\n"
        "movl $20, %eax\n"
        "0: movq %rcx, %r10\n"
        "syscall; ret\n"
        "1: movl $39, %eax; jmp 0b");
CASE(a_jump_between_the_number_and_the_site) {
  know();
  EVERYWHERE(between, at)
  for (int i = 0; i < 2 * kWarm; ++i) {
    CHECK_EQ(CALL(at, 0, 0, 0), pid);
    if (i % 3 == 0 || i > kWarm) CHECK_EQ(CALL(at, 1, 0, 0), parent);
  }
}

// Loops whose branch goes to the number, to the instruction itself, and to the one after.
ROUTINE(loops,
        "movq %rdi, %r8; xorl %r9d, %r9d\n"
        "1: movl $20, %eax; syscall; addq %rax, %r9; decq %r8; jnz 1b\n"
        "movq %rdi, %r8; movq $-1, %rdi; movl $6, %eax; jmp 3f\n"
        "0: movl $39, %eax\n"
        "3: syscall; addq %rax, %r9; decq %r8; js 4f; testq $1, %r8; jz 0b; movl $6, %eax; jmp 3b\n"
        "4: movl $20, %eax; movl $5, %r8d; syscall\n"
        "5: addq %rax, %r9; decl %r8d; jnz 5b\n"
        "movq %r9, %rax; ret");
CASE(loops_around_a_site) {
  know();
  EVERYWHERE(loops, at)
  for (long n = 1; n < 40; ++n) CHECK_EQ(CALL(at, n, 0, 0), n * pid + (n / 2 + 1) * EBADF + (n - n / 2) * parent + 5 * pid);
}

// --- what stands right behind --------------------------------------------------------------------------------------
ROUTINE(next_function,
        "movl $20, %eax; syscall; ret\n"
        "leaq (%rdi,%rsi), %rax; ret\n"       // at 8: another function begins at once
        "syscall; ret\n"                      // at 13, and one more
        "movl $39, %eax; syscall; ret");      // at 16
CASE(functions_without_a_gap) {
  know();
  EVERYWHERE(next_function, at) {
    CHECK_EQ(at[8], 0x48);
    for (long i = 0; i < 2 * kWarm; ++i) {
      CHECK_EQ(CALL(at, 1, 2, 3), pid);
      CHECK_EQ(CALL(at + 8, i, 5, 0), i + 5);
      CHECK_EQ(CALL(at + 16, 0, 0, 0), parent);
    }
  }
}
ROUTINE(chain, "movl $6, %eax; movq $-1, %rdi; movq $-1, %rsi; syscall; syscall; syscall; syscall; ret");
CASE(calls_one_behind_the_other) {
  // close(-1) is error 9; 9 is link(-1, -1), which is error 14; so is 14, mknod.
  EVERYWHERE(chain, at)
  for (int i = 0; i < kWarm; ++i) CHECK_EQ(CALL(at, 0, 0, 0), EFAULT);
}
ROUTINE(relative,
        "pushq %rbx; leaq 5f(%rip), %rbx; movl $20, %eax; leaq 5f(%rip), %r8; syscall\n"
        "leaq 5f(%rip), %r9; cmpq %r8, %r9; jne 9f; cmpq %rbx, %r9; jne 9f\n"
        "movl $20, %eax; cmpl $0x44332211, 5f(%rip); syscall; cmpl $0x44332211, 5f(%rip); jne 9f\n"
        "movl $20, %eax; syscall; call 6f; 4: leaq 4b(%rip), %rcx; cmpq %rcx, %r10; jne 9f\n"
        "movl $20, %eax; syscall; pushq 5f(%rip); popq %rcx; cmpl $0x44332211, %ecx; jne 9f\n"
        "movl $20, %eax; syscall; pushq %rax; popq %r9; cmpq %rax, %r9; jne 9f\n"
        "movl $20, %eax; syscall; jmp 7f\n"
        "5: .byte 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0\n"
        "6: movq (%rsp), %r10; ret\n"
        "7: movl $20, %eax; syscall; jb 9f; movl $20, %eax; syscall; jc 9f; jnc 8f\n"
        "9: ud2\n"
        "8: movl $7, %ecx; movl $20, %eax; syscall; leaq 1f(%rip), %r8; jmp *%r8; ud2\n"
        "1: movl $20, %eax; syscall; popq %rbx; ret");
CASE(code_that_knows_where_it_is) {
  know();
  EVERYWHERE(relative, at)
  for (int i = 0; i < kWarm; ++i) CHECK_EQ(CALL(at, 0, 0, 0), pid);
}
// A jump to the third byte behind the instruction, the fourth, and so on: each is the start of something.
ROUTINE(targets,
        "testq %rdi, %rdi; jz 0f; cmpq $1, %rdi; je 1f; cmpq $2, %rdi; je 2f; cmpq $3, %rdi; je 3f; jmp 4f\n"
        "0: movl $20, %eax; syscall\n"
        "1: nop\n"
        "2: nop\n"
        "3: nop\n"
        "4: ret");
CASE(jumps_to_each_byte_behind_a_site) {
  know();
  EVERYWHERE(targets, at)
  for (int i = 0; i < kWarm; ++i) {
    CHECK_EQ(CALL(at, 0, 0, 0), pid);
    for (int target = 1; target <= 4; ++target) CALL(at, target, 0, 0);
  }
}

// --- bytes that look like `mov imm32, %eax` ---------------------------------------------------------------------
ROUTINE(tail_64, "movl %edi, %eax; .byte 0x49, 0xb8, 1, 2, 3, 0xb8, 20, 0, 0, 0; syscall; movq %r8, %rdx; ret");
ROUTINE(tail_64_and_r10, "movl %edi, %eax; .byte 0x49, 0xba, 1, 2, 0xb8, 20, 0, 0, 0, 0x49; .byte 0x49, 0x89, 0xca, 0x0f, 0x05, 0xc3");
ROUTINE(tail_r8, "movl %edi, %eax; .byte 0x41, 0xb8, 20, 0, 0, 0; syscall; ret");           // mov $20, %r8d
ROUTINE(tail_store, "movl %edi, %eax; movq %rsi, %r9; .byte 0x41, 0xc7, 0x81, 0, 0, 0, 0xb8, 20, 0, 0, 0; syscall; ret");   // movl $20, -0x48000000(%r9)
ROUTINE(tail_of_tails, "movl %edi, %eax; .byte 0x49, 0xb9, 0xb8, 20, 0, 0, 0, 0xb8, 20, 0; .byte 0x66, 0x90; syscall; ret");
ROUTINE(tail_and, "movl %edi, %eax; .byte 0x48, 0x81, 0xc6; .byte 0xb8, 20, 0, 0; syscall; ret");
ROUTINE(short_mov, "movl %edi, %eax; .byte 0x66, 0xb9, 0xb8, 20; nop; nop; nop; syscall; ret");
CASE(bytes_that_look_like_a_number) {
  know();
  char* const low = map(kPage);
#define EACH(name)                                                                   \
  EVERYWHERE(name, at)                                                               \
  for (int i = 0; i < kWarm; ++i) {                                                  \
    CHECK_EQ(CALL(at, SYS_getppid, low + 0x48000000, 0), parent);                    \
    CHECK_EQ(CALL(at, SYS_close, low + 0x48000000, 0), EBADF);                       \
  }
  // rdi is the number: close(6), of a descriptor that is not open.
  CHECK_EQ(sys(SYS_close, SYS_close), -EBADF);
  EACH(tail_64)
  EACH(tail_64_and_r10)
  EACH(tail_r8)
  EACH(tail_store)
  EACH(tail_of_tails)
  EACH(tail_and)
  EACH(short_mov)
  CHECK_EQ(*(int*)(void*)low, 20);
}
// Other ways to load a number, and prefixes that the instruction may have.
ROUTINE(rex_mov, ".byte 0x40, 0xb8, 20, 0, 0, 0; syscall; ret");
ROUTINE(long_mov, ".byte 0x48, 0xc7, 0xc0, 20, 0, 0, 0; syscall; ret");
ROUTINE(longest_mov, ".byte 0x48, 0xb8, 20, 0, 0, 0, 0, 0, 0, 0; syscall; ret");
ROUTINE(xor_mov, "xorl %eax, %eax; movb $20, %al; syscall; ret");
ROUTINE(push_pop, "pushq $20; popq %rax; syscall; ret");
ROUTINE(rex_syscall, "movl $20, %eax; .byte 0x48; syscall; ret; .balign 16, 0xcc");
ROUTINE(rep_syscall, "movl $20, %eax; .byte 0xf3; syscall; ret; .balign 16, 0xcc");
ROUTINE(all_rex_syscall, "movl $20, %eax; .byte 0x4f; syscall; leaq (%rax), %rax; ret");
CASE(other_encodings) {
  know();
#define SAME(name) EVERYWHERE(name, at) for (int i = 0; i < kWarm; ++i) CHECK_EQ(CALL(at, 0, 0, 0), pid);
  SAME(rex_mov)
  SAME(long_mov)
  SAME(longest_mov)
  SAME(xor_mov)
  SAME(push_pop)
  SAME(rex_syscall)
  SAME(rep_syscall)
  SAME(all_rex_syscall)
}

// --- data that looks like padding --------------------------------------------------------------------------------
// A constant right behind `ret`, which ends where no padding would.
ROUTINE(constants, "movl $20, %eax; syscall; ret; .byte 0xcc,0xcc,0xcc,0xcc,0xcc,0xcc,0xcc,0xcc,0xcc; .byte 1; ret");
ROUTINE(nop_constants, "movl $20, %eax; syscall; ret; .byte 0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,1; ret");
ROUTINE(zero_constants, "movl $20, %eax; syscall; ret; .byte 0,0,0,0,0,0,0,0,0,1; ret");
CASE(constants_behind_a_site) {
  know();
#define KEEPS(name, value)                                                                                   \
  EVERYWHERE(name, at)                                                                                       \
  if (((unsigned long)at + 17) % 16 != 0)                                                                    \
    for (int i = 0; i < kWarm; ++i) {                                                                        \
      CHECK_EQ(CALL(at, 0, 0, 0), pid);                                                                      \
      for (int b = 8; b < 17; ++b) CHECK_EQ(*(volatile unsigned char*)(at + b), value);                      \
      CHECK_EQ(*(volatile unsigned char*)(at + 17), 1);                                                      \
    }
  KEEPS(constants, 0xcc)
  KEEPS(nop_constants, 0x90)
  KEEPS(zero_constants, 0)
}
// Code behind `ret` that starts with NOPs or a breakpoint which is meant.
ROUTINE(meant, "movl $20, %eax; syscall; ret; nop; nop; nop; nop; nop; nop; nop; movl $77, %eax; ret");
static volatile long breaks;
static unsigned char* break_at;
static void broken(int signal, struct siginfo* info, struct ucontext* context) {
  CHECK_EQ(context->uc_mcontext.mc_rip, break_at + 1);
  ++breaks;
}
ROUTINE(breakpoint, "movl $20, %eax; syscall; ret; int3; movl $77, %eax; ret");
CASE(nops_and_breakpoints_that_are_meant) {
  know();
  on_signal(SIGTRAP, broken, 0);
  EVERYWHERE(meant, at)
  if (((unsigned long)at + 15) % 16 != 0)
  for (int i = 0; i < kWarm; ++i) {
    CHECK_EQ(CALL(at, 0, 0, 0), pid);
    for (int into = 8; into <= 15; ++into) CHECK_EQ(CALL(at + into, 0, 0, 0), 77);
  }
  EVERYWHERE(breakpoint, at) {
    break_at = at + 8, breaks = 0;
    for (int i = 0; i < kWarm; ++i) {
      CHECK_EQ(CALL(at, 0, 0, 0), pid);
      CHECK_EQ(CALL(at + 8, 0, 0, 0), 77);
      CHECK_EQ(breaks, i + 1);
    }
  }
}
