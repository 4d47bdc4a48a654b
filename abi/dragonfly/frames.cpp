// Signal frames: what sendsig() writes and sigreturn(2) reads (DragonFly 6.4,
// sys/platform/pc64/x86_64/machdep.c and npx.c).
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "abi/bsd/general_registers.hpp"
#include "abi/bsd/xstate.hpp"
#include "abi/dragonfly/dragonfly.hpp"
#include "abi/dragonfly/machine_layout.hpp"

namespace sudrun::abi::dragonfly {
namespace {

constexpr int kPageFault = 14;               // x86 vector
constexpr std::uint64_t kKnownFeatures = 7;  // x87, SSE and AVX: what the kernel lets programs use
constexpr std::size_t kBehind = kFxsaveSize + kXsaveHeader, kAvxEnd = kBehind + 256;

void fill_context(guest::Mcontext& mc, const Context& context) noexcept {
  store_registers(context.regs, mc);
  mc.cs = guest::kUserCode;
  mc.ss = guest::kUserData;
  mc.len = sizeof mc;
  mc.fpformat = guest::kFpFormatNone;
  mc.ownedfp = guest::kFpOwnedNone;
  const std::span<const std::byte> live = context.xstate;
  if (live.size() < kFxsaveSize) return;
  mc.ownedfp = guest::kFpOwnedFpu;
  mc.fpformat = guest::kFpFormatXmm;
  std::memcpy(mc.fpstate, live.data(), kFxsaveOwn);
  if (live.size() < kBehind) return;
  const std::uint64_t features = load_at<std::uint64_t>(live, kFeaturesOffset) & kKnownFeatures;
  if (features != kKnownFeatures) return;
  const std::uint64_t present = load_at<std::uint64_t>(live, kFxsaveSize) & features;
  mc.fpformat = guest::kFpFormatYmm;
  std::memcpy(mc.fpstate + kFxsaveSize, &present, sizeof present);
  std::memcpy(mc.fpstate + kBehind, live.data() + kBehind, std::min(kAvxEnd, live.size()) - kBehind);
}

/// npxpop(): a context without floating-point state gives the thread a fresh one. Features DragonFly does not
/// know stay as they are.
int restore_fpu(const guest::Mcontext& mc, std::span<std::byte> live) noexcept {
  if (live.size() < kFxsaveSize) return 0;
  std::array<std::byte, kAvxEnd> state{};
  std::uint64_t features = 0;
  std::size_t size = kFxsaveSize;
  if (mc.ownedfp == guest::kFpOwnedFpu || mc.ownedfp == guest::kFpOwnedPcb) {
    std::memcpy(state.data(), mc.fpstate, state.size());
    features = load_at<std::uint64_t>(state, kFxsaveSize);
    if (mc.fpformat == guest::kFpFormatYmm && live.size() >= kAvxEnd) size = kAvxEnd;
  } else {
    constexpr std::uint16_t kControl = 0x37f;  // as fninit leaves it
    constexpr std::uint32_t kMxcsr = 0x1f80;
    std::memcpy(state.data(), &kControl, sizeof kControl);
    std::memcpy(state.data() + 24, &kMxcsr, sizeof kMxcsr);
    if (live.size() >= kBehind) size = kBehind;
  }
  if (size >= kBehind) {
    const std::uint64_t others = load_at<std::uint64_t>(live, kFxsaveSize) &
                                 load_at<std::uint64_t>(live, kFeaturesOffset) & ~kKnownFeatures;
    const std::uint64_t present = (features & kKnownFeatures) | others;
    std::memcpy(state.data() + kFxsaveSize, &present, sizeof present);
  }
  const std::span<const std::byte> all(state);
  return restore_xstate(all.first<kFxsaveSize>(), all.subspan(kFxsaveSize, size - kFxsaveSize), live);
}

/// Of a signal that was sent a handler learns who did it, of a fault what and where; nothing else is told.
guest::Siginfo siginfo_of(const Table& table, const SignalInfo& info) noexcept {
  guest::Siginfo out{};
  out.signo = table.signal_to_guest(info.signal);
  if (info.synchronous) {
    out.code = fault_code(info);
    out.addr = info.address;
    return out;
  }
  if (info.code == SI_USER || info.code == SI_TKILL || info.code == SI_QUEUE) {
    out.pid = info.pid;
    out.uid = info.uid;
  }
  return out;
}

}  // namespace

// Of children (wait6) all is told.
bool DragonFly::put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept {
  guest::Siginfo out{};
  if (info != nullptr) out = siginfo_of(table(), *info);
  if (info != nullptr && info->signal == SIGCHLD && info->code > 0) {
    out.code = info->code;
    out.pid = info->pid;
    out.uid = info->uid;
    out.status = info->code == CLD_EXITED ? info->status : table().signal_to_guest(info->status);
  }
  return host.put(at, out);
}

// By the processor's vector, as trap() (sys/platform/pc64/x86_64/trap.c) chooses signals and codes.
void DragonFly::adjust_fault(SignalInfo& info) const noexcept {
  constexpr int kBreakpoint = 1, kTrace = 2, kPrivilegedOpcode = 5, kAddressError = 2, kObjectError = 3;
  if (!info.synchronous) return;
  switch (info.trap_number) {
    case 1:
      info.code = kTrace;
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
    case 17:  // alignment
      info.signal = SIGBUS;
      info.code = kObjectError;
      break;
    case kPageFault:  // also beyond the end of a file
      if (info.signal == SIGBUS) info.code = SEGV_MAPERR;
      info.signal = SIGSEGV;
      break;
    case 16:  // x87
    case 19:  // SSE
      info.code = 0;
      break;
    default:
      break;
  }
}

bool DragonFly::push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                                  NativeSigset old_mask) noexcept {
  Context& context = host.context();
  Registers& regs = context.regs;
  const AltStack& alt = host.alt_stack();
  const bool on_stack = alt.contains(regs.rsp);

  guest::SignalFrame frame{};
  frame.handler = word_of(action.handler);
  frame.info = siginfo_of(table(), info);
  frame.context.sigmask = guest_sigset(table(), old_mask);
  frame.context.stack = guest::stack_of(alt, on_stack);
  guest::Mcontext& mc = frame.context.mcontext;
  mc.onstack = on_stack ? 1 : 0;
  fill_context(mc, context);
  if (info.synchronous) {
    mc.trapno = trap_number(info.trap_number);
    mc.err = info.fault_code;
    mc.addr = frame.info.addr;
  }

  const bool switches = alt.enabled && !on_stack && action.on_stack;
  Word sp = switches ? word_of(alt.base) + alt.size : regs.rsp - kRedZone;
  sp = (sp - sizeof frame) & ~Word{15};
  if (!host.put(guest_addr(sp), frame)) return false;

  enter_trampoline(regs, frame, sp, action.siginfo, trampoline_);
  return true;
}

bool DragonFly::save_context(Host& host, GuestAddr at) noexcept {
  guest::Ucontext saved{};
  saved.sigmask = guest_sigset(table(), host.signal_mask());
  fill_context(saved.mcontext, host.context());
  saved.mcontext.rax = 0;
  saved.mcontext.rflags &= ~kCarryFlag;
  return host.put(at, saved);
}

Result DragonFly::restore_context(Host& host, GuestAddr at) noexcept {
  guest::Ucontext saved;
  if (!host.get(at, saved)) return Result::fail(EFAULT);
  const guest::Mcontext& mc = saved.mcontext;
  Context& context = host.context();
  constexpr Word kResume = 0x10000;
  if (((mc.rflags ^ context.regs.rflags) & ~(kUserFlags | kResume)) != 0) return Result::fail(EINVAL);
  if ((mc.cs & 3) != 3) return Result::fail(EINVAL);
  if (const int error = restore_fpu(mc, context.xstate); error != 0) return Result::fail(error);
  load_registers(mc, context.regs);
  host.set_signal_mask(native_sigset(table(), saved.sigmask));
  return Result::untouched();
}

}  // namespace sudrun::abi::dragonfly
