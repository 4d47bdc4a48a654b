// General registers to and from the contexts that name them; and what FreeBSD's and DragonFly's kernels have
// alike about traps and signal frames.
#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "abi/registers.hpp"
#include "abi/signals.hpp"

namespace sudrun::abi::bsd {

// PSL_USERCHANGE, PSL_USER on NetBSD: what a program may set in its flags.
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

/// si_code of a fault. Of the codes for arithmetic only the first two are swapped between Linux and these
/// two.
inline int fault_code(const SignalInfo& info) noexcept {
  if (info.signal != SIGFPE || (info.code != FPE_INTDIV && info.code != FPE_INTOVF)) return info.code;
  return info.code == FPE_INTDIV ? 2 : 1;
}

/// Points the thread at `trampoline`, with the registers that sendsig() of both gives it for the frame at
/// `sp`.
template <typename SignalFrame>
void enter_trampoline(Registers& regs, const SignalFrame& frame, Word sp, bool siginfo,
                      GuestAddr trampoline) noexcept {
  regs.rdi = static_cast<Word>(frame.info.signo);
  regs.rsi = siginfo ? sp + offsetof(SignalFrame, info)
                     : static_cast<Word>(static_cast<std::int64_t>(frame.info.code));
  regs.rdx = sp + offsetof(SignalFrame, context);
  regs.rcx = frame.info.addr;
  regs.rsp = sp;
  regs.rip = word_of(trampoline);
  regs.rflags &= ~(kTrapFlag | kDirectionFlag);
}

}  // namespace sudrun::abi::bsd
