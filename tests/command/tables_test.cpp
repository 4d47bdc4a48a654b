// --table FILE: a good copy works; every mistake is 125 with the place where it stands.
#include <algorithm>
#include <cctype>

#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

std::string table_text() { return read_file(source_file("tables/freebsd-amd64.yaml")); }

/// The line `needle` first stands on.
std::size_t line_of(const std::string& text, const std::string& needle) {
  const std::size_t at = text.find(needle);
  REQUIRE(at != std::string::npos);
  return 1 + static_cast<std::size_t>(
                 std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// Runs hello with `text` as its table and expects a complaint about `line`.
void expect_complaint(const std::string& text, std::size_t line, const std::string& part) {
  const TemporaryDirectory directory;
  write_file(directory / "table.yaml", text);
  const Outcome outcome = run_sudrun({"--table", directory / "table.yaml", guest("hello")});
  INFO(outcome);
  CHECK(outcome.exited(125));
  CHECK(outcome.out.empty());
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0],
             Catch::StartsWith("sudrun: " + (directory / "table.yaml") + ":" + std::to_string(line) + ":"));
  CHECK_THAT(lines[0], Catch::Contains(part));
  const std::string after =
      lines[0].substr(("sudrun: " + (directory / "table.yaml") + ":" + std::to_string(line) + ":").size());
  CHECK(std::isdigit(static_cast<unsigned char>(after.at(0))));  // the column
}

const std::string kRead = "  3: {name: read,";

}  // namespace

TEST_CASE("a copy of the built-in table does what the built-in one does", "[tables]") {
  const TemporaryDirectory directory;
  write_file(directory / "copy.yaml", table_text());
  for (const char* option : {"--table=", "--abi=freebsd-amd64"}) {
    std::vector<std::string> arguments{"--table=" + (directory / "copy.yaml")};
    if (option[2] == 'a') arguments.push_back(option);
    arguments.push_back(guest("hello"));
    const Outcome outcome = run_sudrun(arguments);
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "Hello from FreeBSD\n");
    CHECK(outcome.err.empty());
  }
}

TEST_CASE("a changed row changes what the program gets", "[tables]") {
  std::string text = table_text();
  const std::size_t row = text.find("  20: {name: getpid");
  REQUIRE(row != std::string::npos);
  text.replace(row, text.find('\n', row) - row,
               "  20: {name: getpid, error: EPERM, support: partial, note: \"a test\"}");
  const TemporaryDirectory directory;
  write_file(directory / "changed.yaml", text);
  const Outcome outcome =
      run_sudrun({"--table=" + (directory / "changed.yaml"), "--trace", guest("calls"), "indirect"});
  INFO(outcome);
  CHECK_THAT(outcome.err, Catch::Contains("getpid() = -1 EPERM") || Catch::Contains("EPERM"));
}

TEST_CASE("programs started by the program use the same table", "[tables]") {
  const TemporaryDirectory directory;
  write_file(directory / "copy.yaml", table_text());
  Command command = sudrun_command({"--table=copy.yaml", guest("exec"), "itself"});
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
}

TEST_CASE("mistakes in a table are 125 and name file, line and column", "[tables]") {
  const std::string text = table_text();
  const std::size_t read_line = line_of(text, kRead);
  SECTION("an unknown key") {
    expect_complaint(replaced(text, "support: full}", "support: full, colour: red}"),
                     line_of(text, "support: full}"), "colour");
  }
  SECTION("an unknown top-level key") {
    expect_complaint(replaced(text, "\nerrno:", "\nerrnos: {}\nerrno:"), line_of(text, "\nerrno:") + 1,
                     "errnos");
  }
  SECTION("a number used twice") {
    expect_complaint(replaced(text, "  4: {name: write,", "  3: {name: write,"),
                     line_of(text, "  4: {name: write,"), "3");
  }
  SECTION("a number that is none") {
    expect_complaint(replaced(text, kRead, "  three: {name: read,"), read_line, "three");
  }
  SECTION("a list in place of a mapping") {
    const std::size_t at = text.find(kRead), end = text.find('\n', at);
    std::string changed = text;
    changed.replace(at, end - at, "  3: [read]");
    expect_complaint(changed, read_line, "");
  }
  SECTION("an unknown role") {
    expect_complaint(replaced(text, "read, args: {fd: fd,", "read, args: {fd: descriptor,"), read_line,
                     "descriptor");
  }
  SECTION("a count that is no argument") {
    expect_complaint(replaced(text, "out_buf(nbyte)", "out_buf(nothing)"), line_of(text, "out_buf(nbyte)"),
                     "nothing");
  }
  SECTION("an unknown handler") {
    expect_complaint(replaced(text, "handler: openat", "handler: no_such_handler"),
                     line_of(text, "handler: openat"), "no_such_handler");
  }
  SECTION("an unknown native call") {
    expect_complaint(replaced(text, "native: read,", "native: no_such_call,"), line_of(text, "native: read,"),
                     "no_such_call");
  }
  SECTION("an unknown support level") {
    expect_complaint(replaced(text, "support: full}", "support: perfect}"), line_of(text, "support: full}"),
                     "perfect");
  }
  SECTION("a partial row without a note") {
    const std::string row = "native: read, support: full}";
    expect_complaint(replaced(text, row, "native: read, support: partial}"), line_of(text, row), "note");
  }
  SECTION("an errno that is no number") {
    expect_complaint(replaced(text, "  EPERM: 1\n", "  EPERM: one\n"), line_of(text, "  EPERM: 1\n"), "one");
  }
  SECTION("an errno Linux does not know") {
    expect_complaint(replaced(text, "  EPERM: 1\n", "  EPERM: 1\n  EWHATEVER: 98\n"),
                     line_of(text, "  EPERM: 1\n") + 1, "EWHATEVER");
  }
  SECTION("a personality that is not built in") {
    expect_complaint(replaced(text, "personality: freebsd", "personality: plan9"),
                     line_of(text, "personality: freebsd"), "plan9");
  }
  SECTION("broken YAML") { expect_complaint(replaced(text, kRead, "  3: {name: read]"), read_line, ""); }
}

TEST_CASE("a table that cannot be read is 125", "[tables]") {
  const TemporaryDirectory directory;
  write_file(directory / "empty.yaml", "");
  write_file(directory / "zeros.yaml", std::string(1000, '\0'));
  for (const std::string& path : {std::string("/nonexistent.yaml"), directory / "empty.yaml",
                                  directory / "zeros.yaml", std::string("/")}) {
    const Outcome outcome = run_sudrun({"--table", path, guest("hello")});
    INFO(outcome);
    CHECK(outcome.exited(125));
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK_THAT(outcome.err, Catch::StartsWith("sudrun: " + path));
  }
}
