// One guest thread: a host thread that carries two contexts, the host's (this class's code, on a stack of its
// own) and the guest's.
//
//   host loop --sudrun_run_guest--> guest code
//   guest code --trap--> [trap stack: signal frame] --> host loop
//
// The suspended guest is the registers in its thread's block and an image of its vector state; see
// docs/contexts.md.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "abi/host.hpp"
#include "runtime/process.hpp"
#include "runtime/thread_block.hpp"

namespace sudrun::runtime {

/// What the trap's assembly installs when a catcher returns.
struct Resume {
  std::uint64_t fs_base;
  std::uint64_t selector_and_side;
};

/// One finished or running call, for crash reports.
struct CallRecord {
  abi::Word number = 0;
  std::array<abi::Word, 6> args{};
  abi::Word result = 0;
  bool finished = false;
  bool failed = false;  ///< `result` is then the guest's errno
};

class GuestThread final : public abi::Host {
 public:
  /// `mask`: the guest's initial signal mask. Maps the trap stack; throws std::system_error if it cannot.
  GuestThread(Process& process, abi::NativeSigset mask);
  ~GuestThread();

  /// Runs the guest from `start` until its thread ends. The calling thread becomes the guest thread for the
  /// time: %gs, the alternate signal stack and the trap are its own. Returns 0, or a negative errno if the
  /// kernel refused to arm the trap.
  std::int64_t run(const abi::Registers& start, abi::Word fs_base, std::span<const std::byte> xstate);

  // The same in steps, for a guest thread that comes back before it ends. See docs/embedding.md.
  /// Makes the context that starts at `start`. Once, before enter().
  void begin(const abi::Registers& start, abi::Word fs_base, std::span<const std::byte> xstate);
  /// Runs it, on any host thread, until it stops: stop() says why. The signal mask, the alternate signal
  /// stack, %gs and the trap of the host thread are put back. 0 or a negative errno as from run().
  std::int64_t enter();
  /// On this guest thread, in a handler: enters `other`, a thread of any guest that none runs. This one is
  /// left for the time, so `other` runs on the stack of who entered this one. As enter().
  std::int64_t enter_within(GuestThread& other) noexcept;
  /// The thread of an embedded guest that runs on the calling host thread, now in a handler. Null: none.
  static GuestThread* here() noexcept;
  /// The thread whose handler has entered this one. Null: none has.
  GuestThread* outer() const noexcept { return outer_; }
  /// On the guest thread, in the host loop: goes back to who has entered it, and on when it is entered again.
  void pause(const Stop& why) noexcept;
  /// The same of an embedded guest that has ended: there is no way on.
  [[noreturn]] void end(const Stop& why) noexcept;
  /// Something of the embedder's that goes with the thread.
  void* companion() const noexcept { return companion_; }
  void set_companion(void* companion) noexcept { companion_ = companion; }
  const Stop& stop() const noexcept { return stop_; }
  bool is_finished() const noexcept { return finished_; }  ///< it cannot be entered any more
  /// Asks a thread of an embedded guest to stop, wherever it is: guest code, a call that sleeps, or about to
  /// be entered. Any host thread.
  void ask_to_stop() noexcept;
  void wake_to_stop() noexcept;  ///< ThreadList's part of it
  /// Sends a signal of an embedded guest's to this thread of it, which is listed. Any of its threads.
  void send(int signal) noexcept;
  /// Has the guest's function at `function` called when the thread is entered next, before it goes on where
  /// it is; it stops with Kind::returned then, or with Kind::none if the stack cannot take it. Not while it
  /// runs.
  void request_call(abi::Word function, std::span<const abi::Word> args) noexcept;
  /// Calls it at once. On the guest thread, in the host loop; what the guest does meanwhile does not change
  /// the context that is suspended. False: the guest's stack, or the host loop's, cannot take it.
  bool call_guest(abi::Word function, std::span<const abi::Word> args, abi::Word& result) noexcept;
  /// What the table says of a call, with what its paths lead to. On the guest thread, in the host loop.
  abi::Result carry_out(const abi::Entry& entry, const abi::Frame& frame) noexcept;
  void guest_function_returned() noexcept { returned_ = true; }  ///< by serve_own_site()
  unsigned call_depth() const noexcept { return depth_; }
  /// The next runs end at `at`, in nanoseconds of CLOCK_MONOTONIC, for which a timer sends kLibrarySignal
  /// with the value `timer`. 0: they have no end. Not while it runs.
  void set_deadline(std::uint64_t at, int timer) noexcept {
    deadline_ = at;
    deadline_timer_ = timer;
  }

  /// Called on the guest thread once its trap is armed, before its first instruction, with the new tid; if it
  /// returns false the guest is not started.
  using StartHook = std::function<bool(std::int64_t)>;
  void on_start(StartHook hook) { start_hook_ = std::move(hook); }
  /// From now on the runtime's own signal comes to this thread before kTick is over (TimePage). False: no
  /// timer is to be had. With the lock of ThreadList.
  bool start_ticking() noexcept;
  /// In the child of a fork: its timer was the parent's.
  void forget_ticks() noexcept;
  /// After run(): does what set_clear_tid_address() asked for.
  void clear_tid() noexcept;
  /// After run(), before the object goes: the thread is no longer one of the guest's.
  void leave_process() noexcept;
  ThreadLink& link() noexcept { return link_; }

  Process& process() noexcept { return process_; }
  const Process& process() const noexcept { return process_; }
  std::span<const CallRecord> recent_calls() const noexcept { return recent_; }
  unsigned recent_position() const noexcept { return recent_count_; }
  /// How many calls the host loop has served, and how many came by rewritten sites, there or not.
  struct Calls {
    std::uint64_t served, at_sites;
  };
  Calls calls() const noexcept { return {served_, block_.site_calls}; }
  const TimeSpent& time_spent() const noexcept { return time_spent_; }
  void forget_calls() noexcept {
    served_ = block_.site_calls = 0;
    time_spent_ = {};
    entered_ = timed_ ? ticks_now() : 0;
  }

  // abi::Host
  abi::NativeResult call(long number, abi::Word a0, abi::Word a1, abi::Word a2, abi::Word a3, abi::Word a4,
                         abi::Word a5) noexcept override;
  abi::NativeResult call_interruptible(long number, abi::Word a0, abi::Word a1, abi::Word a2, abi::Word a3,
                                       abi::Word a4, abi::Word a5) noexcept override;
  abi::NativeResult call_timed(long number, timespec& left, abi::Word a0, abi::Word a1, abi::Word a2,
                               abi::Word a3, abi::Word a4, abi::Word a5) noexcept override;
  abi::NativeResult call_in_all_threads(long number, abi::Word a0, abi::Word a1,
                                        abi::Word a2) noexcept override;
  bool read(abi::GuestAddr from, void* to, std::size_t size) noexcept override;
  bool write(abi::GuestAddr to, const void* from, std::size_t size) noexcept override;
  abi::NativeResult read_string(abi::GuestAddr from, std::span<char> buffer) noexcept override;
  bool load32(abi::GuestAddr from, std::uint32_t& value) noexcept override;
  bool compare_exchange32(abi::GuestAddr at, std::uint32_t& expected, std::uint32_t desired,
                          bool& swapped) noexcept override;
  abi::Word choose_address(std::uint64_t size, std::uint64_t alignment) noexcept override;
  void interrupt_next_sleep(bool wanted) noexcept override;
  abi::NativeResult set_break(abi::Word address) noexcept override;
  abi::Word stack_top() noexcept override { return process_.stack_top(); }
  abi::Context& context() noexcept override {
    block_.vector_load = VectorLoad::image;  // the caller may change it
    return block_.context;
  }
  int tid() noexcept override { return tid_; }
  int pid() noexcept override { return process_.pid(); }
  abi::NativeResult signal_action(int signal, const abi::SignalAction* set,
                                  abi::SignalAction* old) noexcept override;
  abi::NativeSigset signal_mask() noexcept override { return mask_; }
  void set_signal_mask(abi::NativeSigset mask) noexcept override { mask_ = mask & ~kUnblockable; }
  void set_temporary_mask(abi::NativeSigset mask) noexcept override;
  abi::NativeSigset native_mask(abi::NativeSigset mask) noexcept override {
    return process_.signals().host_mask(mask);
  }
  abi::NativeSigset pending_signals() noexcept override;
  bool close_to_signals() noexcept override;
  void watch_signal(int signal) noexcept override { process_.signals().watch(signal); }
  abi::AltStack& alt_stack() noexcept override { return alt_stack_; }
  void hold_signal(int signal) noexcept override { held_ |= abi::sigbit(signal); }
  void discard_signal(int signal) noexcept override;
  void raise_fault(const abi::SignalInfo& info) noexcept override;
  abi::NativeResult spawn_thread(const abi::ThreadStart& start) noexcept override;
  abi::NativeResult spawn_helper(void (*run)(abi::NativeCall native, void* argument) noexcept,
                                 void* argument) noexcept override;
  void set_clear_tid_address(abi::GuestAddr address) noexcept override { clear_tid_address_ = address; }
  unsigned thread_count() noexcept override { return process_.thread_count().load(); }
  abi::NativeResult fork(bool wait_for_exec) noexcept override;
  abi::NativeResult execute(const abi::ExecRequest& request) noexcept override;
  /// Of a child of vfork: its parent sees what it has written to the stack they would share.
  void hand_back_stack() noexcept {
    if (LentStack* const lent = process_.lent_stack()) lent->hand_back(*this);
  }
  [[noreturn]] void exit_process(int status) noexcept override {
    if (process_.embedding() != nullptr) end({Stop::Kind::exited, status, 0});
    hand_back_stack();
    process_.exit(status);
  }
  std::string_view program_path() noexcept override { return process_.program_path(); }
  abi::NativeResult resolve_path(int dirfd, std::string_view path, bool follow,
                                 abi::ResolvedPath& found) noexcept override;
  std::string_view guest_path(std::string_view path) noexcept override {
    return process_.sysroot() != nullptr ? process_.sysroot()->guest_path(path) : path;
  }
  abi::NativeResult hide_descriptor(int fd) noexcept override { return process_.hidden().hide(fd); }
  void close_hidden(int fd) noexcept override { process_.hidden().close(fd); }
  std::pair<abi::Word, abi::Word> own_memory_in(abi::Word start, abi::Word end) noexcept override {
    return process_.rewriter().stubs_in(start, end);
  }
  bool is_hidden(int fd) noexcept override { return process_.hidden().contains(fd); }

  /// The host's signal catcher, called by gate.S only.
  Resume caught(int signal, siginfo_t* info, ucontext_t* frame, std::uint64_t fs, std::uint64_t selector,
                std::uint64_t side) noexcept;

 private:
  struct Pending {
    siginfo_t raw;
    abi::SignalInfo info;
  };

  // thread.cpp: the host loop.
  abi::NativeResult gate_call(long number, const std::array<abi::Word, 6>& args) noexcept;
  /// Whether the call under way is interrupted instead of being made (interrupt_next_sleep()).
  bool interrupts(long number) noexcept;
  abi::NativeResult gate_call_interruptible(long number, const std::array<abi::Word, 6>& args) noexcept;
  CallSites::Seen look_at_site() noexcept;
  abi::NativeResult change_refused(long number, abi::Word start, abi::Word size) noexcept;
  void rewrite_site(abi::Word site, abi::Word number) noexcept;
  void serve_call() noexcept;
  abi::Result finish_site_call(const abi::Entry& entry, const abi::Frame& frame) noexcept;
  abi::Result carry_out_embedded(const abi::Entry& entry, abi::Frame& frame) noexcept;
  abi::Result carry_out_changed(const abi::Entry& entry, const abi::Frame& frame,
                                const Injector::Plan& plan) noexcept;
  void send_to_self(int signal) noexcept;
  abi::Result act(const abi::Entry& entry, const abi::Frame& frame) noexcept;
  bool should_restart(const abi::Entry& entry) noexcept;
  bool leave() noexcept;

  // enter_unsafe.cpp: into the guest's context, and out of it.
  void host_loop() noexcept;
  void run_guest_code() noexcept;
  void serve_requests() noexcept;
  void switch_to_embedder() noexcept;
  [[noreturn]] void pause_for_good(const Stop& why) noexcept;

  // embedded.cpp
  std::optional<abi::NativeResult> embedded_call(long number, abi::Word a0, abi::Word a1,
                                                 abi::Word a2) noexcept;
  void stop_if_asked() noexcept;
  int deliverable() const noexcept;  ///< a signal that waits and runs a handler; 0: none
  void broken_pipe() noexcept;

  // ticks.cpp
  void choose_fast_path() noexcept;
  void set_tick() noexcept;
  void stop_ticking() noexcept;
  void tick_from_now_on() noexcept;
  void keep_ticking() noexcept;
  bool may_run_guest() const noexcept;
  bool is_tick(const siginfo_t& info) noexcept;
  bool ticked(std::uint64_t rip, std::int64_t rax, Side side) noexcept;

  // thread_list.cpp
  void make_shared_call() noexcept;

  // exec.cpp
  std::int64_t find_executable(const abi::ExecRequest& request, std::string& name, std::string& file);

  // paths.cpp
  abi::NativeResult look_up(int dirfd, std::string_view path, bool follow, bool prefer_root,
                            abi::ResolvedPath& found) noexcept;
  // paths.cpp: looks up the paths among a call's arguments and puts the host's in their place. 0 or -errno.
  std::int64_t resolve_arguments(const abi::Entry& entry, abi::Frame& frame) noexcept;
  // guest_memory_unsafe.cpp: room for path `index` in the guest's part of the address space, where range
  // checks and native calls take it for the guest's own string. 0: none can be had.
  abi::GuestAddr path_room(unsigned index) noexcept;
  void free_path_room() noexcept;

  // trap_unsafe.cpp: contexts.
  void use_image(std::span<std::byte> image) noexcept;
  void load_frame(const ucontext_t& frame, std::uint64_t fs) noexcept;
  void store_frame(ucontext_t& frame) noexcept;
  Resume restart_resuming(ucontext_t& frame) noexcept;
  Resume give_up_resuming(ucontext_t& frame) noexcept;
  void on_host_stack(ucontext_t& frame, const char* at) const noexcept;
  void resume_stepping() noexcept;
  stack_t signal_stack() const noexcept;
  bool stopped_in_stub(int signal, ucontext_t& frame) noexcept;
  void enter_stub() noexcept;
  void leave_stub() noexcept;
  void keep_pending(const siginfo_t& info, const ucontext_t& frame) noexcept;
  bool at_site(std::uint64_t rip) const noexcept;
  bool back_to_call(ucontext_t& frame) noexcept;
  Resume caught_at_site(int signal, siginfo_t* info, ucontext_t* frame, std::uint64_t fs) noexcept;
  void set_kernel_mask(abi::NativeSigset mask) noexcept;
  Resume leave_catcher() noexcept;
  bool must_stop(const siginfo_t& info) noexcept;
  Resume stop_caught(ucontext_t& frame, std::uint64_t fs, Selector selector, Side side,
                     bool guest_ran) noexcept;
  Resume caught_in_guest(int signal, siginfo_t* info, ucontext_t* frame, std::uint64_t fs) noexcept;
  void caught_in_runtime(int signal, siginfo_t* info, ucontext_t* frame) noexcept;

  // deliver.cpp: from a signal to the guest's handler, or its default action.
  void deliver(const abi::SignalInfo& info) noexcept;
  void arrived(const Pending& pending) noexcept;      ///< delivers it unless the guest's word puts it off
  void act_on(const abi::SignalInfo& info) noexcept;  ///< without it having just arrived
  void deliver_pending() noexcept;
  void deliver_unmasked() noexcept;
  void requeue(const Pending& pending) noexcept;
  bool word_blocks() noexcept;                    ///< whether the guest's word says that signals are blocked
  bool put_off(const Pending& pending) noexcept;  ///< keeps a signal that the word blocks; false: it does not
  /// What the kernel is to have blocked while the guest runs.
  abi::NativeSigset wanted_mask() const noexcept {
    if (foreign_mask_ != 0) return foreign_mask_;
    return process_.signals().host_mask(put_off_ ? ~abi::NativeSigset{0} : mask_);
  }
  bool dismiss_pending() noexcept;
  void act_by_default(const abi::SignalInfo& info) noexcept;
  [[noreturn]] void die(const abi::SignalInfo& info) noexcept;

  Process& process_;
  ThreadLink link_;
  ThreadBlock block_{};
  bool finishing_ = false;
  bool restartable_ = false;  ///< the call under way can be made again

  abi::NativeSigset mask_;
  abi::NativeSigset kernel_mask_ = 0;  ///< what the host's kernel has for this thread
  abi::NativeSigset saved_mask_ = 0;   ///< what to restore, while has_temporary_mask_
  bool has_temporary_mask_ = false;
  abi::NativeSigset held_ = 0;  ///< signals taken from the kernel that the guest has blocked
  bool put_off_ = false;        ///< the guest's word blocks signals, and some wait in the kernel
  Pending pending_{};
  bool interrupt_next_sleep_ = false;
  std::atomic<int> tick_timer_{-1};   ///< the kernel's; negative: none
  std::atomic<bool> ticking_{false};  ///< it is set
  bool sleeps_in_host_loop_ = false;  ///< the next call is made there, whatever it is
  abi::Word again_at_ = 0;            ///< where the guest makes a call again that was interrupted
  bool interrupted_ = false;          ///< the call under way has been, by that
  bool has_fault_ = false;
  abi::SignalInfo fault_{};
  abi::AltStack alt_stack_;

  StartHook start_hook_;
  abi::GuestAddr clear_tid_address_{};
  int tid_ = 0;
  std::span<std::byte> own_image_;
  std::byte* region_ = nullptr;  ///< stacks and image
  std::size_t region_size_ = 0;
  abi::Word path_room_ = 0;
  std::array<CallRecord, 16> recent_{};
  unsigned recent_count_ = 0;
  std::uint64_t served_ = 0;
  // Of embedded guests.
  abi::NativeSigset foreign_mask_ = 0;  ///< what the kernel has blocked while the guest runs
  Stop stop_;
  void* companion_ = nullptr;
  std::atomic<bool> stop_wanted_{false};
  std::atomic<abi::NativeSigset> sent_{0};  ///< by other threads of the guest
  bool deadline_passed_ = false;
  bool finished_ = false;
  bool returned_ = false;  ///< the guest's function that was to be called has returned
  unsigned depth_ = 0;     ///< how many of them are under way
  std::uint64_t deadline_ = 0;
  int deadline_timer_ = 0;
  GuestThread* within_ = nullptr;  ///< to be entered next
  GuestThread* outer_ = nullptr;
  std::int64_t within_result_ = 0;
  struct Request {
    abi::Word function = 0;
    std::array<abi::Word, 6> args{};
    unsigned count = 0;
  };
  std::optional<Request> request_;
  struct Fibers;
  std::unique_ptr<Fibers> fibers_;
  std::int64_t enter_once();
  bool deadline_is_past() const noexcept;

  const bool timed_;           ///< what follows is wanted
  std::uint64_t entered_ = 0;  ///< when the host loop was, in ticks
  TimeSpent time_spent_;
};

/// Decodes the kernel's siginfo. Pure.
abi::SignalInfo decode_siginfo(const siginfo_t& raw, const ucontext_t& frame) noexcept;

}  // namespace sudrun::runtime
