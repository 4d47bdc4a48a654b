// A file tree of the guest's own (--sysroot) over the host's, and dynamic programs, which need one.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/run.hpp"

using namespace sudrun::test;
namespace fs = std::filesystem;

namespace {

struct System {
  std::string prefix;       ///< of its guests' names
  std::string interpreter;  ///< its dynamic linker
  std::string base;         ///< of its base system, what the advice names
  std::string program(const std::string& name) const { return guest(prefix + name); }
};
const System kFreeBsd{"", "/libexec/ld-elf.so.1", "base.txz"};

/// A test that asks for it is run for each.
System any_system() {
  return GENERATE(values<System>({kFreeBsd,
                                  {"netbsd-", "/usr/libexec/ld.elf_so", "base.tar.xz"},
                                  {"dragonfly-", "/usr/libexec/ld-elf.so.2", "ISO image"}}));
}

/// A host directory with a sysroot in it: `root`, and `host`, of which the sysroot has a copy of the name.
class Trees {
 public:
  explicit Trees(const System& system = kFreeBsd) {
    for (const char* d : {"libexec", "usr/libexec", "lib", "usr/lib", "bin", "only/deep", "tmp"})
      fs::create_directories(root / d);
    fs::copy(system.program("dynamic-ld"), root.string() + system.interpreter);
    fs::copy(system.program("libtiny.so.1"), root / "lib/libtiny.so.1");
    fs::copy(system.program("dynamic"), root / "bin/dynamic");
    fs::copy(guest("paths"), root / "bin/paths");
    fs::create_symlink("/lib/libtiny.so.1", root / "usr/lib/libtiny.so");
    fs::create_symlink("../../../../../../lib/text", root / "only/deep/up");
    fs::create_symlink("/only/deep", root / "short");
    write_file(root / "lib/text", "in the sysroot");
    // The same directory in both trees.
    both = base.path() / "both";
    fs::create_directories(both);
    fs::create_directories(root.string() + both.string());
    write_file(both / "a", "host a");
    write_file(both / "b", "host b");
    write_file(root.string() + (both / "a").string(), "root a");
  }
  Command command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "--sysroot=" + root.string());
    Command c = sudrun_command(std::move(arguments));
    c.cwd = base.path();
    return c;
  }
  /// What the guest `paths` prints for these operations.
  std::string paths(std::vector<std::string> operations) const {
    operations.insert(operations.begin(), guest("paths"));
    const Outcome outcome = run(command(std::move(operations)));
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.err.empty());
    return outcome.out;
  }
  std::string in_root(const fs::path& path) const { return root.string() + path.string(); }

  TemporaryDirectory base;
  fs::path root = fs::canonical(base.path()) / "root";
  fs::path both;
};

void expect_refused(const Outcome& outcome, int status, std::string_view part) {
  INFO(outcome);
  CHECK(outcome.exited(status));
  CHECK(outcome.out.empty());
  REQUIRE(lines_of(outcome.err).size() == 1);
  CHECK(outcome.err.starts_with("sudrun: "));
  CHECK_THAT(outcome.err, Catch::Contains(std::string(part)));
}

}  // namespace

TEST_CASE("a dynamic program runs with its interpreter and library from the sysroot", "[sysroot]") {
  const System system = any_system();
  const Trees trees(system);
  for (const char* name : {"dynamic", "dynamic-fixed"}) {
    const Outcome outcome = run(trees.command({system.program(name), "one", ""}));
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.out == "sum 42 3\n[one][]" + system.program(name) + "\n");
  }
}

TEST_CASE("a program of the sysroot is named by its path in it", "[sysroot]") {
  const Trees trees(any_system());
  const Outcome outcome = run(trees.command({"/bin/dynamic"}));
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "sum 42 3\n/bin/dynamic\n");
}

TEST_CASE("the sysroot may come from the environment", "[sysroot]") {
  const Trees trees;
  Command command = sudrun_command({guest("dynamic")});
  command.set_env["SUDRUN_SYSROOT"] = trees.root.string();
  CHECK(run(command).out == "sum 42 3\n" + guest("dynamic") + "\n");
  Command other = trees.command({guest("dynamic")});  // the option wins
  other.set_env["SUDRUN_SYSROOT"] = "/nonexistent";
  CHECK(run(other).exited(0));
}

TEST_CASE("the interpreter can be run directly", "[sysroot]") {
  const System system = any_system();
  const Trees trees(system);
  const Outcome outcome = run(trees.command({system.interpreter, "/bin/dynamic", "x"}));
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "sum 42 3\n[x]" + system.interpreter + "\n");
}

TEST_CASE("without a sysroot a dynamic program is refused with advice", "[sysroot]") {
  const System system = any_system();
  const Outcome outcome = run_sudrun({system.program("dynamic")});
  expect_refused(outcome, 126, system.interpreter + " is missing");
  CHECK_THAT(outcome.err, Catch::Contains("--sysroot DIR") && Catch::Contains(system.base));
}

TEST_CASE("an interpreter that is missing or no good is 126", "[sysroot]") {
  const System system = any_system();
  const Trees trees(system);
  const fs::path ld = trees.in_root(system.interpreter);
  const std::string whole = read_file(ld);
  const auto refused = [&](std::string_view part) {
    expect_refused(run(trees.command({system.program("dynamic")})), 126, part);
  };
  fs::remove(ld);
  refused("is missing from the sysroot " + trees.root.string());
  write_file(ld, "no program", true);
  refused(system.interpreter);
  for (const std::size_t size : {0U, 20U, 64U, 200U, 1000U, 4096U}) {
    write_file(ld, whole.substr(0, size), true);
    refused(system.interpreter);
  }
  write_file(ld, read_file(system.program("dynamic")), true);
  refused("needs an interpreter itself");
  write_file(ld, whole, false);
  fs::permissions(ld, fs::perms(0644));
  refused("ermission");
  fs::remove(ld);
  fs::create_directory(ld);
  refused(system.interpreter);
}

TEST_CASE("a sysroot that is no directory is 125", "[sysroot]") {
  expect_refused(run_sudrun({"--sysroot", "/nonexistent/dir", guest("hello")}), 125, "/nonexistent/dir");
  expect_refused(run_sudrun({"--sysroot", guest("hello"), guest("hello")}), 125, "not a directory");
}

TEST_CASE("absolute paths are looked up in the sysroot, then on the host", "[sysroot]") {
  const Trees trees;
  const std::string both = trees.both.string();
  CHECK(trees.paths({"read", "/lib/text", "read", both + "/a", "read", both + "/b", "read", "/lib/none"}) ==
        "read in the sysroot\nread root a\nread host b\nread -2\n");
  CHECK(trees.paths({"stat", "/dev/null", "write", "/dev/null", "x", "stat", "/proc/self/fd", "read",
                     "/dev/fd/99"}) == "stat 0\nwrite 0\nstat 0\nread -9\n");
  CHECK(trees.paths({"stat", "/lib/text/", "stat", "/lib/text/x", "stat", "/lib/", "stat", "/lib/."}) ==
        "stat -20\nstat -20\nstat 0\nstat 0\n");
}

TEST_CASE("links stay in the sysroot and `..` does not leave it", "[sysroot]") {
  const Trees trees;
  CHECK(trees.paths({"read", "/short/up", "read", "/only/deep/../../../../../lib/text", "readlink",
                     "/usr/lib/libtiny.so", "is-link", "/usr/lib/libtiny.so", "nofollow",
                     "/usr/lib/libtiny.so", "realpath", "/short/up", "realpath", "/usr/lib/libtiny.so"}) ==
        "read in the sysroot\nread in the sysroot\nreadlink /lib/libtiny.so.1\nis-link 0\nnofollow -31\n"
        "realpath /lib/text\nrealpath /lib/libtiny.so.1\n");
  CHECK(trees.paths({"chdir", "/only", "getcwd", "chdir", "..", "getcwd", "chdir", "../../..", "getcwd",
                     "read", "lib/text", "read", "../lib/text"}) ==
        "chdir 0\ngetcwd /only\nchdir 0\ngetcwd /\nchdir 0\ngetcwd /\nread in the sysroot\nread in the "
        "sysroot\n");
  fs::create_symlink("loop", trees.root / "lib/loop");
  CHECK(trees.paths({"stat", "/lib/loop", "is-link", "/lib/loop"}) == "stat -62\nis-link 0\n");
  // A host link leads into the sysroot, too.
  fs::create_symlink("/lib/text", trees.both / "link");
  CHECK(trees.paths({"read", trees.both.string() + "/link"}) == "read in the sysroot\n");
}

TEST_CASE("relative paths and directory descriptors see both trees", "[sysroot]") {
  const Trees trees;
  const std::string both = trees.both.string();
  CHECK(trees.paths({"chdir", both, "getcwd", "read", "a", "read", "b", "read", "./a", "read",
                     "../both/b"}) == "chdir 0\ngetcwd " + fs::canonical(trees.both).string() +
                                          "\nread root a\nread host b\nread root a\nread host b\n");
  CHECK(trees.paths({"directory", both, "read", "a", "read", "b", "directory", "/only/deep", "read", "up",
                     "read", "../../lib/text"}) ==
        "directory 0\nread root a\nread host b\ndirectory 0\nread in the sysroot\nread in the sysroot\n");
}

TEST_CASE("new files are the host's unless only the sysroot has their directory", "[sysroot]") {
  const Trees trees;
  const std::string both = trees.both.string();
  CHECK(trees.paths({"write", both + "/new", "x", "write", both + "/a", "changed", "write", "/only/new", "y",
                     "mkdir", "/only/dir", "mkdir", both + "/dir", "symlink", "/lib/text", "/only/link"}) ==
        "write 0\nwrite 0\nwrite 0\nmkdir 0\nmkdir 0\nsymlink 0\n");
  CHECK(read_file(trees.both / "new") == "x");
  CHECK(read_file(trees.both / "a") == "host a");
  CHECK(read_file(trees.in_root(trees.both / "a")) == "changed");
  CHECK(read_file(trees.root / "only/new") == "y");
  CHECK(fs::is_directory(trees.root / "only/dir"));
  CHECK(fs::is_directory(trees.both / "dir"));
  CHECK_FALSE(fs::exists(trees.in_root(trees.both / "dir")));
  CHECK(fs::read_symlink(trees.root / "only/link") == "/lib/text");
  // An empty directory of the sysroot stands aside.
  CHECK(trees.paths({"chdir", "/tmp", "getcwd"}) == "chdir 0\ngetcwd /tmp\n");
}

TEST_CASE("two paths: what is renamed or linked in the sysroot stays there", "[sysroot]") {
  const Trees trees;
  const std::string both = trees.both.string();
  CHECK(trees.paths({"rename", "/only/../lib/text", "/lib/renamed", "read", "/lib/renamed", "link",
                     "/lib/renamed", "/lib/linked", "read", "/lib/linked", "unlink", "/lib/linked", "stat",
                     "/lib/linked"}) ==
        "rename 0\nread in the sysroot\nlink 0\nread in the sysroot\nunlink 0\nstat -2\n");
  CHECK(trees.paths({"rename", both + "/b", both + "/c", "read", both + "/c"}) == "rename 0\nread host b\n");
  CHECK(trees.paths({"unlink", both + "/a", "read", both + "/a"}) == "unlink 0\nread host a\n");
}

TEST_CASE("local sockets are in the guest's tree", "[sysroot]") {
  const Trees trees;
  CHECK(trees.paths({"bind", "/only/s", "getsockname", "/", "connect", "/only/s", "chdir", "/only", "connect",
                     "s", "connect", "/only/none"}) ==
        "bind 0\ngetsockname /only/s\nconnect 0\nchdir 0\nconnect 0\nconnect -2\n");
  CHECK(fs::is_socket(trees.root / "only/s"));
}

TEST_CASE("programs executed later have the same sysroot", "[sysroot]") {
  const Trees trees;
  CHECK(trees.paths({"exec", "/bin/dynamic", "tail"}) == "sum 42 3\n[tail]/bin/dynamic\n");
  CHECK(trees.paths({"chdir", "/bin", "exec", "dynamic"}) == "chdir 0\nsum 42 3\n/bin/dynamic\n");
  write_file(trees.root / "bin/script", "#!/bin/dynamic with blank\n", true);
  CHECK(trees.paths({"exec", "/bin/script", "tail"}) ==
        "sum 42 3\n[with blank][/bin/script][tail]/bin/dynamic\n");
  const Outcome twice = run(trees.command({"/bin/dynamic", "exec", "/bin/dynamic", "exec", "/bin/dynamic"}));
  INFO(twice);
  CHECK(twice.out == "sum 42 3\n/bin/dynamic\n");
  // A native interpreter finds the script under the name it has on the host.
  write_file(trees.root / "bin/native", "#!/usr/bin/env sh\necho \"$0\"\n", true);
  CHECK(trees.paths({"exec", "/bin/native"}) == trees.root.string() + "/bin/native\n");
}

TEST_CASE("an executed dynamic program without its interpreter says what is missing", "[sysroot]") {
  const Outcome outcome = run_sudrun({guest("paths"), "exec", guest("dynamic")});
  expect_refused(outcome, 126, "/libexec/ld-elf.so.1 is missing");
}
