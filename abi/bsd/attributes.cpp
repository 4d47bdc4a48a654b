// File times and path variables.
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, sys/kern/vfs_default.c, sys/ufs/ufs/ufs_vnops.c,
// sys/sys/stat.h, sys/sys/unistd.h.
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"
#include "abi/bsd/timeval.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

// --- times -----------------------------------------------------------------------------------------------

/// Access and modification time for the native call, or "now".
struct NewTimes {
  struct timespec values[2];
  bool now = false;
  Word word() const noexcept { return now ? 0 : reinterpret_cast<Word>(values); }
};

/// 0, or a negative errno.
NativeResult read_timespecs(Call& call, unsigned index, NewTimes& times) noexcept {
  times.now = is_null(call.addr(index));
  if (times.now) return 0;
  Timespec guest[2];
  if (!call.host.get(call.addr(index), guest)) return -EFAULT;
  for (int i = 0; i < 2; ++i) times.values[i] = to_native_time(guest[i]);
  return 0;
}

NativeResult read_timevals(Call& call, unsigned index, NewTimes& times) noexcept {
  times.now = is_null(call.addr(index));
  if (times.now) return 0;
  Timeval guest[2];
  if (!call.host.get(call.addr(index), guest)) return -EFAULT;
  for (int i = 0; i < 2; ++i) {
    guest[i].tv_usec = microseconds_of(call, index, guest[i].tv_usec);
    const auto time = to_native_time(guest[i]);
    if (!time) return -EINVAL;
    times.values[i] = *time;
  }
  return 0;
}

/// Reads the two times an argument points to. 0, or a negative errno.
using TimeReader = NativeResult (*)(Call&, unsigned index, NewTimes&) noexcept;

Result set_path_times(Call& call, int dirfd, GuestAddr path, unsigned from, TimeReader read,
                      int flags) noexcept {
  NewTimes times{};
  const NativeResult got = read(call, from, times);
  if (is_error(got)) return Result::of(got);
  if (!is_path(path)) return Result::fail(EFAULT);  // natively null would mean the descriptor itself
  return Result::of(call.host.call(SYS_utimensat, word(dirfd), word(path), times.word(), word(flags)));
}

Result set_descriptor_times(Call& call, int fd, unsigned from, TimeReader read) noexcept {
  NewTimes times{};
  const NativeResult got = read(call, from, times);
  if (is_error(got)) return Result::of(got);
  if (fd < 0) return Result::fail(EBADF);
  return Result::of(call.host.call(SYS_utimensat, word(fd), 0, times.word(), 0));
}

// --- path variables --------------------------------------------------------------------------------------

bool is_terminal(const struct statx& info) noexcept {
  const unsigned major = info.stx_rdev_major;
  return S_ISCHR(info.stx_mode) && (major == 4 || major == 5 || (major >= 136 && major <= 143));
}

Result variable_of(Call& call, const struct statx& info) noexcept {
  const auto name = self(call).vocabulary().path_variable.to_common(call.u32(1));
  const auto value = path_variable(static_cast<PathVariable>(name), info.stx_mode,
                                   static_cast<std::int64_t>(info.stx_blksize), is_terminal(info));
  return value ? Result::ok(static_cast<Word>(*value)) : Result::fail(EINVAL);
}

Result path_variable_at(Call& call, int native_flags) noexcept {
  if (!is_path(call.addr(0))) return Result::fail(EFAULT);
  struct statx info {};
  const NativeResult found = stat_native(call.host, kCwd, word(call.addr(0)), native_flags, info);
  return is_error(found) ? Result::of(found) : variable_of(call, info);
}

}  // namespace

Result do_utimensat(Call& call) noexcept {
  const unsigned flags = at_flags(call, 3);
  if ((flags & ~(kAtSymlinkNofollow | kAtResolveBeneath | kAtEmptyPath)) != 0) return Result::fail(EINVAL);
  const bool follow = (flags & kAtSymlinkNofollow) == 0;
  if ((flags & kAtResolveBeneath) == 0) {
    const int native = (follow ? 0 : AT_SYMLINK_NOFOLLOW) | ((flags & kAtEmptyPath) != 0 ? AT_EMPTY_PATH : 0);
    return set_path_times(call, call.i32(0), call.addr(1), 2, read_timespecs, native);
  }
  NewTimes times{};
  const NativeResult got = read_timespecs(call, 2, times);
  if (is_error(got)) return Result::of(got);
  if (!is_path(call.addr(1))) return Result::fail(EFAULT);
  const ScopedDescriptor file(call.host, open_beneath(call.host, call.i32(0), word(call.addr(1)), follow));
  if (!file.valid()) return beneath_error(file.result());
  return Result::of(
      call.host.call(SYS_utimensat, word(file.fd()), word(""), times.word(), word(AT_EMPTY_PATH)));
}

Result do_futimens(Call& call) noexcept { return set_descriptor_times(call, call.i32(0), 1, read_timespecs); }
Result do_utimes(Call& call) noexcept {
  return set_path_times(call, kCwd, call.addr(0), 1, read_timevals, 0);
}
Result do_lutimes(Call& call) noexcept {
  return set_path_times(call, kCwd, call.addr(0), 1, read_timevals, AT_SYMLINK_NOFOLLOW);
}
Result do_futimes(Call& call) noexcept { return set_descriptor_times(call, call.i32(0), 1, read_timevals); }
Result do_futimesat(Call& call) noexcept {
  return set_path_times(call, call.i32(0), call.addr(1), 2, read_timevals, 0);
}

Result do_pathconf(Call& call) noexcept { return path_variable_at(call, 0); }
Result do_lpathconf(Call& call) noexcept { return path_variable_at(call, AT_SYMLINK_NOFOLLOW); }
Result do_fpathconf(Call& call) noexcept {
  struct statx info {};
  const NativeResult found = stat_descriptor(call.host, call.i32(0), info);
  return is_error(found) ? Result::of(found) : variable_of(call, info);
}

}  // namespace sudrun::abi::bsd::fs
