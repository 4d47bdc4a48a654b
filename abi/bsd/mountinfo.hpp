// Reading Linux's mount table text (/proc/self/mountinfo; format: proc(5)). Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sudrun::abi::bsd::fs {

/// The parts of one line that matter here. Names are still escaped.
struct MountLine {
  std::uint64_t id = 0;
  std::string_view mount_point;
  std::string_view fs_type;
  std::string_view source;
};

/// Cuts the first blank-separated word off `text`.
constexpr std::string_view take_word(std::string_view& text) noexcept {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return word;
}

/// Nothing if the line is not of the known form. The end of an overlong line (options of the file system)
/// may be missing.
inline std::optional<MountLine> parse_mount_line(std::string_view line) noexcept {
  MountLine mount;
  const std::string_view id = take_word(line);
  if (std::from_chars(id.data(), id.data() + id.size(), mount.id).ec != std::errc{}) return std::nullopt;
  take_word(line);  // parent
  take_word(line);  // device
  take_word(line);  // root within the file system
  mount.mount_point = take_word(line);
  while (!line.empty() && take_word(line) != "-") {
  }
  mount.fs_type = take_word(line);
  mount.source = take_word(line);
  if (mount.mount_point.empty() || mount.fs_type.empty()) return std::nullopt;
  return mount;
}

/// Undoes the table's octal escapes (\040 for a blank) into `out`, truncated, with a NUL. Returns the length.
constexpr std::size_t unescape_mount(std::string_view text, std::span<char> out) noexcept {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size() && length + 1 < out.size(); ++i) {
    char c = text[i];
    if (c == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) && octal(text[i + 3])) {
      c = static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    }
    out[length++] = c;
  }
  if (!out.empty()) out[length] = '\0';
  return length;
}

}  // namespace sudrun::abi::bsd::fs
