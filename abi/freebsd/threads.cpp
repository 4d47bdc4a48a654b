// Threads. Sources: FreeBSD 14.0, sys/kern/kern_thr.c, sys/sys/thr.h, thr_new(2), thr_exit(2), thr_kill(2).
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstring>
#include <string_view>

#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/machine_layout.hpp"
#include "abi/freebsd/thread_id.hpp"
#include "abi/freebsd/umtx.hpp"

namespace sudrun::abi::freebsd {
namespace {

constexpr std::int32_t kThreadSuspended = 1;  // THR_SUSPENDED

Result thr_new(Call& call) noexcept {
  guest::ThreadParameters p{};
  const std::int64_t size = call.i32(1);
  if (size < 0 || static_cast<std::uint64_t>(size) > sizeof p) return Result::fail(EINVAL);
  if (!call.host.read(call.addr(0), &p, static_cast<std::size_t>(size))) return Result::fail(EFAULT);
  if ((p.flags & kThreadSuspended) != 0) return Result::fail(EOPNOTSUPP);

  ThreadStart start;
  start.regs = call.host.context().regs;
  start.regs.rip = p.start_func;
  start.regs.rdi = p.arg;
  start.regs.rbp = 0;
  start.regs.rsp = ((p.stack_base + p.stack_size) & ~Word{15}) - 8;  // cpu_set_upcall()
  start.regs.rflags &= ~kCarryFlag;
  start.fs_base = p.tls_base;
  start.tid_address = guest_addr(p.child_tid);
  start.parent_tid_address = guest_addr(p.parent_tid);
  start.tid_size = sizeof(std::int64_t);
  start.tid_bias = kThreadIdBias;
  const NativeResult tid = call.host.spawn_thread(start);
  return is_error(tid) ? Result::of(tid) : Result::ok(0);
}

Result thr_exit(Call& call) noexcept {
  umtx_thread_ends(call.host);
  const GuestAddr state = call.addr(0);
  if (!is_null(state)) {
    const std::int64_t terminated = 1;
    if (call.host.put(state, terminated)) umtx_wake(call.host, state, INT_MAX);
  }
  return Result::thread_exit();
}

Result thr_self(Call& call) noexcept {
  const std::int64_t tid = own_tid(call.host);
  return call.host.put(call.addr(0), tid) ? Result::ok(0) : Result::fail(EFAULT);
}

/// Every thread of the process but the caller. ESRCH if there is none.
Result kill_others(Call& call, int pid, int signal) noexcept {
  std::array<char, 32> path{};
  constexpr std::string_view kPrefix = "/proc/", kSuffix = "/task";
  char* end = std::copy(kPrefix.begin(), kPrefix.end(), path.data());
  end = std::to_chars(end, path.data() + path.size(), pid).ptr;
  std::copy(kSuffix.begin(), kSuffix.end(), end);
  const NativeResult fd =
      call.host.call(SYS_openat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path.data()),
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (is_error(fd)) return Result::fail(ESRCH);
  NativeResult answer = -ESRCH;
  alignas(8) std::array<char, 2048> entries{};
  for (;;) {
    const NativeResult size = call.host.call(SYS_getdents64, static_cast<Word>(fd),
                                             reinterpret_cast<Word>(entries.data()), entries.size());
    if (size <= 0) break;
    constexpr std::size_t kLength = 16, kName = 19;  // of struct linux_dirent64 (getdents(2))
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      std::uint16_t length = 0;
      std::memcpy(&length, &entries[at + kLength], sizeof length);
      int tid = 0;
      std::from_chars(&entries[at + kName], &entries[at] + length, tid);
      at += length;
      if (tid == 0 || tid == call.host.tid()) continue;
      const NativeResult sent = call.host.call(SYS_tgkill, static_cast<Word>(pid), static_cast<Word>(tid),
                                               static_cast<Word>(signal));
      if (answer == -ESRCH) answer = sent;
    }
  }
  call.host.call(SYS_close, static_cast<Word>(fd));
  return Result::of(answer);
}

Result kill_thread(Call& call, int pid, std::int64_t id, int guest_signal) noexcept {
  int signal = 0;
  if (guest_signal != 0) {
    if (guest_signal < 0 || guest_signal > call.table.signal_limit()) return Result::fail(EINVAL);
    signal = call.table.signal_to_native(guest_signal);
    if (signal == 0) return Result::fail(EINVAL);
  }
  if (id == -1) return kill_others(call, pid, signal);
  const int tid = native_tid(id);
  if (tid == 0) return Result::fail(ESRCH);
  return Result::of(
      call.host.call(SYS_tgkill, static_cast<Word>(pid), static_cast<Word>(tid), static_cast<Word>(signal)));
}

Result thr_kill(Call& call) noexcept { return kill_thread(call, call.host.pid(), call.i64(0), call.i32(1)); }
Result thr_kill2(Call& call) noexcept { return kill_thread(call, call.i32(0), call.i64(1), call.i32(2)); }

Result thr_set_name(Call& call) noexcept {
  std::array<char, 32> name{};
  if (!is_null(call.addr(1))) {
    // Longer names are cut, as Linux keeps 15 characters of FreeBSD's 19.
    const NativeResult length = call.host.read_string(call.addr(1), name);
    if (length == -EFAULT) return Result::fail(EFAULT);
    name.back() = '\0';
  }
  if (call.i64(0) == own_tid(call.host))
    call.host.call(SYS_prctl, PR_SET_NAME, reinterpret_cast<Word>(name.data()));
  return Result::ok(0);
}

constexpr std::array kHandlers{
    HandlerEntry{"thr_exit", thr_exit},   HandlerEntry{"thr_kill", thr_kill},
    HandlerEntry{"thr_kill2", thr_kill2}, HandlerEntry{"thr_new", thr_new},
    HandlerEntry{"thr_self", thr_self},   HandlerEntry{"thr_set_name", thr_set_name},
};

}  // namespace

std::span<const HandlerEntry> thread_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd
