#include "guest.h"

#include "../bsd/common.c"

void on_signal(int signal, handler_t* handler, int flags) {
  struct sigaction action = {(void*)handler, {{0}}, flags | SA_SIGINFO, 0};
  CHECK_EQ(sys(SYS___sigaction_sigtramp, signal, &action, 0, trampoline, 2), 0);
}
void make_pipe(int fds[2]) {
  const struct results r = call_results(SYS_pipe, 0, 0);
  CHECK((r.flags & 1) == 0);
  fds[0] = (int)r.rax;
  fds[1] = (int)r.rdx;
}
// The child finds the second result's register as it was.
long start_process(void) {
  const struct results r = call_results(SYS_fork, 0, 0);
  CHECK((r.flags & 1) == 0);
  CHECK_EQ(r.rdx, r.rax == 0 ? 0x5a5a : 0);
  return r.rax;
}
int wait_for(long pid) {
  int status = -1;
  long r;
  do r = sys(SYS___wait450, pid, &status, 0, 0);
  while (r == -EINTR);
  CHECK_EQ(r, pid);
  return status;
}
void sleep_us(long us) {
  struct timespec t = {us / 1000000, us % 1000000 * 1000};
  while (sys(SYS___nanosleep50, &t, &t) == -EINTR) {}
}
long now_us(void) {
  struct timespec t;
  CHECK_EQ(sys(SYS___clock_gettime50, CLOCK_MONOTONIC, &t), 0);
  return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void thread_main(struct thread* t) {
  CHECK_EQ(sys(SYS__lwp_getprivate), (long)&t->tls_self);
  t->run(t);
  sys(SYS__lwp_exit);
  __builtin_trap();
}
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg, int flags) {
  *t = (struct thread){.run = run, .arg = arg, .tls_self = t, .stack = map(kThreadStack)};
  struct ucontext context = {0};
  CHECK_EQ(sys(SYS_getcontext, &context), 0);
  context.uc_flags &= ~(unsigned)UC_STACK;
  context.uc_mcontext.rip = (long)thread_main;
  context.uc_mcontext.rdi = (long)t;
  context.uc_mcontext.rsp = (long)t->stack + kThreadStack - 8;
  context.uc_mcontext.tlsbase = (long)&t->tls_self;
  CHECK_EQ(sys(SYS__lwp_create, &context, flags, &t->tid), 0);
  CHECK(t->tid > 0);
}
void thread_join(struct thread* t) {
  int departed = 0;
  CHECK_EQ(sys(SYS__lwp_wait, t->tid, &departed), 0);
  CHECK_EQ(departed, t->tid);
}
