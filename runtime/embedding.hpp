// What is different where guests are not the whole process but a part of another program: embed/ implements
// it.
#pragma once

#include <cstdint>
#include <optional>

#include "abi/frame.hpp"
#include "abi/table.hpp"

namespace sudrun::runtime {

class GuestThread;

/// Why a guest thread has come back to the embedder.
struct Stop {
  enum class Kind : std::uint8_t {
    none,
    exited,        ///< the guest has ended itself: `value` is its status
    killed,        ///< by the signal `value` (native), with `address` if the processor raised it
    thread_ended,  ///< only this thread has ended
    call,          ///< it stands before a call
    asked,         ///< somebody asked it to stop
    deadline,      ///< its time is over
    returned,      ///< the function it was to call has returned `value`
  };
  Kind kind = Kind::none;
  std::int64_t value = 0;
  abi::Word address = 0;
  bool is_end() const noexcept { return kind == Kind::exited || kind == Kind::killed; }
};

/// Called on guest threads, in the host loop, with the host's thread pointer: ordinary code may run. Nothing
/// may be thrown.
class Embedding {
 public:
  /// Before a call is carried out; `frame` may be changed. With a result it is not carried out.
  virtual std::optional<abi::Result> before(GuestThread& thread, const abi::Entry& entry,
                                            abi::Frame& frame) noexcept = 0;
  /// After it; `result` may be changed.
  virtual void after(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame,
                     abi::Result& result) noexcept = 0;
  /// A thread stands behind a `syscall` at `rip` that has trapped. True: it was one of the embedding's own,
  /// and has been dealt with.
  virtual bool serve_own_site(GuestThread& thread, abi::Word rip) noexcept = 0;
  /// Something of the guest's program has been mapped at [start, end).
  virtual void loaded(abi::Word start, abi::Word end) noexcept = 0;
  /// A native call has been made, which may have changed the guest's mappings.
  virtual void mapped(long number, abi::Word a0, abi::Word a1, abi::Word a2,
                      std::int64_t result) noexcept = 0;
  /// A thread the guest has made, on a host thread of its own: before its first instruction, and after its
  /// last. Behind the latter the host thread touches neither it nor the process.
  virtual void thread_began(GuestThread& thread) noexcept = 0;
  virtual void thread_is_gone(GuestThread& thread) noexcept = 0;
  /// Where a function of the guest's that the embedder has called returns to.
  virtual abi::Word return_address() noexcept = 0;

 protected:
  ~Embedding() = default;
};

}  // namespace sudrun::runtime
