// The trap: host signal frames, and the switch between the host loop and the guest's context.
//
// A catcher runs in one of four situations, told apart by the selector, the side and the instruction pointer
// the signal found (docs/signals.md has the argument):
//   1. rip between the kernel's entry to the catcher and sudrun_entry_window_end: a trap is just beginning;
//   2. selector BLOCK and rip outside the gate: the guest was running;
//   3. side `leaving`: the host loop has finished with the call, the guest does not yet run;
//   4. otherwise: the runtime is at work for the guest.
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "abi/siginfo.hpp"
#include "runtime/gate.hpp"
#include "runtime/host_signals.hpp"
#include "runtime/report.hpp"
#include "runtime/thread.hpp"
#include "runtime/vector_state_unsafe.hpp"

namespace sudrun::runtime {
namespace {

constexpr abi::Word kTrapFlag = 0x100, kPlainFlags = 0x202;
constexpr int kCodeSeccomp = 1;   // SYS_SECCOMP
constexpr int kCodeDispatch = 2;  // SYS_USER_DISPATCH

bool between(std::uint64_t rip, const char* begin, const char* end) noexcept {
  return rip >= word(begin) && rip < word(end);
}

Resume resume_with(std::uint64_t fs, Selector selector, Side side) noexcept {
  return {fs, static_cast<std::uint64_t>(selector) | (static_cast<std::uint64_t>(side) << 8)};
}

Resume to_host_loop() noexcept { return {0, RESUME_HOST_LOOP}; }

abi::NativeSigset& mask_of(ucontext_t& frame) noexcept {
  // The kernel writes 8 bytes of mask at the start of the C library's larger field.
  return *reinterpret_cast<abi::NativeSigset*>(&frame.uc_sigmask);
}

static_assert(sizeof(abi::Registers) == 18 * 8);
static_assert(offsetof(abi::Registers, rdi) == REG_RDI * 8 && offsetof(abi::Registers, rsp) == REG_RSP * 8 &&
              offsetof(abi::Registers, rip) == REG_RIP * 8 &&
              offsetof(abi::Registers, rflags) == REG_EFL * 8);

}  // namespace

extern "C" [[gnu::visibility("hidden"), gnu::used]] Resume sudrun_catch(int signal, siginfo_t* info,
                                                                        ucontext_t* frame, std::uint64_t fs,
                                                                        std::uint64_t selector,
                                                                        std::uint64_t side) noexcept {
  return this_block().thread->caught(signal, info, frame, fs, selector, side);
}

abi::SignalInfo decode_siginfo(const siginfo_t& raw, const ucontext_t& frame) noexcept {
  const bool fault = raw.si_code > 0 && ((kSynchronous >> (raw.si_signo - 1)) & 1) != 0;
  if (!fault) return abi::decode_sent(raw);
  abi::SignalInfo info;
  info.signal = raw.si_signo;
  info.code = raw.si_code;
  info.error = raw.si_errno;
  info.synchronous = true;
  info.address = word(raw.si_addr);
  info.trap_number = static_cast<int>(frame.uc_mcontext.gregs[REG_TRAPNO]);
  info.fault_code = static_cast<abi::Word>(frame.uc_mcontext.gregs[REG_ERR]);
  return info;
}

void GuestThread::use_image(std::span<std::byte> image) noexcept {
  block_.context.xstate = image;
  block_.image = image.data();
  block_.vector_load = VectorLoad::image;
  block_.load_mask = components_of(image);
}

void GuestThread::load_frame(const ucontext_t& frame, std::uint64_t fs) noexcept {
  std::memcpy(&block_.context.regs, frame.uc_mcontext.gregs, sizeof block_.context.regs);
  block_.context.fs_base = fs;
  use_image(image_in_frame(frame.uc_mcontext.fpregs));
}

void GuestThread::store_frame(ucontext_t& frame) noexcept {
  std::memcpy(frame.uc_mcontext.gregs, &block_.context.regs, sizeof block_.context.regs);
  mask_of(frame) = kernel_mask_ = wanted_mask();
}

void GuestThread::set_kernel_mask(abi::NativeSigset mask) noexcept {
  kernel_mask_ = mask;  // first: a signal that is caught after this knows better
  native(SYS_rt_sigprocmask, SIG_SETMASK, word(&mask), 0, sizeof mask);
}

// Hands the guest back for good, except for a signal that still slips in: caught() sees to that as long as
// side is `leaving`. From here to the guest's first instruction nothing else may change its context. False:
// the guest thread has ended, and all signals are blocked.
bool GuestThread::leave() noexcept {
  const auto pending = [this] { return *static_cast<volatile std::uint32_t*>(&block_.pending) != 0; };
  for (;;) {
    if (finishing_) {
      set_kernel_mask(process_.signals().host_mask(~abi::NativeSigset{0}));
      return false;
    }
    if (put_off_ && !word_blocks()) put_off_ = false;
    deliver_unmasked();
    if (pending()) {
      deliver_pending();
      continue;
    }
    if (has_temporary_mask_) {
      mask_ = saved_mask_;
      has_temporary_mask_ = false;
    }
    if (const abi::NativeSigset mask = wanted_mask(); mask != kernel_mask_) {
      // Interruptible: with a signal waiting here none more may be let in.
      kernel_mask_ = mask;
      if (sudrun_gate_call_interruptible(SYS_rt_sigprocmask, SIG_SETMASK, word(&mask), 0, sizeof mask, 0,
                                         0) != 0)
        continue;
    }
    if (process_.time_page().is_on() || sleeps_in_host_loop_) tick_from_now_on();
    enter_stub();
    if (block_.vector_load == VectorLoad::image) forget_initial_x87(block_.context.xstate);
    asm volatile("" ::: "memory");
    block_.side = Side::leaving;
    asm volatile("" ::: "memory");
    if (!pending() && may_run_guest()) return true;
    block_.side = Side::host;
    asm volatile("" ::: "memory");
    leave_stub();
  }
}

// Where the instructions after a site were moved into its stub, that is where they are executed; everybody
// else sees the thread at the site.
void GuestThread::enter_stub() noexcept {
  abi::Word& rip = block_.context.regs.rip;
  if (block_.entry == ENTRY_TRAP || rip == block_.site_return) return;
  if (rip == process_.rewriter().resume_address(block_.site_return)) rip = block_.site_return;
}
void GuestThread::leave_stub() noexcept {
  abi::Word& rip = block_.context.regs.rip;
  if (block_.entry != ENTRY_TRAP) rip = process_.rewriter().resume_address(rip);
}

Resume GuestThread::caught(int signal, siginfo_t* info, ucontext_t* frame, std::uint64_t fs,
                           std::uint64_t selector, std::uint64_t side) noexcept {
  const auto rip = static_cast<std::uint64_t>(frame->uc_mcontext.gregs[REG_RIP]);
  const bool at_entry = between(rip, sudrun_entry_window_begin, sudrun_entry_window_end);
  const bool guest_ran = selector == static_cast<std::uint64_t>(Selector::block) &&
                         !between(rip, sudrun_gate_begin, sudrun_gate_end);
  if (signal == process_.signals().own_signal()) {
    if (guest_ran) stopped_in_stub(signal, *frame);
    make_shared_call();
    process_.threads().answer(link_);
    if (is_tick(*info) && ticked(rip, frame->uc_mcontext.gregs[REG_RAX], static_cast<Side>(side))) {
      back_to_call(*frame);
      return resume_with(fs, Selector::block, Side::leaving);
    }
    if (must_stop(*info))
      return stop_caught(*frame, fs, static_cast<Selector>(selector), static_cast<Side>(side), guest_ran);
    return resume_with(fs, static_cast<Selector>(selector), static_cast<Side>(side));
  }
  if (guest_ran) return caught_in_guest(signal, info, frame, fs);

  if (selector == static_cast<std::uint64_t>(Selector::block) &&
      side == static_cast<std::uint64_t>(Side::leaving) && at_site(rip))
    return caught_at_site(signal, info, frame, fs);

  const bool leaving = !at_entry && side == static_cast<std::uint64_t>(Side::leaving);
  const bool fault = info->si_code > 0 && signal != SIGSYS && ((kSynchronous >> (signal - 1)) & 1) != 0;
  // At the last jump all registers are the guest's but one. Its stack is no stack of ours, so this frame lies
  // where an image to resume from may have been: only the frame has the guest's state now. (A fault here
  // means that the guest's own address is one the processor will not take.)
  if (leaving && rip == word(sudrun_resume_jump)) {
    frame->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(block_.context.regs.rip);
    return caught_in_guest(signal, info, frame, fs);
  }
  const bool resuming = leaving && between(rip, sudrun_resume_begin, sudrun_resume_end);
  if (leaving && !fault) {
    leave_stub();
    keep_ticking();
    arrived({*info, decode_siginfo(*info, *frame)});
    mask_of(*frame) = kernel_mask_ = wanted_mask();
    if (resuming) return restart_resuming(*frame);
    return resume_with(block_.host_fs, Selector::allow, Side::leaving);
  }
  caught_in_runtime(signal, info, frame);
  return resume_with(fs, static_cast<Selector>(selector), static_cast<Side>(side));
}

Resume GuestThread::restart_resuming(ucontext_t& frame) noexcept {
  if ((block_.context.regs.rflags & kTrapFlag) != 0) return give_up_resuming(frame);
  on_host_stack(frame, sudrun_resume_begin);
  return resume_with(block_.host_fs, Selector::allow, Side::leaving);
}

void GuestThread::on_host_stack(ucontext_t& frame, const char* at) const noexcept {
  greg_t* const live = frame.uc_mcontext.gregs;
  live[REG_RSP] = static_cast<greg_t>(block_.host_rsp);
  live[REG_EFL] = kPlainFlags;
  live[REG_RIP] = static_cast<greg_t>(word(at));
}

// Back to the host loop from sudrun_run_guest, with nothing served.
Resume GuestThread::give_up_resuming(ucontext_t& frame) noexcept {
  on_host_stack(frame, sudrun_to_host_loop);
  block_.entry = ENTRY_AGAIN;
  return resume_with(block_.host_fs, Selector::allow, Side::host);
}

// A guest that steps through its own code: the trap flag must come with its first instruction.
void GuestThread::resume_stepping() noexcept {
  constexpr unsigned long kFlags = 7;  // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
  constexpr greg_t kSegments = 0x33 | greg_t{0x2b} << 48;
  ucontext_t frame{};
  frame.uc_flags = kFlags;
  frame.uc_stack = signal_stack();
  std::memcpy(frame.uc_mcontext.gregs, &block_.context.regs, sizeof block_.context.regs);
  frame.uc_mcontext.gregs[REG_CSGSFS] = kSegments;
  frame.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(block_.image);
  mask_of(frame) = kernel_mask_;
  sudrun_run_guest_by_frame(&frame, sizeof frame);
}

// A signal found the guest in a stub or on its way there. Its registers become those it has in the program.
// True: nothing has happened there that it should know of.
bool GuestThread::stopped_in_stub(int signal, ucontext_t& frame) noexcept {
  greg_t* const live = frame.uc_mcontext.gregs;
  const auto rip = static_cast<std::uint64_t>(live[REG_RIP]);
  Rewriter& rewriter = process_.rewriter();
  constexpr greg_t kStepTrap = 1, kBreakpointTrap = 3;
  if (signal == SIGTRAP && live[REG_TRAPNO] == kBreakpointTrap) {
    const auto to = rewriter.forward(rip - 1);
    if (to) live[REG_RIP] = static_cast<greg_t>(*to);
    return to.has_value();
  }
  const auto place = rewriter.program_place(rip);
  if (!place) return false;
  live[REG_RIP] = static_cast<greg_t>(place->rip);
  if (static_cast<abi::Word>(live[REG_RCX]) == place->continuation)
    live[REG_RCX] = static_cast<greg_t>(place->resume);
  // Who steps through the program is not to step through ours.
  const bool stepped = signal == SIGTRAP && live[REG_TRAPNO] == kStepTrap;
  if (stepped) rewriter.withdraw(rip);
  return stepped;
}

Resume GuestThread::caught_in_guest(int signal, siginfo_t* info, ucontext_t* frame,
                                    std::uint64_t fs) noexcept {
  const bool trap = signal == SIGSYS && (info->si_code == kCodeDispatch || info->si_code == kCodeSeccomp);
  if (!trap && stopped_in_stub(signal, *frame)) return resume_with(fs, Selector::block, Side::leaving);
  load_frame(*frame, fs);
  if (trap && info->si_arch != AUDIT_ARCH_X86_64) {
    report_wrong_instruction(*this);
    abi::SignalInfo refused;
    refused.signal = SIGSYS;
    die(refused);
  }
  if (trap) {
    block_.entry = ENTRY_TRAP;
    return to_host_loop();
  }
  if (process_.embedding() != nullptr) {
    // It may be the guest's end, which is no matter for a catcher.
    raise_fault(decode_siginfo(*info, *frame));
    return leave_catcher();
  }
  keep_ticking();
  arrived({*info, decode_siginfo(*info, *frame)});
  store_frame(*frame);
  return resume_with(block_.context.fs_base, Selector::block, Side::leaving);
}

// To the host loop, which finds out why. The catcher's mask stays.
Resume GuestThread::leave_catcher() noexcept {
  block_.entry = ENTRY_AGAIN;
  kernel_mask_ = kCatcherMask;
  return to_host_loop();
}

// In the catcher of the runtime's own signal.
bool GuestThread::must_stop(const siginfo_t& info) noexcept {
  Embedding* const embedding = process_.embedding();
  if (embedding == nullptr) return false;
  if (info.si_code == SI_TIMER && info.si_value.sival_int == deadline_timer_) deadline_passed_ = true;
  return deadline_passed_ || stop_wanted_ || sent_ != 0 || process_.is_over();
}

// A thread of an embedded guest is to stop: at once if the guest runs, else at the next place where the host
// loop looks (stop_if_asked()).
Resume GuestThread::stop_caught(ucontext_t& frame, std::uint64_t fs, Selector selector, Side side,
                                bool guest_ran) noexcept {
  greg_t* const live = frame.uc_mcontext.gregs;
  const auto rip = static_cast<std::uint64_t>(live[REG_RIP]);
  block_.pending = 1;
  const bool at_jump = side == Side::leaving && rip == word(sudrun_resume_jump);
  if (at_jump) live[REG_RIP] = static_cast<greg_t>(block_.context.regs.rip);
  if (guest_ran || at_jump) {
    load_frame(frame, fs);
    return leave_catcher();
  }
  if (side == Side::leaving && between(rip, sudrun_resume_begin, sudrun_resume_end))
    return give_up_resuming(frame);
  if (between(rip, sudrun_interruptible_begin, sudrun_interruptible_syscall) ||
      rip == word(sudrun_interruptible_syscall))
    live[REG_RIP] = static_cast<greg_t>(word(sudrun_interruptible_interrupted));
  return resume_with(fs, selector, side);
}

// In the code behind rewritten sites, while it runs as a part of the guest.
bool GuestThread::at_site(std::uint64_t rip) const noexcept {
  return between(rip, sudrun_site_entry, sudrun_site_committed) ||
         between(rip, sudrun_fast_clock, sudrun_clock_end);
}

// There the guest's registers become those it has at its call: before it, or, if it has been made (true),
// after.
bool GuestThread::back_to_call(ucontext_t& frame) noexcept {
  greg_t* const live = frame.uc_mcontext.gregs;
  const auto rip = static_cast<std::uint64_t>(live[REG_RIP]);
  const bool made = between(rip, sudrun_fast_returned, sudrun_fast_end) ||
                    between(rip, sudrun_futex_returned, sudrun_futex_end) ||
                    between(rip, sudrun_clock_done, sudrun_clock_end);
  const bool noted = between(rip, sudrun_fast_result_noted, sudrun_fast_end) ||
                     between(rip, sudrun_futex_noted, sudrun_futex_end) || rip >= word(sudrun_clock_done);
  if (made && !noted) block_.site_result = live[REG_RAX];
  if (rip == word(sudrun_fast_swapped)) live[REG_RDX] = live[REG_RCX];
  if (between(rip, sudrun_futex_moved, sudrun_futex_restored)) {
    live[REG_RSI] = static_cast<greg_t>(block_.context.regs.rsi);
    live[REG_RDX] = static_cast<greg_t>(block_.context.regs.rdx);
    live[REG_R10] = static_cast<greg_t>(block_.context.regs.r10);
  }
  if (rip >= word(sudrun_site_noted)) live[REG_RAX] = static_cast<greg_t>(block_.site_number);
  if (rip >= word(sudrun_site_flags_noted)) {
    // From AH: SF, ZF, AF, PF, CF; from AL: OF.
    constexpr greg_t kStatus = 0xd5, kOverflow = 0x800;
    const greg_t low = block_.site_status >> 8 & kStatus,
                 overflow = (block_.site_status & 1) != 0 ? kOverflow : 0;
    live[REG_EFL] = (live[REG_EFL] & ~(kStatus | kOverflow)) | low | overflow;
  }
  if (between(rip, sudrun_site_stack_left, sudrun_site_committed) ||
      between(rip, sudrun_known_on_host_stack, sudrun_known_back))
    live[REG_RSP] = static_cast<greg_t>(block_.context.regs.rsp);
  const abi::Word resume =
      rip < word(sudrun_site_noted) ? static_cast<abi::Word>(live[REG_RCX]) : block_.site_return;
  const abi::Word after = process_.rewriter().resume_address(resume);
  live[REG_RCX] = static_cast<greg_t>(after);
  live[REG_R11] = live[REG_EFL];
  live[REG_RIP] = static_cast<greg_t>(made ? after : after - kSyscallSize);
  return made;
}

// Before the native call: the guest stands before its call again, and gets the signal there. After it: the
// host loop finishes the call, with the signal pending.
Resume GuestThread::caught_at_site(int signal, siginfo_t* info, ucontext_t* frame,
                                   std::uint64_t fs) noexcept {
  if (!back_to_call(*frame)) return caught_in_guest(signal, info, frame, fs);

  load_frame(*frame, fs);
  assign_image(own_image_, block_.context.xstate);  // the frame may lie on the host loop's stack
  use_image(own_image_);
  block_.entry = ENTRY_RESULT;
  keep_pending(*info, *frame);
  kernel_mask_ = kCatcherMask;
  return to_host_loop();
}

void GuestThread::keep_pending(const siginfo_t& info, const ucontext_t& frame) noexcept {
  pending_ = {info, decode_siginfo(info, frame)};
  asm volatile("" ::: "memory");
  block_.pending = 1;
}

void GuestThread::caught_in_runtime(int signal, siginfo_t* info, ucontext_t* frame) noexcept {
  greg_t& rip = frame->uc_mcontext.gregs[REG_RIP];
  const auto at = static_cast<std::uint64_t>(rip);
  if (info->si_code > 0 && signal != SIGSYS && ((kSynchronous >> (signal - 1)) & 1) != 0) {
    const bool memory = signal == SIGSEGV || signal == SIGBUS;
    if (memory && between(at, sudrun_access_begin, sudrun_access_end)) {
      rip = static_cast<greg_t>(word(sudrun_access_fault));
      return;
    }
    if (memory && between(at, sudrun_clock_store, sudrun_clock_stored)) {
      rip = static_cast<greg_t>(word(sudrun_clock_failed));
      return;
    }
    if (process_.embedding() != nullptr) return pass_to_embedder(signal, info, frame);
    abi::Registers host;
    std::memcpy(&host, frame->uc_mcontext.gregs, sizeof host);
    report_internal_fault(*this, decode_siginfo(*info, *frame), host);
    die_of_signal(signal);
  }
  if (process_.embedding() != nullptr) return pass_to_embedder(signal, info, frame);
  if (block_.pending != 0) {
    // Let in by a step of the runtime that had the mask open for a moment.
    requeue({*info, decode_siginfo(*info, *frame)});
  } else {
    keep_pending(*info, *frame);
  }
  if (at >= word(sudrun_interruptible_begin) && at <= word(sudrun_interruptible_syscall)) {
    rip = static_cast<greg_t>(word(sudrun_interruptible_interrupted));
  }
  // One signal at a time waits here; the kernel keeps the others until the guest runs again.
  mask_of(*frame) = kernel_mask_ = process_.signals().host_mask(~abi::NativeSigset{0});
}

}  // namespace sudrun::runtime
