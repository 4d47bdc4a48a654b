#include "loader/known_code.hpp"

#include <algorithm>

namespace sudrun::loader {
namespace {

constexpr std::uint64_t kAlignment = 16;  // of functions; also how far compilers pad
constexpr std::uint64_t kAnchorPadding = 5;
constexpr std::byte kInt3{0xcc}, kNop{0x90};

}  // namespace

KnownCode::KnownCode(Disassembler& disassembler, const CodeWindow& window, std::uint64_t site) noexcept
    : disassembler_(disassembler),
      window_(window),
      base_(site - window.start < kBack ? window.start : site - kBack),
      end_(window.end() - site < kAhead ? window.end() : site + kAhead) {
  start_at(site + 2);
  start_before(site);
  follow_all();
}

void KnownCode::start_at(std::uint64_t address) noexcept {
  if (covers(address)) todo_.set(index(address));
}

/// The size of the NOP instruction at `address`, or 0.
unsigned KnownCode::nop_at(std::uint64_t address) noexcept {
  const auto instruction = disassembler_.decode(window_.from(address), address);
  return instruction && instruction->is_nop && address + instruction->size <= end_ ? instruction->size : 0;
}

/// Follows the flow from `address` until it ends, meets code that has been followed, or cannot be decoded.
void KnownCode::follow(std::uint64_t address) noexcept {
  while (covers(address) && !starts_.test(index(address))) {
    const auto instruction = disassembler_.decode(window_.from(address), address);
    if (!instruction) return;
    starts_.set(index(address));
    const std::uint64_t next = address + instruction->size;
    for (std::uint64_t at = address; at < std::min(next, end_); ++at) reached_.set(index(at));
    if (instruction->is_relative_branch && covers(instruction->target)) {
      targets_.set(index(instruction->target));
      start_at(instruction->target);
    }
    if (instruction->ends_flow) return pad_from(next);
    address = next;
  }
}

void KnownCode::follow_all() noexcept {
  // Every round follows something new or empties the list.
  while (todo_.any()) {
    for (std::size_t i = 0; i < todo_.size(); ++i) {
      if (!todo_.test(i)) continue;
      todo_.reset(i);
      follow(base_ + i);
    }
  }
}

/// Takes note of the padding that begins at `address`, directly after the end of the flow.
void KnownCode::pad_from(std::uint64_t address) noexcept {
  std::uint64_t at = address, aligned = address;
  while (covers(at)) {
    // A function may begin at an aligned address, and with NOPs that are executed.
    const unsigned size = window_.at(at) == kInt3 ? 1 : at % kAlignment != 0 ? nop_at(at) : 0;
    if (size == 0) break;
    at += size;
    if (at % kAlignment == 0) aligned = at;
  }
  // It may also begin with an int3: what comes after the last aligned address is not taken for padding.
  if (aligned == address) return;
  for (std::uint64_t i = address; i < aligned; ++i) padding_.set(index(i));
  start_at(at);
}

/// At least five bytes of padding end at `address`: int3, one-byte NOPs, or NOPs the first of which is long.
bool KnownCode::follows_padding(std::uint64_t address) noexcept {
  if (address < base_ + kAnchorPadding) return false;
  const auto same = [&](std::byte value) {
    const auto tail = window_.from(address - kAnchorPadding, kAnchorPadding);
    return std::all_of(tail.begin(), tail.end(), [&](std::byte b) { return b == value; });
  };
  if (same(kInt3) || same(kNop)) return true;
  for (std::uint64_t back = kAnchorPadding; back < kAlignment && back <= address - base_; ++back) {
    std::uint64_t at = address - back;
    if (window_.at(at) != std::byte{0x0f} || window_.at(at + 1) != std::byte{0x1f}) continue;
    for (unsigned size = 1; size != 0 && at < address; at += size) size = nop_at(at);
    if (at == address) return true;
  }
  return false;
}

void KnownCode::start_before(std::uint64_t site) noexcept {
  Bits seen, good;  // addresses decoded on the way from some anchor; those on a way that arrives at the site
  for (std::uint64_t anchor = (site - 1) & ~(kAlignment - 1); covers(anchor); anchor -= kAlignment) {
    if (!follows_padding(anchor)) continue;
    Bits way;
    std::uint64_t at = anchor;
    while (at < site && !seen.test(index(at))) {
      const auto instruction = disassembler_.decode(window_.from(at), at);
      if (!instruction) break;
      seen.set(index(at));
      way.set(index(at));
      at += instruction->size;
    }
    if (at != site && !(at < site && good.test(index(at)))) continue;
    good |= way;
    start_at(anchor);
  }
}

}  // namespace sudrun::loader
