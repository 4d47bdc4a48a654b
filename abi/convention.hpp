// The calling convention at both ends of a call: Registers -> Frame, and Result -> Registers.
#pragma once

#include <array>
#include <optional>

#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi {

/// Number and arguments of the call `regs` stands at, with indirection (`syscall(2)`) resolved. Reads the
/// stack only for arguments the call's row has beyond the registers; nothing (EFAULT) if that faults.
std::optional<Frame> frame_of(const Table& table, const Registers& regs, Host& host) noexcept;
/// The same with the number of arguments given by the caller.
std::optional<Frame> frame_of(const Convention& convention, const Registers& regs, Host& host,
                              unsigned argc = kMaxArgs) noexcept;

/// Where a directory is named by a descriptor (role `dirfd`), the guest's number for the working directory
/// becomes Linux's, and Linux's, which is none of the guest's, no descriptor at all.
void translate_directories(const Table& table, const Entry& entry, Frame& frame) noexcept;

/// Shows `result` to the guest as its ABI does: value or translated errno, second value, carry flag.
/// Kinds `untouched` and `thread_exit` change nothing.
void write_result(const Table& table, Registers& regs, const Result& result) noexcept;

/// What the host says to a plain sleep or wake on a word, as `entry` (FastKind futex, sleep or wake) has it.
Result futex_result(const Entry& entry, NativeResult native) noexcept;

/// Guest errno of a failed result; 0 if it has not failed.
int guest_errno(const Table& table, const Result& result) noexcept;

namespace detail {
// Declaration order of Registers; Convention's indices are positions in this list.
inline constexpr std::array kRegisters = {
    &Registers::r8,  &Registers::r9,  &Registers::r10, &Registers::r11, &Registers::r12, &Registers::r13,
    &Registers::r14, &Registers::r15, &Registers::rdi, &Registers::rsi, &Registers::rbp, &Registers::rbx,
    &Registers::rdx, &Registers::rax, &Registers::rcx, &Registers::rsp, &Registers::rip, &Registers::rflags};
}  // namespace detail

/// Register by its index in Convention.
inline Word& register_at(Registers& regs, unsigned index) noexcept { return regs.*detail::kRegisters[index]; }
inline Word register_at(const Registers& regs, unsigned index) noexcept {
  return regs.*detail::kRegisters[index];
}

}  // namespace sudrun::abi
