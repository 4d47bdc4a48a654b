// What calls and signal handlers must leave as it was: every register, the vector and x87 state.
#include "guest.h"

struct state {
  unsigned long gpr[14];                     // rbx rbp r8 r9 r10 r12 r13 r14 r15 rdi rsi rdx
  char ymm[16][32] __attribute__((aligned(32)));
  double x87[8];
  unsigned mxcsr;
  unsigned short control;
};

// Loads everything, makes the call `number`(a, b) and stores everything.
void load_call_store(struct state* state, unsigned long number, unsigned long a, unsigned long b);
__asm__(
    ".text\n.globl load_call_store\nload_call_store:\n"
    "pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
    "pushq %rdi; pushq %rsi\n"                   // state at 8(%rsp), number at (%rsp)
    "movq %rdx, 88+" "0(%rdi)\n"                 // gpr[11]: rsi slot used for a; see C side
    "movq %rcx, 80+0(%rdi)\n"
    "vmovdqa 128+0*32(%rdi), %ymm0; vmovdqa 128+1*32(%rdi), %ymm1; vmovdqa 128+2*32(%rdi), %ymm2; vmovdqa 128+3*32(%rdi), %ymm3\n"
    "vmovdqa 128+4*32(%rdi), %ymm4; vmovdqa 128+5*32(%rdi), %ymm5; vmovdqa 128+6*32(%rdi), %ymm6; vmovdqa 128+7*32(%rdi), %ymm7\n"
    "vmovdqa 128+8*32(%rdi), %ymm8; vmovdqa 128+9*32(%rdi), %ymm9; vmovdqa 128+10*32(%rdi), %ymm10; vmovdqa 128+11*32(%rdi), %ymm11\n"
    "vmovdqa 128+12*32(%rdi), %ymm12; vmovdqa 128+13*32(%rdi), %ymm13; vmovdqa 128+14*32(%rdi), %ymm14; vmovdqa 128+15*32(%rdi), %ymm15\n"
    "fninit\n"
    "fldl 640+56(%rdi); fldl 640+48(%rdi); fldl 640+40(%rdi); fldl 640+32(%rdi)\n"
    "fldl 640+24(%rdi); fldl 640+16(%rdi); fldl 640+8(%rdi); fldl 640(%rdi)\n"
    "ldmxcsr 704(%rdi); fldcw 708(%rdi)\n"
    "movq 0(%rdi), %rbx; movq 8(%rdi), %rbp; movq 16(%rdi), %r8; movq 24(%rdi), %r9; movq 32(%rdi), %r10\n"
    "movq 40(%rdi), %r12; movq 48(%rdi), %r13; movq 56(%rdi), %r14; movq 64(%rdi), %r15; movq 72(%rdi), %rdx\n"
    "movq 80(%rdi), %rsi; movq (%rsp), %rax; movq 88(%rdi), %rdi\n"
    "syscall\n"
    "pushq %rdi; movq 16(%rsp), %rdi\n"
    "movq %rbx, 0(%rdi); movq %rbp, 8(%rdi); movq %r8, 16(%rdi); movq %r9, 24(%rdi); movq %r10, 32(%rdi)\n"
    "movq %r12, 40(%rdi); movq %r13, 48(%rdi); movq %r14, 56(%rdi); movq %r15, 64(%rdi); movq %rdx, 72(%rdi)\n"
    "movq %rsi, 80(%rdi); popq %rsi; movq %rsi, 88(%rdi); movq %rax, 96(%rdi)\n"
    "vmovdqa %ymm0, 128+0*32(%rdi); vmovdqa %ymm1, 128+1*32(%rdi); vmovdqa %ymm2, 128+2*32(%rdi); vmovdqa %ymm3, 128+3*32(%rdi)\n"
    "vmovdqa %ymm4, 128+4*32(%rdi); vmovdqa %ymm5, 128+5*32(%rdi); vmovdqa %ymm6, 128+6*32(%rdi); vmovdqa %ymm7, 128+7*32(%rdi)\n"
    "vmovdqa %ymm8, 128+8*32(%rdi); vmovdqa %ymm9, 128+9*32(%rdi); vmovdqa %ymm10, 128+10*32(%rdi); vmovdqa %ymm11, 128+11*32(%rdi)\n"
    "vmovdqa %ymm12, 128+12*32(%rdi); vmovdqa %ymm13, 128+13*32(%rdi); vmovdqa %ymm14, 128+14*32(%rdi); vmovdqa %ymm15, 128+15*32(%rdi)\n"
    "stmxcsr 704(%rdi); fnstcw 708(%rdi)\n"
    "fstpl 640(%rdi); fstpl 640+8(%rdi); fstpl 640+16(%rdi); fstpl 640+24(%rdi)\n"
    "fstpl 640+32(%rdi); fstpl 640+40(%rdi); fstpl 640+48(%rdi); fstpl 640+56(%rdi)\n"
    "fninit; vzeroupper; pushq $0x1f80; ldmxcsr (%rsp); addq $8, %rsp\n"
    "addq $16, %rsp; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx; ret\n");
_Static_assert(offsetof(struct state, ymm) == 128 && offsetof(struct state, x87) == 640 && offsetof(struct state, mxcsr) == 704 && offsetof(struct state, control) == 708, "the assembly's offsets");

static bool have_avx(void) {
  unsigned a = 1, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return (c & (1U << 28)) != 0 && (c & (1U << 27)) != 0;
}

static void fill(struct state* s, unsigned seed) {
  unsigned char* bytes = (unsigned char*)s;
  for (size_t i = 0; i < sizeof *s; ++i) bytes[i] = (unsigned char)(seed = seed * 1103515245 + 12345, seed >> 16);
  for (int i = 0; i < 8; ++i) s->x87[i] = (double)(int)(seed + (unsigned)i * 77) / 4;
  s->mxcsr = 0x1f80 | (seed & 3) << 13;      // rounding mode
  s->control = (unsigned short)(0x037f | (seed & 3) << 10);
}

static void expect_same(const struct state* after, const struct state* before, bool rdx_too) {
  for (int i = 0; i < 9; ++i) CHECK_EQ(after->gpr[i], before->gpr[i]);
  if (rdx_too) CHECK_EQ(after->gpr[9], before->gpr[9]);
  CHECK_EQ(memcmp(after->ymm, before->ymm, sizeof after->ymm), 0);
  CHECK_EQ(memcmp(after->x87, before->x87, sizeof after->x87), 0);
  CHECK_EQ(after->mxcsr, before->mxcsr);
  CHECK_EQ(after->control, before->control);
}

static void check_call(unsigned long number, unsigned long a, unsigned long b, long result) {
  for (unsigned seed = 1; seed < 30; ++seed) {
    struct state before, after;
    fill(&before, seed);
    after = before;
    load_call_store(&after, number, a, b);
    expect_same(&after, &before, true);
    CHECK_EQ(after.gpr[11], a);
    CHECK_EQ(after.gpr[10], b);
    CHECK_EQ(after.gpr[12], result);
  }
}

CASE(calls) {
  if (!have_avx()) return;
  check_call(SYS_getpid, 3, 4, sys(SYS_getpid));
  check_call(SYS_close, (unsigned long)-1, 7, EBADF);
  struct timespec t;
  check_call(SYS_clock_gettime, CLOCK_MONOTONIC, (unsigned long)&t, 0);
  check_call(SYS_sched_yield, 0, 0, 0);
  struct timespec brief = {0, 1000};
  check_call(SYS_nanosleep, (unsigned long)&brief, 0, 0);
  struct stat st;
  check_call(SYS_fstat, 0, (unsigned long)&st, 0);
  check_call(999, 1, 2, ENOSYS);
}

static volatile int handled;
static void disturb(int signal, struct siginfo* info, struct ucontext* context) {
  // Change everything a handler may change; sigreturn must bring it back.
  __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0; vmovaps %%ymm0, %%ymm1; vmovaps %%ymm0, %%ymm7; vmovaps %%ymm0, %%ymm15; vmovaps %%ymm0, %%ymm12\n fninit; fld1; fldpi" ::: "memory");
  unsigned rounding = 0x7f80;
  __asm__ volatile("ldmxcsr %0" : : "m"(rounding));
  sys(SYS_getpid);
  ++handled;
}

CASE(signal_in_a_call) {
  if (!have_avx()) return;
  on_signal(SIGUSR1, disturb, 0);
  handled = 0;
  check_call(SYS_kill, (unsigned long)sys(SYS_getpid), SIGUSR1, 0);
  CHECK_EQ(handled, 29);
}

CASE(signal_in_the_program) {
  if (!have_avx()) return;
  // A timer interrupts arithmetic that notices any change of its registers.
  on_signal(SIGALRM, disturb, 0);
  struct itimerval every = {{0, 500}, {0, 500}};
  handled = 0;
  CHECK_EQ(sys(SYS_setitimer, 0, &every, 0), 0);
  const long end = now_us() + 3000000;
  while (handled < 400 && now_us() < end) {
    unsigned long bad;
    __asm__ volatile(
        "movq $0x123456789abcdef, %%rax; vmovq %%rax, %%xmm0; vmovlhps %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0; vmovaps %%ymm0, %%ymm15; vmovaps %%ymm0, %%ymm7\n"
        "fninit; fldz; fld1\n"
        "movl $20000, %%ecx; movq %%rax, %%r8; movq %%rax, %%r15; xorl %%ebx, %%ebx\n"
        "1: vxorps %%ymm15, %%ymm0, %%ymm1; vxorps %%ymm7, %%ymm0, %%ymm2; vorps %%ymm1, %%ymm2, %%ymm1; vptest %%ymm1, %%ymm1; jnz 2f\n"
        "cmpq %%rax, %%r8; jne 2f; cmpq %%rax, %%r15; jne 2f; fcomi %%st(1), %%st(0); jbe 2f; decl %%ecx; jnz 1b; jmp 3f\n"
        "2: movl $1, %%ebx\n3: fninit; movq %%rbx, %0; vzeroupper"
        : "=r"(bad) : : "rax", "rbx", "rcx", "r8", "r15", "xmm0", "xmm1", "xmm2", "xmm7", "xmm15", "memory", "cc");
    CHECK_EQ(bad, 0);
  }
  CHECK(handled >= 50);
}

CASE(initial_state) {
  unsigned mxcsr;
  unsigned short control;
  __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
  CHECK_EQ(mxcsr & ~0x3fU, 0x1f80);
  CHECK(control == 0x37f || control == 0x27f);
}

CASE(alignment_checks) {
  // With AC set the program's own misaligned accesses fault; the runtime's must not.
  const long pid = sys(SYS_getpid), numbers[] = {SYS_getpid, SYS_getppid, SYS_close, SYS_sched_yield, 1000};
  const long results[] = {pid, sys(SYS_getppid), 9, 0, 78};
  for (unsigned c = 0; c < sizeof numbers / sizeof *numbers; ++c)
    for (int i = 0; i < 64; ++i) {
      long number = numbers[c];
      unsigned long flags;
      __asm__ volatile("pushfq; orl $0x40000, (%%rsp); popfq; syscall; pushfq; popq %1; pushfq; andl $~0x40000, (%%rsp); popfq"
                       : "+a"(number), "=&r"(flags) : "D"(-1L) : "rcx", "r11", "rdx", "memory", "cc");
      CHECK_EQ(number, results[c]);
      CHECK_EQ(flags & 0x40000, 0x40000);
    }
}
