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
#include "abi/guest_struct.hpp"

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

enum class StatField : std::uint8_t {
  dev,
  ino,
  mode,
  nlink,
  uid,
  gid,
  rdev,
  atime,
  atime_ns,
  mtime,
  mtime_ns,
  ctime,
  ctime_ns,
  birthtime,
  birthtime_ns,
  size,
  blocks,
  blksize,
  flags,
};
inline constexpr std::array<std::string_view, 19> kStatFields{"st_dev",
                                                              "st_ino",
                                                              "st_mode",
                                                              "st_nlink",
                                                              "st_uid",
                                                              "st_gid",
                                                              "st_rdev",
                                                              "st_atim.tv_sec",
                                                              "st_atim.tv_nsec",
                                                              "st_mtim.tv_sec",
                                                              "st_mtim.tv_nsec",
                                                              "st_ctim.tv_sec",
                                                              "st_ctim.tv_nsec",
                                                              "st_birthtim.tv_sec",
                                                              "st_birthtim.tv_nsec",
                                                              "st_size",
                                                              "st_blocks",
                                                              "st_blksize",
                                                              "st_flags"};
/// A system's `struct stat`, or an older form of it.
using StatForm = GuestStruct<kStatFields.size()>;
inline constexpr std::size_t kLargestStat = 256;

/// Files of no type, event queues for one, are FIFOs to the guest.
inline unsigned guest_mode(const struct statx& native) noexcept {
  return (native.stx_mode & S_IFMT) != 0 ? native.stx_mode : native.stx_mode | S_IFIFO;
}

/// Fills `out`, form.size() zero bytes; `flags` are the guest's st_flags. Numbers that do not fit lose their
/// upper bits, as in FreeBSD's own conversion to older forms (vfs.ino64_trunc_error=0); link counts stick at
/// the maximum. A file system without creation times reports -1.
inline void fill_stat(const StatForm& form, const struct statx& native, std::uint32_t guest_flags,
                      std::span<std::byte> out) noexcept {
  using enum StatField;
  const auto time = [&](StatField seconds, StatField nanoseconds, const struct statx_timestamp& from) {
    form.set(out, seconds, static_cast<std::uint64_t>(from.tv_sec));
    form.set(out, nanoseconds, from.tv_nsec);
  };
  form.set(out, dev, make_device(native.stx_dev_major, native.stx_dev_minor));
  form.set(out, ino, native.stx_ino);
  form.set(out, mode, guest_mode(native));
  form.set_at_most(out, nlink, native.stx_nlink);
  form.set(out, uid, native.stx_uid);
  form.set(out, gid, native.stx_gid);
  form.set(out, rdev, make_device(native.stx_rdev_major, native.stx_rdev_minor));
  time(atime, atime_ns, native.stx_atime);
  time(mtime, mtime_ns, native.stx_mtime);
  time(ctime, ctime_ns, native.stx_ctime);
  struct statx_timestamp born {};
  born.tv_sec = -1;
  time(birthtime, birthtime_ns, (native.stx_mask & STATX_BTIME) != 0 ? native.stx_btime : born);
  form.set(out, size, native.stx_size);
  form.set(out, blocks, native.stx_blocks);
  form.set(out, blksize, native.stx_blksize);
  form.set(out, flags, guest_flags);
}

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

enum class DirentField : std::uint8_t { fileno, off, reclen, type, namlen, name };
inline constexpr std::array<std::string_view, 6> kDirentFields{"d_fileno", "d_off",    "d_reclen",
                                                               "d_type",   "d_namlen", "d_name"};
/// A system's `struct dirent`, or an older form of it. Records are multiples of the file number's width.
using DirentForm = GuestStruct<kDirentFields.size()>;

/// Writes one guest record; 0 if it does not fit. File number 0 would mean a removed entry, which readers
/// skip, so it becomes 1. DT_* types are the same numbers on both sides. A name longer than its length field
/// can say is cut.
inline std::size_t put_dirent(const DirentForm& form, const NativeEntry& entry,
                              std::span<std::byte> out) noexcept {
  using enum DirentField;
  const std::size_t alignment = form.width(fileno);
  const std::size_t longest = form.width(namlen) == 1 ? UINT8_MAX : UINT16_MAX;
  const std::string_view text = entry.name.substr(0, longest);
  const std::size_t length = (form.offset(name) + text.size() + 1 + alignment - 1) & ~(alignment - 1);
  if (length > out.size()) return 0;
  const bool narrow = form.width(fileno) == sizeof(std::uint32_t);
  const std::uint64_t number = narrow ? static_cast<std::uint32_t>(entry.header.d_ino) : entry.header.d_ino;
  std::memset(out.data(), 0, length);
  form.set(out, fileno, number != 0 ? number : 1);
  form.set(out, off, static_cast<std::uint64_t>(entry.header.d_off));
  form.set(out, reclen, length);
  form.set(out, type, entry.header.d_type);
  form.set(out, namlen, text.size());
  std::memcpy(out.data() + form.offset(name), text.data(), text.size());
  return length;
}

/// Converts whole entries, in order, until one does not fit. The caller returns to `next` to lose none.
inline DirentRun convert_dirents(std::span<const std::byte> native, std::span<std::byte> guest,
                                 const DirentForm& form) noexcept {
  DirentRun run;
  while (const auto entry = first_entry(native.subspan(run.consumed))) {
    const std::size_t length = put_dirent(form, *entry, guest.subspan(run.produced));
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
/// The number of a type that is known by its name: FreeBSD takes it from the name's FNV-1 hash
/// (vfs_register).
constexpr std::uint32_t fs_type_number(std::string_view guest_name) noexcept {
  std::uint32_t hash = 33554467;
  for (const char letter : guest_name) hash = (hash * 0x01000193) ^ static_cast<unsigned char>(letter);
  return std::max(hash & 0xff, 1U);
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

inline Statfs2003 to_statfs_2003(const Statfs& statfs) noexcept {
  Statfs2003 old{};
  std::memcpy(&old, &statfs, offsetof(Statfs, f_mntfromname));  // the same up to the longer names
  old.f_version = kStatfs2003Version;
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
