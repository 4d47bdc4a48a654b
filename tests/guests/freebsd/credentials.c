// User and group ids belong to the process: a change in one thread is seen in all.
#include "guest.h"

enum { kUser = 1234, kGroup = 2345, kThreads = 8 };
static const unsigned kKeep = ~0U;

struct ids { unsigned real, effective, saved; };
static struct ids user_ids(void) {
  struct ids i;
  CHECK_EQ(sys(SYS_getresuid, &i.real, &i.effective, &i.saved), 0);
  return i;
}
static struct ids group_ids(void) {
  struct ids i;
  CHECK_EQ(sys(SYS_getresgid, &i.real, &i.effective, &i.saved), 0);
  return i;
}
static bool are(struct ids i, unsigned real, unsigned effective, unsigned saved) {
  return i.real == real && i.effective == effective && i.saved == saved;
}
static bool is_root(void) { return sys(SYS_geteuid) == 0; }

// The refusals are for an ordinary user; root becomes one in a child.
static void as_user(void (*run)(void)) {
  const long pid = start_process();
  if (pid == 0) {
    if (is_root()) {
      CHECK_EQ(sys(SYS_setgroups, 0, 0), 0);
      CHECK_EQ(sys(SYS_setgid, kGroup), 0);
      CHECK_EQ(sys(SYS_setuid, kUser), 0);
    }
    run();
    quit(0);
  }
  expect_exit(pid, 0);
}
static void remove_anothers(void) { CHECK_EQ(sys(SYS_shm_unlink, "/sudrun-of-root"), -EACCES); }
CASE(shared_memory_of_another_user) {
  if (!is_root()) return;
  const long fd = sys(SYS_shm_open2, "/sudrun-of-root", O_RDWR | O_CREAT, 0600, 0, 0);
  CHECK(fd >= 0);
  as_user(remove_anothers);
  CHECK_EQ(sys(SYS_shm_unlink, "/sudrun-of-root"), 0);
}

static void refused(void) {
  const unsigned u = (unsigned)sys(SYS_getuid), g = (unsigned)sys(SYS_getgid);
  const struct ids users = user_ids(), groups = group_ids();
  CHECK_EQ(sys(SYS_setuid, 0), -EPERM);
  CHECK_EQ(sys(SYS_seteuid, 0), -EPERM);
  CHECK_EQ(sys(SYS_setreuid, 0, kKeep), -EPERM);
  CHECK_EQ(sys(SYS_setreuid, kKeep, 0), -EPERM);
  CHECK_EQ(sys(SYS_setresuid, kKeep, kKeep, 0), -EPERM);
  CHECK_EQ(sys(SYS_setgid, 0), -EPERM);
  CHECK_EQ(sys(SYS_setegid, 0), -EPERM);
  CHECK_EQ(sys(SYS_setregid, 0, kKeep), -EPERM);
  CHECK_EQ(sys(SYS_setresgid, 0, kKeep, kKeep), -EPERM);
  CHECK_EQ(sys(SYS_setgroups, 1, &g), -EPERM);
  CHECK_EQ(sys(SYS_freebsd14_setgroups, 1, &g), -EPERM);
  CHECK(are(user_ids(), users.real, users.effective, users.saved));
  CHECK(are(group_ids(), groups.real, groups.effective, groups.saved));
  CHECK_EQ(sys(SYS_setuid, u), 0);
  CHECK_EQ(sys(SYS_seteuid, u), 0);
  CHECK_EQ(sys(SYS_setreuid, u, u), 0);
  CHECK_EQ(sys(SYS_setresuid, u, u, u), 0);
  CHECK_EQ(sys(SYS_setgid, g), 0);
  CHECK_EQ(sys(SYS_setegid, g), 0);
  CHECK_EQ(sys(SYS_setregid, g, g), 0);
  CHECK_EQ(sys(SYS_setresgid, g, g, g), 0);
}
CASE(refused_to_users) { as_user(refused); }

CASE(bad_arguments) {
  CHECK_EQ(sys(SYS_getgroups, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_setgroups, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_setgroups, 100000, 0), -EINVAL);
  CHECK_EQ(sys(SYS_setgroups, 1, 8), -EFAULT);
  CHECK_EQ(sys(SYS_getresuid, 8, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_getresgid, 0, 0, 8), -EFAULT);
  CHECK_EQ(sys(SYS_getresuid, 0, 0, 0), 0);
}

static void changes(void) {
  CHECK_EQ(sys(SYS_issetugid), 0);
  CHECK_EQ(sys(SYS_setresuid, 10, 0, 30), 0);
  CHECK_EQ(sys(SYS_issetugid), 1);
  CHECK(are(user_ids(), 10, 0, 30));
  CHECK_EQ(sys(SYS_setreuid, 11, kKeep), 0);
  CHECK(are(user_ids(), 11, 0, 0));
  CHECK_EQ(sys(SYS_setresgid, 1, 2, 3), 0);
  CHECK(are(group_ids(), 1, 2, 3));
  CHECK_EQ(sys(SYS_setegid, 9), 0);
  CHECK(are(group_ids(), 1, 9, 3));
  CHECK_EQ(sys(SYS_setregid, kKeep, 8), 0);
  CHECK(are(group_ids(), 1, 8, 8));
  unsigned wanted[3] = {5, 6, 7}, found[3] = {0};
  CHECK_EQ(sys(SYS_setgroups, 3, wanted), 0);
  CHECK_EQ(sys(SYS_getgroups, 0, 0), 3);
  CHECK_EQ(sys(SYS_getgroups, 2, found), -EINVAL);
  CHECK_EQ(sys(SYS_getgroups, 3, found), 3);
  CHECK_EQ(memcmp(wanted, found, sizeof wanted), 0);
  CHECK_EQ(sys(SYS_freebsd14_setgroups, 3, wanted), 0);
  CHECK_EQ(sys(SYS_getegid), 5);
  CHECK_EQ(sys(SYS_freebsd14_getgroups, 3, found), 3);
  CHECK_EQ(memcmp(wanted, found, sizeof wanted), 0);
  CHECK_EQ(sys(SYS_setgid, 77), 0);
  CHECK(are(group_ids(), 77, 77, 77));
  CHECK_EQ(sys(SYS_setresuid, 20, 0, 21), 0);
  CHECK_EQ(sys(SYS_seteuid, 20), 0);
  CHECK_EQ(sys(SYS_seteuid, 21), 0);
  CHECK_EQ(sys(SYS_seteuid, 22), -EPERM);
  CHECK_EQ(sys(SYS_setuid, 21), 0);   // the effective one may become the real one
  CHECK(are(user_ids(), 21, 21, 21));
  CHECK_EQ(sys(SYS_setuid, 0), -EPERM);
}
CASE(each_change) {
  if (!is_root()) return;
  const long pid = start_process();
  if (pid == 0) {
    changes();
    quit(0);
  }
  expect_exit(pid, 0);
}

// --- threads ------------------------------------------------------------------------------------------------
static volatile uint32_t go, ready;
static int never[2];
static bool all_are(unsigned user, unsigned group) {
  return are(user_ids(), user, user, user) && are(group_ids(), group, group, group);
}
static void look_when_told(struct thread* t) {
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&go, __ATOMIC_SEQ_CST) == 0) umtx_wait(&go, 0);
  CHECK(all_are(kUser, kGroup));
}
static void spin_and_look(struct thread* t) {
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&go, __ATOMIC_SEQ_CST) == 0) {}
  CHECK(all_are(kUser, kGroup));
}
static void read_and_look(struct thread* t) {
  char byte;
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  CHECK_EQ(sys(SYS_read, never[0], &byte, 1), 1);
  CHECK(all_are(kUser, kGroup));
}
static void poll_and_look(struct thread* t) {   // poll is never restarted: nothing may show
  struct pollfd p = {never[0], POLLIN, 0};
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  CHECK_EQ(sys(SYS_poll, &p, 1, 30000), 1);
  CHECK(all_are(kUser, kGroup));
}
static void sleep_and_look(struct thread* t) {
  struct timespec time = {0, 300000000}, left = {0, 0};
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  const long start = now_us();
  CHECK_EQ(sys(SYS_nanosleep, &time, &left), 0);
  const long took = now_us() - start;
  CHECK(took >= 299000 && took < 20000000);
}
static void in_threads(void) {
  static struct thread threads[kThreads];
  void (*const kinds[])(struct thread*) = {look_when_told, spin_and_look, read_and_look, poll_and_look, sleep_and_look};
  make_pipe(never);
  go = ready = 0;
  for (int i = 0; i < kThreads; ++i) thread_start(&threads[i], kinds[i % 5], 0);
  while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) != kThreads) sys(SYS_sched_yield);
  sleep_ms(20);
  CHECK_EQ(sys(SYS_setgroups, 0, 0), 0);
  CHECK_EQ(sys(SYS_setgid, kGroup), 0);
  CHECK_EQ(sys(SYS_setuid, kUser), 0);
  go = 1;
  umtx_wake(&go, 1000);
  CHECK_EQ(sys(SYS_write, never[1], "abcdefgh", 8), 8);
  for (int i = 0; i < kThreads; ++i) thread_join(&threads[i]);
}
CASE(all_threads_change) {
  if (!is_root()) return;
  const long pid = start_process();
  if (pid == 0) {
    in_threads();
    quit(0);
  }
  expect_exit(pid, 0);
}

// Changes from several threads while others come, go and fork: no deadlock, no mixture.
static void change_often(struct thread* t) {
  for (int i = 0; i < 100; ++i) CHECK_EQ(sys(SYS_setresgid, kKeep, 100 + i % 7, kKeep), 0);
}
static void nothing(struct thread* t) {}
static void come_and_go(struct thread* t) {
  static struct thread passing[2];
  struct thread* mine = &passing[t->arg != 0];
  for (int i = 0; i < 60; ++i) {
    thread_start(mine, nothing, 0);
    thread_join(mine);
  }
}
static void fork_often(struct thread* t) {
  for (int i = 0; i < 20; ++i) {
    const long pid = start_process();
    if (pid == 0) {
      CHECK_EQ(sys(SYS_setegid, 55), 0);
      CHECK_EQ(sys(SYS_getegid), 55);
      quit(0);
    }
    expect_exit(pid, 0);
  }
}
static void on(int signal, struct siginfo* info, struct ucontext* context) {}
CASE(changes_against_threads_and_forks) {
  if (!is_root()) return;
  alarm_after(100);
  on_signal(SIGUSR1, on, SA_RESTART);
  const long pid = start_process();
  if (pid == 0) {
    static struct thread threads[6];
    thread_start(&threads[0], change_often, 0);
    thread_start(&threads[1], change_often, 0);
    thread_start(&threads[2], come_and_go, 0);
    thread_start(&threads[3], come_and_go, (void*)1);
    thread_start(&threads[4], fork_often, 0);
    thread_start(&threads[5], fork_often, 0);
    for (int i = 0; i < 200; ++i) {
      send(SIGUSR1);
      sleep_us(100);
    }
    for (int i = 0; i < 6; ++i) thread_join(&threads[i]);
    quit(0);
  }
  expect_exit(pid, 0);
}
static void change_after_first(struct thread* t) {
  sleep_ms(30);   // the first thread has ended by now; its host thread has not
  CHECK_EQ(sys(SYS_setresgid, 40, 41, 42), 0);
  CHECK(are(group_ids(), 40, 41, 42));
  quit(0);
}
CASE(first_thread_has_ended) {
  if (!is_root()) return;
  const long pid = start_process();
  if (pid == 0) {
    static struct thread t;
    thread_start(&t, change_after_first, 0);
    sys(SYS_thr_exit, 0);
  }
  expect_exit(pid, 0);
}
