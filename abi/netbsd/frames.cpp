// Contexts and signal frames: what sendsig_siginfo() writes, and what setcontext(2) reads, which is also how
// a handler's trampoline goes back (NetBSD 10.1 sys/arch/amd64/amd64/machdep.c, sys/kern/sys_sig.c,
// lib/libc/arch/x86_64/sys/__sigtramp2.S).
#include "abi/netbsd/frames.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "abi/bsd/general_registers.hpp"
#include "abi/bsd/xstate.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace {

using bsd::load_at;

constexpr int kPageFault = 14;  // x86 vector
// PSL_CLEARSIG: T, VM, AC and, as any C code expects it, D.
constexpr Word kClearedFlags = 1U << 8 | 1U << 10 | 1U << 17 | 1U << 18;
// x86 exception vectors as NetBSD numbers its traps (sys/arch/x86/include/trap.h).
constexpr std::array<std::uint8_t, 20> kTrapNumbers{8,  5,  9,  1, 10, 11, 0, 12, 13, 14,
                                                    15, 16, 17, 4, 6,  3,  2, 7,  18, 19};

std::uint32_t trap_number(int vector) noexcept {
  const auto v = static_cast<unsigned>(vector);
  return v < kTrapNumbers.size() ? kTrapNumbers[v] : 3;  // T_ASTFLT, which no program sees
}

/// NetBSD's context ends with the FXSAVE image. What the processor has beyond stands elsewhere on the stack
/// of a signal frame; where, this tells in those bytes of the image that no program and no processor uses.
struct ExtendedNote {
  std::uint64_t mark, address, size;
};
constexpr std::uint64_t kExtendedMark = 0x6e75'7264'7573'7873;
constexpr std::size_t kNoteOffset = bsd::kFxsaveOwn;
static_assert(kNoteOffset + sizeof(ExtendedNote) <= guest::kFxsaveSize);
/// More than this is not kept over a handler: a guest's signal stack may have 8192 bytes (MINSIGSTKSZ).
constexpr std::size_t kMaxKept = 4096;

void fill_registers(guest::Mcontext& mc, const Context& context) noexcept {
  store_registers(context.regs, mc);
  mc.es = mc.ds = guest::kUserData;
  mc.cs = guest::kHostCode;
  mc.ss = guest::kHostData;
  mc.tlsbase = context.fs_base;
}

/// cpu_mcontext_validate(). The host's own limits hold for addresses, and its selectors are as good.
bool is_valid(const guest::Mcontext& mc) noexcept {
  const auto is_one_of = [](std::uint64_t selector, std::uint64_t a, std::uint64_t b) {
    return selector == a || selector == b;
  };
  return is_one_of(mc.cs, guest::kHostCode, guest::kUserCode) &&
         is_one_of(mc.ss, guest::kHostData, guest::kUserData) && mc.rip < kGuestTop;
}

void fill_fpu(guest::Mcontext& mc, const Context& context) noexcept {
  if (context.xstate.size() >= guest::kFxsaveSize)
    std::memcpy(mc.fpregs, context.xstate.data(), bsd::kFxsaveOwn);
}

/// The part of the extended state that is no FXSAVE image, if the context says where it is. The host's image
/// may be larger or smaller now than it was then: what it has no room for no program has used.
void take_fpu(Host& host, const guest::Mcontext& mc) noexcept {
  const std::span<std::byte> live = host.context().xstate;
  const auto note = load_at<ExtendedNote>(std::span<const std::byte>(mc.fpregs), kNoteOffset);
  std::array<std::byte, kMaxKept> extended;
  constexpr std::size_t kSmallest = guest::kFxsaveSize + bsd::kXsaveHeader;
  const std::size_t size =
      live.size() >= kSmallest ? std::min<std::size_t>(note.size, live.size() - guest::kFxsaveSize) : 0;
  const bool kept = note.mark == kExtendedMark && size >= bsd::kXsaveHeader && size <= extended.size() &&
                    host.read(guest_addr(note.address), extended.data(), size);
  if (kept) {
    const auto present = load_at<std::uint64_t>(std::span<const std::byte>(extended), 0) &
                         load_at<std::uint64_t>(live, bsd::kFeaturesOffset);
    std::memcpy(extended.data(), &present, sizeof present);
  }
  if (kept && bsd::restore_xstate(mc.fpregs, {extended.data(), size}, live) == 0) return;
  bsd::restore_xstate(mc.fpregs, {}, live);
}

/// Where a context's uc_link is kept (l_ctxlink).
Word& context_link(Host& host) noexcept { return host.thread_words()[0]; }

}  // namespace

guest::Siginfo guest_siginfo(const Table& table, const SignalInfo& info) noexcept {
  guest::Siginfo out{};
  out.signo = table.signal_to_guest(info.signal);
  out.error = info.error != 0 ? table.errno_to_guest(info.error) : 0;
  out.code = info.code;  // what depends on the signal has the same numbers
  if (info.synchronous) {
    if (info.code == SI_KERNEL) out.code = guest::kSiNoInfo;
    out.reason.fault = {info.address, static_cast<std::int32_t>(trap_number(info.trap_number))};
    return out;
  }
  out.reason.sent = {info.pid, info.uid, info.value};
  switch (info.code) {
    case SI_USER:
      out.code = guest::kSiUser;
      break;
    case SI_QUEUE:
      out.code = guest::kSiQueue;
      break;
    case SI_TKILL:
      out.code = guest::kSiLwp;
      break;
    case SI_ASYNCIO:
      out.code = guest::kSiAsyncIo;
      break;
    case SI_MESGQ:
      out.code = guest::kSiMessageQueue;
      break;
    case SI_KERNEL:
      out.code = guest::kSiNoInfo;
      break;
    case SI_TIMER:
      out.code = guest::kSiTimer;
      out.reason.sent = {0, 0, info.value};
      break;
    default:
      if (info.signal == SIGCHLD) {
        const int status = info.code != CLD_EXITED ? table.signal_to_guest(info.status) : info.status;
        out.reason.child = {info.pid, info.uid, status, 0, 0};
      } else {
        out.reason.io = {info.band, info.fd};
      }
  }
  return out;
}

// Signals and codes as trap() chooses them (sys/arch/amd64/amd64/trap.c), by the processor's vector; the
// others are the same on both systems.
void NetBsd::adjust_fault(SignalInfo& info) const noexcept {
  constexpr int kBreakpoint = 1, kTraceTrap = 2, kPrivilegedOpcode = 5, kAlignment = 1, kAddressError = 2,
                kObjectError = 3, kAccessError = 2;
  if (!info.synchronous) return;
  const auto becomes = [&info](int signal, int code) {
    info.signal = signal;
    info.code = code;
  };
  switch (info.trap_number) {
    case 1:
      return becomes(SIGTRAP, kTraceTrap);
    case 3:
      return becomes(SIGTRAP, kBreakpoint);
    case 6:
      return becomes(SIGILL, kPrivilegedOpcode);
    case 10:  // bad task segment
      return becomes(SIGBUS, kObjectError);
    case 11:  // segment not present
    case 12:  // stack fault
      return becomes(SIGBUS, kAddressError);
    case 13:  // general protection
      return becomes(SIGSEGV, kAccessError);
    case 17:
      return becomes(SIGBUS, kAlignment);
    default:
      break;
  }
}

bool NetBsd::push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                               NativeSigset old_mask) noexcept {
  Context& context = host.context();
  Registers& regs = context.regs;
  const AltStack& alt = host.alt_stack();
  const bool on_stack = alt.contains(regs.rsp);

  guest::SignalFrame frame{};
  frame.return_address = word_of(action.restorer);
  frame.info = guest_siginfo(table(), info);
  guest::Ucontext& saved = frame.context;
  saved.flags = guest::kHasMask | guest::kHasCpu | guest::kHasFpu | guest::kHasTls |
                (on_stack ? guest::kSetStack : guest::kClearStack);
  saved.link = context_link(host);
  saved.sigmask = bsd::guest_sigset(table(), old_mask);
  guest::Mcontext& mc = saved.mcontext;
  fill_registers(mc, context);
  fill_fpu(mc, context);
  if (info.synchronous) {
    mc.trapno = trap_number(info.trap_number);
    mc.err = info.fault_code;
    // Only a page fault has an address of its own; for the rest it is the instruction's, and SIGTRAP has
    // none.
    if (info.trap_number != kPageFault)
      frame.info.reason.fault.address = info.signal == SIGTRAP ? 0 : regs.rip;
  }

  Word sp = alt.enabled && !on_stack && action.on_stack ? word_of(alt.base) + alt.size : regs.rsp - kRedZone;
  const std::size_t whole = context.xstate.size();
  if (whole > guest::kFxsaveSize && whole - guest::kFxsaveSize <= kMaxKept) {
    const ExtendedNote note{kExtendedMark, (sp - (whole - guest::kFxsaveSize)) & ~Word{63},
                            whole - guest::kFxsaveSize};
    if (!host.write(guest_addr(note.address), context.xstate.data() + guest::kFxsaveSize, note.size))
      return false;
    std::memcpy(mc.fpregs + kNoteOffset, &note, sizeof note);
    sp = note.address;
  }
  sp = ((sp - sizeof frame) & ~Word{15}) - sizeof(Word);
  if (!host.put(guest_addr(sp), frame)) return false;

  regs.rdi = static_cast<Word>(frame.info.signo);
  regs.rsi = sp + offsetof(guest::SignalFrame, info);
  regs.rdx = regs.r15 = sp + offsetof(guest::SignalFrame, context);
  regs.rsp = sp;
  regs.rip = word_of(action.handler);
  regs.rflags &= ~kClearedFlags;
  return true;
}

bool NetBsd::put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept {
  return host.put(at, info != nullptr ? guest_siginfo(table(), *info) : guest::Siginfo{});
}

bool NetBsd::save_context(Host& host, GuestAddr at) noexcept {
  const Context& context = host.context();
  const AltStack& alt = host.alt_stack();
  guest::Ucontext saved{};
  saved.flags = guest::kHasMask | guest::kHasStack | guest::kHasCpu | guest::kHasFpu | guest::kHasTls;
  saved.link = context_link(host);
  saved.sigmask = bsd::guest_sigset(table(), host.signal_mask());
  if (alt.contains(context.regs.rsp)) saved.stack = bsd::guest::stack_of(alt, true);
  guest::Mcontext& mc = saved.mcontext;
  fill_registers(mc, context);
  mc.rax = mc.rdx = 0;
  mc.rflags &= ~kCarryFlag;
  fill_fpu(mc, context);
  return host.put(at, saved);
}

// Whether the thread is on its signal stack shows from its stack pointer, whatever the flags for the stack
// say.
Result NetBsd::restore_context(Host& host, GuestAddr at) noexcept {
  guest::Ucontext wanted;
  if (!host.get(at, wanted)) return Result::fail(EFAULT);
  if ((wanted.flags & guest::kHasCpu) == 0 || !is_valid(wanted.mcontext)) return Result::fail(EINVAL);
  if ((wanted.flags & guest::kHasMask) != 0)
    host.set_signal_mask(bsd::native_sigset(table(), wanted.sigmask));
  Context& context = host.context();
  load_registers(wanted.mcontext, context.regs);
  if ((wanted.flags & guest::kHasFpu) != 0) take_fpu(host, wanted.mcontext);
  if ((wanted.flags & guest::kHasTls) != 0) context.fs_base = wanted.mcontext.tlsbase;
  context_link(host) = wanted.link;
  return Result::untouched();
}

int thread_start(const guest::Ucontext& context, ThreadStart& start) noexcept {
  if ((context.flags & guest::kHasCpu) == 0 || !is_valid(context.mcontext)) return EINVAL;
  load_registers(context.mcontext, start.regs);
  if ((context.flags & guest::kHasTls) != 0) start.fs_base = context.mcontext.tlsbase;
  return 0;
}

}  // namespace sudrun::abi::netbsd
