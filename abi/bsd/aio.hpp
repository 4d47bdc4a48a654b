// Asynchronous I/O: the requests of a process.
//
// Requests for files are carried out when they are made: a file is never waited for without end, and a
// request may be done before the call that makes it is over. Requests for sockets are tried at once; what
// would block waits for a thread of the runtime's own, which is started when it is first needed. Like FreeBSD
// in its default configuration (vfs.aio.enable_unsafe) this refuses every other kind of descriptor.
#pragma once

#include <sys/uio.h>

#include <ctime>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "abi/bsd/aio_layout.hpp"
#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi::bsd {

/// What is to be told when a request or a list is done. In native terms.
struct AioNotice {
  int signal = 0;  ///< 0: none
  int tid = 0;     ///< 0: to the process
  Word value = 0;
  int kqueue = -1;    ///< guest's descriptor
  int filter = 0;     ///< of the event in that queue
  Word ident = 0;     ///< of the event in that queue
  int event_fd = -1;  ///< hidden; written to when it is done
};

/// The requests of one lio_listio. Both counts include one more while the list is being made.
struct AioList {
  bool used = false;
  bool told = false;
  unsigned count = 0;
  unsigned finished = 0;
  AioNotice notice;
};

struct AioRequest {
  enum class State : std::uint8_t {
    unused,
    running,  ///< being carried out by the thread that made it
    waiting,  ///< for its socket
    done,
  };
  State state = State::unused;
  GuestAddr control{};
  int opcode = 0;
  int fd = -1;      ///< as the guest gave it
  int own_fd = -1;  ///< hidden duplicate; the guest may close its own
  std::int64_t offset = 0;
  std::uint64_t device = 0, inode = 0;  ///< requests for one socket keep their order
  iovec single{};
  std::unique_ptr<iovec[]> vector;   ///< null: `single`
  std::size_t first = 0, count = 0;  ///< elements still to do
  std::uint64_t left = 0;            ///< bytes still to do
  std::uint64_t moved = 0;           ///< bytes done
  std::int64_t status = -1;
  int error = 0;                      ///< native
  std::uint64_t made = 0, ended = 0;  ///< order of making and of ending
  AioList* list = nullptr;
  AioNotice notice;

  bool reads() const noexcept { return (opcode & kLioRead) != 0; }
  bool writes() const noexcept { return (opcode & kLioWrite) != 0; }
  iovec* elements() noexcept { return vector ? vector.get() : &single; }
};

class AioRegistry {
 public:
  /// What a finished request leaves behind.
  struct Outcome {
    GuestAddr control{};
    std::int64_t status = -1;
    int error = 0;  ///< native
    AioNotice notice;
    AioNotice list_notice;  ///< of a list that is gone with it
  };

  std::mutex& mutex() noexcept { return mutex_; }

  // Below: with the lock held, unless said otherwise.
  bool used() const noexcept { return used_; }
  /// An unused request, or null if there are as many as a process may have.
  AioRequest* find_room() noexcept;
  AioList* make_list() noexcept;
  void free_list(AioList& list) noexcept { list = AioList{}; }
  /// Takes `request` up: does it, or leaves it waiting. The lock is given up meanwhile. Returns 0, or a
  /// native errno if the helper cannot be had, which undoes everything.
  int start(Host& host, const Table& table, AioRequest& request, bool socket,
            std::unique_lock<std::mutex>& lock) noexcept;
  /// The oldest request with this control block.
  AioRequest* find(GuestAddr control, bool done_only) noexcept;
  AioRequest* first_done() noexcept;
  Outcome take(AioRequest& request) noexcept;
  /// Cancels waiting requests for `fd` (of this control block only, unless it is null). An answer of
  /// aio_cancel.
  int cancel(Host& host, int fd, GuestAddr control) noexcept;
  bool list_finished(const AioList& list) const noexcept { return list.count - 1 == list.finished; }
  void tell_list(Host& host, AioList& list) noexcept;
  /// Sleeps until some request ends; the lock is given up meanwhile. `deadline`: monotonic time, or null.
  NativeResult wait(Host& host, const timespec* deadline, std::unique_lock<std::mutex>& lock) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork_in_parent() noexcept { mutex_.unlock(); }
  /// Requests are not inherited.
  void after_fork_in_child(Host& host) noexcept;

 private:
  template <typename Native>
  bool attempt(AioRequest& request, Native&& native) noexcept;
  template <typename Native>
  void carry_out(AioRequest& request, Native&& native) noexcept;
  template <typename Native>
  void finish(AioRequest& request, Native&& native) noexcept;
  template <typename Native>
  void tell(AioNotice& notice, int error, Native&& native) noexcept;
  bool open_book() noexcept;
  std::span<AioRequest> requests() const noexcept {
    return book_ ? std::span(book_->requests) : std::span<AioRequest>();
  }
  std::span<AioList> lists() const noexcept { return book_ ? std::span(book_->lists) : std::span<AioList>(); }
  bool has_earlier(const AioRequest& request) const noexcept;
  int start_helper(Host& host) noexcept;
  void kick(Host& host) noexcept;
  static void run_helper(NativeCall native, void* self) noexcept;
  void serve(NativeCall native) noexcept;

  std::mutex mutex_;
  bool used_ = false;
  const Table* table_ = nullptr;
  int pid_ = 0;
  std::uint64_t made_ = 0, ended_ = 0;
  /// Made when it is first needed: most programs never do, and it is large.
  struct Book {
    std::array<AioRequest, kMaxAioRequests> requests;
    std::array<AioList, kMaxAioRequests + 1> lists;
  };
  std::unique_ptr<Book> book_;
  int wake_fd_ = -1;  ///< hidden eventfd the helper listens to; -1: there is no helper
  /// Changes whenever a request ends; what waiters wait for.
  std::atomic<std::uint32_t> endings_{0};
};

}  // namespace sudrun::abi::bsd
