// Signal frames: what sendsig() writes and sigreturn(2) reads (sys/amd64/amd64/exec_machdep.c, FreeBSD 14.0).
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "abi/freebsd/frames.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/machine_layout.hpp"

namespace sudrun::abi::freebsd {
namespace {

constexpr Word kRedZone = 128;
constexpr int kPageFault = 14;  // x86 vector
constexpr Word kTrapFlag = 1U << 8, kDirectionFlag = 1U << 10;
// PSL_USERCHANGE: what a program may set in its flags.
constexpr Word kUserFlags = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x40000 | 0x200000;

constexpr std::size_t kXsaveHeader = 64;
constexpr std::size_t kReservedWords =
    464;  // bytes of FXSAVE that belong to the host's kernel (asm/sigcontext.h)
constexpr std::size_t kFeaturesOffset = 472;  // its copy of the features the frame holds
constexpr std::size_t kMxcsrOffset = 24, kMxcsrMaskOffset = 28;
constexpr std::uint32_t kDefaultMxcsrMask = 0xffbf;

// x86 exception vectors as FreeBSD numbers its traps (sys/x86/include/trap.h).
constexpr std::array<std::uint8_t, 20> kTrapNumbers{18, 10, 19, 3, 20, 21, 1, 22, 23, 24,
                                                    25, 26, 27, 9, 12, 30, 6, 14, 28, 29};

std::uint32_t trap_number(int vector) noexcept {
  const auto v = static_cast<unsigned>(vector);
  return v < kTrapNumbers.size() ? kTrapNumbers[v] : 30;
}

template <typename T>
T load_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

void fill_registers(guest::Mcontext& mc, const Context& context) noexcept {
  const Registers& r = context.regs;
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
  mc.cs = guest::kUserCode;
  mc.ss = guest::kUserData;
  mc.ds = mc.es = static_cast<std::uint16_t>(guest::kUserData);
  mc.fs = guest::kUserFs;
  mc.gs = guest::kUserGs;
  mc.flags = guest::kMcHasSegments | guest::kMcHasBases;
  mc.len = sizeof mc;
  mc.fsbase = context.fs_base;
  mc.gsbase = context.gs_base;
}

/// The part of the vector state a context has room for; false if there is none.
bool fill_vector_state(guest::Mcontext& mc, const Context& context) noexcept {
  const bool there = context.xstate.size() >= guest::kFxsaveSize;
  mc.fpformat = there ? guest::kFpFormatXmm : guest::kFpFormatNone;
  mc.ownedfp = there ? guest::kFpOwnedFpu : guest::kFpOwnedNone;
  if (there) std::memcpy(mc.fpstate, context.xstate.data(), kReservedWords);
  return there;
}

void take_registers(const guest::Mcontext& mc, Context& context) noexcept {
  Registers& r = context.regs;
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
  context.fs_base = mc.fsbase;
}

/// Writes the guest's extended state over the live frame's. Returns 0 or EINVAL; on EINVAL nothing changed.
int restore_xstate(const guest::Mcontext& mc, std::span<const std::byte> extended,
                   std::span<std::byte> live) noexcept {
  if (mc.fpformat == guest::kFpFormatNone) return 0;
  if (mc.fpformat != guest::kFpFormatXmm) return EINVAL;
  if (mc.ownedfp == guest::kFpOwnedNone) return 0;
  if (mc.ownedfp != guest::kFpOwnedFpu && mc.ownedfp != guest::kFpOwnedPcb) return EINVAL;
  if (live.size() < guest::kFxsaveSize) return 0;

  const bool has_header = live.size() >= guest::kFxsaveSize + kXsaveHeader;
  const auto features = has_header ? load_at<std::uint64_t>(live, kFeaturesOffset) : 0;
  std::uint64_t present = 3;  // x87 and SSE are in the FXSAVE part
  if (!extended.empty()) {
    if (extended.size() < kXsaveHeader) return EINVAL;
    present = load_at<std::uint64_t>(extended, 0);
    for (std::size_t i = 8; i < kXsaveHeader; ++i)
      if (extended[i] != std::byte{0}) return EINVAL;  // compacted format and reserved bits
    if ((present & ~features) != 0) return EINVAL;
  } else if (has_header) {
    present |= load_at<std::uint64_t>(live, guest::kFxsaveSize) & features;
  }
  auto valid = load_at<std::uint32_t>(live, kMxcsrMaskOffset);
  if (valid == 0) valid = kDefaultMxcsrMask;
  const auto mxcsr = load_at<std::uint32_t>(std::span<const std::byte>(mc.fpstate), kMxcsrOffset) & valid;

  std::memcpy(live.data(), mc.fpstate, kReservedWords);
  std::memcpy(live.data() + kMxcsrOffset, &mxcsr, sizeof mxcsr);
  std::memcpy(live.data() + kMxcsrMaskOffset, &valid, sizeof valid);
  if (has_header) std::memcpy(live.data() + guest::kFxsaveSize, &present, sizeof present);
  if (extended.size() > kXsaveHeader)
    std::memcpy(live.data() + guest::kFxsaveSize + kXsaveHeader, extended.data() + kXsaveHeader,
                extended.size() - kXsaveHeader);
  return 0;
}

}  // namespace

guest::Siginfo guest_siginfo(const Table& table, const SignalInfo& info) noexcept {
  guest::Siginfo out{};
  out.signo = table.signal_to_guest(info.signal);
  out.error = info.error != 0 ? table.errno_to_guest(info.error) : 0;
  out.pid = info.pid;
  out.uid = info.uid;
  out.value = info.value;
  if (info.synchronous) {
    out.code = info.code;
    out.addr = info.address;
    out.reason.trapno = static_cast<std::int32_t>(trap_number(info.trap_number));
    // Of the codes for arithmetic only the first two are swapped between the systems.
    if (info.signal == SIGFPE && (info.code == FPE_INTDIV || info.code == FPE_INTOVF))
      out.code = info.code == FPE_INTDIV ? 2 : 1;
    if (info.code == SI_KERNEL) out.code = guest::kSiKernel;
    return out;
  }
  switch (info.code) {
    case SI_USER:
      out.code = guest::kSiUser;
      break;
    case SI_QUEUE:
      out.code = guest::kSiQueue;
      break;
    case SI_TKILL:
      out.code = guest::kSiThread;
      break;
    case SI_ASYNCIO:
      out.code = guest::kSiAsyncIo;
      break;
    case SI_MESGQ:
      out.code = guest::kSiMessageQueue;
      break;
    case SI_KERNEL:
      out.code = guest::kSiKernel;
      break;
    case SI_TIMER:
      out.code = guest::kSiTimer;
      out.reason.timer = {info.timer_id, info.overrun};
      break;
    default:
      out.code = info.code;  // CLD_* and POLL_* are the same numbers
      if (info.signal == SIGCHLD) {
        const bool by_signal = info.code != CLD_EXITED;
        out.status = by_signal ? table.signal_to_guest(info.status) : info.status;
      } else {
        out.reason.band = info.band;
      }
  }
  return out;
}

// Signals and codes as trap() (sys/amd64/amd64/trap.c) and vm_fault_trap() (sys/vm/vm_fault.c) choose them,
// by the processor's vector; the others are the same on both systems or are swapped by guest_siginfo().
void FreeBsd::adjust_fault(SignalInfo& info) const noexcept {
  constexpr int kTraceTrap = 2, kBreakpoint = 1, kPrivilegedOpcode = 5, kAddressError = 2, kObjectError = 3;
  if (!info.synchronous) return;
  switch (info.trap_number) {
    case 1:
      info.code = kTraceTrap;
      break;
    case 3:
      info.code = kBreakpoint;
      break;
    case 6:
      info.code = kPrivilegedOpcode;
      break;
    case 11:  // segment not present
    case 12:  // stack fault
      info.signal = SIGBUS;
      info.code = kAddressError;
      break;
    case 13:  // general protection
      info.signal = SIGBUS;
      info.code = kObjectError;
      break;
    case kPageFault:
      if (info.signal == SIGBUS) info.code = kObjectError;
      break;
    default:
      break;
  }
}

bool FreeBsd::push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                                NativeSigset old_mask) noexcept {
  Context& context = host.context();
  Registers& regs = context.regs;
  const AltStack& alt = host.alt_stack();
  const bool on_stack = alt.contains(regs.rsp);

  guest::SignalFrame frame{};
  frame.handler = word_of(action.handler);
  frame.info = guest_siginfo(table(), info);
  frame.context.sigmask = guest_sigset(table(), old_mask);
  frame.context.stack = {word_of(alt.base), alt.size,
                         !alt.enabled ? guest::kStackDisable
                         : on_stack   ? guest::kStackOnStack
                                      : 0,
                         0};
  guest::Mcontext& mc = frame.context.mcontext;
  mc.onstack = on_stack ? 1 : 0;
  fill_registers(mc, context);
  if (info.synchronous) {
    mc.trapno = trap_number(info.trap_number);
    mc.err = info.fault_code;
    // Only a page fault has an address of its own; for the rest it is the instruction's.
    if (info.trap_number != kPageFault) frame.info.addr = regs.rip;
    mc.addr = frame.info.addr;
  }

  Word sp = alt.enabled && !on_stack && action.on_stack ? word_of(alt.base) + alt.size : regs.rsp - kRedZone;
  if (fill_vector_state(mc, context)) {
    if (const std::size_t extended = context.xstate.size() - guest::kFxsaveSize; extended != 0) {
      sp = (sp - extended) & ~Word{63};
      mc.flags |= guest::kMcHasFpXstate;
      mc.xfpustate = sp;
      mc.xfpustate_len = extended;
      if (!host.write(guest_addr(sp), context.xstate.data() + guest::kFxsaveSize, extended)) return false;
    }
  }
  sp = (sp - sizeof frame) & ~Word{15};
  if (!host.put(guest_addr(sp), frame)) return false;

  regs.rdi = static_cast<Word>(frame.info.signo);
  regs.rsi = action.siginfo ? sp + offsetof(guest::SignalFrame, info)
                            : static_cast<Word>(static_cast<std::int64_t>(frame.info.code));
  regs.rdx = sp + offsetof(guest::SignalFrame, context);
  regs.rcx = frame.info.addr;
  regs.rsp = sp;
  regs.rip = word_of(trampoline_);
  regs.rflags &= ~(kTrapFlag | kDirectionFlag);
  return true;
}

bool save_context(Host& host, const Table& table, GuestAddr at) noexcept {
  const Context& context = host.context();
  guest::Ucontext saved{};
  saved.sigmask = guest_sigset(table, host.signal_mask());
  guest::Mcontext& mc = saved.mcontext;
  fill_registers(mc, context);
  mc.rax = mc.rdx = 0;
  mc.rflags &= ~kCarryFlag;
  fill_vector_state(mc, context);
  return host.write(at, &saved, offsetof(guest::Ucontext, link));  // UC_COPY_SIZE
}

int load_machine_context(Host& host, GuestAddr at, guest::Ucontext& saved) noexcept {
  if (!host.get(at, saved)) return EFAULT;
  const guest::Mcontext& mc = saved.mcontext;
  constexpr std::uint32_t kKnown = guest::kMcHasSegments | guest::kMcHasBases | guest::kMcHasFpXstate;
  if ((mc.flags & ~kKnown) != 0) return EINVAL;
  Context& context = host.context();
  if (((mc.rflags ^ context.regs.rflags) & ~(kUserFlags | 0x10000)) != 0) return EINVAL;
  if ((mc.cs & 3) != 3) return EINVAL;

  std::array<std::byte, kMaxXstate> extended;
  std::size_t size = 0;
  if ((mc.flags & guest::kMcHasFpXstate) != 0) {
    const std::size_t room =
        context.xstate.size() > guest::kFxsaveSize ? context.xstate.size() - guest::kFxsaveSize : 0;
    if (mc.xfpustate_len > room || mc.xfpustate_len > extended.size()) return EINVAL;
    size = mc.xfpustate_len;
    if (!host.read(guest_addr(mc.xfpustate), extended.data(), size)) return EFAULT;
  }
  if (const int error = restore_xstate(mc, {extended.data(), size}, context.xstate); error != 0) return error;
  take_registers(mc, context);
  return 0;
}

Result restore_context(Host& host, const Table& table, GuestAddr at) noexcept {
  guest::Ucontext saved;
  if (const int error = load_machine_context(host, at, saved); error != 0) return Result::fail(error);
  host.set_signal_mask(native_sigset(table, saved.sigmask));
  return Result::untouched();
}

}  // namespace sudrun::abi::freebsd
