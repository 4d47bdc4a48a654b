// Arming the trap: how foreign system-call instructions are made to raise SIGSYS.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/thread_block.hpp"

namespace sudrun::runtime {

enum class TrapMode : std::uint8_t {
  automatic,  ///< SUD, or seccomp where the kernel refuses SUD
  sud,        ///< Syscall User Dispatch, per thread
  seccomp,    ///< a filter that traps by instruction address, per process, inherited
};

/// Decides how this process traps and prepares it; call once, before the first guest thread starts.
/// `inherited_filter`: an ancestor has installed our filter already, none is added.
/// Returns sud or seccomp; on failure `error` says why, in one line, and the result is automatic.
TrapMode choose_trap(TrapMode wanted, bool inherited_filter, std::string& error);

/// Arms (or, after fork, re-arms) the calling thread. Returns 0 or a negative errno. Async-signal-safe.
std::int64_t arm_thread(TrapMode mode, ThreadBlock& block) noexcept;
/// Takes back the C library's restartable sequences (rseq) of the calling thread, which the kernel would go
/// on writing to whenever the thread is switched to. The C library itself then asks the kernel for what it
/// reads there; and a Linux program may have its own.
void drop_restartable_sequences() noexcept;
/// Takes the trap off the calling thread; its block may then be unmapped. Async-signal-safe.
void disarm_thread(TrapMode mode) noexcept;

}  // namespace sudrun::runtime
