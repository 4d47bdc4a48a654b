// Sleeping on words and waking sleepers from hot sites: all that _umtx_op says about it holds there, too.
#include "../bsd/rewrite.h"

// One site for all calls; it is hot after warm_up_site().
__attribute__((noinline)) static long op(const volatile void* at, unsigned long what, unsigned long value, const void* a, const void* b) { return sys(SYS__umtx_op, at, what, value, a, b); }
static volatile uint32_t turn, other;
static void warm_up_site(void) {
  for (unsigned i = 0; i < kWarm; ++i) CHECK_EQ(op(&turn, UMTX_WAKE, 1, 0, 0), 0);
}
static const unsigned kWaits[] = {UMTX_WAIT_UINT, UMTX_WAIT_UINT_PRIVATE}, kWakes[] = {UMTX_WAKE, UMTX_WAKE_PRIVATE};

// --- to and fro --------------------------------------------------------------------------------------------------
static volatile uint32_t* ball = &turn;
static void play(uint32_t mine, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t seen; ((seen = *ball) & 1) != mine;) CHECK_EQ(op(ball, kWaits[i % 2], seen, 0, 0), 0);
    ++*ball;
    CHECK_EQ(op(ball, kWakes[i / 2 % 2], 1, 0, 0), 0);
  }
}
static void play_odd(struct thread* t) { play(1, (uint32_t)(long)t->arg); }
CASE(threads_to_and_fro) {
  alarm_after(100);
  const uint32_t count = rounds(200000);
  static struct thread t;
  warm_up_site();
  thread_start(&t, play_odd, (void*)(long)count);
  play(0, count);
  thread_join(&t);
  CHECK_EQ(turn, 2 * count);
}
// Memory that is shared, and a child that has the rewritten site from its parent.
CASE(processes_to_and_fro) {
  alarm_after(100);
  const uint32_t count = rounds(50000);
  const long at = sys(SYS_mmap, 0, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  CHECK(at > 0);
  ball = (volatile uint32_t*)at;
  warm_up_site();
  const long child = start_process();
  play(child == 0, count);
  if (child == 0) quit(0);
  expect_exit(child, 0);
  CHECK_EQ(*ball, 2 * count);
}
static volatile uint32_t arrivals, gate;
static void pass_gate(struct thread* t) {
  for (uint32_t i = 0; i < (uint32_t)(long)t->arg; ++i) {
    __atomic_add_fetch(&arrivals, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(op(&arrivals, UMTX_WAKE_PRIVATE, 1, 0, 0), 0);
    while (gate == i) CHECK_EQ(op(&gate, UMTX_WAIT_UINT_PRIVATE, i, 0, 0), 0);
  }
}
CASE(all_are_woken) {
  enum { kThreads = 5 };
  alarm_after(100);
  const uint32_t count = rounds(3000);
  static struct thread threads[kThreads];
  warm_up_site();
  for (int i = 0; i < kThreads; ++i) thread_start(&threads[i], pass_gate, (void*)(long)count);
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t seen; (seen = arrivals) != kThreads * (i + 1);) CHECK_EQ(op(&arrivals, UMTX_WAIT_UINT_PRIVATE, seen, 0, 0), 0);
    gate = i + 1;
    CHECK_EQ(op(&gate, UMTX_WAKE_PRIVATE, 0x7fffffff, 0, 0), 0);
  }
  for (int i = 0; i < kThreads; ++i) thread_join(&threads[i]);
}

// --- arguments ---------------------------------------------------------------------------------------------------
CASE(arguments) {
  warm_up_site();
  char* const pages = map(2 * kPage);
  CHECK_EQ(sys(SYS_munmap, pages + kPage, kPage), 0);
  uint32_t* const last = (uint32_t*)(void*)(pages + kPage) - 1;
  *last = 7;
  struct timespec brief = {0, 1000000}, none = {0, 0};
  for (unsigned i = 0; i < 2 * kWarm; ++i) {
    const unsigned wait = kWaits[i % 2], wake = kWakes[i % 2];
    // Nothing but int and unsigned int counts, of the operation; of the value of a sleep all 64 bits do.
    CHECK_EQ(op(last, wake | 0xdeadbeefUL << 32, 1, 0, 0), 0);
    CHECK_EQ(op(last, wait, 8, 0, 0), 0);
    CHECK_EQ(op(last, wait | 1UL << 32, 8, 0, 0), 0);
    CHECK_EQ(op(last, wait, 1UL << 32 | 7, 0, 0), 0);
    CHECK_EQ(op(last, wake, 0, 0, 0), 0);
    CHECK_EQ(op(last, wake, ~0UL, 0, 0), 0);
    CHECK_EQ(op(last, wake, 0x80000000, 0, 0), 0);
    CHECK_EQ(op(last, wake, 1, (void*)1, (void*)2), 0);
    CHECK_EQ(op(last, wait, 8, (void*)24, 0), 0);                    // a size without a time
    // Addresses. A mapping may begin right behind; the word must be there as a whole.
    CHECK_EQ(op(last + 1, wait, 7, 0, 0), -EFAULT);
    CHECK_EQ(op((char*)last + 2, wait, 7, 0, 0), -EINVAL);
    CHECK_EQ(op(0, wait, 0, 0, 0), -EFAULT);
    CHECK_EQ(op((void*)-4UL, wait, 0, 0, 0), -EFAULT);
    CHECK_EQ(op((void*)-4UL, wake, 1, 0, 0), -EFAULT);
    CHECK_EQ(op((void*)0x7ffffffff000UL, wait, 0, 0, 0), -EFAULT);
    CHECK_EQ(op((void*)0x800000000000UL, wait, 0, 0, 0), -EFAULT);
    CHECK_EQ(op((void*)0x8000000000000000UL, wake, 1, 0, 0), -EFAULT);
    // Times and other operations.
    CHECK_EQ(op(last, wait, 7, 0, &none), -ETIMEDOUT);
    CHECK_EQ(op(last, wait, 7, (void*)1, (void*)1), -EFAULT);
    CHECK_EQ(op(last, 29, 7, 0, 0), -EINVAL);
    CHECK_EQ(op(last, 31, 7, 0, 0), -EINVAL);
    CHECK_EQ(op(last, 32 + wait, 7, 0, 0), -EINVAL);
    CHECK_EQ(op(last, 64 + wait, 7, 0, 0), -EINVAL);
  }
  for (unsigned i = 0; i < 10; ++i) CHECK_EQ(op(last, kWaits[i % 2], 7, 0, &brief), -ETIMEDOUT);
}

// --- signals ------------------------------------------------------------------------------------------------------
// The host's number of the first thread is that of the process.
static void wait_until_asleep(long tid) {
  char path[64], digits[24], text[512];
  long first = 0;
  CHECK_EQ(sys(SYS_thr_self, &first), 0);
  join(path, "/proc/self/task/", number(digits, (unsigned long)(tid - first + sys(SYS_getpid))));
  join(path, path, "/stat");
  for (;;) {
    const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY), n = sys(SYS_read, fd, text, sizeof text - 1);
    CHECK(fd >= 0 && n > 0);
    sys(SYS_close, fd);
    const char* at = text + n;
    while (at > text && *at != ')') --at;      // the state follows the name, which is in parentheses
    if (at[2] == 'S') return;
    sys(SYS_sched_yield);
  }
}
static volatile long caught, interrupted, returned;
static void count_signal(int signal, struct siginfo* info, struct ucontext* context) { ++caught; }
static void sleep_often(struct thread* t) {
  // A wake may come late, when the next sleep has begun.
  for (long i = 0; i < (long)t->arg; ++i, ++returned)
    while (turn == (uint32_t)i) {
      const long r = op(&turn, kWaits[i % 2], (unsigned long)i, 0, 0);
      if (r == -EINTR) ++interrupted;
      else CHECK_EQ(r, 0);
    }
}
static void interrupt_sleeps(int flags, long count) {
  alarm_after(100);
  on_signal(SIGUSR1, count_signal, flags);
  warm_up_site();
  static struct thread t;
  thread_start(&t, sleep_often, (void*)count);
  for (long i = 0; i < count; ++i) {
    // A sleep that has begun is interrupted, with SA_RESTART as well, by a signal that is caught and by no other.
    while (returned != i) sys(SYS_sched_yield);
    const long seen = interrupted, before = caught;
    if (i % 4 != 0) {
      CHECK_EQ(sys(SYS_thr_kill, t.tid, SIGUSR1), 0);
      while (caught == before) sys(SYS_sched_yield);
    } else {
      wait_until_asleep(t.tid);
      CHECK_EQ(sys(SYS_thr_kill, t.tid, SIGWINCH), 0);
      CHECK_EQ(sys(SYS_thr_kill, t.tid, SIGUSR2), 0);
      CHECK_EQ(sys(SYS_thr_kill, t.tid, SIGUSR1), 0);
      while (interrupted == seen) sys(SYS_sched_yield);
      CHECK_EQ(interrupted, seen + 1);
      CHECK_EQ(caught, before + 1);
    }
    turn = (uint32_t)(i + 1);
    CHECK_EQ(op(&turn, UMTX_WAKE, 1, 0, 0), 0);
  }
  thread_join(&t);
  CHECK_EQ(returned, count);
  CHECK_EQ(caught, count);
  CHECK(interrupted >= (count + 3) / 4);
}
CASE(sleeps_are_interrupted) {
  set_handler(SIGUSR2, SIG_IGN, 0);
  interrupt_sleeps(0, rounds(1000));
}
CASE(sleeps_are_not_made_again) {
  set_handler(SIGUSR2, SIG_IGN, 0);
  interrupt_sleeps(SA_RESTART, rounds(1000));
}
// What nobody catches, a stop, and what the runtime itself sends around, go by without being seen.
static volatile bool ended;
static void sleep_until_woken(struct thread* t) {
  while (turn == 0) CHECK_EQ(op(&turn, UMTX_WAIT_UINT_PRIVATE, 0, 0, 0), 0);
  ended = true;
}
CASE(sleeps_outlast_what_is_not_caught) {
  alarm_after(100);
  set_handler(SIGUSR2, SIG_IGN, 0);
  warm_up_site();
  static struct thread t;
  block(SIGUSR1);
  on_signal(SIGUSR1, count_signal, 0);
  thread_start(&t, sleep_until_woken, 0);
  const long uid = sys(SYS_getuid), self = sys(SYS_getpid);
  // A queue that counts a signal makes the runtime catch it even where it is ignored.
  const long queue = sys(SYS_kqueue);
  struct kevent add = {SIGUSR2, EVFILT_SIGNAL, EV_ADD, 0, 0, 0, {0}};
  CHECK_EQ(sys(SYS_kevent, queue, &add, 1, 0, 0, 0), 0);
  for (unsigned i = 0; i < 300; ++i) {
    wait_until_asleep(t.tid);
    CHECK_EQ(sys(SYS_thr_kill, t.tid, i % 3 == 0 ? SIGUSR2 : i % 3 == 1 ? SIGCHLD : SIGUSR1), 0);
    if (i % 50 == 0) CHECK_EQ(sys(SYS_setuid, uid), 0);
    if (i % 100 == 0) {
      const long child = start_process();
      if (child == 0) {
        CHECK_EQ(sys(SYS_kill, self, SIGSTOP), 0);
        CHECK_EQ(sys(SYS_kill, self, SIGCONT), 0);
        quit(0);
      }
      expect_exit(child, 0);
    }
    CHECK(!ended);
  }
  turn = 1;
  CHECK_EQ(op(&turn, UMTX_WAKE, 1, 0, 0), 0);
  thread_join(&t);
  CHECK_EQ(caught, 0);
}

// --- ends ---------------------------------------------------------------------------------------------------------
static void sleep_for_ever(struct thread* t) {
  ++*(volatile uint32_t*)&other;
  for (;;) op(&turn, UMTX_WAIT_UINT_PRIVATE, 0, 0, 0);
}
static void start_sleepers(void) {
  static struct thread threads[4];
  for (int i = 0; i < 4; ++i) thread_start(&threads[i], sleep_for_ever, 0);
  for (int i = 0; i < 4; ++i) wait_until_asleep(threads[i].tid);
}
CASE(sleepers_do_not_outlive_the_process) {
  alarm_after(100);
  warm_up_site();
  for (int i = 0; i < 20; ++i) {
    const long child = start_process();
    if (child == 0) {
      start_sleepers();
      if (i % 2) quit(3);
      send(SIGKILL);
    }
    int status = 0;
    CHECK_EQ(sys(SYS_wait4, child, &status, 0, 0), child);
    if (i % 2) CHECK(wait_exited(status) && wait_exit_status(status) == 3);
    else CHECK_EQ(wait_signal(status), SIGKILL);
  }
}
CASE(sleepers_do_not_outlive_the_program) {
  alarm_after(100);
  warm_up_site();
  start_sleepers();
  char* const arguments[] = {guest_argv[0], "a_word_of_a_program_executed", 0};
  sys(SYS_execve, guest_argv[0], arguments, guest_envp);
  CHECK(false);
}
CASE(a_word_of_a_program_executed) {
  warm_up_site();
  struct timespec brief = {0, 1000};
  CHECK_EQ(op(&turn, UMTX_WAIT_UINT_PRIVATE, 0, 0, &brief), -ETIMEDOUT);
}
