// Actions, frames, contexts.
#include "guest.h"

static volatile int got, code, trap;
static volatile long address, on_stack, sender;
static volatile unsigned flags;

static void note(int signal, struct siginfo* info, struct ucontext* context) {
  got = signal;
  code = info->si_code;
  flags = context->uc_flags;
  sender = info->sent.pid;
}
CASE(sent) {
  on_signal(SIGUSR1, note, 0);
  send(SIGUSR1);
  CHECK_EQ(got, SIGUSR1);
  CHECK_EQ(code, SI_USER);
  CHECK_EQ(sender, sys(SYS_getpid));
  CHECK_EQ(flags, UC_SIGMASK | UC_CPU | UC_FPU | UC_TLSBASE | UC_CLRSTACK);
  CHECK_EQ(sys(SYS__lwp_kill, sys(SYS__lwp_self), SIGUSR1), 0);
  CHECK_EQ(code, SI_LWP);
  struct siginfo info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE, .sent = {(int)sys(SYS_getpid), (unsigned)sys(24), 42}};
  CHECK_EQ(sys(SYS_sigqueueinfo, sys(SYS_getpid), &info), 0);
  CHECK_EQ(code, SI_QUEUE);
  ++info.sent.pid;
  CHECK_EQ(sys(SYS_sigqueueinfo, sys(SYS_getpid), &info), -EPERM);
}

CASE(actions) {
  struct sigaction action = {(void*)note, {{1, 0, 0, 0}}, SA_SIGINFO | SA_RESTART, 0}, old;
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, &action, 0, trampoline, 2), 0);
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, 0, &old, 0, 0), 0);
  CHECK_EQ(old.sa_handler, (void*)note);
  CHECK_EQ(old.sa_flags, SA_SIGINFO | SA_RESTART);
  CHECK_EQ(old.sa_mask.bits[0], 1);
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, &action, 0, 0, 2), -EINVAL);
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, &action, 0, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, &action, 0, trampoline, 1), -EINVAL);
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGKILL, &action, 0, trampoline, 2), -EINVAL);
  action.sa_flags = 0x100;
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, &action, 0, trampoline, 2), -EINVAL);
  action = (struct sigaction){0};
  CHECK_EQ(sys(SYS___sigaction_sigtramp, SIGUSR1, &action, 0, 0, 0), 0);  // the default needs no trampoline
}

static void fault(int signal, struct siginfo* info, struct ucontext* context) {
  got = signal;
  code = info->si_code;
  trap = info->fault.trap;
  address = (long)info->fault.addr;
  CHECK_EQ(context->uc_mcontext.trapno, trap);
  if (signal == SIGTRAP) return;
  context->uc_mcontext.rip = context->uc_mcontext.rbx;
}
#define FAULT(instruction)                                                                                      \
  __asm__ volatile("leaq 1f(%%rip), %%rbx; " instruction "; 1:" ::"a"(0), "d"(0), "c"(0) : "rbx", "memory", "cc")
CASE(faults) {
  on_signal(SIGSEGV, fault, 0);
  on_signal(SIGBUS, fault, 0);
  on_signal(SIGILL, fault, 0);
  on_signal(SIGFPE, fault, 0);
  on_signal(SIGTRAP, fault, 0);
  FAULT("movl $1, 0x10");
  CHECK_EQ(got, SIGSEGV);
  CHECK_EQ(code, SEGV_MAPERR);
  CHECK_EQ(trap, T_PAGEFLT);
  CHECK_EQ(address, 0x10);
  FAULT("movabsq $0x8000000000000000, %%rax; movl $1, (%%rax)");  // no address at all: a protection fault
  CHECK_EQ(got, SIGSEGV);
  CHECK_EQ(code, SEGV_ACCERR);
  CHECK_EQ(trap, T_PROTFLT);
  FAULT("ud2");
  CHECK_EQ(got, SIGILL);
  CHECK_EQ(code, ILL_PRVOPC);
  CHECK_EQ(trap, T_PRIVINFLT);
  FAULT("divl %%ecx");
  CHECK_EQ(got, SIGFPE);
  CHECK_EQ(code, FPE_INTDIV);
  CHECK_EQ(trap, T_DIVIDE);
  __asm__ volatile("int3");
  CHECK_EQ(got, SIGTRAP);
  CHECK_EQ(code, TRAP_BRKPT);
  CHECK_EQ(trap, T_BPTFLT);
}

static void change(int signal, struct siginfo* info, struct ucontext* context) {
  unsigned long rdx, r15;
  __asm__ volatile("movq %%r15, %0" : "=r"(r15));
  rdx = (unsigned long)context;
  CHECK_EQ(((char*)context - (char*)info), 128);
  (void)rdx, (void)r15;
  context->uc_mcontext.r12 = 0x1234;
  context->uc_mcontext.rbx = 0x5678;
  __asm__ volatile("pcmpeqd %%xmm7, %%xmm7" ::: "xmm7");
}
CASE(registers_are_the_frames) {
  on_signal(SIGUSR1, change, 0);
  const long pid = sys(SYS_getpid);
  long rax = SYS_kill, r12 = 1, rbx = 2, r13 = 3, xmm = 99;
  __asm__ volatile(
      "movq %[rbx], %%rbx; movq %[r12], %%r12; movq %[r13], %%r13; movq %[xmm], %%xmm7; syscall;"
      "movq %%rbx, %[rbx]; movq %%r12, %[r12]; movq %%r13, %[r13]; movq %%xmm7, %[xmm]"
      : "+a"(rax), [rbx] "+m"(rbx), [r12] "+m"(r12), [r13] "+m"(r13), [xmm] "+m"(xmm)
      : "D"(pid), "S"(SIGUSR1)
      : "rbx", "r12", "r13", "xmm7", "rcx", "r11", "rdx", "memory", "cc");
  CHECK_EQ(rax, 0);
  CHECK_EQ(r12, 0x1234);
  CHECK_EQ(rbx, 0x5678);
  CHECK_EQ(r13, 3);
  CHECK_EQ(xmm, 99);
}

static char stack[16384] __attribute__((aligned(16)));
static void where(int signal, struct siginfo* info, struct ucontext* context) {
  const char* here = __builtin_frame_address(0);
  on_stack = here >= stack && here < stack + sizeof stack;
  flags = context->uc_flags;
  stack_t now;
  CHECK_EQ(sys(SYS___sigaltstack14, 0, &now), 0);
  CHECK_EQ(now.ss_flags, on_stack ? SS_ONSTACK : SS_DISABLE);
}
CASE(signal_stacks) {
  stack_t s = {stack, 8191, 0, 0};
  CHECK_EQ(sys(SYS___sigaltstack14, &s, 0), -ENOMEM);
  s.ss_size = sizeof stack;
  CHECK_EQ(sys(SYS___sigaltstack14, &s, 0), 0);
  on_signal(SIGUSR1, where, SA_ONSTACK);
  send(SIGUSR1);
  CHECK_EQ(on_stack, 1);
  CHECK_EQ(flags & (UC_SETSTACK | UC_CLRSTACK), UC_CLRSTACK);
}

static volatile int passes;
CASE(contexts) {
  struct ucontext context = {0};
  passes = 0;
  CHECK_EQ(sys(SYS_getcontext, &context), 0);
  if (++passes < 3) {
    sys(SYS_setcontext, &context);
    CHECK(false);
  }
  CHECK_EQ(passes, 3);
  CHECK_EQ(context.uc_flags, UC_SIGMASK | UC_STACK | UC_CPU | UC_FPU | UC_TLSBASE);
  context.uc_flags &= ~(unsigned)UC_CPU;
  CHECK_EQ(sys(SYS_setcontext, &context), -EINVAL);
  CHECK_EQ(sys(SYS_setcontext, 16), -EFAULT);
  // The mask and the thread pointer come along.
  context.uc_flags |= UC_CPU;
  const sigset_t usr2 = sig_only(SIGUSR2);
  CHECK_EQ(sys(SYS___sigprocmask14, SIG_BLOCK, &usr2, 0), 0);
  CHECK_EQ(sys(SYS__lwp_setprivate, &context), 0);
  passes = 0;
  CHECK_EQ(sys(SYS_getcontext, &context), 0);
  if (++passes == 1) {
    CHECK_EQ(sys(SYS___sigprocmask14, SIG_UNBLOCK, &usr2, 0), 0);
    CHECK_EQ(sys(SYS__lwp_setprivate, 0), 0);
    sys(SYS_setcontext, &context);
  }
  sigset_t now;
  CHECK_EQ(sys(SYS___sigprocmask14, SIG_BLOCK, 0, &now), 0);
  CHECK(sig_has(&now, SIGUSR2));
  CHECK_EQ(sys(SYS__lwp_getprivate), (long)&context);
}

CASE(waited_for) {
  const sigset_t usr1 = sig_only(SIGUSR1);
  CHECK_EQ(sys(SYS___sigprocmask14, SIG_BLOCK, &usr1, 0), 0);
  struct timespec t = {0, 1000000};
  struct siginfo info;
  CHECK_EQ(sys(SYS_____sigtimedwait50, &usr1, &info, &t), -EAGAIN);
  send(SIGUSR1);
  CHECK_EQ(sys(SYS_____sigtimedwait50, &usr1, &info, 0), SIGUSR1);
  CHECK_EQ(info.si_signo, SIGUSR1);
  CHECK_EQ(info.sent.pid, sys(SYS_getpid));
}
