#include "abi/json_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace sudrun::abi {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::string_view kTruncated = ",\"truncated\":true";
constexpr std::size_t kEnd = kTruncated.size() + 2;  // and the braces of both levels

/// Length of the well-formed sequence that `text` begins with; 0: none.
std::size_t sequence(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  // Longer than need be, halves of UTF-16 pairs, beyond Unicode.
  const unsigned second = byte(1);
  const bool wrong = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
                     (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90);
  return wrong ? 0 : size;
}

/// `text` without a last sequence that has been cut through.
std::string_view without_stump(std::string_view text) noexcept {
  for (std::size_t back = 1; back < 4 && back <= text.size(); ++back) {
    const auto lead = static_cast<unsigned char>(text[text.size() - back]);
    if ((lead & 0xc0U) == 0x80) continue;
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return size > back ? text.substr(0, text.size() - back) : text;
  }
  return text;
}

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  std::size_t length = 0;
  while (length < text.size()) {
    const std::size_t size = sequence(text.substr(length));
    if (size == 0) break;
    length += size;
  }
  return length;
}

JsonWriter::JsonWriter(std::span<char> to) noexcept : to_(to), limit_(to.size() - kEnd) { put("{"); }

void JsonWriter::put(std::string_view text) noexcept {
  full_ |= text.size() > limit_ - std::min(used_, limit_);
  if (full_) return;
  std::memcpy(to_.data() + used_, text.data(), text.size());
  used_ += text.size();
}

void JsonWriter::put_string(std::string_view text) noexcept {
  put("\"");
  for (const char c : text) {
    const auto value = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      put("\\");
      put({&c, 1});
    } else if (value < 0x20) {
      const std::array<char, 6> escape{'\\', 'u', '0', '0', kDigits[value >> 4], kDigits[value & 0xf]};
      put({escape.data(), escape.size()});
    } else {
      put({&c, 1});
    }
  }
  put("\"");
}

void JsonWriter::put_hex(std::string_view bytes) noexcept {
  put("\"");
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    const std::array<char, 2> digits{kDigits[value >> 4], kDigits[value & 0xf]};
    put({digits.data(), digits.size()});
  }
  put("\"");
}

bool JsonWriter::begin(std::string_view key) noexcept {
  if (skipping_) return false;
  mark_ = used_;
  if (!first_) put(",");
  put_string(key);
  put(":");
  return true;
}

void JsonWriter::end() noexcept {
  first_ = first_ && full_;
  if (!full_) return;
  used_ = mark_;
  full_ = false;
  left_out_ = true;
}

void JsonWriter::literal(std::string_view key, std::string_view value) noexcept {
  if (!begin(key)) return;
  put(value);
  end();
}

void JsonWriter::integer(std::string_view key, std::int64_t value) noexcept {
  std::array<char, 24> digits;
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  literal(key, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void JsonWriter::text(std::string_view key, std::string_view value, bool cut) noexcept {
  const std::string_view whole = cut ? without_stump(value) : value;
  const bool readable = is_utf8(whole);
  if (!begin(key)) return;
  if (cut || !readable) put(readable ? "{\"text\":" : "{\"hex\":");
  readable ? put_string(whole) : put_hex(value);
  if (cut) put(kTruncated);
  if (cut || !readable) put("}");
  end();
}

void JsonWriter::open(std::string_view key, std::size_t reserve) noexcept {
  begin(key);
  put("{");
  skipping_ = full_;
  end();
  open_ = !skipping_;
  if (skipping_) return;
  first_ = true;
  limit_ -= std::min(limit_ - std::min(used_, limit_), reserve);
}

void JsonWriter::close() noexcept {
  skipping_ = false;
  if (!open_) return;
  open_ = first_ = false;
  to_[used_++] = '}';  // kEnd has room for it
  limit_ = to_.size() - kEnd + 1;
}

std::size_t JsonWriter::finish() noexcept {
  if (open_) close();
  limit_ = to_.size();
  if (left_out_) put(first_ ? kTruncated.substr(1) : kTruncated);
  put("}");
  return used_;
}

}  // namespace sudrun::abi
