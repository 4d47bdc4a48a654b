// POSIX message queues (kmq_*) and the kernel's POSIX semaphores (ksem_*).
// Structures and constants: FreeBSD 14.0 sys/sys/{mqueue,semaphore,signal}.h.
#include "guest.h"

enum { ENFILE = 23, SIGEV_NONE = 0, SIGEV_SIGNAL = 1, SIGEV_THREAD = 2, SIGEV_KEVENT = 3, SIGEV_THREAD_ID = 4, SI_MESGQ = 0x10005 };
enum { kPage = 4096 };
static const unsigned long kHost = 0x7f0000000000, kKernel = 0xffff800000000000;
struct mq_attr { long mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs, reserved[4]; };
struct sigevent { int sigev_notify, sigev_signo; union { int sival_int; void* sival_ptr; long word; } sigev_value; long spare[8]; };
_Static_assert(sizeof(struct sigevent) == 80, "struct sigevent");

static void nothing(int s, struct siginfo* i, struct ucontext* c) {}
static const char* own_name(char* to, const char* base) {
  char n[24];
  return join(to, base, number(n, (unsigned long)sys(SYS_getpid)));
}
static struct timespec from_now(long ms) {
  struct timespec t;
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &t), 0);
  t.tv_nsec += ms % 1000 * 1000000;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}
static void alarm_in_ms(long ms) {
  struct itimerval t = {{0, 0}, {ms / 1000, ms % 1000 * 1000}};
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
}

// --- message queues -----------------------------------------------------------------------------------------
static char queue_name[64];
// A queue of its own, unlinked again: four messages of 32 bytes.
static long new_queue(int flags) {
  struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 32};
  own_name(queue_name, "/sudrun-test-");
  const long fd = sys(SYS_kmq_open, queue_name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &a);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_kmq_unlink, queue_name), 0);
  return fd;
}
static long mq_put(long fd, const char* text, unsigned priority) { return sys(SYS_kmq_timedsend, fd, text, strlen(text), priority, 0); }

CASE(mq_open) {
  char name[300];
  own_name(name, "/sudrun-open-");
  struct mq_attr a = {.mq_flags = -1, .mq_maxmsg = 3, .mq_msgsize = 100, .mq_curmsgs = 77}, got;
  CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR, 0, 0), -ENOENT);
  const long fd = sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, &a);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_fcntl, fd, 1, 0), 1);   // close-on-exec
  CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, &a), -EEXIST);
  const long again = sys(SYS_kmq_open, name, O_WRONLY | O_CREAT | O_NONBLOCK, 0600, 0);
  CHECK(again >= 0 && again != fd);
  memset(&got, 0xee, sizeof got);
  CHECK_EQ(sys(SYS_kmq_setattr, fd, 0, &got), 0);
  CHECK(got.mq_flags == 0 && got.mq_maxmsg == 3 && got.mq_msgsize == 100 && got.mq_curmsgs == 0 && got.reserved[0] == 0 && got.reserved[3] == 0);
  CHECK_EQ(sys(SYS_kmq_setattr, again, 0, &got), 0);
  CHECK_EQ(got.mq_flags, O_NONBLOCK);
  CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
  CHECK_EQ(sys(SYS_kmq_unlink, name), -ENOENT);
  CHECK_EQ(sys(SYS_kmq_setattr, fd, 0, &got), 0);   // still a queue
  // Defaults.
  const long other = sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, 0);
  CHECK(other >= 0);
  CHECK_EQ(sys(SYS_kmq_setattr, other, 0, &got), 0);
  CHECK(got.mq_maxmsg == 10 && got.mq_msgsize == 1024);
  CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
  // What is refused.
  const struct mq_attr bad[] = {{.mq_maxmsg = 0, .mq_msgsize = 1}, {.mq_maxmsg = 101, .mq_msgsize = 1}, {.mq_maxmsg = -1, .mq_msgsize = 1}, {.mq_maxmsg = 1, .mq_msgsize = 0}, {.mq_maxmsg = 1, .mq_msgsize = 16385}};
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, &bad[i]), -EINVAL);
    CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR, 0600, &bad[i]), -ENOENT);
  }
  CHECK_EQ(sys(SYS_kmq_open, name, 3 | O_CREAT, 0600, 0), -EINVAL);
  CHECK_EQ(sys(SYS_kmq_open, name, 0x40000, 0600, 0), -EINVAL);
  const char* const names[] = {"", "/", "x", "x/y", "/x/y", "/x/", "/.", "/.."};
  for (int i = 0; i < 8; ++i) {
    CHECK_EQ(sys(SYS_kmq_open, names[i], O_RDWR | O_CREAT, 0600, 0), -EINVAL);
    CHECK_EQ(sys(SYS_kmq_unlink, names[i]), -EINVAL);
  }
  memset(name, 'n', sizeof name);
  name[0] = '/';
  name[256] = 0;
  CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR, 0600, 0), -ENAMETOOLONG);
  CHECK_EQ(sys(SYS_kmq_unlink, name), -ENAMETOOLONG);
  name[255] = 0;
  CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR, 0600, 0), -ENOENT);
  const unsigned long pointers[] = {0, 8, kHost, kKernel, ~0UL};
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(sys(SYS_kmq_open, pointers[i], O_RDWR | O_CREAT, 0600, 0), -EFAULT);
    CHECK_EQ(sys(SYS_kmq_unlink, pointers[i]), -EFAULT);
    if (i > 0) CHECK_EQ(sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, pointers[i]), -EFAULT);
  }
}
CASE(mq_order) {
  const long fd = new_queue(0);
  CHECK_EQ(mq_put(fd, "low", 1), 0);
  CHECK_EQ(mq_put(fd, "high", 63), 0);
  CHECK_EQ(mq_put(fd, "low too", 1), 0);
  CHECK_EQ(mq_put(fd, "", 0), 0);
  CHECK_EQ(mq_put(fd, "x", 64), -EINVAL);
  struct mq_attr a;
  CHECK_EQ(sys(SYS_kmq_setattr, fd, 0, &a), 0);
  CHECK_EQ(a.mq_curmsgs, 4);
  char text[33];
  unsigned priority = 99;
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, &priority, 0), 4);
  CHECK(priority == 63 && memcmp(text, "high", 4) == 0);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 33, &priority, 0), 3);
  CHECK(priority == 1 && memcmp(text, "low", 3) == 0);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, ~0UL >> 1, 0, 0), 7);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 1UL << 33, 0, 0), 0);
}
CASE(mq_errors) {
  const long fd = new_queue(O_NONBLOCK);
  char text[40] = "text";
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 31, 0, 0), -EMSGSIZE);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 0, 0, 0), -EMSGSIZE);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0), -EAGAIN);
  CHECK_EQ(sys(SYS_kmq_timedsend, fd, text, 33, 0, 0), -EMSGSIZE);
  CHECK_EQ(sys(SYS_kmq_timedsend, fd, text, 1UL << 60, 0, 0), -EMSGSIZE);
  int pipe[2];
  make_pipe(pipe);
  const int not_queues[] = {-1, 1000, pipe[0]};
  struct mq_attr a = {};
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(sys(SYS_kmq_timedsend, not_queues[i], text, 1, 0, 0), -EBADF);
    CHECK_EQ(sys(SYS_kmq_timedreceive, not_queues[i], text, 40, 0, 0), -EBADF);
    CHECK_EQ(sys(SYS_kmq_timedreceive, not_queues[i], 0, 40, 0, 8), -EBADF);
    CHECK_EQ(sys(SYS_kmq_timedsend, not_queues[i], 0, 40, 0, kHost), -EBADF);
    CHECK_EQ(sys(SYS_kmq_setattr, not_queues[i], &a, 0), -EBADF);
    CHECK_EQ(sys(SYS_kmq_notify, not_queues[i], 0), -EBADF);
  }
  const unsigned long bad[] = {8, kHost, kKernel, ~0UL};
  for (int i = 0; i < 4; ++i) {
    CHECK_EQ(sys(SYS_kmq_timedsend, fd, bad[i], 4, 0, 0), -EFAULT);
    CHECK_EQ(sys(SYS_kmq_timedsend, fd, text, 4, 0, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_kmq_setattr, fd, bad[i], 0), -EFAULT);
    CHECK_EQ(sys(SYS_kmq_setattr, fd, 0, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_kmq_notify, fd, bad[i]), -EFAULT);
    CHECK_EQ(mq_put(fd, "abc", 0), 0);
    CHECK_EQ(sys(SYS_kmq_timedreceive, fd, bad[i], 32, 0, 0), -EFAULT);
    sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0);
    CHECK_EQ(mq_put(fd, "abc", 0), 0);
    CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, bad[i], 0), -EFAULT);
    sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0);
  }
  for (int i = 0; i < 4; ++i) CHECK_EQ(mq_put(fd, "full", 0), 0);
  CHECK_EQ(mq_put(fd, "over", 0), -EAGAIN);
  // Access.
  char name[64];
  own_name(name, "/sudrun-access-");
  const long reader = sys(SYS_kmq_open, name, O_RDONLY | O_CREAT, 0600, 0);
  const long writer = sys(SYS_kmq_open, name, O_WRONLY, 0, 0);
  CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
  CHECK_EQ(mq_put(reader, "x", 0), -EBADF);
  static char room[1024];
  CHECK_EQ(sys(SYS_kmq_timedreceive, writer, room, 1024, 0, 0), -EBADF);
  CHECK_EQ(mq_put(writer, "x", 0), 0);
  CHECK_EQ(sys(SYS_kmq_timedreceive, reader, room, 1024, 0, 0), 1);
}
CASE(mq_attributes) {
  const long fd = new_queue(0);
  struct mq_attr a = {.mq_flags = O_NONBLOCK, .mq_maxmsg = 50, .mq_msgsize = 50}, old;
  CHECK_EQ(sys(SYS_kmq_setattr, fd, &a, &old), 0);
  CHECK_EQ(old.mq_flags, 0);
  CHECK_EQ(sys(SYS_kmq_setattr, fd, 0, &old), 0);
  CHECK(old.mq_flags == O_NONBLOCK && old.mq_maxmsg == 4 && old.mq_msgsize == 32);
  a.mq_flags = 0;
  CHECK_EQ(sys(SYS_kmq_setattr, fd, &a, 0), 0);
  CHECK_EQ(sys(SYS_kmq_setattr, fd, 0, &old), 0);
  CHECK_EQ(old.mq_flags, 0);
  a.mq_flags = 1;
  CHECK_EQ(sys(SYS_kmq_setattr, fd, &a, 0), -EINVAL);
  a.mq_flags = 0x800;   // Linux's number
  CHECK_EQ(sys(SYS_kmq_setattr, fd, &a, 0), -EINVAL);
}
CASE(mq_times) {
  const long fd = new_queue(0);
  char text[32];
  struct timespec past = {1, 0}, wrong = {1, 1000000000}, before = {-5, 0}, soon = from_now(50);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, &past), -ETIMEDOUT);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, &before), -ETIMEDOUT);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, &wrong), -EINVAL);
  const long start = now_us();
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, &soon), -ETIMEDOUT);
  CHECK(now_us() - start > 20000);
  for (int i = 0; i < 4; ++i) CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, &wrong), 0);   // looked at only to wait
  CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, &wrong), -EINVAL);
  CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, &past), -ETIMEDOUT);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, &wrong), 1);
}
CASE(mq_between_processes) {
  alarm_after(60);
  const long there = new_queue(0), back = new_queue(0);
  const long pid = start_process();
  if (pid == 0) {
    char text[32];
    for (int i = 0; i < 200; ++i) {
      CHECK_EQ(sys(SYS_kmq_timedreceive, there, text, 32, 0, 0), 4);
      CHECK_EQ(sys(SYS_kmq_timedsend, back, text, 4, 0, 0), 0);
    }
    quit(0);
  }
  for (int i = 0; i < 200; ++i) {
    int answer = -1;
    char text[32];
    CHECK_EQ(sys(SYS_kmq_timedsend, there, &i, 4, 0, 0), 0);
    CHECK_EQ(sys(SYS_kmq_timedreceive, back, text, 32, 0, 0), 4);
    memcpy(&answer, text, 4);
    CHECK_EQ(answer, i);
  }
  expect_exit(pid, 0);
}
static long queue_to_fill;
static void fill_it(int s, struct siginfo* i, struct ucontext* c) { mq_put(queue_to_fill, "late", 0); }
CASE(mq_interrupted) {
  alarm_after(60);
  const long fd = new_queue(0);
  char text[32];
  on_signal(SIGALRM, nothing, 0);
  alarm_in_ms(30);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0), -EINTR);
  queue_to_fill = fd;
  on_signal(SIGALRM, fill_it, SA_RESTART);   // then it is made again
  alarm_in_ms(30);
  CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0), 4);
}
CASE(mq_poll) {
  const long fd = new_queue(0);
  struct pollfd p = {(int)fd, POLLIN | POLLOUT, 0};
  CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLOUT);
  for (int i = 0; i < 4; ++i) mq_put(fd, "m", 0);
  CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN);
}
static volatile int notified;
static struct siginfo notice;
static void note(int s, struct siginfo* i, struct ucontext* c) {
  notice = *i;
  ++notified;
}
CASE(mq_notify) {
  on_signal(SIGUSR1, note, 0);
  const long fd = new_queue(O_NONBLOCK);
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = {.word = 0x123456789}};
  CHECK_EQ(sys(SYS_kmq_notify, fd, &e), 0);
  CHECK_EQ(sys(SYS_kmq_notify, fd, &e), -EBUSY);
  CHECK_EQ(mq_put(fd, "one", 0), 0);
  for (int i = 0; i < 1000 && notified == 0; ++i) sleep_ms(1);
  CHECK_EQ(notified, 1);
  CHECK_EQ(notice.si_code, SI_MESGQ);
  CHECK_EQ(notice.si_value.word, 0x123456789);
  CHECK_EQ(mq_put(fd, "two", 0), 0);            // once only
  sleep_ms(10);
  CHECK_EQ(notified, 1);
  CHECK_EQ(sys(SYS_kmq_notify, fd, &e), 0);     // messages are there already
  for (int i = 0; i < 1000 && notified == 1; ++i) sleep_ms(1);
  CHECK_EQ(notified, 2);
  CHECK_EQ(notice.si_code, SI_MESGQ);
  CHECK_EQ(notice.si_value.word, 0x123456789);
  char text[32];
  while (sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0) >= 0) {}
  CHECK_EQ(sys(SYS_kmq_notify, fd, &e), 0);     // that one is over
  CHECK_EQ(sys(SYS_kmq_notify, fd, 0), 0);
  CHECK_EQ(mq_put(fd, "three", 0), 0);
  sleep_ms(10);
  CHECK_EQ(notified, 2);
  while (sys(SYS_kmq_timedreceive, fd, text, 32, 0, 0) >= 0) {}
  e.sigev_notify = SIGEV_NONE;
  e.sigev_signo = 0;
  CHECK_EQ(sys(SYS_kmq_notify, fd, &e), 0);
  CHECK_EQ(sys(SYS_kmq_notify, fd, &e), -EBUSY);
  CHECK_EQ(sys(SYS_kmq_notify, fd, 0), 0);
  const int bad[] = {SIGEV_THREAD, SIGEV_KEVENT, 5, -1};
  for (int i = 0; i < 4; ++i) {
    e.sigev_notify = bad[i];
    CHECK_EQ(sys(SYS_kmq_notify, fd, &e), -EINVAL);
  }
  e.sigev_notify = SIGEV_SIGNAL;
  const int signals[] = {0, -1, 129, 1 << 30};
  for (int i = 0; i < 4; ++i) {
    e.sigev_signo = signals[i];
    CHECK_EQ(sys(SYS_kmq_notify, fd, &e), -EINVAL);
  }
}

// --- semaphores ---------------------------------------------------------------------------------------------
enum { kLargest = 0x7fffffff };
static long new_sem(unsigned value) {
  long id = -1;
  CHECK_EQ(sys(SYS_ksem_init, &id, value), 0);
  CHECK(id >= 0);
  return id;
}
static int sem_value(long id) {
  int value = -1;
  CHECK_EQ(sys(SYS_ksem_getvalue, id, &value), 0);
  return value;
}

CASE(ksem_anonymous) {
  const long id = new_sem(2);
  CHECK_EQ(sem_value(id), 2);
  CHECK_EQ(sys(SYS_fcntl, id, 1, 0), 1);   // a descriptor, close-on-exec
  CHECK_EQ(sys(SYS_ksem_wait, id), 0);
  CHECK_EQ(sys(SYS_ksem_trywait, id), 0);
  CHECK_EQ(sys(SYS_ksem_trywait, id), -EAGAIN);
  CHECK_EQ(sys(SYS_ksem_post, id), 0);
  CHECK_EQ(sem_value(id), 1);
  CHECK_EQ(sys(SYS_ksem_wait, id), 0);
  CHECK_EQ(sys(SYS_ksem_close, id), -EINVAL);   // has no name
  CHECK_EQ(sys(SYS_ksem_destroy, id), 0);
  CHECK_EQ(sys(SYS_ksem_post, id), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_destroy, id), -EINVAL);
  CHECK_EQ(sys(SYS_fcntl, id, 1, 0), -EBADF);
  const long full = new_sem(kLargest);
  CHECK_EQ(sys(SYS_ksem_post, full), -EOVERFLOW);
  CHECK_EQ(sem_value(full), kLargest);
  long none = -1;
  CHECK_EQ(sys(SYS_ksem_init, &none, kLargest + 1U), -EINVAL);
  CHECK_EQ(none, -1);
}
CASE(ksem_errors) {
  int pipe[2];
  make_pipe(pipe);
  const long file = sys(SYS_openat, AT_FDCWD, "page.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK_EQ(sys(SYS_unlink, "page.tmp"), 0);
  CHECK_EQ(sys(SYS_ftruncate, file, kPage), 0);
  const long ids[] = {-1, 1000, pipe[0], file, 1L << 40 | 999};
  struct timespec soon = from_now(10);
  int value;
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(sys(SYS_ksem_wait, ids[i]), -EINVAL);
    CHECK_EQ(sys(SYS_ksem_trywait, ids[i]), -EINVAL);
    CHECK_EQ(sys(SYS_ksem_timedwait, ids[i], &soon), -EINVAL);
    CHECK_EQ(sys(SYS_ksem_post, ids[i]), -EINVAL);
    CHECK_EQ(sys(SYS_ksem_getvalue, ids[i], &value), -EINVAL);
    CHECK_EQ(sys(SYS_ksem_close, ids[i]), -EINVAL);
    CHECK_EQ(sys(SYS_ksem_destroy, ids[i]), -EINVAL);
  }
  const long id = new_sem(1);
  const unsigned long bad[] = {0, 8, kHost, kKernel, ~0UL};
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(sys(SYS_ksem_init, bad[i], 1), -EFAULT);
    CHECK_EQ(sys(SYS_ksem_open, bad[i], "/x", O_CREAT, 0600, 1), -EFAULT);
    CHECK_EQ(sys(SYS_ksem_open, &ids, bad[i], O_CREAT, 0600, 1), -EFAULT);
    CHECK_EQ(sys(SYS_ksem_unlink, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_ksem_getvalue, id, bad[i]), -EFAULT);
    if (i > 0) CHECK_EQ(sys(SYS_ksem_timedwait, id, bad[i]), -EFAULT);
  }
  // A semaphore whose file somebody cuts off is none any more.
  CHECK_EQ(sys(SYS_ftruncate, id, 0), 0);
  CHECK_EQ(sys(SYS_ksem_post, id), -EINVAL);
}
CASE(ksem_times) {
  const long id = new_sem(1);
  struct timespec wrong = {1, 1000000000}, negative = {1, -1}, past = {1, 0}, before = {-1, 0}, soon = from_now(50);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &wrong), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &negative), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &past), 0);     // no need to wait
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &past), -ETIMEDOUT);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &before), -ETIMEDOUT);
  const long start = now_us();
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &soon), -ETIMEDOUT);
  CHECK(now_us() - start > 20000);
  CHECK_EQ(sys(SYS_ksem_post, id), 0);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, 0), 0);
}
CASE(ksem_named) {
  char name[1200];
  own_name(name, "/sudrun/sem-");
  long id = 7, again, other;
  CHECK_EQ(sys(SYS_ksem_open, &id, name, 0, 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_ksem_open, &id, name, O_CREAT, 0600, 3), 0);
  CHECK_EQ(sem_value(id), 3);
  CHECK_EQ(sys(SYS_ksem_open, &again, name, O_CREAT | O_EXCL, 0600, 3), -EEXIST);
  CHECK_EQ(sys(SYS_ksem_open, &again, name, O_CREAT, 0600, 9), 0);
  CHECK_EQ(sem_value(again), 3);
  CHECK_EQ(sys(SYS_ksem_wait, again), 0);
  CHECK_EQ(sem_value(id), 2);
  CHECK_EQ(sys(SYS_ksem_destroy, id), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_close, id), 0);
  CHECK_EQ(sys(SYS_ksem_close, again), 0);
  CHECK_EQ(sys(SYS_ksem_close, again), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_open, &id, name, 0, 0, 0), 0);   // it kept its value meanwhile
  CHECK_EQ(sem_value(id), 2);
  CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
  CHECK_EQ(sys(SYS_ksem_unlink, name), -ENOENT);
  CHECK_EQ(sys(SYS_ksem_post, id), 0);                    // without a name, but alive
  CHECK_EQ(sem_value(id), 3);
  CHECK_EQ(sys(SYS_ksem_open, &other, name, O_CREAT | O_EXCL, 0600, 0), 0);
  CHECK_EQ(sem_value(other), 0);
  CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
  CHECK_EQ(sys(SYS_ksem_open, &other, name, O_CREAT | O_TRUNC, 0600, 0), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_open, &other, name, O_RDWR, 0600, 0), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_open, &other, name, O_CREAT, 0600, kLargest + 1U), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_open, &other, "relative", O_CREAT, 0600, 0), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_open, &other, "", O_CREAT, 0600, 0), -EINVAL);
  CHECK_EQ(sys(SYS_ksem_unlink, "relative"), -ENOENT);
  // Long names.
  memset(name, 'n', sizeof name);
  name[0] = '/';
  name[1024] = 0;
  CHECK_EQ(sys(SYS_ksem_open, &other, name, O_CREAT, 0600, 0), -ENAMETOOLONG);
  CHECK_EQ(sys(SYS_ksem_unlink, name), -ENAMETOOLONG);
  name[1023] = 0;
  CHECK_EQ(sys(SYS_ksem_open, &other, name, O_CREAT, 0600, 5), 0);
  name[1000] = 'm';
  CHECK_EQ(sys(SYS_ksem_open, &id, name, 0, 0, 0), -ENOENT);
  name[1000] = 'n';
  CHECK_EQ(sys(SYS_ksem_open, &id, name, 0, 0, 0), 0);
  CHECK_EQ(sem_value(id), 5);
  CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
}
CASE(ksem_between_processes) {
  alarm_after(60);
  char name[64];
  own_name(name, "/sudrun-two-");
  const long mine = new_sem(0);
  long named;
  CHECK_EQ(sys(SYS_ksem_open, &named, name, O_CREAT | O_EXCL, 0600, 0), 0);
  const long pid = start_process();
  if (pid == 0) {
    long opened;
    CHECK_EQ(sys(SYS_ksem_open, &opened, name, 0, 0, 0), 0);
    for (int i = 0; i < 200; ++i) {
      CHECK_EQ(sys(SYS_ksem_wait, mine), 0);
      CHECK_EQ(sys(SYS_ksem_post, opened), 0);
    }
    quit(0);
  }
  for (int i = 0; i < 200; ++i) {
    CHECK_EQ(sys(SYS_ksem_post, mine), 0);
    CHECK_EQ(sys(SYS_ksem_wait, named), 0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
}
static volatile int taken;
static void take(struct thread* t) {
  CHECK_EQ(sys(SYS_ksem_wait, (long)t->arg), 0);
  __atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
}
CASE(ksem_waiters) {
  alarm_after(60);
  const long id = new_sem(0);
  static struct thread threads[8];
  for (int i = 0; i < 8; ++i) thread_start(&threads[i], take, (void*)id);
  // While somebody waits it cannot be destroyed.
  sleep_ms(100);
  CHECK_EQ(sys(SYS_ksem_destroy, id), -EBUSY);
  for (int i = 0; i < 8; ++i) CHECK_EQ(sys(SYS_ksem_post, id), 0);
  for (int i = 0; i < 8; ++i) thread_join(&threads[i]);
  CHECK_EQ(taken, 8);
  CHECK_EQ(sem_value(id), 0);
  CHECK_EQ(sys(SYS_ksem_destroy, id), 0);
}
static long sem_to_post;
static void post_it(int s, struct siginfo* i, struct ucontext* c) { sys(SYS_ksem_post, sem_to_post); }
CASE(ksem_interrupted) {
  alarm_after(60);
  const long id = new_sem(0);
  on_signal(SIGALRM, nothing, 0);
  alarm_in_ms(30);
  CHECK_EQ(sys(SYS_ksem_wait, id), -EINTR);
  struct timespec later = from_now(20000);
  alarm_in_ms(30);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &later), -EINTR);
  sem_to_post = id;
  on_signal(SIGALRM, post_it, SA_RESTART);
  alarm_in_ms(30);
  CHECK_EQ(sys(SYS_ksem_wait, id), 0);
  alarm_in_ms(30);
  CHECK_EQ(sys(SYS_ksem_timedwait, id, &later), 0);
}
CASE(ksem_descriptors) {
  const long id = new_sem(1);
  const long copy = sys(SYS_dup, id);
  CHECK(copy >= 0);
  CHECK_EQ(sys(SYS_ksem_wait, copy), 0);
  CHECK_EQ(sem_value(id), 0);
  CHECK_EQ(sys(SYS_close, id), 0);
  CHECK_EQ(sys(SYS_ksem_post, copy), 0);
  CHECK_EQ(sys(SYS_ksem_destroy, copy), 0);
}
CASE(permissions) {
  if (sys(SYS_geteuid) != 0) return;
  char name[64], queue[64];
  own_name(name, "/sudrun-private-");
  own_name(queue, "/sudrun-private-");
  long id;
  CHECK_EQ(sys(SYS_ksem_open, &id, name, O_CREAT | O_EXCL, 0600, 0), 0);
  const long mqd = sys(SYS_kmq_open, queue, O_RDWR | O_CREAT | O_EXCL, 0600, 0);
  CHECK(mqd >= 0);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(181, 65534), 0);   // setgid
    CHECK_EQ(sys(23, 65534), 0);    // setuid
    CHECK_EQ(sys(SYS_ksem_open, &id, name, 0, 0, 0), -EACCES);
    CHECK_EQ(sys(SYS_ksem_open, &id, name, O_CREAT, 0, 0), -EACCES);
    CHECK_EQ(sys(SYS_ksem_open, &id, name, O_CREAT | O_EXCL, 0, 0), -EEXIST);
    CHECK_EQ(sys(SYS_ksem_unlink, name), -EACCES);
    CHECK_EQ(sys(SYS_kmq_open, queue, O_RDONLY, 0, 0), -EACCES);
    CHECK_EQ(sys(SYS_kmq_open, queue, O_RDONLY | O_CREAT, 0, 0), -EACCES);
    CHECK_EQ(sys(SYS_kmq_open, queue, O_RDONLY | O_CREAT | O_EXCL, 0, 0), -EEXIST);
    CHECK_EQ(sys(SYS_kmq_unlink, queue), -EACCES);
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
  CHECK_EQ(sys(SYS_kmq_unlink, queue), 0);
}
