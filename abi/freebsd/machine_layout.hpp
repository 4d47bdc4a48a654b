// Machine-dependent structures of FreeBSD/amd64: machine context, signal frame, siginfo, threads.
//
// Sources: FreeBSD 14.0, sys/x86/include/ucontext.h, sys/sys/_ucontext.h, sys/amd64/include/sigframe.h,
// sys/sys/signal.h, sys/sys/thr.h, sys/x86/include/trap.h; behaviour: sys/amd64/amd64/exec_machdep.c.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/signals_layout.hpp"

namespace sudrun::abi::freebsd::guest {

using bsd::GuestSigset;
using bsd::guest::Stack;
using bsd::guest::stack_of;

inline constexpr std::uint32_t kMcHasSegments = 1;       // _MC_HASSEGS
inline constexpr std::uint32_t kMcHasBases = 2;          // _MC_HASBASES
inline constexpr std::uint32_t kMcHasFpXstate = 4;       // _MC_HASFPXSTATE
inline constexpr std::uint64_t kFpFormatNone = 0x10000;  // _MC_FPFMT_NODEV
inline constexpr std::uint64_t kFpFormatXmm = 0x10002;   // _MC_FPFMT_XMM
inline constexpr std::uint64_t kFpOwnedNone = 0x20000;   // _MC_FPOWNED_NONE
inline constexpr std::uint64_t kFpOwnedFpu = 0x20001;    // _MC_FPOWNED_FPU
inline constexpr std::uint64_t kFpOwnedPcb = 0x20002;    // _MC_FPOWNED_PCB

// Segment selectors a FreeBSD user thread has (sys/amd64/include/segments.h).
inline constexpr std::uint64_t kUserCode = 0x43, kUserData = 0x3b;
inline constexpr std::uint16_t kUserFs = 0x13, kUserGs = 0x1b;

inline constexpr std::size_t kFxsaveSize = 512;

struct Mcontext {
  std::uint64_t onstack;
  std::uint64_t rdi, rsi, rdx, rcx, r8, r9, rax, rbx, rbp, r10, r11, r12, r13, r14, r15;
  std::uint32_t trapno;
  std::uint16_t fs, gs;
  std::uint64_t addr;
  std::uint32_t flags;
  std::uint16_t es, ds;
  std::uint64_t err, rip, cs, rflags, rsp, ss;
  std::uint64_t len;
  std::uint64_t fpformat, ownedfp;
  alignas(16) std::byte fpstate[kFxsaveSize];
  std::uint64_t fsbase, gsbase;
  std::uint64_t xfpustate, xfpustate_len;
  std::uint64_t spare[4];
};
static_assert(sizeof(Mcontext) == 800 && offsetof(Mcontext, trapno) == 128 &&
              offsetof(Mcontext, fpstate) == 224 && offsetof(Mcontext, fsbase) == 736);

struct Ucontext {
  GuestSigset sigmask;
  Mcontext mcontext;
  std::uint64_t link;
  Stack stack;
  std::int32_t flags;
  std::int32_t spare[4];
};
static_assert(sizeof(Ucontext) == 880 && offsetof(Ucontext, mcontext) == 16 &&
              offsetof(Ucontext, stack) == 824);

struct Siginfo {
  std::int32_t signo, error, code, pid;
  std::uint32_t uid;
  std::int32_t status;
  std::uint64_t addr;
  std::uint64_t value;
  union {
    std::int32_t trapno;
    struct {
      std::int32_t timerid, overrun;
    } timer;
    std::int64_t band;
    std::uint64_t spare[5];
  } reason;
};
static_assert(sizeof(Siginfo) == 80 && offsetof(Siginfo, addr) == 24 && offsetof(Siginfo, reason) == 40);

struct SignalFrame {
  std::uint64_t handler;
  std::uint64_t pad;
  Ucontext context;
  Siginfo info;
};
static_assert(offsetof(SignalFrame, context) == 16 && sizeof(SignalFrame) == 16 + 880 + 80);

struct ThreadParameters {  // struct thr_param
  std::uint64_t start_func, arg, stack_base, stack_size, tls_base, tls_size, child_tid, parent_tid;
  std::int32_t flags;
  std::int32_t pad;
  std::uint64_t rtp;
  std::uint64_t spare[3];
};
static_assert(sizeof(ThreadParameters) == 104 && offsetof(ThreadParameters, rtp) == 72);

// si_code values that do not depend on the signal.
inline constexpr int kSiUser = 0x10001, kSiQueue = 0x10002, kSiTimer = 0x10003, kSiAsyncIo = 0x10004,
                     kSiMessageQueue = 0x10005, kSiKernel = 0x10006, kSiThread = 0x10007;

}  // namespace sudrun::abi::freebsd::guest
