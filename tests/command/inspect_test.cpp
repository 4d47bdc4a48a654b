// `sudrun inspect` on the guests of the tests.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

Outcome inspected_with(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), sudrun_binary());
  Command command;
  command.argv = std::move(arguments);
  return run(command);
}

const nlohmann::json* row_of(const nlohmann::json& report, std::string_view name) {
  for (const auto& row : report.at("calls"))
    if (row.contains("name") && row.at("name") == name) return &row;
  return nullptr;
}

}  // namespace

TEST_CASE("inspect describes a program, finds its numbers and does not run it", "[inspect]") {
  const Outcome outcome = inspected_with({"inspect", guest("hello")});
  INFO(outcome);
  CHECK(outcome.err.empty());
  for (const char* part :
       {"freebsd-amd64", "FreeBSD 14.0", "segments:", "call instructions:", "write", "verdict:"})
    CHECK_THAT(outcome.out, Catch::Contains(part));
  CHECK_THAT(outcome.out, !Catch::Contains("Hello from"));
}

TEST_CASE("known numbers are found in the guests of each system", "[inspect]") {
  for (const auto& [name, abi] : {std::pair{"calls", "freebsd-amd64"},
                                  {"calls-pie", "freebsd-amd64"},
                                  {"netbsd-basics", "netbsd-amd64"},
                                  {"dragonfly-basics", "dragonfly-amd64"}}) {
    const Outcome outcome = inspected_with({"inspect", "--json", guest(name)});
    INFO(name << "\n" << outcome.err);
    const auto report = nlohmann::json::parse(outcome.out);
    CHECK(report.at("abi") == abi);
    for (const char* call : {"write", "exit"}) {
      const auto* const row = row_of(report, call);
      INFO(call);
      REQUIRE(row != nullptr);
      CHECK(row->at("support") == "full");
      CHECK(row->at("called") == true);
    }
  }
}

TEST_CASE("calls that no kernel has are named in the verdict", "[inspect]") {
  const Outcome outcome = inspected_with({"inspect", guest("netbsd-basics")});
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK_THAT(lines_of(outcome.out).back(), Catch::Contains("will run as long as it does not call 510"));
}

TEST_CASE("stripped programs say the same numbers", "[inspect]") {
  const TemporaryDirectory directory;
  Command strip;
  strip.argv = {"/usr/bin/env", "strip", "-o", directory / "stripped", guest("netbsd-basics")};
  REQUIRE(run(strip).exited(0));
  const auto numbers = [](const Outcome& outcome) {
    std::vector<unsigned> all;
    for (const auto& row : nlohmann::json::parse(outcome.out).at("calls")) all.push_back(row.at("number"));
    return all;
  };
  CHECK(numbers(inspected_with({"inspect", "--json", directory / "stripped"})) ==
        numbers(inspected_with({"inspect", "--json", guest("netbsd-basics")})));
}

TEST_CASE("a dynamic program is looked into with its libraries", "[inspect]") {
  const Outcome alone = inspected_with({"inspect", guest("dynamic")});
  INFO(alone);
  CHECK(alone.exited(2));
  CHECK_THAT(lines_of(alone.out).back(), Catch::Contains("ld-elf.so.1") && Catch::Contains("--sysroot"));

  const TemporaryDirectory root;
  for (const auto& [file, place] :
       {std::pair{"dynamic-ld", "libexec/ld-elf.so.1"}, {"libtiny.so.1", "lib/libtiny.so.1"}}) {
    std::filesystem::create_directories((root.path() / place).parent_path());
    std::filesystem::copy_file(guest(file), root.path() / place);
  }
  const Outcome outcome =
      inspected_with({"inspect", "--json", "--sysroot", root.path().string(), guest("dynamic")});
  INFO(outcome);
  const auto report = nlohmann::json::parse(outcome.out);
  CHECK(report.at("verdict") != "cannot-run");
  REQUIRE(report.at("files").size() == 3);
  CHECK(report.at("files")[1].at("role") == "interpreter");
  CHECK(report.at("files")[2].at("file") == "/lib/libtiny.so.1");
}

TEST_CASE("inspect writes a report that stands for itself", "[inspect]") {
  const TemporaryDirectory directory;
  const Outcome outcome = inspected_with({"inspect", "--html", directory / "report.html", guest("hello")});
  INFO(outcome);
  const std::string html = read_file(directory.path() / "report.html");
  CHECK_THAT(html, Catch::StartsWith("<!DOCTYPE html>") && Catch::Contains("syscall") &&
                       Catch::EndsWith("</html>\n"));
  CHECK(inspected_with({"inspect", "--html", "/nonexistent/x", guest("hello")}).exited(125));
}

TEST_CASE("inspect's own mistakes are one line and sudrun's exit statuses", "[inspect]") {
  const auto expect = [](const Outcome& outcome, int status) {
    INFO(outcome);
    CHECK(outcome.exited(status));
    CHECK(outcome.out.empty());
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK_THAT(outcome.err, Catch::StartsWith("sudrun: "));
  };
  expect(inspected_with({"inspect"}), 125);
  expect(inspected_with({"inspect", "--no-such-option", guest("hello")}), 125);
  expect(inspected_with({"inspect", "--abi=no-such-abi", guest("hello")}), 125);
  expect(inspected_with({"inspect", "/nonexistent/program"}), 127);
  expect(inspected_with({"inspect", "/"}), 126);
}

TEST_CASE("files of all kinds give a verdict", "[inspect]") {
  const TemporaryDirectory directory;
  const auto verdict = [&](std::string_view bytes, bool executable = true) {
    write_file(directory / "file", bytes, executable);
    const Outcome outcome = inspected_with({"inspect", directory / "file"});
    INFO(outcome);
    CHECK(outcome.exited(2));
    return lines_of(outcome.out).back();
  };
  CHECK_THAT(verdict(""), Catch::Contains("the file is empty"));
  CHECK_THAT(verdict("plain text"), Catch::Contains("not an ELF file"));
  CHECK_THAT(verdict("#!/bin/sh\n"), Catch::Contains("/bin/sh"));
  std::filesystem::remove(directory / "file");
  CHECK_THAT(verdict(read_file(guest("hello")), false), Catch::Contains("chmod"));
}

TEST_CASE("a program may be called like a tool", "[inspect]") {
  const TemporaryDirectory directory;
  for (const char* name : {"inspect", "doctor"}) {
    std::filesystem::copy_file(guest("hello"), directory / name);
    Command command = sudrun_command({std::string("./") + name});
    command.cwd = directory.path();
    const Outcome with_path = run(command);
    INFO(with_path);
    CHECK(with_path.exited(0));
    CHECK(with_path.out == "Hello from FreeBSD\n");
    command = sudrun_command({"--", name});
    command.cwd = directory.path();
    const Outcome after_dashes = run(command);
    INFO(after_dashes);
    CHECK(after_dashes.out == "Hello from FreeBSD\n");
  }
}
