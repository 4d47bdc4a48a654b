// Resource limits that Linux has not: kept, and not enforced. A fork's child has its parent's; a program
// executed later begins without.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace sudrun::abi::bsd {

struct KeptLimits {
  static constexpr std::int64_t kInfinity = INT64_MAX;  // RLIM_INFINITY
  static constexpr unsigned kCount = 17;                // RLIM_NLIMITS
  struct Limit {
    std::atomic<std::int64_t> current{kInfinity}, maximum{kInfinity};
  };
  std::array<Limit, kCount> limits;
};

}  // namespace sudrun::abi::bsd
