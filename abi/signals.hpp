// Guest signal state in native terms. Numbers and sets are native throughout the runtime; a personality
// translates at its edge, through the table's signal map.
#pragma once

#include <cstdint>

#include "abi/types.hpp"

namespace sudrun::abi {

enum class Disposition : std::uint8_t { by_default, ignore, handler };

/// What the guest asked for with its sigaction.
struct SignalAction {
  Disposition disposition = Disposition::by_default;
  bool on_stack = false;     ///< SA_ONSTACK
  bool restart = false;      ///< SA_RESTART
  bool reset_hand = false;   ///< SA_RESETHAND
  bool no_defer = false;     ///< SA_NODEFER
  bool siginfo = false;      ///< SA_SIGINFO
  bool no_cld_stop = false;  ///< SA_NOCLDSTOP
  bool no_cld_wait = false;  ///< SA_NOCLDWAIT
  GuestAddr handler{};       ///< valid when disposition is handler
  GuestAddr restorer{};      ///< Linux guests only
  NativeSigset mask = 0;     ///< blocked while the handler runs
};

/// The guest's alternate signal stack.
struct AltStack {
  GuestAddr base{};
  std::uint64_t size = 0;
  bool enabled = false;
  bool auto_disarm = false;  ///< Linux SS_AUTODISARM: a delivery on it disables it until sigreturn
  constexpr bool contains(Word sp) const noexcept { return enabled && sp - word_of(base) < size; }
};

/// One signal on its way to the guest: the kernel's siginfo, decoded, in native terms.
struct SignalInfo {
  int signal = 0;  ///< native number
  int code = 0;    ///< native si_code
  int error = 0;
  int pid = 0;
  unsigned uid = 0;
  int status = 0;    ///< SIGCHLD: native wait status part (exit code or native signal)
  Word value = 0;    ///< si_value
  Word address = 0;  ///< faults: si_addr
  int timer_id = 0, overrun = 0;
  long band = 0;
  int fd = 0;
  // Faults only, from the processor:
  int trap_number = 0;       ///< x86 exception vector (14: page fault)
  Word fault_code = 0;       ///< x86 error code
  bool synchronous = false;  ///< raised by the interrupted instruction itself
};

}  // namespace sudrun::abi
