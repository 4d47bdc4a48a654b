// What --inject takes, and calls that are made to move less.
#include "abi/injection.hpp"

#include <catch2/catch.hpp>

#include <csignal>

#include "runtime/latency.hpp"
#include "tests/abi/fake_host.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using sudrun::test::FakeHost;
using sudrun::test::SmallTable;

namespace {

struct Fixture {
  SmallTable table;
  FakeHost host;

  Injection good(std::string_view text) { return parse_injection(text, *table).value(); }
  std::string error(std::string_view text) {
    try {
      parse_injection(text, *table);
    } catch (const OptionError& error) {
      return error.what();
    }
    return "none";
  }
  /// The numbers of the first twelve calls that are changed.
  std::vector<unsigned> due(std::string_view when) {
    const Injection injection = good("read:error=EIO:when=" + std::string(when));
    std::vector<unsigned> numbers;
    for (unsigned i = 1; i <= 12; ++i)
      if (injection.due(i)) numbers.push_back(i);
    return numbers;
  }
};

using Numbers = std::vector<unsigned>;

}  // namespace

TEST_CASE_METHOD(Fixture, "an error is one of the guest's, by name or number", "[injection]") {
  const Injection named = good("read,write:error=ENOATTR");
  CHECK(named.calls.contains(table->entry(3)));
  CHECK(named.calls.contains(table->entry(4)));
  CHECK_FALSE(named.calls.contains(table->entry(5)));
  REQUIRE(named.instead);
  CHECK(named.instead->kind() == Result::Kind::guest_error);
  CHECK(named.instead->value() == 87);
  CHECK(good("read:error=88").instead->value() == 88);
  CHECK(named.due(1));
  CHECK(named.due(1'000'000));
}

TEST_CASE_METHOD(Fixture, "a result, a signal, delays and a size can be injected", "[injection]") {
  CHECK(good("read:retval=5").instead->value() == 5);
  CHECK(good("read:retval=-1").instead->value() == ~Word{0});
  CHECK(good("read:retval=0x10").instead->is_ok());
  const Injection several = good("read:signal=SIGCHLD:delay_enter=5:delay_exit=1000:short=3");
  CHECK_FALSE(several.instead);
  CHECK(several.signal == SIGCHLD);
  CHECK(several.delay_enter == 5);
  CHECK(several.delay_exit == 1000);
  CHECK(several.at_most == 3U);
  CHECK(good("read:signal=30").signal == SIGUSR1);
}

TEST_CASE_METHOD(Fixture, "when says which calls", "[injection]") {
  CHECK(due("3") == Numbers{3});
  CHECK(due("10+") == Numbers{10, 11, 12});
  CHECK(due("2+4") == Numbers{2, 6, 10});
  CHECK(due("3..5") == Numbers{3, 4, 5});
  CHECK(due("1..9+3") == Numbers{1, 4, 7});
  CHECK(due("12..99") == Numbers{12});
}

TEST_CASE_METHOD(Fixture, "a wrong injection is refused with what is wrong", "[injection]") {
  CHECK(error("raed:error=EIO") == "`raed` is no call of guest and no class of calls; did you mean `read`?");
  CHECK(error("read:error=EINTRR") == "`EINTRR` is no error of guest; did you mean `EINTR`?");
  CHECK(error("read:error=") ==
        "`` is no error of guest; expected a name, as in EINTR, or a number from 1 to 4095");
  CHECK(error("read:error=4096") ==
        "`4096` is no error of guest; expected a name, as in EINTR, or a number from 1 to 4095");
  CHECK(error("read:eror=EIO") == "`eror` is nothing that can be injected; did you mean `error`?");
  CHECK(error("read:signal=SIGUSR") == "`SIGUSR` is no signal of guest; did you mean `SIGUSR1`?");
  CHECK(error("read:signal=SIGRT80") == "`SIGRT80` cannot be sent: it has no counterpart on Linux");
  CHECK(error("read:retval=many") == "`many` is no value of `retval`; expected a number");
  CHECK(error("read:delay_enter=1s") ==
        "`1s` is no value of `delay_enter`; expected microseconds, a day at most");
  CHECK(error("read:short=x") == "`x` is no value of `short`; expected a number of bytes");
  CHECK(error("read:error=EIO:retval=1") ==
        "`error` and `retval` are one result; expected one of them, once");
  const std::string nothing =
      " injects nothing; expected CALLS:error=NAME, or retval, signal, delay_enter, delay_exit or short in "
      "place of "
      "error";
  CHECK(error("read") == "`read`" + nothing);
  CHECK(error("read:when=3") == "`read:when=3`" + nothing);
  CHECK(error("kill:short=3") == "`kill:short=3` has nothing to shorten; expected calls like read and write");
  const std::string forms = "; expected N, N+, N+STEP, N..M or N..M+STEP";
  CHECK(error("read:error=EIO:when=0") == "`0` is no value of `when`: its numbers count from 1" + forms);
  CHECK(error("read:error=EIO:when=") == "`` is no value of `when`: its numbers count from 1" + forms);
  CHECK(error("read:error=EIO:when=5..3") ==
        "`5..3` is no value of `when`: it ends before it begins" + forms);
  CHECK(error("read:error=EIO:when=3x") == "`3x` is no value of `when`" + forms);
  CHECK(error("read:error=EIO:when=1+0") == "`1+0` is no value of `when`: its numbers count from 1" + forms);
}

TEST_CASE_METHOD(Fixture, "an injection for any table is none where a name is missing", "[injection]") {
  CHECK_FALSE(parse_injection("?kqueue:error=EIO", *table));
  CHECK_FALSE(parse_injection("?read:error=ENOTCAPABLE", *table));
  CHECK(parse_injection("?read,kqueue:error=EIO", *table)->calls.contains(table->entry(3)));
  CHECK(error("?read:when=x:error=EIO") != "none");
}

TEST_CASE_METHOD(Fixture, "calls with a size ask for less", "[injection]") {
  const auto shortened = [&](unsigned number, std::initializer_list<Word> args, std::uint64_t most) {
    Frame frame;
    frame.number = number;
    std::copy(args.begin(), args.end(), frame.args.begin());
    CHECK(shorten(host, *table, table->entry(number), frame, most, guest_addr(host.base() + 4096), 1024));
    return frame;
  };
  CHECK(can_shorten(*table, table->entry(3)));
  CHECK(can_shorten(*table, table->entry(121)));
  CHECK_FALSE(can_shorten(*table, table->entry(5)));
  CHECK(shortened(3, {0, 0x10000, 512}, 10).args[2] == 10);
  CHECK(shortened(3, {0, 0x10000, 5}, 10).args[2] == 5);
  CHECK(shortened(3, {0, 0x10000, 5}, 0).args[2] == 0);

  const Word vectors = host.allocate(48);
  for (Word i = 0; i < 3; ++i) {
    host.store<Word>(vectors + i * 16, 0x20000 + i);
    host.store<Word>(vectors + i * 16 + 8, 4);
  }
  const Frame less = shortened(121, {1, vectors, 3}, 6);
  CHECK(less.args[2] == 2);
  REQUIRE(less.args[1] == host.base() + 4096);
  CHECK(host.load<Word>(less.args[1] + 8) == 4);
  CHECK(host.load<Word>(less.args[1] + 16) == 0x20001);
  CHECK(host.load<Word>(less.args[1] + 24) == 2);
  CHECK(host.load<Word>(vectors + 24) == 4);  // the guest's own is as it was
  CHECK(shortened(121, {1, vectors, 3}, 100).args[2] == 3);
  Frame bad;
  bad.args = {1, 0xdead000, 2};
  CHECK_FALSE(shorten(host, *table, table->entry(121), bad, 6, guest_addr(host.base() + 4096), 1024));
  CHECK(bad.args[1] == 0xdead000);
}

TEST_CASE("percentiles are told from powers of two", "[injection]") {
  using namespace sudrun::runtime;
  std::array<std::uint64_t, kLatencyBuckets> buckets{};
  CHECK(latency_percentile(buckets, 50, 0, 0) == 0);
  CHECK(latency_bucket(0) == 0);
  CHECK(latency_bucket(1) == 0);
  CHECK(latency_bucket(2) == 1);
  CHECK(latency_bucket(1023) == 9);
  CHECK(latency_bucket(1024) == 10);
  CHECK(latency_bucket(~std::uint64_t{0}) == kLatencyBuckets - 1);
  buckets[10] = 99;  // 1024 to 2047
  buckets[20] = 1;
  CHECK(latency_percentile(buckets, 50, 1024, 1'500'000) == Approx(1536).margin(1));
  CHECK(latency_percentile(buckets, 99, 1024, 1'500'000) < 2048);
  CHECK(latency_percentile(buckets, 100, 1024, 1'500'000) == Approx(1'500'000).margin(100'000));
  CHECK(latency_percentile(buckets, 50, 1700, 1'500'000) == 1700);  // never below the shortest
}
