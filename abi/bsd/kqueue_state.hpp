// The inside of one event queue: knotes, the native objects they stand on, and the queue of ready ones.
// Only the kqueue_*.cpp files include this; the rest sees KqueueRegistry (kqueue.hpp). See docs in
// kqueue.hpp.
//
// Members named *_ are guarded by mutex(). Memory comes from pools that only EV_ADD and tracked children
// enlarge and that live as long as the registry: otherwise the wait path neither allocates nor frees.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>

#include "abi/bsd/kqueue.hpp"
#include "abi/bsd/kqueue_layout.hpp"

namespace sudrun::abi::bsd {

/// Objects at stable addresses, numbered from 0. Grows by doubling; never shrinks.
template <typename T>
class Pool {
 public:
  /// Null if there is no memory. The object is as take() or give_back() left it.
  T* take() noexcept {
    if (free_ == nullptr && !grow()) return nullptr;
    T* item = free_;
    free_ = item->pool_next;
    item->pool_next = nullptr;
    return item;
  }
  void give_back(T* item) noexcept {
    item->pool_next = free_;
    free_ = item;
  }
  std::uint32_t size() const noexcept { return size_; }
  T& at(std::uint32_t index) noexcept {
    const std::uint32_t shifted = index / kFirst + 1;
    const auto block = static_cast<std::uint32_t>(std::bit_width(shifted)) - 1;
    return blocks_[block][index - kFirst * ((1U << block) - 1)];
  }

 private:
  static constexpr std::uint32_t kFirst = 32;
  bool grow() noexcept {
    if (used_ == blocks_.size()) return false;
    const std::uint32_t count = kFirst << used_;
    auto block = std::unique_ptr<T[]>(new (std::nothrow) T[count]);
    if (!block) return false;
    for (std::uint32_t i = count; i-- > 0;) {
      block[i].pool_index = size_ + i;
      give_back(&block[i]);
    }
    size_ += count;
    blocks_[used_++] = std::move(block);
    return true;
  }
  std::array<std::unique_ptr<T[]>, 18> blocks_;
  std::uint32_t used_ = 0;
  std::uint32_t size_ = 0;
  T* free_ = nullptr;
};

struct Knote;

enum class SourceKind : std::uint8_t {
  descriptor,
  timer,
  process,
  kick,
  processes,
  signals,
  blocked,
  watches,
  completion
};
enum class FileKind : std::uint8_t { unknown, socket, pipe, other };

/// One entry of the native epoll set. Its events carry index and generation, never an address: what was
/// removed meanwhile is recognised as stale.
struct Source {
  Source* pool_next = nullptr;
  std::uint32_t pool_index = 0;
  std::uint32_t generation = 1;
  SourceKind kind = SourceKind::descriptor;
  FileKind file = FileKind::unknown;
  bool used = false;
  bool hidden = false;  ///< `fd` is ours: closed with the source
  bool registered = false;
  bool edge = false;    ///< its knotes have EV_CLEAR
  bool parked = false;  ///< natively ready but not in the guest's terms: waits for the next edge
  int fd = -1;
  std::uint32_t mask = 0;  ///< events as given to epoll_ctl
  /// Descriptors: reader and writer. Others: only the first.
  std::array<Knote*, 2> knotes{};
};

struct Knote {
  Knote* pool_next = nullptr;
  std::uint32_t pool_index = 0;
  Knote* hash_next = nullptr;
  Knote* queue_previous = nullptr;
  Knote* queue_next = nullptr;
  Knote* peer_next = nullptr;   ///< list of regular files, of signals or of processes
  Knote* watch_next = nullptr;  ///< knotes of one watch bucket
  Source* source = nullptr;

  std::uint64_t ident = 0;
  int filter = 0;
  std::uint32_t flags = 0;
  std::uint32_t fflags = 0;    ///< events that have happened
  std::uint32_t wanted = 0;    ///< events or parameters the guest asked for
  std::int64_t data = 0;       ///< counted so far
  std::int64_t parameter = 0;  ///< data of the registration
  std::uint64_t udata = 0;
  std::array<std::uint64_t, 4> ext{};

  bool disabled = false;
  bool queued = false;
  /// EVFILT_USER: triggered; EV_CLEAR on a regular file: changed; EVFILT_TIMER: counted a moment ago.
  bool latched = false;
  bool forced = false;        ///< EV_FORCEONESHOT
  bool regular = false;       ///< a file epoll refuses; READ and WRITE are judged here
  bool always_ready = false;  ///< such a file without a size
  std::uint64_t scan = 0;     ///< last scan that reported it

  int watch = -1;              ///< inotify watch
  bool directory = false;      ///< a watched directory
  Knote* companion = nullptr;  ///< watches the directory this one is in
  Knote* owner = nullptr;      ///< of a companion
  std::int64_t size = 0;       ///< of the watched file
  std::uint64_t links = 0;
  int slot = -1;           ///< on the board of process events
  bool notice = false;     ///< NOTE_CHILD: beside the knote that watches the child
  int signal = 0;          ///< native; 0: none
  std::uint64_t seen = 0;  ///< signals counted at the last look
};

/// What a ready filter reports.
struct Ready {
  std::uint32_t flags = 0;
  std::uint32_t fflags = 0;
  std::int64_t data = 0;
};

/// Events on their way out.
struct Batch {
  Event* out = nullptr;
  unsigned room = 0;
  unsigned count = 0;
  std::uint64_t scan = 0;
  bool full() const noexcept { return count == room; }
};

/// What queue operations need of the world.
struct KqueueContext {
  Host& host;
  const Table& table;
  KqueueRegistry& registry;
};

class Kqueue {
 public:
  std::mutex& mutex() noexcept { return mutex_; }

  // All below: with the lock held.
  bool live() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  std::uint32_t generation() const noexcept { return generation_; }

  /// Becomes the queue behind the epoll descriptor `fd`. False if no helper descriptor can be had.
  bool open(Host& host, int fd) noexcept;
  /// Before close(), except in a forked child: the processes it watches need not tell it any more.
  void forget_processes() noexcept {
    if (owner_ != 0) process_events->release_all(owner_);
  }
  /// Gives up everything but the epoll descriptor itself.
  void close(Host& host) noexcept;
  void move_to(int fd) noexcept { fd_ = fd; }

  /// Carries out one change. 0 or a native errno.
  int apply(KqueueContext& context, const Event& change) noexcept;
  /// Two changes that newly add reader and writer of one descriptor alike: one native call. False: not the
  /// case, or it failed and nothing has changed.
  bool apply_pair(KqueueContext& context, const Event& first, const Event& second) noexcept;
  /// Adds an event of EVFILT_AIO or EVFILT_LIO; see KqueueRegistry::add_completion.
  int add_completion(KqueueContext& context, const Event& event, int done) noexcept;
  void drop_completion(Host& host, int filter, std::uint64_t ident) noexcept;
  /// Removes every knote of a descriptor.
  void forget_descriptor(Host& host, int fd) noexcept;

  std::uint64_t begin_scan() noexcept { return ++scans_; }
  bool pending() const noexcept { return first_ != nullptr; }
  /// Looks again at what nothing tells about: offsets of regular files.
  void refresh_files(KqueueContext& context) noexcept;
  /// True if a file is waited for that cannot be watched: the wait has to look again now and then.
  bool must_look_again() const noexcept { return unwatched_ != 0; }
  /// Takes in one native event.
  void dispatch(KqueueContext& context, const epoll_event& event, Batch& batch) noexcept;
  /// Reports queued knotes while there is room.
  void scan(KqueueContext& context, Batch& batch) noexcept;
  /// Makes the native descriptor readable if and only if knotes are queued. Before every unlock.
  void settle(Host& host) noexcept;

  Kqueue* registry_next = nullptr;          ///< guarded by the registry's lock
  ProcessEvents* process_events = nullptr;  ///< the registry's
  unsigned descriptors = 0;                 ///< guest descriptors that are this queue

 private:
  // kqueue_aio.cpp
  void completion_event(Host& host, Knote& note) noexcept;

  // kqueue_queue.cpp
  Knote* find(int filter, std::uint64_t ident) noexcept;
  void insert(Knote& note) noexcept;
  void unlink(Knote& note) noexcept;
  Knote* make(const Event& change) noexcept;
  int attach(KqueueContext& context, Knote& note) noexcept;
  int change(KqueueContext& context, Knote& note, const Event& change) noexcept;
  void enable(KqueueContext& context, Knote& note) noexcept;
  void disable(Host& host, Knote& note) noexcept;
  /// Evaluates an enabled knote anew and queues it if ready.
  void recheck(KqueueContext& context, Knote& note) noexcept;
  void drop(Host& host, Knote& note) noexcept;
  std::optional<Ready> evaluate(KqueueContext& context, Knote& note) noexcept;
  void deliver(Host& host, Knote& note, const Ready& ready, Batch& batch) noexcept;
  void enqueue(Knote& note) noexcept;
  void dequeue(Knote& note) noexcept;
  Source* make_source(SourceKind kind, int fd, bool hidden) noexcept;
  void free_source(Host& host, Source& source) noexcept;
  NativeResult epoll_set(Host& host, int operation, Source& source, std::uint32_t mask) noexcept;
  int add_helper(Host& host, SourceKind kind, NativeResult fd, Knote* note) noexcept;
  static void remove_peer(Knote*& head, Knote& note) noexcept;

  // kqueue_descriptor.cpp
  int attach_descriptor(KqueueContext& context, Knote& note, bool arm_now) noexcept;
  int attach_regular(KqueueContext& context, Knote& note) noexcept;
  void detach_descriptor(Host& host, Knote& note) noexcept;
  std::uint32_t wanted_mask(const Source& source) const noexcept;
  int arm(Host& host, Source& source, bool again) noexcept;
  void recheck_descriptor(KqueueContext& context, Knote& note) noexcept;
  void descriptor_event(KqueueContext& context, Source& source, std::uint32_t events, Batch& batch) noexcept;
  std::optional<Ready> evaluate_descriptor(KqueueContext& context, Knote& note,
                                           std::uint32_t events) noexcept;
  std::optional<Ready> evaluate_regular(Host& host, Knote& note) noexcept;
  int attach_empty(KqueueContext& context, Knote& note) noexcept;
  std::optional<Ready> evaluate_empty(Host& host, Knote& note) noexcept;

  // kqueue_filters.cpp
  int attach_timer(Host& host, Knote& note) noexcept;
  int start_timer(Host& host, Knote& note) noexcept;
  int attach_process(KqueueContext& context, Knote& note) noexcept;
  int attach_signal(KqueueContext& context, Knote& note) noexcept;
  void touch_user(Knote& note, const Event& change) noexcept;
  int touch_timer(Host& host, Knote& note, const Event& change) noexcept;
  void timer_event(Host& host, Knote& note) noexcept;
  int touch_process(KqueueContext& context, Knote& note, const Event& change) noexcept;
  void process_event(KqueueContext& context, Knote& note) noexcept;
  void look_for_end(KqueueContext& context, Knote& note) noexcept;
  void end_process(Host& host, Knote& note, std::int64_t status) noexcept;
  int listen_to_process(KqueueContext& context, Knote& note) noexcept;
  void take_process_events(Knote& note) noexcept;
  void track_child(KqueueContext& context, int slot, const ProcessEvents::Watch& watch) noexcept;
  void processes_event(KqueueContext& context) noexcept;
  int listen_for_blocked(Host& host) noexcept;
  void take_blocked(KqueueContext& context, bool count) noexcept;
  void signals_event(KqueueContext& context) noexcept;

  // kqueue_vnode.cpp
  int attach_vnode(Host& host, Knote& note) noexcept;
  int watch(Host& host, Knote& note) noexcept;
  void watch_removal(Host& host, Knote& note) noexcept;
  void rewatch(Host& host, Knote& note) noexcept;
  void unwatch(Host& host, Knote& note) noexcept;
  void watches_event(Host& host) noexcept;
  void watch_happened(Host& host, int watch, std::uint32_t mask, bool child, bool moved_within) noexcept;
  Knote*& watch_bucket(int watch) noexcept {
    return watch_buckets_[static_cast<unsigned>(watch) % watch_buckets_.size()];
  }

  std::mutex mutex_;
  int fd_ = -1;
  std::uint32_t generation_ = 0;
  std::uint64_t scans_ = 0;

  Pool<Knote> knotes_;
  Pool<Source> sources_;
  std::unique_ptr<Knote*[]> buckets_;
  std::uint32_t bucket_count_ = 0;
  std::uint32_t note_count_ = 0;

  Knote* first_ = nullptr;  ///< the queue of ready knotes
  Knote* last_ = nullptr;
  unsigned queue_length_ = 0;
  Source* kick_ = nullptr;  ///< eventfd, readable while the queue is not empty
  bool kicked_ = false;

  Knote* files_ = nullptr;  ///< regular files with EVFILT_READ
  unsigned unwatched_ = 0;
  Knote* signal_notes_ = nullptr;
  Source* signals_ = nullptr;       ///< the registry's eventfd
  Knote* process_notes_ = nullptr;  ///< those with a slot
  Source* processes_ = nullptr;     ///< the eventfd of process events
  std::uint64_t owner_ = 0;         ///< of slots; 0: not needed so far
  Source* blocked_ = nullptr;       ///< signalfd: signals the guest waits for while they are blocked
  Source* watches_ = nullptr;       ///< inotify
  std::array<Knote*, 64> watch_buckets_{};
};

inline Word host_word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }
inline Word fd_word(int fd) noexcept { return static_cast<Word>(static_cast<std::int64_t>(fd)); }

}  // namespace sudrun::abi::bsd
