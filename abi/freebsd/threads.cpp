// Threads. Sources: FreeBSD 14.0, sys/kern/kern_thr.c, sys/sys/thr.h, thr_new(2), thr_exit(2), thr_kill(2).
#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstring>
#include <string_view>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/signal_calls.hpp"
#include "abi/bsd/system_calls.hpp"
#include "abi/bsd/thread_names.hpp"
#include "abi/freebsd/frames.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/machine_layout.hpp"
#include "abi/freebsd/thread_id.hpp"
#include "abi/freebsd/umtx.hpp"

namespace sudrun::abi::freebsd {
namespace {

bool is_own_thread(Host& host, int tid) noexcept {
  return tid != 0 && host.call(SYS_tgkill, static_cast<Word>(host.pid()), static_cast<Word>(tid), 0) == 0;
}

// FreeBSD has not implemented THR_SUSPENDED and THR_SYSTEM_SCOPE either.
Result thr_new(Call& call) noexcept {
  guest::ThreadParameters p{};
  const std::int64_t size = call.i32(1);
  if (size < 0 || static_cast<std::uint64_t>(size) > sizeof p) return Result::fail(EINVAL);
  if (!call.host.read(call.addr(0), &p, static_cast<std::size_t>(size))) return Result::fail(EFAULT);
  RtPrio priority{};
  if (p.rtp != 0) {
    if (!call.host.get(guest_addr(p.rtp), priority)) return Result::fail(EFAULT);
    if (const int error = check_new_priority(call.host, priority); error != 0) return Result::fail(error);
  }

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
  if (is_error(tid)) return Result::of(tid);
  if (p.rtp != 0) set_new_priority(call.host, static_cast<int>(tid), priority);
  return Result::ok(0);
}

// The new thread starts out with the caller's context made what the argument says; after that the caller gets
// its own back.
Result thr_create(Call& call) noexcept {
  Context& context = call.host.context();
  const Context own = context;
  std::array<std::byte, kMaxXstate> own_xstate;
  const std::size_t size = std::min(own_xstate.size(), context.xstate.size());
  std::memcpy(own_xstate.data(), context.xstate.data(), size);

  guest::Ucontext wanted;
  if (const int error = load_machine_context(call.host, call.addr(0), wanted); error != 0)
    return Result::fail(error);
  ThreadStart start;
  start.regs = context.regs;
  start.fs_base = (wanted.mcontext.flags & guest::kMcHasBases) != 0 ? context.fs_base : own.fs_base;
  start.tid_address = call.addr(1);
  start.tid_size = sizeof(std::int64_t);
  start.tid_bias = kThreadIdBias;
  start.keep_xstate = true;
  const bool right_size = wanted.mcontext.len == sizeof wanted.mcontext;
  const NativeResult tid = right_size ? call.host.spawn_thread(start) : -EINVAL;
  context = own;
  std::memcpy(context.xstate.data(), own_xstate.data(), size);
  return is_error(tid) ? Result::of(tid) : Result::ok(0);
}

Result thr_exit(Call& call) noexcept {
  if (!call.host.close_to_signals()) return Result::restart();
  umtx_thread_ends(call.host);
  self(call).thread_wakeups().forget(call.host.tid());
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
  const HostPath path("/proc/", pid, "/task");
  const NativeResult fd = call.host.call(SYS_openat, static_cast<Word>(AT_FDCWD), path.word(),
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
      const NativeResult sent = bsd::send_to_thread(call.host, pid, tid, signal);
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
  return Result::of(bsd::send_to_thread(call.host, pid, tid, signal));
}

Result thr_kill(Call& call) noexcept { return kill_thread(call, call.host.pid(), call.i64(0), call.i32(1)); }
Result thr_kill2(Call& call) noexcept { return kill_thread(call, call.i32(0), call.i64(1), call.i32(2)); }

Result thr_suspend(Call& call) noexcept {
  timespec timeout{};
  const bool limited = !is_null(call.addr(0));
  if (limited) {
    if (!call.host.get(call.addr(0), timeout)) return Result::fail(EFAULT);
    if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec >= 1'000'000'000)
      return Result::fail(EINVAL);
  }
  call.host.interrupt_next_sleep(false);  // it has been woken for this one
  const NativeResult r = self(call).thread_wakeups().sleep(call.host, limited ? &timeout : nullptr);
  constexpr GuestErrno kNeverAgain{4};  // EINTR, whatever SA_RESTART says: the time has begun
  return r == -EINTR && limited ? Result::fail(kNeverAgain) : Result::of(r);
}

/// A thread that wakes itself does not sleep in its next call, whichever that is: what a handler of libthr's
/// for SIGCANCEL relies on, when the signal comes right before the call that is to be cancelled.
Result thr_wake(Call& call) noexcept {
  const int tid = native_tid(call.i64(0));
  if (!is_own_thread(call.host, tid)) return Result::fail(ESRCH);
  if (tid == call.host.tid()) call.host.interrupt_next_sleep(true);
  return self(call).thread_wakeups().wake(call.host, tid) ? Result::ok(0) : Result::fail(ENOMEM);
}

Result thr_set_name(Call& call) noexcept {
  std::array<char, 32> name{};
  if (!is_null(call.addr(1))) {
    // Longer names are cut, as Linux keeps 15 characters of FreeBSD's 19.
    const NativeResult length = call.host.read_string(call.addr(1), name);
    if (length == -EFAULT) return Result::fail(EFAULT);
    name.back() = '\0';
  }
  const int tid = native_tid(call.i64(0));
  if (tid != call.host.tid() && !is_own_thread(call.host, tid)) return Result::fail(ESRCH);
  return Result::of(set_thread_name(call.host, tid, name));
}

constexpr std::array kHandlers{
    HandlerEntry{"thr_create", thr_create},     HandlerEntry{"thr_exit", thr_exit},
    HandlerEntry{"thr_kill", thr_kill},         HandlerEntry{"thr_kill2", thr_kill2},
    HandlerEntry{"thr_new", thr_new},           HandlerEntry{"thr_self", thr_self},
    HandlerEntry{"thr_set_name", thr_set_name}, HandlerEntry{"thr_suspend", thr_suspend},
    HandlerEntry{"thr_wake", thr_wake},
};

}  // namespace

std::span<const HandlerEntry> thread_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd
