// A Go program for FreeBSD under sudrun. What it checks from within stands in tests/go/guest; here is what
// can only be seen from outside: output, exit statuses, deaths, signals.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "tests/support/running.hpp"

using namespace sudrun::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

std::string go_guest() {
  const char* path = std::getenv("SUDRUN_GO_GUEST");
  if (path == nullptr)
    throw std::runtime_error("SUDRUN_GO_GUEST is not set: run the tests through ./dev test or meson test");
  return path;
}

Command go(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), go_guest());
  return sudrun_command(std::move(arguments));
}

void passes(const std::string& topic, std::chrono::seconds timeout = std::chrono::seconds(120)) {
  Command command = go({topic});
  command.timeout = timeout;
  const Outcome outcome = run(command);
  INFO(outcome);
  REQUIRE(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("ok " + topic + "\n"));
  CHECK(outcome.err.empty());
}

}  // namespace

TEST_CASE("a Go program says hello") {
  const Outcome outcome = run(go({"hello", "a", "b c"}));
  INFO(outcome);
  REQUIRE(outcome.exited(0));
  CHECK(outcome.out == "hello a b c\nok hello\n");
  CHECK(outcome.err.empty());
}

TEST_CASE("a Go program is traced by class of calls, as JSON, on all its threads") {
  const TemporaryDirectory directory;
  const std::string file = directory / "trace";
  const Outcome outcome = run(sudrun_command(
      {"--trace=thread,memory", "--trace-format=json", "-o", file, go_guest(), "thread-exit"}));
  INFO(outcome);
  REQUIRE(outcome.exited(0));
  std::set<int> threads;
  std::set<std::string> calls;
  for (const std::string& line : lines_of(read_file(file))) {
    INFO(line);
    const auto object = nlohmann::json::parse(line);
    threads.insert(object["tid"].get<int>());
    if (object.contains("call")) calls.insert(object["call"].get<std::string>());
  }
  CHECK(threads.size() > 2);
  CHECK(calls.contains("thr_new"));
  CHECK(calls.contains("mmap"));
  CHECK(calls.contains("_umtx_op"));
  CHECK_FALSE(calls.contains("write"));
}

// The net package makes reads again that say EINTR, and goes on after short ones.
TEST_CASE("a Go program bears injected interruptions and short reads") {
  const Outcome outcome = run(
      sudrun_command({"--inject=read:error=EINTR:when=2+3", "--inject=read:short=100", go_guest(), "http"}));
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("ok http\n"));
  const Outcome counted =
      run(sudrun_command({"-c", "--inject=read:error=EINTR:when=1", go_guest(), "hello"}));
  INFO(counted);
  CHECK(counted.exited(0));
  CHECK_THAT(counted.err, Contains("mmap") && Contains("p99 us"));
}

TEST_CASE("ten thousand goroutines run over hundreds of threads") { passes("goroutines"); }
TEST_CASE("threads that end are gone") { passes("thread-exit"); }
TEST_CASE("timers fire when they should") { passes("timers"); }
TEST_CASE("the collector stops loops that never yield") { passes("gc"); }
TEST_CASE("registers survive calls, signals and threads") { passes("arithmetic"); }
TEST_CASE("a gigabyte of memory is used and given back") { passes("memory"); }
TEST_CASE("a processor profile sees the busy function") { passes("profile"); }
TEST_CASE("pipes carry data, deadlines and errors") { passes("pipes"); }
TEST_CASE("TCP connections work by the hundred") { passes("tcp"); }
TEST_CASE("UDP datagrams find their way and their sender") { passes("udp"); }
TEST_CASE("unix sockets carry streams, datagrams and descriptors") { passes("unix"); }
TEST_CASE("an HTTP server and its clients share a process") { passes("http"); }
TEST_CASE("HTTP over TLS works") { passes("https"); }
TEST_CASE("network interfaces are those of the host") {
  passes("interfaces");
  CHECK_THAT(run(go({"interfaces"})).out, Contains("address 127.0.0.1/8"));
}
TEST_CASE("Go programs start native programs") { passes("commands"); }
TEST_CASE("Go programs start themselves") { passes("self"); }
TEST_CASE("Go programs start programs from many threads at once") { passes("many-commands"); }
TEST_CASE("signals reach os/signal") { passes("signals"); }
TEST_CASE("signals by the thousand disturb nothing") { passes("storm"); }
TEST_CASE("panics of the processor are recovered") { passes("recover"); }
TEST_CASE("files, links, names, times and permissions behave") { passes("files"); }
TEST_CASE("directories of thousands of files are walked") { passes("walk"); }
TEST_CASE("file locks hold between processes") { passes("locks"); }
TEST_CASE("files are mapped shared and private") { passes("mmap"); }
TEST_CASE("a file is mapped at an offset inside a page, as FreeBSD allows") { passes("unaligned-mmap"); }
TEST_CASE("files beyond 4 GiB work") { passes("large"); }
TEST_CASE("limits, ids, random numbers and clocks work") { passes("system"); }
TEST_CASE("sysctl answers as FreeBSD") { passes("sysctl"); }
TEST_CASE("kqueue reports descriptors, timers, files and processes") { passes("kqueue"); }

TEST_CASE("what the guest sees of its surroundings is true") {
  const TemporaryDirectory dir;
  Command command = go({"where"});
  command.cwd = dir.path();
  Outcome outcome = run(command);
  INFO(outcome);
  REQUIRE(outcome.exited(0));
  const std::string executable = std::filesystem::canonical(go_guest());
  CHECK(lines_of(outcome.out) ==
        std::vector<std::string>{executable, std::filesystem::canonical(dir.path()), go_guest(), "ok where"});

  command = go({"environment"});
  command.whole_env = std::vector<std::string>{"ONE=1", "EMPTY=", "TWO=a=b c"};
  outcome = run(command);
  INFO(outcome);
  CHECK(outcome.out == "ONE=1\nEMPTY=\nTWO=a=b c\nok environment\n");

  command = go({"about"});
  outcome = run(command);
  INFO(outcome);
  std::string host(256, '\0');
  ::gethostname(host.data(), host.size());
  host.resize(std::char_traits<char>::length(host.c_str()));
  CHECK_THAT(outcome.out, StartsWith("os freebsd\n"));
  CHECK_THAT(outcome.out, Contains("\nhost " + host + "\n"));
  CHECK_THAT(outcome.out, Contains(" " + std::to_string(::getpid()) + "\nids "));
  if (::getuid() == 0) {
    command.uid = 65534;
    outcome = run(command);
    INFO(outcome);
    CHECK_THAT(outcome.out, Contains("\nids 65534 65534 65534 65534\n"));
  }
}

TEST_CASE("an ordinary user can do all that needs no privilege") {
  if (::getuid() != 0) return;  // then everything here has run as one already
  const TemporaryDirectory dir;
  std::filesystem::copy_file(go_guest(), dir / "guest");
  std::filesystem::copy_file(sudrun_binary(), dir / "sudrun");
  for (const char* topic : {"goroutines", "tcp", "unix", "http", "commands", "self", "signals", "files",
                            "locks", "mmap", "system", "sysctl", "kqueue", "recover", "interfaces"}) {
    Command command = go({topic});
    command.argv.front() = dir / "sudrun";
    for (std::string& argument : command.argv)
      if (argument == go_guest()) argument = dir / "guest";
    command.cwd = dir.path();
    command.set_env["TMPDIR"] = dir.path();
    command.set_env["HOME"] = dir.path();
    command.uid = 65534;
    const Outcome outcome = run(command);
    INFO(topic << ": " << outcome);
    CHECK(outcome.exited(0));
  }
}

TEST_CASE("exit statuses come through") {
  for (const int status : {0, 1, 2, 77, 125, 255}) {
    const Outcome outcome = run(go({"exit", std::to_string(status)}));
    INFO(outcome);
    CHECK(outcome.exited(status));
  }
}

TEST_CASE("an unrecovered panic is Go's own, with status 2") {
  const Outcome outcome = run(go({"panic"}));
  INFO(outcome);
  CHECK(outcome.exited(2));
  CHECK_THAT(outcome.err, StartsWith("panic: a guest's panic\n\ngoroutine 1 [running]:\nmain."));
  CHECK_THAT(outcome.err, Contains("crashes.go:"));
  CHECK(outcome.out.empty());
}

TEST_CASE("a nil dereference is a Go panic that knows the address") {
  const Outcome outcome = run(go({"nil"}));
  INFO(outcome);
  CHECK(outcome.exited(2));
  CHECK_THAT(outcome.err,
             StartsWith("panic: runtime error: invalid memory address or nil pointer dereference\n"
                        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x40 pc=0x"));
  CHECK_THAT(outcome.err, Contains("main.follow"));
}

TEST_CASE("a wild address is a fatal error that names it") {
  const Outcome outcome = run(go({"address"}));
  INFO(outcome);
  CHECK(outcome.exited(2));
  CHECK_THAT(outcome.err,
             StartsWith("unexpected fault address 0x123456789000\nfatal error: fault\n"
                        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x123456789000 pc=0x"));
}

TEST_CASE("endless recursion is a stack overflow, not a crash") {
  const Outcome outcome = run(go({"overflow"}));
  INFO(outcome);
  CHECK(outcome.exited(2));
  CHECK_THAT(outcome.err, Contains("goroutine stack exceeds 1048576-byte limit"));
  CHECK_THAT(outcome.err, Contains("fatal error: stack overflow"));
  CHECK_THAT(outcome.err, Contains("main.recurse"));
}

TEST_CASE("a deadlock is detected") {
  const Outcome outcome = run(go({"deadlock"}));
  INFO(outcome);
  CHECK(outcome.exited(2));
  CHECK_THAT(
      outcome.err,
      StartsWith("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:"));
}

TEST_CASE("GOTRACEBACK=crash ends in SIGABRT") {
  const Outcome outcome = run(go({"abort"}));
  INFO(outcome);
  CHECK(outcome.killed_by(SIGABRT));
  CHECK_THAT(outcome.err, StartsWith("panic: with a core\n"));
}

TEST_CASE("a signal without a handler kills as it should") {
  for (const int number : {SIGTERM, SIGKILL, SIGINT, SIGHUP}) {
    Running program(go({"sleep"}));
    REQUIRE(program.wait_for("ready"));
    program.signal(number);
    const Outcome outcome = program.finish();
    INFO(number << ": " << outcome);
    CHECK(outcome.killed_by(number));
    CHECK(outcome.err.empty());
  }
  const Outcome outcome = run(go({"kill-self", "15"}));
  INFO(outcome);
  CHECK(outcome.killed_by(SIGTERM));
}

TEST_CASE("SIGQUIT prints every goroutine, as Go does it") {
  Running program(go({"sleep"}));
  REQUIRE(program.wait_for("ready"));
  program.signal(SIGQUIT);
  const Outcome outcome = program.finish();
  INFO(outcome);
  CHECK(outcome.exited(2));
  CHECK_THAT(outcome.err, StartsWith("SIGQUIT: quit\n"));
  CHECK_THAT(outcome.err, Contains("\ngoroutine 1 "));
}

TEST_CASE("signals from outside arrive in order") {
  Running program(go({"wait"}));
  REQUIRE(program.wait_for("ready"));
  const std::pair<int, const char*> expected[] = {{SIGINT, "interrupt"},
                                                  {SIGHUP, "hangup"},
                                                  {SIGWINCH, "window size changes"},
                                                  {SIGUSR1, "user defined signal 1"},
                                                  {SIGCHLD, "child exited"}};
  for (int round = 0; round < 20; ++round) {
    for (const auto& [number, name] : expected) {
      const std::size_t seen = program.out().size();
      program.signal(number);
      INFO(program.out());
      REQUIRE(program.wait_for(std::string("signal ") + name + "\n", false, seen));
    }
  }
  program.signal(SIGTERM);
  const Outcome outcome = program.finish();
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK_THAT(outcome.out, Contains("signal terminated\nok wait\n"));
}

TEST_CASE("a stopped program goes on") {
  Running program(go({"wait"}));
  REQUIRE(program.wait_for("ready"));
  program.signal(SIGSTOP);
  program.signal(SIGHUP);
  CHECK_FALSE(program.wait_for("hangup", false, 0, std::chrono::milliseconds(100)));
  program.signal(SIGCONT);
  CHECK(program.wait_for("hangup"));
  program.signal(SIGTERM);
  CHECK(program.finish().exited(0));
}

TEST_CASE("ignored signals are ignored") {
  Running program(go({"ignore"}));
  REQUIRE(program.wait_for("ready"));
  for (int i = 0; i < 20; ++i) program.signal(SIGTERM), program.signal(SIGHUP);
  program.close_input();
  const Outcome outcome = program.finish();
  INFO(outcome);
  CHECK(outcome.exited(0));

  Command inherited;
  inherited.argv = {"sh", "-c", "trap '' HUP; exec \"$@\"", "sh"};
  const Command guest_command = go({"ignored"});
  inherited.argv.insert(inherited.argv.end(), guest_command.argv.begin(), guest_command.argv.end());
  const Outcome seen = run(inherited);
  INFO(seen);
  CHECK(seen.out == "SIGHUP true SIGINT false\nok ignored\n");
}

TEST_CASE("a broken pipe on standard output kills by SIGPIPE") {
  Command command;
  command.argv = {"bash", "-c", "\"$@\" | head -n 3; echo ${PIPESTATUS[0]}", "bash"};
  const Command guest_command = go({"spew"});
  command.argv.insert(command.argv.end(), guest_command.argv.begin(), guest_command.argv.end());
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.out == "spew\nspew\nspew\n141\n");
}

TEST_CASE("Control-C on a terminal interrupts") {
  Command command = go({"wait"});
  command.terminal = true;
  Running program(command);
  REQUIRE(program.wait_for("ready"));
  program.write("\x03");
  CHECK(program.wait_for("signal interrupt"));
  program.signal(SIGTERM);
  CHECK(program.finish().exited(0));
}

TEST_CASE("tracing a Go program changes nothing it does") {
  const TemporaryDirectory dir;
  for (const char* topic : {"goroutines", "pipes", "unix", "self", "storm", "recover"}) {
    Command command = go({topic});
    command.argv.insert(command.argv.begin() + 1, {"--trace", "-o", dir / "trace"});
    command.timeout = std::chrono::minutes(4);
    const Outcome outcome = run(command);
    INFO(topic << ": " << outcome);
    CHECK(outcome.exited(0));
    CHECK(outcome.err.empty());
    CHECK(std::filesystem::file_size(dir / "trace") > 1000);
  }
}

TEST_CASE("with go_freebsd_amd64_exec on PATH, go run and go test just work") {
  const TemporaryDirectory directory;
  write_file(directory / "go.mod", "module example\n\ngo 1.19\n");
  write_file(directory / "main.go",
             "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"runtime\"\n)\n\n"
             "func main() { fmt.Println(runtime.GOOS, os.Args[1:]) }\n");
  write_file(directory / "main_test.go",
             "package main\n\nimport (\n\t\"runtime\"\n\t\"testing\"\n)\n\nfunc TestSystem(t *testing.T) {\n"
             "\tif runtime.GOOS != \"freebsd\" {\n\t\tt.Fatal(runtime.GOOS)\n\t}\n}\n\n"
             "func TestFails(t *testing.T) { t.Fatal(\"as it should\") }\n");
  std::filesystem::create_directory(directory / "bin");
  std::filesystem::create_symlink(sudrun_binary(), directory / "bin/go_freebsd_amd64_exec");
  const char* given = std::getenv("SUDRUN_GO");
  const char* cache = std::getenv("SUDRUN_GO_CACHE");
  const auto with_go = [&](std::vector<std::string> arguments) {
    Command command;
    command.argv = {given != nullptr ? given : "go"};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.cwd = directory.path();
    command.timeout = std::chrono::minutes(5);
    command.set_env = {{"PATH", (directory / "bin") + ":" + std::getenv("PATH")},
                       {"GOOS", "freebsd"},
                       {"GOARCH", "amd64"},
                       {"CGO_ENABLED", "0"},
                       {"GOTOOLCHAIN", "local"},
                       {"GOFLAGS", ""},
                       {"GO111MODULE", "on"},
                       {"HOME", directory.path().string()},
                       {"GOCACHE", cache != nullptr ? cache : directory / "cache"}};
    return run(command);
  };
  const Outcome program = with_go({"run", ".", "one", "two"});
  INFO(program);
  CHECK(program.exited(0));
  CHECK(program.out == "freebsd [one two]\n");

  const Outcome passing = with_go({"test", "-run", "TestSystem", "./..."});
  INFO(passing);
  CHECK(passing.exited(0));
  CHECK(passing.out.starts_with("ok"));

  const Outcome failing = with_go({"test", "./..."});
  INFO(failing);
  CHECK(failing.exited(1));
  CHECK_THAT(failing.out, Contains("--- FAIL: TestFails"));
  CHECK_THAT(failing.out, !Contains("--- FAIL: TestSystem"));
}
