#include "abi/path_arguments.hpp"

#include <string_view>

namespace sudrun::abi {

PathRules::PathRules(const Table& table) noexcept {
  for (unsigned i = 0; i < table.flag_set_count(); ++i) {
    const FlagSet set = table.flag_set(i);
    const auto value = [&set](std::string_view name) { return set.guest_value(name).value_or(0); };
    if (set.name() == "open_flags") {
      open_flags_ = i;
      open_no_follow_ = value("O_NOFOLLOW");
      open_new_ = value("O_CREAT") | value("O_EXCL");
      open_beneath_ = value("O_RESOLVE_BENEATH");
    } else if (set.name() == "at_flags") {
      at_flags_ = i;
      at_no_follow_ = value("AT_SYMLINK_NOFOLLOW");
      at_follow_ = value("AT_SYMLINK_FOLLOW");
      at_beneath_ = value("AT_RESOLVE_BENEATH");
    }
  }
}

unsigned PathRules::paths_of(const Entry& entry, const Frame& frame,
                             std::array<PathArgument, kMaxPathArguments>& paths) const noexcept {
  unsigned count = 0;
  bool never = false, first_too = false;
  for (unsigned i = 0; i < entry.argc; ++i) {
    const Role& role = entry.args[i];
    const Word word = frame.args[i];
    if (role.kind == RoleKind::flags && role.param == open_flags_) {
      if ((word & open_beneath_) != 0) return 0;
      never = never || (word & open_no_follow_) != 0 || (open_new_ != 0 && (word & open_new_) == open_new_);
    } else if (role.kind == RoleKind::flags && role.param == at_flags_) {
      if ((word & at_beneath_) != 0) return 0;
      never = never || (word & at_no_follow_) != 0;
      first_too = (word & at_follow_) != 0;
    } else if (role.kind == RoleKind::path && count < paths.size()) {
      const bool has_directory = i > 0 && entry.args[i - 1].kind == RoleKind::dirfd;
      paths[count++] = {i, has_directory ? static_cast<int>(frame.args[i - 1]) : kAtFdcwd,
                        role.param != kNoFollow};
    }
  }
  for (unsigned i = 0; i < count; ++i) {
    if (never) paths[i].follow = false;
    if (i == 0 && first_too) paths[i].follow = true;  // linkat
  }
  return count;
}

}  // namespace sudrun::abi
