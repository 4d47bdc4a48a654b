// What value a register or a word on the stack has at a place in the code: followed backwards through copies,
// pushes and simple arithmetic, over every way that leads there, up to the function's own entry.
#pragma once

#include "tools/functions.hpp"

namespace sudrun::tools {

/// A register, or the 32-bit word at a place on the stack.
struct Location {
  bool on_stack = false;
  std::uint8_t reg = kNoRegister;
  StackPlace place;

  static Location of(std::uint8_t reg) noexcept { return {false, reg, {}}; }
  static Location of(StackPlace place) noexcept { return {true, kNoRegister, place}; }
  bool operator==(const Location&) const = default;
};

/// One of the values that may be there; the low 32 bits, which is what kernels take for a number.
struct Term {
  enum class Kind : std::uint8_t {
    constant,
    parameter,  ///< what was at `where` when the function was entered, plus `value`
    unknown,    ///< `why` says what was met
  };
  Kind kind = Kind::unknown;
  std::uint32_t value = 0;
  Location where;
  const char* why = "";
  Word at = 0;  ///< the instruction that loads a constant, or that could not be followed

  bool same(const Term& other) const noexcept {
    return kind == other.kind && value == other.value && where == other.where;
  }
};

/// Values of `location` before the instruction at index `index` of `function`'s code. Never empty but for
/// code that only goes round in circles.
std::vector<Term> values_before(Functions& functions, const FunctionInfo& function, std::size_t index,
                                Location location, bool is_go);

}  // namespace sudrun::tools
