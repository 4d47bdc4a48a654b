// Signal sets at the guest's edge: FreeBSD's 128-bit set to and from the native 64-bit one.
//
// Source: FreeBSD 14.0, sys/sys/_sigset.h (_SIG_WORDS, _SIG_IDX), sys/sys/signal.h.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "abi/table.hpp"
#include "abi/types.hpp"

namespace sudrun::abi::bsd {

/// FreeBSD `sigset_t`: signal n is bit (n - 1) % 32 of word (n - 1) / 32.
struct GuestSigset {
  std::uint32_t bits[4];
};
static_assert(sizeof(GuestSigset) == 16);
static_assert(offsetof(GuestSigset, bits) == 0);

/// Signals without a native counterpart are left out: nothing can ever raise them.
inline NativeSigset native_sigset(const Table& table, const GuestSigset& set) noexcept {
  NativeSigset native = 0;
  for (int word = 0; word < 4; ++word) {
    for (std::uint32_t rest = set.bits[word]; rest != 0; rest &= rest - 1) {
      const int signal = table.signal_to_native(word * 32 + std::countr_zero(rest) + 1);
      if (signal > 0) native |= sigbit(signal);
    }
  }
  return native;
}

inline GuestSigset guest_sigset(const Table& table, NativeSigset set) noexcept {
  GuestSigset guest{};
  for (NativeSigset rest = set; rest != 0; rest &= rest - 1) {
    const int signal = table.signal_to_guest(std::countr_zero(rest) + 1);
    if (signal < 1 || signal > 128) continue;
    guest.bits[(signal - 1) / 32] |= std::uint32_t{1} << ((signal - 1) % 32);
  }
  return guest;
}

}  // namespace sudrun::abi::bsd
