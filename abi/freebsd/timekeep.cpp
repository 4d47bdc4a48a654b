#include "abi/freebsd/timekeep.hpp"

#include <atomic>

namespace sudrun::abi::freebsd {
namespace {

constexpr std::uint32_t kVersion = 1;    // VDSO_TK_VER_CURR
constexpr std::uint32_t kAlgorithm = 1;  // VDSO_TH_ALGO_X86_TSC
constexpr std::uint32_t kMask = ~std::uint32_t{0};

void store(std::uint32_t& word, std::uint32_t value) noexcept {
  std::atomic_ref(word).store(value, std::memory_order_seq_cst);
}

}  // namespace

void Timekeep::publish(vdso::Timekeep& page, const TimeHands* hands) noexcept {
  if (hands == nullptr) {
    store(page.enabled, 0);
    // Who has looked at that already finds that it must look again.
    for (vdso::Timehands& old : page.hands) store(old.gen, 0);
    return;
  }
  current_ = (current_ + 1) % static_cast<std::uint32_t>(page.hands.size());
  vdso::Timehands& next = page.hands[current_];
  store(next.gen, 0);
  next.algo = kAlgorithm;
  next.scale = hands->scale;
  next.offset_count = static_cast<std::uint32_t>(hands->count);
  next.counter_mask = kMask;
  next.offset = hands->uptime;
  next.boottime = hands->boottime;
  next.x86_shift = hands->shift;
  if (++generation_ == 0) ++generation_;
  store(next.gen, generation_);
  page.version = kVersion;
  store(page.current, current_);
  store(page.enabled, 1);
}

}  // namespace sudrun::abi::freebsd
