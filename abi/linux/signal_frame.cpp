// Stack, from high to low: the interrupted code's red zone, the extended state (64-byte aligned, followed by
// a magic word), struct rt_sigframe (its end 16-byte aligned).
//
// Sources: Linux 6.18, arch/x86/kernel/signal.c, signal_64.c, fpu/signal.c;
// arch/x86/include/uapi/asm/sigcontext.h, ucontext.h.
#include "abi/linux/signal_frame.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "abi/linux/linux.hpp"

namespace sudrun::abi::linux_abi {
namespace {

constexpr Word kRedZone = 128;
constexpr std::uint16_t kUserCode = 0x33, kUserData = 0x2b;  // selectors
/// Flags a frame may change: AC RF OF DF TF SF ZF AF PF CF.
constexpr Word kRestorableFlags = 0x50dd5;
/// Flags a handler starts without: RF DF TF.
constexpr Word kFlagsClearedForHandler = 0x10500;

constexpr std::uint64_t kUcFpXstate = 1, kUcSigcontextSs = 2, kUcStrictRestoreSs = 4;
constexpr std::uint32_t kSsAutodisarm = 1u << 31;
constexpr std::size_t kMinimumStack = 2048;  // MINSIGSTKSZ

// --- the extended state -------------------------------------------------------------------------------

constexpr std::size_t kLegacySize = 512, kHeaderSize = 64;
constexpr std::size_t kMxcsrOffset = 24, kMxcsrMaskOffset = 28, kSoftwareOffset = 464;
constexpr std::uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;  // FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2
constexpr std::uint64_t kLegacyFeatures = 3;                         // x87 and SSE
constexpr std::uint64_t kPkru = 1u << 9;

/// `struct _fpx_sw_bytes`: in the last bytes of the FXSAVE image.
struct SoftwareBytes {
  std::uint32_t magic1;
  std::uint32_t extended_size;
  std::uint64_t features;
  std::uint32_t size;
  std::uint32_t padding[7];
};
static_assert(sizeof(SoftwareBytes) == kLegacySize - kSoftwareOffset);

/// `struct _header` of the XSAVE image.
struct XsaveHeader {
  std::uint64_t present;     // XSTATE_BV
  std::uint64_t compaction;  // XCOMP_BV
  std::uint64_t reserved[6];
};
static_assert(sizeof(XsaveHeader) == kHeaderSize);

template <typename T>
T load(std::span<const std::byte> from, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, from.data() + offset, sizeof value);
  return value;
}
template <typename T>
void store(std::span<std::byte> to, std::size_t offset, const T& value) noexcept {
  std::memcpy(to.data() + offset, &value, sizeof value);
}

/// What the suspended guest's image holds.
struct ImageShape {
  std::size_t size = 0;  ///< 0: no image; kLegacySize: FXSAVE only
  std::uint64_t features = 0;
  bool extended() const noexcept { return size > kLegacySize; }
};

ImageShape shape_of(std::span<const std::byte> image) noexcept {
  if (image.size() < kLegacySize) return {};
  if (image.size() < kLegacySize + kHeaderSize) return {kLegacySize, kLegacyFeatures};
  const auto software = load<SoftwareBytes>(image, kSoftwareOffset);
  if (software.magic1 == kMagic1 && software.size >= kLegacySize + kHeaderSize &&
      software.size <= image.size())
    return {software.size, software.features};
  return {image.size(), load<XsaveHeader>(image, kLegacySize).present | kLegacyFeatures};
}

/// The state a handler starts with. Protection keys stay, or the handler might not reach its own stack.
void reset_state(std::span<std::byte> image) noexcept {
  const ImageShape shape = shape_of(image);
  if (shape.size == 0) return;
  constexpr std::uint16_t kInitialControl = 0x37f;
  constexpr std::uint32_t kInitialMxcsr = 0x1f80;
  const auto mask = load<std::uint32_t>(image, kMxcsrMaskOffset);
  std::memset(image.data(), 0, kSoftwareOffset);
  store(image, 0, kInitialControl);
  store(image, kMxcsrOffset, kInitialMxcsr);
  store(image, kMxcsrMaskOffset, mask);
  if (!shape.extended()) return;
  auto header = load<XsaveHeader>(image, kLegacySize);
  header.present &= kPkru;
  store(image, kLegacySize, header);
}

/// Writes the image to the guest as the kernel lays it out; `at` is 64-byte aligned.
bool write_state(Host& host, GuestAddr at, std::span<const std::byte> image,
                 const ImageShape& shape) noexcept {
  if (!host.write(at, image.data(), kSoftwareOffset)) return false;
  SoftwareBytes software{};
  if (shape.extended()) {
    software.magic1 = kMagic1;
    software.extended_size = static_cast<std::uint32_t>(shape.size + sizeof kMagic2);
    software.features = shape.features;
    software.size = static_cast<std::uint32_t>(shape.size);
  }
  if (!host.put(at + kSoftwareOffset, software)) return false;
  if (!shape.extended()) return true;
  return host.write(at + kLegacySize, image.data() + kLegacySize, shape.size - kLegacySize) &&
         host.put(at + shape.size, kMagic2);
}

bool good_header(const XsaveHeader& header, std::uint64_t features) noexcept {
  return header.compaction == 0 && (header.present & ~features) == 0 &&
         std::all_of(std::begin(header.reserved), std::end(header.reserved),
                     [](auto word) { return word == 0; });
}

/// Takes the guest's state from a frame. False if it is not one the processor would load.
bool read_state(Host& host, GuestAddr at, std::span<std::byte> image) noexcept {
  const ImageShape live = shape_of(image);
  if (live.size == 0) return true;
  if (is_null(at)) {
    reset_state(image);
    return true;
  }
  alignas(8) std::array<std::byte, kLegacySize> legacy;
  if (!host.read(at, legacy.data(), legacy.size())) return false;
  // Zero stands for the mask of the first processors that had SSE.
  const auto live_mask = load<std::uint32_t>(image, kMxcsrMaskOffset);
  const std::uint32_t mxcsr_mask = live_mask != 0 ? live_mask : 0xffbf;
  if ((load<std::uint32_t>(legacy, kMxcsrOffset) & ~mxcsr_mask) != 0) return false;

  // A frame whose software bytes are not ours holds the legacy state only, whatever follows it.
  XsaveHeader header{live.features & kLegacyFeatures, 0, {}};
  const auto software = load<SoftwareBytes>(legacy, kSoftwareOffset);
  std::uint32_t magic2 = 0;
  const bool whole = live.extended() && software.magic1 == kMagic1 &&
                     software.size >= kLegacySize + kHeaderSize && software.size <= live.size &&
                     software.size <= software.extended_size && host.get(at + software.size, magic2) &&
                     magic2 == kMagic2;
  if (whole) {
    if (!host.get(at + kLegacySize, header)) return false;
    if (!good_header(header, live.features & software.features)) return false;
    constexpr std::size_t kComponents = kLegacySize + kHeaderSize;
    if (!host.read(at + kComponents, image.data() + kComponents, software.size - kComponents)) return false;
  }
  std::memcpy(image.data(), legacy.data(), kMxcsrMaskOffset);
  std::memcpy(image.data() + kMxcsrMaskOffset + 4, legacy.data() + kMxcsrMaskOffset + 4,
              kSoftwareOffset - kMxcsrMaskOffset - 4);
  if (live.extended()) store(image, kLegacySize, header);
  return true;
}

// --- the rest of the frame ----------------------------------------------------------------------------

bool on_stack(const AltStack& stack, Word sp) noexcept {
  // An automatically disarmed stack is never in use while it is armed.
  return stack.enabled && !stack.auto_disarm && sp > word_of(stack.base) &&
         sp - word_of(stack.base) <= stack.size;
}

KernelSiginfo siginfo_of(const SignalInfo& info) noexcept {
  KernelSiginfo out{};
  out.signal = info.signal;
  out.error = info.error;
  out.code = info.code;
  auto& of = out.of;
  if (info.code == SI_TIMER) {
    of.timer = {info.timer_id, info.overrun, info.value};
  } else if (info.code == SI_SIGIO || (info.code > 0 && info.signal == SIGIO && info.code != SI_KERNEL)) {
    of.poll = {info.band, info.fd};
  } else if (info.code <= 0 || info.code == SI_KERNEL) {
    of.queue = {info.pid, info.uid, info.value};
    if (info.code == SI_KERNEL && info.synchronous) of.fault = {info.address};
  } else if (info.signal == SIGCHLD) {
    of.child = {info.pid, info.uid, info.status, 0, 0};
  } else {
    of.fault = {info.address};
  }
  return out;
}

SigContext context_of(const Context& guest, const SignalInfo& info, NativeSigset old_mask,
                      Word fpstate) noexcept {
  SigContext sc{};
  static_assert(offsetof(SigContext, cs) == sizeof(Registers));
  std::memcpy(&sc, &guest.regs, sizeof guest.regs);
  sc.cs = kUserCode;
  sc.ss = kUserData;
  sc.error = info.fault_code;
  sc.trap_number = static_cast<std::uint64_t>(info.trap_number);
  sc.old_mask = old_mask;
  sc.cr2 = info.synchronous ? info.address : 0;
  sc.fpstate = fpstate;
  return sc;
}

void restore_registers(Registers& regs, const SigContext& sc) noexcept {
  const Word flags = regs.rflags;
  std::memcpy(static_cast<void*>(&regs), &sc, sizeof regs);
  regs.rflags = (flags & ~kRestorableFlags) | (sc.rflags & kRestorableFlags);
}

Result bad_frame(Host& host) noexcept {
  SignalInfo info;
  info.signal = SIGSEGV;
  info.code = SI_KERNEL;
  host.raise_fault(info);
  return Result::untouched();
}

}  // namespace

KernelStack shown_stack(const AltStack& stack, Word sp) noexcept {
  std::uint32_t flags = stack.auto_disarm ? kSsAutodisarm : 0;
  if (!stack.enabled) flags |= SS_DISABLE;
  if (on_stack(stack, sp)) flags |= SS_ONSTACK;
  return {word_of(stack.base), static_cast<std::int32_t>(flags), 0, stack.size};
}

int set_stack(AltStack& stack, const KernelStack& wanted, Word sp) noexcept {
  if (on_stack(stack, sp)) return EPERM;
  const auto flags = static_cast<std::uint32_t>(wanted.flags);
  const std::uint32_t mode = flags & ~kSsAutodisarm;
  const bool auto_disarm = (flags & kSsAutodisarm) != 0;
  if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return EINVAL;
  if (mode == SS_DISABLE) {
    stack = {};
    stack.auto_disarm = auto_disarm;
    return 0;
  }
  if (wanted.size < kMinimumStack) return ENOMEM;
  stack.base = guest_addr(wanted.sp);
  stack.size = wanted.size;
  stack.enabled = true;
  stack.auto_disarm = auto_disarm;
  return 0;
}

bool Linux::push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                              NativeSigset old_mask) noexcept {
  if (is_null(action.restorer)) return false;  // the kernel knows no other way back

  Context& guest = host.context();
  AltStack& alternate = host.alt_stack();
  const bool nested = on_stack(alternate, guest.regs.rsp);
  const bool entering = action.on_stack && alternate.enabled && !nested;

  Word sp = entering ? word_of(alternate.base) + alternate.size : guest.regs.rsp - kRedZone;
  const ImageShape shape = shape_of(guest.xstate);
  Word fpstate = 0;
  if (shape.size != 0) {
    fpstate = (sp - shape.size - (shape.extended() ? sizeof kMagic2 : 0)) & ~Word{63};
    sp = fpstate;
  }
  sp = ((sp - sizeof(RtSigframe)) & ~Word{15}) - 8;
  // The alternate stack must not run over into what lies below it.
  if ((nested || entering) && sp - word_of(alternate.base) >= alternate.size) return false;

  if (shape.size != 0 && !write_state(host, guest_addr(fpstate), guest.xstate, shape)) return false;
  RtSigframe frame{};
  frame.return_address = word_of(action.restorer);
  frame.ucontext.flags = (shape.extended() ? kUcFpXstate : 0) | kUcSigcontextSs | kUcStrictRestoreSs;
  // The stack as sigaltstack would set it again, not as it would show it now.
  frame.ucontext.stack = shown_stack(alternate, 0);
  frame.ucontext.mcontext = context_of(guest, info, old_mask, fpstate);
  frame.ucontext.sigmask = old_mask;
  frame.info = siginfo_of(info);
  if (!host.put(guest_addr(sp), frame)) return false;

  if (alternate.auto_disarm) alternate = {};
  Registers& regs = guest.regs;
  regs.rdi = static_cast<Word>(info.signal);
  regs.rsi = sp + offsetof(RtSigframe, info);
  regs.rdx = sp + offsetof(RtSigframe, ucontext);
  regs.rax = 0;
  regs.rsp = sp;
  regs.rip = word_of(action.handler);
  regs.rflags &= ~kFlagsClearedForHandler;
  reset_state(guest.xstate);
  return true;
}

Result rt_sigreturn(Call& call) noexcept {
  Host& host = call.host;
  Context& guest = host.context();
  // The restorer was reached by `ret`, which took the return address off the frame.
  UContext saved;
  if (!host.get(guest_addr(guest.regs.rsp), saved)) return bad_frame(host);
  if (!read_state(host, guest_addr(saved.mcontext.fpstate), guest.xstate)) return bad_frame(host);
  host.set_signal_mask(saved.sigmask & ~(sigbit(SIGKILL) | sigbit(SIGSTOP)));
  restore_registers(guest.regs, saved.mcontext);
  set_stack(host.alt_stack(), saved.stack, guest.regs.rsp);  // refused while it is in use, as it should be
  return Result::untouched();
}

}  // namespace sudrun::abi::linux_abi
