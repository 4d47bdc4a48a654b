// Start-up, calls with two results or padding, files, memory, processes, sysctl.
#include "guest.h"

CASE(start_up) {
  CHECK_EQ((unsigned long)guest_arguments % 16, 0);
  CHECK_EQ(guest_cleanup, 0);
  CHECK(guest_ps_strings != 0);
  CHECK_EQ(guest_ps_strings->argv, guest_argv);
  CHECK_EQ(guest_ps_strings->argc, guest_argc);
  CHECK_EQ(guest_ps_strings->envp, guest_envp);
  // libc finds the auxiliary vector by ps_strings alone.
  CHECK_EQ((unsigned long*)(guest_ps_strings->argv + guest_ps_strings->argc + guest_ps_strings->envc + 2), guest_auxv);
  const char* name = 0;
  unsigned long page = 0, stack = 0;
  for (const unsigned long* a = guest_auxv; a[0] != 0; a += 2) {
    if (a[0] == 6) page = a[1];
    if (a[0] == AT_EXECPATH) name = (const char*)a[1];
    if (a[0] == AT_STACKBASE) stack = a[1];
  }
  // What libpthread takes the first thread's stack from: its end, which ps_strings are next to.
  CHECK_EQ(stack, (unsigned long)guest_ps_strings + 32);
  CHECK_EQ(page, 4096);
  CHECK(name != 0 && name[0] == '/');
}

CASE(two_results) {
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
  char c = 0;
  CHECK_EQ(sys(SYS_read, fds[0], &c, 1), 1);
  CHECK_EQ(c, 'x');
  const long pid = start_process();
  if (pid == 0) quit(7);
  CHECK_EQ(wait_for(pid), 7 << 8);
}

CASE(padding_before_offsets) {
  const int fd = (int)sys(SYS_open, "file", O_RDWR | O_CREAT, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_pwrite, fd, "middle", 6, 0x77, 4096L), 6);
  CHECK_EQ(sys(SYS_lseek, fd, 0x77, 4098L, 0), 4098);
  char text[4];
  CHECK_EQ(sys(SYS_read, fd, text, 4), 4);
  CHECK_EQ(memcmp(text, "ddle", 4), 0);
  CHECK_EQ(sys(SYS_ftruncate, fd, 0x77, 8192L), 0);
  struct stat st;
  CHECK_EQ(sys(SYS___fstat50, fd, &st), 0);
  CHECK_EQ(st.st_size, 8192);
  CHECK_EQ(st.st_mode & 0xffff, 0x8180);
  const long at = sys(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0x77, 4096L);
  CHECK(at > 0);
  CHECK_EQ(memcmp((void*)at, "middle", 6), 0);
  CHECK_EQ(sys(SYS_posix_fallocate, fd, 0x77, 0L, 16384L), 0);
  CHECK_EQ(sys(SYS_posix_fallocate, 99, 0x77, 0L, 16384L), EBADF);  // as a value
  CHECK_EQ(sys(SYS_close, fd), 0);
}

CASE(descriptors) {
  int fds[2];
  CHECK_EQ(sys(SYS_pipe2, fds, O_CLOEXEC | O_NONBLOCK), 0);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_GETFD), FD_CLOEXEC);
  char c;
  CHECK_EQ(sys(SYS_read, fds[0], &c, 1), -EAGAIN);
  CHECK_EQ(sys(SYS_dup3, fds[0], 60, O_CLOEXEC), 60);
  CHECK_EQ(sys(SYS_fcntl, 60, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_dup3, fds[0], fds[0], 0), fds[0]);
  CHECK_EQ(sys(SYS_dup3, 61, 61, 0), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_DUPFD_CLOEXEC, 70), 70);
  CHECK_EQ(sys(SYS_symlink, "nowhere", "link"), 0);
  CHECK_EQ(sys(SYS_open, "link", O_RDONLY | O_NOFOLLOW, 0), -EFTYPE);
  char text[64] = {0};
  CHECK_EQ(sys(SYS_readlink, "link", text, 64), 7);
  const long length = sys(SYS_readlink, "/proc/curproc/exe", text, 64);
  CHECK(length > 0 && text[0] == '/');
  char directory[1024];
  CHECK_EQ(sys(SYS___getcwd, directory, sizeof directory), (long)strlen(directory) + 1);
  CHECK_EQ(sys(SYS___getcwd, directory, 2), -ERANGE);
  const int fd = (int)sys(SYS_open, "locked", O_RDWR | O_CREAT, 0600);
  struct flock lock = {0, 10, 0, F_WRLCK, 0};
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &lock), 0);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &lock), -EAGAIN);
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &lock), 0);
    CHECK_EQ(lock.l_type, F_WRLCK);
    quit(0);
  }
  CHECK_EQ(wait_for(pid), 0);
}

CASE(directories) {
  CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
  CHECK(sys(SYS_open, "d/name", O_RDWR | O_CREAT, 0600) >= 0);
  const int fd = (int)sys(SYS_open, "d", O_RDONLY | O_DIRECTORY, 0);
  char buffer[1024] __attribute__((aligned(8)));
  const long size = sys(SYS___getdents30, fd, buffer, sizeof buffer);
  CHECK(size > 0);
  int seen = 0;
  for (long at = 0; at < size;) {
    const struct dirent* e = (void*)(buffer + at);
    CHECK_EQ(e->d_reclen % 8, 0);
    CHECK_EQ(strlen(e->d_name), e->d_namlen);
    if (strcmp(e->d_name, "name") == 0) CHECK_EQ(e->d_type, 8);
    ++seen;
    at += e->d_reclen;
  }
  CHECK_EQ(seen, 3);
  CHECK_EQ(sys(SYS___getdents30, fd, buffer, sizeof buffer), 0);
}

CASE(wait_statuses) {
  int fds[2];
  char c = 0;
  make_pipe(fds);
  long pid = start_process();
  if (pid == 0) {
    sys(SYS_kill, sys(SYS_getpid), SIGSTOP);
    CHECK_EQ(sys(SYS_read, fds[0], &c, 1), 1);  // until it has been seen to go on
    quit(3);
  }
  int status = 0;
  CHECK_EQ(sys(SYS___wait450, pid, &status, WUNTRACED, 0), pid);
  CHECK_EQ(status, SIGSTOP << 8 | 0x7f);
  CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
  CHECK_EQ(sys(SYS___wait450, pid, &status, WCONTINUED, 0), pid);
  CHECK_EQ(status, 0xffff);
  CHECK_EQ(sys(SYS_write, fds[1], &c, 1), 1);
  CHECK_EQ(wait_for(pid), 3 << 8);
  pid = start_process();
  if (pid == 0) sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
  CHECK_EQ(wait_for(pid) & 0x7f, SIGUSR1);
}

CASE(mappings) {
  char* at = (void*)sys(SYS_mmap, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_STACK | MAP_ALIGNED(21), -1, 0, 0);
  CHECK((long)at > 0);
  CHECK_EQ((unsigned long)at % (2 << 20), 0);
  at[0] = at[8191] = 1;  // no page of a stack is kept back
  // What PaX MPROTECT would be told is left alone.
  CHECK_EQ(sys(SYS_mprotect, at, 4096, PROT_READ | PROT_EXEC << 3), 0);
  CHECK_EQ(sys(SYS_mprotect, at, 4096, PROT_READ | PROT_WRITE), 0);
  // Neither shared nor private: private.
  CHECK(sys(SYS_mmap, 0, 4096, PROT_READ, MAP_ANON, -1, 0, 0) > 0);
  CHECK_EQ(sys(SYS_mmap, 0, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, 1, 0, 0), -EINVAL);

  char* moved = (void*)sys(SYS_mremap, at, 8192, 0, 16384, 0);
  CHECK((long)moved > 0);
  CHECK_EQ(moved[8191], 1);
  moved[16383] = 2;
  char* shared = (void*)sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0, 0);
  char* twice = (void*)sys(SYS_mremap, shared, 4096, 0, 4096, MAP_REMAPDUP);
  CHECK((long)twice > 0 && twice != shared);
  shared[5] = 77;
  CHECK_EQ(twice[5], 77);
  CHECK_EQ(sys(SYS_mremap, shared, 4096, 0, 4096, MAP_SHARED), -EINVAL);
}

static long query(const int* name, int count, struct sysctlnode* nodes, size_t* size) {
  struct sysctlnode ask = {.flags = SYSCTL_VERS_1};
  return sys(SYS___sysctl, name, count, nodes, size, &ask, sizeof ask);
}
CASE(sysctl_tree) {
  static struct sysctlnode nodes[64];
  int name[3] = {CTL_QUERY};
  size_t size = 0;
  CHECK_EQ(query(name, 1, 0, &size), 0);
  CHECK(size > 0 && size % sizeof *nodes == 0 && size <= sizeof nodes);
  const size_t all = size;
  size = 96;
  CHECK_EQ(query(name, 1, nodes, &size), -ENOMEM);
  CHECK_EQ(size, all);
  CHECK_EQ(query(name, 1, nodes, &size), 0);
  CHECK_EQ(strcmp(nodes[0].name, "kern"), 0);
  CHECK_EQ(nodes[0].num, CTL_KERN);
  CHECK_EQ(nodes[0].flags & 0xff00000f, SYSCTL_VERS_1 | 1);
  name[0] = CTL_KERN;
  name[1] = CTL_QUERY;
  size = sizeof nodes;
  CHECK_EQ(query(name, 2, nodes, &size), 0);
  CHECK_EQ(strcmp(nodes[0].name, "ostype"), 0);
  CHECK_EQ(nodes[0].size, 7);
  name[1] = 1;
  char text[32];
  size = sizeof text;
  CHECK_EQ(sys(SYS___sysctl, name, 2, text, &size, 0, 0), 0);
  CHECK_EQ(strcmp(text, "NetBSD"), 0);
  name[2] = CTL_QUERY;
  CHECK_EQ(query(name, 3, nodes, &size), -ENOTDIR);
  const int cpus[2] = {CTL_HW, 3};
  int count = 0;
  size = sizeof count;
  CHECK_EQ(sys(SYS___sysctl, cpus, 2, &count, &size, 0, 0), 0);
  CHECK(count > 0);
  const int random[2] = {CTL_KERN, 81};
  unsigned char bytes[16] = {0};
  size = sizeof bytes;
  CHECK_EQ(sys(SYS___sysctl, random, 2, bytes, &size, 0, 0), 0);
  CHECK_EQ(size, sizeof bytes);
}

// procfs(5) has Linux's list of mappings, by which Go's profiles know what lies where.
// In it are the program's mappings and no others, however much of its code has been rewritten.
CASE(mappings_of_the_process) {
  static char text[16384];
  for (int i = 0; i < 2000; ++i) sys(SYS_getppid);
  const int fd = (int)sys(SYS_open, "/proc/self/maps", O_RDONLY, 0);
  CHECK(fd >= 0);
  const long length = sys(SYS_read, fd, text, sizeof text - 1);
  CHECK(length > 0 && length < (long)sizeof text - 1);
  CHECK_EQ(sys(SYS_read, fd, text + length, 1), 0);
  CHECK_EQ(sys(SYS_write, fd, "x", 1), -EBADF);
  int code = 0, holds_this = 0;
  for (const char* at = text; *at != 0;) {
    unsigned long ends[2] = {0, 0};
    for (int i = 0; i < 2; ++i, ++at)
      for (; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'); ++at)
        ends[i] = ends[i] << 4 | (unsigned long)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    CHECK(ends[0] < ends[1] && ends[1] <= 0x2a0000000000);
    const unsigned long here = (unsigned long)&guest_argv;
    if (ends[0] <= here && here < ends[1]) ++holds_this;
    if (at[2] == 'x') ++code;
    while (*at != '\n' && *at != 0) ++at;
    if (*at != 0) ++at;
  }
  CHECK_EQ(holds_this, 1);
  CHECK_EQ(code, 1);  // the program's own
}

CASE(file_systems) {
  static char one[3296], old[2256];
  CHECK_EQ(sys(484, "/", one, 1), 0);
  CHECK_EQ(sys(357, "/", old, 1), 0);
  CHECK_EQ(strcmp(one + 224, "/"), 0);  // f_mntonname
  CHECK_EQ(strcmp(old + 204, "/"), 0);
  CHECK_EQ(strcmp(one + 192, old + 172), 0);
  CHECK_EQ(sys(484, "/", one, 4), -EINVAL);
  CHECK_EQ(sys(484, "/nowhere", one, 1), -ENOENT);
  const long count = sys(483, 0, 0, 2);
  CHECK(count > 0);
  CHECK_EQ(sys(483, one, sizeof one, 2), 1);
}

static volatile int got_sigsys;
static void note_sigsys(int signal, struct siginfo* info, struct ucontext* context) { ++got_sigsys; }
CASE(no_such_call) {
  on_signal(SIGSYS, note_sigsys, 0);
  CHECK_EQ(sys(510), -ENOSYS);
  CHECK_EQ(got_sigsys, 1);
}

CASE(microseconds_have_32_bits) {
  CHECK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0600) >= 0);
  struct { long sec; int usec; unsigned behind; } times[2] = {{1000, 5, 0xdeadbeef}, {2000, 6, 0xdeadbeef}};
  CHECK_EQ(sys(420, "file", times), 0);  // utimes
  struct stat st;
  CHECK_EQ(sys(SYS___stat50, "file", &st), 0);
  CHECK_EQ(st.st_atim.tv_sec, 1000);
  CHECK_EQ(st.st_atim.tv_nsec, 5000);
  CHECK_EQ(st.st_mtim.tv_nsec, 6000);
  times[0].sec = 0;
  CHECK_EQ(sys(417, 0, 0, 0, 0, times), 0);  // select
  CHECK_EQ(sys(425, 0, times, 0), 0);        // setitimer
}
