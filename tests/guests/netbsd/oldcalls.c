// Numbers and structures of programs made for NetBSD 2 to 5, as sys/compat has them: seconds of 32 bits with padding
// behind them that holds anything, microseconds of 64, inodes of 32.
#include "guest.h"

enum {
  SYS_wait4 = 7, SYS_setitimer = 83, SYS_getitimer = 86, SYS_select = 93, SYS_socket = 97, SYS_gettimeofday = 116, SYS_getrusage = 117,
  SYS_utimes = 138, SYS_clock_gettime = 232, SYS_timer_create = 235, SYS_timer_delete = 236, SYS_timer_settime = 237,
  SYS_timer_gettime = 238, SYS_nanosleep = 240, SYS_sigtimedwait = 244, SYS_getdents = 272, SYS___stat13 = 278,
  SYS___fstat13 = 279, SYS__lwp_park = 320, SYS_kevent = 345, SYS_pselect = 373, SYS_pollts = 374, SYS___stat30 = 387, SYS___fstat30 = 388,
};
// compat/sys/time_types.h, compat/sys/stat.h, compat/sys/dirent.h
struct timespec50 { int tv_sec; unsigned pad; long tv_nsec; };
struct itimerspec50 { struct timespec50 it_interval, it_value; };
struct stat30 {
  uint32_t st_dev, st_mode;
  uint64_t st_ino;
  uint32_t st_nlink, st_uid, st_gid, st_rdev;
  struct timespec50 st_atim, st_mtim, st_ctim, st_birthtim;
  int64_t st_size, st_blocks;
  uint32_t st_blksize, st_flags, st_gen, spare[3];
};
struct stat13 {
  uint32_t st_dev, st_ino, st_mode, st_nlink, st_uid, st_gid, st_rdev;
  struct timespec50 st_atim, st_mtim, st_ctim;
  int64_t st_size, st_blocks;
  uint32_t st_blksize, st_flags, st_gen, spare[5];
};
_Static_assert(sizeof(struct stat30) == 136 && sizeof(struct stat13) == 128, "struct stat");
struct dirent12 { uint32_t d_fileno; uint16_t d_reclen; uint8_t d_type, d_namlen; char d_name[256]; };

static const unsigned kRubbish = 0xdeadbeef;
static struct timespec50 ms50(long ms) { return (struct timespec50){(int)(ms / 1000), kRubbish, ms % 1000 * 1000000}; }

CASE(sleeps) {
  long before = now_us();
  struct timespec50 t = ms50(3);
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), 0);
  CHECK(now_us() - before >= 3000);
  t = (struct timespec50){-1, 0, 0};
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), 0);
  t = (struct timespec50){0, kRubbish, 1000000000};
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), -EINVAL);

  const sigset_t set = sig_only(SIGUSR1);
  CHECK_EQ(sys(SYS___sigprocmask14, SIG_BLOCK, &set, 0), 0);
  t = ms50(2);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, 0, &t), -EAGAIN);
  send(SIGUSR1);
  t = ms50(1000);
  CHECK_EQ(sys(SYS_sigtimedwait, &set, 0, &t), SIGUSR1);

  t = ms50(1000);  // of 1970
  CHECK_EQ(sys(SYS__lwp_park, &t, 0, 0, 0), -ETIMEDOUT);
  before = now_us();
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &t), 0);
  t.pad = kRubbish;
  t.tv_nsec += 3000000;
  if (t.tv_nsec >= 1000000000) ++t.tv_sec, t.tv_nsec -= 1000000000;
  CHECK_EQ(sys(SYS__lwp_park, &t, 0, 0, 0), -ETIMEDOUT);
  CHECK(now_us() - before >= 2000);
}

CASE(waits_for_descriptors) {
  int fds[2];
  make_pipe(fds);
  const struct { long tv_sec, tv_usec; } soon = {0, 2000};
  const struct timespec50 time = ms50(2);
  const sigset_t none = {{0}};
  unsigned long readable[2] = {1UL << fds[0], 0};
  const int count = fds[0] + 1;
  CHECK_EQ(sys(SYS_select, count, readable, 0, 0, &soon), 0);
  readable[0] = 1UL << fds[0];
  CHECK_EQ(sys(SYS_pselect, count, readable, 0, 0, &time, &none), 0);
  struct { int fd; short events, revents; } poll = {fds[0], 1, 0};
  CHECK_EQ(sys(SYS_pollts, &poll, 1, &time, &none), 0);

  const int queue = (int)sys(SYS_kqueue);
  const struct kevent change = {(uint64_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, 0};
  struct kevent event;
  CHECK_EQ(sys(SYS_kevent, queue, &change, 1, &event, 1, &time), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "abc", 3), 3);
  CHECK_EQ(sys(SYS_kevent, queue, 0, 0, &event, 1, &time), 1);
  CHECK_EQ(event.data, 3);
  CHECK_EQ(sys(SYS_pollts, &poll, 1, &time, &none), 1);
  CHECK_EQ(poll.revents, 1);
  readable[0] = 1UL << fds[0];
  CHECK_EQ(sys(SYS_pselect, count, readable, 0, 0, &time, &none), 1);
  CHECK_EQ(readable[0], 1UL << fds[0]);
}

CASE(timers) {
  const sigset_t set = sig_only(SIGUSR2);
  CHECK_EQ(sys(SYS___sigprocmask14, SIG_BLOCK, &set, 0), 0);
  struct { int notify, signal; long value; void *function, *attributes; } event = {1, SIGUSR2, 0x1234, 0, 0};
  int timer = -1;
  CHECK_EQ(sys(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), 0);
  struct itimerspec50 value = {{0, kRubbish, 0}, ms50(100000)}, old = {0};
  CHECK_EQ(sys(SYS_timer_settime, timer, 0, &value, 0), 0);
  CHECK_EQ(sys(SYS_timer_gettime, timer, &old), 0);
  CHECK(old.it_value.tv_sec == 99 || old.it_value.tv_sec == 100);
  CHECK_EQ(old.it_interval.tv_sec, 0);
  value.it_value = ms50(1);
  CHECK_EQ(sys(SYS_timer_settime, timer, 0, &value, &old), 0);
  CHECK(old.it_value.tv_sec >= 99);
  struct siginfo info;
  CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, 0), SIGUSR2);
  CHECK_EQ(info.si_code, -2);  // SI_TIMER
  CHECK_EQ(info.sent.value, 0x1234);
  CHECK_EQ(sys(SYS_timer_delete, timer), 0);
  event.notify = 2;  // SIGEV_THREAD
  CHECK_EQ(sys(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), -EINVAL);

  const struct { long interval_sec, interval_usec, sec, usec; } interval = {0, 0, 100, 0};
  struct { long interval_sec, interval_usec, sec, usec; } left;
  CHECK_EQ(sys(SYS_setitimer, 0, &interval, 0), 0);
  CHECK_EQ(sys(SYS_getitimer, 0, &left), 0);
  CHECK(left.sec == 99 || left.sec == 100);
}

CASE(clocks) {
  struct { long tv_sec, tv_usec; } day, usage[9];
  struct timespec50 now;
  struct timespec today;
  CHECK_EQ(sys(SYS___clock_gettime50, CLOCK_REALTIME, &today), 0);
  CHECK_EQ(sys(SYS_gettimeofday, &day, 0), 0);
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
  CHECK(day.tv_sec >= today.tv_sec && day.tv_sec <= now.tv_sec);
  CHECK(day.tv_usec >= 0 && day.tv_usec < 1000000);
  CHECK_EQ(sys(SYS_getrusage, 0, usage), 0);
  CHECK(usage[0].tv_usec >= 0 && usage[0].tv_usec < 1000000);
}

CASE(files) {
  const int fd = (int)sys(SYS_open, "file", O_RDWR | O_CREAT, 0640);
  CHECK_EQ(sys(SYS_write, fd, "12345", 5), 5);
  const struct { long tv_sec, tv_usec; } times[2] = {{1000, 1}, {2000, 2}};
  CHECK_EQ(sys(SYS_utimes, "file", times), 0);
  struct stat now;
  struct stat30 s30;
  struct stat13 s13;
  CHECK_EQ(sys(SYS___fstat50, fd, &now), 0);
  for (int by_name = 0; by_name < 2; ++by_name) {
    memset(&s30, 0xff, sizeof s30);
    memset(&s13, 0xff, sizeof s13);
    CHECK_EQ(by_name ? sys(SYS___stat30, "file", &s30) : sys(SYS___fstat30, fd, &s30), 0);
    CHECK_EQ(by_name ? sys(SYS___stat13, "file", &s13) : sys(SYS___fstat13, fd, &s13), 0);
    CHECK_EQ(s30.st_ino, now.st_ino);
    CHECK_EQ(s13.st_ino, (uint32_t)now.st_ino);
    CHECK_EQ(s30.st_mode & 0xffff, 0100640);
    CHECK_EQ(s13.st_mode & 0xffff, 0100640);
    CHECK_EQ(s30.st_size, 5);
    CHECK_EQ(s13.st_size, 5);
    CHECK_EQ(s30.st_atim.tv_sec, 1000);
    CHECK_EQ(s13.st_atim.tv_nsec, 1000);
    CHECK_EQ(s30.st_mtim.tv_nsec, 2000);
    CHECK_EQ(s13.st_mtim.tv_sec, 2000);
  }
  CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
  CHECK(sys(SYS_open, "d/name", O_RDWR | O_CREAT, 0600) >= 0);
  const int directory = (int)sys(SYS_open, "d", O_RDONLY | O_DIRECTORY, 0);
  char buffer[512] __attribute__((aligned(8)));
  const long size = sys(SYS_getdents, directory, buffer, sizeof buffer);
  int seen = 0, named = 0;
  for (long at = 0; at < size; ++seen) {
    const struct dirent12* e = (void*)(buffer + at);
    CHECK_EQ(strlen(e->d_name), e->d_namlen);
    named += strcmp(e->d_name, "name") == 0;
    at += e->d_reclen;
  }
  CHECK_EQ(seen, 3);
  CHECK_EQ(named, 1);
}

CASE(processes_and_sockets) {
  CHECK(sys(SYS_socket, 1, 1, 0) >= 0);
  const long pid = start_process();
  if (pid == 0) quit(5);
  int status = -1;
  long usage[18];
  CHECK_EQ(sys(SYS_wait4, pid, &status, 0, usage), pid);
  CHECK_EQ(status, 5 << 8);
  CHECK(usage[1] >= 0 && usage[1] < 1000000);
}
