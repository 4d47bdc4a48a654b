#include "runtime/sysroot.hpp"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "runtime/gate.hpp"

// After the system's headers: <sys/stat.h> and <linux/stat.h> define the same structures.
#include <sys/stat.h>

namespace sudrun::runtime {
namespace {

using abi::NativeResult;

constexpr std::uint64_t kCwd = static_cast<std::uint64_t>(std::int64_t{AT_FDCWD});

/// The host's tree by Linux calls.
class HostTree final : public abi::OverlayTree {
 public:
  Kind look(const char* path, std::span<char> text, std::size_t& length) noexcept override {
    const NativeResult result = native(SYS_readlinkat, kCwd, word(path), word(text.data()), text.size());
    if (result >= 0) {
      length = static_cast<std::size_t>(result);
      return Kind::link;
    }
    switch (-result) {
      case EINVAL:
        return Kind::present;
      case ENOENT:
      case ENAMETOOLONG:  // of the host's name: then it is not there
        return Kind::missing;
      case ENOTDIR:
        return Kind::no_parent;
      default:
        return Kind::unreadable;
    }
  }

  bool is_directory(const char* path) noexcept override {
    struct statx info {};
    return native(SYS_statx, kCwd, word(path), 0, STATX_TYPE, word(&info)) == 0 &&
           (info.stx_mode & S_IFMT) == S_IFDIR;
  }

  bool is_empty_directory(const char* path) noexcept override {
    const NativeResult fd =
        native(SYS_openat, kCwd, word(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    alignas(8) std::array<char, 512> entries;
    bool empty = true;
    NativeResult size = 0;
    while (empty && (size = native(SYS_getdents64, static_cast<std::uint64_t>(fd), word(entries.data()),
                                   entries.size())) > 0)
      empty = only_dots({entries.data(), static_cast<std::size_t>(size)});
    native(SYS_close, static_cast<std::uint64_t>(fd));
    return empty && size == 0;
  }

 private:
  static bool only_dots(std::span<const char> entries) noexcept {
    constexpr std::size_t kLength = 16, kName = 19;  // struct linux_dirent64
    while (entries.size() > kName) {
      std::uint16_t length = 0;
      std::memcpy(&length, entries.data() + kLength, sizeof length);
      const std::string_view name(entries.data() + kName);
      if (name != "." && name != "..") return false;
      entries = entries.subspan(std::min<std::size_t>(length, entries.size()));
    }
    return true;
  }
};

/// Host path of the directory `dirfd`; empty if it has none.
std::string_view directory_path(int dirfd, std::span<char> text) noexcept {
  NativeResult length = 0;
  if (dirfd == AT_FDCWD) {
    length = native(SYS_getcwd, word(text.data()), text.size()) - 1;  // it counts the NUL
  } else {
    std::array<char, 32> link{"/proc/self/fd/"};
    *std::to_chars(link.data() + std::strlen(link.data()), link.data() + link.size() - 1, dirfd).ptr = '\0';
    length = native(SYS_readlinkat, kCwd, word(link.data()), word(text.data()), text.size());
  }
  if (length <= 0 || static_cast<std::size_t>(length) >= text.size()) return {};
  const std::string_view path(text.data(), static_cast<std::size_t>(length));
  // Not below the process's root, no file at all, or removed since.
  return path.front() == '/' && !path.ends_with(" (deleted)") ? path : std::string_view();
}

}  // namespace

NativeResult Sysroot::resolve(int dirfd, std::string_view path, bool follow, bool prefer_root,
                              abi::ResolvedPath& found) const noexcept {
  found.length = 0;
  found.in_root = false;
  if (path.empty()) return 0;
  std::array<char, abi::kMaxPath> text;
  abi::OverlayRequest request{root_, "/", path, follow, prefer_root};
  if (path.front() != '/') {
    request.base = directory_path(dirfd, text);
    if (request.base.empty()) return 0;
  }
  HostTree tree;
  return abi::resolve_in_overlay(tree, request, found);
}

std::string Sysroot::host_path(const std::string& path) const {
  abi::ResolvedPath found;
  if (resolve(AT_FDCWD, path, true, false, found) != 0 || found.length == 0) return path;
  return {found.text.data(), found.length};
}

}  // namespace sudrun::runtime
