// How long calls took, in powers of two: a few bytes for any number of them, from which percentiles can be
// told well enough.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sudrun::runtime {

/// Bucket N holds what took 2^N to 2^(N + 1) - 1 nanoseconds, the first also 0, the last all that is longer.
inline constexpr std::size_t kLatencyBuckets = 40;

constexpr std::size_t latency_bucket(std::uint64_t nanoseconds) noexcept {
  return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(nanoseconds | 1)) - 1,
                               kLatencyBuckets - 1);
}

/// The time that `percent` of all took no longer than, as if those in a bucket were evenly spread over it,
/// and within what is known of the shortest and the longest. 0 if there are none.
constexpr double latency_percentile(std::span<const std::uint64_t, kLatencyBuckets> buckets, unsigned percent,
                                    std::uint64_t shortest, std::uint64_t longest) noexcept {
  std::uint64_t all = 0;
  for (const std::uint64_t n : buckets) all += n;
  if (all == 0) return 0;
  const std::uint64_t rank = std::max<std::uint64_t>(1, (all * percent + 99) / 100);
  std::uint64_t below = 0;
  std::size_t at = 0;
  while (below + buckets[at] < rank) below += buckets[at++];
  const double begin = at == 0 ? 0 : static_cast<double>(std::uint64_t{1} << at);
  const double width = at == 0 ? 2 : begin;
  const double inside = (static_cast<double>(rank - below) - 0.5) / static_cast<double>(buckets[at]);
  return std::clamp(begin + width * inside, static_cast<double>(shortest), static_cast<double>(longest));
}

}  // namespace sudrun::runtime
