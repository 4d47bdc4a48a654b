// Robust mutexes. A thread tells the kernel where it lists those it holds; FreeBSD's kernel marks them when
// the thread ends. A thread that ends by a call does that here itself. One that is killed cannot: whoever
// sleeps on a robust mutex looks from time to time whether its owner still exists.
//
// Facts: FreeBSD 15.0 sys/kern/kern_umtx.c (umtx_thread_cleanup, umtx_handle_rb, __umtx_op_robust_lists).
#include "abi/freebsd/umtx_robust.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include <sys/syscall.h>

#include "abi/bsd/host_file.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/thread_id.hpp"
#include "abi/freebsd/umtx.hpp"

namespace sudrun::abi::freebsd {
namespace umtx {
namespace {

constexpr int kLongestList = 1000;         // umtx_max_rb
constexpr std::int64_t kLookAgainMs = 50;  // how long a killed owner may go unnoticed

RobustLists lists_of(Host& host) noexcept {
  const Host::ThreadWords& words = host.thread_words();
  return {words[0], words[1], words[2]};
}

/// True unless the thread is certainly gone or a zombie.
bool is_alive(Host& host, std::uint32_t owner) noexcept {
  const int tid = native_tid(owner & ~kContested);
  if (tid == 0) return true;
  std::array<char, 512> buffer;
  const std::string_view stat = read_host_file(host, HostPath("/proc/", tid, "/stat").c_str(), buffer);
  // Where /proc cannot be read it tells nothing.
  if (stat.empty()) return host.call(SYS_kill, static_cast<Word>(tid), 0) != -ESRCH;
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return true;
  const char state = stat[name_end + 2];
  return state != 'Z' && state != 'X';
}

int end_one(Host& host, GuestAddr at, Word* next, bool inactive) noexcept {
  Umutex mutex{};
  if (!host.get(at, mutex)) return EFAULT;
  if (next != nullptr) *next = mutex.robust_link;
  if ((mutex.flags & kRobust) == 0) return EINVAL;
  // The inactive one is forgotten by its owner only after it has been unlocked.
  if ((mutex.owner & ~kContested) != static_cast<std::uint32_t>(own_tid(host))) return inactive ? 0 : EINVAL;
  return unlock_of_dying(host, at);
}

void end_list(Host& host, Word head, Word& inactive) noexcept {
  Word at = 0;
  if (head == 0 || !host.get(guest_addr(head), at)) return;
  int error = 0;
  for (int i = 0; error == 0 && at != 0 && i < kLongestList; ++i) {
    const bool is_inactive = at == inactive;
    if (is_inactive) inactive = 0;
    error = end_one(host, guest_addr(at), &at, is_inactive);
  }
}

}  // namespace

int robust_lists(Host& host, GuestAddr params, Word size) noexcept {
  RobustLists lists{};
  if (size > sizeof lists) return EINVAL;
  if (!host.read(params, &lists, size)) return EFAULT;
  host.thread_words() = {lists.list, lists.private_list, lists.inactive};
  return 0;
}

int sleep_for_owner(Host& host, GuestAddr mutex, std::uint32_t flags, std::uint32_t expected,
                    const Deadline& deadline) noexcept {
  if ((flags & kRobust) == 0) return sleep_on(host, mutex, expected, deadline);
  for (;;) {
    const int error = sleep_on(host, mutex, expected, deadline.within(host, kLookAgainMs));
    if (error != ETIMEDOUT) return error;
    if (!is_alive(host, expected)) {
      if (compare_exchange(host, mutex, expected, kOwnerDead) == Cas::fault) return EFAULT;
      return 0;
    }
    if (deadline.has_passed(host)) return ETIMEDOUT;
  }
}

}  // namespace umtx

void umtx_thread_ends(Host& host) noexcept {
  const umtx::RobustLists lists = umtx::lists_of(host);
  host.thread_words() = {};
  Word inactive = 0;
  if (lists.inactive != 0 && !host.get(guest_addr(lists.inactive), inactive)) inactive = lists.inactive;
  umtx::end_list(host, lists.list, inactive);
  umtx::end_list(host, lists.private_list, inactive);
  if (inactive != 0) umtx::end_one(host, guest_addr(inactive), nullptr, true);
}

}  // namespace sudrun::abi::freebsd
