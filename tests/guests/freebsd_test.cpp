// Runs every case of the FreeBSD guests; what is right is checked inside them.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

void expect_ok(const Command& command) {
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  const auto lines = lines_of(outcome.out);
  CHECK((!lines.empty() && lines.back() == "ok"));
  CHECK_FALSE(contains(outcome.err, "internal error"));
}

void run_case(const std::string& name, const std::string& test_case) {
  const TemporaryDirectory directory;
  Command command = sudrun_command({guest(name), test_case});
  command.cwd = directory.path();
  command.timeout = std::chrono::seconds(120);
  expect_ok(command);
}

#include "tests/freebsd_cases.hpp"  // made from the guests by list_cases.py

}  // namespace

TEST_CASE("a position-independent guest runs", "[pie]") {
  const Outcome outcome = run_sudrun({guest("hello-pie")});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "Hello from FreeBSD\n");
  run_case("calls-pie", "indirect");
}

TEST_CASE("hello writes its line, whatever standard output is", "[hello]") {
  for (const bool terminal : {false, true}) {
    Command command = sudrun_command({guest("hello")});
    command.terminal = terminal;
    const Outcome outcome = run(command);
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == (terminal ? "Hello from FreeBSD\r\n" : "Hello from FreeBSD\n"));
    CHECK(outcome.err.empty());
  }
}

TEST_CASE("an unsupported call is reported once", "[calls]") {
  const Outcome outcome = run_sudrun({guest("calls"), "unknown_numbers"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  std::size_t of_1000 = 0, of_nfssvc = 0;
  for (const std::string& line : lines_of(outcome.err)) {
    CHECK(line.starts_with("sudrun: "));
    of_1000 += contains(line, "1000") ? 1U : 0U;
    of_nfssvc += contains(line, "nfssvc") ? 1U : 0U;
  }
  CHECK(of_1000 == 1);
  CHECK(of_nfssvc == 1);
}

TEST_CASE("what execve is given arrives unchanged", "[exec]") {
  Command command = sudrun_command({guest("exec"), "echo", "two words", "", "--trace", "-x", "--", "tail"});
  command.whole_env = {"A=1", "B=with=equals", "C="};
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out ==
        "[" + guest("exec") + "][echo][two words][][--trace][-x][--][tail]\nA=1\nB=with=equals\nC=\n");
}

TEST_CASE("standard input reaches the program", "[files]") {
  Command command = sudrun_command({guest("bad_pointers")});  // reads all of it
  command.input = std::string();
  const TemporaryDirectory directory;
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "done\n");
}
