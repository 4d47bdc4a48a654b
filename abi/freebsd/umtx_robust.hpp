// Robust mutexes: those whose owner may die.
#pragma once

#include "abi/freebsd/umtx_futex.hpp"
#include "abi/host.hpp"

namespace sudrun::abi::freebsd::umtx {

/// UMTX_OP_ROBUST_LISTS: where the calling thread keeps the lists of what it holds. 0 or an errno.
int robust_lists(Host& host, GuestAddr params, Word size) noexcept;

/// Sleeps on a mutex as sleep_on() does. If the mutex is robust (`flags`) and its owner is found to have died
/// without anybody having said so, as by SIGKILL, it is marked so, and 0 returned.
int sleep_for_owner(Host& host, GuestAddr mutex, std::uint32_t flags, std::uint32_t expected,
                    const Deadline& deadline) noexcept;

/// Unlocks a mutex for its owner, the calling thread, which ends (umtx.cpp). 0 or an errno.
int unlock_of_dying(Host& host, GuestAddr mutex) noexcept;

}  // namespace sudrun::abi::freebsd::umtx
