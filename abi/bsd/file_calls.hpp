// What the files of the file area share: small helpers over Host, and the handlers of one that stand in the
// array of another.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/host_file.hpp"

namespace sudrun::abi::bsd::fs {

/// Argument words of native calls.
inline Word word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }
constexpr Word word(int value) noexcept { return static_cast<Word>(static_cast<std::int64_t>(value)); }
constexpr Word word(unsigned value) noexcept { return value; }
constexpr Word word(GuestAddr addr) noexcept { return word_of(addr); }

inline constexpr int kCwd = AT_FDCWD;  // the same number in both systems

/// A guest path that may be handed to a native call, which finds out itself whether it can be read. A null
/// pointer is refused here because some native calls give it a meaning of its own.
constexpr bool is_path(GuestAddr path) noexcept { return !is_null(path) && Host::in_guest(path, 1); }

/// Path of an open descriptor in the native process file system.
class DescriptorPath {
 public:
  explicit DescriptorPath(int fd) noexcept : path_("/proc/self/fd/", fd) {}
  Word word() const noexcept { return path_.word(); }

 private:
  HostPath path_;
};

inline constexpr unsigned kStatMask = STATX_BASIC_STATS | STATX_BTIME;

/// statx into host memory. `path` is a guest path or a host string.
inline NativeResult stat_native(Host& host, int dirfd, Word path, int flags, struct statx& out,
                                unsigned mask = kStatMask) noexcept {
  return host.call(SYS_statx, word(dirfd), path, word(flags), mask, word(&out));
}
inline NativeResult stat_descriptor(Host& host, int fd, struct statx& out,
                                    unsigned mask = kStatMask) noexcept {
  // An empty path with a bad descriptor is EBADF, but AT_FDCWD would name the working directory.
  return fd < 0 ? -EBADF : stat_native(host, fd, word(""), AT_EMPTY_PATH, out, mask);
}

/// Opens what `path` names, resolved without leaving `dirfd`, as a place only (O_PATH).
NativeResult open_beneath(Host& host, int dirfd, Word path, bool follow) noexcept;
/// The error of a lookup that was to stay beneath a directory.
Result beneath_error(NativeResult native) noexcept;

/// Flags of an argument in common numbers (dialect.hpp).
inline unsigned open_flags(Call& call, unsigned index) noexcept {
  return self(call).vocabulary().open.to_common(call.u32(index));
}
inline unsigned at_flags(Call& call, unsigned index) noexcept {
  return self(call).vocabulary().at.to_common(call.u32(index));
}
/// Flags of open in common numbers as Linux has them; nothing if one must be refused.
inline std::optional<Word> native_open_flags(Call& call, unsigned common) noexcept {
  const bsd::Vocabulary& vocabulary = self(call).vocabulary();
  if ((common & kNotCommon) != 0) return std::nullopt;
  return vocabulary.open_flags.to_native(vocabulary.open.to_guest(common));
}

/// Outcome of calls that return their error number as an ordinary result, without the error indication.
inline Result errno_as_value(Call& call, NativeResult native) noexcept {
  if (!is_error(native)) return Result::ok();
  return Result::ok(static_cast<Word>(call.table.errno_to_guest(static_cast<int>(errno_of(native)))));
}

/// Tells the event queues of a descriptor just made by duplicating `from`; passes errors on.
Result duplicated(Call& call, int from, NativeResult to) noexcept;
/// dup2 and its relatives: `to` is closed properly before it is replaced.
Result duplicate_to(Call& call, int from, int to, bool cloexec) noexcept;

// devfd.cpp
/// The descriptor a path is another name of, if it is one; `follow`: symbolic links count.
std::optional<int> descriptor_named(Host& host, GuestAddr path, bool follow) noexcept;
struct MapsFile {
  int pid;
  bool smaps;
};
/// What `/proc/self/maps` and its like name: Linux's lists of a process's mappings. Where the system has no
/// files of these names (FreeBSD's procfs(5) calls its own `map`; Manners::maps_like_linux), programs tell
/// the systems apart by them (Go's runtime/pprof), and the runtime's own mappings stand in them.
std::optional<MapsFile> maps_named(Host& host, GuestAddr path) noexcept;
/// What opening such a path does: another descriptor, if the access asked for is there.
Result open_descriptor(Call& call, int fd, unsigned flags) noexcept;
// own_maps.cpp
/// Opens, for reading, a list of the guest's mappings as they are now, in the form of Linux's `maps`.
Result open_own_maps(Host& host, unsigned flags) noexcept;
// fcntl.cpp
Result do_fcntl(Call& call) noexcept;
// sendfile.cpp
Result do_sendfile(Call& call) noexcept;
Result do_copy_file_range(Call& call) noexcept;
// shm.cpp
Result do_old_shm_open(Call& call) noexcept;
Result do_shm_open2(Call& call) noexcept;
Result do_shm_unlink(Call& call) noexcept;
Result do_shm_rename(Call& call) noexcept;
// directories.cpp
Result do_getdirentries(Call& call) noexcept;
Result do_getdents(Call& call) noexcept;
Result do_getcwd(Call& call) noexcept;
Result do_realpathat(Call& call) noexcept;
// mounts.cpp
Result do_statfs(Call& call) noexcept;
Result do_fstatfs(Call& call) noexcept;
Result do_getfsstat(Call& call) noexcept;
Result do_statfs_2003(Call& call) noexcept;
Result do_fstatfs_2003(Call& call) noexcept;
Result do_getfsstat_2003(Call& call) noexcept;
Result do_ostatfs(Call& call) noexcept;
Result do_ofstatfs(Call& call) noexcept;
Result do_ogetfsstat(Call& call) noexcept;
// fileflags.cpp
/// st_flags of a file; `flags` is the file_flags set.
std::uint32_t guest_file_flags(const FlagSet& flags, const struct statx& native) noexcept;
// attributes.cpp
Result do_utimensat(Call& call) noexcept;
Result do_futimens(Call& call) noexcept;
Result do_utimes(Call& call) noexcept;
Result do_lutimes(Call& call) noexcept;
Result do_futimes(Call& call) noexcept;
Result do_futimesat(Call& call) noexcept;
Result do_pathconf(Call& call) noexcept;
Result do_lpathconf(Call& call) noexcept;
Result do_fpathconf(Call& call) noexcept;

}  // namespace sudrun::abi::bsd::fs
