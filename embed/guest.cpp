#include "embed/guest.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "embed/memory.hpp"
#include "runtime/host_signals.hpp"
#include "runtime/signal_state.hpp"

using sudrun::abi::Entry;
using sudrun::abi::Frame;
using sudrun::abi::Result;
using sudrun::abi::Word;
using sudrun::runtime::GuestThread;
using sudrun::runtime::Stop;

namespace sudrun::embed {

const char* TableData::name_of(const Entry& entry) const noexcept {
  const auto rows = loaded.table.entries();
  if (&entry < rows.data() || &entry >= rows.data() + rows.size()) return nullptr;
  return names[static_cast<std::size_t>(&entry - rows.data())].c_str();
}

void require_here(const GuestThread& thread, const char* function) noexcept {
  if (GuestThread::here() == &thread) return;
  std::fprintf(stderr, "sudrun: %s() outside of a handler on that thread\n", function);
  std::abort();
}

}  // namespace sudrun::embed

sudrun_guest::sudrun_guest(std::shared_ptr<const sudrun::embed::TableData> data,
                           sudrun::runtime::TrapMode trap)
    : table(std::move(data)),
      process(table->loaded.table, sudrun::abi::make_personality(table->loaded.table.personality()), trap,
              this) {
  sudrun::runtime::take_host_signals();
}

sudrun_guest::~sudrun_guest() {
  threads_.clear();
  process.addresses().release_break();
  ranges.for_each([](std::uint64_t start, std::uint64_t end) { sudrun::embed::unmap(start, end - start); });
  sudrun::runtime::give_back_host_signals();
}

std::optional<Result> sudrun_guest::before(GuestThread& thread, const Entry& entry, Frame& frame) noexcept {
  auto* const owner = static_cast<sudrun_thread*>(thread.companion());
  sudrun_call call{*this, thread, entry, frame, std::nullopt};
  if (owner != nullptr && owner->to_call) {
    owner->current = &call;
    thread.pause({Stop::Kind::call, static_cast<std::int64_t>(frame.number), 0});
    owner->current = nullptr;
  }
  if (!call.result) call_hooks(SUDRUN_BEFORE, call);
  if (!call.result) call_hooks(SUDRUN_INSTEAD, call);
  return call.result;
}

void sudrun_guest::after(GuestThread& thread, const Entry& entry, const Frame& frame,
                         Result& result) noexcept {
  if (hooks.empty() && hooks_of_all[SUDRUN_AFTER].empty()) return;
  Frame arguments = frame;
  sudrun_call call{*this, thread, entry, arguments, result};
  call_hooks(SUDRUN_AFTER, call);
  if (call.result) result = *call.result;
}

void sudrun_guest::call_hooks(sudrun_when when, sudrun_call& call) const noexcept {
  const auto call_all = [&](const sudrun::embed::Hooks& set) {
    const auto& list = set[when];
    for (auto hook = list.rbegin(); hook != list.rend(); ++hook) {
      hook->handler(&call, hook->user);
      if (when != SUDRUN_AFTER && call.result) return;
      if (when == SUDRUN_INSTEAD) {
        call.result = missing(call);
        return;
      }
    }
  };
  if (const auto found = hooks.find(call.frame.number); found != hooks.end()) call_all(found->second);
  if (when == SUDRUN_AFTER || !call.result) call_all(hooks_of_all);
}

Result sudrun_guest::missing(sudrun_call& call) noexcept {
  sudrun::runtime::Process& its = call.guest.process;
  sudrun::abi::Call unknown{call.thread, its.personality(), its.table(), call.entry, call.frame};
  return its.personality().missing_call(unknown);
}

// Places in the gate page, 16 bytes apart, all with the same code. The address behind the `syscall` says
// which it was: 0 is where functions of the guest's return to, the others are functions of the embedder's.
bool sudrun_guest::serve_own_site(GuestThread& thread, Word rip) noexcept {
  using sudrun::embed::kGatePlace;
  if (rip - gate_page_ >= sudrun::embed::kGateSize || gate_page_ == 0) return false;
  const std::size_t place = (rip - gate_page_) / kGatePlace;
  if (place == 0 && thread.call_depth() != 0) {
    thread.guest_function_returned();
    return true;
  }
  if (place == 0 || place > functions.size()) thread.end({Stop::Kind::killed, SIGSYS, rip});
  const sudrun::abi::Registers regs = thread.context().regs;
  // rcx is in r10, for the instruction has changed it.
  const std::array<std::uint64_t, 6> arguments{regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  const Function& called = functions[place - 1];
  auto* const owner = static_cast<sudrun_thread*>(thread.companion());
  const std::uint64_t result = called.function(owner, arguments.data(), called.user);
  thread.context().regs.rax = result;
  return true;
}

Word sudrun_guest::gate_page() noexcept {
  if (gate_page_ == 0) {
    gate_page_ = sudrun::embed::map_gate_page(process.addresses());
    if (gate_page_ != 0) loaded(gate_page_, gate_page_ + sudrun::embed::kGateSize);
  }
  return gate_page_;
}

Word sudrun_guest::return_address() noexcept { return gate_page(); }

void sudrun_guest::loaded(Word start, Word end) noexcept { ranges.add(start, end); }

void sudrun_guest::mapped(long number, Word a0, Word a1, Word a2, std::int64_t result) noexcept {
  sudrun::embed::follow_change(ranges, number, {a0, a1, a2}, result);
}

void sudrun_guest::thread_began(GuestThread& thread) noexcept {
  auto made = std::make_unique<sudrun_thread>(*this, nullptr, thread);
  made->running = true;
  thread.set_companion(made.release());
  {
    const std::scoped_lock hold(lock_);
    ++own_threads_;
  }
  if (observer != nullptr) observer(this, 1, observer_user);
}

void sudrun_guest::thread_is_gone(GuestThread& thread) noexcept {
  delete static_cast<sudrun_thread*>(thread.companion());
  delete &thread;
  if (observer != nullptr) observer(this, 0, observer_user);
  const std::scoped_lock hold(lock_);
  if (--own_threads_ == 0) gone_.notify_all();
}

sudrun_thread& sudrun_guest::add_thread(std::unique_ptr<GuestThread> thread) {
  GuestThread* const bare = thread.get();
  auto made = std::make_unique<sudrun_thread>(*this, std::move(thread), *bare);
  bare->set_companion(made.get());
  const std::scoped_lock hold(lock_);
  return *threads_.emplace_back(std::move(made));
}

void sudrun_guest::remove_thread(sudrun_thread& thread) noexcept {
  const std::scoped_lock hold(lock_);
  std::erase_if(threads_, [&](const auto& known) { return known.get() == &thread; });
}

bool sudrun_guest::runs() noexcept {
  const std::scoped_lock hold(lock_);
  return std::any_of(threads_.begin(), threads_.end(),
                     [](const auto& thread) { return thread->running.load(); });
}

bool sudrun_guest::is_here() const noexcept {
  const GuestThread* thread = GuestThread::here();
  while (thread != nullptr && &thread->process() != &process) thread = thread->outer();
  return thread != nullptr;
}

void sudrun_guest::stop_own_threads() noexcept {
  process.end(nullptr, {Stop::Kind::killed, SIGKILL, 0});
  std::unique_lock hold(lock_);
  gone_.wait(hold, [this] { return own_threads_ == 0; });
}
