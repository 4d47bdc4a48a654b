// What concerns every thread. Calls that each must make: Linux keeps credentials per thread, most other
// systems per process. And to know that none is any more where it was.
#include "runtime/thread_list.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <limits>

#include "runtime/gate.hpp"
#include "runtime/report.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

void ThreadList::add(GuestThread& thread) noexcept {
  const std::scoped_lock hold(links_);
  ThreadLink& link = thread.link();
  link.asked = link.answered = round_.load();
  link.previous = nullptr;
  link.next = first_;
  if (first_ != nullptr) first_->link().previous = &thread;
  first_ = &thread;
}

void ThreadList::remove(GuestThread& thread) noexcept {
  {
    const std::scoped_lock hold(links_);
    const ThreadLink& link = thread.link();
    if (link.next != nullptr) link.next->link().previous = link.previous;
    if (link.previous != nullptr)
      link.previous->link().next = link.next;
    else if (first_ == &thread)
      first_ = link.next;
  }
  wake_askers();
}

void ThreadList::reset(GuestThread& survivor) noexcept {
  links_.unlock();  // who may have had it is the parent's
  first_ = nullptr;
  survivor.link().shared_call = nullptr;
  add(survivor);
}

void ThreadList::interrupt_others(const GuestThread& self, int signal) noexcept {
  const std::uint64_t round = round_.fetch_add(1) + 1;
  for (;;) {
    const std::uint32_t before = changes_.load();
    if (!ask_others(self, signal, round)) return;
    native(SYS_futex, word(&changes_), FUTEX_WAIT_PRIVATE, before, 0);
  }
}

/// Sends the signal to who has not been asked for this round or a later one. True: some have not answered.
bool ThreadList::ask_others(const GuestThread& self, int signal, std::uint64_t round) noexcept {
  const std::scoped_lock hold(links_);
  bool some = false;
  for (GuestThread* thread = first_; thread != nullptr; thread = thread->link().next) {
    ThreadLink& link = thread->link();
    if (thread == &self || link.answered.load() >= round) continue;
    some = true;
    if (link.asked >= round) continue;
    link.asked = round;
    native(SYS_tgkill, static_cast<abi::Word>(thread->pid()), static_cast<abi::Word>(thread->tid()),
           static_cast<abi::Word>(signal));
  }
  return some;
}

void ThreadList::ask_to_stop(const GuestThread* self) noexcept {
  const std::scoped_lock hold(links_);
  for (GuestThread* thread = first_; thread != nullptr; thread = thread->link().next)
    if (thread != self) thread->wake_to_stop();
}

void ThreadList::ask_one_to_stop(GuestThread& thread) noexcept {
  const std::scoped_lock hold(links_);
  for (GuestThread* listed = first_; listed != nullptr; listed = listed->link().next)
    if (listed == &thread) thread.wake_to_stop();
}

bool ThreadList::send_to(int tid, int signal) noexcept {
  const std::scoped_lock hold(links_);
  for (GuestThread* thread = first_; thread != nullptr; thread = thread->link().next) {
    if (thread->tid() != tid) continue;
    if (signal != 0) thread->send(signal);
    return true;
  }
  return false;
}

// Whatever rounds have begun by now: their askers had done before what this thread is to see from now on.
void ThreadList::answer(ThreadLink& link) noexcept {
  const std::uint64_t round = round_.load();
  if (link.answered.exchange(round) != round) wake_askers();
}

void ThreadList::wake_askers() noexcept {
  constexpr std::uint64_t kAll = std::numeric_limits<int>::max();
  changes_.fetch_add(1);
  native(SYS_futex, word(&changes_), FUTEX_WAKE_PRIVATE, kAll);
}

// The calling thread goes first: what is refused is refused before anything has changed. The others have the
// same credentials and so get the same answer; a process whose threads disagree must not go on.
abi::NativeResult GuestThread::call_in_all_threads(long number, abi::Word a0, abi::Word a1,
                                                   abi::Word a2) noexcept {
  if (process_.embedding() != nullptr) return -EPERM;  // the credentials are the embedder's
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
