// Random calls with random arguments: the runtime survives them, ends in time, and stays itself.
//
// SUDRUN_TEST_SEED=N runs that seed only; SUDRUN_TEST_SECONDS=N says for how long each (default: a few).
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "abi/role_text.hpp"
#include "abi/table_reader.hpp"
#include "tests/support/run.hpp"

using namespace sudrun;
using namespace sudrun::test;

namespace {

/// Where the guest keeps a structure of that name (fill_slots in random.c).
int slot_of(const abi::RoleModel& role) {
  static const std::map<std::string, int> kSlots{
      {"iovec", 0},   {"timespec", 7},   {"timeval", 7},           {"itimerval", 9}, {"itimerspec", 9},
      {"kevent", 10}, {"sigset", 11},    {"freebsd11_kevent", 10}, {"flock", 12},    {"pollfd", 13},
      {"msghdr", 14}, {"sigaction", 24}, {"umtx_time", 7},         {"sigevent", 20}, {"sembuf", 21},
  };
  if (role.kind == abi::RoleKind::in_sockaddr) return 5;
  if (role.kind == abi::RoleKind::strv) return 16;
  if (role.kind == abi::RoleKind::mib) return 18;
  const auto found = kSlots.find(role.type);
  return found == kSlots.end() ? -1 : found->second;
}

std::string role_text(const abi::TableModel& table, const abi::RoleModel& role) {
  switch (role.kind) {
    case abi::RoleKind::fd:
      return "f";
    case abi::RoleKind::dirfd:
      return "d";
    case abi::RoleKind::pid:
    case abi::RoleKind::tid:
      return "i";
    case abi::RoleKind::size:
      return "n";
    case abi::RoleKind::signal:
      return "g";
    case abi::RoleKind::path:
      return "c";
    case abi::RoleKind::cstr:
      return "o";
    case abi::RoleKind::variant:
      return "p";
    case abi::RoleKind::flags: {
      const auto set = std::find_if(table.flags.begin(), table.flags.end(),
                                    [&](const abi::FlagSetModel& s) { return s.name == role.type; });
      return (set->is_enum ? "e" : "b") + std::to_string(set - table.flags.begin());
    }
    default:
      break;
  }
  if (!abi::is_pointer_role(role.kind)) return "s";
  const int slot = slot_of(role);
  return slot < 0 ? "p" : "p" + std::to_string(slot);
}

/// What the guest is told: the sets of flags, and every call of the table, supported or not.
std::string description() {
  const bool by_filter = tests_the_filter();
  const abi::TableModel table = abi::read_table(source_file("tables/freebsd-amd64.yaml"));
  std::string text;
  for (std::size_t i = 0; i < table.flags.size(); ++i) {
    text += "set " + std::to_string(i);
    for (const abi::FlagValueModel& value : table.flags[i].values) text += " " + std::to_string(value.value);
    text += "\n";
  }
  for (const abi::CallModel& call : table.calls) {
    // A filter cannot trap 335 (see bad_pointers_test.cpp).
    if (by_filter && call.number == 335) continue;
    text += std::to_string(call.number);
    for (const abi::ArgModel& argument : call.args) text += " " + role_text(table, argument.role);
    text += "\n";
  }
  return text;
}

std::vector<unsigned> seeds() {
  if (const char* given = std::getenv("SUDRUN_TEST_SEED"))
    return {static_cast<unsigned>(std::strtoul(given, nullptr, 10))};
  return {1, 2, 3, 20, std::random_device()() % 1'000'000};
}

int seconds() {
  const char* given = std::getenv("SUDRUN_TEST_SECONDS");
  return given != nullptr ? std::atoi(given) : 4;
}

}  // namespace

TEST_CASE("random calls do no harm to the runtime", "[random]") {
  const std::string calls = description();
  for (const unsigned seed : seeds()) {
    const TemporaryDirectory directory;
    std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
    Command command =
        sudrun_command({guest("random"), std::to_string(seed), "0", "1000000", std::to_string(seconds())});
    command.cwd = directory.path();
    command.input = calls;
    command.timeout = std::chrono::seconds(seconds() + 200);
    const Outcome outcome = run(command);
    UNSCOPED_INFO("seed " << seed << "; to see one batch: sudrun random " << seed
                          << " BATCH 1 60, with description() on standard input");
    INFO("ended with status " << outcome.status << ", signal " << outcome.signal << "\n"
                              << outcome.out.substr(0, 4000) << "\n"
                              << outcome.err.substr(0, 4000));
    CHECK(outcome.exited(0));
    CHECK_FALSE(contains(outcome.out, "problem"));
    CHECK(contains(outcome.out, "made "));
    for (const std::string& line : lines_of(outcome.err)) {
      INFO(line);
      // What the runtime says is that it does not know a call; and what programs write there is their own.
      CHECK_FALSE(contains(line, "internal error"));
      CHECK_FALSE(contains(line, "the program crashed"));
      CHECK_FALSE(contains(line, "terminate called"));
      CHECK_FALSE(contains(line, "Assertion"));
    }
  }
}
