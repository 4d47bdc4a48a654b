// sudrun table: check, show, diff, export; and tables that programs run with.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

Outcome table(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {sudrun_binary(), "table"});
  Command command;
  command.argv = std::move(arguments);
  return run(command);
}

/// A file that extends FreeBSD's table.
std::string extension(const TemporaryDirectory& directory, const std::string& changes) {
  const std::string file = directory / "mine.yaml";
  write_file(file, "extends: freebsd-amd64\n" + changes);
  return file;
}

}  // namespace

TEST_CASE("table check says nothing bad of a good file, and each problem of a bad one", "[tables]") {
  const TemporaryDirectory directory;
  const std::string file = extension(directory, "calls: {136: {error: EPERM}}\n");
  Outcome outcome = table({"check", file, source_file("tables/netbsd-amd64.yaml").string()});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.err.empty());
  CHECK(lines_of(outcome.out).size() == 2);

  extension(directory, "calls:\n  136: {eror: EPERM}\n  137: {error: EPREM}\nerrno: {EPERM: one}\n");
  outcome = table({"check", file});
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK(outcome.out.empty());
  CHECK(outcome.err == file + ":3:9: unknown key `eror` in `136`; did you mean `error`?\n" + file +
                           ":4:16: `EPREM` is not in `errno`; did you mean `EPERM`?\n" + file +
                           ":5:16: `one` is not a number; expected a decimal, 0x… or 0o… integer\n");
}

TEST_CASE("table show tells of a table, or of some calls", "[tables]") {
  Outcome outcome = table({"show", "freebsd-amd64"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out,
             Catch::StartsWith("freebsd-amd64: FreeBSD") && Catch::Contains("\n3\tread\tfull\n"));
  outcome = table({"show", "freebsd-amd64", "mkdir", "9"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out ==
        "136 mkdir(path: path_nofollow, mode: mode) -> int\n  made by Linux's mkdir\n"
        "9 link(path: path, link: path_nofollow) -> int\n  made by Linux's linkat(0xffffff9c, path, "
        "0xffffff9c, link, 1024)\n");
  outcome = table({"show", "freebsd-amd64", "mkdri"});
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK(outcome.err == "sudrun: freebsd-amd64 has no call `mkdri`; did you mean `mkdir`?\n");
}

TEST_CASE("table diff says in what tables differ, and by its status whether they do", "[tables]") {
  const TemporaryDirectory directory;
  const std::string file = extension(directory, "calls: {136: {error: EPERM}}\n");
  Outcome outcome = table({"diff", "freebsd-amd64", file});
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK(lines_of(outcome.out).size() == 2);
  CHECK_THAT(outcome.out, Catch::StartsWith("- calls.136: {name: mkdir,"));
  outcome = table({"diff", "--table-path", directory.path().string(), file, "mine"});
  CHECK(outcome.exited(0));
  CHECK(outcome.out.empty());
}

TEST_CASE("table export writes what can be read again", "[tables]") {
  const TemporaryDirectory directory;
  for (const std::string format : {"text", "json"}) {
    const Outcome outcome = table({"export", "freebsd-amd64", "--format", format});
    INFO(outcome.err);
    CHECK(outcome.exited(0));
    write_file(directory / format, outcome.out);
    CHECK(table({"diff", "freebsd-amd64", directory / format}).exited(0));
  }
  const Outcome markdown = table({"export", "freebsd-amd64", "--format=markdown"});
  CHECK(markdown.exited(0));
  CHECK_THAT(markdown.out, Catch::Contains("| 3 | `read` | full | native |  |"));
}

TEST_CASE("wrong use of table is 2 and one line", "[tables]") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"chek"},
                                                    {"check"},
                                                    {"diff", "freebsd-amd64"},
                                                    {"show"},
                                                    {"export", "freebsd-amd64", "--format", "xml"}}) {
    const Outcome outcome = table(arguments);
    INFO(outcome);
    CHECK(outcome.exited(2));
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK_THAT(outcome.err, Catch::StartsWith("sudrun: "));
  }
  CHECK(table({"chek"}).err == "sudrun: table has no command `chek`; did you mean `check`?\n");
  const Outcome outcome = table({"diff", "freebsd-amd64", "/nonexistent.yaml"});
  CHECK(outcome.exited(1));
  CHECK_THAT(outcome.err, Catch::StartsWith("sudrun: /nonexistent.yaml: "));
}

TEST_CASE("a program called table still runs", "[tables]") {
  const TemporaryDirectory directory;
  std::filesystem::copy_file(guest("hello"), directory / "table");
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"./table"}, {"--", "table"}}) {
    Command command = sudrun_command(arguments);
    command.cwd = directory.path();
    const Outcome outcome = run(command);
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "Hello from FreeBSD\n");
  }
}

TEST_CASE("a program runs with a table that changes the built-in one, and so do those it executes",
          "[tables]") {
  const TemporaryDirectory directory;
  extension(directory, "calls: {20: {error: EPERM}}\n");
  Command command = sudrun_command({"--table=mine", "--trace", guest("exec"), "itself"});
  command.set_env["SUDRUN_TABLE_PATH"] = directory.path().string();
  Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  command = sudrun_command({"--table=mine", "--table-path=/nonexistent:" + directory.path().string(),
                            "--trace", guest("calls"), "indirect"});
  outcome = run(command);
  INFO(outcome);
  CHECK_THAT(outcome.err, Catch::Contains("getpid() = -1 EPERM"));
  command = sudrun_command({"--table=mine", guest("hello")});
  command.set_env["XDG_CONFIG_HOME"] = directory.path().string();
  outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(125));
  std::filesystem::create_directories(directory.path() / "sudrun/tables");
  std::filesystem::rename(directory.path() / "mine.yaml", directory.path() / "sudrun/tables/mine.yaml");
  outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
}

TEST_CASE("a bad table is one line that says how many problems there are", "[tables]") {
  const TemporaryDirectory directory;
  const std::string file = extension(directory, "calls: {136: {eror: 1}, 137: {eror: 2}}\n");
  const Outcome outcome = run_sudrun({"--table", file, guest("hello")});
  INFO(outcome);
  CHECK(outcome.exited(125));
  CHECK(outcome.err == "sudrun: " + file +
                           ":2:15: unknown key `eror` in `136`; did you mean `error`? (and 1 more: "
                           "sudrun table check " +
                           file + ")\n");
}
