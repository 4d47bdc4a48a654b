#include "abi/fast_kind.hpp"

#include <algorithm>

namespace sudrun::abi {
namespace {

// Declaration order of Registers: rdi, rsi, rdx, r10, r8, r9 as Linux has its arguments; rax the number.
constexpr std::array<std::uint8_t, 6> kLinuxArguments{8, 9, 12, 2, 0, 1};
constexpr std::uint8_t kRdx = 12, kRax = 13;

}  // namespace

/// As the assembly takes it for granted: Linux's registers, and the carry flag for errors. A second result
/// stays in rdx or leaves 0 there.
bool suits_fast_path(const Convention& convention) noexcept {
  return convention.carry_error && convention.number == kRax && convention.result == kRax &&
         convention.argc == kLinuxArguments.size() && convention.args == kLinuxArguments &&
         (!convention.clears_result2 || convention.result2 == kRdx);
}

bool is_plain_word(RoleKind kind) noexcept {
  switch (kind) {
    case RoleKind::long_:
    case RoleKind::ulong_:
    case RoleKind::size:
    case RoleKind::ssize:
    case RoleKind::off:
    case RoleKind::hex:
    case RoleKind::dev:
    case RoleKind::ptr:
    case RoleKind::variant:
      return true;
    default:
      return false;
  }
}
/// True for 32-bit numbers without a meaning of their own; the kernel extends those that it takes as 32 bits.
bool is_plain_int(RoleKind kind) noexcept {
  switch (kind) {
    case RoleKind::int_:
    case RoleKind::uint_:
    case RoleKind::pid:
    case RoleKind::tid:
    case RoleKind::uid:
    case RoleKind::gid:
    case RoleKind::mode:
      return true;
    default:
      return false;
  }
}

FastKind fast_kind(const Convention& convention, const CallModel& call, const CallModel& native,
                   const Entry& entry, const std::function<bool(const std::string&)>& identical) {
  const RoleKind result = call.returns.kind;
  if (!suits_fast_path(convention) || result == RoleKind::flags || result == RoleKind::signal)
    return FastKind::none;
  const std::size_t count = call.args.size();
  if (count != entry.native_argc || count > kLinuxArguments.size()) return FastKind::none;
  for (std::size_t i = 0; i < count; ++i)
    if (entry.native_args[i] != i) return FastKind::none;

  const auto kind = [&](std::size_t i) { return i < count ? call.args[i].role.kind : RoleKind::none; };
  const auto is_number = [&](std::size_t i) {
    if (kind(i) == RoleKind::ptr || kind(i) == RoleKind::variant) return false;
    return is_plain_word(kind(i)) || (is_plain_int(kind(i)) && is_plain_int(native.args[i].role.kind));
  };
  const auto numbers_from = [&](std::size_t i) {
    while (i < count && is_number(i)) ++i;
    return i == count;
  };
  if (numbers_from(0)) return FastKind::plain;
  if (native.name == "clock_gettime" && kind(0) == RoleKind::flags && kind(1) == RoleKind::out_struct)
    return identical(call.args[1].role.type) ? FastKind::clock : FastKind::none;
  if (kind(0) != RoleKind::fd) return FastKind::none;
  const bool buffer = (kind(1) == RoleKind::in_buf || kind(1) == RoleKind::out_buf) && count >= 3 &&
                      call.args[1].role.count == call.args[2].name;
  if (buffer) return numbers_from(2) ? FastKind::fd_buffer : FastKind::none;
  return numbers_from(1) ? FastKind::fd : FastKind::none;
}

}  // namespace sudrun::abi
