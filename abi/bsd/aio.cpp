// The calls of asynchronous I/O: control blocks in, results out.
//
// Sources: FreeBSD 14.0, sys/kern/vfs_aio.c, aio(4), aio_cancel(2), aio_return(2), lio_listio(2). Every error
// of a call that makes a request is also left in its control block, for aio_error.
//
// Differs: a wait of aio_waitcomplete with a timeout is made again, with all of its time, after a handler
// with SA_RESTART; FreeBSD says EINTR.
#include "abi/bsd/aio.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <new>

#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/kqueue.hpp"

namespace sudrun::abi::bsd {
namespace {

using fs::word;

constexpr std::uint64_t kSecond = 1'000'000'000;
using Lock = std::unique_lock<std::mutex>;

// --- notices
// ------------------------------------------------------------------------------------------------

void close_notice(Call& call, const AioNotice& notice) noexcept {
  if (notice.event_fd < 0) return;
  self(call).kqueues().drop_completion(call.host, notice.kqueue, notice.filter, notice.ident);
  call.host.close_hidden(notice.event_fd);
}

/// Puts an event into the guest's kqueue and keeps an end to fire it by. 0 or a native errno.
int add_event(Call& call, const GuestSigevent& guest, int filter, Word ident, std::uint32_t flags,
              AioNotice& notice) noexcept {
  Host& host = call.host;
  const NativeResult queue_end = host.call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (is_error(queue_end)) return EAGAIN;
  NativeResult own_end = host.call(SYS_fcntl, static_cast<Word>(queue_end), F_DUPFD_CLOEXEC, 0);
  if (!is_error(own_end)) own_end = host.hide_descriptor(static_cast<int>(own_end));
  if (is_error(own_end)) {
    host.call(SYS_close, static_cast<Word>(queue_end));
    return EAGAIN;
  }
  Event event{};
  event.ident = ident;
  event.filter = filter;
  event.flags = kq::kAdd | kq::kEnable | flags;
  event.udata = guest.value;
  const int error =
      self(call).kqueues().add_completion(host, call.table, guest.signal, event, static_cast<int>(queue_end));
  if (error != 0) {
    host.close_hidden(static_cast<int>(own_end));
    return error;
  }
  notice.kqueue = guest.signal;
  notice.filter = filter;
  notice.ident = ident;
  notice.event_fd = static_cast<int>(own_end);
  return 0;
}

/// The part that needs no kqueue. 0 or EINVAL.
int read_notice(Call& call, const GuestSigevent& guest, AioNotice& notice) noexcept {
  switch (guest.notify) {
    case kNotifyNone:
    case kNotifyKevent:
      return 0;
    case kNotifyThreadId:
      notice.tid = self(call).native_tid(guest.thread_id);
      [[fallthrough]];
    case kNotifySignal:
      notice.signal = call.table.signal_to_native(guest.signal);
      notice.value = guest.value;
      return notice.signal == 0 ? EINVAL : 0;
    default:
      return EINVAL;
  }
}

bool widen(const GuestSigeventOld& old, GuestSigevent& event) noexcept {
  event = {};
  event.notify = old.notify;
  event.signal = old.signal;
  if (old.notify == kNotifyKevent) event.value = old.value;
  return old.notify == kNotifyNone || old.notify == kNotifySignal || old.notify == kNotifyKevent;
}

// --- making requests
// ----------------------------------------------------------------------------------------

enum class Form { current, old };

template <typename T>
bool store(Host& host, GuestAddr control, std::size_t offset, T value) noexcept {
  return host.put(control + offset, static_cast<std::int64_t>(value));
}

int read_control(Host& host, GuestAddr from, Form form, GuestAiocb& block) noexcept {
  block = {};
  if (!host.read(from, &block, form == Form::old ? kOldAiocbSize : sizeof block)) return EFAULT;
  return form == Form::old && !widen(block.old_event, block.event) ? EINVAL : 0;
}

/// The buffers of a request. 0 or a native errno.
int read_buffers(Host& host, const GuestAiocb& block, bool vectored, AioRequest& request) noexcept {
  request.single = {reinterpret_cast<void*>(block.buffer), block.size};
  request.count = 1;
  request.left = block.size;
  if ((request.opcode & kLioSync) != 0) request.count = request.left = 0;
  if (vectored) {
    if (block.size > kMaxAioVector) return EINVAL;
    request.vector.reset(new (std::nothrow) iovec[block.size + 1]);
    if (!request.vector) return ENOMEM;
    if (!host.read(guest_addr(block.buffer), request.vector.get(), block.size * sizeof(iovec))) return EFAULT;
    request.count = block.size;
    request.left = 0;
    for (std::size_t i = 0; i < request.count; ++i)
      if (__builtin_add_overflow(request.left, request.vector[i].iov_len, &request.left)) return EINVAL;
  }
  return request.left > INT64_MAX ? EINVAL : 0;
}

/// What kind of file `request.fd` is, and whether it will do. 0 or a native errno.
int check_file(Host& host, AioRequest& request, bool& socket) noexcept {
  if (request.opcode == kLioMlock) return 0;
  if (request.fd < 0 || host.is_hidden(request.fd)) return EBADF;
  const NativeResult flags = host.call(SYS_fcntl, word(request.fd), F_GETFL);
  if (is_error(flags) || (flags & O_PATH) != 0) return EBADF;
  const auto access = flags & O_ACCMODE;
  if (request.reads() && access == O_WRONLY) return EBADF;
  if (request.writes() && access == O_RDONLY) return EBADF;
  if (request.opcode == kLioNop) return 0;
  struct statx status {};
  if (is_error(fs::stat_descriptor(host, request.fd, status))) return EBADF;
  const auto type = status.stx_mode & S_IFMT;
  socket = type == S_IFSOCK;
  if ((request.opcode & kLioSync) != 0 && (socket || type == S_IFIFO)) return EINVAL;
  if ((request.reads() || request.writes()) && request.offset < 0 && type != S_IFCHR) return EINVAL;
  if (!socket && type != S_IFREG && type != S_IFDIR) return EOPNOTSUPP;
  request.device = static_cast<std::uint64_t>(status.stx_dev_major) << 32 | status.stx_dev_minor;
  request.inode = status.stx_ino;
  return 0;
}

/// Everything from the control block to the request under way. 0 or a native errno.
int begin(Call& call, GuestAddr control, int opcode, Form form, AioList* list) noexcept {
  Host& host = call.host;
  AioRegistry& registry = self(call).aio();
  {
    const Lock lock(registry.mutex());
    if (registry.find_room() == nullptr) return EAGAIN;
  }
  GuestAiocb block;
  AioRequest request;
  request.opcode = opcode;
  if (const int error = read_control(host, control, form, block)) return error;
  if (const int error = read_buffers(host, block, (opcode & kLioVectored) != 0, request)) return error;
  if (const int error = read_notice(call, block.event, request.notice)) return error;
  if (opcode == kLioNop) {
    if (block.opcode < kLioNop || block.opcode > kLioRead) return EINVAL;
    request.opcode = block.opcode;
  }
  request.control = control;
  request.fd = block.fd;
  request.offset = block.offset;
  request.list = list;
  bool socket = false;
  if (const int error = check_file(host, request, socket)) return error;
  if (!store(host, control, offsetof(GuestAiocb, kernel_info), 1)) return EINVAL;
  if (request.opcode == kLioNop) return 0;

  if (block.event.notify == kNotifyKevent) {
    const auto flags = static_cast<std::uint32_t>(block.event.thread_id) & 0xffff;
    if ((flags & ~(kq::kClear | kq::kDispatch | kq::kOneshot)) != 0) return EINVAL;
    if (const int error = add_event(call, block.event, kq::kAio, word_of(control), flags, request.notice))
      return error;
  }
  if (request.opcode != kLioMlock) {
    NativeResult own = host.call(SYS_fcntl, word(request.fd), F_DUPFD_CLOEXEC, 0);
    if (!is_error(own)) own = host.hide_descriptor(static_cast<int>(own));
    if (is_error(own)) {
      close_notice(call, request.notice);
      return EAGAIN;
    }
    request.own_fd = static_cast<int>(own);
  }
  store(host, control, offsetof(GuestAiocb, error), call.table.errno_to_guest(EINPROGRESS));

  const int own_fd = request.own_fd;
  const AioNotice notice = request.notice;
  Lock lock(registry.mutex());
  AioRequest* room = registry.find_room();
  int error = EAGAIN;
  if (room != nullptr) {
    *room = std::move(request);
    error = registry.start(host, call.table, *room, socket, lock);
    if (error == 0) return 0;
    *room = AioRequest{};
  }
  lock.unlock();
  if (own_fd >= 0) host.close_hidden(own_fd);
  close_notice(call, notice);
  return error;
}

int submit(Call& call, GuestAddr control, int opcode, Form form, AioList* list = nullptr) noexcept {
  store(call.host, control, offsetof(GuestAiocb, status), -1);
  store(call.host, control, offsetof(GuestAiocb, error), 0);
  store(call.host, control, offsetof(GuestAiocb, kernel_info), -1);
  const int error = begin(call, control, opcode, form, list);
  if (error != 0) store(call.host, control, offsetof(GuestAiocb, error), call.table.errno_to_guest(error));
  return error;
}

Result submit_one(Call& call, GuestAddr control, int opcode, Form form = Form::current) noexcept {
  const int error = submit(call, control, opcode, form);
  return error == 0 ? Result::ok() : Result::fail(error);
}

Result aio_read(Call& call) noexcept { return submit_one(call, call.addr(0), kLioRead); }
Result aio_write(Call& call) noexcept { return submit_one(call, call.addr(0), kLioWrite); }
Result aio_readv(Call& call) noexcept { return submit_one(call, call.addr(0), kLioRead | kLioVectored); }
Result aio_writev(Call& call) noexcept { return submit_one(call, call.addr(0), kLioWrite | kLioVectored); }
Result aio_mlock(Call& call) noexcept { return submit_one(call, call.addr(0), kLioMlock); }
Result old_aio_read(Call& call) noexcept { return submit_one(call, call.addr(0), kLioRead, Form::old); }
Result old_aio_write(Call& call) noexcept { return submit_one(call, call.addr(0), kLioWrite, Form::old); }

Result aio_fsync(Call& call) noexcept {
  if (call.i32(0) != kAioSync && call.i32(0) != kAioDsync) return Result::fail(EINVAL);
  return submit_one(call, call.addr(1), call.i32(0) == kAioSync ? kLioSync : kLioDsync);
}

// --- lists
// --------------------------------------------------------------------------------------------------

int list_event(Call& call, Form form, AioNotice& notice) noexcept {
  if (is_null(call.addr(3)) || call.i32(0) != kLioNowait) return 0;
  GuestSigevent event;
  if (form == Form::old) {
    GuestSigeventOld old;
    if (!call.host.get(call.addr(3), old)) return EFAULT;
    if (!widen(old, event)) return EINVAL;
  } else if (!call.host.get(call.addr(3), event)) {
    return EFAULT;
  }
  if (const int error = read_notice(call, event, notice)) return error;
  if (event.notify != kNotifyKevent) return 0;
  return add_event(call, event, kq::kLio, call.word(1), 0, notice);
}

Result list_io(Call& call, Form form) noexcept {
  const int mode = call.i32(0), entries = call.i32(2);
  if (mode != kLioNowait && mode != kLioWait) return Result::fail(EINVAL);
  if (entries < 0 || entries > static_cast<int>(kMaxAioRequests)) return Result::fail(EINVAL);
  std::array<GuestAddr, kMaxAioRequests> controls;
  AioNotice notice;
  const auto bytes = static_cast<std::size_t>(entries) * sizeof(GuestAddr);
  if (!call.host.read(call.addr(1), controls.data(), bytes)) return Result::fail(EFAULT);
  if (const int error = list_event(call, form, notice)) return Result::fail(error);

  AioRegistry& registry = self(call).aio();
  Lock lock(registry.mutex());
  AioList* list = registry.make_list();
  if (list == nullptr) {
    lock.unlock();
    close_notice(call, notice);
    return Result::fail(EAGAIN);
  }
  list->notice = notice;
  lock.unlock();
  bool failed = false, again = false;
  for (int i = 0; i < entries; ++i) {
    const GuestAddr control = controls[static_cast<unsigned>(i)];
    if (is_null(control)) continue;
    const int error = submit(call, control, kLioNop, form, list);
    again = again || error == EAGAIN;
    failed = failed || (error != 0 && error != EAGAIN);
  }
  lock.lock();
  NativeResult woken = 0;
  if (mode == kLioWait) {
    while (!is_error(woken) && !registry.list_finished(*list))
      woken = registry.wait(call.host, nullptr, lock);
  } else if (registry.list_finished(*list)) {
    registry.tell_list(call.host, *list);
  }
  if (--list->count == 0) {
    registry.free_list(*list);
    lock.unlock();
    close_notice(call, notice);
  } else {
    lock.unlock();
  }
  if (failed) return Result::fail(EIO);
  return again ? Result::fail(EAGAIN) : Result::of(woken);
}

Result lio_listio(Call& call) noexcept { return list_io(call, Form::current); }
Result old_lio_listio(Call& call) noexcept { return list_io(call, Form::old); }

// --- results
// ------------------------------------------------------------------------------------------------

/// Gives up a finished request, and tells what became of it as the call that moved the bytes would have.
Result give(Call& call, const AioRegistry::Outcome& outcome, int own_fd) noexcept {
  if (own_fd >= 0) call.host.close_hidden(own_fd);
  close_notice(call, outcome.notice);
  close_notice(call, outcome.list_notice);
  const int error = outcome.error == 0 ? 0 : call.table.errno_to_guest(outcome.error);
  store(call.host, outcome.control, offsetof(GuestAiocb, error), error);
  store(call.host, outcome.control, offsetof(GuestAiocb, status), outcome.status);
  return outcome.error != 0 ? Result::fail(outcome.error) : Result::ok(static_cast<Word>(outcome.status));
}

Result aio_return(Call& call) noexcept {
  AioRegistry& registry = self(call).aio();
  Lock lock(registry.mutex());
  AioRequest* request = registry.find(call.addr(0), true);
  if (request == nullptr) return Result::fail(EINVAL);
  const int own_fd = request->own_fd;
  const AioRegistry::Outcome outcome = registry.take(*request);
  lock.unlock();
  return give(call, outcome, own_fd);
}

/// The error is the result; the call itself does not fail.
Result aio_error(Call& call) noexcept {
  const auto answer = [&](int native_errno) noexcept {
    return Result::ok(static_cast<Word>(native_errno == 0 ? 0 : call.table.errno_to_guest(native_errno)));
  };
  AioRegistry& registry = self(call).aio();
  Lock lock(registry.mutex());
  if (!registry.used()) return answer(EINVAL);
  if (const AioRequest* request = registry.find(call.addr(0), false))
    return answer(request->state == AioRequest::State::done ? request->error : EINPROGRESS);
  lock.unlock();
  // A request that never came to be has its error in the control block.
  std::int64_t status = -1, error = -1;
  if (call.host.get(call.addr(0) + offsetof(GuestAiocb, status), status) && status != -1)
    return answer(EINVAL);
  if (!call.host.get(call.addr(0) + offsetof(GuestAiocb, error), error)) error = -1;
  return Result::ok(static_cast<Word>(static_cast<std::int64_t>(static_cast<int>(error))));
}

/// The end of a wait, on the clock waits go by. 0 or a native errno.
int read_deadline(Call& call, GuestAddr from, timespec& deadline, bool& at_once) noexcept {
  constexpr std::int64_t longest = 100'000'000;  // itimerfix()
  timespec span{};
  if (!call.host.get(from, span)) return EFAULT;
  at_once = span.tv_sec == 0 && span.tv_nsec == 0;
  if (span.tv_nsec < 0 || span.tv_nsec >= static_cast<long>(kSecond)) return EINVAL;
  if (span.tv_sec < 0 || span.tv_sec > longest) return EINVAL;
  call.host.call(SYS_clock_gettime, CLOCK_MONOTONIC, word(&deadline));
  deadline.tv_sec += span.tv_sec;
  deadline.tv_nsec += span.tv_nsec;
  if (deadline.tv_nsec >= static_cast<long>(kSecond)) {
    deadline.tv_nsec -= static_cast<long>(kSecond);
    ++deadline.tv_sec;
  }
  return 0;
}

Result aio_suspend(Call& call) noexcept {
  const int entries = call.i32(1);
  if (entries < 0 || entries > static_cast<int>(kMaxAioRequests)) return Result::fail(EINVAL);
  timespec deadline{};
  bool at_once = false;
  const bool timed = !is_null(call.addr(2));
  timespec unread{};
  if (timed && !call.host.get(call.addr(2), unread)) return Result::fail(EFAULT);
  std::array<GuestAddr, kMaxAioRequests> controls;
  if (!call.host.read(call.addr(0), controls.data(), static_cast<std::size_t>(entries) * sizeof(GuestAddr)))
    return Result::fail(EFAULT);
  if (timed) {
    if (const int error = read_deadline(call, call.addr(2), deadline, at_once)) return Result::fail(error);
  }
  AioRegistry& registry = self(call).aio();
  Lock lock(registry.mutex());
  if (!registry.used()) return Result::fail(EAGAIN);
  for (;;) {
    bool waits = false;
    for (int i = 0; i < entries; ++i) {
      const GuestAddr control = controls[static_cast<unsigned>(i)];
      if (registry.find(control, true) != nullptr) return Result::ok();
      waits = waits || registry.find(control, false) != nullptr;
    }
    if (!waits) return Result::ok();
    const NativeResult woken = registry.wait(call.host, timed ? &deadline : nullptr, lock);
    if (woken == -ETIMEDOUT) return Result::fail(EAGAIN);
    if (is_error(woken)) return Result::of(woken);
  }
}

Result aio_waitcomplete(Call& call) noexcept {
  store(call.host, call.addr(0), 0, 0);
  timespec deadline{};
  bool at_once = false;
  const bool timed = !is_null(call.addr(1));
  if (timed) {
    if (const int error = read_deadline(call, call.addr(1), deadline, at_once)) return Result::fail(error);
  }
  AioRegistry& registry = self(call).aio();
  Lock lock(registry.mutex());
  AioRequest* request = registry.first_done();
  while (request == nullptr) {
    if (at_once) return Result::fail(EAGAIN);
    const NativeResult woken = registry.wait(call.host, timed ? &deadline : nullptr, lock);
    request = registry.first_done();
    if (request != nullptr) break;
    if (woken == -ETIMEDOUT) return Result::fail(EAGAIN);
    if (is_error(woken)) return Result::of(woken);
  }
  const int own_fd = request->own_fd;
  const AioRegistry::Outcome outcome = registry.take(*request);
  lock.unlock();
  store(call.host, call.addr(0), 0, word_of(outcome.control));
  return give(call, outcome, own_fd);
}

Result aio_cancel(Call& call) noexcept {
  const int fd = call.i32(0);
  if (fd < 0 || call.host.is_hidden(fd)) return Result::fail(EBADF);
  const NativeResult open = call.host.call(SYS_fcntl, word(fd), F_GETFD);
  if (is_error(open)) return Result::of(open);
  AioRegistry& registry = self(call).aio();
  const Lock lock(registry.mutex());
  return Result::ok(static_cast<Word>(registry.cancel(call.host, fd, call.addr(1))));
}

constexpr std::array kHandlers{
    HandlerEntry{"aio_cancel", aio_cancel},
    HandlerEntry{"aio_error", aio_error},
    HandlerEntry{"aio_fsync", aio_fsync},
    HandlerEntry{"aio_mlock", aio_mlock},
    HandlerEntry{"aio_read", aio_read},
    HandlerEntry{"aio_readv", aio_readv},
    HandlerEntry{"aio_return", aio_return},
    HandlerEntry{"aio_suspend", aio_suspend},
    HandlerEntry{"aio_waitcomplete", aio_waitcomplete},
    HandlerEntry{"aio_write", aio_write},
    HandlerEntry{"aio_writev", aio_writev},
    HandlerEntry{"old_aio_read", old_aio_read},
    HandlerEntry{"old_aio_write", old_aio_write},
    HandlerEntry{"old_lio_listio", old_lio_listio},
    HandlerEntry{"lio_listio", lio_listio},
};

}  // namespace

std::span<const HandlerEntry> aio_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
