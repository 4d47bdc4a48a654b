// EVFILT_PROC and EVFILT_PROCDESC.
//
// Semantics: FreeBSD 14.0, sys/kern/kern_event.c (filt_proc*, knote_fork), sys/kern/sys_procdesc.c,
// sys/sys/wait.h; lib/libsys/kqueue.2.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/kqueue_state.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace sudrun::abi::bsd {
namespace {

using namespace kq;

constexpr std::uint32_t kTold = kNoteFork | kNoteExec | kNoteTrack;  // what only the process itself can tell

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

/// Status of the ended process behind a pidfd, without reaping it; nothing if it is not ours to know.
std::optional<std::int64_t> exit_status(Host& host, const Table& table, int pidfd) noexcept {
  siginfo_t info{};
  const NativeResult waited =
      host.call(SYS_waitid, P_PIDFD, fd_word(pidfd), host_word(&info), WEXITED | WNOHANG | WNOWAIT, 0);
  if (!is_error(waited) && info.si_pid != 0)
    return guest_status(table, info.si_code == CLD_EXITED, info.si_status, info.si_code == CLD_DUMPED);
  // Already reaped, or not a child.
  PidfdInfo more{};
  more.mask = kPidfdExit;
  if (is_error(host.call(SYS_ioctl, fd_word(pidfd), kPidfdGetInfo, host_word(&more)))) return std::nullopt;
  if ((more.mask & kPidfdExit) == 0) return std::nullopt;
  const int status = more.exit_code;
  if (WIFEXITED(status)) return guest_status(table, true, WEXITSTATUS(status), false);
  return guest_status(table, false, WTERMSIG(status), WCOREDUMP(status));
}

/// Whether the process runs the runtime's own file, and so tells of what it does.
bool is_ours(Host& host, int pid) noexcept {
  const HostPath path("/proc/", pid, "/exe");
  struct stat theirs {};
  struct stat own {};
  if (is_error(host.call(SYS_stat, path.word(), host_word(&theirs)))) return false;
  if (is_error(host.call(SYS_stat, host_word("/proc/self/exe"), host_word(&own)))) return false;
  return theirs.st_dev == own.st_dev && theirs.st_ino == own.st_ino;
}

bool has_ended(Host& host, int pidfd) noexcept {
  pollfd ended{pidfd, POLLIN, 0};
  const timespec none{};
  return host.call(SYS_ppoll, host_word(&ended), 1, host_word(&none), 0, 0) == 1;
}

}  // namespace

int Kqueue::attach_process(KqueueContext& context, Knote& note) noexcept {
  Host& host = context.host;
  note.flags |= kClear;
  if (note.filter == kProcdesc) {
    const int fd = static_cast<int>(note.ident);
    siginfo_t info{};
    const NativeResult asked =
        host.call(SYS_waitid, P_PIDFD, note.ident, host_word(&info), WEXITED | WNOHANG | WNOWAIT, 0);
    if (is_error(asked) && asked != -ECHILD)
      return asked == -EBADF && !is_error(host.call(SYS_fcntl, note.ident, F_GETFD)) ? EINVAL : EBADF;
    if (!context.registry.mark_watched(fd)) return ENOMEM;
    return add_helper(host, SourceKind::process, host.call(SYS_fcntl, note.ident, F_DUPFD_CLOEXEC, 0), &note);
  }
  if (note.ident == 0 || note.ident > INT_MAX) return ESRCH;
  if (const int error =
          add_helper(host, SourceKind::process, host.call(SYS_pidfd_open, note.ident, 0), &note))
    return error;
  // Only who waits for the end finds one that has ended.
  if ((note.wanted & kNoteExit) == 0 && has_ended(host, note.source->fd)) return ESRCH;
  return listen_to_process(context, note);
}

/// Has the process tell of forks and execs, if those are asked for. 0 or an errno.
int Kqueue::listen_to_process(KqueueContext& context, Knote& note) noexcept {
  if ((note.wanted & kTold) == 0) return 0;
  Host& host = context.host;
  const auto pid = static_cast<int>(note.ident);
  // Before there is a board nobody has it but this process.
  const bool itself = pid == host.pid();
  if (!itself && (!process_events->exists() || !is_ours(host, pid))) {
    // Linux tells nobody but a tracer. Together with NOTE_EXIT such events are merely silent.
    return (note.wanted & kNoteTrack) != 0 || (note.wanted & kNoteExit) == 0 ? EOPNOTSUPP : 0;
  }
  if (is_error(process_events->ensure(host))) return ENOMEM;
  if (owner_ == 0) owner_ = process_events->new_owner(host);
  if (processes_ == nullptr) {
    Source* source = make_source(SourceKind::processes, process_events->wake_descriptor(), false);
    if (source == nullptr) return ENOMEM;
    if (is_error(epoll_set(host, EPOLL_CTL_ADD, *source, EPOLLIN | EPOLLET))) {
      free_source(host, *source);
      return ENOMEM;
    }
    processes_ = source;
  }
  note.slot = process_events->watch(
      host, owner_, {pid, (note.wanted & kNoteTrack) != 0, note.wanted, note.flags, note.udata, 0});
  if (note.slot < 0) return ENOMEM;
  note.peer_next = process_notes_;
  process_notes_ = &note;
  return 0;
}

int Kqueue::touch_process(KqueueContext& context, Knote& note, const Event& c) noexcept {
  note.wanted = c.fflags;
  note.parameter = c.data;
  if (note.source == nullptr) return 0;  // it has ended
  if (note.slot < 0) return listen_to_process(context, note);
  take_process_events(note);
  process_events->change(note.slot, {static_cast<int>(note.ident), (note.wanted & kNoteTrack) != 0,
                                     note.wanted, note.flags, note.udata, 0});
  return 0;
}

/// Takes in what the process has told.
void Kqueue::take_process_events(Knote& note) noexcept {
  if (note.slot < 0) return;
  const std::uint32_t happened = process_events->take(note.slot);
  if ((happened & ProcessEvents::kForked) != 0) note.fflags |= note.wanted & kNoteFork;
  if ((happened & ProcessEvents::kExecuted) != 0) note.fflags |= note.wanted & kNoteExec;
  if ((happened & ProcessEvents::kTrackError) != 0) note.fflags |= kNoteTrackErr;
}

/// Two knotes for a child of a tracked process: one says whose child it is, the other watches it.
void Kqueue::track_child(KqueueContext& context, int slot, const ProcessEvents::Watch& watch) noexcept {
  Event event{};
  event.ident = static_cast<std::uint64_t>(watch.process);
  event.filter = kProc;
  event.flags = watch.flags;
  event.fflags = watch.wanted;
  event.data = watch.parent;
  event.udata = watch.udata;
  if (Knote* notice = make(event)) {
    notice->notice = true;
    notice->flags |= kOneshot;
    notice->fflags = kNoteChild;
    notice->data = watch.parent;
    enqueue(*notice);
  }
  Knote* note = find(kProc, event.ident) == nullptr ? make(event) : nullptr;
  if (note == nullptr) return process_events->release(slot);
  note->slot = slot;
  note->peer_next = process_notes_;
  process_notes_ = note;
  Host& host = context.host;
  const int error = add_helper(host, SourceKind::process, host.call(SYS_pidfd_open, event.ident, 0), note);
  take_process_events(*note);
  if (error != 0 || process_events->stale(slot)) return end_process(host, *note, 0);
  if (note->fflags != 0) enqueue(*note);
}

void Kqueue::processes_event(KqueueContext& context) noexcept {
  ProcessEvents::Watch watch;
  for (int slot = 0; (slot = process_events->next_child(owner_, slot, watch)) >= 0; ++slot)
    track_child(context, slot, watch);
  for (Knote* note = process_notes_; note != nullptr; note = note->peer_next) {
    take_process_events(*note);
    if (note->fflags != 0) enqueue(*note);
  }
}

void Kqueue::process_event(KqueueContext& context, Knote& note) noexcept {
  if (note.slot >= 0) processes_event(context);  // before the last news of it, those of its children
  const auto status = exit_status(context.host, context.table, note.source->fd);
  end_process(context.host, note, status.value_or(0));
}

/// A process that has told of something and has ended since is one event.
void Kqueue::look_for_end(KqueueContext& context, Knote& note) noexcept {
  if (note.fflags != 0 && note.source != nullptr && has_ended(context.host, note.source->fd))
    process_event(context, note);
}

/// The process has ended, with `status` unless it has said otherwise.
void Kqueue::end_process(Host& host, Knote& note, std::int64_t status) noexcept {
  if (note.slot >= 0) {
    take_process_events(note);
    if (const int told = process_events->exit_status(note.slot); told >= 0 && status == 0) status = told;
    remove_peer(process_notes_, note);
    process_events->release(note.slot);
    note.slot = -1;
  }
  if (note.source != nullptr) free_source(host, *note.source);
  note.flags |= kEof | kOneshot;
  if ((note.wanted & kNoteExit) != 0) {
    note.fflags |= kNoteExit;
    note.data = status;
  }
  if (note.fflags == 0) return drop(host, note);
  enqueue(note);
}

}  // namespace sudrun::abi::bsd
