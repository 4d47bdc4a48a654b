// Text of a trace line, piece by piece. Part of format.cpp; allocates nothing.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

#include "abi/table.hpp"

namespace sudrun::abi {

inline constexpr std::string_view kEllipsis = "...";

/// Appends to the caller's buffer; what does not fit is dropped and remembered.
class Writer {
 public:
  explicit Writer(std::span<char> to) noexcept : to_(to) {}

  void text(std::string_view s) noexcept {
    const std::size_t fits = std::min(s.size(), to_.size() - used_);
    if (fits != 0) std::memcpy(to_.data() + used_, s.data(), fits);
    used_ += fits;
    overflow_ |= fits < s.size();
  }
  template <typename T>
  void number(T value, int base, std::string_view prefix = {}) noexcept {
    std::array<char, 72> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    text(prefix);
    text({digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
  void decimal(std::int64_t value) noexcept { number(value, 10); }
  void unsigned_(std::uint64_t value) noexcept { number(value, 10); }
  void hex(std::uint64_t value) noexcept { number(value, 16, "0x"); }
  void octal(std::uint64_t value) noexcept { number(value, 8, value == 0 ? "" : "0"); }
  void address(Word word) noexcept { word == 0 ? text("NULL") : hex(word); }

  std::size_t finish() noexcept {
    if (overflow_ && to_.size() >= kEllipsis.size())
      std::memcpy(to_.data() + to_.size() - kEllipsis.size(), kEllipsis.data(), kEllipsis.size());
    return used_;
  }

 private:
  std::span<char> to_;
  std::size_t used_ = 0;
  bool overflow_ = false;
};

/// In C's quotes, with its escapes; `truncated`: followed by dots.
void quote(Writer& out, std::string_view bytes, bool truncated) noexcept;
/// The names of the values that `word` holds.
void flags(Writer& out, const FlagSet& set, std::uint64_t word) noexcept;

std::uint64_t load_scalar(const std::byte* from, ScalarType type) noexcept;
/// Negative values of narrow types as they are in 64 bits.
std::uint64_t sign_extend(std::uint64_t value, ScalarType type) noexcept;
void scalar(Writer& out, ScalarType type, std::uint64_t value) noexcept;

}  // namespace sudrun::abi
