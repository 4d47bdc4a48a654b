// What the handlers of memory calls share: whole pages, the mappings there are, and what Linux does not keep
// about them.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "abi/host.hpp"

namespace sudrun::abi::bsd {

inline constexpr Word kPage = 4096;
constexpr Word page_offset(Word address) noexcept { return address & (kPage - 1); }
constexpr Word page_up(Word address) noexcept { return (address + kPage - 1) & ~(kPage - 1); }

struct PageRange {
  Word start = 0, end = 0;
  Word size() const noexcept { return end - start; }
  bool empty() const noexcept { return start >= end; }
};
/// The pages that [address, address + size) touches. False if they wrap around.
constexpr bool whole_pages(Word address, Word size, PageRange& range) noexcept {
  const Word start = address - page_offset(address);
  const Word length = page_up(size + page_offset(address));
  if (length < size || start + length < start) return false;
  range = {start, start + length};
  return true;
}
constexpr bool in_guest(PageRange range) noexcept {
  return range.start <= range.end && range.end <= kGuestTop;
}
constexpr PageRange common(PageRange a, PageRange b) noexcept {
  return {a.start > b.start ? a.start : b.start, a.end < b.end ? a.end : b.end};
}

/// One line of /proc/self/maps.
struct HostMapping {
  PageRange range;
  unsigned prot = 0;  ///< native
  bool shared = false;
};

/// Finds the first mapping that ends behind `address`. Looks in the host's list: not for hot paths. False if
/// there is none, or the list cannot be read.
bool find_mapping(Host& host, Word address, HostMapping& found) noexcept;

/// Calls visit(mapping) for every mapping in `range`, cut to it, until one returns an error; that, or 0.
template <typename Visit>
NativeResult for_mappings(Host& host, PageRange range, Visit visit) noexcept {
  HostMapping mapping;
  for (Word at = range.start; at < range.end && find_mapping(host, at, mapping);) {
    at = mapping.range.end;
    mapping.range = common(mapping.range, range);
    if (mapping.range.empty()) break;
    if (const NativeResult r = visit(mapping); is_error(r)) return r;
  }
  return 0;
}

/// The most a mapping may ever be given (PROT_MAX()), and which mappings are guards (MAP_GUARD), whose
/// protection mprotect(2) leaves alone.
class ProtectionLimits {
 public:
  static constexpr unsigned kEverything = 7;
  struct Limit {
    PageRange range;
    unsigned maximum = kEverything;  ///< PROT_* bits
    bool guard = false;
  };

  bool none() const noexcept { return !any_.load(std::memory_order_acquire); }
  /// Allocates. False if there is no memory; then nothing is limited that was not.
  bool set(const Limit& limit) noexcept;
  /// The range has been unmapped, or mapped anew without a limit.
  void clear(PageRange range) noexcept;
  /// Whether every page of the range, guards aside, may have all of `prot`.
  bool allows(PageRange range, unsigned prot) noexcept;
  /// Lowers the maximum in the whole range, guards aside.
  bool lower(PageRange range, unsigned maximum) noexcept;
  /// The part of `range` before its first guard; `rest` becomes what is behind that guard.
  PageRange before_guard(PageRange range, PageRange& rest) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork() noexcept { mutex_.unlock(); }

 private:
  void cut(PageRange range);

  std::mutex mutex_;
  std::atomic<bool> any_{false};
  std::vector<Limit> limits_;  ///< do not overlap
};

}  // namespace sudrun::abi::bsd
