#include "abi/call_class.hpp"

#include <algorithm>
#include <utility>

#include "abi/table.hpp"

namespace sudrun::abi {

std::optional<CallClass> call_class(std::string_view name) noexcept {
  constexpr std::array<std::pair<std::string_view, CallClass>, 4> kShort{{{"desc", CallClass::descriptor},
                                                                          {"net", CallClass::network},
                                                                          {"creds", CallClass::credentials},
                                                                          {"clock", CallClass::time}}};
  const auto at = std::find(kCallClassNames.begin(), kCallClassNames.end(), name);
  if (at != kCallClassNames.end()) return static_cast<CallClass>(at - kCallClassNames.begin());
  for (const auto& [text, one] : kShort)
    if (text == name) return one;
  return std::nullopt;
}

CallClasses classes_by_roles(const Entry& entry) noexcept {
  CallClasses classes = 0;
  const auto look_at = [&](const Role& role) {
    if (role.kind == RoleKind::path) classes |= class_bit(CallClass::file);
    if (role.kind == RoleKind::fd || role.kind == RoleKind::dirfd)
      classes |= class_bit(CallClass::descriptor);
  };
  look_at(entry.returns);
  std::for_each(entry.args.begin(), entry.args.begin() + entry.argc, look_at);
  return classes;
}

}  // namespace sudrun::abi
