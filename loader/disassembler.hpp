// One x86-64 instruction at a time.
#pragma once

#include <capstone/capstone.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace sudrun::loader {

/// A decoded instruction. The texts live in the Disassembler and last until its next decode().
struct Instruction {
  std::uint64_t address = 0;
  unsigned size = 0;  ///< 1 to 15
  unsigned id = 0;    ///< Capstone's X86_INS_*
  std::string_view mnemonic;
  std::string_view operands;
  bool is_syscall = false;  ///< `syscall` (0f 05) itself, not `sysenter` or `int`
  bool is_int3 = false;
  bool is_nop = false;              ///< of any length
  bool ends_flow = false;           ///< execution never falls through: jmp, ret, iret, hlt, ud
  bool is_relative_branch = false;  ///< jump or call with an immediate target, given in `target`
  bool is_rip_relative = false;     ///< has a memory operand relative to rip
  std::uint64_t target = 0;
};

/// Wraps Capstone. Everything is allocated on construction; decode() allocates nothing. Not thread-safe.
class Disassembler {
 public:
  Disassembler() noexcept;
  /// False if Capstone could not be set up; decode() then finds nothing.
  bool is_open() const noexcept { return insn_ != nullptr; }

  /// Decodes the instruction `bytes` begin with, as if it stood at `address`. Nothing if there is none or it
  /// is not complete.
  std::optional<Instruction> decode(std::span<const std::byte> bytes, std::uint64_t address) noexcept;
  /// The instruction decode() found last, with all that Capstone knows of it. Lasts until the next decode().
  const cs_insn& last() const noexcept { return *insn_; }

 private:
  class Handle {
   public:
    Handle() noexcept;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle();
    csh get() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != 0; }

   private:
    csh handle_ = 0;
  };
  struct FreeInsn {
    void operator()(cs_insn* insn) const noexcept;
  };
  Handle handle_;  // declared first: outlives the instruction
  std::unique_ptr<cs_insn, FreeInsn> insn_;
};

}  // namespace sudrun::loader
