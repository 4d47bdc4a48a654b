// The guest's processor state as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/types.hpp"

namespace sudrun::abi {

/// General registers of an x86-64 thread. Plain value.
struct Registers {
  Word r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  Word rdi = 0, rsi = 0, rbp = 0, rbx = 0, rdx = 0, rax = 0, rcx = 0, rsp = 0;
  Word rip = 0, rflags = 0x202;
};

inline constexpr Word kCarryFlag = 1;

/// What a suspended guest thread is: registers, thread pointer and the extended state.
/// `xstate` is the kernel's XSAVE image of the suspended frame (standard format: 512 bytes FXSAVE, 64 bytes
/// header, components); it is empty only in tests. Changing it changes what the guest resumes with.
struct Context {
  Registers regs;
  Word fs_base = 0;
  Word gs_base = 0;
  std::span<std::byte> xstate;
};

}  // namespace sudrun::abi
