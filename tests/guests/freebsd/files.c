// Files: opening, directories, stat, locks, large offsets.
#include "guest.h"

static long open_new(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  return fd;
}

CASE(open_flags) {
  sys(SYS_unlink, "f.tmp");
  CHECK_EQ(sys(SYS_open, "f.tmp", O_RDONLY, 0), -ENOENT);
  const long fd = sys(SYS_open, "f.tmp", O_RDWR | O_CREAT | O_EXCL, 0640);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_open, "f.tmp", O_RDWR | O_CREAT | O_EXCL, 0640), -EEXIST);
  CHECK_EQ(sys(SYS_write, fd, "12345", 5), 5);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0) & 3, O_RDWR);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
  const long append = sys(SYS_open, "f.tmp", O_WRONLY | O_APPEND | O_CLOEXEC, 0);
  CHECK(append >= 0);
  CHECK_EQ(sys(SYS_fcntl, append, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_fcntl, append, F_GETFL, 0) & (3 | O_APPEND), O_WRONLY | O_APPEND);
  CHECK_EQ(sys(SYS_write, append, "67", 2), 2);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 2), 7);
  CHECK_EQ(sys(SYS_fcntl, append, F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(sys(SYS_fcntl, append, F_GETFL, 0) & (O_APPEND | O_NONBLOCK), O_NONBLOCK);
  char c;
  CHECK_EQ(sys(SYS_read, append, &c, 1), -EBADF);
  CHECK_EQ(sys(SYS_open, "f.tmp", O_DIRECTORY, 0), -ENOTDIR);
  CHECK_EQ(sys(SYS_open, ".", O_WRONLY, 0), -EISDIR);
  CHECK_EQ(sys(SYS_symlink, "f.tmp", "l.tmp"), 0);
  CHECK_EQ(sys(SYS_open, "l.tmp", O_NOFOLLOW, 0), -31);  // EMLINK: what FreeBSD says here
  CHECK(sys(SYS_open, "f.tmp", O_RDWR | O_TRUNC, 0) >= 0);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 2), 0);
  CHECK_EQ(sys(SYS_unlink, "l.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "f.tmp"), 0);
}
CASE(stat_fields) {
  const long fd = open_new("s.tmp");
  CHECK_EQ(sys(SYS_write, fd, "hello", 5), 5);
  CHECK_EQ(sys(SYS_chmod, "s.tmp", 0604), 0);
  CHECK_EQ(sys(SYS_link, "s.tmp", "s2.tmp"), 0);
  struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
  CHECK_EQ(sys(SYS_futimens, fd, times), 0);
  struct stat a, b, c;
  CHECK_EQ(sys(SYS_fstat, fd, &a), 0);
  CHECK_EQ(a.st_size, 5);
  CHECK_EQ(a.st_mode, 0100604);
  CHECK_EQ(a.st_nlink, 2);
  CHECK_EQ(a.st_uid, sys(SYS_geteuid));
  CHECK_EQ(a.st_atim.tv_sec, 1000000000);
  CHECK_EQ(a.st_atim.tv_nsec, 123456789);
  CHECK_EQ(a.st_mtim.tv_sec, 1100000000);
  CHECK_EQ(a.st_mtim.tv_nsec, 987654321);
  CHECK(a.st_blksize >= 512);
  CHECK(a.st_ino != 0);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "s2.tmp", &b, 0), 0);
  CHECK_EQ(a.st_ino, b.st_ino);
  CHECK_EQ(a.st_dev, b.st_dev);
  CHECK_EQ(sys(SYS_symlink, "s.tmp", "s3.tmp"), 0);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "s3.tmp", &c, AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(c.st_mode & 0170000, 0120000);
  CHECK_EQ(c.st_size, 5);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "s3.tmp", &c, 0), 0);
  CHECK_EQ(c.st_ino, a.st_ino);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, ".", &c, 0), 0);
  CHECK_EQ(c.st_mode & 0170000, 0040000);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "/dev/null", &c, 0), 0);
  CHECK_EQ(c.st_mode & 0170000, 0020000);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_fstat, fds[0], &c), 0);
  CHECK_EQ(c.st_mode & 0170000, 0010000);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "none.tmp", &c, 0), -ENOENT);
  CHECK_EQ(sys(SYS_fstat, fd, 8), -EFAULT);
  sys(SYS_unlink, "s.tmp"), sys(SYS_unlink, "s2.tmp"), sys(SYS_unlink, "s3.tmp");
}
CASE(directories) {
  enum { kFiles = 3000 };
  static char seen[kFiles];
  char name[64], digits[24];
  CHECK_EQ(sys(SYS_mkdir, "d.tmp", 0755), 0);
  for (unsigned long i = 0; i < kFiles; ++i) {
    join(name, "d.tmp/entry-", number(digits, i));
    const long fd = sys(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    sys(SYS_close, fd);
  }
  const unsigned long sizes[] = {64, 96, 512, 1000, 4096, 65536};
  for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
    const long fd = sys(SYS_openat, AT_FDCWD, "d.tmp", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    memset(seen, 0, sizeof seen);
    int found = 0, dots = 0;
    static char buffer[65536] __attribute__((aligned(8)));
    for (;;) {
      long base = -1;
      const long n = sys(SYS_getdirentries, fd, buffer, sizes[s], &base);
      CHECK(n >= 0 && n <= (long)sizes[s]);
      CHECK(base >= 0);
      if (n == 0) break;
      for (long at = 0; at < n;) {
        const struct dirent* d = (const struct dirent*)(void*)(buffer + at);
        CHECK(d->d_reclen >= 32 && d->d_reclen % 8 == 0 && at + d->d_reclen <= n);
        CHECK_EQ(strlen(d->d_name), d->d_namlen);
        CHECK(d->d_fileno != 0);
        if (d->d_name[0] == '.') {
          ++dots;
          CHECK_EQ(d->d_type, 4);
        } else {
          CHECK_EQ(d->d_type, 8);
          const long i = parse(d->d_name + 6);
          CHECK(i >= 0 && i < kFiles && !seen[i]);
          seen[i] = 1;
          ++found;
        }
        at += d->d_reclen;
      }
    }
    CHECK_EQ(found, kFiles);
    CHECK_EQ(dots, 2);
    CHECK_EQ(sys(SYS_lseek, fd, 0, 0), 0);
    CHECK(sys(SYS_getdirentries, fd, buffer, sizeof buffer, 0) > 0);
    CHECK_EQ(sys(SYS_close, fd), 0);
  }
  const long fd = sys(SYS_openat, AT_FDCWD, "d.tmp", O_RDONLY | O_DIRECTORY);
  char tiny[8];
  CHECK_EQ(sys(SYS_getdirentries, fd, tiny, sizeof tiny, 0), -EINVAL);
  CHECK_EQ(sys(SYS_getdirentries, fd, 8, 4096, 0), -EFAULT);
  CHECK_EQ(sys(SYS_rmdir, "d.tmp"), -ENOTEMPTY);
  for (unsigned long i = 0; i < kFiles; ++i) CHECK_EQ(sys(SYS_unlink, join(name, "d.tmp/entry-", number(digits, i))), 0);
  CHECK_EQ(sys(SYS_rmdir, "d.tmp"), 0);
}
CASE(large_offsets) {
  const long fd = open_new("large.tmp");
  const long far = 5L << 30;
  CHECK_EQ(sys(SYS_pwrite, fd, "end", 3, far), 3);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 2), far + 3);
  char buffer[4] = {0};
  CHECK_EQ(sys(SYS_pread, fd, buffer, 3, far), 3);
  CHECK_EQ(strcmp(buffer, "end"), 0);
  CHECK_EQ(sys(SYS_freebsd6_pread, fd, buffer, 3, 0, far), 3);
  CHECK_EQ(sys(SYS_freebsd6_lseek, fd, 0, far + 1, 0), far + 1);
  struct stat st;
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_size, far + 3);
  char* p = (char*)sys(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, fd, far);
  CHECK((long)p > 0);
  CHECK_EQ(memcmp(p, "end", 3), 0);
  CHECK_EQ(sys(SYS_ftruncate, fd, far + 100), 0);
  CHECK_EQ(sys(SYS_lseek, fd, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 99), -EINVAL);
  CHECK_EQ(sys(SYS_unlink, "large.tmp"), 0);
}
CASE(locks) {
  const long fd = open_new("lock.tmp");
  struct flock lock = {10, 5, 0, F_WRLCK, 0, 0, 0};
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &lock), 0);
  const long parent = sys(SYS_getpid), pid = start_process();
  if (pid == 0) {
    struct flock look = {0, 100, 0, F_WRLCK, 0, 0, 0};
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &look), 0);
    CHECK_EQ(look.l_type, F_WRLCK);
    CHECK_EQ(look.l_start, 10);
    CHECK_EQ(look.l_len, 5);
    CHECK_EQ(look.l_pid, parent);
    struct flock mine = {12, 1, 0, F_RDLCK, 0, 0, 0};
    CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &mine), -EAGAIN);
    mine.l_start = 20;
    CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &mine), 0);
    look.l_start = 30;
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &look), 0);
    CHECK_EQ(look.l_type, F_UNLCK);
    quit(0);
  }
  expect_exit(pid, 0);
  lock.l_type = F_UNLCK;
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &lock), 0);
  // flock() and its open flags.
  CHECK_EQ(sys(SYS_flock, fd, 2 | 4), 0);
  const long other = sys(SYS_openat, AT_FDCWD, "lock.tmp", O_RDONLY);
  CHECK_EQ(sys(SYS_flock, other, 1 | 4), -EAGAIN);
  CHECK_EQ(sys(SYS_openat, AT_FDCWD, "lock.tmp", O_RDONLY | O_EXLOCK | O_NONBLOCK), -EAGAIN);
  CHECK_EQ(sys(SYS_flock, fd, 8), 0);
  CHECK(sys(SYS_openat, AT_FDCWD, "lock.tmp", O_RDONLY | O_EXLOCK | O_NONBLOCK) >= 0);
  CHECK_EQ(sys(SYS_unlink, "lock.tmp"), 0);
}
CASE(vectors) {
  const long fd = open_new("v.tmp");
  struct iovec out[] = {{"abc", 3}, {"", 0}, {"defg", 4}};
  CHECK_EQ(sys(SYS_writev, fd, out, 3), 7);
  char a[2], b[8];
  struct iovec in[] = {{a, 2}, {b, 8}};
  CHECK_EQ(sys(SYS_preadv, fd, in, 2, 1), 6);
  CHECK_EQ(memcmp(a, "bc", 2), 0);
  CHECK_EQ(memcmp(b, "defg", 4), 0);
  CHECK_EQ(sys(SYS_writev, fd, out, 100000), -EINVAL);
  struct iovec bad[] = {{(void*)8, 4}};
  CHECK_EQ(sys(SYS_writev, fd, bad, 1), -EFAULT);
  CHECK_EQ(sys(SYS_writev, fd, 8, 1), -EFAULT);
  CHECK_EQ(sys(SYS_unlink, "v.tmp"), 0);
}
CASE(names) {
  char cwd[1024], buffer[64];
  CHECK(sys(SYS___getcwd, cwd, sizeof cwd) >= 0);
  CHECK_EQ(cwd[0], '/');
  CHECK_EQ(sys(SYS___getcwd, cwd, 2), -ENOMEM);   // getcwd(3) makes it ERANGE
  CHECK_EQ(sys(SYS_mkdir, "n.tmp", 0755), 0);
  const long dir = sys(SYS_openat, AT_FDCWD, "n.tmp", O_RDONLY | O_DIRECTORY);
  CHECK_EQ(sys(SYS_symlinkat, "target", dir, "link"), 0);
  CHECK_EQ(sys(SYS_readlinkat, dir, "link", buffer, sizeof buffer), 6);
  CHECK_EQ(memcmp(buffer, "target", 6), 0);
  CHECK_EQ(sys(SYS_mkdirat, dir, "sub", 0700), 0);
  CHECK_EQ(sys(SYS_renameat, dir, "sub", dir, "bus"), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, "bus", 0), -EPERM);    // a directory: EPERM on FreeBSD
  CHECK_EQ(sys(SYS_unlinkat, dir, "bus", AT_REMOVEDIR), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, "link", 0), 0);
  CHECK_EQ(sys(SYS_faccessat, dir, "link", 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_fchdir, dir), 0);
  CHECK_EQ(sys(SYS_chdir, ".."), 0);
  CHECK_EQ(sys(SYS_rmdir, "n.tmp"), 0);
  CHECK(sys(SYS_pathconf, "/", 4) >= 14);
}
CASE(descriptors) {
  const long fd = open_new("fd.tmp");
  const long copy = sys(SYS_fcntl, fd, F_DUPFD, 50);
  CHECK_EQ(copy, 50);
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 60), 60);
  CHECK_EQ(sys(SYS_fcntl, 60, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_dup2, fd, 70), 70);
  CHECK_EQ(sys(SYS_dup2, fd, -1), -EBADF);
  CHECK_EQ(sys(SYS_dup2, -1, 71), -EBADF);
  CHECK_EQ(sys(SYS_close_range, 50, 65, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, 50, F_GETFD, 0), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, 70, F_GETFD, 0), 0);
  CHECK_EQ(sys(SYS_close_range, 70, 0xffffffff, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, 70, F_GETFD, 0), -EBADF);
  CHECK_EQ(sys(SYS_getpid) > 0, 1);
  CHECK_EQ(sys(SYS_unlink, "fd.tmp"), 0);
}
CASE(closing_everything_leaves_the_runtime_intact) {
  const long kq = sys(SYS_kqueue);
  CHECK(kq >= 0);
  for (int fd = 3; fd < 2000; ++fd) sys(SYS_close, fd);
  CHECK_EQ(sys(SYS_freebsd12_closefrom, 3), 0);
  for (int fd = 3; fd < 1100000; fd = fd < 5000 ? fd + 1 : fd * 5 / 4) {
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), -EBADF);
    CHECK(sys(SYS_dup2, 0, fd) < 0 || sys(SYS_close, fd) == 0);
  }
  struct timespec t;
  CHECK_EQ(sys(SYS_clock_gettime, 0, &t), 0);
  const long pid = start_process();
  if (pid == 0) quit(0);
  expect_exit(pid, 0);
}
CASE(umask_and_modes) {
  CHECK(sys(SYS_umask, 027) >= 0);
  CHECK_EQ(sys(SYS_umask, 022), 027);
  sys(SYS_umask, 027);
  const long fd = sys(SYS_openat, AT_FDCWD, "m.tmp", O_CREAT | O_WRONLY, 0666);
  struct stat st;
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0640);
  CHECK_EQ(sys(SYS_fchmod, fd, 0123), 0);
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0123);
  CHECK_EQ(sys(SYS_unlink, "m.tmp"), 0);
}
