// fcntl: descriptor and status flags, record locks, seals, F_KINFO.
// Sources: FreeBSD 15 (and 14) sys/sys/fcntl.h, sys/kern/kern_descrip.c, sys/sys/user.h.
#include <array>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

NativeResult native_fcntl(Host& host, int fd, int command, Word argument = 0) noexcept {
  return host.call(SYS_fcntl, word(fd), word(command), argument);
}

// --- flags -----------------------------------------------------------------------------------------------

Result get_descriptor_flags(Call& call, int fd) noexcept {
  const NativeResult flags = native_fcntl(call.host, fd, F_GETFD);
  if (is_error(flags)) return Result::of(flags);
  return Result::ok(self(call).vocabulary().fd_flags.to_guest(static_cast<Word>(flags)));
}

Result set_descriptor_flags(Call& call, int fd) noexcept {
  const auto flags = self(call).vocabulary().fd_flags.to_native(call.word(2));
  return flags ? Result::of(native_fcntl(call.host, fd, F_SETFD, *flags)) : Result::fail(EINVAL);
}

Result get_status_flags(Call& call, int fd) noexcept {
  const NativeResult native = native_fcntl(call.host, fd, F_GETFL);
  if (is_error(native)) return Result::of(native);
  // Linux also remembers flags that only mattered to the open.
  constexpr int kept = O_ACCMODE | O_APPEND | O_ASYNC | O_SYNC | O_DSYNC | O_NONBLOCK;
  const auto flags = static_cast<Word>(static_cast<int>(native) & kept);
  // O_PATH stands for O_EXEC too; of the two, this is the one that promises less.
  const std::uint32_t place = (native & O_PATH) != 0 ? kOpenPath : 0;
  return Result::ok(self(call).vocabulary().open_flags.to_guest(flags) |
                    self(call).vocabulary().open.to_guest(place));
}

Result set_status_flags(Call& call, int fd) noexcept {
  const auto flags = native_open_flags(call, open_flags(call, 2) & kSettableFlags);
  return flags ? Result::of(native_fcntl(call.host, fd, F_SETFL, *flags)) : Result::fail(EINVAL);
}

// --- owner -----------------------------------------------------------------------------------------------

Result get_owner(Host& host, int fd) noexcept {
  // F_GETOWN cannot tell a process group from an error.
  struct f_owner_ex owner {};
  const NativeResult result = native_fcntl(host, fd, F_GETOWN_EX, word(&owner));
  if (is_error(result)) return Result::of(result);
  return Result::ok(word(owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid));
}

// --- record locks ----------------------------------------------------------------------------------------

std::optional<short> native_lock_type(std::int16_t type) noexcept {
  switch (type) {
    case kReadLock:
      return static_cast<short>(F_RDLCK);
    case kWriteLock:
      return static_cast<short>(F_WRLCK);
    case kUnlock:
      return static_cast<short>(F_UNLCK);
    default:
      return std::nullopt;
  }
}

std::int16_t guest_lock_type(short type) noexcept {
  return type == F_RDLCK ? kReadLock : type == F_WRLCK ? kWriteLock : kUnlock;
}

/// Lock commands with the old structure differ only in its missing tail.
Result record_lock(Call& call, int fd, FcntlCommand command) noexcept {
  using enum FcntlCommand;
  Host& host = call.host;
  const bool old = command == old_getlk || command == old_setlk || command == old_setlkw;
  const std::size_t size = old ? sizeof(OldFlock) : self(call).forms().flock_size;
  Flock guest{};
  if (!host.read(call.addr(2), &guest, size)) return Result::fail(EFAULT);
  const auto type = native_lock_type(guest.base.l_type);
  if (!type) return Result::fail(EINVAL);
  struct flock native {};
  native.l_type = *type;
  native.l_whence = guest.base.l_whence;  // SEEK_* are the same numbers
  native.l_start = guest.base.l_start;
  native.l_len = guest.base.l_len;

  if (command == setlkw || command == old_setlkw)
    return Result::of(host.call_interruptible(SYS_fcntl, word(fd), F_SETLKW, word(&native)));
  if (command == setlk || command == old_setlk) {
    const NativeResult result = native_fcntl(host, fd, F_SETLK, word(&native));
    return Result::of(result == -EACCES ? -EAGAIN : result);
  }
  const NativeResult result = native_fcntl(host, fd, F_GETLK, word(&native));
  if (is_error(result)) return Result::of(result);
  guest.base.l_type = guest_lock_type(native.l_type);
  if (native.l_type != F_UNLCK) {
    guest.base.l_whence = native.l_whence;
    guest.base.l_start = native.l_start;
    guest.base.l_len = native.l_len;
    guest.base.l_pid = native.l_pid;
    guest.l_sysid = 0;
  }
  return host.write(call.addr(2), &guest, size) ? Result::ok() : Result::fail(EFAULT);
}

// --- read-ahead ------------------------------------------------------------------------------------------

Result read_ahead(Call& call, int fd, bool on) noexcept {
  const int advice = on ? POSIX_FADV_SEQUENTIAL : POSIX_FADV_RANDOM;
  const NativeResult result = call.host.call(SYS_fadvise64, word(fd), 0, 0, word(advice));
  return Result::of(result == -ESPIPE ? -EBADF : result);  // not a file
}

// --- F_KINFO ---------------------------------------------------------------------------------------------

std::int32_t kinfo_flags(NativeResult native) noexcept {
  if (is_error(native)) return 0;
  const int flags = static_cast<int>(native);
  const int access = flags & O_ACCMODE;
  std::int32_t result = access == O_RDWR ? 0x3 : access == O_WRONLY ? 0x2 : 0x1;
  if ((flags & O_PATH) != 0) result = 0;
  if ((flags & O_APPEND) != 0) result |= 0x4;
  if ((flags & O_ASYNC) != 0) result |= 0x8;
  if ((flags & O_SYNC) == O_SYNC) result |= 0x10;
  if ((flags & O_NONBLOCK) != 0) result |= 0x20;
  if ((flags & O_DIRECT) != 0) result |= 0x40;
  return result;
}

/// `target` is what the descriptor's link in the process file system says.
std::int32_t kinfo_type(unsigned mode, std::string_view target) noexcept {
  if (target.starts_with("pipe:")) return kKfPipe;
  if (target.starts_with("socket:")) return kKfSocket;
  if (target == "anon_inode:[eventpoll]") return kKfKqueue;
  if (target == "anon_inode:[eventfd]") return kKfEventfd;
  if (target.starts_with("anon_inode:")) return kKfUnknown;
  if (target.starts_with("/memfd:") || target.starts_with("/dev/shm/")) return kKfShm;
  return S_ISFIFO(mode) ? kKfFifo : kKfVnode;
}

Result describe(Call& call, int fd) noexcept {
  Host& host = call.host;
  std::int32_t size = 0;
  if (!host.get(call.addr(2), size)) return Result::fail(EFAULT);
  if (size != static_cast<std::int32_t>(sizeof(KinfoFile))) return Result::fail(EINVAL);
  struct statx info {};
  const NativeResult found = stat_descriptor(host, fd, info);
  if (is_error(found)) return Result::of(found);

  std::array<char, 1024> text;
  const NativeResult length =
      host.call(SYS_readlinkat, word(kCwd), DescriptorPath(fd).word(), word(text.data()), text.size() - 1);
  const std::string_view target(text.data(), is_error(length) ? 0 : static_cast<std::size_t>(length));

  KinfoFile kinfo{};
  kinfo.kf_structsize = size;
  kinfo.kf_type = kinfo_type(info.stx_mode, target);
  kinfo.kf_fd = fd;
  kinfo.kf_ref_count = 1;
  kinfo.kf_flags = kinfo_flags(native_fcntl(host, fd, F_GETFL));
  const NativeResult offset = host.call(SYS_lseek, word(fd), 0, SEEK_CUR);
  kinfo.kf_offset = is_error(offset) ? 0 : offset;
  kinfo.kf_status = kKfAttrValid;
  if (kinfo.kf_type == kKfVnode || kinfo.kf_type == kKfFifo || kinfo.kf_type == kKfShm) {
    const std::uint64_t device = make_device(info.stx_dev_major, info.stx_dev_minor);
    const std::uint64_t special = make_device(info.stx_rdev_major, info.stx_rdev_minor);
    kinfo.kf_file_type = kinfo_vnode_type(info.stx_mode);
    kinfo.kf_file_fsid = device;
    kinfo.kf_file_rdev = special;
    kinfo.kf_file_fileid = info.stx_ino;
    kinfo.kf_file_size = info.stx_size;
    kinfo.kf_file_fsid_old = static_cast<std::uint32_t>(device);
    kinfo.kf_file_rdev_old = static_cast<std::uint32_t>(special);
    kinfo.kf_file_mode = static_cast<std::uint16_t>(guest_mode(info));
    // A removed file has no path; Linux would append a remark to the former one.
    if (info.stx_nlink != 0 && target.starts_with('/')) copy_text(kinfo.kf_path, host.guest_path(target));
  }
  return host.put(call.addr(2), kinfo) ? Result::ok() : Result::fail(EFAULT);
}

/// Seals have the same bits; Linux knows further ones.
Result get_seals(Host& host, int fd) noexcept {
  constexpr Word known = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const NativeResult seals = native_fcntl(host, fd, F_GET_SEALS);
  return is_error(seals) ? Result::of(seals) : Result::ok(static_cast<Word>(seals) & known);
}

/// Succeeds with 0 if the descriptor is open: for questions whose answer is always no.
Result if_open(Host& host, int fd) noexcept {
  const NativeResult flags = native_fcntl(host, fd, F_GETFD);
  return is_error(flags) ? Result::of(flags) : Result::ok();
}

/// F_DUP3FD: the new descriptor's flags stand above the command. Close-on-fork has no native form.
Result dup3(Call& call, int fd, int descriptor_flags) noexcept {
  const int to = call.i32(2);
  if (fd == to || (descriptor_flags & ~kFdCloexec) != 0) return Result::fail(EINVAL);
  return duplicate_to(call, fd, to, descriptor_flags != 0);
}

}  // namespace

Result do_fcntl(Call& call) noexcept {
  using enum FcntlCommand;
  Host& host = call.host;
  const int fd = call.i32(0);
  if (fd < 0 || host.is_hidden(fd)) return Result::fail(EBADF);
  const unsigned number = call.u32(1);
  if (self(call).vocabulary().fcntl.to_common(number & 0xffff) == static_cast<unsigned>(dup3fd))
    return dup3(call, fd, static_cast<int>(number >> kDup3FlagShift));

  switch (const auto command = static_cast<FcntlCommand>(self(call).vocabulary().fcntl.to_common(number))) {
    case dupfd:
      return duplicated(call, fd, native_fcntl(host, fd, F_DUPFD, word(call.i32(2))));
    case dupfd_cloexec:
      return duplicated(call, fd, native_fcntl(host, fd, F_DUPFD_CLOEXEC, word(call.i32(2))));
    case dup2fd:
      return duplicate_to(call, fd, call.i32(2), false);
    case dup2fd_cloexec:
      return duplicate_to(call, fd, call.i32(2), true);
    case getfd:
      return get_descriptor_flags(call, fd);
    case setfd:
      return set_descriptor_flags(call, fd);
    case getfl:
      return get_status_flags(call, fd);
    case setfl:
      return set_status_flags(call, fd);
    case getown:
      return get_owner(host, fd);
    case setown:
      return Result::of(native_fcntl(host, fd, F_SETOWN, word(call.i32(2))));
    case old_getlk:
    case old_setlk:
    case old_setlkw:
    case getlk:
    case setlk:
    case setlkw:
      return record_lock(call, fd, command);
    case setlk_remote:
      return Result::fail(EPERM);  // for the NFS lock daemon only
    case readahead:
      return read_ahead(call, fd, call.i32(2) >= 0);
    case rdahead:
      return read_ahead(call, fd, call.i32(2) != 0);
    case add_seals:
      return Result::of(native_fcntl(host, fd, F_ADD_SEALS, call.u32(2)));
    case get_seals:
      return fs::get_seals(host, fd);
    case is_union_stack:
      return if_open(host, fd);
    case kinfo:
      return describe(call, fd);
    case dupfd_clofork:
    case dup3fd:
      break;
  }
  return Result::fail(EINVAL);
}

}  // namespace sudrun::abi::bsd::fs
