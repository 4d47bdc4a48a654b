// A table as its author wrote it: names, not indices. Made by the reader, checked and compiled by freeze().
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "abi/problems.hpp"
#include "abi/table.hpp"

namespace sudrun::abi {

struct RoleModel {
  RoleKind kind = RoleKind::none;
  bool nullable = false;
  bool no_follow = false;  ///< `path_nofollow`
  bool written = false;    ///< an `inout` array
  std::string type;        ///< structure, scalar type, flag set or variant
  std::string count;       ///< name of the counting or deciding argument, or a number
  Where where;
};

struct ArgModel {
  std::string name;
  RoleModel role;
  Where where;
};

/// What of a row with a handler is a plain sleep or wake on a word.
struct FutexModel {
  /// In the order of their descriptions (abi/call_keys.cpp).
  enum class Kind : std::uint8_t { operations, wake, sleep } kind = Kind::operations;
  std::vector<std::string> args;        ///< in the order that the assembly knows
  std::vector<std::string> wait, wake;  ///< of operations: values of the second argument
  std::uint32_t longest = 0;            ///< of a sleep: microseconds
  std::string differs, late, fault;     ///< errors; empty: none of its own
  Where where;

  /// The keys that `args` stand behind.
  std::span<const std::string_view> arg_keys() const noexcept {
    static constexpr std::array<std::string_view, 3> kOperations{"word", "by", "value"};
    static constexpr std::array<std::string_view, 2> kWake{"word", "count"};
    static constexpr std::array<std::string_view, 3> kSleep{"word", "value", "limit"};
    if (kind == Kind::operations) return kOperations;
    if (kind == Kind::wake) return kWake;
    return kSleep;
  }
};

using NativeArg = std::variant<std::string, std::uint64_t>;  ///< an argument's name, or a constant

struct CallModel {
  unsigned number = 0;
  std::string name;
  std::vector<ArgModel> args;
  RoleModel returns;
  Action action = Action::unsupported;
  std::string target;  ///< native call, handler or errno, by `action`
  std::optional<std::vector<NativeArg>> native_args;
  Support support = Support::none;
  std::string note;
  bool interrupt_fails = false;
  std::optional<FutexModel> futex;
  CallClasses classes = 0;  ///< those the table says; freeze() adds what roles say
  Where where;
  Where target_where;
};

/// How a name maps to the native vocabulary.
struct NativeName {
  enum class Kind : std::uint8_t { same, other, none, refuse } kind = Kind::same;
  std::string name;  ///< with `other`
};

struct ErrnoModel {
  std::string name;
  int value = 0;
  NativeName native;
  Where where;
};

struct SignalModel {
  std::string name;
  int value = 0;
  NativeName native;
  SignalDefault by_default = SignalDefault::as_native;
  Where where;
};

struct FlagValueModel {
  std::string name;
  std::uint64_t value = 0;
  std::optional<std::uint64_t> field;
  NativeName native;
  Where where;
  /// Bits the value occupies.
  std::uint64_t mask() const noexcept { return field ? *field : value; }
};

struct FlagSetModel {
  std::string name;
  bool is_enum = false;
  bool trace_only = false;
  FlagSet::Unknown unknown = FlagSet::Unknown::refuse;
  std::vector<FlagValueModel> values;
  Where where;
};

struct FieldModel {
  std::string name;
  ScalarType type = ScalarType::u8;
  std::string struct_type;  ///< if not empty, a structure in place of `type`
  unsigned count = 1;
  unsigned offset = 0;
  std::string flags;  ///< flag set, or empty
  RoleModel role;     ///< what traces show it as, or none
  NativeName native;
  Where where;
};

/// What an argument is, depending on the value of another. For traces only.
struct VariantModel {
  struct Case {
    std::string value;  ///< a name in `by`, a number, or `default`
    RoleModel role;
    Where where;
  };
  std::string name;
  std::string by;  ///< flag set, `signals`, or empty: numbers
  std::vector<Case> cases;
  Where where;
};

struct StructModel {
  std::string name;
  unsigned size = 0;
  std::vector<FieldModel> fields;
  NativeName native;
  Where where;
};

struct NoteModel {
  std::string name;
  std::uint32_t type = 0;
};

struct ReleaseModel {
  std::string name;
  std::uint32_t number = 0;
};

struct AliasModel {
  std::string native;
  std::string guest;
  Where where;
};

/// What a node of the sysctl tree is to say.
struct SysctlModel {
  std::string name;
  bool quoted = false;  ///< a text, whatever it looks like
  std::string value;
  Where where;
};

struct TableModel {
  std::string file;
  std::string extends;  ///< the table this one was made from; empty: none
  std::string abi, title, personality;
  Where personality_where;
  std::map<std::string, std::string> source;
  std::optional<int> osabi;
  std::vector<NoteModel> notes;
  std::vector<std::string> interpreters;
  std::string entry_code;  ///< hexadecimal digits
  std::string sysroot_hint;
  std::vector<ReleaseModel> releases;
  Convention convention{};
  std::vector<ErrnoModel> errnos;
  std::vector<AliasModel> errno_from_native;
  std::vector<SignalModel> signals;
  std::vector<FlagSetModel> flags;
  std::vector<StructModel> structs;
  std::vector<VariantModel> variants;
  std::vector<CallModel> calls;  ///< by number
  std::vector<SysctlModel> sysctls;

  /// Where to say what is wrong with a row. One of the table this one extends was right there; what this one
  /// says makes it wrong.
  Where place(Where row) const noexcept { return row.line == 0 ? personality_where : row; }
};

/// The row of that name, or null.
template <typename Rows>
auto find_row(Rows& rows, const std::string& name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}
template <typename Rows>
bool has_name(const Rows& rows, const std::string& name) {
  return find_row(rows, name) != nullptr;
}

}  // namespace sudrun::abi
