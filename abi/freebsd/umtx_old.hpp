// UMTX_OP_LOCK and UMTX_OP_UNLOCK, and the calls before _umtx_op(2).
#pragma once

#include "abi/freebsd/umtx_futex.hpp"
#include "abi/handler.hpp"

namespace sudrun::abi::freebsd::umtx {

/// Takes the lock for thread `id`. 0, ETIMEDOUT, EINTR or EFAULT.
int old_lock(Host& host, GuestAddr lock, std::uint32_t id, const Deadline& deadline) noexcept;
/// 0, EPERM if `id` does not hold it, EFAULT; EINVAL if it is changed meanwhile.
int old_unlock(Host& host, GuestAddr lock, std::uint32_t id) noexcept;

// The calls, for the thread that makes them.
Result old_lock_call(Call& call) noexcept;
Result old_unlock_call(Call& call) noexcept;

}  // namespace sudrun::abi::freebsd::umtx
