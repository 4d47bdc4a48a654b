// What the signal calls of the systems share beyond their handlers.
#pragma once

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/signals_layout.hpp"

namespace sudrun::abi::bsd {

/// sigaction(2): makes `set`, unless it is null, the action of a signal; `restorer` is what its handler
/// returns through, where programs name that. `old` becomes the one before. 0 or a native errno.
int change_action(Call& call, int guest_signal, const guest::Sigaction* set, GuestAddr restorer,
                  guest::Sigaction& old) noexcept;

/// Sends a native signal to one thread, as a BSD does: where no more signals can be queued, one that is
/// pending already stays so and the call succeeds. 0 or a native errno.
NativeResult send_to_thread(Host& host, int pid, int tid, int signal) noexcept;

}  // namespace sudrun::abi::bsd
