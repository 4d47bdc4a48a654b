// Extended attributes. Constants and rules: FreeBSD 14.0 sys/sys/extattr.h, sys/kern/vfs_extattr.c,
// sys/ufs/ffs/ffs_vnops.c.
#include "guest.h"

enum { USER = 1, SYSTEM = 2, ENOATTR = 87 };
#define BAD ((void*)8)

static long new_file(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  return fd;
}
// False where the file system keeps no attributes; it then says so.
static bool supported(const char* path) {
  const long result = sys(SYS_extattr_set_file, path, USER, "probe", "x", 1);
  if (result == -EOPNOTSUPP) return false;
  CHECK_EQ(result, 1);
  CHECK_EQ(sys(SYS_extattr_delete_file, path, USER, "probe"), 0);
  return true;
}

CASE(set_get_list_delete) {
  const long fd = new_file("a.tmp");
  if (!supported("a.tmp")) return;
  char buffer[64];
  CHECK_EQ(sys(SYS_extattr_list_fd, fd, USER, 0, 0), 0);
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "one", "value", 5), 5);
  CHECK_EQ(sys(SYS_extattr_set_file, "a.tmp", USER, "second", "", 0), 0);
  CHECK_EQ(sys(SYS_extattr_get_file, "a.tmp", USER, "one", 0, 0), 5);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "one", 0, 1), 5);
  memset(buffer, '#', sizeof buffer);
  CHECK_EQ(sys(SYS_extattr_get_link, "a.tmp", USER, "one", buffer, sizeof buffer), 5);
  CHECK_EQ(memcmp(buffer, "value#", 6), 0);
  CHECK_EQ(sys(SYS_extattr_get_file, "a.tmp", USER, "second", buffer, sizeof buffer), 0);
  // A buffer too small gets what fits.
  memset(buffer, '#', sizeof buffer);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "one", buffer, 3), 3);
  CHECK_EQ(memcmp(buffer, "val#", 4), 0);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "one", buffer, 0), 0);
  // A list is a byte of length and the name, for each; the order is the file system's.
  CHECK_EQ(sys(SYS_extattr_list_fd, fd, USER, 0, 0), 11);
  memset(buffer, '#', sizeof buffer);
  CHECK_EQ(sys(SYS_extattr_list_file, "a.tmp", USER, buffer, sizeof buffer), 11);
  CHECK(memcmp(buffer, "\3one\6second#", 12) == 0 || memcmp(buffer, "\6second\3one#", 12) == 0);
  memset(buffer, '#', sizeof buffer);
  CHECK_EQ(sys(SYS_extattr_list_link, "a.tmp", USER, buffer, 5), 5);
  CHECK_EQ(buffer[5], '#');
  CHECK_EQ(sys(SYS_extattr_set_link, "a.tmp", USER, "one", "other", 5), 5);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "one", buffer, sizeof buffer), 5);
  CHECK_EQ(memcmp(buffer, "other", 5), 0);
  CHECK_EQ(sys(SYS_extattr_delete_fd, fd, USER, "one"), 0);
  CHECK_EQ(sys(SYS_extattr_delete_link, "a.tmp", USER, "second"), 0);
  CHECK_EQ(sys(SYS_extattr_delete_file, "a.tmp", USER, "second"), -ENOATTR);
  CHECK_EQ(sys(SYS_extattr_get_file, "a.tmp", USER, "one", buffer, sizeof buffer), -ENOATTR);
  CHECK_EQ(sys(SYS_extattr_get_file, "a.tmp", USER, "one", 0, 0), -ENOATTR);
  // Directories have them as well.
  CHECK_EQ(sys(SYS_mkdir, "d.tmp", 0755), 0);
  CHECK_EQ(sys(SYS_extattr_set_file, "d.tmp", USER, "n", "v", 1), 1);
  CHECK_EQ(sys(SYS_extattr_get_file, "d.tmp", USER, "n", buffer, 9), 1);
  CHECK_EQ(sys(SYS_rmdir, "d.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "a.tmp"), 0);
}
CASE(sizes_of_values_and_names) {
  const long fd = new_file("b.tmp");
  if (!supported("b.tmp")) return;
  static char value[4000], back[sizeof value + 1], name[300];
  for (unsigned i = 0; i < sizeof value; ++i) value[i] = (char)(i * 7);
  const long big = sys(SYS_extattr_set_fd, fd, USER, "big", value, 3000);
  if (big >= 0) {
    CHECK_EQ(big, 3000);
    CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "big", back, sizeof back), 3000);
    CHECK_EQ(memcmp(value, back, 3000), 0);
    memset(back, 0, sizeof back);
    CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "big", back, 2999), 2999);
    CHECK_EQ(memcmp(value, back, 2999), 0);
    CHECK_EQ(back[2999], 0);
    CHECK_EQ(sys(SYS_extattr_delete_fd, fd, USER, "big"), 0);
  }
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "huge", value, 1UL << 40), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "huge", value, 1UL << 63), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "huge", value, 1UL << 63), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_list_fd, fd, USER, value, 1UL << 63), -EINVAL);
  memset(name, 'n', sizeof name - 1);
  name[250] = 0;
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, name, "v", 1), 1);
  CHECK_EQ(sys(SYS_extattr_list_fd, fd, USER, back, sizeof back), 251);
  CHECK_EQ((unsigned char)back[0], 250);
  CHECK_EQ(sys(SYS_extattr_delete_fd, fd, USER, name), 0);
  name[250] = 'n', name[255] = 0;
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, name, "v", 1), -ENAMETOOLONG);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, name, 0, 0), -ENAMETOOLONG);
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "", "v", 1), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_delete_fd, fd, USER, ""), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "", 0, 0), -ENOATTR);
  CHECK_EQ(sys(SYS_unlink, "b.tmp"), 0);
}
CASE(errors) {
  const long fd = new_file("c.tmp");
  char buffer[8];
  const bool attributes = supported("c.tmp");
  CHECK_EQ(sys(SYS_extattr_get_file, "none.tmp", USER, "n", 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_extattr_list_file, "none.tmp", USER, 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_extattr_set_file, "c.tmp/x", USER, "n", "v", 1), -ENOTDIR);
  CHECK_EQ(sys(SYS_extattr_get_fd, -1, USER, "n", 0, 0), -EBADF);
  CHECK_EQ(sys(SYS_extattr_list_fd, 999, USER, 0, 0), -EBADF);
  // The name is read before the descriptor is looked at.
  CHECK_EQ(sys(SYS_extattr_get_fd, -1, USER, BAD, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, BAD, "v", 1), -EFAULT);
  CHECK_EQ(sys(SYS_extattr_delete_fd, fd, USER, 0), -EFAULT);
  CHECK_EQ(sys(SYS_extattr_get_file, BAD, USER, "n", 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_extattr_get_file, 0, USER, "n", 0, 0), -EFAULT);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_extattr_get_fd, fds[0], USER, "n", 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_list_fd, fds[1], USER, buffer, 8), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_set_fd, sys(SYS_kqueue), USER, "n", "v", 1), -EINVAL);
  CHECK_EQ(sys(SYS_extattr_get_file, "/dev/null", USER, "n", 0, 0), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_extattr_list_file, "/dev/null", USER, 0, 0), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, SYSTEM, "n", 0, 0), -EPERM);
  CHECK_EQ(sys(SYS_extattr_list_fd, fd, SYSTEM, buffer, 8), -EPERM);
  CHECK_EQ(sys(SYS_extattr_set_fd, fd, SYSTEM, "n", "v", 1), -EPERM);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, 0, "n", 0, 0), -EPERM);
  CHECK_EQ(sys(SYS_extattr_get_fd, fd, 77, "n", 0, 0), -EPERM);
  CHECK_EQ(sys(SYS_extattrctl, "c.tmp", 0, 0, USER, 0), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_extattrctl, "c.tmp", 0, "none.tmp", USER, "n"), -ENOENT);
  CHECK_EQ(sys(SYS_extattrctl, "none.tmp", 0, 0, USER, "n"), -ENOENT);
  CHECK_EQ(sys(SYS_extattrctl, "c.tmp", 0, 0, USER, BAD), -EFAULT);
  if (attributes) {
    CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "n", BAD, 4), -EFAULT);
    CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "n", 0, 4), -EFAULT);
    CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "n", "value", 5), 5);
    CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "n", BAD, 8), -EFAULT);
    CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "n", BAD, 2), -EFAULT);
    CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "n", 0x7ffffffff000, 1 << 20), -EFAULT);
    CHECK_EQ(sys(SYS_extattr_list_fd, fd, USER, BAD, 8), -EFAULT);
  }
  CHECK_EQ(sys(SYS_unlink, "c.tmp"), 0);
}
CASE(links_are_followed_or_not) {
  new_file("e.tmp");
  CHECK_EQ(sys(SYS_symlink, "e.tmp", "el.tmp"), 0);
  if (!supported("e.tmp")) return;
  char buffer[8];
  CHECK_EQ(sys(SYS_extattr_set_file, "el.tmp", USER, "n", "abc", 3), 3);
  CHECK_EQ(sys(SYS_extattr_get_file, "e.tmp", USER, "n", buffer, 8), 3);
  CHECK_EQ(sys(SYS_extattr_get_link, "el.tmp", USER, "n", buffer, 8), -ENOATTR);
  CHECK_EQ(sys(SYS_extattr_list_link, "el.tmp", USER, buffer, 8), 0);
  CHECK_EQ(sys(SYS_extattr_delete_link, "el.tmp", USER, "n"), -ENOATTR);
  CHECK_EQ(sys(SYS_extattr_set_link, "el.tmp", USER, "n", "v", 1), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_extattr_get_file, "e.tmp", USER, "n", buffer, 8), 3);
  CHECK_EQ(sys(SYS_unlink, "el.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "e.tmp"), 0);
}
CASE(permissions) {
  if (sys(SYS_geteuid) == 0) return;  // who may do everything shows nothing here
  new_file("p.tmp");
  if (!supported("p.tmp")) return;
  CHECK_EQ(sys(SYS_extattr_set_file, "p.tmp", USER, "n", "v", 1), 1);
  CHECK_EQ(sys(SYS_chmod, "p.tmp", 0200), 0);
  CHECK_EQ(sys(SYS_extattr_get_file, "p.tmp", USER, "n", 0, 0), -EACCES);
  CHECK_EQ(sys(SYS_extattr_list_file, "p.tmp", USER, 0, 0), -EACCES);
  CHECK_EQ(sys(SYS_chmod, "p.tmp", 0400), 0);
  CHECK_EQ(sys(SYS_extattr_set_file, "p.tmp", USER, "n", "v", 1), -EACCES);
  CHECK_EQ(sys(SYS_extattr_delete_file, "p.tmp", USER, "n"), -EACCES);
  CHECK_EQ(sys(SYS_extattr_get_file, "p.tmp", USER, "n", 0, 0), 1);
  CHECK_EQ(sys(SYS_unlink, "p.tmp"), 0);
}
