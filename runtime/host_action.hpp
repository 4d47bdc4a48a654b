// The kernel's own struct sigaction; the C library's differs and hides the restorer.
#pragma once

#include <sys/syscall.h>

#include <cstdint>

#include "runtime/gate.hpp"

namespace sudrun::runtime {

struct KernelSigaction {
  std::uint64_t handler;
  std::uint64_t flags;
  void (*restorer)();
  std::uint64_t mask;
};
inline constexpr std::uint64_t kRestorerFlag = 0x04000000;  // SA_RESTORER, asm/signal.h
inline constexpr std::uint64_t kDefault = 0, kIgnore = 1;   // SIG_DFL, SIG_IGN

inline std::int64_t host_action(int signal, const KernelSigaction* set, KernelSigaction* old) noexcept {
  return native(SYS_rt_sigaction, static_cast<std::uint64_t>(signal), word(set), word(old),
                sizeof(std::uint64_t));
}

}  // namespace sudrun::runtime
