#include "abi/table_document.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>

#include "abi/role_text.hpp"
#include "abi/table_freeze.hpp"
#include "abi/table_keys.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

using Json = nlohmann::ordered_json;

namespace {

/// The choices of `key` in `map`, by the enumeration's value.
std::string choice_text(const MapSpec& map, std::string_view key, std::size_t index) {
  for (const KeySpec& spec : map.keys)
    if (spec.name == key) return std::string(spec.choices[index]);
  return {};
}

const MapSpec& part(std::string_view key) {
  const auto keys = kTableFile.map->keys;
  return *std::find_if(keys.begin(), keys.end(), [&](const KeySpec& spec) { return spec.name == key; })->map;
}

void add_native(Json& row, const NativeName& native) {
  switch (native.kind) {
    case NativeName::Kind::same:
      return;
    case NativeName::Kind::other:
      row["native"] = native.name;
      return;
    case NativeName::Kind::none:
      row["native"] = "none";
      return;
    case NativeName::Kind::refuse:
      row["native"] = "refuse";
  }
}

/// A row that says nothing but its plain key is that key's value.
Json plain(Json row, std::string_view key) {
  if (row.size() == 1 && row.begin().key() == key) return Json(row.begin().value());
  return row;
}

Json identify(const TableModel& model) {
  Json out = Json::object();
  if (model.osabi) out["osabi"] = *model.osabi;
  for (const NoteModel& note : model.notes)
    out["notes"].push_back({{"name", note.name}, {"type", note.type}});
  if (!model.interpreters.empty()) out["interpreters"] = model.interpreters;
  if (!model.entry_code.empty()) out["entry_code"] = model.entry_code;
  return out;
}

Json convention(const Convention& convention) {
  const MapSpec& keys = part("convention");
  const auto reg = [&](std::uint8_t index) { return choice_text(keys, "number", index); };
  Json out;
  out["number"] = reg(convention.number);
  for (unsigned i = 0; i < convention.argc; ++i) out["args"].push_back(reg(convention.args[i]));
  if (convention.stack_args != 0) out["stack_args"] = convention.stack_args;
  out["result"] = reg(convention.result);
  if (convention.result2 != 0xff) out["result2"] = reg(convention.result2);
  if (convention.clears_result2) out["clears_result2"] = true;
  out["error"] = choice_text(keys, "error", convention.carry_error ? 1 : 0);
  for (const std::int16_t number : convention.indirect)
    if (number >= 0) out["indirect"].push_back(number);
  if (convention.at_fdcwd != kAtFdcwd) out["at_fdcwd"] = convention.at_fdcwd;
  return out;
}

Json signal(const SignalModel& row) {
  Json out{{"value", row.value}};
  add_native(out, row.native);
  if (row.by_default != SignalDefault::as_native)
    out["default"] = choice_text(part("signals"), "default", static_cast<std::size_t>(row.by_default) - 1);
  return plain(std::move(out), "value");
}

/// Numbers of 64 bits, small negative ones as such.
Json word(std::uint64_t value) {
  const auto as_signed = static_cast<std::int64_t>(value);
  return as_signed < 0 && as_signed >= -0x8000'0000LL ? Json(as_signed) : Json(value);
}

Json flag_set(const FlagSetModel& set) {
  Json out{{"kind", set.is_enum ? "enum" : "bits"}};
  if (set.unknown != FlagSet::Unknown::refuse)
    out["unknown"] = choice_text(part("flags"), "unknown", static_cast<std::size_t>(set.unknown));
  if (set.trace_only) out["trace_only"] = true;
  out["values"] = Json::object();
  for (const FlagValueModel& value : set.values) {
    Json row{{"value", word(value.value)}};
    if (value.field) row["field"] = word(*value.field);
    add_native(row, value.native);
    out["values"][value.name] = plain(std::move(row), "value");
  }
  return out;
}

Json structure(const StructModel& model) {
  Json out{{"size", model.size}};
  add_native(out, model.native);
  out["fields"] = Json::object();
  for (const FieldModel& field : model.fields) {
    std::string type = field.struct_type.empty()
                           ? std::string(scalar_type_names()[static_cast<std::size_t>(field.type)])
                           : field.struct_type;
    if (field.type >= ScalarType::chars && field.struct_type.empty())
      type += "[" + std::to_string(field.count) + "]";
    Json row{{"at", type + "@" + std::to_string(field.offset)}};
    if (!field.flags.empty()) row["flags"] = field.flags;
    if (field.role.kind != RoleKind::none) row["role"] = role_text(field.role);
    add_native(row, field.native);
    out["fields"][field.name] = plain(std::move(row), "at");
  }
  return out;
}

Json futex(const FutexModel& model) {
  Json out;
  const auto keys = model.arg_keys();
  for (std::size_t i = 0; i < keys.size(); ++i) out[std::string(keys[i])] = model.args[i];
  if (model.kind == FutexModel::Kind::operations) {
    out["wait"] = model.wait;
    out["wake"] = model.wake;
  }
  if (model.kind == FutexModel::Kind::sleep) out["longest"] = model.longest;
  const auto error = [&](const char* key, const std::string& name) {
    if (!name.empty()) out[key] = name;
  };
  error("differs", model.differs);
  error("late", model.late);
  error("fault", model.fault);
  return out;
}

Json call(const CallModel& call) {
  Json out{{"name", call.name}};
  for (const ArgModel& arg : call.args) out["args"][arg.name] = role_text(arg.role);
  if (call.returns.kind != RoleKind::int_) out["returns"] = role_text(call.returns);
  constexpr const char* kActions[] = {"", "native", "handler", "error"};
  if (call.action != Action::unsupported) out[kActions[static_cast<std::size_t>(call.action)]] = call.target;
  if (call.native_args) {
    out["native_args"] = Json::array();
    for (const NativeArg& arg : *call.native_args) {
      const auto* const name = std::get_if<std::string>(&arg);
      out["native_args"].push_back(name != nullptr ? Json(*name) : word(std::get<std::uint64_t>(arg)));
    }
  }
  if (call.interrupt_fails) out["interrupt"] = "fail";
  if (call.futex) out["futex"] = futex(*call.futex);
  out["support"] = choice_text(part("calls"), "support", static_cast<std::size_t>(call.support));
  if (!call.note.empty()) out["note"] = call.note;
  return out;
}

/// True if YAML reads `text` as the text it is, in any place.
bool is_bare(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./@()[]+-").find(c) != std::string_view::npos;
  };
  // Brackets and the like mean something to YAML at the start, and everywhere in a flow mapping.
  return !text.empty() && text != "null" && text.find_first_of("[]") == std::string::npos &&
         text.front() != '-' && text.front() != '@' && std::all_of(text.begin(), text.end(), plain) &&
         !parse_integer(text);
}

std::string word_text(const std::string& text) { return is_bare(text) ? text : Json(text).dump(); }

std::string key_text(const std::string& key) { return parse_integer(key) ? key : word_text(key); }

}  // namespace

std::string role_text(const RoleModel& role) {
  std::string text;
  const bool is_array = role.kind == RoleKind::in_array || role.kind == RoleKind::out_array;
  if (role.kind == RoleKind::flags) {
    text = role.type;
  } else if (role.no_follow) {
    text = "path_nofollow";
  } else {
    text = role.written ? "inout" : role_name(role.kind);
  }
  if (has_type(role.kind) || role.kind == RoleKind::variant) {
    const bool counted = is_array || has_count(role.kind) || role.kind == RoleKind::variant;
    text += "(" + role.type + (counted ? "," + role.count : "") + ")";
  } else if (has_count(role.kind)) {
    text += "(" + role.count + ")";
  }
  return role.nullable ? text + "?" : text;
}

Json table_document(const TableModel& model) {
  Json out;
  out["abi"] = model.abi;
  out["title"] = model.title;
  out["personality"] = model.personality;
  out["source"] = model.source.empty() ? Json::object() : Json(model.source);
  out["identify"] = identify(model);
  if (!model.sysroot_hint.empty()) out["sysroot"] = model.sysroot_hint;
  for (const ReleaseModel& release : model.releases) out["releases"][release.name] = release.number;
  out["convention"] = convention(model.convention);
  for (const ErrnoModel& row : model.errnos) {
    Json one{{"value", row.value}};
    add_native(one, row.native);
    out["errno"][row.name] = plain(std::move(one), "value");
  }
  for (const AliasModel& alias : model.errno_from_native)
    out["errno_from_native"][alias.native] = alias.guest;
  for (const SignalModel& row : model.signals) out["signals"][row.name] = signal(row);
  for (const FlagSetModel& set : model.flags) out["flags"][set.name] = flag_set(set);
  for (const StructModel& row : model.structs) out["structs"][row.name] = structure(row);
  for (const VariantModel& variant : model.variants) {
    Json& row = out["variants"][variant.name];
    if (!variant.by.empty()) row["by"] = variant.by;
    row["cases"] = Json::object();
    for (const VariantModel::Case& one : variant.cases) row["cases"][one.value] = role_text(one.role);
  }
  for (const CallModel& row : model.calls) out["calls"][std::to_string(row.number)] = call(row);
  for (std::size_t i = 0; i < kCallClassNames.size(); ++i) {
    for (const CallModel& row : model.calls)
      if ((row.classes & class_bit(static_cast<CallClass>(i))) != 0)
        out["classes"][std::string(kCallClassNames[i])].push_back(row.name);
  }
  for (const SysctlModel& row : model.sysctls) {
    const auto number = row.quoted ? std::nullopt : parse_integer(row.value);
    out["sysctl"][row.name] =
        number ? word(number->negative ? 0 - number->magnitude : number->magnitude) : Json(row.value);
  }
  return out;
}

std::string flow_text(const Json& value) {
  std::string text;
  if (value.is_object()) {
    for (const auto& [key, one] : value.items())
      text += (text.empty() ? "" : ", ") + key_text(key) + ": " + flow_text(one);
    return "{" + text + "}";
  }
  if (value.is_array()) {
    for (const Json& one : value) text += (text.empty() ? "" : ", ") + flow_text(one);
    return "[" + text + "]";
  }
  return value.is_string() ? word_text(value.get<std::string>()) : value.dump();
}

std::string table_text(const Json& document) {
  std::string text;
  for (const auto& [key, value] : document.items()) {
    if (!value.is_object() || value.empty()) {
      text += key + ": " + flow_text(value) + "\n";
      continue;
    }
    text += key + ":\n";
    for (const auto& [name, row] : value.items())
      text += "  " + key_text(name) + ": " + flow_text(row) + "\n";
  }
  return text;
}

std::string table_difference(const Json& before, const Json& after) {
  std::string text;
  const auto line = [&](char sign, const std::string& key, const Json& value) {
    text += std::string(1, sign) + " " + key + ": " + flow_text(value) + "\n";
  };
  const std::function<void(const std::string&, const Json&, const Json&, int)> compare =
      [&](const std::string& path, const Json& a, const Json& b, int depth) {
        if (a == b) return;
        // Sections and rows are taken apart; of flag sets and structures their values.
        if (a.is_object() && b.is_object() && depth != 0) {
          const auto name = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
          for (const auto& [key, one] : a.items()) {
            if (!b.contains(key)) {
              line('-', name(key), one);
              continue;
            }
            const bool deep = path == "flags" || path == "structs" || key == "values" || key == "fields";
            compare(name(key), one, b[key], path.empty() || deep ? depth : depth - 1);
          }
          for (const auto& [key, one] : b.items())
            if (!a.contains(key)) line('+', name(key), one);
          return;
        }
        line('-', path, a);
        line('+', path, b);
      };
  compare("", before, after, 1);
  return text;
}

std::string table_markdown(const TableModel& model) {
  std::string page = support_page(model);
  const Json document = table_document(model);
  constexpr std::pair<const char*, const char*> kSections[] = {
      {"calls", "The calls' rows"}, {"errno", "Errors"}, {"errno_from_native", "Native errors"},
      {"signals", "Signals"},       {"flags", "Flags"},  {"structs", "Structures"},
      {"sysctl", "sysctl"}};
  for (const auto& [key, title] : kSections) {
    if (!document.contains(key)) continue;
    page += "\n## " + std::string(title) + "\n\n";
    for (const auto& [name, row] : document[key].items())
      page += "- `" + name + "`: `" + flow_text(row) + "`\n";
  }
  return page;
}

}  // namespace sudrun::abi
