// Ordinary Linux programs linked to fixed addresses, static and dynamic, do under sudrun what they do
// without: the identity table.
#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

void expect_same(const std::string& name, const std::vector<std::string>& arguments = {}) {
  const std::string kind = GENERATE("", "-dynamic");
  const TemporaryDirectory directory;
  std::vector<std::string> whole{guest(name + kind)};
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  Command native;
  native.argv = whole;
  native.cwd = directory.path();
  const Outcome expected = run(native);
  REQUIRE_FALSE(expected.timed_out);
  Command command = sudrun_command(whole);
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO("natively: " << expected << "\nunder sudrun: " << outcome);
  CHECK(outcome.out == expected.out);
  CHECK(outcome.err == expected.err);
  CHECK(outcome.status == expected.status);
  CHECK(outcome.signal == expected.signal);
  CHECK_FALSE(outcome.timed_out);
}

}  // namespace

TEST_CASE("Linux hello: arguments, environment, streams", "[linux]") {
  expect_same("linux-hello", {"a", "b c", ""});
}
TEST_CASE("Linux threads: mutexes, conditions, cancellation, TLS, fork", "[linux]") {
  expect_same("linux-threads");
}
TEST_CASE("Linux signals: information, masks, stacks, faults, timers", "[linux]") {
  expect_same("linux-signals");
}
TEST_CASE("Linux processes and files", "[linux]") { expect_same("linux-processes"); }
