// Microseconds in a guest's structures.
#pragma once

#include <cstdint>

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

/// Where the structure that argument `index` points to has microseconds of 32 bits (NetBSD's timeval),
/// whatever stands behind them is not part of `microseconds`, as read with 64.
inline std::int64_t microseconds_of(const Call& call, unsigned index, std::int64_t microseconds) noexcept {
  const StructLayout layout = call.table.struct_layout(call.entry.args[index].param);
  if (!layout) return microseconds;
  for (const Field& field : layout.fields())
    if (field.guest_type == ScalarType::i32 && layout.field_name(field).ends_with("tv_usec"))
      return static_cast<std::int32_t>(microseconds);
  return microseconds;
}

}  // namespace sudrun::abi::bsd
