// File status, access checks and special files; the array of everything about names and directories.
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, sys/sys/stat.h, sys/kern/syscalls.master.
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {
namespace {

// --- stat ------------------------------------------------------------------------------------------------

enum class Format { current, freebsd11, netbsd };

Result store_stat(Call& call, const struct statx& info, GuestAddr to, Format format) noexcept {
  Stat stat = to_guest_stat(info);
  stat.st_flags = guest_file_flags(self(call).vocabulary().file_flags, info);
  const auto store = [&](const auto& form) {
    return call.host.put(to, form) ? Result::ok() : Result::fail(EFAULT);
  };
  switch (format) {
    case Format::freebsd11:
      return store(to_freebsd11_stat(stat));
    case Format::netbsd:
      return store(to_nstat(stat));
    default:
      return store(stat);
  }
}

Result stat_path(Call& call, int dirfd, GuestAddr path, GuestAddr to, int native_flags,
                 Format format) noexcept {
  if (!is_path(path)) return Result::fail(EFAULT);
  struct statx info {};
  const NativeResult result = stat_native(call.host, dirfd, word(path), native_flags, info);
  return is_error(result) ? Result::of(result) : store_stat(call, info, to, format);
}

Result stat_fd(Call& call, int fd, GuestAddr to, Format format) noexcept {
  struct statx info {};
  const NativeResult result = stat_descriptor(call.host, fd, info);
  return is_error(result) ? Result::of(result) : store_stat(call, info, to, format);
}

Result stat_at(Call& call, Format format) noexcept {
  const int dirfd = call.i32(0);
  const GuestAddr path = call.addr(1), to = call.addr(2);
  const unsigned flags = call.u32(3);
  if ((flags & ~(kAtSymlinkNofollow | kAtResolveBeneath | kAtEmptyPath)) != 0) return Result::fail(EINVAL);
  const int native = ((flags & kAtSymlinkNofollow) != 0 ? AT_SYMLINK_NOFOLLOW : 0) |
                     ((flags & kAtEmptyPath) != 0 ? AT_EMPTY_PATH : 0);
  if ((flags & kAtResolveBeneath) == 0) return stat_path(call, dirfd, path, to, native, format);
  if (!is_path(path)) return Result::fail(EFAULT);
  const ScopedDescriptor file(call.host,
                              open_beneath(call.host, dirfd, word(path), (flags & kAtSymlinkNofollow) == 0));
  return file.valid() ? stat_fd(call, file.fd(), to, format) : beneath_error(file.result());
}

Result do_fstat(Call& call) noexcept { return stat_fd(call, call.i32(0), call.addr(1), Format::current); }
Result do_fstatat(Call& call) noexcept { return stat_at(call, Format::current); }
Result do_freebsd11_stat(Call& call) noexcept {
  return stat_path(call, kCwd, call.addr(0), call.addr(1), 0, Format::freebsd11);
}
Result do_freebsd11_lstat(Call& call) noexcept {
  return stat_path(call, kCwd, call.addr(0), call.addr(1), AT_SYMLINK_NOFOLLOW, Format::freebsd11);
}
Result do_freebsd11_fstat(Call& call) noexcept {
  return stat_fd(call, call.i32(0), call.addr(1), Format::freebsd11);
}
Result do_freebsd11_fstatat(Call& call) noexcept { return stat_at(call, Format::freebsd11); }
Result do_freebsd11_nstat(Call& call) noexcept {
  return stat_path(call, kCwd, call.addr(0), call.addr(1), 0, Format::netbsd);
}
Result do_freebsd11_nlstat(Call& call) noexcept {
  return stat_path(call, kCwd, call.addr(0), call.addr(1), AT_SYMLINK_NOFOLLOW, Format::netbsd);
}
Result do_freebsd11_nfstat(Call& call) noexcept {
  return stat_fd(call, call.i32(0), call.addr(1), Format::netbsd);
}

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
  return check_access(call, call.i32(0), call.addr(1), call.i32(2), call.u32(3));
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
Result do_freebsd11_mknod(Call& call) noexcept {
  return make_node(call, kCwd, call.addr(0), call.u32(1) & 0xffff, call.u32(2));
}
Result do_freebsd11_mknodat(Call& call) noexcept {
  return make_node(call, call.i32(0), call.addr(1), call.u32(2) & 0xffff, call.u32(3));
}

constexpr HandlerEntry kHandlers[] = {
    {"fstat", do_fstat},
    {"fstatat", do_fstatat},
    {"freebsd11_stat", do_freebsd11_stat},
    {"freebsd11_lstat", do_freebsd11_lstat},
    {"freebsd11_fstat", do_freebsd11_fstat},
    {"freebsd11_fstatat", do_freebsd11_fstatat},
    {"freebsd11_nstat", do_freebsd11_nstat},
    {"freebsd11_nlstat", do_freebsd11_nlstat},
    {"freebsd11_nfstat", do_freebsd11_nfstat},
    {"getdirentries", do_getdirentries},
    {"freebsd11_getdirentries", do_freebsd11_getdirentries},
    {"freebsd11_getdents", do_freebsd11_getdents},
    {"statfs", do_statfs},
    {"fstatfs", do_fstatfs},
    {"getfsstat", do_getfsstat},
    {"freebsd11_statfs", do_freebsd11_statfs},
    {"freebsd11_fstatfs", do_freebsd11_fstatfs},
    {"freebsd11_getfsstat", do_freebsd11_getfsstat},
    {"freebsd4_statfs", do_freebsd4_statfs},
    {"freebsd4_fstatfs", do_freebsd4_fstatfs},
    {"freebsd4_getfsstat", do_freebsd4_getfsstat},
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
    {"freebsd11_mknod", do_freebsd11_mknod},
    {"freebsd11_mknodat", do_freebsd11_mknodat},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> stat_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd
