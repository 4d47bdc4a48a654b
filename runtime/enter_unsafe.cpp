// Into the guest's context and out of it: the memory a guest thread has of the runtime's, the switch to the
// host loop's stack and back, and functions of the guest's that are called from outside.
#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <boost/context/fiber.hpp>
#include <boost/context/preallocated.hpp>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "runtime/gate.hpp"
#include "runtime/host_signals.hpp"
#include "runtime/thread.hpp"
#include "runtime/vector_state_unsafe.hpp"

namespace sudrun::runtime {
namespace {

// One region a thread, from low to high: a guard, the host loop's stack, the trap stack, the image of the
// vector state. The two stacks together are the alternate signal stack: see docs/contexts.md.
constexpr std::size_t kGuard = 4096;
constexpr std::size_t kTrapStack = 128 * 1024;  // a signal frame with every state component is up to 11 KiB
constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kHwcap2Fsgsbase = 2;  // HWCAP2_FSGSBASE, asm/hwcap2.h
constexpr abi::Word kTrapFlag = 0x100, kPlainFlags = 0x202;

/// Boost.Context's view of a stack that is the thread's for good.
struct KeptStack {
  static boost::context::stack_context allocate() { return {}; }
  static void deallocate(boost::context::stack_context&) noexcept {}
};

thread_local GuestThread* thread_here = nullptr;

}  // namespace

struct GuestThread::Fibers {
  boost::context::fiber loop;     ///< the host loop, while it is left
  boost::context::fiber starter;  ///< who entered it, meanwhile
};

GuestThread::GuestThread(Process& process, abi::NativeSigset mask)
    : process_(process),
      mask_(mask & ~kUnblockable),
      fibers_(std::make_unique<Fibers>()),
      timed_(process.statistics().wanted()) {
  const VectorSupport& vectors = vector_support();
  const std::size_t image_room = (vectors.image_size + kImageTail + kPage - 1) / kPage * kPage;
  const std::size_t host_stack = process.host_stack();
  region_size_ = kGuard + host_stack + kTrapStack + image_room;
  void* region = mmap(nullptr, region_size_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (region == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "trap stack");
  region_ = static_cast<std::byte*>(region);
  mprotect(region_, kGuard, PROT_NONE);
  block_.self = &block_;
  block_.thread = this;
  block_.selector = Selector::allow;
  block_.side = Side::host;
  block_.fsgsbase = (getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0;
  block_.vector_save = vectors.save;
  block_.save_mask = vectors.components;
  block_.fast = &process.fast_path();
  block_.keeps_rdx = !process.table().convention().clears_result2;
  own_image_ = {region_ + region_size_ - image_room, vectors.image_size};
  initialise_image(own_image_, vectors);
  block_.own_image = own_image_.data();
  use_image(own_image_);
  if (process.embedding() == nullptr) return;
  *static_cast<const ThreadBlock**>(signal_stack().ss_sp) = &block_;  // for sudrun_library_entry
}

GuestThread::~GuestThread() {
  // A context that is given up in the middle is not unwound: nothing on its stack is needed any more.
  if (fibers_->loop) new (&fibers_->loop) boost::context::fiber;
  munmap(region_, region_size_);
  free_path_room();
}

std::int64_t GuestThread::run(const abi::Registers& start, abi::Word fs_base,
                              std::span<const std::byte> xstate) {
  begin(start, fs_base, xstate);
  return enter();
}

void GuestThread::begin(const abi::Registers& start, abi::Word fs_base, std::span<const std::byte> xstate) {
  block_.context.regs = start;
  block_.context.fs_base = fs_base;
  assign_image(context().xstate, xstate);
  boost::context::stack_context stack;
  stack.size = process_.host_stack();
  stack.sp = region_ + kGuard + stack.size;
  fibers_->loop =
      boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                            KeptStack{}, [this](boost::context::fiber&& starter) {
                              fibers_->starter = std::move(starter);
                              host_loop();
                              return std::move(fibers_->starter);
                            });
}

std::int64_t GuestThread::enter() {
  for (;;) {
    const std::int64_t armed = enter_once();
    GuestThread* const within = std::exchange(within_, nullptr);
    if (armed != 0 || within == nullptr) return armed;
    within->outer_ = this;
    within_result_ = within->enter();
    within->outer_ = nullptr;
  }
}

std::int64_t GuestThread::enter_once() {
  drop_restartable_sequences();
  deadline_passed_ = false;
  block_.pending = 0;
  native(SYS_arch_prctl, ARCH_GET_FS, word(&block_.host_fs));
  abi::Word outer_gs = 0;
  native(SYS_arch_prctl, ARCH_GET_GS, word(&outer_gs));
  native(SYS_arch_prctl, ARCH_SET_GS, word(&block_));
  tid_ = static_cast<int>(native(SYS_gettid));
  abi::NativeSigset outer_mask = 0;
  native(SYS_rt_sigprocmask, 0, 0, word(&outer_mask), sizeof outer_mask);
  set_kernel_mask(process_.signals().host_mask(~abi::NativeSigset{0}));
  if (process_.embedding() != nullptr)
    foreign_mask_ = process_.signals().host_mask(embedders_signals() | outer_mask);
  const std::int64_t armed = arm_thread(process_.trap_mode(), block_);
  stack_t outer_stack{};
  if (armed == 0) {
    const stack_t stack = signal_stack();
    native(SYS_sigaltstack, word(&stack), word(&outer_stack));
    process_.threads().add(*this);
    // A timer that has run out before %gs was set has told nobody.
    if (deadline_is_past()) deadline_passed_ = true;
    if (deadline_passed_ || stop_wanted_ || sent_ != 0 || process_.is_over()) block_.pending = 1;
    GuestThread* const before = std::exchange(thread_here, this);
    fibers_->loop = std::move(fibers_->loop).resume();
    thread_here = before;
    if (!fibers_->loop) finished_ = true;
    // All signals are blocked but the traps, which nothing raises any more, and the runtime's own, whose
    // catcher finds its way as long as %gs is set.
    disarm_thread(process_.trap_mode());
    native(SYS_sigaltstack, word(&outer_stack));
  }
  if (process_.embedding() != nullptr) {
    if (armed == 0) process_.threads().remove(*this);
    native(SYS_arch_prctl, ARCH_SET_GS, outer_gs);
    native(SYS_rt_sigprocmask, SIG_SETMASK, word(&outer_mask), 0, sizeof outer_mask);
  }
  return armed;
}

stack_t GuestThread::signal_stack() const noexcept {
  stack_t stack{};
  stack.ss_sp = region_ + kGuard;
  stack.ss_size = process_.host_stack() + kTrapStack;
  return stack;
}

void GuestThread::host_loop() noexcept {
  if (start_hook_ && !start_hook_(tid_)) finishing_ = true;
  serve_requests();
  run_guest_code();
  stop_ = {Stop::Kind::thread_ended, 0, 0};
}

void GuestThread::run_guest_code() noexcept {
  while (!returned_ && leave()) {
    if ((block_.context.regs.rflags & kTrapFlag) != 0)
      resume_stepping();
    else
      sudrun_run_guest();
    if (timed_) entered_ = ticks_now();
    if (block_.entry != ENTRY_AGAIN) serve_call();
    if (timed_) time_spent_.in_runtime += ticks_now() - entered_;
  }
}

void GuestThread::leave_process() noexcept {
  const std::scoped_lock hold(process_.threads().lock());
  process_.statistics().add(*this);
  if (process_.embedding() != nullptr) return;  // has left already
  process_.threads().remove(*this);
  stop_ticking();
  set_kernel_mask(kCatcherMask);  // the runtime's own signal may have been sent, and is for nobody
  native(SYS_arch_prctl, ARCH_SET_GS, 0);
}

// --- embedded guests
// ----------------------------------------------------------------------------------------------

// Not inlined: the host thread that comes back may be another, and so what the compiler knows of
// thread-local addresses does not hold.
[[gnu::noinline]] void GuestThread::switch_to_embedder() noexcept {
  // A signal that comes while the alternate stack is this thread's and the stack is not, on the way out or in
  // again, has its frame at the top of the trap stack, where the guest's image may be.
  if (block_.context.xstate.data() != own_image_.data()) {
    assign_image(own_image_, block_.context.xstate);
    use_image(own_image_);
  }
  fibers_->starter = std::move(fibers_->starter).resume();
}

[[gnu::noinline]] GuestThread* GuestThread::here() noexcept { return thread_here; }

std::int64_t GuestThread::enter_within(GuestThread& other) noexcept {
  within_ = &other;
  switch_to_embedder();
  return within_result_;
}

bool GuestThread::deadline_is_past() const noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  if (deadline_ == 0) return false;
  struct {  // struct timespec
    std::uint64_t seconds, nanoseconds;
  } now{};
  native(SYS_clock_gettime, CLOCK_MONOTONIC, word(&now));
  return now.seconds * kSecond + now.nanoseconds >= deadline_;
}

void GuestThread::pause(const Stop& why) noexcept {
  stop_ = why;
  switch_to_embedder();
  serve_requests();
}

void GuestThread::pause_for_good(const Stop& why) noexcept {
  stop_ = why;
  finished_ = true;
  for (;;) switch_to_embedder();
}

void GuestThread::request_call(abi::Word function, std::span<const abi::Word> args) noexcept {
  Request request{function, {}, 0};
  for (const abi::Word arg : args.first(std::min(args.size(), request.args.size())))
    request.args[request.count++] = arg;
  request_ = request;
}

void GuestThread::serve_requests() noexcept {
  while (request_) {
    const Request request = *request_;
    request_.reset();
    abi::Word result = 0;
    const bool called = call_guest(request.function, {request.args.data(), request.count}, result);
    stop_ = called ? Stop{Stop::Kind::returned, static_cast<std::int64_t>(result), 0} : Stop{};
    switch_to_embedder();
  }
}

bool GuestThread::call_guest(abi::Word function, std::span<const abi::Word> args,
                             abi::Word& result) noexcept {
  constexpr std::size_t kLeastStack = 64 * 1024;  // for what serving a call takes, and a catcher
  constexpr abi::Word kRedZone = 128;
  const std::byte here{};
  if (&here < region_ + kGuard + kLeastStack) return false;
  const std::unique_ptr<std::byte[]> image(new (std::nothrow) std::byte[own_image_.size()]);
  if (!image) return false;
  const abi::Registers outer = block_.context.regs;
  const abi::Word outer_fs = block_.context.fs_base, back = process_.embedding()->return_address();
  const abi::Word stack = ((outer.rsp - kRedZone) & ~abi::Word{15}) - sizeof back;
  if (back == 0 || !write(abi::guest_addr(stack), &back, sizeof back)) return false;
  const std::uint8_t outer_entry = block_.entry;
  const bool outer_temporary = has_temporary_mask_, outer_not_entered = block_.not_entered;
  // Wherever the outer image is, in a frame on the trap stack or the thread's own, it is about to be
  // overwritten.
  const std::span<std::byte> kept(image.get(), own_image_.size());
  assign_image(kept, block_.context.xstate);
  assign_image(own_image_, {});
  use_image(own_image_);
  constexpr std::array kArguments = {&abi::Registers::rdi, &abi::Registers::rsi, &abi::Registers::rdx,
                                     &abi::Registers::rcx, &abi::Registers::r8,  &abi::Registers::r9};
  abi::Registers& regs = block_.context.regs;
  for (std::size_t i = 0; i < args.size() && i < kArguments.size(); ++i) regs.*kArguments[i] = args[i];
  regs.rax = 0;
  regs.rip = function;
  regs.rsp = stack;
  regs.rflags = kPlainFlags;
  block_.entry = ENTRY_TRAP;
  has_temporary_mask_ = false;
  ++depth_;
  run_guest_code();
  --depth_;
  if (!returned_) pause_for_good({Stop::Kind::thread_ended, 0, 0});
  returned_ = false;
  result = regs.rax;
  regs = outer;
  block_.context.fs_base = outer_fs;
  assign_image(own_image_, kept);
  use_image(own_image_);
  block_.entry = outer_entry;
  block_.not_entered = outer_not_entered;
  has_temporary_mask_ = outer_temporary;
  return true;
}

}  // namespace sudrun::runtime
