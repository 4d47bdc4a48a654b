// What is known for sure of the code around one system-call instruction.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "loader/disassembler.hpp"

namespace sudrun::loader {

/// Bytes around a site, all of one readable and executable mapping that is not writable; `start` is the
/// address of bytes[0]. They must be those of the program: where something has been rewritten before, the
/// caller puts the original bytes back. (A `jmp` in place of a `syscall` would end the flow, and live NOPs
/// after it look dead.)
struct CodeWindow {
  std::uint64_t start = 0;
  std::span<const std::byte> bytes;

  std::uint64_t end() const noexcept { return start + bytes.size(); }
  bool holds(std::uint64_t address, std::uint64_t size) const noexcept {
    return address >= start && address - start <= bytes.size() && size <= bytes.size() - (address - start);
  }
  std::span<const std::byte> from(std::uint64_t address, std::size_t most = 15) const noexcept {
    if (!holds(address, 0)) return {};
    const auto rest = bytes.subspan(static_cast<std::size_t>(address - start));
    return rest.size() < most ? rest : rest.first(most);
  }
  std::byte at(std::uint64_t address) const noexcept {
    return bytes[static_cast<std::size_t>(address - start)];
  }
};

/// Follows the code around `site`, a `syscall` that has trapped and returns, from places where an instruction
/// is known to begin, over everything that is reached from there:
///  - the address after the site, where execution goes on;
///  - targets of relative jumps and calls in code that has been followed;
///  - the address after a call, unless that never returns, and the end of padding after an instruction that
///    ends the flow, unless data follows. For these it is not sure that an instruction begins;
///  - `entry`, where something has been called, if the flow from there arrives at the site.
/// Of what comes before the site nothing else is known: wherever decoding began, data on the way could make
/// it arrive at the site and still go wrong in between.
///
/// Padding are bytes of int3 and of NOP instructions that come directly after an instruction that ends the
/// flow, if what comes after the last of them is at a multiple of 16 and is seen. (Else they may as well be a
/// literal, or a function may begin with them.) It ends early at a NOP that is at a multiple of 16, since
/// that may be a function's first. Dead is padding that is neither reached nor jumped to by any code
/// followed.
class KnownCode {
 public:
  KnownCode(Disassembler& disassembler, const CodeWindow& window, std::uint64_t site,
            std::optional<std::uint64_t> entry) noexcept;

  /// An instruction surely begins here.
  bool begins(std::uint64_t address) const noexcept { return test(sure_, address); }
  /// An instruction begins here if what came before was code.
  bool may_begin(std::uint64_t address) const noexcept { return test(starts_, address); }
  /// A jump or call in known code goes here.
  bool is_target(std::uint64_t address) const noexcept { return test(targets_, address); }
  bool is_dead(std::uint64_t address) const noexcept {
    return test(padding_, address) && !test(reached_, address) && !test(targets_, address);
  }

 private:
  // What a two-byte jump reaches (126 back, 129 ahead, and the five bytes there), with code before and after
  // it that says where the padding begins and ends.
  static constexpr std::uint64_t kBack = 512, kAhead = 192;
  using Bits = std::bitset<kBack + kAhead>;

  std::size_t index(std::uint64_t address) const noexcept {
    return static_cast<std::size_t>(address - base_);
  }
  bool covers(std::uint64_t address) const noexcept { return address >= base_ && address < end_; }
  bool test(const Bits& bits, std::uint64_t address) const noexcept {
    return covers(address) && bits.test(index(address));
  }
  unsigned nop_at(std::uint64_t address) noexcept;
  void follow_from(std::uint64_t entry, std::uint64_t site) noexcept;
  void start_at(std::uint64_t address) noexcept;
  void follow(std::uint64_t address) noexcept;
  void follow_later(std::uint64_t address) noexcept;
  void follow_all() noexcept;
  void pad_from(std::uint64_t address) noexcept;

  Disassembler& disassembler_;
  const CodeWindow& window_;
  std::uint64_t base_, end_;
  Bits starts_, sure_, reached_, targets_, padding_, todo_, later_;
};

}  // namespace sudrun::loader
