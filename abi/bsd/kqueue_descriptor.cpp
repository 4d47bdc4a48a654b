// EVFILT_READ and EVFILT_WRITE.
//
// Semantics: FreeBSD 14.0, sys/kern/uipc_socket.c (filt_soread, filt_sowrite), sys/kern/sys_pipe.c
// (filt_piperead, filt_pipewrite), sys/kern/vfs_subr.c (filt_vfsread, filt_vfswrite).
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "abi/bsd/kqueue_state.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace kq;

constexpr std::int64_t kPipeBuf = 512;  // FreeBSD's PIPE_BUF: a writable pipe has room for that much
constexpr std::uint8_t kTcpClose = 7;   // Linux, include/net/tcp_states.h

constexpr std::uint32_t interest(int filter) noexcept {
  return filter == kRead ? std::uint32_t{EPOLLIN | EPOLLRDHUP} : std::uint32_t{EPOLLOUT};
}
constexpr unsigned slot(int filter) noexcept { return filter == kRead ? 0 : 1; }

/// What the descriptor is ready for at this moment; poll's bits are epoll's.
std::uint32_t poll_now(Host& host, int fd) noexcept {
  pollfd request{fd, POLLIN | POLLOUT | POLLRDHUP, 0};
  const timespec at_once{};
  const NativeResult ready = host.call(SYS_ppoll, host_word(&request), 1, host_word(&at_once), 0, 0);
  if (is_error(ready) || ready == 0 || (request.revents & POLLNVAL) != 0) return 0;
  return static_cast<std::uint16_t>(request.revents);
}

template <typename T>
bool socket_option(Host& host, int fd, int level, int option, T& value) noexcept {
  socklen_t size = sizeof value;
  return !is_error(host.call(SYS_getsockopt, fd_word(fd), fd_word(level), fd_word(option), host_word(&value),
                             host_word(&size)));
}

FileKind kind_of(Host& host, int fd) noexcept {
  struct stat info {};
  if (is_error(host.call(SYS_fstat, fd_word(fd), host_word(&info)))) return FileKind::other;
  if (S_ISSOCK(info.st_mode)) return FileKind::socket;
  return S_ISFIFO(info.st_mode) ? FileKind::pipe : FileKind::other;
}

/// Why a connection has ended, in native terms. Asking the socket for its error would take it away from the
/// guest's next call, so this is told from what TCP knows of the connection.
int connection_error(Host& host, int fd) noexcept {
  tcp_info info{};
  if (!socket_option(host, fd, IPPROTO_TCP, TCP_INFO, info)) return ECONNRESET;
  if (info.tcpi_state != kTcpClose) return 0;
  if (info.tcpi_backoff != 0 || info.tcpi_probes != 0) return ETIMEDOUT;
  return info.tcpi_rtt == 0 ? ECONNREFUSED : ECONNRESET;
}

std::int64_t readable_bytes(Host& host, int fd) noexcept {
  int bytes = 0;
  const NativeResult asked = host.call(SYS_ioctl, fd_word(fd), FIONREAD, host_word(&bytes));
  if (!is_error(asked)) return bytes;
  if (asked != -EINVAL) return 1;
  // A listening socket: connections waiting to be accepted.
  tcp_info info{};
  if (!socket_option(host, fd, IPPROTO_TCP, TCP_INFO, info)) return 1;
  return std::max<std::int64_t>(info.tcpi_unacked, 1);
}

std::int64_t writable_bytes(Host& host, Source& source) noexcept {
  if (source.file == FileKind::unknown || source.file == FileKind::socket) {
    std::array<std::uint32_t, 9> memory{};  // SO_MEMINFO: 2 written to the device, 3 limit, 5 queued
    if (socket_option(host, source.fd, SOL_SOCKET, SO_MEMINFO, memory)) {
      source.file = FileKind::socket;
      return std::max<std::int64_t>(std::int64_t{memory[3]} - std::max(memory[2], memory[5]), 1);
    }
    source.file = kind_of(host, source.fd);
  }
  if (source.file != FileKind::pipe) return 1;
  int used = 0;
  const NativeResult size = host.call(SYS_fcntl, fd_word(source.fd), F_GETPIPE_SZ);
  if (is_error(size) || is_error(host.call(SYS_ioctl, fd_word(source.fd), FIONREAD, host_word(&used))))
    return kPipeBuf;
  return std::max<std::int64_t>(size - used, kPipeBuf);
}

}  // namespace

// --- registration -----------------------------------------------------------------------------------------

/// Puts a reader or writer on its descriptor. Without `arm_now` the native call is left to the next knote.
int Kqueue::attach_descriptor(KqueueContext& context, Knote& note, bool arm_now) noexcept {
  Host& host = context.host;
  const int fd = static_cast<int>(note.ident);
  if (context.registry.is_queue(fd) && (note.filter == kWrite || context.registry.is_queue(fd, *this)))
    return EINVAL;
  if (!context.registry.mark_watched(fd)) return ENOMEM;

  const bool edge = (note.flags & kClear) != 0;
  Knote* sibling = find(note.filter == kRead ? kWrite : kRead, note.ident);
  Source* source = nullptr;
  if (sibling != nullptr && sibling->source != nullptr) {
    if (sibling->source->edge == edge) {
      source = sibling->source;
    } else {
      // One entry cannot be both edge- and level-triggered: the second filter gets a descriptor of its own.
      const NativeResult twin = host.call(SYS_fcntl, note.ident, F_DUPFD_CLOEXEC, 0);
      const NativeResult hidden = is_error(twin) ? twin : host.hide_descriptor(static_cast<int>(twin));
      if (is_error(hidden)) return ENOMEM;
      source = make_source(SourceKind::descriptor, static_cast<int>(hidden), true);
      if (source == nullptr) {
        host.close_hidden(static_cast<int>(hidden));
        return ENOMEM;
      }
    }
  } else {
    source = make_source(SourceKind::descriptor, fd, false);
    if (source == nullptr) return ENOMEM;
  }
  source->edge = edge;
  source->knotes[slot(note.filter)] = &note;
  note.source = source;
  if (!arm_now) return 0;
  const int error = arm(host, *source, true);
  if (error != EPERM) return error;
  detach_descriptor(host, note);
  return attach_regular(context, note);
}

/// Leaves the entry; the last knote removes it.
void Kqueue::detach_descriptor(Host& host, Knote& note) noexcept {
  Source& source = *note.source;
  note.source = nullptr;
  source.knotes[slot(note.filter)] = nullptr;
  if (source.knotes[0] == nullptr && source.knotes[1] == nullptr) return free_source(host, source);
  // A stale bit of an edge-triggered entry is taken out when it shows: doing it now would make the kernel
  // report the remaining filter once more.
  if (!source.edge) arm(host, source, false);
}

std::uint32_t Kqueue::wanted_mask(const Source& source) const noexcept {
  std::uint32_t mask = 0;
  const Knote* only = nullptr;
  for (const Knote* note : source.knotes) {
    if (note == nullptr) continue;
    only = mask == 0 && only == nullptr ? note : nullptr;
    if (!note->disabled) mask |= interest(note->filter);
  }
  // Errors and hang-ups are always reported: with nobody listening only as an edge.
  if (mask == 0) return EPOLLET;
  if (source.edge || source.parked) mask |= EPOLLET;
  if (only != nullptr && !source.parked && (only->flags & (kDispatch | kOneshot)) != 0) mask |= EPOLLONESHOT;
  return mask;
}

/// Brings the native registration in line. `again`: also if nothing differs, so that the kernel looks anew
/// whether the descriptor is ready. 0 or an errno.
int Kqueue::arm(Host& host, Source& source, bool again) noexcept {
  const std::uint32_t mask = wanted_mask(source);
  if (source.registered && mask == source.mask && !again) return 0;
  NativeResult result = epoll_set(host, source.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source, mask);
  // The guest's threads raced a close against this queue: the entry vanished, or was left behind.
  if (result == -ENOENT) result = epoll_set(host, EPOLL_CTL_ADD, source, mask);
  if (result == -EEXIST) result = epoll_set(host, EPOLL_CTL_MOD, source, mask);
  if (!is_error(result)) return 0;
  if (result == -ENOSPC) return ENOMEM;
  return result == -ELOOP ? EINVAL : static_cast<int>(errno_of(result));
}

void Kqueue::recheck_descriptor(KqueueContext& context, Knote& note) noexcept {
  Source& source = *note.source;
  const Knote* sibling = source.knotes[1 - slot(note.filter)];
  if (source.edge && sibling != nullptr && !sibling->disabled &&
      (source.mask & interest(note.filter)) == interest(note.filter)) {
    // Re-arming the entry would report the sibling again.
    if (evaluate_descriptor(context, note, 0)) enqueue(note);
    return;
  }
  arm(context.host, source, source.edge || source.parked || (source.mask & EPOLLONESHOT) != 0);
}

// --- readiness --------------------------------------------------------------------------------------------

/// `events`: what epoll said, or 0 to look now.
std::optional<Ready> Kqueue::evaluate_descriptor(KqueueContext& context, Knote& note,
                                                 std::uint32_t events) noexcept {
  Host& host = context.host;
  Source& source = *note.source;
  constexpr std::uint32_t kEnds = EPOLLHUP | EPOLLERR | EPOLLRDHUP;
  if (events == 0) events = poll_now(host, source.fd);
  if ((events & kEnds) != 0 && source.file == FileKind::unknown) source.file = kind_of(host, source.fd);
  // EPOLLRDHUP comes only where it was asked for, and it is needed to understand EPOLLHUP.
  if ((events & EPOLLHUP) != 0 && (source.mask & EPOLLRDHUP) == 0 && source.file == FileKind::socket)
    events = poll_now(host, source.fd);

  bool ready = (events & (note.filter == kRead ? EPOLLIN : EPOLLOUT)) != 0;
  bool eof = false;
  if ((events & kEnds) != 0) {
    const bool error = (events & EPOLLERR) != 0;
    const bool hung_up = (events & EPOLLHUP) != 0;
    const bool read_end = (events & EPOLLRDHUP) != 0;
    switch (source.file) {
      case FileKind::socket:
        // A hang-up without a closed read side is a socket not connected yet: nothing to report.
        if (hung_up && !read_end && !error) return std::nullopt;
        eof = note.filter == kRead ? read_end : hung_up && read_end;
        break;
      case FileKind::pipe:
        eof = note.filter == kRead ? hung_up || error : error;
        break;
      default:
        eof = hung_up;
        break;
    }
    ready = ready || eof || error;
  }
  if (!ready) return std::nullopt;

  Ready answer;
  if (eof) {
    answer.flags = kEof;
    if (source.file == FileKind::socket && (events & EPOLLERR) != 0) {
      const int error = connection_error(host, source.fd);
      if (error != 0) answer.fflags = static_cast<std::uint32_t>(context.table.errno_to_guest(error));
    }
  }
  if (note.filter == kRead) {
    answer.data = readable_bytes(host, source.fd);
  } else if (!(eof && source.file == FileKind::pipe)) {
    answer.data = writable_bytes(host, source);
  }
  if ((note.wanted & kNoteLowat) != 0 && (events & kEnds) == 0 && answer.data < note.parameter)
    return std::nullopt;
  return answer;
}

void Kqueue::descriptor_event(KqueueContext& context, Source& source, std::uint32_t events,
                              Batch& batch) noexcept {
  const std::uint32_t generation = source.generation;
  bool heard = false, reported = false, refused = false;
  for (const int filter : {kRead, kWrite}) {
    Knote* note = source.knotes[slot(filter)];
    if (note == nullptr || note->disabled) continue;
    if ((events & (interest(filter) | EPOLLHUP | EPOLLERR)) == 0) continue;
    heard = true;
    const auto ready = evaluate_descriptor(context, *note, events);
    if (!ready) {
      refused = true;
      continue;
    }
    reported = true;
    deliver(context.host, *note, *ready, batch);
    if (source.generation != generation) return;
  }
  if (reported) {
    if (!source.parked) return;
    source.parked = false;
    arm(context.host, source, false);
  } else if (refused) {
    // Ready for Linux but not for the guest: as a level this would never let the queue sleep.
    source.parked = true;
    arm(context.host, source, false);
  } else if (!heard) {
    arm(context.host, source, false);
  }
}

// --- regular files ----------------------------------------------------------------------------------------

/// A descriptor epoll refuses. Judged at every call; growth is noticed through a watch.
int Kqueue::attach_regular(KqueueContext& context, Knote& note) noexcept {
  struct stat info {};
  const NativeResult known = context.host.call(SYS_fstat, note.ident, host_word(&info));
  if (is_error(known)) return static_cast<int>(errno_of(known));
  note.regular = true;
  note.latched = true;
  note.always_ready = !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
  if (note.filter == kRead) {
    note.peer_next = files_;
    files_ = &note;
    if (!note.always_ready && watch(context.host, note) != 0) ++unwatched_;
  }
  // The caller sees no source and evaluates; apply_pair() gives up and comes back one by one.
  return 0;
}

// --- EVFILT_EMPTY -----------------------------------------------------------------------------------------

/// Nothing tells when a send buffer has drained: it is looked at now and then, like a file without a watch.
int Kqueue::attach_empty(KqueueContext& context, Knote& note) noexcept {
  struct stat info {};
  const NativeResult known = context.host.call(SYS_fstat, note.ident, host_word(&info));
  if (is_error(known)) return static_cast<int>(errno_of(known));
  if (!S_ISSOCK(info.st_mode)) return EINVAL;
  if (!context.registry.mark_watched(static_cast<int>(note.ident))) return ENOMEM;
  note.regular = true;
  note.latched = true;
  note.peer_next = files_;
  files_ = &note;
  ++unwatched_;
  return 0;
}

std::optional<Ready> Kqueue::evaluate_empty(Host& host, Knote& note) noexcept {
  int queued = 0;
  host.call(SYS_ioctl, note.ident, SIOCOUTQ, host_word(&queued));  // a listening socket has no such queue
  if (queued != 0) {
    note.latched = true;
    return std::nullopt;
  }
  if ((note.flags & kClear) != 0 && !note.latched) return std::nullopt;
  return Ready{};
}

// --- regular files, readiness -----------------------------------------------------------------------------

std::optional<Ready> Kqueue::evaluate_regular(Host& host, Knote& note) noexcept {
  if ((note.flags & kClear) != 0 && !note.latched) return std::nullopt;
  if (note.filter == kWrite || note.always_ready) return Ready{};
  if ((note.wanted & kNoteFilePoll) != 0) return Ready{0, 0, 1};
  struct stat info {};
  const NativeResult known = host.call(SYS_fstat, note.ident, host_word(&info));
  const NativeResult offset = host.call(SYS_lseek, note.ident, 0, SEEK_CUR);
  if (is_error(known) || is_error(offset) || info.st_size == offset) return std::nullopt;
  return Ready{0, 0, info.st_size - offset};
}

}  // namespace sudrun::abi::bsd
