// --trace with its filters, times and formats, one file per process, and --summary over children.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "tests/support/run.hpp"

using namespace sudrun::test;
using nlohmann::json;

namespace {

/// The lines that `options` make the guest's topic write, which must end well.
std::vector<std::string> trace(std::vector<std::string> options, std::vector<std::string> guest_and_topic) {
  guest_and_topic[0] = guest(guest_and_topic[0]);
  options.insert(options.end(), guest_and_topic.begin(), guest_and_topic.end());
  const TemporaryDirectory directory;
  Command command = sudrun_command(options);
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  return lines_of(outcome.err);
}

/// The calls that stand in lines, without those of how the program ended.
std::set<std::string> calls_in(const std::vector<std::string>& lines) {
  static const std::regex pattern(R"(^\[\d+(/\d+)?\] (\w+)\()");
  std::set<std::string> names;
  for (const std::string& line : lines) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) names.insert(match[2]);
  }
  return names;
}

std::vector<json> objects(const std::vector<std::string>& lines) {
  std::vector<json> all;
  for (const std::string& line : lines) {
    INFO(line);
    all.push_back(json::parse(line));
  }
  return all;
}

/// A row of the summary: what stands under `calls` and `errors`.
std::map<std::string, std::pair<long, long>> counts(const std::string& table) {
  std::map<std::string, std::pair<long, long>> rows;
  for (const std::string& line : lines_of(table)) {
    double share = 0, seconds = 0;
    long calls = 0, errors = 0;
    if (std::sscanf(line.c_str(), "%lf %lf %ld %ld", &share, &seconds, &calls, &errors) != 4) continue;
    rows[line.substr(line.rfind(' ') + 1)] = {calls, errors};
  }
  return rows;
}

}  // namespace

TEST_CASE("--trace=CALLS shows these calls only", "[trace]") {
  using Names = std::set<std::string>;
  CHECK(calls_in(trace({"--trace=readv,unlink"}, {"traced", "structures"})) == Names{"readv", "unlink"});
  CHECK(calls_in(trace({"--trace=%file"}, {"traced", "structures"})) == Names{"openat", "unlink"});
  CHECK(calls_in(trace({"--trace=file,!openat"}, {"traced", "structures"})) == Names{"unlink"});
  CHECK(calls_in(trace({"--trace=file", "--trace=readv"}, {"traced", "structures"})) ==
        Names{"openat", "unlink", "readv"});
  CHECK(calls_in(trace({"--trace=network"}, {"traced", "messages"})) ==
        Names{"socketpair", "sendmsg", "recvmsg", "socket", "setsockopt", "bind"});
  const Names most = calls_in(trace({"--trace=!descriptor"}, {"traced", "structures"}));
  CHECK(most.contains("exit"));
  CHECK_FALSE(most.contains("fstat"));
  CHECK(calls_in(trace({"-t"}, {"hello"})) == Names{"write", "exit"});
}

TEST_CASE("a wrong list of calls is 125 and one line", "[trace]") {
  for (const auto& [list, message] :
       {std::pair{"netwrok",
                  "`netwrok` is no call of freebsd-amd64 and no class of calls; did you mean `network`?"},
        {"read,", "`read,` has an empty place in its list of calls"}}) {
    const Outcome outcome = run_sudrun({std::string("--trace=") + list, guest("hello")});
    INFO(outcome);
    CHECK(outcome.exited(125));
    CHECK(outcome.out.empty());
    CHECK(outcome.err == std::string("sudrun: --trace: ") + message + "\n");
  }
  const Outcome separately = run_sudrun({"-t", "--output-separately", guest("hello")});
  INFO(separately);
  CHECK(separately.exited(125));
  CHECK(separately.err == "sudrun: --output-separately: to which file? expected --output FILE as well\n");
}

TEST_CASE("names that a program of another system lacks do not stop it", "[trace]") {
  const TemporaryDirectory directory;
  Command command = sudrun_command({"--trace=kevent,execve,read", "--inject=kevent:error=ENOTCAPABLE",
                                    "--output=trace", guest("exec"), "itself"});
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
}

TEST_CASE("--trace-time says when calls began and how long they took", "[trace]") {
  const auto matching = [](const char* when, const char* pattern) {
    const auto lines = trace({"--trace", std::string("--trace-time=") + when}, {"hello"});
    REQUIRE(lines.size() == 3);
    INFO(lines[0]);
    CHECK(
        std::regex_match(lines[0], std::regex(pattern + std::string(R"( write\(1, .*\) = 19 <0\.\d{6}>)"))));
    CHECK_THAT(lines[1], Catch::Contains("exit(0 <unfinished ...>"));
  };
  matching("relative", R"(\[\d+\] 0\.\d{6})");
  matching("delta", R"(\[\d+\] 0\.\d{6})");
  matching("absolute", R"(\[\d+\] 20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{6}Z)");
  const auto plain = trace({"--trace", "--trace-time=none"}, {"hello"});
  CHECK_THAT(plain[0], Catch::EndsWith("= 19"));
}

TEST_CASE("time spent in a call is time", "[trace]") {
  const auto lines = objects(trace(
      {"--trace=read", "--trace-format=json", "--trace-time=relative", "--inject=read:delay_enter=20000"},
      {"injected", "reads", "3"}));
  REQUIRE(lines.size() == 4);
  double before = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(lines[i]["duration"].get<double>() >= 0.02);
    CHECK(lines[i]["time"].get<double>() >= before + (i == 0 ? 0 : 0.02));
    CHECK(lines[i]["injected"] == true);
    before = lines[i]["time"].get<double>();
  }
}

TEST_CASE("--trace-format=json writes one object a line", "[trace]") {
  const auto lines = objects(trace({"--trace-format=json"}, {"traced", "structures"}));
  REQUIRE(lines.size() > 10);
  const json& opened = lines.front();
  CHECK(opened["call"] == "openat");
  CHECK(opened["number"] == 499);
  CHECK(opened["args"]["path"] == "traced.tmp");
  CHECK(opened["args"]["flag"] == "O_RDWR|O_CREAT|O_TRUNC");
  CHECK(opened["result"] == 3);
  CHECK(opened["error"].is_null());
  CHECK(opened["pid"] == opened["tid"]);
  CHECK(opened["time"].get<double>() > 1e9);
  CHECK(lines.back()["event"] == "exited");
  CHECK(lines.back()["status"] == 0);
  for (const char* topic : {"events", "messages", "signal_lines"})
    CHECK(objects(trace({"--trace-format=json"}, {"traced", topic})).size() > 5);
}

TEST_CASE("JSON has names of any bytes", "[trace]") {
  const auto lines = objects(trace({"--trace=open", "--trace-format=json"}, {"injected", "names"}));
  REQUIRE(lines.size() == 5);
  CHECK(lines[0]["args"]["path"] == json{{"hex", "6e6f6e652ffffe"}});
  CHECK(lines[0]["error"] == "ENOENT");
  CHECK(lines[0]["errno"] == 2);
  CHECK(lines[1]["args"]["path"] == "none/\"\\\n\t\x01\x7f");
  CHECK(lines[2]["args"]["path"] == "none/\xc3\xa9");
  CHECK(lines[3]["args"]["path"] == json{{"hex", "6e6f6e652feda080"}});
}

TEST_CASE("threads and children have numbers of their own", "[trace]") {
  std::set<int> threads, processes;
  for (const json& line : objects(trace({"--trace-format=json"}, {"threads", "fork_with_threads"}))) {
    threads.insert(line["tid"].get<int>());
    processes.insert(line["pid"].get<int>());
  }
  CHECK(processes.size() > 1);
  CHECK(threads.size() > processes.size());
  bool thread_seen = false;
  for (const std::string& line : trace({"--trace"}, {"threads", "fork_with_threads"})) {
    INFO(line);
    CHECK(std::regex_search(line, std::regex(R"(^\[\d+(/\d+)?\] )")));
    thread_seen |= std::regex_search(line, std::regex(R"(^\[\d+/\d+\] )"));
  }
  CHECK(thread_seen);
}

TEST_CASE("lines of many threads and processes do not mix", "[trace]") {
  const TemporaryDirectory directory;
  for (const auto& [name, topic] : {std::pair{"threads", "many_at_once"}, {"exec", "scripts"}}) {
    Command command = sudrun_command({"--trace-format=json", "-o", "trace", guest(name), topic});
    command.cwd = directory.path();
    run(command);
    CHECK(objects(lines_of(read_file(directory / "trace"))).size() > 20);
  }
}

TEST_CASE("--output-separately gives each process a file", "[trace]") {
  const TemporaryDirectory directory;
  Command command = sudrun_command({"-t", "-o", "trace", "--output-separately", guest("injected"), "family"});
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    const std::string pid = entry.path().extension().string().substr(1);
    ++files;
    for (const std::string& line : lines_of(read_file(entry.path()))) {
      INFO(entry.path() << ": " << line);
      CHECK_THAT(line, Catch::StartsWith("[" + pid + "] "));
    }
    CHECK_THAT(read_file(entry.path()), Catch::Contains("+++ exited with 0 +++"));
  }
  CHECK(files == 2);
}

TEST_CASE("a program that is executed goes on in its process's file", "[trace]") {
  const TemporaryDirectory directory;
  Command command =
      sudrun_command({"--trace=read", "-o", "trace", "--output-separately", guest("injected"), "execute"});
  command.cwd = directory.path();
  const Outcome outcome = run(command);
  INFO(outcome);
  CHECK(outcome.exited(0));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    files.push_back(entry.path());
  REQUIRE(files.size() == 1);
  const auto lines = lines_of(read_file(files[0]));
  CHECK(lines.size() == 2 + 1 + 3 + 1);
}

TEST_CASE("--summary counts children and programs that are executed, in one table", "[trace]") {
  for (const auto& [topic, reads] : {std::pair{"family", 6L}, {"execute", 5L}, {"reads", 3L}}) {
    const Outcome outcome = run_sudrun({"-c", "--inject=read:error=EIO:when=2", guest("injected"), topic});
    INFO(outcome);
    CHECK(outcome.exited(0));
    const auto lines = lines_of(outcome.err);
    CHECK(std::count_if(lines.begin(), lines.end(),
                        [](const auto& line) { return line.starts_with("% time"); }) == 1);
    const auto rows = counts(outcome.err);
    REQUIRE(rows.contains("read"));
    CHECK(rows.at("read") == std::pair{reads, topic == std::string("reads") ? 1L : 2L});
    if (rows.contains("fork")) CHECK(rows.at("fork").first == 1);
  }
}

TEST_CASE("--summary has rows by their time, and times that fit together", "[trace]") {
  const Outcome outcome =
      run_sudrun({"-c", "--inject=read:delay_enter=20000:when=10", guest("injected"), "reads", "10"});
  INFO(outcome);
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() > 3);
  double share = 0, seconds = 0, mean = 0, least = 0, p50 = 0, p95 = 0, p99 = 0, most = 0;
  long calls = 0, errors = 0;
  REQUIRE(std::sscanf(lines[1].c_str(), "%lf %lf %ld %ld %lf %lf %lf %lf %lf %lf read", &share, &seconds,
                      &calls, &errors, &mean, &least, &p50, &p95, &p99, &most) == 10);
  CHECK(calls == 10);
  CHECK(seconds >= 0.02);
  CHECK(most >= 20'000);
  CHECK(least <= p50);
  CHECK(p50 < 20'000);
  CHECK(p50 <= p95);
  CHECK(p95 <= p99);
  CHECK(p99 <= most);
  CHECK(p99 > 10'000);
  CHECK(mean == Approx(seconds * 1e6 / 10).margin(1));
}

TEST_CASE("--summary counts what --trace names", "[trace]") {
  const TemporaryDirectory directory;
  const Outcome outcome =
      run_sudrun({"-c", "--trace=read", "-o", directory / "out", guest("injected"), "reads", "4"});
  INFO(outcome);
  const auto rows = counts(read_file(directory / "out"));
  CHECK(rows.size() == 2);  // and the total
  CHECK(rows.at("read").first == 4);
}

TEST_CASE("an execution that fails leaves counting and tracing as they were", "[trace]") {
  const Outcome outcome = run_sudrun({"-c", guest("injected"), "execute-missing"});
  INFO(outcome);
  CHECK(outcome.exited(0));
  const auto rows = counts(outcome.err);
  CHECK(rows.at("read").first == 1);
  CHECK(rows.at("execve") == std::pair{1L, 1L});
  CHECK(outcome.err.find("% time") == outcome.err.rfind("% time"));
  const auto lines = trace({"-t"}, {"injected", "execute-missing"});
  CHECK(
      std::none_of(lines.begin(), lines.end(), [](const auto& line) { return contains(line, "executes"); }));
}
