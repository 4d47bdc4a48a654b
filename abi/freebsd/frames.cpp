// Signal frames: what sendsig() writes and sigreturn(2) reads (sys/amd64/amd64/exec_machdep.c, FreeBSD 14.0).
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "abi/bsd/general_registers.hpp"
#include "abi/bsd/xstate.hpp"
#include "abi/freebsd/frames.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/machine_layout.hpp"

namespace sudrun::abi::freebsd {
namespace {

constexpr int kPageFault = 14;  // x86 vector

void fill_registers(guest::Mcontext& mc, const Context& context) noexcept {
  store_registers(context.regs, mc);
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
  if (there) std::memcpy(mc.fpstate, context.xstate.data(), kFxsaveOwn);
  return there;
}

/// Takes the vector state of a context, and what `extended` adds to it. 0 or EINVAL; nothing has changed
/// then.
int take_vector_state(const guest::Mcontext& mc, std::span<const std::byte> extended,
                      std::span<std::byte> live) noexcept {
  if (mc.fpformat == guest::kFpFormatNone) return 0;
  if (mc.fpformat != guest::kFpFormatXmm) return EINVAL;
  if (mc.ownedfp == guest::kFpOwnedNone) return 0;
  if (mc.ownedfp != guest::kFpOwnedFpu && mc.ownedfp != guest::kFpOwnedPcb) return EINVAL;
  return restore_xstate(mc.fpstate, extended, live);
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
    out.code = fault_code(info);
    out.addr = info.address;
    out.reason.trapno = static_cast<std::int32_t>(trap_number(info.trap_number));
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
  frame.context.stack = guest::stack_of(alt, on_stack);
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

  enter_trampoline(regs, frame, sp, action.siginfo, trampoline_);
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
  if (const int error = take_vector_state(mc, {extended.data(), size}, context.xstate); error != 0)
    return error;
  load_registers(mc, context.regs);
  context.fs_base = mc.fsbase;
  return 0;
}

Result restore_context(Host& host, const Table& table, GuestAddr at) noexcept {
  guest::Ucontext saved;
  if (const int error = load_machine_context(host, at, saved); error != 0) return Result::fail(error);
  host.set_signal_mask(native_sigset(table, saved.sigmask));
  return Result::untouched();
}

}  // namespace sudrun::abi::freebsd
