#include "abi/bsd/process_events.hpp"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

namespace sudrun::abi::bsd {
namespace {

constexpr unsigned kSlots = 1024;
constexpr std::uint64_t kMagic = 0x7564'7275'6e45'7631;

/// A slot's state in one word, so that a change meant for one watch never meets the next one in its place:
/// the process in the lower half, flags, and a generation.
constexpr unsigned kFlagShift = 32, kGenerationShift = 40;
constexpr std::uint64_t flag(std::uint32_t bit) noexcept { return std::uint64_t{bit} << kFlagShift; }
constexpr std::uint64_t kExecuting = flag(128);  ///< about to execute; counts as kExecuted
constexpr std::uint64_t kHappened =
    flag(ProcessEvents::kForked | ProcessEvents::kExecuted | ProcessEvents::kTrackError) | kExecuting;
constexpr std::uint64_t kTrack = flag(8);
constexpr std::uint64_t kPrepared =
    flag(16);                                ///< for a child whose number is not known; the parent stands in
constexpr std::uint64_t kUnseen = flag(32);  ///< the watcher has not looked at it yet
constexpr std::uint64_t kStale = flag(64);   ///< another process has the number by now

constexpr std::uint64_t of_process(int pid) noexcept { return static_cast<std::uint32_t>(pid); }
constexpr int process_of(std::uint64_t word) noexcept { return static_cast<int>(word & 0xffff'ffff); }
constexpr std::uint64_t generation_of(std::uint64_t state) noexcept {
  return state >> kGenerationShift << kGenerationShift;
}
constexpr std::uint64_t next_generation(std::uint64_t state) noexcept {
  return ((state >> kGenerationShift) + 1) << kGenerationShift;
}
constexpr bool is_about(std::uint64_t state, int process) noexcept {
  return process_of(state) == process && (state & (kPrepared | kStale)) == 0;
}

using State = std::atomic<std::uint64_t>;
static_assert(State::is_always_lock_free);

Word word(int fd) noexcept { return static_cast<Word>(static_cast<std::int64_t>(fd)); }

}  // namespace

struct alignas(64) ProcessEvents::Slot {
  State owner;  ///< process and number of the watching queue; 0: free
  State state;
  State udata;
  State made;   ///< when the watch was made, by Board::clock
  State ended;  ///< process, and above it the status it ends with, plus one
  std::atomic<std::uint32_t> wanted, flags;
  std::atomic<int> parent;

  void fill(const Watch& watch) noexcept {
    wanted.store(watch.wanted, std::memory_order_relaxed);
    flags.store(watch.flags, std::memory_order_relaxed);
    udata.store(watch.udata, std::memory_order_relaxed);
    parent.store(watch.parent, std::memory_order_relaxed);
  }
  Watch contents() const noexcept {
    Watch watch;
    watch.wanted = wanted.load(std::memory_order_relaxed);
    watch.flags = flags.load(std::memory_order_relaxed);
    watch.udata = udata.load(std::memory_order_relaxed);
    watch.parent = parent.load(std::memory_order_relaxed);
    return watch;
  }
  /// Changes flags as long as the slot is about `process`. False if it is not.
  bool update(int process, std::uint64_t set, std::uint64_t clear) noexcept {
    std::uint64_t seen = state.load(std::memory_order_acquire);
    while (is_about(seen, process)) {
      if (state.compare_exchange_weak(seen, (seen | set) & ~clear, std::memory_order_acq_rel)) return true;
    }
    return false;
  }
  void free() noexcept {
    std::uint64_t seen = state.load(std::memory_order_acquire);
    while (!state.compare_exchange_weak(seen, next_generation(seen), std::memory_order_acq_rel)) {
    }
    owner.store(0, std::memory_order_release);
  }
};

struct ProcessEvents::Board {
  std::uint64_t magic;
  State clock;                        ///< counts watches made
  std::atomic<std::uint32_t> owners;  ///< given out so far
  std::atomic<std::uint32_t> used;    ///< slots from here on have never been taken
  std::array<Slot, kSlots> slots;

  std::uint32_t count() const noexcept { return used.load(std::memory_order_acquire); }
};

// --- making and finding it --------------------------------------------------------------------------------

NativeResult ProcessEvents::map(Host& host, int memory, int wake) noexcept {
  const NativeResult at =
      host.call(SYS_mmap, 0, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, word(memory), 0);
  if (is_error(at)) return at;
  auto* board = reinterpret_cast<Board*>(at);
  board->magic = kMagic;
  memory_fd_ = memory;
  wake_fd_ = wake;
  board_.store(board, std::memory_order_release);
  return 0;
}

NativeResult ProcessEvents::ensure(Host& host) noexcept {
  if (exists()) return 0;
  const std::scoped_lock hold(mutex_);
  if (exists()) return 0;
  NativeResult memory = host.call(SYS_memfd_create, reinterpret_cast<Word>("process-events"), MFD_CLOEXEC);
  if (is_error(memory)) return memory;
  memory = host.hide_descriptor(static_cast<int>(memory));
  NativeResult wake = is_error(memory) ? memory : host.call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!is_error(wake)) wake = host.hide_descriptor(static_cast<int>(wake));
  NativeResult made = wake;
  if (!is_error(wake)) made = host.call(SYS_ftruncate, word(static_cast<int>(memory)), sizeof(Board));
  if (!is_error(made)) made = map(host, static_cast<int>(memory), static_cast<int>(wake));
  if (!is_error(made)) return 0;
  if (!is_error(memory)) host.close_hidden(static_cast<int>(memory));
  if (!is_error(wake)) host.close_hidden(static_cast<int>(wake));
  return made;
}

void ProcessEvents::adopt(Host& host, int memory, int wakes) noexcept {
  // Room for a whole board, or it is not one: beyond its end its memory would be a fault.
  constexpr Word kEnd = 2;  // SEEK_END
  const bool whole = host.call(SYS_lseek, word(memory), 0, kEnd) == static_cast<NativeResult>(sizeof(Board));
  const NativeResult hidden_memory = host.hide_descriptor(memory);
  const NativeResult hidden_wake = host.hide_descriptor(wakes);
  if (!whole || is_error(hidden_memory) || is_error(hidden_wake) ||
      is_error(map(host, static_cast<int>(hidden_memory), static_cast<int>(hidden_wake)))) {
    if (!is_error(hidden_memory)) host.close_hidden(static_cast<int>(hidden_memory));
    if (!is_error(hidden_wake)) host.close_hidden(static_cast<int>(hidden_wake));
    return;
  }
  Board& board = *board_.load(std::memory_order_relaxed);
  const int self = host.pid();
  for (std::uint32_t i = 0; i < board.count(); ++i) {  // queues have ended with the program before
    if (process_of(board.slots[i].owner.load(std::memory_order_acquire)) == self) board.slots[i].free();
  }
  if (mark(self, flag(kExecuted))) wake(host);
}

/// The board, if anything was ever watched on it.
ProcessEvents::Board* ProcessEvents::used() const noexcept {
  Board* board = board_.load(std::memory_order_acquire);
  return board != nullptr && board->count() != 0 ? board : nullptr;
}

/// A free slot for `owner`; negative if there is none.
int ProcessEvents::claim(Host& host, std::uint64_t owner) noexcept {
  Board& board = *board_.load(std::memory_order_acquire);
  for (const bool last : {false, true}) {
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      std::uint64_t free = 0;
      if (!board.slots[i].owner.compare_exchange_strong(free, owner, std::memory_order_acq_rel)) continue;
      std::uint32_t used = board.count();
      while (used <= i && !board.used.compare_exchange_weak(used, i + 1, std::memory_order_acq_rel)) {
      }
      Slot& slot = board.slots[i];
      slot.state.store(next_generation(slot.state.load(std::memory_order_relaxed)),
                       std::memory_order_relaxed);
      return static_cast<int>(i);
    }
    // Those of watchers that were killed.
    for (std::uint32_t i = 0; i < kSlots && !last; ++i) {
      constexpr std::uint64_t kNobody = ~std::uint64_t{0};
      Slot& slot = board.slots[i];
      std::uint64_t of = slot.owner.load(std::memory_order_acquire);
      if (of == 0 || host.call(SYS_kill, word(process_of(of)), 0) != -ESRCH) continue;
      if (slot.owner.compare_exchange_strong(of, kNobody, std::memory_order_acq_rel)) slot.free();
    }
  }
  return -1;
}

// --- the watcher's side -----------------------------------------------------------------------------------

std::uint64_t ProcessEvents::new_owner(Host& host) noexcept {
  Board& board = *board_.load(std::memory_order_acquire);
  const std::uint64_t number = board.owners.fetch_add(1, std::memory_order_relaxed) + std::uint64_t{1};
  return number << 32 | of_process(host.pid());
}

int ProcessEvents::watch(Host& host, std::uint64_t owner, const Watch& watch) noexcept {
  const int index = claim(host, owner);
  if (index < 0) return index;
  Slot& slot = board_.load(std::memory_order_acquire)->slots[static_cast<unsigned>(index)];
  slot.fill(watch);
  slot.made.store(board_.load(std::memory_order_acquire)->clock.fetch_add(1, std::memory_order_acq_rel) + 1,
                  std::memory_order_relaxed);
  const std::uint64_t state = generation_of(slot.state.load(std::memory_order_relaxed));
  slot.state.store(state | of_process(watch.process) | (watch.track ? kTrack : 0), std::memory_order_release);
  return index;
}

void ProcessEvents::change(int index, const Watch& watch) noexcept {
  Slot& slot = board_.load(std::memory_order_acquire)->slots[static_cast<unsigned>(index)];
  Watch changed = watch;
  changed.parent = slot.parent.load(std::memory_order_relaxed);
  slot.fill(changed);
  slot.update(watch.process, watch.track ? kTrack : 0, watch.track ? 0 : kTrack);
}

void ProcessEvents::release(int index) noexcept {
  board_.load(std::memory_order_acquire)->slots[static_cast<unsigned>(index)].free();
}

void ProcessEvents::release_all(std::uint64_t owner) noexcept {
  Board* board = used();
  if (board == nullptr) return;
  for (std::uint32_t i = 0; i < board->count(); ++i) {
    if (board->slots[i].owner.load(std::memory_order_acquire) == owner) board->slots[i].free();
  }
}

std::uint32_t ProcessEvents::take(int index) noexcept {
  Slot& slot = board_.load(std::memory_order_acquire)->slots[static_cast<unsigned>(index)];
  const std::uint64_t before = slot.state.fetch_and(~kHappened, std::memory_order_acq_rel);
  const std::uint64_t happened = (before & kExecuting) != 0 ? before | flag(kExecuted) : before;
  return static_cast<std::uint32_t>((happened & kHappened & ~kExecuting) >> kFlagShift);
}

int ProcessEvents::next_child(std::uint64_t owner, int from, Watch& watch) noexcept {
  Board* board = used();
  if (board == nullptr) return -1;
  for (auto i = static_cast<std::uint32_t>(from); i < board->count(); ++i) {
    Slot& slot = board->slots[i];
    if (slot.owner.load(std::memory_order_acquire) != owner) continue;
    const std::uint64_t state = slot.state.load(std::memory_order_acquire);
    if ((state & kUnseen) == 0 || (state & kPrepared) != 0) continue;
    watch = slot.contents();
    watch.process = process_of(state);
    watch.track = true;
    slot.state.fetch_and(~kUnseen, std::memory_order_acq_rel);
    return static_cast<int>(i);
  }
  return -1;
}

bool ProcessEvents::stale(int index) const noexcept {
  const Slot& slot = board_.load(std::memory_order_acquire)->slots[static_cast<unsigned>(index)];
  return (slot.state.load(std::memory_order_acquire) & kStale) != 0;
}

int ProcessEvents::exit_status(int index) const noexcept {
  const Slot& slot = board_.load(std::memory_order_acquire)->slots[static_cast<unsigned>(index)];
  const std::uint64_t ended = slot.ended.load(std::memory_order_acquire);
  const std::uint64_t state = slot.state.load(std::memory_order_acquire);
  return process_of(ended) == process_of(state) ? static_cast<int>(ended >> 32) - 1 : -1;
}

// --- the watched process' side ----------------------------------------------------------------------------

bool ProcessEvents::mark(int process, std::uint64_t flags) noexcept {
  Board* board = used();
  if (board == nullptr) return false;
  bool any = false;
  for (std::uint32_t i = 0; i < board->count(); ++i) any |= board->slots[i].update(process, flags, 0);
  return any;
}

void ProcessEvents::wake(Host& host) noexcept {
  const std::uint64_t one = 1;
  host.call(SYS_write, word(wake_fd_), reinterpret_cast<Word>(&one), sizeof one);
}

ProcessEvents::Fork ProcessEvents::fork_begins(Host& host) noexcept {
  Fork fork;
  fork.parent = host.pid();
  if (is_error(ensure(host))) return fork;
  Board* board = used();
  if (board == nullptr) return fork;
  fork.time = board->clock.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < board->count(); ++i) {
    Slot& slot = board->slots[i];
    const std::uint64_t state = slot.state.load(std::memory_order_acquire);
    if (!is_about(state, fork.parent) || (state & kTrack) == 0) continue;
    const std::uint64_t owner = slot.owner.load(std::memory_order_acquire);
    Watch watch = slot.contents();
    std::atomic_thread_fence(std::memory_order_acquire);
    if (generation_of(slot.state.load(std::memory_order_relaxed)) != generation_of(state)) continue;
    if (owner == 0) continue;
    if (host.call(SYS_kill, word(process_of(owner)), 0) == -ESRCH) continue;
    const int child = fork.count < Fork::kMost ? claim(host, owner) : -1;
    if (child < 0) {
      slot.update(fork.parent, flag(kTrackError), 0);
      continue;
    }
    watch.parent = fork.parent;
    Slot& fresh = board->slots[static_cast<unsigned>(child)];
    fresh.fill(watch);
    fresh.made.store(fork.time, std::memory_order_relaxed);
    const std::uint64_t prepared = generation_of(fresh.state.load(std::memory_order_relaxed)) |
                                   of_process(fork.parent) | kTrack | kPrepared | kUnseen;
    fresh.state.store(prepared, std::memory_order_release);
    fork.slots[fork.count] = static_cast<std::uint16_t>(child);
    fork.states[fork.count++] = prepared;
  }
  return fork;
}

void ProcessEvents::forked_in_child(Host& host, const Fork& fork, bool announce) noexcept {
  Board* board = used();
  if (board == nullptr) return;
  const int self = host.pid();
  for (std::uint32_t i = 0; i < board->count(); ++i) {
    Slot& slot = board->slots[i];
    const auto* end = fork.slots.data() + fork.count;
    const bool own = std::find(fork.slots.data(), end, i) != end;
    // Older than this process: about one that has had the number before.
    if (!own && slot.made.load(std::memory_order_relaxed) <= fork.time) slot.update(self, kStale, 0);
  }
  forked_in_parent(host, fork, self, announce);
}

void ProcessEvents::forked_in_parent(Host& host, const Fork& fork, int child, bool announce) noexcept {
  Board* board = used();
  if (board == nullptr) return;
  for (unsigned i = 0; i < fork.count; ++i) {
    std::uint64_t prepared = fork.states[i];
    const std::uint64_t known = generation_of(prepared) | of_process(child) | kTrack | kUnseen;
    // Fails if the other process has done it already, or the watcher is gone.
    board->slots[fork.slots[i]].state.compare_exchange_strong(prepared, known, std::memory_order_acq_rel);
  }
  if (announce && (mark(fork.parent, flag(kForked)) || fork.count != 0)) wake(host);
}

void ProcessEvents::fork_failed(const Fork& fork) noexcept {
  Board* board = used();
  for (unsigned i = 0; i < fork.count; ++i) {
    Slot& slot = board->slots[fork.slots[i]];
    std::uint64_t prepared = fork.states[i];
    if (slot.state.compare_exchange_strong(prepared, next_generation(prepared), std::memory_order_acq_rel))
      slot.owner.store(0, std::memory_order_release);
  }
}

void ProcessEvents::executing(Host& host) noexcept {
  if (mark(host.pid(), kExecuting)) wake(host);
}

void ProcessEvents::withdraw_exec(Host& host) noexcept {
  Board* board = used();
  if (board == nullptr) return;
  for (std::uint32_t i = 0; i < board->count(); ++i) board->slots[i].update(host.pid(), 0, kExecuting);
}

void ProcessEvents::ending(Host& host, int status) noexcept {
  Board* board = used();
  if (board == nullptr) return;
  const int self = host.pid();
  for (std::uint32_t i = 0; i < board->count(); ++i) {
    Slot& slot = board->slots[i];
    if (!is_about(slot.state.load(std::memory_order_acquire), self)) continue;
    slot.ended.store((static_cast<std::uint64_t>(status) + 1) << 32 | of_process(self),
                     std::memory_order_release);
  }
}

}  // namespace sudrun::abi::bsd
