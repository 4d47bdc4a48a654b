#include "runtime/statistics.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <mutex>
#include <string_view>

#include "runtime/quiet_write.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

void Statistics::want() noexcept {
  wanted_ = true;
  ticks_ = ticks_now();
  ::clock_gettime(CLOCK_MONOTONIC, &time_);
}

double Statistics::nanoseconds_per_tick() const noexcept {
  constexpr double kSecond = 1e9;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const double passed = static_cast<double>(now.tv_sec - time_.tv_sec) * kSecond +
                        static_cast<double>(now.tv_nsec - time_.tv_nsec);
  return passed / static_cast<double>(ticks_now() - ticks_);
}

void Statistics::add(const GuestThread& thread) noexcept {
  in_runtime_.fetch_add(thread.time_spent().in_runtime, std::memory_order_relaxed);
  in_kernel_.fetch_add(thread.time_spent().in_kernel, std::memory_order_relaxed);
  served_.fetch_add(thread.calls().served, std::memory_order_relaxed);
  at_sites_.fetch_add(thread.calls().at_sites, std::memory_order_relaxed);
}

void Statistics::forget(GuestThread& survivor) noexcept {
  served_ = at_sites_ = in_runtime_ = in_kernel_ = 0;
  survivor.forget_calls();
}

void Statistics::write(Process& process) noexcept {
  if (!wanted_) return;
  wanted_ = false;
  std::uint64_t served = served_, at_sites = at_sites_, in_runtime = in_runtime_, in_kernel = in_kernel_;
  {
    const std::scoped_lock hold(process.threads().lock());
    for (GuestThread* thread = process.threads().first(); thread != nullptr; thread = thread->link().next) {
      served += thread->calls().served;
      at_sites += thread->calls().at_sites;
      in_runtime += thread->time_spent().in_runtime;
      in_kernel += thread->time_spent().in_kernel;
    }
  }
  // Each call of the host loop came by a trap or by a site.
  const std::uint64_t traps = process.sites().traps();
  const std::uint64_t by_site = served - std::min(served, traps);
  const auto rungs = process.rewriter().counts();
  const double milliseconds = nanoseconds_per_tick() / 1e6;
  std::array<char, 640> text;
  const int n = std::snprintf(
      text.data(), text.size(),
      "sudrun: calls: %" PRIu64 " trapped, %" PRIu64 " from rewritten sites to the host loop, %" PRIu64
      " made in assembly\n"
      "sudrun: sites: %u trapped; rewritten by padding %u, load %u, relocation %u; "
      "left trapping though hot %u\n"
      "sudrun: time in the host loop: %.3f ms by itself, %.3f ms in native calls\n",
      traps, by_site, at_sites - std::min(at_sites, by_site), process.sites().count(), rungs[1], rungs[2],
      rungs[3], rungs[0], static_cast<double>(in_runtime - std::min(in_runtime, in_kernel)) * milliseconds,
      static_cast<double>(in_kernel) * milliseconds);
  if (n > 0) write_quietly(2, text.data(), std::min(static_cast<std::size_t>(n), text.size() - 1));
  if (process.time_page().is_on()) {
    constexpr std::string_view kOn = "sudrun: the time is read from memory, without calls\n";
    write_quietly(2, kOn.data(), kOn.size());
  }
}

}  // namespace sudrun::runtime
