#include "runtime/thread.hpp"

#include <sys/syscall.h>

#include <cerrno>
#include <ctime>

#include "abi/convention.hpp"
#include "abi/marshal.hpp"
#include "runtime/gate.hpp"
#include "runtime/mapping_change_unsafe.hpp"
#include "runtime/report.hpp"
#include "runtime/trace.hpp"

namespace sudrun::runtime {

using abi::Action;
using abi::Disposition;
using abi::Entry;
using abi::Frame;
using abi::NativeResult;
using abi::Result;
using abi::sigbit;
using abi::Word;

// --- the host loop
// ------------------------------------------------------------------------------------------

// What stands before the address the guest will go on at.
CallSites::Seen GuestThread::look_at_site() noexcept {
  abi::Registers& regs = block_.context.regs;
  if (block_.entry == ENTRY_TRAP)
    return process_.sites().note(*this, regs.rip - kSyscallSize, Rewriter::kHot);
  regs.rip = regs.rcx = process_.rewriter().resume_address(regs.rip);
  if (block_.image == own_image_.data()) block_.context.xstate = own_image_;
  return {CallSites::Kind::syscall, false};
}

// That a call has returned shows that the address after it is one of an instruction.
void GuestThread::rewrite_site(Word site, Word number) noexcept {
  process_.open_fast_path();
  const Word stack = block_.context.regs.rsp;
  if (process_.rewriter().consider(*this, {site, static_cast<std::uint32_t>(number), stack}))
    process_.sites().settle(site);
}

void GuestThread::serve_call() noexcept {
  const abi::Table& table = process_.table();
  Embedding* const embedding = process_.embedding();
  if (embedding != nullptr && embedding->serve_own_site(*this, block_.context.regs.rip)) return;
  ++served_;
  again_at_ = 0;
  const CallSites::Seen site = look_at_site();
  restartable_ = site.kind == CallSites::Kind::syscall;
  const Word resume = block_.context.regs.rip, number = block_.context.regs.rax;
  auto frame = abi::frame_of(table, block_.context.regs, *this);
  if (!frame) {
    abi::write_result(table, block_.context.regs, Result::fail(EFAULT));
    return;
  }
  const Entry& entry = table.entry(frame->number);
  CallRecord& record = recent_[recent_count_++ % recent_.size()];
  record.number = frame->number;
  for (unsigned i = 0; i < record.args.size(); ++i) record.args[i] = frame->args[i];
  record.finished = false;

  Tracer* tracer = process_.tracer();
  block_.not_entered = interrupted_ = false;
  Tracer::Mark mark = tracer != nullptr ? tracer->begin(*this, entry, *frame) : Tracer::Mark{};
  Injector* injector = process_.injector();
  const Injector::Plan plan = injector != nullptr ? injector->plan(entry) : Injector::Plan{};
  mark.injected = plan.changes;
  const Result result = embedding != nullptr           ? carry_out_embedded(entry, *frame)
                        : plan.changes                 ? carry_out_changed(entry, *frame, plan)
                        : block_.entry == ENTRY_RESULT ? finish_site_call(entry, *frame)
                                                       : carry_out(entry, *frame);
  if (result.is_native_error(EPIPE)) {
    if (embedding != nullptr) broken_pipe();
    abi::Call call{*this, process_.personality(), table, entry, *frame};
    process_.personality().pipe_broke(call);
  }
  // Made again by going back over the instruction, and so only where it is known to stand.
  const bool restarts = restartable_ && (result.is_native_error(abi::kRestartAlways) ||
                                         (result.is_native_error(EINTR) && should_restart(entry)));
  if (restarts) {
    if (injector != nullptr) injector->forget(entry);
    if (tracer != nullptr) tracer->restarting(*this, entry, *frame, mark);
    again_at_ = block_.context.regs.rip -= kSyscallSize;
    return;
  }
  if (plan.signal != 0) send_to_self(plan.signal);
  if (tracer != nullptr) tracer->end(*this, entry, *frame, result, mark);
  record.finished = true;
  record.failed = result.is_failure();
  record.result = record.failed ? static_cast<Word>(abi::guest_errno(table, result)) : result.value();
  if (result.kind() == Result::Kind::thread_exit) {
    finishing_ = true;
    return;
  }
  abi::write_result(table, block_.context.regs, result);
  const bool returns = (result.is_ok() || result.is_failure()) && block_.context.regs.rip == resume;
  if (entry.fast == abi::FastKind::clock && block_.entry == ENTRY_TRAP)
    process_.time_page().clock_was_read(process_.threads());
  if (site.hot && site.kind == CallSites::Kind::syscall && returns && process_.worth_rewriting())
    rewrite_site(resume - kSyscallSize, number);
}

// The native call has been made, and TB_RESULT has what it said.
Result GuestThread::finish_site_call(const Entry& entry, const Frame& frame) noexcept {
  using abi::FastKind;
  const bool on_a_word =
      entry.fast == FastKind::futex || entry.fast == FastKind::sleep || entry.fast == FastKind::wake;
  if (!on_a_word) return Result::of(block_.site_result);
  if (block_.site_result != -EINTR) return abi::futex_result(entry, block_.site_result);
  // The handler knows what an interrupted sleep is to the guest. It finds the signal waiting, or none that
  // the guest should see, and sleeps again.
  const Result again = carry_out(entry, frame);
  block_.not_entered = false;  // the call had begun
  return again;
}

Result GuestThread::carry_out(const Entry& entry, const Frame& frame) noexcept {
  const bool own_cwd = process_.table().convention().at_fdcwd != abi::kAtFdcwd;
  if (!process_.looks_paths_up() && !own_cwd) return act(entry, frame);
  Frame resolved = frame;
  if (own_cwd) abi::translate_directories(process_.table(), entry, resolved);
  if (!process_.looks_paths_up()) return act(entry, resolved);
  const NativeResult error = resolve_arguments(entry, resolved);
  return abi::is_error(error) ? Result::of(error) : act(entry, resolved);
}

namespace {

// Whatever comes in between waits, as during any call.
void sleep_for(std::uint64_t microseconds) noexcept {
  if (microseconds == 0) return;
  constexpr std::uint64_t kSecond = 1'000'000;
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  microseconds += static_cast<std::uint64_t>(until.tv_nsec) / 1000;
  until.tv_sec += static_cast<time_t>(microseconds / kSecond);
  until.tv_nsec = static_cast<long>(microseconds % kSecond) * 1000;
  while (native(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, word(&until), 0) == -EINTR) {
  }
}

}  // namespace

Result GuestThread::carry_out_changed(const Entry& entry, const Frame& frame,
                                      const Injector::Plan& plan) noexcept {
  sleep_for(plan.delay_enter);
  Frame changed = frame;
  if (plan.at_most && !plan.instead) {
    const abi::GuestAddr room = path_room(0);
    if (!abi::is_null(room))
      abi::shorten(*this, process_.table(), entry, changed, *plan.at_most, room, abi::kMaxPath);
  }
  const Result result = plan.instead ? *plan.instead : carry_out(entry, changed);
  sleep_for(plan.delay_exit);
  return result;
}

void GuestThread::send_to_self(int signal) noexcept {
  native(SYS_tgkill, static_cast<std::uint64_t>(pid()), static_cast<std::uint64_t>(tid_),
         static_cast<std::uint64_t>(signal));
}

Result GuestThread::act(const Entry& entry, const Frame& frame) noexcept {
  abi::Call call{*this, process_.personality(), process_.table(), entry, frame};
  switch (entry.action) {
    case Action::native: {
      const Result result = abi::native_call(call);
      if (entry.target == SYS_clock_settime || entry.target == SYS_settimeofday)
        process_.time_page().clock_was_set();
      return result;
    }
    case Action::handler:
      return process_.handler(entry.target)(call);
    case Action::error:
      return Result::fail(static_cast<abi::GuestErrno>(entry.target));
    case Action::unsupported:
      break;
  }
  if (process_.embedding() == nullptr && process_.first_report(frame.number))
    report_unsupported(*this, frame.number);
  return process_.personality().missing_call(call);
}

// Of a call that a handler has interrupted (dismiss_pending() sees to all else): it is made again unless a
// handler without SA_RESTART runs, or the call is one that is never restarted. A signal that came before the
// kernel saw the call came before the call: its handler runs first, then the call is made. (Under a temporary
// mask that signal is what the call was waiting for.)
bool GuestThread::should_restart(const Entry& entry) noexcept {
  if (interrupted_) return false;
  if (block_.not_entered && !has_temporary_mask_) return true;
  const int held = process_.embedding() != nullptr ? deliverable() : 0;
  if (block_.pending == 0 && held == 0) return !entry.interrupt_fails;
  const int signal = held != 0 ? held : pending_.info.signal;
  if ((mask_ & sigbit(signal)) != 0 || (!has_temporary_mask_ && word_blocks())) return true;
  const abi::SignalAction action = process_.signals().action(signal);
  if (action.disposition != Disposition::handler) return true;  // the guest's kernel would not have woken it
  return action.restart && !entry.interrupt_fails;
}

// --- abi::Host
// ----------------------------------------------------------------------------------------------

NativeResult GuestThread::gate_call(long number, const std::array<Word, 6>& args) noexcept {
  const Timed timed(timed_, time_spent_.in_kernel);
  return sudrun_gate_call(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
NativeResult GuestThread::gate_call_interruptible(long number, const std::array<Word, 6>& args) noexcept {
  const Timed timed(timed_, time_spent_.in_kernel);
  return sudrun_gate_call_interruptible(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

NativeResult GuestThread::call(long number, Word a0, Word a1, Word a2, Word a3, Word a4, Word a5) noexcept {
  Embedding* const embedding = process_.embedding();
  if (embedding != nullptr)
    if (const auto answer = embedded_call(number, a0, a1, a2)) return *answer;
  const MappingChange change(process_, number, {a0, a1, a2, a3, a4});
  if (!change) return change_refused(number, a0, a1);
  for (;;) {
    const NativeResult result = gate_call(number, {a0, a1, a2, a3, a4, a5});
    // close() has closed the descriptor even when it says EINTR.
    if (result == -EINTR && number != SYS_close) continue;
    if (embedding != nullptr) embedding->mapped(number, a0, a1, a2, result);
    return result;
  }
}

NativeResult GuestThread::call_interruptible(long number, Word a0, Word a1, Word a2, Word a3, Word a4,
                                             Word a5) noexcept {
  if (process_.embedding() != nullptr) {
    if (const auto answer = embedded_call(number, a0, a1, a2)) return *answer;
    if (has_temporary_mask_ && deliverable() != 0) return -EINTR;  // it is what the call would wait for
  }
  const MappingChange change(process_, number, {a0, a1, a2, a3, a4});
  if (!change) return -ENOMEM;
  for (;;) {
    block_.not_entered = false;
    if (interrupts(number)) return -EINTR;
    const NativeResult result = gate_call_interruptible(number, {a0, a1, a2, a3, a4, a5});
    if (result != -EINTR || number == SYS_close || !dismiss_pending()) return result;
  }
}

NativeResult GuestThread::call_timed(long number, timespec& left, Word a0, Word a1, Word a2, Word a3, Word a4,
                                     Word a5) noexcept {
  constexpr long kSecond = 1'000'000'000;
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);  // without the kernel, mostly
    return time;
  };
  const timespec begun = now(), whole = left;
  for (;;) {
    block_.not_entered = false;
    if (interrupts(number)) return -EINTR;
    const NativeResult result = gate_call_interruptible(number, {a0, a1, a2, a3, a4, a5});
    if (result != -EINTR || !dismiss_pending()) return result;
    const timespec time = now();
    left = {whole.tv_sec - (time.tv_sec - begun.tv_sec), whole.tv_nsec - (time.tv_nsec - begun.tv_nsec)};
    if (left.tv_nsec < 0) left = {left.tv_sec - 1, left.tv_nsec + kSecond};
    if (left.tv_nsec >= kSecond) left = {left.tv_sec + 1, left.tv_nsec - kSecond};
    if (left.tv_sec < 0) left = {};
  }
}

namespace {

/// Calls in which a thread of FreeBSD's can sleep until a signal comes.
bool may_sleep(long number) noexcept {
  switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_open:
    case SYS_openat:
    case SYS_fcntl:
    case SYS_flock:
    case SYS_futex:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_pause:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_mq_timedreceive:
    case SYS_mq_timedsend:
      return true;
    default:
      return false;
  }
}

}  // namespace

void GuestThread::interrupt_next_sleep(bool wanted) noexcept {
  interrupt_next_sleep_ = wanted;
  choose_fast_path();
}

bool GuestThread::interrupts(long number) noexcept {
  if (!interrupt_next_sleep_ || !may_sleep(number)) return false;
  interrupt_next_sleep(false);
  interrupted_ = true;
  return true;
}

Word GuestThread::choose_address(std::uint64_t size, std::uint64_t alignment) noexcept {
  return process_.addresses().choose(size, alignment);
}

NativeResult GuestThread::set_break(Word address) noexcept {
  const auto now = static_cast<Word>(process_.addresses().set_break(0));
  const bool shrinks = address != 0 && address < now;
  const MappingChange change(process_, address, shrinks ? now - address : 0);
  return process_.addresses().set_break(address);
}

NativeResult GuestThread::signal_action(int signal, const abi::SignalAction* set,
                                        abi::SignalAction* old) noexcept {
  if (signal < 1 || signal >= kSignalCount) return -EINVAL;
  if (old != nullptr) *old = process_.signals().action(signal);
  return set != nullptr ? process_.signals().set_action(signal, *set) : 0;
}

void GuestThread::set_temporary_mask(abi::NativeSigset mask) noexcept {
  if (!has_temporary_mask_) saved_mask_ = mask_;
  has_temporary_mask_ = true;
  mask_ = mask & ~kUnblockable;
}

abi::NativeSigset GuestThread::pending_signals() noexcept {
  abi::NativeSigset kernel = 0;
  native(SYS_rt_sigpending, word(&kernel), sizeof kernel);
  // Signals that came in while this call runs are pending only if the guest has them blocked.
  const abi::NativeSigset waiting = block_.pending != 0 ? sigbit(pending_.info.signal) : 0;
  return (kernel | held_ | waiting) & mask_;
}

void GuestThread::discard_signal(int signal) noexcept {
  if (block_.pending != 0 && pending_.info.signal == signal) {
    block_.pending = 0;
    return;
  }
  const abi::NativeSigset only = sigbit(signal);  // blocked, or kept back by another that is pending here
  const std::uint64_t at_once[2] = {0, 0};
  native(SYS_rt_sigtimedwait, word(&only), 0, word(&at_once), sizeof only);
}

void GuestThread::raise_fault(const abi::SignalInfo& info) noexcept {
  fault_ = info;
  fault_.synchronous = true;
  has_fault_ = true;
}

}  // namespace sudrun::runtime
