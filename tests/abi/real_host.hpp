// A Host that makes real native calls for the test process itself, over guest memory that is real memory.
// For tests of handlers whose meaning is what the kernel does: descriptors, events, waiting.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string_view>

#include "abi/host.hpp"

namespace sudrun::test {

/// Memory below the end of the guest's address space.
class GuestArena {
 public:
  explicit GuestArena(std::size_t size = 1 << 20) : size_(size) {
    base_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (base_ == MAP_FAILED) throw std::runtime_error("no memory below 2 GiB");
  }
  ~GuestArena() { munmap(base_, size_); }
  GuestArena(const GuestArena&) = delete;
  GuestArena& operator=(const GuestArena&) = delete;

  /// Room for `count` objects; the arena never takes it back.
  template <typename T>
  T* make(std::size_t count = 1) {
    const std::lock_guard lock(mutex_);
    used_ = (used_ + 63) & ~std::size_t{63};
    if (used_ + count * sizeof(T) > size_) throw std::bad_alloc();
    T* place = reinterpret_cast<T*>(static_cast<char*>(base_) + used_);
    used_ += count * sizeof(T);
    return new (place) T[count]{};
  }

 private:
  std::mutex mutex_;
  void* base_;
  std::size_t size_;
  std::size_t used_ = 0;
};

inline abi::GuestAddr guest(const void* address) noexcept {
  return abi::guest_addr(reinterpret_cast<abi::Word>(address));
}

class RealHost final : public abi::Host {
 public:
  using Word = abi::Word;
  using GuestAddr = abi::GuestAddr;
  using NativeResult = abi::NativeResult;

  // --- for the test ---------------------------------------------------------------------------------------
  /// The next interruptible call fails with EINTR instead of being made.
  std::atomic<bool> interrupt_next{false};
  /// Native calls made so far with this number.
  unsigned made(long number) {
    const std::lock_guard lock(mutex_);
    return counts_[number];
  }
  std::size_t hidden_count() {
    const std::lock_guard lock(mutex_);
    return hidden_.size();
  }
  abi::NativeSigset mask = 0;
  abi::NativeSigset temporary_mask = 0;
  bool has_temporary_mask = false;
  std::string_view program = "/guest";
  Word top_of_stack = 0;

  // --- Host
  // -------------------------------------------------------------------------------------------------
  NativeResult call(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0, Word a3 = 0, Word a4 = 0,
                    Word a5 = 0) noexcept override {
    for (;;) {
      const NativeResult result = make(number, a0, a1, a2, a3, a4, a5);
      if (result != -EINTR) return result;
    }
  }
  NativeResult call_interruptible(long number, Word a0 = 0, Word a1 = 0, Word a2 = 0, Word a3 = 0,
                                  Word a4 = 0, Word a5 = 0) noexcept override {
    if (interrupt_next.exchange(false)) return -EINTR;
    return make(number, a0, a1, a2, a3, a4, a5);
  }

  bool read(GuestAddr from, void* to, std::size_t size) noexcept override {
    if (size == 0) return true;
    iovec local{to, size}, remote{reinterpret_cast<void*>(abi::word_of(from)), size};
    return syscall(SYS_process_vm_readv, ::getpid(), &local, 1, &remote, 1, 0) == static_cast<long>(size);
  }
  bool write(GuestAddr to, const void* from, std::size_t size) noexcept override {
    if (size == 0) return true;
    iovec local{const_cast<void*>(from), size}, remote{reinterpret_cast<void*>(abi::word_of(to)), size};
    return syscall(SYS_process_vm_writev, ::getpid(), &local, 1, &remote, 1, 0) == static_cast<long>(size);
  }
  NativeResult read_string(GuestAddr from, std::span<char> buffer) noexcept override {
    for (std::size_t i = 0; i < buffer.size(); ++i) {
      if (!read(from + i, &buffer[i], 1)) return -EFAULT;
      if (buffer[i] == 0) return static_cast<NativeResult>(i);
    }
    return -ENAMETOOLONG;
  }
  bool load32(GuestAddr from, std::uint32_t& value) noexcept override { return get(from, value); }
  bool compare_exchange32(GuestAddr at, std::uint32_t& expected, std::uint32_t desired,
                          bool& swapped) noexcept override {
    std::uint32_t found = 0;
    if (!get(at, found)) return false;
    auto* word = reinterpret_cast<std::uint32_t*>(abi::word_of(at));
    swapped =
        __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return true;
  }
  Word choose_address(std::uint64_t, std::uint64_t) noexcept override { return 0; }
  NativeResult set_break(Word) noexcept override { return -ENOMEM; }

  abi::Context& context() noexcept override { return context_; }
  int tid() noexcept override { return static_cast<int>(syscall(SYS_gettid)); }
  int pid() noexcept override { return ::getpid(); }

  NativeResult signal_action(int, const abi::SignalAction*, abi::SignalAction* old) noexcept override {
    if (old != nullptr) *old = {};
    return 0;
  }
  abi::NativeSigset signal_mask() noexcept override { return mask; }
  void set_signal_mask(abi::NativeSigset set) noexcept override { mask = set; }
  void set_temporary_mask(abi::NativeSigset set) noexcept override {
    temporary_mask = set;
    has_temporary_mask = true;
  }
  abi::NativeSigset native_mask(abi::NativeSigset set) noexcept override { return set; }
  abi::NativeSigset pending_signals() noexcept override { return 0; }
  abi::AltStack& alt_stack() noexcept override { return alt_stack_; }
  void raise_fault(const abi::SignalInfo&) noexcept override {}

  NativeResult spawn_thread(const abi::ThreadStart&) noexcept override { return -EAGAIN; }
  unsigned thread_count() noexcept override { return 1; }
  NativeResult fork(bool) noexcept override { return -EAGAIN; }
  NativeResult execute(const abi::ExecRequest&) noexcept override { return -ENOENT; }
  [[noreturn]] void exit_process(int status) noexcept override { ::_exit(status); }
  std::string_view program_path() noexcept override { return program; }
  Word stack_top() noexcept override { return top_of_stack; }

  NativeResult hide_descriptor(int fd) noexcept override {
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 500);
    const int error = errno;
    ::close(fd);
    if (moved < 0) return -error;
    const std::lock_guard lock(mutex_);
    hidden_.insert(moved);
    return moved;
  }
  void close_hidden(int fd) noexcept override {
    const std::lock_guard lock(mutex_);
    if (hidden_.erase(fd) != 1) std::abort();
    ::close(fd);
  }
  bool is_hidden(int fd) noexcept override {
    const std::lock_guard lock(mutex_);
    return hidden_.count(fd) != 0;
  }

 private:
  NativeResult make(long number, Word a0, Word a1, Word a2, Word a3, Word a4, Word a5) noexcept {
    {
      const std::lock_guard lock(mutex_);
      ++counts_[number];
    }
    const long result = syscall(number, a0, a1, a2, a3, a4, a5);
    return result == -1 ? -errno : result;
  }

  std::mutex mutex_;
  std::map<long, unsigned> counts_;
  std::set<int> hidden_;
  abi::Context context_;
  abi::AltStack alt_stack_;
};

}  // namespace sudrun::test
