// What a child of vfork leaves on its parent's stack.
//
// A real one runs on its parent's memory; here it has a copy. But C libraries' posix_spawn() learns from a
// local variable, which the child has set, that nothing could be executed. So the part of the stack next to
// the call is carried back, byte by byte as it was changed: other threads may have changed what is around.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "abi/host.hpp"

namespace sudrun::runtime {

class LentStack {
 public:
  /// The stack of `guest`, which is about to fork, from its stack pointer on. Null without memory.
  static std::unique_ptr<LentStack> lend(abi::Host& guest, abi::GuestAddr stack, int pipe_end) noexcept;

  /// In the child, before it executes or ends: tells its parent what it has changed.
  void hand_back(abi::Host& child) noexcept;
  /// In the parent: waits until the child has executed or ended.
  void take_back(abi::Host& parent, int pipe_end) noexcept;

  /// The child's end of the pipe. While it is open, the parent waits.
  int pipe_end() const noexcept { return pipe_end_; }
  void set_pipe_end(int fd) noexcept { pipe_end_ = fd; }

 private:
  struct Change {
    std::uint16_t offset;
    std::byte value;
    std::byte none{};
  };
  static constexpr std::size_t kSize = 8192;

  abi::GuestAddr start_{};
  std::size_t size_ = 0;
  int pipe_end_ = -1;
  std::array<std::byte, kSize> before_, now_;
  std::array<Change, 1024> changes_;
};

}  // namespace sudrun::runtime
