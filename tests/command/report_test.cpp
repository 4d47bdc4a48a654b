// What is printed when the program crashes.
#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

TEST_CASE("a crash is reported with registers, last calls and code, and is still a crash", "[report]") {
  const Outcome outcome = run_sudrun({guest("death"), "null"});
  INFO(outcome);
  CHECK(outcome.killed_by(SIGSEGV));
  CHECK(outcome.out == "before\n");
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() > 8);
  CHECK_THAT(lines[0], Catch::StartsWith("sudrun: the program crashed: SIGSEGV"));
  CHECK_THAT(lines[0], Catch::Contains("address 0x0"));
  for (const char* part : {"rip ", "rsp ", "rax ", "r15 ", "last calls", "write(", "code at rip", "mov"})
    CHECK_THAT(outcome.err, Catch::Contains(part));
}

TEST_CASE("a jump to nowhere is reported although there is no code to show", "[report]") {
  const Outcome outcome = run_sudrun({guest("death"), "jump"});
  INFO(outcome);
  CHECK(outcome.killed_by(SIGSEGV));
  CHECK_THAT(outcome.err, Catch::Contains("rip 0x10"));
  CHECK_THAT(outcome.err, Catch::Contains("no code can be read"));
}

TEST_CASE("an ordinary death by a signal is not reported", "[report]") {
  const Outcome outcome = run_sudrun({guest("death"), "signal", "11"});
  INFO(outcome);
  CHECK(outcome.killed_by(SIGSEGV));
  CHECK(outcome.err.empty());
}

TEST_CASE("a system call of another processor mode is named", "[report]") {
  const Outcome outcome = run_sudrun({guest("death"), "int80"});
  INFO(outcome);
  CHECK(outcome.signal != 0);
  CHECK_THAT(outcome.err, Catch::Contains("32-bit"));
}
