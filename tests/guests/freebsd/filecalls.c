// Opening in unusual ways, names of descriptors, space, advice, limits of paths.
// Facts: FreeBSD 15.0 open(2), fdescfs(5), posix_fallocate(2), posix_fadvise(2), pathconf(2), __realpathat.
#include "guest.h"

enum { O_EXEC = 0x40000, O_PATH = 0x400000, O_RESOLVE_BENEATH = 0x800000, O_EMPTY_PATH = 0x2000000 };
enum { AT_EACCESS = 0x100, AT_RESOLVE_BENEATH = 0x2000, AT_EMPTY_PATH = 0x4000, ENOTCAPABLE = 93, EMLINK = 31 };
#define BAD ((void*)8)

static long new_file(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  return fd;
}

CASE(beneath) {
  CHECK_EQ(sys(SYS_mkdir, "b.tmp", 0755), 0);
  const long dir = sys(SYS_open, "b.tmp", O_RDONLY | O_DIRECTORY, 0);
  CHECK(sys(SYS_openat, dir, "f", O_CREAT | O_RDWR | O_RESOLVE_BENEATH, 0640) >= 0);
  CHECK_EQ(sys(SYS_symlinkat, "../b.tmp/f", dir, "out"), 0);
  CHECK_EQ(sys(SYS_symlinkat, "f", dir, "in"), 0);
  CHECK(sys(SYS_openat, dir, "in", O_RDONLY | O_RESOLVE_BENEATH) >= 0);
  CHECK_EQ(sys(SYS_openat, dir, "out", O_RDONLY | O_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_openat, dir, "..", O_RDONLY | O_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_openat, dir, "/", O_RDONLY | O_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_openat, dir, "none", O_RDONLY | O_RESOLVE_BENEATH), -ENOENT);
  struct stat st;
  CHECK_EQ(sys(SYS_fstatat, dir, "in", &st, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(st.st_mode & 0170000, 0100000);
  CHECK_EQ(sys(SYS_fstatat, dir, "out", &st, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_fstatat, dir, "out", &st, AT_RESOLVE_BENEATH | AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(sys(SYS_faccessat, dir, "in", 4, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(sys(SYS_faccessat, dir, "out", 4, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  struct timespec times[2] = {{1000, 0}, {2000, 0}};
  CHECK_EQ(sys(SYS_utimensat, dir, "in", times, AT_RESOLVE_BENEATH), 0);
  CHECK_EQ(sys(SYS_utimensat, dir, "out", times, AT_RESOLVE_BENEATH), -ENOTCAPABLE);
  CHECK_EQ(sys(SYS_fstatat, dir, "f", &st, 0), 0);
  CHECK_EQ(st.st_mtim.tv_sec, 2000);
  sys(SYS_unlinkat, dir, "f", 0), sys(SYS_unlinkat, dir, "in", 0), sys(SYS_unlinkat, dir, "out", 0);
  CHECK_EQ(sys(SYS_rmdir, "b.tmp"), 0);
}
CASE(places_and_empty_paths) {
  const long fd = new_file("p.tmp");
  CHECK_EQ(sys(SYS_write, fd, "abc", 3), 3);
  const long place = sys(SYS_open, "p.tmp", O_PATH, 0);
  CHECK(place >= 0);
  char byte;
  CHECK_EQ(sys(SYS_read, place, &byte, 1), -EBADF);
  const long opened = sys(SYS_openat, place, "", O_RDONLY | O_EMPTY_PATH);
  CHECK(opened >= 0);
  CHECK_EQ(sys(SYS_read, opened, &byte, 1), 1);
  CHECK_EQ(byte, 'a');
  CHECK_EQ(sys(SYS_openat, place, "", O_RDONLY), -ENOENT);
  CHECK_EQ(sys(SYS_openat, 999, "", O_RDONLY | O_EMPTY_PATH), -EBADF);
  struct stat a, b;
  CHECK_EQ(sys(SYS_fstat, place, &a), 0);
  CHECK_EQ(sys(SYS_fstatat, place, "", &b, AT_EMPTY_PATH), 0);
  CHECK_EQ(a.st_ino, b.st_ino);
  CHECK_EQ(sys(SYS_fstatat, place, "", &b, 0), -ENOENT);
  CHECK_EQ(sys(SYS_faccessat, place, "", 4, AT_EMPTY_PATH), 0);
  CHECK_EQ(sys(SYS_symlink, "p.tmp", "pl.tmp"), 0);
  const long link = sys(SYS_open, "pl.tmp", O_PATH | O_NOFOLLOW, 0);
  CHECK(link >= 0);
  CHECK_EQ(sys(SYS_fstat, link, &b), 0);
  CHECK_EQ(b.st_mode & 0170000, 0120000);
  char target[16];
  CHECK_EQ(sys(SYS_readlinkat, link, "", target, sizeof target), 5);
  CHECK_EQ(sys(SYS_open, "p.tmp", O_EXEC, 0), -EACCES);
  CHECK_EQ(sys(SYS_chmod, "p.tmp", 0700), 0);
  CHECK(sys(SYS_open, "p.tmp", O_EXEC, 0) >= 0);
  CHECK_EQ(sys(SYS_open, "p.tmp", O_EXEC | O_WRONLY, 0), -EINVAL);
  CHECK_EQ(sys(SYS_open, "p.tmp", 3, 0), -EINVAL);
  CHECK_EQ(sys(SYS_open, BAD, O_RDONLY, 0), -EFAULT);
  CHECK_EQ(sys(SYS_open, 0, O_RDONLY, 0), -EFAULT);
  CHECK_EQ(sys(SYS_open, "", O_RDONLY, 0), -ENOENT);
  sys(SYS_unlink, "p.tmp"), sys(SYS_unlink, "pl.tmp");
}
CASE(names_of_descriptors) {
  const long fd = new_file("n.tmp");
  char path[32], digits[24], text[8];
  CHECK_EQ(sys(SYS_write, fd, "abcdef", 6), 6);
  CHECK_EQ(sys(SYS_lseek, fd, 2, 0), 2);
  const long copy = sys(SYS_open, join(path, "/dev/fd/", number(digits, (unsigned long)fd)), O_RDONLY | O_CLOEXEC, 0);
  CHECK(copy >= 0 && copy != fd);
  CHECK_EQ(sys(SYS_fcntl, copy, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_read, copy, text, 2), 2);          // one file offset
  CHECK_EQ(memcmp(text, "cd", 2), 0);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 1), 4);
  CHECK(sys(SYS_open, path, O_WRONLY | O_TRUNC, 0) >= 0);   // truncates nothing
  CHECK_EQ(sys(SYS_lseek, fd, 0, 2), 6);
  const long reader = sys(SYS_open, "n.tmp", O_RDONLY, 0);
  join(path, "/dev/fd/", number(digits, (unsigned long)reader));
  CHECK_EQ(sys(SYS_open, path, O_RDWR, 0), -EACCES);
  CHECK_EQ(sys(SYS_open, path, O_WRONLY, 0), -EACCES);
  CHECK(sys(SYS_open, path, O_RDONLY, 0) >= 0);
  CHECK_EQ(sys(SYS_open, "/dev/fd/999", O_RDONLY, 0), -EBADF);
  int pair[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const long other = sys(SYS_open, join(path, "/dev/fd/", number(digits, (unsigned long)pair[0])), O_RDWR, 0);
  CHECK(other >= 0);
  CHECK_EQ(sys(SYS_write, other, "hi", 2), 2);
  CHECK_EQ(sys(SYS_read, pair[1], text, 8), 2);
  CHECK_EQ(sys(SYS_dup2, fd, 0), 0);
  const long input = sys(SYS_open, "/dev/stdin", O_RDONLY, 0);
  CHECK(input >= 0);
  CHECK_EQ(sys(SYS_lseek, input, 0, 1), 6);
  CHECK_EQ(sys(SYS_lseek, fd, 1, 0), 1);
  CHECK_EQ(sys(SYS_lseek, input, 0, 1), 1);
  CHECK_EQ(sys(SYS_unlink, "n.tmp"), 0);
}
// These return their error as a value, without the error indication.
/// O_DIRECT is a hint: nothing need be aligned for it.
CASE(direct) {
  enum { O_DIRECT = 0x10000 };
  char byte[4] = {0};
  const long fd = sys(SYS_openat, AT_FDCWD, "d.tmp", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0644);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_write, fd, "direct", 6), 6);
  CHECK_EQ(sys(SYS_pread, fd, byte + 1, 2, 3), 2);
  CHECK_EQ(memcmp(byte, "\0ec", 4), 0);
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETFL, O_DIRECT), 0);
  CHECK_EQ(sys(SYS_pread, fd, byte + 1, 2, 1), 2);
  CHECK_EQ(sys(SYS_close, fd), 0);
  CHECK_EQ(sys(SYS_unlink, "d.tmp"), 0);
}
CASE(space_and_advice) {
  const long fd = new_file("s.tmp");
  struct stat st;
  CHECK_EQ(sys(SYS_posix_fallocate, fd, 100, 5000), 0);
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_size, 5100);
  CHECK_EQ(sys(SYS_posix_fallocate, fd, 0, 10), 0);
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_size, 5100);
  CHECK_EQ(sys(SYS_posix_fallocate, fd, -1, 10), EINVAL);
  CHECK_EQ(sys(SYS_posix_fallocate, fd, 0, 0), EINVAL);
  CHECK_EQ(sys(SYS_posix_fallocate, fd, 0x7fffffffffffffff, 10), EFBIG);
  CHECK_EQ(sys(SYS_posix_fallocate, 999, 0, 10), EBADF);
  CHECK_EQ(sys(SYS_posix_fallocate, sys(SYS_open, "s.tmp", O_RDONLY, 0), 0, 10), EBADF);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_posix_fallocate, fds[1], 0, 10), ESPIPE);
  for (int advice = 0; advice <= 5; ++advice) CHECK_EQ(sys(SYS_posix_fadvise, fd, 0, 0, advice), 0);
  CHECK_EQ(sys(SYS_posix_fadvise, fd, 0, 0, 6), EINVAL);
  CHECK_EQ(sys(SYS_posix_fadvise, fd, -1, 0, 0), EINVAL);
  CHECK_EQ(sys(SYS_posix_fadvise, fd, 0, -1, 0), EINVAL);
  CHECK_EQ(sys(SYS_posix_fadvise, fd, 0x7fffffffffffffff, 1, 0), EINVAL);
  CHECK_EQ(sys(SYS_posix_fadvise, 999, 0, 0, 0), EBADF);
  CHECK_EQ(sys(SYS_posix_fadvise, fds[0], 0, 0, 0), ESPIPE);
  CHECK_EQ(sys(SYS_unlink, "s.tmp"), 0);
}
CASE(path_variables) {
  const long fd = new_file("v.tmp");
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_symlink, "v.tmp", "vl.tmp"), 0);
  const struct { int name; long value; } known[] = {{1, 32767}, {4, 255}, {5, 1024}, {7, 1}, {8, 1}, {12, 64}, {18, 1024},
                                                    {53, 200112}, {59, 0}, {61, 0}, {62, 0}, {63, 0}, {64, 0}};
  for (unsigned i = 0; i < sizeof known / sizeof *known; ++i) {
    CHECK_EQ(sys(SYS_pathconf, "v.tmp", known[i].name), known[i].value);
    CHECK_EQ(sys(SYS_fpathconf, fd, known[i].name), known[i].value);
    CHECK_EQ(sys(SYS_lpathconf, "vl.tmp", known[i].name), known[i].value);
  }
  CHECK_EQ(sys(SYS_pathconf, ".", 6), 512);           // _PC_PIPE_BUF
  CHECK_EQ(sys(SYS_pathconf, "v.tmp", 6), -EINVAL);
  CHECK_EQ(sys(SYS_fpathconf, fds[0], 6), 512);
  CHECK_EQ(sys(SYS_pathconf, "v.tmp", 2), -EINVAL);   // _PC_MAX_CANON: terminals only
  CHECK_EQ(sys(SYS_pathconf, "v.tmp", 0), -EINVAL);
  CHECK_EQ(sys(SYS_pathconf, "v.tmp", 1000), -EINVAL);
  CHECK_EQ(sys(SYS_pathconf, "none.tmp", 4), -ENOENT);
  CHECK_EQ(sys(SYS_pathconf, BAD, 4), -EFAULT);
  CHECK_EQ(sys(SYS_fpathconf, 999, 4), -EBADF);
  sys(SYS_unlink, "v.tmp"), sys(SYS_unlink, "vl.tmp");
}
CASE(real_paths) {
  char cwd[1024], path[1024];
  CHECK(sys(SYS___getcwd, cwd, sizeof cwd) >= 0);
  CHECK_EQ(sys(SYS_mkdir, "r.tmp", 0755), 0);
  CHECK_EQ(sys(SYS_symlink, "r.tmp/.", "rl.tmp"), 0);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, "rl.tmp/../rl.tmp", path, sizeof path, 0), 0);
  CHECK_EQ(memcmp(path, cwd, strlen(cwd)), 0);
  CHECK_EQ(strcmp(path + strlen(cwd), "/r.tmp"), 0);
  const long dir = sys(SYS_open, "r.tmp", O_RDONLY | O_DIRECTORY, 0);
  CHECK_EQ(sys(SYS___realpathat, dir, ".", path, sizeof path, 0), 0);
  CHECK_EQ(strcmp(path + strlen(cwd), "/r.tmp"), 0);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, "/", path, 2, 0), 0);
  CHECK_EQ(strcmp(path, "/"), 0);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, "r.tmp", path, 4, 0), -ENOMEM);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, "none.tmp", path, sizeof path, 0), -ENOENT);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, "r.tmp", path, sizeof path, 1), -EINVAL);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, "r.tmp", BAD, sizeof path, 0), -EFAULT);
  CHECK_EQ(sys(SYS___realpathat, AT_FDCWD, BAD, path, sizeof path, 0), -EFAULT);
  CHECK_EQ(sys(SYS___realpathat, 999, "x", path, sizeof path, 0), -EBADF);
  CHECK_EQ(sys(SYS_unlink, "rl.tmp"), 0);
  CHECK_EQ(sys(SYS_rmdir, "r.tmp"), 0);
}

CASE(no_linux_map_of_a_process) {
  char path[64], digits[24];
  CHECK_EQ(sys(SYS_open, "/proc/self/maps", O_RDONLY, 0), -ENOENT);
  CHECK_EQ(sys(SYS_openat, AT_FDCWD, "/proc/self/smaps", O_RDONLY, 0), -ENOENT);
  join(path, "/proc/", number(digits, (unsigned long)sys(SYS_getpid)));
  CHECK_EQ(sys(SYS_open, join(path, path, "/maps"), O_RDONLY, 0), -ENOENT);
}
