#include "tests/support/run.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

extern char** environ;

namespace sudrun::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const noexcept { return fd_; }
  bool open() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read_end, write_end;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) fail("pipe2");
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
  }
};

std::vector<std::string> environment_of(const Command& command) {
  if (command.whole_env) return *command.whole_env;
  std::vector<std::string> env;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view entry(*e);
    if (command.set_env.count(std::string(entry.substr(0, entry.find('=')))) == 0) env.emplace_back(entry);
  }
  for (const auto& [name, value] : command.set_env) env.push_back(name + "=" + value);
  return env;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

/// The child's side, between fork and exec. Writes errno to `report` if it cannot go on.
[[noreturn]] void become(const Command& command, const std::array<int, 3>& streams, char** argv, char** envp,
                         int report) {
  const auto give_up = [report] {
    const int error = errno;
    static_cast<void>(!::write(report, &error, sizeof error));
    ::_exit(125);
  };
  ::setsid();
  if (command.terminal) ::ioctl(streams[0], TIOCSCTTY, 0);
  for (int i = 0; i < 3; ++i)
    if (::dup2(streams[static_cast<std::size_t>(i)], i) < 0) give_up();
  if (!command.cwd.empty() && ::chdir(command.cwd.c_str()) != 0) give_up();
  if (command.uid &&
      (::setgroups(0, nullptr) != 0 || ::setgid(*command.uid) != 0 || ::setuid(*command.uid) != 0))
    give_up();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives a suite that is ended from outside
  start_afresh();
  ::execvpe(argv[0], argv, envp);
  give_up();
  ::_exit(125);
}

void take(Descriptor& from, std::string& to) {
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(from.get(), buffer.data(), buffer.size());
  if (n > 0)
    to.append(buffer.data(), static_cast<std::size_t>(n));
  else if (n == 0 || (errno != EINTR && errno != EAGAIN))
    from.reset();  // EIO: a terminal without its other side
}

}  // namespace

void start_afresh() noexcept {
  for (int signal = 1; signal < NSIG; ++signal)
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
}

void kill_session(pid_t session) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const pid_t pid = std::stoi(name);
    if (::getsid(pid) == session) ::kill(pid, SIGKILL);
  }
}

std::ostream& operator<<(std::ostream& to, const Outcome& outcome) {
  if (outcome.timed_out)
    to << "timed out";
  else if (outcome.signal != 0)
    to << "died of signal " << outcome.signal << " (" << ::strsignal(outcome.signal) << ")";
  else
    to << "exit status " << outcome.status;
  to << " after " << outcome.seconds << " s";
  if (!outcome.out.empty()) to << "\n--- standard output:\n" << outcome.out.substr(0, 6000);
  if (!outcome.err.empty()) to << "\n--- standard error:\n" << outcome.err.substr(0, 6000);
  return to;
}

Outcome run(const Command& command) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::string> arguments = command.argv, environment = environment_of(command);
  std::vector<char*> argv = pointers(arguments), envp = pointers(environment);

  Descriptor in, out, err;  // our sides
  Descriptor child_in, child_out, child_err;
  if (command.terminal) {
    in.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!in.open() || ::grantpt(in.get()) != 0 || ::unlockpt(in.get()) != 0) fail("pseudo-terminal");
    std::array<char, 64> name{};
    if (::ptsname_r(in.get(), name.data(), name.size()) != 0) fail("ptsname");
    child_in.reset(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!child_in.open()) fail(name.data());
    out.reset(::fcntl(in.get(), F_DUPFD_CLOEXEC, 0));
    child_out.reset(::fcntl(child_in.get(), F_DUPFD_CLOEXEC, 0));
    child_err.reset(::fcntl(child_in.get(), F_DUPFD_CLOEXEC, 0));
  } else {
    Pipe to, from, errors;
    in = std::move(to.write_end), child_in = std::move(to.read_end);
    out = std::move(from.read_end), child_out = std::move(from.write_end);
    err = std::move(errors.read_end), child_err = std::move(errors.write_end);
  }
  Pipe report;

  const auto start = Clock::now();
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0)
    become(command, {child_in.get(), child_out.get(), child_err.get()}, argv.data(), envp.data(),
           report.write_end.get());
  child_in.reset(), child_out.reset(), child_err.reset(), report.write_end.reset();
  int error = 0;
  if (::read(report.read_end.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    errno = error;
    fail(command.argv.at(0));
  }

  ::fcntl(in.get(), F_SETFL, O_NONBLOCK);
  if (command.input.empty() && !command.terminal) in.reset();
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);

  Outcome outcome;
  std::size_t sent = 0;
  int status = 0;
  bool ended = false;
  auto deadline = start + command.timeout;
  while (!ended || out.open() || err.open()) {
    if (!ended && ::waitpid(pid, &status, WNOHANG) == pid) {
      ended = true;
      // What its descendants still write is not waited for, only what is there.
      deadline = std::min(deadline, Clock::now() + std::chrono::milliseconds(200));
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      if (ended) break;
      outcome.timed_out = true;
      kill_session(pid);
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      ended = true;
      deadline = Clock::now() + std::chrono::milliseconds(200);
      continue;
    }
    std::array<pollfd, 3> fds{{{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {-1, POLLOUT, 0}}};
    if (in.open() && sent < command.input.size()) fds[2].fd = in.get();
    ::poll(fds.data(), fds.size(), static_cast<int>(std::min<long long>(left, ended ? 20 : 5)));
    if (fds[0].revents != 0) take(out, outcome.out);
    if (fds[1].revents != 0) take(err, outcome.err);
    if (fds[2].revents != 0) {
      const ssize_t n = ::write(in.get(), command.input.data() + sent, command.input.size() - sent);
      if (n > 0) sent += static_cast<std::size_t>(n);
      if (!command.terminal && ((n < 0 && errno == EPIPE) || sent == command.input.size())) in.reset();
    }
    if (command.terminal && ended && fds[0].revents == 0) break;
  }
  outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  kill_session(pid);
  ::sigaction(SIGPIPE, &before, nullptr);
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) {
    outcome.signal = WTERMSIG(status);
    outcome.core_dumped = WCOREDUMP(status);
  }
  return outcome;
}

namespace {
std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0')
    throw std::runtime_error(std::string(name) +
                             " is not set: run the tests through ./dev test or meson test");
  return value;
}

std::string_view trap_wanted() {
  const char* trap = std::getenv("SUDRUN_TEST_TRAP");
  return trap != nullptr ? trap : "";
}
}  // namespace

bool tests_the_filter() { return trap_wanted() == "seccomp"; }

std::string sudrun_binary() { return from_environment("SUDRUN_BINARY"); }
std::string guest(std::string_view name) {
  return from_environment("SUDRUN_GUESTS") + "/" + std::string(name);
}
std::filesystem::path source_file(std::string_view path) {
  return std::filesystem::path(from_environment("SUDRUN_SOURCE")) / path;
}

Command sudrun_command(std::vector<std::string> arguments) {
  Command command;
  command.argv.push_back(sudrun_binary());
  if (const std::string_view trap = trap_wanted(); !trap.empty())
    command.argv.push_back("--trap=" + std::string(trap));
  if (std::getenv("SUDRUN_TEST_NO_REWRITE") != nullptr) command.argv.push_back("--no-rewrite");
  command.argv.push_back("--rewrite-after=0");  // most guests do not trap often enough otherwise
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  return command;
}
Command sudrun_command_with(std::string_view library, std::vector<std::string> arguments) {
  Command command = sudrun_command(std::move(arguments));
  command.argv.front() += "-shared";
  command.set_env["LD_PRELOAD"] = guest(library);
  return command;
}
Outcome run_sudrun(std::vector<std::string> arguments) { return run(sudrun_command(std::move(arguments))); }

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "sudrun-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail(name);
  path_ = name;
  std::filesystem::permissions(path_, std::filesystem::perms::all);
}
TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::filesystem::path& path, std::string_view text, bool executable) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
  std::filesystem::permissions(path, std::filesystem::perms(executable ? 0755 : 0644));
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace sudrun::test
