// File status, access checks and special files; the array of everything about names and directories.
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, sys/sys/stat.h, sys/kern/syscalls.master.
#include <algorithm>
#include <array>

#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {
namespace {

// --- stat ------------------------------------------------------------------------------------------------

/// Stores what is known of a file in the form the call's row says, that of argument `index`.
Result store_stat(Call& call, const struct statx& info, unsigned index) noexcept {
  const Bsd& personality = self(call);
  const StatForm* const form = personality.forms().stat.of(call.entry.args[index]);
  if (form == nullptr) return Result::fail(ENOSYS);
  std::array<std::byte, kLargestStat> bytes{};
  const std::span out(bytes.data(), std::min(form->size(), bytes.size()));
  fill_stat(*form, info, guest_file_flags(personality.vocabulary().file_flags, info), out);
  return call.host.write(call.addr(index), out.data(), out.size()) ? Result::ok() : Result::fail(EFAULT);
}

Result stat_path(Call& call, int dirfd, GuestAddr path, int native_flags, unsigned index) noexcept {
  if (!is_path(path)) return Result::fail(EFAULT);
  struct statx info {};
  const NativeResult result = stat_native(call.host, dirfd, word(path), native_flags, info);
  return is_error(result) ? Result::of(result) : store_stat(call, info, index);
}

Result stat_fd(Call& call, int fd, unsigned index) noexcept {
  struct statx info {};
  const NativeResult result = stat_descriptor(call.host, fd, info);
  return is_error(result) ? Result::of(result) : store_stat(call, info, index);
}

Result do_fstatat(Call& call) noexcept {
  const int dirfd = call.i32(0);
  const GuestAddr path = call.addr(1);
  const unsigned flags = at_flags(call, 3);
  if ((flags & ~(kAtSymlinkNofollow | kAtResolveBeneath | kAtEmptyPath)) != 0) return Result::fail(EINVAL);
  const int native = ((flags & kAtSymlinkNofollow) != 0 ? AT_SYMLINK_NOFOLLOW : 0) |
                     ((flags & kAtEmptyPath) != 0 ? AT_EMPTY_PATH : 0);
  if ((flags & kAtResolveBeneath) == 0) return stat_path(call, dirfd, path, native, 2);
  if (!is_path(path)) return Result::fail(EFAULT);
  const ScopedDescriptor file(call.host,
                              open_beneath(call.host, dirfd, word(path), (flags & kAtSymlinkNofollow) == 0));
  return file.valid() ? stat_fd(call, file.fd(), 2) : beneath_error(file.result());
}

Result do_fstat(Call& call) noexcept { return stat_fd(call, call.i32(0), 1); }
Result do_stat(Call& call) noexcept { return stat_path(call, kCwd, call.addr(0), 0, 1); }
Result do_lstat(Call& call) noexcept { return stat_path(call, kCwd, call.addr(0), AT_SYMLINK_NOFOLLOW, 1); }

// --- access ----------------------------------------------------------------------------------------------

Result check_access(Call& call, int dirfd, GuestAddr path, int mode, unsigned flags) noexcept {
  if ((flags & ~(kAtEaccess | kAtSymlinkNofollow | kAtResolveBeneath | kAtEmptyPath)) != 0)
    return Result::fail(EINVAL);
  if (!is_path(path)) return Result::fail(EFAULT);
  const auto native_mode = self(call).vocabulary().access_mode.to_native(static_cast<unsigned>(mode));
  if (!native_mode) return Result::fail(EINVAL);
  int native = (flags & kAtEaccess) != 0 ? AT_EACCESS : 0;
  if ((flags & kAtResolveBeneath) != 0) {
    const ScopedDescriptor file(
        call.host, open_beneath(call.host, dirfd, word(path), (flags & kAtSymlinkNofollow) == 0));
    if (!file.valid()) return beneath_error(file.result());
    return Result::of(call.host.call(SYS_faccessat2, word(file.fd()), word(""), *native_mode,
                                     word(native | AT_EMPTY_PATH)));
  }
  if ((flags & kAtSymlinkNofollow) != 0) native |= AT_SYMLINK_NOFOLLOW;
  if ((flags & kAtEmptyPath) != 0) native |= AT_EMPTY_PATH;
  if (native == 0)  // also known to kernels before 5.8
    return Result::of(call.host.call(SYS_faccessat, word(dirfd), word(path), *native_mode));
  return Result::of(call.host.call(SYS_faccessat2, word(dirfd), word(path), *native_mode, word(native)));
}

Result do_access(Call& call) noexcept { return check_access(call, kCwd, call.addr(0), call.i32(1), 0); }
Result do_eaccess(Call& call) noexcept {
  return check_access(call, kCwd, call.addr(0), call.i32(1), kAtEaccess);
}
Result do_faccessat(Call& call) noexcept {
  return check_access(call, call.i32(0), call.addr(1), call.i32(2), at_flags(call, 3));
}

// --- special files ---------------------------------------------------------------------------------------

Result make_node(Call& call, int dirfd, GuestAddr path, unsigned mode, std::uint64_t device) noexcept {
  if (!is_path(path)) return Result::fail(EFAULT);
  switch (mode & S_IFMT) {
    case S_IFCHR:
    case S_IFBLK:
      break;
    case S_IFIFO:
      if (device != 0) return Result::fail(EINVAL);
      break;
    default:
      return Result::fail(EINVAL);  // plain files and whiteouts are not made this way
  }
  return Result::of(call.host.call(SYS_mknodat, word(dirfd), word(path), mode, native_device(device)));
}

Result do_mkfifo(Call& call) noexcept {
  return make_node(call, kCwd, call.addr(0), (call.u32(1) & 07777) | S_IFIFO, 0);
}
Result do_mkfifoat(Call& call) noexcept {
  return make_node(call, call.i32(0), call.addr(1), (call.u32(2) & 07777) | S_IFIFO, 0);
}
Result do_mknodat(Call& call) noexcept {
  return make_node(call, call.i32(0), call.addr(1), call.u32(2) & 0xffff, call.word(3));
}
Result do_old_mknod(Call& call) noexcept {
  return make_node(call, kCwd, call.addr(0), call.u32(1) & 0xffff, call.u32(2));
}
Result do_old_mknodat(Call& call) noexcept {
  return make_node(call, call.i32(0), call.addr(1), call.u32(2) & 0xffff, call.u32(3));
}

constexpr HandlerEntry kHandlers[] = {
    {"stat", do_stat},
    {"lstat", do_lstat},
    {"fstat", do_fstat},
    {"fstatat", do_fstatat},
    {"getdirentries", do_getdirentries},
    {"getdents", do_getdents},
    {"statfs", do_statfs},
    {"fstatfs", do_fstatfs},
    {"getfsstat", do_getfsstat},
    {"statfs_2003", do_statfs_2003},
    {"fstatfs_2003", do_fstatfs_2003},
    {"getfsstat_2003", do_getfsstat_2003},
    {"ostatfs", do_ostatfs},
    {"ofstatfs", do_ofstatfs},
    {"ogetfsstat", do_ogetfsstat},
    {"__getcwd", do_getcwd},
    {"__realpathat", do_realpathat},
    {"pathconf", do_pathconf},
    {"lpathconf", do_lpathconf},
    {"fpathconf", do_fpathconf},
    {"access", do_access},
    {"eaccess", do_eaccess},
    {"faccessat", do_faccessat},
    {"utimensat", do_utimensat},
    {"futimens", do_futimens},
    {"utimes", do_utimes},
    {"lutimes", do_lutimes},
    {"futimes", do_futimes},
    {"futimesat", do_futimesat},
    {"mkfifo", do_mkfifo},
    {"mkfifoat", do_mkfifoat},
    {"mknodat", do_mknodat},
    {"old_mknod", do_old_mknod},
    {"old_mknodat", do_old_mknodat},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> stat_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd
