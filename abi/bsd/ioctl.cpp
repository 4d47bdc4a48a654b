// ioctl and posix_openpt: terminals, pseudo-terminals and the requests every descriptor takes.
//
// Sources: FreeBSD 15.0 sys/kern/sys_generic.c (sys_ioctl, kern_ioctl), sys/kern/tty.c (tty_generic_ioctl),
// sys/kern/tty_pts.c (ptsdev_ioctl, sys_posix_openpt), sys/fs/devfs/devfs_vnops.c (devfs_ioctl),
// sys/kern/sys_socket.c (soo_ioctl); Linux ioctl_tty(2).
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/host_file.hpp"
#include "abi/bsd/ioctl_interfaces.hpp"
#include "abi/bsd/ioctl_layout.hpp"
#include "abi/bsd/socket_calls.hpp"
#include "abi/bsd/termios.hpp"

namespace sudrun::abi::bsd {
namespace {

using guest::Ioctl;

Word fd_of(Call& call) noexcept { return call.u32(0); }
GuestAddr data_of(Call& call) noexcept { return call.addr(2); }

/// A native request without a structure.
Result plain(Call& call, unsigned long request, Word argument = 0) noexcept {
  return Result::of(call.host.call(SYS_ioctl, fd_of(call), request, argument));
}

/// A native request that stores an int. Both systems agree on what the int means.
Result get_int(Call& call, unsigned long request) noexcept {
  int value = 0;
  const NativeResult result = call.host.call(SYS_ioctl, fd_of(call), request, host_address(&value));
  if (is_error(result)) return Result::of(result);
  return call.host.put(data_of(call), value) ? Result::ok() : Result::fail(EFAULT);
}

/// A native request that reads an int. It may wait, or be interrupted by SIGTTOU.
Result set_int(Call& call, unsigned long request) noexcept {
  int value = 0;
  if (!call.host.get(data_of(call), value)) return Result::fail(EFAULT);
  return Result::of(call.host.call_interruptible(SYS_ioctl, fd_of(call), request, host_address(&value)));
}

// --- terminals ------------------------------------------------------------------------------------------

Result get_termios(Call& call) noexcept {
  NativeTermios native;
  const NativeResult result = call.host.call(SYS_ioctl, fd_of(call), TCGETS2, host_address(&native));
  if (is_error(result)) return Result::of(result);
  return call.host.put(data_of(call), termios_to_guest(native)) ? Result::ok() : Result::fail(EFAULT);
}

Result set_termios(Call& call, unsigned long request) noexcept {
  guest::Termios wanted;
  if (!call.host.get(data_of(call), wanted)) return Result::fail(EFAULT);
  NativeTermios native;
  const NativeResult result = call.host.call(SYS_ioctl, fd_of(call), TCGETS2, host_address(&native));
  if (is_error(result)) return Result::of(result);
  native = termios_to_native(wanted, native);
  return Result::of(call.host.call_interruptible(SYS_ioctl, fd_of(call), request, host_address(&native)));
}

Result get_window_size(Call& call) noexcept {
  guest::Winsize size{};
  const NativeResult result = call.host.call(SYS_ioctl, fd_of(call), TIOCGWINSZ, host_address(&size));
  if (is_error(result)) return Result::of(result);
  return call.host.put(data_of(call), size) ? Result::ok() : Result::fail(EFAULT);
}

Result set_window_size(Call& call) noexcept {
  guest::Winsize size{};
  if (!call.host.get(data_of(call), size)) return Result::fail(EFAULT);
  return plain(call, TIOCSWINSZ, host_address(&size));
}

Result flush_queues(Call& call) noexcept {
  std::int32_t which = 0;
  if (!call.host.get(data_of(call), which)) return Result::fail(EFAULT);
  which &= guest::kFlushRead | guest::kFlushWrite;
  const int queue = which == guest::kFlushRead    ? TCIFLUSH
                    : which == guest::kFlushWrite ? TCOFLUSH
                                                  : TCIOFLUSH;
  return Result::of(call.host.call_interruptible(SYS_ioctl, fd_of(call), TCFLSH, static_cast<Word>(queue)));
}

Result set_line_discipline(Call& call) noexcept {
  int discipline = 0;
  if (!call.host.get(data_of(call), discipline)) return Result::fail(EFAULT);
  if (discipline != 0) return Result::fail(ENODEV);  // TTYDISC and N_TTY are both 0; others differ
  return plain(call, TIOCSETD, host_address(&discipline));
}

Result simulate_input(Call& call) noexcept {
  char input = 0;
  if (!call.host.get(data_of(call), input)) return Result::fail(EFAULT);
  return plain(call, TIOCSTI, host_address(&input));
}

Result set_modem_line(Call& call, unsigned long request) noexcept {
  int line = 0x002;  // TIOCM_DTR on both systems
  return plain(call, request, host_address(&line));
}

Result signal_terminal(Call& call) noexcept {
  const int signal = call.table.signal_to_native(call.i32(2));
  if (signal == 0) return Result::fail(EINVAL);
  return plain(call, TIOCSIG, static_cast<Word>(signal));
}

Result check_terminal(Call& call) noexcept {
  NativeTermios attributes;
  return plain(call, TCGETS2, host_address(&attributes));
}

/// How long a close waits for output: Linux has a time of its own, and what is set is not kept.
Result drain_wait(Call& call, bool get) noexcept {
  constexpr int kDefault = 300;  // seconds
  const Result terminal = check_terminal(call);
  int value = kDefault;
  if (!terminal.is_ok()) return terminal;
  if (get) return call.host.put(data_of(call), value) ? Result::ok() : Result::fail(EFAULT);
  return call.host.get(data_of(call), value) ? Result::ok() : Result::fail(EFAULT);
}

Result check_pty_master(Call& call) noexcept {
  unsigned number = 0;
  const NativeResult result = call.host.call(SYS_ioctl, fd_of(call), TIOCGPTN, host_address(&number));
  return result == -EBADF ? Result::fail(EBADF) : is_error(result) ? Result::fail(ENOTTY) : Result::ok();
}

// --- devices --------------------------------------------------------------------------------------------

/// Name below /dev of the device `fd` is, in `buffer`; a pty master has its slave's name. Empty if none.
std::string_view device_name(Call& call, std::span<char> buffer) noexcept {
  unsigned number = 0;
  if (!is_error(call.host.call(SYS_ioctl, fd_of(call), TIOCGPTN, host_address(&number)))) {
    const HostPath name("pts/", number);
    return {buffer.data(), name.view().copy(buffer.data(), buffer.size())};
  }
  const HostPath link("/proc/self/fd/", call.u32(0));
  const NativeResult length = call.host.call(SYS_readlinkat, static_cast<Word>(AT_FDCWD), link.word(),
                                             host_address(buffer.data()), buffer.size());
  if (length <= 0) return {};
  constexpr std::string_view kDevices = "/dev/";
  std::string_view path(buffer.data(), static_cast<std::size_t>(length));
  if (!path.starts_with(kDevices)) return {};
  path.remove_prefix(kDevices.size());
  return path;
}

/// The file type bits of the descriptor, or a negative errno.
NativeResult file_type(Call& call) noexcept {
  struct stat status {};
  const NativeResult result = call.host.call(SYS_fstat, fd_of(call), host_address(&status));
  return is_error(result) ? result : static_cast<NativeResult>(status.st_mode & S_IFMT);
}

Result get_device_name(Call& call) noexcept {
  guest::FiodgnameArg request;
  if (!call.host.get(data_of(call), request)) return Result::fail(EFAULT);
  const NativeResult type = file_type(call);
  if (is_error(type)) return Result::of(type);
  if (type != S_IFCHR && type != S_IFBLK) return Result::fail(ENOTTY);
  std::array<char, 128> buffer{};
  std::array<char, 129> name{};
  const std::string_view found = device_name(call, buffer);
  if (found.empty()) return Result::fail(ENOTTY);
  found.copy(name.data(), name.size() - 1);
  const std::size_t size = found.size() + 1;
  if (request.len < 0 || size > static_cast<std::size_t>(request.len)) return Result::fail(EINVAL);
  return call.host.write(guest_addr(request.buf), name.data(), size) ? Result::ok() : Result::fail(EFAULT);
}

Result get_device_type(Call& call) noexcept {
  const NativeResult type = file_type(call);
  if (is_error(type)) return Result::of(type);
  if (type != S_IFCHR && type != S_IFBLK) return Result::fail(ENOTTY);
  std::int32_t kind = type == S_IFBLK ? guest::kDeviceDisk : 0;
  NativeTermios attributes;
  if (!is_error(call.host.call(SYS_ioctl, fd_of(call), TCGETS2, host_address(&attributes))))
    kind = guest::kDeviceTty;
  return call.host.put(data_of(call), kind) ? Result::ok() : Result::fail(EFAULT);
}

// --- any descriptor -------------------------------------------------------------------------------------

/// FIOSETOWN takes a process, or a process group negated; the socket requests have it the other way round.
Result set_owner(Call& call, int sign) noexcept {
  int owner = 0;
  if (!call.host.get(data_of(call), owner)) return Result::fail(EFAULT);
  return Result::of(
      call.host.call(SYS_fcntl, fd_of(call), F_SETOWN, static_cast<Word>(sign * std::int64_t{owner})));
}

Result get_owner(Call& call, int sign) noexcept {
  f_owner_ex owner{};
  const NativeResult result = call.host.call(SYS_fcntl, fd_of(call), F_GETOWN_EX, host_address(&owner));
  if (is_error(result)) return Result::of(result);
  const int value = owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid;
  return call.host.put(data_of(call), sign * value) ? Result::ok() : Result::fail(EFAULT);
}

/// Finds data or a hole; unlike lseek(2) the request does not move the file offset.
Result seek_sparse(Call& call, int whence) noexcept {
  std::int64_t offset = 0;
  if (!call.host.get(data_of(call), offset)) return Result::fail(EFAULT);
  const NativeResult old = call.host.call(SYS_lseek, fd_of(call), 0, SEEK_CUR);
  if (is_error(old)) return Result::fail(old == -ESPIPE ? ENOTTY : static_cast<int>(-old));
  const NativeResult found =
      call.host.call(SYS_lseek, fd_of(call), static_cast<Word>(offset), static_cast<Word>(whence));
  call.host.call(SYS_lseek, fd_of(call), static_cast<Word>(old), SEEK_SET);
  if (is_error(found)) return Result::of(found);
  return call.host.put(data_of(call), found) ? Result::ok() : Result::fail(EFAULT);
}

/// Bytes to read. What was written to the other side of a pty may still be on its way; asking whether the
/// terminal is ready waits for it.
Result get_readable(Call& call) noexcept {
  int value = 0;
  NativeResult result = call.host.call(SYS_ioctl, fd_of(call), FIONREAD, host_address(&value));
  if (!is_error(result) && value == 0) {
    pollfd request{call.i32(0), POLLIN, 0};
    const timespec at_once{};
    call.host.call(SYS_ppoll, host_address(&request), 1, host_address(&at_once), 0, 0);
    result = call.host.call(SYS_ioctl, fd_of(call), FIONREAD, host_address(&value));
  }
  if (is_error(result)) return Result::of(result);
  return call.host.put(data_of(call), value) ? Result::ok() : Result::fail(EFAULT);
}

/// Room in a socket's send buffer.
Result get_space(Call& call) noexcept {
  const NativeResult limit = socket_option(call, call.i32(0), SO_SNDBUF);
  if (is_error(limit)) return Result::fail(limit == -EBADF ? EBADF : ENOTTY);
  int queued = 0;
  call.host.call(SYS_ioctl, fd_of(call), TIOCOUTQ, host_address(&queued));
  const int space = std::max(static_cast<int>(limit / 2) - queued, 0);  // Linux doubles what is set
  return call.host.put(data_of(call), space) ? Result::ok() : Result::fail(EFAULT);
}

Result unknown_request(Call& call) noexcept {
  const NativeResult flags = call.host.call(SYS_fcntl, fd_of(call), F_GETFD);
  return Result::fail(is_error(flags) ? EBADF : ENOTTY);
}

/// The upper half of the request word is ignored, as FreeBSD's kernel does.
Result ioctl_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  switch (static_cast<Ioctl>(call.u32(1))) {
    case Ioctl::fioclex:
      return plain(call, FIOCLEX);
    case Ioctl::fionclex:
      return plain(call, FIONCLEX);
    case Ioctl::fionbio:
      return set_int(call, FIONBIO);
    case Ioctl::fioasync:
      return set_int(call, FIOASYNC);
    case Ioctl::fionread:
      return get_readable(call);
    case Ioctl::fionwrite:
      return get_int(call, TIOCOUTQ);
    case Ioctl::fionspace:
      return get_space(call);
    case Ioctl::fiosetown:
      return set_owner(call, 1);
    case Ioctl::fiogetown:
      return get_owner(call, 1);
    case Ioctl::fioseekdata:
      return seek_sparse(call, SEEK_DATA);
    case Ioctl::fioseekhole:
      return seek_sparse(call, SEEK_HOLE);
    case Ioctl::fiodgname:
      return get_device_name(call);
    case Ioctl::fiodtype:
      return get_device_type(call);

    case Ioctl::siocatmark:
      return get_int(call, SIOCATMARK);
    case Ioctl::siocspgrp:
      return set_owner(call, -1);
    case Ioctl::siocgpgrp:
      return get_owner(call, -1);

    case Ioctl::tiocgeta:
      return get_termios(call);
    case Ioctl::tiocseta:
      return set_termios(call, TCSETS2);
    case Ioctl::tiocsetaw:
      return set_termios(call, TCSETSW2);
    case Ioctl::tiocsetaf:
      return set_termios(call, TCSETSF2);
    case Ioctl::tiocgwinsz:
      return get_window_size(call);
    case Ioctl::tiocswinsz:
      return set_window_size(call);
    case Ioctl::tiocgpgrp:
      return get_int(call, TIOCGPGRP);
    case Ioctl::tiocspgrp:
      return set_int(call, TIOCSPGRP);
    case Ioctl::tiocgsid:
      return get_int(call, TIOCGSID);
    case Ioctl::tiocsctty:
      return plain(call, TIOCSCTTY);
    case Ioctl::tiocnotty:
      return plain(call, TIOCNOTTY);
    case Ioctl::tiocoutq:
      return get_int(call, TIOCOUTQ);
    case Ioctl::tiocsti:
      return simulate_input(call);
    case Ioctl::tiocexcl:
      return plain(call, TIOCEXCL);
    case Ioctl::tiocnxcl:
      return plain(call, TIOCNXCL);
    case Ioctl::tiocsbrk:
      return plain(call, TIOCSBRK);
    case Ioctl::tioccbrk:
      return plain(call, TIOCCBRK);
    case Ioctl::tiocdrain:
      return Result::of(call.host.call_interruptible(SYS_ioctl, fd_of(call), TCSBRK, 1));
    case Ioctl::tiocflush:
      return flush_queues(call);
    case Ioctl::tiocstop:
      return plain(call, TCXONC, TCOOFF);
    case Ioctl::tiocstart:
      return plain(call, TCXONC, TCOON);
    case Ioctl::tiocgetd:
      return get_int(call, TIOCGETD);
    case Ioctl::tiocsetd:
      return set_line_discipline(call);
    case Ioctl::tiocmget:
      return get_int(call, TIOCMGET);  // the modem bits are the same
    case Ioctl::tiocmset:
      return set_int(call, TIOCMSET);
    case Ioctl::tiocmbis:
      return set_int(call, TIOCMBIS);
    case Ioctl::tiocmbic:
      return set_int(call, TIOCMBIC);
    case Ioctl::tiocsdtr:
      return set_modem_line(call, TIOCMBIS);
    case Ioctl::tioccdtr:
      return set_modem_line(call, TIOCMBIC);

    case Ioctl::tiocgdrainwait:
      return drain_wait(call, true);
    case Ioctl::tiocsdrainwait:
      return drain_wait(call, false);
    case Ioctl::tiocstat:  // the line about the foreground process is not printed
      return check_terminal(call);

    case Ioctl::tiocptmaster:
      return check_pty_master(call);
    case Ioctl::tiocgptn:
      return get_int(call, TIOCGPTN);
    case Ioctl::tiocpkt:
      return set_int(call, TIOCPKT);  // the packet bits are the same
    case Ioctl::tiocsig:
      return signal_terminal(call);
  }
  const std::optional<Result> interface = interface_ioctl(call);
  return interface ? *interface : unknown_request(call);
}

/// posix_openpt(flags). FreeBSD's slaves are never locked, so the lock of Linux is opened at once.
Result openpt_call(Call& call) noexcept {
  constexpr std::uint64_t kAllowed = O_RDWR | O_NOCTTY | O_CLOEXEC;
  const std::optional<std::uint64_t> flags = self(call).vocabulary().open_flags.to_native(call.u32(0));
  if (!flags || (*flags & ~kAllowed & ~std::uint64_t{O_LARGEFILE}) != 0) return Result::fail(EINVAL);
  constexpr const char* kMultiplexer = "/dev/ptmx";
  const NativeResult fd = call.host.call(SYS_openat, static_cast<Word>(AT_FDCWD),
                                         reinterpret_cast<Word>(kMultiplexer), *flags | O_NOCTTY);
  if (is_error(fd)) return Result::of(fd);
  int locked = 0;
  const NativeResult unlocked =
      call.host.call(SYS_ioctl, static_cast<Word>(fd), TIOCSPTLCK, host_address(&locked));
  if (!is_error(unlocked)) return Result::of(fd);
  call.host.call(SYS_close, static_cast<Word>(fd));
  return Result::of(unlocked);
}

constexpr HandlerEntry kHandlers[] = {
    {"ioctl", ioctl_call},
    {"posix_openpt", openpt_call},
};

}  // namespace

std::span<const HandlerEntry> ioctl_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
