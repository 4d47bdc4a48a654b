// A frozen table: one position-independent block of bytes, read in place. Built at build time for the
// built-in ABIs and at run time for `--table FILE`, by the same code (abi/table_freeze.hpp).
//
// All offsets are from the start of the block, all integers little-endian. Strings are NUL-terminated and
// shared. Everything here is immutable and safe in signal handlers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "abi/call_class.hpp"
#include "abi/frame.hpp"
#include "abi/types.hpp"

namespace sudrun::abi {

/// What an argument is. The one vocabulary behind translation, tracing and the support page.
enum class RoleKind : std::uint8_t {
  int_,
  uint_,
  long_,
  ulong_,
  size,
  ssize,
  off,
  hex,
  pid,
  tid,
  uid,
  gid,
  dev,
  mode,
  fd,
  dirfd,
  signal,
  path,
  cstr,
  strv,
  ptr,
  in_buf,
  out_buf,
  inout_buf,
  in_struct,
  out_struct,
  inout_struct,
  in_array,
  out_array,
  in_records,
  out_records,
  mib,
  bits,
  in_sockaddr,
  out_sockaddr,
  flags,
  variant,
  signal_set,
  length,
  none,
};

inline constexpr std::uint16_t kScalarParam = 0xff00;
/// In Role::param of a `path`: a symbolic link as last component is meant itself.
inline constexpr std::uint16_t kNoFollow = 1;
/// In Role::count: the rest is the count itself and not the index of the argument that holds it.
inline constexpr std::uint8_t kLiteralCount = 0x80;

/// Parameters by kind.
/// `*_struct`, `*_array`, `*_records`: `param` is the struct index, or kScalarParam | ScalarType.
/// `*_buf`, `*_array`, `*_records`, `mib`, `bits`, `*_sockaddr`: `count` is the index of the argument that
/// counts or points to the count, or kLiteralCount | the count itself. `flags`: `param` is the flag set
/// index, `count` the argument's width, 32 or 64. `variant`: `param` is the variant's index, `count` the
/// index of the argument that decides. `path`: `param` is 0 or
/// kNoFollow. In a structure's field an argument is a field of the same structure.
struct Role {
  RoleKind kind = RoleKind::none;
  bool nullable = false;
  std::uint16_t param = 0;
  std::uint8_t count = 0;
  bool written = false;  ///< `in_array`: the call writes there too, or where the elements point to
};

enum class ScalarType : std::uint8_t { i8, i16, i32, i64, u8, u16, u32, u64, chars, pad };
constexpr unsigned scalar_size(ScalarType t) noexcept {
  switch (t) {
    case ScalarType::i8:
    case ScalarType::u8:
    case ScalarType::chars:
    case ScalarType::pad:
      return 1;
    case ScalarType::i16:
    case ScalarType::u16:
      return 2;
    case ScalarType::i32:
    case ScalarType::u32:
      return 4;
    default:
      return 8;
  }
}

enum class Action : std::uint8_t { unsupported, native, handler, error };
enum class Support : std::uint8_t { none, partial, full };

/// How much a native call needs beside the number: what the assembly behind rewritten sites may do by itself.
enum class FastKind : std::uint8_t {
  none,       ///< more than the following
  plain,      ///< up to six numbers, in the registers Linux has them in
  fd,         ///< the same, and the first is a descriptor
  fd_buffer,  ///< a descriptor, a buffer, its size, and numbers
  clock,      ///< clock_gettime: a clock of a flag set, and a timespec that is the same natively
  futex,      ///< a word, an operation, a value, and zeros: some operations are a plain futex wait or wake
  sleep,      ///< a word, its value, and 0: a futex wait that ends by itself in the end
  wake,       ///< a word and a number, 1 or all: a futex wake
};

/// One call. Fixed size; offsets point into the string area.
struct Entry {
  std::uint32_t number;
  std::uint32_t name;    ///< string offset
  std::uint32_t note;    ///< string offset, 0: none
  std::uint16_t target;  ///< native call number, handler index, or guest errno, by `action`
  Action action;
  Support support;
  std::uint8_t argc;
  std::uint8_t native_argc;
  bool interrupt_fails;  ///< EINTR even under SA_RESTART
  bool pass_through;     ///< every argument goes to the native call unchanged
  Role returns;
  std::array<Role, kMaxArgs> args;
  FastKind fast;
  std::uint8_t futex_differs;  ///< guest errno of a sleep on a word that holds something else; 0: success
  std::array<std::uint32_t, kMaxArgs> arg_names;
  /// For native rows: source of native argument i: 0…7 guest argument, 0x80 | k constant k of the table.
  std::array<std::uint8_t, 6> native_args;
  std::uint8_t futex_late;   ///< guest errno of a sleep whose time is over; 0: as the host's
  std::uint8_t futex_fault;  ///< guest errno where the word cannot be read; 0: as the host's
  CallClasses classes;
  std::uint16_t reserved;
  /// With FastKind::futex, bit N: operation N is a wait, or a wake.
  std::uint32_t futex_waits, futex_wakes;
  std::uint32_t futex_longest;  ///< with FastKind::sleep: microseconds after which every sleep ends
};

struct FlagValue {
  std::uint64_t mask;  ///< bits this value occupies (== guest for a single bit)
  std::uint64_t guest;
  std::uint64_t native;
  std::uint64_t native_mask;
  std::uint32_t name;
  enum class Map : std::uint8_t { exact, drop, refuse } map;
  std::array<std::uint8_t, 3> reserved;
};

/// A named set of flags; conversion is total and allocates nothing.
class FlagSet {
 public:
  enum class Unknown : std::uint8_t { refuse, ignore, keep };
  FlagSet() = default;
  FlagSet(std::uint32_t name, std::span<const FlagValue> values, bool is_enum, Unknown unknown,
          const char* strings) noexcept
      : values_(values), strings_(strings), name_(name), is_enum_(is_enum), unknown_(unknown) {}

  /// Guest to native; nothing if the value must be refused (EINVAL).
  std::optional<std::uint64_t> to_native(std::uint64_t guest) const noexcept;
  /// Native to guest; bits without a guest form are dropped (kept under `unknown: keep`).
  std::uint64_t to_guest(std::uint64_t native) const noexcept;
  /// Guest value of NAME; nothing if there is no such value.
  std::optional<std::uint64_t> guest_value(std::string_view value_name) const noexcept;

  std::string_view name() const noexcept { return strings_ != nullptr ? strings_ + name_ : ""; }
  std::span<const FlagValue> values() const noexcept { return values_; }
  std::string_view value_name(const FlagValue& v) const noexcept { return strings_ + v.name; }
  bool is_enum() const noexcept { return is_enum_; }
  Unknown unknown() const noexcept { return unknown_; }
  explicit operator bool() const noexcept { return strings_ != nullptr; }

 private:
  std::span<const FlagValue> values_;
  const char* strings_ = nullptr;
  std::uint32_t name_ = 0;  ///< found when asked for: most users do not
  bool is_enum_ = false;
  Unknown unknown_ = Unknown::refuse;
};

struct Field {
  std::uint32_t name;
  std::uint16_t guest_offset;
  std::uint16_t native_offset;
  std::uint16_t count;  ///< array length (chars, pad), else 1
  std::uint16_t native_count;
  ScalarType guest_type;
  ScalarType native_type;
  std::uint16_t flagset;  ///< 0xffff: none
  bool has_native;
  std::uint8_t reserved;
  Role role;  ///< for traces; none: by type and flags
};

/// A structure in both forms.
class StructLayout {
 public:
  StructLayout() = default;
  StructLayout(std::uint32_t name, std::uint32_t guest_size, std::uint32_t native_size, bool identical,
               std::span<const Field> fields, const char* strings) noexcept
      : fields_(fields),
        strings_(strings),
        name_(name),
        guest_size_(guest_size),
        native_size_(native_size),
        identical_(identical) {}
  std::string_view name() const noexcept { return strings_ != nullptr ? strings_ + name_ : ""; }
  std::span<const Field> fields() const noexcept { return fields_; }
  std::string_view field_name(const Field& f) const noexcept { return strings_ + f.name; }
  std::uint32_t guest_size() const noexcept { return guest_size_; }
  std::uint32_t native_size() const noexcept { return native_size_; }  ///< 0: no automatic conversion
  bool identical() const noexcept { return identical_; }
  explicit operator bool() const noexcept { return strings_ != nullptr; }

 private:
  std::span<const Field> fields_;
  const char* strings_ = nullptr;
  std::uint32_t name_ = 0, guest_size_ = 0, native_size_ = 0;
  bool identical_ = false;
};

/// Where registers of the calling convention are: indices into Registers, in declaration order.
struct Convention {
  std::uint8_t number, result, result2;  ///< result2: 0xff if none
  std::uint8_t argc;
  std::array<std::uint8_t, 6> args;
  bool carry_error;         ///< else: negative errno
  std::uint8_t stack_args;  ///< byte offset of argument 7 from rsp; 0: none
  bool clears_result2;      ///< success of a call with one result sets result2 to 0
  std::array<std::uint8_t, 3> reserved;
  std::array<std::int16_t, 4> indirect;  ///< -1: unused
  std::int32_t at_fdcwd;                 ///< what stands for the working directory where a `dirfd` is wanted
};

/// What a signal does when the guest has not said otherwise.
enum class SignalDefault : std::uint8_t { as_native, terminate, core, ignore, stop, continue_ };

namespace detail {
struct BlockHeader;
struct FlagSetRecord;
struct StructRecord;
struct VariantRecord;
struct VariantCase;
}  // namespace detail

struct NoteId {
  std::uint32_t name;
  std::uint32_t type;
};

/// A release of the guest's system, and the number by which programs compare releases.
struct ReleaseId {
  std::uint32_t name;
  std::uint32_t number;
};

/// What a node of the system's sysctl tree is to say in place of its own answer.
struct SysctlValue {
  std::uint32_t name;
  std::uint32_t text;  ///< string offset, with is_text
  std::int64_t number;
  std::uint32_t is_text;
  std::uint32_t reserved;
};

class Table {
 public:
  Table() = default;
  /// Wraps a block made by freeze(), which must outlive the table. Nothing if it is damaged: all that is
  /// followed later is checked.
  static std::optional<Table> wrap(std::span<const std::byte> block) noexcept;
  /// The same for a block that wrap() has accepted before.
  static Table wrap_checked(std::span<const std::byte> block) noexcept;

  std::string_view abi() const noexcept;
  std::string_view title() const noexcept;
  std::string_view personality() const noexcept;
  std::string_view release() const noexcept;  ///< the one the table describes
  /// Releases programs may be shown; empty if the system has no such choice.
  std::span<const ReleaseId> releases() const noexcept;
  /// For people: what directory to name as sysroot, and how to get one; may be empty.
  std::string_view sysroot_hint() const noexcept;
  const Convention& convention() const noexcept;

  int osabi() const noexcept;  ///< -1: not identified by e_ident[EI_OSABI]
  std::span<const NoteId> notes() const noexcept;
  std::span<const std::uint32_t> interpreters() const noexcept;
  /// What static programs without any mark begin with, in hexadecimal digits; empty: not identified by that.
  std::string_view entry_code() const noexcept;

  /// The row of `number`; numbers without one share a row `unsupported`. Never fails.
  const Entry& entry(Word number) const noexcept;
  /// All rows, by number.
  std::span<const Entry> entries() const noexcept;
  std::uint64_t constant(unsigned index) const noexcept;
  /// Handler names; Entry::target of a handler row is an index here.
  std::span<const std::uint32_t> handler_names() const noexcept;

  FlagSet flag_set(unsigned index) const noexcept;
  FlagSet flag_set(std::string_view name) const noexcept;  ///< empty (false) if there is none
  unsigned flag_set_count() const noexcept;
  StructLayout struct_layout(unsigned index) const noexcept;
  StructLayout struct_layout(std::string_view name) const noexcept;
  unsigned struct_count() const noexcept;
  /// What `role`, a variant, is where the deciding argument is `decider`. Kind `none` if nothing is said of
  /// that.
  Role variant(const Role& role, std::uint64_t decider) const noexcept;
  /// Nodes that the table says something of; most tables none.
  std::span<const SysctlValue> sysctls() const noexcept;

  /// Errno both ways. Every native errno has a guest form.
  int errno_to_guest(int native_errno) const noexcept;
  std::string_view errno_name(int guest_errno) const noexcept;  ///< empty if unknown
  /// Signals both ways; 0 where there is no counterpart (and for 0).
  int signal_to_native(int guest_signal) const noexcept;
  int signal_to_guest(int native_signal) const noexcept;
  std::string_view signal_name(int guest_signal) const noexcept;
  int signal_limit() const noexcept;  ///< largest guest signal number
  /// Default action where it differs from that of the signal's native counterpart.
  SignalDefault signal_default(int guest_signal) const noexcept;

  std::string_view string(std::uint32_t offset) const noexcept;

  // What only the way back to a model needs (abi/table_thaw.cpp).
  const detail::FlagSetRecord& flag_set_record(unsigned index) const noexcept;
  const detail::StructRecord& struct_record(unsigned index) const noexcept;
  const detail::VariantRecord& variant_record(const Role& role) const noexcept;
  std::span<const detail::VariantCase> cases(const detail::VariantRecord& variant) const noexcept;

 private:
  const detail::BlockHeader& header() const noexcept;
  const std::byte* base_ = nullptr;
};

}  // namespace sudrun::abi
