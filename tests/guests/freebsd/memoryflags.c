// Memory: every flag of mmap, limits of protection, guards, and the calls about what is mapped.
#include "guest.h"

enum { kPage = 4096, MAP_NOSYNC = 0x800, MAP_NOCORE = 0x20000, MAP_PREFAULT_READ = 0x40000, MAP_ALIGNED_SUPER = 1 << 24, kRw = PROT_READ | PROT_WRITE, kAnon = MAP_ANON | MAP_PRIVATE };
enum { MADV_PROTECT = 10, MS_ASYNC = 1, MS_INVALIDATE = 2, INHERIT_SHARE = 0, INHERIT_COPY = 1, INHERIT_NONE = 2, INHERIT_ZERO = 3 };
enum { INCORE = 1, REFERENCED = 2, MODIFIED = 4, REFERENCED_OTHER = 8, MODIFIED_OTHER = 16 };
static const unsigned long kHost = 0x7f0000000000;
#define PROT_MAX(p) ((p) << 16)

static long mm(void* at, size_t size, int prot, int flags, int fd, long offset) { return sys(SYS_mmap, at, size, prot, flags, fd, offset); }
static long temporary(size_t size) {
  const long fd = sys(SYS_openat, AT_FDCWD, "memoryflags.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_unlink, "memoryflags.tmp"), 0);
  CHECK_EQ(sys(SYS_ftruncate, fd, size), 0);
  return fd;
}
static bool readable(const void* at) { return sys(SYS_access, at, 0) != -EFAULT; }

CASE(refused_flags) {
  const long fd = temporary(kPage);
  CHECK_EQ(mm(0, kPage, 8, kAnon, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_MAX(8), kAnon, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_READ, kAnon | 4, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_READ, kAnon | 0x100000, -1, 0), -EINVAL);
  CHECK(mm(0, kPage, PROT_READ, kAnon | 0x20 | 0x40 | 0x200 | MAP_NOSYNC | MAP_NOCORE | MAP_PREFAULT_READ, -1, 0) > 0);
  CHECK(mm(0, kPage, PROT_READ, MAP_ANON, -1, 0) > 0);                       // private
  CHECK(mm(0, kPage, PROT_READ, MAP_ANON | MAP_SHARED, -1, 0) > 0);
  CHECK_EQ(mm(0, kPage, PROT_READ, MAP_ANON | MAP_SHARED | MAP_PRIVATE, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_READ, 0, (int)fd, 0), -EINVAL);                 // a file: one of the two must be said
  CHECK_EQ(mm(0, kPage, PROT_READ, 0, 1000, 0), -EBADF);
  CHECK_EQ(mm(0, kPage, PROT_READ, MAP_SHARED, 1000, 0), -EBADF);
  CHECK_EQ(mm(0, 0, PROT_READ, MAP_SHARED, (int)fd, 0), -EINVAL);
  CHECK_EQ(mm(0, -1UL, PROT_READ, kAnon, -1, 0), -ENOMEM);
  CHECK_EQ(mm(0, 1UL << 47, PROT_READ, kAnon, -1, 0), -ENOMEM);
  CHECK_EQ(mm(0, kPage, PROT_READ, kAnon | MAP_ALIGNED(11), -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_READ, kAnon | MAP_ALIGNED(64), -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_READ, kAnon | MAP_ALIGNED(60), -1, 0), -ENOMEM);
  CHECK_EQ(mm((void*)1, kPage, PROT_READ, kAnon | MAP_FIXED, -1, 0), -EINVAL);
  CHECK_EQ(mm((void*)(1UL << 31), kPage, PROT_READ, kAnon | MAP_FIXED | MAP_32BIT, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_close, fd), 0);
}
CASE(offsets) {
  const long fd = temporary(4 * kPage);
  char c = 'o';
  CHECK_EQ(sys(SYS_pwrite, fd, &c, 1, kPage + 7), 1);
  char* at = (char*)mm(0, kPage, PROT_READ, MAP_SHARED, (int)fd, kPage + 7);   // two pages
  CHECK_EQ((unsigned long)at % kPage, 7);
  CHECK_EQ(*at, 'o');
  CHECK(readable(at - 7 + 2 * kPage - 1));
  // With MAP_FIXED the address must stand in its page where the offset does.
  CHECK_EQ(mm(at - 7, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, (int)fd, kPage + 7), -EINVAL);
  CHECK_EQ(mm(at, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, (int)fd, kPage + 7), at);
  CHECK_EQ(*at, 'o');
  // What was opened for reading only stays so.
  const long reader = sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0);
  CHECK(reader >= 0);
  CHECK(mm(0, kPage, kRw, MAP_SHARED, (int)reader, 0) < 0);
  CHECK_EQ(mm(0, kPage, PROT_READ, kAnon, (int)fd, 0), -EINVAL);
  CHECK_EQ(sys(SYS_close, reader), 0);
  CHECK_EQ(sys(SYS_close, fd), 0);
}
CASE(low_addresses) {
  const unsigned long kTop = 1UL << 31;
  const unsigned long a = (unsigned long)mm(0, kPage, kRw, kAnon | MAP_32BIT, -1, 0);
  CHECK(a != 0 && a + kPage <= kTop);
  CHECK_EQ(sys(SYS_munmap, a, kPage), 0);
  CHECK_EQ(mm((void*)a, kPage, kRw, kAnon | MAP_32BIT, -1, 0), a);               // a hint
  CHECK(mm((void*)a, kPage, kRw, kAnon | MAP_32BIT, -1, 0) != (long)a);          // that is taken
  const unsigned long high = (unsigned long)mm((void*)(kTop * 4), kPage, kRw, kAnon | MAP_32BIT, -1, 0);
  CHECK(high + kPage <= kTop);
  const unsigned long aligned = (unsigned long)mm(0, 3 * kPage, kRw, kAnon | MAP_32BIT | MAP_ALIGNED(24), -1, 0);
  CHECK(aligned + 3 * kPage <= kTop);
  CHECK_EQ(aligned % (1 << 24), 0);
  memset((void*)aligned, 1, 3 * kPage);
  CHECK(!readable((char*)aligned - kPage));
  CHECK_EQ(mm(0, kTop, kRw, kAnon | MAP_32BIT, -1, 0), -ENOMEM);
  const unsigned long large = (unsigned long)mm(0, 4 << 20, kRw, kAnon | MAP_ALIGNED_SUPER, -1, 0);
  CHECK_EQ(large % (2 << 20), 0);
}
CASE(guards) {
  char* p = (char*)mm(0, 4 * kPage, 0, MAP_GUARD, -1, 0);
  CHECK((long)p > 0);
  CHECK(!readable(p));
  const int wrong[] = {MAP_PRIVATE, MAP_SHARED, MAP_ANON, MAP_STACK, MAP_NOCORE, MAP_PREFAULT_READ};
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; ++i) CHECK_EQ(mm(0, kPage, 0, MAP_GUARD | wrong[i], -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, PROT_READ, MAP_GUARD, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, 0, MAP_GUARD, 1, 0), -EINVAL);
  CHECK_EQ(mm(0, kPage, 0, MAP_GUARD, -1, kPage), -EINVAL);
  // mprotect passes guards over.
  CHECK_EQ(sys(SYS_mprotect, p, 4 * kPage, kRw), 0);
  CHECK(!readable(p) && !readable(p + 3 * kPage));
  // Mapping over one takes its place.
  CHECK_EQ(mm(p + kPage, kPage, 0, kAnon | MAP_FIXED, -1, 0), p + kPage);
  CHECK_EQ(sys(SYS_mprotect, p, 4 * kPage, kRw), 0);
  CHECK(!readable(p) && readable(p + kPage) && !readable(p + 2 * kPage));
  CHECK_EQ(mm(p, kPage, 0, MAP_GUARD | MAP_FIXED | MAP_EXCL, -1, 0), -EINVAL);
  CHECK_EQ(mm(p + kPage, kPage, 0, MAP_GUARD | MAP_FIXED, -1, 0), p + kPage);
  CHECK(!readable(p + kPage));
  CHECK_EQ(sys(SYS_munmap, p, 4 * kPage), 0);
  CHECK_EQ(mm(p, kPage, 0, kAnon, -1, 0), p);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, PROT_READ), 0);
  CHECK(readable(p));
}
CASE(stacks) {
  char* p = (char*)mm(0, 4 * kPage, kRw, MAP_STACK, -1, 0);
  CHECK((long)p > 0);
  memset(p + kPage, 1, 3 * kPage);
  CHECK(!readable(p));                       // the lowest page is a guard
  CHECK_EQ(sys(SYS_mprotect, p, 2 * kPage, 0), 0);   // as thread libraries make their own
  CHECK_EQ(sys(SYS_mprotect, p, 2 * kPage, kRw), 0);
  CHECK(!readable(p) && readable(p + kPage));
  CHECK_EQ(mm(0, kPage, kRw, MAP_STACK, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, 4 * kPage, PROT_READ, MAP_STACK, -1, 0), -EINVAL);
  CHECK_EQ(mm(0, 4 * kPage, kRw, MAP_STACK, 0, 0), -EINVAL);
  CHECK(mm(0, 4 * kPage, kRw, MAP_STACK, -1, kPage) > 0);   // the offset says nothing
  CHECK_EQ(mm(0, 4 * kPage, kRw, MAP_STACK | MAP_ANON, -1, kPage), -EINVAL);
}
CASE(maximum_protection) {
  CHECK_EQ(mm(0, kPage, kRw | PROT_MAX(PROT_READ), kAnon, -1, 0), -EOPNOTSUPP);
  char* p = (char*)mm(0, 4 * kPage, PROT_READ | PROT_MAX(PROT_READ), kAnon, -1, 0);
  CHECK((long)p > 0);
  CHECK_EQ(sys(SYS_mprotect, p + kPage, kPage, kRw), -EACCES);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, PROT_READ | PROT_EXEC), -EACCES);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, 0), 0);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, PROT_READ), 0);
  CHECK_EQ(sys(SYS_mprotect, p - kPage, 3 * kPage, kRw), -EACCES);
  CHECK_EQ(sys(SYS_mprotect, p, kPage, 8), -EINVAL);
  // A child has the same limits.
  const long pid = start_process();
  if (pid == 0) quit(sys(SYS_mprotect, p, kPage, kRw) == -EACCES ? 0 : 1);
  expect_exit(pid, 0);
  // A new mapping in its place has its own.
  CHECK_EQ(mm(p + kPage, kPage, kRw, kAnon | MAP_FIXED, -1, 0), p + kPage);
  CHECK_EQ(sys(SYS_mprotect, p + kPage, kPage, PROT_READ), 0);
  CHECK_EQ(sys(SYS_mprotect, p + kPage, kPage, kRw), 0);
  CHECK_EQ(sys(SYS_mprotect, p + 2 * kPage, kPage, kRw), -EACCES);
  // mprotect sets and lowers them, and raises none.
  char* q = (char*)mm(0, 2 * kPage, kRw, kAnon, -1, 0);
  CHECK_EQ(sys(SYS_mprotect, q, kPage, kRw | PROT_MAX(PROT_READ)), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_mprotect, q, kPage, PROT_READ | PROT_MAX(kRw)), 0);
  CHECK_EQ(sys(SYS_mprotect, q, kPage, kRw), 0);
  CHECK_EQ(sys(SYS_mprotect, q, kPage, PROT_EXEC), -EACCES);
  CHECK_EQ(sys(SYS_mprotect, q + kPage, kPage, PROT_READ | PROT_EXEC), 0);
  CHECK_EQ(sys(SYS_mprotect, q, kPage, PROT_READ | PROT_MAX(kRw | PROT_EXEC)), -EACCES);
  CHECK_EQ(sys(SYS_munmap, q, 2 * kPage), 0);
  CHECK_EQ(mm(q, kPage, PROT_READ, kAnon, -1, 0), q);
  CHECK_EQ(sys(SYS_mprotect, q, kPage, PROT_EXEC), 0);
}
CASE(holes) {
  char* p = map(5 * kPage);
  CHECK_EQ(sys(SYS_munmap, p + kPage, kPage), 0);
  CHECK_EQ(sys(SYS_munmap, p + 3 * kPage, kPage), 0);
  CHECK_EQ(sys(SYS_mprotect, p, 5 * kPage, 0), 0);
  CHECK(!readable(p) && !readable(p + 2 * kPage) && !readable(p + 4 * kPage));
  CHECK_EQ(sys(SYS_mprotect, p + 10, 4 * kPage + 1, PROT_READ), 0);
  CHECK(readable(p) && readable(p + 2 * kPage) && readable(p + 4 * kPage));
  CHECK_EQ(sys(SYS_mprotect, p, 0, 0), 0);
  CHECK(readable(p));
  CHECK_EQ(sys(SYS_mprotect, p, -1UL, PROT_READ), -EINVAL);
  CHECK_EQ(sys(SYS_madvise, p, 5 * kPage, 3), 0);
  CHECK_EQ(sys(SYS_minherit, p, 5 * kPage, INHERIT_COPY), 0);
  CHECK_EQ(sys(SYS_munmap, p + 1, 1), 0);      // the whole page
  CHECK(!readable(p));
  CHECK_EQ(sys(SYS_munmap, p, 5 * kPage), 0);
  CHECK_EQ(sys(SYS_munmap, p, 5 * kPage), 0);  // of nothing
}
CASE(what_is_in_core) {
  unsigned char v[8];
  char* p = map(4 * kPage);
  p[0] = 1;
  volatile char c = p[kPage];
  (void)c;
  memset(v, 0xff, sizeof v);
  CHECK_EQ(sys(SYS_mincore, p + 5, 4 * kPage - 5, v), 0);
  CHECK_EQ(v[0], INCORE | REFERENCED | MODIFIED | REFERENCED_OTHER | MODIFIED_OTHER);
  CHECK_EQ(v[1] & MODIFIED, 0);
  CHECK_EQ(v[2], 0);
  CHECK_EQ(v[3], 0);
  CHECK_EQ(v[4], 0xff);
  CHECK_EQ(sys(SYS_mincore, p, kPage, 8), -EFAULT);
  CHECK_EQ(sys(SYS_mincore, p, 0, 8), 0);
  CHECK_EQ(sys(SYS_mincore, kHost, kPage, v), -ENOMEM);
  CHECK_EQ(sys(SYS_mincore, p, -1UL, v), -ENOMEM);
  CHECK_EQ(sys(SYS_munmap, p + kPage, kPage), 0);
  CHECK_EQ(sys(SYS_mincore, p, 4 * kPage, v), -ENOMEM);
  static unsigned char many[1000];
  char* big = map(1000 * kPage);
  for (int i = 0; i < 1000; i += 2) big[i * kPage] = 1;
  CHECK_EQ(sys(SYS_mincore, big, 1000 * kPage, many), 0);
  CHECK((many[998] & MODIFIED) != 0 && (many[0] & MODIFIED) != 0);
}
CASE(advice) {
  char* p = map(2 * kPage);
  CHECK_EQ(sys(SYS_madvise, p + 1, 1, 0), 0);
  CHECK_EQ(sys(SYS_madvise, p, kPage, -1), -EINVAL);
  CHECK_EQ(sys(SYS_madvise, p, kPage, 11), -EINVAL);
  CHECK_EQ(sys(SYS_madvise, kHost, kPage, 4), -EINVAL);
  CHECK_EQ(sys(SYS_madvise, p, -1UL, 4), -EINVAL);
  // Of the address this one does not care.
  CHECK_EQ(sys(SYS_madvise, kHost, kPage, MADV_PROTECT), sys(SYS_geteuid) == 0 ? 0 : -EPERM);
  memset(p, 7, 2 * kPage);
  CHECK_EQ(sys(SYS_madvise, p, 2 * kPage, 4), 0);
  CHECK_EQ(p[0] + p[kPage], 14);
}
CASE(sync) {
  const long fd = temporary(4 * kPage);
  char* p = (char*)mm(0, 4 * kPage, kRw, MAP_SHARED, (int)fd, 0);
  CHECK((long)p > 0);
  p[5] = 'm';
  CHECK_EQ(sys(SYS_msync, p + 5, 1, 0), 0);
  CHECK_EQ(sys(SYS_msync, p + kPage, 0, 0), 0);   // all of the mapping
  CHECK_EQ(sys(SYS_msync, p, 4 * kPage, MS_ASYNC), 0);
  CHECK_EQ(sys(SYS_msync, p, 4 * kPage, MS_INVALIDATE), 0);
  CHECK_EQ(sys(SYS_msync, p, kPage, MS_ASYNC | MS_INVALIDATE), -EINVAL);
  CHECK_EQ(sys(SYS_msync, p, kPage, 8), -EINVAL);
  CHECK_EQ(sys(SYS_msync, p, -1UL, 0), -EINVAL);
  CHECK_EQ(sys(SYS_munmap, p + kPage, kPage), 0);
  CHECK_EQ(sys(SYS_msync, p, 4 * kPage, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_msync, p + kPage, 0, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_msync, kHost, kPage, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_msync, kHost, 0, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_close, fd), 0);
}
CASE(locking) {
  char* p = map(3 * kPage);
  const long locked = sys(SYS_mlock, p + 3, kPage);
  CHECK(locked == 0 || locked == -ENOMEM);   // as far as the limit goes
  CHECK_EQ(sys(SYS_munlock, p + 3, kPage), 0);
  CHECK_EQ(sys(SYS_mlock, p, -1UL), -EINVAL);
  CHECK_EQ(sys(SYS_munlock, p, -1UL), -EINVAL);
  CHECK_EQ(sys(SYS_mlock, kHost, kPage), -ENOMEM);
  CHECK_EQ(sys(SYS_munlock, kHost, kPage), -ENOMEM);
  CHECK_EQ(sys(SYS_munmap, p + kPage, kPage), 0);
  CHECK_EQ(sys(SYS_mlock, p, 3 * kPage), -ENOMEM);
  CHECK_EQ(sys(SYS_munlock, p, 3 * kPage), -ENOMEM);
  CHECK_EQ(sys(SYS_mlockall, 0), -EINVAL);
  CHECK_EQ(sys(SYS_mlockall, 4), -EINVAL);
  CHECK_EQ(sys(SYS_munlockall), 0);
}
CASE(inheritance) {
  char* p = map(4 * kPage);
  memset(p, 'p', 4 * kPage);
  CHECK_EQ(sys(SYS_minherit, p, kPage, 4), -EINVAL);
  CHECK_EQ(sys(SYS_minherit, p, kPage, -1), -EINVAL);
  CHECK_EQ(sys(SYS_minherit, p, -1UL, INHERIT_COPY), -EINVAL);
  CHECK_EQ(sys(SYS_minherit, kHost, kPage, INHERIT_NONE), 0);   // nothing is there
  CHECK_EQ(sys(SYS_minherit, p, kPage, INHERIT_NONE), 0);
  CHECK_EQ(sys(SYS_minherit, p + kPage, kPage, INHERIT_ZERO), 0);
  CHECK_EQ(sys(SYS_minherit, p + 2 * kPage, kPage, INHERIT_SHARE), 0);
  CHECK_EQ(p[2 * kPage] + p[3 * kPage - 1], 2 * 'p');
  long pid = start_process();
  if (pid == 0) {
    if (readable(p) || p[kPage] != 0 || p[2 * kPage] != 'p' || p[3 * kPage] != 'p') quit(1);
    p[kPage] = p[2 * kPage] = p[3 * kPage] = 'c';
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(p[kPage], 'p');
  CHECK_EQ(p[2 * kPage], 'c');
  CHECK_EQ(p[3 * kPage], 'p');
  // The last word counts.
  CHECK_EQ(sys(SYS_minherit, p, 2 * kPage, INHERIT_COPY), 0);
  pid = start_process();
  if (pid == 0) quit(p[0] == 'p' && p[kPage] == 'p' ? 0 : 1);
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_minherit, p, kPage, INHERIT_NONE), 0);
  CHECK_EQ(sys(SYS_minherit, p, kPage, INHERIT_ZERO), 0);
  pid = start_process();
  if (pid == 0) quit(readable(p) && p[0] == 0 ? 0 : 1);
  expect_exit(pid, 0);
  // Shared memory is shared as it is; protection stays.
  char* shared = (char*)mm(0, kPage, kRw, MAP_ANON | MAP_SHARED, -1, 0);
  CHECK_EQ(sys(SYS_minherit, shared, kPage, INHERIT_SHARE), 0);
  char* none = map(kPage);
  none[0] = 'n';
  CHECK_EQ(sys(SYS_mprotect, none, kPage, 0), 0);
  CHECK_EQ(sys(SYS_minherit, none, kPage, INHERIT_SHARE), 0);
  CHECK(!readable(none));
  CHECK_EQ(sys(SYS_mprotect, none, kPage, PROT_READ), 0);
  CHECK_EQ(none[0], 'n');
}
