// POSIX semaphores of the kernel (ksem). libc's own stand on umtx; these are what older programs, and
// semaphores in sealed-off programs, use.
//
// A semaphore is a file of one page with a word to wait for: anonymous ones a memfd, named ones a file next
// to the shared memory objects. Descriptors then behave as FreeBSD's do, without anything that would have to
// be tidied up: they are inherited by fork and passed in messages, and what they stand for lives as long as a
// descriptor or its name. An eventfd could not be found by name, and a System V semaphore would outlive
// everybody once its name is gone. The page is mapped for the length of a call only, in the guest's part of
// memory, where the runtime survives whatever becomes of the file.
//
// Sources: FreeBSD 14.0, sys/kern/uipc_sem.c, sys/sys/ksem.h, sys/sys/semaphore.h (SEM_VALUE_MAX).
#include <linux/futex.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <charconv>
#include <climits>
#include <ctime>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/stat_convert.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace fs;

constexpr std::uint32_t kMaxValue = INT_MAX;
constexpr std::uint64_t kPage = 4096;

/// The beginning of the page. `value` is what waiters wait for to leave zero.
struct Content {
  std::uint64_t magic;
  std::uint32_t flags;
  std::uint32_t value;
};
constexpr std::uint64_t kMagic = 0x6d65'736b'6e75'7264;
constexpr std::uint32_t kAnonymous = 1, kDead = 2;

/// A semaphore's page for the length of one call.
class Semaphore {
 public:
  explicit Semaphore(Host& host) noexcept : host_(host) {}
  ~Semaphore() {
    if (base_ != 0) host_.call(SYS_munmap, base_, kPage);
  }
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// False (EINVAL): `fd` is no semaphore.
  bool open(int fd) noexcept {
    struct statx status {};
    if (fd < 0 || host_.is_hidden(fd) || is_error(stat_descriptor(host_, fd, status, STATX_SIZE)) ||
        status.stx_size != kPage)
      return false;
    return map(fd) && host_.get(guest_addr(base_), content_) && content_.magic == kMagic &&
           (content_.flags & kDead) == 0;
  }
  std::uint32_t flags() const noexcept { return content_.flags; }
  bool load(std::uint32_t& value) noexcept { return host_.load32(value_at(), value); }

  /// Changes the value by one. 0, EAGAIN if it is zero already, EOVERFLOW, or EINVAL.
  int add(int step) noexcept {
    std::uint32_t value = 0;
    if (!load(value)) return EINVAL;
    for (;;) {
      if (step < 0 && value == 0) return EAGAIN;
      if (step > 0 && value >= kMaxValue) return EOVERFLOW;
      bool swapped = false;
      const std::uint32_t wanted = value + static_cast<std::uint32_t>(step);
      if (!host_.compare_exchange32(value_at(), value, wanted, swapped)) return EINVAL;
      if (swapped) return 0;
    }
  }
  void wake_one() noexcept { host_.call(SYS_futex, word_of(value_at()), FUTEX_WAKE, 1); }
  NativeResult wait(const timespec* until) noexcept {
    return host_.call_interruptible(SYS_futex, word_of(value_at()), FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME,
                                    0, word(until), 0, FUTEX_BITSET_MATCH_ANY);
  }
  bool has_waiters() noexcept {
    // Moving all waiters to where they are counts them.
    for (;;) {
      std::uint32_t value = 0;
      if (!load(value)) return false;
      const NativeResult moved = host_.call(SYS_futex, word_of(value_at()), FUTEX_CMP_REQUEUE, 0, INT_MAX,
                                            word_of(value_at()), value);
      if (moved != -EAGAIN) return moved > 0;
    }
  }
  bool mark_dead() noexcept {
    return host_.put(guest_addr(base_) + offsetof(Content, flags), content_.flags | kDead);
  }

 private:
  bool map(int fd) noexcept {
    for (;;) {
      const Word at = host_.choose_address(kPage, kPage);
      if (at == 0) return false;
      const NativeResult mapped = host_.call(SYS_mmap, at, kPage, PROT_READ | PROT_WRITE,
                                             MAP_SHARED | MAP_FIXED_NOREPLACE, word(fd), 0);
      if (mapped == -EEXIST) continue;
      if (is_error(mapped)) return false;
      base_ = static_cast<Word>(mapped);
      return true;
    }
  }
  GuestAddr value_at() const noexcept { return guest_addr(base_ + offsetof(Content, value)); }

  Host& host_;
  Word base_ = 0;
  Content content_{};
};

/// Makes an empty file a semaphore.
NativeResult fill(Host& host, NativeResult fd, std::uint32_t flags, std::uint32_t value) noexcept {
  const Content content{kMagic, flags, value};
  const NativeResult sized = host.call(SYS_ftruncate, static_cast<Word>(fd), kPage);
  if (is_error(sized)) return sized;
  return host.call(SYS_pwrite64, static_cast<Word>(fd), word(&content), sizeof content, 0);
}

// --- names ------------------------------------------------------------------------------------------------

constexpr const char* kDirectory = "/dev/shm";
constexpr std::string_view kPrefix = "/dev/shm/sudrun-ksem.";
constexpr std::size_t kMaxName = 1024;  // MAXPATHLEN

class SemaphorePath {
 public:
  /// 0, or a negative errno: EINVAL for a name that does not begin with a slash.
  NativeResult resolve(Host& host, GuestAddr from) noexcept {
    std::array<char, kMaxName> text;
    const NativeResult length = host.read_string(from, text);
    if (is_error(length)) return length;
    const std::string_view name(text.data(), static_cast<std::size_t>(length));
    if (name.empty() || name.front() != '/') return -EINVAL;
    kPrefix.copy(text_.data(), kPrefix.size());
    const std::span<char> rest = std::span(text_).subspan(kPrefix.size());
    const auto file = shm_file_name(name, rest);
    if (!file) return digest(name, rest);
    if (*file == 0) std::string_view("%\0", 2).copy(rest.data(), 2);  // "/": an escape nothing else makes
    return 0;
  }
  Word word() const noexcept { return reinterpret_cast<Word>(text_.data()); }

 private:
  /// Names longer than a file's may be go by two hashes (FNV-1a, and the same backwards).
  static NativeResult digest(std::string_view name, std::span<char> out) noexcept {
    constexpr std::uint64_t start = 0xcbf2'9ce4'8422'2325, prime = 0x100'0000'01b3;
    std::array<std::uint64_t, 2> hashes{start, start};
    for (std::size_t i = 0; i < name.size(); ++i) {
      hashes[0] = (hashes[0] ^ static_cast<unsigned char>(name[i])) * prime;
      hashes[1] = (hashes[1] ^ static_cast<unsigned char>(name[name.size() - 1 - i])) * prime;
    }
    char* at = out.data();
    *at++ = '%';
    for (const std::uint64_t hash : hashes) {
      at = std::to_chars(at, out.data() + out.size() - 1, hash, 16).ptr;
      *at++ = '.';
    }
    *at = '\0';
    return 0;
  }
  std::array<char, kPrefix.size() + 233> text_{};  // the longest name of a file, with its directory
};

NativeResult open_existing(Host& host, const SemaphorePath& path) noexcept {
  return host.call(SYS_openat, word(kCwd), path.word(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

/// A new semaphore under its name, complete from the first moment. EEXIST if somebody else was quicker.
NativeResult make_named(Host& host, const SemaphorePath& path, unsigned mode, std::uint32_t value) noexcept {
  const NativeResult fd = host.call(SYS_openat, word(kCwd), word(static_cast<const void*>(kDirectory)),
                                    O_TMPFILE | O_RDWR | O_CLOEXEC, mode & 0777);
  if (is_error(fd)) return fd;
  NativeResult done = fill(host, fd, 0, value);
  if (!is_error(done)) {
    const DescriptorPath unnamed(static_cast<int>(fd));
    done = host.call(SYS_linkat, word(kCwd), unnamed.word(), word(kCwd), path.word(), AT_SYMLINK_FOLLOW);
  }
  if (!is_error(done)) return fd;
  host.call(SYS_close, static_cast<Word>(fd));
  return done;
}

NativeResult open_named(Host& host, const SemaphorePath& path, unsigned flags, unsigned mode,
                        std::uint32_t value) noexcept {
  const bool exclusive = (flags & kOpenCreat) != 0 && (flags & kOpenExcl) != 0;
  for (;;) {
    const NativeResult found = open_existing(host, path);
    if (exclusive && found != -ENOENT) {
      if (!is_error(found)) host.call(SYS_close, static_cast<Word>(found));
      return is_error(found) && found != -EACCES ? found : -EEXIST;
    }
    if (found != -ENOENT || (flags & kOpenCreat) == 0) return found;
    const NativeResult made = make_named(host, path, mode, value);
    if (made != -EEXIST || exclusive) return made;
  }
}

/// Hands the id out: a descriptor, as a long.
Result give(Call& call, GuestAddr to, NativeResult fd) noexcept {
  if (is_error(fd)) return Result::of(fd);
  if (call.host.put(to, static_cast<std::int64_t>(fd))) return Result::ok();
  call.host.call(SYS_close, static_cast<Word>(fd));
  return Result::fail(EFAULT);
}

// --- calls ------------------------------------------------------------------------------------------------

Result ksem_init(Call& call) noexcept {
  if (call.u32(1) > kMaxValue) return Result::fail(EINVAL);
  NativeResult fd = call.host.call(SYS_memfd_create, word(static_cast<const void*>("ksem")), MFD_CLOEXEC);
  if (fd == -EMFILE || fd == -ENFILE) return Result::fail(ENOSPC);
  if (!is_error(fd)) {
    const NativeResult filled = fill(call.host, fd, kAnonymous, call.u32(1));
    if (is_error(filled)) {
      call.host.call(SYS_close, static_cast<Word>(fd));
      fd = filled;
    }
  }
  return give(call, call.addr(0), fd);
}

Result ksem_open(Call& call) noexcept {
  const unsigned flags = call.u32(2);
  if ((flags & ~(kOpenCreat | kOpenExcl)) != 0 || call.u32(4) > kMaxValue) return Result::fail(EINVAL);
  // The id's place is looked at first, and written whatever comes of it.
  if (!call.host.put(call.addr(0), std::int64_t{-1})) return Result::fail(EFAULT);
  SemaphorePath path;
  if (const NativeResult bad = path.resolve(call.host, call.addr(1)); is_error(bad)) return Result::of(bad);
  return give(call, call.addr(0), open_named(call.host, path, flags, call.u32(3), call.u32(4)));
}

/// Whoever may use a semaphore may remove its name.
Result ksem_unlink(Call& call) noexcept {
  SemaphorePath path;
  const NativeResult resolved = path.resolve(call.host, call.addr(0));
  if (is_error(resolved)) return resolved == -EINVAL ? Result::fail(ENOENT) : Result::of(resolved);
  const NativeResult usable = open_existing(call.host, path);
  if (is_error(usable)) return Result::of(usable);
  call.host.call(SYS_close, static_cast<Word>(usable));
  const NativeResult gone = call.host.call(SYS_unlinkat, word(kCwd), path.word(), 0);
  return gone == -EPERM ? Result::fail(EACCES) : Result::of(gone);
}

Result close_descriptor(Call& call) noexcept {
  self(call).descriptor_closing(call.host, call.i32(0));
  return Result::of(call.host.call(SYS_close, word(call.i32(0))));
}

Result ksem_close(Call& call) noexcept {
  Semaphore semaphore(call.host);
  if (!semaphore.open(call.i32(0)) || (semaphore.flags() & kAnonymous) != 0) return Result::fail(EINVAL);
  return close_descriptor(call);
}

Result ksem_destroy(Call& call) noexcept {
  Semaphore semaphore(call.host);
  if (!semaphore.open(call.i32(0)) || (semaphore.flags() & kAnonymous) == 0) return Result::fail(EINVAL);
  if (semaphore.has_waiters()) return Result::fail(EBUSY);
  if (!semaphore.mark_dead()) return Result::fail(EINVAL);
  return close_descriptor(call);
}

Result ksem_post(Call& call) noexcept {
  Semaphore semaphore(call.host);
  if (!semaphore.open(call.i32(0))) return Result::fail(EINVAL);
  if (const int error = semaphore.add(1)) return Result::fail(error);
  semaphore.wake_one();
  return Result::ok();
}

Result wait_for(Call& call, const timespec* until) noexcept {
  Semaphore semaphore(call.host);
  if (!semaphore.open(call.i32(0))) return Result::fail(EINVAL);
  for (;;) {
    const int error = semaphore.add(-1);
    if (error == 0) return Result::ok();
    if (error != EAGAIN) return Result::fail(error);
    if (until != nullptr && until->tv_sec < 0) return Result::fail(ETIMEDOUT);
    const NativeResult woken = semaphore.wait(until);
    if (is_error(woken) && woken != -EAGAIN) return Result::of(woken);
  }
}

Result ksem_wait(Call& call) noexcept { return wait_for(call, nullptr); }

Result ksem_timedwait(Call& call) noexcept {
  if (is_null(call.addr(1))) return wait_for(call, nullptr);
  timespec until{};
  if (!call.host.get(call.addr(1), until)) return Result::fail(EFAULT);
  if (until.tv_nsec < 0 || until.tv_nsec >= 1'000'000'000) return Result::fail(EINVAL);
  return wait_for(call, &until);
}

Result ksem_trywait(Call& call) noexcept {
  Semaphore semaphore(call.host);
  if (!semaphore.open(call.i32(0))) return Result::fail(EINVAL);
  const int error = semaphore.add(-1);
  return error == 0 ? Result::ok() : Result::fail(error);
}

Result ksem_getvalue(Call& call) noexcept {
  Semaphore semaphore(call.host);
  std::uint32_t value = 0;
  if (!semaphore.open(call.i32(0)) || !semaphore.load(value)) return Result::fail(EINVAL);
  return call.host.put(call.addr(1), value) ? Result::ok() : Result::fail(EFAULT);
}

constexpr std::array kHandlers{
    HandlerEntry{"ksem_close", ksem_close},         HandlerEntry{"ksem_destroy", ksem_destroy},
    HandlerEntry{"ksem_getvalue", ksem_getvalue},   HandlerEntry{"ksem_init", ksem_init},
    HandlerEntry{"ksem_open", ksem_open},           HandlerEntry{"ksem_post", ksem_post},
    HandlerEntry{"ksem_timedwait", ksem_timedwait}, HandlerEntry{"ksem_trywait", ksem_trywait},
    HandlerEntry{"ksem_unlink", ksem_unlink},       HandlerEntry{"ksem_wait", ksem_wait},
};

}  // namespace

std::span<const HandlerEntry> posix_sem_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd
