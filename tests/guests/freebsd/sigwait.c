// Waiting for signals, sending with values, and contexts.
#include "guest.h"

static volatile int count;
static struct siginfo last;
static void remember(int signal, struct siginfo* info, struct ucontext* context) {
  last = *info;
  ++count;
}

CASE(bad_arguments) {
  sigset_t set = sig_only(SIGUSR1);
  struct siginfo info;
  struct timespec bad = {0, 1000000000}, past = {-1, 0};
  int got = -1;
  block(SIGUSR1);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &bad), -EINVAL);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &past), -EAGAIN);
  send(SIGUSR1);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &bad), SIGUSR1);   // nothing to wait for
  CHECK_EQ(sys(SYS_sigtimedwait, 8, &info, 0), -EFAULT);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, 8), -EFAULT);
  CHECK_EQ(sys(SYS_sigwaitinfo, 8, &info), -EFAULT);
  CHECK_EQ(sys(SYS_sigwait, 8, &got), EFAULT);
  send(SIGUSR1);
  CHECK_EQ(sys(SYS_sigwait, &set, 8), EFAULT);
  send(SIGUSR1);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, 8), -EFAULT);
}
CASE(sigwait_is_interrupted) {
  on_signal(SIGALRM, remember, 0);
  block(SIGUSR1);
  sigset_t set = sig_only(SIGUSR1);
  struct itimerval soon = {{0, 0}, {0, 20000}};
  int got = -1;
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_sigwait, &set, &got), EINTR);
  CHECK_EQ(count, 1);
  CHECK_EQ(got, -1);
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, 0), -EINTR);
}
CASE(sigqueue_errors) {
  CHECK_EQ(sys(SYS_sigqueue, 0, SIGUSR1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigqueue, -1, SIGUSR1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), 129, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigqueue, 0x7ffffff0, SIGUSR1, 0), -ESRCH);
  CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), 0, 0), 0);
}
static volatile long got_by;
static void note_thread(int signal, struct siginfo* info, struct ucontext* context) {
  long tid = 0;
  sys(SYS_thr_self, &tid);
  last = *info;
  got_by = tid;
}
static void wait_for_note(struct thread* t) {
  while (got_by == 0) sys(SYS_sched_yield);
}
CASE(sigqueue_to_a_thread) {
  static struct thread t;
  on_signal(SIGUSR1, note_thread, 0);
  thread_start(&t, wait_for_note, 0);
  CHECK_EQ(sys(SYS_sigqueue, t.tid, SIGUSR1 | 0x80000000U, 0x1234567890L), 0);
  const long tid = t.tid;
  thread_join(&t);
  CHECK_EQ(got_by, tid);
  CHECK_EQ(last.si_code, SI_QUEUE);
  CHECK_EQ(last.si_value.word, 0x1234567890L);
  CHECK_EQ(sys(SYS_sigqueue, 5, SIGUSR1 | 0x80000000U, 0), -ESRCH);
}
static volatile int reached;
static void reach(int signal, struct siginfo* info, struct ucontext* context) {
  __atomic_fetch_add(&reached, 1, __ATOMIC_SEQ_CST);
}
static void wait_for_all(struct thread* t) {
  while (__atomic_load_n(&reached, __ATOMIC_SEQ_CST) < 5) sys(SYS_sched_yield);
}
CASE(thr_kill_of_all_others) {
  static struct thread threads[5];
  CHECK_EQ(sys(SYS_thr_kill, -1, SIGUSR1), -ESRCH);
  CHECK_EQ(sys(SYS_thr_kill, -1, 129), -EINVAL);
  on_signal(SIGUSR1, reach, 0);
  for (int i = 0; i < 5; ++i) thread_start(&threads[i], wait_for_all, 0);
  CHECK_EQ(sys(SYS_thr_kill, -1, 0), 0);
  CHECK_EQ(sys(SYS_thr_kill, -1, SIGUSR1), 0);
  for (int i = 0; i < 5; ++i) thread_join(&threads[i]);
  CHECK_EQ(reached, 5);
}
CASE(unknown_action_flags) {
  struct sigaction action = {remember, 0x100, {{0}}, 0};
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &action, 0), -EINVAL);
  action.sa_handler = SIG_IGN;
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &action, 0), 0);
}
CASE(codes_of_children) {
  block(SIGCHLD);
  sigset_t set = sig_only(SIGCHLD);
  struct siginfo info;
  long pid = start_process();
  if (pid == 0) quit(7);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
  CHECK(info.si_code == CLD_EXITED && info.si_pid == pid && info.si_status == 7);
  CHECK_EQ(info.si_uid, sys(SYS_getuid));
  expect_exit(pid, 7);
  pid = start_process();
  if (pid == 0)
    for (;;) sleep_ms(1000);
  CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
  CHECK(info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
  CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
  CHECK(info.si_code == CLD_CONTINUED && info.si_status == SIGCONT);
  CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
  CHECK(info.si_code == CLD_KILLED && info.si_status == SIGUSR1);
  CHECK_EQ(wait_signal(wait_for(pid)), SIGUSR1);
}

// --- contexts -------------------------------------------------------------------------------------------------
static struct ucontext here, there;
CASE(getcontext) {
  volatile int times = 0;
  block(SIGUSR2);
  CHECK_EQ(sys(SYS_getcontext, &here), 0);
  ++times;
  CHECK_EQ(sig_has(&here.uc_sigmask, SIGUSR2), times == 1);
  CHECK_EQ(here.uc_mcontext.mc_rax, 0);
  CHECK_EQ(here.uc_mcontext.mc_len, sizeof(struct mcontext));
  if (times == 1) {
    sig_empty(&here.uc_sigmask);
    unblock(SIGUSR2);
    block(SIGUSR1);
    sys(SYS_setcontext, &here);
    CHECK(false);
  }
  sigset_t now;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  CHECK_EQ(now.bits[0], times == 2 ? 0 : now.bits[0]);
}
static volatile int steps;
static void elsewhere(void) {
  ++steps;
  CHECK_EQ(sys(SYS_swapcontext, &there, &here), 0);
  ++steps;
  sys(SYS_setcontext, &here);
}
CASE(swapcontext) {
  char* stack = map(65536);
  CHECK_EQ(sys(SYS_getcontext, &there), 0);
  there.uc_mcontext.mc_rip = (long)elsewhere;
  there.uc_mcontext.mc_rsp = (long)(stack + 65536 - 8);
  CHECK_EQ(sys(SYS_swapcontext, &here, &there), 0);
  CHECK_EQ(steps, 1);
  CHECK_EQ(sys(SYS_swapcontext, &here, &there), 0);
  CHECK_EQ(steps, 2);
}
CASE(bad_contexts) {
  CHECK_EQ(sys(SYS_getcontext, 0), -EINVAL);
  CHECK_EQ(sys(SYS_setcontext, 0), -EINVAL);
  CHECK_EQ(sys(SYS_swapcontext, &here, 0), -EINVAL);
  CHECK_EQ(sys(SYS_swapcontext, 0, &here), -EINVAL);
  CHECK_EQ(sys(SYS_getcontext, 8), -EFAULT);
  CHECK_EQ(sys(SYS_setcontext, 8), -EFAULT);
  CHECK_EQ(sys(SYS_swapcontext, 8, &here), -EFAULT);
  CHECK_EQ(sys(SYS_swapcontext, &here, 8), -EFAULT);
  CHECK_EQ(sys(SYS_getcontext, &there), 0);
  there.uc_mcontext.mc_flags |= 0x80;
  CHECK_EQ(sys(SYS_setcontext, &there), -EINVAL);
}
