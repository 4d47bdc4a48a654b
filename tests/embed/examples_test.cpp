// The examples of docs/embedding.md, built as it says and run.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/embed/code.hpp"
#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

std::string example(const std::string& name) {
  const char* directory = std::getenv("SUDRUN_EXAMPLES");
  if (directory == nullptr) throw std::runtime_error("SUDRUN_EXAMPLES is not set");
  return std::string(directory) + "/" + name;
}
std::string source(const std::string& name) {
  return std::string(std::getenv("SUDRUN_SOURCE")) + "/examples/embedding/" + name;
}

}  // namespace

TEST_CASE("the documentation has the examples as they are", "[examples]") {
  const auto text = [](const std::string& path) {
    std::ifstream file(path);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string page = text(std::string(std::getenv("SUDRUN_SOURCE")) + "/docs/embedding.md");
  for (const std::string name : {"run.c", "console.yaml"}) {
    INFO(name);
    const std::string example = text(source(name));
    CHECK(example.size() > 100);
    CHECK(page.find(example) != std::string::npos);
  }
}

TEST_CASE("the reference is what the header says", "[examples]") {
  const std::string root = std::getenv("SUDRUN_SOURCE");
  const Outcome outcome = run({.argv = {"python3", root + "/embed/list_api.py",
                                        root + "/include/sudrun/sudrun.h", root + "/docs/api.md"}});
  CHECK(outcome.err == "");
  CHECK(outcome.exited(0));
}

TEST_CASE("run, in C and in C++", "[examples]") {
  const std::string name = GENERATE("run-c", "run-cpp");
  const Outcome outcome = run({.argv = {example(name), guest_file("hello")}});
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "Hello from FreeBSD\nexited with 0 after 2 calls\n");
  const Outcome none = run({.argv = {example(name), "/nowhere"}});
  CHECK(none.exited(1));
  CHECK_THAT(none.err, Catch::Contains("/nowhere: No such file or directory"));
}

TEST_CASE("a console whose system is a table", "[examples]") {
  const Outcome outcome = run({.argv = {example("console"), source("console.yaml"), example("cartridge")}});
  CHECK(outcome.err == "");
  CHECK(outcome.out == "[2,3] hello, player\n[0,0] no such place\nscore 82\n");
  CHECK(outcome.exited(0));
}

TEST_CASE("files that are nowhere", "[examples]") {
  const Outcome outcome = run({.argv = {example("files"), example("reader"), "/data/greeting"}});
  CHECK(outcome.out == "hello from a file that is nowhere\n");
  CHECK(outcome.exited(0));
  CHECK(run({.argv = {example("files"), example("reader"), "/data/other"}}).exited(2));  // ENOENT
}

TEST_CASE("ten thousand guests", "[examples]") {
  const Outcome outcome = run({.argv = {example("many"), "10000"}});
  CHECK(outcome.err == "");
  CHECK(outcome.out == "10000 guests suspended; sum 50025000, expected 50025000\n");
}
