// General registers to and from the contexts that name them, as FreeBSD's and DragonFly's do; and what both
// systems' kernels have alike about traps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "abi/registers.hpp"

namespace sudrun::abi::bsd {

// PSL_USERCHANGE: what a program may set in its flags.
inline constexpr Word kUserFlags =
    0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x40000 | 0x200000;
inline constexpr Word kTrapFlag = 1U << 8, kDirectionFlag = 1U << 10;
inline constexpr Word kRedZone = 128;

/// Both number their traps alike: FreeBSD 14.0 sys/x86/include/trap.h, DragonFly 6.4
/// sys/cpu/x86_64/include/trap.h.
inline std::uint32_t trap_number(int vector) noexcept {
  constexpr std::array<std::uint8_t, 20> kNumbers{18, 10, 19, 3, 20, 21, 1, 22, 23, 24,
                                                  25, 26, 27, 9, 12, 30, 6, 14, 28, 29};
  const auto v = static_cast<unsigned>(vector);
  return v < kNumbers.size() ? kNumbers[v] : 30;
}

template <typename Mcontext>
void store_registers(const Registers& r, Mcontext& mc) noexcept {
  mc.rdi = r.rdi;
  mc.rsi = r.rsi;
  mc.rdx = r.rdx;
  mc.rcx = r.rcx;
  mc.r8 = r.r8;
  mc.r9 = r.r9;
  mc.rax = r.rax;
  mc.rbx = r.rbx;
  mc.rbp = r.rbp;
  mc.r10 = r.r10;
  mc.r11 = r.r11;
  mc.r12 = r.r12;
  mc.r13 = r.r13;
  mc.r14 = r.r14;
  mc.r15 = r.r15;
  mc.rip = r.rip;
  mc.rflags = r.rflags;
  mc.rsp = r.rsp;
}

template <typename Mcontext>
void load_registers(const Mcontext& mc, Registers& r) noexcept {
  r.rdi = mc.rdi;
  r.rsi = mc.rsi;
  r.rdx = mc.rdx;
  r.rcx = mc.rcx;
  r.r8 = mc.r8;
  r.r9 = mc.r9;
  r.rax = mc.rax;
  r.rbx = mc.rbx;
  r.rbp = mc.rbp;
  r.r10 = mc.r10;
  r.r11 = mc.r11;
  r.r12 = mc.r12;
  r.r13 = mc.r13;
  r.r14 = mc.r14;
  r.r15 = mc.r15;
  r.rip = mc.rip;
  r.rsp = mc.rsp;
  r.rflags = (mc.rflags & kUserFlags) | 0x202;
}

}  // namespace sudrun::abi::bsd
