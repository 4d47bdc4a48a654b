// Threads and new processes: clone and its relatives, the end of a thread, futexes, the thread pointer.
//
// A guest thread is a host thread and a new process is a fork of this one, so that only the combinations of
// clone flags that mean one of the two are possible.
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <optional>

#include "abi/linux/layout.hpp"
#include "abi/linux/linux.hpp"

namespace sudrun::abi::linux_abi {
namespace {

constexpr std::uint64_t kClearSighand = 0x100000000, kIntoCgroup = 0x200000000;  // clone3 only
constexpr std::uint64_t kNewTime = 0x80;                                         // clone3 only
constexpr std::uint64_t kSignalMask = 0xff;                                      // CSIGNAL, clone only
constexpr std::uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | kNewTime;
constexpr Word kUserEnd = 0x7fff'ffff'f000;  // TASK_SIZE_MAX

/// What clone and clone3 have in common.
struct CloneRequest {
  std::uint64_t flags = 0;
  std::uint64_t exit_signal = 0;
  Word stack_pointer = 0;  ///< 0: the caller's
  GuestAddr parent_tid{}, child_tid{}, pidfd{};
  Word tls = 0;
  bool has(std::uint64_t flag) const noexcept { return (flags & flag) != 0; }
};

/// 0, or the errno of a request the kernel refuses or this runtime cannot carry out.
int check(const CloneRequest& request) noexcept {
  if (request.has(kNamespaces | kIntoCgroup | CLONE_PARENT)) return EINVAL;
  if (request.has(CLONE_SETTLS) && request.tls >= kUserEnd) return EPERM;
  if (request.has(CLONE_THREAD)) {
    if ((request.flags & kThreadFlags) != kThreadFlags) return EINVAL;
    return request.has(CLONE_VFORK | CLONE_PIDFD | kClearSighand) ? EINVAL : 0;
  }
  // A process: its memory and tables are its own. Sharing memory until exec looks the same to a program
  // that does no more than that, hence CLONE_VFORK lets CLONE_VM through.
  if (request.has(CLONE_FS | CLONE_FILES | CLONE_SIGHAND)) return EINVAL;
  if (request.has(CLONE_VM) && !request.has(CLONE_VFORK)) return EINVAL;
  return request.exit_signal == SIGCHLD ? 0 : EINVAL;
}

Result start_thread(Call& call, const CloneRequest& request) noexcept {
  const Context& creator = call.host.context();
  ThreadStart start;
  start.regs = creator.regs;
  start.regs.rax = 0;
  if (request.stack_pointer != 0) start.regs.rsp = request.stack_pointer;
  start.fs_base = request.has(CLONE_SETTLS) ? request.tls : creator.fs_base;
  start.tid_size = sizeof(std::int32_t);
  if (request.has(CLONE_CHILD_SETTID)) start.tid_address = request.child_tid;
  if (request.has(CLONE_PARENT_SETTID)) start.parent_tid_address = request.parent_tid;
  if (request.has(CLONE_CHILD_CLEARTID)) start.clear_tid_address = request.child_tid;
  start.keep_xstate = true;
  return Result::of(call.host.spawn_thread(start));
}

/// CLONE_CLEAR_SIGHAND: handlers give way to the default; ignored signals stay ignored.
void clear_handlers(Host& host) noexcept {
  for (int signal = 1; signal <= 64; ++signal) {
    SignalAction action;
    if (is_error(host.signal_action(signal, nullptr, &action))) continue;
    if (action.disposition != Disposition::handler) continue;
    const SignalAction by_default;
    host.signal_action(signal, &by_default, nullptr);
  }
}

void in_child(Host& host, const CloneRequest& request) noexcept {
  Context& context = host.context();
  if (request.stack_pointer != 0) context.regs.rsp = request.stack_pointer;
  if (request.has(CLONE_SETTLS)) context.fs_base = request.tls;
  if (request.has(kClearSighand)) clear_handlers(host);
  const auto tid = static_cast<std::int32_t>(host.tid());
  // An address the child cannot write is its own affair, as with the kernel.
  if (request.has(CLONE_CHILD_SETTID)) host.put(request.child_tid, tid);
  host.set_clear_tid_address(request.has(CLONE_CHILD_CLEARTID) ? request.child_tid : GuestAddr{});
}

void in_parent(Host& host, const CloneRequest& request, NativeResult child) noexcept {
  const auto pid = static_cast<std::int32_t>(child);
  if (request.has(CLONE_PARENT_SETTID)) host.put(request.parent_tid, pid);
  if (!request.has(CLONE_PIDFD)) return;
  // Fails only if the child is gone already and nobody has to wait for it.
  const NativeResult fd = host.call(SYS_pidfd_open, static_cast<Word>(child), 0);
  host.put(request.pidfd, static_cast<std::int32_t>(is_error(fd) ? -1 : fd));
}

Result start_process(Call& call, const CloneRequest& request) noexcept {
  const NativeResult child = call.host.fork(request.has(CLONE_VFORK));
  if (is_error(child)) return Result::of(child);
  if (child == 0)
    in_child(call.host, request);
  else
    in_parent(call.host, request, child);
  return Result::of(child);
}

Result start(Call& call, const CloneRequest& request) noexcept {
  if (const int error = check(request); error != 0) return Result::fail(error);
  return request.has(CLONE_THREAD) ? start_thread(call, request) : start_process(call, request);
}

Result clone(Call& call) noexcept {
  CloneRequest request;
  request.flags = call.u32(0) & ~kSignalMask;
  request.exit_signal = call.u32(0) & kSignalMask;
  request.stack_pointer = call.word(1);
  request.parent_tid = call.addr(2);
  request.child_tid = call.addr(3);
  request.tls = call.word(4);
  request.pidfd = call.addr(2);  // they share an argument
  if (request.has(CLONE_PIDFD) && request.has(CLONE_PARENT_SETTID | CLONE_DETACHED))
    return Result::fail(EINVAL);
  return start(call, request);
}

/// Reads clone3's structure, of any version; 0 or the native errno.
int read_clone_args(Call& call, CloneArgs& args) noexcept {
  constexpr std::size_t kFirstVersion = 64, kLargest = 4096;
  const Word size = call.word(1);
  if (size > kLargest) return E2BIG;
  if (size < kFirstVersion) return EINVAL;
  args = {};
  if (!call.host.read(call.addr(0), &args, size < sizeof args ? size : sizeof args)) return EFAULT;
  // Fields of a later version must be zero.
  for (Word at = sizeof args; at < size; ++at) {
    std::uint8_t byte = 0;
    if (!call.host.get(call.addr(0) + at, byte)) return EFAULT;
    if (byte != 0) return E2BIG;
  }
  return 0;
}

Result clone3(Call& call) noexcept {
  CloneArgs args;
  if (const int error = read_clone_args(call, args); error != 0) return Result::fail(error);
  constexpr std::uint64_t kRefused = (kSignalMask & ~kNewTime) | CLONE_DETACHED;
  if ((args.flags & kRefused) != 0 || args.flags >= kIntoCgroup << 1) return Result::fail(EINVAL);
  if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && args.exit_signal != 0) return Result::fail(EINVAL);
  if ((args.stack == 0) != (args.stack_size == 0)) return Result::fail(EINVAL);
  if (args.set_tid != 0 || args.set_tid_size != 0)
    return Result::fail(EINVAL);  // needs a namespace of its own
  CloneRequest request;
  request.flags = args.flags;
  request.exit_signal = args.exit_signal;
  request.stack_pointer = args.stack + args.stack_size;
  request.parent_tid = guest_addr(args.parent_tid);
  request.child_tid = guest_addr(args.child_tid);
  request.pidfd = guest_addr(args.pidfd);
  request.tls = args.tls;
  return start(call, request);
}

Result fork(Call& call) noexcept { return start(call, {.exit_signal = SIGCHLD}); }
Result vfork(Call& call) noexcept {
  return start(call, {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD});
}

// --- the end of a thread ------------------------------------------------------------------------------

Result set_tid_address(Call& call) noexcept {
  call.host.set_clear_tid_address(call.addr(0));
  return Result::ok(static_cast<Word>(call.host.tid()));
}

/// The kernel keeps the list, for threads that die of something else than exit.
Result set_robust_list(Call& call) noexcept {
  if (call.word(1) != sizeof(RobustListHead)) return Result::fail(EINVAL);
  if (!null_or_guest(call.addr(0), sizeof(RobustListHead))) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_set_robust_list, call.word(0), call.word(1)));
}

/// Marks one futex its owner leaves behind, and wakes who waits for it.
void abandon(Host& host, GuestAddr futex, bool priority_inheriting, bool pending) noexcept {
  std::uint32_t word = 0;
  if (!host.load32(futex, word)) return;
  const auto owner = static_cast<std::uint32_t>(host.tid());
  const auto wake = [&] { host.call(SYS_futex, word_of(futex), FUTEX_WAKE, 1); };
  if (pending && !priority_inheriting && word == 0) wake();  // unlocked, but its waiter not yet woken
  for (bool swapped = false; !swapped && (word & FUTEX_TID_MASK) == owner;) {
    const std::uint32_t before = word;
    if (!host.compare_exchange32(futex, word, (before & FUTEX_WAITERS) | FUTEX_OWNER_DIED, swapped)) return;
    if (swapped && !priority_inheriting && (before & FUTEX_WAITERS) != 0) wake();
  }
}

/// What the kernel does for a thread's robust list. It has to be done here and now: the host thread lives on
/// for a moment after the guest's tid has been cleared, and by then the list's memory may be another's.
void abandon_robust_futexes(Host& host) noexcept {
  Word head_address = 0, size = 0;
  if (is_error(host.call(SYS_get_robust_list, 0, host_word(&head_address), host_word(&size)))) return;
  RobustListHead head;
  if (is_null(guest_addr(head_address)) || !Host::in_guest(guest_addr(head_address), sizeof head)) return;
  host.call(SYS_set_robust_list, 0, sizeof head);
  if (!host.get(guest_addr(head_address), head)) return;

  // Bit 0 of a pointer says that the futex inherits priority.
  constexpr Word kPi = 1;
  constexpr int kLongest = 2048;  // lists may be circular by mistake
  const auto futex_of = [&](Word entry) {
    return guest_addr((entry & ~kPi) + static_cast<Word>(head.futex_offset));
  };
  Word entry = head.next;
  for (int i = 0; i < kLongest && (entry & ~kPi) != head_address; ++i) {
    Word next = 0;
    const bool readable = host.get(guest_addr(entry & ~kPi), next);  // first: the owner may free the entry
    if ((entry & ~kPi) != (head.pending & ~kPi)) abandon(host, futex_of(entry), (entry & kPi) != 0, false);
    if (!readable) break;
    entry = next;
  }
  if ((head.pending & ~kPi) != 0) abandon(host, futex_of(head.pending), (head.pending & kPi) != 0, true);
}

Result exit(Call& call) noexcept {
  if (!call.host.close_to_signals()) return Result::restart();
  abandon_robust_futexes(call.host);
  if (call.host.thread_count() == 1) call.host.exit_process(call.i32(0) & 0xff);
  return Result::thread_exit();
}

// --- futex, arch_prctl --------------------------------------------------------------------------------

Result futex(Call& call) noexcept {
  const auto& args = call.frame.args;
  const auto wait = [&] {
    return call.host.call_interruptible(SYS_futex, args[0], args[1], args[2], args[3], args[4], args[5]);
  };
  switch (call.u32(1) & static_cast<unsigned>(FUTEX_CMD_MASK)) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      const NativeResult result = wait();
      // With a timeout a handler ends the wait even under SA_RESTART. As a value, so that nobody restarts it.
      return result == -EINTR && args[3] != 0 ? Result::ok(Word{0} - EINTR) : Result::of(result);
    }
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI: {
      const NativeResult result = wait();
      return result == -EINTR ? Result::restart() : Result::of(result);  // goes on whatever SA_RESTART says
    }
    default:  // never waits, and must not fail with EINTR
      return Result::of(call.host.call(SYS_futex, args[0], args[1], args[2], args[3], args[4], args[5]));
  }
}

Result arch_prctl(Call& call) noexcept {
  constexpr int kGetXcompSupported = 0x1021, kGetXcompPermitted = 0x1022, kGetUntagMask = 0x4001;
  constexpr int kGetMaxTagBits = 0x4003, kMapVdso64 = 0x2003, kShadowStackFirst = 0x5001,
                kShadowStackLast = 0x5005;
  Context& context = call.host.context();
  const int operation = call.i32(0);
  switch (operation) {
    case ARCH_SET_FS:
      if (call.word(1) >= kUserEnd) return Result::fail(EPERM);
      context.fs_base = call.word(1);
      return Result::ok();
    case ARCH_GET_FS:
      return call.host.put(call.addr(1), context.fs_base) ? Result::ok() : Result::fail(EFAULT);
    case ARCH_GET_GS:
      return call.host.put(call.addr(1), context.gs_base) ? Result::ok() : Result::fail(EFAULT);
    case ARCH_SET_GS:
      return Result::fail(EPERM);  // the runtime's
    case ARCH_GET_CPUID:
      return Result::ok(1);
    case ARCH_SET_CPUID:
      return call.word(1) != 0 ? Result::ok() : Result::fail(ENODEV);
    case kGetXcompSupported:
    case kGetXcompPermitted:
    case kGetUntagMask:
    case kGetMaxTagBits:
      if (!Host::in_guest(call.addr(1), sizeof(Word))) return Result::fail(EFAULT);
      return Result::of(call.host.call(SYS_arch_prctl, call.word(0), call.word(1)));
    case kMapVdso64:
      return Result::fail(EINVAL);
    default:
      break;
  }
  if (operation >= kShadowStackFirst && operation <= kShadowStackLast) return Result::fail(EOPNOTSUPP);
  return Result::fail(EINVAL);
}

constexpr HandlerEntry kHandlers[] = {
    {"arch_prctl", arch_prctl},
    {"clone", clone},
    {"clone3", clone3},
    {"exit", exit},
    {"fork", fork},
    {"futex", futex},
    {"set_robust_list", set_robust_list},
    {"set_tid_address", set_tid_address},
    {"vfork", vfork},
};

}  // namespace

std::span<const HandlerEntry> thread_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::linux_abi
