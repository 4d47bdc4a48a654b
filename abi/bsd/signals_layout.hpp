// Structures of the signal calls that all BSDs have alike.
//
// Sources: FreeBSD 14.0, sys/sys/signal.h; NetBSD 10, sys/sys/sigtypes.h; DragonFly 6.4, sys/sys/signal.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/sigset.hpp"

namespace sudrun::abi::bsd::guest {

struct Stack {
  std::uint64_t sp;
  std::uint64_t size;
  std::int32_t flags;
  std::int32_t pad;
};
static_assert(sizeof(Stack) == 24);
inline constexpr std::int32_t kStackOnStack = 1, kStackDisable = 4;  // SS_ONSTACK, SS_DISABLE

struct Sigaction {
  std::uint64_t handler;
  std::int32_t flags;
  GuestSigset mask;
  std::int32_t pad;
};
static_assert(sizeof(Sigaction) == 32 && offsetof(Sigaction, mask) == 12);

}  // namespace sudrun::abi::bsd::guest
