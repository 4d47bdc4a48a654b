// FreeBSD/amd64 layouts of stat, statfs and directory entries.
// Sources: FreeBSD 15 (and 14) sys/sys/stat.h, sys/sys/mount.h, sys/sys/dirent.h, sys/sys/_timespec.h,
// sys/sys/types.h, sys/sys/unistd.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd::fs {

struct Timespec {
  std::int64_t tv_sec;
  std::int64_t tv_nsec;
};
struct Timeval {
  std::int64_t tv_sec;
  std::int64_t tv_usec;
};
static_assert(sizeof(Timespec) == 16 && sizeof(Timeval) == 16);
inline constexpr std::int64_t kUtimeNow = -1;
inline constexpr std::int64_t kUtimeOmit = -2;

/// struct stat since FreeBSD 12 (64-bit inode and device numbers)
struct Stat {
  std::uint64_t st_dev;
  std::uint64_t st_ino;
  std::uint64_t st_nlink;
  std::uint16_t st_mode;
  std::int16_t st_padding0;
  std::uint32_t st_uid;
  std::uint32_t st_gid;
  std::int32_t st_padding1;
  std::uint64_t st_rdev;
  Timespec st_atim;
  Timespec st_mtim;
  Timespec st_ctim;
  Timespec st_birthtim;
  std::int64_t st_size;
  std::int64_t st_blocks;
  std::int32_t st_blksize;
  std::uint32_t st_flags;
  std::uint64_t st_gen;
  std::uint64_t st_spare[10];
};
static_assert(sizeof(Stat) == 224);
static_assert(offsetof(Stat, st_mode) == 24 && offsetof(Stat, st_uid) == 28 && offsetof(Stat, st_rdev) == 40);
static_assert(offsetof(Stat, st_atim) == 48 && offsetof(Stat, st_birthtim) == 96);
static_assert(offsetof(Stat, st_size) == 112 && offsetof(Stat, st_blksize) == 128);
static_assert(offsetof(Stat, st_gen) == 136);

/// struct freebsd11_stat
struct Freebsd11Stat {
  std::uint32_t st_dev;
  std::uint32_t st_ino;
  std::uint16_t st_mode;
  std::uint16_t st_nlink;
  std::uint32_t st_uid;
  std::uint32_t st_gid;
  std::uint32_t st_rdev;
  Timespec st_atim;
  Timespec st_mtim;
  Timespec st_ctim;
  std::int64_t st_size;
  std::int64_t st_blocks;
  std::int32_t st_blksize;
  std::uint32_t st_flags;
  std::uint32_t st_gen;
  std::int32_t st_lspare;
  Timespec st_birthtim;
};
static_assert(sizeof(Freebsd11Stat) == 120);
static_assert(offsetof(Freebsd11Stat, st_rdev) == 20 && offsetof(Freebsd11Stat, st_atim) == 24);
static_assert(offsetof(Freebsd11Stat, st_size) == 72 && offsetof(Freebsd11Stat, st_birthtim) == 104);

/// struct nstat
struct Nstat {
  std::uint32_t st_dev;
  std::uint32_t st_ino;
  std::uint32_t st_mode;
  std::uint32_t st_nlink;
  std::uint32_t st_uid;
  std::uint32_t st_gid;
  std::uint32_t st_rdev;
  std::uint32_t pad;
  Timespec st_atim;
  Timespec st_mtim;
  Timespec st_ctim;
  std::int64_t st_size;
  std::int64_t st_blocks;
  std::int32_t st_blksize;
  std::uint32_t st_flags;
  std::uint32_t st_gen;
  std::uint32_t pad1;
  Timespec st_birthtim;
};
static_assert(sizeof(Nstat) == 128 && offsetof(Nstat, st_size) == 80 && offsetof(Nstat, st_birthtim) == 112);

/// struct statfs, and with shorter names struct freebsd11_statfs
template <std::size_t NameLength>
struct BasicStatfs {
  std::uint32_t f_version;
  std::uint32_t f_type;
  std::uint64_t f_flags;
  std::uint64_t f_bsize;
  std::uint64_t f_iosize;
  std::uint64_t f_blocks;
  std::uint64_t f_bfree;
  std::int64_t f_bavail;
  std::uint64_t f_files;
  std::int64_t f_ffree;
  std::uint64_t f_syncwrites;
  std::uint64_t f_asyncwrites;
  std::uint64_t f_syncreads;
  std::uint64_t f_asyncreads;
  std::uint64_t f_spare[10];
  std::uint32_t f_namemax;
  std::uint32_t f_owner;
  std::int32_t f_fsid[2];
  char f_charspare[80];
  char f_fstypename[16];
  char f_mntfromname[NameLength];
  char f_mntonname[NameLength];
};
using Statfs = BasicStatfs<1024>;
using Freebsd11Statfs = BasicStatfs<88>;
/// struct ostatfs, of FreeBSD 4
struct OldStatfs {
  std::int64_t f_spare2;
  std::int64_t f_bsize;
  std::int64_t f_iosize;
  std::int64_t f_blocks;
  std::int64_t f_bfree;
  std::int64_t f_bavail;
  std::int64_t f_files;
  std::int64_t f_ffree;
  std::int32_t f_fsid[2];
  std::uint32_t f_owner;
  std::int32_t f_type;
  std::int32_t f_flags;
  std::int32_t pad;
  std::int64_t f_syncwrites;
  std::int64_t f_asyncwrites;
  char f_fstypename[16];
  char f_mntonname[72];
  std::int64_t f_syncreads;
  std::int64_t f_asyncreads;
  std::int16_t f_spares1;
  char f_mntfromname[72];
  std::int16_t f_spares2;
  std::int64_t f_spare[2];
};
static_assert(sizeof(OldStatfs) == 304 && offsetof(OldStatfs, f_syncwrites) == 88);
static_assert(offsetof(OldStatfs, f_mntonname) == 120 && offsetof(OldStatfs, f_mntfromname) == 210);

static_assert(sizeof(Statfs) == 2344 && sizeof(Freebsd11Statfs) == 472);
static_assert(offsetof(Statfs, f_namemax) == 184 && offsetof(Statfs, f_fstypename) == 280);
static_assert(offsetof(Statfs, f_mntfromname) == 296 && offsetof(Statfs, f_mntonname) == 1320);
inline constexpr std::uint32_t kStatfsVersion = 0x2014'0518;
inline constexpr std::uint32_t kFreebsd11StatfsVersion = 0x2003'0518;
inline constexpr std::uint64_t kMountLocal = 0x1000;
inline constexpr std::uint64_t kMountRootfs = 0x4000;
inline constexpr int kMountWait = 1;
inline constexpr int kMountNowait = 2;

/// struct dirent up to its name. The name is NUL-padded so that records are multiples of 8.
struct DirentHeader {
  std::uint64_t d_fileno;
  std::int64_t d_off;
  std::uint16_t d_reclen;
  std::uint8_t d_type;
  std::uint8_t d_pad0;
  std::uint16_t d_namlen;
  std::uint16_t d_pad1;
};
static_assert(sizeof(DirentHeader) == 24 && offsetof(DirentHeader, d_namlen) == 20);

/// struct freebsd11_dirent up to its name; records are multiples of 4.
struct Freebsd11DirentHeader {
  std::uint32_t d_fileno;
  std::uint16_t d_reclen;
  std::uint8_t d_type;
  std::uint8_t d_namlen;
};
static_assert(sizeof(Freebsd11DirentHeader) == 8);

// --- AT_* bits handlers decide on --------------------------------------------------------------------------
inline constexpr unsigned kAtEaccess = 0x100;
inline constexpr unsigned kAtSymlinkNofollow = 0x200;
inline constexpr unsigned kAtRemovedir = 0x800;
inline constexpr unsigned kAtResolveBeneath = 0x2000;
inline constexpr unsigned kAtEmptyPath = 0x4000;
inline constexpr int kFdNone = -200;

// --- pathconf names
// ------------------------------------------------------------------------------------------
enum class PathVariable : int {
  link_max = 1,
  max_canon = 2,
  max_input = 3,
  name_max = 4,
  path_max = 5,
  pipe_buf = 6,
  chown_restricted = 7,
  no_trunc = 8,
  vdisable = 9,
  alloc_size_min = 10,
  filesizebits = 12,
  rec_incr_xfer_size = 14,
  rec_max_xfer_size = 15,
  rec_min_xfer_size = 16,
  rec_xfer_align = 17,
  symlink_max = 18,
  min_hole_size = 21,
  async_io = 53,
  prio_io = 54,
  sync_io = 55,
  acl_extended = 59,
  acl_path_max = 60,
  cap_present = 61,
  inf_present = 62,
  mac_present = 63,
  acl_nfs4 = 64,
  dealloc_present = 65,
  namedattr_enabled = 66,
  has_namedattr = 67,
  has_hiddensystem = 68,
  clone_blksize = 69,
};

}  // namespace sudrun::abi::bsd::fs
