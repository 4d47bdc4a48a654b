// The lock of FreeBSD 5 and 6: a 64-bit word with the owner's thread id, and its top bit set while someone
// sleeps.
//
// Futexes and the host's exchanges are 32 bits wide, so the halves are changed one by one: the owner is taken
// and given up in the lower one, and that is the word slept on. For that the mark in the upper half, once
// set, stays: the owner could otherwise give the lock up and take it again without a call, past somebody who
// is about to sleep.
//
// Facts: FreeBSD 11.4 sys/kern/kern_umtx.c (do_lock_umtx, do_unlock_umtx), sys/sys/_umtx.h.
#include "abi/freebsd/umtx_old.hpp"

#include <cerrno>

#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/thread_id.hpp"

namespace sudrun::abi::freebsd::umtx {

int old_lock(Host& host, GuestAddr lock, std::uint32_t id, const Deadline& deadline) noexcept {
  int error = 0;
  for (;;) {
    std::uint32_t owner = kUnowned, before = 0;
    const Cas taken = compare_exchange(host, lock, owner, id);
    if (taken == Cas::fault) return EFAULT;
    if (taken == Cas::swapped) return 0;
    if (error != 0) return error;
    if (!set_bits(host, lock + sizeof owner, kContested, before)) return EFAULT;
    error = sleep_on(host, lock, owner, deadline);
  }
}

int old_unlock(Host& host, GuestAddr lock, std::uint32_t id) noexcept {
  std::uint32_t owner = 0;
  if (!host.load32(lock, owner)) return EFAULT;
  if (owner != id) return EPERM;
  const Cas left = compare_exchange(host, lock, owner, kUnowned);
  if (left != Cas::swapped) return left == Cas::fault ? EFAULT : EINVAL;
  wake(host, lock, 1);
  return 0;
}

Result old_lock_call(Call& call) noexcept {
  const int error =
      old_lock(call.host, call.addr(0), static_cast<std::uint32_t>(own_tid(call.host)), Deadline{});
  if (error == EINTR) return Result::restart();
  return error == 0 ? Result::ok() : Result::fail(error);
}

Result old_unlock_call(Call& call) noexcept {
  const int error = old_unlock(call.host, call.addr(0), static_cast<std::uint32_t>(own_tid(call.host)));
  return error == 0 ? Result::ok() : Result::fail(error);
}

}  // namespace sudrun::abi::freebsd::umtx
