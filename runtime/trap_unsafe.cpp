// The trap: host signal frames, and the switch between the host loop and the guest's context.
//
// A catcher runs in one of four situations, told apart by the selector, the side and the instruction pointer
// the signal found (docs/signals.md has the argument):
//   1. rip between the kernel's entry to the catcher and sudrun_entry_window_end: a trap is just beginning;
//   2. selector BLOCK and rip outside the gate: the guest was running;
//   3. side `leaving`: the host loop has finished with the call, the guest does not yet run;
//   4. otherwise: the runtime is at work for the guest.
#include <asm/prctl.h>
#include <linux/audit.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <boost/context/protected_fixedsize_stack.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>

#include "abi/siginfo.hpp"
#include "runtime/gate.hpp"
#include "runtime/report.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::size_t kTrapStack = 128 * 1024;  // a signal frame with every state component is up to 11 KiB
constexpr std::size_t kGuard = 4096;
constexpr std::size_t kFiberStack = 64 * 1024;
constexpr unsigned kAutodisarm = 1U << 31;    // SS_AUTODISARM, linux/signal.h
constexpr int kCodeSeccomp = 1;               // SYS_SECCOMP
constexpr int kCodeDispatch = 2;              // SYS_USER_DISPATCH
constexpr std::uint64_t kHwcap2Fsgsbase = 2;  // HWCAP2_FSGSBASE, asm/hwcap2.h

bool between(std::uint64_t rip, const char* begin, const char* end) noexcept {
  return rip >= word(begin) && rip < word(end);
}

Resume resume_with(std::uint64_t fs, Selector selector, Side side) noexcept {
  return {fs, static_cast<std::uint64_t>(selector) | (static_cast<std::uint64_t>(side) << 8)};
}

abi::NativeSigset& mask_of(ucontext_t& frame) noexcept {
  // The kernel writes 8 bytes of mask at the start of the C library's larger field.
  return *reinterpret_cast<abi::NativeSigset*>(&frame.uc_sigmask);
}

// What the kernel leaves in the reserved words of a frame's FXSAVE area (asm/sigcontext.h).
struct XstateWords {
  std::uint32_t magic1, extended_size;
  std::uint64_t features;
  std::uint32_t size;
};
constexpr std::uint32_t kXstateMagic1 = 0x46505853;
constexpr std::size_t kXstateWordsOffset = 464;
constexpr std::size_t kFxsaveSize = 512;

std::span<std::byte> xstate_of(ucontext_t& frame) noexcept {
  auto* area = reinterpret_cast<std::byte*>(frame.uc_mcontext.fpregs);
  if (area == nullptr) return {};
  XstateWords words;
  std::memcpy(&words, area + kXstateWordsOffset, sizeof words);
  return {area, words.magic1 == kXstateMagic1 ? words.size : kFxsaveSize};
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

GuestThread::GuestThread(Process& process, abi::NativeSigset mask)
    : process_(process), mask_(mask & ~kUnblockable) {
  void* stack = mmap(nullptr, kGuard + kTrapStack, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "trap stack");
  trap_stack_ = static_cast<std::byte*>(stack);
  mprotect(trap_stack_, kGuard, PROT_NONE);
  block_.self = &block_;
  block_.thread = this;
  block_.selector = Selector::allow;
  block_.side = Side::host;
  block_.fsgsbase = (getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0;
}

GuestThread::~GuestThread() {
  munmap(trap_stack_, kGuard + kTrapStack);
  free_path_room();
}

std::int64_t GuestThread::run(const abi::Registers& start, abi::Word fs_base,
                              std::span<const std::byte> xstate) {
  native(SYS_arch_prctl, ARCH_GET_FS, word(&block_.host_fs));
  native(SYS_arch_prctl, ARCH_SET_GS, word(&block_));
  tid_ = static_cast<int>(native(SYS_gettid));
  const abi::NativeSigset all_but_traps = process_.signals().host_mask(~abi::NativeSigset{0});
  native(SYS_rt_sigprocmask, SIG_SETMASK, word(&all_but_traps), 0, sizeof all_but_traps);
  if (const auto r = arm_thread(process_.trap_mode(), block_); r != 0) return r;

  boost::context::fiber guest(std::allocator_arg, boost::context::protected_fixedsize_stack(kFiberStack),
                              [this](boost::context::fiber&& host) {
                                host_ = std::move(host);
                                enter_guest();
                                return std::move(host_);
                              });
  guest = std::move(guest).resume();  // comes back from the first trap, which enter_guest() raises itself
  std::memcpy(home_.data(), frame_->uc_mcontext.gregs, sizeof home_);
  context_.regs = start;
  context_.fs_base = fs_base;
  reset_xstate(xstate);
  process_.threads().add(*this);
  if (start_hook_ && !start_hook_(tid_)) finishing_ = true;
  leave();
  while (guest = std::move(guest).resume(), guest) {
    serve_call();
    leave();
  }

  // The guest's context has ended. All signals are blocked but the traps, which nothing raises any more, and
  // the runtime's own, whose catcher finds its way as long as %gs is set.
  disarm_thread(process_.trap_mode());
  const stack_t none{nullptr, SS_DISABLE, 0};
  native(SYS_sigaltstack, word(&none));
  return 0;
}

void GuestThread::leave_process() noexcept {
  const std::scoped_lock hold(process_.threads().lock());
  process_.threads().remove(*this);
  native(SYS_arch_prctl, ARCH_SET_GS, 0);
}

// Runs on the guest fiber. The signal raised here makes the kernel build the frame the guest starts from;
// when the guest thread ends, that frame is given these registers again and this function returns.
void GuestThread::enter_guest() noexcept {
  stack_t stack{};
  stack.ss_sp = trap_stack_ + kGuard;
  stack.ss_size = kTrapStack;
  stack.ss_flags = static_cast<int>(kAutodisarm);
  native(SYS_sigaltstack, word(&stack));
  entering_ = true;
  native(SYS_tgkill, static_cast<std::uint64_t>(process_.pid()), static_cast<std::uint64_t>(tid_), SIGSYS);
}

void GuestThread::load_frame(ucontext_t* frame, std::uint64_t fs) noexcept {
  frame_ = frame;
  std::memcpy(&context_.regs, frame->uc_mcontext.gregs, sizeof context_.regs);
  context_.fs_base = fs;
  context_.xstate = xstate_of(*frame);
}

void GuestThread::store_frame() noexcept {
  std::memcpy(frame_->uc_mcontext.gregs, &context_.regs, sizeof context_.regs);
  mask_of(*frame_) = wanted_mask();
}

void GuestThread::reset_xstate(std::span<const std::byte> xstate) noexcept {
  context_.xstate = xstate_of(*frame_);
  const std::span<std::byte> area = context_.xstate;
  if (area.size() < kFxsaveSize) return;
  if (xstate.size() == area.size()) {  // a copy of another thread's frame; the reserved words stay ours
    std::memcpy(area.data(), xstate.data(), kXstateWordsOffset);
    std::memcpy(area.data() + kFxsaveSize, xstate.data() + kFxsaveSize, area.size() - kFxsaveSize);
    return;
  }
  constexpr std::uint16_t kInitialControlWord = 0x37f;
  constexpr std::uint32_t kInitialMxcsr = 0x1f80;
  constexpr std::size_t kMxcsrOffset = 24, kMxcsrMaskEnd = 32, kHeaderOffset = 512;
  std::memset(area.data(), 0, kMxcsrOffset);
  std::memset(area.data() + kMxcsrMaskEnd, 0, kXstateWordsOffset - kMxcsrMaskEnd);
  std::memcpy(area.data(), &kInitialControlWord, sizeof kInitialControlWord);
  std::memcpy(area.data() + kMxcsrOffset, &kInitialMxcsr, sizeof kInitialMxcsr);
  if (area.size() >= kHeaderOffset + 8)
    std::memset(area.data() + kHeaderOffset, 0, 8);  // XSTATE_BV: all initial
}

// Hands the guest's frame back for good, except for a signal that still slips in: caught() sees to that as
// long as side is `leaving`. From here to the guest's first instruction nothing may change context_.
void GuestThread::leave() noexcept {
  for (;;) {
    if (finishing_) {
      std::memcpy(frame_->uc_mcontext.gregs, home_.data(), sizeof home_);
      mask_of(*frame_) = process_.signals().host_mask(~abi::NativeSigset{0});
      return;
    }
    if (put_off_ && !word_blocks()) put_off_ = false;
    deliver_unmasked();
    if (has_temporary_mask_ && block_.pending == 0) {
      mask_ = saved_mask_;
      has_temporary_mask_ = false;
    }
    store_frame();
    asm volatile("" ::: "memory");
    block_.side = Side::leaving;
    asm volatile("" ::: "memory");
    if (*static_cast<volatile std::uint32_t*>(&block_.pending) == 0) return;
    block_.side = Side::host;
    asm volatile("" ::: "memory");
    deliver_pending();
  }
}

Resume GuestThread::caught(int signal, siginfo_t* info, ucontext_t* frame, std::uint64_t fs,
                           std::uint64_t selector, std::uint64_t side) noexcept {
  if (signal == process_.signals().own_signal()) {
    make_shared_call();
    return resume_with(fs, static_cast<Selector>(selector), static_cast<Side>(side));
  }
  const auto rip = static_cast<std::uint64_t>(frame->uc_mcontext.gregs[REG_RIP]);
  const bool at_entry =
      between(rip, reinterpret_cast<const char*>(&sudrun_trap_entry), sudrun_entry_window_end);
  const bool guest_ran = selector == static_cast<std::uint64_t>(Selector::block) &&
                         !between(rip, sudrun_gate_begin, sudrun_gate_end);
  if (entering_ && signal == SIGSYS) {
    entering_ = false;
    return caught_in_guest(signal, info, frame, fs);
  }
  if (guest_ran) return caught_in_guest(signal, info, frame, fs);

  const bool leaving = !at_entry && side == static_cast<std::uint64_t>(Side::leaving);
  const bool fault = info->si_code > 0 && signal != SIGSYS && ((kSynchronous >> (signal - 1)) & 1) != 0;
  if (leaving && !fault) {
    load_frame(frame_, context_.fs_base);
    const Pending late{*info, decode_siginfo(*info, *frame)};
    if (!put_off(late)) deliver(late.info);
    store_frame();
    mask_of(*frame) = process_.signals().host_mask(~abi::NativeSigset{0});
  } else {
    caught_in_runtime(signal, info, frame);
  }
  return resume_with(fs, static_cast<Selector>(selector), static_cast<Side>(side));
}

Resume GuestThread::caught_in_guest(int signal, siginfo_t* info, ucontext_t* frame,
                                    std::uint64_t fs) noexcept {
  load_frame(frame, fs);
  const bool trap =
      signal == SIGSYS && (info->si_code == kCodeDispatch || info->si_code == kCodeSeccomp ||
                           frame->uc_mcontext.gregs[REG_RIP] >= static_cast<greg_t>(abi::kGuestTop));
  if (trap && info->si_code > 0 && info->si_arch != AUDIT_ARCH_X86_64) {
    report_wrong_instruction(*this);
    abi::SignalInfo refused;
    refused.signal = SIGSYS;
    die(refused);
  }
  if (trap) {
    host_ = std::move(host_).resume();  // the host loop serves the call; we come back through leave()
    if (finishing_) return resume_with(block_.host_fs, Selector::allow, Side::host);
  } else {
    const Pending arrived{*info, decode_siginfo(*info, *frame)};
    if (!put_off(arrived)) deliver(arrived.info);
    store_frame();
  }
  return resume_with(context_.fs_base, Selector::block, Side::leaving);
}

void GuestThread::caught_in_runtime(int signal, siginfo_t* info, ucontext_t* frame) noexcept {
  greg_t& rip = frame->uc_mcontext.gregs[REG_RIP];
  const auto at = static_cast<std::uint64_t>(rip);
  if (info->si_code > 0 && signal != SIGSYS && ((kSynchronous >> (signal - 1)) & 1) != 0) {
    if ((signal == SIGSEGV || signal == SIGBUS) && between(at, sudrun_access_begin, sudrun_access_end)) {
      rip = static_cast<greg_t>(word(sudrun_access_fault));
      return;
    }
    abi::Registers host;
    std::memcpy(&host, frame->uc_mcontext.gregs, sizeof host);
    report_internal_fault(*this, decode_siginfo(*info, *frame), host);
    die_of_signal(signal);
  }
  pending_.raw = *info;
  pending_.info = decode_siginfo(*info, *frame);
  asm volatile("" ::: "memory");
  block_.pending = 1;
  if (at >= word(sudrun_interruptible_begin) && at <= word(sudrun_interruptible_syscall)) {
    rip = static_cast<greg_t>(word(sudrun_interruptible_interrupted));
  }
  // One signal at a time waits here; the kernel keeps the others until the guest runs again.
  mask_of(*frame) = process_.signals().host_mask(~abi::NativeSigset{0});
}

}  // namespace sudrun::runtime
