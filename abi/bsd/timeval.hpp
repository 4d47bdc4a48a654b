// Times in a guest's structures. All are laid out as Linux's, but some systems' parts have 32 bits and
// something that is none of theirs behind them: a timeval's microseconds (NetBSD), the seconds of NetBSD 5's
// timespec.
#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

/// `value`, read with 64 bits from the field `name` of what argument `index` points to, as the field's width
/// has it.
inline std::int64_t time_part_of(const Call& call, unsigned index, std::string_view name,
                                 std::int64_t value) noexcept {
  const StructLayout layout = call.table.struct_layout(call.entry.args[index].param);
  if (!layout) return value;
  for (const Field& field : layout.fields())
    if (field.guest_type == ScalarType::i32 && layout.field_name(field).ends_with(name))
      return static_cast<std::int32_t>(value);
  return value;
}
inline std::int64_t microseconds_of(const Call& call, unsigned index, std::int64_t value) noexcept {
  return time_part_of(call, index, "tv_usec", value);
}
inline std::int64_t seconds_of(const Call& call, unsigned index, std::int64_t value) noexcept {
  return time_part_of(call, index, "tv_sec", value);
}

/// The timespec argument `index` points to. False: EFAULT.
inline bool get_timespec(Call& call, unsigned index, timespec& time) noexcept {
  if (!call.host.get(call.addr(index), time)) return false;
  time.tv_sec = seconds_of(call, index, time.tv_sec);
  return true;
}

}  // namespace sudrun::abi::bsd
