// Which instructions do the same at another address.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "loader/disassembler.hpp"

namespace sudrun::loader {

/// The condition (0 to 15) of the jcc that is all of `code`, without prefixes.
std::optional<unsigned> jump_condition(std::span<const std::byte> code) noexcept;

/// The instruction, which `code` begins with, may be carried out elsewhere: by a copy, or as a relative jump
/// (jcc or jmp) to the same target. True only for common ones whose length a second decoder, which knows
/// nothing else, finds to be the same.
bool can_relocate(const Instruction& instruction, std::span<const std::byte> code) noexcept;

}  // namespace sudrun::loader
