// Read-write locks: urwlock.
#pragma once

#include "abi/freebsd/umtx_futex.hpp"
#include "abi/host.hpp"

namespace sudrun::abi::freebsd::umtx {

/// UMTX_OP_RW_RDLOCK; `prefer`: kPreferReader, or 0. 0 or an errno, as of all three.
int rw_rdlock(Host& host, GuestAddr lock, Word prefer, const Deadline& deadline) noexcept;
int rw_wrlock(Host& host, GuestAddr lock, const Deadline& deadline) noexcept;
int rw_unlock(Host& host, GuestAddr lock) noexcept;

}  // namespace sudrun::abi::freebsd::umtx
