// FreeBSD/amd64 layouts of stat, statfs and directory entries.
// Sources: FreeBSD 15 (and 14) sys/sys/stat.h, sys/sys/mount.h, sys/sys/dirent.h, sys/sys/_timespec.h,
// sys/sys/types.h, sys/sys/unistd.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/dialect.hpp"

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
using Statfs2003 = BasicStatfs<88>;
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

static_assert(sizeof(Statfs) == 2344 && sizeof(Statfs2003) == 472);
static_assert(offsetof(Statfs, f_namemax) == 184 && offsetof(Statfs, f_fstypename) == 280);
static_assert(offsetof(Statfs, f_mntfromname) == 296 && offsetof(Statfs, f_mntonname) == 1320);
inline constexpr std::uint32_t kStatfsVersion = 0x2014'0518;
inline constexpr std::uint32_t kStatfs2003Version = 0x2003'0518;
inline constexpr std::uint64_t kMountLocal = 0x1000;
inline constexpr std::uint64_t kMountRootfs = 0x4000;
inline constexpr int kMountWait = 1;
inline constexpr int kMountNowait = 2;

// --- AT_* bits handlers decide on --------------------------------------------------------------------------
inline constexpr unsigned kAtEaccess = 0x100;
inline constexpr unsigned kAtSymlinkNofollow = 0x200;
inline constexpr unsigned kAtSymlinkFollow = 0x400;
inline constexpr unsigned kAtRemovedir = 0x800;
inline constexpr unsigned kAtResolveBeneath = 0x2000;
inline constexpr unsigned kAtEmptyPath = 0x4000;
inline constexpr auto kAtNames = std::to_array<NamedNumber>({
    {"AT_EACCESS", kAtEaccess},
    {"AT_SYMLINK_NOFOLLOW", kAtSymlinkNofollow},
    {"AT_SYMLINK_FOLLOW", kAtSymlinkFollow},
    {"AT_REMOVEDIR", kAtRemovedir},
    {"AT_RESOLVE_BENEATH", kAtResolveBeneath},
    {"AT_EMPTY_PATH", kAtEmptyPath},
});
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
inline constexpr auto kPathVariableNames = std::to_array<NamedNumber>({
    {"_PC_LINK_MAX", 1},           {"_PC_MAX_CANON", 2},          {"_PC_MAX_INPUT", 3},
    {"_PC_NAME_MAX", 4},           {"_PC_PATH_MAX", 5},           {"_PC_PIPE_BUF", 6},
    {"_PC_CHOWN_RESTRICTED", 7},   {"_PC_NO_TRUNC", 8},           {"_PC_VDISABLE", 9},
    {"_PC_ALLOC_SIZE_MIN", 10},    {"_PC_FILESIZEBITS", 12},      {"_PC_REC_INCR_XFER_SIZE", 14},
    {"_PC_REC_MAX_XFER_SIZE", 15}, {"_PC_REC_MIN_XFER_SIZE", 16}, {"_PC_REC_XFER_ALIGN", 17},
    {"_PC_SYMLINK_MAX", 18},       {"_PC_MIN_HOLE_SIZE", 21},     {"_PC_ASYNC_IO", 53},
    {"_PC_PRIO_IO", 54},           {"_PC_SYNC_IO", 55},           {"_PC_ACL_EXTENDED", 59},
    {"_PC_ACL_PATH_MAX", 60},      {"_PC_CAP_PRESENT", 61},       {"_PC_INF_PRESENT", 62},
    {"_PC_MAC_PRESENT", 63},       {"_PC_ACL_NFS4", 64},          {"_PC_DEALLOC_PRESENT", 65},
    {"_PC_NAMEDATTR_ENABLED", 66}, {"_PC_HAS_NAMEDATTR", 67},     {"_PC_HAS_HIDDENSYSTEM", 68},
});

}  // namespace sudrun::abi::bsd::fs
