// Signals: frames, contexts, faults, masks.
#include "guest.h"

static volatile int seen;
static struct siginfo last;

static void note(int signal, struct siginfo* info, struct ucontext* context) {
  last = *info;
  ++seen;
  CHECK_EQ(context->uc_mcontext.mc_len, sizeof(struct mcontext));
  CHECK_EQ(context->uc_mcontext.mc_cs, 0x2b);
  CHECK_EQ(context->uc_mcontext.mc_ss, 0x23);
}
CASE(sent) {
  on_signal(SIGUSR1, note, 0);
  send(SIGUSR1);
  CHECK_EQ(seen, 1);
  CHECK_EQ(last.si_signo, SIGUSR1);
  CHECK_EQ(last.si_code, 0);
  CHECK_EQ(last.si_pid, sys(SYS_getpid));
  CHECK_EQ(sys(SYS_lwp_kill, -1, sys(SYS_lwp_gettid), SIGUSR1), 0);
  CHECK_EQ(seen, 2);
  CHECK_EQ(sys(SYS_lwp_kill, -1, -1, SIGUSR1), -EINVAL);
  CHECK_EQ(sys(SYS_lwp_kill, -1, 0x3ffffff0, 0), -ESRCH);
  CHECK_EQ(sys(SYS_lwp_kill, -1, sys(SYS_lwp_gettid), 128), -EINVAL);
}

static void check_registers(int signal, struct siginfo* info, struct ucontext* context) {
  const struct mcontext* m = &context->uc_mcontext;
  ++seen;
  CHECK_EQ((unsigned long)__builtin_frame_address(0) % 16, 0);
  CHECK_EQ((unsigned long)context % 16, 0);
  CHECK_EQ((char*)info - (char*)context, 1472 - 64);
  CHECK_EQ(m->mc_rbx, 0x1111);
  CHECK_EQ(m->mc_r12, 0x2222);
  CHECK_EQ(m->mc_r13, 0x3333);
  CHECK_EQ(m->mc_r14, 0x4444);
  CHECK_EQ(m->mc_r15, 0x5555);
  CHECK(m->mc_rsp > (long)context);
  context->uc_mcontext.mc_r15 = 0x6666;
}
CASE(registers_in_the_context) {
  on_signal(SIGUSR1, check_registers, 0);
  const long pid = sys(SYS_getpid);
  long r15 = 0, rax;
  double before = 1.5, after = 0;
  __asm__ volatile(
      "pushq %%rbx; movq $0x1111, %%rbx; movq $0x2222, %%r12; movq $0x3333, %%r13; movq $0x4444, %%r14; movq $0x5555, %%r15;"
      "movsd %4, %%xmm3; syscall; movsd %%xmm3, %2; movq %%r15, %1; popq %%rbx"
      : "=a"(rax), "=&d"(r15), "=m"(after)
      : "a"((long)SYS_kill), "m"(before), "D"(pid), "S"((long)SIGUSR1)
      : "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm3", "memory", "cc");
  CHECK_EQ(seen, 1);
  CHECK_EQ(r15, 0x6666);
  CHECK(after == before);
}

static volatile long trap;
static void leave(int signal, struct siginfo* info, struct ucontext* context) {
  last = *info;
  ++seen;
  trap = context->uc_mcontext.mc_trapno;
  context->uc_mcontext.mc_rip = context->uc_mcontext.mc_r15;
}
#define FAULT(code)                                                                                  \
  __asm__ volatile("leaq 1f(%%rip), %%r15\n" code "\n1:" ::: "rax", "rdx", "rcx", "r15", "memory", "cc")
CASE(faults) {
  const int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (unsigned i = 0; i < 5; ++i) on_signal(all[i], leave, 0);
  FAULT("movl 0x10, %%eax");
  CHECK_EQ(last.si_signo, SIGSEGV);
  CHECK_EQ(last.si_code, SEGV_MAPERR);
  CHECK_EQ(last.si_addr, 0x10);
  CHECK_EQ(trap, T_PAGEFLT);
  FAULT("movl $1, _start(%%rip)");
  CHECK_EQ(last.si_signo, SIGSEGV);
  CHECK_EQ(last.si_code, SEGV_ACCERR);
  FAULT("movabsq $0x8000000000000000, %%rax; movl (%%rax), %%eax");
  CHECK_EQ(last.si_signo, SIGBUS);
  CHECK_EQ(last.si_code, BUS_OBJERR);
  CHECK_EQ(trap, T_PROTFLT);
  FAULT("xorl %%ecx, %%ecx; xorl %%edx, %%edx; movl $1, %%eax; divl %%ecx");
  CHECK_EQ(last.si_signo, SIGFPE);
  CHECK_EQ(last.si_code, FPE_INTDIV);
  CHECK_EQ(trap, T_DIVIDE);
  FAULT("ud2");
  CHECK_EQ(last.si_signo, SIGILL);
  CHECK_EQ(last.si_code, ILL_PRVOPC);
  FAULT("int3");
  CHECK_EQ(last.si_signo, SIGTRAP);
  CHECK_EQ(last.si_code, TRAP_BRKPT);
  CHECK_EQ(seen, 6);
}

CASE(a_page_beyond_the_end_of_a_file) {
  on_signal(SIGSEGV, leave, 0);
  const long fd = sys(SYS_open, "short", O_CREAT | O_RDWR, 0644);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
  const long at = sys(SYS_mmap, 0, 8192, 3, MAP_SHARED, fd, 0, 0);
  CHECK(at > 0);
  __asm__ volatile("leaq 1f(%%rip), %%r15; movl 4096(%0), %%eax\n1:" ::"r"(at) : "rax", "r15", "memory");
  CHECK_EQ(seen, 1);
  CHECK_EQ(last.si_signo, SIGSEGV);
  CHECK_EQ(last.si_code, SEGV_MAPERR);
}

static char stack[32768] __attribute__((aligned(16)));
static void on_stack(int signal, struct siginfo* info, struct ucontext* context) {
  ++seen;
  CHECK((char*)info > stack && (char*)info < stack + sizeof stack);
  stack_t now;
  CHECK_EQ(sys(SYS_sigaltstack, 0, &now), 0);
  CHECK_EQ(now.ss_flags, SS_ONSTACK);
  CHECK_EQ(sys(SYS_sigaltstack, &now, 0), -EPERM);
}
CASE(alternate_stacks) {
  stack_t s = {stack, 4096, 0, 0};
  CHECK_EQ(sys(SYS_sigaltstack, &s, 0), -ENOMEM);  // MINSIGSTKSZ is 8192
  s.ss_size = sizeof stack;
  CHECK_EQ(sys(SYS_sigaltstack, &s, 0), 0);
  on_signal(SIGUSR1, on_stack, SA_ONSTACK);
  send(SIGUSR1);
  CHECK_EQ(seen, 1);
}

CASE(masks_and_waits) {
  sigset_t set = sig_only(SIGUSR1);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, 0), 0);
  send(SIGUSR1);
  struct siginfo info;
  struct timespec none = {0, 0};
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &none), SIGUSR1);
  CHECK_EQ(info.si_signo, SIGUSR1);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &none), -EAGAIN);
  struct sigaction action = {(void*)1, 0x1000, {{0}}, 0};  // flags nobody knows are ignored
  CHECK_EQ(sys(SYS_sigaction, SIGUSR2, &action, 0), 0);
  CHECK_EQ(sys(SYS_sigaction, 127, &action, 0), 0);
  CHECK_EQ(sys(SYS_sigaction, 128, &action, 0), -EINVAL);
}
