// Machine-dependent structures of NetBSD/amd64: contexts, signal frame, siginfo, lwpctl.
//
// Sources: NetBSD 10.1, sys/arch/amd64/include/mcontext.h and frame_regs.h,
// sys/sys/{ucontext,siginfo,lwpctl}.h, sys/arch/amd64/amd64/machdep.c (sendsig_siginfo),
// sys/arch/x86/include/trap.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/signals_layout.hpp"

namespace sudrun::abi::netbsd::guest {

using bsd::GuestSigset;
using bsd::guest::kStackDisable;
using bsd::guest::kStackOnStack;
using bsd::guest::Stack;

inline constexpr std::size_t kFxsaveSize = 512;

// What a context holds, and what setcontext(2) is to do about the signal stack.
enum ContextFlag : std::uint32_t {
  kHasMask = 0x1,         // _UC_SIGMASK
  kHasStack = 0x2,        // _UC_STACK
  kHasCpu = 0x4,          // _UC_CPU
  kHasFpu = 0x8,          // _UC_FPU
  kSetStack = 0x10000,    // _UC_SETSTACK
  kClearStack = 0x20000,  // _UC_CLRSTACK
  kHasTls = 0x80000,      // _UC_TLSBASE
};

// Selectors of user segments: those the registers really hold, and NetBSD's
// (sys/arch/amd64/include/segments.h: LSEL(LUCODE_SEL, SEL_UPL), LSEL(LUDATA_SEL, SEL_UPL)).
inline constexpr std::uint64_t kHostCode = 0x33, kHostData = 0x2b;
inline constexpr std::uint64_t kUserCode = 0x47, kUserData = 0x3f;

struct Mcontext {
  std::uint64_t rdi, rsi, rdx, rcx, r8, r9, r10, r11, r12, r13, r14, r15, rbp, rbx, rax;
  std::uint64_t gs, fs, es, ds, trapno, err, rip, cs, rflags, rsp, ss;
  std::uint64_t tlsbase;
  std::byte fpregs[kFxsaveSize];
};
static_assert(sizeof(Mcontext) == 728 && offsetof(Mcontext, trapno) == 152 &&
              offsetof(Mcontext, tlsbase) == 208 && offsetof(Mcontext, fpregs) == 216);

struct Ucontext {
  std::uint32_t flags;
  std::uint32_t pad;
  std::uint64_t link;
  GuestSigset sigmask;
  Stack stack;
  Mcontext mcontext;
};
static_assert(sizeof(Ucontext) == 784 && offsetof(Ucontext, sigmask) == 16 &&
              offsetof(Ucontext, mcontext) == 56);

struct Siginfo {
  std::int32_t signo, code, error, pad;
  union {
    struct {
      std::int32_t pid;
      std::uint32_t uid;
      std::uint64_t value;
    } sent;
    struct {
      std::int32_t pid;
      std::uint32_t uid;
      std::int32_t status, user_time, system_time;
    } child;
    struct {
      std::uint64_t address;
      std::int32_t trap;
    } fault;
    struct {
      std::int64_t band;
      std::int32_t fd;
    } io;
    std::uint64_t spare[14];
  } reason;
};
static_assert(sizeof(Siginfo) == 128 && offsetof(Siginfo, reason) == 16);

struct SignalFrame {
  std::uint64_t return_address;
  Siginfo info;
  Ucontext context;
};
static_assert(sizeof(SignalFrame) == 920 && offsetof(SignalFrame, info) == 8 &&
              offsetof(SignalFrame, context) == 136);

// si_code values that do not depend on the signal.
inline constexpr int kSiUser = 0, kSiQueue = -1, kSiTimer = -2, kSiAsyncIo = -3, kSiMessageQueue = -4,
                     kSiLwp = -5, kSiNoInfo = 32767;

// What libpthread looks at to see whether the holder of a lock runs.
struct LwpControl {
  std::int32_t current_cpu, counter;
};
inline constexpr std::int32_t kCpuNone = -1, kCpuExited = -2;  // LWPCTL_CPU_*
inline constexpr std::uint32_t kControlFeatures = 3;           // LWPCTL_FEATURE_CURCPU, LWPCTL_FEATURE_PCTR

}  // namespace sudrun::abi::netbsd::guest
