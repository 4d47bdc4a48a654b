// What the signal calls of the systems share beyond their handlers.
#pragma once

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/signals_layout.hpp"

namespace sudrun::abi::bsd {

/// sigaction(2): makes `set`, unless it is null, the action of a signal; `restorer` is what its handler
/// returns through, where programs name that. `old` becomes the one before. 0 or a native errno.
int change_action(Call& call, int guest_signal, const guest::Sigaction* set, GuestAddr restorer,
                  guest::Sigaction& old) noexcept;

}  // namespace sudrun::abi::bsd
