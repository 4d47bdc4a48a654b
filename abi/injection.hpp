// What --inject asks for: `read,write:error=EINTR:when=3+`.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "abi/call_set.hpp"
#include "abi/host.hpp"

namespace sudrun::abi {

struct Injection {
  CallSet calls;
  std::optional<Result> instead;         ///< the call is not made and has this result
  int signal = 0;                        ///< native; sent to the thread when the call is over. 0: none
  std::uint64_t delay_enter = 0;         ///< microseconds before the call
  std::uint64_t delay_exit = 0;          ///< and after it
  std::optional<std::uint64_t> at_most;  ///< bytes it is asked for
  /// Which calls, counted from 1: first, first + step and so on up to last.
  std::uint64_t first = 1, last = std::numeric_limits<std::uint64_t>::max(), step = 1;

  bool due(std::uint64_t nth) const noexcept {
    return nth >= first && nth <= last && (nth - first) % step == 0;
  }
};

/// `CALLS:KEY=VALUE[:KEY=VALUE…]`, with a list as parse_calls() takes it and the guest's own names of errors
/// and signals. Nothing if the text begins with `?` and names what `table` lacks. Throws OptionError.
std::optional<Injection> parse_injection(std::string_view text, const Table& table);

/// True if shorten() can do something: the call returns how many bytes it has moved to or from a buffer whose
/// size one argument says, or to or from an array of iovec.
bool can_shorten(const Table& table, const Entry& entry) noexcept;
/// Makes the call ask for `at_most` bytes. `room`: `room_size` bytes of guest memory for a changed array of
/// iovec. False if what the arguments point to cannot be read; the frame is then as it was.
bool shorten(Host& host, const Table& table, const Entry& entry, Frame& frame, std::uint64_t at_most,
             GuestAddr room, std::size_t room_size) noexcept;

}  // namespace sudrun::abi
