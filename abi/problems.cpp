#include "abi/problems.hpp"

#include <cstddef>

namespace sudrun::abi {

namespace {

/// Letters to insert, remove, replace or swap with their neighbour to get from `a` to `b`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string meant(std::string_view word, const std::vector<std::string_view>& names,
                  std::string_view expected) {
  // A third of the letters: more is another word.
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string_view nearest;
  for (const std::string_view name : names) {
    if (name == word || name.size() >= word.size() + least || word.size() >= name.size() + least) continue;
    if (const std::size_t steps = distance(word, name); steps < least) {
      least = steps;
      nearest = name;
    }
  }
  if (nearest.empty()) return "; expected " + std::string(expected);
  return "; did you mean `" + std::string(nearest) + "`?";
}

}  // namespace sudrun::abi
