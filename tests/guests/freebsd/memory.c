// Memory: mmap and its flags, protection, the break, and what lies outside the guest's reach.
#include "guest.h"

enum { kPage = 4096 };
static const unsigned long kHost = 0x7f0000000000, kKernel = 0xffff800000000000;

CASE(anonymous) {
  char* p = map(3 * kPage);
  for (int i = 0; i < 3 * kPage; ++i) CHECK_EQ(p[i], 0);
  memset(p, 7, 3 * kPage);
  CHECK_EQ(sys(SYS_munmap, p + kPage, kPage), 0);
  CHECK_EQ(p[0] + p[2 * kPage], 14);
  CHECK_EQ(sys(SYS_munmap, p, 3 * kPage), 0);
  CHECK_EQ(sys(SYS_munmap, p, 0), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, 0, 0, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, 0, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE, 5, 0), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, 0, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, kPage), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, 0, kPage, PROT_READ, MAP_PRIVATE, -1, 0), -EBADF);
  CHECK_EQ(sys(SYS_mmap, 0, 1UL << 60, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0), -ENOMEM);
}
CASE(files) {
  const long fd = sys(SYS_openat, AT_FDCWD, "map.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_unlink, "map.tmp"), 0);
  CHECK_EQ(sys(SYS_ftruncate, fd, 2 * kPage), 0);
  char* shared = (char*)sys(SYS_mmap, 0, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* private = (char*)sys(SYS_mmap, 0, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, kPage);
  CHECK((long)shared > 0 && (long)private > 0);
  shared[kPage] = 'a';
  CHECK_EQ(private[0], 'a');
  private[0] = 'b';
  CHECK_EQ(shared[kPage], 'a');
  char c;
  CHECK_EQ(sys(SYS_pread, fd, &c, 1, kPage), 1);
  CHECK_EQ(c, 'a');
  // An offset inside a page gives the address of that byte.
  char* odd = (char*)sys(SYS_mmap, 0, 10, PROT_READ, MAP_SHARED, fd, kPage + 5);
  CHECK_EQ((unsigned long)odd % kPage, 5);
  const long pid = start_process();
  if (pid == 0) {
    shared[0] = 'c';
    private[1] = 'd';
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(shared[0], 'c');
  CHECK_EQ(private[1], 0);
}
CASE(fixed) {
  char* p = map(4 * kPage);
  p[kPage] = 1;
  CHECK_EQ(sys(SYS_mmap, p + kPage, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), p + kPage);
  CHECK_EQ(p[kPage], 0);
  CHECK_EQ(sys(SYS_mmap, p + 1, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_mmap, p, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_EXCL, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_munmap, p + kPage, kPage), 0);
  CHECK_EQ(sys(SYS_mmap, p + kPage, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_EXCL, -1, 0), p + kPage);
  CHECK_EQ(sys(SYS_mmap, 0, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_EXCL, -1, 0), -EINVAL);
}
CASE(hint) {
  char* p = map(kPage);
  CHECK_EQ(sys(SYS_munmap, p, kPage), 0);
  CHECK_EQ(sys(SYS_mmap, p, kPage, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0), p);
  const long other = sys(SYS_mmap, p, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
  CHECK(other > 0 && other != (long)p);
  const long host = sys(SYS_mmap, kHost, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
  CHECK(host > 0 && (unsigned long)host < kHost);
}
CASE(host_is_out_of_reach) {
  const unsigned long places[] = {kHost, kKernel, 0x7ffffffff000, 0x2a0000000000, 0x29fffffff000, 0x555555554000, 0xfffffffffffff000, 0x8000000000000000};
  for (unsigned i = 0; i < sizeof places / sizeof *places; ++i) {
    const unsigned long at = places[i];
    CHECK_EQ(sys(SYS_mmap, at, 2 * kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), -EINVAL);
    CHECK_EQ(sys(SYS_munmap, at, 2 * kPage), -EINVAL);
    // What lies outside is as good as not mapped, and that is passed over; only the end of all addresses is not.
    CHECK_EQ(sys(SYS_mprotect, at, 2 * kPage, PROT_NONE), at + 2 * kPage < at ? -EINVAL : 0);
    CHECK(sys(SYS_madvise, at, 2 * kPage, 5) < 0);
  }
  CHECK_EQ(sys(SYS_munmap, kPage, kHost), -EINVAL);
  CHECK_EQ(sys(SYS_munmap, kPage, -1), -EINVAL);
}
CASE(protection) {
  char* p = map(2 * kPage);
  p[0] = 'x';
  CHECK_EQ(sys(SYS_mprotect, p, kPage, PROT_READ), 0);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_write, fds[1], p, 1), 1);
  CHECK_EQ(sys(SYS_read, fds[0], p, 1), -EFAULT);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, PROT_NONE), 0);
  CHECK_EQ(sys(SYS_write, fds[1], p, 1), -EFAULT);
  CHECK_EQ(sys(SYS_mprotect, p, 2 * kPage, PROT_READ | PROT_WRITE), 0);
  CHECK_EQ(p[0], 'x');
  // Code made at run time.
  char* code = (char*)sys(SYS_mmap, 0, kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE, -1, 0);
  const unsigned char bytes[] = {0xb8, 42, 0, 0, 0, 0xc3};
  memcpy(code, bytes, sizeof bytes);
  CHECK_EQ(((int (*)(void))(void*)code)(), 42);
  // A system call in such code is one like any other.
  const unsigned char call[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3};
  memcpy(code, call, sizeof call);
  CHECK_EQ(((int (*)(void))(void*)code)(), sys(SYS_getpid));
  CHECK_EQ(sys(SYS_munmap, p, 2 * kPage), 0);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, PROT_READ), 0);   // pages that are not mapped are passed over
  CHECK_EQ(sys(SYS_access, p, 0), -EFAULT);
}
CASE(guard_and_stack) {
  char* guard = (char*)sys(SYS_mmap, 0, 4 * kPage, PROT_NONE, MAP_GUARD, -1, 0);
  CHECK((long)guard > 0);
  CHECK_EQ(sys(SYS_access, guard, 0), -EFAULT);
  CHECK_EQ(sys(SYS_mmap, 0, kPage, PROT_READ, MAP_GUARD, -1, 0), -EINVAL);
  char* stack = (char*)sys(SYS_mmap, 0, 16 * kPage, PROT_READ | PROT_WRITE, MAP_STACK | MAP_PRIVATE, -1, 0);
  CHECK((long)stack > 0);
  stack[16 * kPage - 1] = 1;
  stack[kPage] = 1;
  char* low = (char*)sys(SYS_mmap, 0, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_32BIT, -1, 0);
  CHECK((long)low > 0 && (unsigned long)low < 0x100000000);
  for (int bits = 12; bits <= 24; bits += 3) {
    const unsigned long at = (unsigned long)sys(SYS_mmap, 0, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED(bits), -1, 0);
    CHECK_EQ(at & ((1UL << bits) - 1), 0);
  }
}
CASE(the_break) {
  const long now = sys(SYS_break, 0);
  (void)now;
  extern char _end[];
  const unsigned long base = ((unsigned long)_end + kPage - 1) & -(unsigned long)kPage;
  CHECK_EQ(sys(SYS_break, base + 16 * kPage) < 0, 0);
  char* p = (char*)base;
  for (int i = 0; i < 16 * kPage; ++i) CHECK_EQ(p[i], 0);
  memset(p, 1, 16 * kPage);
  CHECK_EQ(sys(SYS_break, base + kPage) < 0, 0);
  CHECK_EQ(sys(SYS_access, p + 4 * kPage, 0), -EFAULT);
  CHECK_EQ(sys(SYS_break, base + 16 * kPage) < 0, 0);
  CHECK_EQ(p[8 * kPage], 0);
  CHECK_EQ(sys(SYS_break, kHost), -ENOMEM);
}
CASE(advice) {
  char* p = map(4 * kPage);
  p[0] = 'k';
  CHECK_EQ(sys(SYS_madvise, p, 4 * kPage, 4), 0);   // MADV_DONTNEED keeps what is there
  CHECK_EQ(p[0], 'k');
  for (int advice = 0; advice <= 9; ++advice) CHECK_EQ(sys(SYS_madvise, p, kPage, advice), 0);
  CHECK_EQ(sys(SYS_madvise, p, kPage, 10), sys(SYS_geteuid) == 0 ? 0 : -EPERM);   // MADV_PROTECT
  CHECK_EQ(sys(SYS_madvise, p, kPage, 99), -EINVAL);
  char incore[4];
  CHECK_EQ(sys(SYS_mincore, p, 4 * kPage, incore), 0);
}
CASE(large) {
  // A terabyte of address space, of which a few pages are used.
  char* p = (char*)sys(SYS_mmap, 0, 1UL << 40, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
  if ((long)p == -ENOMEM) p = (char*)sys(SYS_mmap, 0, 1UL << 40, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0);
  CHECK((long)p > 0);
  CHECK_EQ(sys(SYS_munmap, p, 1UL << 40), 0);
}
CASE(many) {
  static char* maps[2000];
  for (int i = 0; i < 2000; ++i) maps[i] = map(kPage), maps[i][0] = (char)i;
  for (int i = 0; i < 2000; ++i) CHECK_EQ(maps[i][0], (char)i);
  for (int i = 0; i < 2000; ++i) CHECK_EQ(sys(SYS_munmap, maps[i], kPage), 0);
}
