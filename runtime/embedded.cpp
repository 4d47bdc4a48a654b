// What a guest thread does otherwise when its guest is a part of another program, whose process it shares.
#include <sys/syscall.h>

#include <cerrno>

#include "runtime/gate.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

using abi::NativeResult;
using abi::sigbit;

// Where the host loop would go on although a stop is wanted.
void GuestThread::stop_if_asked() noexcept {
  if (block_.pending == 0) return;
  block_.pending = 0;
  if (process_.is_over()) end({});
  held_ |= sent_.exchange(0);
  if (!deadline_passed_ && !stop_wanted_) return;
  const bool deadline = deadline_passed_;
  deadline_passed_ = false;
  stop_wanted_ = false;
  pause({deadline ? Stop::Kind::deadline : Stop::Kind::asked, 0, 0});
}

void GuestThread::end(const Stop& why) noexcept { pause_for_good(process_.end(this, why)); }

void GuestThread::ask_to_stop() noexcept {
  stop_wanted_ = true;
  process_.threads().ask_one_to_stop(*this);
}

// ThreadList has the thread listed: its %gs is set.
void GuestThread::wake_to_stop() noexcept {
  native(SYS_tgkill, static_cast<abi::Word>(pid()), static_cast<abi::Word>(tid_),
         static_cast<abi::Word>(kLibrarySignal));
}

void GuestThread::send(int signal) noexcept {
  sent_.fetch_or(sigbit(signal));
  wake_to_stop();
}

int GuestThread::deliverable() const noexcept {
  for (abi::NativeSigset left = held_ & ~mask_; left != 0; left &= left - 1) {
    const int signal = __builtin_ctzll(left) + 1;
    if (process_.signals().action(signal).disposition == abi::Disposition::handler) return signal;
  }
  return 0;
}

// Native calls that would do something to the embedder's process that is not the guest's to do. A signal to
// the guest as a whole is for the thread that sends it.
std::optional<NativeResult> GuestThread::embedded_call(long number, abi::Word a0, abi::Word a1,
                                                       abi::Word a2) noexcept {
  const auto to_process = [&](bool self, abi::Word signal) -> NativeResult {
    if (signal >= kSignalCount) return -EINVAL;
    if (!self) return -EPERM;
    if (signal != 0) hold_signal(static_cast<int>(signal));
    return 0;
  };
  const auto to_thread = [&](abi::Word tid, abi::Word signal) -> NativeResult {
    if (signal >= kSignalCount) return -EINVAL;
    if (static_cast<int>(tid) == tid_) return to_process(true, signal);
    return process_.threads().send_to(static_cast<int>(tid), static_cast<int>(signal)) ? 0 : -ESRCH;
  };
  const auto own_pid = static_cast<abi::Word>(pid());
  switch (number) {
    case SYS_kill:
    case SYS_rt_sigqueueinfo:
      return to_process(a0 == own_pid, a1);
    case SYS_tkill:
      return to_thread(a0, a1);
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
      return a0 == own_pid ? to_thread(a1, a2) : -EPERM;
    case SYS_pidfd_send_signal:
    case SYS_setitimer:
    case SYS_alarm:
    case SYS_timer_create:
    case SYS_ptrace:
    case SYS_prctl:
    case SYS_seccomp:
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone:
    case SYS_clone3:
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
      return -EPERM;
    default:
      return std::nullopt;
  }
}

abi::Result GuestThread::carry_out_embedded(const abi::Entry& entry, abi::Frame& frame) noexcept {
  Embedding& embedding = *process_.embedding();
  const std::optional<abi::Result> instead = embedding.before(*this, entry, frame);
  abi::Result result = instead ? *instead : carry_out(entry, frame);
  embedding.after(*this, entry, frame, result);
  return result;
}

// The kernel has sent SIGPIPE to this thread, which has it blocked. The guest gets it as its own.
void GuestThread::broken_pipe() noexcept {
  const abi::NativeSigset pipe = sigbit(SIGPIPE);
  const std::uint64_t at_once[2] = {0, 0};
  if (native(SYS_rt_sigtimedwait, word(&pipe), 0, word(&at_once), sizeof pipe) == SIGPIPE &&
      process_.signals().action(SIGPIPE).disposition != abi::Disposition::ignore)
    hold_signal(SIGPIPE);
}

}  // namespace sudrun::runtime
