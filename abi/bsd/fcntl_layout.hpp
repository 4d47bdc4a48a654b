// FreeBSD/amd64 layouts and constants of open, fcntl, sendfile and shm_open.
// Sources: FreeBSD 15 (and 14) sys/sys/fcntl.h, sys/sys/user.h, sys/sys/socket.h, sys/sys/mman.h.
//
// Only values that handlers themselves act on stand here; what is merely translated is in the table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/dialect.hpp"

namespace sudrun::abi::bsd::fs {

// --- open: bits without a native form, and those the handler decides on ------------------------------------
inline constexpr unsigned kOpenAccessMode = 0x3;
inline constexpr unsigned kOpenReadOnly = 0x0;
inline constexpr unsigned kOpenReadWrite = 0x2;
inline constexpr unsigned kOpenNonblock = 0x4;
inline constexpr unsigned kOpenShlock = 0x10;
inline constexpr unsigned kOpenExlock = 0x20;
inline constexpr unsigned kOpenNofollow = 0x100;
inline constexpr unsigned kOpenCreat = 0x200;
inline constexpr unsigned kOpenTrunc = 0x400;
inline constexpr unsigned kOpenExcl = 0x800;
inline constexpr unsigned kOpenExec = 0x0004'0000;  ///< and O_SEARCH
inline constexpr unsigned kOpenTtyInit = 0x0008'0000;
inline constexpr unsigned kOpenCloexec = 0x0010'0000;
inline constexpr unsigned kOpenVerify = 0x0020'0000;
inline constexpr unsigned kOpenPath = 0x0040'0000;
inline constexpr unsigned kOpenResolveBeneath = 0x0080'0000;
inline constexpr unsigned kOpenEmptyPath = 0x0200'0000;

/// Every flag of open(2) and the calls that take them.
inline constexpr auto kOpenNames = std::to_array<NamedNumber>({
    {"O_WRONLY", 0x1},
    {"O_RDWR", kOpenReadWrite},
    {"O_NONBLOCK", kOpenNonblock},
    {"O_APPEND", 0x8},
    {"O_SHLOCK", kOpenShlock},
    {"O_EXLOCK", kOpenExlock},
    {"O_ASYNC", 0x40},
    {"O_SYNC", 0x80},
    {"O_NOFOLLOW", kOpenNofollow},
    {"O_CREAT", kOpenCreat},
    {"O_TRUNC", kOpenTrunc},
    {"O_EXCL", kOpenExcl},
    {"O_NOCTTY", 0x8000},
    {"O_DIRECT", 0x10000},
    {"O_DIRECTORY", 0x20000},
    {"O_TTY_INIT", kOpenTtyInit},
    {"O_CLOEXEC", kOpenCloexec},
    {"O_VERIFY", kOpenVerify},
    {"O_PATH", kOpenPath},
    {"O_EXEC", kOpenExec},
    {"O_RESOLVE_BENEATH", kOpenResolveBeneath},
    {"O_DSYNC", 0x0100'0000},
    {"O_EMPTY_PATH", kOpenEmptyPath},
    {"O_NAMEDATTR", 0x0400'0000},
    {"O_CLOFORK", 0x0800'0000},
});

/// Bits fcntl(F_SETFL) may change: O_NONBLOCK, O_APPEND, O_ASYNC, O_FSYNC, O_DIRECT, O_DSYNC. (FRDAHEAD,
/// which shares O_CREAT's bit, has no native form.)
inline constexpr unsigned kSettableFlags = 0x4 | 0x8 | 0x40 | 0x80 | 0x10000 | 0x0100'0000;

/// Path resolution left the starting directory under O_RESOLVE_BENEATH; Linux says EXDEV.
inline constexpr int kENotCapable = 93;

// --- fcntl ------------------------------------------------------------------------------------------------
enum class FcntlCommand : int {
  dupfd = 0,
  getfd = 1,
  setfd = 2,
  getfl = 3,
  setfl = 4,
  getown = 5,
  setown = 6,
  old_getlk = 7,
  old_setlk = 8,
  old_setlkw = 9,
  dup2fd = 10,
  getlk = 11,
  setlk = 12,
  setlkw = 13,
  setlk_remote = 14,
  readahead = 15,
  rdahead = 16,
  dupfd_cloexec = 17,
  dup2fd_cloexec = 18,
  add_seals = 19,
  get_seals = 20,
  is_union_stack = 21,
  kinfo = 22,
  dupfd_clofork = 23,
  dup3fd = 24,
};
inline constexpr auto kFcntlNames = std::to_array<NamedNumber>({
    {"F_DUPFD", 0},      {"F_GETFD", 1},          {"F_SETFD", 2},           {"F_GETFL", 3},
    {"F_SETFL", 4},      {"F_GETOWN", 5},         {"F_SETOWN", 6},          {"F_OGETLK", 7},
    {"F_OSETLK", 8},     {"F_OSETLKW", 9},        {"F_DUP2FD", 10},         {"F_GETLK", 11},
    {"F_SETLK", 12},     {"F_SETLKW", 13},        {"F_SETLK_REMOTE", 14},   {"F_READAHEAD", 15},
    {"F_RDAHEAD", 16},   {"F_DUPFD_CLOEXEC", 17}, {"F_DUP2FD_CLOEXEC", 18}, {"F_ADD_SEALS", 19},
    {"F_GET_SEALS", 20}, {"F_ISUNIONSTACK", 21},  {"F_KINFO", 22},          {"F_DUPFD_CLOFORK", 23},
    {"F_DUP3FD", 24},
});
/// F_DUP3FD carries the new descriptor's FD_* flags above the command.
inline constexpr unsigned kDup3FlagShift = 16;
inline constexpr int kFdCloexec = 1;

enum LockType : std::int16_t { kReadLock = 1, kUnlock = 2, kWriteLock = 3 };

/// struct __oflock: before l_sysid.
struct OldFlock {
  std::int64_t l_start;
  std::int64_t l_len;
  std::int32_t l_pid;
  std::int16_t l_type;
  std::int16_t l_whence;
};
static_assert(sizeof(OldFlock) == 24 && offsetof(OldFlock, l_type) == 20);

/// struct flock
struct Flock {
  OldFlock base;
  std::int32_t l_sysid;
  std::int32_t pad;
};
static_assert(sizeof(Flock) == 32 && offsetof(Flock, l_sysid) == 24);

/// struct kinfo_file, with the vnode arm of its union; sockets use other fields of the same bytes.
struct KinfoFile {
  std::int32_t kf_structsize;
  std::int32_t kf_type;
  std::int32_t kf_fd;
  std::int32_t kf_ref_count;
  std::int32_t kf_flags;
  std::int32_t kf_pad0;
  std::int64_t kf_offset;
  std::int32_t kf_file_type;
  std::int32_t kf_spareint[3];
  std::uint64_t kf_spareint64[30];
  std::uint64_t kf_file_fsid;
  std::uint64_t kf_file_rdev;
  std::uint64_t kf_file_fileid;
  std::uint64_t kf_file_size;
  std::uint32_t kf_file_fsid_old;
  std::uint32_t kf_file_rdev_old;
  std::uint16_t kf_file_mode;
  std::uint16_t kf_file_pad0;
  std::uint32_t kf_file_pad1;
  std::uint16_t kf_status;
  std::uint16_t kf_pad1;
  std::int32_t kf_ispare0;
  std::uint64_t kf_cap_rights[2];
  std::uint64_t kf_cap_spare;
  char kf_path[1024];
};
static_assert(sizeof(KinfoFile) == 1392);
static_assert(offsetof(KinfoFile, kf_offset) == 24 && offsetof(KinfoFile, kf_file_type) == 32);
static_assert(offsetof(KinfoFile, kf_file_fsid) == 288 && offsetof(KinfoFile, kf_file_mode) == 328);
static_assert(offsetof(KinfoFile, kf_status) == 336 && offsetof(KinfoFile, kf_cap_rights) == 344);
static_assert(offsetof(KinfoFile, kf_path) == 368);

enum KinfoType : std::int32_t {
  kKfVnode = 1,
  kKfSocket = 2,
  kKfPipe = 3,
  kKfFifo = 4,
  kKfKqueue = 5,
  kKfShm = 8,
  kKfEventfd = 13,
  kKfUnknown = 255,
};
inline constexpr std::uint16_t kKfAttrValid = 1;

// --- sendfile ---------------------------------------------------------------------------------------------
/// struct sf_hdtr; the iovecs it points to have the native layout.
struct SfHdtr {
  std::uint64_t headers;
  std::int32_t hdr_cnt;
  std::int32_t pad0;
  std::uint64_t trailers;
  std::int32_t trl_cnt;
  std::int32_t pad1;
};
static_assert(sizeof(SfHdtr) == 32 && offsetof(SfHdtr, trailers) == 16 && offsetof(SfHdtr, trl_cnt) == 24);

struct IoVec {
  std::uint64_t base;
  std::uint64_t length;
};
static_assert(sizeof(IoVec) == 16);

// --- shm_open2 --------------------------------------------------------------------------------------------
inline constexpr std::uint64_t kShmAnon = 1;  ///< the path argument SHM_ANON
inline constexpr unsigned kShmAllowSealing = 0x1;
inline constexpr unsigned kShmGrowOnWrite = 0x2;
inline constexpr unsigned kShmRenameNoreplace = 0x1;
inline constexpr unsigned kShmRenameExchange = 0x2;

// --- close_range, copy_file_range --------------------------------------------------------------------------
inline constexpr unsigned kCloseRangeCloexec = 0x4;

}  // namespace sudrun::abi::bsd::fs
