// What a DragonFly program finds when it starts, and how its calls behave at the edges.
#include "guest.h"

extern unsigned long guest_stack, *guest_ps_strings;

CASE(start) {
  CHECK_EQ((unsigned long)guest_arguments, guest_stack);
  CHECK_EQ(guest_stack % 16, 8);
  CHECK_EQ(guest_ps_strings[0], (unsigned long)guest_argv);
  CHECK_EQ((int)guest_ps_strings[1], guest_argc);
  CHECK_EQ(guest_ps_strings[2], (unsigned long)guest_envp);
  static const unsigned long order[] = {3, 4, 5, 6, 8, 9, 7, 15, 18};  // AT_PHDR … AT_OSRELDATE
  unsigned i = 0;
  for (const unsigned long* aux = guest_auxv; aux[0] != 0; aux += 2, ++i) {
    CHECK(i < sizeof order / sizeof *order);
    CHECK_EQ(aux[0], order[i]);
    if (aux[0] == 6) CHECK_EQ(aux[1], 4096);
    if (aux[0] == 15) CHECK_EQ(*(const char*)aux[1], '/');
    if (aux[0] == 18) CHECK_EQ(aux[1], 600400);
  }
  CHECK_EQ(i, sizeof order / sizeof *order);
}

static volatile int missing;
static void count_missing(int signal, struct siginfo* info, struct ucontext* context) {
  CHECK_EQ(signal, SIGSYS);
  ++missing;
}
CASE(missing_calls_raise_a_signal) {
  on_signal(SIGSYS, count_missing, 0);
  CHECK_EQ(sys(600), -EINVAL);
  CHECK_EQ(missing, 1);
  CHECK_EQ(sys(453), -EINVAL);  // obsolete
  CHECK_EQ(missing, 2);
}
CASE(indirect_calls) {
  CHECK_EQ(sys(0, SYS_getpid), sys(SYS_getpid));
  CHECK_EQ(sys(198, SYS_getpid), sys(SYS_getpid));
}
CASE(second_results) {
  struct results r = call_results(SYS_getpid, 0, 0);
  CHECK_EQ(r.rdx, 0x5a5a);
  CHECK_EQ(r.flags & 1, 0);
  r = call_results(SYS_close, 1000, 0);
  CHECK_EQ(r.rax, EBADF);
  CHECK_EQ(r.rdx, 0x5a5a);
  CHECK_EQ(r.flags & 1, 1);
  r = call_results(SYS_pipe2, 0, O_CLOEXEC);  // the pointer is not looked at
  CHECK_EQ(r.flags & 1, 0);
  CHECK_EQ(sys(SYS_fcntl, r.rax, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_write, r.rdx, "x", 1), 1);
  char c = 0;
  CHECK_EQ(sys(SYS_read, r.rax, &c, 1), 1);
  CHECK_EQ(c, 'x');
}
CASE(processes) {
  const long pid = start_process();
  if (pid == 0) quit(7);
  CHECK_EQ(wait_for(pid), 7 << 8);
}

CASE(the_working_directory_by_its_own_number) {
  CHECK_EQ(sys(SYS_mkdirat, AT_FDCWD, "there", 0755), 0);
  CHECK_EQ(sys(SYS_mkdirat, (long)(int)AT_FDCWD, "there", 0755), -EEXIST);  // as C extends an int
  CHECK_EQ(sys(SYS_mkdirat, -100, "elsewhere", 0755), -EBADF);
  CHECK_EQ(sys(SYS_openat, -100, "there", O_RDONLY, 0), -EBADF);
  const long fd = sys(SYS_openat, AT_FDCWD, "there", O_RDONLY | O_DIRECTORY, 0);
  CHECK(fd >= 0);
  struct stat by_fd, by_name;
  CHECK_EQ(sys(SYS_fstat, fd, &by_fd), 0);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "there", &by_name, AT_SYMLINK_NOFOLLOW), 0);
  CHECK_EQ(by_fd.st_ino, by_name.st_ino);
  CHECK_EQ(by_fd.st_mode & 0xf000, 0x4000);
  CHECK_EQ(sys(SYS_unlinkat, AT_FDCWD, "there", AT_REMOVEDIR), 0);
}

CASE(directories) {
  CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
  static char name[8] = "d/f000";
  for (int i = 0; i < 300; ++i) {
    name[3] = (char)('0' + i / 100), name[4] = (char)('0' + i / 10 % 10), name[5] = (char)('0' + i % 10);
    const long file = sys(SYS_open, name, O_CREAT | O_RDWR, 0644);
    CHECK(file >= 0);
    sys(SYS_close, file);
  }
  const long fd = sys(SYS_open, "d", O_RDONLY | O_DIRECTORY, 0);
  CHECK(fd >= 0);
  static char buffer[1024];
  int found = 0;
  for (;;) {
    long base = -1;
    const long n = sys(SYS_getdirentries, fd, buffer, sizeof buffer, &base);
    CHECK(n >= 0);
    CHECK(base >= 0);
    if (n == 0) break;
    for (long at = 0; at < n;) {
      const struct dirent* e = (const void*)(buffer + at);
      CHECK_EQ(strlen(e->d_name), e->d_namlen);
      CHECK(e->d_fileno != 0);
      found += e->d_type == 8;
      at += (long)((offsetof(struct dirent, d_name) + e->d_namlen + 1 + 7) & ~7UL);
      CHECK(at <= n);
    }
  }
  CHECK_EQ(found, 300);
  CHECK_EQ(sys(SYS_getdents, fd, buffer, 8), 0);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_getdents, fd, buffer, 8), -EINVAL);
}

CASE(reading_and_writing_at_a_place) {
  const long fd = sys(SYS_open, "f", O_CREAT | O_RDWR | O_TRUNC, 0644);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_extpwrite, fd, "hello world", 11, 0, 0), 11);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 0, 1), 0);
  char text[16] = "";
  CHECK_EQ(sys(SYS_extpread, fd, text, 5, 0, 6), 5);
  CHECK_EQ(memcmp(text, "world", 5), 0);
  CHECK_EQ(sys(SYS_extpread, fd, text, 5, 0, -1), 5);  // where the file is
  CHECK_EQ(memcmp(text, "hello", 5), 0);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 0, 1), 5);
  CHECK_EQ(sys(SYS_extpwrite, fd, "!", 1, O_FAPPEND, 0), 1);
  struct iovec v[2] = {{text, 3}, {text + 3, 9}};
  CHECK_EQ(sys(SYS_extpreadv, fd, v, 2, 0, 0), 12);
  CHECK_EQ(memcmp(text, "hello world!", 12), 0);
  CHECK_EQ(sys(SYS_extpread, fd, text, 5, 0, -2), -EINVAL);
  CHECK_EQ(sys(SYS_extpread, fd, (void*)0x7fffffffffff0000, 5, 0, 0), -EFAULT);
  char path[1024];
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETPATH, path), 0);
  CHECK_EQ(path[0], '/');
  CHECK_EQ(strcmp(path + strlen(path) - 2, "/f"), 0);
  CHECK_EQ(sys(SYS_fcntl, 1000, F_GETPATH, path), -EBADF);
  struct flock lock = {0, 5, 0, F_WRLCK, 0};
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &lock), 0);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &lock), 0);
    CHECK_EQ(lock.l_type, F_WRLCK);
    CHECK_EQ(lock.l_len, 5);
    quit(lock.l_pid > 0 ? 0 : 1);
  }
  CHECK_EQ(wait_for(pid), 0);
}

CASE(memory) {
  const long page = 4096;
  char* at = map(4 * page);
  CHECK_EQ(sys(SYS_mmap, at, page, 3, MAP_PRIVATE | MAP_ANON | MAP_TRYFIXED, -1, 0, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_munmap, at + page, page), 0);
  CHECK_EQ(sys(SYS_mmap, at + page, page, 3, MAP_PRIVATE | MAP_ANON | MAP_TRYFIXED, -1, 0, 0), (long)at + page);
  CHECK_EQ(sys(SYS_munmap, at, 0), 0);
  CHECK_EQ(sys(SYS_mmap, 0, 0, 3, MAP_PRIVATE | MAP_ANON, -1, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, 0, page, 3, MAP_PRIVATE | MAP_ANON, -1, 0, page), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, 0, page, 3, MAP_PRIVATE | MAP_ANON | MAP_VPAGETABLE, -1, 0, 0), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_mmap, 0, page, 1, MAP_STACK, -1, 0, 0), -EINVAL);
  long r = sys(SYS_mmap, 0, page, 3, MAP_STACK, -1, 0, 0);
  CHECK(r > 0);
  *(char*)r = 1;
  r = sys(SYS_mmap, 0, 1 << 20, 3, MAP_ANON | MAP_SIZEALIGN, -1, 0, 0);  // private is the default
  CHECK(r > 0);
  CHECK_EQ(r % (1 << 20), 0);
  CHECK_EQ(sys(SYS_mmap, 0, 3 * page, 3, MAP_ANON | MAP_SIZEALIGN, -1, 0, 0), -EINVAL);
  const long end = sys(SYS_sbrk, 0);
  CHECK(end > 0);
  CHECK_EQ(sys(SYS_sbrk, page), end);
  *(char*)end = 1;
  CHECK_EQ(sys(SYS_sbrk, 0), end + page);
}

CASE(file_systems) {
  long space[64] = {0};
  CHECK_EQ(sys(SYS_statfs, "/", space), 0);
  CHECK(space[1] >= 512);
  CHECK(space[3] > 0);
  CHECK(((const int*)space)[19] > 0);   // f_type
  CHECK_EQ(((const char*)space)[120], '/');
  long v[20] = {0};
  CHECK_EQ(sys(SYS_statvfs, "/", v), 0);
  CHECK_EQ(v[2], space[3]);
  CHECK(v[10] >= 255);
  CHECK_EQ(sys(SYS_statvfs, "/nowhere", v), -ENOENT);
  char path[64];
  CHECK_EQ(sys(SYS___realpath, "/../tmp/.", path, sizeof path), (long)strlen(path));
  CHECK_EQ(sys(SYS___realpath, "/tmp", path, 4), -ENAMETOOLONG);
}

CASE(sysctl) {
  char text[64];
  size_t size = sizeof text;
  const int ostype[] = {1, 1};
  CHECK_EQ(sys(SYS___sysctl, ostype, 2, text, &size, 0, 0), 0);
  CHECK_EQ(strcmp(text, "DragonFly"), 0);
  const int name_to_oid[] = {0, 3};
  int oid[12];
  size = sizeof oid;
  CHECK_EQ(sys(SYS___sysctl, name_to_oid, 2, oid, &size, "kern.osreldate", 14), 0);
  CHECK_EQ(size, 2 * sizeof(int));
  int date = 0;
  size = sizeof date;
  CHECK_EQ(sys(SYS___sysctl, oid, 2, &date, &size, 0, 0), 0);
  CHECK_EQ(date, 600400);
}
