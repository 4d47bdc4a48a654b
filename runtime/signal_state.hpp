// The guest's signal dispositions, shared by all threads of the process, and what the host is told of them.
#pragma once

#include <array>
#include <atomic>

#include "abi/signals.hpp"
#include "runtime/spin_lock.hpp"

namespace sudrun::runtime {

inline constexpr int kSignalCount = 65;  // index by native number, 0 unused

/// Raised by the processor, or by the trap itself: never blocked on the host, always caught.
inline constexpr abi::NativeSigset kSynchronous =
    abi::sigbit(4) | abi::sigbit(5) | abi::sigbit(7) | abi::sigbit(8) | abi::sigbit(11) | abi::sigbit(31);
/// Blocked in catchers, also the runtime's own signal: it finds the guest as it is, or not at all.
inline constexpr abi::NativeSigset kCatcherMask = ~kSynchronous;
inline constexpr abi::NativeSigset kUnblockable = abi::sigbit(9) | abi::sigbit(19);
/// By which threads of embedded guests are asked to stop: SIGRTMIN + 25, which no table maps.
inline constexpr int kLibrarySignal = 59;

class SignalState {
 public:
  /// Takes over what the process inherited (ignored signals) and installs the catchers that are always
  /// there. `ignored_by_default`: signals whose guest default is to be ignored while the host's is not.
  /// `own`: a signal the guest has no use for, which the runtime takes for itself; 0: none.
  void initialise(abi::NativeSigset ignored_by_default, int own) noexcept;

  /// For a guest that is a part of another program: signals from outside are that program's. What the guest
  /// wants to be told of is only remembered, for signals its own threads send and faults of theirs.
  void keep_to_itself(abi::NativeSigset ignored_by_default) noexcept;

  /// A mask as the host may have it.
  abi::NativeSigset host_mask(abi::NativeSigset guest) const noexcept { return guest & ~never_blocked_; }
  int own_signal() const noexcept { return own_; }

  /// Disposition of `signal` (1…64). Async-signal-safe.
  abi::SignalAction action(int signal) noexcept;
  /// Returns 0 or -EINVAL. Async-signal-safe.
  std::int64_t set_action(int signal, const abi::SignalAction& action) noexcept;
  /// Reads the disposition and, under SA_RESETHAND, resets it; the delivery of one signal.
  abi::SignalAction take_for_delivery(int signal) noexcept;
  /// Catches `signal` on the host from now on, even where the guest ignores it or leaves it at its default.
  void watch(int signal) noexcept;
  /// From now on signals that kill by default come to the runtime first. A guest thread must be armed.
  void catch_deaths() noexcept;
  /// Before execve: makes the host's dispositions such that the new program inherits the guest's, whatever
  /// the runtime catches or ignores for itself; what is caught becomes the default in the kernel.
  void prepare_exec() noexcept;
  void exec_failed() noexcept;  ///< undoes that
  bool is_ignored_by_default(int signal) const noexcept {
    return (ignored_by_default_ & abi::sigbit(signal)) != 0;
  }

  SpinLock& lock() noexcept { return lock_; }  ///< held around fork

 private:
  void install(int signal, const abi::SignalAction& action) noexcept;
  SpinLock lock_;
  std::array<abi::SignalAction, kSignalCount> actions_{};
  abi::NativeSigset ignored_by_default_ = 0;
  abi::NativeSigset never_blocked_ = kSynchronous;
  int own_ = 0;
  bool installs_ = true;  ///< dispositions are the host's as well
  abi::NativeSigset watched_ = 0;
  abi::NativeSigset deadly_ = 0;  ///< caught even where the guest leaves them at their default
};

/// Restores the host's default action for `signal` and dies of it, so that the parent sees that death.
[[noreturn]] void die_of_signal(int signal) noexcept;

}  // namespace sudrun::runtime
