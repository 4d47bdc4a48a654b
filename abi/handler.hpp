// A handler carries out one call that the table cannot describe: a function from Call to Result.
#pragma once

#include <span>
#include <string_view>

#include "abi/frame.hpp"
#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi {

class Personality;

/// Everything a handler is given. Lives for one call.
struct Call {
  Host& host;
  Personality& personality;
  const Table& table;
  const Entry& entry;
  const Frame& frame;

  Word word(unsigned index) const noexcept { return frame.args[index]; }
  int i32(unsigned index) const noexcept { return static_cast<int>(frame.args[index]); }
  unsigned u32(unsigned index) const noexcept { return static_cast<unsigned>(frame.args[index]); }
  std::int64_t i64(unsigned index) const noexcept { return static_cast<std::int64_t>(frame.args[index]); }
  GuestAddr addr(unsigned index) const noexcept { return guest_addr(frame.args[index]); }
};

using Handler = Result (*)(Call&) noexcept;

/// A name the tables use, and the function it stands for. Each area file of a personality exports one array.
struct HandlerEntry {
  std::string_view name;
  Handler handler;
};

}  // namespace sudrun::abi
