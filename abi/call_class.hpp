// Classes of calls, by which --trace and --inject name many at once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sudrun::abi {

struct Entry;

enum class CallClass : std::uint8_t {
  file,
  descriptor,
  network,
  process,
  thread,
  signal,
  memory,
  time,
  ipc,
  credentials,
};
/// Their names, in that order.
inline constexpr std::array<std::string_view, 10> kCallClassNames{
    "file", "descriptor", "network", "process", "thread", "signal", "memory", "time", "ipc", "credentials"};

/// A set of classes: bit N stands for class N.
using CallClasses = std::uint16_t;
constexpr CallClasses class_bit(CallClass one) noexcept {
  return static_cast<CallClasses>(1U << static_cast<unsigned>(one));
}

/// The class of that name, or of strace's short name for it (`desc`, `net`, `creds`, `clock`).
std::optional<CallClass> call_class(std::string_view name) noexcept;
/// What the roles of a row say by themselves: `file` and `descriptor`.
CallClasses classes_by_roles(const Entry& entry) noexcept;

}  // namespace sudrun::abi
