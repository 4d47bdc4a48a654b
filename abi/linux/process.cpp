// exec, exit_group, prctl, and the guest's own path.
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "abi/linux/linux.hpp"

namespace sudrun::abi::linux_abi {
namespace {

Result run(Call& call, const ExecRequest& request) noexcept {
  const NativeResult failed = call.host.execute(request);
  return is_error(failed) ? Result::of(failed) : Result::untouched();
}

Result execve(Call& call) noexcept {
  ExecRequest request;
  request.path = call.addr(0);
  request.argv = call.addr(1);
  request.envp = call.addr(2);
  return run(call, request);
}

Result execveat(Call& call) noexcept {
  const int dirfd = call.i32(0);
  const unsigned flags = call.u32(4);
  if ((flags & ~unsigned{AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}) != 0) return Result::fail(EINVAL);
  if (dirfd >= 0 && call.host.is_hidden(dirfd)) return Result::fail(EBADF);
  ExecRequest request;
  request.dirfd = dirfd;
  request.path = call.addr(1);
  request.argv = call.addr(2);
  request.envp = call.addr(3);

  char first = 0;
  if (!call.host.get(request.path, first)) return Result::fail(EFAULT);
  if (first == '\0') {
    if ((flags & AT_EMPTY_PATH) == 0) return Result::fail(ENOENT);
    request.by_descriptor = true;
    return run(call, request);
  }
  if ((flags & AT_SYMLINK_NOFOLLOW) != 0) {
    struct stat status {};
    const NativeResult found =
        call.host.call(SYS_newfstatat, call.word(0), call.word(1), host_word(&status), AT_SYMLINK_NOFOLLOW);
    if (is_error(found)) return Result::of(found);
    if (S_ISLNK(status.st_mode)) return Result::fail(ELOOP);
  }
  return run(call, request);
}

Result exit_group(Call& call) noexcept {
  call.host.exit_process(call.i32(0) & 0xff);
  return Result::thread_exit();  // not reached
}

/// What would take effect on the runtime, or reveal it, is refused as a kernel without it would.
Result prctl(Call& call) noexcept {
  constexpr int kSetSyscallUserDispatch = 59, kSetMdwe = 65;
  switch (call.i32(0)) {
    case PR_SET_SECCOMP:           // a filter would judge the runtime's calls too
    case kSetSyscallUserDispatch:  // the trap's
    case kSetMdwe:                 // would keep the runtime from rewriting call sites
    case PR_SET_MM:                // describes the host program
    case PR_SET_TSC:               // the runtime reads the clock
    case PR_GET_TID_ADDRESS:       // the host thread's
      return Result::fail(EINVAL);
    case PR_GET_SECCOMP:
      return Result::ok(0);
    default:
      break;
  }
  return Result::of(
      call.host.call(SYS_prctl, call.word(0), call.word(1), call.word(2), call.word(3), call.word(4)));
}

// --- the guest's own path -----------------------------------------------------------------------------

/// True for /proc/self/exe and its other names.
bool names_own_program(Host& host, std::string_view path) noexcept {
  constexpr std::string_view kProc = "/proc/", kExe = "/exe";
  if (!path.starts_with(kProc) || !path.ends_with(kExe) || path.size() <= kProc.size() + kExe.size())
    return false;
  path = path.substr(kProc.size(), path.size() - kProc.size() - kExe.size());
  if (path == "self" || path == "thread-self") return true;
  int pid = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), pid);
  return error == std::errc() && end == path.data() + path.size() && pid == host.pid();
}

/// The guest's program, if `path` is a link to it; else empty.
std::string_view own_program(Host& host, GuestAddr path) noexcept {
  std::array<char, 64> text;
  const NativeResult length = host.read_string(path, text);
  if (length < 0) return {};
  if (!names_own_program(host, {text.data(), static_cast<std::size_t>(length)})) return {};
  return host.program_path();
}

Result put_link(Call& call, std::string_view target, unsigned buffer) noexcept {
  const int room = call.i32(buffer + 1);
  if (room <= 0) return Result::fail(EINVAL);
  const std::size_t size = std::min(target.size(), static_cast<std::size_t>(room));
  if (!call.host.write(call.addr(buffer), target.data(), size)) return Result::fail(EFAULT);
  return Result::ok(size);
}

bool buffer_in_guest(Call& call, unsigned buffer) noexcept {
  return Host::in_guest(call.addr(buffer), static_cast<Word>(std::max(call.i32(buffer + 1), 0)));
}

Result readlink(Call& call) noexcept {
  if (const auto program = own_program(call.host, call.addr(0)); !program.empty())
    return put_link(call, program, 1);
  if (!Host::in_guest(call.addr(0), 1) || !buffer_in_guest(call, 1)) return Result::fail(EFAULT);
  return Result::of(call.host.call(SYS_readlink, call.word(0), call.word(1), call.word(2)));
}

Result readlinkat(Call& call) noexcept {
  if (const auto program = own_program(call.host, call.addr(1)); !program.empty())
    return put_link(call, program, 2);
  if (call.i32(0) >= 0 && call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  if (!Host::in_guest(call.addr(1), 1) || !buffer_in_guest(call, 2)) return Result::fail(EFAULT);
  return Result::of(call.host.call(SYS_readlinkat, call.word(0), call.word(1), call.word(2), call.word(3)));
}

constexpr HandlerEntry kHandlers[] = {
    {"execve", execve}, {"execveat", execveat}, {"exit_group", exit_group},
    {"prctl", prctl},   {"readlink", readlink}, {"readlinkat", readlinkat},
};

}  // namespace

std::span<const HandlerEntry> process_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::linux_abi
