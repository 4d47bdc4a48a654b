// Signals: what handlers are told, masks, stacks, waiting, restarting.
#include "guest.h"

static volatile int count, order[16];
static struct siginfo last_info;
static struct ucontext last_context;
static volatile int last_signal;

static void remember(int signal, struct siginfo* info, struct ucontext* context) {
  last_signal = signal;
  last_info = *info;
  last_context = *context;
  ++count;
}
static void counting(int signal, struct siginfo* info, struct ucontext* context) { ++count; }

CASE(siginfo_of_kill) {
  on_signal(SIGUSR1, remember, 0);
  send(SIGUSR1);
  CHECK_EQ(count, 1);
  CHECK_EQ(last_signal, SIGUSR1);
  CHECK_EQ(last_info.si_signo, SIGUSR1);
  CHECK_EQ(last_info.si_code, SI_USER);
  CHECK_EQ(last_info.si_pid, sys(SYS_getpid));
  CHECK_EQ(last_info.si_uid, sys(SYS_getuid));
}

CASE(siginfo_of_thr_kill) {
  long tid = 0;
  CHECK_EQ(sys(SYS_thr_self, &tid), 0);
  on_signal(SIGUSR2, remember, 0);
  CHECK_EQ(sys(SYS_thr_kill, tid, SIGUSR2), 0);
  CHECK_EQ(last_signal, SIGUSR2);
  CHECK_EQ(last_info.si_code, SI_LWP);
  CHECK_EQ(sys(SYS_thr_kill, tid, 0), 0);
  CHECK_EQ(sys(SYS_thr_kill, 99999999, SIGUSR2), -ESRCH);
}

CASE(siginfo_of_sigqueue) {
  on_signal(SIGUSR1, remember, 0);
  CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), SIGUSR1, 0x123456789abcdef), 0);
  CHECK_EQ(last_info.si_code, SI_QUEUE);
  CHECK_EQ(last_info.si_value.word, 0x123456789abcdef);
}

CASE(siginfo_of_child) {
  on_signal(SIGCHLD, remember, 0);
  block(SIGCHLD);
  const long pid = start_process();
  if (pid == 0) quit(42);
  sigset_t none;
  sig_empty(&none);
  CHECK_EQ(sys(SYS_sigsuspend, &none), -EINTR);
  CHECK_EQ(last_signal, SIGCHLD);
  CHECK_EQ(last_info.si_code, CLD_EXITED);
  CHECK_EQ(last_info.si_pid, pid);
  CHECK_EQ(last_info.si_status, 42);
  expect_exit(pid, 42);
}

CASE(every_signal_reaches_its_handler) {
  for (int s = 1; s <= 89; ++s) {
    if (s == SIGKILL || s == SIGSTOP || (s > SIGLIBRT && s < SIGRTMIN)) continue;
    on_signal(s, remember, 0);
    count = 0;
    send(s);
    CHECK_EQ(count, 1);
    CHECK_EQ(last_signal, s);
    CHECK_EQ(last_info.si_signo, s);
    set_handler(s, SIG_IGN, 0);
    send(s);
    CHECK_EQ(count, 1);
    set_handler(s, SIG_DFL, 0);
  }
}

CASE(bad_actions) {
  struct sigaction action = {SIG_IGN, 0, {{0}}, 0};
  CHECK_EQ(sys(SYS_sigaction, 0, &action, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigaction, 129, &action, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigaction, -1, &action, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigaction, SIGKILL, &action, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigaction, SIGSTOP, &action, 0), -EINVAL);
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, 8, 0), -EFAULT);
  CHECK_EQ(sys(SYS_sigprocmask, 99, &action.sa_mask, 0), -EINVAL);
}

CASE(old_action) {
  struct sigaction old, action = {(void*)remember, SA_SIGINFO | SA_RESTART | SA_NODEFER, sig_only(SIGUSR2), 0};
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &action, &old), 0);
  CHECK_EQ(old.sa_handler, SIG_DFL);
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, 0, &old), 0);
  CHECK_EQ(old.sa_handler, remember);
  CHECK_EQ(old.sa_flags, SA_SIGINFO | SA_RESTART | SA_NODEFER);
  CHECK(sig_has(&old.sa_mask, SIGUSR2));
  CHECK(!sig_has(&old.sa_mask, SIGUSR1));
}

static sigset_t mask_inside;
static void look_at_mask(int signal, struct siginfo* info, struct ucontext* context) {
  sys(SYS_sigprocmask, SIG_BLOCK, 0, &mask_inside);
  last_context = *context;
  ++count;
}
CASE(mask_during_handler) {
  struct sigaction action = {(void*)look_at_mask, SA_SIGINFO, sig_only(SIGUSR2), 0};
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &action, 0), 0);
  block(SIGHUP);
  send(SIGUSR1);
  CHECK(sig_has(&mask_inside, SIGUSR1));
  CHECK(sig_has(&mask_inside, SIGUSR2));
  CHECK(sig_has(&mask_inside, SIGHUP));
  CHECK(!sig_has(&mask_inside, SIGTERM));
  CHECK(sig_has(&last_context.uc_sigmask, SIGHUP));
  CHECK(!sig_has(&last_context.uc_sigmask, SIGUSR1));
  sigset_t now;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  CHECK(sig_has(&now, SIGHUP));
  CHECK(!sig_has(&now, SIGUSR1));
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &action, 0), 0);
  send(SIGUSR1);
  CHECK(!sig_has(&mask_inside, SIGUSR1));
  CHECK(sig_has(&mask_inside, SIGUSR2));
}

CASE(every_signal_can_be_blocked) {
  sigset_t all, now;
  sig_fill(&all);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, 0), 0);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  for (int s = 1; s <= 89; ++s) {
    if (s > SIGLIBRT && s < SIGRTMIN) continue;
    CHECK_EQ(sig_has(&now, s), s != SIGKILL && s != SIGSTOP);
    if (s == SIGKILL || s == SIGSTOP) continue;
    on_signal(s, remember, 0);
    count = 0;
    send(s);
    CHECK_EQ(count, 0);
    sigset_t pending;
    CHECK_EQ(sys(SYS_sigpending, &pending), 0);
    CHECK(sig_has(&pending, s));
    unblock(s);
    CHECK_EQ(count, 1);
    CHECK_EQ(last_signal, s);
    block(s);
  }
}

CASE(reset_hand) {
  on_signal(SIGUSR1, counting, SA_RESETHAND);
  send(SIGUSR1);
  CHECK_EQ(count, 1);
  struct sigaction now;
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, 0, &now), 0);
  CHECK_EQ(now.sa_handler, SIG_DFL);
  const long pid = start_process();
  if (pid == 0) {
    on_signal(SIGUSR1, counting, SA_RESETHAND);
    send(SIGUSR1);
    send(SIGUSR1);
    quit(0);
  }
  CHECK_EQ(wait_signal(wait_for(pid)), SIGUSR1);
}

static volatile int depth, deepest;
static void nest(int signal, struct siginfo* info, struct ucontext* context) {
  if (++depth > deepest) deepest = depth;
  order[count++ & 15] = signal;
  if (signal == SIGUSR1 && count < 3) send(SIGUSR2);
  if (signal == SIGUSR2 && count < 3) send(SIGTERM);
  --depth;
}
CASE(nested) {
  on_signal(SIGUSR1, nest, 0);
  on_signal(SIGUSR2, nest, 0);
  on_signal(SIGTERM, nest, 0);
  send(SIGUSR1);
  CHECK_EQ(count, 3);
  CHECK_EQ(deepest, 3);
  CHECK(order[0] == SIGUSR1 && order[1] == SIGUSR2 && order[2] == SIGTERM);
}
static void recurse(int signal, struct siginfo* info, struct ucontext* context) {
  if (++count < 50) send(signal);
}
CASE(no_defer_recurses) {
  on_signal(SIGUSR1, recurse, SA_NODEFER);
  send(SIGUSR1);
  CHECK_EQ(count, 50);
}
static void not_inside(int signal, struct siginfo* info, struct ucontext* context) {
  CHECK_EQ(depth, 0);
  ++depth;
  if (++count < 5) send(signal);
  --depth;
}
CASE(deferred_without_no_defer) {
  on_signal(SIGUSR1, not_inside, 0);
  send(SIGUSR1);
  CHECK_EQ(count, 5);
}

static char* stack_seen;
static int on_stack_flag;
static void where(int signal, struct siginfo* info, struct ucontext* context) {
  stack_seen = (char*)__builtin_frame_address(0);
  stack_t now;
  sys(SYS_sigaltstack, 0, &now);
  on_stack_flag = now.ss_flags;
  stack_t other = {stack_seen, 65536, 0, 0};
  if (now.ss_flags & SS_ONSTACK) CHECK_EQ(sys(SYS_sigaltstack, &other, 0), -EPERM);
  ++count;
}
CASE(alternate_stack) {
  enum { kSize = 65536 };
  char* memory = map(kSize);
  stack_t stack = {memory, kSize, 0, 0}, old;
  CHECK_EQ(sys(SYS_sigaltstack, &stack, &old), 0);
  CHECK(old.ss_flags & SS_DISABLE);
  on_signal(SIGUSR1, where, SA_ONSTACK);
  on_signal(SIGUSR2, where, 0);
  send(SIGUSR1);
  CHECK(stack_seen > memory && stack_seen < memory + kSize);
  CHECK_EQ(on_stack_flag & SS_ONSTACK, SS_ONSTACK);
  send(SIGUSR2);
  CHECK(!(stack_seen > memory && stack_seen < memory + kSize));
  CHECK_EQ(on_stack_flag & SS_ONSTACK, 0);
  stack.ss_size = 100;
  CHECK_EQ(sys(SYS_sigaltstack, &stack, 0), -ENOMEM);
  stack.ss_flags = SS_DISABLE;
  CHECK_EQ(sys(SYS_sigaltstack, &stack, &old), 0);
  CHECK_EQ(old.ss_sp, memory);
  CHECK_EQ(old.ss_size, kSize);
  send(SIGUSR1);
  CHECK(!(stack_seen > memory && stack_seen < memory + kSize));
  CHECK_EQ(count, 3);
}

static char* overflow_stack;
static void after_overflow(int signal, struct siginfo* info, struct ucontext* context) {
  const char* here = (char*)__builtin_frame_address(0);
  CHECK(here > overflow_stack && here < overflow_stack + 65536);
  quit(0);
}
CASE(overflow_is_handled_on_the_alternate_stack) {
  const long pid = start_process();
  if (pid == 0) {
    overflow_stack = map(65536);
    stack_t stack = {overflow_stack, 65536, 0, 0};
    CHECK_EQ(sys(SYS_sigaltstack, &stack, 0), 0);
    on_signal(SIGSEGV, after_overflow, SA_ONSTACK);
    on_signal(SIGBUS, after_overflow, SA_ONSTACK);
    char* small = map(3 * 4096);
    CHECK_EQ(sys(SYS_mprotect, small, 4096, PROT_NONE), 0);
    __asm__ volatile("movq %0, %%rsp; 1: pushq $0; jmp 1b" : : "r"(small + 3 * 4096));
  }
  expect_exit(pid, 0);
}

CASE(sigsuspend) {
  on_signal(SIGUSR1, look_at_mask, 0);
  block(SIGUSR1);
  send(SIGUSR1);
  CHECK_EQ(count, 0);
  sigset_t mask = sig_only(SIGTERM);
  CHECK_EQ(sys(SYS_sigsuspend, &mask), -EINTR);
  CHECK_EQ(count, 1);
  CHECK(sig_has(&mask_inside, SIGTERM));
  CHECK(sig_has(&mask_inside, SIGUSR1));
  CHECK(sig_has(&last_context.uc_sigmask, SIGUSR1));   // what was in force before
  sigset_t now;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  CHECK(sig_has(&now, SIGUSR1));
  CHECK(!sig_has(&now, SIGTERM));
}

CASE(sigwait) {
  block(SIGUSR1);
  block(SIGUSR2);
  send(SIGUSR2);
  sigset_t set;
  sig_empty(&set);
  sig_add(&set, SIGUSR1);
  sig_add(&set, SIGUSR2);
  int got = 0;
  CHECK_EQ(sys(SYS_sigwait, &set, &got), 0);
  CHECK_EQ(got, SIGUSR2);
  const long me = sys(SYS_getpid), pid = start_process();
  if (pid == 0) {
    sleep_ms(30);
    sys(SYS_kill, me, SIGUSR1);
    quit(0);
  }
  CHECK_EQ(sys(SYS_sigwait, &set, &got), 0);
  CHECK_EQ(got, SIGUSR1);
  expect_exit(pid, 0);
}

CASE(sigtimedwait) {
  block(SIGUSR1);
  sigset_t set = sig_only(SIGUSR1);
  struct siginfo info;
  struct timespec none = {0, 0}, brief = {0, 20000000};
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &none), -EAGAIN);
  const long start = now_us();
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &brief), -EAGAIN);
  CHECK(now_us() - start >= 19000);
  send(SIGUSR1);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &brief), SIGUSR1);
  CHECK_EQ(info.si_signo, SIGUSR1);
  CHECK_EQ(info.si_code, SI_USER);
  CHECK_EQ(info.si_pid, sys(SYS_getpid));
  CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), SIGUSR1, 77), 0);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
  CHECK_EQ(info.si_code, SI_QUEUE);
  CHECK_EQ(info.si_value.sival_int, 77);
  on_signal(SIGUSR2, counting, 0);
  const long me = sys(SYS_getpid), pid = start_process();
  if (pid == 0) {
    sleep_ms(30);
    sys(SYS_kill, me, SIGUSR2);
    quit(0);
  }
  struct timespec longer = {10, 0};
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &longer), -EINTR);
  CHECK_EQ(count, 1);
  expect_exit(pid, 0);
}

CASE(realtime_signals_queue) {
  enum { kSignal = SIGRTMIN + 5, kCount = 20 };
  block(kSignal);
  for (long i = 0; i < kCount; ++i) CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), kSignal, i), 0);
  sigset_t set = sig_only(kSignal);
  struct siginfo info;
  for (long i = 0; i < kCount; ++i) {
    CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), kSignal);
    CHECK_EQ(info.si_value.word, i);
  }
}

// FreeBSD remembers at least that the signal is pending, whatever else it has no room for. The host may have none.
CASE(a_full_queue_takes_signals_all_the_same) {
  enum { kSignal = SIGRTMIN + 5, kCount = 3000 };
  long self = 0;
  CHECK_EQ(sys(SYS_thr_self, &self), 0);
  block(kSignal);
  for (long i = 0; i < kCount; ++i) CHECK_EQ(sys(SYS_thr_kill, self, kSignal), 0);
  sigset_t set = sig_only(kSignal);
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, 0), kSignal);
}

// The host tells whether a process sleeps; there is no other way to know that it has begun to wait.
static void wait_until_asleep(long pid) {
  char path[64], digits[24], text[512];
  join(path, "/proc/", number(digits, (unsigned long)pid));
  join(path, path, "/stat");
  for (int tries = 0; tries < 2000; ++tries, sleep_ms(5)) {
    const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY);
    const long n = sys(SYS_read, fd, text, sizeof text - 1);
    sys(SYS_close, fd);
    const char* at = text + (n > 0 ? n : 0);
    while (at > text && *at != ')') --at;      // the state follows the name, which is in parentheses
    if (at > text && at[2] == 'S') return;
  }
}

// A process that signals its parent once that sleeps, then writes a byte to fd after `ms`.
static long helper(int signal, long ms, int fd) {
  const long me = sys(SYS_getpid), pid = start_process();
  if (pid != 0) return pid;
  sleep_ms(ms);
  wait_until_asleep(me);
  sys(SYS_kill, me, signal);
  sleep_ms(ms);
  if (fd >= 0) sys(SYS_write, fd, "x", 1);
  quit(0);
}

CASE(read_without_restart) {
  int fds[2];
  char byte;
  make_pipe(fds);
  on_signal(SIGUSR1, counting, 0);
  const long pid = helper(SIGUSR1, 40, fds[1]);
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), -EINTR);
  CHECK_EQ(count, 1);
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
  expect_exit(pid, 0);
}
CASE(read_with_restart) {
  int fds[2];
  char byte;
  make_pipe(fds);
  on_signal(SIGUSR1, counting, SA_RESTART);
  const long pid = helper(SIGUSR1, 40, fds[1]);
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
  CHECK_EQ(count, 1);
  expect_exit(pid, 0);
}
CASE(ignored_signals_interrupt_nothing) {
  int fds[2];
  char byte;
  make_pipe(fds);
  set_handler(SIGUSR1, SIG_IGN, 0);
  const long pid = helper(SIGUSR1, 30, fds[1]);
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
  expect_exit(pid, 0);
  const long second = helper(SIGWINCH, 30, fds[1]);
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
  expect_exit(second, 0);
}
CASE(nanosleep_is_interrupted) {
  for (int restart = 0; restart < 2; ++restart) {
    on_signal(SIGUSR1, counting, restart ? SA_RESTART : 0);
    const long pid = helper(SIGUSR1, 40, -1);
    struct timespec t = {5, 0}, left = {0, 0};
    CHECK_EQ(sys(SYS_nanosleep, &t, &left), -EINTR);
    CHECK(left.tv_sec < 5 && (left.tv_sec > 0 || left.tv_nsec > 0));
    expect_exit(pid, 0);
  }
  CHECK_EQ(count, 2);
}
CASE(poll_and_select_are_interrupted) {
  on_signal(SIGUSR1, counting, SA_RESTART);
  long pid = helper(SIGUSR1, 40, -1);
  CHECK_EQ(sys(SYS_poll, 0, 0, 5000), -EINTR);
  expect_exit(pid, 0);
  pid = helper(SIGUSR1, 40, -1);
  struct timeval t = {5, 0};
  CHECK_EQ(sys(SYS_select, 0, 0, 0, 0, &t), -EINTR);
  expect_exit(pid, 0);
  CHECK_EQ(count, 2);
}
CASE(kevent_is_interrupted) {
  const long kq = sys(SYS_kqueue);
  CHECK(kq >= 0);
  on_signal(SIGUSR1, counting, SA_RESTART);
  const long pid = helper(SIGUSR1, 40, -1);
  struct kevent event;
  struct timespec t = {5, 0};
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &event, 1, &t), -EINTR);
  CHECK_EQ(count, 1);
  expect_exit(pid, 0);
}
CASE(wait_is_restarted) {
  on_signal(SIGUSR1, counting, SA_RESTART);
  const long pid = helper(SIGUSR1, 40, -1);
  int status;
  CHECK_EQ(sys(SYS_wait4, pid, &status, 0, 0), pid);
  CHECK_EQ(count, 1);
  on_signal(SIGUSR1, counting, 0);
  const long second = helper(SIGUSR1, 40, -1);
  CHECK_EQ(sys(SYS_wait4, second, &status, 0, 0), -EINTR);
  expect_exit(second, 0);
}
CASE(calls_that_do_not_block_are_never_interrupted) {
  on_signal(SIGALRM, counting, 0);
  struct itimerval every = {{0, 100}, {0, 100}};
  CHECK_EQ(sys(SYS_setitimer, 0, &every, 0), 0);
  const long pid = sys(SYS_getpid);
  int fds[2];
  make_pipe(fds);
  char byte = 0;
  struct stat st;
  while (count < 2000) {
    CHECK_EQ(sys(SYS_getpid), pid);
    struct timespec t;
    CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t), 0);
    CHECK_EQ(sys(SYS_write, fds[1], &byte, 1), 1);
    CHECK_EQ(sys(SYS_fstat, fds[0], &st), 0);
    CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
    const long fd = sys(SYS_dup, fds[0]);
    CHECK(fd > 0);
    CHECK_EQ(sys(SYS_close, fd), 0);
  }
}

CASE(handlers_survive_fork_and_masks_too) {
  on_signal(SIGUSR1, counting, 0);
  block(SIGUSR2);
  const long pid = start_process();
  if (pid == 0) {
    send(SIGUSR1);
    CHECK_EQ(count, 1);
    sigset_t now;
    sys(SYS_sigprocmask, SIG_BLOCK, 0, &now);
    CHECK(sig_has(&now, SIGUSR2));
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(count, 0);
}

CASE(stop_and_continue) {
  const long pid = start_process();
  if (pid == 0) {
    send(SIGSTOP);
    quit(3);
  }
  int status = 0;
  CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, 0), pid);
  CHECK(wait_stopped(status));
  CHECK_EQ(status >> 8, SIGSTOP);
  CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
  CHECK_EQ(sys(SYS_wait4, pid, &status, WCONTINUED, 0), pid);
  if (wait_exited(status)) return;  // it was quicker
  CHECK_EQ(status, SIGCONT);
  expect_exit(pid, 3);
}
CASE(tstp_stops) {
  const long pid = start_process();
  if (pid == 0) {
    // Not an orphaned process group: the parent is in the same session but another group.
    sys(SYS_setpgid, 0, 0);
    send(SIGTSTP);
    quit(4);
  }
  int status = 0;
  CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, 0), pid);
  CHECK(wait_stopped(status));
  CHECK(status >> 8 == SIGTSTP || status >> 8 == SIGSTOP);
  CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
  expect_exit(pid, 4);
}

CASE(timers) {
  on_signal(SIGALRM, remember, 0);
  struct itimerval t = {{0, 0}, {0, 20000}}, old;
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  sigset_t none;
  sig_empty(&none);
  CHECK_EQ(sys(SYS_sigsuspend, &none), -EINTR);
  CHECK_EQ(count, 1);
  t.it_value.tv_sec = 100;
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  t.it_value.tv_sec = t.it_value.tv_usec = 0;
  CHECK_EQ(sys(SYS_setitimer, 0, &t, &old), 0);
  CHECK(old.it_value.tv_sec >= 90 && old.it_value.tv_sec <= 100);
  struct { int notify, signo; long value; int pad[14]; int more[2]; } event = {1, SIGUSR2, 0x77, {0}, {0}};  // SIGEV_SIGNAL
  int timer = -1;
  CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &timer), 0);
  on_signal(SIGUSR2, remember, 0);
  struct { struct timespec interval, value; } when = {{0, 0}, {0, 10000000}};
  CHECK_EQ(sys(SYS_ktimer_settime, timer, 0, &when, 0), 0);
  while (last_signal != SIGUSR2) sys(SYS_sigsuspend, &none);
  CHECK_EQ(last_info.si_code, SI_TIMER);
  CHECK_EQ(last_info.si_value.word, 0x77);
  CHECK_EQ(last_info.reason.timer.si_timerid, timer);
  CHECK_EQ(sys(SYS_ktimer_delete, timer), 0);
}
