// Pure conversions between native and FreeBSD file metadata. No calls, no allocation; all total.
#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd::fs {

/// Copies `text` into a fixed field, truncated, always with a NUL.
inline void copy_text(std::span<char> field, std::string_view text) noexcept {
  if (field.empty()) return;
  const std::size_t length = std::min(text.size(), field.size() - 1);
  std::copy_n(text.data(), length, field.data());
  std::fill(field.begin() + static_cast<std::ptrdiff_t>(length), field.end(), '\0');
}

// --- device numbers --------------------------------------------------------------------------------------
/// FreeBSD's makedev: the low 32 bits look like the historic form, so that old programs see the same number.
constexpr std::uint64_t make_device(std::uint32_t major, std::uint32_t minor) noexcept {
  return (static_cast<std::uint64_t>(major & 0xffff'ff00) << 32) |
         (static_cast<std::uint64_t>(major & 0xff) << 8) |
         (static_cast<std::uint64_t>(minor & 0xff00) << 24) | (minor & 0xffff'00ff);
}
constexpr std::uint32_t device_major(std::uint64_t device) noexcept {
  return static_cast<std::uint32_t>(((device >> 32) & 0xffff'ff00) | ((device >> 8) & 0xff));
}
constexpr std::uint32_t device_minor(std::uint64_t device) noexcept {
  return static_cast<std::uint32_t>(((device >> 24) & 0xff00) | (device & 0xffff'00ff));
}
/// The form the native mknod takes (32 bits: 12 of major, 20 of minor).
constexpr std::uint32_t native_device(std::uint64_t device) noexcept {
  const std::uint32_t major = device_major(device), minor = device_minor(device);
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xffu) << 12);
}

// --- stat ------------------------------------------------------------------------------------------------
inline Timespec to_guest_time(const struct statx_timestamp& time) noexcept {
  return {time.tv_sec, static_cast<std::int64_t>(time.tv_nsec)};
}

inline Stat to_guest_stat(const struct statx& native) noexcept {
  Stat guest{};
  guest.st_dev = make_device(native.stx_dev_major, native.stx_dev_minor);
  guest.st_ino = native.stx_ino;
  guest.st_nlink = native.stx_nlink;
  // Event queues and other files of no type are FIFOs to FreeBSD's programs.
  guest.st_mode = static_cast<std::uint16_t>((native.stx_mode & S_IFMT) != 0 ? native.stx_mode : S_IFIFO);
  guest.st_uid = native.stx_uid;
  guest.st_gid = native.stx_gid;
  guest.st_rdev = make_device(native.stx_rdev_major, native.stx_rdev_minor);
  guest.st_atim = to_guest_time(native.stx_atime);
  guest.st_mtim = to_guest_time(native.stx_mtime);
  guest.st_ctim = to_guest_time(native.stx_ctime);
  // A FreeBSD file system without creation times reports -1.
  guest.st_birthtim =
      (native.stx_mask & STATX_BTIME) != 0 ? to_guest_time(native.stx_btime) : Timespec{-1, 0};
  guest.st_size = static_cast<std::int64_t>(native.stx_size);
  guest.st_blocks = static_cast<std::int64_t>(native.stx_blocks);
  guest.st_blksize = static_cast<std::int32_t>(native.stx_blksize);
  return guest;
}

/// An older, narrower form. Numbers that do not fit lose their upper bits, as FreeBSD's own conversion does
/// by default (vfs.ino64_trunc_error=0); link counts stick at the maximum.
template <typename Old>
Old to_older_stat(const Stat& stat) noexcept {
  using Links = decltype(Old::st_nlink);
  Old old{};
  old.st_dev = static_cast<std::uint32_t>(stat.st_dev);
  old.st_ino = static_cast<std::uint32_t>(stat.st_ino);
  old.st_mode = stat.st_mode;
  old.st_nlink =
      static_cast<Links>(std::min<std::uint64_t>(stat.st_nlink, std::numeric_limits<Links>::max()));
  old.st_uid = stat.st_uid;
  old.st_gid = stat.st_gid;
  old.st_rdev = static_cast<std::uint32_t>(stat.st_rdev);
  old.st_atim = stat.st_atim;
  old.st_mtim = stat.st_mtim;
  old.st_ctim = stat.st_ctim;
  old.st_size = stat.st_size;
  old.st_blocks = stat.st_blocks;
  old.st_blksize = stat.st_blksize;
  old.st_flags = stat.st_flags;
  old.st_birthtim = stat.st_birthtim;
  return old;
}
inline Freebsd11Stat to_freebsd11_stat(const Stat& stat) noexcept {
  return to_older_stat<Freebsd11Stat>(stat);
}
/// The form NetBSD's programs knew.
inline Nstat to_nstat(const Stat& stat) noexcept { return to_older_stat<Nstat>(stat); }

/// KF_VTYPE_* of struct kinfo_file (sys/sys/user.h).
inline std::int32_t kinfo_vnode_type(unsigned mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 1;
    case S_IFDIR:
      return 2;
    case S_IFBLK:
      return 3;
    case S_IFCHR:
      return 4;
    case S_IFLNK:
      return 5;
    case S_IFSOCK:
      return 6;
    case S_IFIFO:
      return 7;
    default:
      return 255;
  }
}

// --- directory entries -----------------------------------------------------------------------------------
/// The kernel's struct linux_dirent64 up to its NUL-terminated name.
struct NativeDirentHeader {
  std::uint64_t d_ino;
  std::int64_t d_off;
  std::uint16_t d_reclen;
  std::uint8_t d_type;
};
inline constexpr std::size_t kNativeDirentName = 19;
static_assert(offsetof(NativeDirentHeader, d_type) == 18);

/// What became of a run of native entries.
struct DirentRun {
  std::size_t consumed = 0;  ///< bytes of native entries that were converted
  std::size_t produced = 0;  ///< bytes of guest entries
  std::int64_t next = 0;     ///< position after the last converted entry; valid if consumed is not 0
};

/// One native entry in pieces.
struct NativeEntry {
  NativeDirentHeader header{};
  std::string_view name;
};

/// The entry at the start of `bytes`; nothing if there is no complete, consistent one.
inline std::optional<NativeEntry> first_entry(std::span<const std::byte> bytes) noexcept {
  NativeEntry entry;
  if (bytes.size() <= kNativeDirentName) return std::nullopt;
  std::memcpy(&entry.header, bytes.data(), kNativeDirentName);
  const std::size_t length = entry.header.d_reclen;
  if (length <= kNativeDirentName || length > bytes.size()) return std::nullopt;
  const char* name = reinterpret_cast<const char*>(bytes.data()) + kNativeDirentName;
  entry.name = {name, strnlen(name, length - kNativeDirentName)};
  return entry;
}

/// Writes one guest record; 0 if it does not fit. File number 0 would mean a removed entry, which readers
/// skip, so it becomes 1. DT_* types are the same numbers on both sides.
inline std::size_t put_dirent(const NativeEntry& entry, std::span<std::byte> out) noexcept {
  const std::size_t length = (sizeof(DirentHeader) + entry.name.size() + 1 + 7) & ~std::size_t{7};
  if (length > out.size()) return 0;
  DirentHeader header{};
  header.d_fileno = entry.header.d_ino != 0 ? entry.header.d_ino : 1;
  header.d_off = entry.header.d_off;
  header.d_reclen = static_cast<std::uint16_t>(length);
  header.d_type = entry.header.d_type;
  header.d_namlen = static_cast<std::uint16_t>(entry.name.size());
  std::memset(out.data(), 0, length);
  std::memcpy(out.data(), &header, sizeof(header));
  std::memcpy(out.data() + sizeof(header), entry.name.data(), entry.name.size());
  return length;
}

/// The same in the format of FreeBSD 11. Names longer than its one-byte length are cut.
inline std::size_t put_freebsd11_dirent(const NativeEntry& entry, std::span<std::byte> out) noexcept {
  const std::size_t name_length = std::min<std::size_t>(entry.name.size(), UINT8_MAX);
  const std::size_t length = (sizeof(Freebsd11DirentHeader) + name_length + 1 + 3) & ~std::size_t{3};
  if (length > out.size()) return 0;
  const auto fileno = static_cast<std::uint32_t>(entry.header.d_ino);
  Freebsd11DirentHeader header{};
  header.d_fileno = fileno != 0 ? fileno : 1;
  header.d_reclen = static_cast<std::uint16_t>(length);
  header.d_type = entry.header.d_type;
  header.d_namlen = static_cast<std::uint8_t>(name_length);
  std::memset(out.data(), 0, length);
  std::memcpy(out.data(), &header, sizeof(header));
  std::memcpy(out.data() + sizeof(header), entry.name.data(), name_length);
  return length;
}

using DirentWriter = std::size_t (*)(const NativeEntry&, std::span<std::byte>) noexcept;

/// Converts whole entries, in order, until one does not fit. The caller returns to `next` to lose none.
inline DirentRun convert_dirents(std::span<const std::byte> native, std::span<std::byte> guest,
                                 DirentWriter write) noexcept {
  DirentRun run;
  while (const auto entry = first_entry(native.subspan(run.consumed))) {
    const std::size_t length = write(*entry, guest.subspan(run.produced));
    if (length == 0) break;
    run.produced += length;
    run.consumed += entry->header.d_reclen;
    run.next = entry->header.d_off;
  }
  return run;
}

// --- file systems ----------------------------------------------------------------------------------------
/// FreeBSD's name of a file system type, where it has one of its own.
constexpr std::string_view guest_fs_type(std::string_view native) noexcept {
  if (native == "proc") return "procfs";
  if (native == "devtmpfs") return "devfs";
  if (native == "nfs4") return "nfs";
  if (native == "vfat" || native == "msdos") return "msdosfs";
  if (native == "iso9660") return "cd9660";
  if (native == "cifs" || native == "smb3") return "smbfs";
  if (native == "fuse" || native == "fuseblk" || native.starts_with("fuse.")) return "fusefs";
  return native;
}
constexpr bool is_network_fs(std::string_view native) noexcept {
  return native.starts_with("nfs") || native == "cifs" || native == "smb3" || native == "ceph" ||
         native == "afs" || native == "9p";
}

/// What statfs knows without the mount table; `flags` are guest mount flags.
inline Statfs to_guest_statfs(const struct statfs& native, std::uint64_t flags) noexcept {
  Statfs guest{};
  guest.f_version = kStatfsVersion;
  guest.f_flags = flags;
  guest.f_bsize = static_cast<std::uint64_t>(native.f_frsize != 0 ? native.f_frsize : native.f_bsize);
  guest.f_iosize = static_cast<std::uint64_t>(native.f_bsize);
  guest.f_blocks = native.f_blocks;
  guest.f_bfree = native.f_bfree;
  guest.f_bavail = static_cast<std::int64_t>(native.f_bavail);
  guest.f_files = native.f_files;
  guest.f_ffree = static_cast<std::int64_t>(native.f_ffree);
  guest.f_namemax = static_cast<std::uint32_t>(native.f_namelen);
  std::memcpy(guest.f_fsid, &native.f_fsid, sizeof(guest.f_fsid));
  return guest;
}

inline Freebsd11Statfs to_freebsd11_statfs(const Statfs& statfs) noexcept {
  Freebsd11Statfs old{};
  std::memcpy(&old, &statfs, offsetof(Statfs, f_mntfromname));  // the same up to the longer names
  old.f_version = kFreebsd11StatfsVersion;
  copy_text(old.f_mntfromname, statfs.f_mntfromname);
  copy_text(old.f_mntonname, statfs.f_mntonname);
  return old;
}

inline OldStatfs to_old_statfs(const Statfs& statfs) noexcept {
  const auto narrowed = [](auto value) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(static_cast<std::uint64_t>(value), INT64_MAX));
  };
  OldStatfs old{};
  old.f_bsize = narrowed(statfs.f_bsize);
  old.f_iosize = narrowed(statfs.f_iosize);
  old.f_blocks = narrowed(statfs.f_blocks);
  old.f_bfree = narrowed(statfs.f_bfree);
  old.f_bavail = statfs.f_bavail;
  old.f_files = narrowed(statfs.f_files);
  old.f_ffree = statfs.f_ffree;
  std::memcpy(old.f_fsid, statfs.f_fsid, sizeof(old.f_fsid));
  old.f_owner = statfs.f_owner;
  old.f_type = static_cast<std::int32_t>(statfs.f_type);
  old.f_flags = static_cast<std::int32_t>(statfs.f_flags);
  copy_text(old.f_fstypename, statfs.f_fstypename);
  copy_text(old.f_mntonname, statfs.f_mntonname);
  copy_text(old.f_mntfromname, statfs.f_mntfromname);
  return old;
}

// --- times -----------------------------------------------------------------------------------------------
/// Guest times for utimensat to native ones. Values out of range are left for the native call to refuse.
inline struct timespec to_native_time(const Timespec& guest) noexcept {
  if (guest.tv_nsec == kUtimeNow) return {0, UTIME_NOW};
  if (guest.tv_nsec == kUtimeOmit) return {0, UTIME_OMIT};
  // The native markers are ordinary, invalid numbers to the guest.
  if (guest.tv_nsec < 0 || guest.tv_nsec >= 1'000'000'000) return {0, -1};
  return {guest.tv_sec, guest.tv_nsec};
}
/// Nothing if the microseconds are out of range (EINVAL).
inline std::optional<struct timespec> to_native_time(const Timeval& guest) noexcept {
  if (guest.tv_usec < 0 || guest.tv_usec >= 1'000'000) return std::nullopt;
  return timespec{guest.tv_sec, guest.tv_usec * 1000};
}

// --- pathconf --------------------------------------------------------------------------------------------
/// Value of a configurable path variable for a file with this mode; -1 means no limit; nothing means EINVAL.
/// Values are those of FreeBSD's UFS and of its default for everything else.
inline std::optional<std::int64_t> path_variable(PathVariable variable, unsigned mode,
                                                 std::int64_t block_size, bool is_tty) noexcept {
  using enum PathVariable;
  const bool directory_or_fifo = S_ISDIR(mode) || S_ISFIFO(mode);
  switch (variable) {
    case link_max:
      return 32767;
    case max_canon:
    case max_input:
      return is_tty ? std::optional<std::int64_t>(255) : std::nullopt;
    case vdisable:
      return is_tty ? std::optional<std::int64_t>(0xff) : std::nullopt;
    case name_max:
      return 255;
    case path_max:
    case symlink_max:
      return 1024;
    case pipe_buf:
      return directory_or_fifo ? std::optional<std::int64_t>(512) : std::nullopt;
    case chown_restricted:
    case no_trunc:
      return 1;
    case alloc_size_min:
    case rec_incr_xfer_size:
    case rec_min_xfer_size:
    case min_hole_size:
      return block_size;
    case rec_max_xfer_size:
      return -1;
    case rec_xfer_align:
      return 4096;
    case filesizebits:
      return 64;
    case async_io:
      return 200112;
    case acl_path_max:
      return 3;
    case prio_io:
    case sync_io:
    case acl_extended:
    case cap_present:
    case inf_present:
    case mac_present:
    case acl_nfs4:
    case dealloc_present:
    case namedattr_enabled:
    case has_namedattr:
    case has_hiddensystem:
    case clone_blksize:
      return 0;
  }
  return std::nullopt;
}

// --- shared memory objects -------------------------------------------------------------------------------
/// File name, in the directory of the native shared memory objects, of the FreeBSD object `path`. FreeBSD
/// allows further slashes in these names; they are written %2f (and % itself %25), so that different objects
/// stay different and plain names are those native programs use. Returns the length written with a NUL;
/// 0 if the path is not absolute or names nothing; nothing if it does not fit.
inline std::optional<std::size_t> shm_file_name(std::string_view path, std::span<char> out) noexcept {
  if (path.size() < 2 || path.front() != '/') return 0;
  path.remove_prefix(1);
  const bool dots = path == "." || path == "..";
  std::size_t length = 0;
  for (const char c : path) {
    const std::string_view piece = c == '/'           ? std::string_view("%2f")
                                   : c == '%'         ? std::string_view("%25")
                                   : dots && c == '.' ? std::string_view("%2e")
                                                      : std::string_view(&c, 1);
    if (length + piece.size() >= out.size()) return std::nullopt;
    length += piece.copy(out.data() + length, piece.size());
  }
  out[length] = '\0';
  return length;
}

}  // namespace sudrun::abi::bsd::fs
