// The release the guest sees, by option, by environment and by table: everything that tells it agrees.
#include <catch2/catch.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

std::string seen(std::vector<std::string> options, std::map<std::string, std::string> variables = {}) {
  options.insert(options.end(), {guest("release"), "show"});
  Command command = sudrun_command(std::move(options));
  command.set_env = std::move(variables);
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  return outcome.out;
}

}  // namespace

TEST_CASE("the release is the table's, or the one asked for", "[release]") {
  CHECK(seen({}) == "15.0-RELEASE 1500068 1500068 FreeBSD 15.0-RELEASE GENERIC\n");
  CHECK(seen({"--release", "13.2"}) == "13.2-RELEASE 1302001 1302001 FreeBSD 13.2-RELEASE GENERIC\n");
  CHECK(seen({"--release=12.4-RELEASE-p9"}) ==
        "12.4-RELEASE-p9 1204000 1204000 FreeBSD 12.4-RELEASE-p9 GENERIC\n");
  CHECK(seen({"--release", "14.0"}, {{"SUDRUN_RELEASE", "12.0"}}) ==
        "14.0-RELEASE 1400097 1400097 FreeBSD 14.0-RELEASE GENERIC\n");
  CHECK(seen({}, {{"SUDRUN_RELEASE", "13.0"}}) ==
        "13.0-RELEASE 1300139 1300139 FreeBSD 13.0-RELEASE GENERIC\n");
}

TEST_CASE("programs executed later see the same release", "[release]") {
  const Outcome outcome = run_sudrun({"--release", "13.2", guest("release"), "exec"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "13.2-RELEASE 1302001 1302001 FreeBSD 13.2-RELEASE GENERIC\n");
}

TEST_CASE("an unknown release is refused with the known ones", "[release]") {
  for (const char* name : {"9.9", "14", "x", "14.01"}) {
    const Outcome outcome = run_sudrun({"--release", name, guest("hello")});
    INFO(outcome);
    CHECK(outcome.exited(125));
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK_THAT(outcome.err, Catch::Contains("14.1") && Catch::Contains("15.0"));
  }
}
