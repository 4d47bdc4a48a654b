// Time as some systems publish it in memory: a point in time, and how it goes on with the processor's
// counter, so that programs need no call to know it. Pure.
#pragma once

#include <cstdint>
#include <optional>

namespace sudrun::abi {

/// struct bintime of the BSDs.
struct BinaryTime {
  std::uint64_t seconds = 0;
  std::uint64_t fraction = 0;  ///< of a second, times 2^64
};

/// The time is `uptime` when the counter, shifted right by `shift` bits, is `count`; and `scale` more for
/// each that it has gone on. Readers multiply in 64 bits, so it is good for a second.
struct TimeHands {
  std::uint64_t count = 0;
  unsigned shift = 0;
  std::uint64_t scale = 0;  ///< in 2^-64 seconds
  BinaryTime uptime;        ///< CLOCK_MONOTONIC
  BinaryTime boottime;      ///< CLOCK_REALTIME less that
};

/// Makes hands from readings of the host's clocks, such that the time they tell never goes back, and is the
/// host's but for what the readings are apart from the truth. Not thread-safe; async-signal-safe.
class Timekeeper {
 public:
  struct Reading {
    std::uint64_t ticks = 0;   ///< the processor's counter
    std::uint64_t uptime = 0;  ///< CLOCK_MONOTONIC at that time, ns
    std::int64_t offset = 0;   ///< CLOCK_REALTIME less CLOCK_MONOTONIC, ns
  };
  /// The rate of the counter is taken from readings at least so far apart, in ns.
  static constexpr std::uint64_t kBaseline = 50'000'000;
  /// Hands that have run ahead of the host by more than this, in ns, show that the counter is no clock.
  static constexpr std::uint64_t kMostAhead = 100'000;

  /// Where readings begin. What was before is forgotten.
  void begin(const Reading& reading) noexcept;
  /// Hands for now. Nothing: it is too early to know the counter's rate, or it is none to rely on; then what
  /// was published before must not be used either.
  std::optional<TimeHands> advance(const Reading& reading) noexcept;

 private:
  std::uint64_t rate(const Reading& reading) noexcept;

  Reading older_, newer_;   ///< what the rate is taken from
  std::uint64_t rate_ = 0;  ///< 2^-64 seconds a tick; 0: not known
  std::int64_t offset_ = 0;
  std::optional<TimeHands> hands_;
};

/// What a program reads from `hands` when the counter is `ticks`: the uptime, in nanoseconds.
std::uint64_t uptime_by(const TimeHands& hands, std::uint64_t ticks) noexcept;

}  // namespace sudrun::abi
