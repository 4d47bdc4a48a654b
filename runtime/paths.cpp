// Paths of a guest that has a file tree of its own.
#include <array>
#include <cerrno>
#include <cstdio>

#include "abi/path_arguments.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

using abi::NativeResult;

NativeResult GuestThread::resolve_path(int dirfd, std::string_view path, bool follow,
                                       abi::ResolvedPath& found) noexcept {
  return look_up(dirfd, path, follow, false, found);
}

NativeResult GuestThread::look_up(int dirfd, std::string_view path, bool follow, bool prefer_root,
                                  abi::ResolvedPath& found) noexcept {
  found.length = 0;
  found.in_root = false;
  const auto& own = process_.own_files();
  if (const auto file = own.find(path); file != own.end()) {
    const int length = std::snprintf(found.text.data(), found.text.size(), "/proc/self/fd/%d", file->second);
    found.length = static_cast<std::size_t>(length);
    return 0;
  }
  if (process_.sysroot() == nullptr || is_hidden(dirfd)) return 0;
  return process_.sysroot()->resolve(dirfd, path, follow, prefer_root, found);
}

NativeResult GuestThread::resolve_arguments(const abi::Entry& entry, abi::Frame& frame) noexcept {
  if (entry.action != abi::Action::native && entry.action != abi::Action::handler) return 0;
  std::array<abi::PathArgument, abi::kMaxPathArguments> paths;
  const unsigned count = process_.path_rules().paths_of(entry, frame, paths);
  bool beside = false;  // what is renamed or linked inside the sysroot stays in it
  for (unsigned i = 0; i < count; ++i) {
    const abi::PathArgument& argument = paths[i];
    std::array<char, abi::kMaxPath> text;
    const NativeResult length = read_string(abi::guest_addr(frame.args[argument.index]), text);
    // A path that cannot be read, or is too long, is for the call itself to refuse.
    if (abi::is_error(length)) continue;
    abi::ResolvedPath found;
    const NativeResult error = look_up(argument.dirfd, {text.data(), static_cast<std::size_t>(length)},
                                       argument.follow, beside, found);
    if (abi::is_error(error)) return error;
    if (found.length == 0) continue;
    const abi::GuestAddr room = path_room(i);
    if (abi::is_null(room)) return -ENOMEM;
    if (!write(room, found.text.data(), found.length + 1)) return -EFAULT;
    frame.args[argument.index] = abi::word_of(room);
    beside = found.in_root;
  }
  return 0;
}

}  // namespace sudrun::runtime
