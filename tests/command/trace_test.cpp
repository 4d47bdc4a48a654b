// --trace, --summary and where they go.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

TEST_CASE("--trace writes one line per call", "[trace]") {
  const Outcome outcome = run_sudrun({"--trace", guest("hello")});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "Hello from FreeBSD\n");
  CHECK_THAT(outcome.err, Catch::Contains(R"(write(1, "Hello from FreeBSD\n", 19) = 19)"));
  CHECK_THAT(outcome.err, Catch::Contains("exit(0"));
  CHECK(lines_of(outcome.err).size() <= 4);
}

TEST_CASE("tracing does not change what the program does", "[trace]") {
  const TemporaryDirectory directory;
  for (const auto& [name, test_case] : {std::pair{"signals", "nested"},
                                        {"threads", "many_at_once"},
                                        {"threads", "fork_with_threads"},
                                        {"exec", "scripts"},
                                        {"registers", "calls"}}) {
    Command command =
        sudrun_command({"--trace", "--output=" + (directory / "trace"), guest(name), test_case});
    command.cwd = directory.path();
    const Outcome outcome = run(command);
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "ok\n");
    CHECK_FALSE(read_file(directory / "trace").empty());
  }
}

TEST_CASE("a trace shows signals, errors by name and unsupported calls", "[trace]") {
  const Outcome calls = run_sudrun({"--trace", guest("calls"), "carry_and_errno"});
  INFO(calls);
  CHECK_THAT(calls.err, Catch::Contains("close(-1)"));
  CHECK_THAT(calls.err, Catch::Contains("EBADF"));
  const Outcome signals = run_sudrun({"--trace", guest("signals"), "siginfo_of_kill"});
  INFO(signals);
  CHECK_THAT(signals.err, Catch::Contains("SIGUSR1"));
  const Outcome unknown = run_sudrun({"--trace", guest("calls"), "unknown_numbers"});
  INFO(unknown);
  CHECK_THAT(unknown.err, Catch::Contains("ENOSYS"));
  // A signal nobody catches ends the process before its line is written, but what came before it is there.
  const Outcome killed = run_sudrun({"--trace", guest("death"), "signal", "15"});
  INFO(killed);
  CHECK(killed.killed_by(15));
  CHECK_THAT(killed.err, Catch::Contains("write(1, \"before"));
  const Outcome crashed = run_sudrun({"--trace", guest("death"), "null"});
  INFO(crashed);
  CHECK_THAT(crashed.err, Catch::Contains("+++ killed by SIGSEGV"));
}

TEST_CASE("-o sends trace and summary to a file", "[trace]") {
  const TemporaryDirectory directory;
  const Outcome outcome = run_sudrun({"-t", "-c", "-o", directory / "log", guest("hello")});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.err.empty());
  const std::string log = read_file(directory / "log");
  CHECK_THAT(log, Catch::Contains("write(1,"));
  CHECK_THAT(log, Catch::Contains("calls"));
  // A second run starts the file anew.
  run_sudrun({"-t", "-o", directory / "log", guest("hello")});
  CHECK(read_file(directory / "log").size() < log.size());
}

TEST_CASE("an output file that cannot be written is 125", "[trace]") {
  const Outcome outcome = run_sudrun({"--trace", "--output=/nonexistent/directory/file", guest("hello")});
  INFO(outcome);
  CHECK(outcome.exited(125));
  CHECK(lines_of(outcome.err).size() == 1);
}

TEST_CASE("--summary counts calls and errors", "[trace]") {
  const Outcome outcome = run_sudrun({"--summary", guest("calls"), "carry_and_errno"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.err, Catch::Contains("getpid"));
  CHECK_THAT(outcome.err, Catch::Contains("close"));
  CHECK_THAT(outcome.err, !Catch::Contains("getpid("));
}

TEST_CASE("programs started by the program are traced too", "[trace]") {
  const TemporaryDirectory directory;
  Command command = sudrun_command({"--trace", "--output=trace", guest("exec"), "itself"});
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  const std::string trace = read_file(directory / "trace");
  CHECK_THAT(trace, Catch::Contains("executes " + guest("exec")));
  CHECK_THAT(trace, Catch::Contains("write(1, \"[\", 1)"));
}
