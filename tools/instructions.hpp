// Decoded code of one function, in the form that following values needs.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "loader/disassembler.hpp"
#include "loader/elf.hpp"

namespace sudrun::tools {

using abi::Word;

// General registers, by their index in abi::Registers, as tables name them.
inline constexpr std::uint8_t kRdi = 8, kRbp = 10, kRbx = 11, kRdx = 12, kRax = 13, kRcx = 14, kRsp = 15;
inline constexpr std::uint8_t kRip = 16, kNoRegister = 0xff;

struct Operand {
  enum class Kind : std::uint8_t { none, reg, imm, mem };
  Kind kind = Kind::none;
  std::uint8_t size = 0;  ///< bytes
  bool high = false;      ///< bits 8 to 15 of a register
  bool written = false;
  std::uint8_t reg = kNoRegister;  ///< of `mem`: the base; kNoRegister there: absolute, or not a general one
  bool plain = false;              ///< `mem`: base and distance only
  std::int64_t value = 0;          ///< immediate or distance

  bool is_register(std::uint8_t r) const noexcept { return kind == Kind::reg && reg == r; }
};

struct Insn {
  Word address = 0;
  Word target = 0;  ///< of a relative jump or call
  std::uint16_t id = 0;
  std::uint8_t size = 0;  ///< 0: a byte that is no instruction
  std::uint8_t operand_count = 0;
  std::uint32_t writes = 0;  ///< general registers written without being named, a bit each
  bool is_syscall = false, ends_flow = false, is_jump = false, is_call = false;
  std::array<Operand, 3> operands{};

  Word next() const noexcept { return address + (size == 0 ? 1 : size); }
};

/// Where the stack pointer or rbp points: so far from a place that is not known itself. Base 0 is the stack
/// pointer at the function's entry.
struct StackPlace {
  static constexpr std::uint32_t kUnknown = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t base = kUnknown;
  std::int64_t offset = 0;

  bool known() const noexcept { return base != kUnknown; }
  StackPlace plus(std::int64_t distance) const noexcept {
    // Wraps around instead of overflowing: distances come from the file.
    return {base, static_cast<std::int64_t>(static_cast<Word>(offset) + static_cast<Word>(distance))};
  }
  bool operator==(const StackPlace&) const = default;
};

struct StackState {
  StackPlace rsp, rbp;
};

/// The code from a function's start to the next one's.
class FunctionCode {
 public:
  FunctionCode(loader::Disassembler& disassembler, Word start, std::span<const std::byte> bytes);

  Word start() const noexcept { return start_; }
  std::span<const Insn> insns() const noexcept { return insns_; }
  /// The index of the instruction that begins at `address`.
  std::optional<std::size_t> index_of(Word address) const noexcept;
  /// Indices of jumps in this function that go to instruction `index`.
  std::span<const std::uint32_t> jumps_to(std::size_t index) const noexcept;
  /// The stack before instruction `index`.
  const StackState& stack(std::size_t index) const;
  /// Where an operand in memory is on the stack, if it is; an unknown place otherwise.
  StackPlace place_of(std::size_t index, const Operand& operand) const;

 private:
  struct Jump {
    std::uint32_t to, from;
  };
  void follow_stack() const;

  Word start_;
  std::vector<Insn> insns_;
  std::vector<Jump> jumps_;                ///< by `to`
  std::vector<std::uint32_t> sources_;     ///< jumps_[i].from
  mutable std::vector<StackState> stack_;  ///< made when first asked for
};

/// Decodes one instruction of a program.
Insn decode(loader::Disassembler& disassembler, std::span<const std::byte> bytes, Word address) noexcept;

}  // namespace sudrun::tools
