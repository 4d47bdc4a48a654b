// One line of a trace, from the same table that translates: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`.
//
// Both functions write at most `to.size()` characters, without a NUL or newline, and return how many; a line
// that does not fit ends in `...`. They allocate nothing, change nothing and read guest memory through
// `host`; what cannot be read is printed as its address.
#pragma once

#include <span>

#include "abi/handler.hpp"

namespace sudrun::abi {

/// The call before it is made, for calls that do not return or may block:
/// `read(3, 0x7000, 512 <unfinished ...>`.
std::size_t format_entry(std::span<char> to, const Table& table, const Entry& entry, const Frame& frame,
                         Host& host) noexcept;
/// The whole line, after the call: input and output arguments and the result.
std::size_t format_exit(std::span<char> to, const Table& table, const Entry& entry, const Frame& frame,
                        const Result& result, Host& host) noexcept;

}  // namespace sudrun::abi
