// System V semaphores.
//
// Sources: FreeBSD 14.0, sys/kern/sysv_sem.c, sys/sys/sem.h, semctl(2), semop(2).
//
// Differs: Linux counts SETVAL and SETALL as operations of the caller (GETPID) and changes of the set
// (sem_ctime).
#include <sys/sem.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "abi/bsd/sysvipc.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace sysv;

// semop(2)'s array passes as it is.
static_assert(sizeof(sembuf) == 6 && offsetof(sembuf, sem_op) == 2 && offsetof(sembuf, sem_flg) == 4);
static_assert(IPC_NOWAIT == 04000 && SEM_UNDO == 010000);

constexpr int kMaxValue = 32767;  // SEMVMX of both systems
/// More semaphores than a set can have natively.
constexpr std::uint64_t kMaxSems = 0x10000;

NativeResult native_semctl(Host& host, int id, int number, int command, Word argument = 0) noexcept {
  return host.call(SYS_semctl, word(id), word(number), word(command), argument);
}

/// 0 if there is such a set, even one the caller may not read, with its size in `nsems` (0: not known).
NativeResult look_at_set(Host& host, int id, std::uint64_t& nsems) noexcept {
  semid_ds native{};
  const NativeResult got = native_semctl(host, id, 0, IPC_STAT, word(&native));
  nsems = is_error(got) ? 0 : native.sem_nsems;
  return got == -EACCES ? 0 : got;
}

template <typename Ds>
Result stat_set(Call& call, int command, GuestAddr to) noexcept {
  semid_ds native{};
  // SEM_STAT takes an index, and answers with the id.
  if (call.i32(0) < 0) return Result::fail(EINVAL);
  const NativeResult got = native_semctl(call.host, call.i32(0), 0, command, word(&native));
  if (is_error(got)) return Result::of(got);
  Ds guest{};
  perm_to_guest(native.sem_perm, kSemAllocated, guest.perm);
  guest.nsems = static_cast<std::uint16_t>(native.sem_nsems);
  guest.otime = native.sem_otime;
  guest.ctime = native.sem_ctime;
  if (!call.host.put(to, guest)) return Result::fail(EFAULT);
  return Result::ok(command == SEM_STAT ? static_cast<Word>(got) : 0);
}

template <typename Ds>
Result change_set(Call& call, GuestAddr from) noexcept {
  Ds guest;
  if (!call.host.get(from, guest)) return Result::fail(EFAULT);
  semid_ds native{};
  perm_to_native(guest.perm, native.sem_perm);
  return Result::of(control_result(native_semctl(call.host, call.i32(0), 0, IPC_SET, word(&native))));
}

Result set_value(Call& call, int value) noexcept {
  const int id = call.i32(0), number = call.i32(1);
  if (value >= 0 && value <= kMaxValue)
    return Result::of(native_semctl(call.host, id, number, SETVAL, word(value)));
  // Linux looks at the value first.
  std::uint64_t nsems = 0;
  if (const NativeResult there = look_at_set(call.host, id, nsems); is_error(there)) return Result::of(there);
  if (number < 0 || (nsems != 0 && static_cast<std::uint64_t>(number) >= nsems)) return Result::fail(EINVAL);
  return Result::fail(ERANGE);
}

/// GETALL and SETALL: the array is the same in both systems.
Result all_values(Call& call, int command, GuestAddr array) noexcept {
  std::uint64_t nsems = 0;
  const NativeResult there = look_at_set(call.host, call.i32(0), nsems);
  if (is_error(there)) return Result::of(there);
  if (!Host::in_guest(array, (nsems == 0 ? kMaxSems : nsems) * sizeof(std::uint16_t)))
    return Result::fail(EFAULT);
  return Result::of(native_semctl(call.host, call.i32(0), 0, command, word_of(array)));
}

/// The last argument is the address of a union semun.
template <typename Ds>
Result control(Call& call) noexcept {
  const auto translated = self(call).vocabulary().semctl_cmd.to_native(call.u32(2));
  if (!translated) return Result::fail(EINVAL);
  const int command = static_cast<int>(*translated);
  Word argument = 0;
  switch (command) {
    case SEM_STAT:
    case IPC_SET:
    case IPC_STAT:
    case GETALL:
    case SETVAL:
    case SETALL:
      if (!call.host.get(call.addr(3), argument)) return Result::fail(EFAULT);
      break;
    default:
      break;
  }
  switch (command) {
    case SEM_STAT:
    case IPC_STAT:
      return stat_set<Ds>(call, command, guest_addr(argument));
    case IPC_SET:
      return change_set<Ds>(call, guest_addr(argument));
    case GETALL:
    case SETALL:
      return all_values(call, command, guest_addr(argument));
    case SETVAL:
      return set_value(call, static_cast<int>(argument));
    default:
      return Result::of(control_result(native_semctl(call.host, call.i32(0), call.i32(1), command)));
  }
}

Result semctl_call(Call& call) noexcept { return control<SemidDs>(call); }
Result old_semctl(Call& call) noexcept { return control<SemidDsOld>(call); }

Result semget_call(Call& call) noexcept {
  const int key = call.i32(0), nsems = call.i32(1);
  const unsigned flags = call.u32(2);
  const auto get = [&](unsigned native_flags) noexcept -> NativeResult {
    const bool makes = (native_flags & IPC_CREAT) != 0;
    if (makes && (nsems <= 0 || nsems > kSemsPerSet)) return -EINVAL;
    return call.host.call(SYS_semget, word(key), word(makes ? nsems : 0), native_flags);
  };
  const auto large_enough = [&](NativeResult id) noexcept -> NativeResult {
    return nsems <= 0 ? id : call.host.call(SYS_semget, word(key), word(nsems), 0);
  };
  return Result::of(find_or_make(key, flags, flags & 0700, get, large_enough));
}

Result semop_call(Call& call) noexcept {
  const std::uint64_t count = call.word(2);
  if (count > kSemOperations) return Result::fail(E2BIG);
  if (count == 0) {  // nothing to do, if it can be done at all
    std::uint64_t nsems = 0;
    return Result::of(look_at_set(call.host, call.i32(0), nsems));
  }
  if (!Host::in_guest(call.addr(1), count * sizeof(sembuf))) return Result::fail(EFAULT);
  return Result::of(call.host.call_interruptible(SYS_semop, word(call.i32(0)), call.word(1), count));
}

/// One call in front of three, by number.
Result semsys(Call& call) noexcept {
  constexpr std::array<Handler, 3> calls{old_semctl, semget_call, semop_call};
  const unsigned which = call.u32(0);
  return which < calls.size() ? pass_on(call, calls[which]) : Result::fail(EINVAL);
}

constexpr std::array kHandlers{
    HandlerEntry{"__semctl", semctl_call}, HandlerEntry{"old_semctl", old_semctl},
    HandlerEntry{"semget", semget_call},   HandlerEntry{"semop", semop_call},
    HandlerEntry{"semsys", semsys},
};

}  // namespace

std::span<const HandlerEntry> sysv_sem_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
