// How asynchronous requests are carried out, and what happens when they are done.
//
// Semantics: FreeBSD 14.0, sys/kern/vfs_aio.c (aio_process_rw, aio_bio_done_notify, aio_cancel_job),
// sys/kern/sys_socket.c (soaio_process_job).
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>
#include <new>

#include "abi/bsd/aio.hpp"

#ifndef SO_NOFCS
#define SO_NOFCS 43
#endif

namespace sudrun::abi::bsd {
namespace {

Word word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }
constexpr Word word(int value) noexcept { return static_cast<Word>(static_cast<std::int64_t>(value)); }

/// Native calls of a guest thread, in the form the helper's have.
struct ThroughHost {
  Host& host;
  NativeResult operator()(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0, Word a3 = 0, Word a4 = 0,
                          Word a5 = 0) const noexcept {
    return host.call(number, a0, a1, a2, a3, a4, a5);
  }
};
struct Directly {
  NativeCall native;
  NativeResult operator()(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0, Word a3 = 0, Word a4 = 0,
                          Word a5 = 0) const noexcept {
    NativeResult result;
    do result = native(number, a0, a1, a2, a3, a4, a5);
    while (result == -EINTR);
    return result;
  }
};

/// Takes `done` bytes off the front of what a request still has to move.
void advance(AioRequest& request, std::uint64_t done) noexcept {
  request.left -= done;
  request.moved += done;
  while (request.count > 0 && done >= request.elements()[request.first].iov_len) {
    done -= request.elements()[request.first].iov_len;
    ++request.first;
    --request.count;
  }
  if (done == 0) return;
  iovec& element = request.elements()[request.first];
  element.iov_base = static_cast<char*>(element.iov_base) + done;
  element.iov_len -= done;
}

void end_with(AioRequest& request, NativeResult result) noexcept {
  request.error = is_error(result) ? static_cast<int>(errno_of(result)) : 0;
  request.status = is_error(result) ? -1 : result;
}

bool in_guest(AioRequest& request) noexcept {
  for (std::size_t i = 0; i < request.count; ++i) {
    const iovec& element = request.elements()[request.first + i];
    if (element.iov_len != 0 && !Host::in_guest(guest_addr(word(element.iov_base)), element.iov_len))
      return false;
  }
  return true;
}

}  // namespace

/// Tries a socket request. False: it would block. A read is content with what there is, a write is not.
template <typename Native>
bool AioRegistry::attempt(AioRequest& request, Native&& native) noexcept {
  for (;;) {
    msghdr message{};
    message.msg_iov = request.elements() + request.first;
    message.msg_iovlen = request.count;
    const NativeResult moved =
        request.reads()
            ? native(SYS_recvmsg, word(request.own_fd), word(&message), MSG_DONTWAIT)
            : native(SYS_sendmsg, word(request.own_fd), word(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (moved == -EAGAIN) return false;
    if (is_error(moved) || request.reads()) {
      end_with(request, moved);
    } else {
      advance(request, static_cast<std::uint64_t>(moved));
      if (moved > 0 && request.left > 0) continue;
      end_with(request, static_cast<NativeResult>(request.moved));
    }
    if (moved == -EPIPE && request.writes()) {
      int quiet = 0;  // SO_NOSIGPIPE, see socket_options.cpp
      socklen_t size = sizeof quiet;
      native(SYS_getsockopt, word(request.own_fd), SOL_SOCKET, SO_NOFCS, word(&quiet), word(&size));
      if (quiet == 0) native(SYS_kill, word(pid_), SIGPIPE);
    }
    return true;
  }
}

/// Does a request that is not for a socket. Without the lock.
template <typename Native>
void AioRegistry::carry_out(AioRequest& request, Native&& native) noexcept {
  const Word fd = word(request.own_fd), offset = static_cast<Word>(request.offset);
  switch (request.opcode & ~kLioVectored) {
    case kLioRead:
      return end_with(request, native(SYS_preadv, fd, word(request.elements()), request.count, offset));
    case kLioWrite:
      return end_with(request, native(SYS_pwritev, fd, word(request.elements()), request.count, offset));
    case kLioSync:
      return end_with(request, native(SYS_fsync, fd));
    case kLioDsync:
      return end_with(request, native(SYS_fdatasync, fd));
    default:
      return end_with(request, native(SYS_mlock, word(request.single.iov_base), request.single.iov_len));
  }
}

template <typename Native>
void AioRegistry::tell(AioNotice& notice, int error, Native&& native) noexcept {
  if (notice.signal != 0) {
    siginfo_t info{};
    info.si_signo = notice.signal;
    info.si_code = SI_ASYNCIO;
    info.si_value.sival_ptr = reinterpret_cast<void*>(notice.value);
    if (notice.tid != 0)
      native(SYS_rt_tgsigqueueinfo, word(pid_), word(notice.tid), word(notice.signal), word(&info));
    else
      native(SYS_rt_sigqueueinfo, word(pid_), word(notice.signal), word(&info));
  }
  if (notice.event_fd < 0) return;
  const std::uint64_t count = static_cast<std::uint64_t>(error) + 1;
  native(SYS_write, word(notice.event_fd), word(&count), sizeof count);
}

template <typename Native>
void AioRegistry::finish(AioRequest& request, Native&& native) noexcept {
  request.state = AioRequest::State::done;
  request.ended = ++ended_;
  AioList* list = request.list;
  if (list != nullptr) ++list->finished;
  tell(request.notice, request.error == 0 ? 0 : table_->errno_to_guest(request.error), native);
  if (list != nullptr && list->count == list->finished && !list->told) {
    list->told = true;
    tell(list->notice, 0, native);
  }
  endings_.fetch_add(1);
  native(SYS_futex, word(&endings_), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
}

void AioRegistry::tell_list(Host& host, AioList& list) noexcept {
  if (list.told) return;
  list.told = true;
  tell(list.notice, 0, ThroughHost{host});
}

// --- the requests
// -------------------------------------------------------------------------------------------

bool AioRegistry::open_book() noexcept {
  if (!book_) book_.reset(new (std::nothrow) Book);
  used_ = book_ != nullptr;
  return used_;
}

AioRequest* AioRegistry::find_room() noexcept {
  if (!open_book()) return nullptr;
  for (AioRequest& request : requests())
    if (request.state == AioRequest::State::unused) return &request;
  return nullptr;
}

AioList* AioRegistry::make_list() noexcept {
  if (!open_book()) return nullptr;
  for (AioList& list : lists()) {
    if (list.used) continue;
    list = AioList{};
    list.used = true;
    list.count = 1;
    return &list;
  }
  return nullptr;
}

AioRequest* AioRegistry::find(GuestAddr control, bool done_only) noexcept {
  AioRequest* oldest = nullptr;
  for (AioRequest& request : requests()) {
    if (request.state == AioRequest::State::unused || request.control != control) continue;
    if (done_only && request.state != AioRequest::State::done) continue;
    if (oldest == nullptr || request.made < oldest->made) oldest = &request;
  }
  return oldest;
}

AioRequest* AioRegistry::first_done() noexcept {
  AioRequest* first = nullptr;
  for (AioRequest& request : requests()) {
    if (request.state != AioRequest::State::done) continue;
    if (first == nullptr || request.ended < first->ended) first = &request;
  }
  return first;
}

AioRegistry::Outcome AioRegistry::take(AioRequest& request) noexcept {
  Outcome outcome{request.control, request.status, request.error, request.notice, {}};
  if (AioList* list = request.list) {
    --list->count;
    --list->finished;
    if (list->count == 0) {
      outcome.list_notice = list->notice;
      free_list(*list);
    }
  }
  request = AioRequest{};
  return outcome;
}

bool AioRegistry::has_earlier(const AioRequest& request) const noexcept {
  for (const AioRequest& other : requests()) {
    if (other.state == AioRequest::State::waiting && other.made < request.made &&
        other.inode == request.inode && other.device == request.device && other.reads() == request.reads())
      return true;
  }
  return false;
}

int AioRegistry::start(Host& host, const Table& table, AioRequest& request, bool socket,
                       std::unique_lock<std::mutex>& lock) noexcept {
  const ThroughHost native{host};
  table_ = &table;
  pid_ = host.pid();
  request.made = ++made_;
  if (request.list != nullptr) ++request.list->count;
  const bool nothing = request.reads() && request.left == 0;
  if (nothing || !in_guest(request)) {
    end_with(request, nothing ? 0 : request.opcode == kLioMlock ? -ENOMEM : -EFAULT);
    finish(request, native);
    return 0;
  }
  if (!socket) {
    request.state = AioRequest::State::running;
    lock.unlock();
    carry_out(request, native);
    lock.lock();
    finish(request, native);
    return 0;
  }
  request.state = AioRequest::State::waiting;
  if (!has_earlier(request) && attempt(request, native)) {
    finish(request, native);
    return 0;
  }
  if (const int error = start_helper(host)) {
    if (request.list != nullptr) --request.list->count;
    return error;
  }
  kick(host);
  return 0;
}

/// Makes the helper look at the requests anew.
void AioRegistry::kick(Host& host) noexcept {
  const std::uint64_t one = 1;
  if (wake_fd_ >= 0) host.call(SYS_write, word(wake_fd_), word(&one), sizeof one);
}

int AioRegistry::cancel(Host& host, int fd, GuestAddr control) noexcept {
  bool cancelled = false, refused = false;
  for (AioRequest& request : requests()) {
    if (request.fd != fd || (!is_null(control) && request.control != control)) continue;
    if (request.state == AioRequest::State::running) refused = true;
    if (request.state != AioRequest::State::waiting) continue;
    end_with(request, -ECANCELED);
    finish(request, ThroughHost{host});
    cancelled = true;
  }
  // A poll under way keeps the sockets open that it is for.
  if (cancelled) kick(host);
  if (refused && (is_null(control) || !cancelled)) return kAioNotCanceled;
  return cancelled ? kAioCanceled : kAioAllDone;
}

NativeResult AioRegistry::wait(Host& host, const timespec* deadline,
                               std::unique_lock<std::mutex>& lock) noexcept {
  const std::uint32_t seen = endings_.load();
  lock.unlock();
  const NativeResult woken =
      host.call_interruptible(SYS_futex, word(&endings_), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen,
                              word(deadline), 0, FUTEX_BITSET_MATCH_ANY);
  lock.lock();
  return woken == -EAGAIN ? 0 : woken;
}

void AioRegistry::after_fork_in_child(Host& host) noexcept {
  for (AioRequest& request : requests()) {
    if (request.state == AioRequest::State::unused) continue;
    if (request.own_fd >= 0) host.close_hidden(request.own_fd);
    if (request.notice.event_fd >= 0) host.close_hidden(request.notice.event_fd);
    request = AioRequest{};
  }
  for (AioList& list : lists()) {
    if (!list.used) continue;
    if (list.notice.event_fd >= 0) host.close_hidden(list.notice.event_fd);
    list = AioList{};
  }
  if (wake_fd_ >= 0) host.close_hidden(wake_fd_);
  wake_fd_ = -1;
  used_ = false;
  mutex_.unlock();
}

// --- the helper
// ---------------------------------------------------------------------------------------------

int AioRegistry::start_helper(Host& host) noexcept {
  if (wake_fd_ >= 0) return 0;
  NativeResult fd = host.call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!is_error(fd)) fd = host.hide_descriptor(static_cast<int>(fd));
  if (is_error(fd)) return EAGAIN;
  wake_fd_ = static_cast<int>(fd);
  if (!is_error(host.spawn_helper(&run_helper, this))) return 0;
  host.close_hidden(wake_fd_);
  wake_fd_ = -1;
  return EAGAIN;
}

void AioRegistry::run_helper(NativeCall native, void* self) noexcept {
  static_cast<AioRegistry*>(self)->serve(native);
}

/// Waits for the sockets of all waiting requests, and tries those that can go on.
void AioRegistry::serve(NativeCall native_call) noexcept {
  const Directly native{native_call};
  std::array<pollfd, kMaxAioRequests + 1> polled;
  std::array<std::uint64_t, kMaxAioRequests + 1> made;
  std::array<AioRequest*, kMaxAioRequests + 1> whose;
  for (;;) {
    std::size_t count = 1;
    {
      const std::scoped_lock hold(mutex_);
      polled[0] = {wake_fd_, POLLIN, 0};
      for (AioRequest& request : requests()) {
        if (request.state != AioRequest::State::waiting || has_earlier(request)) continue;
        polled[count] = {request.own_fd, static_cast<short>(request.reads() ? POLLIN : POLLOUT), 0};
        made[count] = request.made;
        whose[count++] = &request;
      }
    }
    native(SYS_ppoll, word(polled.data()), count, 0, 0, sizeof(NativeSigset));
    const std::scoped_lock hold(mutex_);
    if (polled[0].revents != 0) {
      std::uint64_t kicks = 0;
      native(SYS_read, word(polled[0].fd), word(&kicks), sizeof kicks);
    }
    for (std::size_t i = 1; i < count; ++i) {
      AioRequest& request = *whose[i];
      const bool same = request.state == AioRequest::State::waiting && request.made == made[i];
      if (polled[i].revents != 0 && same && attempt(request, native)) finish(request, native);
    }
  }
}

}  // namespace sudrun::abi::bsd
