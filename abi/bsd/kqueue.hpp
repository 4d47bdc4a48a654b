// Event queues of the BSD kind over Linux's: all kqueues of one process.
//
// The guest's descriptor is a native epoll descriptor, so it can be polled, duplicated, closed and put into
// other queues. Sockets, pipes and terminals are members of that epoll set themselves; both filters of a
// descriptor share one entry. Other filters stand on helper descriptors the guest does not see: timerfd,
// pidfd, one inotify and one eventfd per queue. What epoll cannot tell (user events, regular files, events
// there was no room for) waits in a queue of ready knotes, and the eventfd keeps the descriptor readable
// meanwhile.
//
// Where Linux cannot do what FreeBSD does:
// - EVFILT_READ/WRITE with EV_CLEAR on one descriptor share an entry: a new edge of one may report the other
//   again, if it is ready.
// - A pending socket error cannot be looked at without taking it from the guest's next call, so EV_EOF's
//   fflags is inferred from the state of the connection.
// - EVFILT_SIGNAL counts what reaches the runtime's catcher: blocked signals with a handler count when they
//   arrive there.
// - EVFILT_PROC reports forks and execs of programs the runtime runs, in processes that have come of one
// another
//   through such (process_events.hpp); the status of a process that is not a child, if it was killed, only
//   from Linux 6.15 on.
// - A regular file's EVFILT_READ notices growth; a moved offset only at the next kevent call.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "abi/bsd/kqueue_layout.hpp"
#include "abi/bsd/process_events.hpp"
#include "abi/handler.hpp"
#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi::bsd {

class Kqueue;  // kqueue_state.hpp

/// `struct kevent` of any system, in FreeBSD's numbers.
struct Event {
  std::uint64_t ident;
  int filter;
  std::uint32_t flags;
  std::uint32_t fflags;
  std::int64_t data;
  std::uint64_t udata;
  std::array<std::uint64_t, 4> ext;
};

/// A guest's form of Event.
struct EventCodec {
  static constexpr std::size_t kMaxSize = 72;
  std::size_t size;
  Event (*decode)(const std::byte* from) noexcept;
  void (*encode)(const Event& event, std::byte* to) noexcept;
};

/// FreeBSD's own two forms (kqueue_calls.cpp): `struct kevent`, and that of freebsd11_kevent.
extern const EventCodec kKeventCodec;
extern const EventCodec kKevent11Codec;

struct KeventRequest {
  const EventCodec& codec;
  int kq = -1;
  GuestAddr changes{};
  int change_count = 0;
  GuestAddr events{};
  int event_count = 0;
  const KeventTimeout* timeout = nullptr;  ///< host memory; null: none
};

/// kevent(2) of the call's arguments.
Result kevent_call(Call& call, const EventCodec& codec) noexcept;

class KqueueRegistry {
 public:
  KqueueRegistry();
  ~KqueueRegistry();
  KqueueRegistry(const KqueueRegistry&) = delete;
  KqueueRegistry& operator=(const KqueueRegistry&) = delete;

  /// Makes a queue. Its descriptor, always close-on-exec (no queue outlives its program's image), or an
  /// errno.
  NativeResult create(Host& host) noexcept;
  /// kevent(2).
  Result kevent(Host& host, const Table& table, const KeventRequest& request) noexcept;

  /// Adds an event only the system itself may add: EVFILT_AIO or EVFILT_LIO. It happens when `done`, an
  /// eventfd that becomes the queue's in any case, is written to; its counter less one is then the event's
  /// data. Returns 0 or a native errno: EBADF if `kq` is no queue.
  int add_completion(Host& host, const Table& table, int kq, const Event& event, int done) noexcept;
  /// Takes it back, if it is still there.
  void drop_completion(Host& host, int kq, int filter, std::uint64_t ident) noexcept;

  /// Before `fd` is closed or replaced. Nearly free unless `fd` is, or is in, a queue.
  void on_close(Host& host, int fd) noexcept {
    const Descriptor* state = descriptor(fd);
    if (state == nullptr) return;
    if (state->watched.load(std::memory_order_acquire) || state->queue.load(std::memory_order_acquire))
      close_slowly(host, fd);
  }
  /// After `to` has become another descriptor for what `from` is.
  void on_dup(int from, int to) noexcept;
  /// For every signal the runtime catches for the guest, before it is delivered. Async-signal-safe.
  void on_signal(int native_signal) noexcept;
  /// True if some queue counts this signal: the runtime then should catch it even where the guest ignores it.
  bool wants_signal(int native_signal) const noexcept {
    return (signal_interest_.load(std::memory_order_acquire) & sigbit(native_signal)) != 0;
  }

  /// Forks and execs, as watched and watching processes tell them each other.
  ProcessEvents& process_events() noexcept { return process_events_; }

  void before_fork() noexcept;
  void after_fork_in_parent() noexcept;
  /// Queues are not inherited: closes their descriptors and helpers, forgets everything. Not for a child that
  /// shares its parent's memory.
  void after_fork_in_child(Host& host) noexcept;

  // For the queues.
  /// Notes that `fd` is in some queue. False if there is no memory.
  bool mark_watched(int fd) noexcept;
  bool is_queue(int fd, const Kqueue& queue) const noexcept;
  bool is_queue(int fd) const noexcept;
  /// Counts `signal` from now on; the eventfd that then becomes readable, or a negative errno.
  NativeResult count_signal(Host& host, int signal) noexcept;
  std::uint64_t signal_count(int signal) const noexcept {
    return signal_counts_[static_cast<unsigned>(signal)].load(std::memory_order_acquire);
  }

 private:
  struct Descriptor {
    std::atomic<Kqueue*> queue{nullptr};
    std::atomic<bool> watched{false};
  };
  static constexpr unsigned kChunkSize = 1024;
  static constexpr unsigned kChunks = 1024;
  using Chunk = std::array<Descriptor, kChunkSize>;

  Descriptor* descriptor(int fd) const noexcept {
    const auto index = static_cast<unsigned>(fd);
    if (index >= kChunkSize * kChunks) return nullptr;
    Chunk* chunk = chunks_[index / kChunkSize].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &(*chunk)[index % kChunkSize];
  }
  Descriptor* make_descriptor(int fd) noexcept;
  void close_slowly(Host& host, int fd) noexcept;
  /// The queue `fd` is, locked; null if it is none.
  Kqueue* lock_queue(int fd) const noexcept;
  Kqueue* take_queue() noexcept;
  int other_descriptor(const Kqueue& queue) const noexcept;

  class Wait;  // kqueue.cpp
  Result apply_changes(Host& host, const Table& table, const KeventRequest& request, int& reported) noexcept;

  /// Guards the list of queues. Taken before a queue's own lock.
  std::mutex mutex_;
  /// All queues ever made, dead ones for reuse: an address once seen stays a Kqueue.
  Kqueue* queues_ = nullptr;
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};

  std::atomic<int> signal_fd_{-1};
  std::atomic<std::uint64_t> signal_interest_{0};
  std::array<std::atomic<std::uint64_t>, 65> signal_counts_{};
  std::atomic<bool> no_pwait2_{false};
  ProcessEvents process_events_;
};

}  // namespace sudrun::abi::bsd
