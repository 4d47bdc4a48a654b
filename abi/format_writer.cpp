#include "abi/format_writer.hpp"

#include "abi/table_block.hpp"

namespace sudrun::abi {

void quote(Writer& out, std::string_view bytes, bool truncated) noexcept {
  out.text("\"");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    switch (c) {
      case '"':
        out.text("\\\"");
        continue;
      case '\\':
        out.text("\\\\");
        continue;
      case '\n':
        out.text("\\n");
        continue;
      case '\r':
        out.text("\\r");
        continue;
      case '\t':
        out.text("\\t");
        continue;
      default:
        break;
    }
    if (c >= 0x20 && c < 0x7f) {
      out.text({&c, 1});
      continue;
    }
    // Three digits where a digit follows, so that the text stays unambiguous.
    const bool digit_follows = i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
    const auto value = static_cast<unsigned char>(c);
    out.text("\\");
    if (digit_follows && value < 0100) out.text("0");
    if (digit_follows && value < 010) out.text("0");
    out.number(unsigned{value}, 8);
  }
  out.text(truncated ? "\"..." : "\"");
}

void flags(Writer& out, const FlagSet& set, std::uint64_t word) noexcept {
  std::uint64_t rest = word;
  bool first = true;
  const auto separate = [&] {
    if (!first) out.text("|");
    first = false;
  };
  for (const FlagValue& v : set.values()) {
    if (set.is_enum() || v.mask == 0) {
      if (!first || !detail::same_enum(word, v.guest)) continue;
      out.text(set.value_name(v));
      return;
    }
    // A value within a larger one that is set as well (O_DSYNC in O_SYNC) goes without saying.
    const bool covered = std::any_of(set.values().begin(), set.values().end(), [&](const FlagValue& other) {
      return other.mask != v.mask && (other.mask & v.mask) == v.mask && (word & other.mask) == other.guest;
    });
    if ((word & v.mask) != v.guest || covered) continue;
    separate();
    out.text(set.value_name(v));
    rest &= ~v.mask;
  }
  if (rest == 0 && !first) return;
  separate();
  if (set.is_enum() && rest <= 0xffff) return out.unsigned_(rest);
  rest == 0 ? out.text("0") : out.hex(rest);
}

std::uint64_t load_scalar(const std::byte* from, ScalarType type) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, from, scalar_size(type));
  return value;
}
/// Negative values of narrow fields as the flag sets have them: in 64 bits.
std::uint64_t sign_extend(std::uint64_t value, ScalarType type) noexcept {
  switch (type) {
    case ScalarType::i8:
      return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(value)});
    case ScalarType::i16:
      return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int16_t>(value)});
    case ScalarType::i32:
      return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)});
    default:
      return value;
  }
}

void scalar(Writer& out, ScalarType type, std::uint64_t value) noexcept {
  switch (type) {
    case ScalarType::i8:
      return out.decimal(static_cast<std::int8_t>(value));
    case ScalarType::i16:
      return out.decimal(static_cast<std::int16_t>(value));
    case ScalarType::i32:
      return out.decimal(static_cast<std::int32_t>(value));
    case ScalarType::i64:
      return out.decimal(static_cast<std::int64_t>(value));
    default:
      return out.unsigned_(value);
  }
}

}  // namespace sudrun::abi
