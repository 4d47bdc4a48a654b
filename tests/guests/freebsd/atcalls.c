// Calls relative to a directory, with FreeBSD's AT_ flags; access control lists; clones of file ranges.
// Facts: FreeBSD 15.0 sys/sys/fcntl.h, sys/kern/vfs_syscalls.c, sys/kern/vfs_acl.c, copy_file_range(2).
#include "guest.h"

enum { AT_SYMLINK_FOLLOW = 0x400, AT_RESOLVE_BENEATH = 0x2000, AT_EMPTY_PATH = 0x4000, ENOTCAPABLE = 93, EXDEV = 18 };
enum { O_PATH = 0x400000, FD_NONE = -200 };
#define BAD ((void*)8)

static long new_file(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  return fd;
}
static struct stat stat_of(const char* path) {
  struct stat st;
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW), 0);
  return st;
}
// A directory "t.tmp" with the file "in/file", a link "out" that leads out of it, and a link "near" that does not.
static long tree(void) {
  CHECK_EQ(sys(SYS_mkdir, "t.tmp", 0755), 0);
  const long dir = sys(SYS_openat, AT_FDCWD, "t.tmp", O_RDONLY | O_DIRECTORY);
  CHECK_EQ(sys(SYS_mkdirat, dir, "in", 0755), 0);
  CHECK(sys(SYS_openat, dir, "in/file", O_CREAT | O_WRONLY, 0644) >= 0);
  CHECK_EQ(sys(SYS_symlinkat, "../outside.tmp", dir, "out"), 0);
  CHECK_EQ(sys(SYS_symlinkat, "in/file", dir, "near"), 0);
  new_file("outside.tmp");
  return dir;
}
static void remove_tree(void) {
  sys(SYS_unlink, "t.tmp/in/file"), sys(SYS_unlink, "t.tmp/out"), sys(SYS_unlink, "t.tmp/near");
  CHECK_EQ(sys(SYS_rmdir, "t.tmp/in"), 0);
  CHECK_EQ(sys(SYS_rmdir, "t.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "outside.tmp"), 0);
}

CASE(fchmodat_and_lchmod) {
  const long dir = tree();
  CHECK_EQ(sys(SYS_fchmodat, dir, "in/file", 0600, 0), 0);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0600);
  CHECK_EQ(sys(SYS_fchmodat, dir, "near", 0640, 0), 0);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0640);
  CHECK_EQ(sys(SYS_fchmodat, dir, "in/file", 0604, AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0604);
  CHECK_EQ(sys(SYS_fchmodat, dir, "near", 0600, AT_SYMLINK_NOFOLLOW), -EOPNOTSUPP);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0604);
  CHECK_EQ(sys(SYS_fchmodat, dir, "near", 0611, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0611);
  CHECK_EQ(sys(SYS_fchmodat, dir, "out", 0600, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_fchmodat, dir, "../outside.tmp", 0600, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_fchmodat, dir, "/dev/null", 0600, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  const long file = sys(SYS_openat, dir, "in/file", O_PATH);
  CHECK(file >= 0);
  CHECK_EQ(sys(SYS_fchmodat, file, "", 0644, AT_EMPTY_PATH), 0);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0644);
  CHECK_EQ(sys(SYS_lchmod, "t.tmp/in/file", 0666), 0);
  CHECK_EQ(stat_of("t.tmp/in/file").st_mode & 07777, 0666);
  CHECK_EQ(sys(SYS_lchmod, "t.tmp/near", 0600), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_lchmod, "t.tmp/near", 0777), 0);  // which it has
  CHECK_EQ(sys(SYS_fchmodat, dir, "in/file", 0600, AT_SYMLINK_FOLLOW), -EINVAL);
  CHECK_EQ(sys(SYS_fchmodat, dir, "none", 0600, 0), -ENOENT);
  CHECK_EQ(sys(SYS_fchmodat, dir, "none", 0600, AT_RESOLVE_BENEATH), -ENOENT);
  CHECK_EQ(sys(SYS_fchmodat, 999, "none", 0600, 0), -EBADF);
  CHECK_EQ(sys(SYS_fchmodat, 999, "none", 0600, AT_RESOLVE_BENEATH), -EBADF);
  CHECK_EQ(sys(SYS_fchmodat, 999, "", 0600, AT_EMPTY_PATH), -EBADF);
  CHECK_EQ(sys(SYS_fchmodat, dir, BAD, 0600, 0), -EFAULT);
  CHECK_EQ(sys(SYS_fchmodat, dir, 0, 0600, AT_EMPTY_PATH), -EFAULT);
  CHECK_EQ(sys(SYS_lchmod, BAD, 0600), -EFAULT);
  remove_tree();
}
CASE(fchownat) {
  const long dir = tree();
  const long uid = sys(SYS_geteuid);
  CHECK_EQ(sys(SYS_fchownat, dir, "near", uid, -1, 0), 0);
  CHECK_EQ(sys(SYS_fchownat, dir, "near", uid, -1, AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(sys(SYS_fchownat, dir, "near", -1, -1, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(sys(SYS_fchownat, dir, "out", -1, -1, AT_RESOLVE_BENEATH | AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(sys(SYS_fchownat, dir, "out", -1, -1, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_fchownat, dir, "", -1, -1, AT_EMPTY_PATH), 0);
  CHECK_EQ(sys(SYS_fchownat, dir, "", -1, -1, 0), -ENOENT);
  CHECK_EQ(sys(SYS_fchownat, dir, "near", -1, -1, AT_SYMLINK_FOLLOW), -EINVAL);
  CHECK_EQ(sys(SYS_fchownat, dir, BAD, -1, -1, 0), -EFAULT);
  CHECK_EQ(sys(SYS_fchownat, 999, "near", -1, -1, 0), -EBADF);
  if (uid != 0) CHECK_EQ(sys(SYS_fchownat, dir, "near", 0, -1, 0), -EPERM);
  if (uid == 0) {
    CHECK_EQ(sys(SYS_fchownat, dir, "near", 12, 34, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_EQ(stat_of("t.tmp/near").st_uid, 12);
    CHECK_EQ(stat_of("t.tmp/near").st_gid, 34);
    CHECK_EQ(stat_of("t.tmp/in/file").st_uid, 0);
  }
  remove_tree();
}
CASE(linkat) {
  const long dir = tree();
  CHECK_EQ(sys(SYS_linkat, dir, "in/file", AT_FDCWD, "k1.tmp", 0), 0);
  CHECK_EQ(stat_of("k1.tmp").st_ino, stat_of("t.tmp/in/file").st_ino);
  CHECK_EQ(sys(SYS_linkat, dir, "near", AT_FDCWD, "k2.tmp", 0), 0);
  CHECK_EQ(stat_of("k2.tmp").st_mode & 0170000, 0120000);
  CHECK_EQ(sys(SYS_linkat, dir, "near", AT_FDCWD, "k3.tmp", AT_SYMLINK_FOLLOW), 0);
  CHECK_EQ(stat_of("k3.tmp").st_ino, stat_of("t.tmp/in/file").st_ino);
  CHECK_EQ(sys(SYS_linkat, dir, "near", AT_FDCWD, "k4.tmp", AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(stat_of("k4.tmp").st_mode & 0170000, 0120000);
  CHECK_EQ(sys(SYS_linkat, dir, "near", AT_FDCWD, "k5.tmp", AT_RESOLVE_BENEATH | AT_SYMLINK_FOLLOW), 0);
  CHECK_EQ(stat_of("k5.tmp").st_ino, stat_of("t.tmp/in/file").st_ino);
  CHECK_EQ(sys(SYS_linkat, dir, "out", AT_FDCWD, "k6.tmp", AT_RESOLVE_BENEATH | AT_SYMLINK_FOLLOW), -ENOTCAPABLE);
  const long file = sys(SYS_openat, dir, "in/file", O_RDONLY);
  CHECK_EQ(sys(SYS_linkat, file, "", AT_FDCWD, "k6.tmp", AT_EMPTY_PATH), 0);
  CHECK_EQ(stat_of("k6.tmp").st_ino, stat_of("t.tmp/in/file").st_ino);
  CHECK_EQ(sys(SYS_linkat, dir, "in/file", AT_FDCWD, "k1.tmp", 0), -EEXIST);
  CHECK_EQ(sys(SYS_linkat, dir, "in/file", AT_FDCWD, "k1.tmp", AT_RESOLVE_BENEATH), -EEXIST);
  CHECK_EQ(sys(SYS_linkat, dir, "in", AT_FDCWD, "k7.tmp", 0), -EPERM);
  CHECK_EQ(sys(SYS_linkat, dir, "none", AT_FDCWD, "k7.tmp", 0), -ENOENT);
  CHECK_EQ(sys(SYS_linkat, dir, "in/file", AT_FDCWD, "k7.tmp", AT_REMOVEDIR), -EINVAL);
  CHECK_EQ(sys(SYS_linkat, dir, BAD, AT_FDCWD, "k7.tmp", 0), -EFAULT);
  CHECK_EQ(sys(SYS_linkat, dir, "in/file", AT_FDCWD, BAD, AT_RESOLVE_BENEATH), -EFAULT);
  CHECK_EQ(sys(SYS_linkat, 999, "in/file", AT_FDCWD, "k7.tmp", 0), -EBADF);
  char name[8] = "k1.tmp";
  for (; name[1] <= '6'; ++name[1]) CHECK_EQ(sys(SYS_unlink, name), 0);
  remove_tree();
}
CASE(unlinkat_beneath) {
  const long dir = tree();
  CHECK_EQ(sys(SYS_unlinkat, dir, "../outside.tmp", AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_unlinkat, dir, "/dev/null", AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_unlinkat, dir, "out/x", AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_unlinkat, dir, "..", AT_RESOLVE_BENEATH | AT_REMOVEDIR), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_unlinkat, dir, "none", AT_RESOLVE_BENEATH), -ENOENT);
  CHECK_EQ(sys(SYS_unlinkat, dir, "", AT_RESOLVE_BENEATH), -ENOENT);
  CHECK_EQ(sys(SYS_unlinkat, dir, "in", AT_RESOLVE_BENEATH), -EPERM);
  CHECK_EQ(sys(SYS_unlinkat, dir, "in/", AT_RESOLVE_BENEATH | AT_REMOVEDIR), -ENOTEMPTY);
  CHECK_EQ(sys(SYS_unlinkat, dir, "in/file", AT_RESOLVE_BENEATH | AT_REMOVEDIR), -ENOTDIR);
  CHECK_EQ(sys(SYS_unlinkat, dir, "out", AT_RESOLVE_BENEATH), 0);    // the link, not what it means
  CHECK_EQ(stat_of("outside.tmp").st_nlink, 1);
  CHECK_EQ(sys(SYS_unlinkat, dir, "in/../in//file", AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, "in/file", AT_RESOLVE_BENEATH), -ENOENT);
  CHECK_EQ(sys(SYS_mkdirat, dir, "in/sub", 0755), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, "in/sub//", AT_RESOLVE_BENEATH | AT_REMOVEDIR), 0);
  CHECK_EQ(sys(SYS_unlinkat, dir, BAD, AT_RESOLVE_BENEATH), -EFAULT);
  CHECK_EQ(sys(SYS_unlinkat, 999, "x", AT_RESOLVE_BENEATH), -EBADF);
  CHECK_EQ(sys(SYS_unlinkat, dir, "near", AT_EMPTY_PATH), -EINVAL);
  // funlinkat removes the name only while it means the descriptor's file.
  const long file = sys(SYS_openat, dir, "near", O_RDONLY | O_CREAT, 0644);
  CHECK(file >= 0);
  CHECK_EQ(sys(SYS_funlinkat, dir, "near", file, 0), -EDEADLK);     // it is the link
  CHECK_EQ(sys(SYS_funlinkat, dir, "in/file", file, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(sys(SYS_funlinkat, dir, "near", FD_NONE, 0), 0);
  CHECK_EQ(sys(SYS_funlinkat, dir, "near", 999, 0), -EBADF);
  remove_tree();
}
CASE(acl_calls_as_without_acls) {
  static char acl[4096] __attribute__((aligned(8)));
  *(uint32_t*)(void*)acl = 254;
  const long fd = new_file("a.tmp");
  int fds[2];
  make_pipe(fds);
  const int by_fd[] = {SYS___acl_get_fd, SYS___acl_set_fd, SYS___acl_delete_fd, SYS___acl_aclcheck_fd};
  for (unsigned i = 0; i < 4; ++i) {
    CHECK_EQ(sys(by_fd[i], fd, 2, acl), -EOPNOTSUPP);
    CHECK_EQ(sys(by_fd[i], -1, 2, acl), -EBADF);
    CHECK_EQ(sys(by_fd[i], 999, 2, acl), -EBADF);
    CHECK_EQ(sys(by_fd[i], fds[0], 2, acl), -EINVAL);
  }
  const int by_path[] = {SYS___acl_get_file,    SYS___acl_get_link, SYS___acl_delete_file, SYS___acl_delete_link,
                         SYS___acl_set_file,    SYS___acl_set_link, SYS___acl_aclcheck_file, SYS___acl_aclcheck_link};
  for (unsigned i = 0; i < 8; ++i) {
    CHECK_EQ(sys(by_path[i], "a.tmp", 4, acl), -EOPNOTSUPP);
    CHECK_EQ(sys(by_path[i], "none.tmp", 4, acl), -ENOENT);
    CHECK_EQ(sys(by_path[i], BAD, 4, acl), -EFAULT);
    const bool reads = i >= 4;
    CHECK_EQ(sys(by_path[i], "a.tmp", 4, BAD), reads ? -EFAULT : -EOPNOTSUPP);
    CHECK_EQ(sys(by_path[i], "a.tmp", 0, BAD), reads ? -EFAULT : -EOPNOTSUPP);
    CHECK_EQ(sys(by_path[i], "a.tmp", 4, acl + 8), reads ? -EINVAL : -EOPNOTSUPP);
  }
  CHECK_EQ(sys(SYS___acl_set_fd, fd, 2, BAD), -EFAULT);
  CHECK_EQ(sys(SYS___acl_set_fd, fd, 1, acl), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_unlink, "a.tmp"), 0);
}
CASE(copy_file_range_clones_or_says_not) {
  enum { CLONE = 0x800000 };
  const long in = new_file("ci.tmp"), out = new_file("co.tmp");
  CHECK_EQ(sys(SYS_write, in, "0123456789", 10), 10);
  long from = 0, to = 0;
  CHECK_EQ(sys(SYS_copy_file_range, in, &from, out, &to, 4, 1), -EINVAL);
  const long cloned = sys(SYS_copy_file_range, in, &from, out, &to, 1 << 20, CLONE);
  CHECK(cloned == -EOPNOTSUPP || cloned == 10);
  CHECK_EQ(from, cloned == 10 ? 10 : 0);
  CHECK_EQ(sys(SYS_copy_file_range, in, &from, out, BAD, 4, CLONE), -EFAULT);
  from = 20;
  CHECK_EQ(sys(SYS_copy_file_range, in, &from, out, &to, 4, CLONE), 0);   // nothing there
  from = 2, to = 1;
  CHECK_EQ(sys(SYS_copy_file_range, in, &from, out, &to, 5, 0), 5);
  CHECK_EQ(from, 7);
  CHECK_EQ(to, 6);
  char text[6];
  CHECK_EQ(sys(SYS_pread, out, text, 6, 0), 6);
  CHECK_EQ(memcmp(text + 1, "23456", 5), 0);
  sys(SYS_unlink, "ci.tmp"), sys(SYS_unlink, "co.tmp");
}
