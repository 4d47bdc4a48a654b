// Lists of calls, as --trace and --inject take them, and the classes in them.
#include "abi/call_set.hpp"

#include <catch2/catch.hpp>

#include <set>

#include "abi/builtin.hpp"
#include "abi/spelling.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using sudrun::test::kGuestYaml;
using sudrun::test::replaced;
using sudrun::test::SmallTable;

namespace {

const std::string kWithClasses = replaced(kGuestYaml, "calls:\n",
                                          "classes: {network: [connect, accept], process: [execve, exit], "
                                          "time: [nanosleep, getclock]}\ncalls:\n");

std::set<std::string> named(const Table& table, const CallSet& calls) {
  std::set<std::string> names;
  for (const Entry& entry : table.entries())
    if (calls.contains(entry)) names.emplace(table.string(entry.name));
  return names;
}

struct Fixture {
  SmallTable table{kWithClasses};
  using Names = std::set<std::string>;

  Names of(std::string_view text) { return named(*table, parse_calls(text, *table)); }
  std::string error(std::string_view text) {
    try {
      parse_calls(text, *table);
    } catch (const OptionError& error) {
      return error.what();
    }
    return "none";
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "calls are named one by one and by class", "[calls]") {
  CHECK(of("read") == Names{"read"});
  CHECK(of("read,write") == Names{"read", "write"});
  CHECK(of("network") == Names{"connect", "accept"});
  CHECK(of("%network,read") == Names{"connect", "accept", "read"});
  CHECK(of("net") == of("network"));
  CHECK(of("clock") == of("time"));
}

TEST_CASE_METHOD(Fixture, "roles say which calls take files and descriptors", "[calls]") {
  CHECK(of("file") == Names{"open", "execve", "openat"});
  CHECK(of("descriptor") == Names{"read", "write", "open", "connect", "accept", "writev", "openat"});
}

TEST_CASE_METHOD(Fixture, "what is taken out stays out, wherever it stands", "[calls]") {
  CHECK(of("file,!open") == Names{"execve", "openat"});
  CHECK(of("!open,file") == Names{"execve", "openat"});
  CHECK(of("file,!descriptor") == Names{"execve"});
  CHECK(of("all").size() == table->entries().size());
  CHECK(of("!read").size() == table->entries().size() - 1);
  CHECK(of("all,!all").empty());
}

TEST_CASE_METHOD(Fixture, "numbers without a row are in a list that begins with all calls", "[calls]") {
  const Entry& unknown = table->entry(9999);
  CHECK(parse_calls("all", *table).contains(unknown));
  CHECK(parse_calls("!read", *table).contains(unknown));
  CHECK_FALSE(parse_calls("read", *table).contains(unknown));
}

TEST_CASE_METHOD(Fixture, "a wrong list of calls is refused with what was meant", "[calls]") {
  const std::string classes =
      "all, file, descriptor, network, process, thread, signal, memory, time, ipc, credentials";
  CHECK(error("raed") == "`raed` is no call of guest and no class of calls; did you mean `read`?");
  CHECK(error("read,netwrok") ==
        "`netwrok` is no call of guest and no class of calls; did you mean `network`?");
  CHECK(error("!OPEN") == "`OPEN` is no call of guest and no class of calls; did you mean `open`?");
  CHECK(error("xyzzyxyzzy") ==
        "`xyzzyxyzzy` is no call of guest and no class of calls; expected the name of a call, or one of " +
            classes);
  CHECK(error("%read") ==
        "`read` is no call of guest and no class of calls; expected the name of a call, or one of " +
            classes);
  CHECK(error("read,,write") == "`read,,write` has an empty place in its list of calls");
  CHECK(error("") == "`` has an empty place in its list of calls");
  CHECK(error("!") == "`!` has an empty place in its list of calls");
}

TEST_CASE_METHOD(Fixture, "a name behind a question mark need not exist", "[calls]") {
  CHECK(of("?read,?kqueue") == Names{"read"});
  CHECK(of("?kqueue").empty());
  CHECK(of("!?kqueue") == of("all"));
  CHECK(tolerant_calls("read,!%file,?x,all") == "?read,!?%file,?x,?all");
  CHECK(of(tolerant_calls("file,!open")) == of("file,!open"));
}

TEST_CASE("a class or a call that does not exist is refused where it stands", "[calls]") {
  const auto complaint = [](const char* classes) -> std::string {
    try {
      parse_table(replaced(kGuestYaml, "calls:\n", std::string(classes) + "\ncalls:\n"), "t");
    } catch (const TableError& error) {
      return error.what();
    }
    return "none";
  };
  CHECK_THAT(complaint("classes: {netwrok: [read]}"),
             Catch::Contains(":11: unknown key `netwrok` in `classes`; did you mean `network`?"));
  CHECK_THAT(complaint("classes: {file: [raed]}"),
             Catch::Contains(":18: `raed` is not in `calls`; did you mean `read`?"));
}

TEST_CASE("every built-in table has calls of every class", "[calls]") {
  for (const std::string_view abi : builtin_abis()) {
    const Table table = *builtin_table(abi);
    for (const std::string_view one : kCallClassNames) {
      INFO(abi << " " << one);
      CHECK_FALSE(parse_calls(one, table).empty());
    }
    CHECK(named(table, parse_calls("network", table)).contains("sendto"));
    CHECK(named(table, parse_calls("process", table)).contains("fork"));
    CHECK(named(table, parse_calls("file", table)).contains("execve"));
    CHECK_FALSE(named(table, parse_calls("file", table)).contains("write"));
  }
}

TEST_CASE("a slip is told from another word", "[calls]") {
  const std::vector<std::string_view> names{"network", "process", "read", "pread"};
  CHECK(did_you_mean("nework", names, "x") == "; did you mean `network`?");
  CHECK(did_you_mean("porcess", names, "x") == "; did you mean `process`?");
  CHECK(did_you_mean("reda", names, "x") == "; did you mean `read`?");
  CHECK(did_you_mean("Read", names, "x") == "; did you mean `read`?");
  CHECK(did_you_mean("process", names, "x") == "; expected x");
  CHECK(did_you_mean("write", names, "x") == "; expected x");
  CHECK(did_you_mean("", names, "x") == "; expected x");
}
