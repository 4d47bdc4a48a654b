#pragma once

#include "abi/bsd/bsd.hpp"

namespace sudrun::abi::bsd {

/// A native wait status as the system's wait(2) gives it: signals renumbered, `continued` by its own number.
int guest_wait_status(const Bsd& system, int status) noexcept;

/// exit(2).
[[noreturn]] void end_process(Call& call, int status) noexcept;

}  // namespace sudrun::abi::bsd
