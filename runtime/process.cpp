#include "runtime/process.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "runtime/gate.hpp"
#include "runtime/thread.hpp"
#include "runtime/trace.hpp"

namespace sudrun::runtime {
namespace {

abi::NativeSigset ignored_by_default(const abi::Table& table) {
  abi::NativeSigset set = 0;
  for (int guest = 1; guest <= table.signal_limit(); ++guest) {
    const int native_signal = table.signal_to_native(guest);
    if (native_signal != 0 && table.signal_default(guest) == abi::SignalDefault::ignore)
      set |= abi::sigbit(native_signal);
  }
  return set;
}

std::vector<abi::Handler> bind_handlers(const abi::Table& table) {
  const auto known = abi::handlers_of(table.personality());
  const auto names = table.handler_names();
  if (names.size() != known.size()) throw std::runtime_error("the table is for other handlers");
  std::vector<abi::Handler> bound;
  bound.reserve(known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (table.string(names[i]) != known[i].name)
      throw std::runtime_error("the table names an unknown handler '" + std::string(table.string(names[i])) +
                               "'");
    bound.push_back(known[i].handler);
  }
  return bound;
}

}  // namespace

Process::Process(const abi::Table& table, std::unique_ptr<abi::Personality> personality, TrapMode trap,
                 Embedding* embedding)
    : table_(table),
      personality_(std::move(personality)),
      handlers_(bind_handlers(table)),
      trap_(trap),
      embedding_(embedding),
      time_page_(*personality_),
      path_rules_(table),
      pid_(static_cast<int>(native(SYS_getpid))) {
  personality_->bind(table_);
  if (embedding_ == nullptr)
    signals_.initialise(ignored_by_default(table_), personality_->spare_signal());
  else
    signals_.keep_to_itself(ignored_by_default(table_));
}

Process::~Process() = default;

void Process::open_fast_path() noexcept {
  if (fast_path_->limit != 0 || embedding_ != nullptr || tracer_ != nullptr || injector_ != nullptr) return;
  ids_.refresh();
  build_fast_path(*fast_path_, table_, ids_, hidden_.lowest());
}

void Process::ids_changed() noexcept {
  if (fast_path_->limit != 0) ids_.refresh();
}

void Process::set_tracer(std::unique_ptr<Tracer> tracer) noexcept { tracer_ = std::move(tracer); }

bool Process::first_report(abi::Word number) noexcept {
  const auto slot = std::min<abi::Word>(number, reported_.size() * 64 - 1);
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  return (reported_[slot / 64].fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
}

void Process::before_fork() noexcept {
  threads_.lock().lock();
  personality_->before_fork();
  signals_.lock().lock();
  addresses_.lock().lock();
  rewriter_.lock().lock();
}

void Process::after_fork_in_parent() noexcept {
  rewriter_.lock().unlock();
  addresses_.lock().unlock();
  signals_.lock().unlock();
  personality_->after_fork_in_parent();
  threads_.lock().unlock();
}

void Process::after_fork_in_child(GuestThread& survivor) noexcept {
  rewriter_.lock().unlock();
  addresses_.lock().unlock();
  signals_.lock().unlock();
  rewriter_.after_fork_in_child();
  sites_.forget_traps();
  statistics_.forget(survivor);
  survivor.forget_ticks();
  time_page_.after_fork_in_child();
  ids_changed();
  pid_ = static_cast<int>(native(SYS_getpid));
  thread_count_ = 1;
  if (tracer_ != nullptr) tracer_->forked(*this);
  if (injector_ != nullptr) injector_->forked();
  personality_->after_fork_in_child(survivor);
  threads_.reset(survivor);
  threads_.lock().unlock();
}

Stop Process::end(GuestThread* self, const Stop& stop) noexcept {
  if (!ending_.exchange(true)) {
    end_ = stop;
    over_.store(true, std::memory_order_release);
    threads_.ask_to_stop(self);
  }
  while (!is_over()) native(SYS_sched_yield);  // another is writing it
  return end_;
}

void Process::exit(int status) noexcept {
  if (tracer_ != nullptr) {
    tracer_->exited(*this, status);
    tracer_->finish(*this);
  }
  statistics_.write(*this);
  native(SYS_exit_group, static_cast<std::uint64_t>(status) & 0xff);
  __builtin_unreachable();
}

}  // namespace sudrun::runtime
