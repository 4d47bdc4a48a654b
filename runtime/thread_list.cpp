// Calls that must be made by every thread: Linux keeps credentials per thread, most other systems per
// process.
#include "runtime/thread_list.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "runtime/gate.hpp"
#include "runtime/report.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

void ThreadList::add(GuestThread& thread) noexcept {
  ThreadLink& link = thread.link();
  link.previous = nullptr;
  link.next = first_;
  if (first_ != nullptr) first_->link().previous = &thread;
  first_ = &thread;
}

void ThreadList::remove(GuestThread& thread) noexcept {
  const ThreadLink& link = thread.link();
  if (link.next != nullptr) link.next->link().previous = link.previous;
  if (link.previous != nullptr)
    link.previous->link().next = link.next;
  else if (first_ == &thread)
    first_ = link.next;
}

void ThreadList::reset(GuestThread& survivor) noexcept {
  first_ = nullptr;
  survivor.link().shared_call = nullptr;
  add(survivor);
}

// The calling thread goes first: what is refused is refused before anything has changed. The others have the
// same credentials and so get the same answer; a process whose threads disagree must not go on.
abi::NativeResult GuestThread::call_in_all_threads(long number, abi::Word a0, abi::Word a1,
                                                   abi::Word a2) noexcept {
  const int own_signal = process_.signals().own_signal();
  const std::scoped_lock hold(process_.threads().lock());
  const abi::NativeResult result = native(number, a0, a1, a2);
  if (abi::is_error(result)) return result;
  process_.ids_changed();
  if (own_signal == 0) return result;

  SharedCall shared;
  shared.number = number;
  shared.args = {a0, a1, a2};
  for (GuestThread* thread = process_.threads().first(); thread != nullptr; thread = thread->link().next) {
    if (thread == this) continue;
    shared.left.fetch_add(1);
    thread->link().shared_call.store(&shared);
    native(SYS_tgkill, static_cast<abi::Word>(pid()), static_cast<abi::Word>(thread->tid_),
           static_cast<abi::Word>(own_signal));
  }
  for (std::uint32_t left = 0; (left = shared.left.load()) != 0;)
    native(SYS_futex, word(&shared.left), FUTEX_WAIT_PRIVATE, left, 0);
  if (shared.failed) {
    report_disagreement(*this, number);
    die_of_signal(SIGABRT);
  }
  return result;
}

// In the catcher of the runtime's own signal, at any instruction of guest or runtime: native calls only.
void GuestThread::make_shared_call() noexcept {
  SharedCall* shared = link_.shared_call.exchange(nullptr);
  if (shared == nullptr) return;  // somebody else sent the signal
  if (abi::is_error(native(shared->number, shared->args[0], shared->args[1], shared->args[2])))
    shared->failed = true;
  std::atomic<std::uint32_t>& left = shared->left;
  // The caller may be gone as soon as it sees zero; a wake on memory that is no longer a futex does nothing.
  if (left.fetch_sub(1) == 1) native(SYS_futex, word(&left), FUTEX_WAKE_PRIVATE, 1);
}

}  // namespace sudrun::runtime
