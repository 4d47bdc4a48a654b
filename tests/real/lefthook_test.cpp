// lefthook for FreeBSD: a Git hook manager that starts native programs in parallel and uses terminals.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/real/programs.hpp"
#include "tests/support/running.hpp"

using namespace sudrun::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kLefthook = "lefthook-freebsd-x64/bin/lefthook";

constexpr std::string_view kConfiguration = R"yaml(
pre-commit:
  parallel: true
  commands:
    one:
      run: sleep 1; echo one is done
    two:
      run: sleep 1; echo two saw {staged_files}
    three:
      run: sleep 1; echo three says $GREETING
      env:
        GREETING: hello
    words:
      glob: "*.txt"
      run: "if grep -n forbidden {staged_files}; then exit 3; fi"
commit-msg:
  commands:
    length:
      run: test "$(wc -c < {1})" -gt 8
ask:
  commands:
    name:
      interactive: true
      run: read -p "name? " name; echo "hello $name"
slow:
  commands:
    sleep:
      run: sleep 60
piped:
  piped: true
  commands:
    1_first:
      run: "false"
    2_second:
      run: echo never
scripts:
  scripts:
    "check.sh":
      runner: sh
)yaml";

/// A Git repository with lefthook on PATH as the hooks want it.
class Repository {
 public:
  Repository() {
    fs::create_directory(dir_ / "bin");
    fs::create_directory(dir_ / "repository");
    write_wrapper(dir_ / "bin/lefthook", kLefthook);
    sh("git init -q && git config user.name Somebody && git config user.email somebody@example.org");
    write_file(dir_ / "repository/lefthook.yml", kConfiguration);
  }
  Command command(std::vector<std::string> argv) const {
    Command command;
    command.argv = std::move(argv);
    command.cwd = dir_ / "repository";
    command.set_env["PATH"] = dir_ / "bin" + (":" + std::string(std::getenv("PATH")));
    command.set_env["HOME"] = dir_.path();
    command.set_env["GIT_CONFIG_NOSYSTEM"] = "1";
    command.set_env["NO_COLOR"] = "1";
    command.set_env["CI"] = "";
    return command;
  }
  Command lefthook_command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), dir_ / "bin/lefthook");
    return command(std::move(arguments));
  }
  Outcome lefthook(std::vector<std::string> arguments) const {
    return run(lefthook_command(std::move(arguments)));
  }
  Outcome sh(const std::string& script) const { return run(command({"sh", "-c", script})); }
  std::string file(const std::string& name) const { return dir_ / ("repository/" + name); }

 private:
  TemporaryDirectory dir_;
};

}  // namespace

TEST_CASE("lefthook says its version") {
  const Outcome outcome = run(program(kLefthook, {"version"}));
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "2.2.2\n");
}

TEST_CASE("lefthook installs and removes hooks") {
  const Repository repository;
  Outcome outcome = repository.lefthook({"install"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK((fs::status(repository.file(".git/hooks/pre-commit")).permissions() & fs::perms::owner_exec) !=
        fs::perms::none);
  CHECK_THAT(read_file(repository.file(".git/hooks/commit-msg")),
             Contains("call_lefthook run \"commit-msg\""));
  CHECK(repository.lefthook({"check-install"}).exited(0));
  outcome = repository.lefthook({"dump"});
  CHECK_THAT(outcome.out, Contains("parallel: true"));
  CHECK(repository.lefthook({"validate"}).exited(0));
  CHECK(repository.lefthook({"uninstall"}).exited(0));
  CHECK_FALSE(fs::exists(repository.file(".git/hooks/pre-commit")));
}

TEST_CASE("lefthook runs commands at the same time and reports each") {
  const Repository repository;
  write_file(repository.file("good.txt"), "fine\n");
  repository.sh("git add .");
  Outcome outcome = repository.lefthook({"run", "pre-commit"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("one is done\n"));
  CHECK_THAT(outcome.out, Contains("two saw good.txt lefthook.yml\n"));
  CHECK_THAT(outcome.out, Contains("three says hello\n"));
  CHECK(outcome.seconds < 2.5);  // one after the other takes three seconds

  write_file(repository.file("bad.txt"), "a forbidden word\n");
  repository.sh("git add .");
  outcome = repository.lefthook({"run", "pre-commit"});
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK_THAT(outcome.out, Contains("bad.txt:1:a forbidden word"));
  CHECK_THAT(outcome.out, Contains("exit status 3"));
  CHECK_THAT(outcome.out, Contains("one is done\n"));
  CHECK(repository.lefthook({"run", "piped"}).exited(1));
  CHECK_FALSE(contains(repository.lefthook({"run", "piped"}).out, "never"));
  CHECK_FALSE(repository.lefthook({"run", "no-such-hook"}).exited(0));
}

TEST_CASE("lefthook runs scripts") {
  const Repository repository;
  fs::create_directories(repository.file(".lefthook/scripts"));
  write_file(repository.file(".lefthook/scripts/check.sh"), "echo script in $PWD; uname -s; exit 0\n", true);
  const Outcome outcome = repository.lefthook({"run", "scripts"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("script in "));
  CHECK_THAT(outcome.out, Contains("Linux"));
}

TEST_CASE("git runs lefthook's hooks at each commit") {
  const Repository repository;
  REQUIRE(repository.lefthook({"install"}).exited(0));
  write_file(repository.file("good.txt"), "fine\n");
  Outcome outcome = repository.sh("git add . && git commit -m 'A first commit'");
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out + outcome.err, Contains("two saw good.txt lefthook.yml"));

  outcome = repository.sh("git commit --allow-empty -m short");
  INFO(outcome);
  CHECK(outcome.exited(1));

  write_file(repository.file("bad.txt"), "a forbidden word\n");
  outcome = repository.sh("git add . && git commit -m 'A second commit'");
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK(repository.sh("git log --format=%s").out == "A first commit\n");
  CHECK(repository.sh("LEFTHOOK=0 git commit -q -m 'A second commit' && git log --format=%s").out ==
        "A second commit\nA first commit\n");
}

TEST_CASE("lefthook lets an interactive command ask on the terminal") {
  const Repository repository;
  // With standard input elsewhere it opens the terminal itself.
  Command command = repository.command({"sh", "-c", "exec lefthook run ask </dev/null"});
  command.terminal = true;
  Running running(command);
  REQUIRE(running.wait_for("name? "));
  running.write("Somebody\n");
  const Outcome outcome = running.finish();
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("hello Somebody"));
}

TEST_CASE("lefthook gives its commands a terminal of their own") {
  const Repository repository;
  write_file(repository.file("lefthook.yml"),
             "tty:\n  commands:\n    look:\n      run: test -t 1 && echo a terminal || echo no terminal\n");
  Command command = repository.lefthook_command({"run", "tty"});
  command.terminal = true;
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("terminal"));
}

TEST_CASE("lefthook ends when it is interrupted") {
  const Repository repository;
  Running running(repository.lefthook_command({"run", "slow"}));
  REQUIRE(running.wait_for("lefthook"));
  running.signal(SIGINT);
  const Outcome outcome = running.finish();
  INFO(outcome);
  CHECK_FALSE(outcome.timed_out);
  CHECK_FALSE(outcome.exited(0));
  CHECK(outcome.seconds < 20);
}
