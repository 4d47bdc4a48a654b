// What all guest threads of a process share.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/path_arguments.hpp"
#include "abi/personality.hpp"
#include "abi/table.hpp"
#include "runtime/address_space.hpp"
#include "runtime/arm_unsafe.hpp"
#include "runtime/call_sites.hpp"
#include "runtime/descriptors.hpp"
#include "runtime/embedding.hpp"
#include "runtime/fast_path.hpp"
#include "runtime/injector.hpp"
#include "runtime/lent_stack.hpp"
#include "runtime/rewriter.hpp"
#include "runtime/signal_state.hpp"
#include "runtime/statistics.hpp"
#include "runtime/sysroot.hpp"
#include "runtime/thread_list.hpp"
#include "runtime/time_page.hpp"
#include "runtime/zeroed.hpp"

namespace sudrun::runtime {

class GuestThread;
class Tracer;

/// What a new sudrun, started for a program the guest executes, must be told.
struct ExecPolicy {
  std::vector<std::string> options;  ///< passed on as they are, before the program
  std::string abi;  ///< of programs without a mark of any known system; empty: they are refused
};

class Process {
 public:
  /// `embedding`: the guest is a part of another program, and this outlives it. Null: it is all there is.
  Process(const abi::Table& table, std::unique_ptr<abi::Personality> personality, TrapMode trap,
          Embedding* embedding = nullptr);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const abi::Table& table() const noexcept { return table_; }
  abi::Personality& personality() noexcept { return *personality_; }
  Embedding* embedding() noexcept { return embedding_; }
  /// Bytes of the stack on which each thread serves its calls.
  std::size_t host_stack() const noexcept { return host_stack_; }
  void set_host_stack(std::size_t size) noexcept { host_stack_ = size; }  ///< whole pages; before threads are
  TrapMode trap_mode() const noexcept { return trap_; }
  SignalState& signals() noexcept { return signals_; }
  AddressSpace& addresses() noexcept { return addresses_; }
  ThreadList& threads() noexcept { return threads_; }
  HiddenDescriptors& hidden() noexcept { return hidden_; }
  CallSites& sites() noexcept { return sites_; }
  Rewriter& rewriter() noexcept { return rewriter_; }
  Statistics& statistics() noexcept { return statistics_; }
  TimePage& time_page() noexcept { return time_page_; }
  const TimePage& time_page() const noexcept { return time_page_; }
  /// Hot sites are rewritten once the process has trapped `after` times.
  void allow_rewriting(std::uint64_t after) noexcept {
    rewriting_ = true;
    rewrite_after_ = after;
  }
  bool rewriting() const noexcept { return rewriting_; }
  bool worth_rewriting() const noexcept {
    return rewriting_ && (rewriter_.has_begun() || sites_.traps() > rewrite_after_);
  }
  const FastPath& fast_path() const noexcept { return *fast_path_; }
  /// Calls are made without the host loop where that can be, unless somebody watches them or changes what
  /// they do.
  void open_fast_path() noexcept;
  /// The ids a guest is told have changed.
  void ids_changed() noexcept;
  abi::Handler handler(unsigned index) const noexcept { return handlers_[index]; }

  Tracer* tracer() noexcept { return tracer_.get(); }  ///< null: not tracing
  void set_tracer(std::unique_ptr<Tracer> tracer) noexcept;
  Injector* injector() noexcept { return injector_.get(); }  ///< null: calls are made as they come
  void set_injector(std::unique_ptr<Injector> injector) noexcept { injector_ = std::move(injector); }
  ExecPolicy& exec_policy() noexcept { return exec_policy_; }
  /// Of a child of vfork, which has not executed anything yet. Null in all others.
  LentStack* lent_stack() noexcept { return lent_stack_.get(); }
  void set_lent_stack(std::unique_ptr<LentStack> lent) noexcept { lent_stack_ = std::move(lent); }
  /// End of the first thread's stack, where the new program's strings are.
  abi::Word stack_top() const noexcept { return stack_top_; }
  void set_stack_top(abi::Word top) noexcept { stack_top_ = top; }
  /// The program's own path as the guest sees it.
  std::string& program_path() noexcept { return program_path_; }
  /// The same file as the host names it.
  std::string& program_file() noexcept { return program_file_; }
  /// The guest's own file tree; null: its paths are the host's.
  const Sysroot* sysroot() const noexcept { return sysroot_ ? &*sysroot_ : nullptr; }
  void set_sysroot(const std::string& root) { sysroot_.emplace(root); }
  /// Files that only the guest sees, by the path it knows them by: descriptors of the runtime's. Not changed
  /// once it runs.
  std::map<std::string, int, std::less<>>& own_files() noexcept { return own_files_; }
  /// Whether what the guest's paths lead to is anything but what they lead to on the host.
  bool looks_paths_up() const noexcept { return sysroot_.has_value() || !own_files_.empty(); }
  const abi::PathRules& path_rules() const noexcept { return path_rules_; }

  int pid() const noexcept { return pid_.load(std::memory_order_relaxed); }
  std::atomic<unsigned>& thread_count() noexcept { return thread_count_; }

  /// True the first time it is asked about `number`.
  bool first_report(abi::Word number) noexcept;

  void before_fork() noexcept;
  void after_fork_in_parent() noexcept;
  void after_fork_in_child(GuestThread& survivor) noexcept;

  /// Of an embedded guest: it is over, for `stop`, unless it was before. All threads but `self` are asked to
  /// stop. Returns why it is over.
  Stop end(GuestThread* self, const Stop& stop) noexcept;
  /// Whether an embedded guest is over. Async-signal-safe.
  bool is_over() const noexcept { return over_.load(std::memory_order_acquire); }
  const Stop& how_it_ended() const noexcept { return end_; }

  /// Ends the process with `status` after what tracing owes its reader.
  [[noreturn]] void exit(int status) noexcept;

 private:
  const abi::Table& table_;
  std::unique_ptr<abi::Personality> personality_;
  std::vector<abi::Handler> handlers_;
  TrapMode trap_;
  Embedding* embedding_;
  std::size_t host_stack_ = 256 * 1024;
  SignalState signals_;
  ThreadList threads_;
  AddressSpace addresses_;
  HiddenDescriptors hidden_;
  CallSites sites_;
  Rewriter rewriter_;
  Statistics statistics_;
  TimePage time_page_;
  bool rewriting_ = false;
  std::uint64_t rewrite_after_ = 0;
  Zeroed<FastPath> fast_path_;
  CachedIds ids_;
  std::unique_ptr<Tracer> tracer_;
  std::unique_ptr<Injector> injector_;
  ExecPolicy exec_policy_;
  std::unique_ptr<LentStack> lent_stack_;
  std::string program_path_, program_file_;
  std::optional<Sysroot> sysroot_;
  std::map<std::string, int, std::less<>> own_files_;
  abi::PathRules path_rules_;
  abi::Word stack_top_ = 0;
  std::atomic<int> pid_;
  std::atomic<unsigned> thread_count_{0};
  Stop end_;
  std::atomic<bool> ending_{false}, over_{false};
  std::array<std::atomic<std::uint64_t>, 1024> reported_{};
};

}  // namespace sudrun::runtime
