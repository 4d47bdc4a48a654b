#include "runtime/statistics.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <mutex>

#include "runtime/quiet_write.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

void Statistics::add(const GuestThread& thread) noexcept {
  served_.fetch_add(thread.calls().served, std::memory_order_relaxed);
  at_sites_.fetch_add(thread.calls().at_sites, std::memory_order_relaxed);
}

void Statistics::forget(GuestThread& survivor) noexcept {
  served_ = at_sites_ = 0;
  survivor.forget_calls();
}

void Statistics::write(Process& process) noexcept {
  if (!wanted_) return;
  wanted_ = false;
  std::uint64_t served = served_, at_sites = at_sites_;
  {
    const std::scoped_lock hold(process.threads().lock());
    for (GuestThread* thread = process.threads().first(); thread != nullptr; thread = thread->link().next) {
      served += thread->calls().served;
      at_sites += thread->calls().at_sites;
    }
  }
  // Each call of the host loop came by a trap or by a site.
  const std::uint64_t traps = process.sites().traps();
  const std::uint64_t by_site = served - std::min(served, traps);
  const auto rungs = process.rewriter().counts();
  std::array<char, 512> text;
  const int n = std::snprintf(text.data(), text.size(),
                              "sudrun: calls: %" PRIu64 " trapped, %" PRIu64
                              " from rewritten sites to the host loop, %" PRIu64
                              " made in assembly\n"
                              "sudrun: sites: %u trapped; rewritten by padding %u, load %u, relocation %u; "
                              "left trapping though hot %u\n",
                              traps, by_site, at_sites - std::min(at_sites, by_site), process.sites().count(),
                              rungs[1], rungs[2], rungs[3], rungs[0]);
  if (n > 0) write_quietly(2, text.data(), std::min(static_cast<std::size_t>(n), text.size() - 1));
}

}  // namespace sudrun::runtime
