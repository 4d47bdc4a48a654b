// Structures of the guest's as its table lays them out, for handlers that fill or read them field by field.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "abi/table.hpp"

namespace sudrun::abi {

/// `Fields`: the names a handler knows, in the order of the enumeration it calls them by; those of a nested
/// structure stand as `outer.inner`. A field the guest's structure has not is not stored, and reads as zero.
template <std::size_t N>
class GuestStruct {
 public:
  GuestStruct() = default;
  /// Empty (false) if the table has no structure of that name.
  GuestStruct(const Table& table, std::string_view name,
              const std::array<std::string_view, N>& fields) noexcept {
    const StructLayout layout = table.struct_layout(name);
    if (!layout) return;
    size_ = layout.guest_size();
    for (const Field& field : layout.fields()) {
      const auto at = std::find(fields.begin(), fields.end(), layout.field_name(field));
      if (at == fields.end()) continue;
      places_[static_cast<std::size_t>(at - fields.begin())] = {
          field.guest_offset, static_cast<std::uint16_t>(field.count * scalar_size(field.guest_type)),
          field.guest_type};
    }
  }

  explicit operator bool() const noexcept { return size_ != 0; }
  std::size_t size() const noexcept { return size_; }
  bool has(auto field) const noexcept { return place(field).size != 0; }
  std::size_t offset(auto field) const noexcept { return place(field).offset; }
  /// Bytes of the field.
  std::size_t width(auto field) const noexcept { return place(field).size; }

  /// Stores the low bytes of `value`. `bytes` must be size() long, here and below.
  void set(std::span<std::byte> bytes, auto field, std::uint64_t value) const noexcept {
    const Place at = place(field);
    std::memcpy(bytes.data() + at.offset, &value, std::min<std::size_t>(at.size, sizeof value));
  }
  /// Stores the largest value the field can hold if `value` is larger.
  void set_at_most(std::span<std::byte> bytes, auto field, std::uint64_t value) const noexcept {
    const std::size_t bits = std::size_t{8} * place(field).size;
    set(bytes, field, bits < 64 ? std::min(value, (std::uint64_t{1} << bits) - 1) : value);
  }
  /// Truncated, always with a NUL.
  void set_text(std::span<std::byte> bytes, auto field, std::string_view text) const noexcept {
    const Place at = place(field);
    if (at.size == 0) return;
    const std::size_t length = std::min<std::size_t>(text.size(), at.size - 1U);
    std::memcpy(bytes.data() + at.offset, text.data(), length);
    std::memset(bytes.data() + at.offset + length, 0, at.size - length);
  }
  void set_bytes(std::span<std::byte> bytes, auto field, std::span<const std::byte> from) const noexcept {
    const Place at = place(field);
    std::memcpy(bytes.data() + at.offset, from.data(), std::min<std::size_t>(from.size(), at.size));
  }
  /// Extended to 64 bits as the field's type says.
  std::uint64_t get(std::span<const std::byte> bytes, auto field) const noexcept {
    const Place at = place(field);
    std::uint64_t value = 0;
    const std::size_t size = std::min<std::size_t>(at.size, sizeof value);
    std::memcpy(&value, bytes.data() + at.offset, size);
    const bool is_signed =
        at.type == ScalarType::i8 || at.type == ScalarType::i16 || at.type == ScalarType::i32;
    const unsigned unused = static_cast<unsigned>(64 - 8 * size);
    return is_signed && size != 0
               ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused)
               : value;
  }

 private:
  struct Place {
    std::uint16_t offset = 0, size = 0;
    ScalarType type = ScalarType::u8;
  };
  const Place& place(auto field) const noexcept { return places_[static_cast<std::size_t>(field)]; }

  std::array<Place, N> places_{};
  std::size_t size_ = 0;
};

/// The forms of one kind of structure a table has (older ones, other widths), by the role of the argument
/// that points to one.
template <std::size_t N>
class GuestStructs {
 public:
  GuestStructs() = default;
  /// Every structure of the table that has the field `mark`. Allocates.
  GuestStructs(const Table& table, std::string_view mark, const std::array<std::string_view, N>& fields) {
    for (unsigned i = 0; i < table.struct_count(); ++i) {
      const StructLayout layout = table.struct_layout(i);
      const bool marked = std::any_of(layout.fields().begin(), layout.fields().end(),
                                      [&](const Field& field) { return layout.field_name(field) == mark; });
      if (marked) forms_.push_back({i, {table, layout.name(), fields}});
    }
  }

  /// Null if the role is no such structure.
  const GuestStruct<N>* of(const Role& role) const noexcept {
    for (const Form& form : forms_)
      if (form.index == role.param) return &form.fields;
    return nullptr;
  }
  /// The one form there is; null if there are more, or none.
  const GuestStruct<N>* only() const noexcept {
    return forms_.size() == 1 ? &forms_.front().fields : nullptr;
  }

 private:
  struct Form {
    unsigned index;
    GuestStruct<N> fields;
  };
  std::vector<Form> forms_;
};

}  // namespace sudrun::abi
