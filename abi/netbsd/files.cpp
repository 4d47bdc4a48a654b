// Descriptors, files and sockets: calls that only NetBSD has, or has in a form of its own.
//
// Sources: NetBSD 10.1, sys/kern/{sys_descrip,sys_pipe,vfs_getcwd,vfs_syscalls,uipc_syscalls}.c,
// syscalls.master (padding), pipe2(2), dup3(2), paccept(2), fsync_range(2).
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/sigset.hpp"
#include "abi/bsd/socket_calls.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace {

using fs::word;

// Two results: the end to read from and the end to write to.
Result pipe(Call& call) noexcept {
  std::array<std::int32_t, 2> ends{};
  const NativeResult made = call.host.call(SYS_pipe2, word(ends.data()), 0);
  return is_error(made) ? Result::of(made)
                        : Result::ok2(static_cast<Word>(ends[0]), static_cast<Word>(ends[1]));
}

/// dup3(2); `same` is what it returns where both numbers are one.
Result duplicate(Call& call, Result same) noexcept {
  const int from = call.i32(0), to = call.i32(1);
  const unsigned flags = fs::open_flags(call, 2);
  if ((flags & ~(fs::kOpenCloexec | fs::kOpenNonblock)) != 0) return Result::fail(EINVAL);
  if (from == to) {
    const NativeResult open = call.host.call(SYS_fcntl, word(from), F_GETFD);
    return is_error(open) || call.host.is_hidden(from) ? Result::fail(EBADF) : same;
  }
  const Result made = fs::duplicate_to(call, from, to, (flags & fs::kOpenCloexec) != 0);
  if (!made.is_ok() || (flags & fs::kOpenNonblock) == 0) return made;
  const NativeResult status = call.host.call(SYS_fcntl, word(to), F_GETFL);
  if (!is_error(status)) call.host.call(SYS_fcntl, word(to), F_SETFL, static_cast<Word>(status) | O_NONBLOCK);
  return made;
}
Result dup3_100(Call& call) noexcept { return duplicate(call, Result::ok(call.u32(0))); }
Result dup3(Call& call) noexcept { return duplicate(call, Result::fail(EINVAL)); }

/// Returns the length, with the NUL.
Result getcwd_length(Call& call) noexcept {
  const Result got = fs::do_getcwd(call);
  if (got.is_native_error(ENOMEM)) return Result::fail(ERANGE);  // no room
  if (!got.is_ok()) return got;
  std::array<char, kMaxPath> text;
  const NativeResult length = call.host.read_string(call.addr(0), text);
  return is_error(length) ? Result::of(length) : Result::ok(static_cast<Word>(length) + 1);
}

// Padding stands before the 64-bit arguments of these.
Result padded_posix_fadvise(Call& call) noexcept {
  if (call.i64(2) < 0 || call.i64(3) < 0) return fs::errno_as_value(call, -EINVAL);
  // Advice has the same numbers natively.
  return fs::errno_as_value(
      call, call.host.call(SYS_fadvise64, word(call.i32(0)), call.word(2), call.word(3), word(call.i32(4))));
}
Result padded_posix_fallocate(Call& call) noexcept {
  return fs::errno_as_value(call,
                            call.host.call(SYS_fallocate, word(call.i32(0)), 0, call.word(2), call.word(3)));
}

/// Makes a hole.
Result fdiscard(Call& call) noexcept {
  constexpr int kKeepSize = 1, kPunchHole = 2;  // FALLOC_FL_*
  if (call.i64(2) < 0 || call.i64(3) < 0) return Result::fail(EINVAL);
  return Result::of(
      call.host.call(SYS_fallocate, word(call.i32(0)), kKeepSize | kPunchHole, call.word(2), call.word(3)));
}

/// The whole file, which includes the range.
Result fsync_range(Call& call) noexcept {
  constexpr unsigned kData = 0x10, kFile = 0x20, kDisk = 0x40;  // FDATASYNC, FFILESYNC, FDISKSYNC
  const unsigned flags = call.u32(1);
  const bool data = (flags & kData) != 0, file = (flags & kFile) != 0;
  if ((flags & ~(kData | kFile | kDisk)) != 0 || data == file) return Result::fail(EINVAL);
  if (call.i64(3) < 0 || call.i64(2) < 0) return Result::fail(EINVAL);
  const NativeResult status = call.host.call(SYS_fcntl, word(call.i32(0)), F_GETFL);
  if (is_error(status)) return Result::of(status);
  if ((status & O_ACCMODE) == O_RDONLY) return Result::fail(EBADF);
  return Result::of(call.host.call(data ? SYS_fdatasync : SYS_fsync, word(call.i32(0))));
}

// A mask is in force while the call waits for somebody to accept.
Result paccept(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const auto flags = self(call).vocabulary().socket_type.to_native(call.u32(4));
  if (!flags || (*flags & ~std::uint64_t{SOCK_CLOEXEC | SOCK_NONBLOCK}) != 0) return Result::fail(EINVAL);
  if (!is_null(call.addr(3))) {
    GuestSigset wanted{};
    if (!call.host.get(call.addr(3), wanted)) return Result::fail(EFAULT);
    const NativeSigset mask = native_sigset(call.table, wanted);
    const NativeResult status = call.host.call(SYS_fcntl, call.u32(0), F_GETFL);
    if (is_error(status)) return Result::of(status);
    if ((status & O_NONBLOCK) == 0) {
      call.host.set_temporary_mask(mask);
      const NativeSigset host_mask = call.host.native_mask(mask);
      pollfd listener{call.i32(0), POLLIN, 0};
      const NativeResult ready =
          call.host.call_interruptible(SYS_ppoll, word(&listener), 1, 0, word(&host_mask), sizeof host_mask);
      if (is_error(ready)) return Result::of(ready);
    }
  }
  return accept_with(call, static_cast<int>(*flags));
}

/// Names of the link to the caller's program in procfs(5): there /proc/self would be the runtime.
bool names_own_program(Host& host, std::string_view path) noexcept {
  constexpr std::string_view kRoot = "/proc/", kLink = "/exe";
  if (!path.starts_with(kRoot) || !path.ends_with(kLink)) return false;
  path.remove_prefix(kRoot.size());
  path.remove_suffix(std::min(kLink.size(), path.size()));
  if (path == "curproc" || path == "self") return true;
  int pid = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), pid);
  return error == std::errc{} && end == path.data() + path.size() && pid == host.pid();
}

Result read_link(Call& call, int dirfd, GuestAddr path, GuestAddr to, Word room) noexcept {
  Host& host = call.host;
  std::array<char, kMaxPath> text;
  const NativeResult length = host.read_string(path, text);
  if (is_error(length)) return Result::of(length);
  if (!names_own_program(host, {text.data(), static_cast<std::size_t>(length)}))
    return Result::of(host.call(SYS_readlinkat, word(dirfd), word(path), word(to), room));
  const std::string_view program = host.program_path();
  const std::size_t size = std::min<std::size_t>(program.size(), room);
  return host.write(to, program.data(), size) ? Result::ok(size) : Result::fail(EFAULT);
}

Result readlink(Call& call) noexcept {
  return read_link(call, fs::kCwd, call.addr(0), call.addr(1), call.word(2));
}
Result readlinkat(Call& call) noexcept {
  return read_link(call, call.i32(0), call.addr(1), call.addr(2), call.word(3));
}

Result nullop(Call&) noexcept { return Result::ok(); }

constexpr HandlerEntry kHandlers[] = {
    {"dup3", dup3},
    {"dup3_100", dup3_100},
    {"fdiscard", fdiscard},
    {"fsync_range", fsync_range},
    {"getcwd_length", getcwd_length},
    {"nullop", nullop},
    {"paccept", paccept},
    {"padded_posix_fadvise", padded_posix_fadvise},
    {"padded_posix_fallocate", padded_posix_fallocate},
    {"pipe", pipe},
    {"readlink", readlink},
    {"readlinkat", readlinkat},
};

}  // namespace

std::span<const HandlerEntry> file_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::netbsd
