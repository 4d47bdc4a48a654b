// One call on its way: Registers -> Frame -> Entry -> Result -> Registers.
#pragma once

#include <array>

#include "abi/types.hpp"

namespace sudrun::abi {

inline constexpr unsigned kMaxArgs = 8;

/// Number and arguments of one call, after indirection (`syscall(2)`) has been resolved.
struct Frame {
  Word number = 0;
  std::array<Word, kMaxArgs> args{};
};

/// Linux's kernel-internal ERESTARTNOINTR; never reaches a guest. See Result::restart().
inline constexpr int kRestartAlways = 513;

/// Outcome of one call, before it is written to the guest's registers by the ABI's convention.
class Result {
 public:
  enum class Kind : std::uint8_t {
    value,         ///< success: value(), and value2() where has_value2()
    native_error,  ///< failure with a Linux errno, translated by the table
    guest_error,   ///< failure with an errno of the guest's system that Linux lacks
    untouched,     ///< registers are already as the guest shall see them (sigreturn, exec, context changes)
    thread_exit,   ///< the calling thread ends
  };

  static constexpr Result ok(Word value = 0) noexcept { return {Kind::value, value, 0, false}; }
  static constexpr Result ok2(Word value, Word second) noexcept { return {Kind::value, value, second, true}; }
  static constexpr Result fail(int native_errno) noexcept {
    return {Kind::native_error, static_cast<Word>(native_errno), 0, false};
  }
  static constexpr Result fail(NativeErrno error) noexcept { return fail(static_cast<int>(error)); }
  static constexpr Result fail(GuestErrno error) noexcept {
    return {Kind::guest_error, static_cast<Word>(error), 0, false};
  }
  /// A native call's return value as it is: an error, or success with that value.
  static constexpr Result of(NativeResult native) noexcept {
    return is_error(native) ? fail(errno_of(native)) : ok(static_cast<Word>(native));
  }
  /// Interrupted by a signal, to be made again after its handler whatever SA_RESTART says (BSD's ERESTART).
  /// A handler that must never be made again returns the guest's own EINTR, as a GuestErrno.
  static constexpr Result restart() noexcept { return fail(kRestartAlways); }
  static constexpr Result untouched() noexcept { return {Kind::untouched, 0, 0, false}; }
  static constexpr Result thread_exit() noexcept { return {Kind::thread_exit, 0, 0, false}; }

  constexpr Kind kind() const noexcept { return kind_; }
  constexpr bool is_ok() const noexcept { return kind_ == Kind::value; }
  constexpr bool is_failure() const noexcept {
    return kind_ == Kind::native_error || kind_ == Kind::guest_error;
  }
  constexpr bool is_native_error(int native_errno) const noexcept {
    return kind_ == Kind::native_error && value_ == static_cast<Word>(native_errno);
  }
  constexpr Word value() const noexcept { return value_; }
  constexpr Word value2() const noexcept { return value2_; }
  constexpr bool has_value2() const noexcept { return has_value2_; }

 private:
  constexpr Result(Kind kind, Word value, Word value2, bool has_value2) noexcept
      : value_(value), value2_(value2), kind_(kind), has_value2_(has_value2) {}
  Word value_;
  Word value2_;
  Kind kind_;
  bool has_value2_;
};

}  // namespace sudrun::abi
