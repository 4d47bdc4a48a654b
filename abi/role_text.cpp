#include "abi/role_text.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "abi/spelling.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

namespace {

constexpr std::array<std::pair<std::string_view, RoleKind>, 24> kPlain{{
    {"int", RoleKind::int_},     {"uint", RoleKind::uint_},    {"long", RoleKind::long_},
    {"ulong", RoleKind::ulong_}, {"size", RoleKind::size},     {"ssize", RoleKind::ssize},
    {"off", RoleKind::off},      {"hex", RoleKind::hex},       {"pid", RoleKind::pid},
    {"tid", RoleKind::tid},      {"uid", RoleKind::uid},       {"gid", RoleKind::gid},
    {"dev", RoleKind::dev},      {"mode", RoleKind::mode},     {"fd", RoleKind::fd},
    {"dirfd", RoleKind::dirfd},  {"signal", RoleKind::signal}, {"path", RoleKind::path},
    {"cstr", RoleKind::cstr},    {"strv", RoleKind::strv},     {"ptr", RoleKind::ptr},
    {"none", RoleKind::none},    {"length", RoleKind::length}, {"signal_set", RoleKind::signal_set},
}};

struct Parameterised {
  std::string_view name;
  RoleKind kind;
  RoleKind array;  ///< with two parameters; none: takes one; the same as `kind`: takes two
};
// An array that is read and written is `in_array`: it is passed on as it is, and shown before and after.
constexpr std::array<Parameterised, 13> kParameterised{{
    {"in", RoleKind::in_struct, RoleKind::in_array},
    {"out", RoleKind::out_struct, RoleKind::out_array},
    {"inout", RoleKind::inout_struct, RoleKind::in_array},
    {"in_buf", RoleKind::in_buf, RoleKind::none},
    {"out_buf", RoleKind::out_buf, RoleKind::none},
    {"inout_buf", RoleKind::inout_buf, RoleKind::none},
    {"in_records", RoleKind::in_records, RoleKind::in_records},
    {"out_records", RoleKind::out_records, RoleKind::out_records},
    {"mib", RoleKind::mib, RoleKind::none},
    {"bits", RoleKind::bits, RoleKind::none},
    {"in_sockaddr", RoleKind::in_sockaddr, RoleKind::none},
    {"out_sockaddr", RoleKind::out_sockaddr, RoleKind::none},
    {"variant", RoleKind::variant, RoleKind::variant},
}};

// In the order of ScalarType.
constexpr std::array<std::string_view, 10> kScalars{"i8",  "i16", "i32", "i64",  "u8",
                                                    "u16", "u32", "u64", "char", "pad"};

std::string_view trimmed(std::string_view text) noexcept {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

bool is_pointer_role(RoleKind kind) noexcept {
  return kind >= RoleKind::path && kind <= RoleKind::out_sockaddr;
}
bool has_type(RoleKind kind) noexcept { return kind >= RoleKind::in_struct && kind <= RoleKind::out_records; }
bool has_count(RoleKind kind) noexcept {
  return (kind >= RoleKind::in_buf && kind <= RoleKind::inout_buf) ||
         (kind >= RoleKind::in_array && kind <= RoleKind::out_sockaddr);
}

std::optional<ScalarType> scalar_type_of(std::string_view name) noexcept {
  const auto found = std::find(kScalars.begin(), kScalars.end(), name);
  if (found == kScalars.end()) return std::nullopt;
  return static_cast<ScalarType>(found - kScalars.begin());
}
std::span<const std::string_view> scalar_type_names() noexcept { return kScalars; }

std::string role_name(RoleKind kind) {
  for (const auto& [name, plain] : kPlain)
    if (plain == kind) return std::string(name);
  for (const Parameterised& one : kParameterised)
    if (one.kind == kind || one.array == kind) return std::string(one.name);
  return {};
}

std::vector<std::string_view> role_names(bool parameters) {
  if (parameters) return names_of(kParameterised);
  std::vector<std::string_view> names;
  names.reserve(kPlain.size() + 1);
  for (const auto& plain : kPlain) names.push_back(plain.first);
  names.emplace_back("path_nofollow");
  return names;
}

RoleText parse_role(std::string_view text) {
  RoleText result;
  RoleModel& role = result.role;
  const std::string whole(text);
  const auto error = [&](const std::string& message) {
    result.error = message;
    return result;
  };

  text = trimmed(text);
  if (text.ends_with('?')) {
    role.nullable = true;
    text = trimmed(text.substr(0, text.size() - 1));
  }
  const std::size_t open = text.find('(');
  const std::string_view name = trimmed(text.substr(0, open));
  if (open == std::string_view::npos) {
    const auto plain =
        std::find_if(kPlain.begin(), kPlain.end(), [&](const auto& p) { return p.first == name; });
    if (name == "path_nofollow") {
      role.kind = RoleKind::path;
      role.no_follow = true;
    } else if (plain != kPlain.end()) {
      role.kind = plain->second;
    } else if (is_identifier(name)) {
      role.kind = RoleKind::flags;
      role.type = name;
    } else {
      return error("`" + whole + "` is not a role; see the list of roles in docs/table-format.md");
    }
    if (role.nullable && !is_pointer_role(role.kind))
      return error("`" + whole + "` is not a pointer; expected `?` after pointer roles only");
    return result;
  }

  if (!text.ends_with(')')) {
    return error("`" + whole +
                 "` lacks its `)`; expected ROLE(…), in quotes inside `{…}` if it has a `,` or a `?`");
  }
  const auto known = std::find_if(kParameterised.begin(), kParameterised.end(),
                                  [&](const Parameterised& p) { return p.name == name; });
  if (known == kParameterised.end()) {
    std::string all;
    for (const Parameterised& one : kParameterised) all += (all.empty() ? "" : ", ") + std::string(one.name);
    return error("`" + std::string(name) + "(…)` is not a role" +
                 did_you_mean(name, role_names(true), "one of " + all));
  }
  const std::vector<std::string> parts = split(text.substr(open + 1, text.size() - open - 2));
  const bool is_array = parts.size() == 2 && known->array != RoleKind::none;
  if (parts.size() != 1 && !is_array) {
    return error("`" + whole + "` has " + std::to_string(parts.size()) + " parameters; expected " +
                 (known->array == RoleKind::none ? "the counting argument" : "a structure and a count"));
  }
  if (known->kind == known->array && !is_array)
    return error("`" + whole + "` has 1 parameter; expected two, " +
                 (known->kind == RoleKind::variant ? "a variant and the argument that decides"
                                                   : "a structure and the number of bytes"));
  for (const std::string& part : parts) {
    if (!is_path_of_identifiers(part) && !parse_integer(part))
      return error("`" + part + "` in `" + whole +
                   "` is not a name; expected letters, digits and underscores");
  }
  role.kind = is_array ? known->array : known->kind;
  role.written = is_array && name == "inout";
  if (has_type(role.kind) || role.kind == RoleKind::variant) role.type = parts[0];
  if (has_count(role.kind) || role.kind == RoleKind::variant) role.count = parts.back();
  return result;
}

}  // namespace sudrun::abi
