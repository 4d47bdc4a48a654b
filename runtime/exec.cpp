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
#include "runtime/exec_relay.hpp"
#include "runtime/gate.hpp"
#include "runtime/thread.hpp"
#include "runtime/trace.hpp"

namespace sudrun::runtime {
namespace {

constexpr int kMaxScriptDepth = 4;                      // as Linux's search_binary_handler()
constexpr std::size_t kMaxArguments = 0x7fff'ffff / 8;  // what a vector may hold before it is surely garbage
constexpr std::size_t kMaxString = 128 * 1024;          // MAX_ARG_STRLEN

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

std::int64_t read_vector(abi::Host& host, abi::GuestAddr at, std::vector<std::string>& to) {
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

}  // namespace

ExecPlan plan_exec(const std::string& path, const std::vector<std::string>& argv,
                   const std::vector<std::string>& options, std::span<const loader::AbiSignature> known,
                   bool native_under_sudrun) {
  ExecPlan plan{0, path, argv};
  for (int depth = 0; depth <= kMaxScriptDepth; ++depth) {
    // What we may not read the kernel may still be able to run: leave it to execve().
    const Descriptor file(::open(plan.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.get() < 0) return plan;
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return plan;
    const loader::FileSource source(file.get());
    const loader::Classification found = loader::classify(source, known);
    const bool fixed_native = native_under_sudrun && found.kind == loader::FileKind::native &&
                              !found.is_dynamic() && found.image && !found.image->is_pie();
    if (found.kind == loader::FileKind::script && found.script) {
      std::vector<std::string> next{found.script->interpreter};
      if (found.script->argument) next.push_back(*found.script->argument);
      next.push_back(plan.file);
      if (plan.argv.size() > 1) next.insert(next.end(), plan.argv.begin() + 1, plan.argv.end());
      plan.file = found.script->interpreter;
      plan.argv = std::move(next);
      continue;
    }
    if (found.kind == loader::FileKind::foreign_elf || fixed_native) {
      if (::faccessat(AT_FDCWD, plan.file.c_str(), X_OK, AT_EACCESS) != 0) {
        plan.error = errno;
        return plan;
      }
      if (loader::why_not_runnable(found) && !fixed_native) {
        plan.error = ENOEXEC;
        return plan;
      }
      std::vector<std::string> command{"sudrun"};
      command.insert(command.end(), options.begin(), options.end());
      if (plan.argv.empty() || plan.argv[0].empty())
        command.push_back("--empty-argv0");
      else
        command.push_back("--argv0=" + plan.argv[0]);
      command.push_back("--");
      command.push_back(plan.file);
      if (plan.argv.size() > 1) command.insert(command.end(), plan.argv.begin() + 1, plan.argv.end());
      plan.file = "/proc/self/exe";
      plan.argv = std::move(command);
      return plan;
    }
    if (found.kind == loader::FileKind::not_executable) plan.error = ENOEXEC;
    plan.dynamic_native = found.kind == loader::FileKind::native && found.is_dynamic();
    return plan;
  }
  plan.error = ELOOP;
  return plan;
}

abi::NativeResult GuestThread::execute(const abi::ExecRequest& request) noexcept {
  try {
    std::array<char, PATH_MAX> buffer{};
    std::string path;
    if (request.by_descriptor) {
      if (is_hidden(request.dirfd)) return -EBADF;
      const std::string link = "/proc/self/fd/" + std::to_string(request.dirfd);
      const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
      if (length < 0) return -EBADF;
      path.assign(buffer.data(), static_cast<std::size_t>(length));
      if (::access(path.c_str(), F_OK) != 0) path = link;
    } else {
      const auto length = read_string(request.path, buffer);
      if (length < 0) return length;
      path.assign(buffer.data(), static_cast<std::size_t>(length));
      if (path.empty()) return -ENOENT;
      // The guest's own file, and not sudrun, which is what the host's kernel takes it for.
      if (path == "/proc/self/exe") path = process_.program_path();
    }
    std::vector<std::string> argv, envp;
    if (const auto r = read_vector(*this, request.argv, argv); r != 0) return r;
    if (const auto r = read_vector(*this, request.envp, envp); r != 0) return r;

    std::vector<loader::AbiSignature> known{loader::signature_of(process_.table())};
    for (const std::string_view name : abi::builtin_abis())
      if (const auto table = abi::builtin_table(name); table && name != process_.table().abi())
        known.push_back(loader::signature_of(*table));
    const bool by_filter = process_.trap_mode() == TrapMode::seccomp;
    ExecPlan plan = plan_exec(path, argv, process_.exec_policy().options, known, by_filter);
    if (plan.error != 0) return -plan.error;
    if (plan.dynamic_native) add_exec_relay(envp, process_.exec_policy().options, known);

    const std::vector<char*> arguments = pointers(plan.argv), environment = pointers(envp);
    // The new program inherits the guest's mask, and signals that wait here must not be lost with us.
    const abi::NativeSigset all = process_.signals().host_mask(~abi::NativeSigset{0}),
                            mask = process_.signals().host_mask(mask_);
    native(SYS_rt_sigprocmask, SIG_SETMASK, word(&all), 0, sizeof all);
    if (block_.pending != 0) {
      block_.pending = 0;
      requeue(pending_);
    }
    if (Tracer* tracer = process_.tracer()) tracer->executing(*this, path.c_str());
    // The mask must be right in the kernel at the moment of execve; a signal that arrives in between is
    // caught as usual and makes nothing fail.
    native(SYS_rt_sigprocmask, SIG_SETMASK, word(&mask), 0, sizeof mask);
    return native(SYS_execve, word(plan.file.c_str()), word(arguments.data()), word(environment.data()));
  } catch (const std::exception&) {
    return -ENOMEM;
  }
}

}  // namespace sudrun::runtime
