// Conversions between a thread's state and NetBSD's forms of it.
#pragma once

#include "abi/host.hpp"
#include "abi/netbsd/machine_layout.hpp"
#include "abi/table.hpp"

namespace sudrun::abi::netbsd {

/// The kernel's siginfo as a NetBSD program sees it. Async-signal-safe.
guest::Siginfo guest_siginfo(const Table& table, const SignalInfo& info) noexcept;

/// A thread as a context describes it: what _lwp_create(2) starts. 0 or an errno.
int thread_start(const guest::Ucontext& context, ThreadStart& start) noexcept;

}  // namespace sudrun::abi::netbsd
