// Linux/x86-64 as a guest: the identity ABI. Numbers, flags and layouts are the native ones; what is left for
// code is memory placement, signal frames, threads and the things only the runtime may do.
//
// Sources: Linux 6.18, kernel/{fork,signal,exit,sys}.c, mm/{mmap,mremap}.c, kernel/futex/core.c,
// arch/x86/kernel/{signal_64.c,process_64.c,fpu/signal.c}; and the man pages 6.03, section 2.
#pragma once

#include "abi/bare.hpp"

// Not `linux`: GNU dialects predefine that word as a macro.
namespace sudrun::abi::linux_abi {

/// Needs no trampoline: x86-64 programs bring their own restorer (SA_RESTORER). No state of its own, hence no
/// locks.
class Linux final : public Bare {
 public:
  std::string_view name() const noexcept override { return "linux"; }
  StackImage stack_image(const ImageInfo& image, std::string_view program_path) const override;
  bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                         NativeSigset old_mask) noexcept override;
};

/// A host pointer as an argument of Host::call.
inline Word host_word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }
/// The guest's number of the call is the native one.
inline long native_number(const Call& call) noexcept { return static_cast<long>(call.frame.number); }
/// True if `addr` is null or the range is the guest's.
constexpr bool null_or_guest(GuestAddr addr, std::uint64_t size) noexcept {
  return is_null(addr) || Host::in_guest(addr, size);
}

// One array per area; each file keeps its array next to its handlers.
std::span<const HandlerEntry> memory_handlers() noexcept;   // memory.cpp: mmap, mremap, brk, shmat…
std::span<const HandlerEntry> signal_handlers() noexcept;   // signals.cpp: sigaction, masks, sigreturn
std::span<const HandlerEntry> wait_handlers() noexcept;     // waits.cpp: calls that wait under a mask
std::span<const HandlerEntry> thread_handlers() noexcept;   // threads.cpp: clone, exit, futex, arch_prctl
std::span<const HandlerEntry> process_handlers() noexcept;  // process.cpp: exec, exit_group, prctl, readlink
std::span<const HandlerEntry> descriptor_handlers() noexcept;  // descriptors.cpp: close, dup, close_range

/// All of them.
std::vector<std::span<const HandlerEntry>> handlers();

}  // namespace sudrun::abi::linux_abi
