// What a table file may hold, said once: the reader checks against it, and the JSON Schema for editors and
// docs/table-format.md are generated from it (abi/table_schema.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sudrun::abi {

/// How a single value is written.
enum class Form : std::uint8_t {
  text,      ///< any scalar that is not empty
  any,       ///< any scalar, which may be empty
  name,      ///< letters, digits, underscores
  integer,   ///< within limits
  word,      ///< any number of 64 bits
  boolean,   ///< true, false
  choice,    ///< one of some words
  role,      ///< what an argument is: abi/role_text.hpp
  field,     ///< TYPE@OFFSET
  source,    ///< a text, or a list of them
  constant,  ///< a number, or an argument's name
  map,       ///< keys of its own
};

enum class Shape : std::uint8_t {
  one,
  list,
  rows,  ///< a mapping of keys the author chooses to such values
};

/// How the keys of rows are written.
enum class RowKey : std::uint8_t { text, name, number, signal };

struct MapSpec;

struct KeySpec {
  std::string_view name;
  Form form = Form::text;
  Shape shape = Shape::one;
  bool required = false;  ///< in a whole table; a file that extends another may leave it out
  RowKey row_key = RowKey::text;
  std::int64_t min = 0, max = 0;              ///< with Form::integer; of the row keys with RowKey::number
  std::span<const std::string_view> choices;  ///< with Form::choice
  const MapSpec* map = nullptr;               ///< with Form::map
  bool partial = false;    ///< a file that extends another may leave required keys of the map out
  std::string_view about;  ///< for people, in Markdown
};

/// One kind of a map that comes in several.
struct MapKind {
  std::string_view mark;  ///< the key that only this kind has; empty: all that have no other's
  const MapSpec* map = nullptr;
};

struct MapSpec {
  std::string_view title;  ///< heading in the reference
  /// The key that a plain value stands for: `EPERM: 1` is `EPERM: {value: 1}`. Empty: none.
  std::string_view plain;
  std::span<const KeySpec> keys;
  std::string_view about;  ///< for people, in Markdown
  /// If there are several kinds, they have the keys: the first whose mark is there; the last has no mark.
  std::span<const MapKind> kinds;
};

/// One row of `calls`, and the map `classes` (abi/call_keys.cpp).
extern const MapSpec kCallRow, kCallClasses;

/// The whole file.
extern const KeySpec kTableFile;
/// A file of sysctl nodes (tables/*-sysctl.yaml), which freeze-sysctl reads.
extern const KeySpec kSysctlFile;

/// What is said of each role, in the order of the reference.
struct RoleSpec {
  std::string_view text;
  std::string_view about;
};
std::span<const RoleSpec> role_specs() noexcept;

}  // namespace sudrun::abi
