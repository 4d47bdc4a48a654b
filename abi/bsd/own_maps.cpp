// procfs(5)'s list of a process's own mappings, in Linux's form: the host's list without what is the
// runtime's. Sources: NetBSD 10.1 sys/miscfs/procfs/procfs_map.c (PFSmaps); Linux: proc(5), /proc/PID/maps.
#include <linux/memfd.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdint>
#include <string_view>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/host_file.hpp"
#include "abi/bsd/memory_ranges.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

/// One line: "start-end rwxp offset", then `rest`: " device inode   path".
struct Mapping {
  PageRange range;
  std::array<char, 6> protection{};  ///< with the spaces around
  std::uint64_t offset = 0;
  std::string_view rest;
};

bool parse(std::string_view line, Mapping& mapping) noexcept {
  const char* const end = line.data() + line.size();
  auto [at, failed] = std::from_chars(line.data(), end, mapping.range.start, 16);
  if (failed != std::errc() || at == end || *at != '-') return false;
  at = std::from_chars(at + 1, end, mapping.range.end, 16).ptr;
  if (end - at < 6) return false;
  std::copy_n(at, 6, mapping.protection.begin());
  at = std::from_chars(at + 6, end, mapping.offset, 16).ptr;
  mapping.rest = {at, static_cast<std::size_t>(end - at)};
  return true;
}

char* put_hex(char* at, std::uint64_t value) noexcept {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), value, 16).ptr;
  for (auto length = end - digits.begin(); length < 8; ++length) *at++ = '0';
  return std::copy(digits.begin(), end, at);
}

/// Writes lines to a file. Parts of one file that follow each other there and in memory become one line: the
/// kernel keeps those apart that the runtime has written to.
class Lines {
 public:
  Lines(Host& host, int fd) noexcept : host_(host), fd_(fd) {}

  void add(const Mapping& next) noexcept {
    if (continues(next)) {
      last_.range.end = next.range.end;
      return;
    }
    flush();
    last_ = next;
    last_.rest = {rest_.data(), next.rest.copy(rest_.data(), rest_.size())};
  }
  /// 0, or the negative errno of a write that failed.
  NativeResult finish() noexcept {
    flush();
    return failed_;
  }

 private:
  bool continues(const Mapping& next) const noexcept {
    return last_.range.end == next.range.start &&
           last_.offset + (last_.range.end - last_.range.start) == next.offset &&
           last_.protection == next.protection && last_.rest == next.rest;
  }

  void flush() noexcept {
    if (last_.range.empty() || failed_ != 0) return;
    std::array<char, 64> head;
    char* at = put_hex(head.data(), last_.range.start);
    *at++ = '-';
    at = put_hex(at, last_.range.end);
    at = std::copy(last_.protection.begin(), last_.protection.end(), at);
    at = put_hex(at, last_.offset);
    const std::string_view before = last_.rest.substr(0, last_.rest.find('/'));
    std::string_view path = last_.rest.substr(before.size());
    if (!path.empty()) path = host_.guest_path(path);
    std::array<iovec, 4> parts{};
    const auto set = [&parts](std::size_t i, std::string_view text) {
      parts[i] = {const_cast<char*>(text.data()), text.size()};
    };
    set(0, {head.data(), static_cast<std::size_t>(at - head.data())});
    set(1, before);
    set(2, path);
    set(3, "\n");
    const NativeResult written =
        host_.call(SYS_writev, static_cast<Word>(fd_), reinterpret_cast<Word>(parts.data()), parts.size());
    if (is_error(written)) failed_ = written;
  }

  Host& host_;
  int fd_;
  NativeResult failed_ = 0;
  Mapping last_;
  std::array<char, PATH_MAX + 80> rest_;
};

}  // namespace

Result open_own_maps(Host& host, unsigned flags) noexcept {
  const ScopedDescriptor file(host, host.call(SYS_memfd_create, word("maps"), MFD_CLOEXEC));
  if (!file.valid()) return Result::of(file.result());
  HostLines lines(host, "/proc/self/maps");
  if (is_error(lines.error())) return Result::of(lines.error());
  Lines made(host, file.fd());
  Mapping mapping;
  while (const auto line = lines.next()) {
    if (!parse(*line, mapping) || mapping.range.start >= kGuestTop) continue;
    const Word end = mapping.range.end;
    for (Word at = mapping.range.start; at < end;) {
      const auto [own, own_end] = host.own_memory_in(at, end);
      mapping.range = {at, own};  // what is the runtime's there has no file, and thus no offset
      if (!mapping.range.empty()) made.add(mapping);
      at = own_end;
    }
  }
  if (const NativeResult failed = made.finish(); failed != 0) return Result::of(failed);
  // Opened anew: from the start, and for reading only.
  const HostPath name("/proc/self/fd/", file.fd());
  const unsigned cloexec = (flags & kOpenCloexec) != 0 ? O_CLOEXEC : 0U;
  return Result::of(host.call(SYS_openat, word(AT_FDCWD), name.word(), O_RDONLY | cloexec));
}

}  // namespace sudrun::abi::bsd::fs
