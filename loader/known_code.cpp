#include "loader/known_code.hpp"

#include <algorithm>

namespace sudrun::loader {
namespace {

constexpr std::uint64_t kAlignment = 16;  // of functions; also how far compilers pad
constexpr std::byte kInt3{0xcc};

}  // namespace

KnownCode::KnownCode(Disassembler& disassembler, const CodeWindow& window, std::uint64_t site,
                     std::optional<std::uint64_t> entry) noexcept
    : disassembler_(disassembler),
      window_(window),
      base_(site - window.start < kBack ? window.start : site - kBack),
      end_(window.end() - site < kAhead ? window.end() : site + kAhead) {
  if (entry) follow_from(*entry, site);
  start_at(site + 2);
  follow_all();
  sure_ = starts_;
  while (later_.any()) {
    todo_ |= later_;
    later_.reset();
    follow_all();
  }
}

/// What is found counts only if the flow arrives at the site.
void KnownCode::follow_from(std::uint64_t entry, std::uint64_t site) noexcept {
  start_at(entry);
  follow_all();
  if (starts_.test(index(site))) return;
  for (Bits* bits : {&starts_, &reached_, &targets_, &padding_, &later_}) bits->reset();
}

void KnownCode::start_at(std::uint64_t address) noexcept {
  if (covers(address)) todo_.set(index(address));
}

void KnownCode::follow_later(std::uint64_t address) noexcept {
  if (covers(address)) later_.set(index(address));
}

/// The size of the NOP instruction at `address`, or 0.
unsigned KnownCode::nop_at(std::uint64_t address) noexcept {
  const auto instruction = disassembler_.decode(window_.from(address), address);
  return instruction && instruction->is_nop ? instruction->size : 0;
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
    if (instruction->id == X86_INS_CALL) return follow_later(next);
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
  // A function may begin at an aligned address, and with NOPs that are executed.
  std::uint64_t at = address, function = 0;
  while (covers(at)) {
    const unsigned size = window_.at(at) == kInt3 ? 1 : nop_at(at);
    if (size == 0) break;
    if (function == 0 && at % kAlignment == 0 && window_.at(at) != kInt3) function = at;
    at += size;
  }
  // A literal of such bytes ends anywhere, and so does an int3 that a function begins with.
  if (at == address || at % kAlignment != 0 || (!covers(at) && end_ != window_.end())) return;
  if (function == 0) function = at;
  for (std::uint64_t i = address; i < function; ++i) padding_.set(index(i));
  follow_later(function);
}

}  // namespace sudrun::loader
