// The signal frame of the x86-64 kernel: built on delivery (Linux::push_signal_frame), taken down by
// rt_sigreturn; and the alternate stack, whose rules belong to both.
#pragma once

#include "abi/handler.hpp"
#include "abi/linux/layout.hpp"

namespace sudrun::abi::linux_abi {

Result rt_sigreturn(Call& call) noexcept;

/// The alternate stack as sigaltstack shows it while the stack pointer is `sp`.
KernelStack shown_stack(const AltStack& stack, Word sp) noexcept;
/// Sets the alternate stack; 0, or the native errno.
int set_stack(AltStack& stack, const KernelStack& wanted, Word sp) noexcept;

}  // namespace sudrun::abi::linux_abi
