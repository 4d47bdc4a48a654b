// Windows of code for tests of rewriting, and a check of everything a rewrite promises.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "loader/rewrite.hpp"
#include "tests/loader/elf_writer.hpp"

namespace sudrun::test {

using namespace sudrun::loader;

using Hops = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
inline constexpr std::uint64_t kSlot = 0x40000000;

template <std::size_t N>
std::string code(const char (&text)[N]) {
  return {text, N - 1};
}
inline std::string int3(std::size_t n) { return std::string(n, '\xcc'); }
inline std::string filler(std::size_t n) { return std::string(n, '\xf8'); }  // clc: nothing is made of it
inline const std::string kCall = code("\x0f\x05");
inline const std::string kRet = code("\xc3");
inline const std::string kLoad20 = code("\xb8\x14\x00\x00\x00");              // mov $20,%eax
inline const std::string kLongLoad20 = code("\x48\xc7\xc0\x14\x00\x00\x00");  // mov $20,%rax
inline const std::string kSaveRcx = code("\x49\x89\xca");                     // mov %rcx,%r10
inline const std::string kCompare = code("\x48\x3d\x01\xf0\xff\xff");         // cmp $-4095,%rax

/// jb to `distance` bytes before the call, if it stands right behind that.
inline std::string back_to(std::size_t distance) {
  return "\x72" + std::string(1, static_cast<char>(-static_cast<int>(distance + 4)));
}

inline unsigned byte_of(std::byte b) { return std::to_integer<unsigned>(b); }

inline std::uint64_t target_of(std::uint64_t end, const std::byte* rel32) {
  std::int32_t distance = 0;
  std::memcpy(&distance, rel32, 4);
  return end + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

struct Program {
  Bytes bytes;
  std::uint64_t start;
  std::uint64_t site;
  std::optional<std::uint64_t> entry;  ///< what has been called
  /// `before` ends where the site begins, which is at `site_address`.
  Program(const std::string& before, const std::string& after, std::uint64_t site_address = 0x1080)
      : bytes(bytes_of(before + kCall + after)), start(site_address - before.size()), site(site_address) {}
  CodeWindow window() const { return {start, bytes}; }
  RewritePlan plan(std::optional<std::uint32_t> number = 20, const Hops& taken = {}) const {
    static Disassembler disassembler;
    return plan_rewrite(disassembler, window(), site, number, entry, taken);
  }
  Rung rung(std::optional<std::uint32_t> number = 20) const { return plan(number).rung; }
};

/// The padding rung's promise, worked out without the code under test: the five bytes are part of int3s and
/// NOPs that begin after some jump, return or ud2/hlt, and the last of them ends at an aligned address.
inline bool stands_in_padding(Disassembler& disassembler, const CodeWindow& window, std::uint64_t hop) {
  const auto flow_ends_at = [&](std::uint64_t end) {
    for (std::uint64_t size = 1; size <= 15 && end - size >= window.start; ++size) {
      const auto i = disassembler.decode(window.from(end - size, size), end - size);
      if (i && i->size == size && i->ends_flow) return true;
    }
    return false;
  };
  for (std::uint64_t e = window.start + 1; e <= hop; ++e) {
    if (!flow_ends_at(e)) continue;
    std::uint64_t at = e;
    for (;;) {
      const auto i = disassembler.decode(window.from(at), at);
      if (!i || !((i->is_int3 && i->size == 1) || i->is_nop)) break;
      at += i->size;
    }
    if (at >= hop + kJumpSize && at % 16 == 0) return true;
  }
  return false;
}

/// Everything that is promised about an accepted plan and its encoding, from the bytes alone.
inline void verify(const CodeWindow& window, std::uint64_t site, const Hops& taken, const RewritePlan& plan,
                   const Rewrite& r, std::uint64_t stub, std::uint64_t slot) {
  static Disassembler disassembler;
  const auto original = [&](std::uint64_t address) { return byte_of(window.at(address)); };
  const auto check_before = [&](const CodeEdit& edit) {
    REQUIRE(window.holds(edit.address, edit.size));
    for (unsigned i = 0; i < edit.size; ++i) REQUIRE(edit.before[i] == window.at(edit.address + i));
  };
  REQUIRE((original(site) == 0x0f && original(site + 1) == 0x05));
  REQUIRE(r.resume == site + 2);
  REQUIRE(stub % 64 == 0);
  REQUIRE(r.stub_size <= kStubSize);
  check_before(r.site);
  REQUIRE(r.site.address / 64 == (r.site.address + r.site.size - 1) / 64);
  REQUIRE(r.site.store_address() <= r.site.address);
  REQUIRE(r.site.store_address() + 8 >= r.site.address + r.site.size);
  REQUIRE(r.site.store_address() / 64 == (r.site.store_address() + 7) / 64);

  // The stub: what comes before the tail, the tail, what comes after.
  unsigned tail = 0;
  const auto check_long_jump = [&](const CodeEdit& edit) {
    REQUIRE(edit.size == 5);
    REQUIRE(byte_of(edit.after[0]) == 0xe9);
    REQUIRE(target_of(edit.address + 5, &edit.after[1]) == stub);
  };
  if (plan.rung == Rung::padding) {
    REQUIRE(r.site.address == site);
    REQUIRE(r.site.size == 2);
    REQUIRE(byte_of(r.site.after[0]) == 0xeb);
    REQUIRE(r.hop);
    check_before(*r.hop);
    check_long_jump(*r.hop);
    const auto hop = r.hop->address;
    REQUIRE(site + 2 + static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(r.site.after[1])}) ==
            hop);
    REQUIRE((hop + 5 <= site || hop >= site + 2));
    REQUIRE(hop / 16 == (hop + 4) / 16);
    REQUIRE(hop % 16 != 0);
    for (const auto& range : taken) REQUIRE((hop >= range.second || hop + 5 <= range.first));
    REQUIRE(stands_in_padding(disassembler, window, hop));
  } else if (plan.rung == Rung::load) {
    REQUIRE_FALSE(r.hop);
    check_long_jump(r.site);
    const auto mov = r.site.address;
    unsigned n = 0;
    for (std::uint64_t at = mov; at != site; ++n) {
      REQUIRE(at < site);
      const auto i = disassembler.decode(window.from(at), at);
      REQUIRE(i);
      REQUIRE_FALSE(
          (i->is_rip_relative || i->is_relative_branch || i->ends_flow || i->is_syscall || i->is_int3));
      if (at == mov) REQUIRE(i->size >= 5);
      REQUIRE(n < r.mark_count);
      REQUIRE((r.marks[n].guest == at && r.marks[n].offset == at - mov));
      at += i->size;
    }
    REQUIRE(r.mark_count == n + 2);
    tail = static_cast<unsigned>(site - mov);
    for (unsigned i = 0; i < tail; ++i) REQUIRE(byte_of(r.stub[i]) == original(mov + i));
  } else {
    REQUIRE(plan.rung == Rung::relocation);
    REQUIRE_FALSE(r.hop);
    check_long_jump(r.site);
    REQUIRE(r.site.address == site);
    REQUIRE(r.continuation == stub + 13);
    // The copies, one by one beside the originals.
    std::uint64_t from = site + 2;
    unsigned at = 20;
    REQUIRE(byte_of(r.stub[13]) == 0x48);
    REQUIRE(byte_of(r.stub[14]) == 0x8d);
    REQUIRE(byte_of(r.stub[15]) == 0x0d);
    REQUIRE(target_of(stub + 20, &r.stub[16]) == site + 2);
    while (from < site + 5) {
      REQUIRE(byte_of(r.site.after[from - site]) == 0xcc);
      REQUIRE(r.forward(from) == stub + at);
      const auto before = disassembler.decode(window.from(from), from);
      REQUIRE(before);
      const auto b = *before;
      const auto after = disassembler.decode(std::span(r.stub).subspan(at), stub + at);
      REQUIRE(after);
      REQUIRE(after->id == b.id);
      REQUIRE(after->is_relative_branch == b.is_relative_branch);
      if (b.is_relative_branch) {
        REQUIRE(after->target == b.target);
        REQUIRE_FALSE((b.target > site && b.target < from + b.size));
      } else {
        REQUIRE_FALSE(b.is_rip_relative);
        REQUIRE(after->size == b.size);
        for (unsigned i = 0; i < b.size; ++i) REQUIRE(r.stub[at + i] == window.at(from + i));
      }
      from += b.size;
      at += after->size;
      if (b.ends_flow) REQUIRE(from >= site + 5);
    }
    REQUIRE(byte_of(r.stub[at]) == 0xe9);
    REQUIRE(target_of(stub + at + 5, &r.stub[at + 1]) == from);
    REQUIRE(r.stub_size == at + 5);
    REQUIRE_FALSE(r.forward(site));
    REQUIRE_FALSE(r.forward(from));
  }
  if (plan.rung != Rung::relocation) {
    REQUIRE(r.continuation == site + 2);
    REQUIRE(r.stub_size == tail + 13);
    REQUIRE_FALSE(r.forward(site + 2));
  }
  REQUIRE(byte_of(r.stub[tail]) == 0x48);
  REQUIRE(byte_of(r.stub[tail + 1]) == 0x8d);
  REQUIRE(byte_of(r.stub[tail + 2]) == 0x0d);
  REQUIRE(target_of(stub + tail + 7, &r.stub[tail + 3]) == r.continuation);
  REQUIRE(byte_of(r.stub[tail + 7]) == 0xff);
  REQUIRE(byte_of(r.stub[tail + 8]) == 0x25);
  REQUIRE(target_of(stub + tail + 13, &r.stub[tail + 9]) == slot);
}

/// Encodes for a stub at or after `from`, checks all promises, and hands out the result.
inline Rewrite encoded(const Program& program, std::uint64_t from = 0x100000,
                       std::optional<std::uint32_t> number = 20, const Hops& taken = {}) {
  Disassembler disassembler;
  const RewritePlan plan = program.plan(number, taken);
  REQUIRE(plan.rung != Rung::none);
  const auto stub = plan.stub_at_or_after(from);
  REQUIRE(stub);
  const auto rewrite = encode(disassembler, plan, *stub, kSlot);
  REQUIRE(rewrite);
  verify(program.window(), program.site, taken, plan, *rewrite, *stub, kSlot);
  return *rewrite;
}

}  // namespace sudrun::test
