// Structures of the signal calls that all BSDs have alike.
//
// Sources: FreeBSD 14.0, sys/sys/signal.h; NetBSD 10, sys/sys/sigtypes.h; DragonFly 6.4, sys/sys/signal.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/sigset.hpp"
#include "abi/signals.hpp"

namespace sudrun::abi::bsd::guest {

struct Stack {
  std::uint64_t sp;
  std::uint64_t size;
  std::int32_t flags;
  std::int32_t pad;
};
static_assert(sizeof(Stack) == 24);
inline constexpr std::int32_t kStackOnStack = 1, kStackDisable = 4;  // SS_ONSTACK, SS_DISABLE

/// What sigaltstack(2) tells of `alt`; `in_use`: the thread runs on it.
inline Stack stack_of(const AltStack& alt, bool in_use) noexcept {
  const std::int32_t flags = !alt.enabled ? kStackDisable : in_use ? kStackOnStack : 0;
  return {word_of(alt.base), alt.size, flags, 0};
}

/// NetBSD has the mask before the flags (abi/netbsd/signals.cpp).
struct Sigaction {
  std::uint64_t handler;
  std::int32_t flags;
  GuestSigset mask;
  std::int32_t pad;
};
static_assert(sizeof(Sigaction) == 32 && offsetof(Sigaction, mask) == 12);

}  // namespace sudrun::abi::bsd::guest
