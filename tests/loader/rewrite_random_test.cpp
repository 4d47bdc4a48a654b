#include <random>

#include "loader/relocate.hpp"
#include "tests/loader/rewrite_support.hpp"

using namespace sudrun::test;

TEST_CASE("the second decoder agrees with Capstone or refuses", "[rewrite]") {
  Disassembler disassembler;
  std::mt19937_64 random(4);
  Bytes bytes(15);
  unsigned moved = 0;
  for (unsigned round = 0; round < 400000; ++round) {
    for (std::byte& b : bytes) b = std::byte(random());
    const auto instruction = disassembler.decode(bytes, 0x1000);
    if (!instruction || !can_relocate(*instruction, bytes)) continue;
    ++moved;
    REQUIRE_FALSE(instruction->is_rip_relative);
    REQUIRE_FALSE(instruction->is_syscall);
    REQUIRE_FALSE(instruction->is_int3);
    REQUIRE(instruction->mnemonic.substr(0, 4) != "call");
    REQUIRE(instruction->mnemonic.substr(0, 4) != "loop");
    REQUIRE(instruction->mnemonic != "jrcxz");
    REQUIRE(instruction->mnemonic != "xbegin");
    // With one byte less it is not whole.
    REQUIRE_FALSE(can_relocate(*instruction, std::span(bytes).first(instruction->size - 1)));
  }
  CHECK(moved > 100000);
}

TEST_CASE("every cut of a window keeps the promises", "[rewrite]") {
  Disassembler disassembler;
  const std::string before = int3(5) + filler(15) + kRet + int3(16) + filler(3) + kLoad20 + kSaveRcx;
  const std::string after = kCompare + code("\x73\x01\xc3\x48\xf7\xd8\xc3") + int3(20);
  unsigned rungs[4]{};
  for (const bool padded : {true, false}) {
    for (std::size_t cut = 0; cut <= before.size(); ++cut) {
      for (std::size_t length = 0; length <= after.size(); ++length) {
        const Program program(before.substr(cut), after.substr(0, length), 0x10b1);
        const Hops taken = padded ? Hops{} : Hops{{0x1000, 0x1200}};
        const RewritePlan plan = program.plan(20, taken);
        ++rungs[static_cast<unsigned>(plan.rung)];
        if (plan.rung != Rung::none) encoded(program, 0x100000, 20, taken);
      }
    }
  }
  for (const unsigned count : rungs) CHECK(count > 20);
}

TEST_CASE("random code keeps the promises", "[rewrite]") {
  Disassembler disassembler;
  std::mt19937_64 random(20);
  const std::string pieces[] = {int3(5),
                                int3(11),
                                kRet,
                                kCall,
                                kLoad20,
                                kLongLoad20,
                                kSaveRcx,
                                kCompare,
                                code("\x73\x03"),
                                code("\x72\xf0"),
                                code("\xeb\x08"),
                                code("\xe8\x00\x00\x00\x00"),
                                code("\x66\x0f\x1f\x44\x00\x00"),
                                code("\x66\x90"),
                                code("\x48\x89\xe5"),
                                code("\x98"),
                                code("\xf7\xd8"),
                                filler(4),
                                code("\x0f\x0b")};
  unsigned rungs[4]{};
  Bytes bytes;
  for (unsigned round = 0; round < 100000; ++round) {
    bytes.clear();
    const std::size_t size = 2 + random() % 300;
    const unsigned noise = random() % 3 == 0 ? 2 : 40;  // one piece in so many is a random byte
    while (bytes.size() < size) {
      if (random() % noise == 0) {
        bytes.push_back(std::byte(random()));
        continue;
      }
      const Bytes piece = bytes_of(pieces[random() % std::size(pieces)]);
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      // Now and then padding that is aligned, as compilers make it.
      if (random() % 8 == 0) bytes.resize((bytes.size() + 15) & ~std::size_t{15}, std::byte{0xcc});
    }
    const std::uint64_t start =
        (random() % 2 ? 0x40000000 : 0x7000000000) + (random() % 4 ? 0 : random() % 64);
    const CodeWindow window{start, bytes};
    std::uint64_t site = start + random() % bytes.size();
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
      if (bytes[i] == std::byte{0x0f} && bytes[i + 1] == std::byte{0x05} && random() % 2) site = start + i;
    }
    Hops taken;
    if (random() % 4 == 0) {
      const std::uint64_t at = start + random() % bytes.size();
      taken.emplace_back(at, at + 5);
    }
    const std::optional<std::uint32_t> number =
        random() % 2 ? std::optional<std::uint32_t>(20) : std::nullopt;
    const std::optional<std::uint64_t> entry =
        random() % 2 ? std::optional(start + random() % bytes.size()) : std::nullopt;
    const RewritePlan plan = plan_rewrite(disassembler, window, site, number, entry, taken);
    ++rungs[static_cast<unsigned>(plan.rung)];
    if (plan.rung == Rung::none) continue;
    const auto stub = plan.stub_at_or_after(random() % 2 ? start - 0x1000000 : 0);
    if (!stub) continue;
    const std::uint64_t slot = *stub + 0x1000;
    const auto rewrite = encode(disassembler, plan, *stub, slot);
    INFO("round " << round);
    if (rewrite) verify(window, site, taken, plan, *rewrite, *stub, slot);
  }
  for (const unsigned count : rungs) CHECK(count > 1000);
}
