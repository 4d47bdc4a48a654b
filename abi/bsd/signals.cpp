// Signal calls. Sources: FreeBSD 14.0, sys/kern/kern_sig.c, sys/sys/signal.h, sigaction(2), sigtimedwait(2).
#include <sys/syscall.h>
#include <ucontext.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <optional>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/host_file.hpp"
#include "abi/bsd/signal_calls.hpp"
#include "abi/bsd/signals_layout.hpp"
#include "abi/bsd/sigset.hpp"
#include "abi/bsd/timeval.hpp"
#include "abi/siginfo.hpp"

namespace sudrun::abi::bsd {
namespace {

constexpr std::int32_t kOnStack = 0x1, kRestart = 0x2, kResetHand = 0x4, kNoCldStop = 0x8, kNoDefer = 0x10,
                       kNoCldWait = 0x20, kSigInfo = 0x40;
constexpr std::int32_t kActionFlags = 0x7f;
constexpr std::uint64_t kDefaultHandler = 0, kIgnoreHandler = 1;
constexpr std::size_t kSetSize = sizeof(NativeSigset);

Word pointer(const void* p) noexcept { return reinterpret_cast<Word>(p); }

/// Native number of a guest signal; 0 for one without a native counterpart, nothing for a bad number.
std::optional<int> signal_argument(const Call& call, int guest_signal) noexcept {
  if (guest_signal < 1 || guest_signal > call.table.signal_limit()) return std::nullopt;
  return call.table.signal_to_native(guest_signal);
}

SignalAction native_action(const Table& table, const guest::Sigaction& from) noexcept {
  SignalAction to;
  to.disposition = from.handler == kDefaultHandler  ? Disposition::by_default
                   : from.handler == kIgnoreHandler ? Disposition::ignore
                                                    : Disposition::handler;
  to.handler = guest_addr(from.handler);
  to.mask = native_sigset(table, from.mask);
  to.on_stack = (from.flags & kOnStack) != 0;
  to.restart = (from.flags & kRestart) != 0;
  to.reset_hand = (from.flags & kResetHand) != 0;
  to.no_cld_stop = (from.flags & kNoCldStop) != 0;
  to.no_defer = (from.flags & kNoDefer) != 0;
  to.no_cld_wait = (from.flags & kNoCldWait) != 0;
  to.siginfo = (from.flags & kSigInfo) != 0;
  return to;
}

guest::Sigaction guest_action(const Table& table, const SignalAction& from) noexcept {
  guest::Sigaction to{};
  to.handler = from.disposition == Disposition::by_default ? kDefaultHandler
               : from.disposition == Disposition::ignore   ? kIgnoreHandler
                                                           : word_of(from.handler);
  to.mask = guest_sigset(table, from.mask);
  to.flags = (from.on_stack ? kOnStack : 0) | (from.restart ? kRestart : 0) |
             (from.reset_hand ? kResetHand : 0) | (from.no_cld_stop ? kNoCldStop : 0) |
             (from.no_defer ? kNoDefer : 0) | (from.no_cld_wait ? kNoCldWait : 0) |
             (from.siginfo ? kSigInfo : 0);
  return to;
}

Result sigaction(Call& call) noexcept {
  const GuestAddr set_at = call.addr(1), old_at = call.addr(2);
  guest::Sigaction set{}, old{};
  if (!is_null(set_at) && !call.host.get(set_at, set)) return Result::fail(EFAULT);
  const int error = change_action(call, call.i32(0), is_null(set_at) ? nullptr : &set, {}, old);
  if (error != 0) return Result::fail(error);
  return is_null(old_at) || call.host.put(old_at, old) ? Result::ok(0) : Result::fail(EFAULT);
}

Result sigprocmask(Call& call) noexcept {
  constexpr int kBlock = 1, kUnblock = 2, kSet = 3;
  const NativeSigset old = call.host.signal_mask();
  if (!is_null(call.addr(1))) {
    GuestSigset wanted{};
    if (!call.host.get(call.addr(1), wanted)) return Result::fail(EFAULT);
    const NativeSigset set = native_sigset(call.table, wanted);
    switch (call.i32(0)) {
      case kBlock:
        call.host.set_signal_mask(old | set);
        break;
      case kUnblock:
        call.host.set_signal_mask(old & ~set);
        break;
      case kSet:
        call.host.set_signal_mask(set);
        break;
      default:
        return Result::fail(EINVAL);
    }
  }
  if (!is_null(call.addr(2)) && !call.host.put(call.addr(2), guest_sigset(call.table, old)))
    return Result::fail(EFAULT);
  return Result::ok(0);
}

Result sigsuspend(Call& call) noexcept {
  GuestSigset wanted{};
  if (!call.host.get(call.addr(0), wanted)) return Result::fail(EFAULT);
  const NativeSigset set = native_sigset(call.table, wanted);
  call.host.set_temporary_mask(set);
  const NativeSigset host_set = call.host.native_mask(set);
  return Result::of(call.host.call_interruptible(SYS_rt_sigsuspend, pointer(&host_set), kSetSize));
}

Result sigpending(Call& call) noexcept {
  const GuestSigset set = guest_sigset(call.table, call.host.pending_signals());
  return call.host.put(call.addr(0), set) ? Result::ok(0) : Result::fail(EFAULT);
}

enum class Timeout : std::uint8_t { none, valid, invalid };

/// Waits for one of the set at `set_at`. Returns the guest's signal number or a negative native errno. An
/// invalid time is an error only if the call would have to wait.
NativeResult wait_for(Call& call, GuestAddr set_at, GuestAddr info_at, Timeout kind, timespec left) noexcept {
  GuestSigset wanted{};
  if (!call.host.get(set_at, wanted)) return -EFAULT;
  const NativeSigset set =
      call.host.native_mask(native_sigset(call.table, wanted)) & ~(sigbit(SIGKILL) | sigbit(SIGSTOP));
  siginfo_t raw{};
  const NativeResult r = call.host.call_timed(SYS_rt_sigtimedwait, left, pointer(&set), pointer(&raw),
                                              kind == Timeout::none ? 0 : pointer(&left), kSetSize);
  if (r == -EAGAIN && kind == Timeout::invalid) return -EINVAL;
  if (is_error(r)) return r;
  if (!is_null(info_at)) {
    const SignalInfo info = decode_sent(raw);
    if (!self(call).put_siginfo(call.host, info_at, &info)) return -EFAULT;
  }
  return call.table.signal_to_guest(raw.si_signo);
}

// Errors are the value of the call, not its failure.
Result sigwait(Call& call) noexcept {
  const auto value = [&](int error) {
    return Result::ok(static_cast<Word>(call.table.errno_to_guest(error)));
  };
  const NativeResult r = wait_for(call, call.addr(0), {}, Timeout::none, {});
  if (is_error(r)) return value(static_cast<int>(-r));
  return call.host.put(call.addr(1), static_cast<std::int32_t>(r)) ? Result::ok(0) : value(EFAULT);
}

Result sigwaitinfo(Call& call) noexcept {
  return Result::of(wait_for(call, call.addr(0), call.addr(1), Timeout::none, {}));
}

Result sigtimedwait(Call& call) noexcept {
  timespec timeout{};
  if (is_null(call.addr(2))) return sigwaitinfo(call);
  if (!get_timespec(call, 2, timeout)) return Result::fail(EFAULT);
  Timeout kind = Timeout::valid;
  if (timeout.tv_nsec < 0 || timeout.tv_nsec >= 1'000'000'000) kind = Timeout::invalid;
  if (kind == Timeout::invalid || timeout.tv_sec < 0) timeout = {};
  return Result::of(wait_for(call, call.addr(0), call.addr(1), kind, timeout));
}

Result sigqueue(Call& call) noexcept {
  constexpr std::uint32_t kToThread = 0x8000'0000;  // __SIGQUEUE_TID
  const bool to_thread = (call.u32(1) & kToThread) != 0;
  const auto guest_signal = static_cast<int>(call.u32(1) & ~kToThread);
  int signal = 0;
  if (guest_signal != 0) {
    const auto native = signal_argument(call, guest_signal);
    if (!native || *native == 0) return Result::fail(EINVAL);
    signal = *native;
  }
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = call.host.pid();
  info.si_uid = static_cast<uid_t>(call.host.call(SYS_getuid));
  info.si_value.sival_ptr = reinterpret_cast<void*>(call.word(2));
  if (to_thread) {
    const int tid = self(call).native_tid(call.i32(0));
    if (tid == 0) return Result::fail(ESRCH);
    return Result::of(call.host.call(SYS_rt_tgsigqueueinfo, static_cast<Word>(call.host.pid()),
                                     static_cast<Word>(tid), static_cast<Word>(signal), pointer(&info)));
  }
  if (call.i32(0) <= 0) return Result::fail(EINVAL);  // to one process only
  return Result::of(call.host.call(SYS_rt_sigqueueinfo, static_cast<Word>(call.i32(0)),
                                   static_cast<Word>(signal), pointer(&info)));
}

Result sigaltstack(Call& call) noexcept {
  AltStack& stack = call.host.alt_stack();
  const bool in_use = stack.contains(call.host.context().regs.rsp);
  const guest::Stack old = guest::stack_of(stack, in_use);
  if (!is_null(call.addr(0))) {
    guest::Stack wanted{};
    if (!call.host.get(call.addr(0), wanted)) return Result::fail(EFAULT);
    const Manners& manners = self(call).manners();
    const bool disable = (wanted.flags & guest::kStackDisable) != 0;
    if (in_use && !manners.moves_used_stack) return Result::fail(EPERM);
    if (in_use && disable) return Result::fail(EINVAL);
    if ((wanted.flags & ~guest::kStackDisable) != 0) return Result::fail(EINVAL);
    if (disable) {
      stack.enabled = false;
    } else {
      if (wanted.size < manners.min_signal_stack) return Result::fail(ENOMEM);
      stack = {guest_addr(wanted.sp), wanted.size, true};
    }
  }
  if (!is_null(call.addr(1)) && !call.host.put(call.addr(1), old)) return Result::fail(EFAULT);
  return Result::ok(0);
}

Result sigreturn(Call& call) noexcept { return self(call).restore_context(call.host, call.addr(0)); }

// The context of the call itself, which then returns 0 once more.
Result getcontext(Call& call) noexcept {
  if (is_null(call.addr(0))) return Result::fail(EINVAL);
  return self(call).save_context(call.host, call.addr(0)) ? Result::ok() : Result::fail(EFAULT);
}

Result setcontext(Call& call) noexcept {
  if (is_null(call.addr(0))) return Result::fail(EINVAL);
  return self(call).restore_context(call.host, call.addr(0));
}

Result swapcontext(Call& call) noexcept {
  if (is_null(call.addr(0)) || is_null(call.addr(1))) return Result::fail(EINVAL);
  if (!self(call).save_context(call.host, call.addr(0))) return Result::fail(EFAULT);
  return self(call).restore_context(call.host, call.addr(1));
}

// --- sigfastblock -----------------------------------------------------------------------------------------
//
// FreeBSD 15.0 sys/sys/signalvar.h, sys/kern/kern_sig.c (sys_sigfastblock), sigfastblock(2): a thread's own
// word counts, above four bits of flags, how often it blocks all signals.

constexpr std::uint32_t kFastBlockPending = 1, kFastBlockFlags = 0xf;

int fast_set(Call& call, SignalWord& word) noexcept {
  if (!is_null(word.at)) return EBUSY;
  if ((call.word(1) & (sizeof(std::uint32_t) - 1)) != 0) return EINVAL;
  if (!Host::in_guest(call.addr(1), sizeof(std::uint32_t))) return 0;  // FreeBSD finds out later
  // Also those at their default have to wait, which the kernel would not see to.
  if (!self(call).exchange_all_signals_watched()) {
    for (int signal = 1; signal <= 64; ++signal) {
      if (signal != SIGKILL && signal != SIGSTOP && signal != self(call).spare_signal())
        call.host.watch_signal(signal);
    }
  }
  word = {call.addr(1), ~kFastBlockFlags, kFastBlockPending};
  return 0;
}

int fast_unblock(Host& host, const SignalWord& word) noexcept {
  if (is_null(word.at)) return EINVAL;
  std::uint32_t found = kFastBlockPending;
  bool cleared = false;
  if (!host.compare_exchange32(word.at, found, 0, cleared)) return EFAULT;
  return cleared ? 0 : EBUSY;  // what waits is delivered as the call ends
}

int fast_unset(Host& host, SignalWord& word) noexcept {
  if (is_null(word.at)) return EINVAL;
  std::uint32_t found = 0;
  if (!host.load32(word.at, found)) return EFAULT;
  if ((found & ~kFastBlockPending) != 0) return EBUSY;
  word = {};
  return 0;
}

Result sigfastblock(Call& call) noexcept {
  SignalWord& word = call.host.signal_word();
  enum : int { kSet = 1, kUnblock = 2, kUnset = 3 };
  int error = EINVAL;
  if (call.i32(0) == kSet) error = fast_set(call, word);
  if (call.i32(0) == kUnblock) error = fast_unblock(call.host, word);
  if (call.i32(0) == kUnset) error = fast_unset(call.host, word);
  return error == 0 ? Result::ok() : Result::fail(error);
}

constexpr std::array kHandlers{
    HandlerEntry{"getcontext", getcontext},     HandlerEntry{"setcontext", setcontext},
    HandlerEntry{"sigaction", sigaction},       HandlerEntry{"sigaltstack", sigaltstack},
    HandlerEntry{"sigfastblock", sigfastblock}, HandlerEntry{"sigpending", sigpending},
    HandlerEntry{"sigprocmask", sigprocmask},   HandlerEntry{"sigqueue", sigqueue},
    HandlerEntry{"sigreturn", sigreturn},       HandlerEntry{"sigsuspend", sigsuspend},
    HandlerEntry{"sigtimedwait", sigtimedwait}, HandlerEntry{"sigwait", sigwait},
    HandlerEntry{"sigwaitinfo", sigwaitinfo},   HandlerEntry{"swapcontext", swapcontext},
};

}  // namespace

// Of signals sent without a value, sigqueue_add() (FreeBSD 14.0, sys/kern/kern_sig.c) always keeps at least
// that they are pending. Linux refuses a real-time signal that it has no room for.
NativeResult send_to_thread(Host& host, int pid, int tid, int signal) noexcept {
  const auto send = [&] {
    return host.call(SYS_tgkill, static_cast<Word>(pid), static_cast<Word>(tid), static_cast<Word>(signal));
  };
  if (const NativeResult sent = send(); sent != -EAGAIN) return sent;
  std::array<char, 4096> text;
  const HostPath path("/proc/", pid, "/task/", tid, "/status");
  const std::string_view pending = text_after(read_host_file(host, path.c_str(), text), "SigPnd");
  std::uint64_t set = 0;
  std::from_chars(pending.data(), pending.data() + pending.size(), set, 16);
  return (set & sigbit(signal)) != 0 ? 0 : send();  // it has been caught meanwhile
}

int change_action(Call& call, int guest_signal, const guest::Sigaction* set, GuestAddr restorer,
                  guest::Sigaction& old) noexcept {
  const auto signal = signal_argument(call, guest_signal);
  if (!signal) return EINVAL;
  const bool fixed = *signal == SIGKILL || *signal == SIGSTOP;
  if (set != nullptr) {
    if (set->handler > kIgnoreHandler && (set->flags & ~kActionFlags) != 0) return EINVAL;
    if (fixed && set->handler != kDefaultHandler) return EINVAL;
  }
  SignalAction former;
  // A signal Linux has no number for can never arrive; its disposition is not kept.
  if (*signal != 0) {
    SignalAction wanted;
    if (set != nullptr) wanted = native_action(call.table, *set);
    wanted.restorer = restorer;
    const bool change = set != nullptr && !fixed;
    const NativeResult r = call.host.signal_action(*signal, change ? &wanted : nullptr, &former);
    if (is_error(r)) return static_cast<int>(-r);
  }
  old = guest_action(call.table, former);
  return 0;
}

std::span<const HandlerEntry> signal_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
