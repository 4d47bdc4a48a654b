// A guest as an embedder has it. The C functions of include/sudrun/sudrun.h are thin covers over what is
// here.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "abi/builtin.hpp"
#include "abi/table_files.hpp"
#include "embed/ranges.hpp"
#include "runtime/embedding.hpp"
#include "runtime/process.hpp"
#include "runtime/thread.hpp"
#include "sudrun/sudrun.h"

namespace sudrun::embed {

struct TableData {
  abi::LoadedTable loaded;
  std::vector<std::string> names;  ///< of calls, with a NUL, in the order of the rows
  const char* name_of(const abi::Entry& entry) const noexcept;
};

struct Hook {
  sudrun_handler handler;
  void* user;
};
using Hooks = std::array<std::vector<Hook>, 3>;  // by sudrun_when; called from the last to the first

/// Unless the caller is in a handler on `thread`, what it is about to do would leave the contexts in ruins:
/// ends the process with a line that names `function`.
void require_here(const runtime::GuestThread& thread, const char* function) noexcept;

}  // namespace sudrun::embed

struct sudrun_table {
  std::shared_ptr<const sudrun::embed::TableData> data;
};

/// One call on its way, or, between calls, what a handler is given that has none.
struct sudrun_call {
  sudrun_guest& guest;
  sudrun::runtime::GuestThread& thread;
  const sudrun::abi::Entry& entry;
  sudrun::abi::Frame& frame;
  std::optional<sudrun::abi::Result> result;
};

struct sudrun_thread {
  sudrun_thread(sudrun_guest& its_guest, std::unique_ptr<sudrun::runtime::GuestThread> owned,
                sudrun::runtime::GuestThread& its_thread)
      : guest(its_guest), own(std::move(owned)), thread(&its_thread) {}

  sudrun_guest& guest;
  std::unique_ptr<sudrun::runtime::GuestThread> own;  ///< null: the guest has made it
  sudrun::runtime::GuestThread* thread;
  std::atomic<bool> running{false};
  bool to_call = false;  ///< it is to stop before calls
  bool counted = false;  ///< among the guest's threads
  sudrun_call* current = nullptr;
};

struct sudrun_guest final : sudrun::runtime::Embedding {
  sudrun_guest(std::shared_ptr<const sudrun::embed::TableData> data, sudrun::runtime::TrapMode trap);
  ~sudrun_guest();

  // sudrun::runtime::Embedding
  std::optional<sudrun::abi::Result> before(sudrun::runtime::GuestThread& thread,
                                            const sudrun::abi::Entry& entry,
                                            sudrun::abi::Frame& frame) noexcept override;
  void after(sudrun::runtime::GuestThread& thread, const sudrun::abi::Entry& entry,
             const sudrun::abi::Frame& frame, sudrun::abi::Result& result) noexcept override;
  bool serve_own_site(sudrun::runtime::GuestThread& thread, sudrun::abi::Word rip) noexcept override;
  void loaded(sudrun::abi::Word start, sudrun::abi::Word end) noexcept override;
  void mapped(long number, sudrun::abi::Word a0, sudrun::abi::Word a1, sudrun::abi::Word a2,
              std::int64_t result) noexcept override;
  void thread_began(sudrun::runtime::GuestThread& thread) noexcept override;
  void thread_is_gone(sudrun::runtime::GuestThread& thread) noexcept override;
  sudrun::abi::Word return_address() noexcept override;

  /// The page with the addresses at which foreign code leaves for functions of the embedder's; 0: none can be
  /// had.
  sudrun::abi::Word gate_page() noexcept;
  sudrun_thread& add_thread(std::unique_ptr<sudrun::runtime::GuestThread> thread);
  void remove_thread(sudrun_thread& thread) noexcept;
  /// Whether a thread of the embedder's runs.
  bool runs() noexcept;
  /// Whether the calling host thread is in a handler on one of its threads.
  bool is_here() const noexcept;
  /// Ends it and waits for the threads it has made itself.
  void stop_own_threads() noexcept;

  std::shared_ptr<const sudrun::embed::TableData> table;
  sudrun::runtime::Process process;
  std::unordered_map<std::uint64_t, sudrun::embed::Hooks> hooks;
  sudrun::embed::Hooks hooks_of_all;
  struct Function {
    sudrun_function function;
    void* user;
  };
  std::vector<Function> functions;
  sudrun_thread_observer observer = nullptr;
  void* observer_user = nullptr;
  bool has_run = false;
  sudrun::embed::Ranges ranges;

 private:
  static sudrun::abi::Result missing(sudrun_call& call) noexcept;
  void call_hooks(sudrun_when when, sudrun_call& call) const noexcept;

  sudrun::abi::Word gate_page_ = 0;
  std::mutex lock_;  ///< of what follows
  std::condition_variable gone_;
  unsigned own_threads_ = 0;
  std::vector<std::unique_ptr<sudrun_thread>> threads_;
};
