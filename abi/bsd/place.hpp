// Files named by a path or a descriptor, held as places (O_PATH) for the length of one call. Calls that have
// no native form relative to a directory, or beneath one, act on such a place.
#pragma once

#include "abi/bsd/file_calls.hpp"

namespace sudrun::abi::bsd::fs {

/// What a path names. Follows AT_SYMLINK_NOFOLLOW, AT_RESOLVE_BENEATH and AT_EMPTY_PATH; other bits of
/// `at_flags` are the caller's.
class Place {
 public:
  Place(Host& host, int dirfd, GuestAddr path, unsigned at_flags) noexcept;

  bool valid() const noexcept { return file_.valid(); }
  /// Why there is no place.
  Result error() const noexcept;
  int fd() const noexcept { return file_.fd(); }
  /// Names the place, for native calls that take no descriptor. A symbolic link stands for itself.
  const DescriptorPath& path() const noexcept { return path_; }

 private:
  ScopedDescriptor file_;
  DescriptorPath path_;
  bool beneath_;
};

/// The directory a path's last name is in, and that name, for calls that make or remove names beneath a
/// directory. Fails as Place does; the last name is not looked up.
class ParentPlace {
 public:
  ParentPlace(Host& host, int dirfd, GuestAddr path) noexcept;
  ParentPlace(const ParentPlace&) = delete;
  ParentPlace& operator=(const ParentPlace&) = delete;

  bool valid() const noexcept { return directory_.valid(); }
  Result error() const noexcept { return beneath_error(directory_.result()); }
  int fd() const noexcept { return directory_.fd(); }
  /// With any slashes that followed it.
  Word name() const noexcept { return word(name_); }

 private:
  NativeResult open(Host& host, int dirfd, GuestAddr path) noexcept;

  char text_[4096];
  const char* name_ = text_;
  ScopedDescriptor directory_;
};

/// 0 if `fd` is open on something that has a name in a file system, as FreeBSD's getvnode() wants it: -EINVAL
/// for pipes, sockets, event queues and the like, -EBADF if it is not open.
NativeResult check_vnode(Host& host, int fd) noexcept;

}  // namespace sudrun::abi::bsd::fs
