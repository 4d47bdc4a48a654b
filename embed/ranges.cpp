#include "embed/ranges.hpp"

#include <algorithm>

namespace sudrun::embed {

void Ranges::cut(std::uint64_t start, std::uint64_t end) {
  auto at = ranges_.upper_bound(start);
  if (at != ranges_.begin()) --at;
  while (at != ranges_.end() && at->first < end) {
    const auto [from, to] = *at;
    if (to <= start) {
      ++at;
      continue;
    }
    at = ranges_.erase(at);
    if (from < start) ranges_.emplace(from, start);
    if (to > end) at = ranges_.emplace(end, to).first;
  }
}

void Ranges::remove(std::uint64_t start, std::uint64_t end) {
  const std::scoped_lock hold(lock_);
  if (start < end) cut(start, end);
}

void Ranges::add(std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  const std::scoped_lock hold(lock_);
  cut(start, end);
  auto next = ranges_.lower_bound(start);
  if (next != ranges_.end() && next->first == end) {
    end = next->second;
    next = ranges_.erase(next);
  }
  if (next != ranges_.begin() && std::prev(next)->second == start)
    std::prev(next)->second = end;
  else
    ranges_.emplace(start, end);
}

}  // namespace sudrun::embed
