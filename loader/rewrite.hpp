// How a system-call instruction becomes a jump: what may be changed, and into which bytes. Only says; the
// caller reads the code, finds memory for the stub, and writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "loader/known_code.hpp"

namespace sudrun::loader {

/// The ways to do it, best first. Each is taken only where it is shown to be safe.
enum class Rung : std::uint8_t {
  none,     ///< goes on trapping
  padding,  ///< `syscall` becomes a short jump to a jump to the stub in five dead bytes (the hop)
  load,     ///< an instruction before it, mostly the one that loads the number, becomes a jump to the stub,
         ///< which does the same and what comes up to the `syscall`; that stays, and traps who comes another
         ///< way
  relocation,  ///< it and what follows become a jump; what follows is copied into the stub
};

inline constexpr unsigned kStubSize = 64;  ///< a cache line, and aligned like one
inline constexpr unsigned kJumpSize = 5;   ///< jmp rel32

/// Bytes to store at once. They never straddle a line of 64 bytes, but for those of a hop, which is dead
/// code.
struct CodeEdit {
  std::uint64_t address = 0;
  unsigned size = 0;
  std::array<std::byte, 8> before{}, after{};

  /// Where a store of eight bytes begins that holds the whole edit and stays in its line.
  std::uint64_t store_address() const noexcept {
    const std::uint64_t last = (address & ~std::uint64_t{63}) + 56;
    return address < last ? address : last;
  }
};

struct RewritePlan {
  /// An instruction to be copied into the stub.
  struct Copied {
    std::uint64_t address = 0;
    unsigned size = 0;
    std::optional<std::uint64_t> target;  ///< of a relative jump
  };

  Rung rung = Rung::none;
  std::uint64_t site = 0;
  std::uint64_t edit = 0;            ///< the first byte that changes at the site
  std::uint64_t hop = 0;             ///< padding: the five dead bytes
  std::array<std::byte, 56> code{};  ///< what stands at `edit`, as far as it changes or is copied
  std::array<std::byte, 8> hop_code{};
  std::array<Copied, 4> copied{};
  unsigned copied_count = 0;
  /// The distance from near() to the stub must have `pun_value` in the bits of `pun_mask`.
  std::uint32_t pun_mask = 0, pun_value = 0;

  /// The end of the jump that goes to the stub.
  std::uint64_t near() const noexcept { return (rung == Rung::padding ? hop : edit) + kJumpSize; }
  /// A jump can go to a stub at `address`, and its bytes will be what they must be.
  bool accepts(std::uint64_t address) const noexcept;
  /// The lowest acceptable address from `from` on.
  std::optional<std::uint64_t> stub_at_or_after(std::uint64_t from) const noexcept;
};

struct Rewrite {
  /// An instruction of the stub and the place in the program that it stands for: with the registers there, a
  /// thread that is about to execute the one may as well execute the other.
  struct Mark {
    unsigned offset = 0;  ///< in the stub
    std::uint64_t guest = 0;
  };

  std::optional<CodeEdit> hop;  ///< to be written before `site`, and restored, if at all, long after it
  CodeEdit site;
  std::array<std::byte, kStubSize> stub{};
  unsigned stub_size = 0;
  std::uint64_t stub_address = 0;
  /// What the program sees as the place it goes on at: after the `syscall`, and in rcx.
  std::uint64_t resume = 0;
  /// What the stub hands to the dispatcher in rcx, and where that has to jump. With rung `relocation` in the
  /// stub, at an instruction that puts `resume` into rcx; else the same as `resume`.
  std::uint64_t continuation = 0;
  /// All instructions of the stub, ascending. Up to the jump to the dispatcher rcx may have changed already,
  /// which the `syscall` they stand for would change anyway. At `continuation` in the stub, rcx must become
  /// `resume` as well to go on in the program.
  std::array<Mark, 8> marks{};
  unsigned mark_count = 0;

  /// Rung `relocation`: where a thread goes on that has executed the int3 at `address`, an instruction that
  /// was displaced. Nothing for all other addresses.
  std::optional<std::uint64_t> forward(std::uint64_t address) const noexcept;
};

/// How to rewrite the `syscall` at `site`, which must have trapped and returned: the address after it is
/// taken for an instruction. `number` is what it was called with; without one, whatever is loaded before it
/// will do. `entry` is an address that has been called, of the function that the site may be in. `taken` are
/// ranges [first, second) used as hops already.
RewritePlan plan_rewrite(Disassembler& disassembler, const CodeWindow& window, std::uint64_t site,
                         std::optional<std::uint32_t> number, std::optional<std::uint64_t> entry,
                         std::span<const std::pair<std::uint64_t, std::uint64_t>> taken) noexcept;

/// The bytes for a stub at `stub_address`, a multiple of kStubSize. `dispatcher_slot` is the address of eight
/// bytes with the dispatcher's address. The stub puts `continuation` into rcx and jumps there; it changes no
/// other register and no flag. Nothing if something is out of reach, or does not decode to what it should be.
std::optional<Rewrite> encode(Disassembler& disassembler, const RewritePlan& plan, std::uint64_t stub_address,
                              std::uint64_t dispatcher_slot) noexcept;

}  // namespace sudrun::loader
