// Copying between descriptors without passing through the guest: sendfile, copy_file_range.
// Sources: FreeBSD 15 (and 14) sys/kern/kern_sendfile.c, sys/kern/vfs_vnops.c, sendfile(2),
// copy_file_range(2).
#include <linux/fs.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <limits>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

// --- sendfile --------------------------------------------------------------------------------------------

/// One sendfile under way: where the bytes go and how many went there, whatever happens next.
struct Transfer {
  Host& host;
  int socket;
  std::int64_t sent = 0;
};

inline constexpr std::int32_t kMaxVectors = 1024;

/// Sends guest buffers, all of each, on `transfer.socket`. 0, or a negative errno.
NativeResult send_vectors(Transfer& transfer, GuestAddr vectors, std::int32_t count, bool more) noexcept {
  if (count < 0 || count > kMaxVectors) return -EINVAL;
  for (std::int32_t i = 0; i < count; ++i) {
    IoVec vector{};
    if (!transfer.host.get(vectors + static_cast<Word>(i) * sizeof(IoVec), vector)) return -EFAULT;
    if (!Host::in_guest(guest_addr(vector.base), vector.length)) return -EFAULT;
    const int flags = more || i + 1 < count ? MSG_MORE : 0;
    while (vector.length != 0) {
      const NativeResult sent = transfer.host.call_interruptible(SYS_sendto, word(transfer.socket),
                                                                 vector.base, vector.length, word(flags));
      if (is_error(sent)) return sent;
      vector.base += static_cast<Word>(sent);
      vector.length -= static_cast<Word>(sent);
      transfer.sent += sent;
    }
  }
  return 0;
}

/// Sends `length` bytes of `file` from `offset` on, or to its end if that is nearer. 0, or a negative errno.
NativeResult send_file(Transfer& transfer, int file, std::int64_t offset, Word length) noexcept {
  while (length != 0) {
    const Word chunk = std::min<Word>(length, 0x7fff'f000);
    const NativeResult sent = transfer.host.call_interruptible(SYS_sendfile, word(transfer.socket),
                                                               word(file), word(&offset), chunk);
    if (is_error(sent)) return sent;
    if (sent == 0) break;
    length -= static_cast<Word>(sent);
    transfer.sent += sent;
  }
  return 0;
}

/// The descriptor must be a connected stream socket; the native call takes anything.
NativeResult check_socket(Host& host, int fd) noexcept {
  int type = 0;
  socklen_t size = sizeof(type);
  const NativeResult result =
      host.call(SYS_getsockopt, word(fd), SOL_SOCKET, SO_TYPE, word(&type), word(&size));
  if (is_error(result)) return result;
  return type == SOCK_STREAM || type == SOCK_SEQPACKET ? 0 : -EINVAL;
}

NativeResult run_transfer(Transfer& transfer, int file, std::int64_t offset, Word length,
                          const SfHdtr& extra) noexcept {
  NativeResult result = check_socket(transfer.host, transfer.socket);
  if (is_error(result)) return result;
  result = send_vectors(transfer, guest_addr(extra.headers), extra.headers != 0 ? extra.hdr_cnt : 0, true);
  if (is_error(result)) return result;
  result = send_file(transfer, file, offset, length);
  if (is_error(result)) return result;
  return send_vectors(transfer, guest_addr(extra.trailers), extra.trailers != 0 ? extra.trl_cnt : 0, false);
}

}  // namespace

/// Unlike other calls this one reports progress beside its error; made again it would send the same twice, so
/// FreeBSD never restarts it.
Result do_sendfile(Call& call) noexcept {
  Host& host = call.host;
  const std::int64_t offset = call.i64(2);
  if (offset < 0) return Result::fail(EINVAL);
  SfHdtr extra{};
  if (!is_null(call.addr(4)) && !host.get(call.addr(4), extra)) return Result::fail(EFAULT);
  const Word length = call.word(3) != 0 ? call.word(3) : std::numeric_limits<std::int64_t>::max();

  Transfer transfer{host, call.i32(1)};
  const NativeResult result = run_transfer(transfer, call.i32(0), offset, length, extra);
  if (!is_null(call.addr(5)) && !host.put(call.addr(5), transfer.sent)) return Result::fail(EFAULT);
  if (result == -EINTR) return Result::fail(GuestErrno{call.table.errno_to_guest(EINTR)});
  return Result::of(result);
}

// --- copy_file_range -------------------------------------------------------------------------------------

namespace {

/// Position of one side of a copy: its own, or one the guest keeps.
class CopyPosition {
 public:
  CopyPosition(Host& host, int fd, GuestAddr keeper) noexcept : host_(host), fd_(fd), keeper_(keeper) {}

  bool load() noexcept { return is_null(keeper_) || host_.get(keeper_, offset_); }
  bool store() noexcept { return is_null(keeper_) || host_.put(keeper_, offset_); }
  /// The same with the position known, whoever keeps it.
  bool load(std::int64_t& at) noexcept {
    if (!load()) return false;
    const NativeResult own = is_null(keeper_) ? host_.call(SYS_lseek, word(fd_), 0, SEEK_CUR) : offset_;
    at = is_error(own) ? 0 : own;
    return true;
  }
  bool store(std::int64_t at) noexcept {
    offset_ = at;
    if (is_null(keeper_)) host_.call(SYS_lseek, word(fd_), static_cast<Word>(at), SEEK_SET);
    return store();
  }
  /// Of the file; or a negative errno.
  std::int64_t size() noexcept {
    struct statx info {};
    const NativeResult found = stat_descriptor(host_, fd_, info, STATX_SIZE);
    return is_error(found) ? found : static_cast<std::int64_t>(info.stx_size);
  }
  NativeResult clone_from(const CopyPosition& in, std::int64_t from, Word length, std::int64_t to) noexcept {
    struct file_clone_range range {
      in.fd_, static_cast<Word>(from), length, static_cast<Word>(to)
    };
    return host_.call(SYS_ioctl, word(fd_), FICLONERANGE, word(&range));
  }
  NativeResult read(void* to, std::size_t size) noexcept { return move(SYS_read, SYS_pread64, to, size); }
  NativeResult write(const void* from, std::size_t size) noexcept {
    return move(SYS_write, SYS_pwrite64, from, size);
  }
  /// Gives back bytes that were read but could not be written.
  void step_back(std::int64_t bytes) noexcept {
    if (is_null(keeper_))
      host_.call(SYS_lseek, word(fd_), static_cast<Word>(-bytes), SEEK_CUR);
    else
      offset_ -= bytes;
  }

 private:
  NativeResult move(long plain, long positioned, const void* data, std::size_t size) noexcept {
    if (is_null(keeper_)) return host_.call(plain, word(fd_), word(data), size);
    const NativeResult moved =
        host_.call(positioned, word(fd_), word(data), size, static_cast<Word>(offset_));
    if (!is_error(moved)) offset_ += moved;
    return moved;
  }

  Host& host_;
  int fd_;
  GuestAddr keeper_;
  std::int64_t offset_ = 0;
};

/// Copies through memory where the native call refuses: FreeBSD copies between any two file systems. May stop
/// early, as the call may.
Result copy_by_hand(CopyPosition in, CopyPosition out, Word length) noexcept {
  constexpr std::int64_t at_once = 1 << 20;
  std::array<std::byte, 16384> buffer;
  if (!in.load() || !out.load()) return Result::fail(EFAULT);
  std::int64_t copied = 0;
  NativeResult error = 0;
  while (length != 0 && copied < at_once) {
    const NativeResult got = in.read(buffer.data(), std::min<Word>(length, buffer.size()));
    if (got <= 0) {
      error = got;
      break;
    }
    const NativeResult put = out.write(buffer.data(), static_cast<std::size_t>(got));
    const std::int64_t written = std::max<std::int64_t>(put, 0);
    copied += written;
    length -= static_cast<Word>(written);
    if (written == got) continue;
    in.step_back(got - written);
    error = std::min<NativeResult>(put, 0);
    break;
  }
  if (!in.store() || !out.store()) return Result::fail(EFAULT);
  return copied == 0 && error != 0 ? Result::of(error) : Result::ok(static_cast<Word>(copied));
}

/// Makes `out` share the blocks of `in`. What a file system cannot share is EOPNOTSUPP.
Result clone_range(CopyPosition in, CopyPosition out, Word length) noexcept {
  std::int64_t from = 0, to = 0;
  if (!in.load(from) || !out.load(to)) return Result::fail(EFAULT);
  const std::int64_t size = in.size();
  if (size < 0) return Result::fail(static_cast<int>(-size));
  if (from < 0 || to < 0) return Result::fail(EINVAL);
  length = std::min<Word>(length, static_cast<Word>(std::max<std::int64_t>(size - from, 0)));
  if (length == 0) return Result::ok();
  const NativeResult cloned = out.clone_from(in, from, length, to);
  if (cloned == -EXDEV || cloned == -ENOTTY || cloned == -EINVAL) return Result::fail(EOPNOTSUPP);
  if (is_error(cloned)) return Result::of(cloned);
  const auto moved = static_cast<std::int64_t>(length);
  return in.store(from + moved) && out.store(to + moved) ? Result::ok(length) : Result::fail(EFAULT);
}

bool is_regular(Host& host, int fd) noexcept {
  struct statx info {};
  return !is_error(stat_descriptor(host, fd, info, STATX_TYPE)) && S_ISREG(info.stx_mode);
}

}  // namespace

Result do_copy_file_range(Call& call) noexcept {
  Host& host = call.host;
  const int in = call.i32(0), out = call.i32(2);
  const GuestAddr in_offset = call.addr(1), out_offset = call.addr(3);
  if (!Host::in_guest(in_offset, 8) || !Host::in_guest(out_offset, 8)) return Result::fail(EFAULT);
  constexpr unsigned kClone =
      0x0080'0000;  // COPY_FILE_RANGE_CLONE (FreeBSD 15): blocks are shared, or it fails
  if ((call.u32(5) & ~kClone) != 0) return Result::fail(EINVAL);
  if (call.u32(5) != 0) return clone_range({host, in, in_offset}, {host, out, out_offset}, call.word(4));
  const NativeResult result = host.call_interruptible(SYS_copy_file_range, word(in), word(in_offset),
                                                      word(out), word(out_offset), call.word(4), 0);
  const bool refused = result == -EXDEV || result == -EOPNOTSUPP || result == -ENOSYS;
  if (!refused || !is_regular(host, in) || !is_regular(host, out)) return Result::of(result);
  return copy_by_hand({host, in, in_offset}, {host, out, out_offset}, call.word(4));
}

}  // namespace sudrun::abi::bsd::fs
