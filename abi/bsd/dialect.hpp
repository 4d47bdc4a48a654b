// Numbers of a system's own, and those the shared code is written in.
//
// The code in this folder knows flags and commands by the numbers FreeBSD has for them. Another system's are
// translated by name, as its table has them, when a handler takes its arguments and when it stores results.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "abi/table.hpp"

namespace sudrun::abi::bsd {

struct NamedNumber {
  std::string_view name;
  std::uint32_t number;  ///< FreeBSD's
};

/// Stands for numbers and bits the guest's system does not know either: nothing accepts it.
inline constexpr std::uint32_t kNotCommon = 0x8000'0000;

/// One flag set (bits, or an enumeration) of a table. Total; allocates nothing.
template <std::size_t N>
class Dialect {
 public:
  Dialect() = default;
  Dialect(const FlagSet& set, const std::array<NamedNumber, N>& names) noexcept : is_enum_(set.is_enum()) {
    same_ = true;
    for (std::size_t i = 0; i < N; ++i) {
      const auto guest = set.guest_value(names[i].name);
      pairs_[i] = {guest.has_value(), static_cast<std::uint32_t>(guest.value_or(0)), names[i].number};
      same_ = same_ && guest == names[i].number;
    }
    for (const FlagValue& value : set.values()) own_ |= static_cast<std::uint32_t>(value.mask);
    if (set.unknown() != FlagSet::Unknown::refuse) own_ = ~0U;
  }

  /// Bits that only the guest's system has are left out; what FlagSet says of them holds.
  std::uint32_t to_common(std::uint32_t guest) const noexcept {
    if (same_) return guest;
    if (is_enum_) {
      for (const Pair& pair : pairs_)
        if (pair.known && pair.guest == guest) return pair.common;
      return kNotCommon;
    }
    std::uint32_t common = 0;
    for (const Pair& pair : pairs_) {
      if (!pair.known || pair.guest == 0 || (guest & pair.guest) != pair.guest) continue;
      common |= pair.common;
      guest &= ~pair.guest;
    }
    return (guest & ~own_) == 0 ? common : common | kNotCommon;
  }
  /// Bits the guest has no number for are left out; an enumeration's value must be one it has.
  std::uint32_t to_guest(std::uint32_t common) const noexcept {
    if (same_) return common;
    std::uint32_t guest = 0;
    for (const Pair& pair : pairs_) {
      if (!pair.known) continue;
      if (is_enum_ && pair.common == common) return pair.guest;
      if (!is_enum_ && (common & pair.common) == pair.common) guest |= pair.guest;
    }
    return guest;
  }

 private:
  struct Pair {
    bool known;
    std::uint32_t guest, common;
  };
  std::array<Pair, N> pairs_{};
  std::uint32_t own_ = 0;  ///< bits that mean something, or may be anything
  bool is_enum_ = false;
  bool same_ = false;
};

}  // namespace sudrun::abi::bsd
