#include "runtime/call_sites.hpp"

#include <mutex>

namespace sudrun::runtime {

CallSites::Kind CallSites::note(abi::Host& host, abi::Word address) noexcept {
  const std::size_t hash = (address * 0x9e37'79b9'7f4a'7c15U) >> 51;
  static_assert(kSlots == std::size_t{1} << (64 - 51));
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    std::atomic<std::uint64_t>& slot = slots_[(hash + probe) % kSlots];
    std::uint64_t seen = slot.load(std::memory_order_relaxed);
    if (seen >> 2 == address && seen != 0) return static_cast<Kind>(seen & 3);
    if (seen != 0) continue;
    const Kind kind = decode(host, address);
    if (slot.compare_exchange_strong(seen, address << 2 | static_cast<std::uint64_t>(kind),
                                     std::memory_order_relaxed)) {
      count_.fetch_add(1, std::memory_order_relaxed);
      return kind;
    }
    if (seen >> 2 == address) return static_cast<Kind>(seen & 3);
  }
  return decode(host, address);
}

CallSites::Kind CallSites::decode(abi::Host& host, abi::Word address) noexcept {
  std::array<std::byte, 2> bytes;  // every system-call instruction is two bytes long
  if (!host.read(abi::guest_addr(address), bytes.data(), bytes.size())) return Kind::unreadable;
  const std::scoped_lock hold(lock_);
  const auto instruction = disassembler_.decode(bytes, address);
  return instruction && instruction->is_syscall ? Kind::syscall : Kind::other;
}

}  // namespace sudrun::runtime
