// The bytes of a frozen table. Shared by its two ends, table.cpp (reads) and table_freeze.cpp (writes).
#pragma once

#include <type_traits>

#include "abi/table.hpp"

namespace sudrun::abi::detail {

inline constexpr std::uint64_t kBlockMagic = 0x4c42'5452'4455'5300;  // "\0SUDRTBL"
inline constexpr std::uint32_t kBlockVersion = 6;
inline constexpr std::uint16_t kNoRow = 0xffff;
inline constexpr std::uint16_t kNoFlagSet = 0xffff;  ///< Field::flagset
inline constexpr int kMaxNativeSignal = 64;

/// `count` elements at `offset` bytes from the start of the block.
struct Area {
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
};

struct FlagSetRecord {
  std::uint32_t name;
  std::uint32_t first;  ///< index into the area of FlagValue
  std::uint32_t count;
  std::uint8_t is_enum;
  FlagSet::Unknown unknown;
  std::uint8_t trace_only;
  std::uint8_t reserved;
};

struct StructRecord {
  std::uint32_t name;
  std::uint32_t first;  ///< index into the area of Field
  std::uint32_t count;
  std::uint32_t guest_size;
  std::uint32_t native_size;
  std::uint8_t identical;
  std::array<std::uint8_t, 3> reserved;
  std::uint32_t native_name;  ///< 0: no automatic conversion
};

/// A variant as one call or structure uses it.
struct VariantRecord {
  std::uint32_t name;
  std::uint32_t by;     ///< name of the flag set of its cases, `signals`, or 0: numbers
  std::uint32_t first;  ///< index into the area of VariantCase
  std::uint32_t count;
};

struct VariantCase {
  std::uint64_t value;
  Role role;
  bool otherwise;  ///< whatever the value
  std::uint8_t reserved;
};

struct SignalRecord {
  std::uint32_t name;    ///< 0: no such signal
  std::uint16_t native;  ///< 0: no counterpart
  SignalDefault by_default;
  std::uint8_t reserved;
};

struct BlockHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t size;  ///< of the whole block, header included
  std::uint32_t abi, title, personality, release;
  std::int32_t osabi;
  std::int32_t errno_fallback;  ///< guest errno for native ones outside errno_to_guest; -1: as it is
  Convention convention;
  Entry unsupported;            ///< shared by every number without a row
  Area notes, interpreters;     ///< NoteId, string offset
  Area entries, index;          ///< Entry, uint16 (row of each number, kNoRow)
  Area constants, handlers;     ///< uint64, string offset
  Area flag_sets, flag_values;  ///< FlagSetRecord, FlagValue
  Area structs, fields;         ///< StructRecord, Field
  Area variants, cases;         ///< VariantRecord, VariantCase
  Area errno_to_guest;          ///< uint16 by native errno
  Area errno_names;             ///< string offset by guest errno
  Area signals;                 ///< SignalRecord by guest signal
  Area signal_to_guest;         ///< uint16 by native signal
  Area releases;                ///< ReleaseId
  Area sysctls;                 ///< SysctlValue
  std::uint32_t sysroot_hint;   ///< string offset
  std::uint32_t entry_code;     ///< string offset
  Area strings;                 ///< bytes; the first is NUL, the last is NUL
};

/// True if `number` is the C int `value`, however its register was extended.
inline bool same_enum(std::uint64_t number, std::uint64_t value) noexcept {
  if (number == value) return true;
  const auto extended = [](std::uint64_t v) {
    return v >> 32 == 0 || static_cast<std::int64_t>(v) == static_cast<std::int32_t>(v);
  };
  return extended(number) && extended(value) &&
         static_cast<std::uint32_t>(number) == static_cast<std::uint32_t>(value);
}

// The writer compares and stores whole objects, and its output must not depend on padding.
static_assert(std::has_unique_object_representations_v<BlockHeader>);
static_assert(std::has_unique_object_representations_v<Entry>);
static_assert(std::has_unique_object_representations_v<FlagValue>);
static_assert(std::has_unique_object_representations_v<Field>);
static_assert(std::has_unique_object_representations_v<FlagSetRecord>);
static_assert(std::has_unique_object_representations_v<StructRecord>);
static_assert(std::has_unique_object_representations_v<VariantRecord>);
static_assert(std::has_unique_object_representations_v<VariantCase>);
static_assert(std::has_unique_object_representations_v<SignalRecord>);
static_assert(std::has_unique_object_representations_v<NoteId>);
static_assert(std::has_unique_object_representations_v<ReleaseId>);
static_assert(std::has_unique_object_representations_v<SysctlValue>);
static_assert(sizeof(Entry) == 132 && sizeof(Role) == 6 && sizeof(FlagValue) == 40 && sizeof(Field) == 24);

}  // namespace sudrun::abi::detail
