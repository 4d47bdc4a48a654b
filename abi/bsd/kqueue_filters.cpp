// EVFILT_TIMER, EVFILT_USER and EVFILT_SIGNAL.
//
// Semantics: FreeBSD 14.0, sys/kern/kern_event.c (filt_timer*, filt_user*), sys/kern/kern_sig.c
// (filt_sig*); lib/libsys/kqueue.2.
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <bit>
#include <cerrno>
#include <climits>
#include <csignal>
#include <limits>

#include "abi/bsd/kqueue_state.hpp"

namespace sudrun::abi::bsd {
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

}  // namespace sudrun::abi::bsd
