// `sudrun doctor`: its lines must be what really happens.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

Outcome doctor(std::vector<std::string> before, std::vector<std::string> after = {}) {
  before.insert(before.end(), {sudrun_binary(), "doctor"});
  before.insert(before.end(), after.begin(), after.end());
  Command command;
  command.argv = std::move(before);
  return run(command);
}

std::string state_of(const nlohmann::json& report, std::string_view name) {
  for (const auto& finding : report.at("findings"))
    if (finding.at("name") == name) return finding.at("state");
  return "not there";
}

}  // namespace

TEST_CASE("the doctor says in a line each what there is, and its exit status sums it up", "[doctor]") {
  const Outcome text = doctor({});
  INFO(text);
  CHECK(text.err.empty());
  CHECK((text.exited(0) || text.exited(1)));  // programs run here: the other tests do it
  for (const std::string& line : lines_of(text.out))
    CHECK((line.starts_with("ok ") || line.starts_with("slower ") || line.starts_with("missing ") ||
           line.starts_with("foreign programs run")));
  const Outcome json = doctor({}, {"--json"});
  const auto report = nlohmann::json::parse(json.out);
  CHECK(report.at("health") == (json.status == 0 ? "well" : "losses"));
  CHECK(report.at("findings").size() + 1 == lines_of(text.out).size());
}

TEST_CASE("the doctor sees an unlimited stack and a short queue of signals", "[doctor]") {
  const Outcome good = doctor({}, {"--json"});
  if (state_of(nlohmann::json::parse(good.out), "stack and layout") == "ok") {
    const Outcome unlimited = doctor({"/usr/bin/env", "prlimit", "--stack=unlimited:unlimited"}, {"--json"});
    INFO(unlimited);
    CHECK(unlimited.exited(1));
    CHECK(state_of(nlohmann::json::parse(unlimited.out), "stack and layout") == "missing");
  }
  const Outcome few = doctor({"/usr/bin/env", "prlimit", "--sigpending=3"}, {"--json"});
  INFO(few);
  CHECK(few.exited(1));
  CHECK(state_of(nlohmann::json::parse(few.out), "queued signals") == "missing");
}

TEST_CASE("the doctor says that nothing runs where calls cannot be trapped", "[doctor]") {
  const Outcome outcome = doctor({guest("restricted"), "no-trap"}, {"--json"});
  INFO(outcome);
  CHECK(outcome.exited(2));
  const auto report = nlohmann::json::parse(outcome.out);
  CHECK(report.at("health") == "cannot");
  CHECK(state_of(report, "Syscall User Dispatch") == "missing");
}

TEST_CASE("the doctor says what is lost under filters", "[doctor]") {
  const Outcome no_dispatch = doctor({guest("restricted"), "no-dispatch"}, {"--json"});
  INFO(no_dispatch);
  CHECK(no_dispatch.exited(1));
  CHECK(state_of(nlohmann::json::parse(no_dispatch.out), "Syscall User Dispatch") == "slower");
  CHECK(state_of(nlohmann::json::parse(no_dispatch.out), "seccomp filter") == "ok");
  const Outcome container = doctor({guest("restricted"), "container"}, {"--json"});
  INFO(container);
  CHECK(container.exited(1));
  CHECK(state_of(nlohmann::json::parse(container.out), "process_vm_writev") == "missing");
}
