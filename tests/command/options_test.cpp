// The command line: options, messages, exit statuses.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

/// One line on standard error that begins with `sudrun: ` and contains `part`; nothing on standard output.
void expect_message(const Outcome& outcome, int status, std::string_view part) {
  INFO(outcome);
  CHECK(outcome.exited(status));
  CHECK(outcome.out.empty());
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("sudrun: "));
  CHECK_THAT(lines[0], Catch::Contains(std::string(part)));
}

Outcome plain(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), sudrun_binary());
  Command command;
  command.argv = std::move(arguments);
  return run(command);
}

}  // namespace

TEST_CASE("--help explains usage, options and exit statuses", "[options]") {
  const Outcome outcome = plain({"--help"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.err.empty());
  for (const char* part : {"Usage: sudrun",
                           "--trace",
                           "--trace-format",
                           "--trace-time",
                           "--inject",
                           "--output-separately",
                           "--summary",
                           "--output",
                           "--abi",
                           "--table",
                           "--trap",
                           "--sysroot",
                           "--release",
                           "--list-abis",
                           "sudrun inspect",
                           "sudrun doctor",
                           "sudrun table",
                           "--table-path",
                           "--version",
                           "125",
                           "126",
                           "127"})
    CHECK_THAT(outcome.out, Catch::Contains(part));
}

TEST_CASE("--version is one line", "[options]") {
  const Outcome outcome = plain({"--version"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  REQUIRE(lines_of(outcome.out).size() == 1);
  CHECK_THAT(outcome.out, Catch::StartsWith("sudrun "));
}

TEST_CASE("--list-abis names the built-in tables", "[options]") {
  const Outcome outcome = plain({"--list-abis"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Catch::Contains("freebsd-amd64"));
  CHECK_THAT(outcome.out, Catch::Contains("linux-amd64"));
}

TEST_CASE("mistakes on the command line are 125 and one line", "[options]") {
  expect_message(plain({}), 125, "no program");
  expect_message(plain({"--no-such-option", guest("hello")}), 125, "--no-such-option");
  expect_message(plain({"-Z"}), 125, "-Z");
  expect_message(plain({"--trap=magic", guest("hello")}), 125, "--trap");
  expect_message(plain({"--trace-format=xml", guest("hello")}), 125, "--trace-format");
  expect_message(plain({"--trace-time=now", guest("hello")}), 125, "--trace-time");
  expect_message(plain({"--inject"}), 125, "--inject");
  expect_message(plain({"--abi=no-such-abi", guest("hello")}), 125, "no-such-abi");
  expect_message(plain({"--abi"}), 125, "--abi");
  expect_message(plain({"--"}), 125, "no program");
}

TEST_CASE("options after the program are the program's", "[options]") {
  Command command = sudrun_command({guest("exec"), "echo", "--trace", "--no-such-option", "-Z"});
  command.whole_env = std::vector<std::string>{};
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "[" + guest("exec") + "][echo][--trace][--no-such-option][-Z]\n");
  CHECK(outcome.err.empty());
}

TEST_CASE("-- ends the options", "[options]") {
  const Outcome outcome = run_sudrun({"--", guest("hello")});
  INFO(outcome);
  CHECK(outcome.exited(0));
}

TEST_CASE("--argv0 is what the program sees", "[options]") {
  for (const std::string name : {"other", "-x", "--", "a b"}) {
    Command command = sudrun_command({"--argv0=" + name, guest("exec"), "echo"});
    command.whole_env = std::vector<std::string>{};
    const Outcome outcome = run(command);
    INFO(outcome);
    CHECK(outcome.out == "[" + name + "][echo]\n");
  }
}

TEST_CASE("a program is looked up in PATH", "[options]") {
  const TemporaryDirectory directory;
  std::filesystem::copy_file(guest("hello"), directory / "some-guest");
  Command command = sudrun_command({"some-guest"});
  command.set_env["PATH"] = "/nonexistent:" + directory.path().string() + ":/usr/bin";
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
}

TEST_CASE("--verbose says how the program is recognised and trapped", "[options]") {
  for (const auto& [trap, text] : {std::pair{"sud", "Syscall User Dispatch"}, {"seccomp", "seccomp"}}) {
    const Outcome outcome = plain({std::string("--trap=") + trap, "--verbose", guest("hello")});
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "Hello from FreeBSD\n");
    CHECK_THAT(outcome.err, Catch::Contains("FreeBSD"));
    CHECK_THAT(outcome.err, Catch::Contains(text));
  }
}

TEST_CASE("--abi overrides what the file says of itself", "[options]") {
  const TemporaryDirectory directory;
  std::string bytes = read_file(guest("hello"));
  bytes[7] = 0;  // the OS/ABI byte
  const std::size_t note = bytes.find("FreeBSD");
  REQUIRE(note != std::string::npos);
  bytes[note] = 'X';
  write_file(directory / "unmarked", bytes, true);
  const Outcome unknown = plain({directory / "unmarked"});
  INFO(unknown);
  CHECK(unknown.exited(126));
  CHECK(lines_of(unknown.err).size() == 1);
  const Outcome outcome = run_sudrun({"--abi=freebsd-amd64", directory / "unmarked"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "Hello from FreeBSD\n");
}
