#include "abi/timekeeper.hpp"

#include <algorithm>

namespace sudrun::abi {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kRenewed = kSecond / 2;  ///< the rate is taken over this at least, later on
constexpr std::uint64_t kCatchUp = kSecond / 2;  ///< in which hands that are ahead meet the host's time
constexpr std::uint64_t kSameOffset = 2'000;     ///< ns; less is how exactly it can be measured

constexpr Wide wide(BinaryTime time) noexcept { return Wide{time.seconds} << 64 | time.fraction; }
constexpr BinaryTime binary(Wide time) noexcept {
  return {static_cast<std::uint64_t>(time >> 64), static_cast<std::uint64_t>(time)};
}
/// Rounded up, as readers round down.
constexpr Wide wide(std::uint64_t nanoseconds) noexcept {
  const Wide rest = (Wide{nanoseconds % kSecond} << 64) + kSecond - 1;
  return (Wide{nanoseconds / kSecond} << 64) + rest / kSecond;
}
constexpr BinaryTime binary(std::int64_t nanoseconds) noexcept {
  const bool negative = nanoseconds < 0;
  const Wide size =
      wide(negative ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds));
  return binary(negative ? Wide{0} - size : size);
}

/// What `hands` say at `ticks`, but never more than a second after they were made.
Wide time_by(const TimeHands& hands, std::uint64_t ticks) noexcept {
  const std::uint64_t now = ticks >> hands.shift;
  const Wide since = now > hands.count ? Wide{now - hands.count} * hands.scale : 0;
  return wide(hands.uptime) + std::min(since, Wide{1} << 64);
}

}  // namespace

void Timekeeper::begin(const Reading& reading) noexcept {
  older_ = newer_ = reading;
  offset_ = reading.offset;
  rate_ = 0;
  hands_.reset();
}

// Over the last one to two times kRenewed, or since the beginning. A suspended machine stops one of the
// clocks and perhaps the counter: a rate that has changed much tells only that, and readings begin anew.
std::uint64_t Timekeeper::rate(const Reading& reading) noexcept {
  if (reading.ticks <= older_.ticks || reading.uptime < older_.uptime + kBaseline) return rate_;
  constexpr std::uint64_t kOneIn = 1'000;
  const Wide ticks = Wide{reading.ticks - older_.ticks} * kSecond;
  const Wide now = (Wide{reading.uptime - older_.uptime} << 64) / ticks;
  if (now >> 62 != 0) return 0;  // a counter slower than 4 Hz is none
  const auto measured = static_cast<std::uint64_t>(now);
  const std::uint64_t change = measured > rate_ ? measured - rate_ : rate_ - measured;
  if (rate_ != 0 && change > rate_ / kOneIn) {
    older_ = newer_ = reading;
    return rate_;
  }
  if (reading.uptime - newer_.uptime >= kRenewed) {
    older_ = newer_;
    newer_ = reading;
  }
  return rate_ = measured;
}

std::optional<TimeHands> Timekeeper::advance(const Reading& reading) noexcept {
  constexpr std::uint64_t kMostTicks = std::uint64_t{1} << 31;  // in a second: readers have 32 bits
  std::uint64_t scale = rate(reading);
  if (scale == 0) return {};
  Wide uptime = wide(reading.uptime);
  if (hands_) {
    const Wide told = time_by(*hands_, reading.ticks);
    if (told > uptime) {
      const Wide ahead = told - uptime;
      if (ahead > wide(kMostAhead)) {
        begin(reading);
        return {};
      }
      uptime = told;
      // By so much slower that after kCatchUp they are together.
      scale -= static_cast<std::uint64_t>(Wide{scale} * static_cast<std::uint64_t>(ahead) >> 64) *
               (kSecond / kCatchUp);
    }
  }
  const std::int64_t step = reading.offset - offset_;
  if (static_cast<std::uint64_t>(step < 0 ? -step : step) >= kSameOffset) offset_ = reading.offset;

  TimeHands hands;
  while ((~std::uint64_t{0} / scale) >> hands.shift >= kMostTicks) ++hands.shift;
  hands.count = reading.ticks >> hands.shift;
  hands.scale = scale << hands.shift;
  hands.uptime = binary(uptime);
  hands.boottime = binary(offset_);
  hands_ = hands;
  return hands;
}

std::uint64_t uptime_by(const TimeHands& hands, std::uint64_t ticks) noexcept {
  const BinaryTime time = binary(time_by(hands, ticks));
  return time.seconds * kSecond + static_cast<std::uint64_t>(Wide{time.fraction} * kSecond >> 64);
}

}  // namespace sudrun::abi
