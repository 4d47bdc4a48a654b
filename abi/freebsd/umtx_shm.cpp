// Facts: FreeBSD 15.0 sys/kern/kern_umtx.c (umtx_shm and what it calls), sys/sys/umtx.h, lib/libthr/thread/
// thr_pshared.c; Linux: proc(5), /proc/PID/maps.
#include "abi/freebsd/umtx_shm.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <exception>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "abi/bsd/host_file.hpp"
#include "abi/freebsd/freebsd.hpp"

namespace sudrun::abi::freebsd {
namespace {

constexpr std::uint32_t kCreate = 1, kLookup = 2, kDestroy = 4, kAlive = 8,
                        kAll = kCreate | kLookup | kDestroy | kAlive;
constexpr Word kPage = 4096;

/// Takes a number off the front of a line, and the one character behind it.
std::uint64_t take_number(std::string_view& line, int base) noexcept {
  std::uint64_t value = 0;
  const auto end = std::from_chars(line.data(), line.data() + line.size(), value, base).ptr;
  line.remove_prefix(std::min(static_cast<std::size_t>(end - line.data()) + 1, line.size()));
  return value;
}

}  // namespace

bool UmtxPages::find_key(Host& host, Word address, Key& key) noexcept {
  HostLines lines(host, "/proc/self/maps");
  while (auto line = lines.next()) {
    const Word start = take_number(*line, 16), stop = take_number(*line, 16);
    if (start > address) return false;
    if (address >= stop || line->size() < 5) continue;
    const bool shared = (*line)[3] == 's';
    line->remove_prefix(5);  // "rw-s "
    const std::uint64_t offset = take_number(*line, 16), major = take_number(*line, 16),
                        minor = take_number(*line, 16), inode = take_number(*line, 10);
    key = shared ? Key{major << 32 | minor, inode, offset + (address - start)} : Key{0, 0, address};
    return true;
  }
  return false;
}

NativeResult UmtxPages::create(Host& host, const Key& key) noexcept {
  try {
    pages_.reserve(pages_.size() + 1);
  } catch (const std::exception&) {
    return -ENOMEM;
  }
  const NativeResult made = host.call(SYS_memfd_create, reinterpret_cast<Word>("umtx"), MFD_CLOEXEC);
  if (is_error(made)) return made;
  host.call(SYS_ftruncate, static_cast<Word>(made), kPage);
  const NativeResult hidden = host.hide_descriptor(static_cast<int>(made));
  if (!is_error(hidden)) pages_.push_back({key, static_cast<int>(hidden)});
  return hidden;
}

Result UmtxPages::request(Host& host, GuestAddr address, std::uint32_t flags) noexcept {
  if (std::popcount(flags) != 1 || (flags & kAll) == 0) return Result::fail(EINVAL);
  Key key;
  if (!Host::in_guest(address, 1) || !find_key(host, word_of(address), key)) return Result::fail(EFAULT);
  if ((flags & kAlive) != 0) return Result::ok();  // it is mapped

  const std::scoped_lock hold(mutex_);
  const auto page = std::ranges::find(pages_, key, &Page::key);
  NativeResult fd = page != pages_.end() ? page->fd : -ESRCH;
  if ((flags & kCreate) != 0 && is_error(fd)) fd = create(host, key);
  if (is_error(fd)) return Result::of(fd);
  if ((flags & kDestroy) != 0) {
    host.close_hidden(page->fd);
    pages_.erase(page);
    return Result::ok();
  }
  return Result::of(host.call(SYS_fcntl, static_cast<Word>(fd), F_DUPFD_CLOEXEC, 0));
}

}  // namespace sudrun::abi::freebsd
