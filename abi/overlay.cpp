#include "abi/overlay.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sudrun::abi {
namespace {

using Kind = OverlayTree::Kind;

constexpr unsigned kMaxLinks = 32;  // FreeBSD's MAXSYMLINKS; Linux allows 40

/// Text that grows and shrinks at its end and always has its NUL.
class PathBuffer {
 public:
  PathBuffer() noexcept { text_[0] = '\0'; }
  bool append(std::string_view text) noexcept {
    if (text.size() >= text_.size() - size_) return false;
    std::memcpy(text_.data() + size_, text.data(), text.size());
    size_ += text.size();
    text_[size_] = '\0';
    return true;
  }
  void truncate(std::size_t size) noexcept {
    size_ = size;
    text_[size_] = '\0';
  }
  const char* c_str() const noexcept { return text_.data(); }
  std::string_view view() const noexcept { return {text_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::array<char, 2 * kMaxPath> text_;  // the sysroot and a path below it
  std::size_t size_ = 0;
};

/// What is left to look up. Links put their text in front of it.
class Remainder {
 public:
  bool prepend(std::string_view text) noexcept {
    if (text.size() > begin_) return false;
    begin_ -= text.size();
    std::memcpy(text_.data() + begin_, text.data(), text.size());
    return true;
  }
  /// The next component, empty at the end. `slashes` tells whether any follow it.
  std::string_view next(bool& slashes) noexcept {
    skip_slashes();
    const std::string_view left = view();
    const std::string_view component = left.substr(0, left.find('/'));
    begin_ += component.size();
    slashes = !view().empty();
    return component;
  }
  /// True if nothing but slashes is left.
  bool at_end() noexcept { return view().find_first_not_of('/') == std::string_view::npos; }
  std::string_view view() const noexcept { return {text_.data() + begin_, text_.size() - begin_}; }

 private:
  void skip_slashes() noexcept {
    while (begin_ < text_.size() && text_[begin_] == '/') ++begin_;
  }
  std::array<char, 2 * kMaxPath> text_;
  std::size_t begin_ = text_.size();
};

/// Devices and processes are the host's.
bool is_host_only(std::string_view guest) noexcept {
  for (const std::string_view tree : {std::string_view("/dev"), std::string_view("/proc")})
    if (guest.starts_with(tree) && (guest.size() == tree.size() || guest[tree.size()] == '/')) return true;
  return false;
}

class Walk {
 public:
  Walk(OverlayTree& tree, const OverlayRequest& request) noexcept : tree_(tree), request_(request) {}

  NativeResult run(ResolvedPath& found) noexcept;

 private:
  enum class Place : std::uint8_t { root, host };

  /// The path so far as the guest sees it; empty at its root.
  std::string_view guest() const noexcept { return path_.view().substr(request_.root.size()); }
  const char* host_path() const noexcept {
    return guest().empty() ? "/" : path_.c_str() + request_.root.size();
  }
  void to_root() noexcept {
    path_.truncate(request_.root.size());
    arrived(Place::root);
  }
  void arrived(Place place) noexcept {
    place_ = place;
    hidden_ = place == Place::host;
    if (place == Place::root) touched_ = true;
  }
  void up() noexcept;
  NativeResult step(std::string_view component, bool last) noexcept;
  NativeResult follow(std::size_t parent, std::size_t length) noexcept;
  NativeResult finish(ResolvedPath& found) noexcept;

  OverlayTree& tree_;
  const OverlayRequest& request_;
  PathBuffer path_;  ///< the sysroot, then the path so far
  Remainder rest_;
  std::array<char, kMaxPath> link_;
  Place place_ = Place::root;  ///< where the path so far is
  bool hidden_ = false;        ///< nothing below the path so far is in the sysroot
  bool touched_ = false;       ///< the host's own lookup would go another way
  bool stopped_ = false;       ///< the rest of the path is the host kernel's business
  unsigned links_ = 0;
};

void Walk::up() noexcept {
  const std::size_t slash = guest().rfind('/');
  path_.truncate(request_.root.size() + (slash == std::string_view::npos ? 0 : slash));
  std::size_t length = 0;
  const bool in_root = !is_host_only(guest()) && tree_.look(path_.c_str(), link_, length) == Kind::present;
  arrived(in_root ? Place::root : Place::host);
}

/// Replaces the link just met by its text.
NativeResult Walk::follow(std::size_t parent, std::size_t length) noexcept {
  if (++links_ > kMaxLinks) return -ELOOP;
  if (length == link_.size()) return -ENAMETOOLONG;
  path_.truncate(parent);
  if (!rest_.prepend({link_.data(), length})) return -ENAMETOOLONG;
  if (length != 0 && link_[0] == '/') {
    const bool touched = touched_;
    to_root();
    touched_ = touched;  // the root itself is in both trees
  }
  return 0;
}

NativeResult Walk::step(std::string_view component, bool last) noexcept {
  const std::size_t parent = path_.size();
  const Place parent_place = place_;
  if (!path_.append("/") || !path_.append(component) || guest().size() >= kMaxPath) return -ENAMETOOLONG;
  const bool follows = !last || request_.follow || !rest_.view().empty();
  std::size_t length = 0;
  if (!hidden_ && !is_host_only(guest())) {
    switch (tree_.look(path_.c_str(), link_, length)) {
      case Kind::link:
        touched_ = true;
        if (follows) return follow(parent, length);
        arrived(Place::root);
        return 0;
      case Kind::present:
        arrived(Place::root);
        return 0;
      case Kind::no_parent:
        if (place_ == Place::host) break;  // the host's directory is where we are
        stopped_ = true;
        return 0;
      case Kind::unreadable:
        arrived(Place::root);
        stopped_ = true;
        return 0;
      case Kind::missing:
        break;
    }
  }
  const bool opaque = guest().starts_with("/proc/");  // links there are more than their text
  switch (opaque ? Kind::present : tree_.look(host_path(), link_, length)) {
    case Kind::link:
      if (follows) return follow(parent, length);
      arrived(Place::host);
      return 0;
    case Kind::present:
      arrived(Place::host);
      return 0;
    case Kind::unreadable:
      arrived(Place::host);
      stopped_ = true;
      return 0;
    case Kind::missing:
    case Kind::no_parent:
      break;
  }
  stopped_ = true;
  if (parent_place == Place::host) return 0;
  // The directory it would be in is in the sysroot; if the host has it too, what is new goes there.
  bool to_root = request_.prefer_root;
  if (!to_root) {
    PathBuffer directory;
    static_cast<void>(directory.append(guest().substr(0, parent - request_.root.size())));
    to_root = directory.size() != 0 && !tree_.is_directory(directory.c_str());
  }
  place_ = to_root ? Place::root : Place::host;
  return 0;
}

NativeResult Walk::finish(ResolvedPath& found) noexcept {
  // An empty directory of the sysroot (/tmp, /mnt, /home) stands aside for the host's, as a mount point
  // would.
  if (place_ == Place::root && !stopped_ && !guest().empty() && tree_.is_directory(host_path()) &&
      tree_.is_empty_directory(path_.c_str()))
    place_ = Place::host;
  if (place_ == Place::host && !touched_) return 0;
  const std::string_view text = place_ == Place::root ? path_.view() : std::string_view(host_path());
  const std::string_view rest = rest_.view();
  if (text.size() + rest.size() >= found.text.size()) return -ENAMETOOLONG;
  std::memcpy(found.text.data(), text.data(), text.size());
  std::memcpy(found.text.data() + text.size(), rest.data(), rest.size());
  found.length = text.size() + rest.size();
  found.text[found.length] = '\0';
  found.in_root = place_ == Place::root;
  return 0;
}

NativeResult Walk::run(ResolvedPath& found) noexcept {
  found.length = 0;
  found.in_root = false;
  if (request_.path.empty()) return 0;
  if (!path_.append(request_.root) || !rest_.prepend(request_.path)) return -ENAMETOOLONG;
  if (request_.path.front() == '/') {
    to_root();
    touched_ = false;
  } else {
    const std::string_view base = path_outside_root(request_.root, request_.base);
    if (base != "/" && !path_.append(base)) return -ENAMETOOLONG;
    touched_ = base.size() != request_.base.size();
    place_ = touched_ ? Place::root : Place::host;
    hidden_ = is_host_only(guest());
  }
  bool slashes = false, directory = false;
  for (;;) {
    const std::string_view component = rest_.next(slashes);
    if (component.empty()) break;
    directory = slashes;
    if (component == ".") {
      directory = true;
    } else if (component == "..") {
      directory = true;
      up();
    } else {
      const NativeResult result = step(component, rest_.at_end());
      if (is_error(result)) return result;
      if (stopped_) break;
    }
  }
  // What a slash at the end demands, the host's kernel shall check.
  if (!stopped_ && directory && !rest_.prepend("/")) return -ENAMETOOLONG;
  return finish(found);
}

}  // namespace

NativeResult resolve_in_overlay(OverlayTree& tree, const OverlayRequest& request,
                                ResolvedPath& found) noexcept {
  return Walk(tree, request).run(found);
}

std::string_view path_outside_root(std::string_view root, std::string_view path) noexcept {
  if (root.empty() || !path.starts_with(root)) return path;
  if (path.size() == root.size()) return "/";
  return path[root.size()] == '/' ? path.substr(root.size()) : path;
}

}  // namespace sudrun::abi
