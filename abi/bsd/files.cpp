// Opening, closing and duplicating descriptors; removing names; space reservation.
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, vfs_vnops.c, kern_descrip.c;
// sys/kern/syscalls.master.
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/place.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {

NativeResult open_beneath(Host& host, int dirfd, Word path, bool follow) noexcept {
  struct open_how how {};
  how.flags = O_PATH | O_CLOEXEC | (follow ? 0u : static_cast<unsigned>(O_NOFOLLOW));
  how.resolve = RESOLVE_BENEATH;
  return host.call(SYS_openat2, word(dirfd), path, word(&how), sizeof(how));
}

Result beneath_error(NativeResult native) noexcept {
  return native == -EXDEV ? Result::fail(GuestErrno{kENotCapable}) : Result::of(native);
}

Result duplicate_to(Call& call, int from, int to, bool cloexec) noexcept {
  Host& host = call.host;
  if (from < 0 || to < 0 || host.is_hidden(from) || host.is_hidden(to)) return Result::fail(EBADF);
  const NativeResult flags = host.call(SYS_fcntl, word(from), F_GETFD);
  if (is_error(flags)) return Result::of(flags);
  if (from == to) {
    if (cloexec) host.call(SYS_fcntl, word(from), F_SETFD, FD_CLOEXEC);
    return Result::ok(word(to));
  }
  self(call).descriptor_closing(host, to);
  return duplicated(call, from, host.call(SYS_dup3, word(from), word(to), cloexec ? word(O_CLOEXEC) : 0));
}

Result duplicated(Call& call, int from, NativeResult to) noexcept {
  if (!is_error(to)) self(call).descriptor_duplicated(from, static_cast<int>(to));
  return Result::of(to);
}

namespace {

// --- open ------------------------------------------------------------------------------------------------

struct OpenRequest {
  int dirfd;
  Word path;       ///< guest path, or a host string
  unsigned flags;  ///< in common numbers
  int native;      ///< translated
  unsigned mode;
};

bool is_type(Host& host, const OpenRequest& request, unsigned type) noexcept {
  struct statx info {};
  return !is_error(stat_native(host, request.dirfd, request.path, AT_SYMLINK_NOFOLLOW, info, STATX_TYPE)) &&
         (info.stx_mode & S_IFMT) == type;
}

/// True unless opening certainly does not wait: only FIFOs, devices and the like make an open sleep.
bool open_may_wait(Host& host, const OpenRequest& request) noexcept {
  struct statx info {};
  if (is_error(stat_native(host, request.dirfd, request.path, 0, info, STATX_TYPE))) return false;
  return !S_ISREG(info.stx_mode) && !S_ISDIR(info.stx_mode);
}

NativeResult native_open(Host& host, const OpenRequest& request) noexcept {
  const Word mode = (request.native & O_CREAT) != 0 ? request.mode : 0;
  if ((request.flags & kOpenResolveBeneath) != 0) {
    struct open_how how {};
    how.flags = static_cast<unsigned>(request.native);
    how.mode = mode;
    how.resolve = RESOLVE_BENEATH;
    NativeResult result = -EAGAIN;  // means that a rename raced with the lookup
    for (int attempt = 0; attempt < 16 && result == -EAGAIN; ++attempt)
      result = host.call(SYS_openat2, word(request.dirfd), request.path, word(&how), sizeof(how));
    return result;
  }
  const Word dirfd = word(request.dirfd), flags = word(request.native);
  const NativeResult result = host.call_interruptible(SYS_openat, dirfd, request.path, flags, mode);
  // A pending signal must not make the open of a plain file fail: that never happens on FreeBSD.
  if (result != -EINTR || open_may_wait(host, request)) return result;
  return host.call(SYS_openat, dirfd, request.path, flags, mode);
}

Result open_error(Host& host, const OpenRequest& request, NativeResult native, int nofollow_error) noexcept {
  switch (-native) {
    case ELOOP:
    case ENOTDIR:  // with O_DIRECTORY
      if ((request.flags & kOpenNofollow) != 0 && is_type(host, request, S_IFLNK))
        return Result::fail(nofollow_error);
      break;
    case ENXIO:
      if (is_type(host, request, S_IFSOCK)) return Result::fail(EOPNOTSUPP);
      break;
    case EXDEV:
      if ((request.flags & kOpenResolveBeneath) != 0) return beneath_error(native);
      break;
    default:
      break;
  }
  return Result::of(native);
}

/// O_EXEC and O_SEARCH: the native O_PATH gives the descriptor, but not the check of permission.
NativeResult check_exec(Host& host, int fd, int nofollow_error) noexcept {
  struct statx info {};
  const NativeResult result = stat_descriptor(host, fd, info, STATX_TYPE);
  if (is_error(result)) return result;
  if (S_ISLNK(info.stx_mode)) return -nofollow_error;
  const NativeResult access =
      host.call(SYS_faccessat2, word(fd), word(""), X_OK, word(AT_EMPTY_PATH | AT_EACCESS));
  return access == -EACCES ? access : 0;  // older kernels cannot say
}

/// O_SHLOCK and O_EXLOCK, and the truncation that must wait for the lock.
NativeResult lock_opened(Host& host, int fd, unsigned flags) noexcept {
  int operation = (flags & kOpenExlock) != 0 ? LOCK_EX : LOCK_SH;
  if ((flags & kOpenNonblock) != 0) operation |= LOCK_NB;
  const NativeResult locked = host.call_interruptible(SYS_flock, word(fd), word(operation));
  if (is_error(locked) || (flags & kOpenTrunc) == 0) return locked;
  return host.call(SYS_ftruncate, word(fd), 0);
}

Result open_file(Call& call, int dirfd, GuestAddr path, unsigned flags, unsigned mode) noexcept {
  Host& host = call.host;
  if (!is_path(path)) return Result::fail(EFAULT);
  const bool exec = (flags & kOpenExec) != 0;
  const unsigned access = flags & kOpenAccessMode;
  if (exec ? access != 0 : access == kOpenAccessMode) return Result::fail(EINVAL);

  if (const auto named = descriptor_named(host, path, (flags & kOpenNofollow) == 0);
      named && (flags & (kOpenPath | kOpenExec | kOpenResolveBeneath)) == 0)
    return open_descriptor(call, *named, flags);
  if (const auto maps = maps_named(host, path)) {
    if (!self(call).manners().maps_like_linux || maps->smaps) return Result::fail(ENOENT);
    if (maps->pid == host.pid() && access == kOpenReadOnly && !exec) return open_own_maps(host, flags);
  }

  constexpr unsigned handled = kOpenShlock | kOpenExlock | kOpenExec | kOpenTtyInit | kOpenVerify |
                               kOpenResolveBeneath | kOpenEmptyPath;
  const auto native = native_open_flags(call, flags & ~handled);
  if (!native) return Result::fail(EINVAL);
  // FreeBSD never makes a terminal the controlling one by opening it, and drops the sticky bit of files.
  OpenRequest request{dirfd, word(path), flags, static_cast<int>(*native) | O_NOCTTY, mode & 06777};
  const bool lock = (flags & (kOpenShlock | kOpenExlock)) != 0;
  if (lock) request.native &= ~O_TRUNC;
  if (exec && (flags & kOpenCreat) == 0) request.native |= O_PATH;
  if ((request.native & O_PATH) != 0) request.native &= O_PATH | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW;

  const DescriptorPath descriptor(dirfd);
  if ((flags & kOpenEmptyPath) != 0) {
    char first = 0;
    if (!host.get(path, first)) return Result::fail(EFAULT);
    if (first == '\0') {
      if (dirfd != kCwd &&
          (dirfd < 0 || host.is_hidden(dirfd) || is_error(host.call(SYS_fcntl, word(dirfd), F_GETFD))))
        return Result::fail(EBADF);
      request.path = dirfd == kCwd ? word(".") : descriptor.word();
      request.native &= ~O_NOFOLLOW;
    }
  }

  NativeResult result = native_open(host, request);
  // FreeBSD opens an existing directory for reading even if it was asked to create a file.
  if (result == -EISDIR && access == kOpenReadOnly && (flags & (kOpenExcl | kOpenTrunc)) == 0) {
    request.native &= ~O_CREAT;
    result = native_open(host, request);
  }
  if (is_error(result)) return open_error(host, request, result, self(call).manners().nofollow_error);

  const int fd = static_cast<int>(result);
  NativeResult checked = 0;
  if ((request.native & O_PATH) != 0 && exec)
    checked = check_exec(host, fd, self(call).manners().nofollow_error);
  if (!is_error(checked) && lock) checked = lock_opened(host, fd, flags);
  if (!is_error(checked)) return Result::of(result);
  host.call(SYS_close, word(fd));
  return Result::of(checked);
}

Result do_open(Call& call) noexcept {
  return open_file(call, kCwd, call.addr(0), open_flags(call, 1), call.u32(2));
}
Result do_openat(Call& call) noexcept {
  return open_file(call, call.i32(0), call.addr(1), open_flags(call, 2), call.u32(3));
}

// --- close, dup2 -----------------------------------------------------------------------------------------

/// The native close always gives the number back, even when it reports EINTR.
NativeResult close_one(Call& call, int fd) noexcept {
  self(call).descriptor_closing(call.host, fd);
  return call.host.call(SYS_close, word(fd));
}

Result do_close(Call& call) noexcept {
  const int fd = call.i32(0);
  if (fd < 0 || call.host.is_hidden(fd)) return Result::fail(EBADF);
  return Result::of(close_one(call, fd));
}

Result do_dup(Call& call) noexcept {
  const int fd = call.i32(0);
  if (fd < 0 || call.host.is_hidden(fd)) return Result::fail(EBADF);
  return duplicated(call, fd, call.host.call(SYS_dup, word(fd)));
}
Result do_dup2(Call& call) noexcept { return duplicate_to(call, call.i32(0), call.i32(1), false); }

/// Closes the open, visible descriptors the process file system lists. False if it cannot be read.
bool close_listed(Call& call, unsigned low, unsigned high) noexcept {
  Host& host = call.host;
  NativeResult directory =
      host.call(SYS_openat, word(kCwd), word("/proc/self/fd"), word(O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (is_error(directory)) return false;
  directory = host.hide_descriptor(static_cast<int>(directory));  // or it would be in its own list
  if (is_error(directory)) return false;
  std::array<std::byte, 2048> buffer;
  NativeResult size = 0;
  while ((size = host.call(SYS_getdents64, static_cast<Word>(directory), word(buffer.data()),
                           buffer.size())) > 0) {
    std::span<const std::byte> rest(buffer.data(), static_cast<std::size_t>(size));
    while (const auto entry = first_entry(rest)) {
      rest = rest.subspan(entry->header.d_reclen);
      unsigned fd = 0;
      const char* end = entry->name.data() + entry->name.size();
      if (std::from_chars(entry->name.data(), end, fd).ptr != end) continue;  // . and ..
      if (fd < low || fd > high || host.is_hidden(static_cast<int>(fd))) continue;
      close_one(call, static_cast<int>(fd));
    }
  }
  host.close_hidden(static_cast<int>(directory));
  return size == 0;
}

/// The same without a process file system: every number there can be is tried.
void close_all(Call& call, unsigned low, unsigned high) noexcept {
  Host& host = call.host;
  struct rlimit limit {};
  if (is_error(host.call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, word(&limit)))) return;
  // Descriptors above a limit lowered later may exist; the system-wide default maximum bounds them.
  const auto end = static_cast<unsigned>(std::min<rlim_t>(std::max<rlim_t>(limit.rlim_max, 1024), 1u << 20));
  for (unsigned fd = low; fd < end && fd <= high; ++fd) {
    const int number = static_cast<int>(fd);
    if (host.is_hidden(number) || is_error(host.call(SYS_fcntl, word(number), F_GETFD))) continue;
    close_one(call, number);
  }
}

Result close_between(Call& call, unsigned low, unsigned high) noexcept {
  if (!close_listed(call, low, high)) close_all(call, low, high);
  return Result::ok();
}

Result do_closefrom(Call& call) noexcept {
  return close_between(call, static_cast<unsigned>(std::max(call.i32(0), 0)), ~0u);
}

Result do_close_range(Call& call) noexcept {
  const unsigned low = call.u32(0), high = call.u32(1), flags = call.u32(2);
  if ((flags & ~kCloseRangeCloexec) != 0 || high < low) return Result::fail(EINVAL);
  if (flags == 0) return close_between(call, low, high);
  // Hidden descriptors already are close-on-exec. The flag has the same value natively.
  return Result::of(call.host.call(SYS_close_range, low, high, flags));
}

// --- removing names --------------------------------------------------------------------------------------

/// FreeBSD refuses to unlink a directory with EPERM, Linux with EISDIR.
Result unlink_error(NativeResult native) noexcept {
  return native == -EISDIR ? Result::fail(EPERM) : Result::of(native);
}

Result unlink_at(Call& call, int dirfd, GuestAddr path, unsigned flags) noexcept {
  if ((flags & ~(kAtRemovedir | kAtResolveBeneath)) != 0) return Result::fail(EINVAL);
  if (!is_path(path)) return Result::fail(EFAULT);
  const bool directory = (flags & kAtRemovedir) != 0;
  const auto remove = [&](int from, Word name) {
    const NativeResult result =
        call.host.call(SYS_unlinkat, word(from), name, directory ? word(AT_REMOVEDIR) : 0);
    return directory ? Result::of(result) : unlink_error(result);
  };
  if ((flags & kAtResolveBeneath) == 0) return remove(dirfd, word(path));
  const ParentPlace parent(call.host, dirfd, path);
  return parent.valid() ? remove(parent.fd(), parent.name()) : parent.error();
}

Result do_unlink(Call& call) noexcept { return unlink_at(call, kCwd, call.addr(0), 0); }
Result do_unlinkat(Call& call) noexcept {
  return unlink_at(call, call.i32(0), call.addr(1), at_flags(call, 2));
}

/// unlinkat that removes the name only if it still means the file `fd` is open on. Natively the check and
/// the removal are two steps.
Result do_funlinkat(Call& call) noexcept {
  const int dirfd = call.i32(0), fd = call.i32(2);
  const GuestAddr path = call.addr(1);
  if (fd != kFdNone) {
    if (!is_path(path)) return Result::fail(EFAULT);
    struct statx opened {};
    struct statx named {};
    const NativeResult by_fd = stat_descriptor(call.host, fd, opened, STATX_INO);
    if (is_error(by_fd)) return Result::of(by_fd);
    const NativeResult by_name =
        stat_native(call.host, dirfd, word(path), AT_SYMLINK_NOFOLLOW, named, STATX_INO);
    if (is_error(by_name)) return Result::of(by_name);
    const bool same = opened.stx_ino == named.stx_ino && opened.stx_dev_major == named.stx_dev_major &&
                      opened.stx_dev_minor == named.stx_dev_minor;
    if (!same) return Result::fail(EDEADLK);
  }
  return unlink_at(call, dirfd, path, at_flags(call, 3));
}

// --- space and advice ------------------------------------------------------------------------------------

Result do_posix_fallocate(Call& call) noexcept {
  const std::int64_t offset = call.i64(1), length = call.i64(2);
  return errno_as_value(call, call.host.call(SYS_fallocate, word(call.i32(0)), 0, static_cast<Word>(offset),
                                             static_cast<Word>(length)));
}

Result do_posix_fadvise(Call& call) noexcept {
  if (call.i64(1) < 0 || call.i64(2) < 0 || call.i64(1) > INT64_MAX - call.i64(2))
    return errno_as_value(call, -EINVAL);
  // Advice has the same numbers natively.
  return errno_as_value(
      call, call.host.call(SYS_fadvise64, word(call.i32(0)), call.word(1), call.word(2), word(call.i32(3))));
}

constexpr HandlerEntry kHandlers[] = {
    {"open", do_open},
    {"openat", do_openat},
    {"close", do_close},
    {"close_range", do_close_range},
    {"closefrom", do_closefrom},
    {"dup", do_dup},
    {"dup2", do_dup2},
    {"fcntl", do_fcntl},
    {"unlink", do_unlink},
    {"unlinkat", do_unlinkat},
    {"funlinkat", do_funlinkat},
    {"posix_fallocate", do_posix_fallocate},
    {"posix_fadvise", do_posix_fadvise},
    {"copy_file_range", do_copy_file_range},
    {"sendfile", do_sendfile},
    {"old_shm_open", do_old_shm_open},
    {"shm_open2", do_shm_open2},
    {"shm_unlink", do_shm_unlink},
    {"shm_rename", do_shm_rename},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> file_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd
