// Every supported call, with every kind of bad pointer: an error or a success, never a crash.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <iterator>
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
  const bool by_filter = tests_the_filter();
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

// --- one bad pointer, everything else in order
// ----------------------------------------------------------------

// Arguments that are in order, as one_bad.c reads them, where those that the roles suggest are not.
const std::map<std::string, std::string> kInOrder{
    {"__realpathat", "d c v {1024} {0}"},
    {"__getcwd", "v {1024}"},
    {"__semctl", "A {0} {2} v"},
    {"__specialfd", "{1} v {8}"},
    {"__sysctl", "N {2} v L {0} {0}"},
    {"__sysctlbyname", "O {11} v L {0} {0}"},
    {"_umtx_op", "v {15} {0} {0} {0}"},
    {"accept", "l v L"},
    {"accept4", "l v L {0}"},
    {"aio_fsync", "{128} v"},
    {"aio_suspend", "v {1} v"},
    {"bind", "t a {16}"},
    {"bindat", "d t S {11}"},
    {"cap_ioctls_get", "f v {1}"},
    {"cap_ioctls_limit", "f v {1}"},
    {"clock_nanosleep", "{4} {0} v {0}"},
    {"connect", "t a {16}"},
    {"connectat", "d t S {11}"},
    {"cpuset_getaffinity", "{3} {1} {-1} {128} v"},
    {"cpuset_getdomain", "{3} {1} {-1} {32} v v"},
    {"cpuset_getid", "{2} {2} {-1} v"},
    {"cpuset_setaffinity", "{3} {1} {-1} {128} v"},
    {"cpuset_setdomain", "{3} {1} {-1} {32} v {1}"},
    {"execve", "c Y Y"},
    {"extattr_get_fd", "f {1} x v {16}"},
    {"extattr_get_file", "c {1} x v {16}"},
    {"extattr_get_link", "c {1} x v {16}"},
    {"extattr_list_fd", "f {1} v {16}"},
    {"extattr_list_file", "c {1} v {16}"},
    {"extattr_list_link", "c {1} v {16}"},
    {"extattr_set_fd", "f {1} x v {16}"},
    {"extattr_set_file", "c {1} x v {16}"},
    {"extattr_set_link", "c {1} x v {16}"},
    {"fcntl", "f {11} v"},
    {"fexecve", "f Y Y"},
    {"freebsd11_getdents", "D v {4096}"},
    {"freebsd11_getdirentries", "D v {4096} v"},
    {"freebsd11_getfsstat", "v {100000} {2}"},
    {"freebsd11_kevent", "k E {1} v {1} v"},
    {"freebsd11_mknod", "c {4480} {0}"},
    {"freebsd11_mknodat", "d c {4480} {0}"},
    {"freebsd12_shm_open", "q {2} {384}"},
    {"freebsd14_getgroups", "{16} v"},
    {"freebsd14_setgroups", "{1} v"},
    {"freebsd4_getfsstat", "v {100000} {2}"},
    {"freebsd6_lio_listio", "{0} v {1} {0}"},
    {"freebsd7___semctl", "A {0} {2} v"},
    {"freebsd7_msgctl", "B {2} v"},
    {"freebsd7_shmctl", "C {2} v"},
    {"getdirentries", "D v {4096} v"},
    {"getfsstat", "v {100000} {2}"},
    {"getgroups", "{16} v"},
    {"getlogin", "v {64}"},
    {"getpeername", "s v L"},
    {"getsockname", "s v L"},
    {"getsockopt", "t {65535} {4104} v L"},
    {"ioctl", "y {0x40087468} v"},
    {"kenv", "{0} x v {16}"},
    {"kevent", "k E {1} v {1} v"},
    {"kldstat", "{1} v"},
    {"kmq_notify", "m v"},
    {"kmq_open", "q {514} {384} {0}"},
    {"kmq_setattr", "m v v"},
    {"kmq_timedreceive", "m v {8192} v v"},
    {"kmq_timedsend", "m v {16} {0} v"},
    {"ksem_getvalue", "I v"},
    {"ktimer_create", "{4} {0} v"},
    {"ktimer_gettime", "{0} v"},
    {"ktimer_settime", "{0} {0} v v"},
    {"lio_listio", "{0} v {1} {0}"},
    {"mincore", "g {4096} v"},
    {"mkfifo", "c {384}"},
    {"mknodat", "d c {4480} {0}"},
    {"modstat", "{1} v"},
    {"msgctl", "B {2} v"},
    {"msgrcv", "B v {16} {0} {2048}"},
    {"msgsnd", "B v {16} {2048}"},
    {"pdgetpid", "p v"},
    {"poll", "v {1} {0}"},
    {"ppoll", "v {1} v v"},
    {"preadv", "f w {1} {0}"},
    {"procctl", "{0} i {11} v"},
    {"pselect", "{8} v v v v v"},
    {"pwritev", "f w {1} {0}"},
    {"readlink", "z v {16}"},
    {"readlinkat", "d z v {16}"},
    {"readv", "f w {1}"},
    {"recvfrom", "u v {16} {0} v L"},
    {"recvmsg", "u M {128}"},
    {"rtprio", "{0} {0} v"},
    {"rtprio_thread", "{0} {0} v"},
    {"select", "{8} v v v v"},
    {"semop", "A v {1}"},
    {"sendmsg", "u M {0}"},
    {"sendto", "u v {16} {0} {0} {16}"},
    {"setgroups", "{1} v"},
    {"setsockopt", "t {65535} {4} v {4}"},
    {"shm_open2", "{1} {2} {384} {0} {0}"},
    {"shm_rename", "q q {0}"},
    {"shmctl", "C {2} v"},
    {"sigaction", "{30} v v"},
    {"sigaltstack", "{0} {0}"},
    {"sigprocmask", "{1} v v"},
    {"sigtimedwait", "U v v"},
    {"sigwait", "U v"},
    {"sigwaitinfo", "U v"},
    {"sysarch", "{128} v"},
    {"thr_new", "v {104}"},
    {"timerfd_gettime", "T v"},
    {"timerfd_settime", "T {0} v v"},
    {"uuidgen", "v {1}"},
    {"wait4", "{-1} v {0} v"},
    {"wait6", "{7} {0} v {16} v v"},
    {"writev", "f w {1}"},
};

// What may be there in place of EFAULT, and why. The kinds not named here must still be EFAULT.
struct Exception {
  std::set<std::string> results;  // errors by name, or 0
  const char* reason;
};
const std::map<std::string, Exception> kExceptions{
    {"setlogin.namebuf", {{"EPERM"}, "privilege comes first"}},
    {"adjtime.olddelta", {{"EPERM"}, "privilege comes first"}},
    {"__sysctl.new", {{"EPERM"}, "nothing can be set, so nothing is read"}},
    {"__sysctlbyname.new", {{"EPERM"}, "nothing can be set, so nothing is read"}},
    {"nanosleep.rmtp", {{"0"}, "written only when interrupted"}},
    {"clock_nanosleep.rmtp", {{"0"}, "written only when interrupted"}},
    {"utrace.addr", {{"0"}, "read only while the process is traced"}},
    {"cap_ioctls_get.cmds", {{"0"}, "every request is allowed: there is no list to write"}},
    {"getgroups.gidset", {{"0"}, "the host's process may be in no group"}},
    {"freebsd14_getgroups.gidset", {{"0"}, "the host's process may be in no group"}},
    {"freebsd4_getfsstat.buf", {{"0"}, "null asks how many there are"}},
    {"sigfastblock.ptr", {{"EINVAL"}, "taken by no command but one, and looked at later"}},
    {"profil.samples", {{"0"}, "profiling can only be switched off"}},
    {"quotactl.arg", {{"EOPNOTSUPP"}, "there are no quotas"}},
    {"freebsd4_fhstatfs.buf", {{"EPERM"}, "privilege comes first"}},
    {"freebsd11_fhstat.sb", {{"EPERM"}, "privilege comes first"}},
    {"freebsd11_fhstatfs.buf", {{"EPERM"}, "privilege comes first"}},
    {"fhstat.sb", {{"EPERM"}, "privilege comes first"}},
    {"fhstatfs.buf", {{"EPERM"}, "privilege comes first"}},
    {"getfhat.path", {{"EPERM"}, "privilege comes first"}},
    {"getfhat.fhp", {{"EPERM"}, "privilege comes first"}},
    {"aio_return.aiocbp", {{"EINVAL"}, "a name of the request, not followed"}},
    {"aio_cancel.aiocbp", {{"0"}, "a name of the request, not followed"}},
    {"aio_error.aiocbp", {{"0"}, "a name of the request, not followed: it returns EINVAL"}},
    {"aio_waitcomplete.aiocbp", {{"EAGAIN"}, "written when a request is complete"}},
    {"freebsd6_lio_listio.sig", {{"0"}, "may be null"}},
    {"__acl_get_file.aclp", {{"EOPNOTSUPP"}, "there are no access control lists"}},
    {"__acl_get_fd.aclp", {{"EOPNOTSUPP"}, "there are no access control lists"}},
    {"__acl_get_link.aclp", {{"EOPNOTSUPP"}, "there are no access control lists"}},
    {"extattrctl.attrname", {{"EOPNOTSUPP"}, "may be null"}},
    {"extattr_set_file.data", {{"EOPNOTSUPP"}, "not on every file system"}},
    {"extattr_set_fd.data", {{"EOPNOTSUPP"}, "not on every file system"}},
    {"extattr_set_link.data", {{"EOPNOTSUPP"}, "not on every file system"}},
    {"extattr_get_file.data", {{"ENOATTR", "EOPNOTSUPP"}, "there is no such attribute"}},
    {"extattr_get_fd.data", {{"ENOATTR", "EOPNOTSUPP"}, "there is no such attribute"}},
    {"extattr_get_link.data", {{"ENOATTR", "EOPNOTSUPP"}, "there is no such attribute"}},
    {"extattr_list_file.data", {{"0", "EOPNOTSUPP"}, "there is nothing to list"}},
    {"extattr_list_fd.data", {{"0", "EOPNOTSUPP"}, "there is nothing to list"}},
    {"extattr_list_link.data", {{"0", "EOPNOTSUPP"}, "there is nothing to list"}},
    {"mac_syscall.arg", {{"ENOSYS"}, "there is no such policy"}},
    {"getcontext.ucp", {{"EINVAL"}, "null is EINVAL"}},
    {"setcontext.ucp", {{"EINVAL"}, "null is EINVAL"}},
    {"swapcontext.oucp", {{"EINVAL"}, "null is EINVAL"}},
    {"swapcontext.ucp", {{"EINVAL"}, "null is EINVAL"}},
    {"getaudit_addr.auditinfo_addr", {{"EOVERFLOW"}, "the length comes first"}},
    {"shm_open2.name", {{"0"}, "not read"}},
    {"fspacectl.rmsr", {{"EINVAL"}, "written on success; an empty range is none"}},
    {"inotify_add_watch_at.path", {{"EINVAL"}, "the descriptor comes first"}},
    {"kmq_setattr.oattr", {{"EBADF"}, "not every host has message queues"}},
    {"kmq_timedreceive.msg_ptr", {{"EBADF"}, "not every host has message queues"}},
    {"kmq_timedreceive.msg_prio", {{"EBADF"}, "not every host has message queues"}},
    {"kmq_timedreceive.abs_timeout", {{"EBADF"}, "not every host has message queues"}},
    {"kmq_timedsend.msg_ptr", {{"EBADF"}, "not every host has message queues"}},
    {"kmq_timedsend.abs_timeout", {{"EBADF"}, "not every host has message queues"}},
    {"modstat.stat", {{"ENOENT"}, "the kernel is shown without modules"}},
    {"execve.envv", {{"EACCES"}, "may be null"}},
    {"fexecve.envv", {{"EACCES"}, "may be null"}},
    {"thr_set_name.name", {{"0"}, "may be null"}},
    {"thr_create.id", {{"EINVAL"}, "the context, all zero here, is looked at first"}},
    {"setgroups.gidset", {{"EPERM"}, "privilege may come first"}},
    {"freebsd14_setgroups.gidset", {{"EPERM"}, "privilege may come first"}},
};

std::string usual(const abi::RoleModel& role) {
  switch (role.kind) {
    case abi::RoleKind::fd:
      return "f";
    case abi::RoleKind::dirfd:
      return "d";
    case abi::RoleKind::pid:
    case abi::RoleKind::tid:
      return "i";
    case abi::RoleKind::size:
      return "{16}";
    case abi::RoleKind::path:
      return "c";
    case abi::RoleKind::cstr:
      return "x";
    default:
      return abi::is_pointer_role(role.kind) || role.kind == abi::RoleKind::variant ? "v" : "{0}";
  }
}

/// A call and one of its pointers.
struct Pointer {
  std::string call, argument;
  bool nullable;
};

struct OneBad {
  std::string lines;
  std::map<std::pair<unsigned, unsigned>, Pointer> pointers;  // by number and index
};

OneBad one_bad_requests(const abi::TableModel& table) {
  const bool by_filter = tests_the_filter();
  OneBad all;
  for (const abi::CallModel& call : table.calls) {
    // Calls that always fail do not look at their arguments.
    if (call.support == abi::Support::none || call.action == abi::Action::error) continue;
    if (kSkipped.count(call.name) != 0 && call.name != "thr_new") continue;
    if (by_filter && call.name == "utrace") continue;
    std::vector<std::string> tokens;
    for (const abi::ArgModel& argument : call.args) tokens.push_back(usual(argument.role));
    if (const auto given = kInOrder.find(call.name); given != kInOrder.end()) {
      std::istringstream words(given->second);
      tokens.assign(std::istream_iterator<std::string>(words), {});
      REQUIRE(tokens.size() == call.args.size());
    }
    for (unsigned i = 0; i < call.args.size(); ++i) {
      if (!abi::is_pointer_role(call.args[i].role.kind)) continue;
      all.lines += std::to_string(call.number) + " " + std::to_string(i);
      for (unsigned j = 0; j < tokens.size(); ++j) all.lines += " " + (i == j ? "P" : tokens[j]);
      all.lines += "\n";
      all.pointers[{call.number, i}] = {call.name, call.args[i].name, call.args[i].role.nullable};
    }
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

TEST_CASE("a bad pointer is EFAULT where everything else is in order", "[bad_pointers]") {
  const abi::TableModel table = abi::read_table(source_file("tables/freebsd-amd64.yaml"));
  const OneBad request = one_bad_requests(table);
  REQUIRE(request.pointers.size() > 200);
  const TemporaryDirectory directory;
  Command command = sudrun_command({guest("one_bad")});
  command.cwd = directory.path();
  command.input = request.lines;
  command.timeout = std::chrono::seconds(300);
  const Outcome outcome = run(command);
  INFO("ended with status " << outcome.status << ", signal " << outcome.signal << "\n"
                            << outcome.err.substr(0, 4000));
  CHECK(outcome.exited(0));
  CHECK_FALSE(contains(outcome.err, "internal error"));
  std::set<std::pair<unsigned, unsigned>> seen;
  for (const std::string& line : lines_of(outcome.out)) {
    if (line == "done") continue;
    std::istringstream words(line);
    unsigned number = 0, index = 0;
    std::string kind, result;
    words >> number >> index >> kind >> result;
    seen.insert({number, index});
    const auto at = request.pointers.find({number, index});
    REQUIRE(at != request.pointers.end());
    const Pointer& pointer = at->second;
    if (kind == "null" && pointer.nullable) continue;
    const std::string name = pointer.call + "." + pointer.argument;
    for (const abi::ErrnoModel& error : table.errnos)
      if (std::to_string(error.value) == result) result = error.name;
    INFO(name << ", " << kind << ": " << result);
    const auto exception = kExceptions.find(name);
    if (exception != kExceptions.end() && exception->second.results.count(result) != 0) continue;
    CHECK(result == "EFAULT");
  }
  CHECK(seen.size() == request.pointers.size());
  CHECK(contains(outcome.out, "done\n"));
}
