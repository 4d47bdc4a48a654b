// The guest's own file tree (--sysroot), over the host's. What lookup means is in abi/overlay.hpp.
#pragma once

#include <string>
#include <string_view>

#include "abi/overlay.hpp"

namespace sudrun::runtime {

class Sysroot {
 public:
  /// `root`: a canonical, absolute path, not `/`.
  explicit Sysroot(std::string root) : root_(std::move(root)) {}

  const std::string& root() const noexcept { return root_; }
  /// See abi::Host::resolve_path. A path that starts from a directory whose name cannot be told is left as it
  /// is. Async-signal-safe.
  abi::NativeResult resolve(int dirfd, std::string_view path, bool follow, bool prefer_root,
                            abi::ResolvedPath& found) const noexcept;
  std::string_view guest_path(std::string_view path) const noexcept {
    return abi::path_outside_root(root_, path);
  }
  /// Host path of the guest's `path`, links followed; `path` itself where they are the same or it fails.
  std::string host_path(const std::string& path) const;

 private:
  std::string root_;
};

}  // namespace sudrun::runtime
