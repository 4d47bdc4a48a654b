// POSIX message queues. They are the host's, found under the same names by native programs; queue
// descriptors are native ones.
//
// Sources: FreeBSD 14.0, sys/kern/uipc_mqueue.c, sys/sys/mqueue.h,
// mq_open(2), mq_notify(2).
//
// Where Linux cannot do what FreeBSD does: unprivileged processes cannot make queues longer than
// fs.mqueue.msg_max; a notification goes to the process, not to one thread, and does not say which queue it
// is for (si_mqd).
#include <mqueue.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/sigevent.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace fs;

// struct mq_attr is the same; of mq_flags only O_NONBLOCK means something.
static_assert(sizeof(mq_attr) == 64 && offsetof(mq_attr, mq_maxmsg) == 8);
static_assert(offsetof(mq_attr, mq_msgsize) == 16 && offsetof(mq_attr, mq_curmsgs) == 24);

constexpr long kDefaultMessages = 10, kDefaultSize = 1024;  // default_maxmsg, default_msgsize
constexpr long kMaxMessages = 100, kMaxSize = 16384;        // kern.mqueue.maxmsg, maxmsgsize
constexpr unsigned kPriorities = 64;                        // MQ_PRIO_MAX
constexpr std::size_t kMaxName = 255;                       // MQFS_NAMELEN, with the slash

class QueueName {
 public:
  /// 0, or a negative errno.
  NativeResult read(Host& host, GuestAddr from) noexcept {
    const NativeResult length = host.read_string(from, text_);
    if (is_error(length)) return length;
    const std::string_view name(text_.data(), static_cast<std::size_t>(length));
    if (name.size() < 2 || name.front() != '/' || name.find('/', 1) != name.npos) return -EINVAL;
    return name == "/." || name == "/.." ? -EINVAL : 0;
  }
  /// As the native calls take it: without the slash.
  Word word() const noexcept { return reinterpret_cast<Word>(text_.data() + 1); }

 private:
  std::array<char, kMaxName + 1> text_{};
};

NativeResult get_attributes(Host& host, int fd, mq_attr& out) noexcept {
  return fd < 0 || host.is_hidden(fd) ? -EBADF : host.call(SYS_mq_getsetattr, word(fd), 0, word(&out));
}

/// What a bad pointer is answered with: a bad descriptor comes first.
Result bad_pointer(Host& host, int fd) noexcept {
  mq_attr unused{};
  const NativeResult known = get_attributes(host, fd, unused);
  return is_error(known) ? Result::of(known) : Result::fail(EFAULT);
}

Result kmq_open(Call& call) noexcept {
  const unsigned flags = call.u32(1);
  if ((flags & kOpenAccessMode) == kOpenAccessMode || (flags & kOpenExec) != 0) return Result::fail(EINVAL);
  mq_attr attributes{};
  attributes.mq_maxmsg = kDefaultMessages;
  attributes.mq_msgsize = kDefaultSize;
  if ((flags & kOpenCreat) != 0 && !is_null(call.addr(3))) {
    if (!call.host.get(call.addr(3), attributes)) return Result::fail(EFAULT);
    if (attributes.mq_maxmsg <= 0 || attributes.mq_maxmsg > kMaxMessages) return Result::fail(EINVAL);
    if (attributes.mq_msgsize <= 0 || attributes.mq_msgsize > kMaxSize) return Result::fail(EINVAL);
  }
  attributes.mq_flags = 0;
  QueueName name;
  if (const NativeResult bad = name.read(call.host, call.addr(0)); is_error(bad)) return Result::of(bad);
  constexpr unsigned known = kOpenAccessMode | kOpenNonblock | kOpenCreat | kOpenExcl;
  const auto native = self(call).vocabulary().open_flags.to_native(flags & known);
  if (!native) return Result::fail(EINVAL);
  return Result::of(
      call.host.call(SYS_mq_open, name.word(), *native | O_CLOEXEC, call.u32(2) & 0777, word(&attributes)));
}

/// Only the owner may; ENOENT and EACCES are the only other answers.
Result kmq_unlink(Call& call) noexcept {
  QueueName name;
  if (const NativeResult bad = name.read(call.host, call.addr(0)); is_error(bad)) return Result::of(bad);
  const NativeResult gone = call.host.call(SYS_mq_unlink, name.word());
  return gone == -EPERM ? Result::fail(EACCES) : Result::of(gone);
}

Result kmq_setattr(Call& call) noexcept {
  const FlagSet& flags = self(call).vocabulary().open_flags;
  const int fd = call.i32(0);
  mq_attr wanted{}, old{};
  const bool changes = !is_null(call.addr(1));
  if (changes) {
    if (!call.host.get(call.addr(1), wanted)) return Result::fail(EFAULT);
    if ((wanted.mq_flags & ~static_cast<long>(kOpenNonblock)) != 0) return Result::fail(EINVAL);
    wanted.mq_flags = static_cast<long>(flags.to_native(static_cast<Word>(wanted.mq_flags)).value_or(0));
  }
  if (fd < 0 || call.host.is_hidden(fd)) return Result::fail(EBADF);
  const NativeResult set =
      call.host.call(SYS_mq_getsetattr, word(fd), changes ? word(&wanted) : 0, word(&old));
  if (is_error(set)) return Result::of(set);
  old.mq_flags = static_cast<long>(flags.to_guest(static_cast<Word>(old.mq_flags) & O_NONBLOCK));
  return is_null(call.addr(2)) || call.host.put(call.addr(2), old) ? Result::ok() : Result::fail(EFAULT);
}

/// Sends or receives. FreeBSD looks at the time only when it would have to wait.
NativeResult transfer(Call& call, long number, Word size, Word priority) noexcept {
  const Word fd = word(call.i32(0)), message = call.word(1);
  const GuestAddr limit = call.addr(4);
  if (is_null(limit)) return call.host.call_interruptible(number, fd, message, size, priority, 0);
  timespec time{};
  if (!call.host.get(limit, time)) return -EFAULT;
  const timespec past{};
  const NativeResult tried = call.host.call(number, fd, message, size, priority, word(&past));
  if (tried != -ETIMEDOUT) return tried;
  if (time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000) return -EINVAL;
  if (time.tv_sec < 0) return -ETIMEDOUT;
  return call.host.call_interruptible(number, fd, message, size, priority, word(&time));
}

Result finish(Call& call, NativeResult result) noexcept {
  return result == -EFAULT ? bad_pointer(call.host, call.i32(0)) : Result::of(result);
}

Result kmq_timedsend(Call& call) noexcept {
  if (call.i32(0) < 0 || call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const Word size = call.word(2);
  mq_attr queue{};
  if (call.u32(3) >= kPriorities || !Host::in_guest(call.addr(1), size)) {
    const NativeResult known = get_attributes(call.host, call.i32(0), queue);
    if (is_error(known)) return Result::of(known);
    if (call.u32(3) >= kPriorities) return Result::fail(EINVAL);
    return Result::fail(size > static_cast<Word>(queue.mq_msgsize) ? EMSGSIZE : EFAULT);
  }
  return finish(call, transfer(call, SYS_mq_timedsend, size, call.u32(3)));
}

Result kmq_timedreceive(Call& call) noexcept {
  if (call.i32(0) < 0 || call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const GuestAddr message = call.addr(1), priority = call.addr(3);
  const bool takes_priority = is_null(priority) || Host::in_guest(priority, sizeof(std::uint32_t));
  if (!Host::in_guest(message, 0) || !takes_priority) return bad_pointer(call.host, call.i32(0));
  // Only the message is written, however large the buffer is said to be.
  const Word room = std::min(call.word(2), kGuestTop - word_of(message));
  return finish(call, transfer(call, SYS_mq_timedreceive, room, word_of(priority)));
}

/// A queue that already holds messages notifies at once, which Linux's does not.
void notify_at_once(Host& host, int fd, const sigevent& event) noexcept {
  mq_attr queue{};
  if (is_error(get_attributes(host, fd, queue)) || queue.mq_curmsgs == 0) return;
  host.call(SYS_mq_notify, word(fd), 0);
  if (event.sigev_notify != SIGEV_SIGNAL) return;
  siginfo_t info{};
  info.si_signo = event.sigev_signo;
  info.si_code = SI_MESGQ;
  info.si_pid = host.pid();
  info.si_uid = static_cast<uid_t>(host.call(SYS_getuid));
  info.si_value = event.sigev_value;
  host.call(SYS_rt_sigqueueinfo, word(host.pid()), word(event.sigev_signo), word(&info));
}

Result kmq_notify(Call& call) noexcept {
  const int fd = call.i32(0);
  const bool known = fd >= 0 && !call.host.is_hidden(fd);
  if (is_null(call.addr(1)))
    return known ? Result::of(call.host.call(SYS_mq_notify, word(fd), 0)) : Result::fail(EBADF);
  GuestSigevent guest;
  if (!call.host.get(call.addr(1), guest)) return Result::fail(EFAULT);
  if (guest.notify != kNotifyNone && guest.notify != kNotifySignal) return Result::fail(EINVAL);
  sigevent event{};
  event.sigev_notify = guest.notify == kNotifyNone ? SIGEV_NONE : SIGEV_SIGNAL;
  event.sigev_value.sival_ptr = reinterpret_cast<void*>(guest.value);
  if (guest.notify == kNotifySignal) {
    event.sigev_signo = call.table.signal_to_native(guest.signal);
    if (event.sigev_signo == 0) return Result::fail(EINVAL);
  }
  if (!known) return Result::fail(EBADF);
  const NativeResult asked = call.host.call(SYS_mq_notify, word(fd), word(&event));
  if (!is_error(asked)) notify_at_once(call.host, fd, event);
  return Result::of(asked);
}

constexpr std::array kHandlers{
    HandlerEntry{"kmq_notify", kmq_notify},       HandlerEntry{"kmq_open", kmq_open},
    HandlerEntry{"kmq_setattr", kmq_setattr},     HandlerEntry{"kmq_timedreceive", kmq_timedreceive},
    HandlerEntry{"kmq_timedsend", kmq_timedsend}, HandlerEntry{"kmq_unlink", kmq_unlink},
};

}  // namespace

std::span<const HandlerEntry> posix_mq_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
