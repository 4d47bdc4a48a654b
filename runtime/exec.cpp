#include "runtime/exec.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <exception>

#include "abi/builtin.hpp"
#include "loader/file_source.hpp"
#include "loader/identify.hpp"
#include "runtime/descriptor.hpp"
#include "runtime/exec_relay.hpp"
#include "runtime/gate.hpp"
#include "runtime/thread.hpp"
#include "runtime/trace.hpp"

namespace sudrun::runtime {
namespace {

constexpr int kMaxScriptDepth = 4;                      // as Linux's search_binary_handler()
constexpr std::size_t kMaxArguments = 0x7fff'ffff / 8;  // what a vector may hold before it is surely garbage
constexpr std::size_t kMaxString = 128 * 1024;          // MAX_ARG_STRLEN
constexpr std::uint64_t kCopiesFrom = 100;              // above the numbers programs use
constexpr std::string_view kOwnFile = "/proc/self/exe";

/// `room`: bytes that all strings may still take; becomes less.
std::int64_t read_vector(abi::Host& host, abi::GuestAddr at, std::uint64_t& room,
                         std::vector<std::string>& to) {
  if (abi::is_null(at)) return 0;
  std::vector<char> buffer(4096);
  for (std::size_t i = 0; i < kMaxArguments; ++i) {
    abi::Word address = 0;
    if (!host.get(at + i * sizeof address, address)) return -EFAULT;
    if (address == 0) return 0;
    std::int64_t length = host.read_string(abi::guest_addr(address), buffer);
    while (length == -ENAMETOOLONG && buffer.size() < kMaxString) {
      buffer.resize(buffer.size() * 2);
      length = host.read_string(abi::guest_addr(address), buffer);
    }
    if (length == -ENAMETOOLONG) return -E2BIG;
    if (length < 0) return length;
    const auto size = static_cast<std::uint64_t>(length) + 1;
    if (size > room) return -E2BIG;
    room -= size;
    to.emplace_back(buffer.data(), static_cast<std::size_t>(length));
  }
  return -E2BIG;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

/// A script on the way to the program that is executed in the end.
struct Step {
  std::string name, file;
  loader::Script script;
};

/// The arguments of the last interpreter. A native one cannot see the guest's file tree and is told the
/// host's name of the script.
std::vector<std::string> with_scripts(std::vector<std::string> argv, const std::vector<Step>& scripts,
                                      bool native) {
  for (const Step& step : scripts) {
    std::vector<std::string> next{step.script.interpreter};
    if (step.script.argument) next.push_back(*step.script.argument);
    next.push_back(native ? step.file : step.name);
    if (argv.size() > 1) next.insert(next.end(), argv.begin() + 1, argv.end());
    argv = std::move(next);
  }
  return argv;
}

/// Runs `file` under sudrun.
void run_under_sudrun(ExecPlan& plan, const ExecPolicy& policy, const std::string& abi) {
  std::vector<std::string> command{"sudrun"};
  command.insert(command.end(), policy.options.begin(), policy.options.end());
  if (!abi.empty()) command.push_back("--abi=" + abi);
  command.emplace_back("--host-path");
  plan.options_at = command.size();
  if (plan.argv.empty() || plan.argv[0].empty())
    command.emplace_back("--empty-argv0");
  else
    command.push_back("--argv0=" + plan.argv[0]);
  command.emplace_back("--");
  command.push_back(plan.file);
  if (plan.argv.size() > 1) command.insert(command.end(), plan.argv.begin() + 1, plan.argv.end());
  plan.sudrun = true;
  plan.file = kOwnFile;
  plan.argv = std::move(command);
}

}  // namespace

ExecPlan plan_exec(const ExecInput& input, const ExecContext& context) {
  ExecPlan plan;
  plan.file = input.file;
  std::string name = input.name;
  std::vector<Step> scripts;
  const auto leave_to_host = [&] { plan.argv = with_scripts(input.argv, scripts, true); };
  while (scripts.size() <= kMaxScriptDepth) {
    // What we may not read the kernel may still be able to run: leave it to execve().
    const Descriptor file(::open(plan.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      leave_to_host();
      return plan;
    }
    const loader::FileSource source(file.get());
    const loader::Classification found = loader::classify(source, context.known, loader::kForeignScriptLimit);
    const bool fixed_native = context.native_under_sudrun && found.kind == loader::FileKind::native &&
                              found.image && !found.image->is_pie();
    // Of no system we know: what the first program was said to be.
    const bool unmarked =
        found.kind == loader::FileKind::not_executable && found.image && !context.policy.abi.empty();
    const bool script = found.kind == loader::FileKind::script && found.script;
    const bool foreign = found.kind == loader::FileKind::foreign_elf || fixed_native || unmarked;
    // The kernel will not be asked about these files itself.
    if ((script || foreign) && ::faccessat(AT_FDCWD, plan.file.c_str(), X_OK, AT_EACCESS) != 0) {
      plan.error = errno;
      return plan;
    }
    if (script) {
      scripts.push_back({name, plan.file, *found.script});
      name = found.script->interpreter;
      plan.file = context.sysroot != nullptr ? context.sysroot->host_path(name) : name;
      continue;
    }
    if (foreign) {
      plan.argv = with_scripts(input.argv, scripts, false);
      run_under_sudrun(plan, context.policy,
                       unmarked || found.abi == context.policy.abi ? context.policy.abi : "");
      return plan;
    }
    if (found.kind == loader::FileKind::not_executable || found.kind == loader::FileKind::script)
      plan.error = ENOEXEC;
    plan.dynamic_native = found.kind == loader::FileKind::native && found.is_dynamic();
    leave_to_host();
    return plan;
  }
  plan.error = ELOOP;
  return plan;
}

/// Finds the file. 0 or a negative errno.
std::int64_t GuestThread::find_executable(const abi::ExecRequest& request, std::string& name,
                                          std::string& file) {
  std::array<char, abi::kMaxPath> buffer{};
  if (request.by_descriptor) {
    if (is_hidden(request.dirfd)) return -EBADF;
    const std::string link = "/proc/self/fd/" + std::to_string(request.dirfd);
    const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
    if (length < 0) return -EBADF;
    name.assign(buffer.data(), static_cast<std::size_t>(length));
    file = link;  // the very file, whatever has become of its name
    if (::access(name.c_str(), F_OK) != 0) name = link;
    name = guest_path(name);
    return 0;
  }
  const auto length = read_string(request.path, buffer);
  if (length < 0) return length;
  name.assign(buffer.data(), static_cast<std::size_t>(length));
  if (name.empty()) return -ENOENT;
  // The guest's own file, and not sudrun, which is what the host's kernel takes it for.
  if (name == kOwnFile || name == "/proc/curproc/file") {
    name = process_.program_path();
    file = process_.program_file();
    return 0;
  }
  file = name;
  if (process_.sysroot() != nullptr) {
    abi::ResolvedPath found;
    const auto error = process_.sysroot()->resolve(request.dirfd, name, true, false, found);
    if (error != 0) return error;
    if (found.length != 0) file.assign(found.text.data(), found.length);
  }
  if (request.dirfd != AT_FDCWD && !file.starts_with('/'))
    file = "/proc/self/fd/" + std::to_string(request.dirfd) + "/" + file;
  return 0;
}

abi::NativeResult GuestThread::execute(const abi::ExecRequest& request) noexcept {
  if (process_.embedding() != nullptr) return -EPERM;
  try {
    ExecInput input;
    if (const auto r = find_executable(request, input.name, input.file); r != 0) return r;
    std::vector<std::string> envp;
    std::uint64_t room = request.argument_limit != 0 ? request.argument_limit : ~std::uint64_t{0};
    if (const auto r = read_vector(*this, request.argv, room, input.argv); r != 0) return r;
    if (const auto r = read_vector(*this, request.envp, room, envp); r != 0) return r;

    std::vector<loader::AbiSignature> known{loader::signature_of(process_.table())};
    for (const std::string_view name : abi::builtin_abis())
      if (const auto table = abi::builtin_table(name); table && name != process_.table().abi())
        known.push_back(loader::signature_of(*table));
    const bool by_filter = process_.trap_mode() == TrapMode::seccomp;
    ExecPlan plan = plan_exec(input, {process_.exec_policy(), known, process_.sysroot(), by_filter});
    if (plan.error != 0) return -plan.error;
    if (plan.dynamic_native) {
      // What a native program names is a file of the host.
      std::vector<std::string> options = process_.exec_policy().options;
      options.emplace_back("--host-path");
      add_exec_relay(envp, options, known);
    }
    // By descriptor: the new sudrun inherits a copy, as the guest's own may be closed by then.
    const bool by_copy = plan.sudrun && request.by_descriptor;
    const std::int64_t copy =
        by_copy ? native(SYS_fcntl, static_cast<std::uint64_t>(request.dirfd), F_DUPFD, kCopiesFrom) : -1;
    if (copy >= 0)
      plan.argv.insert(plan.argv.begin() + static_cast<std::ptrdiff_t>(plan.options_at),
                       "--program-fd=" + std::to_string(copy));

    // What else a new sudrun inherits: under numbers of their own, as ours are closed by execve().
    std::array<std::int64_t, 2> passed{-1, -1};
    const auto own = process_.personality().exec_begins(*this, !plan.sudrun);
    for (std::size_t i = 0; i < own.size() && plan.sudrun && own[i] >= 0; ++i)
      passed[i] = native(SYS_fcntl, static_cast<std::uint64_t>(own[i]), F_DUPFD, kCopiesFrom);
    if (passed[1] < 0 && passed[0] >= 0) {  // both, or none
      native(SYS_close, static_cast<std::uint64_t>(passed[0]));
      passed[0] = -1;
    }
    if (passed[0] >= 0)
      plan.argv.insert(plan.argv.begin() + static_cast<std::ptrdiff_t>(plan.options_at),
                       "--inherit=" + std::to_string(passed[0]) + "," + std::to_string(passed[1]));

    const std::vector<char*> arguments = pointers(plan.argv), environment = pointers(envp);
    // The new program inherits the guest's mask, and signals that wait here must not be lost with us.
    set_kernel_mask(process_.signals().host_mask(~abi::NativeSigset{0}));
    if (block_.pending != 0) {
      block_.pending = 0;
      requeue(pending_);
    }
    Tracer* const tracer = process_.tracer();
    // Looking for a program along PATH is no execution.
    const bool seen = tracer != nullptr && ::faccessat(AT_FDCWD, plan.file.c_str(), X_OK, AT_EACCESS) == 0;
    if (seen) tracer->executing(*this, input.name.c_str(), plan.sudrun);
    hand_back_stack();
    process_.signals().prepare_exec();
    // The mask must be right in the kernel at the moment of execve; a signal that arrives in between is
    // caught as usual and makes nothing fail.
    set_kernel_mask(process_.signals().host_mask(mask_));
    const auto failed =
        native(SYS_execve, word(plan.file.c_str()), word(arguments.data()), word(environment.data()));
    process_.signals().exec_failed();
    if (seen) tracer->execution_failed();
    process_.personality().exec_failed(*this);
    for (const std::int64_t fd : {copy, passed[0], passed[1]})
      if (fd >= 0) native(SYS_close, static_cast<std::uint64_t>(fd));
    return failed;
  } catch (const std::exception&) {
    return -ENOMEM;
  }
}

}  // namespace sudrun::runtime
