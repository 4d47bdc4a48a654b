// The few words of per-thread data that assembly reaches through %gs. Offsets are asserted here and used by
// name in gate.S; change both together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/thread_block_offsets.h"

namespace sudrun::runtime {

class GuestThread;

/// Values of the selector byte Syscall User Dispatch reads (linux/prctl.h).
enum class Selector : std::uint8_t { allow = 0, block = 1 };

/// Where the thread is, as far as a signal that arrives now must know.
enum class Side : std::uint8_t {
  host = 0,     ///< in the runtime: signals for the guest wait for the boundary
  leaving = 1,  ///< the boundary is done, or the guest runs: a signal is delivered into the guest's frame
};

struct ThreadBlock {
  ThreadBlock* self;
  Selector selector;  ///< read by the kernel at every system call outside the gate
  Side side;
  bool fsgsbase;          ///< rdfsbase/wrfsbase may be used
  bool not_entered;       ///< the last interruptible call was given up before the kernel saw it
  std::uint32_t pending;  ///< nonzero: a signal waits for the boundary; blocking calls must not block
  std::uint64_t host_fs;  ///< thread pointer of the host's C library
  GuestThread* thread;
};

static_assert(offsetof(ThreadBlock, self) == TB_SELF);
static_assert(offsetof(ThreadBlock, selector) == TB_SELECTOR);
static_assert(offsetof(ThreadBlock, side) == TB_SIDE);
static_assert(offsetof(ThreadBlock, fsgsbase) == TB_FSGSBASE);
static_assert(offsetof(ThreadBlock, not_entered) == TB_NOT_ENTERED);
static_assert(offsetof(ThreadBlock, pending) == TB_PENDING);
static_assert(offsetof(ThreadBlock, host_fs) == TB_HOST_FS);

/// The calling thread's block. Only where %gs is set: guest threads, in the runtime.
inline ThreadBlock& this_block() noexcept {
  ThreadBlock* block;
  asm volatile("movq %%gs:0, %0" : "=r"(block));
  return *block;
}

}  // namespace sudrun::runtime
