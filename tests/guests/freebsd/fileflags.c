// File flags: FreeBSD 14.0 sys/sys/stat.h, sys/kern/vfs_syscalls.c.
#include "guest.h"

enum { UF_NODUMP = 1, UF_IMMUTABLE = 2, UF_HIDDEN = 0x8000, SF_IMMUTABLE = 0x20000, SF_APPEND = 0x40000 };
enum { AT_RESOLVE_BENEATH = 0x2000, AT_EMPTY_PATH = 0x4000, ENOTCAPABLE = 93 };

static long new_file(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  return fd;
}
static unsigned flags_of(const char* path) {
  struct stat st;
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW), 0);
  return st.st_flags;
}

CASE(clearing_nothing_succeeds) {
  const long fd = new_file("f.tmp");
  CHECK_EQ(sys(SYS_symlink, "f.tmp", "l.tmp"), 0);
  CHECK_EQ(sys(SYS_symlink, "gone", "dangling.tmp"), 0);
  CHECK_EQ(flags_of("f.tmp"), 0);
  CHECK_EQ(sys(SYS_chflags, "f.tmp", 0), 0);
  CHECK_EQ(sys(SYS_chflags, "l.tmp", 0), 0);
  CHECK_EQ(sys(SYS_lchflags, "l.tmp", 0), 0);
  CHECK_EQ(sys(SYS_lchflags, "dangling.tmp", 0), 0);
  CHECK_EQ(sys(SYS_chflags, "dangling.tmp", 0), -ENOENT);
  CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
  CHECK_EQ(sys(SYS_mkdir, "fd.tmp", 0755), 0);
  CHECK_EQ(sys(SYS_chflags, "fd.tmp", 0), 0);
  CHECK_EQ(sys(SYS_rmdir, "fd.tmp"), 0);
  CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "l.tmp", 0, AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(sys(SYS_chflagsat, fd, "", 0, AT_EMPTY_PATH), 0);
  CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "f.tmp", 0, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "/dev/null", 0, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "f.tmp", 0, 1), -EINVAL);
  sys(SYS_unlink, "f.tmp"), sys(SYS_unlink, "l.tmp"), sys(SYS_unlink, "dangling.tmp");
}
CASE(nodump_is_kept) {
  const long fd = new_file("n.tmp");
  const long set = sys(SYS_chflags, "n.tmp", UF_NODUMP);
  if (set == -EOPNOTSUPP) return;   // the file system does not keep it
  CHECK_EQ(set, 0);
  CHECK_EQ(flags_of("n.tmp"), UF_NODUMP);
  CHECK_EQ(sys(SYS_fchflags, fd, UF_NODUMP), 0);
  // What stat showed can be given back, as cp -p does.
  CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "n.tmp", flags_of("n.tmp"), 0), 0);
  CHECK_EQ(flags_of("n.tmp"), UF_NODUMP);
  CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
  CHECK_EQ(flags_of("n.tmp"), 0);
  CHECK_EQ(sys(SYS_mkdir, "nd.tmp", 0755), 0);
  CHECK_EQ(sys(SYS_lchflags, "nd.tmp", UF_NODUMP), 0);
  CHECK_EQ(flags_of("nd.tmp"), UF_NODUMP);
  CHECK_EQ(sys(SYS_rmdir, "nd.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "n.tmp"), 0);
}
CASE(flags_of_the_superuser) {
  const long fd = new_file("s.tmp");
  const long set = sys(SYS_chflags, "s.tmp", SF_APPEND);
  if (sys(SYS_geteuid) != 0) {
    CHECK_EQ(set, -EPERM);
    CHECK_EQ(sys(SYS_fchflags, fd, SF_IMMUTABLE), -EPERM);
  } else if (set != -EOPNOTSUPP && set != -EPERM) {   // a container's root may not
    CHECK_EQ(set, 0);
    CHECK_EQ(flags_of("s.tmp"), SF_APPEND);
    CHECK_EQ(sys(SYS_unlink, "s.tmp"), -EPERM);
    CHECK_EQ(sys(SYS_open, "s.tmp", O_RDWR, 0), -EPERM);
    CHECK(sys(SYS_open, "s.tmp", O_WRONLY | O_APPEND, 0) >= 0);
    CHECK_EQ(sys(SYS_chflags, "s.tmp", SF_IMMUTABLE | UF_NODUMP), 0);
    CHECK_EQ(flags_of("s.tmp"), SF_IMMUTABLE | UF_NODUMP);
    CHECK_EQ(sys(SYS_open, "s.tmp", O_WRONLY | O_APPEND, 0), -EPERM);
    CHECK_EQ(sys(SYS_chflags, "s.tmp", 0), 0);
  }
  CHECK_EQ(sys(SYS_unlink, "s.tmp"), 0);
}
CASE(errors) {
  const long fd = new_file("e.tmp");
  CHECK_EQ(sys(SYS_chflags, "e.tmp", UF_HIDDEN), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_chflags, "e.tmp", UF_IMMUTABLE), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_chflags, "e.tmp", 0x80000000), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_fchflags, fd, -1L), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_chflags, "e.tmp", 1UL << 40), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_chflags, "none.tmp", 0), -ENOENT);
  CHECK_EQ(sys(SYS_chflags, "e.tmp/x", 0), -ENOTDIR);
  CHECK_EQ(sys(SYS_chflags, 8, 0), -EFAULT);
  CHECK_EQ(sys(SYS_chflags, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_fchflags, -1, 0), -EBADF);
  CHECK_EQ(sys(SYS_fchflags, 999, 0), -EBADF);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_fchflags, fds[0], 0), -EINVAL);
  CHECK_EQ(sys(SYS_chflagsat, 999, "", 0, AT_EMPTY_PATH), -EBADF);
  if (sys(SYS_geteuid) != 0) {
    CHECK_EQ(sys(SYS_chflags, "/", 0), -EPERM);
    CHECK_EQ(sys(SYS_chflags, "/dev/null", 0), -EPERM);
  }
  CHECK_EQ(flags_of("e.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "e.tmp"), 0);
}
