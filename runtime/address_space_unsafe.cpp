#include "runtime/address_space.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "runtime/gate.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr abi::Word page_up(abi::Word address) noexcept { return (address + kPage - 1) & ~(kPage - 1); }

constexpr std::uint64_t kRandomPages = 1U << 28;  // as many bits as Linux's own mmap has

}  // namespace

std::atomic<abi::Word> AddressSpace::next_{0};

AddressSpace::AddressSpace() noexcept {
  std::uint64_t random = 0;
  native(SYS_getrandom, word(&random), sizeof random, 0);
  abi::Word not_begun = 0;
  next_.compare_exchange_strong(not_begun, kArenaStart + random % kRandomPages * kPage);
}

abi::Word AddressSpace::choose(std::uint64_t size, std::uint64_t alignment) noexcept {
  alignment = std::max(alignment, kPage);
  const std::uint64_t span = page_up(size);
  if (size == 0 || span < size || span > kArenaEnd - kArenaStart || alignment > kArenaEnd - kArenaStart)
    return 0;
  abi::Word seen = next_.load(std::memory_order_relaxed);
  for (;;) {
    abi::Word at = (seen + alignment - 1) & ~(alignment - 1);
    if (at > kArenaEnd - span) at = (kArenaStart + alignment - 1) & ~(alignment - 1);
    if (at > kArenaEnd - span) return 0;
    if (next_.compare_exchange_weak(seen, at + span, std::memory_order_relaxed)) return at;
  }
}

std::int64_t AddressSpace::set_break(abi::Word address) noexcept {
  const std::scoped_lock hold(lock_);
  if (address == 0) return static_cast<std::int64_t>(break_);
  if (address < break_start_ || address >= abi::kGuestTop) return -ENOMEM;
  const abi::Word have = page_up(break_);
  const abi::Word want = page_up(address);
  if (want > have) {
    const std::int64_t at = native(SYS_mmap, have, want - have, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~std::uint64_t{0}, 0);
    if (abi::is_error(at)) return -ENOMEM;
    if (static_cast<abi::Word>(at) != have) {  // a kernel without MAP_FIXED_NOREPLACE took it as a hint
      native(SYS_munmap, static_cast<std::uint64_t>(at), want - have);
      return -ENOMEM;
    }
  } else if (want < have) {
    native(SYS_munmap, want, have - want);
  }
  break_ = address;
  return static_cast<std::int64_t>(address);
}

}  // namespace sudrun::runtime
