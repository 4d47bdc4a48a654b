// Flag sets both ways.
#include <catch2/catch.hpp>

#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using sudrun::test::kGuestYaml;
using sudrun::test::replaced;
using sudrun::test::SmallTable;

TEST_CASE("bits and fields are translated by name") {
  const SmallTable table;
  const FlagSet flags = table->flag_set("open_flags");
  REQUIRE(flags);
  CHECK(flags.to_native(0) == 0);
  CHECK(flags.to_native(1 | 0x200 | 0x100000) == (1 | 0x40 | 0x80000));
  CHECK(flags.to_native(2 | 8) == (2 | 0x400));
  CHECK(flags.to_guest(1 | 0x40 | 0x80000) == (1 | 0x200 | 0x100000));
  CHECK(flags.guest_value("O_CREAT") == 0x200);
  CHECK(flags.guest_value("O_NOTHING") == std::nullopt);
}

TEST_CASE("a value without native form is dropped, a refused one refuses the whole") {
  const SmallTable table;
  const FlagSet flags = table->flag_set("open_flags");
  CHECK(flags.to_native(0x20 | 8) == 0x400);
  CHECK(flags.to_native(0x4000000) == std::nullopt);
  CHECK(flags.to_native(0x4000000 | 8) == std::nullopt);
}

TEST_CASE("unknown bits are refused, ignored or kept as the set says") {
  const SmallTable table;
  CHECK(table->flag_set("open_flags").to_native(0x40000000) == std::nullopt);
  CHECK(table->flag_set("open_flags").to_native(3) == std::nullopt);
  CHECK(table->flag_set("poll_events").to_native(0x100 | 2) == 1);
  CHECK(table->flag_set("modes").to_native(0x100 | 2) == (0x100 | 2));
  CHECK(table->flag_set("open_flags").to_guest(0x40000000 | 0x40) == 0x200);
}

TEST_CASE("a native value that contains another comes back as itself alone") {
  const SmallTable table;
  const FlagSet flags = table->flag_set("open_flags");
  CHECK(flags.to_native(0x80) == 0x101000);
  CHECK(flags.to_native(0x1000000) == 0x1000);
  CHECK(flags.to_native(0x80 | 0x1000000) == 0x101000);
  CHECK(flags.to_guest(0x101000) == 0x80);
  CHECK(flags.to_guest(0x1000) == 0x1000000);
}

TEST_CASE("every combination of mapped bits survives the way there and back") {
  const SmallTable table;
  const FlagSet flags = table->flag_set("open_flags");
  constexpr std::uint64_t kBits[] = {8, 0x80, 0x200, 0x100000};
  for (unsigned chosen = 0; chosen < 16; ++chosen) {
    for (std::uint64_t access = 0; access < 3; ++access) {
      std::uint64_t guest = access;
      for (unsigned i = 0; i < 4; ++i) guest |= chosen & (1u << i) ? kBits[i] : 0;
      REQUIRE(flags.to_guest(flags.to_native(guest).value()) == guest);
    }
  }
}

TEST_CASE("enumerations map one value to one, and refuse what has no native form") {
  const SmallTable table;
  const FlagSet clocks = table->flag_set("clock_id");
  CHECK(clocks.to_native(4) == 1);
  CHECK(clocks.to_guest(1) == 4);
  CHECK(clocks.to_native(1) == std::nullopt);
  CHECK(clocks.to_native(77) == std::nullopt);
}

TEST_CASE("an enumeration knows its values whichever way a register extends them") {
  const SmallTable table(replaced(kGuestYaml, "CLOCK_MONOTONIC: 4", "CLOCK_MONOTONIC: -4"));
  const FlagSet clocks = table->flag_set("clock_id");
  CHECK(clocks.to_native(0xffff'fffc) == 1);
  CHECK(clocks.to_native(0xffff'ffff'ffff'fffc) == 1);
  CHECK(clocks.to_native(0x1'ffff'fffc) == std::nullopt);
}

TEST_CASE("an unknown flag set is empty") {
  const SmallTable table;
  CHECK_FALSE(table->flag_set("no_such_set"));
  CHECK_FALSE(table->flag_set(1000));
}
