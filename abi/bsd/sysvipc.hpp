// What the three kinds of System V IPC object share. Objects are the host's own, so that every program of the
// machine, foreign or native, finds them by their keys.
//
// Semantics: FreeBSD 14.0, sys/kern/sysv_ipc.c (ipcperm), sysv_sem.c, sysv_msg.c, sysv_shm.c.
#pragma once

#include <sys/ipc.h>
#include <sys/syscall.h>

#include <cerrno>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/sysvipc_layout.hpp"

namespace sudrun::abi::bsd::sysv {

inline Word word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }
constexpr Word word(int value) noexcept { return static_cast<Word>(static_cast<std::int64_t>(value)); }

inline constexpr unsigned kPermissions = 0777;
inline constexpr unsigned kReadWrite = 0600;
inline constexpr unsigned kNeverGranted = 0100;

/// Copies to a guest's structure. Ids of the old form are cut off at 16 bits, as FreeBSD does.
template <typename GuestPerm>
void perm_to_guest(const ipc_perm& native, unsigned state, GuestPerm& guest) noexcept {
  guest.cuid = static_cast<decltype(guest.cuid)>(native.cuid);
  guest.cgid = static_cast<decltype(guest.cgid)>(native.cgid);
  guest.uid = static_cast<decltype(guest.uid)>(native.uid);
  guest.gid = static_cast<decltype(guest.gid)>(native.gid);
  guest.mode = static_cast<std::uint16_t>((native.mode & kPermissions) | state);
  guest.seq = static_cast<std::uint16_t>(native.__seq);
  guest.key = native.__key;
}

/// What IPC_SET takes from a guest's structure.
template <typename GuestPerm>
void perm_to_native(const GuestPerm& guest, ipc_perm& native) noexcept {
  native.uid = guest.uid;
  native.gid = guest.gid;
  native.mode = guest.mode & kPermissions;
}

/// IPC_SET and IPC_RMID of somebody else's object: ipcperm() says EACCES where Linux says EPERM.
constexpr NativeResult control_result(NativeResult native) noexcept {
  return native == -EPERM ? -EACCES : native;
}

/// Finds or makes the object of a key. `get(flags)` is the native call with everything else filled in;
/// `check(id)` answers whether an existing one will do. `access`: permissions an existing one must grant.
///
/// It looks first and makes afterwards because Linux asks an existing object for other permissions, and asks
/// in another order.
template <typename Get, typename Check>
NativeResult find_or_make(int key, unsigned flags, unsigned access, Get&& get, Check&& check) noexcept {
  const unsigned mode = flags & kPermissions;
  if (key == IPC_PRIVATE) return get(IPC_CREAT | mode);
  const bool exclusive = (flags & IPC_CREAT) != 0 && (flags & IPC_EXCL) != 0;
  for (;;) {
    const NativeResult found = get(exclusive ? 0 : access & kReadWrite);
    if (found != -ENOENT) {
      if (exclusive && (!is_error(found) || found == -EACCES)) return -EEXIST;
      if (is_error(found)) return found;
      return (access & kNeverGranted) != 0 ? -EACCES : check(found);
    }
    if ((flags & IPC_CREAT) == 0) return -ENOENT;
    const NativeResult made = get(IPC_CREAT | IPC_EXCL | mode);
    if (made != -EEXIST || exclusive) return made;
  }
}

/// Calls one handler with the arguments of another that has one argument in front of them.
inline Result pass_on(Call& call, Handler handler) noexcept {
  Frame shifted = call.frame;
  for (unsigned i = 0; i + 1 < kMaxArgs; ++i) shifted.args[i] = call.frame.args[i + 1];
  Call inner{call.host, call.personality, call.table, call.entry, shifted};
  return handler(inner);
}

}  // namespace sudrun::abi::bsd::sysv
