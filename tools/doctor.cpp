#include "tools/doctor.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "loader/text.hpp"
#include "runtime/vector_state_unsafe.hpp"
#include "tools/doctor_probes_unsafe.hpp"

namespace sudrun::tools {
namespace {

using State = Finding::State;

/// Why a probe failed, for people.
std::string reason(const ChildResult& result) {
  if (result.signal != 0) return std::string("dies of ") + ::strsignal(result.signal);
  if (result.status < 0) return "cannot be tried";
  return ::strerror(result.status);
}

struct Question {
  const char* name;
  Probe probe;
  State without;  ///< what it is if the probe fails
  bool optional;
  const char* good;  ///< what follows then
  const char* bad;
};

constexpr std::array kQuestions{
    Question{"FSGSBASE", probe_fsgsbase, State::slower, false,
             "thread pointers are changed without the kernel",
             "each pass through sudrun asks the kernel twice for the thread pointer; boot without "
             "nofsgsbase, Linux 5.9 or "
             "later"},
    Question{
        "code changes", probe_code_change, State::slower, false,
        "call instructions are rewritten once they are hot",
        "no call can be rewritten: each costs a signal (a security policy forbids code that is written)"},
    Question{"membarrier sync-core", probe_sync_core, State::missing, false,
             "all threads see rewritten code at once",
             "threads may run old code for a moment while calls are rewritten; --no-rewrite avoids that"},
    Question{"low addresses", probe_low_addresses, State::missing, false,
             "programs linked to fixed addresses can be loaded",
             "programs linked to fixed addresses below 4 MiB cannot be loaded; lower vm.mmap_min_addr"},
    Question{"pidfd", probe_pidfd, State::missing, false, "process descriptors and EVFILT_PROC work",
             "pdfork(2) and kqueue's EVFILT_PROC fail; a container may filter pidfd_open(2)"},
    Question{"epoll_pwait2", probe_exact_waits, State::slower, false, "kevent(2) waits as exactly as asked",
             "kevent(2) waits in whole milliseconds"},
    Question{"newer file calls", probe_newer_calls, State::missing, false,
             "openat2, faccessat2, memfd_create and close_range are there",
             "some of openat2, faccessat2, memfd_create, close_range is not: calls that need it fail"},
    Question{"process_vm_writev", probe_process_memory, State::missing, false,
             "the end of threads is told safely",
             "who waits for a thread's memory to be cleared waits in vain; a container may filter it"},
    Question{"queued signals", probe_queued_signals, State::missing, false,
             "there is room for signals with values",
             "signals with values can be lost: raise RLIMIT_SIGPENDING (ulimit -i)"},
};

void add(Diagnosis& to, std::string name, State state, std::string found, std::string follows,
         bool optional = false) {
  to.findings.push_back({std::move(name), state, std::move(found), std::move(follows), optional});
}

void ask(Diagnosis& to, const Question& question) {
  const ChildResult result = in_child(question.probe);
  if (result.ok())
    add(to, question.name, State::ok, "works", question.good, question.optional);
  else
    add(to, question.name, question.without, reason(result), question.bad, question.optional);
}

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "unknown";
}

/// A program really runs, trapped this way.
ChildResult run_sample(const std::string& sudrun, const char* trap) {
  const int fd = open_sample_program();
  if (fd < 0) return {};
  const ChildResult result =
      in_child({sudrun, trap, "--rewrite-after=0", "--program-fd=" + std::to_string(fd), "sample"});
  ::close(fd);
  return result;
}

std::string sample_result(const ChildResult& result) {
  if (result.status == kSampleStatus) return "a small program runs";
  if (result.signal != 0) return std::string("a small program dies of ") + ::strsignal(result.signal);
  return "a small program cannot be run";
}

void ask_about_traps(Diagnosis& to, const std::string& sudrun) {
  const ChildResult dispatch = in_child(probe_user_dispatch), seccomp = in_child(probe_seccomp);
  const ChildResult by_dispatch = run_sample(sudrun, "--trap=sud"),
                    by_seccomp = run_sample(sudrun, "--trap=seccomp");
  const bool with_dispatch = by_dispatch.status == kSampleStatus,
             with_seccomp = by_seccomp.status == kSampleStatus;
  to.can_run = with_dispatch || with_seccomp;
  const auto found = [](const ChildResult& probe, const ChildResult& sample) {
    return (probe.ok() ? "calls are trapped" : "no trap: " + reason(probe)) + ", " + sample_result(sample);
  };
  add(to, "Syscall User Dispatch",
      with_dispatch  ? State::ok
      : with_seccomp ? State::slower
                     : State::missing,
      found(dispatch, by_dispatch),
      with_dispatch ? "this is how calls are trapped"
      : with_seccomp
          ? "the seccomp filter takes its place: set-user-ID programs gain nothing, and programs that "
            "foreign ones "
            "start keep the filter; needs Linux 5.11 or later"
          : "no foreign program can be run; Linux 5.11 or later has it, and containers may filter prctl(2)");
  add(to, "seccomp filter", with_seccomp ? State::ok : State::missing, found(seccomp, by_seccomp),
      with_seccomp ? "the fallback is there"
                   : "no fallback; nothing is lost while Syscall User Dispatch works",
      with_dispatch);
  const ChildResult inclusive = in_child(probe_inclusive_dispatch);
  add(to, "SUD, inclusive mode", inclusive.ok() ? State::ok : State::missing,
      inclusive.ok() ? "works" : reason(inclusive), "sudrun does not use it yet", true);
}

void ask_about_vectors(Diagnosis& to) {
  const ChildResult result = in_child(probe_vector_state);
  const bool good = result.status == VECTOR_XINUSE;
  std::string components = "x87 SSE";
  const std::uint64_t enabled = result.status < 0 ? 0 : runtime::vector_support().components;
  constexpr std::uint64_t kAvx512 = 0xe0;
  if ((enabled & COMPONENT_AVX) != 0) components += " AVX";
  if ((enabled & kAvx512) == kAvx512) components += " AVX-512";
  if ((enabled & COMPONENT_PKRU) != 0) components += " PKRU";
  const std::string how = result.signal != 0               ? reason(result)
                          : result.status == VECTOR_FXSAVE ? "FXSAVE only"
                          : good                           ? "XSAVE, and what is in use is told"
                                                           : "XSAVE";
  add(to, "vector registers", good ? State::ok : State::slower, how + " (" + components + ")",
      good ? "only what is in use is saved" : "all of them are saved on each pass through sudrun");
}

void ask_about_memory(Diagnosis& to) {
  rlimit limit{};
  const bool unlimited = ::getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
  const bool above = host_is_above_programs();
  add(to, "stack and layout", above ? State::ok : State::missing,
      above       ? "Linux's mappings are above those of programs"
      : unlimited ? "the stack is unlimited"
                  : "mappings begin low",
      above ? "programs and sudrun keep apart"
            : "Linux puts sudrun where programs should be, and the seccomp filter fails: set any limit "
              "(ulimit -s 8192), and "
              "do not use setarch -L");
}

void ask_about_proc(Diagnosis& to) {
  std::array<char, 1> link{};
  const bool mounted =
      ::readlink("/proc/self/exe", link.data(), link.size()) > 0 && ::access("/proc/self/maps", R_OK) == 0;
  add(to, "/proc", mounted ? State::ok : State::missing, mounted ? "mounted" : "not mounted",
      mounted ? "programs can start others, and rewriting finds room for its code"
              : "foreign programs cannot start others, nothing is rewritten; mount -t proc proc /proc");
}

void ask_about_binfmt(Diagnosis& to) {
  constexpr const char* kDirectory = "/proc/sys/fs/binfmt_misc";
  std::string registered;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(kDirectory), &::closedir);
  while (const dirent* const entry = directory ? ::readdir(directory.get()) : nullptr) {
    std::ifstream file(std::string(kDirectory) + "/" + entry->d_name);
    std::stringstream text;
    text << file.rdbuf();
    const std::string lines = text.str();
    const std::size_t interpreter = lines.find("interpreter ");
    if (!lines.starts_with("enabled") || interpreter == std::string::npos) continue;
    if (lines.substr(interpreter, lines.find('\n', interpreter) - interpreter).find("sudrun") !=
        std::string::npos)
      registered += (registered.empty() ? "" : ", ") + std::string(entry->d_name);
  }
  add(to, "binfmt_misc", registered.empty() ? State::missing : State::ok,
      registered.empty() ? "sudrun is not registered" : "registered: " + registered,
      registered.empty() ? "foreign programs are started with sudrun in front of them"
                         : "foreign programs can be started by their names alone",
      true);
}

const char* state_name(State state) noexcept {
  switch (state) {
    case State::ok:
      return "ok";
    case State::slower:
      return "slower";
    default:
      return "missing";
  }
}

const char* health_text(Health health) noexcept {
  switch (health) {
    case Health::well:
      return "foreign programs run well here";
    case Health::losses:
      return "foreign programs run here, with losses";
    default:
      return "foreign programs cannot run here";
  }
}

}  // namespace

Health Diagnosis::health() const noexcept {
  if (!can_run) return Health::cannot;
  const bool loses = std::any_of(findings.begin(), findings.end(),
                                 [](const Finding& f) { return !f.optional && f.state != State::ok; });
  return loses ? Health::losses : Health::well;
}

Diagnosis examine(const std::string& sudrun) {
  Diagnosis diagnosis;
  add(diagnosis, "kernel", State::ok, kernel_release(), "what counts is what follows");
  ask_about_traps(diagnosis, sudrun);
  ask_about_vectors(diagnosis);
  for (const Question& question : kQuestions) ask(diagnosis, question);
  ask_about_memory(diagnosis);
  ask_about_proc(diagnosis);
  ask_about_binfmt(diagnosis);
  return diagnosis;
}

std::string text_report(const Diagnosis& diagnosis) {
  std::string out;
  for (const Finding& finding : diagnosis.findings) {
    std::string line = state_name(finding.state);
    line.resize(9, ' ');
    line += finding.name;
    line.resize(std::max<std::size_t>(line.size() + 1, 32), ' ');
    line += finding.found + (finding.optional && finding.state != State::ok ? " (not needed)" : "") + "; " +
            finding.follows;
    out += line + "\n";
  }
  return out + health_text(diagnosis.health()) + "\n";
}

std::string json_report(const Diagnosis& diagnosis) {
  nlohmann::ordered_json out;
  out["health"] = diagnosis.health() == Health::well     ? "well"
                  : diagnosis.health() == Health::losses ? "losses"
                                                         : "cannot";
  for (const Finding& finding : diagnosis.findings)
    out["findings"].push_back({{"name", finding.name},
                               {"state", state_name(finding.state)},
                               {"found", finding.found},
                               {"follows", finding.follows},
                               {"optional", finding.optional}});
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sudrun::tools
