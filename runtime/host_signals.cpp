#include "runtime/host_signals.hpp"

#include <sys/auxv.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>
#include <mutex>

#include "runtime/gate.hpp"
#include "runtime/host_action.hpp"
#include "runtime/signal_state.hpp"
#include "runtime/thread_block_offsets.h"

extern "C" {
[[gnu::visibility("hidden")]] std::uint8_t sudrun_has_fsgsbase = 0;
}

namespace sudrun::runtime {
namespace {

using abi::sigbit;

constexpr abi::NativeSigset kCaught = kSynchronous | sigbit(kLibrarySignal);

// Dispositions are the process's, and so is this.
struct Books {
  std::mutex lock;
  unsigned guests = 0;
  std::array<KernelSigaction, kSignalCount> before{};  // written while there are no guests
};
Books& books() noexcept {
  static Books all;
  return all;
}

std::uint64_t catcher_address() noexcept { return reinterpret_cast<std::uint64_t>(&sudrun_library_entry); }

template <typename Do>
void for_caught(Do todo) noexcept {
  for (int signal = 1; signal < kSignalCount; ++signal)
    if ((kCaught & sigbit(signal)) != 0) todo(signal, books().before[static_cast<unsigned>(signal)]);
}

void reset(int signal) noexcept {
  const KernelSigaction fallback{kDefault, kRestorerFlag, &sudrun_restorer, 0};
  host_action(signal, &fallback, nullptr);
}

}  // namespace

void take_host_signals() noexcept {
  const std::scoped_lock hold(books().lock);
  if (books().guests++ != 0) return;
  constexpr unsigned long kHwcap2Fsgsbase = 2;  // HWCAP2_FSGSBASE, asm/hwcap2.h
  sudrun_has_fsgsbase = (getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0 ? 1 : 0;
  for_caught([](int signal, KernelSigaction& before) {
    // As SignalState's catchers, but never SA_RESTART: a call that sleeps must come back to be stopped.
    const KernelSigaction host{catcher_address(), SA_SIGINFO | SA_ONSTACK | SA_NODEFER | kRestorerFlag,
                               &sudrun_restorer, signal == SIGSYS ? 0 : kCatcherMask};
    host_action(signal, &host, &before);
  });
}

void give_back_host_signals() noexcept {
  const std::scoped_lock hold(books().lock);
  if (--books().guests != 0) return;
  for_caught([](int signal, KernelSigaction& before) {
    KernelSigaction now{};
    if (host_action(signal, nullptr, &now) == 0 && now.handler == catcher_address())
      host_action(signal, &before, nullptr);
  });
}

bool host_signals_are_ours() noexcept {
  KernelSigaction trap{}, fault{};
  return host_action(SIGSYS, nullptr, &trap) == 0 && trap.handler == catcher_address() &&
         host_action(SIGSEGV, nullptr, &fault) == 0 && fault.handler == catcher_address();
}

abi::NativeSigset embedders_signals() noexcept {
  abi::NativeSigset held = ~kCaught;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) {
    KernelSigaction now{};
    if (host_action(signal, nullptr, &now) == 0 && now.handler <= kIgnore) held &= ~sigbit(signal);
  }
  return held;
}

void pass_to_embedder(int signal, siginfo_t* info, ucontext_t* frame) noexcept {
  if (signal == kLibrarySignal) return;  // for a thread that is out of its guest again
  const KernelSigaction before = books().before[static_cast<unsigned>(signal)];
  const bool raised_by_processor = info->si_code > 0;
  if (before.handler == kIgnore && !raised_by_processor) return;
  if (before.handler <= kIgnore) {
    // The instruction is made again, or the signal sent again, and the process dies of it.
    reset(signal);
    if (!raised_by_processor) die_of_signal(signal);
    return;
  }
  if ((before.flags & SA_RESETHAND) != 0) books().before[static_cast<unsigned>(signal)].handler = kDefault;
  const abi::NativeSigset blocked = before.mask | ((before.flags & SA_NODEFER) != 0 ? 0 : sigbit(signal));
  native(SYS_rt_sigprocmask, SIG_BLOCK, word(&blocked), 0, sizeof blocked);
  if ((before.flags & SA_SIGINFO) != 0)
    reinterpret_cast<void (*)(int, siginfo_t*, void*)>(before.handler)(signal, info, frame);
  else
    reinterpret_cast<void (*)(int)>(before.handler)(signal);
}

static_assert(offsetof(ucontext_t, uc_stack.ss_sp) == UC_STACK_START);
static_assert(offsetof(ucontext_t, uc_stack.ss_size) == UC_STACK_SIZE);

// From sudrun_library_entry, on threads that are in no guest.
extern "C" [[gnu::visibility("hidden"), gnu::used]] void sudrun_not_a_guest(int signal, siginfo_t* info,
                                                                            ucontext_t* frame) noexcept {
  pass_to_embedder(signal, info, frame);
}

}  // namespace sudrun::runtime
