// A Host over plain memory, with native calls that the test scripts. For tests of everything in abi/.
#pragma once

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "abi/host.hpp"

namespace sudrun::test {

class FakeHost final : public abi::Host {
 public:
  using Word = abi::Word;
  using GuestAddr = abi::GuestAddr;
  using NativeResult = abi::NativeResult;

  /// One native call as it was made.
  struct NativeCall {
    long number;
    std::array<Word, 6> args;
    bool interruptible;
  };

  /// Guest memory is `size` bytes from `base`; everything else faults.
  explicit FakeHost(std::size_t size = std::size_t{64} * 1024, Word base = 0x10000)
      : base_(base), memory_(size) {}

  // --- for the test ------------------------------------------------------------------------------------
  /// Carries out native calls; unset: the results of `returns()` in turn, then -ENOSYS.
  std::function<NativeResult(const NativeCall&)> on_call;
  std::vector<NativeCall> calls;
  void returns(NativeResult result) { results_.push_back(result); }
  const NativeCall& last_call() const {
    if (calls.empty()) throw std::logic_error("no native call was made");
    return calls.back();
  }

  Word base() const noexcept { return base_; }
  Word end() const noexcept { return base_ + memory_.size(); }
  /// Guest memory as the test may touch it; throws if any of it is not there.
  std::byte* at(Word address, std::size_t size = 1) {
    if (!mapped(address, size)) throw std::out_of_range("not guest memory");
    return memory_.data() + (address - base_);
  }
  template <typename T>
  T load(Word address) {
    T value;
    std::memcpy(&value, at(address, sizeof(T)), sizeof(T));
    return value;
  }
  template <typename T>
  Word store(Word address, const T& value) {
    std::memcpy(at(address, sizeof(T)), &value, sizeof(T));
    return address;
  }
  Word store_string(Word address, std::string_view text) {
    std::memcpy(at(address, text.size() + 1), text.data(), text.size());
    *at(address + text.size()) = std::byte{};
    return address;
  }
  /// Room for `size` bytes of guest memory that no earlier call returned; aligned to 16.
  Word allocate(std::size_t size) {
    const Word address = base_ + used_;
    used_ += (size + 15) & ~std::size_t{15};
    at(address, size);
    return address;
  }
  Word string(std::string_view text) { return store_string(allocate(text.size() + 1), text); }

  abi::Context guest;
  std::set<int> hidden;
  std::map<int, abi::SignalAction> actions;
  abi::NativeSigset mask = 0, temporary_mask = 0, pending = 0;
  abi::AltStack stack;
  std::vector<abi::SignalInfo> faults;
  std::vector<abi::ThreadStart> threads;
  std::vector<abi::ExecRequest> executed;
  NativeResult fork_result = 4242, execute_result = -ENOENT;
  Word next_address = 0x2000'0000, break_address = 0x100'0000;
  std::string program = "/bin/guest";
  GuestAddr clear_tid_address{};
  int thread_id = 100, process_id = 100;

  // --- Host -----------------------------------------------------------------------------------------------
  NativeResult call(long number, Word a0, Word a1, Word a2, Word a3, Word a4, Word a5) noexcept override {
    return make({number, {a0, a1, a2, a3, a4, a5}, false});
  }
  NativeResult call_interruptible(long number, Word a0, Word a1, Word a2, Word a3, Word a4,
                                  Word a5) noexcept override {
    return make({number, {a0, a1, a2, a3, a4, a5}, true});
  }
  bool read(GuestAddr from, void* to, std::size_t size) noexcept override {
    if (size == 0) return true;
    if (!mapped(abi::word_of(from), size)) return false;
    std::memcpy(to, memory_.data() + (abi::word_of(from) - base_), size);
    return true;
  }
  bool write(GuestAddr to, const void* from, std::size_t size) noexcept override {
    if (size == 0) return true;
    if (!mapped(abi::word_of(to), size)) return false;
    std::memcpy(memory_.data() + (abi::word_of(to) - base_), from, size);
    return true;
  }
  NativeResult read_string(GuestAddr from, std::span<char> buffer) noexcept override {
    for (std::size_t i = 0; i < buffer.size(); ++i) {
      if (!read(from + i, &buffer[i], 1)) return -EFAULT;
      if (buffer[i] == '\0') return static_cast<NativeResult>(i);
    }
    return -ENAMETOOLONG;
  }
  bool load32(GuestAddr from, std::uint32_t& value) noexcept override {
    return abi::word_of(from) % 4 == 0 && read(from, &value, sizeof(value));
  }
  bool compare_exchange32(GuestAddr at, std::uint32_t& expected, std::uint32_t desired,
                          bool& swapped) noexcept override {
    std::uint32_t found = 0;
    if (!load32(at, found)) return false;
    swapped = found == expected;
    expected = found;
    return !swapped || write(at, &desired, sizeof(desired));
  }
  Word choose_address(std::uint64_t size, std::uint64_t alignment) noexcept override {
    const std::uint64_t unit = std::max<std::uint64_t>(alignment, 4096);
    const Word address = (next_address + unit - 1) & ~(unit - 1);
    next_address = address + size;
    return address;
  }
  NativeResult set_break(Word address) noexcept override {
    if (address != 0) break_address = address;
    return static_cast<NativeResult>(break_address);
  }
  abi::Context& context() noexcept override { return guest; }
  int tid() noexcept override { return thread_id; }
  int pid() noexcept override { return process_id; }
  NativeResult signal_action(int signal, const abi::SignalAction* set,
                             abi::SignalAction* old) noexcept override {
    if (signal < 1 || signal > 64) return -EINVAL;
    if (old != nullptr) *old = actions[signal];
    if (set != nullptr) actions[signal] = *set;
    return 0;
  }
  abi::NativeSigset signal_mask() noexcept override { return mask; }
  void set_clear_tid_address(GuestAddr address) noexcept override { clear_tid_address = address; }
  void set_signal_mask(abi::NativeSigset set) noexcept override { mask = set; }
  void set_temporary_mask(abi::NativeSigset set) noexcept override { temporary_mask = set; }
  abi::NativeSigset native_mask(abi::NativeSigset set) noexcept override { return set & ~abi::sigbit(31); }
  abi::NativeSigset pending_signals() noexcept override { return pending; }
  abi::AltStack& alt_stack() noexcept override { return stack; }
  void raise_fault(const abi::SignalInfo& info) noexcept override { faults.push_back(info); }
  NativeResult spawn_thread(const abi::ThreadStart& start) noexcept override {
    threads.push_back(start);
    return thread_id + static_cast<NativeResult>(threads.size());
  }
  unsigned thread_count() noexcept override { return 1 + static_cast<unsigned>(threads.size()); }
  NativeResult fork(bool) noexcept override { return fork_result; }
  NativeResult execute(const abi::ExecRequest& request) noexcept override {
    executed.push_back(request);
    return execute_result;
  }
  /// There is no way back from here into the test.
  [[noreturn]] void exit_process(int) noexcept override { std::abort(); }
  std::string_view program_path() noexcept override { return program; }
  NativeResult hide_descriptor(int fd) noexcept override {
    hidden.insert(fd + 1000);
    return fd + 1000;
  }
  void close_hidden(int fd) noexcept override { hidden.erase(fd); }
  bool is_hidden(int fd) noexcept override { return hidden.contains(fd); }

 private:
  bool mapped(Word address, std::size_t size) const noexcept {
    return address >= base_ && size <= memory_.size() && address - base_ <= memory_.size() - size;
  }
  NativeResult make(const NativeCall& call) noexcept {
    calls.push_back(call);
    if (on_call) return on_call(call);
    if (results_.empty()) return -ENOSYS;
    const NativeResult result = results_.front();
    results_.erase(results_.begin());
    return result;
  }

  Word base_;
  std::vector<std::byte> memory_;
  std::vector<NativeResult> results_;
  std::size_t used_ = 0;
};

}  // namespace sudrun::test
