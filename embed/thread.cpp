// Threads as the embedder runs them.
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "embed/guest.hpp"
#include "embed/memory.hpp"
#include "embed/status.hpp"
#include "runtime/gate.hpp"
#include "runtime/host_signals.hpp"

using sudrun::embed::Failure;
using sudrun::embed::guarded;
using sudrun::embed::require;
using sudrun::runtime::GuestThread;
using sudrun::runtime::native;
using sudrun::runtime::Stop;
using sudrun::runtime::word;

namespace {

/// Sends the library's signal to the calling host thread when a thread's time is over.
class Deadline {
 public:
  Deadline(std::uint64_t nanoseconds, GuestThread& thread) : thread_(thread) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    static std::atomic<int> timers{1};
    if (nanoseconds == SUDRUN_FOREVER) return;
    timespec now{};
    native(SYS_clock_gettime, CLOCK_MONOTONIC, word(&now));
    const std::uint64_t start =
        static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
    const std::uint64_t at = nanoseconds < kLongest ? start + nanoseconds : start + kLongest;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = sudrun::runtime::kLibrarySignal;
    event.sigev_value.sival_int = timers.fetch_add(1);
    event._sigev_un._tid = static_cast<pid_t>(native(SYS_gettid));
    if (native(SYS_timer_create, CLOCK_MONOTONIC, word(&event), word(&timer_)) != 0)
      throw Failure(SUDRUN_E_SYSTEM, "the kernel has no timer for the deadline");
    set_ = true;
    thread_.set_deadline(at, event.sigev_value.sival_int);
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(at / kSecond);
    when.it_value.tv_nsec = static_cast<long>(at % kSecond);
    native(SYS_timer_settime, static_cast<std::uint64_t>(timer_), TIMER_ABSTIME, word(&when), 0);
  }
  ~Deadline() {
    if (!set_) return;
    native(SYS_timer_delete, static_cast<std::uint64_t>(timer_));
    thread_.set_deadline(0, 0);
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  static constexpr std::uint64_t kLongest =
      100ULL * 365 * 86400 * 1'000'000'000;  // a century, in nanoseconds
  GuestThread& thread_;
  int timer_ = 0;
  bool set_ = false;
};

sudrun_stop stop_of(const Stop& stop) noexcept {
  switch (stop.kind) {
    case Stop::Kind::exited:
      return {SUDRUN_STOP_EXITED, stop.value, 0};
    case Stop::Kind::killed:
      return {SUDRUN_STOP_KILLED, stop.value, stop.address};
    case Stop::Kind::thread_ended:
      return {SUDRUN_STOP_THREAD_ENDED, 0, 0};
    case Stop::Kind::call:
      return {SUDRUN_STOP_CALL, stop.value, 0};
    case Stop::Kind::deadline:
      return {SUDRUN_STOP_DEADLINE, 0, 0};
    case Stop::Kind::returned:
      return {SUDRUN_STOP_RETURNED, stop.value, 0};
    default:
      return {SUDRUN_STOP_ASKED, 0, 0};
  }
}

/// Whether the calling host thread is in a callback on `thread`.
bool is_here(const sudrun_thread& thread) noexcept { return GuestThread::here() == thread.thread; }

/// The right to run a thread.
class Running {
 public:
  explicit Running(sudrun_thread& thread) : thread_(thread) {
    if (thread_.running.exchange(true)) throw Failure(SUDRUN_E_STATE, "the thread is running already");
    if (thread_.thread->is_finished()) {
      thread_.running = false;
      throw Failure(SUDRUN_E_STATE, "the thread has ended");
    }
  }
  ~Running() { thread_.running = false; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  sudrun_thread& thread_;
};

void run(sudrun_thread& thread, unsigned flags, std::uint64_t nanoseconds) {
  sudrun_guest& guest = thread.guest;
  if (!sudrun::runtime::host_signals_are_ours())
    throw Failure(SUDRUN_E_SYSTEM, "somebody has replaced the library's handler of SIGSYS or SIGSEGV");
  guest.has_run = true;
  thread.to_call = (flags & SUDRUN_TO_CALL) != 0;
  if (!thread.counted) guest.process.thread_count().fetch_add(1);
  thread.counted = true;
  GuestThread& its = *thread.thread;
  {
    const Deadline deadline(nanoseconds, its);
    GuestThread* const outer = GuestThread::here();
    if (const auto r = outer != nullptr ? outer->enter_within(its) : its.enter(); r != 0)
      throw Failure(SUDRUN_E_SYSTEM,
                    std::string("the trap cannot be armed: ") + std::strerror(static_cast<int>(-r)));
  }
  if (its.stop().kind != Stop::Kind::thread_ended || !its.is_finished()) return;
  thread.counted = false;
  if (guest.process.thread_count().fetch_sub(1) == 1) guest.process.end(nullptr, {Stop::Kind::exited, 0, 0});
}

}  // namespace

extern "C" {

sudrun_status sudrun_thread_new(sudrun_guest* guest, uint64_t entry, size_t stack_size,
                                sudrun_thread** thread, sudrun_error* error) {
  return guarded(error, [&] {
    constexpr std::size_t kUsual = 256 * 1024, kPage = 4096;
    require(guest != nullptr && thread != nullptr, "`guest` or `thread` is null");
    *thread = nullptr;
    const std::size_t size = stack_size == 0 ? kUsual : (stack_size + kPage - 1) / kPage * kPage;
    uint64_t stack = 0;
    if (const sudrun_status status = sudrun_guest_map(guest, size, SUDRUN_READ | SUDRUN_WRITE, &stack, error);
        status != SUDRUN_OK)
      throw Failure(status, "there is no room for the stack");
    sudrun::abi::Registers start;
    start.rip = entry;
    start.rsp = stack + size - 64;  // for a function that looks for arguments on it
    auto made = std::make_unique<GuestThread>(guest->process, 0);
    made->begin(start, 0, {});
    *thread = &guest->add_thread(std::move(made));
  });
}

sudrun_status sudrun_thread_free(sudrun_thread* thread) {
  if (thread == nullptr) return SUDRUN_OK;
  if (thread->running || thread->own == nullptr) return SUDRUN_E_STATE;
  if (thread->counted) thread->guest.process.thread_count().fetch_sub(1);
  thread->guest.remove_thread(*thread);
  return SUDRUN_OK;
}

sudrun_guest* sudrun_thread_guest(const sudrun_thread* thread) { return &thread->guest; }

sudrun_status sudrun_thread_run(sudrun_thread* thread, unsigned flags, uint64_t nanoseconds,
                                sudrun_stop* stop, sudrun_error* error) {
  return guarded(error, [&] {
    require(thread != nullptr && stop != nullptr, "`thread` or `stop` is null");
    const Running running(*thread);
    run(*thread, flags, nanoseconds);
    *stop = stop_of(thread->thread->stop());
  });
}

void sudrun_thread_suspend(sudrun_thread* thread) {
  if (thread != nullptr) thread->thread->ask_to_stop();
}

sudrun_status sudrun_thread_call(sudrun_thread* thread, uint64_t function, const uint64_t* arguments,
                                 unsigned count, uint64_t* result, sudrun_stop* stop, sudrun_error* error) {
  return guarded(error, [&] {
    require(thread != nullptr, "`thread` is null");
    require(count <= 6 && (arguments != nullptr || count == 0), "a function has at most six arguments");
    const Failure no_room(SUDRUN_E_MEMORY, "the stack has no room for another call");
    if (is_here(*thread)) {
      sudrun::abi::Word value = 0;
      if (!thread->thread->call_guest(function, {arguments, count}, value)) throw no_room;
      if (result != nullptr) *result = value;
      return;
    }
    require(stop != nullptr, "`stop` is null");
    const Running running(*thread);
    thread->thread->request_call(function, {arguments, count});
    run(*thread, 0, SUDRUN_FOREVER);
    const Stop& why = thread->thread->stop();
    if (why.kind == Stop::Kind::none) throw no_room;
    *stop = stop_of(why);
    if (why.kind != Stop::Kind::returned)
      throw Failure(SUDRUN_E_STATE, "the thread has stopped before it returned");
    if (result != nullptr) *result = static_cast<uint64_t>(why.value);
  });
}

sudrun_status sudrun_thread_registers(const sudrun_thread* thread, sudrun_registers* registers) {
  if (thread == nullptr || registers == nullptr) return SUDRUN_E_ARGUMENT;
  if (thread->running && !is_here(*thread)) return SUDRUN_E_STATE;
  const sudrun::abi::Context& context = thread->thread->context();
  const sudrun::abi::Registers& r = context.regs;
  *registers = {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp,    r.r8,           r.r9,
                r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags, context.fs_base};
  return SUDRUN_OK;
}

sudrun_status sudrun_thread_set_registers(sudrun_thread* thread, const sudrun_registers* registers) {
  constexpr std::uint64_t kUsersFlags = 0xcd5, kAlways = 0x202;  // status flags and DF; reserved and IF
  if (thread == nullptr || registers == nullptr) return SUDRUN_E_ARGUMENT;
  if (thread->running && !is_here(*thread)) return SUDRUN_E_STATE;
  sudrun::abi::Context& context = thread->thread->context();
  const sudrun_registers& r = *registers;
  sudrun::abi::Registers& to = context.regs;
  to.rax = r.rax, to.rbx = r.rbx, to.rcx = r.rcx, to.rdx = r.rdx, to.rsi = r.rsi, to.rdi = r.rdi;
  to.rbp = r.rbp, to.rsp = r.rsp, to.r8 = r.r8, to.r9 = r.r9, to.r10 = r.r10, to.r11 = r.r11;
  to.r12 = r.r12, to.r13 = r.r13, to.r14 = r.r14, to.r15 = r.r15, to.rip = r.rip;
  to.rflags = (r.rflags & kUsersFlags) | kAlways;
  context.fs_base = r.fs_base;
  return SUDRUN_OK;
}

void sudrun_thread_exit(sudrun_thread* thread, int status) {
  sudrun::embed::require_here(*thread->thread, "sudrun_thread_exit");
  thread->thread->end({Stop::Kind::exited, status & 0xff, 0});
}

sudrun_call* sudrun_thread_current_call(sudrun_thread* thread) {
  return thread != nullptr && !thread->running ? thread->current : nullptr;
}

}  // extern "C"
