#include "abi/format_values.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "abi/marshal.hpp"
#include "abi/personality.hpp"

namespace sudrun::abi {

namespace {

constexpr std::size_t kMaxString = ValueFormatter::kMaxText;  ///< of a path or string argument
constexpr std::size_t kMaxBuffer = 32;                        ///< of a counted buffer or a string in a vector
constexpr unsigned kMaxElements = 8;                          ///< of an array
constexpr unsigned kMaxStrings = 32;                          ///< of a vector
constexpr unsigned kMaxFields = 40;                           ///< of a structure
constexpr std::size_t kMaxStruct = 2560;                      ///< bytes of a structure that are looked at
constexpr unsigned kMaxBits = 1024;                           ///< of a set of bits
constexpr unsigned kMaxDepth = 4;                             ///< of structures that point to structures
constexpr std::uint64_t kMaxSockaddr = 128;

constexpr bool is_out(RoleKind kind) noexcept {
  return kind == RoleKind::out_buf || kind == RoleKind::out_struct || kind == RoleKind::out_array ||
         kind == RoleKind::out_records || kind == RoleKind::out_sockaddr;
}

/// Number of the counting argument or field of `role`, or the literal count.
std::optional<std::uint64_t> count_in(const Role& role, const Scope& scope) noexcept {
  if (role.count & kLiteralCount) return role.count & ~unsigned{kLiteralCount};
  return scope.number(role.count);
}

/// The fields of a structure that has been read.
class FieldScope final : public Scope {
 public:
  FieldScope(const StructLayout& layout, std::span<const std::byte> bytes) noexcept
      : layout_(layout), bytes_(bytes) {}
  std::optional<std::uint64_t> number(unsigned index) const noexcept override {
    if (index >= layout_.fields().size()) return std::nullopt;
    const Field& field = layout_.fields()[index];
    if (field.guest_type >= ScalarType::chars) return std::nullopt;
    if (field.guest_offset + scalar_size(field.guest_type) > bytes_.size()) return std::nullopt;
    return sign_extend(load_scalar(bytes_.data() + field.guest_offset, field.guest_type), field.guest_type);
  }

 private:
  const StructLayout& layout_;
  std::span<const std::byte> bytes_;
};

/// `a.b.c` and `a.b.d` have `a.b.` in common.
std::size_t common_path(std::string_view a, std::string_view b) noexcept {
  std::size_t common = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i)
    if (a[i] == '.') common = i + 1;
  return common;
}

}  // namespace

void ValueFormatter::show(const Role& role, Word word, const Scope& scope, bool written) noexcept {
  if (role.kind == RoleKind::variant) {
    const Role chosen = meaning(role, scope);
    if (chosen.kind == RoleKind::none) return out_.hex(word);
    return show(chosen, word, scope, written);
  }
  if (is_out(role.kind) && !progress_.succeeded) return out_.address(word);

  switch (role.kind) {
    case RoleKind::path:
    case RoleKind::cstr:
      return string(word, kMaxString);
    case RoleKind::strv:
      return strings(word);
    case RoleKind::in_buf:
    case RoleKind::out_buf:
    case RoleKind::inout_buf:
      return buffer(role, word, scope, written);
    case RoleKind::in_struct:
    case RoleKind::out_struct:
    case RoleKind::inout_struct:
      return element(role, word, written || role.kind != RoleKind::in_struct);
    case RoleKind::in_array:
    case RoleKind::out_array:
      return array(role, word, scope, written || role.written || role.kind == RoleKind::out_array);
    case RoleKind::in_records:
    case RoleKind::out_records:
      return records(role, word, scope);
    case RoleKind::mib:
      return mib(role, word, scope);
    case RoleKind::bits:
      return bits(role, word, scope);
    case RoleKind::in_sockaddr:
    case RoleKind::out_sockaddr:
      return sockaddr(role, word, scope);
    default:
      return number(role, word);
  }
}

Role ValueFormatter::meaning(const Role& role, const Scope& scope) const noexcept {
  Role chosen = role;
  while (chosen.kind == RoleKind::variant) {
    const auto decider = scope.number(chosen.count);
    chosen = decider ? table_.variant(chosen, *decider) : Role();
  }
  return chosen;
}

std::optional<ValueFormatter::Bytes> ValueFormatter::text_of(const Role& role, Word word, const Scope& scope,
                                                             std::span<char, kMaxText> room) noexcept {
  if (word == 0 || (is_out(role.kind) && !progress_.succeeded)) return std::nullopt;
  switch (role.kind) {
    case RoleKind::path:
    case RoleKind::cstr:
      return read_string(word, room);
    case RoleKind::in_buf:
    case RoleKind::out_buf:
    case RoleKind::inout_buf: {
      const auto count = filled(role, scope, false);
      return count ? read_bytes(word, *count, room) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

void ValueFormatter::number(const Role& role, Word raw) noexcept {
  const Word word = narrow(role, raw);
  switch (role.kind) {
    case RoleKind::dirfd:
      if (static_cast<int>(word) == table_.convention().at_fdcwd) return out_.text("AT_FDCWD");
      return out_.decimal(static_cast<std::int64_t>(word));
    case RoleKind::uid:
    case RoleKind::gid:
      if (static_cast<std::int32_t>(word) == -1) return out_.text("-1");
      return out_.unsigned_(word);
    case RoleKind::uint_:
    case RoleKind::ulong_:
    case RoleKind::size:
    case RoleKind::length:
      return out_.unsigned_(word);
    case RoleKind::hex:
    case RoleKind::dev:
      return out_.hex(word);
    case RoleKind::mode:
      return out_.octal(word);
    case RoleKind::ptr:
      return out_.address(word);
    case RoleKind::signal: {
      const std::string_view name = table_.signal_name(static_cast<int>(word));
      return name.empty() ? out_.decimal(static_cast<std::int64_t>(word)) : out_.text(name);
    }
    case RoleKind::flags:
      return flags(out_, table_.flag_set(role.param), word);
    default:
      return out_.decimal(static_cast<std::int64_t>(word));
  }
}

std::optional<ValueFormatter::Bytes> ValueFormatter::read_string(Word word, std::span<char> room) noexcept {
  const NativeResult length = host_.read_string(guest_addr(word), room);
  if (length >= 0) return Bytes{static_cast<std::size_t>(length), false};
  // Too long: what fits is there to be read.
  if (length == -EFAULT || !host_.read(guest_addr(word), room.data(), room.size())) return std::nullopt;
  return Bytes{room.size(), true};
}

void ValueFormatter::string(Word word, std::size_t limit) noexcept {
  std::array<char, kMaxString> bytes;
  if (word == 0) return out_.text("NULL");
  const auto text = read_string(word, {bytes.data(), limit});
  if (!text) return out_.address(word);
  quote(out_, {bytes.data(), text->size}, text->cut);
}

void ValueFormatter::strings(Word word) noexcept {
  if (word == 0) return out_.text("NULL");
  Word element = 0;
  if (!host_.get(guest_addr(word), element)) return out_.address(word);
  out_.text("[");
  for (unsigned i = 0; element != 0; ++i) {
    if (i != 0) out_.text(", ");
    if (i == kMaxStrings) {
      out_.text(kEllipsis);
      break;
    }
    string(element, kMaxBuffer);
    const GuestAddr next = guest_addr(word) + (i + 1) * sizeof(Word);
    if (!host_.get(next, element)) {
      out_.text(", ");
      out_.address(word_of(next));
      break;
    }
  }
  out_.text("]");
}

std::optional<ValueFormatter::Bytes> ValueFormatter::read_bytes(Word word, std::uint64_t count,
                                                                std::span<char> room) noexcept {
  const std::size_t shown = std::min<std::uint64_t>({count, room.size(), kMaxBuffer});
  if (shown != 0 && !host_.read(guest_addr(word), room.data(), shown)) return std::nullopt;
  return Bytes{shown, count > shown};
}

void ValueFormatter::bytes(Word word, std::uint64_t count) noexcept {
  std::array<char, kMaxBuffer> bytes;
  const auto text = read_bytes(word, count, bytes);
  if (!text) return out_.address(word);
  quote(out_, {bytes.data(), text->size}, text->cut);
}

/// How much of a buffer holds something.
std::optional<std::uint64_t> ValueFormatter::filled(const Role& role, const Scope& scope,
                                                    bool written) noexcept {
  auto count = count_in(role, scope);
  if (!count || (written && !progress_.succeeded)) return std::nullopt;
  // A call that returns a length has filled that much, in a vector one buffer after the other.
  if ((written || role.kind != RoleKind::in_buf) && progress_.filled) {
    count = std::min(*count, *progress_.filled);
    if (written) *progress_.filled -= *count;
  }
  return count;
}

void ValueFormatter::buffer(const Role& role, Word word, const Scope& scope, bool written) noexcept {
  if (word == 0) return out_.text("NULL");
  const auto count = filled(role, scope, written);
  count ? bytes(word, *count) : out_.address(word);
}

void ValueFormatter::structure(const StructLayout& layout, Word word, std::uint64_t limit,
                               bool written) noexcept {
  std::array<std::byte, kMaxStruct> bytes;
  const std::uint64_t size = std::min<std::uint64_t>({layout.guest_size(), limit, bytes.size()});
  if (depth_ == kMaxDepth || !host_.read(guest_addr(word), bytes.data(), size)) return out_.address(word);
  ++depth_;
  fields(layout, {bytes.data(), size}, written);
  --depth_;
}

// Nested structures are stored flat, as `outer.inner`; here they get their braces back.
void ValueFormatter::fields(const StructLayout& layout, std::span<const std::byte> bytes,
                            bool written) noexcept {
  const FieldScope scope(layout, bytes);
  // A set that is the whole structure needs no name.
  if (layout.fields().size() == 1 && layout.fields()[0].role.kind == RoleKind::signal_set)
    return field(layout.fields()[0], bytes, scope, written);
  std::string_view before;
  std::size_t open = 0;
  unsigned shown = 0;
  out_.text("{");
  for (const Field& f : layout.fields()) {
    if (f.guest_type == ScalarType::pad || f.guest_offset >= bytes.size()) continue;
    const std::string_view name = layout.field_name(f);
    const std::size_t common = common_path(before, name);
    for (; open > static_cast<std::size_t>(std::count(name.begin(), name.begin() + common, '.')); --open)
      out_.text("}");
    if (shown != 0) out_.text(", ");
    const bool is_text = f.guest_type == ScalarType::chars;
    if (shown == kMaxFields || (!is_text && f.guest_offset + scalar_size(f.guest_type) > bytes.size())) {
      out_.text(kEllipsis);
      break;
    }
    std::string_view rest = name.substr(common);
    for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
      out_.text(rest.substr(0, dot));
      out_.text("={");
      ++open;
      rest.remove_prefix(dot + 1);
    }
    out_.text(rest);
    out_.text("=");
    field(f, bytes, scope, written);
    before = name;
    ++shown;
  }
  for (; open != 0; --open) out_.text("}");
  out_.text("}");
}

void ValueFormatter::field(const Field& field, std::span<const std::byte> bytes, const Scope& scope,
                           bool written) noexcept {
  const std::span<const std::byte> rest = bytes.subspan(field.guest_offset);
  const std::size_t size = std::min<std::size_t>(rest.size(), field.count * scalar_size(field.guest_type));
  if (field.role.kind == RoleKind::signal_set) return signal_set(rest.first(size));
  if (field.guest_type == ScalarType::chars) {
    const auto* const text = reinterpret_cast<const char*>(rest.data());
    const std::size_t length = strnlen(text, size);
    return quote(out_, {text, std::min(length, kMaxString)}, length > kMaxString);
  }
  const std::uint64_t value = sign_extend(load_scalar(rest.data(), field.guest_type), field.guest_type);
  if (field.role.kind != RoleKind::none) return show(field.role, value, scope, written);
  if (field.flagset != 0xffff) return flags(out_, table_.flag_set(field.flagset), value);
  scalar(out_, field.guest_type, value);
}

void ValueFormatter::element(const Role& role, Word word, bool written) noexcept {
  if (word == 0) return out_.text("NULL");
  if (role.param < kScalarParam)
    return structure(table_.struct_layout(role.param), word, ~std::uint64_t{0}, written);
  const auto type = static_cast<ScalarType>(role.param - kScalarParam);
  std::array<std::byte, 8> bytes{};
  if (!host_.read(guest_addr(word), bytes.data(), scalar_size(type))) return out_.address(word);
  out_.text("[");
  scalar(out_, type, load_scalar(bytes.data(), type));
  out_.text("]");
}

void ValueFormatter::array(const Role& role, Word word, const Scope& scope, bool written) noexcept {
  if (word == 0) return out_.text("NULL");
  auto count = count_in(role, scope);
  if (!count) return out_.address(word);
  // A call that fills an array returns how many elements it has filled.
  if (role.kind == RoleKind::out_array && (role.count & kLiteralCount) == 0)
    count = std::min(*count, progress_.value);
  const std::uint32_t size = element_size(table_, role);
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
      structure(table_.struct_layout(role.param), at, ~std::uint64_t{0}, written);
      continue;
    }
    const auto type = static_cast<ScalarType>(role.param - kScalarParam);
    std::array<std::byte, 8> bytes{};
    if (!host_.read(guest_addr(at), bytes.data(), size)) {
      out_.address(at);
      break;
    }
    scalar(out_, type, load_scalar(bytes.data(), type));
  }
  out_.text("]");
}

// Records say their own length and are aligned as their structure's size is. What lies behind the structure,
// inside the record, is data.
void ValueFormatter::records(const Role& role, Word word, const Scope& scope) noexcept {
  if (word == 0) return out_.text("NULL");
  auto total = count_in(role, scope);
  if (!total) return out_.address(word);
  if (role.kind == RoleKind::out_records && progress_.filled) total = std::min(*total, *progress_.filled);
  const StructLayout layout = table_.struct_layout(role.param);
  const std::uint64_t alignment = layout.guest_size() % 8 == 0 ? 8 : layout.guest_size() % 4 == 0 ? 4 : 1;
  const auto fields = layout.fields();
  const auto length_field = std::find_if(fields.begin(), fields.end(),
                                         [](const Field& f) { return f.role.kind == RoleKind::length; });
  if (length_field == fields.end()) return bytes(word, *total);
  const std::uint64_t header = length_field->guest_offset + scalar_size(length_field->guest_type);
  out_.text("[");
  unsigned shown = 0;
  for (std::uint64_t at = 0; at + header <= *total; ++shown) {
    if (shown != 0) out_.text(", ");
    if (shown == kMaxElements) {
      out_.text(kEllipsis);
      break;
    }
    std::array<std::byte, 8> bytes{};
    if (!host_.read(guest_addr(word + at + length_field->guest_offset), bytes.data(),
                    scalar_size(length_field->guest_type))) {
      out_.address(word + at);
      break;
    }
    const std::uint64_t length = std::min(load_scalar(bytes.data(), length_field->guest_type), *total - at);
    structure(layout, word + at, length, false);
    if (length > layout.guest_size()) {
      out_.text(" ");
      this->bytes(word + at + layout.guest_size(), length - layout.guest_size());
    }
    if (length < header) break;  // it would never end
    at += (length + alignment - 1) & ~(alignment - 1);
  }
  out_.text("]");
}

void ValueFormatter::mib(const Role& role, Word word, const Scope& scope) noexcept {
  if (word == 0) return out_.text("NULL");
  constexpr std::size_t kMaxNumbers = 24;
  const auto count = count_in(role, scope);
  std::array<std::int32_t, kMaxNumbers> numbers;
  if (!count || *count > numbers.size() ||
      !host_.read(guest_addr(word), numbers.data(), *count * sizeof(numbers[0])))
    return out_.address(word);
  const std::span<const std::int32_t> path(numbers.data(), *count);
  out_.text("[");
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i != 0) out_.text(", ");
    out_.decimal(path[i]);
  }
  out_.text("]");
  const Personality::NodeName node =
      personality_ != nullptr ? personality_->node_name(path) : Personality::NodeName{};
  if (node.text.empty()) return;
  out_.text(" /* ");
  out_.text(node.text);
  for (const std::int32_t number : path.subspan(std::min(node.depth, path.size()))) {
    out_.text(".");
    out_.decimal(number);
  }
  out_.text(" */");
}

void ValueFormatter::bits(const Role& role, Word word, const Scope& scope) noexcept {
  if (word == 0) return out_.text("NULL");
  const auto count = count_in(role, scope);
  std::array<std::uint64_t, kMaxBits / 64> words{};
  if (!count || static_cast<std::int64_t>(*count) < 0) return out_.address(word);
  const std::uint64_t shown = std::min<std::uint64_t>(*count, kMaxBits);
  if (!host_.read(guest_addr(word), words.data(), (shown + 63) / 64 * 8)) return out_.address(word);
  bool first = true;
  out_.text("[");
  for (std::uint64_t i = 0; i < shown; ++i) {
    if ((words[i / 64] >> (i % 64) & 1) == 0) continue;
    if (!first) out_.text(", ");
    first = false;
    out_.unsigned_(i);
  }
  out_.text(*count > shown ? ", ...]" : "]");
}

void ValueFormatter::signal_set(std::span<const std::byte> bytes) noexcept {
  const auto has = [&](std::size_t bit) {
    return bit / 8 < bytes.size() && (static_cast<unsigned>(bytes[bit / 8]) >> (bit % 8) & 1) != 0;
  };
  // More than half of those there are: the others are the shorter list.
  const auto limit = static_cast<std::size_t>(table_.signal_limit());
  std::size_t known = 0, members = 0;
  for (std::size_t bit = 0; bit < limit; ++bit) {
    if (table_.signal_name(static_cast<int>(bit + 1)).empty()) continue;
    ++known;
    members += has(bit) ? 1 : 0;
  }
  const bool inverted = members * 2 > known;
  out_.text(inverted ? "~[" : "[");
  bool first = true;
  for (std::size_t bit = 0; bit < std::max(limit, bytes.size() * 8); ++bit) {
    const std::string_view name = table_.signal_name(static_cast<int>(bit + 1));
    if (has(bit) == inverted || (inverted && name.empty())) continue;
    if (!first) out_.text(" ");
    first = false;
    name.empty() ? out_.unsigned_(bit + 1) : out_.text(name);
  }
  out_.text("]");
}

void ValueFormatter::sockaddr(const Role& role, Word word, const Scope& scope) noexcept {
  if (word == 0) return out_.text("NULL");
  const auto length = count_in(role, scope);
  std::array<unsigned char, kMaxSockaddr> bytes{};
  const std::size_t size = std::min<std::uint64_t>(length.value_or(0), bytes.size());
  if (!length || size < 2 || !host_.read(guest_addr(word), bytes.data(), size)) return out_.address(word);

  // BSD's begin with a length byte; the table's own layout says which this is.
  const StructLayout layout = table_.struct_layout("sockaddr");
  const bool has_length_byte = std::any_of(layout.fields().begin(), layout.fields().end(),
                                           [&](const Field& f) { return layout.field_name(f) == "sa_len"; });
  const unsigned family = has_length_byte ? bytes[1] : bytes[0] + bytes[1] * 256u;
  const FlagSet families = table_.flag_set("socket_domain");
  std::string_view name;
  for (const FlagValue& v : families.values()) {
    if (v.guest != family) continue;
    name = families.value_name(v);
    break;
  }
  out_.text("{sa_family=");
  name.empty() ? out_.unsigned_(family) : out_.text(name);
  address_of_family(name, {bytes.data(), size});
  out_.text("}");
}

/// Internet and local addresses are laid out alike on every system: port and address after two bytes of
/// header. Of others the table may have a structure, `sockaddr_` and the family's name.
void ValueFormatter::address_of_family(std::string_view family,
                                       std::span<const unsigned char> bytes) noexcept {
  const auto port = [&] {
    out_.text(", port=");
    out_.unsigned_(bytes[2] * 256u + bytes[3]);
    out_.text(", addr=");
  };
  std::array<char, INET6_ADDRSTRLEN> text;
  if (family == "AF_INET" && bytes.size() >= 8) {
    port();
    return out_.text(inet_ntop(AF_INET, bytes.data() + 4, text.data(), text.size()));
  }
  if (family == "AF_INET6" && bytes.size() >= 24) {
    port();
    out_.text(inet_ntop(AF_INET6, bytes.data() + 8, text.data(), text.size()));
    const auto scope = load_scalar(reinterpret_cast<const std::byte*>(bytes.data()) + 24, ScalarType::u32);
    if (bytes.size() < 28 || scope == 0) return;
    out_.text("%");
    return out_.unsigned_(scope);
  }
  const auto* const data = reinterpret_cast<const char*>(bytes.data()) + 2;
  const std::size_t size = bytes.size() - 2;
  if (family == "AF_UNIX") {
    // An abstract name (Linux) begins with a NUL and has them inside.
    const bool is_path = size != 0 && data[0] != '\0';
    out_.text(", path=");
    return quote(out_, {data, is_path ? strnlen(data, size) : size}, false);
  }
  constexpr std::string_view kPrefix = "sockaddr_";
  std::array<char, 32> struct_name{};
  if (family.starts_with("AF_") && family.size() + kPrefix.size() < struct_name.size()) {
    char* const end = std::copy(kPrefix.begin(), kPrefix.end(), struct_name.begin());
    char* const last = std::transform(family.begin() + 3, family.end(), end, [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    const StructLayout layout = table_.struct_layout(
        std::string_view(struct_name.data(), static_cast<std::size_t>(last - struct_name.data())));
    if (layout) {
      out_.text(", ");
      const auto shown = std::min<std::size_t>(bytes.size(), layout.guest_size());
      return fields(layout, {reinterpret_cast<const std::byte*>(bytes.data()), shown}, false);
    }
  }
  out_.text(", data=");
  quote(out_, {data, size}, false);
}

}  // namespace sudrun::abi
