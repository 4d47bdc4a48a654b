// File flags: chflags and its relatives. What Linux keeps as attributes of an inode can be set and is shown
// by stat; other flags are refused, as by FreeBSD's file systems that do not have them all.
//
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c (setfflags), sys/ufs/ufs/ufs_vnops.c (ufs_setattr),
// sys/sys/stat.h; Linux ioctl_iflags(2), statx(2).
#include <linux/fs.h>

#include "abi/bsd/place.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {
namespace {

// statx reports the attributes of the same names under the same bits.
constexpr unsigned kKept = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL;
static_assert(kKept == (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP));
constexpr unsigned kForSuperuser = FS_IMMUTABLE_FL | FS_APPEND_FL;

/// Opens the file for the sake of its inode; devices and pipes are never opened.
NativeResult open_for_flags(Host& host, Word path) noexcept {
  return host.call(SYS_openat, word(kCwd), path, word(O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

/// `path` is a host string that names the file without following it.
Result set_flags(Call& call, Word path, Word guest) noexcept {
  Host& host = call.host;
  struct statx info {};
  const NativeResult found = stat_native(host, kCwd, path, 0, info);
  if (is_error(found)) return Result::of(found);
  if (guest == ~Word{0}) return Result::fail(EOPNOTSUPP);  // VNOVAL
  const auto user = static_cast<unsigned>(host.call(SYS_geteuid));
  if ((S_ISCHR(info.stx_mode) || S_ISBLK(info.stx_mode)) && user != 0) return Result::fail(EPERM);
  const auto wanted = self(call).vocabulary().file_flags.to_native(guest);
  if (!wanted) return Result::fail(EOPNOTSUPP);
  if (user != 0 && user != info.stx_uid) return Result::fail(EPERM);

  const auto present = static_cast<unsigned>(info.stx_attributes) & kKept;
  const auto flags = static_cast<unsigned>(*wanted);
  if (present == flags) return Result::ok();
  if (user != 0 && ((present & kForSuperuser) != 0 || ((present ^ flags) & kForSuperuser) != 0))
    return Result::fail(EPERM);
  if (!S_ISREG(info.stx_mode) && !S_ISDIR(info.stx_mode)) return Result::fail(EOPNOTSUPP);

  const ScopedDescriptor file(host, open_for_flags(host, path));
  if (!file.valid())  // its owner may change what he may not read, but Linux has no way to
    return Result::fail(file.result() == -EACCES ? EOPNOTSUPP : -static_cast<int>(file.result()));
  unsigned native = 0;
  NativeResult result = host.call(SYS_ioctl, word(file.fd()), FS_IOC_GETFLAGS, word(&native));
  if (!is_error(result)) {
    native = (native & ~kKept) | flags;
    result = host.call(SYS_ioctl, word(file.fd()), FS_IOC_SETFLAGS, word(&native));
  }
  // Neither system has these errors for file flags: the file system does not keep them.
  if (result == -ENOTTY || result == -EINVAL) return Result::fail(EOPNOTSUPP);
  return Result::of(result);
}

Result set_at(Call& call, int dirfd, GuestAddr path, Word flags, unsigned at_flags) noexcept {
  const Place place(call.host, dirfd, path, at_flags);
  return place.valid() ? set_flags(call, place.path().word(), flags) : place.error();
}

Result do_chflags(Call& call) noexcept { return set_at(call, kCwd, call.addr(0), call.word(1), 0); }
Result do_lchflags(Call& call) noexcept {
  return set_at(call, kCwd, call.addr(0), call.word(1), kAtSymlinkNofollow);
}
Result do_chflagsat(Call& call) noexcept {
  const unsigned at_flags = call.u32(3);
  if ((at_flags & ~(kAtSymlinkNofollow | kAtResolveBeneath | kAtEmptyPath)) != 0) return Result::fail(EINVAL);
  return set_at(call, call.i32(0), call.addr(1), call.word(2), at_flags);
}
Result do_fchflags(Call& call) noexcept {
  const NativeResult error = check_vnode(call.host, call.i32(0));
  if (is_error(error)) return Result::of(error);
  return set_flags(call, DescriptorPath(call.i32(0)).word(), call.word(1));
}

constexpr HandlerEntry kHandlers[] = {
    {"chflags", do_chflags},
    {"lchflags", do_lchflags},
    {"fchflags", do_fchflags},
    {"chflagsat", do_chflagsat},
};

}  // namespace

std::uint32_t guest_file_flags(const FlagSet& flags, const struct statx& native) noexcept {
  return static_cast<std::uint32_t>(flags.to_guest(native.stx_attributes & kKept));
}

}  // namespace fs

std::span<const HandlerEntry> file_flag_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd
