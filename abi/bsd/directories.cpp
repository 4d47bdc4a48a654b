// Reading directories; the working directory and canonical paths.
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, sys/kern/vfs_cache.c, getdirentries(2).
#include <unistd.h>

#include <algorithm>
#include <array>

#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

// A native record grows by at most a third (24 bytes to 32), so what is read always fits when converted.
inline constexpr std::size_t kNativeBuffer = 6144;
inline constexpr std::size_t kGuestBuffer = 8192;
static_assert(kNativeBuffer / 3 * 4 <= kGuestBuffer);

NativeResult directory_error(NativeResult native) noexcept {
  switch (-native) {
    case ENOENT:
      return 0;  // a removed directory is an empty one
    case ENOTDIR:
    case ESPIPE:
      return -EINVAL;  // not a directory, as FreeBSD puts it
    default:
      return native;
  }
}

/// Reads as many whole entries as fit into `size` bytes at `to`. `base`, if not null, receives the position
/// the entries start at.
Result read_directory(Call& call, int fd, GuestAddr to, Word size, GuestAddr base,
                      const DirentForm* form) noexcept {
  Host& host = call.host;
  if (form == nullptr) return Result::fail(ENOSYS);
  const NativeResult start = host.call(SYS_lseek, word(fd), 0, SEEK_CUR);
  if (is_error(start)) return Result::of(directory_error(start));

  std::array<std::byte, kNativeBuffer> native;
  // Old records are shorter than native ones: a small buffer may have room for more than its size natively.
  constexpr Word largest_record = 280;
  const Word wanted = std::min<Word>(std::max(size, largest_record), native.size());
  const NativeResult got = host.call(SYS_getdents64, word(fd), word(native.data()), wanted);
  DirentRun run;
  if (got > 0) {
    std::array<std::byte, kGuestBuffer> guest;
    const std::span room(guest.data(), std::min<Word>(size, guest.size()));
    run = convert_dirents({native.data(), static_cast<std::size_t>(got)}, room, *form);
    const bool stored = run.produced != 0 && host.write(to, guest.data(), run.produced);
    // Entries that were read but not handed out must be found again by the next call.
    const std::int64_t next = stored ? run.next : start;
    if (!stored || run.consumed != static_cast<std::size_t>(got))
      host.call(SYS_lseek, word(fd), static_cast<Word>(next), SEEK_SET);
    if (!stored) return Result::fail(run.produced == 0 ? EINVAL : EFAULT);
  } else if (const NativeResult error = directory_error(got); is_error(error)) {
    return Result::of(error);
  }
  if (!is_null(base) && !host.put(base, start)) return Result::fail(EFAULT);
  return Result::ok(run.produced);
}

/// A size the row gives 32 bits or all.
Word size_argument(const Call& call, unsigned index) noexcept {
  return call.entry.args[index].kind == RoleKind::uint_ ? call.u32(index) : call.word(index);
}

/// Records that do not say how long they are cannot be shown as such: their row has a buffer only.
const DirentForm* record_form(Call& call) noexcept {
  const auto& forms = self(call).forms().dirent;
  const Role& role = call.entry.args[1];
  return role.kind == RoleKind::out_buf ? forms.only() : forms.of(role);
}

}  // namespace

Result do_getdirentries(Call& call) noexcept {
  return read_directory(call, call.i32(0), call.addr(1), size_argument(call, 2), call.addr(3),
                        record_form(call));
}
Result do_getdents(Call& call) noexcept {
  return read_directory(call, call.i32(0), call.addr(1), size_argument(call, 2), GuestAddr{},
                        record_form(call));
}

namespace {

/// Hands an absolute path of `length` bytes to the guest.
Result store_path(Host& host, std::string_view path, GuestAddr to, Word size) noexcept {
  if (size < 2) return Result::fail(EINVAL);
  if (!path.starts_with('/')) return Result::fail(ENOENT);  // outside the root, or removed
  if (path.size() + 1 > size) return Result::fail(ENOMEM);
  const char end = '\0';
  return host.write(to, path.data(), path.size()) && host.put(to + path.size(), end) ? Result::ok()
                                                                                     : Result::fail(EFAULT);
}

}  // namespace

Result do_getcwd(Call& call) noexcept {
  std::array<char, 4096> path;
  const NativeResult length = call.host.call(SYS_getcwd, word(path.data()), path.size());
  if (is_error(length)) return Result::of(length);
  return store_path(call.host, call.host.guest_path({path.data(), static_cast<std::size_t>(length) - 1}),
                    call.addr(0), call.word(1));
}

Result do_realpathat(Call& call) noexcept {
  Host& host = call.host;
  if (call.i32(4) != 0) return Result::fail(EINVAL);
  if (!is_path(call.addr(1))) return Result::fail(EFAULT);
  const ScopedDescriptor file(
      host, host.call(SYS_openat, word(call.i32(0)), word(call.addr(1)), word(O_PATH | O_CLOEXEC)));
  if (!file.valid()) return Result::of(file.result());
  std::array<char, 4096> path;
  const NativeResult length =
      host.call(SYS_readlinkat, word(kCwd), DescriptorPath(file.fd()).word(), word(path.data()), path.size());
  if (is_error(length)) return Result::of(length);
  return store_path(host, host.guest_path({path.data(), static_cast<std::size_t>(length)}), call.addr(2),
                    call.word(3));
}

}  // namespace sudrun::abi::bsd::fs
