#include "guest.h"

#include "../bsd/common.c"

void on_signal(int signal, handler_t* handler, int flags) {
  struct sigaction action = {(void*)handler, flags | SA_SIGINFO, {{0}}, 0};
  CHECK_EQ(sys(SYS_sigaction, signal, &action, 0), 0);
}
void make_pipe(int fds[2]) {
  const struct results r = call_results(SYS_pipe, 0, 0);
  CHECK((r.flags & 1) == 0);
  fds[0] = (int)r.rax;
  fds[1] = (int)r.rdx;
}
// The child finds 1 in the second result.
long start_process(void) {
  const struct results r = call_results(SYS_fork, 0, 0);
  CHECK((r.flags & 1) == 0);
  CHECK_EQ(r.rdx, r.rax == 0);
  return r.rax;
}
int wait_for(long pid) {
  int status = -1;
  long r;
  do r = sys(SYS_wait4, pid, &status, 0, 0);
  while (r == -EINTR);
  CHECK_EQ(r, pid);
  return status;
}
void sleep_us(long us) {
  struct timespec t = {us / 1000000, us % 1000000 * 1000};
  while (sys(SYS_nanosleep, &t, &t) == -EINTR) {}
}
long now_us(void) {
  struct timespec t;
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t), 0);
  return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void thread_main(void* arg) {
  struct thread* t = arg;
  struct tls_info info = {&t->tls_self, -1};
  CHECK_EQ(sys(SYS_set_tls_area, 0, &info, sizeof info), 0);
  t->run(t);
  sys(SYS_extexit, EXTEXIT_SETINT | EXTEXIT_LWP, 1, &t->done);
  __builtin_trap();
}
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg) {
  *t = (struct thread){.run = run, .arg = arg, .tls_self = t, .stack = map(kThreadStack)};
  const struct lwp_params p = {thread_main, t, (char*)t->stack + kThreadStack, &t->tid, 0};
  CHECK_EQ(sys(SYS_lwp_create2, &p, 0), 0);
  CHECK(t->tid > 0);
}
// The store of extexit(2) wakes nobody.
void thread_join(struct thread* t) {
  while (t->done == 0) sys(SYS_sched_yield);
}
