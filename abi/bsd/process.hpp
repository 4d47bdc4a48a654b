#pragma once

#include "abi/table.hpp"

namespace sudrun::abi::bsd {

/// A native wait status as FreeBSD's wait(2) gives it: signals renumbered, `continued` is 0x13.
int guest_wait_status(const Table& table, int status) noexcept;

}  // namespace sudrun::abi::bsd
