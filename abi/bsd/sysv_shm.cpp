// System V shared memory.
//
// Sources: FreeBSD 14.0, sys/kern/sysv_shm.c, sys/sys/shm.h, shmat(2), shmctl(2), shmget(2).
//
// The kernel is never left to choose an address: it would choose outside the guest's part of memory. As
// kern.ipc.shm_allow_removed is set, a segment marked for removal can be attached as long as it lives.
#include <sys/shm.h>

#include <algorithm>
#include <array>
#include <limits>

#include "abi/bsd/sysvipc.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace sysv;

constexpr Word kPage = 4096;
constexpr unsigned kRound = SHM_RND;
static_assert(SHM_RND == 0x2000 && SHM_RDONLY == 0x1000);  // FreeBSD's numbers too

/// How often an address is chosen anew when somebody else was quicker.
constexpr int kAttempts = 64;

NativeResult native_shmctl(Host& host, int id, int command, const shmid_ds* ds = nullptr) noexcept {
  return host.call(SYS_shmctl, word(id), word(command), word(ds));
}

NativeResult attach_anywhere(Host& host, int id, Word flags, std::uint64_t size) noexcept {
  for (int i = 0; i < kAttempts; ++i) {
    const Word at = host.choose_address(size, kPage);
    if (at == 0) return -ENOMEM;
    const NativeResult attached = host.call(SYS_shmat, word(id), at, flags);
    if (attached != -EINVAL) return attached;  // the segment is there and the address good: it is taken
  }
  return -ENOMEM;
}

Result shmat_call(Call& call) noexcept {
  const int id = call.i32(0);
  const unsigned wanted = call.u32(2);
  const Word flags = *self(call).vocabulary().shm_flags.to_native(wanted);
  shmid_ds segment{};
  const NativeResult there = native_shmctl(call.host, id, IPC_STAT, &segment);
  if (is_error(there)) return Result::of(there);
  const std::uint64_t size = (segment.shm_segsz + kPage - 1) & ~(kPage - 1);
  if (is_null(call.addr(1))) return Result::of(attach_anywhere(call.host, id, flags, size));

  const Word inside = call.word(1) & (kPage - 1);
  if (inside != 0 && (wanted & kRound) == 0) return Result::fail(EINVAL);
  const Word at = call.word(1) - inside;
  if (at == 0 || !Host::in_guest(guest_addr(at), size)) return Result::fail(ENOMEM);
  const Word remap = (wanted & kShmRemap) != 0 ? SHM_REMAP : 0;
  const NativeResult attached = call.host.call(SYS_shmat, word(id), at, flags | remap);
  return attached == -EINVAL ? Result::fail(ENOMEM) : Result::of(attached);  // something is mapped there
}

Result shmdt_call(Call& call) noexcept {
  if (!Host::in_guest(call.addr(0), 1)) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_shmdt, call.word(0)));
}

/// Segments are whole pages, and say so. No permission is asked for before the segment is attached.
Result shmget_call(Call& call) noexcept {
  const int key = call.i32(0);
  const std::uint64_t asked = call.word(1);
  if (asked > UINT64_MAX - kPage) return Result::fail(EINVAL);
  const std::uint64_t size = (asked + kPage - 1) & ~(kPage - 1);
  const auto get = [&](unsigned native_flags) noexcept {
    const bool makes = (native_flags & IPC_CREAT) != 0;
    return call.host.call(SYS_shmget, word(key), makes ? size : 0, native_flags);
  };
  const auto large_enough = [&](NativeResult) noexcept {
    return call.host.call(SYS_shmget, word(key), asked, 0);
  };
  return Result::of(find_or_make(key, call.u32(2), 0, get, large_enough));
}

template <typename Ds>
void sizes_to_guest(const shmid_ds& native, Ds& guest) noexcept {
  using Size = decltype(guest.segsz);
  using Count = decltype(guest.nattch);
  guest.segsz = static_cast<Size>(std::min<std::uint64_t>(
      native.shm_segsz, static_cast<std::uint64_t>(std::numeric_limits<Size>::max())));
  guest.nattch = static_cast<Count>(std::min<std::uint64_t>(
      native.shm_nattch, static_cast<std::uint64_t>(std::numeric_limits<Count>::max())));
}

template <typename Ds>
Result control(Call& call) noexcept {
  const auto translated = self(call).vocabulary().ipc_cmd.to_native(call.u32(1));
  if (!translated) return Result::fail(EINVAL);
  const int id = call.i32(0), command = static_cast<int>(*translated);
  shmid_ds native{};
  Ds guest{};
  switch (command) {
    case IPC_STAT: {
      const NativeResult got = native_shmctl(call.host, id, command, &native);
      if (is_error(got)) return Result::of(got);
      const unsigned removed = (native.shm_perm.mode & SHM_DEST) != 0 ? kShmRemoved : 0U;
      perm_to_guest(native.shm_perm, kShmAllocated | removed, guest.perm);
      sizes_to_guest(native, guest);
      guest.lpid = native.shm_lpid;
      guest.cpid = native.shm_cpid;
      guest.atime = native.shm_atime;
      guest.dtime = native.shm_dtime;
      guest.ctime = native.shm_ctime;
      return call.host.put(call.addr(2), guest) ? Result::ok() : Result::fail(EFAULT);
    }
    case IPC_SET:
      if (!call.host.get(call.addr(2), guest)) return Result::fail(EFAULT);
      perm_to_native(guest.perm, native.shm_perm);
      return Result::of(control_result(native_shmctl(call.host, id, command, &native)));
    case IPC_RMID:
      return Result::of(control_result(native_shmctl(call.host, id, command)));
    default:
      return Result::fail(EINVAL);
  }
}

Result shmctl_call(Call& call) noexcept { return control<ShmidDs>(call); }
Result old_shmctl(Call& call) noexcept { return control<ShmidDsOld>(call); }

constexpr std::array kHandlers{
    HandlerEntry{"old_shmctl", old_shmctl}, HandlerEntry{"shmat", shmat_call},
    HandlerEntry{"shmctl", shmctl_call},    HandlerEntry{"shmdt", shmdt_call},
    HandlerEntry{"shmget", shmget_call},
};

}  // namespace

std::span<const HandlerEntry> sysv_shm_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
