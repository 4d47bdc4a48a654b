// What the meaning of a call (abi/) may ask of the machine it runs on (runtime/). One Host per guest thread.
//
// Unless said otherwise a member is called on the guest thread itself, between a trap and its return, and
// allocates nothing. Tests implement the interface over plain memory.
#pragma once

#include <array>
#include <cstddef>
#include <ctime>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "abi/frame.hpp"
#include "abi/registers.hpp"
#include "abi/signals.hpp"
#include "abi/types.hpp"

namespace sudrun::abi {

/// How a new guest thread starts.
struct ThreadStart {
  Registers regs;  ///< complete initial registers
  Word fs_base = 0;
  GuestAddr tid_address{};  ///< if not null, the new tid is stored here (32 or 64 bits) before the guest runs
  unsigned tid_size = 8;    ///< 4 or 8
  int tid_bias = 0;         ///< added to the native tid before it is stored
  GuestAddr parent_tid_address{};
  GuestAddr clear_tid_address{};  ///< Linux CLONE_CHILD_CLEARTID: zeroed (32 bits) and woken at exit
  bool keep_xstate = false;  ///< start with the creator's vector state (Linux clone) instead of a clean one
};

/// A program to run in place of this one.
struct ExecRequest {
  int dirfd = kAtFdcwd;  ///< AT_FDCWD or a descriptor `path` is relative to
  GuestAddr path{};      ///< guest string
  GuestAddr argv{};      ///< guest vector of strings
  GuestAddr envp{};
  bool by_descriptor = false;        ///< fexecve: run the file `dirfd` itself
  std::uint64_t argument_limit = 0;  ///< bytes of all strings, their NULs included; 0: the host's limit
};

/// Longest path the host's kernel takes, its NUL included (PATH_MAX).
inline constexpr std::size_t kMaxPath = 4096;

/// Where the host has a file the guest has named.
struct ResolvedPath {
  std::array<char, kMaxPath> text;  ///< absolute, with its NUL
  std::size_t length = 0;           ///< 0: the guest's path means the same to the host; use it as it is
  bool in_root = false;             ///< in the guest's own file tree (the sysroot)
};

/// A word of the guest's by which a thread blocks every signal it can without a call (FreeBSD's
/// sigfastblock).
struct SignalWord {
  GuestAddr at{};            ///< null: none
  std::uint32_t blocks = 0;  ///< they are blocked while any of these bits is set
  std::uint32_t waits = 0;   ///< set for the guest when one waits
};

/// A native call that is nobody's in particular: no guest thread stands behind it.
using NativeCall = NativeResult (*)(long number, Word a0, Word a1, Word a2, Word a3, Word a4,
                                    Word a5) noexcept;

enum class MaskHow : std::uint8_t { block, unblock, set };

class Host {
 public:
  Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // --- native calls -------------------------------------------------------------------------------------
  /// Makes Linux call `number` as a step of the runtime's own: signals that arrive wait until the guest's
  /// call is over; retries EINTR. Not for calls that may block for long.
  virtual NativeResult call(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0, Word a3 = 0, Word a4 = 0,
                            Word a5 = 0) noexcept = 0;
  /// Makes Linux call `number` on the guest's behalf: returns -EINTR, without blocking, if a signal for the
  /// guest is or becomes pending at any moment before the kernel has begun to wait (no lost wake-ups).
  /// Signals that run no handler do not interrupt it; relative times that Linux does not count down itself
  /// begin anew after them (see call_timed).
  virtual NativeResult call_interruptible(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0, Word a3 = 0,
                                          Word a4 = 0, Word a5 = 0) noexcept = 0;

  /// call_interruptible() for a call that takes the time to wait as a `timespec` of the runtime's: `left`,
  /// one of the arguments, is brought up to date before the call is made anew after a signal the guest does
  /// not see.
  virtual NativeResult call_timed(long number, timespec& left, Word a0 = 0, Word a1 = 0, Word a2 = 0,
                                  Word a3 = 0, Word a4 = 0, Word a5 = 0) noexcept {
    static_cast<void>(left);
    return call_interruptible(number, a0, a1, a2, a3, a4, a5);
  }
  /// Whether the calling thread's next call_interruptible() that may sleep is to return -EINTR instead, once.
  /// No guest's signal handler need run for that, and the call is not made again.
  virtual void interrupt_next_sleep(bool wanted) noexcept { static_cast<void>(wanted); }
  /// Makes Linux call `number` in every thread of the guest, for state that Linux keeps per thread and the
  /// guest's system per process. If it fails it has changed nothing. Pointers are to memory of the runtime's.
  virtual NativeResult call_in_all_threads(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0) noexcept {
    return call(number, a0, a1, a2);
  }

  // --- guest memory -------------------------------------------------------------------------------------
  /// True if the range lies in the guest's part of the address space; says nothing about it being mapped.
  static constexpr bool in_guest(GuestAddr addr, std::uint64_t size) noexcept {
    return word_of(addr) < kGuestTop && size <= kGuestTop - word_of(addr);
  }
  /// Copies guest memory; false (EFAULT) if any byte cannot be read or written. Never crashes.
  virtual bool read(GuestAddr from, void* to, std::size_t size) noexcept = 0;
  virtual bool write(GuestAddr to, const void* from, std::size_t size) noexcept = 0;
  /// Copies a NUL-terminated string of at most `buffer.size()` bytes with its NUL. Returns its length;
  /// -EFAULT if unreadable, -ENAMETOOLONG if it does not fit.
  virtual NativeResult read_string(GuestAddr from, std::span<char> buffer) noexcept = 0;

  /// Reads a word other threads may be writing. False (EFAULT) if it cannot be read or is not aligned.
  virtual bool load32(GuestAddr from, std::uint32_t& value) noexcept = 0;
  /// Stores `desired` if the word still is `expected`, as one locked instruction; `swapped` tells. Otherwise
  /// `expected` becomes what was found. False (EFAULT) if it cannot be read and written or is not aligned.
  virtual bool compare_exchange32(GuestAddr at, std::uint32_t& expected, std::uint32_t desired,
                                  bool& swapped) noexcept = 0;

  template <typename T>
  bool get(GuestAddr from, T& to) noexcept {
    return read(from, &to, sizeof(T));
  }
  template <typename T>
  bool put(GuestAddr to, const T& from) noexcept {
    return write(to, &from, sizeof(T));
  }

  /// Chooses an address for a mapping of `size` bytes the guest leaves to the system; 0 if there is no room.
  /// Callers pass it to mmap as a hint with MAP_FIXED_NOREPLACE and try again on EEXIST.
  virtual Word choose_address(std::uint64_t size, std::uint64_t alignment) noexcept = 0;
  /// The lowest part of [start, end) below kGuestTop that is not the guest's although it lies among its
  /// mappings, as first address and end; empty, at `end`, if there is none.
  virtual std::pair<Word, Word> own_memory_in(Word start, Word end) noexcept {
    static_cast<void>(start);
    return {end, end};
  }
  /// Moves the guest's break. 0 asks for the current one. Returns the new break, or -ENOMEM.
  virtual NativeResult set_break(Word address) noexcept = 0;

  // --- the guest thread ---------------------------------------------------------------------------------
  /// Registers and extended state of the suspended guest. Changes take effect when it resumes.
  virtual Context& context() noexcept = 0;
  virtual int tid() noexcept = 0;
  virtual int pid() noexcept = 0;

  // --- signals (native numbers and sets; see abi/signals.hpp) ------------------------------------------
  /// Reads and sets the disposition. Returns 0 or -EINVAL. Host-reserved signals are accepted and stored.
  virtual NativeResult signal_action(int signal, const SignalAction* set, SignalAction* old) noexcept = 0;
  virtual NativeSigset signal_mask() noexcept = 0;
  virtual void set_signal_mask(NativeSigset mask) noexcept = 0;
  /// Makes `mask` the thread's mask until the end of this call; a signal it lets in is delivered with the
  /// former mask as the one to restore (sigsuspend, ppoll). The caller then makes a native call that
  /// installs the same mask (e.g. rt_sigsuspend with native_mask(mask)).
  virtual void set_temporary_mask(NativeSigset mask) noexcept = 0;
  /// `mask` without the signals the runtime must never have blocked: what to hand to a native call.
  virtual NativeSigset native_mask(NativeSigset mask) noexcept = 0;
  virtual NativeSigset pending_signals() noexcept = 0;
  /// For a thread that is about to end: no more signals come to it, but go to others. False: one came before,
  /// and nobody else will see it; the call is to be made again (Result::restart) once it has been delivered.
  virtual bool close_to_signals() noexcept { return true; }
  /// Looked at when a signal arrives, and after each call once one has been put off. A fork's child keeps it.
  SignalWord& signal_word() noexcept { return signal_word_; }
  virtual AltStack& alt_stack() noexcept = 0;
  /// From now on Personality::signal_arrived() hears of `signal` even where the guest ignores it.
  virtual void watch_signal(int signal) noexcept { static_cast<void>(signal); }
  /// Makes `signal` pending for this thread again after it has been taken from the kernel. What a sender said
  /// with it is lost.
  virtual void hold_signal(int signal) noexcept { static_cast<void>(signal); }
  /// Takes back `signal`, which the native call just made has sent to this thread.
  virtual void discard_signal(int signal) noexcept { static_cast<void>(signal); }
  /// Delivers `info` to this thread when the current call ends, as if the processor had raised it.
  virtual void raise_fault(const SignalInfo& info) noexcept = 0;

  // --- threads and processes ---------------------------------------------------------------------------
  /// Starts a guest thread. Returns its tid, or -EAGAIN and the like. Allocates.
  virtual NativeResult spawn_thread(const ThreadStart& start) noexcept = 0;
  /// Starts a thread of the runtime's own beside the guest's, with every signal blocked. `run` must not come
  /// back; the thread ends with the process and does not exist in a fork's child. 0 or -EAGAIN and the like.
  virtual NativeResult spawn_helper(void (*run)(NativeCall native, void* argument) noexcept,
                                    void* argument) noexcept {
    static_cast<void>(run), static_cast<void>(argument);
    return -38;  // ENOSYS: tests need none
  }
  /// Changes what ThreadStart::clear_tid_address set for the calling thread; null: nothing is to be cleared.
  /// In a fork's child it starts out null. The default forgets it, which will do for tests.
  virtual void set_clear_tid_address(GuestAddr address) noexcept { static_cast<void>(address); }
  virtual unsigned thread_count() noexcept = 0;
  /// Words the personality keeps for this thread: zero when it starts, copied by fork.
  using ThreadWords = std::array<Word, 4>;
  ThreadWords& thread_words() noexcept { return thread_words_; }
  /// Forks. Returns the child's pid, and 0 in the child, where only the calling guest thread is left.
  /// `wait_for_exec`: vfork; the parent sleeps until the child has executed or ended.
  virtual NativeResult fork(bool wait_for_exec) noexcept = 0;
  /// Replaces the program. Returns only on failure. The guest's other threads are gone on success.
  virtual NativeResult execute(const ExecRequest& request) noexcept = 0;
  /// Ends the process with `status` (0…255); never returns.
  [[noreturn]] virtual void exit_process(int status) noexcept = 0;
  /// Absolute path of the guest's own program, as the guest sees it.
  virtual std::string_view program_path() noexcept = 0;

  /// End of the first thread's stack (its highest address plus one); 0 if unknown.
  virtual Word stack_top() noexcept { return 0; }

  // --- files ----------------------------------------------------------------------------------------------
  /// Looks `path` up, relative to the directory `dirfd`, as the guest sees the file tree. Arguments of role
  /// `path` have been looked up before a handler runs; this is for paths inside structures. `follow`: a
  /// symbolic link as last component is followed. Returns 0 or a negative errno. Without a sysroot paths are
  /// the host's.
  virtual NativeResult resolve_path(int dirfd, std::string_view path, bool follow,
                                    ResolvedPath& found) noexcept {
    static_cast<void>(dirfd), static_cast<void>(path), static_cast<void>(follow);
    found.length = 0;
    return 0;
  }
  /// An absolute path of the host's as the guest sees it; a part of `path` or a constant.
  virtual std::string_view guest_path(std::string_view path) noexcept { return path; }

  // --- descriptors --------------------------------------------------------------------------------------
  /// Moves a native descriptor the guest must not see out of the way (high number, close-on-exec).
  /// Returns its new number, or a negative errno; the old number is closed either way.
  virtual NativeResult hide_descriptor(int fd) noexcept = 0;
  /// Closes a hidden descriptor.
  virtual void close_hidden(int fd) noexcept = 0;
  virtual bool is_hidden(int fd) noexcept = 0;

 protected:
  ~Host() = default;

 private:
  ThreadWords thread_words_{};
  SignalWord signal_word_;
};

}  // namespace sudrun::abi
