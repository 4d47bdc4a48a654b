#include "guest.h"

#include "../bsd/common.c"

void set_handler(int signal, void* handler, int flags) {
  struct sigaction action = {handler, flags, {{0}}, 0};
  CHECK_EQ(sys(SYS_sigaction, signal, &action, 0), 0);
}
void on_signal(int signal, handler_t* handler, int flags) { set_handler(signal, (void*)handler, flags | SA_SIGINFO); }
void block(int signal) {
  sigset_t set = sig_only(signal);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, 0), 0);
}
void unblock(int signal) {
  sigset_t set = sig_only(signal);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, 0), 0);
}
void make_pipe(int fds[2]) { CHECK_EQ(sys(SYS_pipe2, fds, 0), 0); }

// fork() must be made by a frame that does not return in vfork's sense; an ordinary function will do.
long start_process(void) {
  struct raw_call c = {.number = SYS_fork};
  raw_call(&c);
  CHECK((c.flags & 1) == 0);
  return (long)c.rax;
}
int wait_for(long pid) {
  int status = -1;
  long r;
  do r = sys(SYS_wait4, pid, &status, 0, 0);
  while (r == -EINTR);
  CHECK_EQ(r, pid);
  return status;
}
void expect_exit(long pid, int status) {
  const int s = wait_for(pid);
  CHECK_EQ(s & 0x7f, 0);
  CHECK_EQ(wait_exit_status(s), status);
}
void sleep_us(long us) {
  struct timespec t = {us / 1000000, us % 1000000 * 1000};
  while (sys(SYS_nanosleep, &t, &t) == -EINTR) {}
}
void sleep_ms(long ms) { sleep_us(ms * 1000); }
long now_us(void) {
  struct timespec t;
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t), 0);
  return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
void alarm_after(long seconds) {
  struct itimerval t = {{0, 0}, {seconds, 0}};
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
}

static void thread_main(void* arg) {
  struct thread* t = arg;
  t->run(t);
  sys(SYS_thr_exit, &t->done);
  __builtin_trap();
}
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg) {
  t->done = 0;
  t->tid = 0;
  t->run = run;
  t->arg = arg;
  t->tls_self = t;
  t->stack = map(kThreadStack);
  struct thr_param p = {.start_func = thread_main, .arg = t, .stack_base = (char*)t->stack, .stack_size = kThreadStack,
                        .tls_base = (char*)&t->tls_self, .tls_size = sizeof t->tls_self, .parent_tid = &t->tid};
  CHECK_EQ(sys(SYS_thr_new, &p, sizeof p), 0);
}
void thread_join(struct thread* t) {
  while (t->done == 0) sys(SYS__umtx_op, &t->done, UMTX_WAIT, 0, 0, 0);
}
void umtx_wait(volatile uint32_t* at, uint32_t value) { sys(SYS__umtx_op, at, UMTX_WAIT_UINT_PRIVATE, value, 0, 0); }
void umtx_wake(volatile uint32_t* at, int count) { sys(SYS__umtx_op, at, UMTX_WAKE_PRIVATE, count, 0, 0); }
