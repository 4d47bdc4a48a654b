// `sudrun inspect` on Go programs of each system, and on damaged ones.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

std::string program(const std::string& name) {
  const char* const directory = std::getenv("SUDRUN_GO_INSPECTED");
  REQUIRE(directory != nullptr);
  return std::string(directory) + "/inspected-" + name;
}

Outcome inspect(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {sudrun_binary(), "inspect"});
  Command command;
  command.argv = std::move(arguments);
  return run(command);
}

nlohmann::json row_of(const nlohmann::json& report, unsigned number) {
  for (const auto& row : report.at("calls"))
    if (row.at("number") == number) return row;
  return {};
}

}  // namespace

TEST_CASE("the numbers of a Go program are found behind its stubs, stripped or not", "[inspect]") {
  // getpid and mkdir have the same numbers on all of them.
  for (const std::string name :
       {"freebsd", "netbsd", "dragonfly", "freebsd-stripped", "netbsd-stripped", "dragonfly-stripped"}) {
    const Outcome outcome = inspect({"--json", program(name)});
    INFO(name << "\n" << outcome.err);
    REQUIRE(outcome.exited(1));
    const auto report = nlohmann::json::parse(outcome.out);
    CHECK(report.at("verdict_text") == "will run as long as it does not call 5000");
    CHECK(report.at("abi") == name.substr(0, name.find('-')) + "-amd64");
    const auto unknown = row_of(report, 5000);
    REQUIRE_FALSE(unknown.is_null());
    CHECK(unknown.at("support") == "unknown");
    CHECK(unknown.at("called") == true);
    CHECK(unknown.at("way") == nlohmann::json::array({"main.main"}));
    const auto mkdir = row_of(report, 136);
    REQUIRE_FALSE(mkdir.is_null());
    CHECK(mkdir.at("name") == "mkdir");
    CHECK(mkdir.at("called") == true);
    CHECK(mkdir.at("way").back() == "syscall.Mkdir");
    CHECK(row_of(report, 20).at("name") == "getpid");
    bool stub = false;
    for (const auto& site : report.at("files")[0].at("sites"))
      stub = stub || site.at("number_from_caller") == true;
    CHECK(stub);
  }
}

TEST_CASE("a Go program cut anywhere, or with bytes changed, never breaks inspection", "[inspect]") {
  const TemporaryDirectory directory;
  const std::string whole = read_file(program("freebsd-stripped"));
  const auto check = [&](const std::string& bytes) {
    write_file(directory / "damaged", bytes, true);
    const Outcome outcome = inspect({"--json", directory / "damaged"});
    INFO(outcome.err);
    CHECK(outcome.signal == 0);
    CHECK((outcome.status >= 0 && outcome.status <= 3));
    CHECK_FALSE(nlohmann::json::parse(outcome.out, nullptr, false).is_discarded());
  };
  for (std::size_t i = 0; i < 16; ++i) check(whole.substr(0, whole.size() * i / 16 + i));
  // The table of functions, from its header on, which begins with one of these.
  std::size_t table = whole.find(std::string("\xf0\xff\xff\xff\0\0\1\10", 8));
  if (table == std::string::npos) table = whole.find(std::string("\xf1\xff\xff\xff\0\0\1\10", 8));
  REQUIRE(table != std::string::npos);
  for (std::size_t at = table + 8; at < table + 160; at += 4) {
    std::string bytes = whole;
    bytes[at] = bytes[at + 3] = '\xff';
    check(bytes);
  }
}
