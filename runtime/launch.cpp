#include "runtime/launch.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "abi/builtin.hpp"
#include "abi/problems.hpp"
#include "abi/table_files.hpp"
#include "loader/file_source.hpp"
#include "loader/identify.hpp"
#include "runtime/exec_relay.hpp"
#include "runtime/gate.hpp"
#include "runtime/load.hpp"
#include "runtime/own_image.hpp"
#include "runtime/process.hpp"
#include "runtime/thread.hpp"
#include "runtime/trace_setup.hpp"
#include "runtime/vector_state_unsafe.hpp"

extern char** environ;

namespace sudrun::runtime {
namespace {

std::string error_text(int error) { return std::strerror(error); }

Tables load_tables(const LaunchOptions& options) {
  Tables tables;
  for (const std::string_view name : abi::builtin_abis())
    if (const auto table = abi::builtin_table(name)) tables.all.push_back(*table);
  if (options.table_file.empty()) return tables;
  try {
    tables.loaded = abi::load_table_file(options.table_file, abi::TablePath(options.table_path));
  } catch (const abi::TableError& e) {
    const std::size_t more = e.problems().size() - 1;
    throw LaunchError(kExitOwnFailure,
                      e.problems().front().text() +
                          (more == 0 ? ""
                                     : " (and " + std::to_string(more) + " more: sudrun table check " +
                                           options.table_file + ")"));
  }
  const std::string_view name = tables.loaded.table.abi();
  std::erase_if(tables.all, [&](const abi::Table& t) { return t.abi() == name; });
  tables.all.push_back(tables.loaded.table);
  return tables;
}

std::string real_path(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : path;
}

/// The value of an option, or else of an environment variable.
std::string option_or_variable(const std::string& option, const char* variable) {
  if (!option.empty()) return option;
  const char* value = std::getenv(variable);
  return value != nullptr ? value : "";
}

/// The name of an open file, as far as it has one.
std::string open_file_path(int fd) { return real_path("/proc/self/fd/" + std::to_string(fd)); }

/// The guest's own file tree; nothing if it has none.
std::optional<Sysroot> find_sysroot(const LaunchOptions& options) {
  const std::string named = option_or_variable(options.sysroot, "SUDRUN_SYSROOT");
  if (named.empty()) return std::nullopt;
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(named.c_str(), nullptr), &std::free);
  if (!real) throw LaunchError(kExitOwnFailure, "the sysroot " + named + ": " + error_text(errno));
  const std::string root = real.get();
  struct stat status {};
  if (::stat(root.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    throw LaunchError(kExitOwnFailure, "the sysroot " + named + " is not a directory");
  if (root == "/") return std::nullopt;
  return Sysroot(root);
}

/// Opens the program: as given, or, for a name without a slash that is not here, through PATH. `path` becomes
/// the host's.
int open_program(const LaunchOptions& options, const std::optional<Sysroot>& sysroot, std::string& path) {
  const std::string& name = options.program;
  const auto on_host = [&](const std::string& named) {
    return sysroot && !options.host_path ? sysroot->host_path(named) : named;
  };
  if (name.empty()) throw LaunchError(kExitNotFound, "the program's name is empty");
  path = on_host(name);
  if (options.program_fd >= 0) ::fcntl(options.program_fd, F_SETFD, FD_CLOEXEC);
  int fd = options.program_fd >= 0 ? options.program_fd
                                   : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  int error = fd < 0 ? errno : 0;
  if (error == ENOENT && name.find('/') == std::string::npos) {
    const char* search = std::getenv("PATH");
    std::string rest = search != nullptr ? search : "";
    while (fd < 0 && !rest.empty()) {
      const std::size_t colon = rest.find(':');
      const std::string dir = rest.substr(0, colon);
      rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
      const std::string candidate = on_host((dir.empty() ? "." : dir) + "/" + name);
      if (::access(candidate.c_str(), X_OK) != 0) continue;
      fd = ::open(candidate.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
      if (fd >= 0) path = candidate;
    }
  }
  if (fd < 0)
    throw LaunchError(error == ENOENT || error == ENOTDIR ? kExitNotFound : kExitNotExecutable,
                      name + ": " + error_text(error));
  struct stat status {};
  if (::fstat(fd, &status) != 0 || S_ISDIR(status.st_mode))
    throw LaunchError(kExitNotExecutable, name + ": is a directory, not a program");
  if (!S_ISREG(status.st_mode)) throw LaunchError(kExitNotExecutable, name + ": is not a regular file");
  return fd;
}

const abi::Table& choose_table(const LaunchOptions& options, const Tables& tables,
                               const loader::Classification& file) {
  std::string wanted = options.abi.empty() ? file.abi : options.abi;
  if (options.abi.empty() && !options.table_file.empty() && file.image &&
      file.kind != loader::FileKind::foreign_elf)
    wanted = tables.all.back().abi();
  for (const abi::Table& table : tables.all)
    if (table.abi() == wanted) return table;
  std::string known;
  for (const abi::Table& table : tables.all) known += (known.empty() ? "" : ", ") + std::string(table.abi());
  throw LaunchError(kExitOwnFailure, "unknown ABI `" + wanted + "`; known: " + known);
}

std::vector<std::string> options_to_pass_on(const LaunchOptions& options, TrapMode trap,
                                            const std::optional<Sysroot>& sysroot, const Tracer* tracer) {
  std::vector<std::string> out;
  out.push_back(trap == TrapMode::seccomp ? "--trap=seccomp" : "--trap=sud");
  if (trap == TrapMode::seccomp) out.push_back("--inherited-filter");
  if (!options.rewrite) out.push_back("--no-rewrite");
  out.push_back("--rewrite-after=" + std::to_string(options.rewrite_after));
  if (!options.table_file.empty()) {
    const abi::TablePath path(options.table_path);
    out.push_back("--table=" + real_path(path.find(options.table_file)));
    out.push_back("--table-path=" + path.text());
  }
  if (sysroot) out.push_back("--sysroot=" + sysroot->root());
  if (const auto release = option_or_variable(options.release, "SUDRUN_RELEASE"); !release.empty())
    out.push_back("--release=" + release);
  if (options.stats) out.push_back("--stats");
  if (options.perf_map) out.push_back("--perf-map");
  pass_on(options.trace, tracer, out);
  if (options.verbose) out.push_back("--verbose");
  return out;
}

std::string unknown_release(const abi::Table& table, const std::string& wanted) {
  std::string known;
  for (const abi::ReleaseId& row : table.releases())
    known += (known.empty() ? "" : ", ") + std::string(table.string(row.name));
  return "unknown release `" + wanted + "` of " + std::string(table.abi()) + "; known: " + known;
}

std::vector<loader::AbiSignature> signatures(const Tables& tables) {
  std::vector<loader::AbiSignature> known;
  for (const abi::Table& table : tables.all) known.push_back(loader::signature_of(table));
  return known;
}

}  // namespace

Candidate open_candidate(const LaunchOptions& options) {
  Candidate candidate{load_tables(options), find_sysroot(options), {}, -1};
  candidate.fd = open_program(options, candidate.sysroot, candidate.path);
  if (!options.abi.empty()) choose_table(options, candidate.tables, {});
  return candidate;
}

void launch(const LaunchOptions& options) {
  // Everything here lives until the process ends: guest threads refer to it.
  static Tables tables = load_tables(options);
  const std::optional<Sysroot> sysroot = find_sysroot(options);
  std::string path;
  const int fd = open_program(options, sysroot, path);
  if (options.program_fd < 0 && ::access(path.c_str(), X_OK) != 0)
    throw LaunchError(kExitNotExecutable,
                      options.program + ": no execute permission (chmod +x would give it)");
  const loader::Classification file = loader::classify(loader::FileSource(fd), signatures(tables));
  if (file.kind == loader::FileKind::script) {
    throw LaunchError(kExitNotExecutable,
                      options.program + ": is a script; run its interpreter, " +
                          (file.script ? file.script->interpreter : std::string("(none)")));
  }
  if (!file.image) throw LaunchError(kExitNotExecutable, options.program + ": " + file.message);
  const bool abi_given = !options.abi.empty() || !options.table_file.empty();
  if (file.is_dynamic() || !abi_given)
    if (const auto reason = loader::why_not_runnable(file);
        reason && (file.is_dynamic() || !file.identification))
      throw LaunchError(kExitNotExecutable, options.program + ": " + *reason);

  static const abi::Table& table = choose_table(options, tables, file);
  auto personality = abi::make_personality(table.personality());
  if (!personality)
    throw LaunchError(kExitOwnFailure,
                      "the table's personality `" + std::string(table.personality()) + "` is not built in");

  const std::string wanted_release = option_or_variable(options.release, "SUDRUN_RELEASE");
  auto release = abi::release_of(table, wanted_release);
  if (!release && !table.releases().empty())
    throw LaunchError(kExitOwnFailure, unknown_release(table, wanted_release));

  std::string error;
  const TrapMode trap = choose_trap(options.trap, options.inherited_filter, error);
  if (trap == TrapMode::automatic) throw LaunchError(kExitOwnFailure, error);

  abi::NativeSigset inherited_mask = 0;
  native(SYS_rt_sigprocmask, 0, 0, word(&inherited_mask), sizeof inherited_mask);
  auto* process = new Process(table, std::move(personality), trap);
  process->set_tracer(make_tracer(options.trace, table, process->hidden()));
  process->set_injector(make_injector(options.trace, table));
  limit_vector_support(options.vector_save);
  if (options.stats) process->statistics().want();
  if (options.perf_map) process->rewriter().perf_map().want();
  if (options.rewrite) process->allow_rewriting(options.rewrite_after);
  process->exec_policy().options = options_to_pass_on(options, trap, sysroot, process->tracer());
  process->exec_policy().abi = options.abi;
  process->program_file() = process->program_path() =
      options.program_fd >= 0 ? open_file_path(fd) : real_path(path);
  // A tree of files for another system is nothing for a Linux program.
  if (sysroot && table.abi() != loader::kNativeAbi) {
    process->program_path() = sysroot->guest_path(process->program_path());
    process->set_sysroot(sysroot->root());
  }
  if (release) process->personality().set_release(std::move(*release));

  std::vector<std::string> argv{options.argv0 ? *options.argv0 : options.program};
  argv.insert(argv.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> envp;
  for (char** e = environ; *e != nullptr; ++e) envp.emplace_back(*e);
  remove_exec_relay(envp);
  const abi::Registers start = load_program(*process, {options.program, *file.image, fd, argv, envp});
  ::close(fd);

  const std::size_t slash = process->program_path().rfind('/');
  ::prctl(PR_SET_NAME, process->program_path().c_str() + (slash == std::string::npos ? 0 : slash + 1));
  if (options.verbose) {
    const std::string line = "sudrun: " + options.program + ": " + std::string(table.title()) + " (" +
                             file.identification.how + "), trapped by " +
                             (trap == TrapMode::sud ? "Syscall User Dispatch" : "a seccomp filter") + "\n";
    static_cast<void>(!::write(2, line.data(), line.size()));
  }

  process->thread_count() = 1;
  GuestThread thread(*process, inherited_mask);
  if (options.inherited.size() == 2 &&
      !process->personality().inherit(thread, {options.inherited[0], options.inherited[1]}))
    for (const int passed : options.inherited) ::close(passed);
  // A trace tells what the program died of, and so must see it come.
  thread.on_start([process](std::int64_t) {
    if (process->tracer() != nullptr) process->signals().catch_deaths();
    return true;
  });
  drop_start_up_code();
  if (const auto r = thread.run(start, 0, {}); r != 0)
    throw LaunchError(kExitOwnFailure, "cannot arm the trap: " + error_text(static_cast<int>(-r)));
  thread.clear_tid();
  // The first thread has ended before the process. Its host thread stays: without it /proc/self would be
  // gone.
  if (process->thread_count().fetch_sub(1) == 1) process->exit(0);
  for (;;) native(SYS_pause);
}

}  // namespace sudrun::runtime
