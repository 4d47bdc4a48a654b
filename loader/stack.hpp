// The bytes a new program finds on its stack. Pure.
//
// From the top down: struct ps_strings (BSD), blobs, argument and environment strings, padding, then upward
// from the stack pointer argc, argv[], 0, envp[], 0, the auxiliary vector with AT_NULL.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "abi/personality.hpp"
#include "loader/outcome.hpp"

namespace sudrun::loader {

struct BuiltStack {
  abi::Word stack_pointer = 0;   ///< where argc stands; the bytes begin here too
  std::vector<std::byte> bytes;  ///< from stack_pointer to the top
  abi::Word argv = 0;            ///< addresses of the vectors and of ps_strings (0: none)
  abi::Word envp = 0;
  abi::Word ps_strings = 0;
};

/// Most that arguments, environment and vectors may take of a stack of `size` bytes: a quarter, as on Linux,
/// but 128 KiB of any stack that has them.
constexpr std::size_t stack_limit(std::size_t size) noexcept {
  constexpr std::size_t least = 128 << 10;
  return size / 4 > least ? size / 4 : (size < least ? size : least);
}

/// Builds the stack that ends at `top` (rounded down to 16) and has `size` bytes in all. Fails with `too_big`
/// if the contents exceed stack_limit(size).
Outcome<BuiltStack> build_stack(const abi::StackImage& layout, std::span<const std::string> argv,
                                std::span<const std::string> envp, abi::Word top, std::size_t size);

}  // namespace sudrun::loader
