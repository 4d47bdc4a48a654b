#include "runtime/signal_state.hpp"

#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <mutex>

#include "runtime/gate.hpp"
#include "runtime/host_action.hpp"

namespace sudrun::runtime {
namespace {

using abi::Disposition;
using abi::sigbit;
using abi::SignalAction;

KernelSigaction plain(std::uint64_t handler) noexcept {
  return {handler, kRestorerFlag, &sudrun_restorer, 0};
}
std::uint64_t catcher_address() noexcept { return reinterpret_cast<std::uint64_t>(&sudrun_trap_entry); }

// One catcher for all signals, on the thread's trap stack. SA_NODEFER: the mask in force is always one we
// chose. Never SA_RESTART, except for the runtime's own signal: the runtime decides what restarts. While a
// catcher runs no further asynchronous signal comes in; a trap (SIGSYS), however, runs a whole call and stays
// interruptible.
KernelSigaction catcher(abi::NativeSigset mask, std::uint64_t extra) noexcept {
  return {catcher_address(), SA_SIGINFO | SA_ONSTACK | SA_NODEFER | kRestorerFlag | extra, &sudrun_restorer,
          mask};
}

}  // namespace

void SignalState::initialise(abi::NativeSigset ignored_by_default, int own) noexcept {
  ignored_by_default_ = ignored_by_default;
  own_ = own;
  if (own != 0) {
    never_blocked_ |= sigbit(own);
    // Not inside itself: the next may come before the last has returned, again and again, until no stack is
    // left.
    const KernelSigaction host = catcher(kCatcherMask, SA_RESTART);
    host_action(own, &host, nullptr);
  }
  for (int signal = 1; signal < kSignalCount; ++signal) {
    if (((kUnblockable >> (signal - 1)) & 1) != 0 || signal == own) continue;
    KernelSigaction now{};
    if (host_action(signal, nullptr, &now) != 0) continue;
    if (now.handler == kIgnore && signal != SIGSYS)
      actions_[static_cast<unsigned>(signal)].disposition = Disposition::ignore;
    if (((kSynchronous | ignored_by_default_) & sigbit(signal)) != 0)
      install(signal, actions_[static_cast<unsigned>(signal)]);
  }
}

void SignalState::keep_to_itself(abi::NativeSigset ignored_by_default) noexcept {
  installs_ = false;
  ignored_by_default_ = ignored_by_default;
  own_ = kLibrarySignal;
  never_blocked_ |= sigbit(own_);
}

void SignalState::install(int signal, const SignalAction& action) noexcept {
  if (!installs_) return;
  std::uint64_t extra = 0;
  if (action.no_cld_stop) extra |= SA_NOCLDSTOP;
  if (action.no_cld_wait) extra |= SA_NOCLDWAIT;
  KernelSigaction host = catcher(signal == SIGSYS ? 0 : kCatcherMask, extra);
  if (((kSynchronous | watched_) & sigbit(signal)) == 0) {
    if (action.disposition == Disposition::ignore ||
        (action.disposition == Disposition::by_default && is_ignored_by_default(signal)))
      host = plain(kIgnore);
    else if (action.disposition == Disposition::by_default && (deadly_ & sigbit(signal)) == 0)
      host = plain(kDefault);
    if (host.handler != catcher_address()) host.flags |= extra;
  }
  host_action(signal, &host, nullptr);
}

SignalAction SignalState::action(int signal) noexcept {
  const std::scoped_lock hold(lock_);
  return actions_[static_cast<unsigned>(signal)];
}

std::int64_t SignalState::set_action(int signal, const SignalAction& action) noexcept {
  if (signal < 1 || signal >= kSignalCount || (kUnblockable & sigbit(signal)) != 0) return -EINVAL;
  const std::scoped_lock hold(lock_);
  actions_[static_cast<unsigned>(signal)] = action;
  install(signal, action);
  return 0;
}

SignalAction SignalState::take_for_delivery(int signal) noexcept {
  const std::scoped_lock hold(lock_);
  SignalAction& stored = actions_[static_cast<unsigned>(signal)];
  const SignalAction taken = stored;
  if (taken.disposition == Disposition::handler && taken.reset_hand) {
    stored.disposition = Disposition::by_default;
    install(signal, stored);
  }
  return taken;
}

void SignalState::watch(int signal) noexcept {
  if (signal < 1 || signal >= kSignalCount || (kUnblockable & sigbit(signal)) != 0) return;
  const std::scoped_lock hold(lock_);
  watched_ |= sigbit(signal);
  install(signal, actions_[static_cast<unsigned>(signal)]);
}

void SignalState::catch_deaths() noexcept {
  constexpr abi::NativeSigset kHarmless = sigbit(SIGCHLD) | sigbit(SIGURG) | sigbit(SIGWINCH) |
                                          sigbit(SIGCONT) | sigbit(SIGTSTP) | sigbit(SIGTTIN) |
                                          sigbit(SIGTTOU);
  const std::scoped_lock hold(lock_);
  deadly_ = ~(kHarmless | kUnblockable);
  for (int signal = 1; signal < kSignalCount; ++signal)
    if ((deadly_ & sigbit(signal)) != 0) install(signal, actions_[static_cast<unsigned>(signal)]);
}

void SignalState::prepare_exec() noexcept {
  const std::scoped_lock hold(lock_);
  for (int signal = 1; signal < kSignalCount; ++signal) {
    if ((kUnblockable & sigbit(signal)) != 0 || signal == SIGSYS) continue;
    const SignalAction& action = actions_[static_cast<unsigned>(signal)];
    if (action.disposition == Disposition::ignore) {
      const KernelSigaction host = plain(kIgnore);
      host_action(signal, &host, nullptr);
    } else if (action.disposition == Disposition::by_default && is_ignored_by_default(signal)) {
      const KernelSigaction host = catcher(signal, 0);  // and not the default yet, which could kill us here
      host_action(signal, &host, nullptr);
    }
  }
}

void SignalState::exec_failed() noexcept {
  const std::scoped_lock hold(lock_);
  for (int signal = 1; signal < kSignalCount; ++signal) {
    if ((kUnblockable & sigbit(signal)) != 0 || signal == SIGSYS) continue;
    const SignalAction& action = actions_[static_cast<unsigned>(signal)];
    if (action.disposition == Disposition::ignore || is_ignored_by_default(signal)) install(signal, action);
  }
}

void die_of_signal(int signal) noexcept {
  const KernelSigaction fallback = plain(kDefault);
  host_action(signal, &fallback, nullptr);
  const std::uint64_t none = ~sigbit(signal);
  native(SYS_rt_sigprocmask, SIG_SETMASK, word(&none), 0, sizeof none);
  native(SYS_tgkill, static_cast<std::uint64_t>(native(SYS_getpid)),
         static_cast<std::uint64_t>(native(SYS_gettid)), static_cast<std::uint64_t>(signal));
  native(SYS_exit_group, 128 + static_cast<std::uint64_t>(signal));
  __builtin_unreachable();
}

}  // namespace sudrun::runtime
