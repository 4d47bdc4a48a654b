#include "loader/relocate.hpp"

#include <algorithm>

namespace sudrun::loader {
namespace {

unsigned value(std::byte b) noexcept { return std::to_integer<unsigned>(b); }

/// Bytes of ModRM, SIB and displacement; 0 if they are not complete, or relative to rip.
unsigned operand_size(std::span<const std::byte> code) noexcept {
  if (code.empty()) return 0;
  const unsigned mode = value(code[0]) >> 6, rm = value(code[0]) & 7;
  if (mode == 3) return 1;
  unsigned size = 1, base = rm;
  if (rm == 4) {
    if (code.size() < 2) return 0;
    base = value(code[1]) & 7;
    size = 2;
  } else if (mode == 0 && rm == 5) {
    return 0;
  }
  if (mode == 1) return size + 1;
  return mode == 2 || base == 5 ? size + 4 : size;
}

/// An opcode's encoding, as far as its length goes.
struct Shape {
  bool known = false;
  bool modrm = false;
  unsigned immediate = 0;
};

/// Of one-byte opcodes. `extension` is the part of the ModRM byte that belongs to the opcode of some.
Shape shape_of(unsigned opcode, unsigned extension, bool wide) noexcept {
  if (opcode < 0x40) {  // add, or, adc, sbb, and, sub, xor, cmp
    switch (opcode & 7) {
      case 4:
        return {true, false, 1};
      case 5:
        return {true, false, 4};
      case 6:
      case 7:
        return {};
      default:
        return {true, true, 0};
    }
  }
  if (opcode >= 0x50 && opcode <= 0x5f) return {true, false, 0};  // push, pop
  if (opcode >= 0x84 && opcode <= 0x8b) return {true, true, 0};   // test, xchg, mov
  if (opcode >= 0xb8 && opcode <= 0xbf) return {true, false, wide ? 8U : 4U};
  switch (opcode) {
    case 0x63:  // movslq
    case 0x8d:  // lea
    case 0xd1:  // shifts
      return {true, true, 0};
    case 0x80:
    case 0x83:
    case 0xc1:
      return {true, true, 1};
    case 0x81:
      return {true, true, 4};
    case 0x90:  // nop
    case 0x98:  // cltq
    case 0x99:  // cqto
    case 0xc3:  // ret
    case 0xc9:  // leave
      return {true, false, 0};
    case 0xc6:  // mov; the other extensions are xabort and xbegin
      return {extension == 0, true, 1};
    case 0xc7:
      return {extension == 0, true, 4};
    case 0xf6:
      return {true, true, extension < 2 ? 1U : 0U};
    case 0xf7:
      return {true, true, extension < 2 ? 4U : 0U};
    case 0xff:  // inc, dec, jmp, push: not calls, nor far
      return {extension < 2 || extension == 4 || extension == 6, true, 0};
    default:
      return {};
  }
}

/// The length of an instruction that a copy carries out just as well, or 0 if it is not among those known
/// here.
unsigned copied_size(std::span<const std::byte> code) noexcept {
  unsigned at = 0;
  const auto next = [&] { return at < code.size() ? value(code[at]) : 0x100; };
  if (next() == 0x64) ++at;  // fs
  const bool wide = next() >= 0x48 && next() <= 0x4f;
  if (next() >= 0x40 && next() <= 0x4f) ++at;
  unsigned opcode = next();
  ++at;
  Shape shape;
  if (opcode == 0x0f) {
    opcode = next();
    ++at;
    const bool known = (opcode >= 0x40 && opcode <= 0x4f) ||                                  // cmov
                       (opcode >= 0x90 && opcode <= 0x9f) ||                                  // set
                       opcode == 0x1f || opcode == 0xaf ||                                    // nop, imul
                       opcode == 0xb6 || opcode == 0xb7 || opcode == 0xbe || opcode == 0xbf;  // movzx, movsx
    shape = {known, true, 0};
  } else {
    shape = shape_of(opcode, next() >> 3 & 7, wide);
  }
  if (!shape.known) return 0;
  if (shape.modrm) {
    const unsigned size = at < code.size() ? operand_size(code.subspan(at)) : 0;
    if (size == 0) return 0;
    at += size;
  }
  return at + shape.immediate <= code.size() ? at + shape.immediate : 0;
}

}  // namespace

std::optional<unsigned> jump_condition(std::span<const std::byte> code) noexcept {
  if (code.size() == 2 && value(code[0]) >> 4 == 0x7) return value(code[0]) & 15;
  if (code.size() == 6 && value(code[0]) == 0x0f && value(code[1]) >> 4 == 0x8) return value(code[1]) & 15;
  return std::nullopt;
}

bool can_relocate(const Instruction& instruction, std::span<const std::byte> code) noexcept {
  if (instruction.size == 0 || instruction.size > code.size() || instruction.is_rip_relative) return false;
  code = code.first(instruction.size);
  if (!instruction.is_relative_branch) return copied_size(code) == instruction.size;
  const bool jmp =
      (code.size() == 2 && code[0] == std::byte{0xeb}) || (code.size() == 5 && code[0] == std::byte{0xe9});
  return jmp || jump_condition(code).has_value();
}

}  // namespace sudrun::loader
