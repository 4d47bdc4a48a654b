// Hot sites and ids that change; reads and writes that cannot be done.
#include "../bsd/rewrite.h"

// --- ids ---------------------------------------------------------------------------------------------------------------
static unsigned char* asking[4];           // getuid, geteuid, getgid, getegid: hot
static const unsigned kAsking[4] = {SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid};
static volatile unsigned turn;
static void take_turn(unsigned mine) {
  while (turn < mine) sys(SYS_sched_yield);
}
static void answer_turns(struct thread* t) {
  // Odd turns are this thread's: it changes the effective ids; everybody sees that at once.
  for (unsigned i = 1; i < 120; i += 2) {
    take_turn(i);
    const long user = (long)((unsigned long)t->arg == 0 ? 1000 + i : 0), group = user + 1;
    if (user != 0) {
      CHECK_EQ(sys(SYS_setegid, group), 0);
      if (i % 4 == 1) CHECK_EQ(sys(SYS_seteuid, user), 0);
      else CHECK_EQ(sys(SYS_setresuid, -1, user, -1), 0);
    } else {
      CHECK_EQ(sys(SYS_seteuid, sys(SYS_getuid)), 0);
      CHECK_EQ(sys(SYS_setegid, sys(SYS_getgid)), 0);
      CHECK_EQ(sys(SYS_seteuid, 0), -EPERM);
    }
    turn = i + 1;
  }
}
static void ask_all(long user, long effective, long group, long effective_group, int times) {
  for (int n = 0; n < times; ++n) {
    CHECK_EQ(call(asking[0]), user);
    CHECK_EQ(call(asking[1]), effective);
    CHECK_EQ(call(asking[2]), group);
    CHECK_EQ(call(asking[3]), effective_group);
  }
}
CASE(user_and_group_ids) {
  unsigned char* const page = code_pages(1);
  for (unsigned i = 0; i < 4; ++i) {
    struct text t;
    make_text(&t, i, kAsking[i], i * 0x40);
    asking[i] = page + i * 0x40;
    emit(asking[i], t.bytes, t.size);
  }
  make_runnable(page, 1);
  const long user = sys(SYS_getuid), group = sys(SYS_getgid);
  const bool root = sys(SYS_geteuid) == 0 && user == 0;
  put(root ? "as root\n" : "as an ordinary user: changes to other users are refused\n");
  ask_all(user, sys(SYS_geteuid), group, sys(SYS_getegid), kWarm);
  static struct thread t;
  thread_start(&t, answer_turns, root ? (void*)0 : (void*)1);
  for (unsigned i = 0; i < 120; i += 2) {
    turn = i + 1;
    take_turn(i + 2);
    if (root) ask_all(0, 1000 + i + 1, 0, 1000 + i + 2, 3);
    else ask_all(user, user, group, group, 3);
    if (root) {
      CHECK_EQ(sys(SYS_seteuid, 0), 0);
      CHECK_EQ(sys(SYS_setegid, 0), 0);
    }
    ask_all(user, user, group, group, 3);
    // A child sees what its parent had, and its own changes are its own.
    if (i % 20 != 0) continue;
    const long child = start_process();
    if (child == 0) {
      ask_all(user, user, group, group, 3);
      if (root) {
        CHECK_EQ(sys(SYS_setgid, 77), 0);
        CHECK_EQ(sys(SYS_setuid, 66), 0);
        ask_all(66, 66, 77, 77, kWarm);
        CHECK_EQ(sys(SYS_setuid, 0), -EPERM);
        ask_all(66, 66, 77, 77, 3);
      }
      quit(15);
    }
    expect_exit(child, 15);
    ask_all(user, user, group, group, 3);
  }
  thread_join(&t);
}
CASE(the_parent_ends_first) {
  // getppid changes without any call of the process itself.
  unsigned char* const page = code_pages(1);
  struct text t;
  make_text(&t, 0, SYS_getppid, 0);
  emit(page, t.bytes, t.size);
  make_runnable(page, 1);
  int told[2];
  make_pipe(told);
  alarm_after(60);
  const long child = start_process();
  if (child == 0) {
    know();
    const long middle = pid, grandchild = start_process();
    if (grandchild == 0) {
      for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(page), middle);
      CHECK_EQ(sys(SYS_write, told[1], "1", 1), 1);
      while (call(page) == middle) sys(SYS_sched_yield);
      const long now = call(page);
      for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(page), now);
      CHECK_EQ(now, sys(SYS_getppid));
      CHECK_EQ(sys(SYS_write, told[1], "2", 1), 1);
      quit(0);
    }
    char byte;
    CHECK_EQ(sys(SYS_read, told[0], &byte, 1), 1);
    quit(16);
  }
  expect_exit(child, 16);
  char byte = 0;
  sys(SYS_close, told[1]);
  CHECK_EQ(sys(SYS_read, told[0], &byte, 1), 1);
  CHECK_EQ(byte, '2');
}

// --- reading and writing -------------------------------------------------------------------------------------------------
static long call_with(const void* at, long a, const void* b, unsigned long c) { return ((long (*)(long, const void*, unsigned long))(uintptr_t)at)(a, b, c); }
CASE(bad_pointers_and_lengths) {
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_SETFL, O_NONBLOCK), 0);
  const long zero = sys(SYS_openat, AT_FDCWD, "/dev/zero", O_RDWR), file = sys(SYS_openat, AT_FDCWD, "rewrite_processes.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(zero >= 0 && file >= 0);
  CHECK_EQ(sys(SYS_unlink, "rewrite_processes.tmp"), 0);
  enum { kRoom = 16 };
  char *const gone = map(kPage), *const buffer = map(kPage);
  CHECK_EQ(sys(SYS_munmap, gone, kPage), 0);
  const void* const bad[] = {0, (void*)8, gone, (void*)0x7f0000000000, (void*)0x2a0000000000, (void*)0x7fffffffffff, (void*)0x7ffffffff000, (void*)0x800000000000, (void*)0x123456789abcdef0, (void*)0xffffffff81000000, (void*)-1, (void*)-64};
  for (unsigned kind = 0; kind < 7; ++kind) {
    unsigned char* const page = code_pages(1);
    struct text r, w;
    make_text(&r, kind, SYS_read, 0x40);
    make_text(&w, kind, SYS_write, 0x80);
    unsigned char *const reading = emit(page + 0x40, r.bytes, r.size) - r.size, *const writing = emit(page + 0x80, w.bytes, w.size) - w.size;
    make_runnable(page, 1);
    for (int i = 0; i < kWarm; ++i) {
      CHECK_EQ(call_with(writing, fds[1], "abc", 3), 3);
      for (unsigned b = 0; b < sizeof bad / sizeof *bad; ++b) {
        CHECK_EQ(call_with(reading, fds[0], bad[b], 3), EFAULT);
        CHECK_EQ(call_with(reading, zero, bad[b], 1), EFAULT);
        CHECK_EQ(call_with(writing, fds[1], bad[b], 1), EFAULT);
        CHECK_EQ(call_with(writing, file, bad[b], 1), EFAULT);
        CHECK_EQ(call_with(reading, zero, bad[b], 4 * kPage), EFAULT);     // the last ones wrap
      }
      // More than there is memory. INT_MAX is no limit where words have 64 bits (FreeBSD 14.0 sys/kern/sys_generic.c,
      // IOSIZE_MAX).
      CHECK_EQ(call_with(writing, fds[1], gone, 0x80000000UL), EFAULT);
      // That limit comes first of all.
      CHECK_EQ(call_with(reading, fds[0], buffer, -1L), EINVAL);
      CHECK_EQ(call_with(reading, -1, gone, 1UL << 63), EINVAL);
      CHECK_EQ(call_with(writing, fds[1], 0, -1L), EINVAL);
      CHECK_EQ(call_with(writing, 999, bad[3], 1UL << 63), EINVAL);
      CHECK_EQ(call_with(reading, 999, buffer, 3), EBADF);
      CHECK_EQ(call_with(writing, 999, bad[2], 3), EBADF);
      CHECK_EQ(call_with(reading, fds[1], buffer, 3), EBADF);
      CHECK_EQ(call_with(reading, -1, buffer, 3), EBADF);
      // Nothing of that has read or written a byte.
      // Nor does it matter what lies behind what is read.
      CHECK_EQ(call_with(reading, fds[0], buffer, i % 2 ? kRoom : i % 4 ? 0x7fffffffffffffff : 0x80000000UL), 3);
      CHECK_EQ(memcmp(buffer, "abc", 3), 0);
      CHECK_EQ(call_with(reading, fds[0], buffer, kRoom), EAGAIN);
      CHECK_EQ(call_with(reading, fds[0], gone, 0), 0);
    }
    CHECK_EQ(sys(SYS_lseek, file, 0, 1), 0);
    CHECK_EQ(sys(SYS_munmap, page, kPage), 0);
  }
}
