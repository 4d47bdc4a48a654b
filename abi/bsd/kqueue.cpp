// All event queues of the process: which descriptor is one, kevent(2), closing, forking, signals.
//
// Semantics: FreeBSD 14.0, sys/kern/kern_event.c (kern_kevent, kqueue_kevent, kqueue_scan).
#include "abi/bsd/kqueue.hpp"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include "abi/bsd/kqueue_state.hpp"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

namespace sudrun::abi::bsd {
namespace {

/// Changes and events are copied in pieces of this many.
constexpr unsigned kPiece = 32;
constexpr std::int64_t kSecond = 1'000'000'000;
/// While a file is waited for that inotify cannot watch.
constexpr std::int64_t kLookAgain = kSecond / 10;
/// Longer timeouts are for ever, as in FreeBSD.
constexpr std::int64_t kLongest = INT32_MAX;

std::int64_t now(Host& host) noexcept {
  timespec time{};
  host.call(SYS_clock_gettime, CLOCK_MONOTONIC, host_word(&time));
  return time.tv_sec * kSecond + time.tv_nsec;
}

/// Unlocks a queue, with the native descriptor's readiness in line.
class Held {
 public:
  Held(Host& host, Kqueue* queue) noexcept : host_(host), queue_(queue) {}
  ~Held() {
    if (queue_ == nullptr) return;
    queue_->settle(host_);
    queue_->mutex().unlock();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  Kqueue* operator->() const noexcept { return queue_; }
  explicit operator bool() const noexcept { return queue_ != nullptr; }

 private:
  Host& host_;
  Kqueue* queue_;
};

bool write_events(Host& host, const EventCodec& codec, GuestAddr to, const Event* events,
                  unsigned count) noexcept {
  alignas(8) std::array<std::byte, kPiece * EventCodec::kMaxSize> raw;
  for (unsigned i = 0; i < count; ++i) codec.encode(events[i], raw.data() + i * codec.size);
  return host.write(to, raw.data(), count * codec.size);
}

}  // namespace

KqueueRegistry::KqueueRegistry() = default;

KqueueRegistry::~KqueueRegistry() {
  while (queues_ != nullptr) {
    Kqueue* const queue = queues_;
    queues_ = queue->registry_next;
    delete queue;
  }
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

// --- descriptors ------------------------------------------------------------------------------------------

KqueueRegistry::Descriptor* KqueueRegistry::make_descriptor(int fd) noexcept {
  const auto index = static_cast<unsigned>(fd);
  if (index >= kChunkSize * kChunks) return nullptr;
  auto& place = chunks_[index / kChunkSize];
  if (place.load(std::memory_order_acquire) == nullptr) {
    auto* fresh = new (std::nothrow) Chunk;
    if (fresh == nullptr) return nullptr;
    Chunk* expected = nullptr;
    if (!place.compare_exchange_strong(expected, fresh, std::memory_order_acq_rel)) delete fresh;
  }
  return descriptor(fd);
}

bool KqueueRegistry::mark_watched(int fd) noexcept {
  Descriptor* state = make_descriptor(fd);
  if (state == nullptr) return false;
  state->watched.store(true, std::memory_order_release);
  return true;
}

bool KqueueRegistry::is_queue(int fd) const noexcept {
  const Descriptor* state = descriptor(fd);
  return state != nullptr && state->queue.load(std::memory_order_acquire) != nullptr;
}

bool KqueueRegistry::is_queue(int fd, const Kqueue& queue) const noexcept {
  const Descriptor* state = descriptor(fd);
  return state != nullptr && state->queue.load(std::memory_order_acquire) == &queue;
}

Kqueue* KqueueRegistry::lock_queue(int fd) const noexcept {
  const Descriptor* state = descriptor(fd);
  if (state == nullptr) return nullptr;
  Kqueue* queue = state->queue.load(std::memory_order_acquire);
  if (queue == nullptr) return nullptr;
  queue->mutex().lock();
  // Closed, or another queue's by now? Both happen under the lock of the queue it was.
  if (queue->live() && state->queue.load(std::memory_order_acquire) == queue) return queue;
  queue->mutex().unlock();
  return nullptr;
}

/// A dead or new queue, locked. Null if there is no memory. Needs mutex_.
Kqueue* KqueueRegistry::take_queue() noexcept {
  for (Kqueue* queue = queues_; queue != nullptr; queue = queue->registry_next) {
    queue->mutex().lock();
    if (!queue->live()) return queue;
    queue->mutex().unlock();
  }
  auto* queue = new (std::nothrow) Kqueue;
  if (queue == nullptr) return nullptr;
  queue->process_events = &process_events_;
  queue->registry_next = queues_;
  queues_ = queue;
  queue->mutex().lock();
  return queue;
}

NativeResult KqueueRegistry::create(Host& host) noexcept {
  const NativeResult made = host.call(SYS_epoll_create1, EPOLL_CLOEXEC);
  if (is_error(made)) return made;
  const int fd = static_cast<int>(made);
  Descriptor* state = make_descriptor(fd);
  bool opened = false;
  if (state != nullptr) {
    const std::lock_guard list(mutex_);
    if (Kqueue* queue = take_queue()) {
      opened = queue->open(host, fd);
      if (opened) state->queue.store(queue, std::memory_order_release);
      queue->mutex().unlock();
    }
  }
  if (opened) return fd;
  host.call(SYS_close, fd_word(fd));
  return -ENOMEM;
}

int KqueueRegistry::other_descriptor(const Kqueue& queue) const noexcept {
  for (unsigned i = 0; i < kChunks; ++i) {
    const Chunk* chunk = chunks_[i].load(std::memory_order_acquire);
    if (chunk == nullptr) continue;
    for (unsigned j = 0; j < kChunkSize; ++j) {
      if ((*chunk)[j].queue.load(std::memory_order_relaxed) == &queue)
        return static_cast<int>(i * kChunkSize + j);
    }
  }
  return -1;
}

void KqueueRegistry::close_slowly(Host& host, int fd) noexcept {
  Descriptor* state = descriptor(fd);
  const std::lock_guard list(mutex_);
  if (state->watched.exchange(false, std::memory_order_acq_rel)) {
    for (Kqueue* queue = queues_; queue != nullptr; queue = queue->registry_next) {
      queue->mutex().lock();
      const Held held(host, queue);
      if (queue->live()) queue->forget_descriptor(host, fd);
    }
  }
  const Held queue(host, lock_queue(fd));
  if (!queue) return;
  state->queue.store(nullptr, std::memory_order_release);
  if (--queue->descriptors == 0) {
    queue->forget_processes();
    queue->close(host);
  } else if (queue->fd() == fd) {
    Kqueue& self = *queue.operator->();
    self.move_to(other_descriptor(self));
  }
}

void KqueueRegistry::on_dup(int from, int to) noexcept {
  if (from == to || !is_queue(from)) return;
  Descriptor* state = make_descriptor(to);
  if (state == nullptr) return;
  Kqueue* queue = lock_queue(from);
  if (queue == nullptr) return;
  ++queue->descriptors;
  state->queue.store(queue, std::memory_order_release);
  queue->mutex().unlock();
}

// --- kevent -----------------------------------------------------------------------------------------------

/// The native wait of one kevent call.
class KqueueRegistry::Wait {
 public:
  Wait(KqueueRegistry& registry, Host& host, const KeventTimeout* timeout) noexcept
      : registry_(registry), host_(host) {
    if (timeout == nullptr || timeout->seconds > kLongest) return;
    left_ = timeout->seconds * kSecond + timeout->nanoseconds;
    if (left_ > 0) deadline_ = now(host) + left_;
  }

  /// From now on only looks.
  void stop() noexcept { left_ = 0; }
  bool over() const noexcept { return left_ == 0; }

  /// Number of native events, or an errno. `slice`: wait no longer than kLookAgain.
  NativeResult next(int fd, epoll_event* events, unsigned room, bool slice) noexcept {
    if (deadline_ != 0 && left_ != 0 && waited_) left_ = std::max<std::int64_t>(deadline_ - now(host_), 0);
    waited_ = true;
    std::int64_t wait = left_;
    if (slice && (wait < 0 || wait > kLookAgain)) wait = kLookAgain;
    timespec limit{wait / kSecond, wait % kSecond};
    if (!registry_.no_pwait2_.load(std::memory_order_relaxed)) {
      const NativeResult got =
          make(SYS_epoll_pwait2, fd, events, room, wait < 0 ? 0 : host_word(&limit), wait, limit);
      if (got != -ENOSYS) return note(got, wait);
      registry_.no_pwait2_.store(true, std::memory_order_relaxed);
    }
    const std::int64_t ms = wait < 0 ? -1 : std::min<std::int64_t>((wait + 999'999) / 1'000'000, INT_MAX);
    return note(make(SYS_epoll_pwait, fd, events, room, static_cast<Word>(ms), wait, limit), wait);
  }

 private:
  NativeResult make(long number, int fd, epoll_event* events, unsigned room, Word limit, std::int64_t wait,
                    timespec& left) noexcept {
    if (wait == 0) return host_.call(number, fd_word(fd), host_word(events), room, limit, 0, 8);
    return host_.call_timed(number, left, fd_word(fd), host_word(events), room, limit, 0, 8);
  }
  NativeResult note(NativeResult got, std::int64_t wait) noexcept {
    if (got == 0 && wait == left_) left_ = 0;  // the whole time has passed
    return got;
  }

  KqueueRegistry& registry_;
  Host& host_;
  std::int64_t left_ = -1;  ///< nanoseconds; negative: for ever
  std::int64_t deadline_ = 0;
  bool waited_ = false;
};

/// Carries out the changes. `reported`: events written for them.
Result KqueueRegistry::apply_changes(Host& host, const Table& table, const KeventRequest& request,
                                     int& reported) noexcept {
  const EventCodec& codec = request.codec;
  KqueueContext context{host, table, *this};
  alignas(8) std::array<std::byte, kPiece * EventCodec::kMaxSize> raw;
  for (int done = 0; done < request.change_count;) {
    const unsigned count = static_cast<unsigned>(std::min<int>(request.change_count - done, kPiece));
    if (!host.read(request.changes + static_cast<unsigned>(done) * codec.size, raw.data(),
                   count * codec.size))
      return Result::fail(EFAULT);
    std::array<Event, kPiece> changes;
    for (unsigned i = 0; i < count; ++i) changes[i] = codec.decode(raw.data() + i * codec.size);

    std::array<Event, kPiece> answers;
    unsigned answered = 0;
    bool stop = false;
    int last_error = 0;
    {
      const Held queue(host, lock_queue(request.kq));
      if (!queue) return Result::fail(EBADF);
      for (unsigned i = 0; i < count && !stop; ++i) {
        const Event& change = changes[i];
        if (change.filter == 0) continue;
        if (i + 1 < count && queue->apply_pair(context, change, changes[i + 1])) {
          ++i;
          continue;
        }
        last_error = queue->apply(context, change);
        if (last_error == 0 && (change.flags & kq::kReceipt) == 0) continue;
        if (reported + static_cast<int>(answered) == request.event_count) {
          stop = true;
          continue;
        }
        Event& answer = answers[answered++];
        answer = change;
        answer.flags = kq::kError;
        answer.data = last_error == 0 ? 0 : table.errno_to_guest(last_error);
      }
    }
    if (answered != 0) {
      const GuestAddr to = request.events + static_cast<unsigned>(reported) * codec.size;
      // FreeBSD ignores that an answer cannot be written.
      write_events(host, codec, to, answers.data(), answered);
      reported += static_cast<int>(answered);
    }
    if (stop) return last_error == 0 ? Result::ok(static_cast<Word>(reported)) : Result::fail(last_error);
    done += static_cast<int>(count);
  }
  return Result::ok(static_cast<Word>(reported));
}

Result KqueueRegistry::kevent(Host& host, const Table& table, const KeventRequest& request) noexcept {
  if (!is_queue(request.kq)) return Result::fail(EBADF);
  if (request.change_count < 0 || request.event_count < 0) return Result::fail(EINVAL);
  const EventCodec& codec = request.codec;
  if (request.change_count > 0) {
    int reported = 0;
    const Result applied = apply_changes(host, table, request, reported);
    if (!applied.is_ok() || reported != 0) return applied;
  }
  const auto wanted = static_cast<unsigned>(request.event_count);
  if (wanted == 0) return Result::ok(0);
  if (const KeventTimeout* timeout = request.timeout) {
    if (timeout->seconds < 0 || timeout->nanoseconds < 0 || timeout->nanoseconds >= kSecond)
      return Result::fail(EINVAL);
  }
  if (!Host::in_guest(request.events, wanted * codec.size)) return Result::fail(EFAULT);

  KqueueContext context{host, table, *this};
  Wait wait(*this, host, request.timeout);
  std::array<Event, kPiece> events;
  std::array<epoll_event, kPiece> native;
  std::uint64_t scan = 0;
  std::uint32_t generation = 0;
  unsigned total = 0;
  NativeResult trouble = 0;
  // Native events may come to nothing for the guest: then the wait goes on, and a mere look ends in time.
  for (unsigned looks = 0; looks < 64;) {
    Batch batch{events.data(), std::min(wanted - total, kPiece), 0, scan};
    int fd = -1;
    bool slice = false;
    {
      const Held queue(host, lock_queue(request.kq));
      if (!queue || (scan != 0 && queue->generation() != generation)) {
        trouble = -EBADF;
        break;
      }
      if (scan == 0) batch.scan = scan = queue->begin_scan();
      generation = queue->generation();
      fd = queue->fd();
      queue->refresh_files(context);
      if (queue->pending()) queue->scan(context, batch);
      slice = queue->must_look_again();
    }
    NativeResult got = 0;
    if (!batch.full()) {
      if (batch.count != 0 || total != 0) wait.stop();
      if (wait.over()) ++looks;
      got = wait.next(fd, native.data(), batch.room - batch.count, slice);
      if (got == -EINTR && total == 0 && batch.count == 0 && trouble == 0) {
        // What has happened comes before the signal.
        trouble = -EINTR;
        wait.stop();
        continue;
      }
      if (is_error(got) && got != -EINTR) trouble = got;
      if (got > 0) {
        const Held queue(host, lock_queue(request.kq));
        if (!queue || queue->generation() != generation) {
          trouble = -EBADF;
        } else {
          for (NativeResult i = 0; i < got; ++i)
            queue->dispatch(context, native[static_cast<std::size_t>(i)], batch);
          if (queue->pending()) queue->scan(context, batch);
        }
      }
    }
    if (batch.count != 0 &&
        !write_events(host, codec, request.events + total * codec.size, events.data(), batch.count))
      return Result::fail(EFAULT);
    total += batch.count;
    if (total == wanted || (total != 0 && batch.count == 0)) break;
    if (!batch.full() && got <= 0 && wait.over()) break;
    if (is_error(got) && got != -EINTR) break;
  }
  if (total == 0 && trouble != 0) return Result::fail(static_cast<int>(-trouble));
  return Result::ok(total);
}

// --- signals ----------------------------------------------------------------------------------------------

NativeResult KqueueRegistry::count_signal(Host& host, int signal) noexcept {
  int fd = signal_fd_.load(std::memory_order_acquire);
  if (fd < 0) {
    NativeResult made = host.call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!is_error(made)) made = host.hide_descriptor(static_cast<int>(made));
    if (is_error(made)) return made;
    if (signal_fd_.compare_exchange_strong(fd, static_cast<int>(made), std::memory_order_acq_rel)) {
      fd = static_cast<int>(made);
    } else {
      host.close_hidden(static_cast<int>(made));
    }
  }
  signal_interest_.fetch_or(sigbit(signal), std::memory_order_acq_rel);
  host.watch_signal(signal);
  return fd;
}

void KqueueRegistry::on_signal(int native_signal) noexcept {
  if (native_signal < 1 || native_signal > 64 || !wants_signal(native_signal)) return;
  signal_counts_[static_cast<unsigned>(native_signal)].fetch_add(1, std::memory_order_acq_rel);
  const int fd = signal_fd_.load(std::memory_order_acquire);
  if (fd < 0) return;
  // The catcher has no guest thread to ask for a call: this is the one call made without a Host.
  const int saved = errno;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
  errno = saved;
}

// --- fork -------------------------------------------------------------------------------------------------

void KqueueRegistry::before_fork() noexcept {
  mutex_.lock();
  for (Kqueue* queue = queues_; queue != nullptr; queue = queue->registry_next) queue->mutex().lock();
  process_events_.before_fork();
}

void KqueueRegistry::after_fork_in_parent() noexcept {
  process_events_.after_fork();
  for (Kqueue* queue = queues_; queue != nullptr; queue = queue->registry_next) queue->mutex().unlock();
  mutex_.unlock();
}

void KqueueRegistry::after_fork_in_child(Host& host) noexcept {
  process_events_.after_fork();
  for (unsigned i = 0; i < kChunks; ++i) {
    Chunk* chunk = chunks_[i].load(std::memory_order_relaxed);
    if (chunk == nullptr) continue;
    for (unsigned j = 0; j < kChunkSize; ++j) {
      Descriptor& state = (*chunk)[j];
      state.watched.store(false, std::memory_order_relaxed);
      if (state.queue.exchange(nullptr, std::memory_order_relaxed) == nullptr) continue;
      host.call(SYS_close, i * kChunkSize + j);
    }
  }
  for (Kqueue* queue = queues_; queue != nullptr; queue = queue->registry_next) {
    if (queue->live()) queue->close(host);
    queue->mutex().unlock();
  }
  mutex_.unlock();
  const int fd = signal_fd_.exchange(-1, std::memory_order_relaxed);
  if (fd >= 0) host.close_hidden(fd);
  signal_interest_.store(0, std::memory_order_relaxed);
}

}  // namespace sudrun::abi::bsd
