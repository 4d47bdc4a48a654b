// Dispositions, masks and the alternate stack. Waiting under a mask is in waits.cpp, frames are in
// signal_frame.cpp.
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>

#include "abi/linux/linux.hpp"
#include "abi/linux/signal_frame.hpp"

namespace sudrun::abi::linux_abi {
namespace {

constexpr NativeSigset kUnblockable = sigbit(SIGKILL) | sigbit(SIGSTOP);
constexpr std::uint64_t kSaRestorer = 0x04000000;
constexpr int kLastSignal = 64;

SignalAction action_of(const KernelSigaction& guest) noexcept {
  SignalAction action;
  if (guest.handler == reinterpret_cast<Word>(SIG_IGN))
    action.disposition = Disposition::ignore;
  else if (guest.handler != reinterpret_cast<Word>(SIG_DFL))
    action.disposition = Disposition::handler;
  const auto has = [&](std::uint64_t flag) { return (guest.flags & flag) != 0; };
  action.on_stack = has(SA_ONSTACK);
  action.restart = has(SA_RESTART);
  action.reset_hand = has(static_cast<unsigned>(SA_RESETHAND));
  action.no_defer = has(SA_NODEFER);
  action.siginfo = has(SA_SIGINFO);
  action.no_cld_stop = has(SA_NOCLDSTOP);
  action.no_cld_wait = has(SA_NOCLDWAIT);
  action.handler = guest_addr(action.disposition == Disposition::handler ? guest.handler : 0);
  action.restorer = guest_addr(has(kSaRestorer) ? guest.restorer : 0);
  action.mask = guest.mask & ~kUnblockable;
  return action;
}

KernelSigaction guest_action(const SignalAction& action) noexcept {
  KernelSigaction guest{};
  const auto flag = [&](bool set, std::uint64_t bit) { guest.flags |= set ? bit : 0; };
  flag(action.on_stack, SA_ONSTACK);
  flag(action.restart, SA_RESTART);
  flag(action.reset_hand, static_cast<unsigned>(SA_RESETHAND));
  flag(action.no_defer, SA_NODEFER);
  flag(action.siginfo, SA_SIGINFO);
  flag(action.no_cld_stop, SA_NOCLDSTOP);
  flag(action.no_cld_wait, SA_NOCLDWAIT);
  flag(!is_null(action.restorer), kSaRestorer);
  switch (action.disposition) {
    case Disposition::by_default:
      guest.handler = reinterpret_cast<Word>(SIG_DFL);
      break;
    case Disposition::ignore:
      guest.handler = reinterpret_cast<Word>(SIG_IGN);
      break;
    case Disposition::handler:
      guest.handler = word_of(action.handler);
      break;
  }
  guest.restorer = word_of(action.restorer);
  guest.mask = action.mask;
  return guest;
}

Result rt_sigaction(Call& call) noexcept {
  if (call.word(3) != sizeof(NativeSigset)) return Result::fail(EINVAL);
  const int signal = call.i32(0);
  KernelSigaction guest{};
  const bool set = !is_null(call.addr(1));
  if (set && !call.host.get(call.addr(1), guest)) return Result::fail(EFAULT);
  if (signal < 1 || signal > kLastSignal || (set && (sigbit(signal) & kUnblockable) != 0))
    return Result::fail(EINVAL);

  const SignalAction action = action_of(guest);
  SignalAction old;
  const NativeResult done = call.host.signal_action(signal, set ? &action : nullptr, &old);
  if (is_error(done)) return Result::of(done);
  if (!is_null(call.addr(2)) && !call.host.put(call.addr(2), guest_action(old))) return Result::fail(EFAULT);
  return Result::ok();
}

Result rt_sigprocmask(Call& call) noexcept {
  if (call.word(3) != sizeof(NativeSigset)) return Result::fail(EINVAL);
  const NativeSigset old = call.host.signal_mask();
  if (!is_null(call.addr(1))) {
    NativeSigset set = 0;
    if (!call.host.get(call.addr(1), set)) return Result::fail(EFAULT);
    switch (call.i32(0)) {
      case SIG_BLOCK:
        set |= old;
        break;
      case SIG_UNBLOCK:
        set = old & ~set;
        break;
      case SIG_SETMASK:
        break;
      default:
        return Result::fail(EINVAL);
    }
    call.host.set_signal_mask(set & ~kUnblockable);
  }
  if (!is_null(call.addr(2)) && !call.host.put(call.addr(2), old)) return Result::fail(EFAULT);
  return Result::ok();
}

Result rt_sigpending(Call& call) noexcept {
  const NativeSigset pending = call.host.pending_signals();
  if (call.word(1) > sizeof pending) return Result::fail(EINVAL);
  return call.host.write(call.addr(0), &pending, call.word(1)) ? Result::ok() : Result::fail(EFAULT);
}

Result sigaltstack(Call& call) noexcept {
  AltStack& stack = call.host.alt_stack();
  const Word sp = call.host.context().regs.rsp;
  KernelStack wanted{};
  const bool set = !is_null(call.addr(0));
  if (set && !call.host.get(call.addr(0), wanted)) return Result::fail(EFAULT);
  const KernelStack old = shown_stack(stack, sp);
  if (set) {
    if (const int error = set_stack(stack, wanted, sp); error != 0) return Result::fail(error);
  }
  if (!is_null(call.addr(1)) && !call.host.put(call.addr(1), old)) return Result::fail(EFAULT);
  return Result::ok();
}

constexpr HandlerEntry kHandlers[] = {
    {"rt_sigaction", rt_sigaction}, {"rt_sigpending", rt_sigpending}, {"rt_sigprocmask", rt_sigprocmask},
    {"rt_sigreturn", rt_sigreturn}, {"sigaltstack", sigaltstack},
};

}  // namespace

std::span<const HandlerEntry> signal_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::linux_abi
