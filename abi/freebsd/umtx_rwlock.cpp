// Read-write locks: urwlock.
//
// Readers and writers sleep on rw_state, on channels of their own. The last of a kind to stop waiting takes
// its mark off, and wakes whoever began to wait in that moment: they look again and set the mark anew.
//
// Facts: FreeBSD 15.0 sys/kern/kern_umtx.c (do_rw_rdlock, do_rw_wrlock, do_rw_unlock), sys/sys/_umtx.h.
#include "abi/freebsd/umtx_rwlock.hpp"

#include <cerrno>
#include <climits>
#include <cstddef>

namespace sudrun::abi::freebsd::umtx {

namespace {

constexpr std::uint32_t kReaders = 1;
constexpr std::uint32_t kWriters = 2;

struct Waiting {
  std::uint32_t mark;
  std::uint32_t channel;
  std::uint64_t counter;  ///< offset of the number of waiters
};
constexpr Waiting kReading{kReadWaiters, kReaders, offsetof(Urwlock, blocked_readers)};
constexpr Waiting kWriting{kWriteWaiters, kWriters, offsetof(Urwlock, blocked_writers)};

template <typename Blocked>
int rw_sleep(Host& host, GuestAddr lock, const Waiting& kind, const Deadline& deadline,
             Blocked blocked) noexcept {
  const GuestAddr counter = lock + kind.counter;
  std::uint32_t before = 0;
  if (!update(host, counter, before, [](std::uint32_t v) { return v + 1; })) return EFAULT;
  int error = 0;
  while (error == 0) {
    std::uint32_t state = 0;
    if (!host.load32(lock, state)) return EFAULT;
    if (!blocked(state)) break;
    if ((state & kind.mark) == 0) {
      const Cas marked = compare_exchange(host, lock, state, state | kind.mark);
      if (marked == Cas::fault) return EFAULT;
      if (marked == Cas::changed) continue;
      state |= kind.mark;
    }
    error = sleep_on(host, lock, state, deadline, kind.channel);
  }
  if (!update(host, counter, before, [](std::uint32_t v) { return v - 1; })) return EFAULT;
  if (before == 1) {
    std::uint32_t others = 0;
    if (!clear_bits(host, lock, kind.mark, before) || !host.load32(counter, others)) return EFAULT;
    if (others != 0) wake(host, lock, INT_MAX, kind.channel);
  }
  return error;
}

constexpr bool is_held(std::uint32_t state) noexcept { return (state & (kWriteOwner | kMaxReaders)) != 0; }

}  // namespace

int rw_rdlock(Host& host, GuestAddr lock, Word prefer, const Deadline& deadline) noexcept {
  std::uint32_t flags = 0;
  if (!host.load32(lock + offsetof(Urwlock, flags), flags)) return EFAULT;
  const bool prefer_reader = ((flags | prefer) & kPreferReader) != 0;
  const std::uint32_t barrier = kWriteOwner | (prefer_reader ? 0 : kWriteWaiters);
  for (;;) {
    std::uint32_t state = 0;
    if (!host.load32(lock, state)) return EFAULT;
    while ((state & barrier) == 0) {
      if ((state & kMaxReaders) == kMaxReaders) return EAGAIN;
      const Cas taken = compare_exchange(host, lock, state, state + 1);
      if (taken == Cas::fault) return EFAULT;
      if (taken == Cas::swapped) return 0;
    }
    const int error =
        rw_sleep(host, lock, kReading, deadline, [barrier](std::uint32_t s) { return (s & barrier) != 0; });
    if (error != 0) return error;
  }
}

int rw_wrlock(Host& host, GuestAddr lock, const Deadline& deadline) noexcept {
  for (;;) {
    std::uint32_t state = 0;
    if (!host.load32(lock, state)) return EFAULT;
    while (!is_held(state)) {
      const Cas taken = compare_exchange(host, lock, state, state | kWriteOwner);
      if (taken == Cas::fault) return EFAULT;
      if (taken == Cas::swapped) return 0;
    }
    const int error = rw_sleep(host, lock, kWriting, deadline, is_held);
    if (error == 0) continue;
    // Readers may have stood back only for the writer that now gives up.
    std::uint32_t readers = 0;
    if (host.load32(lock + offsetof(Urwlock, blocked_readers), readers) && readers != 0)
      wake(host, lock, INT_MAX, kReaders);
    return error;
  }
}

int rw_unlock(Host& host, GuestAddr lock) noexcept {
  std::uint32_t flags = 0, state = 0;
  if (!host.load32(lock + offsetof(Urwlock, flags), flags) || !host.load32(lock, state)) return EFAULT;
  const bool writing = (state & kWriteOwner) != 0;
  for (;;) {
    const bool held = writing ? (state & kWriteOwner) != 0 : (state & kMaxReaders) != 0;
    if (!held) return EPERM;
    const Cas left = compare_exchange(host, lock, state, writing ? state & ~kWriteOwner : state - 1);
    if (left == Cas::fault) return EFAULT;
    if (left == Cas::swapped) break;
  }
  const bool readers = (state & kReadWaiters) != 0;
  const bool writers = (state & kWriteWaiters) != 0;
  if (readers && (!writers || (flags & kPreferReader) != 0))
    wake(host, lock, INT_MAX, kReaders);
  else if (writers)
    wake(host, lock, 1, kWriters);
  return 0;
}

}  // namespace sudrun::abi::freebsd::umtx
