// Threads: thr_new, TLS, umtx, thr_exit, thr_kill, and fork in their midst.
#include "guest.h"

static volatile uint32_t word_a, word_b;
static volatile int counter;
static volatile bool stop;

static void add_one(struct thread* t) {
  CHECK_EQ(thread_self(), t);
  __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
  long tid = 0;
  CHECK_EQ(sys(SYS_thr_self, &tid), 0);
  CHECK_EQ(tid, t->tid);
  CHECK_EQ(thread_self(), t);
}
CASE(start_and_join) {
  struct thread t;
  thread_start(&t, add_one, 0);
  CHECK(t.tid != 0);          // parent_tid is written before thr_new returns
  thread_join(&t);
  CHECK_EQ(counter, 1);
  CHECK_EQ(t.done, 1);
}
CASE(child_tid_is_there_when_the_thread_runs) {
  static struct thread t;
  static long tids[2];
  t.tls_self = &t;
  t.run = add_one;
  struct thr_param p = {.start_func = (void (*)(void*))(uintptr_t)0, .stack_base = map(65536), .stack_size = 65536, .tls_base = (char*)&t.tls_self, .child_tid = &tids[0], .parent_tid = &tids[1]};
  extern void start_checks_tid(void*);
  p.start_func = start_checks_tid;
  p.arg = tids;
  CHECK_EQ(sys(SYS_thr_new, &p, sizeof p), 0);
  while (__atomic_load_n(&counter, __ATOMIC_SEQ_CST) == 0) sys(SYS_sched_yield);
  CHECK_EQ(tids[0], tids[1]);
}
void start_checks_tid(void* arg) {
  long tid = 0;
  sys(SYS_thr_self, &tid);
  CHECK_EQ(((long*)arg)[0], tid);
  counter = 1;
  sys(SYS_thr_exit, 0);
}
CASE(many_at_once) {
  enum { kThreads = 300 };
  static struct thread threads[kThreads];
  for (int i = 0; i < kThreads; ++i) thread_start(&threads[i], add_one, 0);
  for (int i = 0; i < kThreads; ++i) thread_join(&threads[i]);
  CHECK_EQ(counter, kThreads);
}
CASE(many_in_turn) {
  for (int i = 0; i < 1000; ++i) {
    static struct thread t;
    thread_start(&t, add_one, 0);
    thread_join(&t);
  }
  CHECK_EQ(counter, 1000);
}

static void pong(struct thread* t) {
  for (uint32_t i = 1; i <= (uint32_t)(long)t->arg; ++i) {
    while (word_a != i) umtx_wait(&word_a, i - 1);
    word_b = i;
    umtx_wake(&word_b, 1);
  }
}
CASE(umtx_ping_pong) {
  enum { kRounds = 5000 };
  static struct thread t;
  thread_start(&t, pong, (void*)kRounds);
  for (uint32_t i = 1; i <= kRounds; ++i) {
    word_a = i;
    umtx_wake(&word_a, 1);
    while (word_b != i) umtx_wait(&word_b, i - 1);
  }
  thread_join(&t);
}
CASE(umtx_times_out) {
  struct timespec t = {0, 30000000};
  const long start = now_us();
  CHECK_EQ(sys(SYS__umtx_op, &word_a, UMTX_WAIT_UINT_PRIVATE, 0, 0, &t), -ETIMEDOUT);
  CHECK(now_us() - start >= 29000);
  CHECK_EQ(sys(SYS__umtx_op, &word_a, UMTX_WAIT_UINT_PRIVATE, 1, 0, &t), 0);  // the value differs: at once
  struct { struct timespec timeout; uint32_t flags, clock; } absolute = {{0, 0}, 1, CLOCK_MONOTONIC};
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &absolute.timeout), 0);
  absolute.timeout.tv_nsec += 20000000;
  if (absolute.timeout.tv_nsec >= 1000000000) absolute.timeout.tv_nsec -= 1000000000, ++absolute.timeout.tv_sec;
  CHECK_EQ(sys(SYS__umtx_op, &word_a, UMTX_WAIT_UINT_PRIVATE, 0, sizeof absolute, &absolute), -ETIMEDOUT);
}

static struct { uint32_t owner, flags, ceilings[2]; uint64_t link; uint32_t spare[2]; } mutex;
static volatile long unprotected;
static void lock(long tid) {
  uint32_t free = 0;
  if (__atomic_compare_exchange_n(&mutex.owner, &free, (uint32_t)tid, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  long r;
  do r = sys(SYS__umtx_op, &mutex, UMTX_MUTEX_LOCK, 0, 0, 0);
  while (r == -EINTR);
  CHECK_EQ(r, 0);
}
static void unlock(long tid) {
  uint32_t mine = (uint32_t)tid;
  if (__atomic_compare_exchange_n(&mutex.owner, &mine, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  CHECK_EQ(sys(SYS__umtx_op, &mutex, UMTX_MUTEX_UNLOCK, 0, 0, 0), 0);
}
static void add_under_lock(struct thread* t) {
  long tid = 0;
  sys(SYS_thr_self, &tid);
  for (int i = 0; i < 3000; ++i) {
    lock(tid);
    unprotected = unprotected + 1;
    if (i % 64 == 0) sys(SYS_sched_yield);
    unlock(tid);
  }
}
CASE(umtx_mutex) {
  static struct thread threads[6];
  for (int i = 0; i < 6; ++i) thread_start(&threads[i], add_under_lock, 0);
  for (int i = 0; i < 6; ++i) thread_join(&threads[i]);
  CHECK_EQ(unprotected, 18000);
  CHECK_EQ(mutex.owner & 0x7fffffff, 0);
}

static volatile long seen_on;
static void note_thread(int signal, struct siginfo* info, struct ucontext* context) {
  long tid = 0;
  sys(SYS_thr_self, &tid);
  seen_on = tid;
  __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
}
static void spin(struct thread* t) { while (!stop) {} }
static void block_in_read(struct thread* t) {
  char byte;
  const long r = sys(SYS_read, *(int*)t->arg, &byte, 1);
  CHECK_EQ(r, -EINTR);
}
static void block_in_umtx(struct thread* t) {
  const long r = sys(SYS__umtx_op, &word_b, UMTX_WAIT_UINT_PRIVATE, 0, 0, 0);
  CHECK_EQ(r, -EINTR);
}
CASE(thr_kill_running) {
  static struct thread t;
  on_signal(SIGUSR1, note_thread, 0);
  thread_start(&t, spin, 0);
  for (int i = 1; i <= 200; ++i) {
    CHECK_EQ(sys(SYS_thr_kill, t.tid, SIGUSR1), 0);
    while (counter < i) sys(SYS_sched_yield);
    CHECK_EQ(seen_on, t.tid);
  }
  stop = true;
  thread_join(&t);
}
CASE(thr_kill_blocked) {
  static struct thread t;
  int fds[2];
  make_pipe(fds);
  on_signal(SIGUSR1, note_thread, 0);
  for (int i = 0; i < 2; ++i) {
    counter = 0;
    thread_start(&t, i == 0 ? block_in_read : block_in_umtx, fds);
    sleep_ms(50);
    // Again if it came before the thread had begun to wait.
    for (int tries = 0; tries < 100 && t.done == 0; ++tries) {
      const long r = sys(SYS_thr_kill, t.tid, SIGUSR1);
      CHECK(r == 0 || r == -ESRCH);
      for (int ms = 0; ms < 100 && t.done == 0; ++ms) sleep_ms(1);
    }
    thread_join(&t);
    CHECK(counter >= 1);
    CHECK_EQ(seen_on, t.tid);
  }
}
static void block_usr1_and_check(struct thread* t) {
  sigset_t now;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  CHECK(sig_has(&now, SIGUSR1));          // inherited from the creator
  unblock(SIGUSR1);
  block(SIGUSR2);
  counter = 1;
  while (!stop) sleep_ms(1);
  sys(SYS_sigprocmask, SIG_BLOCK, 0, &now);
  CHECK(sig_has(&now, SIGUSR2));
}
CASE(masks_belong_to_threads) {
  static struct thread t;
  block(SIGUSR1);
  thread_start(&t, block_usr1_and_check, 0);
  while (counter == 0) sleep_ms(1);
  sigset_t now;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  CHECK(sig_has(&now, SIGUSR1));
  CHECK(!sig_has(&now, SIGUSR2));
  stop = true;
  thread_join(&t);
}

static void busy(struct thread* t) {
  struct stat st;
  struct timespec ts;
  int fds[2];
  make_pipe(fds);
  const long pid = (long)t->arg;
  while (!stop) {
    CHECK_EQ(sys(SYS_getpid), pid);
    CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &ts), 0);
    CHECK_EQ(sys(SYS_fstat, fds[0], &st), 0);
    CHECK_EQ(sys(SYS_write, fds[1], "ab", 2), 2);
    char two[2];
    CHECK_EQ(sys(SYS_read, fds[0], two, 2), 2);
    CHECK_EQ(sys(SYS_close, -1), -EBADF);
    CHECK_EQ(thread_self(), t);
  }
}
// A signal for the process that comes while a thread ends must find another, or a handler before the end.
static volatile int handled;
static void count_handled(int signal, struct siginfo* info, struct ucontext* context) { __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST); }
static void ends_at_once(struct thread* t) {}
static void make_brief_threads(struct thread* t) {
  static struct thread brief;
  unblock(SIGUSR1);
  while (!stop) {
    thread_start(&brief, ends_at_once, 0);
    thread_join(&brief);
    CHECK_EQ(sys(SYS_munmap, brief.stack, kThreadStack), 0);
  }
}
CASE(ending_threads_lose_no_signal) {
  static struct thread maker;
  const long pid = sys(SYS_getpid);
  on_signal(SIGUSR1, count_handled, 0);
  block(SIGUSR1);
  thread_start(&maker, make_brief_threads, 0);
  for (int sent = 1; sent <= 3000; ++sent) {
    CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
    const long end = now_us() + 10000000;
    while (handled < sent) {
      CHECK(now_us() < end);
      sys(SYS_sched_yield);
    }
  }
  stop = true;
  thread_join(&maker);
}

CASE(signal_storm) {
  static struct thread threads[4];
  on_signal(SIGUSR1, note_thread, SA_RESTART);
  const long pid = sys(SYS_getpid);
  for (int i = 0; i < 4; ++i) thread_start(&threads[i], busy, (void*)pid);
  const long end = now_us() + 2000000;
  long sent = 0;
  while (now_us() < end) {
    CHECK_EQ(sys(SYS_thr_kill, threads[sent % 4].tid, SIGUSR1), 0);
    if (++sent % 16 == 0) CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
  }
  stop = true;
  for (int i = 0; i < 4; ++i) thread_join(&threads[i]);
  CHECK(counter > 100);
}

static void churn(struct thread* t) {
  while (!stop) {
    void* p = map(4096);
    sys(SYS_munmap, p, 4096);
    int fds[2];
    if (sys(SYS_pipe2, fds, O_CLOEXEC) == 0) sys(SYS_close, fds[0]), sys(SYS_close, fds[1]);
    sys(SYS_getpid);
  }
}
CASE(fork_with_threads) {
  static struct thread threads[4];
  alarm_after(60);
  for (int i = 0; i < 4; ++i) thread_start(&threads[i], churn, 0);
  for (int round = 0; round < 100; ++round) {
    const long parent = sys(SYS_getpid), pid = start_process();
    if (pid == 0) {
      CHECK(sys(SYS_getpid) != parent);
      CHECK_EQ(sys(SYS_getppid), parent);
      long tid = 0;
      CHECK_EQ(sys(SYS_thr_self, &tid), 0);
      char* p = map(8192);
      p[0] = 1;
      CHECK_EQ(sys(SYS_munmap, p, 8192), 0);
      static struct thread t;
      counter = 0;
      thread_start(&t, add_one, 0);
      thread_join(&t);
      CHECK_EQ(counter, 1);
      const long kq = sys(SYS_kqueue);
      CHECK(kq >= 0);
      on_signal(SIGUSR1, note_thread, 0);
      send(SIGUSR1);
      CHECK_EQ(counter, 2);
      quit(5);
    }
    expect_exit(pid, 5);
  }
  stop = true;
  for (int i = 0; i < 4; ++i) thread_join(&threads[i]);
}

static void exit_process(struct thread* t) { quit(9); }
CASE(exit_from_a_thread) {
  const long pid = start_process();
  if (pid == 0) {
    static struct thread t;
    thread_start(&t, exit_process, 0);
    for (;;) sleep_ms(1000);
  }
  expect_exit(pid, 9);
}
static void exit_later(struct thread* t) {
  sleep_ms(50);
  quit(8);
}
CASE(first_thread_may_end_first) {
  const long pid = start_process();
  if (pid == 0) {
    static struct thread t;
    thread_start(&t, exit_later, 0);
    sys(SYS_thr_exit, 0);
  }
  expect_exit(pid, 8);
}
static void nothing(struct thread* t) {}
CASE(last_thread_ends_the_process) {
  const long pid = start_process();
  if (pid == 0) {
    static struct thread t;
    thread_start(&t, nothing, 0);
    sys(SYS_thr_exit, 0);
  }
  expect_exit(pid, 0);
}
CASE(bad_thr_new) {
  struct thr_param p = {0};
  CHECK_EQ(sys(SYS_thr_new, 0, sizeof p), -EFAULT);
  CHECK_EQ(sys(SYS_thr_new, &p, 100000), -EINVAL);
  CHECK_EQ(sys(SYS_thr_new, &p, -1), -EINVAL);
}
static void exec_hello(struct thread* t) {
  char* argv[] = {guest_argv[0], "start_and_join", 0};
  sys(SYS_execve, guest_argv[0], argv, guest_envp);
  quit(1);
}
CASE(exec_from_a_thread) {
  const long pid = start_process();
  if (pid == 0) {
    static struct thread t, others[5];
    for (int i = 0; i < 5; ++i) thread_start(&others[i], churn, 0);
    sleep_ms(10);
    thread_start(&t, exec_hello, 0);
    for (;;) sleep_ms(1000);
  }
  expect_exit(pid, 0);
}
CASE(thread_name) {
  long tid = 0;
  sys(SYS_thr_self, &tid);
  CHECK_EQ(sys(SYS_thr_set_name, tid, "a-long-name-of-a-thread"), 0);
  CHECK_EQ(sys(SYS_thr_set_name, tid, 0), 0);
}
