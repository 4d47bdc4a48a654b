// The few words of per-thread data that assembly reaches through %gs. Offsets are asserted here and used by
// name in gate.S; change both together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/registers.hpp"
#include "runtime/thread_block_offsets.h"

namespace sudrun::runtime {

class GuestThread;
struct FastPath;

/// Values of the selector byte Syscall User Dispatch reads (linux/prctl.h).
enum class Selector : std::uint8_t { allow = 0, block = 1 };

/// Where the thread is, as far as a signal that arrives now must know.
enum class Side : std::uint8_t {
  host = 0,     ///< in the runtime: signals for the guest wait for the boundary
  leaving = 1,  ///< the boundary is done, or the guest runs: a signal is delivered to the guest at once
  clock = 2,    ///< as `host`, in the assembly that reads the host's clock; the guest goes on from there
};

/// How the guest's vector state is brought back.
enum class VectorLoad : std::uint8_t { image = LOAD_IMAGE, registers = LOAD_REGISTERS };

struct alignas(64) ThreadBlock {
  ThreadBlock* self;
  Selector selector;  ///< read by the kernel at every system call outside the gate
  Side side;
  bool fsgsbase;          ///< rdfsbase/wrfsbase may be used
  bool not_entered;       ///< the last interruptible call was given up before the kernel saw it
  std::uint32_t pending;  ///< nonzero: a signal waits for the boundary; blocking calls must not block
  std::uint64_t host_fs;  ///< thread pointer of the host's C library
  GuestThread* thread;
  std::uint64_t host_rsp;    ///< the host loop's stack, while the guest runs
  std::uint8_t vector_save;  ///< VECTOR_*
  VectorLoad vector_load;
  std::uint16_t reserved;
  std::uint32_t in_use;  ///< XSAVE components that held something when the guest was left
  std::byte* image;      ///< of the guest's vector state: `own_image`, or the kernel's in a signal frame
  std::byte* own_image;
  std::uint64_t load_mask;    ///< XSAVE components to take from `image`
  std::uint64_t site_return;  ///< of the call under way at a rewritten site: where it goes on,
  std::uint64_t site_number;  ///< the whole register that had the number,
  std::int64_t site_result;   ///< what the kernel has said to it, with ENTRY_RESULT and where gate.S says so,
  const FastPath* fast;
  std::uint16_t site_status;  ///< the guest's status flags, as LAHF and SETO leave them in AX
  std::uint8_t entry;         ///< ENTRY_*
  std::uint8_t site_differs;  ///< guest errno of the sleep under way if its word differs; 0: success
  bool keeps_rdx;             ///< success of a call with one result leaves rdx alone; else it is 0 then
  std::uint64_t save_mask;    ///< XSAVE components that `own_image` has room for
  std::uint64_t site_calls;   ///< how often a rewritten site has been come by
  alignas(64) abi::Context context;
};

static_assert(offsetof(ThreadBlock, self) == TB_SELF);
static_assert(offsetof(ThreadBlock, selector) == TB_SELECTOR);
static_assert(offsetof(ThreadBlock, side) == TB_SIDE);
static_assert(offsetof(ThreadBlock, fsgsbase) == TB_FSGSBASE);
static_assert(offsetof(ThreadBlock, not_entered) == TB_NOT_ENTERED);
static_assert(offsetof(ThreadBlock, pending) == TB_PENDING);
static_assert(offsetof(ThreadBlock, host_fs) == TB_HOST_FS);
static_assert(offsetof(ThreadBlock, host_rsp) == TB_HOST_RSP);
static_assert(offsetof(ThreadBlock, vector_save) == TB_VECTOR_SAVE);
static_assert(offsetof(ThreadBlock, vector_load) == TB_VECTOR_LOAD);
static_assert(offsetof(ThreadBlock, in_use) == TB_IN_USE);
static_assert(offsetof(ThreadBlock, image) == TB_IMAGE);
static_assert(offsetof(ThreadBlock, own_image) == TB_OWN_IMAGE);
static_assert(offsetof(ThreadBlock, load_mask) == TB_LOAD_MASK);
static_assert(offsetof(ThreadBlock, site_return) == TB_RETURN);
static_assert(offsetof(ThreadBlock, site_number) == TB_NUMBER);
static_assert(offsetof(ThreadBlock, site_result) == TB_RESULT);
static_assert(offsetof(ThreadBlock, fast) == TB_FAST);
static_assert(offsetof(ThreadBlock, site_status) == TB_STATUS);
static_assert(offsetof(ThreadBlock, entry) == TB_ENTRY);
static_assert(offsetof(ThreadBlock, site_differs) == TB_DIFFERS);
static_assert(offsetof(ThreadBlock, keeps_rdx) == TB_KEEPS_RDX);
static_assert(offsetof(ThreadBlock, save_mask) == TB_SAVE_MASK);
static_assert(offsetof(ThreadBlock, site_calls) == TB_SITE_CALLS);
static_assert(offsetof(ThreadBlock, context) + offsetof(abi::Context, regs) == TB_REGS);
static_assert(offsetof(ThreadBlock, context) + offsetof(abi::Context, fs_base) == TB_FS);
static_assert(offsetof(abi::Registers, r8) == TB_R8 - TB_REGS &&
              offsetof(abi::Registers, rdi) == TB_RDI - TB_REGS &&
              offsetof(abi::Registers, rsp) == TB_RSP - TB_REGS &&
              offsetof(abi::Registers, rflags) == TB_RFLAGS - TB_REGS);

/// The calling thread's block. Only where %gs is set: guest threads, in the runtime.
inline ThreadBlock& this_block() noexcept {
  ThreadBlock* block;
  asm volatile("movq %%gs:0, %0" : "=r"(block));
  return *block;
}

}  // namespace sudrun::runtime
