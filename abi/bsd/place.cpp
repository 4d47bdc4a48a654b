// Sources: FreeBSD 15 (and 14) sys/kern/vfs_lookup.c, sys/kern/vfs_syscalls.c (getvnode); Linux magic.h.
#include "abi/bsd/place.hpp"

#include <linux/magic.h>
#include <sys/statfs.h>

#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

NativeResult open_place(Host& host, int dirfd, GuestAddr path, unsigned at_flags) noexcept {
  if (!is_path(path)) return -EFAULT;
  const bool follow = (at_flags & kAtSymlinkNofollow) == 0;
  if ((at_flags & kAtEmptyPath) != 0) {
    char first = 0;
    if (!host.get(path, first)) return -EFAULT;
    if (first == '\0') {
      const DescriptorPath descriptor(dirfd);
      if (dirfd != kCwd && (dirfd < 0 || host.is_hidden(dirfd))) return -EBADF;
      const NativeResult place = host.call(
          SYS_openat, word(kCwd), dirfd == kCwd ? word(".") : descriptor.word(), word(O_PATH | O_CLOEXEC));
      return place == -ENOENT && dirfd != kCwd ? -EBADF : place;
    }
  }
  if ((at_flags & kAtResolveBeneath) != 0) return open_beneath(host, dirfd, word(path), follow);
  return host.call(SYS_openat, word(dirfd), word(path), word(O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
}

}  // namespace

Place::Place(Host& host, int dirfd, GuestAddr path, unsigned at_flags) noexcept
    : file_(host, open_place(host, dirfd, path, at_flags)),
      path_(file_.fd()),
      beneath_((at_flags & kAtResolveBeneath) != 0) {}

Result Place::error() const noexcept {
  return beneath_ ? beneath_error(file_.result()) : Result::of(file_.result());
}

ParentPlace::ParentPlace(Host& host, int dirfd, GuestAddr path) noexcept
    : directory_(host, open(host, dirfd, path)) {}

NativeResult ParentPlace::open(Host& host, int dirfd, GuestAddr path) noexcept {
  if (!is_path(path)) return -EFAULT;
  const NativeResult length = host.read_string(path, text_);
  if (is_error(length)) return length;
  std::string_view text(text_, static_cast<std::size_t>(length));
  if (text.empty()) return -ENOENT;
  if (text.front() == '/') return -EXDEV;
  const std::size_t last = text.find_last_not_of('/');
  const std::size_t slash = text.rfind('/', last);
  const std::string_view name = text.substr(slash == std::string_view::npos ? 0 : slash + 1);
  // ".." names a directory that may not be beneath; the native call only looks at directories before it.
  if (name.substr(0, name.find('/')) == "..") {
    const ScopedDescriptor target(host, open_beneath(host, dirfd, word(text_), false));
    if (!target.valid()) return target.result();
  }
  if (slash == std::string_view::npos) return open_beneath(host, dirfd, word("."), true);
  text_[slash] = '\0';
  name_ = text_ + slash + 1;
  return open_beneath(host, dirfd, word(text_), true);
}

NativeResult check_vnode(Host& host, int fd) noexcept {
  if (fd < 0 || host.is_hidden(fd)) return -EBADF;
  struct statfs system {};
  const NativeResult found = host.call(SYS_fstatfs, word(fd), word(&system));
  if (is_error(found)) return found;
  constexpr long anonymous[] = {PIPEFS_MAGIC, SOCKFS_MAGIC, ANON_INODE_FS_MAGIC, /* pidfs */ 0x5049'4446};
  for (const long magic : anonymous)
    if (system.f_type == magic) return -EINVAL;
  return 0;
}

}  // namespace sudrun::abi::bsd::fs
