// What a process tells those that watch it by EVFILT_PROC: that it has forked, and that it has executed a
// program.
//
// Linux tells that only to tracers and, of all processes at once, to the superuser. So processes of the
// runtime tell each other, on a board: memory that a process shares with its children, across fork and across
// the execution of programs the runtime carries. A watch is a slot of the board. The watched process sets
// bits in it; then it writes to an eventfd, shared likewise, that every queue with such watches has in its
// epoll set. With NOTE_TRACK the one that forks fills a slot for its child before the child runs. So nothing
// is lost, whoever is late.
//
// A process that is killed leaves its slots; they are taken back when there are no others.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "abi/host.hpp"

namespace sudrun::abi::bsd {

class ProcessEvents {
 public:
  /// What has happened to a watched process.
  static constexpr std::uint32_t kForked = 1, kExecuted = 2, kTrackError = 4;

  struct Watch {
    int process = 0;
    bool track = false;        ///< children are to be watched likewise
    std::uint32_t wanted = 0;  ///< kept for the watcher, as are those below
    std::uint32_t flags = 0;
    std::uint64_t udata = 0;
    int parent = 0;  ///< of a child that came to be watched
  };

  // --- the watcher's side: its queue's lock is held -----------------------------------------------------
  /// Makes the board if there is none. 0 or a negative errno.
  NativeResult ensure(Host& host) noexcept;
  bool exists() const noexcept { return board_.load(std::memory_order_acquire) != nullptr; }
  /// The eventfd: each write is an edge, and nobody reads it. Not before ensure().
  int wake_descriptor() const noexcept { return wake_fd_; }
  /// Who watches: a number no other queue of any process has. Not before ensure().
  std::uint64_t new_owner(Host& host) noexcept;
  /// A slot for a new watch; negative if there is none.
  int watch(Host& host, std::uint64_t owner, const Watch& watch) noexcept;
  void change(int slot, const Watch& watch) noexcept;
  void release(int slot) noexcept;
  void release_all(std::uint64_t owner) noexcept;
  /// What has happened since the last look.
  std::uint32_t take(int slot) noexcept;
  /// A slot that has come by NOTE_TRACK and has not been seen yet, from `from` on; negative: no more.
  int next_child(std::uint64_t owner, int from, Watch& watch) noexcept;
  /// True once the process behind the slot is certainly another, of the same number.
  bool stale(int slot) const noexcept;
  /// What the process said it ends with, as a wait status of FreeBSD's; negative if it has said nothing.
  int exit_status(int slot) const noexcept;

  // --- the watched process' side ------------------------------------------------------------------------
  /// A fork under way.
  struct Fork {
    static constexpr unsigned kMost = 32;
    int parent = 0;
    std::uint64_t time = 0;  ///< watches made later know the child
    unsigned count = 0;
    std::array<std::uint16_t, kMost> slots{};
    std::array<std::uint64_t, kMost> states{};
  };
  /// Before a fork; then one of the others. Also makes the board, so that the child can be watched later.
  Fork fork_begins(Host& host) noexcept;
  /// In the child. `announce`: the parent sleeps (vfork), so that the child tells.
  void forked_in_child(Host& host, const Fork& fork, bool announce) noexcept;
  /// In the parent; `announce` unless the child does.
  void forked_in_parent(Host& host, const Fork& fork, int child, bool announce) noexcept;
  void fork_failed(const Fork& fork) noexcept;
  /// The process executes a program; what becomes of it by itself cannot tell that it has. See
  /// withdraw_exec().
  void executing(Host& host) noexcept;
  /// It could not. Those who have looked meanwhile have seen it all the same.
  void withdraw_exec(Host& host) noexcept;
  void ending(Host& host, int status) noexcept;

  // --- across exec --------------------------------------------------------------------------------------
  /// Board and eventfd, for a program of the runtime's; negative if there are none.
  std::array<int, 2> descriptors() const noexcept { return {memory_fd_, wake_fd_}; }
  /// In the program executed: takes over what descriptors() said, or closes it, and tells of the execution.
  void adopt(Host& host, int memory, int wakes) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork() noexcept { mutex_.unlock(); }

 private:
  struct Slot;
  struct Board;

  NativeResult map(Host& host, int memory, int wake) noexcept;
  int claim(Host& host, std::uint64_t owner) noexcept;
  /// Sets flags in the slots of `process`; true if there are any.
  bool mark(int process, std::uint64_t flags) noexcept;
  void wake(Host& host) noexcept;
  Board* used() const noexcept;

  std::mutex mutex_;  ///< making the board
  std::atomic<Board*> board_{nullptr};
  int memory_fd_ = -1, wake_fd_ = -1;  ///< hidden
};

}  // namespace sudrun::abi::bsd
