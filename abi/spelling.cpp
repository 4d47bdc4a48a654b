#include "abi/spelling.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>
#include <vector>

namespace sudrun::abi {
namespace {

/// Letters to insert, remove, replace or swap with their neighbour (Damerau's distance), whatever their case.
std::size_t distance(std::string_view a, std::string_view b) {
  const auto same = [&](std::size_t i, std::size_t j) {
    return std::tolower(static_cast<unsigned char>(a[i])) == std::tolower(static_cast<unsigned char>(b[j]));
  };
  std::vector<std::size_t> before, last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (same(i - 1, j - 1) ? 0 : 1)});
      if (i > 1 && j > 1 && same(i - 1, j - 2) && same(i - 2, j - 1))
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = std::exchange(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, std::span<const std::string_view> names,
                         std::string_view expected) {
  std::string_view nearest;
  std::size_t least = 1 + std::max<std::size_t>(1, word.size() / 3);
  for (const std::string_view name : names) {
    if (name == word) continue;  // right, and not what is wanted there
    if (name.size() > word.size() + least || word.size() > name.size() + least) continue;
    const std::size_t apart = distance(word, name);
    if (apart >= least) continue;
    least = apart;
    nearest = name;
  }
  if (nearest.empty()) return "; expected " + std::string(expected);
  return "; did you mean `" + std::string(nearest) + "`?";
}

}  // namespace sudrun::abi
