// Hands are good for programs if what they tell is the host's time, and never goes back.
#include "abi/timekeeper.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <random>

#include "abi/freebsd/timekeep.hpp"

using sudrun::abi::TimeHands;
using sudrun::abi::Timekeeper;
using sudrun::abi::uptime_by;
using sudrun::abi::freebsd::Timekeep;
namespace vdso = sudrun::abi::freebsd::vdso;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

/// A machine: a counter of so many ticks a second, read at a time.
struct Machine {
  double frequency = 2.9e9;
  std::uint64_t ticks_at_boot = 0;
  std::int64_t offset = 1'700'000'000LL * 1'000'000'000;

  std::uint64_t ticks(std::uint64_t ns) const {
    return ticks_at_boot +
           static_cast<std::uint64_t>(std::llround(static_cast<double>(ns) * frequency / 1e9));
  }
  Timekeeper::Reading at(std::uint64_t ns, std::int64_t error = 0) const {
    return {ticks(ns), static_cast<std::uint64_t>(static_cast<std::int64_t>(ns) + error), offset};
  }
};

std::int64_t difference(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b); }

/// As programs read: 64 bits all along (Go 1.19 runtime/vdso_freebsd.go, binuptime()).
std::uint64_t as_programs_read(const vdso::Timekeep& page, std::uint64_t ticks,
                               std::uint64_t* wall = nullptr) {
  const vdso::Timehands& th = page.hands[page.current];
  const auto now = static_cast<std::uint32_t>(ticks >> th.x86_shift);
  const std::uint32_t delta = (now - th.offset_count) & th.counter_mask;
  const std::uint64_t fraction = th.offset.fraction + th.scale * delta;
  const std::uint64_t seconds = th.offset.seconds + (fraction < th.offset.fraction ? 1 : 0);
  const std::uint64_t wall_fraction = fraction + th.boottime.fraction;
  if (wall != nullptr)
    *wall = (seconds + th.boottime.seconds + (wall_fraction < fraction ? 1 : 0)) * kSecond +
            ((wall_fraction >> 32) * kSecond >> 32);
  return seconds * kSecond + ((fraction >> 32) * kSecond >> 32);
}

}  // namespace

TEST_CASE("the counter's rate is taken over a while", "[timekeeper]") {
  const Machine machine;
  Timekeeper keeper;
  keeper.begin(machine.at(5 * kSecond));
  CHECK_FALSE(keeper.advance(machine.at(5 * kSecond + Timekeeper::kBaseline / 2)));
  CHECK(keeper.advance(machine.at(5 * kSecond + Timekeeper::kBaseline)));
}

TEST_CASE("hands tell the host's time and never go back", "[timekeeper]") {
  for (const double frequency : {19.2e6, 999.9e6, 2'147'483'647.0, 2'147'483'649.0, 2.9e9, 4.4e9, 9.1e9}) {
    for (const unsigned seed : {1U, 2U, 3U}) {
      CAPTURE(frequency, seed);
      std::mt19937_64 random(seed);
      std::uniform_int_distribution<std::int64_t> error(-20, 20);
      std::uniform_int_distribution<std::uint64_t> gap(1'000, 500'000'000), part(0, 999'000'000);
      Machine machine;
      machine.frequency = frequency;
      machine.ticks_at_boot = random() >> 8;
      Timekeeper keeper;
      std::uint64_t now = 3'600 * kSecond + 17;
      keeper.begin(machine.at(now, error(random)));
      now += 300'000'000;
      std::uint64_t last = 0;
      for (int i = 0; i < 2'000; ++i) {
        const auto hands = keeper.advance(machine.at(now, error(random)));
        REQUIRE(hands);
        REQUIRE(1e9 / frequency * 18446744073.709551616 * std::ldexp(1.0, static_cast<int>(hands->shift)) <
                18446744073709551616.0);
        const std::uint64_t next = now + gap(random);
        for (const std::uint64_t at : {now, now + (next - now) / 3, next}) {
          const std::uint64_t told = uptime_by(*hands, machine.ticks(at));
          REQUIRE(told >= last);
          // A tick of the counter, and 20 ns over the shortest time a rate is taken from.
          const auto tolerance = static_cast<std::int64_t>(400 + 2e9 / frequency);
          REQUIRE(std::llabs(difference(told, at)) <= tolerance);
          last = told;
        }
        now = next;
      }
    }
  }
}

TEST_CASE("a counter that is no clock is found out", "[timekeeper]") {
  const Machine machine;
  Timekeeper keeper;
  keeper.begin(machine.at(0));
  REQUIRE(keeper.advance(machine.at(kSecond)));
  // Another processor's, which is ahead.
  Timekeeper::Reading odd = machine.at(kSecond + 100'000'000);
  odd.ticks += 3'000'000;
  CHECK_FALSE(keeper.advance(odd));
  // From there on, anew.
  CHECK_FALSE(keeper.advance(machine.at(kSecond + 120'000'000)));
}

TEST_CASE("what a machine slept does not count", "[timekeeper]") {
  const Machine machine;
  Timekeeper keeper;
  keeper.begin(machine.at(0));
  REQUIRE(keeper.advance(machine.at(kSecond)));
  // The counter went on for an hour and CLOCK_MONOTONIC did not.
  auto reading = machine.at(kSecond + 3'600 * kSecond);
  reading.uptime = kSecond + 10'000'000;
  CHECK_FALSE(keeper.advance(reading));
  // The other way round the time just goes on.
  keeper.begin(machine.at(0));
  REQUIRE(keeper.advance(machine.at(kSecond)));
  reading = machine.at(2 * kSecond);
  reading.uptime = 100 * kSecond;
  const auto hands = keeper.advance(reading);
  REQUIRE(hands);
  CHECK(uptime_by(*hands, reading.ticks) == 100 * kSecond);
  CHECK(std::llabs(difference(uptime_by(*hands, reading.ticks + 290'000'000), 100 * kSecond + 100'000'000)) <
        100);
}

TEST_CASE("a clock that is set is followed, and what is only measured differently is not", "[timekeeper]") {
  const Machine machine;
  Timekeeper keeper;
  keeper.begin(machine.at(0));
  auto reading = machine.at(kSecond);
  const auto first = keeper.advance(reading);
  REQUIRE(first);
  reading = machine.at(kSecond + 1'000);
  reading.offset += 700;
  const auto second = keeper.advance(reading);
  REQUIRE(second);
  CHECK(second->boottime.fraction == first->boottime.fraction);
  CHECK(second->boottime.seconds == 1'700'000'000);
  reading = machine.at(kSecond + 2'000);
  reading.offset = -1'500'000'000;  // long before the epoch
  const auto third = keeper.advance(reading);
  REQUIRE(third);
  CHECK(static_cast<std::int64_t>(third->boottime.seconds) == -2);
  CHECK(third->boottime.fraction == std::uint64_t{1} << 63);
}

TEST_CASE("FreeBSD's page says what the hands say", "[timekeeper]") {
  const Machine machine;
  Timekeeper keeper;
  Timekeep writer;
  const auto page = std::make_unique<vdso::Timekeep>();
  keeper.begin(machine.at(0));
  CHECK(page->enabled == 0);
  std::uint32_t generation = 0;
  for (unsigned i = 1; i <= 20; ++i) {
    const std::uint64_t now = i * kSecond / 2;
    const auto hands = keeper.advance(machine.at(now));
    REQUIRE(hands);
    writer.publish(*page, &*hands);
    CHECK(page->version == 1);
    CHECK(page->enabled == 1);
    const vdso::Timehands& th = page->hands.at(page->current);
    CHECK(th.algo == 1);
    CHECK(th.gen != 0);
    CHECK(th.gen != generation);
    generation = th.gen;
    for (const std::uint64_t since : {0UL, 1UL, 1'000'000UL, 999'000'000UL}) {
      std::uint64_t wall = 0;
      const std::uint64_t told = as_programs_read(*page, machine.ticks(now + since), &wall);
      CHECK(std::llabs(difference(told, now + since)) <= 2);
      CHECK(std::llabs(difference(wall, told + 1'700'000'000 * kSecond)) <= 1);
    }
  }
  const std::uint32_t current = page->current;
  writer.publish(*page, nullptr);
  CHECK(page->enabled == 0);
  for (const auto& th : page->hands) CHECK(th.gen == 0);  // who is reading reads again, and sees that
  const auto hands = keeper.advance(machine.at(11 * kSecond));
  REQUIRE(hands);
  writer.publish(*page, &*hands);
  CHECK(page->enabled == 1);
  CHECK(page->hands.at(page->current).gen != generation);
  CHECK(page->current != current);
}
