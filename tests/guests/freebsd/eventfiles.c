// eventfd, inotify, kcmp, fspacectl.
// Facts: FreeBSD 15.0 sys/sys/{specialfd,eventfd,inotify,fcntl}.h, sys/kern/{sys_eventfd,vfs_inotify}.c, kcmp(2).
#include "guest.h"

enum { SPECIALFD_EVENTFD = 1, SPECIALFD_INOTIFY = 2, EFD_SEMAPHORE = 1, EFD_NONBLOCK = 4, EFD_CLOEXEC = 0x100000 };
enum { IN_MODIFY = 2, IN_ATTRIB = 4, IN_CLOSE_WRITE = 8, IN_MOVED_FROM = 0x40, IN_MOVED_TO = 0x80, IN_CREATE = 0x100,
       IN_DELETE = 0x200, IN_IGNORED = 0x8000, IN_ONLYDIR = 0x1000000, IN_DONT_FOLLOW = 0x2000000,
       IN_MASK_CREATE = 0x10000000, IN_MASK_ADD = 0x20000000, IN_ISDIR = 0x40000000 };
enum { KCMP_FILE = 100, KCMP_FILEOBJ, KCMP_FILES, KCMP_SIGHAND, KCMP_VM };
struct event { int wd; uint32_t mask, cookie, len; char name[]; };
#define BAD ((void*)8)

static long new_eventfd(unsigned initial, int flags) {
  const struct { unsigned initval; int flags; } request = {initial, flags};
  return sys(SYS___specialfd, SPECIALFD_EVENTFD, &request, sizeof request);
}
static long new_inotify(int flags) { return sys(SYS___specialfd, SPECIALFD_INOTIFY, &flags, sizeof flags); }

CASE(eventfd) {
  const long fd = new_eventfd(5, EFD_NONBLOCK);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0) & (3 | O_NONBLOCK), O_RDWR | O_NONBLOCK);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
  uint64_t value = 0;
  CHECK_EQ(sys(SYS_read, fd, &value, 8), 8);
  CHECK_EQ(value, 5);
  CHECK_EQ(sys(SYS_read, fd, &value, 8), -EAGAIN);
  value = 1UL << 40;
  CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
  CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
  CHECK_EQ(sys(SYS_read, fd, &value, 8), 8);
  CHECK_EQ(value, 1UL << 41);
  value = ~0UL;
  CHECK_EQ(sys(SYS_write, fd, &value, 8), -EINVAL);
  value = ~1UL;
  CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
  value = 1;
  CHECK_EQ(sys(SYS_write, fd, &value, 8), -EAGAIN);
  CHECK_EQ(sys(SYS_read, fd, &value, 7), -EINVAL);
  CHECK_EQ(sys(SYS_read, fd, BAD, 8), -EFAULT);
  struct stat st;
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_mode & 0170000, 0010000);
  const long semaphore = new_eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK_EQ(sys(SYS_fcntl, semaphore, F_GETFD, 0), FD_CLOEXEC);
  for (int i = 0; i < 2; ++i) {
    CHECK_EQ(sys(SYS_read, semaphore, &value, 8), 8);
    CHECK_EQ(value, 1);
  }
  CHECK_EQ(sys(SYS_read, semaphore, &value, 8), -EAGAIN);
}
CASE(eventfd_wakes) {
  const long fd = new_eventfd(0, 0);
  struct pollfd p = {(int)fd, POLLIN | POLLOUT, 0};
  CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLOUT);
  const long pid = start_process();
  uint64_t value = 3;
  if (pid == 0) {
    sleep_ms(30);
    CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
    quit(0);
  }
  alarm_after(20);
  CHECK_EQ(sys(SYS_read, fd, &value, 8), 8);
  CHECK_EQ(value, 3);
  expect_exit(pid, 0);
  const long kq = sys(SYS_kqueue);
  struct kevent change = {(uint64_t)fd, EVFILT_READ, EV_ADD, 0, 0, 0, {0}}, event;
  struct timespec none = {0, 0}, long_time = {20, 0};
  CHECK_EQ(sys(SYS_kevent, kq, &change, 1, &event, 1, &none), 0);
  value = 1;
  CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &event, 1, &long_time), 1);
  CHECK_EQ(event.ident, fd);
}
CASE(specialfd_errors) {
  const struct { unsigned initval; int flags; } request = {0, 0};
  CHECK_EQ(sys(SYS___specialfd, 0, &request, sizeof request), -EINVAL);
  CHECK_EQ(sys(SYS___specialfd, 3, &request, sizeof request), -EINVAL);
  CHECK_EQ(sys(SYS___specialfd, SPECIALFD_EVENTFD, &request, 4), -EINVAL);
  CHECK_EQ(sys(SYS___specialfd, SPECIALFD_EVENTFD, BAD, 4), -EINVAL);
  CHECK_EQ(sys(SYS___specialfd, SPECIALFD_EVENTFD, BAD, sizeof request), -EFAULT);
  CHECK_EQ(sys(SYS___specialfd, SPECIALFD_INOTIFY, BAD, 4), -EFAULT);
  CHECK_EQ(sys(SYS___specialfd, SPECIALFD_INOTIFY, &request, 8), -EINVAL);
  CHECK_EQ(new_eventfd(0, 2), -EINVAL);
  CHECK_EQ(new_eventfd(0, -1), -EINVAL);
  CHECK_EQ(new_inotify(8), -EINVAL);
}

static char events[4096] __attribute__((aligned(8)));
// Reads the next event and checks it.
static void expect_event(long fd, long wd, unsigned mask, const char* name) {
  static long have, at;
  if (at == have) {
    have = sys(SYS_read, fd, events, sizeof events);
    at = 0;
    CHECK(have >= 16);
  }
  const struct event* e = (const struct event*)(void*)(events + at);
  CHECK_EQ(e->wd, wd);
  CHECK_EQ(e->mask, mask);
  if (name != 0) CHECK_EQ(strcmp(e->name, name), 0);
  if (name == 0) CHECK_EQ(e->len, 0);
  at += 16 + (long)e->len;
}
CASE(inotify_of_a_directory) {
  CHECK_EQ(sys(SYS_mkdir, "i.tmp", 0755), 0);
  const long dir = sys(SYS_open, "i.tmp", O_RDONLY | O_DIRECTORY, 0);
  const long fd = new_inotify(EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_read, fd, events, sizeof events), -EAGAIN);
  const long wd = sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "i.tmp",
                      IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
  CHECK_EQ(wd, 1);
  const long file = sys(SYS_openat, dir, "a", O_CREAT | O_WRONLY, 0644);
  expect_event(fd, wd, IN_CREATE, "a");
  CHECK_EQ(sys(SYS_write, file, "x", 1), 1);
  CHECK_EQ(sys(SYS_close, file), 0);
  CHECK_EQ(sys(SYS_renameat, dir, "a", dir, "b"), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, "b", 0), 0);
  CHECK_EQ(sys(SYS_mkdirat, dir, "c", 0755), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, "c", AT_REMOVEDIR), 0);
  expect_event(fd, wd, IN_MODIFY, "a");
  expect_event(fd, wd, IN_CLOSE_WRITE, "a");
  expect_event(fd, wd, IN_MOVED_FROM, "a");
  expect_event(fd, wd, IN_MOVED_TO, "b");
  expect_event(fd, wd, IN_DELETE, "b");
  expect_event(fd, wd, IN_CREATE | IN_ISDIR, "c");
  expect_event(fd, wd, IN_DELETE | IN_ISDIR, "c");
  // A second watch of the same directory is the first; by descriptor too.
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, dir, ".", IN_CREATE), wd);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, dir, ".", IN_CREATE | IN_MASK_CREATE), -EEXIST);
  CHECK_EQ(sys(SYS_inotify_rm_watch, fd, wd), 0);
  expect_event(fd, wd, IN_IGNORED, 0);
  CHECK_EQ(sys(SYS_inotify_rm_watch, fd, wd), -EINVAL);
  CHECK_EQ(sys(SYS_read, fd, events, sizeof events), -EAGAIN);
  CHECK_EQ(sys(SYS_rmdir, "i.tmp"), 0);
}
CASE(inotify_errors) {
  const long fd = new_inotify(0), other = new_eventfd(0, 0);
  CHECK(sys(SYS_open, "j.tmp", O_CREAT | O_WRONLY, 0644) >= 0);
  CHECK_EQ(sys(SYS_symlink, "none", "jl.tmp"), 0);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "j.tmp", 0), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "j.tmp", IN_ONLYDIR), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "j.tmp", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "j.tmp", IN_MODIFY | 0x1000), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "j.tmp", IN_MODIFY | IN_ONLYDIR), -ENOTDIR);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "none.tmp", IN_MODIFY), -ENOENT);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "jl.tmp", IN_MODIFY), -ENOENT);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "jl.tmp", IN_ATTRIB | IN_DONT_FOLLOW), 1);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, BAD, IN_MODIFY), -EFAULT);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, 999, "j.tmp", IN_MODIFY), -EBADF);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, 999, AT_FDCWD, "j.tmp", IN_MODIFY), -EBADF);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, 999, AT_FDCWD, "none.tmp", IN_MODIFY), -EBADF);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, other, AT_FDCWD, "j.tmp", IN_MODIFY), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, other, AT_FDCWD, "none.tmp", IN_MODIFY), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_rm_watch, fd, 77), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_rm_watch, other, 1), -EINVAL);
  CHECK_EQ(sys(SYS_inotify_rm_watch, 999, 1), -EBADF);
  CHECK_EQ(sys(SYS_chmod, "j.tmp", 0600), 0);
  CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "j.tmp", IN_ATTRIB), 2);
  CHECK_EQ(sys(SYS_chmod, "j.tmp", 0644), 0);
  CHECK_EQ(sys(SYS_read, fd, events, 8), -EINVAL);
  expect_event(fd, 2, IN_ATTRIB, 0);
  sys(SYS_unlink, "j.tmp"), sys(SYS_unlink, "jl.tmp");
}
CASE(kcmp) {
  const long me = sys(SYS_getpid);
  const long a = sys(SYS_open, "k.tmp", O_CREAT | O_RDWR, 0644), b = sys(SYS_open, "k.tmp", O_RDONLY, 0);
  const long c = sys(SYS_dup, a), null = sys(SYS_open, "/dev/null", O_RDONLY, 0);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_FILE, a, c), 0);
  const long order = sys(SYS_kcmp, me, me, KCMP_FILE, a, b);
  CHECK(order == 1 || order == 2);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_FILE, b, a), 3 - order);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_FILEOBJ, a, b), 0);
  CHECK(sys(SYS_kcmp, me, me, KCMP_FILEOBJ, a, null) > 0);
  CHECK(sys(SYS_kcmp, me, me, KCMP_FILEOBJ, new_eventfd(0, 0), new_eventfd(0, 0)) > 0);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_FILES, 0, 0), 0);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_SIGHAND, 0, 0), 0);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_VM, 0, 0), 0);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_FILE, a, 999), -EBADF);
  CHECK_EQ(sys(SYS_kcmp, me, me, KCMP_FILEOBJ, 999, a), -EBADF);
  CHECK_EQ(sys(SYS_kcmp, me, me, 99, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_kcmp, me, me, 0, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_kcmp, me, 99999999, KCMP_VM, 0, 0), -ESRCH);
  const long pid = start_process();
  if (pid == 0) {
    sleep_ms(3000);
    quit(0);
  }
  CHECK_EQ(sys(SYS_kcmp, me, pid, KCMP_FILE, a, a), 0);
  CHECK(sys(SYS_kcmp, me, pid, KCMP_VM, 0, 0) > 0);
  CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
  wait_for(pid);
  CHECK_EQ(sys(SYS_unlink, "k.tmp"), 0);
}
CASE(fspacectl) {
  struct { long offset, length; } range = {4096, 8192}, rest;
  static char bytes[20000], back[20000];
  memset(bytes, 'x', sizeof bytes);
  const long fd = sys(SYS_open, "h.tmp", O_CREAT | O_RDWR, 0644);
  CHECK_EQ(sys(SYS_write, fd, bytes, sizeof bytes), sizeof bytes);
  const long result = sys(SYS_fspacectl, fd, 1, &range, 0, &rest);
  if (result == -EOPNOTSUPP) return;
  CHECK_EQ(result, 0);
  CHECK_EQ(rest.offset, 12288);
  CHECK_EQ(rest.length, 0);
  memset(bytes + 4096, 0, 8192);
  CHECK_EQ(sys(SYS_pread, fd, back, sizeof back, 0), sizeof back);
  CHECK_EQ(memcmp(bytes, back, sizeof back), 0);
  range.offset = 19000, range.length = 1L << 40;       // past the end: up to the end
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 0, &range), 0);
  CHECK_EQ(range.offset, 20000);
  CHECK_EQ(range.length, 0);
  struct stat st;
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_size, 20000);
  range.offset = 30000, range.length = 10;             // after the end: nothing
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 0, &rest), 0);
  CHECK_EQ(rest.offset, 30000);
  CHECK_EQ(rest.length, 0);
  range.length = 0;
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 0, &rest), -EINVAL);
  CHECK_EQ(rest.offset, 30000);
  range.length = 0x7fffffffffffffff;
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 0, 0), -EINVAL);
  range.offset = -1, range.length = 1;
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 0, 0), -EINVAL);
  range.offset = 0;
  CHECK_EQ(sys(SYS_fspacectl, fd, 2, &range, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, BAD, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, 0, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_fspacectl, fd, 1, &range, 0, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_fspacectl, 999, 1, &range, 0, 0), -EBADF);
  CHECK_EQ(sys(SYS_fspacectl, sys(SYS_open, "h.tmp", O_RDONLY, 0), 1, &range, 0, 0), -EBADF);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_fspacectl, fds[1], 1, &range, 0, 0), -ESPIPE);
  CHECK_EQ(sys(SYS_fspacectl, sys(SYS_open, "/dev/null", O_RDWR, 0), 1, &range, 0, 0), -ENODEV);
  CHECK_EQ(sys(SYS_unlink, "h.tmp"), 0);
}
