// Threads (LWPs) and their local storage.
// Sources: DragonFly 6.4 sys/kern/kern_fork.c (lwp_create1), kern_exit.c (sys_extexit), kern_sig.c
// (sys_lwp_kill), sys/platform/pc64/x86_64/vm_machdep.c (cpu_prepare_lwp), sys/sys/lwp.h,
// sys/platform/pc64/x86_64/tls.c.
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "abi/bsd/process.hpp"
#include "abi/bsd/signal_calls.hpp"
#include "abi/bsd/system_calls.hpp"
#include "abi/bsd/thread_names.hpp"
#include "abi/dragonfly/dragonfly.hpp"
#include "abi/dragonfly/machine_layout.hpp"

namespace sudrun::abi::dragonfly {
namespace {

// --- starting and ending -------------------------------------------------------------------------

/// Whether a thread's number can be stored there, or is not wanted.
bool takes_tid(Host& host, GuestAddr at) noexcept {
  std::int32_t now = 0;
  return is_null(at) || (Host::in_guest(at, sizeof now) && host.get(at, now) && host.put(at, now));
}

// The new thread is as its creator but for where it is; its storage is the creator's until it sets its own.
Result lwp_create(Call& call) noexcept {
  guest::ThreadParameters p{};
  if (!call.host.get(call.addr(0), p)) return Result::fail(EFAULT);
  constexpr Word kNoReturn = 0;
  const GuestAddr stack = guest_addr(p.stack - sizeof kNoReturn);
  if (!call.host.put(stack, kNoReturn)) return Result::fail(EFAULT);
  if (!takes_tid(call.host, guest_addr(p.tid1)) || !takes_tid(call.host, guest_addr(p.tid2)))
    return Result::fail(EFAULT);

  const Context& context = call.host.context();
  ThreadStart start;
  start.regs = context.regs;
  start.regs.rip = p.func;
  start.regs.rdi = p.arg;
  start.regs.rsp = word_of(stack);
  start.fs_base = context.fs_base;
  start.tid_address = guest_addr(p.tid1);
  start.parent_tid_address = guest_addr(p.tid2);
  start.tid_size = sizeof(std::int32_t);
  start.keep_xstate = true;
  const NativeResult tid = call.host.spawn_thread(start);
  return is_error(tid) ? Result::of(tid) : Result::ok(0);
}

using CpuMask = std::array<std::uint64_t, 4>;  // cpumask_t

/// The set is what the thread may run on; processors that are not there are left out, and a set of none but
/// these is as good as none. The thread has begun by then.
Result lwp_create2(Call& call) noexcept {
  CpuMask mask{};
  if (!is_null(call.addr(1)) && !call.host.get(call.addr(1), mask)) return Result::fail(EFAULT);
  const CpuMask none{};
  if (mask == none) return lwp_create(call);
  CpuMask own{};
  call.host.call(SYS_sched_getaffinity, 0, sizeof own, reinterpret_cast<Word>(own.data()));
  // A thread inherits its creator's.
  const bool set =
      !is_error(call.host.call(SYS_sched_setaffinity, 0, sizeof mask, reinterpret_cast<Word>(mask.data())));
  const Result created = lwp_create(call);
  if (set) call.host.call(SYS_sched_setaffinity, 0, sizeof own, reinterpret_cast<Word>(own.data()));
  return created;
}

Result extexit(Call& call) noexcept {
  constexpr unsigned kSimple = 0, kSetInt = 1, kProcess = 0, kThread = 1;  // EXTEXIT_*
  const unsigned action = call.u32(0) & 0xffff, who = call.u32(0) >> 16;
  if (action != kSimple && action != kSetInt) return Result::fail(EINVAL);
  if (who == kThread && !call.host.close_to_signals()) return Result::restart();
  if (action == kSetInt && !call.host.put(call.addr(2), call.i32(1))) return Result::fail(EFAULT);
  if (who != kProcess && who != kThread) return Result::fail(EINVAL);
  if (who == kProcess || call.host.thread_count() == 1) end_process(call, call.i32(1));
  return Result::thread_exit();
}

// --- names and signals ---------------------------------------------------------------------------

bool is_own_thread(Host& host, int tid) noexcept {
  return tid > 0 && host.call(SYS_tgkill, static_cast<Word>(host.pid()), static_cast<Word>(tid), 0) == 0;
}

Result lwp_gettid(Call& call) noexcept { return Result::ok(static_cast<Word>(call.host.tid())); }

Result lwp_kill(Call& call) noexcept {
  const int pid = call.i32(0) == -1 ? call.host.pid() : call.i32(0), tid = call.i32(1);
  const int guest_signal = call.i32(2);
  if (guest_signal < 0 || guest_signal > call.table.signal_limit() || tid == -1 || pid <= 0)
    return Result::fail(EINVAL);
  if (tid <= 0) return Result::fail(ESRCH);
  // One that Linux has no number for can never arrive: only the thread is looked for.
  const int signal = call.table.signal_to_native(guest_signal);
  return Result::of(bsd::send_to_thread(call.host, pid, tid, signal));
}

Result lwp_setname(Call& call) noexcept {
  const int tid = call.i32(0);
  if (!is_own_thread(call.host, tid)) return Result::fail(ESRCH);
  std::array<char, 1024> name{};
  if (!is_null(call.addr(1))) {
    const NativeResult length = call.host.read_string(call.addr(1), name);
    if (is_error(length)) return Result::of(length);
  }
  return Result::of(set_thread_name(call.host, tid, name));
}

Result lwp_getname(Call& call) noexcept {
  const int tid = call.i32(0);
  if (!is_own_thread(call.host, tid)) return Result::fail(ESRCH);
  std::array<char, kThreadNameRoom> name{};
  if (const NativeResult r = get_thread_name(call.host, tid, name); is_error(r)) return Result::of(r);
  const std::size_t size = std::min<Word>(call.word(2), std::string_view(name.data()).size() + 1);
  if (size == 0) return Result::ok(0);
  name[size - 1] = '\0';
  return call.host.write(call.addr(1), name.data(), size) ? Result::ok(0) : Result::fail(EFAULT);
}

// --- local storage -------------------------------------------------------------------------------

// What is kept of it beside the base of %fs.
enum ThreadWord { kFsSize, kGsBase, kGsSize };

/// The size of a structure that may be shorter or longer than ours; negative: EINVAL.
std::optional<std::size_t> info_size(const Call& call) noexcept {
  if (call.i64(2) < 0) return std::nullopt;
  return std::min<std::size_t>(call.word(2), sizeof(guest::TlsInfo));
}

Result set_tls_area(Call& call) noexcept {
  const auto size = info_size(call);
  if (!size) return Result::fail(EINVAL);
  if (call.u32(0) > 1) return Result::fail(ERANGE);
  guest::TlsInfo info{};
  if (!call.host.read(call.addr(1), &info, *size)) return Result::fail(EFAULT);
  if (info.size < -1) return Result::fail(EINVAL);
  auto& words = call.host.thread_words();
  if (call.u32(0) == 0) {
    call.host.context().fs_base = info.base;
    words[kFsSize] = static_cast<Word>(info.size);
  } else {
    words[kGsBase] = info.base;
    words[kGsSize] = static_cast<Word>(info.size);
  }
  return Result::ok(0);
}

Result get_tls_area(Call& call) noexcept {
  const auto size = info_size(call);
  if (!size) return Result::fail(EINVAL);
  if (call.u32(0) > 1) return Result::fail(ERANGE);
  const auto& words = call.host.thread_words();
  const guest::TlsInfo info =
      call.u32(0) == 0
          ? guest::TlsInfo{call.host.context().fs_base, static_cast<std::int64_t>(words[kFsSize])}
          : guest::TlsInfo{words[kGsBase], static_cast<std::int64_t>(words[kGsSize])};
  return call.host.write(call.addr(1), &info, *size) ? Result::ok(0) : Result::fail(EFAULT);
}

constexpr std::array kHandlers{
    HandlerEntry{"extexit", extexit},           HandlerEntry{"get_tls_area", get_tls_area},
    HandlerEntry{"lwp_create", lwp_create},     HandlerEntry{"lwp_create2", lwp_create2},
    HandlerEntry{"lwp_getname", lwp_getname},   HandlerEntry{"lwp_gettid", lwp_gettid},
    HandlerEntry{"lwp_kill", lwp_kill},         HandlerEntry{"lwp_setname", lwp_setname},
    HandlerEntry{"set_tls_area", set_tls_area},
};

}  // namespace

std::span<const HandlerEntry> thread_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::dragonfly
