// Extended attributes. The user namespace is Linux's `user.`; the system namespace is refused, as in a jail.
//
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_extattr.c, sys/kern/vfs_subr.c (extattr_check_cred),
// sys/ufs/ffs/ffs_vnops.c, sys/sys/extattr.h; Linux xattr(7).
#include <linux/limits.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>

#include "abi/bsd/place.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {
namespace {

inline constexpr int kNamespaceUser = 1;
inline constexpr std::size_t kMaxName = 255;  // EXTATTR_MAXNAMELEN, with the NUL
constexpr std::string_view kUserPrefix = "user.";

/// A guest attribute name with the native prefix.
class AttributeName {
 public:
  /// 0, or a negative errno.
  NativeResult read(Host& host, GuestAddr from) noexcept {
    kUserPrefix.copy(text_, kUserPrefix.size());
    const NativeResult length = host.read_string(from, {text_ + kUserPrefix.size(), kMaxName});
    if (is_error(length)) return length;
    empty_ = length == 0;
    return 0;
  }
  bool empty() const noexcept { return empty_; }
  Word word() const noexcept { return fs::word(text_); }

 private:
  char text_[kMaxName + kUserPrefix.size()];
  bool empty_ = false;
};

/// Host memory for the largest value or list there can be; attribute calls that need it are rare.
struct Scratch {
  std::unique_ptr<std::byte[]> bytes{new (std::nothrow) std::byte[XATTR_SIZE_MAX]};
  static constexpr std::size_t size = XATTR_SIZE_MAX;
};
static_assert(XATTR_LIST_MAX <= XATTR_SIZE_MAX);

/// The file a call is about, and its namespace's checks, which come after the file's.
struct Subject {
  Host& host;
  Word path;  ///< native name, which does not follow a link it may stand for
  int space;

  NativeResult check() const noexcept {
    struct statx info {};
    const NativeResult found = stat_native(host, kCwd, path, 0, info, STATX_TYPE);
    if (is_error(found)) return found;
    if (S_ISCHR(info.stx_mode) || S_ISBLK(info.stx_mode)) return -EOPNOTSUPP;
    return space == kNamespaceUser ? 0 : -EPERM;
  }
};

NativeResult attribute_error(NativeResult native) noexcept {
  switch (-native) {
    case E2BIG:
      return -EINVAL;
    case ERANGE:  // Linux counts the prefix
      return -ENAMETOOLONG;
    default:
      return native;
  }
}

constexpr bool is_io_size(Word size) noexcept { return static_cast<std::int64_t>(size) >= 0; }

Result get_attribute(const Subject& file, const AttributeName& name, GuestAddr to, Word size) noexcept {
  Host& host = file.host;
  if (!is_null(to) && !is_io_size(size)) return Result::fail(EINVAL);
  if (const NativeResult error = file.check(); is_error(error)) return Result::of(error);
  // The native call refuses an empty name; here it is one that no attribute has.
  if (name.empty()) return Result::fail(ENODATA);
  const auto get = [&](Word at, Word room) {
    return host.call(SYS_getxattr, file.path, name.word(), at, room);
  };
  if (is_null(to)) return Result::of(attribute_error(get(0, 0)));

  const Word room = std::min<Word>(size, XATTR_SIZE_MAX);
  if (room != 0) {
    if (!Host::in_guest(to, room)) return Result::fail(EFAULT);
    const NativeResult got = get(word(to), room);
    if (got != -ERANGE) return Result::of(attribute_error(got));
  }
  // FreeBSD hands out the part that fits. ERANGE may also be about the name.
  const Scratch scratch;
  if (!scratch.bytes) return Result::fail(ENOMEM);
  const NativeResult got = get(word(scratch.bytes.get()), Scratch::size);
  if (is_error(got)) return Result::of(attribute_error(got));
  const Word part = std::min<Word>(static_cast<Word>(got), room);
  if (part != 0 && !host.write(to, scratch.bytes.get(), part)) return Result::fail(EFAULT);
  return Result::ok(part);
}

Result set_attribute(const Subject& file, const AttributeName& name, GuestAddr from, Word size) noexcept {
  if (!is_io_size(size)) return Result::fail(EINVAL);
  struct statx info {};
  stat_native(file.host, kCwd, file.path, 0, info, STATX_TYPE);
  const bool device = S_ISCHR(info.stx_mode) || S_ISBLK(info.stx_mode);
  if (!device && name.empty()) return Result::fail(EINVAL);
  if (!device && size > XATTR_SIZE_MAX) return Result::fail(EINVAL);
  if (const NativeResult error = file.check(); is_error(error)) return Result::of(error);
  // Linux keeps attributes of the user on nothing else, and would say EPERM.
  if (!S_ISREG(info.stx_mode) && !S_ISDIR(info.stx_mode)) return Result::fail(EOPNOTSUPP);
  if (size != 0 && (is_null(from) || !Host::in_guest(from, size))) return Result::fail(EFAULT);
  const NativeResult set =
      file.host.call(SYS_setxattr, file.path, name.word(), size != 0 ? word(from) : word(""), size, 0);
  return is_error(set) ? Result::of(attribute_error(set)) : Result::ok(size);
}

Result delete_attribute(const Subject& file, const AttributeName& name) noexcept {
  struct statx info {};
  stat_native(file.host, kCwd, file.path, 0, info, STATX_TYPE);
  if (name.empty() && !S_ISCHR(info.stx_mode) && !S_ISBLK(info.stx_mode)) return Result::fail(EINVAL);
  if (const NativeResult error = file.check(); is_error(error)) return Result::of(error);
  const NativeResult removed = file.host.call(SYS_removexattr, file.path, name.word());
  // What can have no attributes has not this one.
  if (removed == -EPERM && !S_ISREG(info.stx_mode) && !S_ISDIR(info.stx_mode)) return Result::fail(ENODATA);
  return Result::of(attribute_error(removed));
}

/// Turns the native list, NUL-terminated names, into FreeBSD's, each name after a byte with its length, in
/// place. The result is never longer than what it was made from.
std::size_t convert_list(std::span<std::byte> list) noexcept {
  const char* text = reinterpret_cast<const char*>(list.data());
  std::size_t made = 0;
  for (std::size_t at = 0; at < list.size();) {
    std::string_view name(text + at, strnlen(text + at, list.size() - at));
    at += name.size() + 1;
    if (!name.starts_with(kUserPrefix)) continue;
    name.remove_prefix(kUserPrefix.size());
    list[made++] = static_cast<std::byte>(name.size());
    std::memmove(list.data() + made, name.data(), name.size());
    made += name.size();
  }
  return made;
}

Result list_attributes(const Subject& file, GuestAddr to, Word size) noexcept {
  Host& host = file.host;
  if (!is_null(to) && !is_io_size(size)) return Result::fail(EINVAL);
  if (const NativeResult error = file.check(); is_error(error)) return Result::of(error);
  const NativeResult access = host.call(SYS_faccessat2, word(kCwd), file.path, R_OK, word(AT_EACCESS));
  if (access == -EACCES) return Result::of(access);
  const Scratch scratch;
  if (!scratch.bytes) return Result::fail(ENOMEM);
  const NativeResult got = host.call(SYS_listxattr, file.path, word(scratch.bytes.get()), Scratch::size);
  if (is_error(got)) return Result::of(got);
  const std::size_t length = convert_list({scratch.bytes.get(), static_cast<std::size_t>(got)});
  if (is_null(to)) return Result::ok(length);
  const std::size_t part = std::min<Word>(length, size);
  return part == 0 || host.write(to, scratch.bytes.get(), part) ? Result::ok(part) : Result::fail(EFAULT);
}

// --- by descriptor, by path, by path without following a last link -----------------------------------------

template <typename Action>
Result on_descriptor(Call& call, const Action& action) noexcept {
  const int fd = call.i32(0);
  const NativeResult error = check_vnode(call.host, fd);
  if (is_error(error)) return Result::of(error);
  return action(Subject{call.host, DescriptorPath(fd).word(), call.i32(1)});
}

template <unsigned at_flags, typename Action>
Result on_path(Call& call, const Action& action) noexcept {
  const Place place(call.host, kCwd, call.addr(0), at_flags);
  if (!place.valid()) return place.error();
  return action(Subject{call.host, place.path().word(), call.i32(1)});
}

/// The name is read before the file is looked for.
template <typename Action>
Result named(Call& call, const Action& action) noexcept {
  AttributeName name;
  const NativeResult error = name.read(call.host, call.addr(2));
  return is_error(error) ? Result::of(error) : action(name);
}

enum class By { descriptor, path, link };

template <By by, typename Action>
Result on(Call& call, const Action& action) noexcept {
  if constexpr (by == By::descriptor) return on_descriptor(call, action);
  if constexpr (by == By::path) return on_path<0>(call, action);
  if constexpr (by == By::link) return on_path<kAtSymlinkNofollow>(call, action);
}

template <By by>
Result do_get(Call& call) noexcept {
  return named(call, [&](const AttributeName& name) {
    return on<by>(call,
                  [&](const Subject& file) { return get_attribute(file, name, call.addr(3), call.word(4)); });
  });
}

template <By by>
Result do_set(Call& call) noexcept {
  return named(call, [&](const AttributeName& name) {
    return on<by>(call,
                  [&](const Subject& file) { return set_attribute(file, name, call.addr(3), call.word(4)); });
  });
}

template <By by>
Result do_delete(Call& call) noexcept {
  return named(call, [&](const AttributeName& name) {
    return on<by>(call, [&](const Subject& file) { return delete_attribute(file, name); });
  });
}

template <By by>
Result do_list(Call& call) noexcept {
  return on<by>(call, [&](const Subject& file) { return list_attributes(file, call.addr(2), call.word(3)); });
}

/// Only UFS1 is set up this way; every other file system does not know the call.
Result do_extattrctl(Call& call) noexcept {
  if (!is_null(call.addr(4))) {
    char name[kMaxName];
    const NativeResult length = call.host.read_string(call.addr(4), name);
    if (is_error(length)) return Result::of(length);
  }
  if (!is_null(call.addr(2))) {
    const Place file(call.host, kCwd, call.addr(2), 0);
    if (!file.valid()) return file.error();
  }
  const Place place(call.host, kCwd, call.addr(0), 0);
  return place.valid() ? Result::fail(EOPNOTSUPP) : place.error();
}

constexpr HandlerEntry kHandlers[] = {
    {"extattrctl", do_extattrctl},
    {"extattr_get_fd", do_get<By::descriptor>},
    {"extattr_get_file", do_get<By::path>},
    {"extattr_get_link", do_get<By::link>},
    {"extattr_set_fd", do_set<By::descriptor>},
    {"extattr_set_file", do_set<By::path>},
    {"extattr_set_link", do_set<By::link>},
    {"extattr_delete_fd", do_delete<By::descriptor>},
    {"extattr_delete_file", do_delete<By::path>},
    {"extattr_delete_link", do_delete<By::link>},
    {"extattr_list_fd", do_list<By::descriptor>},
    {"extattr_list_file", do_list<By::path>},
    {"extattr_list_link", do_list<By::link>},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> extattr_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd
