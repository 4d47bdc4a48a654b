// Calls in the forms of older releases, beside the current ones.
// Structures: FreeBSD 14.0 sys/sys/{stat,dirent,mount}.h (freebsd11_*, nstat, ostatfs).
#include "guest.h"

struct stat11 {
  uint32_t st_dev, st_ino;
  uint16_t st_mode, st_nlink;
  uint32_t st_uid, st_gid, st_rdev;
  struct timespec st_atim, st_mtim, st_ctim;
  int64_t st_size, st_blocks;
  int32_t st_blksize;
  uint32_t st_flags, st_gen;
  int32_t st_lspare;
  struct timespec st_birthtim;
};
_Static_assert(sizeof(struct stat11) == 120, "struct freebsd11_stat");
struct nstat {
  uint32_t st_dev, st_ino, st_mode, st_nlink, st_uid, st_gid, st_rdev;
  struct timespec st_atim, st_mtim, st_ctim;
  int64_t st_size, st_blocks;
  int32_t st_blksize;
  uint32_t st_flags, st_gen;
  struct timespec st_birthtim;
};
_Static_assert(sizeof(struct nstat) == 128, "struct nstat");
struct dirent11 { uint32_t d_fileno; uint16_t d_reclen; uint8_t d_type, d_namlen; char d_name[256]; };
#define STATFS(name, length)                                                                                          \
  struct name {                                                                                                       \
    uint32_t f_version, f_type;                                                                                       \
    uint64_t f_flags, f_bsize, f_iosize, f_blocks, f_bfree;                                                           \
    int64_t f_bavail;                                                                                                 \
    uint64_t f_files;                                                                                                 \
    int64_t f_ffree;                                                                                                  \
    uint64_t f_counts[4], f_spare[10];                                                                                \
    uint32_t f_namemax, f_owner;                                                                                      \
    int32_t f_fsid[2];                                                                                                \
    char f_charspare[80], f_fstypename[16], f_mntfromname[length], f_mntonname[length];                               \
  }
STATFS(statfs, 1024);
STATFS(statfs11, 88);
struct ostatfs {
  long f_spare2, f_bsize, f_iosize, f_blocks, f_bfree, f_bavail, f_files, f_ffree;
  int f_fsid[2];
  unsigned f_owner;
  int f_type, f_flags;
  long f_syncwrites, f_asyncwrites;
  char f_fstypename[16], f_mntonname[72];
  long f_syncreads, f_asyncreads;
  short f_spares1;
  char f_mntfromname[72];
  short f_spares2;
  long f_spare[2];
};
_Static_assert(sizeof(struct statfs) == 2344 && sizeof(struct statfs11) == 472 && sizeof(struct ostatfs) == 304, "statfs");
#define BAD ((void*)8)

static long new_file(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0640);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_write, fd, "0123456789", 10), 10);
  return fd;
}
static void same_as_now(const struct stat11* old, const struct stat* now) {
  CHECK_EQ(old->st_ino, (uint32_t)now->st_ino);
  CHECK_EQ(old->st_dev, (uint32_t)now->st_dev);
  CHECK_EQ(old->st_mode, now->st_mode);
  CHECK_EQ(old->st_nlink, now->st_nlink);
  CHECK_EQ(old->st_uid, now->st_uid);
  CHECK_EQ(old->st_gid, now->st_gid);
  CHECK_EQ(old->st_rdev, (uint32_t)now->st_rdev);
  CHECK_EQ(old->st_size, now->st_size);
  CHECK_EQ(old->st_blocks, now->st_blocks);
  CHECK_EQ(old->st_blksize, now->st_blksize);
  CHECK_EQ(old->st_mtim.tv_sec, now->st_mtim.tv_sec);
  CHECK_EQ(old->st_mtim.tv_nsec, now->st_mtim.tv_nsec);
  CHECK_EQ(old->st_birthtim.tv_sec, now->st_birthtim.tv_sec);
}

CASE(stat_of_freebsd_11) {
  const long fd = new_file("s.tmp");
  CHECK_EQ(sys(SYS_symlink, "s.tmp", "sl.tmp"), 0);
  struct stat now, link;
  struct stat11 old;
  CHECK_EQ(sys(SYS_fstat, fd, &now), 0);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "sl.tmp", &link, AT_SYMLINK_NOFOLLOW), 0);
  memset(&old, 0xff, sizeof old);
  CHECK_EQ(sys(SYS_freebsd11_stat, "sl.tmp", &old), 0);
  same_as_now(&old, &now);
  CHECK_EQ(sys(SYS_freebsd11_fstat, fd, &old), 0);
  same_as_now(&old, &now);
  CHECK_EQ(sys(SYS_freebsd11_lstat, "sl.tmp", &old), 0);
  same_as_now(&old, &link);
  CHECK_EQ(sys(SYS_freebsd11_fstatat, AT_FDCWD, "sl.tmp", &old, 0), 0);
  same_as_now(&old, &now);
  CHECK_EQ(sys(SYS_freebsd11_fstatat, AT_FDCWD, "sl.tmp", &old, AT_SYMLINK_NOFOLLOW), 0);
  same_as_now(&old, &link);
  CHECK_EQ(sys(SYS_freebsd11_fstatat, AT_FDCWD, "sl.tmp", &old, 1), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd11_stat, "none.tmp", &old), -ENOENT);
  CHECK_EQ(sys(SYS_freebsd11_stat, BAD, &old), -EFAULT);
  CHECK_EQ(sys(SYS_freebsd11_stat, "s.tmp", BAD), -EFAULT);
  CHECK_EQ(sys(SYS_freebsd11_fstat, 999, &old), -EBADF);
  struct nstat net;
  CHECK_EQ(sys(SYS_freebsd11_nstat, "sl.tmp", &net), 0);
  CHECK_EQ(net.st_ino, (uint32_t)now.st_ino);
  CHECK_EQ(net.st_mode, now.st_mode);
  CHECK_EQ(net.st_size, 10);
  CHECK_EQ(net.st_birthtim.tv_nsec, now.st_birthtim.tv_nsec);
  CHECK_EQ(sys(SYS_freebsd11_nlstat, "sl.tmp", &net), 0);
  CHECK_EQ(net.st_mode, link.st_mode);
  CHECK_EQ(sys(SYS_freebsd11_nfstat, fd, &net), 0);
  CHECK_EQ(net.st_mtim.tv_nsec, now.st_mtim.tv_nsec);
  CHECK_EQ(sys(SYS_freebsd11_nfstat, 999, &net), -EBADF);
  CHECK_EQ(sys(SYS_freebsd11_nstat, "s.tmp", BAD), -EFAULT);
  CHECK_EQ(sys(SYS_unlink, "s.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "sl.tmp"), 0);
}
CASE(directories_of_freebsd_11) {
  CHECK_EQ(sys(SYS_mkdir, "d.tmp", 0755), 0);
  char name[] = "d.tmp/file-a";
  for (; name[11] <= 'z'; ++name[11]) CHECK(sys(SYS_open, name, O_CREAT | O_WRONLY, 0600) >= 0);
  static char buffer[4096] __attribute__((aligned(8)));
  const int calls[] = {SYS_freebsd11_getdirentries, SYS_freebsd11_getdents};
  for (int c = 0; c < 2; ++c) {
    const unsigned sizes[] = {20, 100, 4096};
    for (int s = 0; s < 3; ++s) {
      const long fd = sys(SYS_open, "d.tmp", O_RDONLY | O_DIRECTORY, 0);
      unsigned seen = 0, count = 0;
      long last_base = -1;
      for (;;) {
        long base = -1;
        const long n = sys(calls[c], fd, buffer, sizes[s], &base);
        CHECK(n >= 0 && n <= (long)sizes[s]);
        if (c == 0) CHECK(base >= 0 && base != last_base);
        if (n == 0) break;
        last_base = base;
        for (long at = 0; at < n;) {
          const struct dirent11* d = (const struct dirent11*)(void*)(buffer + at);
          CHECK(d->d_reclen % 4 == 0 && at + d->d_reclen <= n);
          CHECK_EQ(d->d_namlen, strlen(d->d_name));
          CHECK(d->d_reclen >= 8 + d->d_namlen + 1 && d->d_fileno != 0);
          if (d->d_name[0] == 'f') seen |= 1U << (d->d_name[5] - 'a');
          ++count;
          at += d->d_reclen;
        }
      }
      CHECK_EQ(seen, (1U << 26) - 1);
      CHECK_EQ(count, 28);
      sys(SYS_close, fd);
    }
    const long fd = sys(SYS_open, "d.tmp", O_RDONLY | O_DIRECTORY, 0);
    CHECK_EQ(sys(calls[c], fd, buffer, 4, 0), -EINVAL);
    CHECK_EQ(sys(calls[c], fd, BAD, 4096, 0), -EFAULT);
    CHECK_EQ(sys(calls[c], 999, buffer, 4096, 0), -EBADF);
    CHECK_EQ(sys(calls[c], sys(SYS_open, "d.tmp/file-a", O_RDONLY, 0), buffer, 4096, 0), -EINVAL);
    if (c == 0) CHECK_EQ(sys(calls[c], fd, buffer, 4096, BAD), -EFAULT);
  }
  for (name[11] = 'a'; name[11] <= 'z'; ++name[11]) CHECK_EQ(sys(SYS_unlink, name), 0);
  CHECK_EQ(sys(SYS_rmdir, "d.tmp"), 0);
}
CASE(file_systems) {
  static struct statfs now, all[64];
  static struct statfs11 old, old_all[64];
  static struct ostatfs oldest, oldest_all[64];
  const long fd = sys(SYS_open, ".", O_RDONLY | O_DIRECTORY, 0);
  CHECK_EQ(sys(SYS_fstatfs, fd, &now), 0);
  CHECK(now.f_bsize >= 512 && now.f_mntonname[0] == '/' && now.f_fstypename[0] != 0);
  CHECK_EQ(now.f_version, 0x20140518);
  CHECK(now.f_type > 0 && now.f_type < 256);
  CHECK_EQ(sys(SYS_freebsd11_statfs, ".", &old), 0);
  CHECK_EQ(old.f_version, 0x20030518);
  CHECK_EQ(old.f_bsize, now.f_bsize);
  CHECK_EQ(old.f_blocks, now.f_blocks);
  CHECK_EQ(old.f_type, now.f_type);
  CHECK_EQ(old.f_fsid[0], now.f_fsid[0]);
  CHECK_EQ(strcmp(old.f_fstypename, now.f_fstypename), 0);
  CHECK_EQ(sys(SYS_freebsd11_fstatfs, fd, &old), 0);
  CHECK_EQ(old.f_blocks, now.f_blocks);
  CHECK_EQ(sys(SYS_freebsd4_statfs, ".", &oldest), 0);
  CHECK_EQ(oldest.f_bsize, now.f_bsize);
  CHECK_EQ(oldest.f_blocks, now.f_blocks);
  CHECK_EQ(oldest.f_flags, (int)now.f_flags);
  CHECK_EQ(strcmp(oldest.f_fstypename, now.f_fstypename), 0);
  CHECK_EQ(memcmp(oldest.f_mntonname, now.f_mntonname, 8), 0);
  CHECK_EQ(memcmp(oldest.f_mntfromname, now.f_mntfromname, 4), 0);
  CHECK_EQ(sys(SYS_freebsd4_fstatfs, fd, &oldest), 0);
  CHECK_EQ(oldest.f_fsid[1], now.f_fsid[1]);
  const long mounts = sys(SYS_getfsstat, 0, 0, 2);
  CHECK(mounts >= 1);
  CHECK_EQ(sys(SYS_freebsd11_getfsstat, 0, 0, 2), mounts);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, 0, 0, 2), mounts);
  const long room = mounts < 64 ? mounts : 64;
  CHECK_EQ(sys(SYS_getfsstat, all, sizeof all, 2), room);
  CHECK_EQ(sys(SYS_freebsd11_getfsstat, old_all, sizeof old_all, 2), room);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, oldest_all, sizeof oldest_all, 2), room);
  CHECK_EQ(memcmp(all[0].f_mntonname, oldest_all[0].f_mntonname, strlen(oldest_all[0].f_mntonname)), 0);
  CHECK_EQ(strcmp(all[room - 1].f_fstypename, old_all[room - 1].f_fstypename), 0);
  CHECK_EQ(strcmp(all[room - 1].f_fstypename, oldest_all[room - 1].f_fstypename), 0);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, &oldest, sizeof oldest, 2), 1);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, &oldest, sizeof oldest - 1, 2), 0);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, &oldest, -1, 2), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, &oldest, sizeof oldest, 9), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd4_getfsstat, BAD, sizeof oldest, 2), -EFAULT);
  const int by_path[] = {SYS_statfs, SYS_freebsd11_statfs, SYS_freebsd4_statfs};
  const int by_fd[] = {SYS_fstatfs, SYS_freebsd11_fstatfs, SYS_freebsd4_fstatfs};
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(sys(by_path[i], "none.tmp", &now), -ENOENT);
    CHECK_EQ(sys(by_path[i], BAD, &now), -EFAULT);
    CHECK_EQ(sys(by_path[i], ".", BAD), -EFAULT);
    CHECK_EQ(sys(by_fd[i], 999, &now), -EBADF);
    CHECK_EQ(sys(by_fd[i], fd, BAD), -EFAULT);
  }
}
CASE(special_files) {
  struct stat st;
  CHECK_EQ(sys(SYS_freebsd11_mknod, "p.tmp", 0010644, 0), 0);
  CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "p.tmp", &st, 0), 0);
  CHECK_EQ(st.st_mode & 0170000, 0010000);
  CHECK_EQ(sys(SYS_freebsd11_mknodat, AT_FDCWD, "p.tmp", 0010644, 0), -EEXIST);
  CHECK_EQ(sys(SYS_freebsd11_mknodat, AT_FDCWD, "q.tmp", 0010644, 0), 0);
  CHECK_EQ(sys(SYS_freebsd11_mknod, "r.tmp", 0010644, 1), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd11_mknod, "r.tmp", 0100644, 0), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd11_mknod, BAD, 0010644, 0), -EFAULT);
  if (sys(SYS_geteuid) != 0) CHECK_EQ(sys(SYS_freebsd11_mknod, "r.tmp", 0020644, 0x103), -EPERM);
  CHECK_EQ(sys(SYS_unlink, "p.tmp"), 0);
  CHECK_EQ(sys(SYS_unlink, "q.tmp"), 0);
}
CASE(padded_offsets_of_freebsd_6) {
  const long fd = new_file("o.tmp");
  char buffer[8];
  const long far = 6L << 30;
  CHECK_EQ(sys(SYS_freebsd6_pwrite, fd, "far", 3, 0, far), 3);
  CHECK_EQ(sys(SYS_freebsd6_pread, fd, buffer, 3, 0, far), 3);
  CHECK_EQ(memcmp(buffer, "far", 3), 0);
  CHECK_EQ(sys(SYS_freebsd6_lseek, fd, 0, far + 1, 0), far + 1);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 1), far + 1);
  struct raw_call map = {.number = SYS_freebsd6_mmap, .args = {0, 4096, PROT_READ, MAP_SHARED, (unsigned long)fd, 0},
                         .stack_args = {(unsigned long)far}};
  raw_call(&map);
  CHECK_EQ(map.flags & 1, 0);
  CHECK_EQ(memcmp((void*)map.rax, "far", 3), 0);
  CHECK_EQ(sys(SYS_freebsd6_ftruncate, fd, 0, far - 1), 0);
  struct stat st;
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_size, far - 1);
  CHECK_EQ(sys(SYS_freebsd6_truncate, "o.tmp", 0, 7), 0);
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  CHECK_EQ(st.st_size, 7);
  CHECK_EQ(sys(SYS_freebsd6_truncate, "o.tmp", 0, -1L), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd6_pread, fd, BAD, 3, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_freebsd6_pread, fd, buffer, 3, 0, -1L), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd6_lseek, 999, 0, 0, 0), -EBADF);
  CHECK_EQ(sys(SYS_unlink, "o.tmp"), 0);
}
CASE(pipe_in_two_registers) {
  struct raw_call c = {.number = SYS_freebsd10_pipe};
  raw_call(&c);
  CHECK_EQ(c.flags & 1, 0);
  char byte = 0;
  CHECK_EQ(sys(SYS_write, c.rdx, "x", 1), 1);
  CHECK_EQ(sys(SYS_read, c.rax, &byte, 1), 1);
  CHECK_EQ(byte, 'x');
}
