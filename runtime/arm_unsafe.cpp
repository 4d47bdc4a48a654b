#include "runtime/arm_unsafe.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "abi/types.hpp"
#include "runtime/gate.hpp"

// glibc 2.35 and later; elsewhere there is nothing to take back.
extern "C" {
[[gnu::weak]] extern const std::ptrdiff_t sudrun_rseq_offset asm("__rseq_offset");
[[gnu::weak]] extern const unsigned sudrun_rseq_size asm("__rseq_size");
}

namespace sudrun::runtime {
namespace {

// linux/prctl.h since 5.11; spelled here because older headers lack them.
constexpr std::uint64_t kSetSyscallUserDispatch = 59;
constexpr std::uint64_t kDispatchOff = 0;
constexpr std::uint64_t kDispatchOn = 1;

std::int64_t arm_sud(volatile void* selector) noexcept {
  const std::uint64_t begin = word(sudrun_gate_begin);
  return native(SYS_prctl, kSetSyscallUserDispatch, kDispatchOn, begin, word(sudrun_gate_end) - begin,
                word(selector));
}

// Traps every system call whose instruction lies in the guest's part of the address space and allows all
// others. Host code, and every native program executed later, lies above kGuestTop (abi/types.hpp), so the
// filter may be inherited across execve. Programs linked to fixed low addresses are the exception: exec runs
// those under sudrun itself (see runtime/exec.cpp).
std::int64_t install_filter() noexcept {
  static_assert((abi::kGuestTop & 0xffff'ffff) == 0);
  constexpr auto kTopHigh = static_cast<std::uint32_t>(abi::kGuestTop >> 32);
  constexpr std::uint32_t kIpHigh = offsetof(seccomp_data, instruction_pointer) + 4;
  std::array<sock_filter, 4> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIpHigh),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kTopHigh, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  }};
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (const auto r = native(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1); r != 0) return r;
  return native(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, word(&program));
}

}  // namespace

TrapMode choose_trap(TrapMode wanted, bool inherited_filter, std::string& error) {
  std::int64_t refused = 0;
  if (wanted != TrapMode::seccomp) {
    static volatile Selector probe = Selector::allow;
    refused = arm_sud(&probe);
    if (refused == 0) {
      disarm_thread(TrapMode::sud);
      return TrapMode::sud;
    }
    if (wanted == TrapMode::sud) {
      error = std::string("this kernel refuses Syscall User Dispatch (") +
              std::strerror(static_cast<int>(-refused)) +
              "); it needs Linux 5.11 or later; try --trap=seccomp";
      return TrapMode::automatic;
    }
  }
  if (inherited_filter) return TrapMode::seccomp;
  if (const auto r = install_filter(); r != 0) {
    error = std::string("this kernel refuses a seccomp filter (") + std::strerror(static_cast<int>(-r)) + ")";
    if (refused != 0)
      error += std::string(" and Syscall User Dispatch (") + std::strerror(static_cast<int>(-refused)) + ")";
    return TrapMode::automatic;
  }
  return TrapMode::seccomp;
}

std::int64_t arm_thread(TrapMode mode, ThreadBlock& block) noexcept {
  return mode == TrapMode::sud ? arm_sud(&block.selector) : 0;
}

void drop_restartable_sequences() noexcept {
  constexpr std::uint64_t kUnregister = 1;  // RSEQ_FLAG_UNREGISTER, linux/rseq.h
  constexpr std::uint64_t kSignature = 0x53053053;
  if (&sudrun_rseq_offset == nullptr || &sudrun_rseq_size == nullptr || sudrun_rseq_size == 0) return;
  const std::uint64_t area =
      word(__builtin_thread_pointer()) + static_cast<std::uint64_t>(sudrun_rseq_offset);
  // It must be as long as it was registered: 32 bytes at first, later what the kernel has asked for.
  for (std::uint64_t size = 32; size <= 256; size += 32)
    if (native(SYS_rseq, area, size, kUnregister, kSignature) == 0) return;
}

void disarm_thread(TrapMode mode) noexcept {
  if (mode == TrapMode::sud) native(SYS_prctl, kSetSyscallUserDispatch, kDispatchOff, 0, 0, 0);
}

}  // namespace sudrun::runtime
