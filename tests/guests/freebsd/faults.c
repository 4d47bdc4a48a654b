// What the processor raises, as FreeBSD tells it.
#include "guest.h"

static struct siginfo info_seen;
static struct ucontext context_seen;
static volatile long skip;          // bytes to skip on return
static volatile long resume_at;     // or where to go

static void fix(int signal, struct siginfo* info, struct ucontext* context) {
  info_seen = *info;
  context_seen = *context;
  if (resume_at != 0) context->uc_mcontext.mc_rip = resume_at;
  else context->uc_mcontext.mc_rip += skip;
}
static void catch_all(void) {
  on_signal(SIGSEGV, fix, 0);
  on_signal(SIGBUS, fix, 0);
  on_signal(SIGILL, fix, 0);
  on_signal(SIGFPE, fix, 0);
  on_signal(SIGTRAP, fix, 0);
}

CASE(unmapped) {
  catch_all();
  long at, fault = 0x10, value = 5;
  __asm__ volatile("leaq 1f(%%rip), %0; leaq 2f(%%rip), %%rcx; movq %%rcx, %1; 1: movq (%3), %2; 2:" : "=&r"(at), "=m"(resume_at), "+r"(value) : "r"(fault) : "rcx", "memory");
  CHECK_EQ(info_seen.si_signo, SIGSEGV);
  CHECK_EQ(info_seen.si_code, SEGV_MAPERR);
  CHECK_EQ(info_seen.si_addr, fault);
  CHECK_EQ(info_seen.reason.si_trapno, T_PAGEFLT);
  CHECK_EQ(context_seen.uc_mcontext.mc_rip, at);
  CHECK_EQ(context_seen.uc_mcontext.mc_addr, fault);
  CHECK_EQ(context_seen.uc_mcontext.mc_trapno, T_PAGEFLT);
  CHECK_EQ(value, 5);
  resume_at = 0;
}
CASE(read_only) {
  catch_all();
  char* page = (char*)sys(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
  __asm__ volatile("leaq 2f(%%rip), %%rcx; movq %%rcx, %0; movb $1, 7(%1); 2:" : "=m"(resume_at) : "r"(page) : "rcx", "memory");
  CHECK_EQ(info_seen.si_signo, SIGSEGV);
  CHECK_EQ(info_seen.si_code, SEGV_ACCERR);
  CHECK_EQ(info_seen.si_addr, page + 7);
  CHECK_EQ(context_seen.uc_mcontext.mc_err & 2, 2);
  resume_at = 0;
}
CASE(not_canonical) {
  catch_all();
  __asm__ volatile("leaq 2f(%%rip), %%rcx; movq %%rcx, %0; movb $1, (%1); 2:" : "=m"(resume_at) : "r"(0x8000000000000000) : "rcx", "memory");
  CHECK_EQ(info_seen.si_signo, SIGBUS);       // trap_pfault() is not asked: a general protection fault
  CHECK_EQ(info_seen.si_code, BUS_OBJERR);
  CHECK_EQ(info_seen.reason.si_trapno, T_PROTFLT);
  resume_at = 0;
}
CASE(divide) {
  catch_all();
  long at;
  __asm__ volatile("leaq 1f(%%rip), %0; leaq 2f(%%rip), %%rcx; movq %%rcx, %1; xorl %%ecx, %%ecx; movl $1, %%eax; cltd; 1: idivl %%ecx; 2:" : "=&r"(at), "=m"(resume_at) : : "rax", "rdx", "rcx", "memory", "cc");
  CHECK_EQ(info_seen.si_signo, SIGFPE);
  CHECK_EQ(info_seen.si_code, FPE_INTDIV);
  CHECK_EQ(info_seen.si_addr, at);
  CHECK_EQ(info_seen.reason.si_trapno, T_DIVIDE);
  resume_at = 0;
}
CASE(illegal_instruction) {
  catch_all();
  long at;
  skip = 2;
  __asm__ volatile("leaq 1f(%%rip), %0; 1: ud2" : "=&r"(at) : : "memory");
  CHECK_EQ(info_seen.si_signo, SIGILL);
  CHECK_EQ(info_seen.si_code, ILL_PRVOPC);
  CHECK_EQ(info_seen.si_addr, at);
  CHECK_EQ(info_seen.reason.si_trapno, T_PRIVINFLT);
}
CASE(privileged_instruction) {
  catch_all();
  skip = 1;
  __asm__ volatile("cli" : : : "memory");
  CHECK_EQ(info_seen.si_signo, SIGBUS);
  CHECK_EQ(info_seen.reason.si_trapno, T_PROTFLT);
}
CASE(breakpoint) {
  catch_all();
  long at;
  skip = 0;
  __asm__ volatile("leaq 1f(%%rip), %0; int3; 1: nop" : "=&r"(at) : : "memory");
  CHECK_EQ(info_seen.si_signo, SIGTRAP);
  CHECK_EQ(info_seen.si_code, TRAP_BRKPT);
  CHECK_EQ(context_seen.uc_mcontext.mc_rip, at);
}
CASE(beyond_the_file) {
  catch_all();
  char path[] = "beyond.tmp";
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_unlink, path), 0);
  CHECK_EQ(sys(SYS_ftruncate, fd, 4096), 0);
  char* page = (char*)sys(SYS_mmap, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK((long)page > 0);
  page[0] = 1;
  __asm__ volatile("leaq 2f(%%rip), %%rcx; movq %%rcx, %0; movb $1, 4096(%1); 2:" : "=m"(resume_at) : "r"(page) : "rcx", "memory");
  CHECK_EQ(info_seen.si_signo, SIGBUS);
  CHECK_EQ(info_seen.si_code, BUS_OBJERR);
  CHECK_EQ(info_seen.si_addr, page + 4096);
  resume_at = 0;
}
CASE(general_registers_of_the_frame) {
  catch_all();
  skip = 2;
  long after;
  __asm__ volatile("movq $0x1111, %%rbx; movq $0x2222, %%r12; movq $0x3333, %%rdi; movq $0x4444, %%r9; ud2; movq %%rbx, %0" : "=r"(after) : : "rbx", "r12", "rdi", "r9", "memory");
  CHECK_EQ(context_seen.uc_mcontext.mc_rbx, 0x1111);
  CHECK_EQ(context_seen.uc_mcontext.mc_r12, 0x2222);
  CHECK_EQ(context_seen.uc_mcontext.mc_rdi, 0x3333);
  CHECK_EQ(context_seen.uc_mcontext.mc_r9, 0x4444);
  CHECK_EQ(context_seen.uc_mcontext.mc_len, sizeof(struct mcontext));
  CHECK_EQ(after, 0x1111);
}
static void change(int signal, struct siginfo* info, struct ucontext* context) {
  context->uc_mcontext.mc_rip += 2;
  context->uc_mcontext.mc_rbx = 0x5678;
  context->uc_mcontext.mc_rflags ^= 0x4;
}
CASE(changed_registers_are_installed) {
  on_signal(SIGILL, change, 0);
  long value;
  __asm__ volatile("movq $1, %%rbx; ud2; movq %%rbx, %0" : "=r"(value) : : "rbx", "memory", "cc");
  CHECK_EQ(value, 0x5678);
}
CASE(bad_sigreturn) {
  static struct ucontext broken;
  CHECK_EQ(sys(SYS_sigreturn, 0), -EFAULT);
  CHECK_EQ(sys(SYS_sigreturn, 0xffff800000000000), -EFAULT);
  CHECK_EQ(sys(SYS_sigreturn, &broken), -EINVAL);
}
CASE(blocked_fault_kills) {
  const long pid = start_process();
  if (pid == 0) {
    catch_all();
    block(SIGSEGV);
    *(volatile char*)8 = 1;
    quit(0);
  }
  CHECK_EQ(wait_signal(wait_for(pid)), SIGSEGV);
}
CASE(ignored_fault_kills) {
  const long pid = start_process();
  if (pid == 0) {
    set_handler(SIGSEGV, SIG_IGN, 0);
    *(volatile char*)8 = 1;
    quit(0);
  }
  CHECK_EQ(wait_signal(wait_for(pid)), SIGSEGV);
}
