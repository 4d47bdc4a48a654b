// Calls about files that only DragonFly has in this form.
// Sources: DragonFly 6.4 sys/kern/sys_generic.c (extpread and its like), sys_pipe.c (pipe2), vfs_cache.c,
// vfs_syscalls.c (__realpath), sys/sys/fcntl.h.
#include <sys/uio.h>

#include <array>

#include "abi/bsd/file_calls.hpp"
#include "abi/dragonfly/dragonfly.hpp"
#include "abi/marshal.hpp"

namespace sudrun::abi::dragonfly {
namespace fs {
using namespace bsd::fs;  // NOLINT(google-build-using-namespace): as dragonfly.hpp
namespace {

// --- reading and writing at a place
// --------------------------------------------------------------------------

enum class Way : std::uint8_t { read, write };

/// O_FNONBLOCKING and the like, of one call, as Linux's preadv2(2) takes them. That a descriptor which does
/// not wait shall for once wait (O_FBLOCKING) Linux cannot be told.
int native_io_flags(unsigned flags, Way way) noexcept {
  constexpr unsigned kFNonblocking = 0x80000, kFAppend = 0x100000, kFSyncWrite = 0x400000;
  int native = (flags & kFNonblocking) != 0 ? RWF_NOWAIT : 0;
  if (way == Way::write && (flags & kFAppend) != 0) native |= RWF_APPEND;
  if (way == Way::write && (flags & kFSyncWrite) != 0) native |= RWF_SYNC;
  return native;
}

/// An offset of -1 is the file's own, here as there.
NativeResult transfer(Call& call, Way way, Word vector, Word count) noexcept {
  const int fd = call.i32(0);
  const std::int64_t offset = call.i64(4);
  if (fd < 0 || call.host.is_hidden(fd)) return -EBADF;
  if (offset < -1) return -EINVAL;
  const long number = way == Way::read ? SYS_preadv2 : SYS_pwritev2;
  return call.host.call_interruptible(number, word(fd), vector, count, static_cast<Word>(offset), 0,
                                      word(native_io_flags(call.u32(3), way)));
}

Result one_buffer(Call& call, Way way) noexcept {
  if (call.i64(2) < 0) return Result::fail(EINVAL);
  if (call.word(2) != 0 && !Host::in_guest(call.addr(1), call.word(2))) return Result::fail(EFAULT);
  const struct { std::uint64_t base, size; } vector{call.word(1), call.word(2)};
  return Result::of(transfer(call, way, word(&vector), 1));
}

Result vector_of_buffers(Call& call, Way way) noexcept {
  constexpr int kMaxVector = 1024;  // UIO_MAXIOV
  const int count = call.i32(2);
  if (count < 0 || count > kMaxVector) return Result::fail(EMSGSIZE);
  if (const int error = check_vector(call.host, call.addr(1), static_cast<std::uint64_t>(count)); error != 0)
    return Result::fail(error);
  return Result::of(transfer(call, way, call.word(1), word(count)));
}

Result do_extpread(Call& call) noexcept { return one_buffer(call, Way::read); }
Result do_extpwrite(Call& call) noexcept { return one_buffer(call, Way::write); }
Result do_extpreadv(Call& call) noexcept { return vector_of_buffers(call, Way::read); }
Result do_extpwritev(Call& call) noexcept { return vector_of_buffers(call, Way::write); }

// --- pipes
// ---------------------------------------------------------------------------------------------------

/// The ends are the call's two results; the pointer is not looked at.
Result do_pipe2(Call& call) noexcept {
  const auto flags = native_open_flags(call, open_flags(call, 1) & (kOpenNonblock | kOpenCloexec));
  std::array<int, 2> ends{};
  const NativeResult made = call.host.call(SYS_pipe2, word(ends.data()), flags.value_or(0));
  if (is_error(made)) return Result::of(made);
  return Result::ok2(static_cast<Word>(ends[0]), static_cast<Word>(ends[1]));
}

// --- paths
// ---------------------------------------------------------------------------------------------------

Result do_realpath(Call& call) noexcept {
  Host& host = call.host;
  if (!is_path(call.addr(0))) return Result::fail(EFAULT);
  const NativeResult file = host.call(SYS_openat, word(kCwd), word(call.addr(0)), word(O_PATH | O_CLOEXEC));
  if (is_error(file)) return Result::of(file);
  std::array<char, kMaxPath> path;
  const NativeResult length =
      host.call(SYS_readlinkat, word(kCwd), DescriptorPath(static_cast<int>(file)).word(), word(path.data()),
                path.size() - 1);
  host.call(SYS_close, static_cast<Word>(file));
  if (is_error(length)) return Result::of(length);
  const std::string_view seen = host.guest_path({path.data(), static_cast<std::size_t>(length)});
  if (seen.size() + 1 > call.word(2)) return Result::fail(ENAMETOOLONG);
  const char end = '\0';
  return host.write(call.addr(1), seen.data(), seen.size()) && host.put(call.addr(1) + seen.size(), end)
             ? Result::ok(seen.size())
             : Result::fail(EFAULT);
}

constexpr HandlerEntry kHandlers[] = {
    {"__realpath", do_realpath}, {"extpread", do_extpread},     {"extpreadv", do_extpreadv},
    {"extpwrite", do_extpwrite}, {"extpwritev", do_extpwritev}, {"pipe2", do_pipe2},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> file_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::dragonfly
