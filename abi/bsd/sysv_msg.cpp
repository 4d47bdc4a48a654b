// System V message queues.
//
// Sources: FreeBSD 14.0, sys/kern/sysv_msg.c, sys/sys/msg.h, msgctl(2), msgrcv(2), msgsnd(2).
//
// A queue's size and a message's are the host's limits, which are wider. A negative type takes the first
// message of the lowest type, as the manual says; FreeBSD's kernel takes the first with a type low enough.
#include <sys/msg.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/sysvipc.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace sysv;

constexpr std::uint64_t kTypeSize = sizeof(std::int64_t);  // mtype, in front of the text

NativeResult native_msgctl(Host& host, int id, int command, const msqid_ds* ds = nullptr) noexcept {
  return host.call(SYS_msgctl, word(id), word(command), word(ds));
}

/// The queue's limits change, by FreeBSD's rules: growing takes privilege, and stops at the system's limit.
NativeResult change_queue(Host& host, int id, msqid_ds& wanted) noexcept {
  msqid_ds now{};
  const NativeResult got = native_msgctl(host, id, IPC_STAT, &now);
  if (is_error(got) && got != -EACCES) return got;
  if (is_error(got)) now.msg_qbytes = wanted.msg_qbytes;
  const auto limit =
      static_cast<msglen_t>(std::max<std::int64_t>(host_number(host, "/proc/sys/kernel/msgmnb", 16384), 1));
  const bool grows = wanted.msg_qbytes > now.msg_qbytes;
  const bool empty = wanted.msg_qbytes == 0;
  if (empty || (grows && host.call(SYS_geteuid) != 0)) {
    // The owner alone hears what is wrong with the size.
    const auto euid = static_cast<uid_t>(host.call(SYS_geteuid));
    const bool owner = euid == 0 || is_error(got) || euid == now.msg_perm.uid || euid == now.msg_perm.cuid;
    if (!owner) return -EACCES;
    return grows ? -EPERM : -EINVAL;
  }
  wanted.msg_qbytes = std::min(wanted.msg_qbytes, std::max(limit, now.msg_qbytes));
  return control_result(native_msgctl(host, id, IPC_SET, &wanted));
}

template <typename Ds>
Result control(Call& call) noexcept {
  const auto translated = self(call).vocabulary().ipc_cmd.to_native(call.u32(1));
  if (!translated) return Result::fail(EINVAL);
  const int id = call.i32(0), command = static_cast<int>(*translated);
  msqid_ds native{};
  Ds guest{};
  switch (command) {
    case IPC_STAT: {
      const NativeResult got = native_msgctl(call.host, id, command, &native);
      if (is_error(got)) return Result::of(got);
      perm_to_guest(native.msg_perm, 0, guest.perm);
      guest.cbytes = native.__msg_cbytes;
      guest.qnum = native.msg_qnum;
      guest.qbytes = native.msg_qbytes;
      guest.lspid = native.msg_lspid;
      guest.lrpid = native.msg_lrpid;
      guest.stime = native.msg_stime;
      guest.rtime = native.msg_rtime;
      guest.ctime = native.msg_ctime;
      return call.host.put(call.addr(2), guest) ? Result::ok() : Result::fail(EFAULT);
    }
    case IPC_SET:
      if (!call.host.get(call.addr(2), guest)) return Result::fail(EFAULT);
      perm_to_native(guest.perm, native.msg_perm);
      native.msg_qbytes = guest.qbytes;
      return Result::of(change_queue(call.host, id, native));
    case IPC_RMID:
      return Result::of(control_result(native_msgctl(call.host, id, command)));
    default:
      return Result::fail(EINVAL);
  }
}

Result msgctl_call(Call& call) noexcept { return control<MsqidDs>(call); }
Result old_msgctl(Call& call) noexcept { return control<MsqidDsOld>(call); }

Result msgget_call(Call& call) noexcept {
  const int key = call.i32(0);
  const unsigned flags = call.u32(1);
  const auto get = [&](unsigned native_flags) noexcept {
    return call.host.call(SYS_msgget, word(key), native_flags);
  };
  const auto any = [](NativeResult id) noexcept { return id; };
  return Result::of(find_or_make(key, flags, flags & 0700, get, any));
}

Result msgsnd_call(Call& call) noexcept {
  const int id = call.i32(0);
  const std::uint64_t size = call.word(2);
  const Word flags = *self(call).vocabulary().ipc_flags.to_native(call.u32(3));
  std::int64_t type = 0;
  if (!call.host.get(call.addr(1), type)) return Result::fail(EFAULT);
  // Whole only in so far as a message could be so long.
  const std::uint64_t reach = std::min<std::uint64_t>(size, INT32_MAX);
  if (!Host::in_guest(call.addr(1), kTypeSize + reach)) return Result::fail(EFAULT);
  const NativeResult tried =
      call.host.call(SYS_msgsnd, word(id), call.word(1), size, flags | static_cast<Word>(IPC_NOWAIT));
  if (tried != -EAGAIN) return Result::of(tried);
  // No room; perhaps there never will be, which Linux would wait for.
  msqid_ds now{};
  if (!is_error(native_msgctl(call.host, id, IPC_STAT, &now)) && size > now.msg_qbytes)
    return Result::fail(EINVAL);
  if ((flags & IPC_NOWAIT) != 0) return Result::fail(EAGAIN);
  return Result::of(call.host.call_interruptible(SYS_msgsnd, word(id), call.word(1), size, flags));
}

Result msgrcv_call(Call& call) noexcept {
  const Word flags = *self(call).vocabulary().msgrcv_flags.to_native(call.u32(4));
  const GuestAddr message = call.addr(1);
  if (!Host::in_guest(message, kTypeSize)) return Result::fail(EFAULT);
  // Only the message is written, however large the buffer is said to be.
  const std::uint64_t room = std::min(call.word(2), kGuestTop - word_of(message) - kTypeSize);
  return Result::of(call.host.call_interruptible(SYS_msgrcv, word(call.i32(0)), word_of(message), room,
                                                 call.word(3), flags));
}

Result msgsys(Call& call) noexcept {
  constexpr std::array<Handler, 4> calls{old_msgctl, msgget_call, msgsnd_call, msgrcv_call};
  const unsigned which = call.u32(0);
  return which < calls.size() ? pass_on(call, calls[which]) : Result::fail(EINVAL);
}

constexpr std::array kHandlers{
    HandlerEntry{"old_msgctl", old_msgctl}, HandlerEntry{"msgctl", msgctl_call},
    HandlerEntry{"msgget", msgget_call},    HandlerEntry{"msgrcv", msgrcv_call},
    HandlerEntry{"msgsnd", msgsnd_call},    HandlerEntry{"msgsys", msgsys},
};

}  // namespace

std::span<const HandlerEntry> sysv_msg_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
