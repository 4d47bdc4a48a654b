// Small helpers for messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sudrun::loader {

/// `0x` and lower-case digits, padded with zeros to `width` digits.
inline std::string hex(std::uint64_t value, unsigned width = 1) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned n = 0; value != 0 || n < width; ++n, value >>= 4)
    text.insert(text.begin(), digits[value & 15]);
  return "0x" + text;
}

/// Text from a file, made safe to print: control and non-ASCII bytes become `?`, long text is cut.
inline std::string printable(std::string_view text, std::size_t limit = 200) {
  std::string safe;
  for (const char c : text.substr(0, limit)) safe += (c >= ' ' && c <= '~') ? c : '?';
  if (text.size() > limit) safe += "...";
  return safe;
}

}  // namespace sudrun::loader
