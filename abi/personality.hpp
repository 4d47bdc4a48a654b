// The part of an ABI that is code: signal frames, the initial process image, handlers and their state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "abi/handler.hpp"
#include "abi/timekeeper.hpp"

namespace sudrun::abi {

/// What the loader knows of the mapped program, for the auxiliary vector.
struct ImageInfo {
  Word entry = 0;
  Word phdr = 0;  ///< address of the program headers in guest memory
  unsigned phent = 0;
  unsigned phnum = 0;
  bool interpreted = false;
  Word base = 0;  ///< load bias of the interpreter, or of the program if it has none
  Word ehdr_flags = 0;
  Word stack_top = 0;  ///< where the stack ends, page-aligned
};

/// One auxiliary vector entry. A `blob` is placed on the stack and the value becomes its address.
struct AuxEntry {
  Word type = 0;
  Word value = 0;
  std::vector<std::byte> blob;
};

/// How this ABI lays out the memory a new program starts with (see loader/stack.hpp).
struct StackImage {
  std::vector<AuxEntry> aux;         ///< without the terminating AT_NULL; execpath etc. as blobs
  unsigned alignment_remainder = 0;  ///< stack pointer modulo 16 at entry
  bool ps_strings = false;  ///< BSD: struct ps_strings at the very top; AT_ARGV and the like follow it
  // Auxiliary types whose values only the stack builder knows (0: this ABI has none).
  unsigned aux_argc = 0, aux_argv = 0, aux_envc = 0, aux_envv = 0, aux_ps_strings = 0;
};

/// A node of an ABI's numbered tree (sysctl), and whether a table may say what it holds.
struct NodeForm {
  enum class Kind : std::uint8_t { number32, number64, text, other };
  std::string_view name;
  Kind kind = Kind::other;
};

class Personality {
 public:
  virtual ~Personality() = default;
  Personality() = default;
  Personality(const Personality&) = delete;
  Personality& operator=(const Personality&) = delete;

  virtual std::string_view name() const noexcept = 0;
  /// What the guest sees as the release of its system: a name and the number by which programs compare
  /// releases. The table's unless another is chosen.
  struct Release {
    std::string name;
    std::uint32_t number = 0;
  };
  const Release& release() const noexcept { return release_; }
  void set_release(Release release) { release_ = std::move(release); }
  /// Called once, before the guest runs, with the table in force: resolve flag sets and structures by name.
  virtual void bind(const Table& table) = 0;

  virtual StackImage stack_image(const ImageInfo& image, std::string_view program_path) const = 0;
  /// `ps_strings`: where that structure is, 0 without one.
  virtual Registers initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept = 0;
  /// Machine code the guest returns through from signal handlers; mapped read-execute. May be empty.
  virtual std::span<const std::byte> trampoline() const noexcept = 0;
  virtual void set_trampoline(GuestAddr address) noexcept = 0;

  /// Whether programs may compute the time from a page of memory. Then set_time_page() says where it is,
  /// before stack_image() is asked for; the page is all zeros, and says by that that programs are to make
  /// calls.
  virtual bool has_time_page() const noexcept { return false; }
  virtual void set_time_page(GuestAddr address) noexcept { static_cast<void>(address); }
  /// Writes what the page says, while programs read it. Null: they are to make calls. One at a time;
  /// async-signal-safe.
  virtual void publish_time(std::byte* page, const TimeHands* hands) noexcept {
    static_cast<void>(page), static_cast<void>(hands);
  }

  /// Builds this ABI's signal frame for `info` and points the guest at its handler. `old_mask` is what the
  /// frame restores. False if the guest's stack cannot take it. Async-signal-safe: runs in the host catcher.
  virtual bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                                 NativeSigset old_mask) noexcept = 0;

  /// Native signal the guest's kernel kills with when a signal frame cannot be written to the guest's stack.
  virtual int bad_stack_signal() const noexcept { return 11; }
  /// Called before a fault's disposition is looked up: the guest's kernel may raise another signal for it.
  virtual void adjust_fault(SignalInfo& info) const noexcept { static_cast<void>(info); }
  /// A native signal that stands for none of the guest's; the runtime may take it for itself. 0: none.
  virtual int spare_signal() const noexcept { return 0; }
  /// A buffer of a native row that is longer than SSIZE_MAX is EINVAL, whatever else is wrong with the call.
  virtual bool refuses_long_buffers() const noexcept { return false; }
  /// A signal for the guest was caught on the host (for event queues). Async-signal-safe.
  virtual void signal_arrived(int native_signal) noexcept { static_cast<void>(native_signal); }

  /// Where a path of numbers leads in the ABI's numbered tree (sysctl): the name of the deepest node that has
  /// one, and how many of the numbers it stands for. For traces.
  struct NodeName {
    std::string_view text;
    std::size_t depth = 0;
  };
  virtual NodeName node_name(std::span<const std::int32_t> path) const noexcept {
    static_cast<void>(path);
    return {};
  }

  /// All of them; not for use while a guest runs.
  virtual std::vector<NodeForm> nodes() const { return {}; }

  /// What the guest's kernel does about a call it has not.
  virtual Result missing_call(Call& call) noexcept;

  /// A call failed with the native EPIPE, and the SIGPIPE that came with it has not been delivered yet.
  virtual void pipe_broke(Call& call) noexcept { static_cast<void>(call); }

  /// Around fork: take and release every lock of the personality, so that the child finds them free.
  virtual void before_fork() noexcept = 0;
  virtual void after_fork_in_parent() noexcept = 0;
  /// In the child: also drop what is not inherited. The other threads are gone.
  virtual void after_fork_in_child(Host& host) noexcept = 0;

  /// Before execve(2) of a program that is the runtime again, or (`native`) not. Two descriptors the runtime
  /// is to inherit; negative: none.
  virtual std::array<int, 2> exec_begins(Host& host, bool native) noexcept {
    static_cast<void>(host), static_cast<void>(native);
    return {-1, -1};
  }
  virtual void exec_failed(Host& host) noexcept { static_cast<void>(host); }
  /// In the new program, before it runs: what exec_begins() said in the old one. False: not wanted.
  virtual bool inherit(Host& host, std::array<int, 2> descriptors) noexcept {
    static_cast<void>(host), static_cast<void>(descriptors);
    return false;
  }

 private:
  Release release_;
};

/// Personalities by name (`freebsd`, `linux`); null if there is none.
std::unique_ptr<Personality> make_personality(std::string_view name);
/// The release of `table` that `text` names ("14.1", "14.1-RELEASE-p2"; empty: the table's own). Nothing if
/// the table knows it not.
std::optional<Personality::Release> release_of(const Table& table, std::string_view text);
/// Names make_personality() knows, for people: "`a`, `b` or `c`".
std::string personality_names();
/// Handlers of a personality. Tables know them by their number here; who binds compares names.
std::span<const HandlerEntry> handlers_of(std::string_view personality) noexcept;

}  // namespace sudrun::abi
