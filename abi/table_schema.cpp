#include "abi/table_schema.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <vector>

#include "abi/table_keys.hpp"

namespace sudrun::abi {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kName = "^[A-Za-z_][A-Za-z0-9_]*$";
constexpr const char* kNumber = "^(0x[0-9A-Fa-f]+|0o[0-7]+|0|[1-9][0-9]*)$";
constexpr const char* kSignal = "^[A-Za-z_][A-Za-z0-9_]*(\\+[0-9]+)?$";
constexpr const char* kField = "^[^@]+@(0x[0-9A-Fa-f]+|0o[0-7]+|0|[1-9][0-9]*)$";

/// `path_of` a map among the schema's definitions.
std::string definition(const MapSpec& map) {
  std::string name;
  for (const char c : map.title) name += c == ' ' || c == ':' ? '_' : c;
  return name;
}

/// Every map that `map` leads to, itself first, each once.
void collect(const MapSpec& map, std::vector<const MapSpec*>& all) {
  if (std::find(all.begin(), all.end(), &map) != all.end()) return;
  all.push_back(&map);
  for (const KeySpec& key : map.keys)
    if (key.map != nullptr) collect(*key.map, all);
  for (const MapKind& kind : map.kinds) collect(*kind.map, all);
}

std::vector<const MapSpec*> all_maps() {
  std::vector<const MapSpec*> all;
  collect(*kTableFile.map, all);
  return all;
}

Json reference(const MapSpec& map) { return {{"$ref", "#/definitions/" + definition(map)}}; }

Json scalar_schema(const KeySpec& key) {
  switch (key.form) {
    case Form::name:
    case Form::role:
      return key.form == Form::name ? Json{{"type", "string"}, {"pattern", kName}} : Json{{"type", "string"}};
    case Form::field:
      return {{"type", "string"}, {"pattern", kField}};
    case Form::integer:
      return {{"type", "integer"}, {"minimum", key.min}, {"maximum", key.max}};
    case Form::word:
      return {{"type", "integer"}};
    case Form::boolean:
      return {{"type", "boolean"}};
    case Form::choice: {
      Json words = Json::array();
      for (const std::string_view word : key.choices) words.push_back(word);
      return {{"enum", words}};
    }
    case Form::constant:
      return {{"type", {"string", "integer"}}};
    case Form::source:
      return {{"type", {"string", "number", "array"}}, {"items", {{"type", {"string", "number"}}}}};
    case Form::map:
      return reference(*key.map);
    case Form::any:
    case Form::text:
      break;
  }
  // What looks like a number is a text as well.
  return {{"type", {"string", "number", "boolean"}}};
}

Json key_schema(const KeySpec& key) {
  Json one = scalar_schema(key);
  Json out;
  if (key.shape == Shape::list) {
    out = {{"type", "array"}, {"items", std::move(one)}};
  } else if (key.shape == Shape::rows) {
    out = {{"type", "object"}, {"additionalProperties", std::move(one)}};
    if (key.row_key != RowKey::text)
      out["propertyNames"]["pattern"] = key.row_key == RowKey::name     ? kName
                                        : key.row_key == RowKey::number ? kNumber
                                                                        : kSignal;
  } else if (one.contains("$ref")) {
    out = {{"allOf", {std::move(one)}}};  // what stands beside a $ref is ignored
  } else {
    out = std::move(one);
  }
  out["description"] = key.about;
  return out;
}

Json required(const MapSpec& map) {
  Json names = Json::array();
  for (const KeySpec& key : map.keys)
    if (key.required) names.push_back(key.name);
  return names;
}

/// `whole`: all required keys must be there; else a file that extends another is about.
Json map_schema(const MapSpec& map, bool with_required) {
  if (!map.kinds.empty()) {
    Json kinds = Json::array();
    for (const MapKind& kind : map.kinds) kinds.push_back(reference(*kind.map));
    return {{"anyOf", std::move(kinds)}};
  }
  Json properties = Json::object();
  const KeySpec* plain = nullptr;
  for (const KeySpec& key : map.keys) {
    properties[std::string(key.name)] = key_schema(key);
    if (key.name == map.plain) plain = &key;
  }
  Json object{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (with_required) object["required"] = required(map);
  if (plain == nullptr) return object;
  return {{"anyOf", {scalar_schema(*plain), std::move(object)}}};
}

/// What is required of a table that extends no other, where one that does may be brief.
Json whole_table() {
  Json out{{"required", required(*kTableFile.map)}, {"properties", Json::object()}};
  for (const KeySpec& key : kTableFile.map->keys) {
    if (!key.partial) continue;
    Json inner{{"required", required(*key.map)}};
    out["properties"][std::string(key.name)] =
        key.shape == Shape::rows ? Json{{"additionalProperties", std::move(inner)}} : std::move(inner);
  }
  return out;
}

bool is_partial(const MapSpec& map) {
  if (&map == kTableFile.map) return true;
  const auto keys = kTableFile.map->keys;
  return std::any_of(keys.begin(), keys.end(),
                     [&](const KeySpec& key) { return key.map == &map && key.partial; });
}

std::string words(std::span<const std::string_view> choices) {
  std::string text;
  for (const std::string_view word : choices) text += (text.empty() ? "`" : ", `") + std::string(word) + "`";
  return text;
}

/// What stands behind a key, in words.
std::string value_words(const KeySpec& key) {
  std::string one;
  switch (key.form) {
    case Form::text:
      one = "text";
      break;
    case Form::any:
      one = "number or text";
      break;
    case Form::name:
      one = "name";
      break;
    case Form::integer:
      one = "number from " + std::to_string(key.min) + " to " + std::to_string(key.max);
      break;
    case Form::word:
      one = "number of 64 bits";
      break;
    case Form::boolean:
      one = "`true` or `false`";
      break;
    case Form::choice:
      one = key.choices.size() > 6 ? "register" : "one of " + words(key.choices);
      break;
    case Form::role:
      one = "[role](#roles)";
      break;
    case Form::field:
      one = "`TYPE@OFFSET`";
      break;
    case Form::source:
      one = "text, or a list of them";
      break;
    case Form::constant:
      one = "name or number";
      break;
    case Form::map:
      one = "`" + std::string(key.map->title) + "` (below)";
  }
  if (key.shape == Shape::list) return "list: " + one;
  if (key.shape == Shape::rows) return (key.row_key == RowKey::number ? "by number: " : "by name: ") + one;
  return one;
}

}  // namespace

std::string table_schema() {
  Json schema;
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "sudrun table";
  const auto maps = all_maps();
  schema.update(map_schema(*maps.front(), false));
  schema["if"] = {{"required", {"extends"}}};
  schema["then"] = Json::object();
  schema["else"] = whole_table();
  for (const MapSpec* const map : maps)
    if (map != maps.front()) schema["definitions"][definition(*map)] = map_schema(*map, !is_partial(*map));
  return schema.dump(2) + "\n";
}

std::string table_reference() {
  std::string page =
      "# The format of tables\n\n"
      "Generated from the description that the reader checks by (`abi/table_keys.cpp`, `abi/call_keys.cpp`); "
      "do not edit, but "
      "run\n"
      "`ninja -C build table-reference`. [tables.md](tables.md) is about working with tables.\n\n"
      "One YAML file describes one system-call ABI: how a call is made, what its numbers, errors, flags, "
      "signals and\n"
      "structures are, and, for every call, what carries it out on Linux. The files are data only: there are "
      "no\n"
      "expressions and no conditionals, and once a row needs logic it names a handler in `abi/`.\n\n"
      "A file is one YAML document in UTF-8 of at most 4 MiB. Numbers are decimal, `0x…` or `0o…`; a quoted "
      "number is a "
      "text. Keys that\na mapping does not know are refused.\n";
  for (const MapSpec* const map : all_maps()) {
    page += "\n## " + std::string(map->title) + "\n\n" + std::string(map->about) + "\n";
    if (!map->kinds.empty()) continue;
    page += "\n";
    if (!map->plain.empty()) page += "A plain value stands for `" + std::string(map->plain) + "` alone.\n\n";
    page += "| key | required | value | meaning |\n|---|---|---|---|\n";
    for (const KeySpec& key : map->keys) {
      page += "| `" + std::string(key.name) + "` | " + (key.required ? "yes" : "no") + " | " +
              value_words(key) + " | " + std::string(key.about) + " |\n";
    }
  }
  page +=
      "\n## Roles\n\n"
      "What an argument is, for translation and for traces. A trailing `?` on a pointer says that NULL is "
      "allowed\n"
      "(`out(rusage)?`). `N` is the name of an argument (a number, or a pointer to one) or a literal from 0 "
      "to 127\n"
      "(`\"out(i32,2)\"`).\n\n"
      "| role | meaning |\n|---|---|\n";
  for (const RoleSpec& role : role_specs()) {
    const bool is_word = role.text.find('\'') == std::string_view::npos;
    const std::string text(role.text);
    page += (is_word ? "| `" + text + "` | " : "| " + text + " | ") + std::string(role.about) + " |\n";
  }
  return page;
}

}  // namespace sudrun::abi
