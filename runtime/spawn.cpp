// Threads, fork and vfork.
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <new>
#include <semaphore>
#include <system_error>
#include <vector>

#include "runtime/gate.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::size_t kStartStack = 64 * 1024;  // a guest thread leaves it for one of its own at once
constexpr std::size_t kHelperStack = 256 * 1024;

/// Blocks every asynchronous signal of the calling host thread for a scope.
class SignalsBlocked {
 public:
  explicit SignalsBlocked(const SignalState& signals) noexcept {
    const abi::NativeSigset all = signals.host_mask(~abi::NativeSigset{0});
    native(SYS_rt_sigprocmask, SIG_SETMASK, word(&all), word(&saved_), sizeof all);
  }
  ~SignalsBlocked() { native(SYS_rt_sigprocmask, SIG_SETMASK, word(&saved_), 0, sizeof saved_); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  abi::NativeSigset saved_ = 0;
};

/// What the creating thread hands to the new one. Lives until the new thread has said `ready`.
struct Birth {
  Process& process;
  abi::ThreadStart start;
  abi::NativeSigset mask;
  std::vector<std::byte> xstate;
  std::binary_semaphore ready{0};
  std::int64_t tid = 0;  ///< or a negative errno
};

bool store_tid(GuestThread& thread, abi::GuestAddr at, unsigned size, std::int64_t tid) noexcept {
  return abi::is_null(at) || thread.write(at, &tid, size);
}

// A process whose last guest thread has ended is over, with status 0 (thr_exit(2), pthread_exit(3)).
void thread_ended(Process& process) noexcept {
  if (process.thread_count().fetch_sub(1) != 1) return;
  if (process.embedding() == nullptr) process.exit(0);
  process.end(nullptr, {Stop::Kind::exited, 0, 0});
}

void* thread_main(void* argument) {
  auto& birth = *static_cast<Birth*>(argument);
  Process& process = birth.process;
  const abi::ThreadStart start = birth.start;
  const std::vector<std::byte> xstate = std::move(birth.xstate);
  std::unique_ptr<GuestThread> thread;
  try {
    thread = std::make_unique<GuestThread>(process, birth.mask);
  } catch (const std::exception&) {
    birth.tid = -EAGAIN;
    birth.ready.release();
    return nullptr;
  }
  process.thread_count().fetch_add(1);
  thread->set_clear_tid_address(start.clear_tid_address);
  if (process.embedding() != nullptr) process.embedding()->thread_began(*thread);
  thread->on_start([&](std::int64_t tid) {
    const bool stored = store_tid(*thread, start.tid_address, start.tid_size, tid + start.tid_bias) &&
                        store_tid(*thread, start.parent_tid_address, start.tid_size, tid + start.tid_bias);
    birth.tid = stored ? tid : -EFAULT;
    birth.ready.release();  // `birth` is gone from here on
    return stored;
  });
  thread->begin(start.regs, start.fs_base, xstate);
  while (thread->enter() == 0 && !thread->is_finished()) {
  }
  thread->clear_tid();
  thread->leave_process();
  if (Embedding* const embedding = process.embedding()) {
    thread_ended(process);
    embedding->thread_is_gone(*thread.release());
    return nullptr;
  }
  thread.reset();
  thread_ended(process);
  return nullptr;
}

}  // namespace

void GuestThread::clear_tid() noexcept {
  const abi::GuestAddr at = clear_tid_address_;
  if (abi::is_null(at) || !in_guest(at, sizeof(std::uint32_t))) return;
  constexpr std::uint64_t kWake = 1;
  // The trap is off and so are its catchers: let the kernel do the store, which cannot fault us.
  const std::uint32_t zero = 0;
  struct Vector {  // struct iovec; the far end is the guest's and stays a number
    std::uint64_t base, size;
  };
  const Vector from{word(&zero), sizeof zero}, to{abi::word_of(at), sizeof zero};
  if (native(SYS_process_vm_writev, static_cast<std::uint64_t>(pid()), word(&from), 1, word(&to), 1, 0) > 0)
    native(SYS_futex, abi::word_of(at), kWake, 1);
}

abi::NativeResult GuestThread::spawn_thread(const abi::ThreadStart& start) noexcept {
  if (process_.is_over()) return -EAGAIN;
  const SignalsBlocked quiet(process_.signals());
  try {
    const std::scoped_lock hold(process_.threads().lock());
    Birth birth{process_, start, mask_, {}, std::binary_semaphore{0}, 0};
    if (start.keep_xstate) birth.xstate.assign(block_.context.xstate.begin(), block_.context.xstate.end());
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kStartStack);
    pthread_t handle{};
    const int refused = pthread_create(&handle, &attributes, &thread_main, &birth);
    pthread_attr_destroy(&attributes);
    if (refused != 0) return -refused;
    birth.ready.acquire();
    return birth.tid;
  } catch (const std::exception&) {
    return -ENOMEM;
  }
}

namespace {

struct Helper {
  void (*run)(abi::NativeCall native, void* argument) noexcept;
  void* argument;
};

void* helper_main(void* argument) {
  const std::unique_ptr<Helper> helper(static_cast<Helper*>(argument));
  // Also those no guest thread may block: a catcher on this thread would not know whose signal it has.
  const abi::NativeSigset all = ~abi::NativeSigset{0};
  native(SYS_rt_sigprocmask, SIG_SETMASK, word(&all), 0, sizeof all);
  helper->run(&sudrun_gate_call, helper->argument);
  return nullptr;
}

}  // namespace

abi::NativeResult GuestThread::spawn_helper(void (*body)(abi::NativeCall native, void* argument) noexcept,
                                            void* argument) noexcept {
  if (process_.embedding() != nullptr) return -EAGAIN;  // it would not end with the guest
  const SignalsBlocked quiet(process_.signals());
  std::unique_ptr<Helper> helper(new (std::nothrow) Helper{body, argument});
  if (!helper) return -ENOMEM;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kHelperStack);
  pthread_t handle{};
  const int refused = pthread_create(&handle, &attributes, &helper_main, helper.get());
  pthread_attr_destroy(&attributes);
  if (refused != 0) return -refused;
  static_cast<void>(helper.release());  // the thread's now
  return 0;
}

abi::NativeResult GuestThread::fork(bool wait_for_exec) noexcept {
  if (process_.embedding() != nullptr) return -EPERM;
  const SignalsBlocked quiet(process_.signals());
  process_.before_fork();
  // Made and closed under the fork lock: a child of another thread's would keep the pipe open.
  int gone[2] = {-1, -1};
  if (wait_for_exec) {
    if (const auto r = call(SYS_pipe2, word(gone), O_CLOEXEC, 0, 0, 0, 0); r != 0) {
      process_.after_fork_in_parent();
      return r;
    }
  }
  std::unique_ptr<LentStack> lent;
  if (wait_for_exec) lent = LentStack::lend(*this, abi::guest_addr(block_.context.regs.rsp), gone[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    clear_tid_address_ = {};
    block_.pending = 0;  // what waits here was the parent's
    tid_ = static_cast<int>(native(SYS_gettid));
    process_.after_fork_in_child(*this);
    if (const LentStack* const parents = process_.lent_stack()) close_hidden(parents->pipe_end());
    if (wait_for_exec) {
      native(SYS_close, static_cast<abi::Word>(gone[0]));
      // Stays open until exec or exit closes it, which is what the parent waits for.
      const auto hidden = hide_descriptor(gone[1]);
      if (lent) lent->set_pipe_end(static_cast<int>(hidden));
    }
    process_.set_lent_stack(std::move(lent));
    arm_thread(process_.trap_mode(), block_);
    return 0;
  }
  const int error = child < 0 ? errno : 0;
  if (wait_for_exec) {
    native(SYS_close, static_cast<abi::Word>(gone[1]));
    gone[0] = static_cast<int>(hide_descriptor(gone[0]));
  }
  process_.after_fork_in_parent();
  if (wait_for_exec && gone[0] >= 0) {
    char none = 0;
    if (child > 0 && lent) lent->take_back(*this, gone[0]);
    if (child > 0 && !lent) call(SYS_read, static_cast<abi::Word>(gone[0]), word(&none), 1, 0, 0, 0);
    close_hidden(gone[0]);
  }
  return child < 0 ? -error : child;
}

}  // namespace sudrun::runtime
