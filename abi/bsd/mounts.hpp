// What file systems say of themselves, for the calls of all systems that ask.
#pragma once

#include <optional>

#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/mountinfo.hpp"

namespace sudrun::abi::bsd::fs {

/// The native mount table, line by line.
class MountTable {
 public:
  explicit MountTable(Host& host) noexcept : lines_(host, "/proc/self/mountinfo") {}

  /// The next line that can be understood; valid until the next call.
  std::optional<MountLine> next() noexcept {
    while (const auto line = lines_.next())
      if (const auto mount = parse_mount_line(*line)) return mount;
    return std::nullopt;
  }

 private:
  HostLines<4096> lines_;
};

/// The file system the call's argument 0 is on, a path or a descriptor. 0 or a negative errno.
NativeResult path_statfs(Call& call, Statfs& found) noexcept;
NativeResult descriptor_statfs(Call& call, Statfs& found) noexcept;
/// That of a line of the table. One that cannot be asked still has its names.
Statfs mount_statfs(Call& call, const MountLine& mount) noexcept;

}  // namespace sudrun::abi::bsd::fs
