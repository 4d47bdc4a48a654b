#include "runtime/call_sites.hpp"

namespace sudrun::runtime {
namespace {

CallSites::Kind kind_at(abi::Host& host, abi::Word address) noexcept {
  std::array<std::uint8_t, 2> bytes;  // every system-call instruction is two bytes long
  if (!host.read(abi::guest_addr(address), bytes.data(), bytes.size())) return CallSites::Kind::unreadable;
  return bytes[0] == 0x0f && bytes[1] == 0x05 ? CallSites::Kind::syscall : CallSites::Kind::other;
}

}  // namespace

// The slot of `address`, which is taken for it where there is a `host` to look with; kSlots if there is none.
std::size_t CallSites::find(abi::Host* host, abi::Word address) noexcept {
  const std::size_t hash = (address * 0x9e37'79b9'7f4a'7c15U) >> 51;
  static_assert(kSlots == std::size_t{1} << (64 - 51));
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    const std::size_t index = (hash + probe) % kSlots;
    std::atomic<std::uint64_t>& slot = sites_->slots[index];
    std::uint64_t seen = slot.load(std::memory_order_relaxed);
    if (seen >> 2 == address && seen != 0) return index;
    if (seen != 0) continue;
    if (host == nullptr) break;
    const Kind kind = kind_at(*host, address);
    if (slot.compare_exchange_strong(seen, address << 2 | static_cast<std::uint64_t>(kind),
                                     std::memory_order_relaxed)) {
      count_.fetch_add(1, std::memory_order_relaxed);
      return index;
    }
    if (seen >> 2 == address) return index;
  }
  return kSlots;
}

CallSites::Seen CallSites::note(abi::Host& host, abi::Word address, unsigned hot_after) noexcept {
  traps_.fetch_add(1, std::memory_order_relaxed);
  const std::size_t index = find(&host, address);
  if (index == kSlots) return {kind_at(host, address), false};
  const auto kind = static_cast<Kind>(sites_->slots[index].load(std::memory_order_relaxed) & 3);
  const std::uint8_t before = sites_->traps_at[index].load(std::memory_order_relaxed);
  if (before == kSettled) return {kind, false};
  if (before < hot_after) sites_->traps_at[index].store(before + 1, std::memory_order_relaxed);
  return {kind, before + 1U >= hot_after};
}

void CallSites::settle(abi::Word address) noexcept {
  if (const std::size_t index = find(nullptr, address); index != kSlots)
    sites_->traps_at[index].store(kSettled, std::memory_order_relaxed);
}

void CallSites::forget(abi::Word start, abi::Word end) noexcept {
  for (std::size_t i = 0; i < kSlots; ++i) {
    const abi::Word address = sites_->slots[i].load(std::memory_order_relaxed) >> 2;
    if (address >= start && address < end) sites_->traps_at[i].store(0, std::memory_order_relaxed);
  }
}

}  // namespace sudrun::runtime
