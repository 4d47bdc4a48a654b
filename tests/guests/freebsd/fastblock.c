// sigfastblock: a word of the thread's own by which it blocks every signal without a call.
// Semantics: FreeBSD 15.0 sigfastblock(2), sys/kern/kern_sig.c.
#include "guest.h"

enum { SETPTR = 1, UNBLOCK = 2, UNSETPTR = 3, PEND = 1, INC = 0x10 };
static long self_id(void) { long id = 0; CHECK_EQ(sys(SYS_thr_self, &id), 0); return id; }
static volatile uint32_t word, second;
static volatile int runs, order[8], values[8];
static void note(int signal, struct siginfo* info, struct ucontext* context) {
  (void)context;
  order[runs % 8] = signal;
  values[runs % 8] = info->si_value.sival_int;
  ++runs;
}
static void hold(void) { __atomic_fetch_add(&word, INC, __ATOMIC_SEQ_CST); }
static void let(void) {   // as the dynamic linker does it
  if (__atomic_fetch_sub(&word, INC, __ATOMIC_SEQ_CST) == (PEND | INC)) CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), 0);
}
static void register_word(void) { CHECK_EQ(sys(SYS_sigfastblock, SETPTR, &word), 0); }
static void raise_signal(int signal) { CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), signal), 0); }

CASE(errors) {
  CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigfastblock, UNSETPTR, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigfastblock, 0, &word), -EINVAL);
  CHECK_EQ(sys(SYS_sigfastblock, 4, &word), -EINVAL);
  CHECK_EQ(sys(SYS_sigfastblock, SETPTR, (char*)&word + 1), -EINVAL);
  register_word();
  CHECK_EQ(sys(SYS_sigfastblock, SETPTR, &second), -EBUSY);
  CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), -EBUSY);   // nothing is pending
  hold();
  CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), -EBUSY);
  CHECK_EQ(sys(SYS_sigfastblock, UNSETPTR, 0), -EBUSY);
  let();
  CHECK_EQ(sys(SYS_sigfastblock, UNSETPTR, 0), 0);
  CHECK_EQ(sys(SYS_sigfastblock, SETPTR, &second), 0);
  char* page = (char*)map(4096);
  CHECK_EQ(sys(SYS_sigfastblock, UNSETPTR, 0), 0);
  CHECK_EQ(sys(SYS_sigfastblock, SETPTR, page), 0);
  CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
  CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), -EFAULT);
  CHECK_EQ(sys(SYS_sigfastblock, UNSETPTR, 0), -EFAULT);
}
CASE(signals_wait_for_the_word) {
  on_signal(SIGUSR1, note, 0);
  on_signal(SIGUSR2, note, 0);
  register_word();
  raise_signal(SIGUSR1);
  CHECK_EQ(runs, 1);   // the word is 0
  hold();
  hold();
  raise_signal(SIGUSR1);
  CHECK_EQ(runs, 1);
  CHECK_EQ(word, 2 * INC | PEND);
  raise_signal(SIGUSR2);
  raise_signal(SIGUSR2);   // one of a kind waits
  sigset_t mask, pending;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &mask), 0);
  CHECK(!sig_has(&mask, SIGUSR1) && !sig_has(&mask, SIGUSR2));   // the mask itself is untouched
  CHECK_EQ(runs, 1);
  let();
  CHECK_EQ(runs, 1);
  let();
  CHECK_EQ(runs, 3);
  CHECK_EQ(word, 0);
  CHECK_EQ(sys(SYS_sigpending, &pending), 0);
  CHECK(!sig_has(&pending, SIGUSR1) && !sig_has(&pending, SIGUSR2));
  // A word given up blocks nothing.
  word = PEND;
  CHECK_EQ(sys(SYS_sigfastblock, UNSETPTR, 0), 0);
  hold();
  raise_signal(SIGUSR1);
  CHECK_EQ(runs, 4);
}
CASE(without_the_call_the_next_one_will_do) {
  on_signal(SIGUSR1, note, 0);
  register_word();
  hold();
  raise_signal(SIGUSR1);
  __atomic_fetch_sub(&word, INC, __ATOMIC_SEQ_CST);
  sys(SYS_getppid);
  CHECK_EQ(runs, 1);
}
CASE(what_is_queued_stays_in_order) {
  on_signal(70, note, 0);
  register_word();
  hold();
  for (long i = 1; i <= 5; ++i) CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), 70, i), 0);
  CHECK_EQ(runs, 0);
  let();
  CHECK_EQ(runs, 5);
  // The last to run is the first delivered: handlers nest only with SA_NODEFER, so they run one after the other.
  for (int i = 0; i < 5; ++i) CHECK_EQ(values[i], i + 1);
}
CASE(calls_are_not_interrupted) {
  on_signal(SIGALRM, note, 0);
  register_word();
  hold();
  const struct itimerval soon = {{0, 0}, {0, 20000}};
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  const struct timespec nap = {0, 100000000};
  CHECK_EQ(sys(SYS_nanosleep, &nap, 0), 0);   // slept to the end
  CHECK_EQ(runs, 0);
  CHECK(word & PEND);
  let();
  CHECK_EQ(runs, 1);
  // And is, with the word at 0.
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_nanosleep, &nap, 0), -EINTR);
  CHECK_EQ(runs, 2);
}
CASE(in_the_middle_of_a_loop) {
  on_signal(SIGALRM, note, 0);
  register_word();
  const struct itimerval often = {{0, 200}, {0, 200}};
  CHECK_EQ(sys(SYS_setitimer, 0, &often, 0), 0);
  while (runs < 300) {
    hold();
    const int before = runs;
    for (volatile int i = 0; i < 2000; ++i) {}
    CHECK_EQ(runs, before);   // never while it is held
    let();
  }
}
CASE(defaults_wait_too) {
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    register_word();
    hold();
    raise_signal(SIGTERM);
    sys(SYS_write, fds[1], "x", 1);   // still there
    let();
    quit(1);
  }
  CHECK_EQ(wait_signal(wait_for(pid)), SIGTERM);
  char c;
  sys(SYS_close, fds[1]);
  CHECK_EQ(sys(SYS_read, fds[0], &c, 1), 1);
  // Not so a fault.
  const long faulty = start_process();
  if (faulty == 0) {
    register_word();
    hold();
    *(volatile char*)8 = 0;
    quit(1);
  }
  CHECK_EQ(wait_signal(wait_for(faulty)), SIGSEGV);
}
CASE(ignored_signals_stay_ignored) {
  set_handler(SIGUSR1, SIG_IGN, 0);
  register_word();
  hold();
  raise_signal(SIGUSR1);
  raise_signal(SIGCHLD);
  let();
  if (word & PEND) CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), 0);
  raise_signal(SIGUSR1);
  const struct timespec nap = {0, 1000000};
  CHECK_EQ(sys(SYS_nanosleep, &nap, 0), 0);
}
CASE(faults_that_are_sent_wait) {
  on_signal(SIGSEGV, note, 0);
  register_word();
  hold();
  raise_signal(SIGSEGV);
  CHECK_EQ(runs, 0);
  let();
  CHECK_EQ(runs, 1);
}
static void other_thread(struct thread* t) {
  (void)t;
  // The word is the other thread's: signals come here at once, and this one may have a word of its own.
  CHECK_EQ(sys(SYS_thr_kill, self_id(), SIGUSR1), 0);
  CHECK_EQ(runs, 1);
  CHECK_EQ(sys(SYS_sigfastblock, SETPTR, &second), 0);
  second = INC;
  CHECK_EQ(sys(SYS_thr_kill, self_id(), SIGUSR1), 0);
  CHECK_EQ(runs, 1);
  CHECK_EQ(second, INC | PEND);
  second = PEND;
  CHECK_EQ(sys(SYS_sigfastblock, UNBLOCK, 0), 0);
  CHECK_EQ(runs, 2);
}
CASE(each_thread_has_its_own) {
  on_signal(SIGUSR1, note, 0);
  register_word();
  hold();
  static struct thread t;
  thread_start(&t, other_thread, 0);
  thread_join(&t);
  CHECK_EQ(runs, 2);
  let();
}
CASE(a_child_keeps_it) {
  on_signal(SIGUSR1, note, 0);
  register_word();
  hold();
  const long pid = start_process();
  if (pid == 0) {
    raise_signal(SIGUSR1);
    CHECK_EQ(runs, 0);
    let();
    CHECK_EQ(runs, 1);
    quit(0);
  }
  expect_exit(pid, 0);
  let();
  CHECK_EQ(runs, 0);
}
