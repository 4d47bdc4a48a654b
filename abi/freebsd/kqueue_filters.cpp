// EVFILT_TIMER, EVFILT_USER, EVFILT_SIGNAL, EVFILT_PROC and EVFILT_PROCDESC.
//
// Semantics: FreeBSD 14.0, sys/kern/kern_event.c (filt_timer*, filt_user*, filt_proc*), sys/kern/kern_sig.c
// (filt_sig*), sys/kern/sys_procdesc.c, sys/sys/wait.h; lib/libsys/kqueue.2.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <bit>
#include <cerrno>
#include <climits>
#include <csignal>
#include <limits>

#include "abi/freebsd/kqueue_state.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace sudrun::abi::freebsd {
namespace {

using namespace kq;

// --- time -------------------------------------------------------------------------------------------------

/// Nanoseconds of `value` units, as long as a timer can be. Nothing if the units make no sense.
std::optional<std::int64_t> nanoseconds(std::int64_t value, std::uint32_t notes) noexcept {
  std::int64_t unit = 0;
  switch (notes & kNoteUnits) {
    case kNoteSeconds:
      unit = 1'000'000'000;
      break;
    case 0:
    case kNoteMseconds:
      unit = 1'000'000;
      break;
    case kNoteUseconds:
      unit = 1000;
      break;
    case kNoteNseconds:
      unit = 1;
      break;
    default:
      return std::nullopt;
  }
  std::int64_t product = 0;
  if (__builtin_mul_overflow(value, unit, &product)) return std::numeric_limits<std::int64_t>::max();
  return product;
}

timespec split(std::int64_t nanos) noexcept { return {nanos / 1'000'000'000, nanos % 1'000'000'000}; }

// --- exit status ------------------------------------------------------------------------------------------

/// Linux, include/uapi/linux/pidfd.h: PIDFD_GET_INFO, its first version, and the bit that asks for the
/// status.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t ids[11];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kPidfdExit = 1 << 3;
constexpr Word kPidfdGetInfo = _IOWR(0xff, 11, PidfdInfo);

constexpr int kCoreFlag = 0x80;

/// FreeBSD's wait status: code << 8 | signal | core flag.
std::int64_t guest_status(const Table& table, bool exited, int code, bool core) noexcept {
  if (exited) return (code & 0xff) << 8;
  return table.signal_to_guest(code) | (core ? kCoreFlag : 0);
}

/// Status of the ended process behind a pidfd, without reaping it; 0 if it is not ours to know.
std::int64_t exit_status(Host& host, const Table& table, int pidfd) noexcept {
  siginfo_t info{};
  const NativeResult waited =
      host.call(SYS_waitid, P_PIDFD, fd_word(pidfd), host_word(&info), WEXITED | WNOHANG | WNOWAIT, 0);
  if (!is_error(waited) && info.si_pid != 0)
    return guest_status(table, info.si_code == CLD_EXITED, info.si_status, info.si_code == CLD_DUMPED);
  // Already reaped, or not a child.
  PidfdInfo more{};
  more.mask = kPidfdExit;
  if (is_error(host.call(SYS_ioctl, fd_word(pidfd), kPidfdGetInfo, host_word(&more)))) return 0;
  if ((more.mask & kPidfdExit) == 0) return 0;
  const int status = more.exit_code;
  if (WIFEXITED(status)) return guest_status(table, true, WEXITSTATUS(status), false);
  return guest_status(table, false, WTERMSIG(status), WCOREDUMP(status));
}

}  // namespace

// --- EVFILT_TIMER -----------------------------------------------------------------------------------------

int Kqueue::attach_timer(Host& host, Knote& note) noexcept {
  if ((note.wanted & kNoteAbstime) == 0) note.flags |= kClear;
  return start_timer(host, note);
}

/// Sets the timer from `wanted` and `parameter`, on a new timerfd if it has none.
int Kqueue::start_timer(Host& host, Knote& note) noexcept {
  const bool absolute = (note.wanted & kNoteAbstime) != 0;
  const bool periodic = !absolute && (note.flags & kOneshot) == 0;
  if (note.parameter < 0 || (note.wanted & ~(kNoteUnits | kNoteAbstime)) != 0) return EINVAL;
  if (note.parameter == 0 && periodic) note.parameter = 1;
  const auto time = nanoseconds(note.parameter, note.wanted);
  if (!time) return EINVAL;

  if (note.source == nullptr) {
    const int clock = absolute ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    const NativeResult made = host.call(SYS_timerfd_create, fd_word(clock), TFD_CLOEXEC | TFD_NONBLOCK);
    if (const int error = add_helper(host, SourceKind::timer, made, &note)) return error;
  }
  itimerspec setting{};
  setting.it_value = split(*time == 0 ? 1 : *time);  // 0 would disarm it
  if (periodic) setting.it_interval = setting.it_value;
  const NativeResult set = host.call(SYS_timerfd_settime, fd_word(note.source->fd),
                                     absolute ? TFD_TIMER_ABSTIME : 0, host_word(&setting), 0);
  return is_error(set) ? static_cast<int>(errno_of(set)) : 0;
}

int Kqueue::touch_timer(Host& host, Knote& note, const Event& c) noexcept {
  if ((c.flags & kAdd) == 0) return 0;
  dequeue(note);
  note.data = 0;
  note.latched = false;
  if (((note.wanted ^ c.fflags) & kNoteAbstime) != 0 && note.source != nullptr) {
    free_source(host, *note.source);  // another clock
  }
  note.wanted = c.fflags;
  note.parameter = c.data;
  return start_timer(host, note);
}

void Kqueue::timer_event(Host& host, Knote& note) noexcept {
  std::uint64_t expirations = 0;
  const NativeResult got =
      host.call(SYS_read, fd_word(note.source->fd), host_word(&expirations), sizeof expirations);
  if (got != sizeof expirations) return;
  note.data += static_cast<std::int64_t>(expirations);
  note.latched = true;
  enqueue(note);
}

// --- EVFILT_USER ------------------------------------------------------------------------------------------

void Kqueue::touch_user(Knote& note, const Event& c) noexcept {
  if ((c.fflags & kNoteTrigger) != 0) note.latched = true;
  const std::uint32_t operand = c.fflags & kNoteFfMask;
  switch (c.fflags & kNoteFfControl) {
    case kNoteFfAnd:
      note.wanted &= operand;
      break;
    case kNoteFfOr:
      note.wanted |= operand;
      break;
    case kNoteFfCopy:
      note.wanted = operand;
      break;
    default:
      break;
  }
  note.parameter = c.data;
  if ((c.flags & kClear) != 0) {
    note.latched = false;
    dequeue(note);
  }
}

// --- EVFILT_SIGNAL ----------------------------------------------------------------------------------------

int Kqueue::attach_signal(KqueueContext& context, Knote& note) noexcept {
  Host& host = context.host;
  note.flags |= kClear;
  if (note.ident <= INT_MAX) note.signal = context.table.signal_to_native(static_cast<int>(note.ident));
  note.peer_next = signal_notes_;
  signal_notes_ = &note;
  if (note.signal <= 0) return 0;  // a signal that never comes

  const NativeResult counter = context.registry.count_signal(host, note.signal);
  if (is_error(counter)) return ENOMEM;
  if (const int error = listen_for_blocked(host)) return error;
  take_blocked(context, false);  // what came before the registration does not count
  note.seen = context.registry.signal_count(note.signal);
  if (signals_ != nullptr) return 0;
  Source* source = make_source(SourceKind::signals, static_cast<int>(counter), false);
  if (source == nullptr) return ENOMEM;
  // Nobody ever reads this eventfd, which all queues share: each write is an edge.
  if (is_error(epoll_set(host, EPOLL_CTL_ADD, *source, EPOLLIN | EPOLLET))) {
    free_source(host, *source);
    return ENOMEM;
  }
  signals_ = source;
  return 0;
}

/// Brings the signalfd in line with the signals waited for. 0 or an errno.
int Kqueue::listen_for_blocked(Host& host) noexcept {
  NativeSigset mask = 0;
  for (const Knote* note = signal_notes_; note != nullptr; note = note->peer_next) {
    if (note->signal > 0) mask |= sigbit(note->signal);
  }
  const int fd = blocked_ == nullptr ? -1 : blocked_->fd;
  if (fd < 0 && mask == 0) return 0;
  const NativeResult made =
      host.call(SYS_signalfd4, fd_word(fd), host_word(&mask), sizeof mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return add_helper(host, SourceKind::blocked, made, nullptr);
  return is_error(made) ? static_cast<int>(errno_of(made)) : 0;
}

/// FreeBSD counts signals as they are sent, blocked or not; Linux says nothing of one more of a kind that is
/// pending already. So those are taken from the kernel, and held for when the guest unblocks them. Signals
/// with a handler are left alone: another thread may be about to run it.
void Kqueue::take_blocked(KqueueContext& context, bool count) noexcept {
  Host& host = context.host;
  const NativeSigset pending = host.pending_signals();
  NativeSigset wanted = 0;
  NativeSigset ignored = 0;
  for (const Knote* note = signal_notes_; note != nullptr; note = note->peer_next) {
    SignalAction action;
    if (note->signal <= 0 || (pending & sigbit(note->signal)) == 0) continue;
    if (host.signal_action(note->signal, nullptr, &action) != 0) continue;
    if (action.disposition == Disposition::handler) continue;
    wanted |= sigbit(note->signal);
    if (action.disposition == Disposition::ignore) ignored |= sigbit(note->signal);
  }
  if (wanted == 0 || blocked_ == nullptr) return;
  host.call(SYS_signalfd4, fd_word(blocked_->fd), host_word(&wanted), sizeof wanted, 0);
  signalfd_siginfo info{};
  while (host.call(SYS_read, fd_word(blocked_->fd), host_word(&info), sizeof info) == sizeof info) {
    const auto signal = static_cast<int>(info.ssi_signo);
    if (count) context.registry.on_signal(signal);
    if ((ignored & sigbit(signal)) == 0) host.hold_signal(signal);
  }
  listen_for_blocked(host);
}

void Kqueue::signals_event(KqueueContext& context) noexcept {
  for (Knote* note = signal_notes_; note != nullptr; note = note->peer_next) {
    if (note->signal <= 0) continue;
    const std::uint64_t now = context.registry.signal_count(note->signal);
    if (now == note->seen) continue;
    note->data += static_cast<std::int64_t>(now - note->seen);
    note->seen = now;
    enqueue(*note);
  }
}

// --- EVFILT_PROC, EVFILT_PROCDESC -------------------------------------------------------------------------

int Kqueue::attach_process(KqueueContext& context, Knote& note) noexcept {
  Host& host = context.host;
  note.flags |= kClear;
  // Linux tells nobody but a tracer of forks and execs. Together with NOTE_EXIT they are merely silent.
  if ((note.wanted & kNoteTrack) != 0 || (note.wanted & kNoteExit) == 0) return EOPNOTSUPP;
  NativeResult process = 0;
  if (note.filter == kProcdesc) {
    const int fd = static_cast<int>(note.ident);
    siginfo_t info{};
    const NativeResult asked =
        host.call(SYS_waitid, P_PIDFD, note.ident, host_word(&info), WEXITED | WNOHANG | WNOWAIT, 0);
    if (is_error(asked) && asked != -ECHILD)
      return asked == -EBADF && !is_error(host.call(SYS_fcntl, note.ident, F_GETFD)) ? EINVAL : EBADF;
    if (!context.registry.mark_watched(fd)) return ENOMEM;
    process = host.call(SYS_fcntl, note.ident, F_DUPFD_CLOEXEC, 0);
  } else {
    if (note.ident == 0 || note.ident > INT_MAX) return ESRCH;
    process = host.call(SYS_pidfd_open, note.ident, 0);
  }
  return add_helper(host, SourceKind::process, process, &note);
}

void Kqueue::process_event(KqueueContext& context, Knote& note) noexcept {
  if ((note.wanted & kNoteExit) == 0) return drop(context.host, note);
  note.fflags |= kNoteExit;
  note.flags |= kOneshot;
  note.data = exit_status(context.host, context.table, note.source->fd);
  free_source(context.host, *note.source);
  enqueue(note);
}

}  // namespace sudrun::abi::freebsd
