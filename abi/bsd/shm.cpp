// POSIX shared memory objects: anonymous ones are memfds, named ones files where native programs keep theirs.
// Sources: FreeBSD 15 (and 14) sys/kern/uipc_shm.c, sys/sys/mman.h, shm_open(2).
#include <linux/memfd.h>

#include <array>
#include <utility>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

inline constexpr std::string_view kDirectory = "/dev/shm/";

/// Native path of the object whose guest name stands at `name`.
class ObjectPath {
 public:
  /// 0, or a negative errno.
  NativeResult resolve(Host& host, GuestAddr name) noexcept {
    std::array<char, 1024> guest;
    const NativeResult length = host.read_string(name, guest);
    if (is_error(length)) return length;
    kDirectory.copy(text_.data(), kDirectory.size());
    const auto file = shm_file_name({guest.data(), static_cast<std::size_t>(length)},
                                    std::span(text_).subspan(kDirectory.size()));
    if (!file) return -ENAMETOOLONG;
    return *file == 0 ? -EINVAL : 0;
  }
  Word word() const noexcept { return reinterpret_cast<Word>(text_.data()); }

 private:
  std::array<char, kDirectory.size() + 256> text_{};
};

Result open_anonymous(Host& host, unsigned flags, unsigned shm_flags) noexcept {
  if ((flags & kOpenAccessMode) == kOpenReadOnly) return Result::fail(EINVAL);
  unsigned native = 0;
  if ((flags & kOpenCloexec) != 0) native |= MFD_CLOEXEC;
  // Without this flag the object starts with the seal against further seals, as on FreeBSD.
  if ((shm_flags & kShmAllowSealing) != 0) native |= MFD_ALLOW_SEALING;
  return Result::of(host.call(SYS_memfd_create, word("shm"), native));
}

Result open_object(Call& call, GuestAddr name, unsigned flags, unsigned mode, unsigned shm_flags) noexcept {
  constexpr unsigned allowed = kOpenAccessMode | kOpenCreat | kOpenExcl | kOpenTrunc | kOpenCloexec;
  const unsigned access = flags & kOpenAccessMode;
  if ((flags & ~allowed) != 0 || (access != kOpenReadOnly && access != kOpenReadWrite))
    return Result::fail(EINVAL);
  if ((shm_flags & ~(kShmAllowSealing | kShmGrowOnWrite)) != 0) return Result::fail(EINVAL);
  if (word_of(name) == kShmAnon) return open_anonymous(call.host, flags, shm_flags);

  ObjectPath path;
  const NativeResult resolved = path.resolve(call.host, name);
  if (is_error(resolved)) return Result::of(resolved);
  const unsigned effective = access == kOpenReadOnly ? flags & ~kOpenTrunc : flags;
  const auto native = native_open_flags(call, effective);
  if (!native) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_openat, word(kCwd), path.word(), *native | O_NOFOLLOW, mode & 0777));
}

}  // namespace

Result do_old_shm_open(Call& call) noexcept {
  return open_object(call, call.addr(0), open_flags(call, 1) | kOpenCloexec, call.u32(2), 0);
}

/// The last argument is a name for debuggers.
Result do_shm_open2(Call& call) noexcept {
  return open_object(call, call.addr(0), open_flags(call, 1), call.u32(2), call.u32(3));
}

/// The host's directory lets only owners remove what is in it; there it is the object that denies access.
Result removed(NativeResult result) noexcept {
  return result == -EPERM ? Result::fail(EACCES) : Result::of(result);
}

Result do_shm_unlink(Call& call) noexcept {
  ObjectPath path;
  const NativeResult resolved = path.resolve(call.host, call.addr(0));
  if (is_error(resolved)) return Result::of(resolved);
  return removed(call.host.call(SYS_unlinkat, word(kCwd), path.word(), 0));
}

Result do_shm_rename(Call& call) noexcept {
  const unsigned flags = call.u32(2);
  if ((flags & ~(kShmRenameNoreplace | kShmRenameExchange)) != 0) return Result::fail(EINVAL);
  ObjectPath from, to;
  for (auto [path, name] : {std::pair{&from, call.addr(0)}, std::pair{&to, call.addr(1)}}) {
    const NativeResult resolved = path->resolve(call.host, name);
    if (is_error(resolved)) return Result::of(resolved);
  }
  // The flags have the same values natively, and exclude each other there too.
  return removed(call.host.call(SYS_renameat2, word(kCwd), from.word(), word(kCwd), to.word(), flags));
}

}  // namespace sudrun::abi::bsd::fs
