// esbuild for each system: the largest real program here, and one whose output can be compared byte for byte.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <optional>
#include <regex>

#include "tests/real/programs.hpp"
#include "tests/support/running.hpp"

using namespace sudrun::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::string file_for(const std::string& system) { return "esbuild-" + system + "-x64/bin/esbuild"; }
const std::string kNative = "esbuild-linux-x64/bin/esbuild";

Command esbuild(const std::string& system, std::vector<std::string> arguments, const fs::path& cwd = {}) {
  Command command = program(file_for(system), std::move(arguments));
  command.cwd = cwd;
  return command;
}

/// A test that asks for it is run for each.
std::string any_system() { return GENERATE(as<std::string>(), "freebsd", "netbsd"); }

/// A project that imports all of three.
void write_three_project(const TemporaryDirectory& dir) {
  fs::create_directory(dir / "node_modules");
  fs::create_directory_symlink(download("three"), dir / "node_modules/three");
  write_file(dir / "entry.js",
             "import * as all from 'three';\n"
             "import { OrbitControls } from 'three/examples/jsm/controls/OrbitControls.js';\n"
             "console.log(all, OrbitControls);\n");
}

std::vector<std::string> bundle_to(const std::string& file) {
  return {"entry.js",         "--bundle", "--minify", "--sourcemap", "--format=esm", "--log-level=warning",
          "--outfile=" + file};
}

/// Two loops that keep two processors busy as long as the object lives.
struct BusyProcessors {
  static Command loop() {
    Command command;
    command.argv = {"sh", "-c", "while :; do :; done"};
    return command;
  }
  Running first{loop()}, second{loop()};
};

void bundle_and_compare(int runs) {
  const std::string system = any_system();
  INFO(system);
  const TemporaryDirectory dir;
  write_three_project(dir);
  Command native;
  native.argv = bundle_to("native/out.js");
  native.argv.insert(native.argv.begin(), download(kNative));
  native.cwd = dir.path();
  const Outcome expected = run(native);
  INFO(expected);
  REQUIRE(expected.exited(0));
  const std::string script = read_file(dir / "native/out.js"), map = read_file(dir / "native/out.js.map");
  REQUIRE(script.size() > 300'000);
  for (int i = 1; i <= runs; ++i) {
    fs::remove_all(dir / "foreign");
    const Outcome outcome = run(esbuild(system, bundle_to("foreign/out.js"), dir.path()));
    INFO("run " << i << ": " << outcome);
    REQUIRE(outcome.exited(0));
    CHECK(outcome.err.empty());
    REQUIRE((read_file(dir / "foreign/out.js") == script));
    REQUIRE((read_file(dir / "foreign/out.js.map") == map));
  }
}

std::string url_in(const std::string& text) {
  std::smatch found;
  return std::regex_search(text, found, std::regex("http://127\\.0\\.0\\.1:[0-9]+/")) ? found.str() : "";
}

}  // namespace

TEST_CASE("esbuild says its version") {
  const std::string system = any_system();
  INFO(system);
  const Outcome outcome = run(esbuild(system, {"--version"}));
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "0.28.2\n");
  CHECK(outcome.err.empty());
}

TEST_CASE("esbuild bundles three as the native esbuild does, 40 times of 40") { bundle_and_compare(40); }

TEST_CASE("esbuild bundles three as the native esbuild does, 10 times of 10 on busy processors") {
  const BusyProcessors busy;
  bundle_and_compare(10);
}

TEST_CASE("esbuild transforms standard input") {
  const std::string system = any_system();
  INFO(system);
  Command command = esbuild(system, {"--loader=ts", "--minify"});
  command.input = "enum Colour { Red, Green }\nexport const pick = (c: Colour): string => Colour[c];\n";
  Command native = command;
  native.argv = {download(kNative), "--loader=ts", "--minify"};
  const Outcome outcome = run(command), expected = run(native);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == expected.out);
  CHECK_THAT(outcome.out, Contains("Green"));

  command.input = "let broken = ;";
  const Outcome failed = run(command);
  INFO(failed);
  CHECK(failed.exited(1));
  CHECK_THAT(failed.err, Contains("Unexpected \";\""));
}

TEST_CASE("esbuild reports errors on a terminal") {
  const std::string system = any_system();
  INFO(system);
  const TemporaryDirectory dir;
  write_file(dir / "bad.js", "let broken = ;\n");
  Command command = esbuild(system, {"bad.js"}, dir.path());
  command.terminal = true;
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(1));
  CHECK_THAT(outcome.out, Contains("bad.js:1:13:"));
}

TEST_CASE("esbuild --watch builds again when a file changes") {
  const std::string system = any_system();
  INFO(system);
  const TemporaryDirectory dir;
  write_file(dir / "in.js", "import './part.js'\n");
  write_file(dir / "part.js", "console.log('text 0')\n");
  Running watcher(esbuild(system, {"in.js", "--bundle", "--outfile=out.js", "--watch"}, dir.path()));
  INFO(watcher.err());
  REQUIRE(watcher.wait_for("watching for changes", true));
  CHECK_THAT(read_file(dir / "out.js"), Contains("text 0"));
  for (int i = 1; i <= 3; ++i) {
    const std::size_t seen = watcher.err().size();
    const std::string text = "text " + std::to_string(i);
    write_file(dir / "part.js", "console.log('" + text + "')\n");
    REQUIRE(watcher.wait_for("build finished", true, seen));
    CHECK_THAT(read_file(dir / "out.js"), Contains(text));
  }
  watcher.close_input();
  const Outcome outcome = watcher.finish();
  INFO(outcome);
  CHECK(outcome.exited(0));
}

TEST_CASE("esbuild --serve answers hundreds of requests at once") {
  const std::string system = any_system();
  INFO(system);
  const int ending = GENERATE(SIGTERM, SIGINT);
  const TemporaryDirectory dir;
  write_three_project(dir);
  write_file(dir / "small.txt", "a small file\n");
  REQUIRE(run(esbuild(system, {"entry.js", "--bundle", "--outfile=bundle.js"}, dir.path())).exited(0));
  Running server(esbuild(system, {"--serve=127.0.0.1:0", "--servedir=."}, dir.path()));
  REQUIRE(server.wait_for("/\n", true));
  const std::string url = url_in(server.err());
  INFO(server.err());
  REQUIRE_FALSE(url.empty());
  for (int round = 0; round < 3; ++round) {
    Command requests;
    requests.argv = {"node",
                     source_file("tests/real/requests.cjs"),
                     url,
                     "400",
                     dir / "small.txt",
                     dir / "bundle.js",
                     dir / "entry.js"};
    const Outcome answers = run(requests);
    INFO(answers);
    REQUIRE(answers.exited(0));
    CHECK(answers.out == "400 answered\n");
  }
  server.signal(ending);
  const Outcome outcome = server.finish();
  CHECK((outcome.killed_by(ending) || outcome.exited(0)));
}

TEST_CASE("esbuild's Node library works through sudrun") {
  const std::string system = any_system();
  INFO(system);
  const TemporaryDirectory dir;
  write_wrapper(dir / "esbuild", file_for(system));
  fs::create_directory(dir / "project");
  Command command;
  command.argv = {"node", source_file("tests/real/service.cjs"), download("esbuild/lib/main.js"),
                  dir / "project"};
  command.set_env["ESBUILD_BINARY_PATH"] = dir / "esbuild";
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  CHECK(outcome.out == "ok\n");
}
