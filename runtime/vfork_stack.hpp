// What a vfork's child does to the stack it shares with its parent, which sleeps meanwhile.
#pragma once

#include <array>
#include <cstddef>

#include "abi/host.hpp"

namespace sudrun::runtime {

/// Here the child has a copy of the memory (docs/processes.md). Of what it changes, the parent is given what
/// lies above the stack pointer with which vfork was called, as far as this class looks: C libraries pass the
/// error of a failed exec to posix_spawn(3) that way.
class VforkStack {
 public:
  static constexpr std::size_t kSize = std::size_t{16} * 1024;

  /// Before the fork. Remembers what the stack holds from `top` upwards; nothing if there is no memory for
  /// that.
  VforkStack(abi::Host& host, abi::GuestAddr top) noexcept;
  ~VforkStack();
  VforkStack(const VforkStack&) = delete;
  VforkStack& operator=(const VforkStack&) = delete;

  /// In the child, before it executes a program or ends; may be said again. What is said last counts.
  void leave(abi::Host& child) noexcept;
  /// In the parent, when the child is gone: changes the words that the child has changed, and no others.
  void take_over(abi::Host& parent) noexcept;

 private:
  using Words = std::array<abi::Word, kSize / sizeof(abi::Word)>;
  struct Shared {
    Words before, after;
    bool left;
  };

  abi::GuestAddr top_;
  std::size_t words_ = 0;     ///< as many as could be read
  Shared* shared_ = nullptr;  ///< with the child; null: nothing is passed
};

}  // namespace sudrun::runtime
