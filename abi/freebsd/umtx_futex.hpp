// Sleeping and waking on guest words: the futex vocabulary the umtx protocols are written in.
//
// All futexes here are Linux's shared kind, for private memory too: FreeBSD finds a sleeper by its address
// whichever of the private and the automatic operations put it to sleep, Linux only if both sides agree.
#pragma once

#include "abi/freebsd/umtx_layout.hpp"
#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi::freebsd::umtx {

enum class Cas { fault, changed, swapped };

inline Cas compare_exchange(Host& host, GuestAddr word, std::uint32_t& expected,
                            std::uint32_t desired) noexcept {
  bool swapped = false;
  if (!host.compare_exchange32(word, expected, desired, swapped)) return Cas::fault;
  return swapped ? Cas::swapped : Cas::changed;
}

/// Replaces the word by change(word), atomically; `before` is what it was. False: EFAULT.
template <typename Change>
bool update(Host& host, GuestAddr word, std::uint32_t& before, Change change) noexcept {
  if (!host.load32(word, before)) return false;
  for (;;) {
    const std::uint32_t after = change(before);
    if (after == before) return true;
    switch (compare_exchange(host, word, before, after)) {
      case Cas::fault:
        return false;
      case Cas::swapped:
        return true;
      case Cas::changed:
        break;
    }
  }
}

inline bool set_bits(Host& host, GuestAddr word, std::uint32_t bits, std::uint32_t& before) noexcept {
  return update(host, word, before, [bits](std::uint32_t v) { return v | bits; });
}
inline bool clear_bits(Host& host, GuestAddr word, std::uint32_t bits, std::uint32_t& before) noexcept {
  return update(host, word, before, [bits](std::uint32_t v) { return v & ~bits; });
}

/// When a wait ends. Relative times become an end on the monotonic clock the moment they are read.
class Deadline {
 public:
  Deadline() = default;
  /// 0, or EINVAL for a time or clock (a guest number) that makes no sense.
  int set(Host& host, const FlagSet& clocks, const UmtxTime& time) noexcept;
  /// Reads the optional argument pair (size, struct) of most operations. 0 or an errno.
  int read(Host& host, const FlagSet& clocks, GuestAddr size, GuestAddr time) noexcept;

  /// An end given as a point in time becomes no earlier than `ns` nanoseconds from now.
  void not_before(Host& host, std::int64_t ns) noexcept;

  bool limited() const noexcept { return limited_; }
  bool relative() const noexcept { return relative_; }
  /// No later than `ms` milliseconds from now.
  Deadline within(Host& host, std::int64_t ms) const noexcept;
  bool has_passed(Host& host) const noexcept;
  /// What is left of a relative time.
  Timespec remaining(Host& host) const noexcept;

 private:
  friend int sleep_on(Host&, GuestAddr, std::uint32_t, const Deadline&, std::uint32_t) noexcept;
  bool limited_ = false;
  bool relative_ = false;
  int clock_ = 0;  ///< native
  Timespec end_{};
};

inline constexpr std::uint32_t kAnySleeper = 0xffff'ffff;
/// Sleeps while the word is `expected`. 0 if woken or the word differs; ETIMEDOUT, EINTR, EFAULT.
/// `channel` selects which wakes it hears.
int sleep_on(Host& host, GuestAddr word, std::uint32_t expected, const Deadline& deadline,
             std::uint32_t channel = kAnySleeper) noexcept;
/// Wakes up to `count` sleepers (one, if it is not positive, as both kernels do).
NativeResult wake(Host& host, GuestAddr word, int count, std::uint32_t channel = kAnySleeper) noexcept;
/// Wakes everybody on `count` words, whose addresses stand at `list`. 0 or EFAULT.
int wake_many(Host& host, GuestAddr list, Word count) noexcept;
/// How many threads sleep on the word, without waking any; or a negative errno.
NativeResult sleepers(Host& host, GuestAddr word) noexcept;

}  // namespace sudrun::abi::freebsd::umtx
