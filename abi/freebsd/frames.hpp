// Conversions between signal state and FreeBSD's forms of it.
#pragma once

#include "abi/bsd/xstate.hpp"
#include "abi/freebsd/machine_layout.hpp"
#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi::freebsd {

using bsd::kMaxXstate;

/// The kernel's siginfo as a FreeBSD program sees it. Async-signal-safe.
guest::Siginfo guest_siginfo(const Table& table, const SignalInfo& info) noexcept;

/// Stores the calling thread's state as getcontext(2) does: resumed, the call returns 0. False: EFAULT.
bool save_context(Host& host, const Table& table, GuestAddr at) noexcept;

/// Makes the ucontext at `at` the thread's state: registers, extended state, mask (sigreturn(2),
/// setcontext(2)).
Result restore_context(Host& host, const Table& table, GuestAddr at) noexcept;

/// Makes the registers and the extended state of the ucontext at `at` the thread's (set_mcontext()); not the
/// mask, which `saved` has. Nothing has changed on failure. 0 or an errno.
int load_machine_context(Host& host, GuestAddr at, guest::Ucontext& saved) noexcept;

}  // namespace sudrun::abi::freebsd
