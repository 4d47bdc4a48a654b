// --trace, --summary and where they go.
#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <cstdio>

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
}

TEST_CASE("a trace ends with how the program ended", "[trace]") {
  const Outcome exited = run_sudrun({"--trace", guest("death"), "exit", "7"});
  INFO(exited);
  CHECK(exited.exited(7));
  CHECK_THAT(lines_of(exited.err).back(), Catch::EndsWith("+++ exited with 7 +++"));
  const Outcome crashed = run_sudrun({"--trace", guest("death"), "null"});
  INFO(crashed);
  CHECK_THAT(crashed.err, Catch::Contains("+++ killed by SIGSEGV {code=SEGV_MAPERR, addr=NULL} +++"));
  // Signals that nobody catches, to the process and to one thread of it.
  for (const auto& [number, name] :
       {std::pair{"15", "SIGTERM"}, {"30", "SIGUSR1"}, {"14", "SIGALRM"}, {"65", "SIGRT65"}}) {
    for (const char* how : {"signal", "thread"}) {
      const Outcome killed = run_sudrun({"--trace", guest("death"), how, number});
      INFO(killed);
      CHECK(killed.signal != 0);
      CHECK_THAT(killed.err, Catch::Contains("write(1, \"before"));
      CHECK_THAT(killed.err, Catch::Contains("+++ killed by " + std::string(name) + " {code="));
    }
  }
  for (const char* ignored : {"20", "28", "29"}) {
    const Outcome outcome = run_sudrun({"--trace", guest("death"), "signal", ignored});
    INFO(outcome);
    CHECK(outcome.exited(0));
    CHECK_THAT(outcome.err, !Catch::Contains("killed by"));
  }
}

TEST_CASE("a trace shows what structures hold", "[trace]") {
  const auto trace_of = [](const char* test_case) {
    const TemporaryDirectory directory;
    Command command = sudrun_command({"--trace", "--output=trace", guest("traced"), test_case});
    command.cwd = directory.path();
    const Outcome outcome = run(command);
    INFO(outcome);
    CHECK(outcome.exited(0));
    return read_file(directory / "trace");
  };
  const std::string files = trace_of("structures");
  INFO(files);
  CHECK_THAT(files,
             Catch::Contains(R"([{iov_base="abcd", iov_len=4}, {iov_base="efgh", iov_len=4}], 2) = 8)"));
  CHECK_THAT(files,
             Catch::Contains(R"([{iov_base="abcd", iov_len=4}, {iov_base="efgh", iov_len=8}], 2) = 8)"));
  CHECK_THAT(files, Catch::Contains("st_mode=S_IFREG|S_IRUSR|S_IWUSR,"));
  CHECK_THAT(files,
             Catch::Contains("F_SETLK, {l_start=0, l_len=10, l_pid=0, l_type=F_WRLCK, l_whence=SEEK_SET"));
  CHECK_THAT(files, Catch::Contains("F_GETFL, 0) = O_RDWR"));
  CHECK_THAT(files, Catch::Contains(R"(d_type=DT_DIR, d_namlen=1, d_name="."})"));
  const std::string events = trace_of("events");
  INFO(events);
  CHECK_THAT(events, Catch::Contains("filter=EVFILT_READ, flags=EV_ADD, fflags=0, data=0"));
  CHECK_THAT(events, Catch::Contains("kevent(5, NULL, 0, [{ident=3, filter=EVFILT_READ"));
  CHECK_THAT(events, Catch::Contains("poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 1000) = 1"));
  CHECK_THAT(events, Catch::Contains("select(64, [3], NULL, NULL, {tv_sec=0, tv_usec=0}) = 1"));
  CHECK_THAT(events,
             Catch::Contains("_umtx_op([7], UMTX_OP_WAIT_UINT_PRIVATE, 7, 16, {tv_sec=0, tv_nsec=1000000})"));
  const std::string messages = trace_of("messages");
  INFO(messages);
  CHECK_THAT(messages, Catch::Contains(R"(msg_iov=[{iov_base="hello", iov_len=5}])"));
  CHECK_THAT(messages, Catch::Contains(R"(msg_iov=[{iov_base="hello", iov_len=32}])"));
  CHECK_THAT(messages, Catch::Contains("SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"));
  CHECK_THAT(messages, Catch::Contains("{sa_family=AF_INET, port=0, addr=127.0.0.1}"));
  const std::string signals = trace_of("signal_lines");
  INFO(signals);
  CHECK_THAT(signals, Catch::Contains("sa_flags=SA_RESTART|SA_SIGINFO, sa_mask=["));
  CHECK_THAT(signals, Catch::Contains("SIG_BLOCK, [SIGTERM], NULL) = 0"));
  CHECK_THAT(signals, Catch::Contains("--- SIGUSR1 {code=SI_USER, pid="));
  CHECK_THAT(signals, Catch::Contains("{uc_sigmask=[SIGTERM], mc_rip=0x"));
  CHECK_THAT(signals, Catch::Contains("{ended_by=EXITED, code=3}"));
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

TEST_CASE("--stats says how calls were made", "[trace]") {
  const auto first_line = [](const std::vector<std::string>& options) {
    std::vector<std::string> arguments = options;
    arguments.insert(arguments.end(), {"--stats", guest("rewrite_masks"), "sa_mask"});
    const auto begun = std::chrono::steady_clock::now();
    const Outcome outcome = run_sudrun(arguments);
    const std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - begun;
    INFO(outcome);
    CHECK(outcome.exited(0));
    auto lines = lines_of(outcome.err);
    std::erase_if(lines, [](const std::string& line) {
      return !line.starts_with("sudrun: calls: ") && !line.starts_with("sudrun: sites: ") &&
             !line.starts_with("sudrun: time ");
    });
    REQUIRE(lines.size() == 3);
    double itself = 0, native = 0;
    REQUIRE(std::sscanf(lines[2].c_str(),
                        "sudrun: time in the host loop: %lf ms by itself, %lf ms in native calls", &itself,
                        &native) == 2);
    CHECK(itself > 0);
    CHECK(native > 0);
    CHECK(itself + native < passed.count());
    CHECK_THAT(lines[1], Catch::StartsWith("sudrun: sites: "));
    unsigned long trapped = 0, served = 0, direct = 0;
    REQUIRE(std::sscanf(
                lines[0].c_str(),
                "sudrun: calls: %lu trapped, %lu from rewritten sites to the host loop, %lu made in assembly",
                &trapped, &served, &direct) == 3);
    return std::array{trapped, served, direct};
  };
  const auto rewritten = first_line({}), trapping = first_line({"--no-rewrite"});
  CHECK(trapping[0] > 1000);
  CHECK(trapping[1] + trapping[2] == 0);
  CHECK(rewritten[0] < trapping[0]);
  CHECK(rewritten[1] + rewritten[2] > 1000);
}

TEST_CASE("--stats tells waiting in the kernel from work of the runtime", "[trace]") {
  const Outcome outcome = run_sudrun({"--stats", guest("timers"), "nanosleep_says_what_is_left"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  double itself = 0, native = 0;
  const auto at = outcome.err.find("sudrun: time ");
  REQUIRE(at != std::string::npos);
  REQUIRE(std::sscanf(outcome.err.c_str() + at,
                      "sudrun: time in the host loop: %lf ms by itself, %lf ms in native calls", &itself,
                      &native) == 2);
  CHECK(native > itself);
}

// The planner takes a site only where it is sure of the code around it: what the guests put there must be
// such.
TEST_CASE("the tests of rewriting rewrite in every way", "[trace]") {
  struct Case {
    const char *name, *test_case;
    // At least. There are twice as many and more: where the stubs lie decides some, and a thread that finds
    // another at the planner leaves its site for now.
    unsigned padding, load, relocation, trapping;
  };
  constexpr Case kCases[] = {{"rewrite", "state_at_dense_sites", 0, 20, 40, 0},
                             {"rewrite", "state_at_padded_sites", 75, 10, 10, 0},
                             {"rewrite", "state_at_sites_over_lines", 10, 10, 0, 30},
                             {"rewrite", "state_at_sites_over_pages", 20, 10, 0, 20},
                             {"rewrite", "sites_of_called_functions", 0, 10, 0, 0},
                             {"rewrite_written", "written_and_run_in_turn", 250, 100, 75, 40},
                             {"rewrite_written", "a_page_of_many_is_replaced", 200, 50, 50, 50},
                             {"rewrite_masks", "sa_mask", 100, 25, 25, 35},
                             {"rewrite_children", "children_have_sites_of_their_own", 250, 100, 75, 75},
                             {"rewrite_signals", "registers_changed_by_handlers", 5, 2, 2, 2},
                             {"rewrite_signals", "storm_of_nested_handlers", 10, 5, 5, 5},
                             {"rewrite_threads", "many_sites_one_after_the_other", 500, 150, 125, 150},
                             {"rewrite_threads", "one_site_for_all", 100, 50, 30, 50},
                             {"netbsd-rewrite", "state_at_padded_sites", 75, 10, 10, 0},
                             {"netbsd-rewrite_written", "written_and_run_in_turn", 250, 100, 75, 40},
                             {"netbsd-rewrite_signals", "registers_changed_by_handlers", 5, 2, 2, 2},
                             {"dragonfly-rewrite", "state_at_padded_sites", 75, 10, 10, 0},
                             {"dragonfly-rewrite_written", "written_and_run_in_turn", 250, 100, 75, 40},
                             {"dragonfly-rewrite_signals", "registers_changed_by_handlers", 5, 2, 2, 2}};
  for (const Case& c : kCases) {
    const TemporaryDirectory directory;
    Command command = sudrun_command({"--stats", guest(c.name), c.test_case});
    command.cwd = directory.path();
    const Outcome outcome = run(command);
    INFO(outcome);
    CHECK(outcome.exited(0));
    // Children say it too, but before: the program's own line comes last.
    const std::size_t line = outcome.err.rfind("sudrun: sites: ");
    REQUIRE(line != std::string::npos);
    unsigned sites = 0, padding = 0, load = 0, relocation = 0, trapping = 0;
    REQUIRE(std::sscanf(outcome.err.c_str() + line,
                        "sudrun: sites: %u trapped; rewritten by padding %u, load %u, relocation %u; "
                        "left trapping though hot %u",
                        &sites, &padding, &load, &relocation, &trapping) == 5);
    CHECK(padding >= c.padding);
    CHECK(load >= c.load);
    CHECK(relocation >= c.relocation);
    CHECK(trapping >= c.trapping);
  }
}
