// Machine-dependent structures of DragonFly/x86_64: machine context, signal frame, siginfo, threads.
//
// Sources: DragonFly 6.4, sys/cpu/x86_64/include/{ucontext,sigframe,npx}.h,
// sys/sys/{_ucontext,signal,lwp,tls}.h; behaviour: sys/platform/pc64/x86_64/machdep.c.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/signals_layout.hpp"

namespace sudrun::abi::dragonfly::guest {

using bsd::GuestSigset;
using bsd::guest::Stack;
using bsd::guest::stack_of;

inline constexpr std::uint32_t kFpFormatNone = 0x10000;  // _MC_FPFMT_NODEV
inline constexpr std::uint32_t kFpFormatXmm = 0x10002;   // _MC_FPFMT_XMM
inline constexpr std::uint32_t kFpFormatYmm = 0x10003;   // _MC_FPFMT_YMM
inline constexpr std::uint32_t kFpOwnedNone = 0x20000;   // _MC_FPOWNED_NONE
inline constexpr std::uint32_t kFpOwnedFpu = 0x20001;    // _MC_FPOWNED_FPU
inline constexpr std::uint32_t kFpOwnedPcb = 0x20002;    // _MC_FPOWNED_PCB

// Segment selectors of user threads (sys/cpu/x86_64/include/segments.h: GUCODE_SEL, GUDATA_SEL).
inline constexpr std::uint64_t kUserCode = 0x2b, kUserData = 0x23;

struct alignas(64) Mcontext {
  std::uint64_t onstack;
  std::uint64_t rdi, rsi, rdx, rcx, r8, r9, rax, rbx, rbp, r10, r11, r12, r13, r14, r15;
  std::uint64_t xflags, trapno, addr, flags, err, rip, cs, rflags, rsp, ss;
  std::uint32_t len, fpformat, ownedfp, reserved, unused[8];
  std::byte fpstate[1024];  ///< FXSAVE's form, or XSAVE's standard one as far as there is room
};
static_assert(sizeof(Mcontext) == 1280 && offsetof(Mcontext, rip) == 168 && offsetof(Mcontext, len) == 208 &&
              offsetof(Mcontext, fpstate) == 256);

struct Ucontext {
  GuestSigset sigmask;
  Mcontext mcontext;
  std::uint64_t link;
  Stack stack;
  std::uint64_t cofunc, arg;
  std::int32_t spare[4];
};
static_assert(sizeof(Ucontext) == 1408 && offsetof(Ucontext, mcontext) == 64 &&
              offsetof(Ucontext, stack) == 1352);

struct Siginfo {
  std::int32_t signo, error, code, pid;
  std::uint32_t uid;
  std::int32_t status;
  std::uint64_t addr, value;
  std::int64_t band;
  std::int32_t spare[7];
  std::int32_t pad;
};
static_assert(sizeof(Siginfo) == 80 && offsetof(Siginfo, addr) == 24 && offsetof(Siginfo, band) == 40);

struct SignalFrame {
  std::uint64_t handler;
  Ucontext context;
  Siginfo info;
};
static_assert(sizeof(SignalFrame) == 1600 && offsetof(SignalFrame, context) == 64 &&
              offsetof(SignalFrame, info) == 1472);

struct ThreadParameters {  // struct lwp_params
  std::uint64_t func, arg, stack, tid1, tid2;
};
static_assert(sizeof(ThreadParameters) == 40);

struct TlsInfo {  // struct tls_info
  std::uint64_t base;
  std::int64_t size;
};
static_assert(sizeof(TlsInfo) == 16);

}  // namespace sudrun::abi::dragonfly::guest
