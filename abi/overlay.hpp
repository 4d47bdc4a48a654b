// Path lookup on a machine whose base (the sysroot) lies over the host's file tree.
//
// Every component is looked up in the sysroot first, then on the host, and symbolic links of both are
// followed in the merged view: an absolute link of the sysroot stays in it, and `..` ends at the guest's
// root. Between this lookup and the call that uses its result the tree may change, as with any layer that
// rewrites paths. Pure: what is where is asked through OverlayTree. Allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "abi/host.hpp"

namespace sudrun::abi {

/// The host's files, as far as the lookup must know them. Paths are absolute.
class OverlayTree {
 public:
  enum class Kind : std::uint8_t {
    missing,     ///< no such name
    no_parent,   ///< what should be the directory it is in is something else
    present,     ///< anything but a symbolic link
    link,        ///< a symbolic link; its text is in the buffer
    unreadable,  ///< cannot be told
  };
  /// What `path` itself names. `length` is that of a link's text, which is cut if it does not fit.
  virtual Kind look(const char* path, std::span<char> text, std::size_t& length) noexcept = 0;
  /// True if `path`, links followed, is a directory.
  virtual bool is_directory(const char* path) noexcept = 0;
  /// True if `path` is a directory with nothing in it.
  virtual bool is_empty_directory(const char* path) noexcept = 0;

 protected:
  ~OverlayTree() = default;
};

struct OverlayRequest {
  std::string_view root;  ///< the sysroot: canonical, absolute, not `/`
  std::string_view base;  ///< host path of the directory a relative path starts from: canonical, absolute
  std::string_view path;  ///< the guest's
  bool follow = true;     ///< a symbolic link as last component is followed
  /// A name that is in neither tree belongs into the sysroot if its directory is there.
  bool prefer_root = false;
};

/// Finds the host's file for a path of the guest. Returns 0, -ELOOP or -ENAMETOOLONG. Where the sysroot has
/// no part in the outcome `found` stays empty: the path as it is means the same file to the host's kernel.
NativeResult resolve_in_overlay(OverlayTree& tree, const OverlayRequest& request,
                                ResolvedPath& found) noexcept;

/// The host's absolute `path` as the guest sees it: without the sysroot in front.
std::string_view path_outside_root(std::string_view root, std::string_view path) noexcept;

}  // namespace sudrun::abi
