// The tables frozen into the program, against the personalities and the system's own headers.
#include "abi/builtin.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "abi/personality.hpp"
#include "abi/table_freeze.hpp"

using namespace sudrun::abi;

namespace {

const char* const kAbis[] = {"dragonfly-amd64", "freebsd-amd64", "linux-amd64", "netbsd-amd64"};

Table builtin(std::string_view abi) {
  const auto table = builtin_table(abi);
  REQUIRE(table);
  return *table;
}

}  // namespace

TEST_CASE("built-in tables are found by name") {
  for (const char* const abi : kAbis) CHECK(builtin(abi).abi() == abi);
  CHECK_FALSE(builtin_table("freebsd"));
  CHECK_FALSE(builtin_table(""));
  REQUIRE(builtin_abis().size() == std::size(kAbis));
  CHECK(std::equal(builtin_abis().begin(), builtin_abis().end(), std::begin(kAbis)));
}

TEST_CASE("built-in tables need not be checked when they are used") {
  REQUIRE(detail::builtin_blocks().size() == std::size(kAbis));
  for (const BuiltinBlock& block : detail::builtin_blocks()) CHECK(Table::wrap(std::as_bytes(block.words)));
}

TEST_CASE("every handler is named by a row of a table, and every row names one its system has") {
  std::set<std::string> named, known;
  for (const std::string_view abi : builtin_abis()) {
    const Table table = builtin(abi);
    std::set<std::string> own;
    for (const HandlerEntry& entry : handlers_of(table.personality())) own.emplace(entry.name);
    for (const Entry& entry : table.entries()) {
      if (entry.action != Action::handler) continue;
      const std::string name(table.string(table.handler_names()[entry.target]));
      CHECK(own.contains(name));
      named.insert(name);
    }
    known.merge(own);
  }
  CHECK(named == known);
}

TEST_CASE("handlers have their numbers in their system's table, and of two of one name the first is meant") {
  for (const std::string_view abi : builtin_abis()) {
    const Table table = builtin(abi);
    const auto known = handlers_of(table.personality());
    REQUIRE(table.handler_names().size() == known.size());
    std::set<std::string_view> names;
    std::vector<bool> is_first;
    for (std::size_t i = 0; i < known.size(); ++i) {
      CHECK(table.string(table.handler_names()[i]) == known[i].name);
      is_first.push_back(names.insert(known[i].name).second);
    }
    for (const Entry& entry : table.entries())
      if (entry.action == Action::handler) CHECK(is_first[entry.target]);
  }
}

TEST_CASE("the native table names every error of this system") {
  const Table native = builtin("linux-amd64");
  for (int number = 1; number < 256; ++number) {
    const char* const name = strerrorname_np(number);
    if (name == nullptr) continue;
    CHECK(native.errno_name(number) == name);
    CHECK(native.errno_to_guest(number) == number);
  }
}

TEST_CASE("every error of this system has a named form in every table") {
  for (const std::string_view abi : builtin_abis()) {
    const Table table = builtin(abi);
    for (int number = 1; number < 256; ++number) {
      if (strerrorname_np(number) == nullptr) continue;
      INFO(abi << ": " << strerrorname_np(number));
      CHECK_FALSE(table.errno_name(table.errno_to_guest(number)).empty());
    }
  }
}

TEST_CASE("the native table names every signal of this system") {
  const Table native = builtin("linux-amd64");
  for (int number = 1; number < 32; ++number) {
    const char* const name = sigabbrev_np(number);
    if (name == nullptr || number == SIGIO) continue;  // glibc prefers its other name, SIGPOLL
    CHECK(native.signal_name(number) == std::string("SIG") + name);
  }
  for (int number = 1; number <= 64; ++number) CHECK(native.signal_to_native(number) == number);
}

TEST_CASE("a signal survives the way to Linux and back in every table") {
  for (const std::string_view abi : builtin_abis()) {
    const Table table = builtin(abi);
    for (int number = 1; number <= table.signal_limit(); ++number) {
      const int native = table.signal_to_native(number);
      if (native != 0) CHECK(table.signal_to_guest(native) == number);
    }
  }
}

TEST_CASE("the vocabulary for tables given at run time has everything the native table has") {
  const Table native = builtin("linux-amd64");
  const TableModel model = thaw(native, native);
  CHECK(model.calls.size() == native.entries().size());
  CHECK(model.flags.size() == native.flag_set_count());
  CHECK(model.structs.size() == native.struct_count());
  CHECK(model.errnos.size() > 100);
  CHECK(model.signals.size() == 64);
}
