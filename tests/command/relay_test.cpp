// Foreign programs that are started by the native programs a guest has started.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

/// A guest executes the native program `argv`, whose environment is `A=1` and a PATH.
Outcome under_guest(std::vector<std::string> argv, const std::string& path = "/usr/bin:/bin",
                    std::vector<std::string> more = {}) {
  argv.insert(argv.begin(), {guest("exec"), "run"});
  Command command = sudrun_command(std::move(argv));
  command.whole_env = {"A=1", "PATH=" + path};
  command.whole_env->insert(command.whole_env->end(), more.begin(), more.end());
  return run(command);
}

void expect_output(const Outcome& outcome, const std::string& text) {
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == text);
  CHECK(outcome.err.empty());
}

std::string echoed(const std::string& name, const std::string& environment) {
  return "[" + name + "][echo][x y]\n" + environment;
}

}  // namespace

TEST_CASE("every function that executes brings a foreign program back to sudrun", "[relay]") {
  const std::string program = guest("exec"), family = guest("exec_family");
  const std::string environment = "A=1\nPATH=/usr/bin:/bin\n";
  for (const std::string function : {"execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle",
                                     "fexecve", "vfork", "posix_spawn", "posix_spawnp"}) {
    INFO(function);
    expect_output(under_guest({family, function, program, "echo", "x y"}), echoed(program, environment));
  }
  for (const std::string function :
       {"execve", "execvpe", "execle", "fexecve", "posix_spawn", "posix_spawnp"}) {
    INFO("bare " << function);
    expect_output(under_guest({family, "bare-" + function, program, "echo", "x y"}),
                  echoed(program, "BARE=1\n"));
  }
  expect_output(under_guest({family, "system", program, "echo", "xy"}),
                "[" + program + "][echo][xy]\n" + environment +
                    "PWD=" + std::filesystem::current_path().string() + "\n");
}

TEST_CASE("a foreign program is found in PATH by native programs too", "[relay]") {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink(guest("exec"), directory / "foreign-program");
  const std::string path = directory.path().string() + ":/usr/bin:/bin";
  for (const std::string function : {"execvp", "execvpe", "execlp", "posix_spawnp"}) {
    INFO(function);
    expect_output(under_guest({guest("exec_family"), function, "foreign-program", "echo", "x y"}, path),
                  echoed("foreign-program", "A=1\nPATH=" + path + "\n"));
  }
}

TEST_CASE("shells, pipelines and wrappers between foreign programs", "[relay]") {
  const std::string program = guest("exec"), environment = "A=1\nPATH=/usr/bin:/bin\n";
  expect_output(
      under_guest({"/bin/sh", "-c", program + " run /bin/cat /dev/null && exec " + program + " echo 'x y'"}),
      echoed(program, environment + "PWD=" + std::filesystem::current_path().string() + "\n"));
  expect_output(under_guest({"/usr/bin/env", "B=2", program, "echo", "x y"}),
                echoed(program, environment + "B=2\n"));
  expect_output(under_guest({"/usr/bin/env", "-i", program, "echo", "x y"}), echoed(program, ""));
  expect_output(under_guest({"/usr/bin/nohup", program, "echo", "x y"}), echoed(program, environment));
  expect_output(under_guest({"/bin/sh", "-c",
                             "echo 'x y' | xargs -d '\\n' " + program + " echo | grep '^.exec\\|x y'"}),
                "[" + program + "][echo][x y]\n");
  // Deeper: foreign, native, foreign, native, foreign.
  expect_output(under_guest({"/usr/bin/env", program, "run", "/usr/bin/env", program, "echo", "x y"}),
                echoed(program, environment));
}

TEST_CASE("a script of a foreign interpreter runs from a native program", "[relay]") {
  const TemporaryDirectory directory;
  write_file(directory / "script", "#! " + guest("exec") + " echo \t\nignored\n", true);
  expect_output(
      under_guest({guest("exec_family"), "execve", directory / "script", "x y"}),
      "[" + guest("exec") + "][echo][" + (directory / "script") + "][x y]\nA=1\nPATH=/usr/bin:/bin\n");
}

TEST_CASE("a preload of the user's own is kept, and guests do not see sudrun's", "[relay]") {
  const std::string own = guest("libcount_allocations.so"), program = guest("exec");
  const Outcome outcome =
      under_guest({"/usr/bin/env", program, "echo", "x y"}, "/usr/bin:/bin", {"LD_PRELOAD=" + own});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(contains(outcome.out, "LD_PRELOAD=" + own + "\n"));
  CHECK_FALSE(contains(outcome.out, "sudrun-exec"));
}

TEST_CASE("native programs and errors are as without the relay", "[relay]") {
  const std::string family = guest("exec_family");
  expect_output(under_guest({family, "execvp", "printf", "%s\n", "x y"}), "x y\n");
  for (const std::string function : {"execve", "execv", "execvp", "execl", "execle"}) {
    INFO(function);
    const Outcome outcome = under_guest({family, function, "/nonexistent/program", "a", "b"});
    INFO(outcome);
    CHECK(outcome.exited(96));
    CHECK(contains(outcome.err, "No such file or directory"));
  }
  const TemporaryDirectory directory;
  std::filesystem::copy_file(guest("exec"), directory / "program");
  std::filesystem::permissions(directory / "program", std::filesystem::perms::owner_read);
  const Outcome outcome = under_guest({family, "execve", directory / "program", "a", "b"});
  INFO(outcome);
  CHECK(outcome.exited(96));
  CHECK(contains(outcome.err, "Permission denied"));
}
