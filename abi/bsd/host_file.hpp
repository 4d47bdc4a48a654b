// Reading the host's own small text files (/proc, /sys, /etc) from a handler.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>

#include "abi/host.hpp"

namespace sudrun::abi::bsd {

/// What times in /proc are counted in: USER_HZ, part of Linux's ABI.
inline constexpr std::int64_t kTicksPerSecond = 100;

/// A native descriptor of the runtime's own, for the length of one call.
class ScopedDescriptor {
 public:
  ScopedDescriptor(Host& host, NativeResult fd) noexcept : host_(host), fd_(fd) {}
  ~ScopedDescriptor() {
    if (valid()) host_.call(SYS_close, static_cast<Word>(fd_));
  }
  ScopedDescriptor(const ScopedDescriptor&) = delete;
  ScopedDescriptor& operator=(const ScopedDescriptor&) = delete;
  bool valid() const noexcept { return !is_error(fd_); }
  NativeResult result() const noexcept { return fd_; }
  int fd() const noexcept { return static_cast<int>(fd_); }

 private:
  Host& host_;
  NativeResult fd_;
};

/// The name of a host file, put together from text and numbers: HostPath("/proc/", pid, "/stat"). Cut where
/// it is longer than any such name.
class HostPath {
 public:
  template <typename... Parts>
  explicit HostPath(const Parts&... parts) noexcept {
    (append(parts), ...);
  }
  const char* c_str() const noexcept { return text_.data(); }
  std::string_view view() const noexcept { return {text_.data(), size_}; }
  /// For a native call.
  Word word() const noexcept { return reinterpret_cast<Word>(text_.data()); }

 private:
  void append(std::string_view part) noexcept {
    size_ += part.copy(text_.data() + size_, text_.size() - 1 - size_);
  }
  template <std::integral Number>
  void append(Number number) noexcept {
    const auto end = std::to_chars(text_.data() + size_, text_.data() + text_.size() - 1, number).ptr;
    size_ = static_cast<std::size_t>(end - text_.data());
  }
  std::array<char, 64> text_{};
  std::size_t size_ = 0;
};

/// The beginning of a host file, as much as fits the buffer; empty if it cannot be read.
inline std::string_view read_host_file(Host& host, const char* path, std::span<char> buffer) noexcept {
  const NativeResult fd =
      host.call(SYS_openat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return {};
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const NativeResult got =
        host.call(SYS_read, static_cast<Word>(fd), reinterpret_cast<Word>(buffer.data() + filled),
                  buffer.size() - filled);
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  host.call(SYS_close, static_cast<Word>(fd));
  return {buffer.data(), filled};
}

/// The lines of a host file, one after the other. Lines longer than `Size` bytes are cut.
template <std::size_t Size = 8192>  // more than the longest line of /proc/PID/maps: a page and a path
class HostLines {
 public:
  HostLines(Host& host, const char* path) noexcept
      : host_(host),
        file_(host, host.call(SYS_openat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path),
                              O_RDONLY | O_CLOEXEC)) {}

  /// 0, or the negative errno with which the file could not be opened; it has no lines then.
  NativeResult error() const noexcept { return file_.valid() ? 0 : file_.result(); }

  /// The next line without its end; valid until the next call.
  std::optional<std::string_view> next() noexcept {
    if (!file_.valid()) return std::nullopt;
    for (;;) {
      const std::string_view unread(buffer_.data() + begin_, end_ - begin_);
      const std::size_t newline = unread.find('\n');
      if (newline != std::string_view::npos) {
        begin_ += newline + 1;
        if (!std::exchange(cut_, false)) return unread.substr(0, newline);
        continue;  // the rest of a line whose start was handed out
      }
      if (cut_) {
        begin_ = end_ = 0;
      } else if (unread.size() == buffer_.size()) {
        cut_ = true;
        begin_ = end_;
        return unread;
      }
      if (!refill()) return std::nullopt;
    }
  }

 private:
  /// Moves what is unread to the front and reads on; false at the end.
  bool refill() noexcept {
    std::copy(buffer_.data() + begin_, buffer_.data() + end_, buffer_.data());
    end_ -= begin_;
    begin_ = 0;
    const NativeResult got = host_.call(SYS_read, static_cast<Word>(file_.fd()),
                                        reinterpret_cast<Word>(buffer_.data() + end_), buffer_.size() - end_);
    if (got <= 0) return false;
    end_ += static_cast<std::size_t>(got);
    return true;
  }

  Host& host_;
  ScopedDescriptor file_;
  std::array<char, Size> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool cut_ = false;
};

/// The decimal number `text` begins with, after blanks.
inline std::int64_t leading_number(std::string_view text, std::int64_t fallback) noexcept {
  std::size_t at = 0;
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == ':')) ++at;
  const bool negative = at < text.size() && text[at] == '-';
  if (negative) ++at;
  if (at == text.size() || text[at] < '0' || text[at] > '9') return fallback;
  std::int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (value > (INT64_MAX - 9) / 10) return INT64_MAX;
    value = value * 10 + (text[at] - '0');
  }
  return negative ? -value : value;
}

/// Calls each(first, last) for the ranges of a list of numbers as the kernel writes it: "0-3,6".
template <typename Each>
void for_each_range(std::string_view list, Each&& each) noexcept {
  while (!list.empty() && list.front() >= '0' && list.front() <= '9') {
    const std::string_view range = list.substr(0, list.find(','));
    const std::int64_t first = leading_number(range, 0);
    const std::size_t dash = range.find('-');
    each(first, dash == std::string_view::npos ? first : leading_number(range.substr(dash + 1), first));
    list.remove_prefix(std::min(range.size() + 1, list.size()));
  }
}

/// The processors that are there, whatever a process may use: calls each(first, last) for their ranges.
template <typename Each>
void for_each_processor_range(Host& host, Each&& each) noexcept {
  char buffer[1024];
  for_each_range(read_host_file(host, "/sys/devices/system/cpu/online", buffer), each);
}

/// What follows `key` in `text` up to the end of its line, without leading blanks and colon.
inline std::string_view text_after(std::string_view text, std::string_view key) noexcept {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = text.substr(at + key.size());
  rest = rest.substr(0, rest.find('\n'));
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t' || rest.front() == ':'))
    rest.remove_prefix(1);
  return rest;
}

/// Blank-separated field `index` of a line; empty if there are not so many.
inline std::string_view field_of(std::string_view line, unsigned index) noexcept {
  for (;; --index) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    if (index == 0 || line.empty()) return line.substr(0, end);
    line.remove_prefix(end);
  }
}

/// What stands after the first line of `text`.
inline std::string_view rest_after_line(std::string_view text) noexcept {
  return text.substr(std::min(text.find('\n'), text.size() - 1) + 1);
}

/// The number in a host file that holds just one.
inline std::int64_t host_number(Host& host, const char* path, std::int64_t fallback) noexcept {
  char buffer[64];
  return leading_number(read_host_file(host, path, buffer), fallback);
}

}  // namespace sudrun::abi::bsd
