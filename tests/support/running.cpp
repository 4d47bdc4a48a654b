#include "tests/support/running.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>
#include <vector>

namespace sudrun::test {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<std::string> environment_for(const Command& command) {
  if (command.whole_env) return *command.whole_env;
  std::map<std::string, std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view variable = *at;
    if (const auto equals = variable.find('='); equals != variable.npos)
      variables.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  for (const auto& [name, value] : command.set_env) variables[name] = value;
  std::vector<std::string> result;
  for (const auto& [name, value] : variables) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void close_at(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void take(int& from, std::string& to) {
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(from, buffer.data(), buffer.size());
  if (n > 0)
    to.append(buffer.data(), static_cast<std::size_t>(n));
  else if (n == 0 || (errno != EINTR && errno != EAGAIN))
    close_at(from);  // EIO: the terminal's other side is gone
}

}  // namespace

Running::Running(const Command& command) : timeout_(command.timeout) {
  std::vector<std::string> arguments = command.argv, environment = environment_for(command);
  std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  std::array<int, 2> to{}, from{}, errors{};
  if (command.terminal) {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) fail("pseudo-terminal");
    std::array<char, 64> name{};
    if (::ptsname_r(master, name.data(), name.size()) != 0) fail("ptsname");
    const int slave = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) fail(name.data());
    to = {slave, master};
    from = {::fcntl(master, F_DUPFD_CLOEXEC, 0), ::fcntl(slave, F_DUPFD_CLOEXEC, 0)};
    errors = {-1, ::fcntl(slave, F_DUPFD_CLOEXEC, 0)};
  } else if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0 ||
             ::pipe2(errors.data(), O_CLOEXEC) != 0) {
    fail("pipe");
  }
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    ::setsid();
    if (::dup2(to[0], 0) < 0 || ::dup2(from[1], 1) < 0 || ::dup2(errors[1], 2) < 0) ::_exit(125);
    if (command.terminal) ::ioctl(0, TIOCSCTTY, 0);
    if (!command.cwd.empty() && ::chdir(command.cwd.c_str()) != 0) ::_exit(125);
    if (command.uid && (::setresgid(*command.uid, *command.uid, *command.uid) != 0 ||
                        ::setresuid(*command.uid, *command.uid, *command.uid) != 0))
      ::_exit(125);

    start_afresh();
    ::execvpe(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(to[0]), ::close(from[1]), ::close(errors[1]);
  in_ = to[1], out_ = from[0], err_ = errors[0];
}

Running::~Running() {
  if (!finished_) {
    kill_session(pid_);
    ::waitpid(pid_, nullptr, 0);
  }
  close_at(in_), close_at(out_), close_at(err_);
}

bool Running::collect(std::chrono::milliseconds within) {
  std::array<pollfd, 2> fds{{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), static_cast<int>(within.count()));
  if (fds[0].revents != 0) take(out_, outcome_.out);
  if (fds[1].revents != 0) take(err_, outcome_.err);
  return out_ >= 0 || err_ >= 0;
}

bool Running::wait_for(std::string_view part, bool in_errors, std::size_t from,
                       std::chrono::milliseconds within) {
  const auto deadline = Clock::now() + within;
  const std::string& text = in_errors ? outcome_.err : outcome_.out;
  for (bool open = true;;) {
    if (text.find(part, from) != std::string::npos) return true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (!open || left.count() <= 0) return false;
    open = collect(left);
  }
}

void Running::write(std::string_view text) {
  ::signal(SIGPIPE, SIG_IGN);
  while (!text.empty()) {
    const ssize_t n = ::write(in_, text.data(), text.size());
    if (n < 0 && errno != EINTR) fail("write");
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Running::close_input() { close_at(in_); }

void Running::signal(int number) const {
  if (::kill(pid_, number) != 0) fail("kill");
}

Outcome Running::finish() {
  const auto deadline = Clock::now() + timeout_;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() >= deadline && !outcome_.timed_out) {
      outcome_.timed_out = true;
      ::kill(pid_, SIGKILL);
    }
    collect(std::chrono::milliseconds(5));
    if (out_ < 0 && err_ < 0) ::usleep(2000);
  }
  finished_ = true;
  const auto until = Clock::now() + std::chrono::milliseconds(200);  // descendants may still hold the pipes
  while (Clock::now() < until && collect(std::chrono::milliseconds(20))) {
  }
  kill_session(pid_);
  outcome_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (WIFEXITED(status)) outcome_.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status), outcome_.core_dumped = WCOREDUMP(status);
  return outcome_;
}

}  // namespace sudrun::test
