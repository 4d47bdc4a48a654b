// One line of a trace, from the same table that translates: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`.
//
// All functions write at most `to.size()` characters, without a NUL or newline, and return how many; a line
// that does not fit ends in `...`. They allocate nothing, change nothing and read guest memory through
// the call's host; what cannot be read is printed as its address.
#pragma once

#include <span>

#include "abi/handler.hpp"

namespace sudrun::abi {

/// A call, as a trace sees it.
struct TracedCall {
  const Table& table;
  const Entry& entry;
  const Frame& frame;
  Host& host;
  const Personality* personality = nullptr;  ///< for names that the table does not have
};

/// The call before it is made, for calls that do not return or may block:
/// `read(3, 0x7000, 512 <unfinished ...>`.
std::size_t format_entry(std::span<char> to, const TracedCall& call) noexcept;
/// The whole line, after the call: input and output arguments and the result.
std::size_t format_exit(std::span<char> to, const TracedCall& call, const Result& result) noexcept;
/// The whole line of a call that a signal has interrupted and that will be made again.
std::size_t format_restart(std::span<char> to, const TracedCall& call) noexcept;

/// A signal on its way to the guest: `SIGSEGV {code=SEGV_MAPERR, addr=0x10}`.
std::size_t format_signal(std::span<char> to, const Table& table, const SignalInfo& info) noexcept;

}  // namespace sudrun::abi
