// Hosts that refuse some of what sudrun would like to have.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

/// Cases of the guests that lean most on the trap.
constexpr std::pair<const char*, const char*> kCases[] = {{"signals", "nested"},
                                                          {"threads", "many_at_once"},
                                                          {"threads", "fork_with_threads"},
                                                          {"exec", "scripts"},
                                                          {"registers", "calls"}};

Outcome run_restricted(const std::string& rules, const std::vector<std::string>& arguments) {
  Command command;
  command.argv = {guest("restricted"), rules, sudrun_binary()};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  const TemporaryDirectory directory;
  command.cwd = directory.path();
  return run(command);
}

}  // namespace

TEST_CASE("a kernel without Syscall User Dispatch is served by a filter, by itself", "[restricted]") {
  const Outcome hello = run_restricted("no-dispatch", {"--verbose", guest("hello")});
  INFO(hello);
  CHECK(hello.exited(0));
  CHECK(hello.out == "Hello from FreeBSD\n");
  CHECK_THAT(hello.err, Catch::Contains("trapped by a seccomp filter"));
  for (const auto& [name, test_case] : kCases) {
    const Outcome outcome = run_restricted("no-dispatch", {guest(name), test_case});
    INFO(outcome);
    CHECK(outcome.exited(0));
  }
}

TEST_CASE("a kernel that refuses what was asked for is one line and status 125", "[restricted]") {
  const Outcome dispatch = run_restricted("no-dispatch", {"--trap=sud", guest("hello")});
  INFO(dispatch);
  CHECK(dispatch.exited(125));
  CHECK_THAT(dispatch.err, Catch::Contains("Syscall User Dispatch"));
  CHECK(lines_of(dispatch.err).size() == 1);
  const Outcome both = run_restricted("no-trap", {guest("hello")});
  INFO(both);
  CHECK(both.exited(125));
  CHECK_THAT(both.err, Catch::Contains("seccomp"));
  CHECK(lines_of(both.err).size() == 1);
}

TEST_CASE("a container's default rules keep nothing from working", "[restricted]") {
  for (const auto& [name, test_case] : kCases) {
    const Outcome outcome = run_restricted("container", {guest(name), test_case});
    INFO(outcome);
    CHECK(outcome.exited(0));
  }
  for (const char* name : {"hello", "calls", "files", "sockets", "kqueue"}) {
    const Outcome outcome = run_restricted("container", {guest(name)});
    INFO(outcome);
    CHECK(outcome.exited(0));
  }
}

TEST_CASE("the state of the processor is kept in every way that processors offer", "[restricted]") {
  constexpr std::pair<const char*, const char*> kStates[] = {{"rewrite", "state_at_dense_sites"},
                                                             {"rewrite", "state_at_padded_sites"},
                                                             {"rewrite", "state_at_sites_over_pages"},
                                                             {"rewrite", "one_site_for_every_call"},
                                                             {"rewrite_signals", "storm_on_the_stack"},
                                                             {"rewrite_signals", "storm_on_alternate_stacks"},
                                                             {"rewrite_signals", "storm_of_nested_handlers"}};
  for (const char* save : {"--vector-save=fxsave", "--vector-save=xsave", "--vector-save=xinuse"}) {
    for (const auto& [name, test_case] : kStates) {
      Command command = sudrun_command({save, guest(name), test_case});
      if (save == std::string_view("--vector-save=fxsave")) command.set_env.emplace("GUEST_FXSAVE", "1");
      const Outcome outcome = run(command);
      INFO(save << " " << outcome);
      CHECK(outcome.exited(0));
    }
  }
}

TEST_CASE("a kernel without FSGSBASE is asked for each change of the thread pointer", "[restricted]") {
  constexpr std::pair<const char*, const char*> kMore[] = {{"rewrite", "state_at_padded_sites"},
                                                           {"rewrite", "single_steps_stay_in_the_program"},
                                                           {"rewrite_masks", "sigreturn"},
                                                           {"rewrite_threads", "one_site_for_all"},
                                                           {"threads", "signal_storm"}};
  std::vector<std::pair<const char*, const char*>> cases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kMore), std::end(kMore));
  for (const bool rewrite : {true, false}) {
    for (const auto& [name, test_case] : cases) {
      std::vector<std::string> arguments{guest(name), test_case};
      if (!rewrite) arguments.insert(arguments.begin(), "--no-rewrite");
      Command command = sudrun_command_with("libno_fsgsbase.so", arguments);
      const TemporaryDirectory directory;
      command.cwd = directory.path();
      const Outcome outcome = run(command);
      INFO(outcome);
      CHECK(outcome.exited(0));
    }
  }
}

TEST_CASE("a host that queues few signals loses none that is pending", "[restricted]") {
  const Outcome outcome =
      run_restricted("few-signals", {guest("signals"), "a_full_queue_takes_signals_all_the_same"});
  INFO(outcome);
  CHECK(outcome.exited(0));
}
