// Structures of the kernel's interface whose C library namesakes differ, or that have none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::linux_abi {

/// `struct sigaction` of rt_sigaction (asm/signal.h).
struct KernelSigaction {
  std::uint64_t handler;
  std::uint64_t flags;
  std::uint64_t restorer;
  std::uint64_t mask;
};
static_assert(sizeof(KernelSigaction) == 32 && offsetof(KernelSigaction, mask) == 24);

/// `stack_t` (asm/signal.h).
struct KernelStack {
  std::uint64_t sp;
  std::int32_t flags;
  std::int32_t padding;
  std::uint64_t size;
};
static_assert(sizeof(KernelStack) == 24 && offsetof(KernelStack, size) == 16);

/// `struct sigcontext` (asm/sigcontext.h). The first eighteen words stand in the order of Registers.
struct SigContext {
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
  std::uint64_t rip, rflags;
  std::uint16_t cs, gs, fs, ss;
  std::uint64_t error, trap_number, old_mask, cr2;
  std::uint64_t fpstate;
  std::uint64_t reserved[8];
};
static_assert(sizeof(SigContext) == 256 && offsetof(SigContext, cs) == 144);
static_assert(offsetof(SigContext, cr2) == 176 && offsetof(SigContext, fpstate) == 184);

/// `struct ucontext` (asm-generic/ucontext.h).
struct UContext {
  std::uint64_t flags;
  std::uint64_t link;
  KernelStack stack;
  SigContext mcontext;
  std::uint64_t sigmask;
};
static_assert(sizeof(UContext) == 304 && offsetof(UContext, mcontext) == 40 &&
              offsetof(UContext, sigmask) == 296);

/// `siginfo_t` (asm-generic/siginfo.h): a head, and a union by signal and code.
struct KernelSiginfo {
  std::int32_t signal;
  std::int32_t error;
  std::int32_t code;
  std::int32_t padding;
  union {
    struct {
      std::int32_t pid;
      std::uint32_t uid;
      std::uint64_t value;
    } queue;
    struct {
      std::int32_t id;
      std::int32_t overrun;
      std::uint64_t value;
    } timer;
    struct {
      std::int32_t pid;
      std::uint32_t uid;
      std::int32_t status;
      std::int64_t user_time, system_time;
    } child;
    struct {
      std::uint64_t address;
    } fault;
    struct {
      std::int64_t band;
      std::int32_t fd;
    } poll;
    std::uint64_t words[14];
  } of;
};
static_assert(sizeof(KernelSiginfo) == 128 && offsetof(KernelSiginfo, of) == 16);
static_assert(offsetof(KernelSiginfo, of.child.status) == 24 &&
              offsetof(KernelSiginfo, of.child.user_time) == 32);

/// `struct rt_sigframe` (asm/sigframe.h): what the guest's handler finds on its stack.
struct RtSigframe {
  std::uint64_t return_address;
  UContext ucontext;
  KernelSiginfo info;
};
static_assert(sizeof(RtSigframe) == 440 && offsetof(RtSigframe, info) == 312);

/// `struct clone_args` (linux/sched.h).
struct CloneArgs {
  std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  std::uint64_t set_tid, set_tid_size;  // since version 1
  std::uint64_t cgroup;                 // since version 2
};
static_assert(sizeof(CloneArgs) == 88);

/// `struct robust_list_head` (linux/futex.h).
struct RobustListHead {
  std::uint64_t next;
  std::int64_t futex_offset;
  std::uint64_t pending;
};
static_assert(sizeof(RobustListHead) == 24);

/// The sixth argument of pselect6 and io_pgetevents.
struct SigsetArgument {
  std::uint64_t set;
  std::uint64_t size;
};
static_assert(sizeof(SigsetArgument) == 16);

}  // namespace sudrun::abi::linux_abi
