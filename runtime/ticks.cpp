// While the guest computes the time from memory (TimePage), each thread that runs guest code has a timer,
// whose signal, the runtime's own, comes before what it reads is too old. A thread that is in a call needs
// none, and gets none: a sleep is interrupted once at most, and whoever goes back into the guest sets the
// timer again.
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <mutex>

#include "runtime/gate.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

/// The kernel's struct sigevent: the C library's hides the thread's id.
struct TimerEvent {
  std::uint64_t value;
  int signal;
  int notify;
  int thread;
  int padding[11];
};
static_assert(sizeof(TimerEvent) == 64);

constexpr int kThread = 4;              // SIGEV_THREAD_ID
constexpr std::uint64_t kBootTime = 7;  // CLOCK_BOOTTIME: what a suspended machine has missed is due at once

/// No call is made without the host loop, by a thread whose next sleep is to be there.
const FastPath kNoFastPath{};

}  // namespace

void GuestThread::choose_fast_path() noexcept {
  block_.fast = interrupt_next_sleep_ || sleeps_in_host_loop_ ? &kNoFastPath : &process_.fast_path();
}

// With the list's lock; the thread may be another than the caller's.
bool GuestThread::start_ticking() noexcept {
  if (tick_timer_ < 0) {
    TimerEvent event{};
    event.value = word(&process_.time_page());
    event.signal = process_.signals().own_signal();
    event.notify = kThread;
    event.thread = tid_;
    int timer = -1;
    if (native(SYS_timer_create, kBootTime, word(&event), word(&timer)) != 0) return false;
    tick_timer_ = timer;
  }
  set_tick();
  return true;
}

void GuestThread::set_tick() noexcept {
  const itimerspec once{{0, 0}, {0, static_cast<long>(TimePage::kTick)}};
  ticking_ = true;
  native(SYS_timer_settime, static_cast<abi::Word>(tick_timer_.load()), 0, word(&once), 0);
}

// With the list's lock.
void GuestThread::stop_ticking() noexcept {
  if (tick_timer_ >= 0) native(SYS_timer_delete, static_cast<abi::Word>(tick_timer_.load()));
  forget_ticks();
}

void GuestThread::forget_ticks() noexcept {
  tick_timer_ = -1;
  ticking_ = false;
}

// In the host loop, on the way into the guest; also of a thread that has no timer yet. A call that is only
// made again after a tick goes without: else its own time limit would begin anew with each.
void GuestThread::tick_from_now_on() noexcept {
  TimePage& page = process_.time_page();
  sleeps_in_host_loop_ = page.is_on() && again_at_ != 0 && again_at_ == block_.context.regs.rip;
  choose_fast_path();
  if (!page.is_on() || sleeps_in_host_loop_ || ticking_) return;
  if (tick_timer_ < 0) {
    const std::scoped_lock hold(process_.threads().lock());
    if (!start_ticking()) return page.switch_off();
  } else {
    set_tick();
  }
  page.refresh();
}

bool GuestThread::may_run_guest() const noexcept {
  return !process_.time_page().is_on() || ticking_ || sleeps_in_host_loop_;
}

// In a catcher that has interrupted guest code and lets the guest's handler run: it may have come without.
void GuestThread::keep_ticking() noexcept {
  TimePage& page = process_.time_page();
  if (!page.is_on() || ticking_ || tick_timer_ < 0) return;
  set_tick();
  page.refresh();
}

bool GuestThread::is_tick(const siginfo_t& info) noexcept {
  return info.si_code == SI_TIMER && info.si_value.sival_ptr == &process_.time_page();
}

// In the catcher of the runtime's own signal. True: the thread, asleep in a call that was made in assembly,
// is to stand before it again, and make it in the host loop.
bool GuestThread::ticked(std::uint64_t rip, std::int64_t rax, Side side) noexcept {
  ticking_ = false;
  TimePage& page = process_.time_page();
  if (!page.is_on() || side == Side::host) return false;
  if (side == Side::leaving) {
    const bool asleep = rip == word(sudrun_fast_syscall) || rip == word(sudrun_futex_returned) - kSyscallSize;
    const bool failed =
        (rip == word(sudrun_fast_returned) || rip == word(sudrun_futex_returned)) && rax == -EINTR;
    if (asleep) {
      sleeps_in_host_loop_ = true;
      choose_fast_path();
    }
    if (asleep || failed) return asleep;  // the other is on its way to the host loop
  }
  set_tick();
  page.refresh();
  return false;
}

}  // namespace sudrun::runtime
