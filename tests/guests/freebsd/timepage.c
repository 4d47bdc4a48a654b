// The page behind AT_TIMEKEEP: the time without a call, right for whoever was kept from running, and gone where it
// cannot be.
#include "guest.h"
#include "timekeep.h"

enum { kPage = 4096, kTolerance = 3000 /* ns */ };
static unsigned long made_calls;

static long ask(long clock) {
  struct timespec ts;
  CHECK_EQ(trapping_clock(clock, &ts), 0);
  ++made_calls;
  return ts.tv_sec * kSecond + ts.tv_nsec;
}
static void find_page(void) {
  alarm_after(100);
  make_trapping_clock();
  find_timekeep();
}
static bool host_keeps_time_by_counter(void) {
  static const char* const kSources[] = {"tsc\n", "kvm-clock\n", "hyperv_clocksource_tsc_page\n"};
  char name[64] = "";
  const long fd = sys(SYS_open, "/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY, 0);
  if (fd < 0 || sys(SYS_read, fd, name, sizeof name - 1) <= 0) return false;
  sys(SYS_close, fd);
  unsigned a = 0x80000007, b, c = 0, d;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if ((d & 0x100) == 0) return false;
  for (int i = 0; i < 3; ++i)
    if (strcmp(name, kSources[i]) == 0) return true;
  return false;
}
/// Reads clocks until the page is on. False: this machine has none, and the program was not told of any.
static bool switch_on(void) {
  if (page == 0) find_page();
  CHECK_EQ(page != 0, host_keeps_time_by_counter());
  if (page == 0) return false;
  for (int i = 0; i < 400000 && page->enabled == 0; ++i) ask(CLOCK_MONOTONIC);
  CHECK_EQ(page->enabled, 1);
  return true;
}

/// Between two calls the page says what is between their answers.
static void compare(void) {
  long wall = 0;
  const long before = ask(CLOCK_MONOTONIC), now = read_page(&wall), after = ask(CLOCK_MONOTONIC);
  if (now == -1) return;
  CHECK(now >= before - kTolerance);
  CHECK(now <= after + kTolerance);
  const long real = ask(CLOCK_REALTIME);
  CHECK(wall <= real + kTolerance);
  CHECK(wall >= real - (ask(CLOCK_MONOTONIC) - before) - kTolerance);
}
/// Reads the page for so long, without any call. What it says agrees with the counter, however long the thread did
/// not run between two readings.
static void read_for(long ns) {
  const struct hands th = *(const struct hands*)&page->hands[page->current];
  const double per_tick = (double)th.scale / 18446744073709551616.0 * kSecond / (double)(1UL << th.shift);
  const long begun = read_page(0);
  CHECK(begun >= 0);
  unsigned long at = counter();
  for (long last = begun; last - begun < ns;) {
    const unsigned long before = counter();
    const long first = read_page(0);
    const unsigned long between = counter();
    const long second = read_page(0);
    const unsigned long after = counter();
    CHECK(first >= last);
    CHECK(second >= first);
    CHECK((double)(second - first) <= (double)(after - before) * per_tick * 1.001 + kTolerance);
    CHECK((double)(second - last) >= (double)(between - at) * per_tick * 0.999 - kTolerance);
    last = second;
    at = after;
  }
}

CASE(offered) {
  find_page();
  CHECK_EQ(page != 0, host_keeps_time_by_counter());
  if (page == 0) return;
  CHECK_EQ(page->enabled, 0);
  CHECK_EQ(read_page(0), -1);
  CHECK(switch_on());
  CHECK_EQ(page->version, 1);
  for (int i = 0; i < 20000; ++i) compare();
}
CASE(stays_right) {
  if (!switch_on()) return;
  const long begun = now_us();
  while (now_us() - begun < 1500000) {
    compare();
    if ((made_calls & 0xff) == 0) sleep_ms(1);
  }
  CHECK_EQ(page->enabled, 1);
  sleep_ms(2600);   // nobody ticks
  compare();
  CHECK(read_page(0) > 0);
  read_for(1200000000);
}

static volatile int faults;
static void on_fault(int signal, struct siginfo* info, struct ucontext* context) {
  CHECK_EQ(info->si_addr, (void*)&page->enabled);
  ++faults;
  context->uc_mcontext.mc_rip += 10;   // movl $imm, disp32(%rax)
}
CASE(read_only) {
  if (!switch_on()) return;
  on_signal(SIGSEGV, on_fault, 0);
  on_signal(SIGBUS, on_fault, 0);
  __asm__ volatile(".byte 0xc7, 0x80; .long 4; .long 0"::"a"(page) : "memory");
  CHECK_EQ(faults, 1);
  CHECK_EQ(page->enabled, 1);
  compare();
}

enum { kThreads = 2 };
static void spin(struct thread* self) { read_for(2600000000); }
static void stop_and_go(long parent) {
  for (int i = 0; i < 2; ++i) {
    sleep_ms(200);
    CHECK_EQ(sys(SYS_kill, parent, SIGSTOP), 0);
    sleep_ms(i == 0 ? 1200 : 600);
    CHECK_EQ(sys(SYS_kill, parent, SIGCONT), 0);
  }
  quit(0);
}
CASE(stopped) {
  if (!switch_on()) return;
  const long parent = sys(SYS_getpid), child = start_process();
  if (child == 0) stop_and_go(parent);
  static struct thread threads[kThreads];
  for (int i = 0; i < kThreads; ++i) thread_start(&threads[i], spin, 0);
  read_for(2600000000);
  for (int i = 0; i < kThreads; ++i) thread_join(&threads[i]);
  expect_exit(child, 0);
  compare();
}

// Threads asleep in calls of every kind are not disturbed, sleep as long as they are to, and find the time right.
static int pipe_ends[2];
static uint32_t word_to_wait_on;
static volatile int done;
// Each at one place, which gets hot, so that what sleeps is made in assembly.
__attribute__((noinline)) static long read_byte(int fd) {
  char c;
  return sys(SYS_read, fd, &c, 1);
}
__attribute__((noinline)) static long wait_while(uint32_t value) {
  return sys(SYS__umtx_op, &word_to_wait_on, UMTX_WAIT_UINT_PRIVATE, value, 0, 0);
}
static void warm_and_read(struct thread* self) {
  for (int i = 0; i < 3000; ++i) {
    CHECK_EQ(sys(SYS_write, pipe_ends[1], "x", 1), 1);
    CHECK_EQ(read_byte(pipe_ends[0]), 1);
  }
  CHECK_EQ(read_byte(pipe_ends[0]), 1);   // sleeps for two seconds
  read_for(1200000000);
}
static void wait_on_word(struct thread* self) {
  for (int i = 0; i < 3000; ++i) CHECK_EQ(wait_while(1), 0);
  while (__atomic_load_n(&word_to_wait_on, __ATOMIC_SEQ_CST) == 0)
    CHECK_EQ(wait_while(0), 0);
  read_for(1200000000);
}
// How much longer is the machine's matter, but what begins anew with each tick would never end.
static void expect_at_least(long ns, long least, int line) {
  const long most = least + 10L * kSecond;
  if (ns < least || ns >= most) check_eq_failed(__FILE__, line, "nanoseconds taken", ns, ns < least ? least : most);
}
static void sleeps(struct thread* self) {
  for (int i = 0; i < 3; ++i) {
    struct timespec ts = {0, 700000000}, left = {0, 0};
    const long before = read_page(0);
    CHECK_EQ(sys(SYS_nanosleep, &ts, &left), 0);
    const long after = read_page(0);
    expect_at_least(after - before, 700000000, __LINE__);
  }
}
static void receives(struct thread* self) {
  enum { SO_RCVTIMEO = 0x1006 };
  int ends[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const struct timeval limit = {1, 0};
  CHECK_EQ(sys(SYS_setsockopt, ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
  for (int i = 0; i < 3000; ++i) {
    CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
    CHECK_EQ(read_byte(ends[0]), 1);
  }
  const long before = read_page(0);
  CHECK_EQ(read_byte(ends[0]), -EAGAIN);
  const long after = read_page(0);
  expect_at_least(after - before, 1000000000, __LINE__);
  read_for(300000000);
}
static void polls(struct thread* self) {
  int ends[2];
  make_pipe(ends);
  struct pollfd fd = {ends[0], POLLIN, 0};
  const long before = read_page(0);
  CHECK_EQ(sys(SYS_poll, &fd, 1, 900), 0);
  const long after = read_page(0);
  expect_at_least(after - before, 900000000, __LINE__);
  read_for(300000000);
}
static void calls_for_time(struct thread* self) {
  for (long begun = read_page(0), now = begun; now - begun < 1500000000;) {
    struct timespec ts;
    CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &ts), 0);
    const long told = ts.tv_sec * kSecond + ts.tv_nsec;
    CHECK(told >= now - kTolerance);
    now = read_page(0);
    CHECK(now >= told - kTolerance);
  }
}
CASE(asleep) {
  if (!switch_on()) return;
  make_pipe(pipe_ends);
  void (*const runs[])(struct thread*) = {warm_and_read, wait_on_word, sleeps, receives, polls, calls_for_time, spin};
  enum { kRuns = sizeof runs / sizeof *runs };
  static struct thread threads[kRuns];
  for (int i = 0; i < kRuns; ++i) thread_start(&threads[i], runs[i], 0);
  sleep_ms(2500);
  CHECK_EQ(sys(SYS_write, pipe_ends[1], "y", 1), 1);
  __atomic_store_n(&word_to_wait_on, 1, __ATOMIC_SEQ_CST);
  CHECK_EQ(sys(SYS__umtx_op, &word_to_wait_on, UMTX_WAKE_PRIVATE, 1, 0, 0), 0);
  for (int i = 0; i < kRuns; ++i) thread_join(&threads[i]);
  compare();
}

static volatile long alarms;
static volatile long last_alarm;
static void on_alarm(int signal, struct siginfo* info, struct ucontext* context) {
  const long now = read_page(0);
  CHECK(now >= last_alarm);
  last_alarm = now;
  ++alarms;
}
static void storm_reader(struct thread* self) {
  block(SIGUSR1);
  while (!done) {
    compare();
    read_for(20000000);
  }
}
// Handlers that read the page, in a thread that is always in some call, rewritten or not.
CASE(handlers) {
  if (!switch_on()) return;
  on_signal(SIGUSR1, on_alarm, SA_RESTART);
  static struct thread reader;
  thread_start(&reader, storm_reader, 0);
  const long parent = sys(SYS_getpid), child = start_process();
  if (child == 0) {
    for (int i = 0; i < 200; ++i) {
      sleep_ms(i % 50 == 49 ? 700 : 2);
      CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
    }
    quit(7);
  }
  int ends[2];
  make_pipe(ends);
  char c;
  int status = 0;
  for (long i = 0; sys(SYS_wait4, child, &status, WNOHANG, 0) == 0; ++i) {
    CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
    CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
    if (i % 1000 == 999) sleep_us(300000);
  }
  CHECK_EQ(wait_exit_status(status), 7);
  CHECK(alarms > 50);
  done = 1;
  thread_join(&reader);
}

CASE(children) {
  if (!switch_on()) return;
  for (int i = 0; i < 3; ++i) {
    const long child = start_process();
    if (child == 0) {
      CHECK_EQ(page->enabled, 0);
      CHECK_EQ(read_page(0), -1);
      if (i == 0) quit(1);
      CHECK(switch_on());
      const long grandchild = i == 1 ? start_process() : -1;
      if (grandchild == 0) quit(read_page(0) == -1 ? 3 : 4);
      if (grandchild > 0) expect_exit(grandchild, 3);
      for (int n = 0; n < 1000; ++n) compare();
      read_for(1200000000);
      quit(1);
    }
    CHECK_EQ(page->enabled, 1);
    read_for(600000000);
    expect_exit(child, 1);
    compare();
  }
}

static void end_at_once(struct thread* self) { CHECK(read_page(0) > 0); }
CASE(threads_come_and_go) {
  if (!switch_on()) return;
  static struct thread threads[8];
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 8; ++i) thread_start(&threads[i], end_at_once, 0);
    for (int i = 0; i < 8; ++i) thread_join(&threads[i]);
  }
  CHECK_EQ(page->enabled, 1);
  read_for(1200000000);
}

// What the program puts in the page's place is its own.
CASE(replaced) {
  if (!switch_on()) return;
  volatile struct timekeep* const was = page;
  const long child = start_process();
  if (child == 0) {
    CHECK_EQ(sys(SYS_munmap, was, kPage), 0);
    for (int i = 0; i < 20000; ++i) ask(CLOCK_MONOTONIC);
    sleep_ms(300);
    quit(5);
  }
  expect_exit(child, 5);
  CHECK_EQ(page->enabled, 1);
  CHECK_EQ(MMAP(was, kPage, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANON, -1, 0), (long)was);
  memset((void*)was, 0x5a, kPage);
  const long begun = ask(CLOCK_MONOTONIC);
  while (ask(CLOCK_MONOTONIC) - begun < 800000000)
    for (volatile int i = 0; i < 100000; ++i) {
    }
  for (int i = 0; i < kPage; ++i) CHECK_EQ(((volatile unsigned char*)was)[i], 0x5a);
}
