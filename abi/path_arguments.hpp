// Which arguments of a call are paths, and how each is to be looked up.
#pragma once

#include <array>
#include <cstdint>

#include "abi/table.hpp"

namespace sudrun::abi {

/// One argument of role `path`.
struct PathArgument {
  unsigned index = 0;
  int dirfd = 0;  ///< what a relative path is relative to: a descriptor, or Linux's AT_FDCWD
  bool follow = true;
};

inline constexpr unsigned kMaxPathArguments = 2;

/// What the table's flags say about lookup, resolved once.
class PathRules {
 public:
  explicit PathRules(const Table& table) noexcept;

  /// The paths among the arguments of `frame`; at most two. A call that asks for a lookup that stays beneath
  /// its directory has none: what is above that directory has no part in it.
  unsigned paths_of(const Entry& entry, const Frame& frame,
                    std::array<PathArgument, kMaxPathArguments>& paths) const noexcept;

 private:
  static constexpr unsigned kNoSet = 0xffff'ffff;
  unsigned open_flags_ = kNoSet, at_flags_ = kNoSet;
  std::uint64_t open_no_follow_ = 0, open_new_ = 0, open_beneath_ = 0;
  std::uint64_t at_no_follow_ = 0, at_follow_ = 0, at_beneath_ = 0;
};

}  // namespace sudrun::abi
