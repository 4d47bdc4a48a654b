// --inject: what the program sees of it.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

/// What the guest `injected` prints: the results of its calls.
std::string results(const std::vector<std::string>& options, const std::vector<std::string>& topic) {
  std::vector<std::string> arguments = options;
  arguments.push_back(guest("injected"));
  arguments.insert(arguments.end(), topic.begin(), topic.end());
  const Outcome outcome = run_sudrun(arguments);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.err.empty());
  return outcome.out;
}

std::string reads(const std::string& injection, const char* rounds = "6") {
  return results({"--inject", injection}, {"reads", rounds});
}

void expect_refusal(const std::string& injection, const std::string& message) {
  const Outcome outcome = run_sudrun({"--inject", injection, guest("injected"), "reads"});
  INFO(outcome);
  CHECK(outcome.exited(125));
  CHECK(outcome.out.empty());
  CHECK(outcome.err == "sudrun: --inject: " + message + "\n");
}

}  // namespace

TEST_CASE("an injected error is seen by the program, and only where it is due", "[inject]") {
  CHECK(results({}, {"reads", "6"}) == "16 16 16 16 16 16 \n");
  CHECK(reads("read:error=EINTR") == "-4 -4 -4 -4 -4 -4 \n");
  CHECK(reads("read:error=EINTR:when=3") == "16 16 -4 16 16 16 \n");
  CHECK(reads("read:error=EIO:when=3+") == "16 16 -5 -5 -5 -5 \n");
  CHECK(reads("read:error=EIO:when=2+2") == "16 -5 16 -5 16 -5 \n");
  CHECK(reads("read:error=EIO:when=2..4") == "16 -5 -5 -5 16 16 \n");
  CHECK(reads("read:error=EIO:when=1..5+2") == "-5 16 -5 16 -5 16 \n");
  CHECK(reads("%descriptor,!open,!write:error=93") == "-93 -93 -93 -93 -93 -93 \n");  // ENOTCAPABLE
}

TEST_CASE("an injected result comes without the call", "[inject]") {
  CHECK(reads("read:retval=7:when=2") == "16 7 16 16 16 16 \n");
  CHECK(reads("open:error=ENOENT", "1") == "-9 \n");
  const Outcome silent = run_sudrun({"--inject", "write:retval=1", guest("injected"), "reads"});
  INFO(silent);
  CHECK(silent.exited(0));
  CHECK(silent.out.empty());
}

TEST_CASE("reads and writes are made short", "[inject]") {
  CHECK(reads("read:short=5:when=2+") == "16 5 5 5 5 5 \n");
  CHECK(reads("read:short=0:when=1") == "0 16 16 16 16 16 \n");
  CHECK(results({"--inject", "readv:short=6"}, {"vectors"}) == "16 6 \n");
  CHECK(results({"--inject", "write:short=9:when=1"}, {"vectors"}) == "9 9 \n");
}

// Hot sites are rewritten, and calls there must not slip past.
TEST_CASE("every call is seen, however often its site has been used", "[inject]") {
  std::string expected;
  for (int i = 1; i <= 3000; ++i) expected += i == 2990 ? "-5 " : "16 ";
  const std::string got = results({"--inject", "read:error=EIO:when=2990"}, {"reads", "3000"});
  CHECK(got.size() == expected.size() + 1);
  CHECK((got == expected + "\n"));
}

TEST_CASE("an injected signal arrives when the call is over", "[inject]") {
  CHECK(results({}, {"handled"}) == "0 0 0 \n");
  CHECK(results({"--inject", "getppid:signal=SIGUSR1:when=2"}, {"handled"}) == "0 1 1 \n");
  CHECK(results({"--inject", "getppid:signal=SIGUSR1"}, {"handled"}) == "1 2 3 \n");
  const Outcome killed = run_sudrun({"--inject", "getppid:signal=SIGKILL", guest("injected"), "handled"});
  INFO(killed);
  CHECK(killed.killed_by(9));
}

TEST_CASE("delays are as long as they say", "[inject]") {
  for (const char* which : {"delay_enter", "delay_exit"}) {
    const Outcome outcome = run_sudrun(
        {"--inject", std::string("read:when=2+:") + which + "=100000", guest("injected"), "reads", "3"});
    INFO(outcome);
    CHECK(outcome.out == "16 16 16 \n");
    CHECK(outcome.seconds >= 0.2);
  }
}

TEST_CASE("several injections work together", "[inject]") {
  CHECK(results({"--inject", "read:error=EIO:when=1", "--inject", "read:error=EINTR:when=1+2"},
                {"reads", "4"}) == "-5 16 -4 16 \n");
  CHECK(results({"--inject", "read:short=8", "--inject", "read:short=3:when=2"}, {"reads", "3"}) ==
        "8 3 8 \n");
}

TEST_CASE("children and programs that are executed count their own calls", "[inject]") {
  CHECK(results({"--inject", "read:error=EIO:when=2"}, {"family"}) == "16 -5 16 16 -5 16 \n");
  CHECK(results({"--inject", "read:error=EIO:when=2"}, {"execute"}) == "16 -5 16 -5 16 \n");
}

TEST_CASE("injections show in a trace", "[inject]") {
  const Outcome outcome =
      run_sudrun({"--trace=read", "--inject", "read:error=EINTR:when=2", guest("injected"), "reads", "3"});
  INFO(outcome);
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() == 4);
  CHECK_THAT(lines[0], Catch::EndsWith("16) = 16"));
  CHECK_THAT(lines[1], Catch::EndsWith("16) = -1 EINTR (INJECTED)"));
  CHECK_THAT(lines[2], Catch::EndsWith("16) = 16"));
}

TEST_CASE("other systems have their own names", "[inject]") {
  const Outcome outcome =
      run_sudrun({"--inject", "write:error=ENOLINK:when=1", "--trace=write", guest("netbsd-basics")});
  INFO(outcome);
  CHECK_THAT(outcome.err, Catch::Contains("-1 ENOLINK (INJECTED)"));
  const Outcome linux_guest = run_sudrun(
      {"--abi=linux-amd64", "--inject", "write:error=EREMOTEIO", "--trace=write", guest("linux-hello")});
  INFO(linux_guest);
  CHECK_THAT(linux_guest.err, Catch::Contains("-1 EREMOTEIO (INJECTED)"));
  CHECK(linux_guest.out.empty());
}

TEST_CASE("a wrong injection is 125 and one line", "[inject]") {
  expect_refusal("raed:error=EIO",
                 "`raed` is no call of freebsd-amd64 and no class of calls; did you mean `read`?");
  expect_refusal("read:error=EINTRR", "`EINTRR` is no error of freebsd-amd64; did you mean `EINTR`?");
  expect_refusal(
      "read:when=3",
      "`read:when=3` injects nothing; expected CALLS:error=NAME, or retval, signal, delay_enter, delay_exit "
      "or short in place of error");
  expect_refusal(
      "read:error=EIO:when=0",
      "`0` is no value of `when`: its numbers count from 1; expected N, N+, N+STEP, N..M or N..M+STEP");
}
