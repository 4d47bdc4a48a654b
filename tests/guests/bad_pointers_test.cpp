// Every supported call, with every kind of bad pointer: an error or a success, never a crash.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "abi/role_text.hpp"
#include "abi/table_reader.hpp"
#include "tests/support/run.hpp"

using namespace sudrun;
using namespace sudrun::test;

namespace {

// Left out: what ends, replaces or multiplies the caller, and what would set the host's clock from a page of
// zeros.
const std::set<std::string> kSkipped = {"exit",          "abort2",  "thr_exit", "sigreturn", "fork",
                                        "vfork",         "rfork",   "pdfork",   "reboot",    "settimeofday",
                                        "clock_settime", "adjtime", "sync",     "thr_kill",  "thr_kill2",
                                        "kill",          "killpg",  "sigqueue", "setsid",    "thr_new"};

char letter(const abi::RoleModel& role, const std::string& name) {
  switch (role.kind) {
    case abi::RoleKind::fd:
      return 'f';
    case abi::RoleKind::dirfd:
      return 'd';
    case abi::RoleKind::pid:
      return 'i';
    case abi::RoleKind::tid:
      return 'i';
    case abi::RoleKind::size:
      return 'n';
    default:
      break;
  }
  if (abi::is_pointer_role(role.kind)) return 'p';
  if (name.find("len") != std::string::npos || name.find("size") != std::string::npos) return 'n';
  return 's';
}

struct Request {
  std::string lines;
  std::map<unsigned, std::string> names;
};

Request requests() {
  Request all;
  // A filter cannot trap number 335: since 6.11 it is Linux's own uretprobe, which seccomp always lets
  // through and which answers anyone but the kernel's own trampoline with SIGILL.
  const char* trap = std::getenv("SUDRUN_TEST_TRAP");
  const bool by_filter = trap != nullptr && std::string_view(trap) == "seccomp";
  const abi::TableModel table = abi::read_table(source_file("tables/freebsd-amd64.yaml"));
  for (const abi::CallModel& call : table.calls) {
    if (call.support == abi::Support::none || kSkipped.count(call.name) != 0) continue;
    if (by_filter && call.name == "utrace") continue;
    std::string letters;
    for (const abi::ArgModel& argument : call.args) letters += letter(argument.role, argument.name);
    // What stands in a number may still be an address.
    if (call.name == "_umtx_op") letters = "psspp";
    if (call.name == "sysarch") letters = "sp";
    if (call.name == "ioctl") letters = "fsp";
    if (letters.find('p') == std::string::npos) continue;
    all.lines += std::to_string(call.number) + " " + letters + "\n";
    all.names[call.number] = call.name;
  }
  return all;
}

}  // namespace

TEST_CASE("bad pointers never crash, in any supported call", "[bad_pointers]") {
  const Request request = requests();
  REQUIRE(request.names.size() > 150);
  const TemporaryDirectory directory;
  Command command = sudrun_command({guest("bad_pointers")});
  command.cwd = directory.path();
  command.input = request.lines;
  command.timeout = std::chrono::seconds(300);
  const Outcome outcome = run(command);
  INFO("ended with status " << outcome.status << ", signal " << outcome.signal << "\n"
                            << outcome.err.substr(0, 4000));
  CHECK(outcome.exited(0));
  CHECK_FALSE(contains(outcome.err, "internal error"));
  CHECK_FALSE(contains(outcome.err, "crashed"));
  std::map<unsigned, std::set<std::string>> kinds_seen;
  for (const std::string& line : lines_of(outcome.out)) {
    if (line == "done") continue;
    std::istringstream words(line);
    unsigned number = 0;
    std::string kind, result;
    words >> number >> kind >> result;
    kinds_seen[number].insert(kind);
    const auto name = request.names.find(number);
    REQUIRE(name != request.names.end());
    INFO(name->second << ": " << line);
    CHECK((result == "slow" || result.find_first_not_of("0123456789") == std::string::npos));
  }
  CHECK(kinds_seen.size() == request.names.size());
  CHECK(contains(outcome.out, "done\n"));
}
