// Facts: proc(5) of Linux, /proc/PID/maps; FreeBSD 15.0 sys/vm/vm_map.c (vm_map_protect).
#include "abi/bsd/memory_ranges.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <string_view>

#include "abi/bsd/host_file.hpp"

namespace sudrun::abi::bsd {
namespace {

/// "start-end rwxp …"; false for a line that is not of this form.
bool parse(std::string_view line, HostMapping& mapping) noexcept {
  const char* const end = line.data() + line.size();
  const char* at = std::from_chars(line.data(), end, mapping.range.start, 16).ptr;
  if (at == end || *at != '-') return false;
  at = std::from_chars(at + 1, end, mapping.range.end, 16).ptr;
  if (end - at < 5 || *at != ' ') return false;
  mapping.prot =
      (at[1] == 'r' ? PROT_READ : 0U) | (at[2] == 'w' ? PROT_WRITE : 0U) | (at[3] == 'x' ? PROT_EXEC : 0U);
  mapping.shared = at[4] == 's';
  return true;
}

}  // namespace

bool find_mapping(Host& host, Word address, HostMapping& found) noexcept {
  HostLines lines(host, "/proc/self/maps");
  while (const auto line = lines.next())
    if (parse(*line, found) && found.range.end > address) return true;
  return false;
}

/// Takes the range out of all limits. Throws if there is no memory; then nothing has changed.
void ProtectionLimits::cut(PageRange range) {
  // One limit may fall in two, and the caller may add one.
  if (limits_.capacity() < limits_.size() + 2) limits_.reserve(limits_.size() * 2 + 2);
  for (std::size_t i = limits_.size(); i-- > 0;) {
    const Limit was = limits_[i];
    if (common(was.range, range).empty()) continue;
    const PageRange before{was.range.start, range.start}, behind{range.end, was.range.end};
    limits_.erase(limits_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!before.empty()) limits_.push_back({before, was.maximum, was.guard});
    if (!behind.empty()) limits_.push_back({behind, was.maximum, was.guard});
  }
}

bool ProtectionLimits::set(const Limit& limit) noexcept {
  const std::scoped_lock hold(mutex_);
  try {
    cut(limit.range);
  } catch (const std::exception&) {
    return false;
  }
  limits_.push_back(limit);
  any_ = true;
  return true;
}

void ProtectionLimits::clear(PageRange range) noexcept {
  if (none()) return;
  const std::scoped_lock hold(mutex_);
  try {
    cut(range);
  } catch (const std::exception&) {
    limits_.clear();  // too little is limited rather than too much
  }
  any_ = !limits_.empty();
}

bool ProtectionLimits::allows(PageRange range, unsigned prot) noexcept {
  if (none()) return true;
  const std::scoped_lock hold(mutex_);
  return std::ranges::all_of(limits_, [&](const Limit& limit) {
    return limit.guard || (prot & ~limit.maximum) == 0 || common(limit.range, range).empty();
  });
}

bool ProtectionLimits::lower(PageRange range, unsigned maximum) noexcept {
  // Ranges between the limits there are get a new one each; allows() has said that those there may be
  // lowered.
  for (PageRange rest = range; !rest.empty();) {
    PageRange behind;
    const PageRange part = before_guard(rest, behind);
    if (!part.empty() && !set({part, maximum, false})) return false;
    rest = behind;
  }
  return true;
}

PageRange ProtectionLimits::before_guard(PageRange range, PageRange& rest) noexcept {
  rest = {range.end, range.end};
  if (none()) return range;
  const std::scoped_lock hold(mutex_);
  const Limit* first = nullptr;
  for (const Limit& limit : limits_) {
    if (!limit.guard || common(limit.range, range).empty()) continue;
    if (first == nullptr || limit.range.start < first->range.start) first = &limit;
  }
  if (first == nullptr) return range;
  rest = {std::min(first->range.end, range.end), range.end};
  return {range.start, std::max(first->range.start, range.start)};
}

}  // namespace sudrun::abi::bsd
