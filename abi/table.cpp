#include "abi/table.hpp"

#include <bit>
#include <cstring>

#include "abi/table_block.hpp"

namespace sudrun::abi {

namespace {

using detail::Area;
using detail::BlockHeader;
using detail::FlagSetRecord;
using detail::SignalRecord;
using detail::StructRecord;
using detail::VariantCase;
using detail::VariantRecord;

template <typename T>
std::span<const T> view(const std::byte* base, Area area) noexcept {
  return {reinterpret_cast<const T*>(base + area.offset), area.count};
}

template <typename T>
bool inside(const BlockHeader& header, Area area) noexcept {
  if (area.offset % alignof(T) != 0 || area.offset > header.size) return false;
  return area.count <= (header.size - area.offset) / sizeof(T);
}

bool areas_inside(const BlockHeader& h) noexcept {
  return inside<NoteId>(h, h.notes) && inside<std::uint32_t>(h, h.interpreters) &&
         inside<Entry>(h, h.entries) && inside<std::uint16_t>(h, h.index) &&
         inside<std::uint64_t>(h, h.constants) && inside<std::uint32_t>(h, h.handlers) &&
         inside<FlagSetRecord>(h, h.flag_sets) && inside<FlagValue>(h, h.flag_values) &&
         inside<StructRecord>(h, h.structs) && inside<Field>(h, h.fields) &&
         inside<VariantRecord>(h, h.variants) && inside<VariantCase>(h, h.cases) &&
         inside<std::uint16_t>(h, h.errno_to_guest) && inside<std::uint32_t>(h, h.errno_names) &&
         inside<SysctlValue>(h, h.sysctls) && inside<SignalRecord>(h, h.signals) &&
         inside<std::uint16_t>(h, h.signal_to_guest) && inside<char>(h, h.strings);
}

/// True if the byte of a bool is one; looking at it as a bool would take that for granted.
bool is_bool(const bool& flag) noexcept { return reinterpret_cast<const unsigned char&>(flag) <= 1; }

/// Indices that accessors follow without a check of their own.
bool indices_inside(const std::byte* base, const BlockHeader& h) noexcept {
  const auto strings = view<char>(base, h.strings);
  if (strings.empty() || strings.front() != '\0' || strings.back() != '\0') return false;
  const auto is_string = [&](std::uint32_t offset) { return offset < strings.size(); };

  for (const std::uint16_t row : view<std::uint16_t>(base, h.index)) {
    if (row != detail::kNoRow && row >= h.entries.count) return false;
  }
  for (const auto& set : view<FlagSetRecord>(base, h.flag_sets)) {
    if (!is_string(set.name) || set.first > h.flag_values.count ||
        set.count > h.flag_values.count - set.first)
      return false;
  }
  for (const auto& value : view<FlagValue>(base, h.flag_values)) {
    if (!is_string(value.name)) return false;
  }
  const auto role_inside = [&](const Role& role) {
    if (!is_bool(role.nullable) || !is_bool(role.written)) return false;
    switch (role.kind) {
      case RoleKind::in_struct:
      case RoleKind::out_struct:
      case RoleKind::inout_struct:
      case RoleKind::in_array:
      case RoleKind::out_array:
        return role.param >= kScalarParam ? role.param - kScalarParam <= static_cast<int>(ScalarType::pad)
                                          : role.param < h.structs.count;
      case RoleKind::in_records:
      case RoleKind::out_records:
        return role.param < h.structs.count;
      case RoleKind::flags:
        return role.param < h.flag_sets.count;
      case RoleKind::variant:
        return role.param < h.variants.count;
      default:
        return role.kind <= RoleKind::none;
    }
  };
  for (const auto& variant : view<VariantRecord>(base, h.variants)) {
    if (variant.first > h.cases.count || variant.count > h.cases.count - variant.first) return false;
  }
  for (const auto& one : view<VariantCase>(base, h.cases)) {
    if (!is_bool(one.otherwise) || !role_inside(one.role)) return false;
  }
  for (const auto& layout : view<StructRecord>(base, h.structs)) {
    if (!is_string(layout.name) || layout.first > h.fields.count ||
        layout.count > h.fields.count - layout.first)
      return false;
    for (const Field& field : view<Field>(base, h.fields).subspan(layout.first, layout.count)) {
      if (!is_string(field.name) || field.guest_type > ScalarType::pad ||
          field.native_type > ScalarType::pad ||
          field.guest_offset + field.count * scalar_size(field.guest_type) > layout.guest_size)
        return false;
      if (!is_bool(field.has_native) || !role_inside(field.role)) return false;
      if (field.has_native &&
          field.native_offset + field.native_count * scalar_size(field.native_type) > layout.native_size)
        return false;
      if (field.flagset != 0xffff && field.flagset >= h.flag_sets.count) return false;
    }
  }
  constexpr unsigned kRegisters = 18;
  const Convention& convention = h.convention;
  if (convention.number >= kRegisters || convention.result >= kRegisters ||
      convention.argc > convention.args.size() || !is_bool(convention.carry_error) ||
      !is_bool(convention.clears_result2))
    return false;
  if (convention.result2 != 0xff && convention.result2 >= kRegisters) return false;
  for (const std::uint8_t reg : convention.args) {
    if (reg >= kRegisters) return false;
  }
  for (const Entry& entry : view<Entry>(base, h.entries)) {
    if (!is_bool(entry.interrupt_fails) || !is_bool(entry.pass_through)) return false;
    if (entry.argc > kMaxArgs || entry.native_argc > entry.native_args.size() || !role_inside(entry.returns))
      return false;
    for (unsigned i = 0; i < entry.argc; ++i) {
      const Role& role = entry.args[i];
      if (!role_inside(role)) return false;
      if (role.kind != RoleKind::flags && !(role.count & kLiteralCount) && role.count >= kMaxArgs)
        return false;
    }
    for (unsigned i = 0; i < entry.native_argc; ++i) {
      const std::uint8_t source = entry.native_args[i];
      if (source & 0x80 ? (source & 0x7fu) >= h.constants.count : source >= kMaxArgs) return false;
    }
    if (entry.action == Action::handler && entry.target >= h.handlers.count) return false;
  }
  return true;
}

struct Bits {
  std::uint64_t mask, value;
};
constexpr Bits guest_bits(const FlagValue& v) noexcept { return {v.mask, v.guest}; }
constexpr Bits native_bits(const FlagValue& v) noexcept { return {v.native_mask, v.native}; }

/// Calls `use` for each value of a set of bits that `word` holds, seen through `side`. A value inside a
/// larger one that is held too (O_DSYNC in O_SYNC) is left out. Returns the bits that no value explains.
template <typename Side, typename Use>
std::uint64_t for_each_held(std::span<const FlagValue> values, std::uint64_t word, Side side,
                            Use use) noexcept {
  std::uint64_t rest = word;
  const auto held = [&](const FlagValue& v) {
    const Bits bits = side(v);
    return bits.mask != 0 && (word & bits.mask) == bits.value;
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    const FlagValue& v = values[i];
    if (!held(v)) continue;
    const std::uint64_t mask = side(v).mask;
    bool covered = false;
    for (std::size_t j = 0; j < values.size() && !covered; ++j) {
      const std::uint64_t other = side(values[j]).mask;
      if (j == i || (other & mask) != mask || !held(values[j])) continue;
      covered = other != mask || j < i;
    }
    if (covered) continue;
    rest &= ~mask;
    if (!use(v)) return 0;
  }
  return rest;
}

}  // namespace

std::optional<std::uint64_t> FlagSet::to_native(std::uint64_t guest) const noexcept {
  if (is_enum_) {
    for (const FlagValue& v : values_) {
      if (!detail::same_enum(guest, v.guest)) continue;
      return v.map == FlagValue::Map::exact ? std::optional(v.native) : std::nullopt;
    }
    return unknown_ == Unknown::keep ? std::optional(guest) : std::nullopt;
  }

  std::uint64_t native = 0;
  bool refused = false;
  const std::uint64_t rest = for_each_held(values_, guest, guest_bits, [&](const FlagValue& v) {
    refused = v.map == FlagValue::Map::refuse;
    if (v.map == FlagValue::Map::exact) native |= v.native;
    return !refused;
  });
  if (refused || (rest != 0 && unknown_ == Unknown::refuse)) return std::nullopt;
  return unknown_ == Unknown::keep ? native | rest : native;
}

std::uint64_t FlagSet::to_guest(std::uint64_t native) const noexcept {
  if (is_enum_) {
    for (const FlagValue& v : values_) {
      if (v.map == FlagValue::Map::exact && detail::same_enum(native, v.native)) return v.guest;
    }
    return unknown_ == Unknown::keep ? native : 0;
  }

  std::uint64_t guest = 0;
  // Values without a native form have no native mask and are never held.
  const std::uint64_t rest = for_each_held(values_, native, native_bits, [&](const FlagValue& v) {
    guest |= v.guest;
    return true;
  });
  return unknown_ == Unknown::keep ? guest | rest : guest;
}

std::optional<std::uint64_t> FlagSet::guest_value(std::string_view value_name_wanted) const noexcept {
  for (const FlagValue& v : values_) {
    if (value_name_wanted == value_name(v)) return v.guest;
  }
  return std::nullopt;
}

std::optional<Table> Table::wrap(std::span<const std::byte> block) noexcept {
  if (block.size() < sizeof(BlockHeader)) return std::nullopt;
  if (std::bit_cast<std::uintptr_t>(block.data()) % alignof(BlockHeader) != 0) return std::nullopt;
  const auto& header = *reinterpret_cast<const BlockHeader*>(block.data());
  if (header.magic != detail::kBlockMagic || header.version != detail::kBlockVersion) return std::nullopt;
  // A block stored as words may be padded at its end.
  if (header.size < sizeof(BlockHeader) || header.size > block.size()) return std::nullopt;
  if (!areas_inside(header) || !indices_inside(block.data(), header)) return std::nullopt;
  return wrap_checked(block);
}

Table Table::wrap_checked(std::span<const std::byte> block) noexcept {
  Table table;
  table.base_ = block.data();
  return table;
}

const BlockHeader& Table::header() const noexcept { return *reinterpret_cast<const BlockHeader*>(base_); }

std::string_view Table::string(std::uint32_t offset) const noexcept {
  const auto strings = view<char>(base_, header().strings);
  return offset < strings.size() ? std::string_view(strings.data() + offset) : std::string_view();
}

std::string_view Table::abi() const noexcept { return string(header().abi); }
std::string_view Table::title() const noexcept { return string(header().title); }
std::string_view Table::personality() const noexcept { return string(header().personality); }
std::string_view Table::release() const noexcept { return string(header().release); }
std::span<const ReleaseId> Table::releases() const noexcept {
  return view<ReleaseId>(base_, header().releases);
}
std::string_view Table::sysroot_hint() const noexcept { return string(header().sysroot_hint); }
const Convention& Table::convention() const noexcept { return header().convention; }

int Table::osabi() const noexcept { return header().osabi; }
std::span<const NoteId> Table::notes() const noexcept { return view<NoteId>(base_, header().notes); }
std::string_view Table::entry_code() const noexcept { return string(header().entry_code); }
std::span<const std::uint32_t> Table::interpreters() const noexcept {
  return view<std::uint32_t>(base_, header().interpreters);
}

const Entry& Table::entry(Word number) const noexcept {
  const BlockHeader& h = header();
  const auto index = view<std::uint16_t>(base_, h.index);
  if (number >= index.size()) return h.unsupported;
  const std::uint16_t row = index[number];
  return row == detail::kNoRow ? h.unsupported : view<Entry>(base_, h.entries)[row];
}
std::span<const Entry> Table::entries() const noexcept { return view<Entry>(base_, header().entries); }
std::uint64_t Table::constant(unsigned index) const noexcept {
  const auto constants = view<std::uint64_t>(base_, header().constants);
  return index < constants.size() ? constants[index] : 0;
}
std::span<const std::uint32_t> Table::handler_names() const noexcept {
  return view<std::uint32_t>(base_, header().handlers);
}

unsigned Table::flag_set_count() const noexcept { return header().flag_sets.count; }
FlagSet Table::flag_set(unsigned index) const noexcept {
  const BlockHeader& h = header();
  if (index >= h.flag_sets.count) return {};
  const FlagSetRecord& set = view<FlagSetRecord>(base_, h.flag_sets)[index];
  return {set.name, view<FlagValue>(base_, h.flag_values).subspan(set.first, set.count), set.is_enum != 0,
          set.unknown, view<char>(base_, h.strings).data()};
}
FlagSet Table::flag_set(std::string_view name) const noexcept {
  const auto sets = view<FlagSetRecord>(base_, header().flag_sets);
  for (unsigned i = 0; i < sets.size(); ++i) {
    if (string(sets[i].name) == name) return flag_set(i);
  }
  return {};
}

unsigned Table::struct_count() const noexcept { return header().structs.count; }
StructLayout Table::struct_layout(unsigned index) const noexcept {
  const BlockHeader& h = header();
  if (index >= h.structs.count) return {};
  const StructRecord& layout = view<StructRecord>(base_, h.structs)[index];
  return {layout.name,
          layout.guest_size,
          layout.native_size,
          layout.identical != 0,
          view<Field>(base_, h.fields).subspan(layout.first, layout.count),
          view<char>(base_, h.strings).data()};
}
StructLayout Table::struct_layout(std::string_view name) const noexcept {
  const auto structs = view<StructRecord>(base_, header().structs);
  for (unsigned i = 0; i < structs.size(); ++i) {
    if (string(structs[i].name) == name) return struct_layout(i);
  }
  return {};
}

Role Table::variant(const Role& role, std::uint64_t decider) const noexcept {
  if (role.kind != RoleKind::variant || role.param >= header().variants.count) return {};
  for (const VariantCase& one : cases(variant_record(role))) {
    if (one.otherwise || detail::same_enum(decider, one.value)) return one.role;
  }
  return {};
}
const VariantRecord& Table::variant_record(const Role& role) const noexcept {
  return view<VariantRecord>(base_, header().variants)[role.param];
}
std::span<const VariantCase> Table::cases(const VariantRecord& variant) const noexcept {
  return view<VariantCase>(base_, header().cases).subspan(variant.first, variant.count);
}
const FlagSetRecord& Table::flag_set_record(unsigned index) const noexcept {
  return view<FlagSetRecord>(base_, header().flag_sets)[index];
}
const StructRecord& Table::struct_record(unsigned index) const noexcept {
  return view<StructRecord>(base_, header().structs)[index];
}
std::span<const SysctlValue> Table::sysctls() const noexcept {
  return view<SysctlValue>(base_, header().sysctls);
}

int Table::errno_to_guest(int native_errno) const noexcept {
  const auto map = view<std::uint16_t>(base_, header().errno_to_guest);
  if (native_errno >= 0 && static_cast<unsigned>(native_errno) < map.size() &&
      (map[static_cast<unsigned>(native_errno)] != 0 || native_errno == 0)) {
    return map[static_cast<unsigned>(native_errno)];
  }
  return header().errno_fallback < 0 ? native_errno : header().errno_fallback;
}
std::string_view Table::errno_name(int guest_errno) const noexcept {
  const auto names = view<std::uint32_t>(base_, header().errno_names);
  if (guest_errno < 0 || static_cast<unsigned>(guest_errno) >= names.size()) return {};
  return string(names[static_cast<unsigned>(guest_errno)]);
}

int Table::signal_to_native(int guest_signal) const noexcept {
  const auto signals = view<SignalRecord>(base_, header().signals);
  if (guest_signal < 0 || static_cast<unsigned>(guest_signal) >= signals.size()) return 0;
  return signals[static_cast<unsigned>(guest_signal)].native;
}
int Table::signal_to_guest(int native_signal) const noexcept {
  const auto map = view<std::uint16_t>(base_, header().signal_to_guest);
  if (native_signal < 0 || static_cast<unsigned>(native_signal) >= map.size()) return 0;
  return map[static_cast<unsigned>(native_signal)];
}
std::string_view Table::signal_name(int guest_signal) const noexcept {
  const auto signals = view<SignalRecord>(base_, header().signals);
  if (guest_signal < 0 || static_cast<unsigned>(guest_signal) >= signals.size()) return {};
  return string(signals[static_cast<unsigned>(guest_signal)].name);
}
int Table::signal_limit() const noexcept {
  const std::uint32_t count = header().signals.count;
  return count == 0 ? 0 : static_cast<int>(count - 1);
}
SignalDefault Table::signal_default(int guest_signal) const noexcept {
  const auto signals = view<SignalRecord>(base_, header().signals);
  if (guest_signal < 0 || static_cast<unsigned>(guest_signal) >= signals.size())
    return SignalDefault::as_native;
  return signals[static_cast<unsigned>(guest_signal)].by_default;
}

}  // namespace sudrun::abi
