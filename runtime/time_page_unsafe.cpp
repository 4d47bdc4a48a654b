#include "runtime/time_page.hpp"

#include <cpuid.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <ctime>
#include <mutex>
#include <string_view>

#include "runtime/fast_path.hpp"
#include "runtime/gate.hpp"
#include "runtime/statistics.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kPage = 4096;
constexpr unsigned kFreshPart = 10;  ///< a tenth of a second: what is younger need not be renewed

std::int64_t nanoseconds(const timespec& time) noexcept { return time.tv_sec * kSecond + time.tv_nsec; }

}  // namespace

// Linux has looked at whether the counter runs at one speed, and on all processors alike, and takes another
// source if not.
bool TimePage::has_counter() noexcept {
  constexpr unsigned kAdvancedPower = 0x8000'0007, kInvariant = 1U << 8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(kAdvancedPower, &a, &b, &c, &d) == 0 || (d & kInvariant) == 0) return false;
  std::array<char, 64> text{};
  constexpr const char* kSource = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  const std::int64_t fd = native(SYS_open, word(kSource), 0);
  if (fd < 0) return false;
  const std::int64_t size = native(SYS_read, static_cast<std::uint64_t>(fd), word(text.data()), text.size());
  native(SYS_close, static_cast<std::uint64_t>(fd));
  const std::string_view source(text.data(), size > 0 ? static_cast<std::size_t>(size) - 1 : 0);
  return source == "tsc" || source == "kvm-clock" || source == "hyperv_clocksource_tsc_page";
}

void TimePage::place(abi::Word address) noexcept {
  clock_ = clock_of_the_host();
  abi::Timekeeper::Reading reading;
  if (clock_ == 0 || !read_clocks(reading)) return;
  keeper_.begin(reading);
  address_ = address;
}

// The counter is read before and after the clock; the closest of some tries tells both at one time. False:
// the thread was interrupted in each of them.
bool TimePage::read_clocks(abi::Timekeeper::Reading& reading) const noexcept {
  constexpr int kTries = 4;
  constexpr std::uint64_t kTooFar = 6'000;  // ticks
  const auto clock = reinterpret_cast<int (*)(int, timespec*)>(clock_);
  std::uint64_t closest = kTooFar;
  std::int64_t closest_clocks = kSecond;
  for (int i = 0; i < kTries; ++i) {
    timespec before{}, real{}, after{};
    __builtin_ia32_lfence();
    const std::uint64_t begun = ticks_now();
    clock(CLOCK_MONOTONIC, &before);
    __builtin_ia32_lfence();
    const std::uint64_t took = ticks_now() - begun;
    clock(CLOCK_REALTIME, &real);
    clock(CLOCK_MONOTONIC, &after);
    if (took < closest) {
      closest = took;
      reading.ticks = begun + took / 2;
      reading.uptime = static_cast<std::uint64_t>(nanoseconds(before));
    }
    const std::int64_t apart = nanoseconds(after) - nanoseconds(before);
    if (apart < closest_clocks) {
      closest_clocks = apart;
      reading.offset = nanoseconds(real) - nanoseconds(before) - apart / 2;
    }
  }
  return closest < kTooFar;
}

// With the lock. The guest may only read the page.
void TimePage::publish(const abi::TimeHands* hands) noexcept {
  const abi::Word at = address_;
  if (at == 0 || native(SYS_mprotect, at, kPage, PROT_READ | PROT_WRITE) != 0) return;
  personality_.publish_time(reinterpret_cast<std::byte*>(at), hands);
  native(SYS_mprotect, at, kPage, PROT_READ);
}

void TimePage::refresh(bool at_once) noexcept {
  if (!at_once && ticks_now() < fresh_until_.load(std::memory_order_relaxed)) return;
  const std::scoped_lock hold(lock_);
  if (!on_) return;
  abi::Timekeeper::Reading reading;
  for (int tries = 0; tries < 100; ++tries) {
    if (!read_clocks(reading)) continue;
    const auto hands = keeper_.advance(reading);
    if (!hands) break;
    publish(&*hands);
    fresh_until_ = reading.ticks + (~std::uint64_t{0} / hands->scale << hands->shift) / kFreshPart;
    return;
  }
  publish(nullptr);
  on_ = false;
  reads_ = 0;
}

// First all threads get their timers, then there is something to read.
void TimePage::switch_on(ThreadList& threads) noexcept {
  const std::scoped_lock all(threads.lock());
  {
    const std::scoped_lock hold(lock_);
    abi::Timekeeper::Reading reading;
    if (address_ == 0 || !read_clocks(reading) || !keeper_.advance(reading)) {
      reads_ = 0;  // too early to know how fast the counter is
      return;
    }
    on_ = true;  // whoever enters the guest from now on starts to tick
  }
  bool all_tick = true;
  for (GuestThread* thread = threads.first(); thread != nullptr && all_tick; thread = thread->link().next)
    all_tick = thread->start_ticking();
  if (!all_tick) return give_up();  // no more timers are to be had
  refresh(true);
}

void TimePage::switch_off() noexcept {
  const std::scoped_lock hold(lock_);
  if (!on_) return;
  publish(nullptr);
  on_ = false;
  reads_ = 0;
}

void TimePage::give_up() noexcept {
  switch_off();
  const std::scoped_lock hold(lock_);
  address_ = 0;
}

void TimePage::after_fork_in_child() noexcept {
  lock_.unlock();  // who may have had it is the parent's
  reads_ = 0;
  if (!on_) return;
  switch_off();
  abi::Timekeeper::Reading reading;
  if (read_clocks(reading)) keeper_.begin(reading);  // it may have been at work
}

}  // namespace sudrun::runtime
