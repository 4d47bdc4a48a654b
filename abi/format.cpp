#include "abi/format.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "abi/convention.hpp"
#include "abi/marshal.hpp"
#include "abi/table_block.hpp"

namespace sudrun::abi {

namespace {

constexpr std::size_t kMaxString = 256;  ///< of a path or string argument
constexpr std::size_t kMaxBuffer = 32;   ///< of a counted buffer or a string in a vector
constexpr unsigned kMaxElements = 4;     ///< of an array or vector
constexpr unsigned kMaxFields = 16;      ///< of a structure
constexpr std::string_view kEllipsis = "...";

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

std::string_view error_text(const Result& result) noexcept {
  const bool native = result.kind() == Result::Kind::native_error;
  const char* const text = native ? strerrordesc_np(static_cast<int>(result.value())) : nullptr;
  return text == nullptr ? std::string_view() : std::string_view(text);
}

std::uint64_t load(const std::byte* from, ScalarType type) noexcept {
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

constexpr bool is_out(RoleKind kind) noexcept {
  return kind == RoleKind::out_buf || kind == RoleKind::out_struct || kind == RoleKind::out_array ||
         kind == RoleKind::out_sockaddr;
}

/// What is known when a line is written.
struct View {
  const Table& table;
  const Entry& entry;
  const Frame& frame;
  Host& host;
  const Result* result;  ///< null before the call
};

class Formatter {
 public:
  Formatter(Writer& out, const View& view) noexcept : out_(out), view_(view) {}

  void name_and_arguments() noexcept;
  void outcome() noexcept;

 private:
  void argument(unsigned index) noexcept;
  void number(const Role& role, Word word) noexcept;
  void string(Word word, std::size_t limit) noexcept;
  void strings(Word word) noexcept;
  void buffer(unsigned index) noexcept;
  void structure(const StructLayout& layout, Word word) noexcept;
  void field(const Field& field, const std::byte* at) noexcept;
  void element(const Role& role, Word word) noexcept;
  void array(unsigned index) noexcept;
  void sockaddr(unsigned index) noexcept;

  Writer& out_;
  const View& view_;
};

void Formatter::name_and_arguments() noexcept {
  if (view_.frame.number != view_.entry.number || view_.entry.name == 0) {
    out_.text("syscall#");
    out_.unsigned_(view_.frame.number);
  } else {
    out_.text(view_.table.string(view_.entry.name));
  }
  out_.text("(");
  const bool untyped = view_.entry.argc == 0 && view_.entry.action == Action::unsupported;
  const unsigned argc = untyped ? view_.table.convention().argc : view_.entry.argc;
  for (unsigned i = 0; i < argc; ++i) {
    if (i != 0) out_.text(", ");
    untyped ? out_.hex(view_.frame.args[i]) : argument(i);
  }
}

void Formatter::argument(unsigned index) noexcept {
  const Role& role = view_.entry.args[index];
  const Word word = view_.frame.args[index];
  const bool unknown_yet = is_out(role.kind) && (view_.result == nullptr || !view_.result->is_ok());
  if (unknown_yet) return out_.address(word);

  switch (role.kind) {
    case RoleKind::path:
    case RoleKind::cstr:
      return string(word, kMaxString);
    case RoleKind::strv:
      return strings(word);
    case RoleKind::in_buf:
    case RoleKind::out_buf:
    case RoleKind::inout_buf:
      return buffer(index);
    case RoleKind::in_struct:
    case RoleKind::out_struct:
    case RoleKind::inout_struct:
      if (word == 0) return out_.text("NULL");
      return element(role, word);
    case RoleKind::in_array:
    case RoleKind::out_array:
      return array(index);
    case RoleKind::in_sockaddr:
    case RoleKind::out_sockaddr:
      return sockaddr(index);
    default:
      return number(role, word);
  }
}

void Formatter::number(const Role& role, Word raw) noexcept {
  const Word word = narrow(role, raw);
  switch (role.kind) {
    case RoleKind::dirfd:
      if (static_cast<int>(word) == -100) return out_.text("AT_FDCWD");
      return out_.decimal(static_cast<std::int64_t>(word));
    case RoleKind::uid:
    case RoleKind::gid:
      if (static_cast<std::int32_t>(word) == -1) return out_.text("-1");
      return out_.unsigned_(word);
    case RoleKind::uint_:
    case RoleKind::ulong_:
    case RoleKind::size:
      return out_.unsigned_(word);
    case RoleKind::hex:
    case RoleKind::dev:
      return out_.hex(word);
    case RoleKind::mode:
      return out_.octal(word);
    case RoleKind::ptr:
      return out_.address(word);
    case RoleKind::signal: {
      const std::string_view name = view_.table.signal_name(static_cast<int>(word));
      return name.empty() ? out_.decimal(static_cast<std::int64_t>(word)) : out_.text(name);
    }
    case RoleKind::flags:
      return flags(out_, view_.table.flag_set(role.param), word);
    default:
      return out_.decimal(static_cast<std::int64_t>(word));
  }
}

void Formatter::string(Word word, std::size_t limit) noexcept {
  std::array<char, kMaxString> bytes;
  if (word == 0) return out_.text("NULL");
  const NativeResult length = view_.host.read_string(guest_addr(word), {bytes.data(), limit});
  if (length >= 0) return quote(out_, {bytes.data(), static_cast<std::size_t>(length)}, false);
  // Too long: what fits is there to be read.
  if (length == -EFAULT || !view_.host.read(guest_addr(word), bytes.data(), limit)) return out_.address(word);
  quote(out_, {bytes.data(), limit}, true);
}

void Formatter::strings(Word word) noexcept {
  if (word == 0) return out_.text("NULL");
  Word element = 0;
  if (!view_.host.get(guest_addr(word), element)) return out_.address(word);
  out_.text("[");
  for (unsigned i = 0; element != 0; ++i) {
    if (i != 0) out_.text(", ");
    if (i == kMaxElements) {
      out_.text(kEllipsis);
      break;
    }
    string(element, kMaxBuffer);
    const GuestAddr next = guest_addr(word) + (i + 1) * sizeof(Word);
    if (!view_.host.get(next, element)) {
      out_.text(", ");
      out_.address(word_of(next));
      break;
    }
  }
  out_.text("]");
}

void Formatter::buffer(unsigned index) noexcept {
  const Role& role = view_.entry.args[index];
  const Word word = view_.frame.args[index];
  if (word == 0) return out_.text("NULL");
  auto count = count_of(view_.entry, view_.frame, index, view_.host);
  if (!count) return out_.address(word);
  // A call that returns a length has filled that much.
  const RoleKind returns = view_.entry.returns.kind;
  if (role.kind != RoleKind::in_buf && view_.result != nullptr && view_.result->is_ok() &&
      (returns == RoleKind::size || returns == RoleKind::ssize))
    count = std::min(*count, view_.result->value());

  std::array<char, kMaxBuffer> bytes;
  const std::size_t shown = std::min<std::uint64_t>(*count, bytes.size());
  if (shown != 0 && !view_.host.read(guest_addr(word), bytes.data(), shown)) return out_.address(word);
  quote(out_, {bytes.data(), shown}, *count > shown);
}

void Formatter::field(const Field& field, const std::byte* at) noexcept {
  const auto* const text = reinterpret_cast<const char*>(at);
  if (field.guest_type == ScalarType::chars) {
    const std::size_t length = strnlen(text, field.count);
    return quote(out_, {text, std::min(length, kMaxBuffer)}, length > kMaxBuffer);
  }
  const std::uint64_t value = load(at, field.guest_type);
  if (field.flagset != 0xffff)
    return flags(out_, view_.table.flag_set(field.flagset), sign_extend(value, field.guest_type));
  scalar(out_, field.guest_type, value);
}

void Formatter::structure(const StructLayout& layout, Word word) noexcept {
  std::array<std::byte, 512> bytes;
  const std::size_t size = std::min<std::size_t>(layout.guest_size(), bytes.size());
  if (!view_.host.read(guest_addr(word), bytes.data(), size)) return out_.address(word);
  out_.text("{");
  unsigned shown = 0;
  for (const Field& f : layout.fields()) {
    if (f.guest_type == ScalarType::pad) continue;
    if (shown != 0) out_.text(", ");
    if (shown == kMaxFields || f.guest_offset + f.count * scalar_size(f.guest_type) > size) {
      out_.text(kEllipsis);
      break;
    }
    out_.text(layout.field_name(f));
    out_.text("=");
    field(f, bytes.data() + f.guest_offset);
    ++shown;
  }
  out_.text("}");
}

void Formatter::element(const Role& role, Word word) noexcept {
  if (role.param < kScalarParam) return structure(view_.table.struct_layout(role.param), word);
  const auto type = static_cast<ScalarType>(role.param - kScalarParam);
  std::array<std::byte, 8> bytes{};
  if (!view_.host.read(guest_addr(word), bytes.data(), scalar_size(type))) return out_.address(word);
  out_.text("[");
  scalar(out_, type, load(bytes.data(), type));
  out_.text("]");
}

void Formatter::array(unsigned index) noexcept {
  const Role& role = view_.entry.args[index];
  const Word word = view_.frame.args[index];
  if (word == 0) return out_.text("NULL");
  auto count = count_of(view_.entry, view_.frame, index, view_.host);
  if (!count) return out_.address(word);
  // A call that fills an array returns how many elements it has filled.
  if (role.kind == RoleKind::out_array && (role.count & kLiteralCount) == 0 && view_.result != nullptr &&
      view_.result->is_ok())
    count = std::min(*count, view_.result->value());
  const std::uint32_t size = element_size(view_.table, role);
  const bool is_scalar = role.param >= kScalarParam;
  out_.text("[");
  for (std::uint64_t i = 0; i < *count; ++i) {
    if (i != 0) out_.text(", ");
    if (i == kMaxElements) {
      out_.text(kEllipsis);
      break;
    }
    const Word at = word + i * size;
    if (!is_scalar) {
      structure(view_.table.struct_layout(role.param), at);
      continue;
    }
    const auto type = static_cast<ScalarType>(role.param - kScalarParam);
    std::array<std::byte, 8> bytes{};
    if (!view_.host.read(guest_addr(at), bytes.data(), size)) {
      out_.address(at);
      break;
    }
    scalar(out_, type, load(bytes.data(), type));
  }
  out_.text("]");
}

/// Families whose addresses are laid out alike on every system: port and address after two bytes of header.
void Formatter::sockaddr(unsigned index) noexcept {
  const Word word = view_.frame.args[index];
  if (word == 0) return out_.text("NULL");
  const auto length = count_of(view_.entry, view_.frame, index, view_.host);
  std::array<unsigned char, 128> bytes{};
  const std::size_t size = std::min<std::uint64_t>(length.value_or(0), bytes.size());
  if (!length || size < 2 || !view_.host.read(guest_addr(word), bytes.data(), size))
    return out_.address(word);

  // BSD's begin with a length byte; the table's own layout says which this is.
  const StructLayout layout = view_.table.struct_layout("sockaddr");
  const bool has_length_byte = std::any_of(layout.fields().begin(), layout.fields().end(),
                                           [&](const Field& f) { return layout.field_name(f) == "sa_len"; });
  const unsigned family = has_length_byte ? bytes[1] : bytes[0] + bytes[1] * 256u;
  const FlagSet families = view_.table.flag_set("socket_domain");
  const auto is_family = [&](std::string_view name) {
    return families && families.guest_value(name) == family;
  };

  out_.text("{sa_family=");
  families ? flags(out_, families, family) : out_.unsigned_(family);
  const auto port = [&] {
    out_.text(", port=");
    out_.unsigned_(bytes[2] * 256u + bytes[3]);
    out_.text(", addr=");
  };
  if (is_family("AF_INET") && size >= 8) {
    port();
    for (unsigned i = 4; i < 8; ++i) {
      if (i != 4) out_.text(".");
      out_.unsigned_(bytes[i]);
    }
  } else if (is_family("AF_INET6") && size >= 24) {
    port();
    for (unsigned i = 8; i < 24; i += 2) {
      if (i != 8) out_.text(":");
      out_.number(bytes[i] * 256u + bytes[i + 1], 16);
    }
  } else {
    const auto* const data = reinterpret_cast<const char*>(bytes.data()) + 2;
    const std::size_t all = is_family("AF_UNIX") && bytes[2] != 0 ? strnlen(data, size - 2) : size - 2;
    out_.text(is_family("AF_UNIX") ? ", path=" : ", data=");
    quote(out_, {data, all}, false);
  }
  out_.text("}");
}

void Formatter::outcome() noexcept {
  const Result& result = *view_.result;
  out_.text(") = ");
  if (result.is_ok()) {
    const Role& returns = view_.entry.returns;
    returns.kind == RoleKind::none ? out_.decimal(static_cast<std::int64_t>(result.value()))
                                   : number(returns, result.value());
    if (result.has_value2()) {
      out_.text(", ");
      out_.decimal(static_cast<std::int64_t>(result.value2()));
    }
    return;
  }
  const int error = guest_errno(view_.table, result);
  if (error == 0) return out_.text("?");
  out_.text("-1 ");
  const std::string_view name = view_.table.errno_name(error);
  if (name.empty()) {
    out_.text("errno ");
    out_.decimal(error);
  } else {
    out_.text(name);
  }
  if (const std::string_view text = error_text(result); !text.empty()) {
    out_.text(" (");
    out_.text(text);
    out_.text(")");
  }
}

}  // namespace

std::size_t format_entry(std::span<char> to, const Table& table, const Entry& entry, const Frame& frame,
                         Host& host) noexcept {
  Writer out(to);
  const View view{table, entry, frame, host, nullptr};
  Formatter(out, view).name_and_arguments();
  out.text(" <unfinished ...>");
  return out.finish();
}

std::size_t format_exit(std::span<char> to, const Table& table, const Entry& entry, const Frame& frame,
                        const Result& result, Host& host) noexcept {
  Writer out(to);
  const View view{table, entry, frame, host, &result};
  Formatter formatter(out, view);
  formatter.name_and_arguments();
  formatter.outcome();
  return out.finish();
}

}  // namespace sudrun::abi
