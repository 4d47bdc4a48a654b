// Rewriting of system-call instructions that trap often, so that they trap no more: where the bytes come from
// is loader/rewrite.hpp, what they lead to is gate_site.inc. docs/rewriting.md has the argument.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "abi/host.hpp"
#include "loader/rewrite.hpp"
#include "runtime/perf_map.hpp"
#include "runtime/spin_lock.hpp"

namespace sudrun::runtime {

class Rewriter {
 public:
  Rewriter() = default;
  ~Rewriter();
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  /// Whether a site may be rewritten is asked when it has trapped this often: what runs once is left alone.
  static constexpr unsigned kHot = 8;

  /// A `syscall` that has just trapped, and what the thread had.
  struct Site {
    abi::Word address;
    std::uint32_t number;
    abi::Word stack;  ///< its stack pointer
  };
  /// Rewrites the `syscall` at `site` if that is shown to be safe.
  /// True if there is nothing more to do about it; false: ask again when it traps again. Takes no memory of
  /// the heap but the first time. On guest threads, in the host loop.
  bool consider(abi::Host& host, const Site& site) noexcept;

  /// What the first site costs has been paid, by this process or by the one it was forked from.
  bool has_begun() const noexcept { return books_.load(std::memory_order_relaxed) != nullptr; }

  enum class Change : std::uint8_t {
    refused,    ///< nothing begun: it would hit stubs
    untouched,  ///< no rewritten site or hop is there
    undone,
    hops_left,  ///< as `undone`, but a thread may still stand at a hop, and so the hops are still there
  };
  /// Mappings in [start, end) are about to be made, changed or removed: puts the program's own bytes back
  /// at the sites concerned, and rewrites nothing until end_change().
  Change begin_change(abi::Word start, abi::Word end) noexcept;
  /// After that, when each other thread has been interrupted since: puts the bytes of the hops back.
  void remove_hops(abi::Word start, abi::Word end) noexcept;
  /// The lowest part of [start, end) that holds stubs; empty, at `end`, if there is none.
  std::pair<abi::Word, abi::Word> stubs_in(abi::Word start, abi::Word end) const noexcept;
  void end_change() noexcept { changes_.fetch_sub(1, std::memory_order_release); }

  /// Where in the program a thread is that stands at one of our instructions.
  struct Place {
    abi::Word rip;
    abi::Word resume;        ///< the address after the `syscall`
    abi::Word continuation;  ///< where its rcx is this, it should be `resume`
  };
  /// Nothing if `rip` is not at one of ours. Async-signal-safe.
  std::optional<Place> program_place(abi::Word rip) const noexcept;
  /// Puts the program's own bytes back where a thread has come to `rip` from. Async-signal-safe, in guest
  /// code.
  void withdraw(abi::Word rip) noexcept;
  /// Where a call that goes on at `continuation` is in the program; `continuation` itself if it is that.
  abi::Word resume_address(abi::Word continuation) const noexcept;
  /// Where a thread goes on that has run into one of our breakpoints at `address`. Async-signal-safe.
  std::optional<abi::Word> forward(abi::Word address) const noexcept;

  /// Sites rewritten so far by rung, loader::Rung::none: hot, but left trapping.
  std::array<unsigned, 4> counts() const noexcept;

  /// Told of each stub that is made, if it is wanted.
  PerfMap& perf_map() noexcept { return perf_map_; }

  SpinLock& lock() noexcept { return lock_; }  ///< held around fork
  void after_fork_in_child() noexcept { changes_ = 0; }

 private:
  struct Patch {
    loader::Rewrite rewrite;
    abi::Word touched, touched_end;  ///< code at the site that has changed or moved
    loader::Rung rung;
    bool live;      ///< the bytes at the site are in place
    bool hop_live;  ///< those of the hop are, and a thread may be there, or on its way
  };
  struct Area;
  struct Books;
  struct Mapping {
    abi::Word start = 0, end = 0;
  };

  bool prepare() noexcept;
  Mapping code_mapping(abi::Word address) noexcept;
  std::optional<Patch> rewrite(abi::Host& host, const Mapping& mapping, const Site& site) noexcept;
  std::optional<loader::Rewrite> place(const loader::RewritePlan& plan, const Mapping& mapping) noexcept;
  Area* new_area(const loader::RewritePlan& plan, const Mapping& mapping) noexcept;
  bool apply(const Patch& patch) noexcept;
  void tell_perf(unsigned newest) noexcept;
  template <typename Do>
  void for_patches_in(abi::Word start, abi::Word end, Do todo) noexcept;
  void undo_site(Patch& patch) noexcept;
  const Patch* patch_of_stub(abi::Word address) const noexcept;

  SpinLock lock_;
  PerfMap perf_map_;
  std::atomic<unsigned> changes_{0};
  std::atomic<Books*> books_{nullptr};  ///< all there is to remember, from the first rewritten site on
};

}  // namespace sudrun::runtime
