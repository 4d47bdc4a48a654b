#include "abi/netbsd/lwps.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <new>

#include "abi/netbsd/machine_layout.hpp"

namespace sudrun::abi::netbsd {
namespace {

enum Parking : std::uint32_t {
  kPending = 1,  // unparked before it parked
  kParked = 2,
  kUnparked = 4,  // the park is over: with success
  kWoken = 8,     //                   with EINTR
};

constexpr Word kPageSize = 4096;

Word address(const std::atomic<std::uint32_t>& word) noexcept { return reinterpret_cast<Word>(&word); }

void wake_all(Host& host, std::atomic<std::uint32_t>& word) noexcept {
  host.call(SYS_futex, address(word), FUTEX_WAKE_PRIVATE, INT_MAX);
}

}  // namespace

Lwps::Lwp* Lwps::add(int tid) noexcept {
  try {
    // One that has ended unheard of, and whose number the host has given out again, is forgotten.
    auto& place = lwps_[tid];
    place = std::make_unique<Lwp>();
    return place.get();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

// The first thread was not made by create().
Lwps::Lwp* Lwps::find(Host& host, int tid) noexcept {
  if (const auto at = lwps_.find(tid); at != lwps_.end()) return at->second.get();
  return tid == host.pid() && !first_exited_ ? add(tid) : nullptr;
}

Lwps::Lwp* Lwps::find_alive(Host& host, int tid) noexcept {
  Lwp* const lwp = find(host, tid);
  return lwp != nullptr && !lwp->exited ? lwp : nullptr;
}

bool Lwps::is_alive(Host& host, int tid) noexcept {
  const std::scoped_lock hold(mutex_);
  return find_alive(host, tid) != nullptr;
}

// The lock is held over the start: whatever the new thread does first that needs its record comes after.
NativeResult Lwps::create(Host& host, const ThreadStart& start, bool detached) noexcept {
  const std::scoped_lock hold(mutex_);
  const NativeResult tid = host.spawn_thread(start);
  if (is_error(tid)) return tid;
  if (Lwp* const lwp = add(static_cast<int>(tid)); lwp != nullptr) lwp->detached = detached;
  return tid;
}

void Lwps::exit(Host& host) noexcept {
  const std::scoped_lock hold(mutex_);
  const int tid = host.tid();
  Lwp* const lwp = own(host);
  if (tid == host.pid()) first_exited_ = true;
  if (lwp == nullptr) return;
  if (!is_null(lwp->control)) host.put(lwp->control, guest::kCpuExited);
  lwp->exited = true;
  if (lwp->detached) lwps_.erase(tid);
  turn_.fetch_add(1);
  wake_all(host, turn_);
}

int Lwps::find_departed(Host& host, int tid, int& departed) noexcept {
  const int own_tid = host.tid();
  if (tid == own_tid) return EDEADLK;
  if (tid != 0) {
    const Lwp* const lwp = find(host, tid);
    if (lwp == nullptr || lwp->detached) return ESRCH;
    if (lwp->waits_for == own_tid) return EDEADLK;
    if (lwp->exited) departed = tid;
    return 0;
  }
  bool may_come = false, somebody_runs = false;
  for (const auto& [other, lwp] : lwps_) {
    if (other == own_tid) continue;
    if (!lwp->detached && lwp->exited) {
      departed = other;
      return 0;
    }
    may_come = may_come || !lwp->detached;
    somebody_runs = somebody_runs || lwp->waits_for < 0;
  }
  if (!may_come) return ESRCH;
  return somebody_runs ? 0 : EDEADLK;
}

NativeResult Lwps::wait(Host& host, int tid) noexcept {
  std::unique_lock hold(mutex_);
  Lwp* const lwp = own(host);
  if (lwp == nullptr) return -ENOMEM;
  for (;;) {
    int departed = 0;
    lwp->waits_for = -1;
    if (const int error = find_departed(host, tid, departed); error != 0) return -error;
    if (departed != 0) {
      lwps_.erase(departed);
      return departed;
    }
    lwp->waits_for = tid;
    const std::uint32_t turn = turn_.load();
    hold.unlock();
    const NativeResult slept =
        host.call_interruptible(SYS_futex, address(turn_), FUTEX_WAIT_PRIVATE, turn, 0);
    hold.lock();
    if (slept == -EINTR) {
      lwp->waits_for = -1;
      return -EINTR;
    }
  }
}

int Lwps::detach(Host& host, int tid) noexcept {
  const std::scoped_lock hold(mutex_);
  Lwp* const lwp = find(host, tid);
  if (lwp == nullptr) return ESRCH;
  if (lwp->exited) {
    lwps_.erase(tid);
    return 0;
  }
  if (lwp->detached) return EINVAL;
  lwp->detached = true;
  turn_.fetch_add(1);
  wake_all(host, turn_);
  return 0;
}

int Lwps::park(Host& host, const ParkEnd* end) noexcept {
  Lwp* lwp = nullptr;
  {
    const std::scoped_lock hold(mutex_);
    lwp = own(host);  // stays until this thread ends
  }
  if (lwp == nullptr) return ENOMEM;
  std::atomic<std::uint32_t>& word = lwp->parking;
  if ((word.fetch_and(~std::uint32_t{kPending}) & kPending) != 0) return EALREADY;
  for (std::uint32_t idle = 0; !word.compare_exchange_strong(idle, kParked); idle = 0)
    if ((word.fetch_and(~std::uint32_t{kPending}) & kPending) != 0) return EALREADY;

  const int clock_flag = end != nullptr && end->clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0;
  NativeResult slept = 0;
  while (word.load() == kParked && (slept == 0 || slept == -EAGAIN))
    slept = host.call_interruptible(
        SYS_futex, address(word), static_cast<Word>(FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | clock_flag),
        kParked, end != nullptr ? reinterpret_cast<Word>(&end->at) : 0, 0, FUTEX_BITSET_MATCH_ANY);
  const std::uint32_t found = word.fetch_and(kPending);
  if ((found & kUnparked) != 0) return 0;
  if ((found & kWoken) != 0) return EINTR;
  return static_cast<int>(-slept);
}

int Lwps::unpark(Host& host, int tid) noexcept {
  const std::scoped_lock hold(mutex_);
  Lwp* const lwp = find_alive(host, tid);
  if (lwp == nullptr) return ESRCH;
  std::uint32_t before = lwp->parking.load(), after = 0;
  do {
    after = (before & kParked) != 0 ? (before & ~std::uint32_t{kParked}) | kUnparked : before | kPending;
  } while (!lwp->parking.compare_exchange_weak(before, after));
  if ((before & kParked) != 0) wake_all(host, lwp->parking);
  return 0;
}

int Lwps::wake_up(Host& host, int tid) noexcept {
  const std::scoped_lock hold(mutex_);
  Lwp* const lwp = find_alive(host, tid);
  if (lwp == nullptr) return ESRCH;
  std::uint32_t before = kParked;
  if (!lwp->parking.compare_exchange_strong(before, kWoken)) return ENODEV;
  wake_all(host, lwp->parking);
  return 0;
}

GuestAddr Lwps::make_control(Host& host) noexcept {
  if (is_null(control_page_) || controls_used_ == kPageSize / sizeof(guest::LwpControl)) {
    const Word at = host.choose_address(kPageSize, kPageSize);
    const NativeResult mapped = at == 0 ? -ENOMEM
                                        : host.call(SYS_mmap, at, kPageSize, PROT_READ | PROT_WRITE,
                                                    MAP_PRIVATE | MAP_ANONYMOUS, ~Word{0}, 0);
    if (is_error(mapped)) return {};
    control_page_ = guest_addr(static_cast<Word>(mapped));
    controls_used_ = 0;
  }
  return control_page_ + controls_used_++ * sizeof(guest::LwpControl);
}

GuestAddr Lwps::control(Host& host) noexcept {
  const std::scoped_lock hold(mutex_);
  Lwp* const lwp = own(host);
  if (lwp == nullptr) return {};
  if (!is_null(lwp->control)) return lwp->control;
  const GuestAddr at = make_control(host);
  if (is_null(at) || !host.put(at, guest::LwpControl{guest::kCpuNone, 0})) return {};
  return lwp->control = at;
}

// The child's one thread has another number, and is nobody's to wait for.
void Lwps::after_fork_in_child() noexcept {
  lwps_.clear();
  first_exited_ = false;
  control_page_ = {};
  mutex_.unlock();
}

}  // namespace sudrun::abi::netbsd
