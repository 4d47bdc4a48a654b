// From a signal to the guest's handler, or to its default action. Runs in catchers: async-signal-safe, and
// never on a thread that is inside a call (those signals are pending until the call is over).
#include <signal.h>
#include <sys/syscall.h>

#include "runtime/gate.hpp"
#include "runtime/report.hpp"
#include "runtime/thread.hpp"
#include "runtime/trace.hpp"

namespace sudrun::runtime {
namespace {

using abi::Disposition;
using abi::sigbit;

constexpr abi::NativeSigset kStopByDefault = sigbit(SIGTSTP) | sigbit(SIGTTIN) | sigbit(SIGTTOU);
constexpr abi::NativeSigset kIgnoredByDefault =
    sigbit(SIGCHLD) | sigbit(SIGURG) | sigbit(SIGWINCH) | sigbit(SIGCONT);

}  // namespace

void GuestThread::deliver(const abi::SignalInfo& arrived) noexcept {
  abi::SignalInfo info = arrived;
  if (info.synchronous) process_.personality().adjust_fault(info);
  process_.personality().signal_arrived(info.signal);
  if (!info.synchronous && (mask_ & sigbit(info.signal)) != 0) {
    held_ |= sigbit(info.signal);  // only signals the host must never block come here blocked
    return;
  }
  act_on(info);
}

void GuestThread::arrived(const Pending& pending) noexcept {
  if (!put_off(pending)) deliver(pending.info);
}

bool GuestThread::word_blocks() noexcept {
  const abi::SignalWord& word = signal_word();
  std::uint32_t value = 0;
  return !abi::is_null(word.at) && load32(word.at, value) && (value & word.blocks) != 0;
}

// The kernel keeps it, and from now on all others as well, until leave() finds that the word blocks no more.
bool GuestThread::put_off(const Pending& pending) noexcept {
  if (pending.info.synchronous || !word_blocks()) return false;
  const abi::SignalWord& word = signal_word();
  std::uint32_t value = 0;
  bool marked = false;
  while (!marked && load32(word.at, value) &&
         compare_exchange32(word.at, value, value | word.waits, marked)) {
  }
  put_off_ = true;
  const abi::NativeSigset bit = sigbit(pending.info.signal);
  if ((kSynchronous & bit) != 0)
    held_ |= bit;
  else
    requeue(pending);
  return true;
}

void GuestThread::act_on(const abi::SignalInfo& info) noexcept {
  const bool blocked = (mask_ & sigbit(info.signal)) != 0;
  const abi::SignalAction action = process_.signals().take_for_delivery(info.signal);
  if (info.synchronous && (blocked || action.disposition != Disposition::handler)) die(info);
  if (action.disposition == Disposition::ignore) return;
  if (action.disposition == Disposition::by_default) {
    act_by_default(info);
    return;
  }
  const abi::NativeSigset old_mask = has_temporary_mask_ ? saved_mask_ : mask_;
  const int bad_stack = process_.personality().push_signal_frame(*this, info, action, old_mask)
                            ? 0
                            : process_.personality().bad_stack_signal();
  if (bad_stack != 0) {
    abi::SignalInfo fatal = info;
    fatal.signal = bad_stack;
    fatal.synchronous = true;
    die(fatal);
  }
  has_temporary_mask_ = false;
  mask_ |= action.mask | (action.no_defer ? 0 : sigbit(info.signal));
  mask_ &= ~kUnblockable;
  if (Tracer* tracer = process_.tracer()) tracer->signal(*this, info);
}

void GuestThread::act_by_default(const abi::SignalInfo& info) noexcept {
  if ((kIgnoredByDefault & sigbit(info.signal)) != 0 || process_.signals().is_ignored_by_default(info.signal))
    return;
  if ((kStopByDefault & sigbit(info.signal)) == 0) die(info);
  if (process_.embedding() != nullptr) return pause({Stop::Kind::asked, 0, 0});
  if (Tracer* tracer = process_.tracer()) tracer->stopped(*this, info);
  native(SYS_kill, static_cast<std::uint64_t>(process_.pid()), SIGSTOP);
}

// In the host loop, after a call that may sleep has said EINTR: deals with what waits if the guest does not
// run a handler for it, and opens the thread to signals again. True: make the call again, nothing has
// happened that the guest could see. Nothing waits after the runtime's own signal, or after a stop.
bool GuestThread::dismiss_pending() noexcept {
  if (process_.embedding() != nullptr) {
    stop_if_asked();
    return deliverable() == 0;
  }
  if (block_.pending == 0) return true;
  const int signal = pending_.info.signal;
  const abi::NativeSigset bit = sigbit(signal);
  const bool off = !has_temporary_mask_ && word_blocks();  // else the native call would only be woken again
  const bool blocked = off || (mask_ & bit) != 0;
  const Disposition disposition = process_.signals().action(signal).disposition;
  if (!blocked && disposition == Disposition::handler) return false;
  const Pending taken = pending_;
  block_.pending = 0;
  if (off) {
    put_off(taken);
  } else if (blocked && (kSynchronous & bit) != 0) {
    held_ |= bit;
  } else if (blocked) {
    requeue(taken);
  } else {
    process_.personality().signal_arrived(signal);
    if (disposition == Disposition::by_default) act_by_default(taken.info);
  }
  // All signals have been blocked since it came. A temporary mask is for the native call to install: until
  // then they stay so, as one that it blocks would only come back.
  set_kernel_mask(has_temporary_mask_ ? process_.signals().host_mask(~abi::NativeSigset{0}) : wanted_mask());
  return true;
}

void GuestThread::deliver_pending() noexcept {
  if (process_.embedding() != nullptr) return stop_if_asked();
  const Pending taken = pending_;
  block_.pending = 0;
  // Blocked by the very call it interrupted: the kernel keeps it, except one the host cannot block.
  if (put_off(taken)) return;
  if ((mask_ & ~kSynchronous & sigbit(taken.info.signal)) != 0)
    requeue(taken);
  else
    deliver(taken.info);
}

bool GuestThread::close_to_signals() noexcept {
  if (process_.embedding() != nullptr || !restartable_) return true;
  set_kernel_mask(process_.signals().host_mask(~abi::NativeSigset{0}));
  return block_.pending == 0;
}

void GuestThread::deliver_unmasked() noexcept {
  if (has_fault_) {
    has_fault_ = false;
    deliver(fault_);
  }
  while ((held_ & ~mask_) != 0 && !word_blocks()) {
    const int signal = __builtin_ctzll(held_ & ~mask_) + 1;
    held_ &= ~sigbit(signal);
    abi::SignalInfo info;
    info.signal = signal;
    act_on(info);
  }
}

// Gives a signal back to the kernel, which keeps it until the guest unblocks it.
void GuestThread::requeue(const Pending& pending) noexcept {
  native(SYS_rt_tgsigqueueinfo, static_cast<std::uint64_t>(process_.pid()), static_cast<std::uint64_t>(tid_),
         static_cast<std::uint64_t>(pending.info.signal), word(&pending.raw));
}

void GuestThread::die(const abi::SignalInfo& info) noexcept {
  if (process_.embedding() != nullptr)
    end({Stop::Kind::killed, info.signal, info.synchronous ? info.address : 0});
  if (info.synchronous) report_crash(*this, info);
  if (Tracer* tracer = process_.tracer()) tracer->killed(*this, info);
  die_of_signal(info.signal);
}

}  // namespace sudrun::runtime
