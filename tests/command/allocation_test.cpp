// The trap path takes no memory: what a program costs sudrun does not grow with the calls it makes.
#include <catch2/catch.hpp>

#include <cstdint>
#include <cstring>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

std::uint64_t allocations(const char* rounds, const std::vector<std::string>& options) {
  const TemporaryDirectory directory;
  const std::string counter = directory / "count";
  write_file(counter, std::string(4096, '\0'));
  std::vector<std::string> arguments = options;
  arguments.insert(arguments.end(), {guest("loop"), rounds});
  Command command = sudrun_command_with("libcount_allocations.so", arguments);
  command.set_env["SUDRUN_COUNT"] = counter;
  const Outcome outcome = run(command);
  INFO(outcome.err.substr(0, 500));
  REQUIRE(outcome.exited(0));
  const std::string bytes = read_file(counter);
  std::uint64_t count = 0;
  REQUIRE(bytes.size() >= sizeof count);
  std::memcpy(&count, bytes.data(), sizeof count);
  return count;
}

}  // namespace

// Rewriting allocates what it needs once, when the first site is hot.
TEST_CASE("calls take no memory from the heap", "[allocation]") {
  const std::uint64_t few = allocations("100", {});
  CHECK(few > 0);  // else nothing is counted at all
  CHECK(allocations("2000", {}) == few);
}

TEST_CASE("trapped calls take no memory from the heap", "[allocation]") {
  CHECK(allocations("2000", {"--no-rewrite"}) == allocations("2", {"--no-rewrite"}));
}

TEST_CASE("traced calls take no memory from the heap", "[allocation]") {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"--trace", "--summary"},
        {"--trace=descriptor,!read", "--trace-format=json", "--trace-time=absolute", "--summary"},
        {"--inject=read:short=8", "--inject=close:error=EIO:when=2+3", "--trace-time=delta"}})
    CHECK(allocations("500", options) == allocations("100", options));
}
